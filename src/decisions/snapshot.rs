//! An audit in short, as a baseline and a ledger keep it: what was found and measured. Aggregates only.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::Fact;
use crate::facts::measured::{Measured, about, key};
use crate::facts::mix::Mix;
use crate::findings::{Disposition, Finding};
use crate::playbook::{Severity, Verdict};
use crate::record::{GateStatus, Record, StepResult};

/// What later audits are compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// Name of the system.
    pub system: String,
    /// The day the audit speaks for, `YYYY-MM-DD`.
    pub as_of: Option<String>,
    /// SHA-256 of the record's file (`audit.json`), in hex.
    pub record: String,
    /// The version of Probity that made it.
    pub tool: String,
    pub gate: GateStatus,
    /// Every rule that was asked, and what it came to.
    pub rules: BTreeMap<String, Verdict>,
    pub findings: Vec<Known>,
    /// The numbers of the facts that a rule judged.
    pub measures: Vec<Measured>,
    /// What the log was made of.
    #[serde(default)]
    pub mixes: Vec<Mix>,
}

/// A finding that was there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Known {
    pub fingerprint: String,
    /// Id of the rule.
    pub rule: String,
    pub severity: Severity,
    /// `fail` or `inconclusive`.
    pub status: Verdict,
    pub disposition: Disposition,
    /// What identifies the fact.
    pub about: BTreeMap<String, String>,
    /// Stable name of the fact.
    pub fact: String,
}

impl Snapshot {
    /// Of a record whose file has the SHA-256 `digest`.
    pub fn of(record: &Record, digest: &str) -> Self {
        let rules = record.steps.iter().flat_map(|step| &step.rules);
        Self {
            system: record.system.name.clone(),
            as_of: record.system.as_of.clone(),
            record: digest.to_owned(),
            tool: record.tool.version.clone(),
            gate: record.verdict.status,
            rules: rules.map(|rule| (rule.id.clone(), rule.status)).collect(),
            findings: record.findings.iter().filter_map(|finding| known(finding, &record.facts)).collect(),
            measures: judged(&record.facts, &record.steps, record.system.settings.level),
            mixes: record.facts.iter().filter_map(mix).cloned().collect(),
        }
    }

    /// How the day of the audit is told.
    pub fn day(&self) -> &str {
        self.as_of.as_deref().unwrap_or("a day it does not name")
    }
}

/// None for a finding about the difference from another audit: it is no state that could last.
fn known(finding: &Finding, facts: &[Fact]) -> Option<Known> {
    let fact = facts.get(finding.fact).filter(|fact| lasts(fact))?;
    Some(Known {
        fingerprint: finding.fingerprint.clone(),
        rule: finding.rule.clone(),
        severity: finding.severity,
        status: finding.status,
        disposition: finding.disposition,
        about: about(fact),
        fact: key(fact),
    })
}

/// Whether a fact is of this audit alone.
pub fn lasts(fact: &Fact) -> bool {
    !matches!(fact, Fact::Change(_) | Fact::Drift(_) | Fact::Trend(_))
}

/// The fact as a mix.
pub fn mix(fact: &Fact) -> Option<&Mix> {
    if let Fact::Mix(mix) = fact { Some(mix) } else { None }
}

/// The numbers of the facts that some rule passed, failed or left undecided.
fn judged(facts: &[Fact], steps: &[StepResult], level: f64) -> Vec<Measured> {
    let decided = [Verdict::Pass, Verdict::Fail, Verdict::Inconclusive];
    let rules = steps.iter().flat_map(|step| &step.rules);
    let judged: BTreeSet<usize> = rules
        .flat_map(|rule| decided.iter().filter_map(|verdict| rule.verdicts.get(verdict)))
        .flatten()
        .copied()
        .collect();
    let facts = judged.into_iter().filter_map(|index| facts.get(index));
    facts.flat_map(|fact| Measured::of(fact, level)).collect()
}
