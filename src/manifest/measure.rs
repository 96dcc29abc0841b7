//! `measure`: what is measured, and how cautiously.

use std::time::Duration;

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::yaml::At;

/// What is measured, and how cautiously.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Measure {
    /// What one independent unit is. `impression` is for logs without any subject.
    pub unit: Unit,
    /// Attributes of subjects (or columns of the log) whose values are compared.
    pub segments: Vec<Segment>,
    /// Columns of subjects for which no input may stand in; default the attributes of `segments` that subjects have.
    pub protected: Option<Vec<At<String>>>,
    /// Groups of people alike in all quasi-identifiers count as small below this size; 2 or more.
    pub k: u64,
    /// Outcomes to compare; default all that the log has.
    pub metrics: Option<Vec<At<Metric>>>,
    /// Columns of the log within whose values each comparison is repeated, e.g. `position`.
    pub within: Vec<At<String>>,
    /// Within how long prices of the same item are compared, e.g. `1d` or `6h`, counted from 1970 in UTC.
    #[serde(deserialize_with = "window")]
    #[schemars(with = "String")]
    pub price_window: Duration,
    /// The column of items that says what an item is about, e.g. `genre`: what lists are measured by.
    pub categories: Option<At<String>>,
    /// Confidence level of intervals.
    pub level: f64,
    /// Cells of fewer subjects than this are suppressed and never compared.
    pub min_cell: u64,
    /// The ratio for which "subjects needed to decide" is worked out.
    pub decide_at: f64,
    /// The share of rejected rows past which an evidence role fails the run.
    pub max_rejected: f64,
    /// Pseudonymous decisions shown per finding.
    pub samples: usize,
    /// Rows of each file of evidence that are looked at for undeclared personal data; 0 looks at none.
    pub scan_rows: u32,
    /// Seed of everything that is resampled.
    pub seed: u64,
}

impl Default for Measure {
    fn default() -> Self {
        Self {
            unit: Unit::Subject,
            segments: Vec::new(),
            protected: None,
            k: 5,
            metrics: None,
            within: Vec::new(),
            price_window: Duration::from_secs(86_400),
            categories: None,
            level: 0.95,
            min_cell: 30,
            decide_at: 0.8,
            max_rejected: 0.001,
            samples: 3,
            scan_rows: 2000,
            seed: 1,
        }
    }
}

fn window<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed = humantime::parse_duration(&text)
        .map_err(|error| D::Error::custom(format!("`{text}` is no span of time like `1d` or `6h`: {error}")))?;
    // A hundred thousand days are longer than any log.
    let sensible = Duration::from_secs(1)..=Duration::from_secs(100_000 * 86_400);
    if !sensible.contains(&parsed) {
        return Err(D::Error::custom(format!("`{text}` is no span of time from `1s` to `100000d`")));
    }
    Ok(parsed)
}

/// The independent unit, i.e. what uncertainty is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Subject,
    Impression,
}

impl Unit {
    pub fn id(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Impression => "impression",
        }
    }
}

/// An attribute to compare people by.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    pub attribute: At<String>,
    /// The value all others are compared with; default the largest.
    pub reference: Option<At<String>>,
}

/// Outcomes per impression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Clicks per impression.
    Click,
    /// Conversions per impression.
    Conversion,
    /// Revenue per impression, in the log's currency.
    Revenue,
}

impl Metric {
    pub const ALL: [Self; 3] = [Self::Click, Self::Conversion, Self::Revenue];

    pub fn id(self) -> &'static str {
        match self {
            Self::Click => "click",
            Self::Conversion => "conversion",
            Self::Revenue => "revenue",
        }
    }

    /// The canonical column of the log that holds it.
    pub fn column(self) -> &'static str {
        match self {
            Self::Click => "clicked",
            Self::Conversion => "converted",
            Self::Revenue => "revenue",
        }
    }
}
