//! `field`: what each input of each strategy is, by the data map.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FactKind;
use super::purpose::Place;
use crate::error::nearest;
use crate::evidence::data_map::{DataMap, Resolved};
use crate::evidence::taxonomy::covers;
use crate::findings::Evidence;
use crate::manifest::Manifest;
use crate::replay::uses::Use;

/// One input of one strategy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Field {
    pub strategy: String,
    /// As `dataset.collection.field`.
    pub field: String,
    /// Whether the data map knows it.
    pub mapped: bool,
    /// Whether the strategy declares it as an input (in contrast to a row of the log naming it).
    pub declared: bool,
    /// fideslang data categories, those of its sources included.
    pub categories: Vec<String>,
    /// Contexts it was collected in, those of its sources included.
    pub contexts: Vec<String>,
    /// Whether its dataset names the context, or the dataset's own key had to stand for it.
    pub context_declared: bool,
    /// Whether it holds a special category of GDPR Art. 9.
    pub special: bool,
    /// How a person can be told from it (fideslang data qualifier), if stated.
    pub identifiability: Option<String>,
    /// What the data was collected for, if stated.
    pub collected_for: Vec<String>,
    /// What the strategy uses it for; null when the strategy is undeclared.
    pub purpose: Option<String>,
    /// Of itself and its sources, those with personal data that were collected for nothing that covers this purpose.
    #[serde(default)]
    pub collected_for_other: Vec<String>,
    /// Of itself and its sources, those with personal data that do not say what it was collected for.
    #[serde(default)]
    pub collected_for_unstated: Vec<String>,
    /// How long it is kept, if stated.
    pub retention: Option<String>,
    /// The fields it is derived from, by the data map and by lineage, to any depth.
    pub sources: Vec<String>,
    /// Tables among what it is derived from that nobody mapped and nothing makes: what they hold is not known.
    #[serde(default)]
    pub sources_unknown: Vec<String>,
    /// Decisions that used it: their row names it, or names none and the strategy declares it; null without a log.
    pub decisions: Option<u64>,
    pub mapped_at: Option<Place>,
    /// The nearest field that the data map knows, when it does not know this one.
    pub nearest: Option<String>,
}

impl FactKind for Field {
    const NAME: &'static str = "field";
    const DOC: &'static str = "One fact per strategy and input: whether the data map knows the field, its fideslang \
        categories, the contexts it was collected in, whether it is a special category, and its sources through \
        `derived_from` and through lineage, column by column, to any depth. A hash or mask \
        does not end a derivation; only a declared breaker does.";
    const NEEDS_LOG: bool = false;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([("strategy", self.strategy.clone()), ("field", self.field.clone())])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut evidence = Vec::new();
        if let Some(at) = &self.mapped_at {
            evidence.push(Evidence::place("mapped at", &self.field, &at.path, at.line));
        }
        if let Some(nearest) = &self.nearest {
            evidence.push(Evidence::value("nearest mapped field", nearest));
        }
        if !self.sources_unknown.is_empty() {
            evidence.push(Evidence::value("made from tables that nobody mapped", self.sources_unknown.join(", ")));
        }
        if let Some(decisions) = self.decisions {
            evidence.push(Evidence::value("decisions that used it", decisions.to_string()));
        }
        evidence
    }
}

