//! `data_use`: whether each use of each category of data had its legal basis at the time.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FactKind;
use super::purpose::Place;
use crate::findings::Evidence;
use crate::manifest::Manifest;
use crate::replay::consent::{Matter, Sample, Tallies, basis_name};
use crate::replay::uses::{Asked, Use};

/// Decisions of one strategy that used one category of data, by what the law of consent says of them.
///
/// `events` = `events_permitted` + `events_in_grace` + `events_without_consent` + `events_unknown` +
/// `events_before_policy`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DataUse {
    pub strategy: String,
    pub purpose: String,
    /// fideslang data category.
    pub category: String,
    /// The legal basis the policy names, or `none`.
    pub basis: String,
    /// Whether the category is special under GDPR Art. 9 (explicit consent whatever the policy says).
    pub special: bool,
    /// The jurisdiction of the decisions, or `unstated`.
    pub jurisdiction: String,
    /// Decisions that used the category.
    pub events: u64,
    /// Distinct subjects of those decisions.
    pub subjects: u64,
    pub events_permitted: u64,
    /// Without a grant in force (never given, refused, withdrawn past grace, expired), or despite an objection.
    pub events_without_consent: u64,
    pub subjects_without_consent: u64,
    /// After a withdrawal, within the policy's grace.
    pub events_in_grace: u64,
    /// After a withdrawal, past the grace; part of `events_without_consent`.
    pub events_after_withdrawal: u64,
    pub subjects_after_withdrawal: u64,
    /// Of subjects who are in no consent record at all.
    pub events_unknown: u64,
    pub subjects_unknown: u64,
    /// Before the policy took effect; not judged.
    pub events_before_policy: u64,
    /// Time of the first and last decision without consent, RFC 3339, UTC.
    pub first_without_consent: Option<String>,
    pub last_without_consent: Option<String>,
    /// The contexts the category was taken from.
    pub contexts: Vec<String>,
    /// The fields that carry the category.
    pub fields: Vec<String>,
    /// The clause of the policy that decided.
    pub clause: Option<Place>,
    /// A few of the decisions without consent, the first ones.
    #[serde(default)]
    pub samples: Vec<Sample>,
}

impl FactKind for DataUse {
    const NAME: &'static str = "data_use";
    const DOC: &'static str = "One fact per strategy, purpose, category and jurisdiction. Each decision that used the \
        category is judged by the consent in force at its time: the latest record of that subject and scope at or \
        before the decision; equal times, the withdrawal wins; later records never count. A subject in no consent \
        record is `unknown`, neither permitted nor not. Without a record for the scope the jurisdiction's default \
        (opt-in or opt-out) decides.";
    const NEEDS_LOG: bool = true;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("strategy", self.strategy.clone()),
            ("purpose", self.purpose.clone()),
            ("category", self.category.clone()),
            ("jurisdiction", self.jurisdiction.clone()),
        ])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut evidence = Vec::new();
        match &self.clause {
            Some(at) => evidence.push(Evidence::place("policy clause", &self.basis, &at.path, at.line)),
            None => evidence.push(Evidence::value("policy clause", "none covers this category for this purpose")),
        }
        evidence.push(Evidence::value("fields", self.fields.join(", ")));
        evidence.push(Evidence::value("contexts", self.contexts.join(", ")));
        if let (Some(first), Some(last)) = (&self.first_without_consent, &self.last_without_consent) {
            evidence.push(Evidence::value("first without consent", first));
            evidence.push(Evidence::value("last without consent", last));
        }
        evidence.extend(self.samples.iter().map(|sample| Evidence::value("sample", sample.sentence())));
        evidence
    }
}

/// Sets the counts of each category beside what the policy asks of it. `policy_name` is what the record calls the policy.
pub fn measure(
    uses: &[(Use, Option<Asked>)],
    tallies: &BTreeMap<Matter, Tallies>,
    manifest: &Manifest,
    policy_name: &str,
    fields_of: impl Fn(&Use, &str) -> Vec<String>,
) -> Vec<DataUse> {
    let mut facts: BTreeMap<Matter, DataUse> = BTreeMap::new();
    for (usage, asked) in uses {
        let (Some(asked), Some(purpose)) = (asked, &usage.purpose) else { continue };
        for (category, ask) in &asked.categories {
            let jurisdiction = usage.jurisdiction_name(manifest).to_owned();
            let matter = Matter::Category {
                strategy: usage.strategy.clone(),
                category: category.clone(),
                jurisdiction: jurisdiction.clone(),
            };
            let counts = tallies.get(&matter).cloned().unwrap_or_default();
            let fact = facts.entry(matter).or_insert_with(|| DataUse {
                strategy: usage.strategy.clone(),
                purpose: purpose.clone(),
                category: category.clone(),
                basis: basis_name(ask.basis).to_owned(),
                special: ask.special,
                jurisdiction,
                events: counts.all.events,
                subjects: counts.all.subjects,
                events_permitted: counts.permitted.events,
                events_without_consent: counts.without.events,
                subjects_without_consent: counts.without.subjects,
                events_in_grace: counts.in_grace.events,
                events_after_withdrawal: counts.after_withdrawal.events,
                subjects_after_withdrawal: counts.after_withdrawal.subjects,
                events_unknown: counts.unknown.events,
                subjects_unknown: counts.unknown.subjects,
                events_before_policy: counts.before_policy.events,
                first_without_consent: counts.without.first,
                last_without_consent: counts.without.last,
                samples: counts.samples,
                contexts: Vec::new(),
                fields: Vec::new(),
                clause: (ask.line > 0).then(|| Place { path: policy_name.to_owned(), line: ask.line }),
            });
            // A use of special data decides how the category is told, wherever else it is used.
            if ask.special {
                (fact.special, fact.basis) = (true, basis_name(ask.basis).to_owned());
            }
            merge(&mut fact.contexts, ask.contexts.iter().cloned());
            merge(&mut fact.fields, fields_of(usage, category));
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
