//! `subgroup`: where attributes meet, whether people are served worse than each attribute alone would tell.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measured::Number;
use super::outcome_parity::Comparison;
use super::pair::{Pair, rate_of};
use super::{FactKind, attributes};
use crate::findings::Evidence;
use crate::manifest::{Measure, Unit};
use crate::metrics::Harm;
use crate::replay::outcomes::Cell;
use crate::replay::segments::is_known;
use crate::stats::{ClusterSums, Interval, benjamini_hochberg};

/// Subgroups of one metric and strategy that are told, however many were compared.
const TOLD: usize = 10;

/// People who share the values of several attributes, beside everyone else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Subgroup {
    pub strategy: String,
    /// An outcome, with its cut-off where it has one.
    pub metric: String,
    /// Which direction harms: `low`, `high` or `either`.
    pub harm: String,
    /// What rates are: `share`, `score`, `count` or `money`.
    pub scale: String,
    /// The attributes that meet, e.g. `{age_band: 65+, gender: female}`.
    pub segment: BTreeMap<String, String>,
    /// Its place among the subgroups of this metric and strategy, worst first: by the end of the interval of `ratio` on
    /// the harmless side, so that what is surely bad comes before what may be.
    pub rank: u64,
    /// Subgroups of this metric and strategy that were compared.
    pub compared: u64,
    /// Those that were not, for fewer than `min_cell` units.
    pub too_small: u64,
    /// What one independent unit is: `subject` or `impression`.
    pub unit: String,
    pub comparison: Comparison,
    /// People in the subgroup; null where the log has none.
    pub subjects: Option<u64>,
    pub impressions: u64,
    /// The outcome in the subgroup.
    pub rate: Option<Interval>,
    /// The outcome of everyone else whose attributes are known.
    pub rest_rate: Option<Interval>,
    /// `rate` over `rest_rate`.
    pub ratio: Option<Interval>,
    /// `rate` minus `rest_rate`.
    pub difference: Option<Interval>,
    pub p_value: Option<f64>,
    /// Benjamini-Hochberg adjusted within all subgroups of this metric, told or not.
    pub q_value: Option<f64>,
    /// What each attribute adds.
    pub adds: Vec<Added>,
    /// The ratio of the attribute that adds least to the harm; beyond 1 on the harmful side, every attribute adds to it,
    /// and none of them tells it alone.
    pub least_added: Option<Interval>,
}

/// What one attribute adds to the others of a subgroup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Added {
    pub attribute: String,
    /// The subgroup's rate over that of the people who share all its values but this one.
    pub ratio: Option<Interval>,
    pub p_value: Option<f64>,
}

impl FactKind for Subgroup {
    const NAME: &'static str = "subgroup";
    const DOC: &'static str = include_str!("subgroup.md");
    const NEEDS_LOG: bool = true;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("strategy", self.strategy.clone()),
            ("metric", self.metric.clone()),
            ("segment", attributes(&self.segment)),
        ])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let added = self.adds.iter().filter_map(|added| {
            let ratio = added.ratio.as_ref()?;
            let text = format!(
                "{} multiplies the rate of the others by {:.3} ({:.3} to {:.3})",
                added.attribute, ratio.estimate, ratio.low, ratio.high
            );
            Some(Evidence::value("what it adds", text))
        });
        added.chain([Evidence::value("rank", format!("{} of {}", self.rank, self.compared))]).collect()
    }

    fn numbers(&self, _: f64) -> Vec<Number> {
        Number::stated("ratio", &self.harm, &self.ratio)
    }
}

/// The worst subgroups of every metric and strategy. Cells come sorted by metric.
pub fn measure(cells: &[Cell], measure: &Measure) -> Vec<Subgroup> {
    let mut facts = Vec::new();
    let whole: Vec<&Cell> = cells.iter().filter(|cell| cell.within.is_none()).collect();
    for of_metric in whole.chunk_by(|a, b| a.metric.id == b.metric.id) {
        let mut found: Vec<Subgroup> = Vec::new();
        let mut strategies: BTreeMap<&str, Vec<&Cell>> = BTreeMap::new();
        for cell in of_metric {
            strategies.entry(&cell.strategy).or_default().push(cell);
        }
        for cells in strategies.values() {
            found.extend(of_strategy(cells, measure));
        }
        correct(&mut found);
        facts.extend(found.into_iter().filter(|fact| fact.rank <= TOLD as u64 || is_clear(fact)));
    }
    facts
}

