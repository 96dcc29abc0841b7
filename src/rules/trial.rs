//! One rule asked again and again: what would it say of a fact if its numbers were others?

use std::collections::BTreeSet;
use std::sync::Arc;

use cel::Env;
use serde_json::Value;

use super::condition::{self, Condition};
use super::evaluate::{AuditContext, Said, context};
use super::load::{Judge, LoadedPack, LoadedRule};
use crate::error::{Error, Result};
use crate::facts::Fact;
use crate::playbook::Verdict;

/// A rule on facts, ready to be asked. It says what [`judge`](super::judge) would, without the words of a finding.
pub struct Trial<'a> {
    /// The pack that the rule is of.
    pub pack: &'a str,
    pub rule: &'a LoadedRule,
    judge: &'a Judge,
    /// The fields of a fact that its conditions look at; `None` when that cannot be told.
    fields: Option<BTreeSet<&'a str>>,
    params: cel::Value,
    audit: cel::Value,
    env: Arc<Env>,
}

impl<'a> Trial<'a> {
    /// Every rule that judges facts, in the order of the packs.
    pub fn all(packs: &'a [LoadedPack], audit: &AuditContext) -> Result<Vec<Self>> {
        let audit = serde_json::to_value(audit).map_err(|e| Error::Internal(format!("no JSON of an audit: {e}")))?;
        let (audit, env) = (condition::value(&audit), Arc::new(Env::stdlib()));
        let rules = packs.iter().flat_map(|pack| pack.rules.iter().map(move |rule| (pack, rule)));
        let trial = |(pack, rule): (&'a LoadedPack, &'a LoadedRule)| {
            let params: serde_json::Map<String, Value> = rule.params.clone().into_iter().collect();
            let params = condition::value(&Value::Object(params));
            let judge = rule.judge.as_ref()?;
            let Judge { applies, evidenced_when, fail_when, pass_when, .. } = judge;
            let conditions = applies.iter().chain(evidenced_when).chain([fail_when]).chain(pass_when);
            let fields: Option<Vec<_>> = conditions.map(Condition::fields).collect();
            let fields = fields.map(|fields| fields.into_iter().flatten().collect());
            Some(Self { pack: &pack.id, rule, judge, fields, params, audit: audit.clone(), env: env.clone() })
        };
        Ok(rules.filter_map(trial).collect())
    }

    /// The kind of fact that the rule judges.
    pub fn kind(&self) -> &'static str {
        self.judge.kind
    }

    /// Whether a condition of the rule looks at this field of the fact.
    pub fn reads(&self, field: &str) -> bool {
        self.fields.as_ref().is_none_or(|fields| fields.contains(field))
    }

    /// Whether it passes by a condition of its own, and not wherever it does not fail.
    pub fn has_pass_condition(&self) -> bool {
        self.judge.pass_when.is_some()
    }

    /// The verdict on a fact of its kind: fail, pass or inconclusive; `None` where the rule leaves it out, or where it
    /// lacks what decides.
    ///
    /// # Errors
    /// A condition that fails while it runs although it was checked (a fault of the program).
    pub fn ask(&self, fact: &Fact) -> Result<Option<Verdict>> {
        let fault = |error: String| Error::Internal(format!("rule `{}` on a made fact: {error}", *self.rule.rule.id));
        let mut json = serde_json::to_value(fact).map_err(|error| fault(error.to_string()))?;
        if let Value::Object(of) = &mut json {
            of.retain(|field, _| self.reads(field));
        }
        let context = context(&self.env, condition::value(&json), self.audit.clone(), self.params.clone());
        match self.judge.ask(&context, &json).map_err(|error| fault(error.to_string()))? {
            Said::Verdict(verdict) => Ok(Some(verdict)),
            Said::LeftOut | Said::Unevidenced | Said::Unknown(_) => Ok(None),
        }
    }
}
