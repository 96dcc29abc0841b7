//! `data_use`: whether each use of each category of data had its legal basis at the time.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FactKind;
use super::judged::Judged;
use super::measured::Number;
use super::purpose::Place;
use crate::evidence::consent_policy::Policies;
use crate::findings::Evidence;
use crate::manifest::Manifest;
use crate::replay::consent::{Matter, Tallies, basis_name, category_matter};
use crate::replay::uses::{AskedUse, SERVE, TODAY, Use};

/// Decisions of one strategy that used one category of data, by what the law of consent says of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DataUse {
    pub strategy: String,
    pub purpose: String,
    /// What was done with the data: `serve` (a recommendation), `train`, `link` or `share`.
    #[serde(default = "serve")]
    pub operation: String,
    /// fideslang data category.
    pub category: String,
    /// The legal basis the policy names, or `none`.
    pub basis: String,
    /// Whether the policy forbids the use, so that no consent makes it lawful.
    #[serde(default)]
    pub prohibited: bool,
    /// Whether the category is special under GDPR Art. 9 (explicit consent whatever the policy says).
    pub special: bool,
    /// The jurisdiction of the decisions, or `unstated`.
    pub jurisdiction: String,
    /// The version of the policy that judged; null when one version judged all.
    pub policy_version: Option<String>,
    /// The age below which the policy protects, in years; null where age does not matter.
    pub age_limit: Option<u8>,
    /// Whether the Global Privacy Control binds here, by the policy.
    #[serde(default)]
    pub gpc_binds: bool,
    /// Whether the log says which requests carried it.
    #[serde(default)]
    pub gpc_logged: bool,
    /// How long the policy lets use go on after a withdrawal, in seconds.
    #[serde(default)]
    pub grace_seconds: f64,
    #[serde(flatten)]
    pub counts: Judged,
    /// The contexts the category was taken from.
    pub contexts: Vec<String>,
    /// The fields that carry the category.
    pub fields: Vec<String>,
    /// Who received the data, where that was not the organisation itself.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// The clause of the policy that decided.
    pub clause: Option<Place>,
}

impl FactKind for DataUse {
    const NAME: &'static str = "data_use";
    const DOC: &'static str = "One fact per strategy, purpose, operation, category and jurisdiction (and version of the \
        policy, where there are several). Each decision that used the category is judged by the policy and the consent \
        in force at its time: the latest record of that subject and scope at or before the decision; equal times, the \
        withdrawal wins; later records never count. A subject in no consent record is `unknown`, neither permitted nor \
        not. Without a record for the scope the jurisdiction's default (opt-in or opt-out) decides. `events` = \
        permitted + in grace + without consent + unknown + before the policy.";
    const NEEDS_LOG: bool = true;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        let mut identity = BTreeMap::from([
            ("strategy", self.strategy.clone()),
            ("purpose", self.purpose.clone()),
            ("category", self.category.clone()),
            ("jurisdiction", self.jurisdiction.clone()),
        ]);
        identity.extend(further(&self.operation, self.policy_version.as_ref()));
        identity
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut evidence = Vec::new();
        match &self.clause {
            Some(at) => evidence.push(Evidence::place("policy clause", &self.basis, &at.path, at.line)),
            None => evidence.push(Evidence::value("policy clause", "none covers this category for this purpose")),
        }
        evidence.push(Evidence::value("fields", self.fields.join(", ")));
        evidence.push(Evidence::value("contexts", self.contexts.join(", ")));
        if !self.recipients.is_empty() {
            evidence.push(Evidence::value("handed to", self.recipients.join(", ")));
        }
        evidence.extend(of_counts(&self.counts));
        evidence
    }

    fn numbers(&self, level: f64) -> Vec<Number> {
        self.counts.numbers(level)
    }
}

pub(super) fn serve() -> String {
    SERVE.to_owned()
}

/// What tells facts apart that are rarely there: another operation than a recommendation, one version among several.
pub(super) fn further(operation: &str, version: Option<&String>) -> BTreeMap<&'static str, String> {
    let operation = (operation != SERVE).then(|| ("operation", operation.to_owned()));
    operation.into_iter().chain(version.map(|version| ("policy version", version.clone()))).collect()
}

/// When decisions without consent were made, and a few of them.
pub(super) fn of_counts(counts: &Judged) -> Vec<Evidence> {
    let mut evidence = Vec::new();
    if let (Some(first), Some(last)) = (&counts.first_without_consent, &counts.last_without_consent) {
        evidence.push(Evidence::value("first without consent", first));
        evidence.push(Evidence::value("last without consent", last));
    }
    evidence.extend(counts.samples.iter().map(|sample| Evidence::value("sample", sample.sentence())));
    evidence
}

/// Sets the counts of each category beside what the policy asks of it.
pub fn measure(
    uses: &[AskedUse],
    tallies: &BTreeMap<Matter, Tallies>,
    manifest: &Manifest,
    policies: &Policies,
    gpc_logged: bool,
    fields_of: impl Fn(&Use, &str) -> Vec<String>,
) -> Vec<DataUse> {
    let mut facts: BTreeMap<Matter, DataUse> = BTreeMap::new();
    for AskedUse { usage, asked } in uses {
        let Some(purpose) = usage.purpose.as_ref().filter(|_| usage.operation != TODAY) else { continue };
        for (number, (asked, version)) in asked.iter().zip(policies.versions()).enumerate() {
            for (category, ask) in &asked.categories {
                let matter = category_matter(usage, category, number, manifest);
                // A version under which nothing happened has nothing to say.
                let Some(counted) = tallies.get(&matter) else { continue };
                let fact = facts.entry(matter).or_insert_with(|| DataUse {
                    strategy: usage.strategy.clone(),
                    purpose: purpose.clone(),
                    operation: usage.operation.clone(),
                    category: category.clone(),
                    basis: basis_name(ask.basis).to_owned(),
                    prohibited: ask.prohibited,
                    special: ask.special,
                    jurisdiction: usage.jurisdiction_name(manifest).to_owned(),
                    policy_version: policies.name_of(number),
                    age_limit: asked.age_limit,
                    gpc_binds: version.policy().gpc_binds(purpose, usage.jurisdiction_name(manifest)),
                    gpc_logged,
                    grace_seconds: version.policy().grace(purpose, usage.jurisdiction_name(manifest)).as_secs_f64(),
                    counts: Judged::of(counted),
                    contexts: Vec::new(),
                    fields: Vec::new(),
                    recipients: Vec::new(),
                    clause: (ask.line > 0).then(|| Place { path: version.name.clone(), line: ask.line }),
                });
                // A use of special data decides how the category is told, wherever else it is used.
                if ask.special {
                    (fact.special, fact.basis) = (true, basis_name(ask.basis).to_owned());
                }
                merge(&mut fact.contexts, ask.contexts.iter().cloned());
                merge(&mut fact.fields, fields_of(usage, category));
                merge(&mut fact.recipients, usage.recipient.clone());
            }
        }
    }
    facts.into_values().collect()
}

/// Adds texts to a sorted list without repeats.
pub(super) fn merge(into: &mut Vec<String>, more: impl IntoIterator<Item = String>) {
    into.extend(more);
    into.sort();
    into.dedup();
}
