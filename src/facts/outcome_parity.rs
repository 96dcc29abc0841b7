//! `outcome_parity`: whether segments get the same out of a strategy as the reference does.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measured::Number;
use super::pair::{Pair, rate_of, to_decide};
use super::{FactKind, attributes};
use crate::findings::Evidence;
use crate::manifest::{Measure, Unit};
use crate::metrics::{Harm, METRICS, Scale};
use crate::replay::outcomes::Cell;
use crate::replay::segments::{Segments, is_known};
use crate::stats::{Interval, benjamini_hochberg, holm};

/// One segment under one strategy, beside the reference segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeParity {
    pub strategy: String,
    /// An outcome (`probity explain` lists them), with its cut-off where it has one: `click`, `ndcg@10`.
    pub metric: String,
    /// Which direction harms the segment: `low` (getting less), `high` (getting more) or `either`.
    pub harm: String,
    /// What rates are: `share` (0 to 1), `score` (0 to 1), `count` or `money` (the log's currency).
    pub scale: String,
    /// The attributes that make the segment, e.g. `{age_band: 65+}`.
    pub segment: BTreeMap<String, String>,
    /// The segment it is compared with.
    pub reference: BTreeMap<String, String>,
    /// The values within which the comparison was made, e.g. `{position: 1}`; empty for all.
    pub within: BTreeMap<String, String>,
    /// What one independent unit is: `subject` or `impression`.
    pub unit: String,
    /// What became of the comparison.
    pub comparison: Comparison,
    /// Subjects in the segment; null when withheld or when the log has no subjects.
    pub subjects: Option<u64>,
    /// Impressions in the segment; null when withheld.
    pub impressions: Option<u64>,
    /// The outcome in the segment: the mean over whatever the metric is per.
    pub rate: Option<Interval>,
    /// The outcome in the reference.
    pub reference_rate: Option<Interval>,
    /// `rate` over `reference_rate`; null unless compared.
    pub ratio: Option<Interval>,
    /// `rate` minus `reference_rate`; null unless compared.
    pub difference: Option<Interval>,
    /// Two-sided, of the null hypothesis that the rates are equal; the larger of those of two spreads and of one.
    pub p_value: Option<f64>,
    /// Benjamini-Hochberg adjusted within all comparisons of this metric.
    pub q_value: Option<f64>,
    /// Of the hypothesis that the ratio lies at or beyond `measure.decide_at` or its inverse (two one-sided tests): small
    /// where the two are shown to be alike, which a large `p_value` never shows.
    pub p_equivalence: Option<f64>,
    /// Holm adjusted within the same: its bound holds for any wrong rejection, not for their share.
    pub p_holm: Option<f64>,
    /// The ratio at the extremes that people of unknown attribute leave open: all that happened to them in the reference
    /// and all that did not in the segment, and the other way round. Null where none are unknown, where they are too few
    /// to show, and for amounts, which have no bounds.
    pub unknown_bounds: Option<Bounds>,
    /// Whether the cell is below `min_cell` units, so that its numbers are withheld.
    pub suppressed: bool,
    /// Whether counts are withheld so that a suppressed sibling cannot be worked out. Where rows are the unit, their
    /// intervals would tell the counts, so that the whole cell is suppressed with them.
    pub counts_withheld: bool,
    /// The same segment against the one that fares best, as NYC Local Law 144 asks.
    pub most_favoured: Option<MostFavoured>,
    /// Units of this segment, at this mix, for the interval of the ratio to leave `bound`.
    pub to_decide: Option<ToDecide>,
}

/// The least and the most that a ratio may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bounds {
    pub low: f64,
    pub high: f64,
}

/// What became of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// Compared with the reference.
    Compared,
    /// It is the reference.
    Reference,
    /// Too few units to show or compare.
    Suppressed,
    /// Subjects whose attribute is not known; counted, never compared.
    Unknown,
    /// A zero denominator, or no reference large enough.
    Undefined,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MostFavoured {
    pub segment: BTreeMap<String, String>,
    /// The segment's rate over the most favoured one's; null when it is the most favoured itself.
    pub ratio: Option<Interval>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToDecide {
    /// The ratio in question, from `measure.decide_at`.
    pub bound: f64,
    /// Units of the segment needed.
    pub units: u64,
}

impl FactKind for OutcomeParity {
    const NAME: &'static str = "outcome_parity";
    const DOC: &'static str = include_str!("outcome_parity.md");
    const NEEDS_LOG: bool = true;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("strategy", self.strategy.clone()),
            ("metric", self.metric.clone()),
            ("segment", attributes(&self.segment)),
            ("reference", attributes(&self.reference)),
            ("within", attributes(&self.within)),
        ])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut evidence = vec![Evidence::value("reference", attributes(&self.reference))];
        if !self.within.is_empty() {
            evidence.push(Evidence::value("within", attributes(&self.within)));
        }
        if let Some(ToDecide { bound, units }) = &self.to_decide {
            evidence.push(Evidence::value("needed to decide", format!("{units} {}s at a bound of {bound}", self.unit)));
        }
        evidence
    }

    fn numbers(&self, _: f64) -> Vec<Number> {
        Number::stated("ratio", &self.harm, &self.ratio)
    }
}

