//! `catalogue_use`: how much of the catalogue a strategy shows, and how unequally it spreads impressions over items.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::exposure_parity::withheld;
use super::outcome_parity::Comparison;
use super::{FactKind, attributes};
use crate::findings::Evidence;
use crate::manifest::{Measure, Unit};
use crate::replay::catalogue::{Catalogue, Shown};
use crate::replay::items::Segment;
use crate::replay::segments::{Segments, is_known};
use crate::stats::inequality::Gini;

/// What one strategy shows of the catalogue, to all people or to one segment of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CatalogueUse {
    pub strategy: String,
    /// The people to whom items were shown, e.g. `{age_band: 65+}`; empty for all.
    pub segment: BTreeMap<String, String>,
    /// The segment that this one is compared with; empty for all people.
    pub reference: BTreeMap<String, String>,
    /// What became of the comparison with the reference; null for all people.
    pub comparison: Option<Comparison>,
    /// Where the catalogue comes from.
    pub catalogue: Source,
    /// Its distinct items.
    pub catalogue_items: u64,
    /// Those of them that the log shows and `evidence.items` does not list; null without it.
    pub unlisted_items: Option<u64>,
    /// What one independent unit is: `subject` or `impression`.
    pub unit: String,
    /// Subjects whom the strategy decided about; null when withheld or when the log has no subjects.
    pub subjects: Option<u64>,
    /// Impressions; null when withheld.
    pub impressions: Option<u64>,
    /// Distinct items shown; null when withheld.
    pub items_shown: Option<u64>,
    /// `items_shown` over `catalogue_items`, 0 to 1. It grows with impressions, so segments of unequal size are compared
    /// by `rarefied_items`.
    pub catalogue_coverage: Option<f64>,
    /// Impressions of the smallest compared segment of the attribute under this strategy; null for all people and when
    /// withheld.
    pub sample: Option<u64>,
    /// Distinct items to be expected among as many impressions of the segment as the smallest compared one has.
    pub rarefied_items: Option<f64>,
    /// The same of the reference.
    pub reference_rarefied_items: Option<f64>,
    /// `rarefied_items` over that of the reference; null unless compared.
    pub rarefied_ratio: Option<f64>,
    /// Gini coefficient of impressions over all items of the catalogue, 0 to 1 - 1/n.
    pub gini_n: Option<f64>,
    /// The same times n/(n - 1), 0 to 1.
    pub gini_n_minus_1: Option<f64>,
    /// Shannon's entropy of the items' shares of impressions, in nats.
    pub item_entropy: Option<f64>,
    /// Its exponential: the number of items that, shown equally often, would have this entropy.
    pub effective_items: Option<f64>,
    /// Whether there are fewer than `min_cell` units, so that all numbers are withheld.
    pub suppressed: bool,
    /// Whether counts are withheld so that those of a suppressed sibling cannot be worked out.
    pub counts_withheld: bool,
}

/// What says which items there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// `evidence.items`, and what the log shows besides.
    Items,
    /// Only what the whole log shows.
    Log,
}

impl FactKind for CatalogueUse {
    const NAME: &'static str = "catalogue_use";
    const DOC: &'static str = include_str!("catalogue_use.md");
    const MEASURES: &'static [&'static str] =
        &["catalogue_coverage", "rarefied_items", "gini_n_minus_1", "item_entropy", "effective_items"];
    const NEEDS_LOG: bool = true;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("strategy", self.strategy.clone()),
            ("segment", attributes(&self.segment)),
            ("reference", attributes(&self.reference)),
        ])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let from = match self.catalogue {
            Source::Items => "evidence.items",
            Source::Log => "what the log shows",
        };
        let mut evidence = vec![Evidence::value("catalogue", format!("{} items, from {from}", self.catalogue_items))];
        if !self.reference.is_empty() {
            evidence.push(Evidence::value("reference", attributes(&self.reference)));
        }
        evidence
    }
}

/// A fact for all people of each strategy, and one per segment.
pub fn measure(catalogue: &Catalogue, segments: &Segments, measure: &Measure) -> Vec<CatalogueUse> {
    let of = |((strategy, segment), shown): (&(String, Segment), &Shown)| {
        let siblings = Siblings::of(catalogue, strategy, segment, segments, measure);
        siblings.fact(catalogue, strategy, segment, shown)
    };
    catalogue.shown.iter().map(of).collect()
}

