//! `measure`: what is measured, and how cautiously.

use std::time::Duration;

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::items::{ItemGroup, PositionModel};
use super::loyalty::Loyalty;
use crate::metrics::{self, METRICS};
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
    /// Outcomes to compare; default clicks, conversions and revenue per impression, as far as the log has them.
    pub metrics: Option<Vec<At<Metric>>>,
    /// How many attributes a subgroup may combine, 1 to 3: at 2, every pair of `segments` is searched for the worst.
    pub intersections: u8,
    /// K, the places of a list that measures of ranking look at; default all.
    pub cutoff: Option<u32>,
    /// Columns of the log within whose values each comparison is repeated, e.g. `position`.
    pub within: Vec<At<String>>,
    /// Whether segments are also compared under equal conditions: position, strategy and the columns of `within`. Default:
    /// where the unit is the subject and the log has a position.
    pub conditional: Option<bool>,
    /// Who was selected, or scored high, by category.
    pub selection: Selection,
    /// Within how long prices of the same item are compared, e.g. `1d` or `6h`, counted from 1970 in UTC.
    #[serde(deserialize_with = "window")]
    #[schemars(with = "String")]
    pub price_window: Duration,
    /// Attributes of items whose values share the attention of people, e.g. `provider`.
    pub item_groups: Vec<ItemGroup>,
    /// How much attention a position gets.
    pub position_model: At<PositionModel>,
    /// Whether people stay, come back and buy again, beside people who were not served so; needs `evidence.outcomes`.
    pub loyalty: Option<Loyalty>,
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
            intersections: 2,
            cutoff: None,
            within: Vec::new(),
            conditional: None,
            selection: Selection::default(),
            price_window: Duration::from_secs(86_400),
            item_groups: Vec::new(),
            position_model: At { value: PositionModel::Log2, line: 0, column: 0 },
            loyalty: None,
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

pub(super) fn window<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
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

/// An outcome by which segments are compared, by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric(pub &'static metrics::Metric);

impl Metric {
    pub fn id(self) -> &'static str {
        self.0.id
    }

    fn place(self) -> usize {
        metrics::IDS.iter().position(|id| *id == self.0.id).unwrap_or_default()
    }
}

/// In the order of reports.
impl Ord for Metric {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place().cmp(&other.place())
    }
}

impl PartialOrd for Metric {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<'de> Deserialize<'de> for Metric {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = std::borrow::Cow::<str>::deserialize(deserializer)?;
        metrics::metric(&id).map(Self).ok_or_else(|| serde::de::Error::unknown_variant(&id, &metrics::IDS))
    }
}

impl JsonSchema for Metric {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Metric".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let one = METRICS.iter().map(|metric| serde_json::json!({"const": metric.id, "description": metric.title}));
        schemars::json_schema!({"oneOf": one.collect::<Vec<_>>()})
    }
}

/// Tables of who was selected, or scored above the median, by category (6 RCNY 5-301).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Selection {
    /// What is tabled; default both, as far as the log has their columns.
    pub outcome: Option<At<SelectionOutcome>>,
    /// The attributes whose values make the categories of each table, e.g. `[[sex], [race], [sex, race]]`. All must be
    /// among `segments`; default a table for each of these alone.
    pub tables: Vec<Vec<At<String>>>,
    /// Categories of less than this share of a table's people get no impact ratio; 0 leaves none out.
    pub exclude_below: f64,
}

impl Default for Selection {
    fn default() -> Self {
        Self { outcome: None, tables: Vec::new(), exclude_below: 0.02 }
    }
}

/// What a table of selection counts, named by the column of the log that tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SelectionOutcome {
    /// Whoever was selected at least once.
    Selected,
    /// Whoever's highest score is above the median of everybody's.
    Score,
}

impl SelectionOutcome {
    pub const ALL: [Self; 2] = [Self::Selected, Self::Score];

    /// The canonical column of the log that holds it.
    pub fn id(self) -> &'static str {
        match self {
            Self::Selected => "selected",
            Self::Score => "score",
        }
    }
}
