//! `exposure_parity`: whether groups of items get the share of attention that they are to have.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measured::{Harm, Number};
use super::outcome_parity::Comparison;
use super::{FactKind, attributes};
use crate::findings::Evidence;
use crate::stats::Interval;

mod measure;
#[cfg(test)]
mod tests;

pub(super) use measure::withheld;
pub use measure::{Has, correct, measure, targets};

/// One group of items under one strategy, among all people or one segment of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExposureParity {
    pub strategy: String,
    /// The attribute of items, e.g. `provider`.
    pub item_attribute: String,
    /// Its value.
    pub item_group: String,
    /// The people who were shown the lists, e.g. `{age_band: 65+}`; empty for all.
    pub segment: BTreeMap<String, String>,
    /// The segment that this one is compared with; empty for all people.
    pub reference: BTreeMap<String, String>,
    /// The group with which exposure per item is compared; null when no group has a target.
    pub reference_group: Option<String>,
    /// The position model, e.g. `log2` or `geometric(0.5)`.
    pub discount: String,
    /// The last position that counts; null for the whole list.
    pub cutoff: Option<u32>,
    /// `catalogue`, `merit` or `policy`.
    pub target: String,
    /// What one independent unit is: `subject` or `impression`.
    pub unit: String,
    /// What became of the comparison with the target.
    pub comparison: Comparison,
    /// Subjects who were shown lists; null when withheld or when the log has no subjects.
    pub subjects: Option<u64>,
    /// Impressions of the group, as far as the cutoff; null when withheld.
    pub impressions: Option<u64>,
    /// Impressions without a position, of all groups; they got no attention that could be told. Null when withheld.
    pub unplaced: Option<u64>,
    /// Items of the group in the catalogue.
    pub items: u64,
    /// Of the attention to items whose group is known, 0 to 1; of all attention for `(unknown)`.
    pub share: Option<Interval>,
    /// The share it is to have; null when the target says nothing of it.
    pub target_share: Option<f64>,
    /// `share` over `target_share`.
    pub ratio: Option<Interval>,
    /// Natural logarithm of the ratio; null when that is 0.
    pub log_ratio: Option<f64>,
    /// `share` minus `target_share`.
    pub difference: Option<Interval>,
    /// Two-sided, that the share is the target.
    pub p_value: Option<f64>,
    /// Benjamini-Hochberg adjusted within all such comparisons.
    pub q_value: Option<f64>,
    /// What the share would be if all items of unknown group belonged to others, and if all belonged to it.
    pub share_bounds: Option<Bounds>,
    /// Attention per item of the catalogue, in first places; for all people only.
    pub exposure_per_item: Option<f64>,
    /// The same over that of the reference group: demographic parity of exposure.
    pub item_ratio: Option<Interval>,
    /// Natural logarithm of it, logDP; null when it is 0.
    pub log_item_ratio: Option<f64>,
    /// Share of what was relevant; null when the log does not say.
    pub relevance_share: Option<f64>,
    /// Share of the clicks; null when nobody clicked or the log does not say.
    pub click_share: Option<f64>,
    /// Attention per relevance over that of the reference group: disparate treatment, EUR.
    pub treatment_ratio: Option<Interval>,
    /// Clicks per relevance over those of the reference group: disparate impact, RUR.
    pub impact_ratio: Option<Interval>,
    /// What became of the comparison with the reference segment; null for all people.
    pub segment_comparison: Option<Comparison>,
    /// The group's share among the reference segment.
    pub reference_share: Option<f64>,
    /// `share` over `reference_share`.
    pub segment_ratio: Option<Interval>,
    /// `share` minus `reference_share`.
    pub segment_difference: Option<Interval>,
    /// Two-sided, that both segments are shown the group alike.
    pub segment_p_value: Option<f64>,
    /// Benjamini-Hochberg adjusted within all comparisons of segments.
    pub segment_q_value: Option<f64>,
    /// Whether the segment is below `min_cell` units, so that its numbers are withheld.
    pub suppressed: bool,
    /// Whether counts are withheld so that those of a suppressed sibling cannot be worked out.
    pub counts_withheld: bool,
}

/// The least and the most that a number can be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bounds {
    pub low: f64,
    pub high: f64,
}

impl FactKind for ExposureParity {
    const NAME: &'static str = "exposure_parity";
    const DOC: &'static str = include_str!("exposure_parity.md");
    const MEASURES: &'static [&'static str] =
        &["item_ratio", "log_item_ratio", "treatment_ratio", "impact_ratio", "segment_ratio"];
    const NEEDS_LOG: bool = true;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("strategy", self.strategy.clone()),
            ("item_attribute", self.item_attribute.clone()),
            ("item_group", self.item_group.clone()),
            ("segment", attributes(&self.segment)),
            ("reference", attributes(&self.reference)),
            ("discount", self.discount.clone()),
            ("cutoff", self.cutoff.map_or_else(String::new, |cutoff| cutoff.to_string())),
            ("target", self.target.clone()),
        ])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let depth = self.cutoff.map_or_else(|| "whole lists".to_owned(), |cutoff| format!("the first {cutoff}"));
        let mut evidence = vec![
            Evidence::value("attention", format!("{} over {depth}", self.discount)),
            Evidence::value("target", self.target.clone()),
        ];
        if !self.reference.is_empty() {
            evidence.push(Evidence::value("reference", attributes(&self.reference)));
        }
        evidence
    }

    fn numbers(&self, _: f64) -> Vec<Number> {
        Number::of("ratio", Harm::Low, &self.ratio)
    }
}
