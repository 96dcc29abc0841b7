//! What the templates are given besides the record: its parts in the order of the page, found and grouped.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::candidate::{CandidateView, candidate};
use super::catalogue::{Catalogue, catalogue};
use super::changes::{Changes, changes, sentence};
use super::choice::Choice;
use super::conclusion::{Conclusion, conclusion};
use super::conditions::{Conditions, conditions};
use super::consent::{JoinGroup, UseGroup, joins, uses};
use super::findings::{FindingView, RuleFindings, findings, views};
use super::funnel::{Delays, Funnel, delays, funnels};
use super::inequality::{Unequal, inequality};
use super::items::{Items, items};
use super::limits::{Limits, limits};
use super::lists::{ListGroup, lists};
use super::loyalty::{LoyaltyView, loyalty};
use super::methods::{Method, used};
use super::parity::{Parity, parity};
use super::prices::{PriceGroup, prices};
use super::register::{Register, register};
use super::risks::{Risks, risks};
use super::selection::{SelectionTable, selection};
use super::signatures::{Signature, signatures};
use super::subgroups::{Subgroups, subgroups};
use super::tiers::{Overview, Tiers, overview};
use super::verdict_name;
use super::watch::{Watch, watch};
use crate::facts::Fact;
use crate::facts::coverage::Coverage;
use crate::facts::evidence_quality::EvidenceQuality;
use crate::facts::field::Field;
use crate::facts::purpose::Purpose;
use crate::facts::undeclared_personal_data::UndeclaredPersonalData;
use crate::outputs::summary::{by_reason, by_step};
use crate::outputs::text::{count, period};
use crate::playbook::{Step, Verdict};
use crate::record::{Record, RuleResult, StepResult};

/// From how many rows on a table folds those that pass, and a rule its later findings.
pub const MANY: usize = 12;

/// The page.
#[derive(Debug, Serialize)]
pub struct Page<'a> {
    pub period: Option<String>,
    pub conclusion: Conclusion<'a>,
    /// Beside earlier audits, where there are any.
    pub changes: Vec<Changes<'a>>,
    /// Title and day of each, and what changed in one sentence.
    pub changed: Vec<(&'static str, Option<&'a str>, String)>,
    pub chapters: Vec<Chapter<'a>>,
    pub purposes: Vec<Row<'a, Purpose>>,
    pub fields: Vec<FieldGroup<'a>>,
    pub scan: Scan<'a>,
    pub risks: Risks<'a>,
    pub register: Option<Register<'a>>,
    pub funnels: Vec<Funnel<'a>>,
    pub delays: Option<Delays<'a>>,
    pub uses: Vec<UseGroup<'a>>,
    pub joins: Vec<JoinGroup<'a>>,
    pub choice: Choice<'a>,
    pub coverage: Vec<Row<'a, Coverage>>,
    /// What the chapter on bias holds.
    pub overview: Vec<Overview>,
    pub parity: Parity<'a>,
    /// None where nothing was measured, as below.
    pub subgroups: Option<Tiers<Subgroups<'a>>>,
    pub conditions: Option<Conditions<'a>>,
    pub selection: Option<Tiers<SelectionTable<'a>>>,
    pub prices: Option<Tiers<PriceGroup<'a>>>,
    pub items: Vec<Items<'a>>,
    pub lists: Option<Tiers<ListGroup<'a>>>,
    pub catalogue: Option<Catalogue<'a>>,
    pub unequal: Unequal<'a>,
    pub watch: Option<Watch<'a>>,
    pub candidate: Option<CandidateView<'a>>,
    pub loyalty: Option<LoyaltyView<'a>>,
    pub quality: Vec<Row<'a, EvidenceQuality>>,
    pub not_evaluated: Vec<Unanswered<'a>>,
    pub limits: Limits<'a>,
    pub questions: Vec<Asked<'a>>,
    /// Findings that a decision covers.
    pub decided: Vec<FindingView<'a>>,
    /// Those of them that are undecided.
    pub decided_folded: Vec<FindingView<'a>>,
    pub signatures: Vec<Signature<'a>>,
    pub methods: Vec<Method>,
    pub unknown_methods: Vec<String>,
}

/// A step of the playbook.
#[derive(Debug, Serialize)]
pub struct Chapter<'a> {
    pub number: usize,
    pub id: &'static str,
    pub title: &'static str,
    pub question: &'static str,
    pub status: &'static str,
    /// Open failing findings.
    pub open: u64,
    /// How many rules gave each verdict.
    pub tally: String,
    pub rules: Vec<RuleView<'a>>,
    pub findings: Vec<RuleFindings<'a>>,
    /// Kinds of fact that this step's rules looked at and another part of the page shows.
    pub elsewhere: Vec<Elsewhere>,
}

