//! `price_parity`: whether segments are shown the same prices and discounts, and items as dear, as the reference.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measured::Number;
pub use super::outcome_parity::Comparison;
use super::{FactKind, attributes};
use crate::findings::Evidence;
use crate::manifest::{self, Unit};
use crate::replay::prices::{Cell, Matched, Measure, Prices};
use crate::replay::segments::{Segments, is_known};
use crate::stats::{Interval, benjamini_hochberg, ratio_mean, share};

/// The prices that one segment was shown under one strategy, beside those of the reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PriceParity {
    pub strategy: String,
    /// `same_item_price`, `same_item_discount`, `mean_price`, `discount`, `discounted_share`, `price_level` or
    /// `above_median_share`.
    pub measure: String,
    /// The attribute that makes the segment, e.g. `{age_band: 65+}`.
    pub segment: BTreeMap<String, String>,
    /// The segment it is compared with.
    pub reference: BTreeMap<String, String>,
    /// What one independent unit is: `subject` or `impression`.
    pub unit: String,
    /// What became of the comparison.
    pub comparison: Comparison,
    /// The side on which the segment is worse off: `high` for prices, `low` for discounts.
    pub harm: String,
    /// Subjects of the segment who were shown what is measured; null when withheld or when the log has no subjects.
    pub subjects: Option<u64>,
    /// Their impressions; null when withheld.
    pub impressions: Option<u64>,
    /// Their impressions whose price is not above 0, or above a billion, and which are left out; null when withheld.
    pub left_out: Option<u64>,
    /// What both were shown; null for means over all impressions, and unless compared.
    pub matched: Option<SameItem>,
    /// The segment's mean: money in the log's currency, else a share. Of `same_item_price` the geometric mean over what
    /// both were shown, weighted as the comparison is.
    pub value: Option<f64>,
    /// The same of the reference.
    pub reference_value: Option<f64>,
    /// `value` over `reference_value`; null unless compared, and of `same_item_discount`.
    pub ratio: Option<Interval>,
    /// `value` minus `reference_value`; null unless compared, and of `same_item_price`.
    pub difference: Option<Interval>,
    /// What makes the gap of `mean_price`; null for other measures and unless compared.
    pub split: Option<Split>,
    /// Two-sided, of the null hypothesis that there is no difference.
    pub p_value: Option<f64>,
    /// Benjamini-Hochberg adjusted within all comparisons of this measure.
    pub q_value: Option<f64>,
    /// Whether the segment is below `min_cell` units, so that its numbers are withheld.
    pub suppressed: bool,
    /// Whether counts are withheld so that a suppressed sibling cannot be worked out.
    pub counts_withheld: bool,
}

/// Items, in the same span of time, whose price was shown to the segment and to the reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SameItem {
    /// Within how long a price counts as the same time, e.g. `1 day`.
    pub window: String,
    /// Pairs of item and span.
    pub cells: u64,
    pub items: u64,
    /// Subjects of the segment in them; null when the log has none.
    pub subjects: Option<u64>,
    pub impressions: u64,
    /// Impressions of the segment in no such cell, which say nothing here.
    pub unmatched: u64,
    /// Impressions of the reference in them.
    pub reference_impressions: u64,
}

/// What makes a gap in mean price (Kitagawa 1955), in the log's currency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Split {
    /// Mean price of the segment less that of the reference.
    pub gap: f64,
    /// The part due to which items are shown.
    pub mix: f64,
    /// The part due to the prices of items that both were shown.
    pub price: f64,
}

impl FactKind for PriceParity {
    const NAME: &'static str = "price_parity";
    const DOC: &'static str = include_str!("price_parity.md");
    const MEASURES: &'static [&'static str] = &[
        "same_item_price",
        "same_item_discount",
        "discount",
        "discounted_share",
        "mean_price",
        "price_level",
        "above_median_share",
    ];
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
        let mut evidence = vec![Evidence::value("reference", attributes(&self.reference))];
        if let Some(SameItem { cells, items, window, .. }) = &self.matched {
            evidence.push(Evidence::value("compared", format!("{items} items in {cells} spans of {window}")));
        }
        if let Some(Split { gap, mix, price }) = &self.split {
            let told = format!("{gap:+.4}: {mix:+.4} by which items, {price:+.4} by the price of the same item");
            evidence.push(Evidence::value("gap in mean price", told));
        }
        evidence
    }

    fn numbers(&self, _: f64) -> Vec<Number> {
        Number::stated("ratio", &self.harm, &self.ratio)
    }
}

