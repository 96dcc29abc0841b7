//! Intervals, tests and corrections. No word of the domain: counts and sums in, numbers with their uncertainty out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An estimate with its confidence interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// The point estimate, in the unit of the field that carries it.
    pub estimate: f64,
    /// Lower limit.
    pub low: f64,
    /// Upper limit.
    pub high: f64,
    /// Confidence level, 0 to 1.
    pub level: f64,
    /// How the interval was made, e.g. `cluster_delta`, `wilson`, `newcombe`, `katz`.
    pub method: String,
}
