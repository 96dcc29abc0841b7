//! `coverage`: how many of a strategy's decisions could be judged whole, and why not the others.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FactKind;
use crate::findings::Evidence;
use crate::replay::consent::{Code, Gap, Matter, Tallies};

/// Decisions of one strategy, by whether consent could be judged for all that they used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Coverage {
    pub strategy: String,
    /// Whether the manifest declares the strategy; else nothing of it can be judged.
    pub declared: bool,
    pub decisions: u64,
    /// Decisions that could be judged whole.
    pub judged: u64,
    /// `judged` as a share of the decisions since the policy took effect, from 0 to 1; null when there are none.
    pub share: Option<f64>,
    /// The others, by the first reason that holds: `undeclared_strategy`, `before_policy`, `unmapped_input`,
    /// `unknown_subject` (in no consent record, where one is needed), `unknown_age`.
    pub gaps: BTreeMap<String, u64>,
}

impl FactKind for Coverage {
    const NAME: &'static str = "coverage";
    const DOC: &'static str = "One fact per strategy that decided. A decision is judged whole when its strategy is declared, a \
        version of the policy was in force, every input is mapped, the person is in the consent records wherever consent \
        is asked, and the age is known wherever it matters. Every other decision is counted under the first reason that \
        holds. A verdict about consent says something of the judged decisions only.";
    const NEEDS_LOG: bool = true;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([("strategy", self.strategy.clone())])
    }

    fn evidence(&self) -> Vec<Evidence> {
        self.gaps
            .iter()
            .map(|(gap, decisions)| Evidence::value(&gap.replace('_', " "), decisions.to_string()))
            .collect()
    }
}

/// Adds up the coverage of each strategy.
pub fn measure(tallies: &BTreeMap<Matter, Tallies>) -> Vec<Coverage> {
    let mut facts: BTreeMap<&str, Coverage> = BTreeMap::new();
    for (matter, counted) in tallies {
        let Matter::Coverage { strategy, gap } = matter else { continue };
        let events = counted.of(Code::All).events;
        let fact = facts.entry(strategy).or_insert_with(|| Coverage {
            strategy: strategy.clone(),
            declared: *gap != Some(Gap::UndeclaredStrategy),
            decisions: 0,
            judged: 0,
            share: None,
            gaps: BTreeMap::new(),
        });
        fact.decisions += events;
        match gap {
            None => fact.judged += events,
            Some(gap) => *fact.gaps.entry(Gap::id(*gap).to_owned()).or_default() += events,
        }
    }
    for fact in facts.values_mut() {
        let before = fact.gaps.get(Gap::BeforePolicy.id()).copied().unwrap_or(0);
        fact.share = (fact.decisions > before).then(|| fact.judged as f64 / (fact.decisions - before) as f64);
    }
    facts.into_values().collect()
}
