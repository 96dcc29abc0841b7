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
    /// Despite an objection, where no consent is asked.
    Objected,
    /// Despite the Global Privacy Control.
    Signalled,
    /// About a minor, whom the policy protects.
    Minor,
}

/// What became of one category or pair, and the lanes on which the person had said no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    pub outcome: Outcome,
    pub said_no: BTreeSet<usize>,
}

/// The state of all lanes at a moment; `known` is false for a subject in no record at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    pub known: bool,
    pub granted: BTreeSet<usize>,
    pub in_grace: BTreeSet<usize>,
    pub withdrawn: BTreeSet<usize>,
    pub refused: BTreeSet<usize>,
    pub signalled: BTreeSet<usize>,
}

/// The scope of a consent record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    pub purpose: String,
    /// Empty: all.
    pub categories: BTreeSet<String>,
    /// Empty: every context on its own, and no combination.
    pub contexts: BTreeSet<String>,
    /// Empty: all.
    pub operations: BTreeSet<String>,
    /// Empty: all.
    pub recipients: BTreeSet<String>,
    /// The version of the notice it was asked with; empty when the record names none.
    pub notice: String,
}

impl Scope {
    /// Whether a grant of this scope is a grant of `need`, explicitness aside.
    pub fn covers(&self, need: &Need) -> bool {
        let categories = self.categories.is_empty()
            || need.categories.iter().all(|needed| self.categories.iter().any(|own| covers(own, needed)));
        let contexts =
            if self.contexts.is_empty() { need.contexts.len() == 1 } else { need.contexts.is_subset(&self.contexts) };
        let notice = need.notices.is_empty() || need.notices.contains(&self.notice);
        covers(&self.purpose, &need.purpose) && categories && contexts && notice && self.reaches(need)
    }

    /// Whether it speaks of what is done, and of who receives the data.
    fn reaches(&self, need: &Need) -> bool {
        let recipient = need.recipient.as_ref().is_none_or(|name| self.recipients.contains(name));
        (self.operations.is_empty() || self.operations.contains(&need.operation))
            && (self.recipients.is_empty() || recipient)
    }

    /// Whether a refusal or withdrawal of this scope ends `need` whatever scope granted it: taking back one context
    /// takes back its combinations; refusing a combination leaves its parts alone.
    pub fn revokes(&self, need: &Need) -> bool {
        let touches = |own: &String| need.categories.iter().any(|needed| covers(own, needed) || covers(needed, own));
        covers(&self.purpose, &need.purpose)
            && (self.categories.is_empty() || self.categories.iter().any(touches))
            && self.contexts.is_subset(&need.contexts)
            && self.reaches(need)
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
pub fn judge(requirement: &Requirement, state: &State, regime: Regime, needs: &[Need], lanes: &[Lane]) -> Judgement {
    let of = |need: usize, scoped: bool, set: &BTreeSet<usize>| -> BTreeSet<usize> {
        let listens = |lane: &&usize| lanes[**lane].need == need && lanes[**lane].scope.is_some() == scoped;
        set.iter().filter(listens).copied().collect()
    };
    let judged = |outcome: Outcome, said_no: BTreeSet<usize>| Judgement { outcome, said_no };
    let objected = |need: usize| {
        let no: BTreeSet<usize> = &of(need, false, &state.withdrawn) | &of(need, false, &state.refused);
        let signals = of(need, false, &state.signalled);
        if !no.is_empty() {
            judged(Outcome::Objected, no)
        } else if !signals.is_empty() {
            judged(Outcome::Signalled, signals)
        } else if !of(need, false, &state.in_grace).is_empty() {
            judged(Outcome::InGrace, BTreeSet::new())
        } else {
            judged(Outcome::Permitted, BTreeSet::new())
        }
    };
    let granted = |need: usize| {
        if regime == Regime::OptOut && !needs[need].explicit && !needs[need].parental {
            return objected(need);
        }
        let (no, signals) = (of(need, true, &state.withdrawn), of(need, true, &state.signalled));
        if !state.known {
            judged(Outcome::Unknown, BTreeSet::new())
        } else if !of(need, true, &state.granted).is_empty() {
            judged(Outcome::Permitted, BTreeSet::new())
        } else if !of(need, true, &state.in_grace).is_empty() {
            judged(Outcome::InGrace, BTreeSet::new())
        } else if !no.is_empty() {
            judged(Outcome::AfterWithdrawal, no)
        } else if !signals.is_empty() {
            judged(Outcome::Signalled, signals)
        } else {
            judged(Outcome::Without, BTreeSet::new())
        }
    };
    let all = |needs: &BTreeSet<usize>, one: &dyn Fn(usize) -> Judgement| {
        let each: Vec<Judgement> = needs.iter().map(|&need| one(need)).collect();
        let outcome = each.iter().map(|judgement| judgement.outcome).max().unwrap_or(Outcome::Permitted);
        judged(outcome, each.into_iter().flat_map(|judgement| judgement.said_no).collect())
    };
    match requirement {
        Requirement::Never => judged(Outcome::Without, BTreeSet::new()),
        Requirement::Free => judged(Outcome::Permitted, BTreeSet::new()),
        Requirement::Grant(needs) => all(needs, &granted),
        Requirement::NoObjection(needs) => all(needs, &objected),
    }
}

/// What a record says. Grants are told apart by whether they are explicit (+1) and whether a parent gave them (+2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Given = 0,
    GivenExplicitly = 1,
    GivenByParent = 2,
    GivenExplicitlyByParent = 3,
    Withdrawn = 4,
    Refused = 5,
    Expired = 6,
    /// The Global Privacy Control.
    Signal = 7,
}

/// What a record does on a lane. The order is that of records at the same instant: the more restrictive comes last.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Grant = 1,
    Expire = 2,
    Refuse = 3,
    Withdraw = 4,
    Signal = 5,
}

impl Status {
    pub const ALL: [Self; 8] = [
        Self::Given,
        Self::GivenExplicitly,
        Self::GivenByParent,
        Self::GivenExplicitlyByParent,
        Self::Withdrawn,
        Self::Refused,
        Self::Expired,
        Self::Signal,
    ];

    pub fn effect(self, id: usize, scope: &Scope, lane: &Lane, need: &Need) -> Option<Effect> {
        let own = lane.scope == Some(id);
        let end = match self {
            Self::Withdrawn => Effect::Withdraw,
            Self::Refused => Effect::Refuse,
            Self::Signal => Effect::Signal,
            // A lapse ends the grant of its own scope; it is no objection.
            Self::Expired => return own.then_some(Effect::Expire),
            given => {
                let listens = own || (lane.scope.is_none() && scope.covers(need));
                let explicit = matches!(given, Self::GivenExplicitly | Self::GivenExplicitlyByParent);
                let parental = matches!(given, Self::GivenByParent | Self::GivenExplicitlyByParent);
                let enough = (explicit || !need.explicit) && (parental || !need.parental);
                return (listens && enough).then_some(Effect::Grant);
            }
        };
        (own || scope.revokes(need)).then_some(end)
    }
}

impl State {
    /// From the masks of a signature: granted, in grace, withdrawn, refused, word by word; -1 for nobody known. A lane
    /// both withdrawn and refused was ended by the Global Privacy Control.
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
        state.signalled = &state.withdrawn & &state.refused;
        state.withdrawn = &state.withdrawn - &state.signalled;
        state.refused = &state.refused - &state.signalled;
        state
    }
}
