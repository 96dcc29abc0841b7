//! `audit.yaml`: what is audited, what it declares about itself, and where the evidence is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Deserialize;

mod lineage;

pub use lineage::{Dialect, LineageSource};

use crate::error::{Problem, Result, all_clear};
use crate::playbook::Severity;
use crate::yaml::{At, Document, one_or_many, text_or_texts};

/// The version of the manifest's format that this program reads.
pub const FORMAT: u32 = 1;

/// The manifest of an audit.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format: 1.
    pub probity: At<u32>,
    pub system: System,
    /// Why personal data is used. Every strategy names one of these.
    #[serde(default)]
    pub purposes: Vec<Purpose>,
    /// The models and rules that decide.
    #[serde(default)]
    pub strategies: Vec<Strategy>,
    pub evidence: Evidence,
    #[serde(default)]
    pub measure: Measure,
    #[serde(default)]
    pub rules: RuleSelection,
    #[serde(default)]
    pub gate: Gate,
}

/// What is audited, and who answers for it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct System {
    pub name: String,
    /// The person or team that answers for the system.
    pub owner: String,
    #[serde(default)]
    pub description: String,
    /// Jurisdiction of decisions whose row names none, e.g. `DE` or `US-CA`.
    pub jurisdiction: Option<String>,
    /// The day the audit speaks for (review dates are compared with it). Default: the day of the last decision.
    pub as_of: Option<NaiveDate>,
}

/// Why personal data is used, and on what ground.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Purpose {
    /// A fideslang data use, e.g. `personalize.content`.
    pub id: At<String>,
    /// What the people concerned gain.
    pub benefit: Option<String>,
    pub legal_basis: Option<LegalBasis>,
    /// The day by which the purpose is to be looked at again.
    pub review_date: Option<NaiveDate>,
}

/// The grounds of GDPR Art. 6 and 9 in fideslang's spirit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LegalBasis {
    Consent,
    ExplicitConsent,
    Contract,
    LegalObligation,
    LegitimateInterests,
    Vital,
    PublicTask,
}

impl LegalBasis {
    pub fn id(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::ExplicitConsent => "explicit_consent",
            Self::Contract => "contract",
            Self::LegalObligation => "legal_obligation",
            Self::LegitimateInterests => "legitimate_interests",
            Self::Vital => "vital",
            Self::PublicTask => "public_task",
        }
    }
}

/// A model or rule that decides what people are shown.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Strategy {
    /// As the log writes it.
    pub id: At<String>,
    /// One of `purposes`.
    pub purpose: At<String>,
    /// What it is tuned for, in plain words.
    pub objective: Option<String>,
    /// Whether that objective pays at once, later, or both.
    pub horizon: Option<Horizon>,
    /// How it decides, in plain words.
    pub logic: Option<String>,
    /// The person or team that answers for it; default the system's owner.
    pub owner: Option<String>,
    /// Whether it uses data about the person at all.
    #[serde(default = "yes")]
    pub profiling: bool,
    /// The data it reads, as `dataset.collection.field` of the data map. A row's own `inputs` take precedence.
    #[serde(default)]
    pub inputs: Vec<At<String>>,
}

/// When an objective pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Horizon {
    ShortTerm,
    LongTerm,
    Both,
}

impl Horizon {
    pub fn id(self) -> &'static str {
        match self {
            Self::ShortTerm => "short_term",
            Self::LongTerm => "long_term",
            Self::Both => "both",
        }
    }
}

/// Where the evidence is. Paths are relative to the manifest.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// fideslang YAML files: datasets and systems.
    #[serde(default, deserialize_with = "text_or_texts")]
    #[schemars(with = "OneOrMany<String>")]
    pub data_map: Vec<At<String>>,
    pub consent_policy: Option<At<String>>,
    #[serde(default, deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany<Source>")]
    pub consent_records: Vec<Source>,
    #[serde(default, deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany<Source>")]
    pub recommendations: Vec<Source>,
    #[serde(default, deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany<Source>")]
    pub subjects: Vec<Source>,
    #[serde(default, deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany<Source>")]
    pub items: Vec<Source>,
    /// How data was joined: SQL files and OpenLineage events.
    #[serde(default, deserialize_with = "lineage::lineage")]
    #[schemars(with = "lineage::Shape")]
    pub lineage: Vec<LineageSource>,
}

/// For the published schema only: one value or a list of them.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "it describes a shape; values are read by `one_or_many` and `text_or_texts`")]
enum OneOrMany<T> {
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
    /// The zone of times that carry none, e.g. `Europe/Berlin`. Without it such times are an error.
    pub time_zone: Option<At<String>>,
    /// What separates the elements of a list in one text cell; default `|`.
    pub list_separator: Option<String>,
    /// CSV delimiter; default `,`.
    pub delimiter: Option<At<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    Csv,
    Jsonl,
    Parquet,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    #[default]
    Impressions,
    Decisions,
}

