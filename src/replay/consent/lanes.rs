//! Lanes: what a record of consent means for what a decision needs, and what a decision may do by the state of them.

use std::collections::BTreeSet;

use super::WORD;
use crate::evidence::consent_policy::Regime;
use crate::evidence::taxonomy::covers;
use crate::replay::uses::{Need, Requirement};

/// What one signature means for one category or pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Permitted,
    InGrace,
    Unknown,
    Without,
    AfterWithdrawal,
}

/// The state of all lanes at a moment; `known` is false for a subject in no record at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    pub known: bool,
    pub granted: BTreeSet<usize>,
    pub in_grace: BTreeSet<usize>,
    pub withdrawn: BTreeSet<usize>,
    pub refused: BTreeSet<usize>,
}

/// The scope of a consent record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    pub purpose: String,
    /// Empty: all.
    pub categories: BTreeSet<String>,
    /// Empty: every context on its own, and no combination.
    pub contexts: BTreeSet<String>,
}

impl Scope {
    /// Whether a grant of this scope is a grant of `need`, explicitness aside.
    pub fn covers(&self, need: &Need) -> bool {
        let categories = self.categories.is_empty()
            || need.categories.iter().all(|needed| self.categories.iter().any(|own| covers(own, needed)));
        let contexts =
            if self.contexts.is_empty() { need.contexts.len() == 1 } else { need.contexts.is_subset(&self.contexts) };
        covers(&self.purpose, &need.purpose) && categories && contexts
    }

    /// Whether a refusal or withdrawal of this scope ends `need` whatever scope granted it: taking back one context
    /// takes back its combinations; refusing a combination leaves its parts alone.
    pub fn revokes(&self, need: &Need) -> bool {
        let touches = |own: &String| need.categories.iter().any(|needed| covers(own, needed) || covers(needed, own));
        covers(&self.purpose, &need.purpose)
            && (self.categories.is_empty() || self.categories.iter().any(touches))
            && self.contexts.is_subset(&need.contexts)
    }
}

/// A need answered by one scope, or (without scope) listening for objections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    pub need: usize,
    pub scope: Option<usize>,
}

/// Lanes for every need: one per scope that covers it, and one for objections.
pub fn lanes(needs: &[Need], scopes: &[Scope]) -> Vec<Lane> {
    let of = |need: usize| {
        let covering = (0..scopes.len()).filter(move |&scope| scopes[scope].covers(&needs[need]));
        covering.map(move |scope| Lane { need, scope: Some(scope) }).chain([Lane { need, scope: None }])
    };
    (0..needs.len()).flat_map(of).collect()
}

/// Judges one requirement by the state of the lanes at the time of a decision.
pub fn judge(requirement: &Requirement, state: &State, regime: Regime, needs: &[Need], lanes: &[Lane]) -> Outcome {
    let of = |need: usize, scoped: bool, set: &BTreeSet<usize>| {
        set.iter().any(|&lane| lanes[lane].need == need && lanes[lane].scope.is_some() == scoped)
    };
    let objected = |need: usize| {
        if of(need, false, &state.withdrawn) || of(need, false, &state.refused) {
            Outcome::AfterWithdrawal
        } else if of(need, false, &state.in_grace) {
            Outcome::InGrace
        } else {
            Outcome::Permitted
        }
    };
    let granted = |need: usize| {
        if regime == Regime::OptOut && !needs[need].explicit {
            objected(need)
        } else if !state.known {
            Outcome::Unknown
        } else if of(need, true, &state.granted) {
            Outcome::Permitted
        } else if of(need, true, &state.in_grace) {
            Outcome::InGrace
        } else if of(need, true, &state.withdrawn) {
            Outcome::AfterWithdrawal
        } else {
            Outcome::Without
        }
    };
    match requirement {
        Requirement::NoBasis => Outcome::Without,
        Requirement::Free => Outcome::Permitted,
        Requirement::Grant(all) => all.iter().map(|&need| granted(need)).max().unwrap_or(Outcome::Permitted),
        Requirement::NoObjection(all) => all.iter().map(|&need| objected(need)).max().unwrap_or(Outcome::Permitted),
    }
}

/// What a record says, with an explicit grant told from a plain one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Given = 0,
    GivenExplicitly = 1,
    Withdrawn = 2,
    Refused = 3,
    Expired = 4,
}

/// What a record does on a lane. The order is that of records at the same instant: the more restrictive comes last.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Grant = 1,
    Expire = 2,
    Refuse = 3,
    Withdraw = 4,
}

impl Status {
    pub const ALL: [Self; 5] = [Self::Given, Self::GivenExplicitly, Self::Withdrawn, Self::Refused, Self::Expired];

    pub fn effect(self, id: usize, scope: &Scope, lane: &Lane, need: &Need) -> Option<Effect> {
        let own = lane.scope == Some(id);
        let end = match self {
            Self::Given | Self::GivenExplicitly => {
                let listens = own || (lane.scope.is_none() && scope.covers(need));
                let enough = self == Self::GivenExplicitly || !need.explicit;
                return (listens && enough).then_some(Effect::Grant);
            }
            Self::Withdrawn => Effect::Withdraw,
            Self::Refused => Effect::Refuse,
            // A lapse ends the grant of its own scope; it is no objection.
            Self::Expired => return own.then_some(Effect::Expire),
        };
        (own || scope.revokes(need)).then_some(end)
    }
}

impl State {
    /// From the masks of a signature: granted, in grace, withdrawn, refused, word by word; -1 for nobody known.
    pub(super) fn of(masks: &[i64]) -> Self {
        let mut state = Self { known: masks.first().is_some_and(|mask| *mask >= 0), ..Self::default() };
        if !state.known {
            return state;
        }
        for (index, mask) in masks.iter().enumerate() {
            let lanes = (0..WORD).filter(|bit| mask >> bit & 1 == 1).map(|bit| index / 4 * WORD + bit);
            match index % 4 {
                0 => state.granted.extend(lanes),
                1 => state.in_grace.extend(lanes),
                2 => state.withdrawn.extend(lanes),
                _ => state.refused.extend(lanes),
            }
        }
        state
    }
}