/// Looks up every input that a strategy declares or a row of the log names. `uses` is None without a log.
pub fn measure(manifest: &Manifest, map: &DataMap, uses: Option<&[Use]>) -> Vec<Field> {
    let mut inputs: BTreeMap<(String, String), Option<u64>> = BTreeMap::new();
    for strategy in &manifest.strategies {
        for input in &strategy.inputs {
            inputs.insert((strategy.id.value.clone(), input.value.clone()), uses.map(|_| 0));
        }
    }
    for usage in uses.into_iter().flatten() {
        for input in &usage.inputs {
            let decisions = inputs.entry((usage.strategy.clone(), input.clone())).or_insert(Some(0));
            *decisions = decisions.map(|n| n + usage.decisions);
        }
    }
    let known: Vec<&String> = map.fields.keys().collect();
    let one = |((strategy, field), decisions): ((String, String), Option<u64>)| {
        let mapped = map.fields.get(&field);
        let resolved = map.resolve(&field).unwrap_or_default();
        let declared = manifest.strategy(&strategy).is_some_and(|s| s.inputs.iter().any(|input| input.value == field));
        let purpose = manifest.strategy(&strategy).map(|s| s.purpose.value.clone());
        let (collected_for_other, collected_for_unstated) =
            purpose.as_deref().map(|purpose| further_use(map, &field, &resolved, purpose)).unwrap_or_default();
        Field {
            declared,
            purpose,
            collected_for_other,
            collected_for_unstated,
            mapped: mapped.is_some(),
            categories: resolved.categories.iter().cloned().collect(),
            contexts: resolved.contexts().into_iter().collect(),
            context_declared: mapped.is_some_and(|f| {
                // A derived field's context is that of its sources.
                let is_derived = |key: &str| map.resolve(key).is_some_and(|field| !field.sources.is_empty());
                let states = |key: &String| map.fields.get(key).is_some_and(|f| f.context_declared || is_derived(key));
                f.context_declared
                    || is_derived(&field) && resolved.unknown.is_empty() && resolved.sources.iter().all(states)
            }),
            special: resolved.special,
            identifiability: mapped.and_then(|f| f.identifiability.clone()),
            collected_for: mapped.map(|f| f.collected_for.clone()).unwrap_or_default(),
            retention: mapped.and_then(|f| f.retention.clone()),
            sources: resolved.sources.iter().cloned().collect(),
            sources_unknown: resolved.unknown.iter().cloned().collect(),
            decisions,
            mapped_at: mapped.map(|f| Place { path: f.path.clone(), line: f.line }),
            nearest: if mapped.is_some() { None } else { nearest(&field, &known).map(str::to_owned) },
            strategy,
            field,
        }
    };
    inputs.into_iter().map(one).collect()
}

/// Of a field and its sources, those with personal data that were collected for other purposes only, and those that do
/// not say for which. What is derived was collected with its sources, so that it need not say; what a breaker cut off is
/// no longer in it.
fn further_use(map: &DataMap, field: &str, resolved: &Resolved, purpose: &str) -> (Vec<String>, Vec<String>) {
    let (mut other, mut unstated) = (Vec::new(), Vec::new());
    let sources = resolved.sources.iter().map(String::as_str).filter(|source| *source != field);
    for name in std::iter::once(field).chain(sources) {
        let (Some(mapped), Some(own)) = (map.fields.get(name), map.resolve(name)) else { continue };
        if !own.parts.keys().any(|part| resolved.parts.contains_key(part)) {
            continue;
        }
        if mapped.collected_for.is_empty() {
            if mapped.derived_from.is_empty() {
                unstated.push(name.to_owned());
            }
        } else if !mapped.collected_for.iter().any(|told| covers(told, purpose)) {
            other.push(name.to_owned());
        }
    }
    (other, unstated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::data_map::parse;

    const MAP: &str = "
dataset:
- fides_key: web
  meta: {context: web, collected_for: [personalize.content]}
  collections:
  - name: events
    fields:
    - {name: views, data_categories: [user.behavior.browsing_history]}
- fides_key: till
  meta: {context: store, collected_for: [essential.service]}
  collections:
  - name: receipts
    fields:
    - {name: items, data_categories: [user.behavior.purchase_history]}
- fides_key: crm
  meta: {context: web}
  collections:
  - name: people
    fields:
    - {name: city, data_categories: [user.contact.address.city]}
- fides_key: features
  collections:
  - name: f
    fields:
    - {name: taste, fides_meta: {derived_from: [web.events.views, till.receipts.items, crm.people.city]}}
    - {name: again, fides_meta: {derived_from: [features.f.taste]}}
    - name: popularity
      fides_meta:
        derived_from: [till.receipts.items]
        breaker: {minimum_group_size: 50, evidence: jobs/popularity.sql}
    - {name: mixed, fides_meta: {derived_from: [features.f.popularity, web.events.views]}}
    - {name: price, data_categories: [system.operations]}
";

    #[test]
    fn a_use_for_another_purpose_is_told_through_every_derivation_and_no_breaker() {
        let map = parse(MAP).unwrap();
        let told = |field: &str, purpose: &str| further_use(&map, field, &map.resolve(field).unwrap(), purpose);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let profiling = "personalize.content.profiling";
        assert_eq!(told("web.events.views", profiling), (names(&[]), names(&[])));
        assert_eq!(told("web.events.views", "personalize"), (names(&["web.events.views"]), names(&[])));
        assert_eq!(told("crm.people.city", profiling), (names(&[]), names(&["crm.people.city"])));
        for field in ["features.f.taste", "features.f.again"] {
            assert_eq!(told(field, profiling), (names(&["till.receipts.items"]), names(&["crm.people.city"])));
        }
        for field in ["features.f.popularity", "features.f.mixed", "features.f.price"] {
            assert_eq!(told(field, profiling), (names(&[]), names(&[])), "{field}");
        }
    }
}
