//! How comparisons of outcomes are laid out: a chart per metric and attribute, in it the strategies one below the other
//! on one axis, worst first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::tiers::{Tiers, bounds, own_bounds, said, severity, summarise, worst};
use super::view::States;
use crate::facts::outcome_parity::{Comparison, OutcomeParity};
use crate::facts::{Fact, FactKind, attributes};
use crate::metrics;
use crate::outputs::charts::{Scale, Whisker, axis, grid, whisker, words};
use crate::outputs::text;
use crate::playbook::Verdict;
use crate::record::{Record, RuleResult};

/// From how many comparisons on only the charts with a failure are open.
const MANY: usize = 40;

/// All comparisons: those over everything, and those within one value of a condition.
#[derive(Debug, Serialize)]
pub struct Parity<'a> {
    pub bounds: Vec<Bound<'a>>,
    pub overall: Tiers<Group<'a>>,
    pub within: Tiers<Group<'a>>,
    pub comparisons: usize,
}

/// A rule on comparisons, with what the legend says of it.
#[derive(Debug, Serialize)]
pub struct Bound<'a> {
    pub rule: &'a str,
    /// Its one bound, e.g. `0.8`; empty when it has none or several.
    pub bound: String,
    /// The largest q at which it calls a failure, e.g. `0.05`.
    pub q: Option<String>,
}

/// One chart.
#[derive(Debug, Serialize)]
pub struct Group<'a> {
    /// In words, e.g. `clicks per impression`.
    pub metric: String,
    /// Which direction harms: `low`, `high` or `either`.
    pub harm: &'a str,
    /// The attributes that make the segments, e.g. `age_band`.
    pub by: String,
    /// The condition, e.g. `position=1`; empty for all.
    pub within: String,
    /// The outcome is an amount or a number, not a share.
    pub amount: bool,
    pub axis: String,
    /// The worst verdict in it.
    pub state: &'static str,
    /// How many rows have each verdict, e.g. `2 fail, 5 pass`.
    pub summary: String,
    /// The chart is folded away: the evidence decides nothing that is wrong.
    pub closed: bool,
    pub sections: Vec<Section<'a>>,
}

/// One strategy of a chart.
#[derive(Debug, Serialize)]
pub struct Section<'a> {
    pub strategy: &'a str,
    pub reference: String,
    pub summary: String,
    pub rows: Vec<Row<'a>>,
    /// Segments too small to show.
    pub withheld: Vec<Row<'a>>,
}

/// One segment.
#[derive(Debug, Serialize)]
pub struct Row<'a> {
    pub index: usize,
    pub label: String,
    pub fact: &'a OutcomeParity,
    pub state: &'static str,
    /// The word beside the symbol.
    pub word: &'a str,
    /// What each rule said, when they differ: `at 0.8 inconclusive`.
    pub split: Vec<String>,
    pub plot: String,
    pub rate: Option<String>,
    pub rate_interval: Option<String>,
    pub difference: Option<String>,
    pub difference_interval: Option<String>,
    pub favoured: Option<String>,
    pub to_decide: Option<String>,
}

/// What all rows are laid out with.
struct Layout<'a> {
    record: &'a Record,
    states: &'a States,
    rules: Vec<&'a RuleResult>,
    fold: bool,
}

type Key<'a> = (String, &'a str, String);
type Facts<'a> = Vec<(usize, &'a OutcomeParity)>;

/// Lays out every comparison of the record.
pub fn parity<'a>(record: &'a Record, states: &States) -> Parity<'a> {
    let mut groups: BTreeMap<Key<'a>, Facts<'a>> = BTreeMap::new();
    let mut comparisons = 0;
    for (index, fact) in record.facts.iter().enumerate() {
        let Fact::OutcomeParity(fact) = fact else { continue };
        let by = fact.segment.keys().cloned().collect::<Vec<_>>().join(" × ");
        groups.entry((by, fact.metric.as_str(), attributes(&fact.within))).or_default().push((index, fact));
        comparisons += 1;
    }
    let rules = record.steps.iter().flat_map(|step| &step.rules);
    let rules: Vec<_> = rules.filter(|rule| rule.on.as_deref() == Some(OutcomeParity::NAME)).collect();
    let judged = |rule: &&&RuleResult| rule.verdicts.keys().any(|verdict| *verdict != Verdict::NotApplicable);
    let legend = rules.iter().filter(judged).map(|rule| Bound {
        rule: &rule.id,
        bound: bound(rule).map(text::short).unwrap_or_default(),
        q: rule.params.get("q").and_then(serde_json::Value::as_f64).map(text::short),
    });
    let legend = legend.collect();
    let layout = Layout { record, states, rules, fold: comparisons > MANY };
    let groups: Vec<_> = groups.into_iter().map(|(key, facts)| layout.group(key, facts)).collect();
    let (overall, within): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| group.within.is_empty());
    let tiers = |groups, calm| Tiers::new(groups, layout.fold, calm, |group: &Group<'_>| group.state);
    Parity { bounds: legend, overall: tiers(overall, "pass"), within: tiers(within, "inconclusive"), comparisons }
}