#[derive(Debug, Serialize)]
pub struct RuleView<'a> {
    pub rule: &'a RuleResult,
    pub tally: String,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Elsewhere {
    pub words: &'static str,
    pub id: &'static str,
    pub title: &'static str,
}

/// Rules without an answer, and why.
#[derive(Debug, Serialize)]
pub struct Unanswered<'a> {
    pub state: &'static str,
    pub reason: Option<&'a str>,
    pub rules: Vec<Asked<'a>>,
}

/// A rule with its step.
#[derive(Debug, Serialize)]
pub struct Asked<'a> {
    pub number: usize,
    pub step: &'static str,
    pub id: &'static str,
    pub rule: &'a RuleResult,
}

/// A fact with its place in the record and its verdict.
#[derive(Debug, Serialize)]
pub struct Row<'a, F> {
    pub index: usize,
    pub fact: &'a F,
    pub state: &'static str,
    /// The rules behind the verdict, when it is worse than a pass.
    pub by: Vec<&'a str>,
}

/// Inputs of one strategy.
#[derive(Debug, Serialize)]
pub struct FieldGroup<'a> {
    pub strategy: &'a str,
    pub rows: Vec<Row<'a, Field>>,
    pub folded: Vec<Row<'a, Field>>,
}

/// What the look for personal data found, the worst first.
#[derive(Debug, Serialize)]
pub struct Scan<'a> {
    pub facts: usize,
    pub rows: Vec<Row<'a, UndeclaredPersonalData>>,
    pub folded: Vec<Row<'a, UndeclaredPersonalData>>,
}

/// The worst that the rules said of each fact.
pub struct States {
    by_fact: Vec<Option<Verdict>>,
}

impl States {
    pub fn new(record: &Record) -> Self {
        let mut by_fact: Vec<Option<Verdict>> = vec![None; record.facts.len()];
        for rule in record.steps.iter().flat_map(|step| &step.rules) {
            for (verdict, facts) in &rule.verdicts {
                for &fact in facts {
                    if let Some(state) = by_fact.get_mut(fact) {
                        *state = (*state).max(Some(*verdict));
                    }
                }
            }
        }
        Self { by_fact }
    }

    /// The verdict's name, or `none`.
    pub fn of(&self, fact: usize) -> &'static str {
        self.rank(fact).map_or("none", verdict_name)
    }

    /// Sorts facts from best to worst.
    pub fn rank(&self, fact: usize) -> Option<Verdict> {
        self.by_fact.get(fact).copied().flatten()
    }

    /// Rows that no rule objects to apart from the others, when there are many.
    pub fn fold<T>(&self, rows: Vec<T>, index: impl Fn(&T) -> usize) -> (Vec<T>, Vec<T>) {
        let many = rows.len() > MANY;
        rows.into_iter().partition(|row| !many || self.rank(index(row)) > Some(Verdict::Pass))
    }
}

/// The rules that gave a fact its verdict, when that is worse than a pass.
fn objections(record: &Record, fact: usize, state: Option<Verdict>) -> Vec<&str> {
    let Some(state) = state.filter(|state| *state > Verdict::Pass) else { return Vec::new() };
    let rules = record.steps.iter().flat_map(|step| &step.rules);
    rules.filter(|rule| rule.verdict_on(fact) == Some(state)).map(|rule| rule.id.as_str()).collect()
}

