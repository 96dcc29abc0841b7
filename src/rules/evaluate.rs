//! Facts in, verdicts out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cel::{Context, Env, ExecutionError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::condition::{self, Answer, Condition};
use super::load::{Judge, LoadedPack, LoadedRule};
use super::missing;
use super::template::Template;
use crate::error::{Error, Problem, Result};
use crate::facts::Fact;
use crate::findings::{Disposition, Evidence, Finding, fingerprint};
use crate::playbook::{Step, Verdict};
use crate::record::{RuleResult, StepResult};

/// What conditions and texts see as `audit`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditContext {
    /// Name of the system.
    pub system: String,
    pub owner: String,
    /// The day the audit speaks for, `YYYY-MM-DD`.
    pub as_of: Option<String>,
    /// What uncertainty is counted in: `subject` or `impression`.
    pub unit: String,
    /// Confidence level of intervals.
    pub level: f64,
    /// Cells of fewer units are suppressed.
    pub min_cell: u64,
}

/// What the rules said.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// All seven steps, in order.
    pub steps: Vec<StepResult>,
    /// Worst severity first, then by the order of rules and of facts. All are open.
    pub findings: Vec<Finding>,
}

/// Asks every rule of every fact of its kind.
///
/// # Errors
/// Two rules of one id; a text that a fact's nulls leave unfillable; a condition that fails while it runs although it
/// was checked (a fault of the program).
pub fn judge(packs: &[LoadedPack], facts: &[Fact], audit: &AuditContext, have_log: bool) -> Result<Judgement> {
    distinct(packs)?;
    let bench = Bench::new(facts, audit)?;
    let mut steps: Vec<StepResult> = Step::ALL.map(empty_step).into();
    let mut findings = Vec::new();
    for pack in packs {
        for rule in &pack.rules {
            let (result, found) = bench.rule(pack, rule, have_log)?;
            findings.extend(found);
            if let Some(step) = steps.iter_mut().find(|step| step.id == rule.rule.step) {
                step.rules.push(result);
            }
        }
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    for step in &mut steps {
        let kinds: BTreeSet<&str> = step.rules.iter().filter_map(|rule| rule.on.as_deref()).collect();
        step.facts = (0..facts.len()).filter(|index| kinds.contains(facts[*index].kind())).collect();
        step.findings = (0..findings.len()).filter(|index| findings[*index].step == step.id).collect();
        step.status = step.rules.iter().map(|rule| rule.status).max().unwrap_or(Verdict::NotEvidenced);
    }
    Ok(Judgement { steps, findings })
}

/// What a rule says of one fact.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Decision {
    /// `None` when `where` leaves the fact out without a word.
    pub verdict: Option<Verdict>,
    /// Why, where no number says it.
    pub reason: Option<String>,
    /// The sentence of a finding, for `fail` and `inconclusive`.
    pub message: Option<String>,
    /// The same in plain words, where the rule has them.
    pub plain: Option<String>,
    /// Its word for where the fact stands.
    pub word: Option<String>,
}

/// Facts and settings, made ready once for all rules.
pub(super) struct Bench<'a> {
    facts: &'a [Fact],
    json: Vec<Value>,
    cel: Vec<cel::Value>,
    audit: Value,
    audit_cel: cel::Value,
    env: Arc<Env>,
}

impl<'a> Bench<'a> {
    pub fn new(facts: &'a [Fact], audit: &AuditContext) -> Result<Self> {
        let to_json = |e: serde_json::Error| Error::Internal(format!("a fact cannot be written as JSON: {e}"));
        let json = facts.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>().map_err(to_json)?;
        let audit = serde_json::to_value(audit).map_err(to_json)?;
        let (cel, audit_cel) = (json.iter().map(condition::value).collect(), condition::value(&audit));
        Ok(Self { facts, json, cel, audit, audit_cel, env: Arc::new(Env::stdlib()) })
    }

