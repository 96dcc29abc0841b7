//! What is counted: the matters that decisions are about, and what became of them.

use std::collections::BTreeMap;

use super::samples::Sample;
use crate::manifest::Manifest;
use crate::replay::consent::lanes::Outcome;
use crate::replay::uses::{Asked, Requirement, Use};

/// Decisions and people behind one answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub events: u64,
    pub subjects: u64,
    pub first: Option<String>,
    pub last: Option<String>,
}

/// What became of the decisions that used a category, or combined a pair.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tallies {
    pub by_code: BTreeMap<Code, Tally>,
    /// Of the decisions after a withdrawal.
    pub delay: Option<Delay>,
    /// A few of the decisions without consent.
    pub samples: Vec<Sample>,
}

impl Tallies {
    pub fn of(&self, code: Code) -> Tally {
        self.by_code.get(&code).cloned().unwrap_or_default()
    }
}

/// How long after the person had said no decisions still used the data, in seconds: nearest-rank quantiles over
/// decisions.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Delay {
    pub median: f64,
    pub p95: f64,
    pub max: f64,
}

/// What a tally is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Matter {
    Category {
        strategy: String,
        operation: String,
        category: String,
        jurisdiction: String,
        version: usize,
    },
    Pair {
        strategy: String,
        operation: String,
        contexts: (String, String),
        version: usize,
    },
    /// Whether decisions could be judged whole, and why not.
    Coverage {
        strategy: String,
        gap: Option<Gap>,
    },
}

impl Matter {
    pub fn strategy(&self) -> &str {
        let (Self::Category { strategy, .. } | Self::Pair { strategy, .. } | Self::Coverage { strategy, .. }) = self;
        strategy
    }
}

/// Why a decision could not be judged whole. A decision counts under the first that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gap {
    UndeclaredStrategy,
    BeforePolicy,
    UnmappedInput,
    UnknownSubject,
    UnknownAge,
}

impl Gap {
    pub const ALL: [Self; 5] =
        [Self::UndeclaredStrategy, Self::BeforePolicy, Self::UnmappedInput, Self::UnknownSubject, Self::UnknownAge];

    pub fn id(self) -> &'static str {
        match self {
            Self::UndeclaredStrategy => "undeclared_strategy",
            Self::BeforePolicy => "before_policy",
            Self::UnmappedInput => "unmapped_input",
            Self::UnknownSubject => "unknown_subject",
            Self::UnknownAge => "unknown_age",
        }
    }
}

/// What a row of the tally counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    All,
    Permitted,
    InGrace,
    Without,
    /// Part of `Without`.
    AfterWithdrawal,
    /// Part of `AfterWithdrawal`.
    Objected,
    /// Part of `AfterWithdrawal`.
    Signalled,
    /// Part of `Without`.
    Minor,
    Unknown,
    BeforePolicy,
}

impl Code {
    pub const ALL: [Self; 10] = [
        Self::All,
        Self::Permitted,
        Self::InGrace,
        Self::Without,
        Self::AfterWithdrawal,
        Self::Objected,
        Self::Signalled,
        Self::Minor,
        Self::Unknown,
        Self::BeforePolicy,
    ];

    /// All that a decision with this outcome counts as.
    pub fn of(outcome: Outcome) -> &'static [Self] {
        match outcome {
            Outcome::Permitted => &[Self::All, Self::Permitted],
            Outcome::InGrace => &[Self::All, Self::InGrace],
            Outcome::Unknown => &[Self::All, Self::Unknown],
            Outcome::Without => &[Self::All, Self::Without],
            Outcome::AfterWithdrawal => &[Self::All, Self::Without, Self::AfterWithdrawal],
            Outcome::Objected => &[Self::All, Self::Without, Self::AfterWithdrawal, Self::Objected],
            Outcome::Signalled => &[Self::All, Self::Without, Self::AfterWithdrawal, Self::Signalled],
            Outcome::Minor => &[Self::All, Self::Without, Self::Minor],
        }
    }
}

/// The categories and pairs of a use under one version of the policy, each with what it asks of adults and of minors.
pub fn of_use<'a>(
    usage: &'a Use,
    asked: &'a Asked,
    version: usize,
    manifest: &'a Manifest,
) -> impl Iterator<Item = (Matter, &'a Requirement, &'a Requirement)> {
    let categories = asked.categories.iter().map(move |(category, ask)| {
        (category_matter(usage, category, version, manifest), &ask.requirement, &ask.for_minors)
    });
    let pairs = asked
        .pairs
        .iter()
        .map(move |(contexts, ask)| (pair_matter(usage, contexts, version), &ask.requirement, &ask.for_minors));
    categories.chain(pairs)
}

pub fn category_matter(usage: &Use, category: &str, version: usize, manifest: &Manifest) -> Matter {
    Matter::Category {
        strategy: usage.strategy.clone(),
        operation: usage.operation.clone(),
        category: category.to_owned(),
        jurisdiction: usage.jurisdiction_name(manifest).to_owned(),
        version,
    }
}

pub fn pair_matter(usage: &Use, contexts: &(String, String), version: usize) -> Matter {
    let (strategy, operation) = (usage.strategy.clone(), usage.operation.clone());
    Matter::Pair { strategy, operation, contexts: contexts.clone(), version }
}
