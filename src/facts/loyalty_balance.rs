//! `loyalty_balance`: what a strategy sells at once beside what it keeps, for one rule to see both.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::loyalty::{Comparison, Loyalty};
use super::{FactKind, attributes};
use crate::findings::Evidence;
use crate::stats::Interval;

/// One arm beside the holdout, over everybody or one segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoyaltyBalance {
    pub strategy: String,
    pub holdout: String,
    /// The attribute that makes the segment; empty for everybody.
    pub segment: BTreeMap<String, String>,
    /// What is sold at once: net revenue per person within `soon`.
    pub early_revenue: Option<Side>,
    /// Money per order within `soon`.
    pub early_order_value: Option<Side>,
    /// What lasts: net revenue per person within the horizon.
    pub lifetime_value: Option<Side>,
    /// Whoever ordered again.
    pub repeat_rate: Option<Side>,
    /// Whoever is still there at the horizon.
    pub retention: Option<Side>,
    /// The span that lasting is measured over, e.g. `90 days`.
    pub horizon: String,
}

/// A number beside that of the holdout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// The arm's over the holdout's; below 1 is worse.
    pub ratio: Interval,
    /// As of the `loyalty` fact.
    pub q_value: f64,
}

impl FactKind for LoyaltyBalance {
    const NAME: &'static str = "loyalty_balance";
    const DOC: &'static str = include_str!("loyalty_balance.md");
    const NEEDS_LOG: bool = false;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("strategy", self.strategy.clone()),
            ("holdout", self.holdout.clone()),
            ("segment", attributes(&self.segment)),
        ])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let sides = [
            ("early revenue", &self.early_revenue),
            ("early order value", &self.early_order_value),
            ("lifetime value", &self.lifetime_value),
            ("repeat rate", &self.repeat_rate),
            ("retention", &self.retention),
        ];
        let told = |(name, side): (&str, &Option<Side>)| {
            let Interval { estimate, low, high, .. } = &side.as_ref()?.ratio;
            Some(Evidence::value(name, format!("{estimate:.4} ({low:.4} to {high:.4}) times that of {}", self.holdout)))
        };
        sides.into_iter().filter_map(told).collect()
    }
}

/// Puts the comparisons of each arm and segment side by side. Nothing where nothing was compared.
pub fn measure(facts: &[Loyalty], horizon: f64) -> Vec<LoyaltyBalance> {
    let mut groups: BTreeMap<(&str, &BTreeMap<String, String>), Vec<&Loyalty>> = BTreeMap::new();
    for fact in facts.iter().filter(|fact| fact.comparison == Comparison::Compared) {
        groups.entry((&fact.strategy, &fact.segment)).or_default().push(fact);
    }
    let balance = |((strategy, segment), facts): ((&str, &BTreeMap<String, String>), Vec<&Loyalty>)| {
        let side = |measure: &str| {
            let fact = facts.iter().find(|fact| fact.measure == measure)?;
            Some(Side { ratio: fact.ratio.clone()?, q_value: fact.q_value? })
        };
        let balance = LoyaltyBalance {
            strategy: strategy.to_owned(),
            holdout: facts.first()?.holdout.clone(),
            segment: segment.clone(),
            early_revenue: side("early_revenue"),
            early_order_value: side("early_order_value"),
            lifetime_value: side("lifetime_value"),
            repeat_rate: side("repeat_rate"),
            retention: side("retention"),
            horizon: crate::duration(horizon),
        };
        Some(balance)
    };
    groups.into_iter().filter_map(balance).collect()
}
