//! The first page in plain words: what was audited, whether it may be released, what is worst, what is not known, and
//! who has to decide. Counts, order and sentences of the record.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::facts::Fact;
use crate::findings::{Disposition, Finding};
use crate::outputs::summary::{failing, worst};
use crate::outputs::text::count;
use crate::playbook::{Severity, Verdict};
use crate::record::{GateStatus, Record, RuleResult};

/// How many findings are told.
const WORST: usize = 5;

#[derive(Debug, Serialize)]
pub struct Conclusion<'a> {
    /// The verdict's name, for its symbol.
    pub state: &'static str,
    /// Whether it may be released.
    pub answer: &'static str,
    /// Decisions in the log; null without one.
    pub decisions: Option<u64>,
    /// People in the log.
    pub people: Option<u64>,
    pub strategies: usize,
    /// Open failing findings.
    pub failing: u64,
    /// Those that fail the gate.
    pub grave: u64,
    pub worst: Vec<Worst<'a>>,
    /// Failing findings that a decision covers.
    pub decided: u64,
    pub undecided: u64,
    /// Rules without evidence.
    pub lacking: u64,
    /// Kinds of evidence that nobody handed over.
    pub absent: Vec<&'a str>,
    /// Rows that could not be read.
    pub rejected: u64,
    pub questions: Vec<&'a RuleResult>,
    pub duties: Vec<Duty<'a>>,
}

/// A finding in plain words.
#[derive(Debug, Serialize)]
pub struct Worst<'a> {
    pub index: usize,
    pub severity: Severity,
    /// The rule's sentence for everybody; else the harm that the rule names; else the finding's own.
    pub sentence: &'a str,
    /// How many people it concerns, unless the sentence says so.
    pub people: Option<u64>,
}

/// What somebody has to decide about open findings.
#[derive(Debug, Default, Serialize)]
pub struct Duty<'a> {
    pub owner: &'a str,
    pub strategies: BTreeSet<&'a str>,
    pub findings: u64,
    pub grave: u64,
}

pub fn conclusion(record: &Record) -> Conclusion<'_> {
    let groups = failing(record);
    let all: usize = groups.iter().map(|group| group.findings.len()).sum();
    let open: Vec<&Finding> = open(record).collect();
    let rules =
        |with: Verdict| record.steps.iter().flat_map(|step| &step.rules).filter(move |rule| rule.status == with);
    let (state, answer) = match record.verdict.status {
        GateStatus::Passed => ("pass", "Nothing found that holds up a release"),
        GateStatus::Failed => ("fail", "Not ready for release"),
        GateStatus::NothingEvaluated => ("not_evidenced", "No answer: nothing could be evaluated"),
    };
    let qualities =
        || record.facts.iter().filter_map(|fact| if let Fact::EvidenceQuality(of) = fact { Some(of) } else { None });
    Conclusion {
        state,
        answer,
        decisions: record.facts.iter().filter_map(decisions).reduce(u64::saturating_add),
        people: people(record),
        strategies: record.facts.iter().filter(|fact| decisions(fact).is_some_and(|made| made > 0)).count(),
        failing: open.len() as u64,
        grave: open.iter().filter(|finding| finding.severity >= record.verdict.fail_on).count() as u64,
        worst: worst(&groups, WORST).into_iter().filter_map(|index| told(record, index)).collect(),
        decided: (all - open.len()) as u64,
        undecided: record.verdict.inconclusive,
        lacking: rules(Verdict::NotEvidenced).count() as u64,
        absent: qualities().filter(|of| !of.given).map(|of| of.role.as_str()).collect(),
        rejected: qualities().filter_map(|of| of.rejected).sum(),
        questions: rules(Verdict::Manual).collect(),
        duties: duties(record, &open),
    }
}

fn open(record: &Record) -> impl Iterator<Item = &Finding> {
    let open = |finding: &&Finding| finding.status == Verdict::Fail && finding.disposition == Disposition::Open;
    record.findings.iter().filter(open)
}

/// Each decision was made by one strategy.
fn decisions(fact: &Fact) -> Option<u64> {
    if let Fact::Purpose(of) = fact { of.decisions } else { None }
}

/// How many people the log tells of; `None` without one.
pub fn people(record: &Record) -> Option<u64> {
    record.facts.iter().find_map(|fact| match fact {
        Fact::EvidenceQuality(of) if of.role == "recommendations" => of.subjects,
        _ => None,
    })
}

/// A finding as everybody may read it.
pub fn told(record: &Record, index: usize) -> Option<Worst<'_>> {
    let finding = record.findings.get(index)?;
    let rules = || record.steps.iter().flat_map(|step| &step.rules);
    let harm =
        || rules().find(|rule| rule.id == finding.rule).map(|rule| rule.why.as_str()).filter(|why| !why.is_empty());
    let sentence = finding.plain.as_deref().or_else(harm).unwrap_or(&finding.message);
    let people = finding.people.filter(|people| !sentence.contains(&count(*people)));
    Some(Worst { index, severity: finding.severity, sentence, people })
}

/// Open findings by who answers for the strategy, or else for the system.
fn duties<'a>(record: &'a Record, open: &[&'a Finding]) -> Vec<Duty<'a>> {
    let mut strategies: Vec<(&str, &str)> = Vec::new();
    for fact in &record.facts {
        if let Fact::Purpose(of) = fact
            && let Some(owner) = of.owner.as_deref().filter(|owner| !owner.is_empty())
        {
            strategies.push((&of.strategy, owner));
        }
    }
    let mut duties: BTreeMap<&str, Duty<'a>> = BTreeMap::new();
    for finding in open {
        let named = record.facts.get(finding.fact).and_then(|fact| fact.identity().remove("strategy"));
        let strategy = strategies.iter().find(|(strategy, _)| named.as_deref() == Some(*strategy));
        let owner = strategy.map_or(record.system.owner.as_str(), |(_, owner)| owner);
        let duty = duties.entry(owner).or_insert_with(|| Duty { owner, ..Duty::default() });
        duty.strategies.extend(strategy.map(|(strategy, _)| strategy));
        duty.findings += 1;
        duty.grave += u64::from(finding.severity >= record.verdict.fail_on);
    }
    let mut duties: Vec<Duty<'a>> = duties.into_values().collect();
    duties.sort_by_key(|duty| (Reverse((duty.grave, duty.findings)), duty.owner));
    duties
}
