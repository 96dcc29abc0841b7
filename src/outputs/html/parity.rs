//! How comparisons of outcomes are laid out: a chart per strategy, metric and attribute, worst first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::verdict_word;
use super::view::States;
use crate::facts::outcome_parity::{Comparison, OutcomeParity};
use crate::facts::{Fact, attributes};
use crate::outputs::charts::{Scale, Whisker, axis, grid, whisker};
use crate::outputs::text;
use crate::record::Record;

/// From how many comparisons on passes are folded away, so that the rest can be seen.
const MANY: usize = 40;

/// All comparisons: those over everything, and those within one value of a condition.
#[derive(Debug, Serialize)]
pub struct Parity<'a> {
    pub overall: Vec<Group<'a>>,
    pub within: Vec<Group<'a>>,
    /// How many charts and rows there are.
    pub groups: usize,
    pub comparisons: usize,
}

/// One chart.
#[derive(Debug, Serialize)]
pub struct Group<'a> {
    pub strategy: &'a str,
    pub metric: &'a str,
    /// The attributes that make the segments, e.g. `age_band`.
    pub by: String,
    /// The condition, e.g. `position=1`; empty for all.
    pub within: String,
    pub reference: String,
    /// The outcome is an amount of money, not a share.
    pub amount: bool,
    pub unit: &'a str,
    pub axis: String,
    /// The worst verdict in it.
    pub state: &'static str,
    /// How many rows have each verdict, e.g. `2 fail, 5 pass`.
    pub summary: String,
    pub rows: Vec<Row<'a>>,
    /// When there are many comparisons: those that pass, or the whole chart when nothing in it is worse than that.
    pub folded: Vec<Row<'a>>,
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
    pub plot: String,
    pub rate: Option<String>,
    pub rate_interval: Option<String>,
    pub difference: Option<String>,
    pub difference_interval: Option<String>,
    pub favoured: Option<String>,
}

type Key<'a> = (&'a str, &'a str, String, String);

/// Lays out every comparison of the record.
pub fn parity<'a>(record: &'a Record, states: &States) -> Parity<'a> {
    let mut groups: BTreeMap<Key<'a>, Vec<(usize, &'a OutcomeParity)>> = BTreeMap::new();
    let mut comparisons = 0;
    for (index, fact) in record.facts.iter().enumerate() {
        let Fact::OutcomeParity(fact) = fact else { continue };
        let by = fact.segment.keys().cloned().collect::<Vec<_>>().join(" × ");
        let key = (fact.strategy.as_str(), fact.metric.as_str(), by, attributes(&fact.within));
        groups.entry(key).or_default().push((index, fact));
        comparisons += 1;
    }
    let bounds = bounds(record);
    let groups: Vec<_> =
        groups.into_iter().map(|(key, facts)| group(key, &facts, states, &bounds, comparisons > MANY)).collect();
    let count = groups.len();
    let (mut overall, mut within): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| group.within.is_empty());
    for groups in [&mut overall, &mut within] {
        groups.sort_by_key(|group| Reverse(severity(group.state)));
    }
    Parity { overall, within, groups: count, comparisons }
}

/// The bounds that rules on comparisons used, to be drawn.
fn bounds(record: &Record) -> Vec<f64> {
    let rules =
        record.steps.iter().flat_map(|step| &step.rules).filter(|rule| rule.on.as_deref() == Some("outcome_parity"));
    let mut bounds: Vec<f64> = rules
        .flat_map(|rule| [rule.params.get("floor"), rule.params.get("ceiling")])
        .flatten()
        .filter_map(|v| v.as_f64())
        .collect();
    bounds.retain(|bound| *bound > 0.0);
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    bounds
}

