//! The baseline: what was found and measured when somebody accepted it as the point to start from. What was there may
//! stay as long as it does not get worse; what was not there may not come. No audit rewrites it.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::compare::Compared;
use super::snapshot::Snapshot;
use crate::error::{Error, Problem, Result};
use crate::findings::{Disposition, Evidence, Finding, State};
use crate::playbook::{Severity, Verdict};
use crate::rules::LoadedPack;

/// The version of the file's format that this program reads and writes.
pub const FORMAT: u32 = 1;

/// `baseline.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BaselineFile {
    /// Version of this format: 1.
    pub probity_baseline: u32,
    pub audit: Snapshot,
}

/// A baseline that was read.
pub struct Baseline {
    /// What the record calls the file.
    pub name: String,
    pub audit: Snapshot,
}

/// What an audit found beside an earlier one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Earlier {
    /// The day that the earlier audit speaks for.
    pub as_of: Option<String>,
    /// SHA-256 of its record.
    pub record: String,
    /// Its findings.
    pub findings: u64,
    /// Those that are fixed.
    pub fixed: Vec<Gone>,
    /// Those that are gone, though nothing shows that they are fixed.
    pub not_comparable: Vec<Gone>,
}

/// A finding of an earlier audit that is not there now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gone {
    pub rule: String,
    pub severity: Severity,
    /// What it was: `fail` or `inconclusive`.
    pub status: Verdict,
    pub fingerprint: String,
    /// What identifies the fact, e.g. `segment: age_band=65+`.
    pub about: BTreeMap<String, String>,
    /// Why it cannot be compared; null when it is fixed.
    pub reason: Option<String>,
}

/// The baseline of an audit, and what it came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BaselineResult {
    /// As the manifest or the command names it.
    pub path: String,
    #[serde(flatten)]
    pub since: Earlier,
}

impl Earlier {
    /// Those of `compared` that are gone.
    pub fn of(audit: &Snapshot, compared: &[Compared]) -> Self {
        let gone = |state: State| {
            let of_it = compared.iter().filter(move |of| of.state == state && of.finding.is_none());
            let gone = |of: &Compared| Gone {
                rule: of.rule.clone(),
                severity: of.severity,
                status: of.before.unwrap_or(Verdict::Fail),
                fingerprint: of.fingerprint.clone(),
                about: of.about.clone(),
                reason: of.reason.clone(),
            };
            of_it.map(gone).collect()
        };
        Self {
            as_of: audit.as_of.clone(),
            record: audit.record.clone(),
            findings: audit.findings.len() as u64,
            fixed: gone(State::Fixed),
            not_comparable: gone(State::NotComparable),
        }
    }
}

impl Baseline {
    /// # Errors
    /// When the file cannot be read, is no baseline, or is of another version of the format.
    pub fn read(path: &Path, name: &str) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| Error::io(path, "read the baseline", &error))?;
        let at = |error: serde_json::Error, what: &str| {
            let text = error.to_string();
            let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
            let problem = Problem::new(format!("{what}: {reason}"));
            Error::from(problem.at(path, error.line() as u64, error.column() as u64).help(HELP))
        };
        let value: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| at(error, "this is not the JSON of a baseline"))?;
        match value.get("probity_baseline").and_then(serde_json::Value::as_u64) {
            Some(version) if version == u64::from(FORMAT) => {}
            Some(version) => {
                let message = format!("the baseline has format {version}, and this program reads {FORMAT}");
                return Err(Problem::in_file(path, message).help("write it anew").into());
            }
            None => {
                let message = "this is not a baseline: it has no `probity_baseline`";
                return Err(Problem::in_file(path, message).help(HELP).into());
            }
        }
        let file: BaselineFile =
            serde_json::from_slice(&bytes).map_err(|error| at(error, "this is not a whole baseline"))?;
        Ok(Self { name: name.to_owned(), audit: file.audit })
    }

    /// Sets open findings that were there, and did not get worse, aside; and tells every finding what became of it.
    pub fn apply(&self, findings: &mut [Finding], compared: &[Compared], packs: &[LoadedPack]) -> BaselineResult {
        let rules = packs.iter().flat_map(|pack| &pack.rules);
        let kept: Vec<&str> = rules.filter(|of| !of.rule.waivable).map(|of| of.rule.id.value.as_str()).collect();
        for of in compared {
            let Some(finding) = of.finding.and_then(|index| findings.get_mut(index)) else { continue };
            finding.since_baseline = Some(of.state);
            if of.before.is_none() {
                continue;
            }
            let may_stay = matches!(of.state, State::Same | State::Better);
            let told = match (may_stay, kept.contains(&finding.rule.as_str())) {
                (true, true) => "has no effect: the rule lets nobody set it aside".to_owned(),
                (true, false) => {
                    if finding.disposition == Disposition::Open {
                        finding.disposition = Disposition::Baseline;
                    }
                    format!(
                        "was there on {}, and is {} now",
                        self.audit.day(),
                        if of.state == State::Same { "no worse" } else { "better" }
                    )
                }
                (false, _) => {
                    let why = of.reason.as_ref().map_or("it is worse now", String::as_str);
                    format!("was there on {}, and stays open: {why}", self.audit.day())
                }
            };
            finding.evidence.push(Evidence::place("baseline", told, &self.name, 0));
        }
        BaselineResult { path: self.name.clone(), since: Earlier::of(&self.audit, compared) }
    }
}

const HELP: &str = "`probity baseline write audit.json` writes one";
