//! `outcome_parity`: whether segments get the same out of a strategy as the reference does.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FactKind, attributes};
use crate::findings::Evidence;
use crate::manifest::{Measure, Metric, Unit};
use crate::replay::outcomes::Cell;
use crate::replay::segments::{SEVERAL, UNKNOWN};
use crate::stats::{ClusterSums, Interval, Proportion, benjamini_hochberg, proportion, ratio_mean, share};

/// One segment under one strategy, beside the reference segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeParity {
    pub strategy: String,
    /// `click`, `conversion` or `revenue`, each per impression.
    pub metric: String,
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
    /// Outcome per impression in the segment; revenue in the log's currency.
    pub rate: Option<Interval>,
    /// Outcome per impression in the reference.
    pub reference_rate: Option<Interval>,
    /// `rate` over `reference_rate`; null unless compared.
    pub ratio: Option<Interval>,
    /// `rate` minus `reference_rate`; null unless compared.
    pub difference: Option<Interval>,
    /// Two-sided, of the null hypothesis that the rates are equal.
    pub p_value: Option<f64>,
    /// Benjamini-Hochberg adjusted within all comparisons of this metric.
    pub q_value: Option<f64>,
    /// Whether the cell is below `min_cell` units, so that its numbers are withheld.
    pub suppressed: bool,
    /// Whether counts are withheld so that a suppressed sibling cannot be worked out. Where rows are the unit, their
    /// intervals would tell the counts, so that the whole cell is suppressed with them.
    pub counts_withheld: bool,
    /// The same segment against the one with the highest rate, as NYC Local Law 144 asks.
    pub most_favoured: Option<MostFavoured>,
    /// Units of this segment, at this mix, for the interval of the ratio to leave `bound`.
    pub to_decide: Option<ToDecide>,
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
}

/// Compares the cells of every metric, strategy and attribute. Cells come sorted, all of a group together.
pub fn measure(cells: &[Cell], measure: &Measure) -> Vec<OutcomeParity> {
    let mut facts = Vec::new();
    let references = references(cells, measure);
    let key = |cell: &Cell| (cell.metric, cell.strategy.clone(), cell.attribute.clone(), cell.within.clone());
    for group in cells.chunk_by(|a, b| key(a) == key(b)) {
        let reference = group.first().and_then(|cell| references.get(&cell.attribute));
        facts.extend(compare_group(group, reference, measure));
    }
    correct(&mut facts);
    facts
}

/// The reference value of each attribute: the manifest's, else the one with the most units over the whole log, so that
/// every strategy is held to the same one.
fn references(cells: &[Cell], measure: &Measure) -> BTreeMap<String, String> {
    let mut units: BTreeMap<&String, BTreeMap<&String, u64>> = BTreeMap::new();
    for cell in cells.iter().filter(|cell| cell.within.is_none() && comparable(cell, measure)) {
        *units.entry(&cell.attribute).or_default().entry(&cell.value).or_default() += cell.units;
    }
    let largest = units.into_iter().filter_map(|(attribute, values)| {
        let (value, _) = values.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(a.0)))?;
        Some((attribute.clone(), value.clone()))
    });
    let mut references: BTreeMap<String, String> = largest.collect();
    for segment in &measure.segments {
        if let Some(fixed) = &segment.reference {
            references.insert(segment.attribute.value.clone(), fixed.value.clone());
        }
    }
    references
}

fn is_known(cell: &Cell) -> bool {
    cell.value != UNKNOWN && cell.value != SEVERAL
}

fn comparable(cell: &Cell, measure: &Measure) -> bool {
    is_known(cell) && cell.units >= measure.min_cell
}

fn compare_group(cells: &[Cell], reference: Option<&String>, measure: &Measure) -> Vec<OutcomeParity> {
    let small = |cell: &Cell| cell.units < measure.min_cell;
    // One hidden count is the total less the others: then the smallest shown count is withheld with it.
    let lone = cells.iter().filter(|cell| small(cell)).count() == 1;
    let shown = cells.iter().filter(|cell| lone && !small(cell));
    let withheld = shown.min_by_key(|cell| (cell.units, &cell.value)).map(|cell| &cell.value);
    // The interval of independent rows gives their number away, so there the whole cell goes with its count.
    let by_subject = measure.unit == Unit::Subject;
    let hidden = |cell: &Cell| small(cell) || (!by_subject && withheld == Some(&cell.value));
    let usable = |cell: &&Cell| comparable(cell, measure) && !hidden(cell);
    let reference_cell = cells.iter().filter(usable).find(|cell| Some(&cell.value) == reference);
    let rate = |cell: &Cell| cell.sums.y / cell.sums.n;
    let favoured =
        cells.iter().filter(usable).max_by(|a, b| rate(a).total_cmp(&rate(b)).then_with(|| b.value.cmp(&a.value)));
    let segment = |cell: &Cell, value: &str| BTreeMap::from([(cell.attribute.clone(), value.to_owned())]);
    cells
        .iter()
        .map(|cell| {
            let pair = |other: Option<&Cell>| {
                other.filter(|o| usable(&cell) && o.value != cell.value).map(|o| Pair::of(cell, o, measure))
            };
            let against = pair(reference_cell);
            let ratio = against.as_ref().and_then(|pair| pair.ratio.clone());
            let hidden = hidden(cell);
            let is_withheld = withheld == Some(&cell.value);
            let comparison = match () {
                () if hidden => Comparison::Suppressed,
                () if !is_known(cell) => Comparison::Unknown,
                () if reference_cell.is_some_and(|r| r.value == cell.value) => Comparison::Reference,
                () if ratio.is_none() => Comparison::Undefined,
                () => Comparison::Compared,
            };
            let show_counts = !hidden && !is_withheld;
            OutcomeParity {
                strategy: cell.strategy.clone(),
                metric: cell.metric.id().to_owned(),
                segment: segment(cell, &cell.value),
                reference: reference.map(|value| segment(cell, value)).unwrap_or_default(),
                within: cell.within.iter().cloned().collect(),
                unit: measure.unit.id().to_owned(),
                comparison,
                subjects: (show_counts && by_subject).then_some(cell.units),
                impressions: show_counts.then_some(cell.impressions),
                rate: if hidden { None } else { rate_of(cell, measure) },
                reference_rate: reference_cell.and_then(|r| rate_of(r, measure)),
                to_decide: against.as_ref().and_then(|pair| pair.to_decide(measure)),
                difference: against.as_ref().and_then(|pair| pair.difference.clone()),
                p_value: against.as_ref().and_then(|pair| pair.p_value),
                q_value: None,
                ratio,
                suppressed: hidden,
                counts_withheld: is_withheld,
                most_favoured: favoured.filter(|_| usable(&cell)).map(|best| MostFavoured {
                    segment: segment(best, &best.value),
                    ratio: pair(Some(best)).and_then(|pair| pair.ratio),
                }),
            }
        })
        .collect()
}

