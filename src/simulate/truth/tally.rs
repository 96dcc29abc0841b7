//! Decisions by what the law of consent says of them.

use super::{Count, Judged};
use crate::simulate::conduct::{GRACE, Use};
use crate::simulate::rights::{Context, Right, Rights};

/// What consent says of one use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Permitted,
    InGrace,
    Unknown,
    Without,
    AfterWithdrawal,
    BeforePolicy,
}

impl Verdict {
    pub fn of(right: Right, time: i64) -> Self {
        match right {
            Right::Yes => Self::Permitted,
            Right::No => Self::Without,
            Right::Withdrawn(at) if time <= at + GRACE => Self::InGrace,
            Right::Withdrawn(_) => Self::AfterWithdrawal,
            Right::Unknown => Self::Unknown,
        }
    }

    /// A category from several contexts is as good as the worst of them.
    pub fn of_use(used: &Use, rights: &Rights, time: i64) -> Self {
        if !used.consent {
            return Self::Permitted;
        }
        let narrow = matches!(used.category, "user.behavior.browsing_history" | "user.behavior.search_history");
        let of_context = |context: &Context| {
            let covered = *context != Context::Web || !rights.narrow_web || narrow;
            Self::of(if covered { rights.of(*context) } else { Right::No }, time)
        };
        used.contexts.iter().map(of_context).max().unwrap_or(Self::Permitted)
    }
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    all: Count,
    permitted: Count,
    in_grace: Count,
    without: Count,
    after_withdrawal: Count,
    unknown: Count,
    before_policy: Count,
}

impl Tally {
    pub fn add(&mut self, subject: usize, verdict: Verdict) {
        self.all.add(subject);
        match verdict {
            Verdict::Permitted => self.permitted.add(subject),
            Verdict::InGrace => self.in_grace.add(subject),
            Verdict::Unknown => self.unknown.add(subject),
            Verdict::Without => self.without.add(subject),
            Verdict::AfterWithdrawal => {
                self.without.add(subject);
                self.after_withdrawal.add(subject);
            }
            Verdict::BeforePolicy => self.before_policy.add(subject),
        }
    }

    pub fn judged(&self) -> Judged {
        Judged {
            events: self.all.events,
            subjects: self.all.subjects,
            events_permitted: self.permitted.events,
            events_without_consent: self.without.events,
            subjects_without_consent: self.without.subjects,
            events_in_grace: self.in_grace.events,
            events_after_withdrawal: self.after_withdrawal.events,
            subjects_after_withdrawal: self.after_withdrawal.subjects,
            events_unknown: self.unknown.events,
            subjects_unknown: self.unknown.subjects,
            events_before_policy: self.before_policy.events,
        }
    }
}
