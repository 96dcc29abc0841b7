//! The findings of an audit beside those of an earlier one: what is new, gone, worse, better, the same, and what cannot be
//! compared. A finding that vanished with its evidence is not fixed.

use std::collections::{BTreeMap, HashMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::snapshot::{Known, Snapshot, lasts};
use crate::facts::Fact;
use crate::facts::change::{self, Change, Direction, Since};
use crate::facts::measured::{Measured, about, key};
use crate::findings::{Finding, State};
use crate::playbook::{Severity, Verdict};
use crate::record::{GateStatus, Record, RuleResult, StepResult};

/// One finding, then and now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Compared {
    pub state: State,
    /// Why it cannot be compared.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    pub rule: String,
    pub severity: Severity,
    pub fingerprint: String,
    /// What identifies the fact.
    pub about: BTreeMap<String, String>,
    /// `fail` or `inconclusive`; null when it was not there.
    pub before: Option<Verdict>,
    pub now: Option<Verdict>,
    /// What it says now; null when it is gone.
    pub message: Option<String>,
    /// Index into the findings of now.
    pub finding: Option<usize>,
}

impl Compared {
    /// Whether it fails or failed; else the evidence leaves it undecided.
    pub fn fails(&self) -> bool {
        [self.before, self.now].contains(&Some(Verdict::Fail))
    }
}

/// An audit of now, as far as it is compared.
pub struct Now<'a> {
    pub facts: &'a [Fact],
    pub steps: &'a [StepResult],
    pub findings: &'a [Finding],
}

/// Sets the findings of now beside those of an earlier audit. `changes` are the numbers of the two, compared.
///
/// Findings are a multiset: two of one fingerprint then allow two of it now. Those of now come first, in their order.
pub fn compare(earlier: &Snapshot, now: &Now<'_>, changes: &[&Change]) -> Vec<Compared> {
    let mut moved: HashMap<&str, Direction> = HashMap::new();
    for change in changes {
        // The worst of a fact's numbers stands for it: `Direction` is declared from worse on.
        let direction = moved.entry(&change.key).or_insert(Direction::NotComparable);
        *direction = (*direction).min(change.direction());
    }
    let mut known: HashMap<&str, Vec<&Known>> = HashMap::new();
    for finding in &earlier.findings {
        known.entry(&finding.fingerprint).or_default().push(finding);
    }
    let mut compared = Vec::new();
    for (index, finding) in now.findings.iter().enumerate() {
        let Some(fact) = now.facts.get(finding.fact).filter(|fact| lasts(fact)) else { continue };
        let before = known.get_mut(finding.fingerprint.as_str()).and_then(Vec::pop);
        let (state, reason) = match before {
            Some(before) => again(before, finding, moved.get(before.fact.as_str()).copied()),
            None => appeared(earlier.rules.get(&finding.rule)),
        };
        compared.push(Compared {
            state,
            reason,
            rule: finding.rule.clone(),
            severity: finding.severity,
            fingerprint: finding.fingerprint.clone(),
            about: about(fact),
            before: before.map(|before| before.status),
            now: Some(finding.status),
            message: Some(finding.message.clone()),
            finding: Some(index),
        });
    }
    let there = There::of(now);
    for gone in earlier.findings.iter().filter(|finding| take(&mut known, finding)) {
        let (state, reason) = there.vanished(gone, earlier);
        compared.push(Compared {
            state,
            reason,
            rule: gone.rule.clone(),
            severity: gone.severity,
            fingerprint: gone.fingerprint.clone(),
            about: gone.about.clone(),
            before: Some(gone.status),
            now: None,
            message: None,
            finding: None,
        });
    }
    compared
}

/// Whether a finding of then is still unmatched; it is matched now.
fn take(known: &mut HashMap<&str, Vec<&Known>>, finding: &Known) -> bool {
    known.get_mut(finding.fingerprint.as_str()).is_some_and(|left| left.pop().is_some())
}

fn again(before: &Known, now: &Finding, moved: Option<Direction>) -> (State, Option<String>) {
    if now.status > before.status {
        return (State::New, Some("it was undecided then".into()));
    }
    if now.status == before.status && now.severity > before.severity {
        return (State::Worse, Some("its rule is more severe now".into()));
    }
    match moved {
        Some(Direction::Worse) => (State::Worse, None),
        Some(Direction::Better) => (State::Better, None),
        // What has no number is there or not.
        Some(Direction::Same) | None => (State::Same, None),
        Some(Direction::NotComparable) => {
            (State::NotComparable, Some("its number is measured in another way than then, or not any more".into()))
        }
    }
}

fn appeared(rule_then: Option<&Verdict>) -> (State, Option<String>) {
    match rule_then {
        None => (State::NotComparable, Some("its rule was not asked then".into())),
        Some(Verdict::NotEvidenced) => (State::NotComparable, Some("its rule had no evidence then".into())),
        Some(_) => (State::New, None),
    }
}

