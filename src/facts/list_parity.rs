//! `list_parity`: how popular, how varied and how much to their taste what segments are shown is, beside the reference.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measured::Number;
pub use super::outcome_parity::Comparison;
use super::{FactKind, attributes};
use crate::findings::Evidence;
use crate::manifest;
use crate::replay::lists::{Cell, Measure};
use crate::replay::segments::{Segments, is_known};
use crate::stats::{Interval, benjamini_hochberg, ratio_mean};

/// What the lists of one segment are like under one strategy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ListParity {
    pub strategy: String,
    /// `popularity`, `popularity_lift`, `tail_share`, `miscalibration`, `categories_per_list` or `category_entropy`.
    pub measure: String,
    /// The attribute that makes the segment, e.g. `{age_band: 65+}`.
    pub segment: BTreeMap<String, String>,
    /// The segment it is compared with.
    pub reference: BTreeMap<String, String>,
    /// What became of the comparison.
    pub comparison: Comparison,
    /// The side on which the segment is worse off, `high` or `low`.
    pub harm: String,
    /// Subjects of the segment with a value; null when withheld.
    pub subjects: Option<u64>,
    /// Its subjects without one, as they have no history or were shown nothing that is known; null when withheld.
    pub left_out: Option<u64>,
    /// The mean over its subjects; null when withheld.
    pub value: Option<Interval>,
    /// The same of the reference.
    pub reference_value: Option<f64>,
    /// `value` over `reference_value`; null unless compared, and of `popularity_lift`.
    pub ratio: Option<Interval>,
    /// `value` minus `reference_value`; null unless compared.
    pub difference: Option<Interval>,
    /// Two-sided, of the null hypothesis that there is no difference.
    pub p_value: Option<f64>,
    /// Benjamini-Hochberg adjusted within all comparisons of this measure.
    pub q_value: Option<f64>,
    /// Whether the segment has fewer than `min_cell` subjects with a value, so that its numbers are withheld.
    pub suppressed: bool,
    /// Whether counts are withheld so that a suppressed sibling cannot be worked out.
    pub counts_withheld: bool,
}

impl FactKind for ListParity {
    const NAME: &'static str = "list_parity";
    const DOC: &'static str = include_str!("list_parity.md");
    const MEASURES: &'static [&'static str] =
        &["popularity", "popularity_lift", "tail_share", "miscalibration", "categories_per_list", "category_entropy"];
    const NEEDS_LOG: bool = true;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("strategy", self.strategy.clone()),
            ("measure", self.measure.clone()),
            ("segment", attributes(&self.segment)),
            ("reference", attributes(&self.reference)),
        ])
    }

    fn evidence(&self) -> Vec<Evidence> {
        vec![Evidence::value("reference", attributes(&self.reference))]
    }

    fn numbers(&self, _: f64) -> Vec<Number> {
        Number::stated("ratio", &self.harm, &self.ratio)
    }
}

/// Compares every segment with the reference, measure by measure.
pub fn measure(cells: &[Cell], segments: &Segments, settings: &manifest::Measure) -> Vec<ListParity> {
    let mut facts = Vec::new();
    for measure in Measure::ALL {
        let mut groups: BTreeMap<(&str, &str), Vec<&Cell>> = BTreeMap::new();
        for cell in cells.iter().filter(|cell| cell.measure == measure) {
            groups.entry((&cell.strategy, &cell.attribute)).or_default().push(cell);
        }
        let mut family: Vec<ListParity> = Vec::new();
        for ((_, attribute), cells) in groups {
            family.extend(compare(&cells, segments.references.get(attribute).map(String::as_str), settings));
        }
        let compared: Vec<usize> = (0..family.len()).filter(|&i| family[i].p_value.is_some()).collect();
        let p: Vec<f64> = compared.iter().filter_map(|&i| family[i].p_value).collect();
        for (&index, q) in compared.iter().zip(benjamini_hochberg(&p)) {
            family[index].q_value = Some(q);
        }
        facts.extend(family);
    }
    facts
}

fn compare(cells: &[&Cell], reference: Option<&str>, settings: &manifest::Measure) -> Vec<ListParity> {
    let (least, level) = (settings.min_cell, settings.level);
    let small = |cell: &Cell| cell.sums.clusters < least;
    // One hidden count is the total less the others: then the smallest shown count is withheld with it.
    let lone = cells.iter().filter(|cell| small(cell)).count() == 1;
    let shown = cells.iter().filter(|cell| lone && !small(cell));
    let withheld = shown.min_by_key(|cell| (cell.sums.clusters, &cell.value)).map(|cell| cell.value.as_str());
    let other = cells.iter().find(|cell| Some(cell.value.as_str()) == reference && !small(cell));
    let facts = cells.iter().map(|cell| {
        let hidden = small(cell);
        let is_reference = Some(cell.value.as_str()) == reference;
        let counts = !hidden && withheld != Some(cell.value.as_str());
        // Few without a value could be told by what is missing.
        let left_out = cell.people - cell.sums.clusters;
        let lift = cell.measure == Measure::PopularityLift;
        let mean = cell.sums.mean();
        let pair = other.filter(|_| !hidden && is_known(&cell.value) && !is_reference);
        let pair = pair.and_then(|other| mean.zip(other.sums.mean()));
        let difference = pair.and_then(|(a, b)| ratio_mean::difference(&a, &b, level));
        let comparison = match () {
            () if hidden => Comparison::Suppressed,
            () if !is_known(&cell.value) => Comparison::Unknown,
            () if is_reference => Comparison::Reference,
            () if difference.is_none() => Comparison::Undefined,
            () => Comparison::Compared,
        };
        let segment = |value: &str| BTreeMap::from([(cell.attribute.clone(), value.to_owned())]);
        // The lift is the ratio of two popularities, less 1.
        let shift = if lift { 1.0 } else { 0.0 };
        let value = mean.filter(|_| !hidden).and_then(|mean| mean.interval(level)).map(|of| Interval {
            estimate: of.estimate - shift,
            low: of.low - shift,
            high: of.high - shift,
            ..of
        });
        ListParity {
            strategy: cell.strategy.clone(),
            measure: cell.measure.id().to_owned(),
            segment: segment(&cell.value),
            reference: reference.map(segment).unwrap_or_default(),
            comparison,
            harm: harm(cell.measure).to_owned(),
            subjects: counts.then_some(cell.sums.clusters),
            left_out: (counts && (left_out == 0 || left_out >= least)).then_some(left_out),
            value,
            reference_value: other.map(|of| of.sums.y / of.sums.n - shift),
            ratio: pair.filter(|_| !lift).and_then(|(a, b)| ratio_mean::ratio(&a, &b, level)),
            p_value: pair.and_then(|(a, b)| ratio_mean::p_value(&a, &b)),
            difference,
            q_value: None,
            suppressed: hidden,
            counts_withheld: !hidden && !counts,
        }
    });
    facts.collect()
}

/// On which side a segment is worse off.
fn harm(measure: Measure) -> &'static str {
    match measure {
        Measure::Popularity | Measure::PopularityLift | Measure::Miscalibration => "high",
        Measure::TailShare | Measure::Categories | Measure::Entropy => "low",
    }
}