/// Compares every segment with the reference, measure by measure.
pub fn measure(prices: &Prices, segments: &Segments, settings: &manifest::Measure) -> Vec<PriceParity> {
    let mut facts = Vec::new();
    for measure in Measure::ALL {
        let of = match measure {
            Measure::SameItemPrice => Measure::MeanPrice,
            Measure::SameItemDiscount => Measure::Discount,
            own => own,
        };
        let mut groups: BTreeMap<(&str, &str), Vec<&Cell>> = BTreeMap::new();
        for cell in prices.cells.iter().filter(|cell| cell.measure == of) {
            groups.entry((&cell.strategy, &cell.attribute)).or_default().push(cell);
        }
        let mut family = Vec::new();
        for ((_, attribute), cells) in groups {
            let reference = segments.references.get(attribute).map(String::as_str);
            family.extend(Group { measure, cells, reference, prices, settings }.compare());
        }
        correct(&mut family);
        facts.extend(family);
    }
    facts
}

/// Sets every q: Benjamini-Hochberg over all comparisons of one measure.
fn correct(facts: &mut [PriceParity]) {
    let compared: Vec<usize> = (0..facts.len()).filter(|&i| facts[i].p_value.is_some()).collect();
    let p: Vec<f64> = compared.iter().filter_map(|&i| facts[i].p_value).collect();
    for (&index, q) in compared.iter().zip(benjamini_hochberg(&p)) {
        facts[index].q_value = Some(q);
    }
}

/// All segments of one attribute under one strategy.
struct Group<'a> {
    measure: Measure,
    cells: Vec<&'a Cell>,
    reference: Option<&'a str>,
    prices: &'a Prices,
    settings: &'a manifest::Measure,
}

/// A segment beside the reference.
#[derive(Default)]
struct Pair {
    matched: Option<SameItem>,
    value: Option<f64>,
    reference_value: Option<f64>,
    ratio: Option<Interval>,
    difference: Option<Interval>,
    split: Option<Split>,
    p_value: Option<f64>,
    /// Too few units were shown the same.
    few: bool,
}

impl<'a> Group<'a> {
    fn compare(&self) -> Vec<PriceParity> {
        let by_subject = self.settings.unit == Unit::Subject;
        let small = |cell: &Cell| cell.units < self.settings.min_cell;
        // One hidden count is the total less the others: then the smallest shown count is withheld with it.
        let lone = self.cells.iter().filter(|cell| small(cell)).count() == 1;
        let shown = self.cells.iter().filter(|cell| lone && !small(cell));
        let withheld = shown.min_by_key(|cell| (cell.units, &cell.value)).map(|cell| cell.value.as_str());
        let reference = self.cells.iter().find(|cell| Some(cell.value.as_str()) == self.reference && !small(cell));
        let facts = self.cells.iter().map(|cell| {
            let hidden = small(cell);
            let is_reference = Some(cell.value.as_str()) == self.reference;
            let other = reference.filter(|_| !hidden && is_known(&cell.value) && !is_reference);
            let counts = !hidden && withheld != Some(cell.value.as_str());
            let mut pair = other.map(|other| self.pair(cell, other)).unwrap_or_default();
            let comparison = match () {
                () if hidden || pair.few => Comparison::Suppressed,
                () if !is_known(&cell.value) => Comparison::Unknown,
                () if is_reference => Comparison::Reference,
                () if pair.p_value.is_none() => Comparison::Undefined,
                () => Comparison::Compared,
            };
            if pair.few {
                pair = Pair::default();
            }
            let segment = |value: &str| BTreeMap::from([(cell.attribute.clone(), value.to_owned())]);
            PriceParity {
                strategy: cell.strategy.clone(),
                measure: self.measure.id().to_owned(),
                segment: segment(&cell.value),
                reference: self.reference.map(segment).unwrap_or_default(),
                unit: self.settings.unit.id().to_owned(),
                comparison,
                harm: harm(self.measure).to_owned(),
                subjects: (counts && by_subject).then_some(cell.units),
                impressions: counts.then_some(cell.impressions),
                left_out: counts.then_some(cell.left_out),
                matched: pair.matched.filter(|_| counts),
                value: if hidden { None } else { pair.value.or_else(|| self.mean(cell)) },
                reference_value: pair.reference_value.or_else(|| self.mean(reference?)),
                ratio: pair.ratio,
                difference: pair.difference,
                split: pair.split,
                p_value: pair.p_value,
                q_value: None,
                suppressed: hidden || pair.few,
                counts_withheld: !hidden && !counts,
            }
        });
        facts.collect()
    }

