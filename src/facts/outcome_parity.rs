//! `outcome_parity`: whether segments get the same out of a strategy as the reference does.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FactKind, attributes};
use crate::findings::Evidence;
use crate::stats::Interval;

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
    /// Whether counts are withheld so that a suppressed sibling cannot be worked out.
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
