//! The counts that every use of data is told by: what became of the decisions, and of whom.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measured::{Harm, Number};
use crate::replay::consent::{Code, Sample, Tallies};

/// What became of decisions.
///
/// `events` = `events_permitted` + `events_in_grace` + `events_without_consent` + `events_unknown` +
/// `events_before_policy`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Judged {
    /// Decisions (or training runs, links, hand-overs: see `operation`).
    pub events: u64,
    /// Distinct subjects of those decisions.
    pub subjects: u64,
    pub events_permitted: u64,
    /// Without a grant in force (never given, refused, withdrawn past grace, expired), despite an objection, about a
    /// minor whom the policy protects, or for what the policy forbids.
    pub events_without_consent: u64,
    pub subjects_without_consent: u64,
    /// After a withdrawal, within the policy's grace.
    pub events_in_grace: u64,
    pub subjects_in_grace: u64,
    /// After a withdrawal, an objection or a signal, past the grace; part of `events_without_consent`.
    pub events_after_withdrawal: u64,
    pub subjects_after_withdrawal: u64,
    /// Despite an objection, where the basis or the regime asks for no consent; part of `events_after_withdrawal`.
    pub events_objected: u64,
    pub subjects_objected: u64,
    /// Despite the Global Privacy Control; part of `events_after_withdrawal`.
    pub events_gpc: u64,
    pub subjects_gpc: u64,
    /// About minors, whom the policy protects; part of `events_without_consent`.
    pub events_minors: u64,
    pub subjects_minors: u64,
    /// Of subjects who are in no consent record at all.
    pub events_unknown: u64,
    pub subjects_unknown: u64,
    /// Before the policy took effect; not judged.
    pub events_before_policy: u64,
    /// How long after the person had said no the data was still used; null when it never was past the grace.
    pub withdrawal_delay: Option<Delay>,
    /// Time of the first and last decision without consent, RFC 3339, UTC.
    pub first_without_consent: Option<String>,
    pub last_without_consent: Option<String>,
    /// A few of the decisions without consent, the first ones.
    pub samples: Vec<Sample>,
}

/// Seconds from a no to the decisions that ignored it: nearest-rank quantiles over those decisions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Delay {
    pub median_seconds: f64,
    pub p95_seconds: f64,
    pub max_seconds: f64,
}

impl Judged {
    /// The shares of the people concerned: without consent, after a withdrawal, in no record.
    pub(super) fn numbers(&self, level: f64) -> Vec<Number> {
        let of = |measure, some| Number::share(measure, Harm::High, Some(some), Some(self.subjects), level);
        let mut numbers = of("subjects_without_consent_share", self.subjects_without_consent);
        numbers.extend(of("subjects_after_withdrawal_share", self.subjects_after_withdrawal));
        numbers.extend(of("subjects_unknown_share", self.subjects_unknown));
        numbers
    }

    pub fn of(tallies: &Tallies) -> Self {
        let events = |code: Code| tallies.of(code).events;
        let subjects = |code: Code| tallies.of(code).subjects;
        let without = tallies.of(Code::Without);
        Self {
            events: events(Code::All),
            subjects: subjects(Code::All),
            events_permitted: events(Code::Permitted),
            events_without_consent: without.events,
            subjects_without_consent: without.subjects,
            events_in_grace: events(Code::InGrace),
            subjects_in_grace: subjects(Code::InGrace),
            events_after_withdrawal: events(Code::AfterWithdrawal),
            subjects_after_withdrawal: subjects(Code::AfterWithdrawal),
            events_objected: events(Code::Objected),
            subjects_objected: subjects(Code::Objected),
            events_gpc: events(Code::Signalled),
            subjects_gpc: subjects(Code::Signalled),
            events_minors: events(Code::Minor),
            subjects_minors: subjects(Code::Minor),
            events_unknown: events(Code::Unknown),
            subjects_unknown: subjects(Code::Unknown),
            events_before_policy: events(Code::BeforePolicy),
            withdrawal_delay: tallies.delay.map(|delay| Delay {
                median_seconds: delay.median,
                p95_seconds: delay.p95,
                max_seconds: delay.max,
            }),
            first_without_consent: without.first,
            last_without_consent: without.last,
            samples: tallies.samples.clone(),
        }
    }
}
