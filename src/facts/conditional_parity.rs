//! `conditional_parity`: whether a segment gets less because of where it is shown, or in the same place, too.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measured::Number;
use super::outcome_parity::Comparison;
use super::{FactKind, attributes};
use crate::findings::Evidence;
use crate::stats::Interval;

mod measure;
mod pair;

pub use measure::{Conditional, measure};

/// One segment beside the reference segment, as it is and under the same conditions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConditionalParity {
    /// Null where all strategies are taken together.
    pub strategy: Option<String>,
    /// `click` or `conversion`, each per impression.
    pub metric: String,
    /// The attribute that makes the segment, e.g. `{age_band: 65+}`.
    pub segment: BTreeMap<String, String>,
    /// The segment it is compared with.
    pub reference: BTreeMap<String, String>,
    /// The conditions that are held equal: `position`, `strategy`, columns of `measure.within`.
    pub by: Vec<String>,
    /// What one independent unit is: `subject` or `impression`.
    pub unit: String,
    /// What became of the comparison.
    pub comparison: Comparison,
    /// Subjects in the segment; null when withheld or when the log has no subjects.
    pub subjects: Option<u64>,
    /// Impressions in the segment; null when withheld.
    pub impressions: Option<u64>,
    /// Strata in which both segments are shown something and something happened; only they can be compared.
    pub strata: u64,
    /// All other strata of the two.
    pub strata_left_out: u64,
    /// The segment's rate over the reference's, whatever the conditions; null unless compared.
    pub crude: Option<Interval>,
    /// The same under equal conditions: the Mantel-Haenszel ratio of rates; null unless compared.
    pub adjusted: Option<Interval>,
    /// Two-sided, of the null hypothesis that `adjusted` is 1.
    pub p_value: Option<f64>,
    /// Benjamini-Hochberg adjusted within all comparisons of this metric by the same conditions.
    pub q_value: Option<f64>,
    /// The Mantel-Haenszel odds ratio.
    pub odds_ratio: Option<Interval>,
    /// The Cochran-Mantel-Haenszel test with continuity correction, which takes rows as independent.
    pub cmh: Option<RowTest>,
    /// The Breslow-Day test, with Tarone's correction, that the odds ratio is the same in all strata. It takes rows as
    /// independent.
    pub breslow_day: Option<RowTest>,
    /// How the difference of the rates splits up.
    pub gap: Option<Gap>,
    /// The rates if both segments were spread over the strata alike.
    pub standardised: Option<Standardised>,
    /// Whether the crude comparison says the opposite of what holds under equal conditions (Simpson's paradox).
    pub simpson: Simpson,
    /// Strata with at least `min_cell` subjects of both segments and a twentieth of their impressions.
    pub large_strata: u64,
    /// How many of those go against the crude ratio.
    pub large_strata_opposite: u64,
    /// Whether the segment is below `min_cell` units, so that its numbers are withheld.
    pub suppressed: bool,
    /// Whether counts are withheld so that a suppressed sibling cannot be worked out.
    pub counts_withheld: bool,
    /// Each stratum by itself; empty where two conditions are held equal at once: each strategy's own fact has them.
    pub by_stratum: Vec<StratumRates>,
}

/// A χ² test whose p-value holds for independent rows only: where one person has many, it is too small.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RowTest {
    pub statistic: f64,
    /// Degrees of freedom.
    pub df: f64,
    pub p_value: f64,
}

/// A difference of rates and its parts, which add up to it; events per impression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// The segment's rate less the reference's.
    pub total: Part,
    /// What comes of the segments being shown things under different conditions.
    pub composition: Part,
    /// What remains under the same conditions.
    pub within: Part,
    /// What comes of conditions under which only one of the segments was shown anything; null when there are none.
    pub unmatched: Option<Part>,
    /// `composition` over `total`; null unless the interval of `total` excludes 0. Negative, or above 1, where the parts
    /// pull in opposite directions.
    pub explained: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Part {
    pub estimate: f64,
    /// Null where the part does not vary, e.g. when conditions are the same for all by design.
    pub interval: Option<Interval>,
}

/// Rates over the strata that both segments have, weighted by the mean of their shares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Standardised {
    pub rate: Interval,
    pub reference_rate: Interval,
}

/// Whether a crude comparison is turned round under equal conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Simpson {
    /// The crude interval holds 1, or nothing points the other way.
    None,
    /// The crude interval excludes 1; the adjusted ratio, or every large stratum (two at least), lies on the other side.
    Apparent,
    /// Both intervals exclude 1, on opposite sides.
    Certain,
}

/// Both segments in one stratum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StratumRates {
    /// The stratum, e.g. `3` for the third position.
    pub stratum: String,
    /// Units of the segment; null when withheld.
    pub units: Option<u64>,
    /// Units of the reference; null when withheld.
    pub reference_units: Option<u64>,
    /// Impressions of the segment; null when withheld.
    pub impressions: Option<u64>,
    /// Impressions of the reference; null when withheld.
    pub reference_impressions: Option<u64>,
    pub rate: Option<f64>,
    pub reference_rate: Option<f64>,
    /// `rate` over `reference_rate`.
    pub ratio: Option<f64>,
    /// Whether either segment has some, but fewer than `min_cell` units here, or the numbers would tell those of such a
    /// stratum.
    pub suppressed: bool,
}

impl FactKind for ConditionalParity {
    const NAME: &'static str = "conditional_parity";
    const DOC: &'static str = include_str!("conditional_parity.md");
    const NEEDS_LOG: bool = true;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("strategy", self.strategy.clone().unwrap_or_default()),
            ("metric", self.metric.clone()),
            ("segment", attributes(&self.segment)),
            ("reference", attributes(&self.reference)),
            ("by", self.by.join(", ")),
        ])
    }

    fn evidence(&self) -> Vec<Evidence> {
        vec![
            Evidence::value("reference", attributes(&self.reference)),
            Evidence::value("held equal", self.by.join(", ")),
            Evidence::value("strata compared", self.strata.to_string()),
        ]
    }

    fn numbers(&self, _: f64) -> Vec<Number> {
        let harm = crate::metrics::metric(&self.metric).map_or("", |metric| metric.harm.id());
        Number::stated("adjusted", harm, &self.adjusted)
    }
}
