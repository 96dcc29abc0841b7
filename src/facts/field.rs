//! `field`: what each input of each strategy is, by the data map.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FactKind;
use super::purpose::Place;
use crate::error::nearest;
use crate::evidence::data_map::DataMap;
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
        Field {
            declared,
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