/// Compares the segments of single attributes, by metric and strategy. Cells come sorted, all of a group together.
pub fn measure(cells: &[Cell], segments: &Segments, measure: &Measure) -> Vec<OutcomeParity> {
    let mut facts = Vec::new();
    let single = cells.iter().filter(|cell| cell.segment.len() == 1).cloned().collect::<Vec<_>>();
    let key = |cell: &Cell| (cell.metric.id, cell.strategy.clone(), attribute(cell).to_owned(), cell.within.clone());
    for group in single.chunk_by(|a, b| key(a) == key(b)) {
        let reference = group.first().and_then(|cell| segments.references.get(attribute(cell)));
        facts.extend(compare_group(group, reference, measure));
    }
    correct(&mut facts);
    facts
}

impl OutcomeParity {
    /// The same comparison with other numbers in it: what it would be if segment and reference had these sums. Besides the
    /// ratio only what `wanted` names is worked out, and q is left to whoever knows the other comparisons.
    pub fn with(&self, cell: &Cell, reference: &Cell, measure: &Measure, wanted: impl Fn(&str) -> bool) -> Self {
        let p_wanted = ["p_value", "q_value", "p_holm"].iter().any(|name| wanted(name));
        let pair = Pair::wanted(cell, reference, measure, |name| wanted(name) || (name == "p_value" && p_wanted));
        Self {
            comparison: if pair.ratio.is_some() { Comparison::Compared } else { Comparison::Undefined },
            rate: if wanted("rate") { rate_of(cell, measure) } else { None },
            reference_rate: if wanted("reference_rate") { rate_of(reference, measure) } else { None },
            ratio: pair.ratio,
            difference: pair.difference,
            p_value: pair.p_value,
            p_equivalence: pair.p_equivalence,
            q_value: None,
            p_holm: None,
            ..self.clone()
        }
    }
}

/// The attribute of a segment that has one.
fn attribute(cell: &Cell) -> &str {
    cell.segment.keys().next().map(String::as_str).unwrap_or_default()
}

fn value(cell: &Cell) -> &str {
    cell.segment.values().next().map(String::as_str).unwrap_or_default()
}

fn comparable(cell: &Cell, measure: &Measure) -> bool {
    is_known(value(cell)) && cell.units >= measure.min_cell
}