/// What is measured, and how cautiously.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Measure {
    /// What one independent unit is. `impression` is for logs without any subject.
    pub unit: Unit,
    /// Attributes of subjects (or columns of the log) whose values are compared.
    pub segments: Vec<Segment>,
    /// Outcomes to compare; default all that the log has.
    pub metrics: Option<Vec<At<Metric>>>,
    /// Columns of the log within whose values each comparison is repeated, e.g. `position`.
    pub within: Vec<At<String>>,
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
            metrics: None,
            within: Vec::new(),
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

/// Which rules judge, and with which bounds.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RuleSelection {
    /// Names of built-in packs, or paths to pack files.
    pub packs: Vec<At<String>>,
    /// Parameters to change: rule, then parameter, then value.
    pub params: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
}

impl Default for RuleSelection {
    fn default() -> Self {
        Self { packs: vec![At { value: "playbook".into(), line: 0, column: 0 }], params: BTreeMap::new() }
    }
}

/// When the gate is red.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Gate {
    /// Open findings of this severity or worse fail the gate.
    pub fail_on: Severity,
}

impl Default for Gate {
    fn default() -> Self {
        Self { fail_on: Severity::High }
    }
}

fn yes() -> bool {
    true
}

impl Manifest {
    /// Reads and checks a manifest. Everything that can be known from the file alone is checked here.
    pub fn read(path: &Path) -> Result<Document<Self>> {
        let document = Document::<Self>::read(path)?;
        all_clear(check(&document))?;
        Ok(document)
    }

    pub fn purpose(&self, id: &str) -> Option<&Purpose> {
        self.purposes.iter().find(|p| *p.id == id)
    }

    pub fn strategy(&self, id: &str) -> Option<&Strategy> {
        self.strategies.iter().find(|s| *s.id == id)
    }
}

impl Document<Manifest> {
    /// A path written in the manifest, as seen from the current folder.
    pub fn resolve(&self, written: &str) -> PathBuf {
        match self.path.parent() {
            Some(folder) => folder.join(written),
            None => PathBuf::from(written),
        }
    }
}

fn check(document: &Document<Manifest>) -> Vec<Problem> {
    let manifest = &document.value;
    let mut problems = Vec::new();
    if *manifest.probity != FORMAT {
        let message = format!("manifest format {} is not known; this program reads {FORMAT}", *manifest.probity);
        problems.push(document.problem(&manifest.probity, message));
    }
    let purposes: Vec<&String> = manifest.purposes.iter().map(|p| &p.id.value).collect();
    for twice in repeated(manifest.purposes.iter().map(|p| &p.id)) {
        problems.push(document.problem(twice, format!("purpose `{}` is declared twice", twice.value)));
    }
    for twice in repeated(manifest.strategies.iter().map(|s| &s.id)) {
        problems.push(document.problem(twice, format!("strategy `{}` is declared twice", twice.value)));
    }
    for strategy in &manifest.strategies {
        if manifest.purpose(&strategy.purpose).is_none() {
            let message = format!(
                "strategy `{}` serves `{}`, which `purposes` does not declare",
                *strategy.id, *strategy.purpose
            );
            problems.push(document.problem(&strategy.purpose, message).suggest(&strategy.purpose, &purposes));
        }
    }
    for twice in repeated(manifest.measure.segments.iter().map(|s| &s.attribute)) {
        problems.push(document.problem(twice, format!("segment attribute `{}` is listed twice", twice.value)));
    }
    let measure = &manifest.measure;
    let ranges = [
        ("measure.level", measure.level, measure.level > 0.5 && measure.level < 1.0, "above 0.5 and below 1"),
        ("measure.max_rejected", measure.max_rejected, (0.0..=1.0).contains(&measure.max_rejected), "between 0 and 1"),
        (
            "measure.decide_at",
            measure.decide_at,
            measure.decide_at > 0.0 && measure.decide_at != 1.0 && measure.decide_at.is_finite(),
            "above 0 and not 1",
        ),
    ];
    for (name, value, good, expected) in ranges {
        if !good {
            problems.push(Problem::in_file(&document.path, format!("`{name}` is {value}; expected {expected}")));
        }
    }
    problems
}

fn repeated<'a>(names: impl Iterator<Item = &'a At<String>>) -> Vec<&'a At<String>> {
    let mut seen = BTreeSet::new();
    names.filter(|name| !seen.insert(name.value.as_str())).collect()
}