    fn rule(&self, pack: &LoadedPack, rule: &LoadedRule, have_log: bool) -> Result<(RuleResult, Vec<Finding>)> {
        let mut tally = Tally::default();
        let (mut findings, mut words) = (Vec::new(), BTreeMap::new());
        let spec = &rule.rule;
        if let Some(judge) = &rule.judge {
            let of_kind = (0..self.facts.len()).filter(|index| self.facts[*index].kind() == judge.kind);
            for index in of_kind {
                tally.seen += 1;
                let Decision { verdict, reason, message, plain, word } = self.decide(pack, rule, judge, index)?;
                if let Some(word) = word {
                    words.entry(word).or_insert_with(Vec::new).push(index);
                }
                let Some(verdict) = verdict else { continue };
                tally.count(verdict, index, reason);
                if let Some(message) = message {
                    let people = judge.people.as_ref().and_then(|field| self.json[index].get(field)?.as_u64());
                    findings.push(Finding { plain, people, ..self.finding(rule, index, verdict, message) });
                }
            }
        }
        let (status, reason) = match &rule.judge {
            None => (Verdict::Manual, spec.question.clone()),
            Some(judge) if tally.seen == 0 => {
                let (verdict, reason) = missing::verdict(judge.kind, judge.needs_log, self.facts, have_log);
                (verdict, Some(reason))
            }
            Some(_) => tally.status(spec.none_reason.as_deref()),
        };
        let result = RuleResult {
            id: spec.id.value.clone(),
            pack: pack.id.clone(),
            title: spec.title.clone(),
            severity: spec.severity,
            status,
            reason,
            on: spec.on.as_ref().map(|on| on.value.clone()),
            verdicts: tally.verdicts,
            words,
            why: spec.why.clone(),
            remedy: spec.remedy.clone(),
            references: spec.references.clone(),
            params: rule.params.clone(),
        };
        Ok((result, findings))
    }

    /// Asks one rule of the fact at `index`.
    pub fn decide(&self, pack: &LoadedPack, rule: &LoadedRule, judge: &Judge, index: usize) -> Result<Decision> {
        let params: serde_json::Map<String, Value> = rule.params.clone().into_iter().collect();
        let params = condition::value(&Value::Object(params));
        let context = context(&self.env, self.cel[index].clone(), self.audit_cel.clone(), params);
        let fault =
            |error| Error::Internal(format!("rule `{}` on {}: {error}", *rule.rule.id, describe(&self.facts[index])));
        let said = judge.ask(&context, &self.json[index]).map_err(fault)?;
        let ask = |condition: &Condition| condition.ask(&context, &self.json[index]).map_err(fault);
        let word = judge.words.find(ask)?.map(str::to_owned);
        let write = |template: &Template| {
            template.render(&self.json[index], &rule.params, &self.audit).map_err(|error| {
                let message = format!("rule `{}` cannot word {}: {error}", *rule.rule.id, describe(&self.facts[index]));
                let path = pack.path.clone().unwrap_or_else(|| pack.id.clone().into());
                Error::from(Problem::new(message).at(path, rule.rule.id.line, rule.rule.id.column))
            })
        };
        let reasoned = |verdict, reason| Ok(Decision { verdict, reason, word: word.clone(), ..Decision::default() });
        let verdict = match said {
            Said::LeftOut => {
                let reason = judge.where_reason.as_ref().map(write).transpose()?.filter(|reason| !reason.is_empty());
                return reasoned(reason.as_ref().map(|_| Verdict::NotApplicable), reason);
            }
            Said::Unevidenced => {
                let reason = judge.not_evidenced_reason.as_ref().map(write).transpose()?;
                return reasoned(Some(Verdict::NotEvidenced), reason);
            }
            Said::Unknown(reason) => return reasoned(Some(Verdict::NotEvidenced), Some(reason)),
            Said::Verdict(verdict) => verdict,
        };
        let tells = matches!(verdict, Verdict::Fail | Verdict::Inconclusive);
        let message = if tells { Some(write(&judge.message)?) } else { None };
        let plain = judge.plain.as_ref().filter(|_| verdict == Verdict::Fail).map(write).transpose()?;
        Ok(Decision { verdict: Some(verdict), message, plain, word, ..Decision::default() })
    }

    fn finding(&self, rule: &LoadedRule, index: usize, status: Verdict, message: String) -> Finding {
        let fact = &self.facts[index];
        let mut evidence = fact.evidence();
        evidence.extend(rule.params.iter().map(|(name, value)| Evidence::value("bound", format!("{name} = {value}"))));
        Finding {
            rule: rule.rule.id.value.clone(),
            step: rule.rule.step,
            severity: rule.rule.severity,
            status,
            disposition: Disposition::Open,
            fingerprint: fingerprint(&rule.rule.id, fact.kind(), &fact.identity()),
            message,
            plain: None,
            people: None,
            fact: index,
            evidence,
            since_baseline: None,
            since_last_audit: None,
        }
    }
}

/// What the conditions of a rule say of a fact, before it is put into words.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    /// `where` is false.
    LeftOut,
    /// `evidenced_when` is not true.
    Unevidenced,
    /// What decides is not there; why.
    Unknown(String),
    /// Fail, pass or inconclusive.
    Verdict(Verdict),
}

