//! What is wrong, or could not be decided: a rule, the fact it was asked of, and the evidence.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::playbook::{Severity, Step, Verdict};

/// A rule that a fact violates, or that it leaves undecided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Id of the rule.
    pub rule: String,
    pub step: Step,
    pub severity: Severity,
    /// `fail` or `inconclusive`.
    pub status: Verdict,
    pub disposition: Disposition,
    /// Stable name of this finding: rule and what identifies the fact, not its numbers.
    pub fingerprint: String,
    /// One sentence with the numbers.
    pub message: String,
    /// The same for people who build no such systems, where the rule has words for it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub plain: Option<String>,
    /// How many people it concerns, where the rule says which field counts them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub people: Option<u64>,
    /// Index into the record's `facts`.
    pub fact: usize,
    pub evidence: Vec<Evidence>,
    /// What became of it since the baseline was written; absent without one, and for what is about the difference itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since_baseline: Option<State>,
    /// What became of it since the last audit of the ledger; absent as above.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since_last_audit: Option<State>,
}

/// What became of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    Open,
    Waived,
    Baseline,
}

/// What became of a finding since an earlier audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It was not there, or was undecided and fails now.
    New,
    /// It was there, and a number of it is surely worse now, or its rule is more severe.
    Worse,
    Better,
    /// It was there, and no number of it surely moved.
    Same,
    Fixed,
    NotComparable,
}

impl State {
    pub const ALL: [Self; 6] = [Self::New, Self::Worse, Self::Better, Self::Same, Self::Fixed, Self::NotComparable];

    pub fn words(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Worse => "worse",
            Self::Better => "better",
            Self::Same => "same",
            Self::Fixed => "fixed",
            Self::NotComparable => "not comparable",
        }
    }
}

/// A piece of evidence: a place in a file, or a named value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// What it shows, e.g. `policy clause`, `declared inputs`, `first event`.
    pub label: String,
    /// The value, for people; empty when the place says all.
    pub value: String,
    /// The file, as the manifest names it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<String>,
    /// The line in it, from 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<u64>,
}

impl Evidence {
    pub fn value(label: &str, value: impl Into<String>) -> Self {
        Self { label: label.into(), value: value.into(), path: None, line: None }
    }

    pub fn place(label: &str, value: impl Into<String>, path: impl Into<String>, line: u64) -> Self {
        Self { label: label.into(), value: value.into(), path: Some(path.into()), line: (line > 0).then_some(line) }
    }
}

/// The finding's stable name: the first 16 bytes of SHA-256 over rule, fact kind and identifying fields, in hex.
pub fn fingerprint(rule: &str, kind: &str, identity: &BTreeMap<&'static str, String>) -> String {
    let mut hasher = Sha256::new();
    let mut part = |text: &str| {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    part(rule);
    part(kind);
    for (name, value) in identity {
        part(name);
        part(value);
    }
    crate::hex(&hasher.finalize()[..16])
}
