//! `audit.json`: the one product of an audit. Every output is rendered from it alone.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::decisions::baseline::BaselineResult;
use crate::decisions::ledger::LedgerResult;
use crate::decisions::waivers::WaiverResult;
use crate::facts::Fact;
use crate::findings::Finding;
use crate::playbook::{Severity, Step, Verdict};

/// The version of this shape. It grows with every change that a reader could notice.
pub const SCHEMA_VERSION: &str = "1.1";

/// The record of one audit. The same evidence and manifest give the same record, `run` excepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    pub schema_version: String,
    pub tool: Tool,
    pub system: System,
    pub run: Run,
    pub evidence: Vec<EvidenceFile>,
    pub steps: Vec<StepResult>,
    pub facts: Vec<Fact>,
    pub findings: Vec<Finding>,
    /// What became of each waiver, in the order of their file.
    #[serde(default)]
    pub waivers: Vec<WaiverResult>,
    /// Null without a baseline.
    #[serde(default)]
    pub baseline: Option<BaselineResult>,
    /// Null without a ledger.
    #[serde(default)]
    pub ledger: Option<LedgerResult>,
    pub verdict: GateVerdict,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    pub name: String,
    pub version: String,
}

/// What was audited, and by which settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct System {
    pub name: String,
    pub owner: String,
    pub description: String,
    /// The day the audit speaks for, `YYYY-MM-DD`; null when there is no log and the manifest names none.
    pub as_of: Option<String>,
    /// Time of the first decision in the log, RFC 3339, UTC.
    pub first_decision: Option<String>,
    /// Time of the last decision in the log, RFC 3339, UTC.
    pub last_decision: Option<String>,
    /// The versions of the consent policy, the earliest first.
    pub policies: Vec<Policy>,
    pub packs: Vec<Pack>,
    pub settings: Settings,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Policy {
    pub version: String,
    /// RFC 3339, UTC. Decisions before it are judged by the version before, or not at all; null: it always held.
    pub effective: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pack {
    pub id: String,
    pub version: String,
}

/// The choices of the manifest that shape the numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Settings {
    /// `subject` or `impression`: what uncertainty is counted in.
    pub unit: String,
    /// Confidence level of the intervals.
    pub level: f64,
    pub min_cell: u64,
    pub max_rejected: f64,
    pub seed: u64,
}

/// What differs from run to run. Nothing else in the record does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// RFC 3339, UTC.
    pub started: String,
    pub seconds: f64,
    /// The folder of the manifest as seen from the folder the program ran in, joined by `/`, so that tools which stand
    /// there find its files; empty for that folder itself, null when the manifest lies outside of it.
    #[serde(default)]
    pub folder: Option<String>,
}

/// One file of evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceFile {
    /// `manifest`, `data_map`, `consent_policy`, `rule_pack`, or what the tables of evidence are: `recommendations`,
    /// `consent_records`, `uses`, `links`, `subjects`, `items`, `prompts`, `lineage`; `decisions`, `baseline`, `ledger`.
    pub role: String,
    /// Relative to the manifest.
    pub path: String,
    /// `yaml`, `json`, `csv`, `csv.gz`, `csv.zst`, `jsonl`, …, `parquet`, `kantara`, `iso27560`.
    pub format: String,
    /// Rows read, rejected ones included; null for files that are not tables.
    pub rows: Option<u64>,
    pub rejected: Option<u64>,
    /// SHA-256 of the file's bytes, in hex.
    pub sha256: String,
}

/// A step of the playbook: its verdict, the rules that led to it, what they looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepResult {
    pub id: Step,
    pub status: Verdict,
    pub rules: Vec<RuleResult>,
    /// Indices into the record's `facts`.
    pub facts: Vec<usize>,
    /// Indices into the record's `findings`.
    pub findings: Vec<usize>,
}

/// What a rule said, over all facts of its kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RuleResult {
    pub id: String,
    pub pack: String,
    pub title: String,
    pub severity: Severity,
    pub status: Verdict,
    /// Why the status is what it is, when counts do not say it.
    pub reason: Option<String>,
    /// The kind of fact it was asked of; null for a question to a person.
    pub on: Option<String>,
    /// The facts that got each verdict, as indices into the record's `facts`, in order. A fact that the rule leaves out
    /// is in none; a question to a person has no facts.
    pub verdicts: BTreeMap<Verdict, Vec<usize>>,
    /// The facts by the word that the rule has for where they stand; empty for rules that have no words.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub words: BTreeMap<String, Vec<usize>>,
    /// The harm, in one sentence.
    pub why: String,
    /// What to do.
    pub remedy: String,
    pub references: Vec<String>,
    /// The bounds it used.
    pub params: BTreeMap<String, serde_json::Value>,
}

impl RuleResult {
    /// What it said of a fact; `None` when it was not asked of it or left it out.
    pub fn verdict_on(&self, fact: usize) -> Option<Verdict> {
        self.verdicts.iter().find(|(_, facts)| facts.binary_search(&fact).is_ok()).map(|(verdict, _)| *verdict)
    }

    /// Its word for where a fact stands, if it has one.
    pub fn word_on(&self, fact: usize) -> Option<&str> {
        self.words.iter().find(|(_, facts)| facts.binary_search(&fact).is_ok()).map(|(word, _)| word.as_str())
    }

    /// How many facts got each verdict.
    pub fn counts(&self) -> impl Iterator<Item = (Verdict, u64)> {
        self.verdicts.iter().map(|(verdict, facts)| (*verdict, facts.len() as u64))
    }
}

/// Whether the gate passed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateVerdict {
    pub status: GateStatus,
    /// 0 passed, 1 failed, 3 nothing was evaluated.
    pub exit_code: u8,
    pub fail_on: Severity,
    /// Open failing findings, by severity.
    pub failures: BTreeMap<Severity, u64>,
    /// Findings that the evidence leaves undecided.
    pub inconclusive: u64,
    /// One sentence for people.
    pub sentence: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GateStatus {
    Passed,
    Failed,
    NothingEvaluated,
}