    /// The mean over all impressions. What is compared within the same items has no value beyond them.
    fn mean(&self, cell: &Cell) -> Option<f64> {
        (cell.measure == self.measure).then(|| cell.sums.y / cell.sums.n)
    }

    fn pair(&self, a: &'a Cell, b: &'a Cell) -> Pair {
        let level = self.settings.level;
        match self.measure {
            Measure::SameItemPrice | Measure::SameItemDiscount => self.same_items(a),
            Measure::DiscountedShare | Measure::AboveMedianShare => Pair {
                ratio: share::ratio(&a.sums, &b.sums, level),
                difference: share::difference(&a.sums, &b.sums, level),
                p_value: share::p_value(&a.sums, &b.sums),
                ..Pair::default()
            },
            Measure::MeanPrice | Measure::Discount | Measure::PriceLevel => {
                let means = a.sums.mean().zip(b.sums.mean());
                let ratio = means.and_then(|(a, b)| ratio_mean::ratio(&a, &b, level));
                let key = (a.strategy.clone(), a.attribute.clone(), a.value.clone());
                let split = means.filter(|_| self.measure == Measure::MeanPrice).map(|(a, b)| {
                    let gap = a.estimate - b.estimate;
                    let price = self.prices.splits.get(&key).copied().unwrap_or(0.0);
                    Split { gap, mix: gap - price, price }
                });
                Pair {
                    // A discount may be negative, so that its ratio says nothing.
                    ratio: ratio.filter(|_| self.measure != Measure::Discount),
                    difference: means.and_then(|(a, b)| ratio_mean::difference(&a, &b, level)),
                    p_value: means.and_then(|(a, b)| ratio_mean::p_value(&a, &b)),
                    split,
                    ..Pair::default()
                }
            }
        }
    }

    fn same_items(&self, cell: &Cell) -> Pair {
        let of = |matched: &&Matched| {
            matched.measure == self.measure
                && matched.strategy == cell.strategy
                && matched.attribute == cell.attribute
                && matched.segment == cell.value
        };
        let Some(found) = self.prices.matched.iter().find(of) else { return Pair::default() };
        if found.units.iter().any(|units| *units < self.settings.min_cell) {
            return Pair { few: true, ..Pair::default() };
        }
        let Some(within) = found.sums.difference() else { return Pair::default() };
        let (level, is_price) = (self.settings.level, self.measure == Measure::SameItemPrice);
        let back = |value: f64| if is_price { value.exp() } else { value };
        let matched = SameItem {
            window: crate::duration(self.settings.price_window.as_secs_f64()),
            cells: found.cells,
            items: found.items,
            subjects: (self.settings.unit == Unit::Subject).then_some(found.units[0]),
            impressions: found.impressions[0],
            unmatched: cell.impressions.saturating_sub(found.impressions[0]),
            reference_impressions: found.impressions[1],
        };
        Pair {
            matched: Some(matched),
            value: Some(back(found.mean)),
            reference_value: Some(back(found.mean - within.estimate)),
            ratio: if is_price { within.ratio(level) } else { None },
            difference: if is_price { None } else { within.interval(level) },
            p_value: within.p_value(),
            ..Pair::default()
        }
    }
}

/// On which side a segment is worse off.
fn harm(measure: Measure) -> &'static str {
    match measure {
        Measure::SameItemDiscount | Measure::Discount | Measure::DiscountedShare => "low",
        _ => "high",
    }
}
