//! Lanes: what a record of consent means for what a decision needs, and what a decision may do by the state of them.

use std::collections::BTreeSet;

use super::{MASKS, WORD};
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
}

impl Scope {
    /// Whether a grant of this scope is a grant of `need`, explicitness aside.
    pub fn covers(&self, need: &Need) -> bool {
        let categories = self.categories.is_empty()
            || need.categories.iter().all(|needed| self.categories.iter().any(|own| covers(own, needed)));
        let contexts =
            if self.contexts.is_empty() { need.contexts.len() == 1 } else { need.contexts.is_subset(&self.contexts) };
        covers(&self.purpose, &need.purpose) && categories && contexts && self.reaches(need)
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

/// What one bit of state tells about a need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    pub need: usize,
    pub hears: Hears,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hears {
    /// Whether the grant of this scope is in force.
    Scope(usize),
    /// Whether an objection is.
    Objections,
    /// The same, of each id of a person who has several: the most restrictive of them counts.
    LinkedObjections,
}

/// Lanes for every need: for a grant one per scope that covers it, for an objection one, and one more where ids are
/// linked.
pub fn lanes(needs: &[Need], scopes: &[Scope], linked: bool) -> Vec<Lane> {
    let of = |need: usize| {
        let objection = needs[need].objection;
        let covering = (0..scopes.len()).filter(move |&scope| !objection && scopes[scope].covers(&needs[need]));
        let objections = objection.then_some(Hears::Objections).into_iter();
        let objections = objections.chain(linked.then_some(Hears::LinkedObjections));
        covering.map(Hears::Scope).chain(objections).map(move |hears| Lane { need, hears })
    };
    (0..needs.len()).flat_map(of).collect()
}

/// Judges one requirement by the state of the lanes at the time of a decision.
pub fn judge(requirement: &Requirement, state: &State, lanes: &[Lane]) -> Judgement {
    let judged = |outcome: Outcome, said_no: BTreeSet<usize>| Judgement { outcome, said_no };
    let of = |need: usize, heard: fn(Hears) -> bool, set: &BTreeSet<usize>| -> BTreeSet<usize> {
        set.iter().filter(|&&lane| lanes[lane].need == need && heard(lanes[lane].hears)).copied().collect()
    };
    // Whether an objection is in force, and what it means that it withdraws or merely refuses.
    let objection = |need: usize, heard: fn(Hears) -> bool, withdrawn: Outcome, refused: Outcome| {
        let (no, refusals) = (of(need, heard, &state.withdrawn), of(need, heard, &state.refused));
        let signals = of(need, heard, &state.signalled);
        if !no.is_empty() {
            judged(withdrawn, no)
        } else if !refusals.is_empty() {
            judged(refused, refusals)
        } else if !signals.is_empty() {
            judged(Outcome::Signalled, signals)
        } else if !of(need, heard, &state.in_grace).is_empty() {
            judged(Outcome::InGrace, BTreeSet::new())
        } else {
            judged(Outcome::Permitted, BTreeSet::new())
        }
    };
    let worse = |one: Judgement, other: Judgement| if other.outcome > one.outcome { other } else { one };
    let objected = |need: usize| {
        let own = objection(need, |hears| hears == Hears::Objections, Outcome::Objected, Outcome::Objected);
        let linked = objection(need, |hears| hears == Hears::LinkedObjections, Outcome::Objected, Outcome::Objected);
        worse(own, linked)
    };
    let granted = |need: usize| {
        let scope = |hears: Hears| matches!(hears, Hears::Scope(_));
        let (no, signals) = (of(need, scope, &state.withdrawn), of(need, scope, &state.signalled));
        let own = if !state.known {
            judged(Outcome::Unknown, BTreeSet::new())
        } else if !of(need, scope, &state.granted).is_empty() {
            judged(Outcome::Permitted, BTreeSet::new())
        } else if !of(need, scope, &state.in_grace).is_empty() {
            judged(Outcome::InGrace, BTreeSet::new())
        } else if !no.is_empty() {
            judged(Outcome::AfterWithdrawal, no)
        } else if !signals.is_empty() {
            judged(Outcome::Signalled, signals)
        } else {
            judged(Outcome::Without, BTreeSet::new())
        };
        let linked =
            objection(need, |hears| hears == Hears::LinkedObjections, Outcome::AfterWithdrawal, Outcome::Without);
        worse(own, linked)
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

    /// What a record of this scope, made under this version of the notice, does on a lane.
    pub fn effect(self, (id, scope): (usize, &Scope), notice: &str, lane: &Lane, need: &Need) -> Option<Effect> {
        let own = lane.hears == Hears::Scope(id);
        let end = match self {
            Self::Withdrawn => Effect::Withdraw,
            Self::Refused => Effect::Refuse,
            Self::Signal => Effect::Signal,
            // A lapse ends the grant of its own scope; it is no objection.
            Self::Expired => return own.then_some(Effect::Expire),
            given => {
                let listens = own || (!matches!(lane.hears, Hears::Scope(_)) && scope.covers(need));
                let explicit = matches!(given, Self::GivenExplicitly | Self::GivenExplicitlyByParent);
                let parental = matches!(given, Self::GivenByParent | Self::GivenExplicitlyByParent);
                let notice = need.notices.is_empty() || need.notices.contains(notice);
                let enough = (explicit || !need.explicit) && (parental || !need.parental) && notice;
                return (listens && enough).then_some(Effect::Grant);
            }
        };
        (own || scope.revokes(need)).then_some(end)
    }
}

impl State {
    /// From the masks of a signature, word by word; -1 for nobody known.
    pub(super) fn of(masks: &[i64]) -> Self {
        let mut state = Self { known: masks.first().is_some_and(|mask| *mask >= 0), ..Self::default() };
        if !state.known {
            return state;
        }
        for (index, mask) in masks.iter().enumerate() {
            let lanes = (0..WORD).filter(|bit| mask >> bit & 1 == 1).map(|bit| index / MASKS.len() * WORD + bit);
            match MASKS[index % MASKS.len()] {
                "g" => state.granted.extend(lanes),
                "a" => state.in_grace.extend(lanes),
                "w" => state.withdrawn.extend(lanes),
                "r" => state.refused.extend(lanes),
                _ => state.signalled.extend(lanes),
            }
        }
        state
    }
}
