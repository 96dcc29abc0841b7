//! How the findings of a step are laid out: by rule, those of one strategy together, undecided ones folded.

use std::cmp::Reverse;

use serde::Serialize;

use super::parity::to_decide;
use super::view::{MANY, tally};
use crate::facts::Fact;
use crate::facts::data_use::DataUse;
use crate::facts::outcome_parity::OutcomeParity;
use crate::findings::Finding;
use crate::outputs::findings_csv::disposition;
use crate::outputs::summary::groups;
use crate::playbook::{Severity, Verdict};
use crate::record::{Record, RuleResult, StepResult};

/// All findings of one rule.
#[derive(Debug, Serialize)]
pub struct RuleFindings<'a> {
    pub id: &'a str,
    pub rule: Option<&'a RuleResult>,
    pub severity: Severity,
    pub tally: String,
    pub shown: Vec<Card<'a>>,
    pub folded: Vec<Card<'a>>,
    pub undecided: Undecided<'a>,
}

/// A finding, or several of one strategy that differ in the category of data only.
#[derive(Debug, Serialize)]
pub struct Card<'a> {
    pub strategy: String,
    pub first: FindingView<'a>,
    /// All of them when they are several.
    pub uses: Vec<Use<'a>>,
}

#[derive(Debug, Serialize)]
pub struct Use<'a> {
    pub view: FindingView<'a>,
    pub fact: &'a DataUse,
}

/// What the evidence does not decide.
#[derive(Debug, Serialize)]
pub struct Undecided<'a> {
    pub count: usize,
    pub comparisons: Vec<Undecidable<'a>>,
    /// Whether any of them says what would decide it.
    pub decidable: bool,
    pub others: Vec<FindingView<'a>>,
}

#[derive(Debug, Serialize)]
pub struct Undecidable<'a> {
    pub view: FindingView<'a>,
    pub fact: &'a OutcomeParity,
    pub segment: String,
    pub reference: String,
    pub within: String,
    pub to_decide: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct FindingView<'a> {
    pub index: usize,
    pub finding: &'a Finding,
    pub disposition: &'static str,
}

/// Findings of a step by rule: failing rules before undecided ones, severe before slight.
pub fn findings<'a>(record: &'a Record, step: &'a StepResult) -> Vec<RuleFindings<'a>> {
    let mut rules: Vec<&str> = Vec::new();
    for group in groups(record, step.findings.iter().copied()) {
        if !rules.contains(&group.rule) {
            rules.push(group.rule);
        }
    }
    let mut ranked: Vec<_> = rules.into_iter().filter_map(|id| of_rule(record, step, id)).collect();
    ranked.sort_by_key(|(rank, _)| Reverse(*rank));
    ranked.into_iter().map(|(_, group)| group).collect()
}

type Rank = (Verdict, Severity);

fn of_rule<'a>(record: &'a Record, step: &'a StepResult, id: &'a str) -> Option<(Rank, RuleFindings<'a>)> {
    let all: Vec<_> =
        views(record, step.findings.iter().copied()).into_iter().filter(|view| view.finding.rule == id).collect();
    let rank = all.iter().map(|view| (view.finding.status, view.finding.severity)).max()?;
    let tally = tally(all.iter().map(|view| (view.finding.status, 1)));
    let (failing, undecided): (Vec<_>, Vec<_>) = all.into_iter().partition(|view| view.finding.status == Verdict::Fail);
    let mut shown: Vec<Card<'_>> = groups(record, failing.iter().map(|view| view.index))
        .into_iter()
        .flat_map(|group| cards(record, group.strategy, group.findings))
        .collect();
    let folded = shown.split_off(shown.len().min(MANY));
    let rule = step.rules.iter().find(|rule| rule.id == id);
    let undecided = self::undecided(record, rule, undecided);
    Some((rank, RuleFindings { id, rule, severity: rank.1, tally, shown, folded, undecided }))
}

/// One card for uses of data, which differ in the category only; else a card each.
fn cards(record: &Record, strategy: String, findings: Vec<usize>) -> Vec<Card<'_>> {
    let views = views(record, findings.into_iter());
    let uses: Vec<Use<'_>> = views
        .iter()
        .filter_map(|view| match record.facts.get(view.finding.fact) {
            Some(Fact::DataUse(fact)) => Some(Use { view: view.clone(), fact }),
            _ => None,
        })
        .collect();
    match views.first() {
        Some(first) if uses.len() == views.len() && uses.len() > 1 => {
            vec![Card { strategy, first: first.clone(), uses }]
        }
        _ => {
            let alone = |first| Card { strategy: strategy.clone(), first, uses: Vec::new() };
            views.into_iter().map(alone).collect()
        }
    }
}

fn undecided<'a>(record: &'a Record, rule: Option<&RuleResult>, views: Vec<FindingView<'a>>) -> Undecided<'a> {
    let mut undecided = Undecided { count: views.len(), comparisons: Vec::new(), decidable: false, others: Vec::new() };
    for view in views {
        let Some(Fact::OutcomeParity(fact)) = record.facts.get(view.finding.fact) else {
            undecided.others.push(view);
            continue;
        };
        undecided.comparisons.push(Undecidable {
            view,
            fact,
            segment: crate::facts::attributes(&fact.segment),
            reference: crate::facts::attributes(&fact.reference),
            within: crate::facts::attributes(&fact.within),
            to_decide: to_decide(fact, rule),
        });
    }
    undecided.decidable = undecided.comparisons.iter().any(|row| row.to_decide.is_some());
    undecided
}

pub fn views(record: &Record, of: impl Iterator<Item = usize>) -> Vec<FindingView<'_>> {
    of.filter_map(|index| {
        let finding = record.findings.get(index)?;
        Some(FindingView { index, finding, disposition: disposition(finding.disposition) })
    })
    .collect()
}
