//! `audit.yaml`: what is audited, what it declares about itself, and where the evidence is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Deserialize;

mod candidate;
mod evidence;
mod items;
mod lineage;
mod loyalty;
mod measure;

pub use candidate::Candidate;
pub(crate) use evidence::OneOrMany;
pub use evidence::{Epoch, Evidence, Format, Layout, Source};
pub use items::{ItemGroup, PositionModel, Target};
pub use lineage::{Dialect, LineageFormat, LineageSource};
pub use loyalty::{Activity, Loyalty, MEASURES as LOYALTY_MEASURES};
pub use measure::{Measure, Metric, Segment, Selection, SelectionOutcome, Unit};

use crate::error::{Error, Problem, Result, all_clear};
use crate::playbook::Severity;
use crate::yaml::{At, Document};

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
    /// A strategy that nobody has been exposed to, judged on the log of one that decides today.
    pub candidate: Option<Candidate>,
    #[serde(default)]
    pub measure: Measure,
    #[serde(default)]
    pub rules: RuleSelection,
    #[serde(default)]
    pub gate: Gate,
    /// Decisions of people about findings (waivers): a YAML file, relative to this one.
    pub decisions: Option<At<String>>,
    /// Earlier audits and what was decided about them: a JSON Lines file, relative to this one, that `probity history
    /// append` and `probity decide` write. It need not be there yet.
    pub ledger: Option<At<String>>,
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
    /// Who receives the data when it decides, e.g. an ad network; default nobody but the organisation.
    pub recipient: Option<String>,
    /// Whether it evaluates the person: whether it uses data about them that no contract or law requires.
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
    /// What was found before and may stay as long as it gets no worse: a JSON file, relative to the manifest, that
    /// `probity baseline write` writes.
    pub baseline: Option<At<String>>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { fail_on: Severity::High, baseline: None }
    }
}

fn yes() -> bool {
    true
}

impl Manifest {
    /// Reads and checks a manifest. Everything that can be known from the file alone is checked here.
    pub fn read(path: &Path) -> Result<Document<Self>> {
        Self::read_with(path, None)
    }

    /// As [`Manifest::read`]; the file `candidate`, as seen from the current folder, takes the place of the table that the
    /// manifest names.
    pub fn read_with(path: &Path, candidate: Option<&Path>) -> Result<Document<Self>> {
        let mut document = Document::<Self>::read(path)?;
        if let Some(file) = candidate {
            std::fs::metadata(file).map_err(|error| Error::io(file, "read", &error))?;
            candidate::hand_over(&mut document, file);
        }
        all_clear(document.unfilled().into_iter().chain(check(&document)).collect())?;
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
    for twice in repeated(manifest.measure.protected.iter().flatten()) {
        problems.push(document.problem(twice, format!("protected attribute `{}` is listed twice", twice.value)));
    }
    problems.extend(items::check(document));
    problems.extend(candidate::check(document));
    problems.extend(loyalty::check(document));
    let measure = &manifest.measure;
    problems.extend(check_selection(document));
    let ranges = [
        ("measure.level", measure.level, measure.level > 0.5 && measure.level < 1.0, "above 0.5 and below 1"),
        ("measure.max_rejected", measure.max_rejected, (0.0..=1.0).contains(&measure.max_rejected), "between 0 and 1"),
        (
            "measure.decide_at",
            measure.decide_at,
            measure.decide_at > 0.0 && measure.decide_at != 1.0 && measure.decide_at.is_finite(),
            "above 0 and not 1",
        ),
        ("measure.k", measure.k as f64, measure.k >= 2, "2 or more"),
        (
            "measure.intersections",
            f64::from(measure.intersections),
            (1..=3).contains(&measure.intersections),
            "1, 2 or 3",
        ),
        ("measure.cutoff", measure.cutoff.map_or(1.0, f64::from), measure.cutoff != Some(0), "1 or more"),
        (
            "measure.selection.exclude_below",
            measure.selection.exclude_below,
            (0.0..1.0).contains(&measure.selection.exclude_below),
            "from 0 to below 1",
        ),
    ];
    for (name, value, good, expected) in ranges {
        if !good {
            problems.push(Problem::in_file(&document.path, format!("`{name}` is {value}; expected {expected}")));
        }
    }
    problems
}

/// Every table of selection is made of segment attributes, each once.
fn check_selection(document: &Document<Manifest>) -> Vec<Problem> {
    let measure = &document.value.measure;
    let segments: Vec<&String> = measure.segments.iter().map(|segment| &segment.attribute.value).collect();
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for table in &measure.selection.tables {
        let same = !seen.insert(table.iter().map(|at| &at.value).collect::<BTreeSet<_>>());
        if let (true, Some(first)) = (same, table.first()) {
            problems.push(document.problem(first, "an earlier table has the same attributes"));
        }
        if table.is_empty() {
            let message = "a table of `measure.selection` has no attribute; expected e.g. `[sex, race]`".to_owned();
            problems.push(Problem::in_file(&document.path, message));
        }
        for twice in repeated(table.iter()) {
            problems.push(document.problem(twice, format!("a table names `{}` twice", twice.value)));
        }
        for attribute in table.iter().filter(|at| !segments.contains(&&at.value)) {
            let message = format!("`{}` is not an attribute of `measure.segments`", attribute.value);
            problems.push(document.problem(attribute, message).suggest(attribute, &segments));
        }
    }
    problems
}

fn repeated<'a>(names: impl Iterator<Item = &'a At<String>>) -> Vec<&'a At<String>> {
    let mut seen = BTreeSet::new();
    names.filter(|name| !seen.insert(name.value.as_str())).collect()
}