/// Surely worse than everyone else, and by more than any of its parts: told whatever its rank, so that no rule is kept
/// from it, however strict its q.
fn is_clear(fact: &Subgroup) -> bool {
    let harmful = |ratio: &Option<Interval>| ratio.as_ref().is_some_and(|ratio| toward_harm(&fact.harm, ratio) < 0.0);
    harmful(&fact.ratio) && harmful(&fact.least_added)
}

/// The log of the end of an interval that is least harmful: below 0 when the whole interval harms.
fn toward_harm(harm: &str, ratio: &Interval) -> f64 {
    if harm == Harm::High.id() {
        -ratio.low.max(f64::MIN_POSITIVE).ln()
    } else {
        ratio.high.max(f64::MIN_POSITIVE).ln()
    }
}

fn of_strategy(cells: &[&Cell], measure: &Measure) -> Vec<Subgroup> {
    let known = |cell: &Cell| cell.segment.values().all(|value| is_known(value));
    let by_segment: BTreeMap<&BTreeMap<String, String>, &Cell> =
        cells.iter().map(|cell| (&cell.segment, *cell)).collect();
    let subgroups: Vec<&Cell> = cells.iter().copied().filter(|cell| cell.segment.len() > 1 && known(cell)).collect();
    // Everyone whose values of these attributes are known.
    let mut totals: BTreeMap<Vec<&String>, Cell> = BTreeMap::new();
    for cell in &subgroups {
        let total = totals.entry(cell.segment.keys().collect()).or_insert_with(|| empty(cell));
        *total = combined(total, cell, 1.0);
    }
    let large = |cell: &Cell| cell.units >= measure.min_cell;
    let (told, small): (Vec<&Cell>, Vec<&Cell>) = subgroups.into_iter().partition(|cell| large(cell));
    let mut facts: Vec<Subgroup> = told
        .iter()
        .map(|cell| {
            let rest = totals.get(&cell.segment.keys().collect::<Vec<_>>()).map(|total| combined(total, cell, -1.0));
            let rest = rest.filter(large);
            let against = rest.as_ref().map(|rest| Pair::of(cell, rest, measure));
            let adds: Vec<Added> =
                cell.segment.keys().map(|attribute| added(cell, attribute, &by_segment, measure)).collect();
            let harm = cell.metric.harm.id();
            let ratios: Option<Vec<&Interval>> = adds.iter().map(|added| added.ratio.as_ref()).collect();
            let least = ratios.and_then(|ratios| {
                ratios.into_iter().max_by(|a, b| toward_harm(harm, a).total_cmp(&toward_harm(harm, b))).cloned()
            });
            let ratio = against.as_ref().and_then(|pair| pair.ratio.clone());
            Subgroup {
                strategy: cell.strategy.clone(),
                metric: cell.metric.name(measure.cutoff),
                harm: harm.to_owned(),
                scale: cell.metric.scale.id().to_owned(),
                segment: cell.segment.clone(),
                rank: 0,
                compared: 0,
                too_small: small.len() as u64,
                unit: measure.unit.id().to_owned(),
                comparison: if ratio.is_some() { Comparison::Compared } else { Comparison::Undefined },
                subjects: (measure.unit == Unit::Subject).then_some(cell.units),
                impressions: cell.impressions,
                rate: rate_of(cell, measure),
                rest_rate: rest.as_ref().and_then(|rest| rate_of(rest, measure)),
                difference: against.as_ref().and_then(|pair| pair.difference.clone()),
                p_value: against.as_ref().and_then(|pair| pair.p_value),
                q_value: None,
                ratio,
                adds,
                least_added: least,
            }
        })
        .collect();
    facts.sort_by(|a, b| worst_first(a, b).then_with(|| a.segment.cmp(&b.segment)));
    let compared = facts.iter().filter(|fact| fact.comparison == Comparison::Compared).count() as u64;
    for (place, fact) in facts.iter_mut().enumerate() {
        (fact.rank, fact.compared) = (place as u64 + 1, compared);
    }
    facts
}

