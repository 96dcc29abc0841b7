//! `field`: what each input of each strategy is, by the data map.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FactKind;
use super::purpose::Place;
use crate::findings::Evidence;

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
    /// The fields it is derived from, to any depth.
    pub sources: Vec<String>,
    /// Decisions whose row names it; null when no row names inputs.
    pub decisions: Option<u64>,
    pub mapped_at: Option<Place>,
    /// The nearest field that the data map knows, when it does not know this one.
    pub nearest: Option<String>,
}

impl FactKind for Field {
    const NAME: &'static str = "field";
    const DOC: &'static str = "One fact per strategy and input: whether the data map knows the field, its fideslang \
        categories, the contexts it was collected in, whether it is a special category, and its sources through \
        `derived_from`, to any depth. A hash or mask does not end a derivation; only a declared breaker does.";
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
        if let Some(decisions) = self.decisions {
            evidence.push(Evidence::value("decisions that used it", decisions.to_string()));
        }
        evidence
    }
}
