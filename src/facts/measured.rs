//! The numbers of facts by which audits are compared with each other, and how it is kept between them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Fact;
use crate::findings::fingerprint;
use crate::stats::{Interval, Proportion};

/// Which direction is worse for the people concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Harm {
    /// Less is worse.
    Low,
    /// More is worse.
    High,
}

/// A number of one fact, e.g. the ratio of `outcome_parity`.
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    /// The field that it is, e.g. `ratio`.
    pub measure: &'static str,
    pub harm: Harm,
    pub value: Interval,
}

impl Number {
    pub(super) fn of(measure: &'static str, harm: Harm, value: &Option<Interval>) -> Vec<Self> {
        value.iter().map(|value| Self { measure, harm, value: value.clone() }).collect()
    }

    /// As [`Number::of`], with the harm that the fact states; none when it depends on what the number means to people.
    pub(super) fn stated(measure: &'static str, harm: &str, value: &Option<Interval>) -> Vec<Self> {
        match harm {
            "low" => Self::of(measure, Harm::Low, value),
            "high" => Self::of(measure, Harm::High, value),
            _ => Vec::new(),
        }
    }

    /// A share of people, with the interval of a share in which each person counts once.
    pub(super) fn share(
        measure: &'static str,
        harm: Harm,
        some: Option<u64>,
        all: Option<u64>,
        level: f64,
    ) -> Vec<Self> {
        let share = some.zip(all).map(|(successes, trials)| Proportion { successes, trials });
        Self::of(measure, harm, &share.and_then(|share| share.wilson(level)))
    }
}

/// A number of a fact as audits hand it on to each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Stable name of the fact: its kind and what identifies it, not its numbers.
    pub key: String,
    /// The kind of fact.
    pub kind: String,
    /// What identifies the fact.
    pub about: BTreeMap<String, String>,
    /// The field of the fact, e.g. `ratio`.
    pub measure: String,
    pub harm: Harm,
    pub value: Interval,
}

impl Measured {
    /// The numbers of a fact; none when it has none, or its evidence gave none.
    pub fn of(fact: &Fact, level: f64) -> Vec<Self> {
        let kept = |Number { measure, harm, value }| Self {
            key: key(fact),
            kind: fact.kind().to_owned(),
            about: about(fact),
            measure: measure.to_owned(),
            harm,
            value,
        };
        fact.numbers(level).into_iter().map(kept).collect()
    }
}

/// The stable name of a fact.
pub fn key(fact: &Fact) -> String {
    fingerprint("", fact.kind(), &fact.identity())
}

/// What identifies a fact; what is empty says nothing.
pub fn about(fact: &Fact) -> BTreeMap<String, String> {
    let stated = fact.identity().into_iter().filter(|(_, value)| !value.is_empty());
    stated.map(|(name, value)| (name.to_owned(), value)).collect()
}