fn worst_first(a: &Subgroup, b: &Subgroup) -> Ordering {
    let of = |fact: &Subgroup| fact.ratio.as_ref().map_or(f64::INFINITY, |ratio| toward_harm(&fact.harm, ratio));
    of(a).total_cmp(&of(b))
}

/// The subgroup beside those who share all its values but the one of `attribute`.
fn added(
    cell: &Cell,
    attribute: &str,
    by_segment: &BTreeMap<&BTreeMap<String, String>, &Cell>,
    measure: &Measure,
) -> Added {
    let mut shared = cell.segment.clone();
    shared.remove(attribute);
    let others = by_segment.get(&shared).map(|parent| combined(parent, cell, -1.0));
    let pair = others.filter(|others| others.units >= measure.min_cell).map(|others| Pair::of(cell, &others, measure));
    Added {
        attribute: attribute.to_owned(),
        p_value: pair.as_ref().and_then(|pair| pair.p_value),
        ratio: pair.and_then(|pair| pair.ratio),
    }
}

fn empty(like: &Cell) -> Cell {
    Cell { units: 0, impressions: 0, sums: ClusterSums::default(), ..like.clone() }
}

/// The sums of two groups without a common person together, or of one without the other, which is part of it.
fn combined(one: &Cell, other: &Cell, sign: f64) -> Cell {
    let add = |a: u64, b: u64| if sign > 0.0 { a + b } else { a.saturating_sub(b) };
    let (a, b) = (&one.sums, &other.sums);
    // What is left of a difference by rounding alone is nothing.
    let sum = |a: f64, b: f64| {
        let sum = a + sign * b;
        if sum.abs() <= 1e-12 * a.abs() { 0.0 } else { sum }
    };
    Cell {
        units: add(one.units, other.units),
        impressions: add(one.impressions, other.impressions),
        sums: ClusterSums {
            clusters: add(a.clusters, b.clusters),
            n: sum(a.n, b.n),
            y: sum(a.y, b.y),
            nn: sum(a.nn, b.nn),
            yy: sum(a.yy, b.yy),
            ny: sum(a.ny, b.ny),
            unit: a.unit,
        },
        ..one.clone()
    }
}

/// Sets every q, over all subgroups of one metric.
fn correct(facts: &mut [Subgroup]) {
    let family: Vec<usize> = (0..facts.len()).filter(|&index| facts[index].p_value.is_some()).collect();
    let p: Vec<f64> = family.iter().filter_map(|&index| facts[index].p_value).collect();
    for (&index, q) in family.iter().zip(benjamini_hochberg(&p)) {
        facts[index].q_value = Some(q);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_surely_worse_by_all_its_parts_is_told_whatever_its_rank_and_q() {
        let of = |harm: &str, ratio: [f64; 2], least: [f64; 2]| {
            let interval = |[low, high]: [f64; 2]| json!({"estimate": (low + high) / 2.0, "low": low, "high": high, "level": 0.95, "method": "m"});
            let fact = json!({
                "strategy": "s", "metric": "click", "harm": harm, "scale": "share", "segment": {"a": "1", "b": "2"},
                "rank": 40, "compared": 90, "too_small": 0, "unit": "subject", "comparison": "compared", "impressions": 900,
                "ratio": interval(ratio), "q_value": 0.2, "adds": [], "least_added": interval(least),
            });
            is_clear(&serde_json::from_value(fact).unwrap())
        };
        assert!(of("low", [0.6, 0.9], [0.7, 0.99]));
        assert!(!of("low", [0.6, 1.1], [0.7, 0.99]) && !of("low", [0.6, 0.9], [0.7, 1.01]));
        assert!(of("high", [1.1, 1.6], [1.01, 1.5]) && !of("high", [0.6, 0.9], [0.7, 0.99]));
    }
}