impl Judge {
    pub fn ask(&self, context: &Context, fact: &Value) -> Result<Said, ExecutionError> {
        match self.applies.as_ref().map(|applies| applies.ask(context, fact)).transpose()? {
            None | Some(Answer::Yes) => {}
            Some(Answer::No) => return Ok(Said::LeftOut),
            Some(Answer::Unknown(reason)) => return Ok(Said::Unknown(reason)),
        }
        if let Some(evidenced) = &self.evidenced_when
            && evidenced.ask(context, fact)? != Answer::Yes
        {
            return Ok(Said::Unevidenced);
        }
        match self.fail_when.ask(context, fact)? {
            Answer::Yes => return Ok(Said::Verdict(Verdict::Fail)),
            Answer::Unknown(reason) => return Ok(Said::Unknown(reason)),
            Answer::No => {}
        }
        Ok(match self.pass_when.as_ref().map(|pass| pass.ask(context, fact)).transpose()? {
            None | Some(Answer::Yes) => Said::Verdict(Verdict::Pass),
            Some(Answer::No) => Said::Verdict(Verdict::Inconclusive),
            Some(Answer::Unknown(reason)) => Said::Unknown(reason),
        })
    }
}

/// What conditions look at.
pub(super) fn context(
    env: &Arc<Env>,
    fact: cel::Value,
    audit: cel::Value,
    params: cel::Value,
) -> Context<'static, 'static> {
    let mut context = Context::with_env(env.clone());
    context.add_variable_from_value("fact", fact);
    context.add_variable_from_value("audit", audit);
    context.add_variable_from_value("params", params);
    context
}

/// How the facts of a rule came out.
#[derive(Default)]
struct Tally {
    seen: u64,
    verdicts: BTreeMap<Verdict, Vec<usize>>,
    /// Reasons in the order they first came up, with their facts.
    reasons: Vec<(String, u64)>,
}

/// More reasons than this are summed up.
const MAX_REASONS: usize = 3;

impl Tally {
    fn count(&mut self, verdict: Verdict, fact: usize, reason: Option<String>) {
        self.verdicts.entry(verdict).or_default().push(fact);
        if let Some(reason) = reason.map(|reason| reason.trim_end_matches('.').to_owned()) {
            match self.reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, facts)) => *facts += 1,
                None => self.reasons.push((reason, 1)),
            }
        }
    }

    /// The worst verdict. Facts that were all left out give no pass.
    fn status(&self, none_reason: Option<&str>) -> (Verdict, Option<String>) {
        let worst = self.verdicts.keys().next_back().copied();
        let listed = self.listed_reasons();
        match (worst, none_reason) {
            (None, reason) => {
                let reason = reason.unwrap_or("nothing that was measured falls under this rule");
                (Verdict::NotEvidenced, Some(reason.to_owned()))
            }
            (Some(Verdict::NotApplicable), Some(reason)) => {
                let reason = listed.map_or_else(|| reason.to_owned(), |listed| format!("{reason}: {listed}"));
                (Verdict::NotEvidenced, Some(reason))
            }
            (Some(worst), _) => (worst, listed),
        }
    }

    fn listed_reasons(&self) -> Option<String> {
        let all: u64 = self.verdicts.values().map(|facts| facts.len() as u64).sum();
        let one = |(reason, facts): &(String, u64)| match *facts {
            1 => reason.clone(),
            facts if facts == all => reason.clone(),
            facts => format!("{reason} ({facts} times)"),
        };
        let mut listed: Vec<String> = self.reasons.iter().take(MAX_REASONS).map(one).collect();
        if self.reasons.len() > MAX_REASONS {
            listed.push(format!("and {} more reasons", self.reasons.len() - MAX_REASONS));
        }
        (!listed.is_empty()).then(|| listed.join("; "))
    }
}

/// A fact by what identifies it.
fn describe(fact: &Fact) -> String {
    let identity: Vec<String> = fact.identity().iter().map(|(name, value)| format!("{name}=`{value}`")).collect();
    format!("the `{}` fact {}", fact.kind(), identity.join(" "))
}

fn empty_step(id: Step) -> StepResult {
    StepResult { id, status: Verdict::NotEvidenced, rules: Vec::new(), facts: Vec::new(), findings: Vec::new() }
}

fn distinct(packs: &[LoadedPack]) -> Result<()> {
    let mut seen = BTreeMap::new();
    for pack in packs {
        for rule in &pack.rules {
            if let Some(first) = seen.insert(rule.rule.id.value.as_str(), pack.id.as_str()) {
                let message = format!("rule `{}` is in the packs `{first}` and `{}`", *rule.rule.id, pack.id);
                return Err(Problem::new(message).into());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
