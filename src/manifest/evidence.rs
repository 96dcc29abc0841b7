//! `evidence`: where the evidence is, and how its tables are read.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::lineage::{self, LineageSource};
use crate::yaml::{At, one_or_many, text_or_texts};

/// Where the evidence is. Paths are relative to the manifest.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// fideslang YAML files (datasets and systems), and dbt manifests with `data_categories` under `meta`.
    #[serde(default, deserialize_with = "text_or_texts")]
    #[schemars(with = "OneOrMany<String>")]
    pub data_map: Vec<At<String>>,
    /// The policy, or its versions over time, each with its own `effective`.
    #[serde(default, deserialize_with = "text_or_texts")]
    #[schemars(with = "OneOrMany<String>")]
    pub consent_policy: Vec<At<String>>,
    /// Who agreed to what, and when: one row per person, purpose and answer; or consent receipts.
    #[serde(default, deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany<Source>")]
    pub consent_records: Vec<Source>,
    /// The log of what people were recommended: one row per impression, or per decision with a list of items.
    #[serde(default, deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany<Source>")]
    pub recommendations: Vec<Source>,
    /// Uses of data beside the recommendations: training runs, links between identifiers, data handed to others. One
    /// row per person and use.
    #[serde(default, deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany<Source>")]
    pub uses: Vec<Source>,
    /// Which other ids are known to be the same person.
    #[serde(default, deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany<Source>")]
    pub links: Vec<Source>,
    /// Attributes of people: one row per person.
    #[serde(default, deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany<Source>")]
    pub subjects: Vec<Source>,
    /// Attributes of items: one row per item.
    #[serde(default, deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany<Source>")]
    pub items: Vec<Source>,
    /// What people were asked: one row per consent prompt shown, with what each answer takes.
    #[serde(default, deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany<Source>")]
    pub prompts: Vec<Source>,
    /// What people did before the log (bought, watched, rated): what is popular, and what each of them likes.
    #[serde(default, deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany<Source>")]
    pub history: Vec<Source>,
    /// What the strategy under `candidate` would show: one row per item, with its probability.
    #[serde(default, deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany<Source>")]
    pub candidate: Vec<Source>,
    /// What became of people after they were served: orders, returns, visits, who left, answers to surveys. One row per
    /// person and event; `measure.loyalty` says how they are compared.
    #[serde(default, deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany<Source>")]
    pub outcomes: Vec<Source>,
    /// How data was joined: SQL files, dbt manifests, logs of queries and OpenLineage events.
    #[serde(default, deserialize_with = "lineage::lineage")]
    #[schemars(with = "lineage::Shape")]
    pub lineage: Vec<LineageSource>,
}

/// For the published schema only: one value or a list of them.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "it describes a shape; values are read by `one_or_many` and `text_or_texts`")]
pub(crate) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

/// A table of evidence: one file, a glob, or a folder (whose `key=value` parts become columns).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub path: At<String>,
    /// Default: by the file's extension.
    pub format: Option<Format>,
    /// Rows of the recommendations: one per impression, or one per decision with a list of items.
    #[serde(default)]
    pub layout: Layout,
    /// Canonical column to the file's own name for it.
    #[serde(default)]
    pub columns: BTreeMap<String, At<String>>,
    /// Columns that the file lacks and that are the same in all its rows, e.g. `strategy: random`.
    #[serde(default)]
    pub values: BTreeMap<String, At<String>>,
    /// Columns that are meant to hold personal data, by the file's name or the canonical one, and the fideslang data
    /// category of it, e.g. `subject_id: user.contact.email`. What the scan finds elsewhere is undeclared.
    #[serde(default)]
    pub declares: BTreeMap<String, At<String>>,
    /// What the purposes of consent receipts mean: their free text to a fideslang data use.
    #[serde(default)]
    pub purposes: BTreeMap<String, At<String>>,
    /// What the kinds of data in consent receipts mean: their free text to a fideslang data category.
    #[serde(default)]
    pub categories: BTreeMap<String, At<String>>,
    /// Columns of subjects (by the canonical name where `columns` maps one) and the field of the data map whose values
    /// they hold, e.g. `age_band: crm.people.age_band`. Risks to people are measured on these.
    #[serde(default)]
    pub fields: BTreeMap<String, At<String>>,
    /// The zone of times that carry none, e.g. `Europe/Berlin`. Without it such times are an error.
    pub time_zone: Option<At<String>>,
    /// Times are numbers: this unit counted since 1970 in UTC. Without it numbers are no times.
    pub epoch: Option<Epoch>,
    /// What separates the elements of a list in one text cell; default `|`.
    pub list_separator: Option<String>,
    /// CSV delimiter; default `,`.
    pub delimiter: Option<At<String>>,
}

impl Source {
    /// A file by its path alone.
    pub fn of(path: impl Into<String>) -> Self {
        Self {
            path: At { value: path.into(), line: 0, column: 0 },
            format: None,
            layout: Layout::default(),
            columns: BTreeMap::new(),
            values: BTreeMap::new(),
            declares: BTreeMap::new(),
            purposes: BTreeMap::new(),
            categories: BTreeMap::new(),
            fields: BTreeMap::new(),
            time_zone: None,
            epoch: None,
            list_separator: None,
            delimiter: None,
        }
    }
}

/// What a time that is a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Epoch {
    Seconds,
    Milliseconds,
    Microseconds,
}

impl Epoch {
    pub const ALL: [Self; 3] = [Self::Seconds, Self::Milliseconds, Self::Microseconds];

    pub fn id(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Microseconds => "microseconds",
        }
    }

    /// Microseconds in one.
    pub fn microseconds(self) -> u32 {
        match self {
            Self::Seconds => 1_000_000,
            Self::Milliseconds => 1_000,
            Self::Microseconds => 1,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    Csv,
    Jsonl,
    Parquet,
    /// Kantara consent receipts v1.1: one JSON document, an array or one a line. Consent records only.
    Kantara,
    /// Consent records or receipts of ISO/IEC TS 27560:2023, likewise.
    Iso27560,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    #[default]
    Impressions,
    Decisions,
}