impl<'a> Page<'a> {
    pub fn new(record: &'a Record) -> Self {
        let states = States::new(record);
        let system = &record.system;
        let changes = changes(record, &states);
        let (decided, decided_folded) = views(record, 0..record.findings.len())
            .into_iter()
            .filter(|view| view.disposition != "open")
            .partition(|view| view.finding.status == Verdict::Fail);
        let (methods, unknown_methods) = used(record);
        Self {
            period: system.first_decision.as_ref().zip(system.last_decision.as_ref()).map(|(a, b)| period(a, b)),
            conclusion: conclusion(record),
            changed: changes
                .iter()
                .filter(|of| !of.told)
                .map(|of| (of.title, of.since.as_of.as_deref(), sentence(of)))
                .collect(),
            changes,
            chapters: record.steps.iter().map(|step| chapter(record, step)).collect(),
            purposes: rows(record, &states, |fact| if let Fact::Purpose(fact) = fact { Some(fact) } else { None }),
            fields: fields(record, &states),
            scan: scan(record, &states),
            risks: risks(record, &states),
            register: register(record),
            funnels: funnels(record),
            delays: delays(record, &states),
            uses: uses(record, &states),
            coverage: rows(record, &states, |fact| if let Fact::Coverage(fact) = fact { Some(fact) } else { None }),
            joins: joins(record, &states),
            choice: Choice::new(record, &states),
            overview: overview(record, &states),
            parity: parity(record, &states),
            subgroups: Some(subgroups(record, &states)).filter(|all| !all.is_empty()),
            conditions: Some(conditions(record, &states)).filter(|all| !all.groups.is_empty()),
            selection: Some(selection(record, &states)).filter(|all| !all.is_empty()),
            prices: Some(prices(record, &states)).filter(|all| !all.is_empty()),
            items: items(record, &states),
            lists: Some(lists(record, &states)).filter(|all| !all.is_empty()),
            catalogue: catalogue(record, &states),
            unequal: inequality(record, &states),
            watch: Some(watch(record, &states)).filter(|all| !all.is_empty()),
            candidate: candidate(record, &states),
            loyalty: loyalty(record, &states),
            quality: rows(
                record,
                &states,
                |fact| if let Fact::EvidenceQuality(fact) = fact { Some(fact) } else { None },
            ),
            not_evaluated: unanswered(record, &[Verdict::NotEvidenced, Verdict::NotApplicable]),
            limits: limits(record),
            questions: unanswered(record, &[Verdict::Manual]).into_iter().flat_map(|of| of.rules).collect(),
            decided,
            decided_folded,
            signatures: signatures(record),
            methods,
            unknown_methods,
        }
    }
}

fn chapter<'a>(record: &'a Record, step: &'a StepResult) -> Chapter<'a> {
    let rules = step.rules.iter().map(|rule| RuleView { rule, tally: tally(rule.counts()) });
    let mut elsewhere: Vec<Elsewhere> = Vec::new();
    for fact in step.facts.iter().filter_map(|&index| record.facts.get(index)) {
        let (words, home) = home(fact);
        let place =
            Elsewhere { words, id: home.map_or("evidence", Step::id), title: home.map_or("Evidence", Step::title) };
        if home != Some(step.id) && !elsewhere.contains(&place) {
            elsewhere.push(place);
        }
    }
    Chapter {
        number: number(step.id),
        id: step.id.id(),
        title: step.id.title(),
        question: step.id.question(),
        status: verdict_name(step.status),
        open: by_step(record).into_iter().find(|(id, _)| *id == step.id).map_or(0, |(_, open)| open),
        tally: tally(step.rules.iter().map(|rule| (rule.status, 1))),
        rules: rules.collect(),
        findings: findings(record, step),
        elsewhere,
    }
}

/// The chapter that shows a kind of fact, and the kind in words. The appendix shows what has none.
pub fn home(fact: &Fact) -> (&'static str, Option<Step>) {
    match fact {
        Fact::Purpose(_) => ("declared purposes", Some(Step::ClarifyPurpose)),
        Fact::Field(_) => ("mapped inputs", Some(Step::MapDataSensitivity)),
        Fact::DataUse(_) => ("uses of data", Some(Step::DesignForChoice)),
        Fact::Join(_) => ("joins", Some(Step::DesignForChoice)),
        Fact::Alternative(_) => ("alternatives to being profiled", Some(Step::DesignForChoice)),
        Fact::Explanation(_) => ("explanations shown", Some(Step::DesignForChoice)),
        Fact::Prompt(_) => ("consent prompts", Some(Step::DesignForChoice)),
        Fact::Reidentification(_) => ("how far inputs tell people apart", Some(Step::AssessRisks)),
        Fact::Proxy(_) => ("inputs beside protected attributes", Some(Step::AssessRisks)),
        Fact::Coverage(_) => ("what could be judged", Some(Step::DesignForChoice)),
        Fact::OutcomeParity(_) => ("comparisons of outcomes", Some(Step::TestForBias)),
        Fact::Subgroup(_) => ("subgroups", Some(Step::TestForBias)),
        Fact::ConditionalParity(_) => ("comparisons under equal conditions", Some(Step::TestForBias)),
        Fact::Selection(_) => ("selection rates", Some(Step::TestForBias)),
        Fact::ListParity(_) => ("comparisons of lists", Some(Step::TestForBias)),
        Fact::PriceParity(_) => ("comparisons of prices", Some(Step::TestForBias)),
        Fact::ExposureParity(_) => ("attention to groups of items", Some(Step::TestForBias)),
        Fact::RankingFairness(_) => ("lists beside targets", Some(Step::TestForBias)),
        Fact::CatalogueUse(_) => ("how much of the catalogue is shown", Some(Step::TestForBias)),
        Fact::Inequality(_) => ("how unequally benefits are spread", Some(Step::TestForBias)),
        Fact::Counterfactual(_) => ("what a candidate would do", Some(Step::TestForBias)),
        Fact::UndeclaredPersonalData(_) => ("columns with personal data", Some(Step::MapDataSensitivity)),
        Fact::Mix(_) => ("what the log is made of", Some(Step::MonitorContinuously)),
        Fact::Drift(_) => ("drift of what the log is made of", Some(Step::MonitorContinuously)),
        Fact::Trend(_) => ("trends over audits", Some(Step::MonitorContinuously)),
        Fact::Loyalty(_) => ("comparisons of loyalty", Some(Step::MonitorContinuously)),
        Fact::LoyaltyBalance(_) => ("what is sold at once beside what lasts", Some(Step::MonitorContinuously)),
        Fact::LoyaltyForecast(_) => ("what buyers will be worth", Some(Step::MonitorContinuously)),
        Fact::SampleRatio(_) => ("how people were dealt out to arms", Some(Step::MonitorContinuously)),
        Fact::EvidenceQuality(_) => ("the quality of the evidence", None),
        Fact::Change(_) => ("changes since earlier audits", Some(Step::MonitorContinuously)),
    }
}

