//! How subgroups are laid out: a chart per metric and strategy, the worst subgroup first.

use std::collections::BTreeMap;

use serde::Serialize;

use super::tiers::{Tiers, bounds, summarise, worst};
use super::verdict_word;
use super::view::{MANY, States};
use crate::facts::outcome_parity::Comparison;
use crate::facts::subgroup::Subgroup;
use crate::facts::{Fact, attributes};
use crate::metrics;
use crate::outputs::charts::{Scale, Whisker, axis, grid, whisker};
use crate::outputs::text;
use crate::record::Record;

/// Subgroups of one metric and strategy.
#[derive(Debug, Serialize)]
pub struct Subgroups<'a> {
    /// In words, e.g. `clicks per impression`.
    pub metric: String,
    pub strategy: &'a str,
    pub compared: u64,
    pub too_small: u64,
    pub axis: String,
    /// The worst verdict in it.
    pub state: &'static str,
    /// How many rows have each verdict.
    pub summary: String,
    pub closed: bool,
    pub rows: Vec<Row<'a>>,
    /// Subgroups that no rule objects to, beside some that one does.
    pub folded: Vec<Row<'a>>,
}

/// One subgroup.
#[derive(Debug, Serialize)]
pub struct Row<'a> {
    pub index: usize,
    pub label: String,
    pub fact: &'a Subgroup,
    pub state: &'static str,
    pub word: &'a str,
    pub plot: String,
    /// What each attribute adds, e.g. `gender × 0.98` and `0.90 to 1.07`.
    pub adds: Vec<[String; 2]>,
}

/// Lays out the subgroups of the record.
pub fn subgroups<'a>(record: &'a Record, states: &States) -> Tiers<Subgroups<'a>> {
    let mut groups: BTreeMap<(usize, &str), Vec<(usize, &Subgroup)>> = BTreeMap::new();
    for (index, fact) in record.facts.iter().enumerate() {
        let Fact::Subgroup(fact) = fact else { continue };
        let place = metrics::METRICS.iter().position(|one| Some(one) == metrics::named(&fact.metric));
        groups.entry((place.unwrap_or(usize::MAX), &fact.strategy)).or_default().push((index, fact));
    }
    let fold = groups.values().map(Vec::len).sum::<usize>() > MANY;
    let groups: Vec<_> = groups.into_values().map(|facts| group(record, facts, states, fold)).collect();
    Tiers::new(groups, fold, "pass", |group: &Subgroups<'_>| group.state)
}

fn group<'a>(record: &Record, mut facts: Vec<(usize, &'a Subgroup)>, states: &States, fold: bool) -> Subgroups<'a> {
    facts.sort_by_key(|(_, fact)| fact.rank);
    let ratios = facts.iter().filter_map(|(_, fact)| fact.ratio.as_ref());
    let bounds = bounds(record, facts.iter().map(|(index, _)| *index));
    let ends = ratios.flat_map(|ratio| [ratio.estimate, ratio.low, ratio.high]);
    let scale = Scale::around(ends.chain(bounds.iter().copied()));
    let first = facts.first().map(|(_, fact)| *fact);
    let rows: Vec<Row<'_>> = facts.iter().map(|(index, fact)| row(*index, fact, states, scale, &bounds)).collect();
    let (state, summary) =
        (worst(rows.iter().map(|row| row.state)), summarise(rows.iter().map(|row| (row.state, row.word))));
    let open = fold && state == "fail";
    let (rows, folded) = rows.into_iter().partition(|row| !open || matches!(row.state, "fail" | "inconclusive"));
    Subgroups {
        state,
        summary,
        closed: fold && state == "inconclusive",
        metric: first.map(|fact| super::parity::title(&fact.metric)).unwrap_or_default(),
        strategy: first.map_or("", |fact| fact.strategy.as_str()),
        compared: first.map_or(0, |fact| fact.compared),
        too_small: first.map_or(0, |fact| fact.too_small),
        axis: axis(scale, &bounds),
        rows,
        folded,
    }
}

/// Whether it is surely served worse, and one of its attributes adds nothing to that.
fn repeats(fact: &Subgroup) -> bool {
    let worse = fact.ratio.as_ref().is_some_and(|ratio| ratio.high < 1.0);
    worse && fact.least_added.as_ref().is_some_and(|least| least.estimate >= 1.0)
}

fn row<'a>(index: usize, fact: &'a Subgroup, states: &States, scale: Scale, bounds: &[f64]) -> Row<'a> {
    let (state, word) = match (fact.comparison, states.of(index)) {
        (Comparison::Undefined, _) => ("withheld", "cannot be compared"),
        (_, "none") => ("none", "not judged"),
        (_, "not_applicable") => ("not_applicable", "not beyond chance"),
        (_, "pass") if repeats(fact) => ("pass", "told by another attribute"),
        (_, state) => (state, verdict_word(state)),
    };
    let label = attributes(&fact.segment);
    let plot = match &fact.ratio {
        Some(ratio) => {
            let (estimate, low, high) = (ratio.estimate, ratio.low, ratio.high);
            whisker(scale, bounds, Whisker { label: &label, estimate, low, high, mark: state, verdict: word })
        }
        None => grid(scale, bounds),
    };
    let adds = fact.adds.iter().map(|added| match &added.ratio {
        Some(ratio) => [
            format!("{} × {}", added.attribute, text::number(ratio.estimate)),
            format!("{} to {}", text::number(ratio.low), text::number(ratio.high)),
        ],
        None => [added.attribute.clone(), "not comparable".to_owned()],
    });
    Row { index, fact, state, word, plot, adds: adds.collect(), label }
}
