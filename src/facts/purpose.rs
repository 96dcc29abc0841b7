//! `purpose`: what each strategy is for, as declared, beside what the log shows.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FactKind;
use crate::evidence::consent_policy::ConsentPolicy;
use crate::evidence::data_map::DataMap;
use crate::evidence::taxonomy::{covers, is_personal};
use crate::findings::Evidence;
use crate::manifest::{LegalBasis, Manifest};
use crate::replay::choice::chosen_inputs;
use crate::replay::log::Log;
use crate::replay::uses::Use;

/// One strategy, declared or seen in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Purpose {
    pub strategy: String,
    /// Whether the manifest declares the strategy.
    pub declared: bool,
    /// The purpose it serves; null when undeclared.
    pub purpose: Option<String>,
    pub legal_basis: Option<String>,
    pub benefit: Option<String>,
    pub objective: Option<String>,
    /// `short_term`, `long_term` or `both`.
    pub horizon: Option<String>,
    /// How it decides, in plain words.
    pub logic: Option<String>,
    pub owner: Option<String>,
    /// Whether it uses data about the person; null when undeclared.
    pub profiling: Option<bool>,
    /// Inputs, declared or seen in the log, with personal data whose use is the person's choice: it rests on consent, on
    /// legitimate interests or on no basis, or nobody said (no consent policy). Null without a data map, or when an
    /// input that it does not know could be one.
    #[serde(default)]
    pub personal_inputs: Option<Vec<String>>,
    /// `YYYY-MM-DD`
    pub review_date: Option<String>,
    /// Whether the review date lies before the day the audit speaks for; null when either is missing.
    pub review_overdue: Option<bool>,
    /// Decisions in the log; null when there is no log.
    pub decisions: Option<u64>,
    /// Personal categories it uses that no privacy declaration of the data map covers for this purpose; null when the
    /// data map describes no system.
    pub unregistered_categories: Option<Vec<String>>,
    /// File and line of the declaration.
    pub declared_at: Option<Place>,
}

/// A place in a file of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// Relative to the manifest.
    pub path: String,
    /// From 1.
    pub line: u64,
}

impl FactKind for Purpose {
    const NAME: &'static str = "purpose";
    const DOC: &'static str = "One fact per strategy that the manifest declares or the log shows: the purpose it serves, \
        the legal basis, benefit, objective and logic declared for it, its review date, and how many decisions of the \
        log it made. A strategy that decided without being declared has `declared: false`.";
    const NEEDS_LOG: bool = false;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([("strategy", self.strategy.clone())])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut evidence = Vec::new();
        if let Some(at) = &self.declared_at {
            evidence.push(Evidence::place("declared at", "", &at.path, at.line));
        }
        if let Some(decisions) = self.decisions {
            evidence.push(Evidence::value("decisions in the log", decisions.to_string()));
        }
        evidence
    }
}

/// Sets the manifest's declarations beside the log, in order of strategies. `manifest_name` is what the record calls
/// the manifest.
pub fn measure(
    manifest: &Manifest,
    manifest_name: &str,
    map: Option<&DataMap>,
    log: Option<&Log>,
    as_of: Option<chrono::NaiveDate>,
) -> Vec<Purpose> {
    let declared = manifest.strategies.iter().map(|s| s.id.value.as_str());
    let seen = log.into_iter().flat_map(|log| log.decisions.keys().map(String::as_str));
    let all: BTreeSet<&str> = declared.chain(seen).collect();
    let one = |id: &str| {
        let strategy = manifest.strategy(id);
        let purpose = strategy.and_then(|s| manifest.purpose(&s.purpose));
        let horizon = strategy.and_then(|s| s.horizon);
        let review = purpose.and_then(|p| p.review_date);
        let text = |text: Option<&String>| text.filter(|t| !t.trim().is_empty()).cloned();
        Purpose {
            strategy: id.to_owned(),
            declared: strategy.is_some(),
            purpose: strategy.map(|s| s.purpose.value.clone()),
            legal_basis: purpose.and_then(|p| p.legal_basis).map(|b| LegalBasis::id(b).to_owned()),
            benefit: text(purpose.and_then(|p| p.benefit.as_ref())),
            objective: text(strategy.and_then(|s| s.objective.as_ref())),
            horizon: horizon.map(|h| h.id().to_owned()),
            logic: text(strategy.and_then(|s| s.logic.as_ref())),
            owner: text(strategy.map(|s| s.owner.as_ref().unwrap_or(&manifest.system.owner))),
            profiling: strategy.map(|s| s.profiling),
            personal_inputs: None,
            review_date: review.map(|day| day.to_string()),
            review_overdue: review.zip(as_of).map(|(review, today)| review < today),
            decisions: log.map(|log| log.decisions.get(id).copied().unwrap_or(0)),
            unregistered_categories: map.filter(|m| m.has_systems).and(strategy).map(|s| unregistered(s, map)),
            declared_at: strategy.map(|s| Place { path: manifest_name.to_owned(), line: s.id.line }),
        }
    };
    all.into_iter().map(one).collect()
}

/// Says of each declared strategy which of its inputs make a profile, by the data map and the log.
pub fn set_personal_inputs(
    facts: &mut [Purpose],
    manifest: &Manifest,
    map: Option<&DataMap>,
    policy: Option<&ConsentPolicy>,
    uses: &[Use],
) {
    let Some(map) = map else { return };
    for fact in facts {
        let Some(strategy) = manifest.strategy(&fact.strategy) else { continue };
        let mut inputs: BTreeSet<String> = strategy.inputs.iter().map(|input| input.value.clone()).collect();
        inputs.extend(uses.iter().filter(|of| of.strategy == fact.strategy).flat_map(|of| of.inputs.iter().cloned()));
        let found = chosen_inputs(&inputs, &strategy.purpose, map, policy);
        let all_known = inputs.iter().all(|input| map.fields.contains_key(input));
        fact.personal_inputs = (all_known || !found.is_empty()).then_some(found);
    }
}

/// Personal categories that a strategy uses for its purpose, and that no privacy declaration covers for that use.
fn unregistered(strategy: &crate::manifest::Strategy, map: Option<&DataMap>) -> Vec<String> {
    let Some(map) = map else { return Vec::new() };
    let used = strategy.inputs.iter().filter_map(|input| map.resolve(input)).flat_map(|field| field.parts.into_keys());
    let used: BTreeSet<String> =
        used.map(|(category, _)| category).filter(|c| !c.is_empty() && is_personal(c)).collect();
    let registered = |category: &String| {
        map.declarations.iter().any(|declaration| {
            covers(&declaration.data_use, &strategy.purpose)
                && declaration.data_categories.iter().any(|declared| covers(declared, category))
        })
    };
    used.into_iter().filter(|category| !registered(category)).collect()
}