fn number(step: Step) -> usize {
    1 + Step::ALL.iter().position(|known| *known == step).unwrap_or_default()
}

fn unanswered<'a>(record: &'a Record, with: &[Verdict]) -> Vec<Unanswered<'a>> {
    let reasons = by_reason(record, with).into_iter();
    let rules = |rules: Vec<(Step, &'a RuleResult)>| rules.into_iter().map(asked).collect();
    reasons.map(|(of, reason, by)| Unanswered { state: verdict_name(of), reason, rules: rules(by) }).collect()
}

fn asked((step, rule): (Step, &RuleResult)) -> Asked<'_> {
    Asked { number: number(step), step: step.title(), id: step.id(), rule }
}

pub fn rows<'a, F>(record: &'a Record, states: &States, pick: impl Fn(&'a Fact) -> Option<&'a F>) -> Vec<Row<'a, F>> {
    let facts = record.facts.iter().enumerate();
    let row = |(index, fact)| {
        let by = objections(record, index, states.rank(index));
        Some(Row { index, fact: pick(fact)?, state: states.of(index), by })
    };
    facts.filter_map(row).collect()
}

fn fields<'a>(record: &'a Record, states: &States) -> Vec<FieldGroup<'a>> {
    let mut groups: BTreeMap<&str, Vec<Row<'a, Field>>> = BTreeMap::new();
    for row in rows(record, states, |fact| if let Fact::Field(fact) = fact { Some(fact) } else { None }) {
        groups.entry(&row.fact.strategy).or_default().push(row);
    }
    let groups = groups.into_iter().map(|(strategy, mut rows)| {
        rows.sort_by_key(|row| Reverse((states.rank(row.index), row.fact.special)));
        let (rows, folded) = states.fold(rows, |row| row.index);
        FieldGroup { strategy, rows, folded }
    });
    groups.collect()
}

fn scan<'a>(record: &'a Record, states: &States) -> Scan<'a> {
    let mut rows =
        rows(record, states, |fact| if let Fact::UndeclaredPersonalData(fact) = fact { Some(fact) } else { None });
    rows.sort_by_key(|row| Reverse((states.rank(row.index), row.fact.column.is_some())));
    let facts = rows.len();
    let (rows, folded) = states.fold(rows, |row| row.index);
    Scan { facts, rows, folded }
}

/// How often each verdict was given, worst first: `3 fail, 1 inconclusive, 14 pass`.
pub fn tally(verdicts: impl Iterator<Item = (Verdict, u64)>) -> String {
    let mut counts: BTreeMap<Reverse<Verdict>, u64> = BTreeMap::new();
    for (verdict, n) in verdicts {
        *counts.entry(Reverse(verdict)).or_default() += n;
    }
    let parts =
        counts.into_iter().filter(|(_, n)| *n > 0).map(|(verdict, n)| format!("{} {}", count(n), verdict.0.label()));
    parts.collect::<Vec<_>>().join(", ")
}
