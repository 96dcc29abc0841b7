//! What the sections on bias share: the word of a row, the bounds of a chart, and the order of charts. Those in which
//! something fails lead, those that the evidence does not decide follow, and the others are folded away.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::verdict_word;
use super::view::States;
use crate::facts::outcome_parity::Comparison;
use crate::outputs::text;
use crate::playbook::Verdict;
use crate::record::{Record, RuleResult};

/// The charts of a section.
#[derive(Debug, Serialize)]
pub struct Tiers<G> {
    pub shown: Vec<G>,
    /// Those to which no rule objects, when there is much to show.
    pub quiet: Vec<G>,
    /// What the quiet ones say, e.g. `3 more: 2 pass, 1 not judged`.
    pub words: String,
}

impl<G> Tiers<G> {
    /// Sorts charts, the worst first. With `fold`, those that are no worse than `calm` become quiet.
    pub fn new(mut groups: Vec<G>, fold: bool, calm: &str, state: impl Fn(&G) -> &'static str) -> Self {
        groups.sort_by_key(|group| Reverse(severity(state(group))));
        let (quiet, shown): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| fold && severity(state(group)) <= severity(calm));
        let said = summarise(quiet.iter().map(|group| match state(group) {
            "reference" => ("withheld", "not compared"),
            state => (state, word(state)),
        }));
        Self { words: format!("{} more: {said}", text::count(quiet.len() as u64)), shown, quiet }
    }

    pub fn is_empty(&self) -> bool {
        self.shown.is_empty() && self.quiet.is_empty()
    }
}

fn word(state: &'static str) -> &'static str {
    match state {
        "none" => "not judged",
        "withheld" | "reference" => "not compared",
        state => verdict_word(state),
    }
}

/// The symbol and the word of a comparison that the rules said `state` of.
pub fn said(comparison: Comparison, state: &'static str) -> (&'static str, &'static str) {
    match comparison {
        Comparison::Compared => (state, word(state)),
        Comparison::Reference => ("reference", "reference"),
        Comparison::Suppressed => ("withheld", "too few to show"),
        Comparison::Unknown => ("withheld", "unknown group"),
        Comparison::Undefined => ("withheld", "cannot be compared"),
    }
}

/// The worst of the states of rows.
pub fn worst(states: impl Iterator<Item = &'static str>) -> &'static str {
    states.max_by_key(|state| severity(state)).unwrap_or("none")
}

/// The order of what a row can be, worst last.
pub fn severity(state: &str) -> u8 {
    ["reference", "withheld", "not_applicable", "none", "pass", "manual", "not_evidenced", "inconclusive", "fail"]
        .iter()
        .position(|known| *known == state)
        .unwrap_or_default() as u8
}

/// How many rows have each word, worst first.
pub fn summarise<'a>(rows: impl Iterator<Item = (&'static str, &'a str)>) -> String {
    let mut counts: BTreeMap<_, u64> = BTreeMap::new();
    for (state, word) in rows.filter(|(state, _)| *state != "reference") {
        *counts.entry((Reverse(severity(state)), word)).or_default() += 1;
    }
    counts.iter().map(|((_, word), n)| format!("{} {word}", text::count(*n))).collect::<Vec<_>>().join(", ")
}

/// The floors and ceilings on ratios of the rules that judged any of these facts, to be drawn.
pub fn bounds(record: &Record, facts: impl Iterator<Item = usize> + Clone) -> Vec<f64> {
    let rules = record.steps.iter().flat_map(|step| &step.rules);
    let judges = |rule: &&RuleResult| {
        let verdicts = facts.clone().filter_map(|fact| rule.verdict_on(fact));
        verdicts.into_iter().any(|verdict| verdict != Verdict::NotApplicable)
    };
    let mut bounds: Vec<f64> = rules.filter(judges).flat_map(own_bounds).filter(|bound| *bound > 0.0).collect();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    bounds
}

/// The floor and the ceiling of a rule.
pub fn own_bounds(rule: &RuleResult) -> impl Iterator<Item = f64> {
    [rule.params.get("floor"), rule.params.get("ceiling")].into_iter().flatten().filter_map(serde_json::Value::as_f64)
}

/// A section of the chapter on bias, and what the rules said of its facts.
#[derive(Debug, Serialize)]
pub struct Overview {
    pub id: &'static str,
    pub title: &'static str,
    pub fail: u64,
    pub inconclusive: u64,
    pub pass: u64,
    /// References, groups too small or unknown, and facts that no rule looks at.
    pub other: u64,
}

/// The sections in the order of the page: id, title, the kinds of fact that each shows.
const SECTIONS: [(&str, &str, &[&str]); 10] = [
    ("outcomes", "Outcomes by group", &["outcome_parity"]),
    ("subgroups", "Outcomes where attributes meet", &["subgroup"]),
    ("conditions", "Outcomes under equal conditions", &["conditional_parity"]),
    ("selection", "Selection by group", &["selection"]),
    ("prices", "Prices and discounts by group", &["price_parity"]),
    ("attention", "Attention to groups of items", &["exposure_parity", "ranking_fairness"]),
    ("lists", "Lists by group", &["list_parity"]),
    ("catalogue", "How much of the catalogue is shown", &["catalogue_use"]),
    ("inequality", "Inequality of benefits", &["inequality"]),
    ("candidate", "What the candidate would do", &["counterfactual"]),
];

/// The sections that have something to show.
pub fn overview(record: &Record, states: &States) -> Vec<Overview> {
    let section = |(id, title, kinds): (&'static str, &'static str, &[&str])| {
        let mut of = Overview { id, title, fail: 0, inconclusive: 0, pass: 0, other: 0 };
        let facts = record.facts.iter().enumerate().filter(|(_, fact)| kinds.contains(&fact.kind()));
        for (index, _) in facts {
            *match states.rank(index) {
                Some(Verdict::Fail) => &mut of.fail,
                Some(Verdict::Inconclusive) => &mut of.inconclusive,
                Some(Verdict::Pass) => &mut of.pass,
                _ => &mut of.other,
            } += 1;
        }
        of
    };
    let all = SECTIONS.into_iter().map(section);
    all.filter(|of| of.fail + of.inconclusive + of.pass + of.other > 0).collect()
}