fn group<'a>(
    (strategy, metric, by, within): Key<'a>,
    facts: &[(usize, &'a OutcomeParity)],
    states: &States,
    bounds: &[f64],
    fold: bool,
) -> Group<'a> {
    let ratios = facts.iter().filter_map(|(_, fact)| fact.ratio.as_ref());
    let scale =
        Scale::around(ratios.flat_map(|ratio| [ratio.estimate, ratio.low, ratio.high]).chain(bounds.iter().copied()));
    let amount = metric == "revenue";
    let mut rows: Vec<_> = facts.iter().map(|&(index, fact)| row(index, fact, states, scale, bounds, amount)).collect();
    let ratio = |row: &Row<'_>| row.fact.ratio.as_ref().map_or(f64::INFINITY, |ratio| ratio.estimate);
    rows.sort_by(|a, b| {
        let first = |row: &Row<'_>| (row.state != "reference", Reverse(severity(row.state)));
        first(a).cmp(&first(b)).then(ratio(a).total_cmp(&ratio(b))).then_with(|| a.label.cmp(&b.label))
    });
    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.state != "reference") {
        *counts.entry((Reverse(severity(row.state)), row.word)).or_default() += 1;
    }
    let summary = counts.iter().map(|((_, word), n)| format!("{n} {word}")).collect::<Vec<_>>().join(", ");
    let state = rows.iter().map(|row| row.state).max_by_key(|state| severity(state)).unwrap_or("none");
    let references: BTreeSet<String> = facts
        .iter()
        .filter(|(_, fact)| fact.comparison != Comparison::Reference)
        .map(|(_, fact)| attributes(&fact.reference))
        .collect();
    let quiet = severity(state) <= severity("pass");
    let (folded, rows) = rows.into_iter().partition(|row| fold && (quiet || row.state == "pass"));
    Group {
        strategy,
        metric,
        by,
        within,
        reference: references.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" or "),
        amount,
        unit: facts.first().map_or("subject", |(_, fact)| &fact.unit),
        axis: axis(scale, bounds),
        state,
        summary,
        rows,
        folded,
    }
}

fn row<'a>(
    index: usize,
    fact: &'a OutcomeParity,
    states: &States,
    scale: Scale,
    bounds: &[f64],
    amount: bool,
) -> Row<'a> {
    let (state, word) = match fact.comparison {
        Comparison::Compared => (states.of(index), verdict_word(states.of(index))),
        Comparison::Reference => ("reference", "reference"),
        Comparison::Suppressed => ("withheld", "too few to show"),
        Comparison::Unknown => ("withheld", "unknown group"),
        Comparison::Undefined => ("withheld", "cannot be compared"),
    };
    let word = if state == "none" { "not judged" } else { word };
    let label = fact.segment.values().cloned().collect::<Vec<_>>().join(" × ");
    let plot = match &fact.ratio {
        Some(ratio) => whisker(
            scale,
            bounds,
            Whisker {
                label: &label,
                estimate: ratio.estimate,
                low: ratio.low,
                high: ratio.high,
                mark: state,
                verdict: word,
            },
        ),
        None => grid(scale, bounds),
    };
    let value = if amount { text::number } else { text::percent };
    let change = |x: f64| if amount { text::signed(x) } else { format!("{} pp", text::signed(x * 100.0)) };
    Row {
        index,
        plot,
        state,
        word,
        rate: fact.rate.as_ref().map(|rate| value(rate.estimate)),
        rate_interval: fact.rate.as_ref().map(|rate| format!("{} to {}", value(rate.low), value(rate.high))),
        difference: fact.difference.as_ref().map(|by| change(by.estimate)),
        difference_interval: fact.difference.as_ref().map(|by| format!("{} to {}", change(by.low), change(by.high))),
        favoured: fact.most_favoured.as_ref().map(|most| attributes(&most.segment)),
        label,
        fact,
    }
}

/// The order of what a row can be, worst last.
fn severity(state: &str) -> u8 {
    ["reference", "withheld", "not_applicable", "none", "pass", "manual", "not_evidenced", "inconclusive", "fail"]
        .iter()
        .position(|known| *known == state)
        .unwrap_or_default() as u8
}
