//! What the findings come to: those of one rule about one strategy together, worst first. Counts and order, nothing else.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::facts::Fact;
use crate::findings::{Disposition, Finding};
use crate::playbook::{Severity, Step, Verdict};
use crate::record::{Record, RuleResult};

/// Failing findings of one rule about one strategy.
#[derive(Debug)]
pub struct Group<'a> {
    pub rule: &'a str,
    pub step: Step,
    /// Empty when the facts belong to none.
    pub strategy: String,
    pub severity: Severity,
    pub disposition: Disposition,
    /// Indices into the record's `findings`, worst first.
    pub findings: Vec<usize>,
}

/// All failing findings, in groups: open before decided ones, then by severity and by the decisions concerned.
pub fn failing(record: &Record) -> Vec<Group<'_>> {
    let indices = (0..record.findings.len()).filter(|index| record.findings[*index].status == Verdict::Fail);
    groups(record, indices)
}

/// The given findings in groups, worst first.
pub fn groups(record: &Record, findings: impl Iterator<Item = usize>) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for index in findings {
        let Some(finding) = record.findings.get(index) else { continue };
        let strategy = strategy(record, finding);
        let same = |group: &&mut Group<'_>| {
            group.rule == finding.rule && group.strategy == strategy && group.disposition == finding.disposition
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.findings.push(index),
            None => groups.push(Group {
                rule: &finding.rule,
                step: finding.step,
                strategy,
                severity: finding.severity,
                disposition: finding.disposition,
                findings: vec![index],
            }),
        }
    }
    for group in &mut groups {
        group.findings.sort_by_key(|index| weight(record, *index));
    }
    groups.sort_by_key(|group| {
        let worst = group.findings.first().map(|index| weight(record, *index));
        (group.disposition != Disposition::Open, Reverse(group.severity), worst)
    });
    groups
}

/// The worst finding of each critical rule and of each step, as indices, at most so many, worst first.
pub fn worst(groups: &[Group<'_>], most: usize) -> Vec<usize> {
    let mut shown: Vec<&Group<'_>> = Vec::new();
    for group in groups.iter().filter(|group| group.disposition == Disposition::Open) {
        let new = if group.severity == Severity::Critical {
            shown.iter().all(|known| known.rule != group.rule)
        } else {
            shown.iter().all(|known| known.step != group.step)
        };
        if new {
            shown.push(group);
        }
    }
    shown.iter().filter_map(|group| group.findings.first().copied()).take(most).collect()
}

/// A verdict with a reason, and the rules that share both.
pub type Shared<'a> = (Verdict, Option<&'a str>, Vec<(Step, &'a RuleResult)>);

/// Rules by why they have the verdict, in the order of the record: a reason that many share is told once.
pub fn by_reason<'a>(record: &'a Record, with: &[Verdict]) -> Vec<Shared<'a>> {
    let mut reasons: Vec<Shared<'_>> = Vec::new();
    for step in &record.steps {
        for rule in step.rules.iter().filter(|rule| with.contains(&rule.status)) {
            let reason = rule.reason.as_deref();
            match reasons.iter_mut().find(|(status, known, _)| *status == rule.status && *known == reason) {
                Some((_, _, rules)) => rules.push((step.id, rule)),
                None => reasons.push((rule.status, reason, vec![(step.id, rule)])),
            }
        }
    }
    reasons
}

/// Open failing findings by step, most first.
pub fn by_step(record: &Record) -> Vec<(Step, u64)> {
    let mut steps: BTreeMap<Step, u64> = BTreeMap::new();
    let open = |finding: &&Finding| finding.status == Verdict::Fail && finding.disposition == Disposition::Open;
    for finding in record.findings.iter().filter(open) {
        *steps.entry(finding.step).or_default() += 1;
    }
    let mut steps: Vec<_> = steps.into_iter().collect();
    steps.sort_by_key(|(step, count)| (Reverse(*count), *step));
    steps
}

fn strategy(record: &Record, finding: &Finding) -> String {
    record.facts.get(finding.fact).and_then(|fact| fact.identity().remove("strategy")).unwrap_or_default()
}

/// The order of findings of one severity: by the decisions concerned, then by how far a ratio is from 1, or how
/// great a risk.
fn weight(record: &Record, finding: usize) -> (Reverse<u64>, Reverse<u64>) {
    let fact = record.findings.get(finding).and_then(|finding| record.facts.get(finding.fact));
    let decisions = match fact {
        Some(Fact::DataUse(of)) => of.counts.events_without_consent.max(of.counts.events_unknown),
        Some(Fact::Join(of)) => of.counts.events_without_consent,
        Some(Fact::Purpose(of)) => of.decisions.unwrap_or_default(),
        Some(Fact::Field(of)) => of.decisions.unwrap_or_default(),
        _ => 0,
    };
    let gap = match fact {
        Some(Fact::OutcomeParity(of)) => of.ratio.as_ref().map_or(0.0, |ratio| ratio.estimate.ln().abs()),
        Some(Fact::Reidentification(of)) => of.joined.as_ref().map_or(0.0, |joined| joined.share_under_k),
        Some(Fact::Proxy(of)) => of.strength.as_ref().map_or(1.0, |strength| strength.estimate),
        _ => 0.0,
    };
    // Finite, positive floats sort as their bits do.
    (Reverse(decisions), Reverse(if gap.is_finite() { gap.to_bits() } else { u64::MAX }))
}