/// Sets every q: Benjamini-Hochberg over all comparisons of one metric.
fn correct(facts: &mut [OutcomeParity]) {
    for metric in Metric::ALL {
        let family: Vec<usize> =
            (0..facts.len()).filter(|&i| facts[i].metric == metric.id() && facts[i].p_value.is_some()).collect();
        let p: Vec<f64> = family.iter().filter_map(|&i| facts[i].p_value).collect();
        for (&index, q) in family.iter().zip(benjamini_hochberg(&p)) {
            facts[index].q_value = Some(q);
        }
    }
}

/// How the numbers of a cell are read: rows that each stand for themselves, or sums over subjects.
enum Reading {
    /// Independent rows that are 0 or 1.
    Rows(Proportion),
    /// Independent rows of any size.
    Amounts(ClusterSums),
    /// Subjects, with rows that are 0 or 1.
    Shares(ClusterSums),
    /// Subjects, with rows of any size.
    Means(ClusterSums),
}

fn reading(cell: &Cell, measure: &Measure) -> Reading {
    match (measure.unit, cell.metric) {
        (Unit::Subject, Metric::Revenue) => Reading::Means(cell.sums),
        (Unit::Subject, _) => Reading::Shares(cell.sums),
        (Unit::Impression, Metric::Revenue) => {
            Reading::Amounts(ClusterSums::of_rows(cell.units, cell.sums.y, cell.sums.yy))
        }
        (Unit::Impression, _) => {
            Reading::Rows(Proportion { successes: cell.sums.y.round() as u64, trials: cell.units })
        }
    }
}

fn rate_of(cell: &Cell, measure: &Measure) -> Option<Interval> {
    match reading(cell, measure) {
        Reading::Rows(rows) => rows.wilson(measure.level),
        Reading::Amounts(sums) | Reading::Means(sums) => sums.mean()?.interval(measure.level),
        Reading::Shares(sums) => share::interval(&sums, measure.level),
    }
}

/// A segment beside another one.
struct Pair {
    ratio: Option<Interval>,
    difference: Option<Interval>,
    p_value: Option<f64>,
    units: Option<u64>,
}

impl Pair {
    fn of(a: &Cell, b: &Cell, measure: &Measure) -> Self {
        let (level, bound) = (measure.level, measure.decide_at);
        match (reading(a, measure), reading(b, measure)) {
            (Reading::Rows(a), Reading::Rows(b)) => Self {
                ratio: proportion::katz(a, b, level),
                difference: proportion::newcombe(a, b, level),
                p_value: proportion::z_test(a, b),
                units: proportion::katz_units(a, b, bound, level),
            },
            (Reading::Shares(a), Reading::Shares(b)) => Self {
                ratio: share::ratio(&a, &b, level),
                difference: share::difference(&a, &b, level),
                p_value: share::p_value(&a, &b),
                units: units(&a, &b, measure),
            },
            (Reading::Means(a) | Reading::Amounts(a), Reading::Means(b) | Reading::Amounts(b)) => {
                let means = a.mean().zip(b.mean());
                Self {
                    ratio: means.and_then(|(a, b)| ratio_mean::ratio(&a, &b, level)),
                    difference: means.and_then(|(a, b)| ratio_mean::difference(&a, &b, level)),
                    p_value: means.and_then(|(a, b)| ratio_mean::p_value(&a, &b)),
                    units: units(&a, &b, measure),
                }
            }
            // One metric is read in one way.
            _ => Self { ratio: None, difference: None, p_value: None, units: None },
        }
    }

    /// Set where the bound lies within the interval of the ratio.
    fn to_decide(&self, measure: &Measure) -> Option<ToDecide> {
        let bound = measure.decide_at;
        let open = self.ratio.as_ref().is_some_and(|ratio| ratio.low < bound && bound <= ratio.high);
        self.units.filter(|_| open).map(|units| ToDecide { bound, units })
    }
}

fn units(a: &ClusterSums, b: &ClusterSums, measure: &Measure) -> Option<u64> {
    ratio_mean::units_to_decide(&a.mean()?, &b.mean()?, measure.decide_at, measure.level)
}