/// All segments of one attribute under one strategy.
struct Siblings<'a> {
    measure: &'a Measure,
    reference: Option<&'a String>,
    /// What the reference was shown, when it is large enough.
    other: Option<&'a Shown>,
    /// Impressions of the smallest segment that can be compared.
    sample: Option<u64>,
    /// The segment whose counts are withheld for the sake of another one's.
    withheld: Option<&'a Segment>,
}

impl<'a> Siblings<'a> {
    fn of(
        catalogue: &'a Catalogue,
        strategy: &str,
        segment: &Segment,
        segments: &'a Segments,
        measure: &'a Measure,
    ) -> Self {
        let attribute = segment.as_ref().map(|(attribute, _)| attribute);
        let reference = attribute.and_then(|attribute| segments.references.get(attribute));
        let own = |of: &Segment| of.as_ref().map(|(attribute, _)| attribute) == attribute;
        let siblings: Vec<(&Segment, &Shown)> = catalogue
            .shown
            .iter()
            .filter(|((by, of), _)| by == strategy && own(of))
            .map(|((_, of), shown)| (of, shown))
            .collect();
        let value = |of: &'a Segment| of.as_ref().map(|(_, value)| value);
        let compared = siblings
            .iter()
            .filter(|(of, shown)| shown.units >= measure.min_cell && value(of).is_some_and(|value| is_known(value)));
        let units: Vec<(&Segment, u64)> = siblings.iter().map(|(of, shown)| (*of, shown.units)).collect();
        Self {
            measure,
            reference,
            other: compared.clone().find(|(of, _)| value(of) == reference).map(|(_, shown)| *shown),
            sample: compared.map(|(_, shown)| shown.impressions.occurrences()).min(),
            withheld: withheld(&units, measure.min_cell),
        }
    }

    fn fact(&self, catalogue: &Catalogue, strategy: &str, segment: &Segment, shown: &Shown) -> CatalogueUse {
        let hidden = shown.units < self.measure.min_cell;
        let counts_withheld = !hidden && self.withheld == Some(segment);
        let counted = !hidden && !counts_withheld;
        let comparison = segment.as_ref().map(|(_, value)| match () {
            () if hidden => Comparison::Suppressed,
            () if !is_known(value) => Comparison::Unknown,
            () if Some(value) == self.reference => Comparison::Reference,
            () if self.other.is_none() => Comparison::Undefined,
            () => Comparison::Compared,
        });
        let beside = matches!(comparison, Some(Comparison::Compared | Comparison::Reference | Comparison::Undefined));
        let rarefied = |of: &Shown| of.impressions.rarefied(self.sample?);
        let rarefied_items = rarefied(shown).filter(|_| beside);
        let theirs = self.other.and_then(rarefied);
        let gini = |variant| shown.impressions.gini(catalogue.items, variant).filter(|_| !hidden);
        let entropy = shown.impressions.entropy().filter(|_| !hidden);
        let things = shown.impressions.things();
        let other = segment.as_ref().and_then(|(attribute, _)| Some((attribute.clone(), self.reference?.clone())));
        CatalogueUse {
            strategy: strategy.to_owned(),
            segment: segment.iter().cloned().collect(),
            reference: other.into_iter().collect(),
            comparison,
            catalogue: if catalogue.unlisted.is_some() { Source::Items } else { Source::Log },
            catalogue_items: catalogue.items,
            unlisted_items: catalogue.unlisted,
            unit: self.measure.unit.id().to_owned(),
            subjects: (counted && self.measure.unit == Unit::Subject).then_some(shown.units),
            impressions: counted.then(|| shown.impressions.occurrences()),
            items_shown: (!hidden).then_some(things),
            catalogue_coverage: (!hidden && catalogue.items > 0).then(|| things as f64 / catalogue.items as f64),
            // It is the count of a segment that may be withheld.
            sample: self.sample.filter(|_| beside && self.withheld.is_none()),
            rarefied_items,
            reference_rarefied_items: theirs.filter(|_| beside),
            rarefied_ratio: rarefied_items
                .zip(theirs)
                .filter(|_| comparison == Some(Comparison::Compared))
                .map(|(own, theirs)| own / theirs),
            gini_n: gini(Gini::Population),
            gini_n_minus_1: gini(Gini::Unbiased),
            item_entropy: entropy,
            effective_items: entropy.map(f64::exp),
            suppressed: hidden,
            counts_withheld,
        }
    }
}