/// The bound of a rule that has just one.
fn bound(rule: &RuleResult) -> Option<f64> {
    let mut own = own_bounds(rule);
    own.next().filter(|_| own.next().is_none())
}

impl Layout<'_> {
    fn group<'a>(&self, (by, metric, within): Key<'a>, facts: Facts<'a>) -> Group<'a> {
        let first = facts.first().map(|(_, fact)| *fact);
        let amount = first.is_some_and(|fact| matches!(fact.scale.as_str(), "money" | "count"));
        let harm = first.map_or("low", |fact| fact.harm.as_str());
        let ratios = facts.iter().filter(|(_, fact)| !nothing(fact)).filter_map(|(_, fact)| fact.ratio.as_ref());
        let ends = ratios.flat_map(|ratio| [ratio.estimate, ratio.low, ratio.high]);
        let bounds = bounds(self.record, facts.iter().map(|(index, _)| *index));
        let scale = Scale::around(ends.chain(bounds.iter().copied()));
        let mut by_strategy: BTreeMap<&'a str, Facts<'a>> = BTreeMap::new();
        for (index, fact) in facts {
            by_strategy.entry(&fact.strategy).or_default().push((index, fact));
        }
        let mut rows: Vec<_> = by_strategy
            .into_iter()
            .map(|(strategy, facts)| (strategy, reference(&facts), self.rows(&facts, scale, &bounds, amount)))
            .collect();
        rows.sort_by_key(|(_, _, rows)| Reverse(severity(worst(rows.iter().map(|row| row.state)))));
        let all = || rows.iter().flat_map(|(_, _, rows)| rows).map(|row| (row.state, row.word));
        let (state, summary) = (worst(all().map(|(state, _)| state)), summarise(all()));
        let section = |(strategy, reference, rows): (&'a str, String, Vec<Row<'a>>)| {
            let summary = summarise(rows.iter().map(|row| (row.state, row.word)));
            let (withheld, rows): (Vec<_>, Vec<_>) =
                rows.into_iter().partition(|row| row.fact.comparison == Comparison::Suppressed);
            Section { strategy, reference, summary, rows, withheld }
        };
        let sections = rows.into_iter().map(section).collect();
        let (axis, closed) = (axis(scale, &bounds), self.fold && state == "inconclusive");
        Group { metric: title(metric), harm, by, within, amount, axis, state, summary, closed, sections }
    }

    fn rows<'a>(
        &self,
        facts: &[(usize, &'a OutcomeParity)],
        scale: Scale,
        bounds: &[f64],
        amount: bool,
    ) -> Vec<Row<'a>> {
        let row = |&(index, fact): &(usize, &'a OutcomeParity)| self.row(index, fact, scale, bounds, amount);
        let mut rows: Vec<_> = facts.iter().map(row).collect();
        let ratio = |row: &Row<'_>| row.fact.ratio.as_ref().map_or(f64::INFINITY, |ratio| ratio.estimate);
        rows.sort_by(|a, b| {
            let first = |row: &Row<'_>| (row.state != "reference", Reverse(severity(row.state)));
            first(a).cmp(&first(b)).then(ratio(a).total_cmp(&ratio(b))).then_with(|| a.label.cmp(&b.label))
        });
        rows
    }

    fn row<'a>(&self, index: usize, fact: &'a OutcomeParity, scale: Scale, bounds: &[f64], amount: bool) -> Row<'a> {
        let (state, word) = said(fact.comparison, self.states.of(index));
        let label = fact.segment.values().cloned().collect::<Vec<_>>().join(" × ");
        let plot = match &fact.ratio {
            Some(_) if nothing(fact) => words(scale, bounds, &none_of(fact)),
            Some(ratio) => {
                let (estimate, low, high) = (ratio.estimate, ratio.low, ratio.high);
                let of = Whisker { label: &label, estimate, low, high, mark: state, verdict: word };
                whisker(scale, bounds, of)
            }
            None => grid(scale, bounds),
        };
        let value = if amount { text::number } else { text::percent };
        let change = |x: f64| if amount { text::signed(x) } else { format!("{} pp", text::signed(x * 100.0)) };
        Row {
            index,
            plot,
            state,
            word,
            split: self.split(index, fact),
            rate: fact.rate.as_ref().map(|rate| value(rate.estimate)),
            rate_interval: fact.rate.as_ref().map(|rate| format!("{} to {}", value(rate.low), value(rate.high))),
            difference: fact.difference.as_ref().map(|by| change(by.estimate)),
            difference_interval: fact
                .difference
                .as_ref()
                .map(|by| format!("{} to {}", change(by.low), change(by.high))),
            favoured: fact.most_favoured.as_ref().map(|most| attributes(&most.segment)),
            to_decide: fact.to_decide.as_ref().map(|of| {
                format!("about {} {}s would decide at {}", text::rough(of.units), fact.unit, text::short(of.bound))
            }),
            label,
            fact,
        }
    }

    /// What each rule said of a fact, unless all said the same.
    fn split(&self, index: usize, fact: &OutcomeParity) -> Vec<String> {
        let said: Vec<(&RuleResult, Verdict)> =
            self.rules.iter().filter_map(|rule| Some((*rule, rule.verdict_on(index)?))).collect();
        if said.windows(2).all(|pair| pair[0].1 == pair[1].1) {
            return Vec::new();
        }
        let name =
            |rule: &RuleResult| bound(rule).map_or_else(|| rule.id.clone(), |at| format!("at {}", text::short(at)));
        let words = said.into_iter().map(|(rule, verdict)| {
            let q = if verdict == Verdict::Inconclusive { for_q(rule, fact) } else { "" };
            format!("{} {}{q}", name(rule), verdict.label())
        });
        words.collect()
    }
}

