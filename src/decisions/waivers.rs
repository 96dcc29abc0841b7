//! Waivers: a person takes a finding on, for a reason and until a day. The finding is shown all the same; it only does
//! not fail the gate. What is expired, matches nothing, or may not be waived, has no effect and is told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Problem, Result, all_clear};
use crate::facts::Fact;
use crate::findings::{Disposition, Evidence, Finding};
use crate::rules::LoadedPack;
use crate::yaml::{At, Document};

/// `decisions.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Decisions {
    #[serde(default)]
    pub waivers: Vec<Waiver>,
}

/// One waiver. Everything is mandatory.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// Id of the rule.
    pub rule: At<String>,
    /// What identifies the fact, as the finding states it: every field with its value, e.g. `strategy: home`.
    pub subject: BTreeMap<String, String>,
    /// Why the finding is taken on.
    pub reason: String,
    /// Who answers for it until then.
    pub owner: String,
    pub approved_by: String,
    /// The first day on which it holds.
    pub created: NaiveDate,
    /// The last day on which it holds.
    pub expires: NaiveDate,
}

/// A waiver, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WaiverResult {
    /// Id of the rule.
    pub rule: String,
    /// What identifies the fact of the finding.
    pub subject: BTreeMap<String, String>,
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    pub approved_by: String,
    /// The first and the last day on which it holds, `YYYY-MM-DD`.
    pub created: String,
    pub expires: String,
    pub state: WaiverState,
    /// Fingerprints of the findings that it speaks of.
    pub findings: Vec<String>,
    /// Where it stands.
    pub path: String,
    pub line: u64,
}

/// Whether a waiver has an effect, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaiverState {
    Applied,
    Expired,
    /// It holds from a later day on.
    NotYet,
    /// No finding is of its rule and subject.
    Stale,
    /// The rule lets nobody waive it.
    NotWaivable,
    /// There is no day that the audit speaks for.
    Undated,
}

impl WaiverState {
    pub fn words(self) -> &'static str {
        match self {
            Self::Applied => "in force",
            Self::Expired => "it has expired",
            Self::NotYet => "it does not hold yet",
            Self::Stale => "no finding is of its rule and subject",
            Self::NotWaivable => "the rule lets nobody waive it",
            Self::Undated => "there is no day that the audit speaks for",
        }
    }
}

/// The waivers of a file, checked against the rules in force.
#[derive(Debug, Clone)]
pub struct Waivers {
    /// As the manifest names the file.
    name: String,
    waivers: Vec<Waiver>,
}

impl Waivers {
    pub fn read(path: &Path, name: &str, packs: &[LoadedPack]) -> Result<Self> {
        let document = Document::<Decisions>::read(path)?;
        let rules: BTreeSet<&str> =
            packs.iter().flat_map(|pack| &pack.rules).map(|rule| rule.rule.id.value.as_str()).collect();
        let mut problems: Vec<Problem> = Vec::new();
        for waiver in &document.value.waivers {
            let mut wrong = |message: String| problems.push(document.problem(&waiver.rule, message));
            let texts = [("reason", &waiver.reason), ("owner", &waiver.owner), ("approved_by", &waiver.approved_by)];
            for (key, _) in texts.into_iter().filter(|(_, text)| text.trim().is_empty()) {
                wrong(format!("the waiver of `{}` states no `{key}`", *waiver.rule));
            }
            if waiver.subject.is_empty() {
                wrong(format!("the waiver of `{}` has an empty `subject`", *waiver.rule));
            }
            if waiver.expires < waiver.created {
                wrong(format!("the waiver of `{}` expires before it was created", *waiver.rule));
            }
            if !rules.contains(waiver.rule.as_str()) {
                let problem = document.problem(&waiver.rule, format!("no pack in use has a rule `{}`", *waiver.rule));
                problems.push(problem.suggest(&waiver.rule, &rules));
            }
        }
        all_clear(problems)?;
        Ok(Self { name: name.to_owned(), waivers: document.value.waivers })
    }

    /// Waives the findings that waivers in force speak of, as of a day; and tells what became of each waiver.
    pub fn apply(
        &self,
        findings: &mut [Finding],
        facts: &[Fact],
        packs: &[LoadedPack],
        as_of: Option<NaiveDate>,
    ) -> Vec<WaiverResult> {
        let mut results = Vec::new();
        for waiver in &self.waivers {
            let rule = packs.iter().flat_map(|pack| &pack.rules).find(|rule| rule.rule.id.value == waiver.rule.value);
            let of_it: Vec<usize> =
                (0..findings.len()).filter(|&index| waiver.speaks_of(&findings[index], facts)).collect();
            let state = match as_of {
                _ if rule.is_some_and(|rule| !rule.rule.waivable) => WaiverState::NotWaivable,
                None => WaiverState::Undated,
                Some(day) if day > waiver.expires => WaiverState::Expired,
                Some(day) if day < waiver.created => WaiverState::NotYet,
                Some(_) if of_it.is_empty() => WaiverState::Stale,
                Some(_) => WaiverState::Applied,
            };
            for &index in &of_it {
                let finding = &mut findings[index];
                let told = match state {
                    WaiverState::Applied => {
                        finding.disposition = Disposition::Waived;
                        format!("until {} by {}, who answers for it: {}", waiver.expires, waiver.owner, waiver.reason)
                    }
                    other => format!("has no effect: {}", other.words()),
                };
                finding.evidence.push(Evidence::place("waiver", told, &self.name, waiver.rule.line));
            }
            results.push(WaiverResult {
                rule: waiver.rule.value.clone(),
                subject: waiver.subject.clone(),
                reason: waiver.reason.clone(),
                owner: waiver.owner.clone(),
                approved_by: waiver.approved_by.clone(),
                created: waiver.created.to_string(),
                expires: waiver.expires.to_string(),
                state,
                findings: of_it.iter().map(|&index| findings[index].fingerprint.clone()).collect(),
                path: self.name.clone(),
                line: waiver.rule.line,
            });
        }
        results
    }
}

impl Waiver {
    /// Whether a finding is of this rule and subject. The subject is what the fingerprint is made of.
    fn speaks_of(&self, finding: &Finding, facts: &[Fact]) -> bool {
        let identity = facts.get(finding.fact).map(Fact::identity).unwrap_or_default();
        let same = identity.iter().all(|(name, value)| self.subject.get(*name) == Some(value));
        finding.rule == self.rule.value && identity.len() == self.subject.len() && same
    }
}