/// What there is now, for what was there then.
struct There<'a> {
    rules: HashMap<&'a str, &'a RuleResult>,
    /// By their stable names.
    facts: HashMap<String, usize>,
    /// Declared strategies of which the log has no decision.
    idle: HashSet<&'a str>,
}

impl<'a> There<'a> {
    fn of(now: &Now<'a>) -> Self {
        let rules = now.steps.iter().flat_map(|step| &step.rules);
        let purposes = now.facts.iter().filter_map(|fact| if let Fact::Purpose(of) = fact { Some(of) } else { None });
        Self {
            rules: rules.map(|rule| (rule.id.as_str(), rule)).collect(),
            facts: now.facts.iter().enumerate().map(|(index, fact)| (key(fact), index)).collect(),
            idle: purposes.filter(|of| of.decisions == Some(0)).map(|of| of.strategy.as_str()).collect(),
        }
    }

    /// A finding is fixed when its rule, asked again, has evidence and does not object. What was known by comparing is not
    /// fixed by being no longer compared; what was known by happening is, when the strategy still decides.
    fn vanished(&self, gone: &Known, earlier: &Snapshot) -> (State, Option<String>) {
        let open = |reason: &str| (State::NotComparable, Some(reason.to_owned()));
        let Some(rule) = self.rules.get(gone.rule.as_str()) else { return open("its rule is not asked any more") };
        let compared = earlier.measures.iter().any(|of| of.key == gone.fact && !HAPPENINGS.contains(&of.kind.as_str()));
        let idle = gone.about.get("strategy").is_some_and(|strategy| self.idle.contains(strategy.as_str()));
        match (rule.status, self.facts.get(&gone.fact).map(|&fact| rule.verdict_on(fact))) {
            (_, Some(Some(Verdict::NotEvidenced | Verdict::Manual))) => open("there is no evidence of it any more"),
            (_, Some(_)) => (State::Fixed, None),
            (Verdict::NotEvidenced, None) => open("its rule has no evidence any more"),
            (_, None) if compared => open("it is not measured any more"),
            (_, None) if idle => open("its strategy makes no decision any more"),
            (_, None) => (State::Fixed, None),
        }
    }
}

/// Kinds of fact that are there when something happened.
const HAPPENINGS: [&str; 2] = ["data_use", "join"];

/// Two audits beside each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Diff {
    pub before: Side,
    pub now: Side,
    /// How many findings that fail, then or now, are in each state.
    pub counts: BTreeMap<State, u64>,
    /// And how many that the evidence leaves undecided, then and now.
    pub undecided: BTreeMap<State, u64>,
    pub findings: Vec<Compared>,
    /// The numbers that surely moved: worse first.
    pub numbers: Vec<Moved>,
    /// Numbers compared in all.
    pub compared: u64,
    /// Numbers that could not be compared.
    pub not_comparable: u64,
}

/// One of two audits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    pub system: String,
    pub as_of: Option<String>,
    /// SHA-256 of the record's file, in hex.
    pub record: String,
    pub gate: GateStatus,
}

/// A number that moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Moved {
    pub direction: Direction,
    #[serde(flatten)]
    pub change: Change,
}

impl Diff {
    /// Of an earlier audit and a record whose file has the SHA-256 `digest`.
    pub fn of(earlier: &Snapshot, now: &Record, digest: &str) -> Self {
        let level = now.system.settings.level;
        let measured: Vec<Measured> = now.facts.iter().flat_map(|fact| Measured::of(fact, level)).collect();
        let changes = change::measure(Since::Baseline, earlier.as_of.as_deref(), &earlier.measures, &measured);
        let parts = Now { facts: &now.facts, steps: &now.steps, findings: &now.findings };
        let mut findings = compare(earlier, &parts, &changes.iter().collect::<Vec<_>>());
        findings.sort_by_key(|of| (of.state, std::cmp::Reverse(of.severity)));
        let none = BTreeMap::from(State::ALL.map(|state| (state, 0)));
        let (mut counts, mut undecided) = (none.clone(), none);
        for of in &findings {
            *if of.fails() { &mut counts } else { &mut undecided }.entry(of.state).or_default() += 1;
        }
        let count = |with: fn(Direction) -> bool| changes.iter().filter(|of| with(of.direction())).count() as u64;
        let (compared, not_comparable) =
            (count(|of| of != Direction::NotComparable), count(|of| of == Direction::NotComparable));
        let moved = changes.into_iter().map(|change| Moved { direction: change.direction(), change });
        let mut numbers: Vec<Moved> =
            moved.filter(|of| matches!(of.direction, Direction::Worse | Direction::Better)).collect();
        numbers.sort_by_key(|of| of.direction);
        let side = |of: &Snapshot| Side {
            system: of.system.clone(),
            as_of: of.as_of.clone(),
            record: of.record.clone(),
            gate: of.gate,
        };
        let now = side(&Snapshot::of(now, digest));
        Self { before: side(earlier), now, counts, undecided, findings, numbers, compared, not_comparable }
    }
}

#[cfg(test)]
mod tests;
