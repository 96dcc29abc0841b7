//! The conclusion in plain words: what was looked at, what is wrong, what is open. Counts and messages of the record.

use serde::Serialize;

use super::findings::{FindingView, views};
use crate::facts::Fact;
use crate::outputs::summary::{by_step, failing, worst};
use crate::outputs::text::count;
use crate::playbook::{Step, Verdict};
use crate::record::Record;

/// How many findings are told in full.
const WORST: usize = 5;

#[derive(Debug, Serialize)]
pub struct Conclusion<'a> {
    /// `20,000 decisions about 3,000 people`; null without a log.
    pub scope: Option<String>,
    /// Open failing findings.
    pub failing: u64,
    /// Their steps, most first.
    pub steps: Vec<StepCount>,
    pub worst: Vec<FindingView<'a>>,
    /// Failing findings that a decision covers.
    pub decided: u64,
    pub undecided: u64,
    /// Rules without evidence.
    pub lacking: u64,
    pub questions: u64,
}

#[derive(Debug, Serialize)]
pub struct StepCount {
    pub id: &'static str,
    pub title: &'static str,
    pub count: u64,
}

pub fn conclusion(record: &Record) -> Conclusion<'_> {
    let groups = failing(record);
    let steps: Vec<StepCount> = by_step(record)
        .into_iter()
        .map(|(step, count)| StepCount { id: Step::id(step), title: Step::title(step), count })
        .collect();
    let failing = steps.iter().map(|step| step.count).sum();
    let all: usize = groups.iter().map(|group| group.findings.len()).sum();
    let rules =
        |with: Verdict| record.steps.iter().flat_map(|step| &step.rules).filter(move |rule| rule.status == with);
    Conclusion {
        scope: scope(record),
        failing,
        steps,
        worst: views(record, worst(&groups, WORST).into_iter()),
        decided: (all as u64).saturating_sub(failing),
        undecided: record.verdict.inconclusive,
        lacking: rules(Verdict::NotEvidenced).count() as u64,
        questions: rules(Verdict::Manual).count() as u64,
    }
}

/// What the log holds: each decision was made by one strategy.
fn scope(record: &Record) -> Option<String> {
    let made = record.facts.iter().filter_map(|fact| if let Fact::Purpose(of) = fact { of.decisions } else { None });
    let decisions = made.reduce(u64::saturating_add)?;
    let subjects = record.facts.iter().find_map(|fact| match fact {
        Fact::EvidenceQuality(of) if of.role == "recommendations" => of.subjects,
        _ => None,
    });
    let people = subjects.map(|n| format!(" about {} people", count(n))).unwrap_or_default();
    Some(format!("{} decisions{people}", count(decisions)))
}
