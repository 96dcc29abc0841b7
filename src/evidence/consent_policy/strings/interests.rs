//! Where the policy stands on legitimate interests, so that a no to them is told apart from a refused consent.

use std::collections::BTreeSet;

use crate::evidence::consent_policy::ConsentPolicy;
use crate::evidence::taxonomy::{Taxonomy, covers};
use crate::manifest::LegalBasis;

/// Where legitimate interests hold for a data use and those below it.
///
/// A statement is made once and judged by every later version of the policy. So a no names what is on legitimate
/// interests in any version, and a yes what is so in all: else a version that asks for consent would take it for one.
#[derive(Debug, Default)]
pub(super) struct Interests {
    /// Categories that are on legitimate interests for no such data use and in no version.
    pub others: Vec<String>,
    pub parts: Vec<Part>,
}

/// A data use and the categories that are on legitimate interests for it and all below it.
#[derive(Debug)]
pub(super) struct Part {
    pub purpose: String,
    /// In some version of the policy; never empty.
    pub ever: Vec<String>,
    /// In every version.
    pub always: Vec<String>,
}

impl Interests {
    /// A statement about a purpose or category also speaks for those below it, so it may name only what has the same
    /// basis all the way down.
    pub fn of(purpose: &str, versions: &[&ConsentPolicy], taxonomy: &Taxonomy) -> Self {
        let clauses = versions.iter().flat_map(|policy| &policy.purposes).map(|clause| clause.purpose.as_str());
        let kinds: BTreeSet<&str> = clauses.filter(|own| covers(purpose, own)).chain([purpose]).collect();
        let is = |policy: &ConsentPolicy, purpose: &str, category: &str| {
            policy.basis(purpose, category).basis == Some(LegalBasis::LegitimateInterests)
        };
        let below = |category: &str, holds: &dyn Fn(&str) -> bool| {
            taxonomy.data_categories.iter().filter(|other| covers(category, other)).all(|other| holds(other))
        };
        let chosen =
            |holds: &dyn Fn(&str) -> bool| topmost(taxonomy.data_categories.iter().filter(|c| below(c, holds)));
        let part = |own: &&str| {
            let in_version = |policy: &ConsentPolicy, c: &str| {
                kinds.iter().filter(|k| covers(own, k)).all(|kind| is(policy, kind, c))
            };
            Part {
                purpose: (*own).to_owned(),
                ever: chosen(&|c| versions.iter().any(|policy| in_version(policy, c))),
                always: chosen(&|c| versions.iter().all(|policy| in_version(policy, c))),
            }
        };
        let parts = kinds.iter().map(part).filter(|part| !part.ever.is_empty()).collect();
        let nowhere = |c: &str| versions.iter().all(|policy| kinds.iter().all(|kind| !is(policy, kind, c)));
        Self { others: chosen(&nowhere), parts }
    }
}

/// The categories that stand below none of the others.
fn topmost<'c>(categories: impl Iterator<Item = &'c String>) -> Vec<String> {
    let mut top: Vec<String> = Vec::new();
    // In order, an ancestor comes before what it covers.
    for category in categories {
        if !top.iter().any(|above| covers(above, category)) {
            top.push(category.clone());
        }
    }
    top
}