fn compare_group(cells: &[Cell], reference: Option<&String>, measure: &Measure) -> Vec<OutcomeParity> {
    let small = |cell: &Cell| cell.units < measure.min_cell;
    // One hidden count is the total less the others: then the smallest shown count is withheld with it.
    let lone = cells.iter().filter(|cell| small(cell)).count() == 1;
    let shown = cells.iter().filter(|cell| lone && !small(cell));
    let withheld = shown.min_by_key(|cell| (cell.units, value(cell))).map(value);
    // The interval of independent rows gives their number away, so there the whole cell goes with its count.
    let by_subject = measure.unit == Unit::Subject;
    let hidden = |cell: &Cell| small(cell) || (!by_subject && withheld == Some(value(cell)));
    let usable = |cell: &&Cell| comparable(cell, measure) && !hidden(cell);
    let reference_cell =
        cells.iter().filter(usable).find(|cell| reference.is_some_and(|reference| value(cell) == reference));
    let favoured = most_favoured(cells.iter().filter(usable));
    let unknown = cells.iter().filter(|cell| !is_known(value(cell)));
    let segment = |cell: &Cell, value: &str| BTreeMap::from([(attribute(cell).to_owned(), value.to_owned())]);
    let one = |cell: &Cell| {
        let pair = |other: Option<&Cell>| {
            other.filter(|o| usable(&cell) && value(o) != value(cell)).map(|o| Pair::of(cell, o, measure))
        };
        let against = pair(reference_cell);
        let ratio = against.as_ref().and_then(|pair| pair.ratio.clone());
        let hidden = hidden(cell);
        let is_withheld = withheld == Some(value(cell));
        let comparison = match () {
            () if hidden => Comparison::Suppressed,
            () if !is_known(value(cell)) => Comparison::Unknown,
            () if reference_cell.is_some_and(|r| value(r) == value(cell)) => Comparison::Reference,
            () if ratio.is_none() => Comparison::Undefined,
            () => Comparison::Compared,
        };
        let show_counts = !hidden && !is_withheld;
        let bounds = reference_cell.filter(|_| ratio.is_some()).and_then(|reference| {
            let shown = unknown.clone().all(|cell| !small(cell));
            unknown_bounds(cell, reference, unknown.clone()).filter(|_| shown)
        });
        OutcomeParity {
            strategy: cell.strategy.clone(),
            metric: cell.metric.name(measure.cutoff),
            harm: cell.metric.harm.id().to_owned(),
            scale: cell.metric.scale.id().to_owned(),
            segment: cell.segment.clone(),
            reference: reference.map(|value| segment(cell, value)).unwrap_or_default(),
            within: cell.within.iter().cloned().collect(),
            unit: measure.unit.id().to_owned(),
            comparison,
            subjects: (show_counts && by_subject).then_some(cell.units),
            impressions: show_counts.then_some(cell.impressions),
            rate: if hidden { None } else { rate_of(cell, measure) },
            reference_rate: reference_cell.and_then(|r| rate_of(r, measure)),
            to_decide: reference_cell
                .zip(ratio.as_ref())
                .and_then(|(other, ratio)| to_decide(cell, other, ratio, measure)),
            difference: against.as_ref().and_then(|pair| pair.difference.clone()),
            p_value: against.as_ref().and_then(|pair| pair.p_value),
            p_equivalence: against.as_ref().and_then(|pair| pair.p_equivalence),
            q_value: None,
            p_holm: None,
            unknown_bounds: bounds,
            ratio,
            suppressed: hidden,
            counts_withheld: is_withheld,
            most_favoured: favoured.filter(|_| usable(&cell)).map(|best| MostFavoured {
                segment: best.segment.clone(),
                ratio: pair(Some(best)).and_then(|pair| pair.ratio),
            }),
        }
    };
    cells.iter().map(one).collect()
}

/// The segment that fares best: the highest rate, or the lowest where more of the outcome harms.
fn most_favoured<'a>(cells: impl Iterator<Item = &'a Cell>) -> Option<&'a Cell> {
    let rate = |cell: &Cell| {
        let rate = cell.sums.y / cell.sums.n;
        if cell.metric.harm == Harm::High { -rate } else { rate }
    };
    cells.max_by(|a, b| rate(a).total_cmp(&rate(b)).then_with(|| value(b).cmp(value(a))))
}

/// The extremes of the ratio over every way to deal the unknown between segment and reference (Horowitz & Manski 1995).
fn unknown_bounds<'a>(cell: &Cell, reference: &Cell, unknown: impl Iterator<Item = &'a Cell>) -> Option<Bounds> {
    let (n, y) = unknown.fold((0.0, 0.0), |(n, y), cell| (n + cell.sums.n, y + cell.sums.y));
    if n == 0.0 || cell.metric.scale != Scale::Share {
        return None;
    }
    let rate = |of: &Cell, hits: f64, misses: f64| (of.sums.y + hits) / (of.sums.n + hits + misses);
    let low = rate(cell, 0.0, n - y) / rate(reference, y, 0.0);
    let high = rate(cell, y, 0.0) / rate(reference, 0.0, n - y);
    (low.is_finite() && high.is_finite()).then_some(Bounds { low, high })
}

/// Sets every q and Holm's p, over all comparisons of one metric.
fn correct(facts: &mut [OutcomeParity]) {
    for metric in METRICS {
        let of_it = |fact: &OutcomeParity| crate::metrics::named(&fact.metric) == Some(metric);
        let family: Vec<usize> = (0..facts.len()).filter(|&i| of_it(&facts[i]) && facts[i].p_value.is_some()).collect();
        let p: Vec<f64> = family.iter().filter_map(|&i| facts[i].p_value).collect();
        let corrected = benjamini_hochberg(&p).into_iter().zip(holm(&p));
        for (&index, (q, p_holm)) in family.iter().zip(corrected) {
            (facts[index].q_value, facts[index].p_holm) = (Some(q), Some(p_holm));
        }
    }
}