/// Says that an interval is not undecided because of where it lies: the bound is not in it.
fn for_q(rule: &RuleResult, fact: &OutcomeParity) -> &'static str {
    let beyond = fact.ratio.as_ref().zip(bound(rule)).is_some_and(|(ratio, at)| ratio.high < at || ratio.low > at);
    if beyond && rule.params.contains_key("q") { " (q too large)" } else { "" }
}

/// A metric in words: `clicks per impression`, `nDCG of the first 10 places`.
pub fn title(metric: &str) -> String {
    let title = metrics::named(metric).map_or(metric, |known| known.title);
    match metric.split_once('@') {
        Some((_, k)) => format!("{title}, first {k} places"),
        None => title.to_owned(),
    }
}

/// Units that would decide a comparison at the bound of a rule: `about 12,000 subjects`.
pub fn to_decide(fact: &OutcomeParity, rule: Option<&RuleResult>) -> Option<String> {
    let asked = rule.and_then(bound);
    let of = fact.to_decide.as_ref().filter(|of| asked.is_none_or(|bound| bound == of.bound))?;
    Some(format!("about {} {}s", text::rough(of.units), fact.unit))
}

/// Whether the segment had no outcome at all: its ratio is 0 whatever the evidence.
fn nothing(fact: &OutcomeParity) -> bool {
    fact.rate.as_ref().is_some_and(|rate| rate.estimate == 0.0)
}

/// `0 of 42 impressions`.
fn none_of(fact: &OutcomeParity) -> String {
    fact.impressions.map_or_else(|| "none".into(), |n| format!("0 of {} impressions", text::count(n)))
}

fn reference(facts: &[(usize, &OutcomeParity)]) -> String {
    let compared = facts.iter().filter(|(_, fact)| fact.comparison != Comparison::Reference);
    let references: BTreeSet<String> = compared.map(|(_, fact)| attributes(&fact.reference)).collect();
    references.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" or ")
}
