//! Decisions without consent: how many of them a rule needs to see one, when not every decision can be judged.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::{Decisions, Hidden, Sampling, Seen};
use crate::error::Result;
use crate::facts::Fact;
use crate::facts::judged::Judged;
use crate::facts::measured::about;
use crate::playbook::Verdict;
use crate::replay::uses::SERVE;
use crate::rules::trial::Trial;
use crate::stats::draw::Draws;

/// What could be wrong with decisions, the plainest first. A rule is told by the first that it fails for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    WithoutConsent,
    AfterWithdrawal,
    DespiteObjection,
    DespiteSignal,
    AboutMinors,
    WithinGrace,
    OfUnknown,
    /// People whom a combination before its release would concern.
    BeforeRelease,
}

impl Wrong {
    const ALL: [Self; 8] = [
        Self::WithoutConsent,
        Self::AfterWithdrawal,
        Self::DespiteObjection,
        Self::DespiteSignal,
        Self::AboutMinors,
        Self::WithinGrace,
        Self::OfUnknown,
        Self::BeforeRelease,
    ];

    fn words(self) -> &'static str {
        match self {
            Self::WithoutConsent => "decisions without consent",
            Self::AfterWithdrawal => "decisions after a withdrawal, past the grace",
            Self::DespiteObjection => "decisions despite an objection",
            Self::DespiteSignal => "decisions despite the Global Privacy Control",
            Self::AboutMinors => "decisions about minors",
            Self::WithinGrace => "decisions within the grace after a withdrawal",
            Self::OfUnknown => "decisions about people in no consent record",
            Self::BeforeRelease => "people without consent to a combination that is not in use yet",
        }
    }
}

/// One use of data or combination of contexts.
struct Use<'a> {
    fact: &'a Fact,
    counts: &'a Judged,
    says: String,
    /// The share of the rows that tell of it which could not be read.
    rejected: f64,
}

/// Every rule on uses and combinations of data, beside every one that it judges.
pub(super) fn search(trials: &[Trial<'_>], facts: &[Fact], sampling: &Sampling) -> Result<Vec<Decisions>> {
    let mut found = Vec::new();
    for (number, fact) in facts.iter().enumerate() {
        let Some(used) = Use::of(fact, facts) else { continue };
        for trial in trials.iter().filter(|trial| trial.kind() == fact.kind()) {
            let clean = used.with(Wrong::WithoutConsent, 0);
            // A rule that fails whatever was consented to asks something else.
            if trial.ask(&clean)? == Some(Verdict::Fail) {
                continue;
            }
            for wrong in Wrong::ALL {
                let most = used.most(wrong);
                if most > 0 && trial.ask(&used.with(wrong, most))? == Some(Verdict::Fail) {
                    found.push(used.seen(trial, wrong, sampling, number as u64)?);
                    break;
                }
            }
        }
    }
    Ok(found)
}

impl<'a> Use<'a> {
    fn of(fact: &'a Fact, facts: &[Fact]) -> Option<Self> {
        let (counts, operation, says) = match fact {
            Fact::DataUse(own) => {
                let says = format!("{} for {} ({})", own.category, own.purpose, own.jurisdiction);
                (&own.counts, &own.operation, says)
            }
            Fact::Join(own) => (&own.counts, &own.operation, format!("{} for {}", own.contexts.join("+"), own.purpose)),
            _ => return None,
        };
        let role = if operation == SERVE { "recommendations" } else { "uses" };
        let rejected = facts.iter().find_map(|fact| match fact {
            Fact::EvidenceQuality(quality) if quality.role == role => quality.rejected_share,
            _ => None,
        });
        Some(Self { fact, counts, says, rejected: rejected.unwrap_or(0.0) })
    }

    /// The most that can be seen to be wrong.
    fn most(&self, wrong: Wrong) -> u64 {
        let Judged { events, events_unknown, events_before_policy, events_in_grace, .. } = *self.counts;
        let asked = events.saturating_sub(events_before_policy);
        match (wrong, self.fact) {
            (Wrong::BeforeRelease, Fact::Join(own)) => own.people.unwrap_or(0),
            (Wrong::BeforeRelease, _) => 0,
            (Wrong::OfUnknown, _) => asked,
            (Wrong::WithinGrace, _) => asked.saturating_sub(events_unknown),
            _ => asked.saturating_sub(events_unknown + events_in_grace),
        }
    }

    /// The fact if nothing were wrong but these.
    fn with(&self, wrong: Wrong, seen: u64) -> Fact {
        let own = self.counts;
        let asked = own.events.saturating_sub(own.events_before_policy);
        let unknown = if wrong == Wrong::OfUnknown { seen } else { own.events_unknown };
        let is = |of: &[Wrong]| if of.contains(&wrong) { seen } else { 0 };
        let after = is(&[Wrong::AfterWithdrawal, Wrong::DespiteObjection, Wrong::DespiteSignal]);
        let without = after + is(&[Wrong::WithoutConsent, Wrong::AboutMinors]);
        let grace = is(&[Wrong::WithinGrace]);
        let people = |events: u64| events.min(own.subjects);
        let counts = Judged {
            events: own.events,
            subjects: own.subjects,
            events_before_policy: own.events_before_policy,
            events_permitted: asked.saturating_sub(unknown + without + grace),
            events_without_consent: without,
            subjects_without_consent: people(without),
            events_after_withdrawal: after,
            subjects_after_withdrawal: people(after),
            events_objected: is(&[Wrong::DespiteObjection]),
            subjects_objected: people(is(&[Wrong::DespiteObjection])),
            events_gpc: is(&[Wrong::DespiteSignal]),
            subjects_gpc: people(is(&[Wrong::DespiteSignal])),
            events_minors: is(&[Wrong::AboutMinors]),
            subjects_minors: people(is(&[Wrong::AboutMinors])),
            events_in_grace: grace,
            subjects_in_grace: people(grace),
            events_unknown: unknown,
            subjects_unknown: if wrong == Wrong::OfUnknown { people(unknown) } else { own.subjects_unknown },
            ..Judged::default()
        };
        let mut fact = self.fact.clone();
        match &mut fact {
            Fact::DataUse(made) => made.counts = counts,
            Fact::Join(made) => {
                made.counts = counts;
                let lacking = if wrong == Wrong::BeforeRelease { seen } else { 0 };
                made.people_without_consent = made.people.map(|_| lacking);
            }
            _ => {}
        }
        fact
    }

    /// The share of decisions, drawn at random, in which it would show.
    fn visible(&self, wrong: Wrong) -> f64 {
        match wrong {
            // Whom it would concern is counted person by person.
            Wrong::BeforeRelease => 1.0,
            _ if self.counts.events == 0 => 0.0,
            _ => self.most(wrong) as f64 / self.counts.events as f64 * (1.0 - self.rejected),
        }
    }

    fn seen(&self, trial: &Trial<'_>, wrong: Wrong, sampling: &Sampling, stream: u64) -> Result<Decisions> {
        let (visible, most) = (self.visible(wrong), self.most(wrong));
        let known: RefCell<BTreeMap<u64, bool>> = RefCell::default();
        let fails = |seen: u64| -> Result<bool> {
            if let Some(known) = known.borrow().get(&seen) {
                return Ok(*known);
            }
            let fails = trial.ask(&self.with(wrong, seen))? == Some(Verdict::Fail);
            known.borrow_mut().insert(seen, fails);
            Ok(fails)
        };
        // Each sample is a row of decisions without consent; it ends with the one at which the rule fails.
        let (mut draws, mut needed) = (Draws::new(sampling.seed, stream), Vec::new());
        for _ in 0..sampling.simulations {
            let (mut made, mut seen) = (0_u64, 0_u64);
            while seen < most && !fails(seen)? {
                made = made.saturating_add(until_shown(visible, draws.uniform()));
                seen += 1;
            }
            needed.push(made);
        }
        needed.sort_unstable();
        let enough = (sampling.power * needed.len() as f64).ceil().max(1.0) as usize - 1;
        let made = needed.get(enough).copied().unwrap_or(0);
        let share = needed.iter().filter(|of| **of <= made).count() as f64 / needed.len().max(1) as f64;
        let judged = &self.counts;
        let available = if wrong == Wrong::BeforeRelease { most } else { judged.events };
        Ok(Decisions {
            rule: trial.rule.rule.id.value.clone(),
            pack: trial.pack.to_owned(),
            kind: self.fact.kind().to_owned(),
            about: about(self.fact),
            says: self.says.clone(),
            strategy: about(self.fact).remove("strategy").unwrap_or_default(),
            of: wrong.words().to_owned(),
            seen: (made <= available).then(|| Seen {
                size: made as f64,
                probability: share,
                error: sampling.error(share),
            }),
            hidden: Hidden {
                events: judged.events,
                share: 1.0 - visible,
                rejected_share: self.rejected,
                events_before_policy: judged.events_before_policy,
                events_in_grace: judged.events_in_grace,
                events_unknown: judged.events_unknown,
                subjects: judged.subjects,
                subjects_unknown: judged.subjects_unknown,
            },
        })
    }
}

/// How many decisions it takes until one shows, when each does with probability `visible`.
fn until_shown(visible: f64, u: f64) -> u64 {
    if visible >= 1.0 {
        return 1;
    }
    let tries = (u.ln() / (-visible).ln_1p()).ceil();
    if tries.is_finite() { tries.max(1.0) as u64 } else { u64::MAX }
}

/// What hides decisions, in words; none when nothing does.
pub(super) fn why_hidden(of: &Hidden) -> Option<String> {
    let mut parts = Vec::new();
    let mut part = |events: u64, words: &str| {
        if events > 0 {
            parts.push(format!("{events} {words}"));
        }
    };
    part(of.events_unknown, &format!("about {} people in no consent record", of.subjects_unknown));
    part(of.events_before_policy, "before the policy took effect");
    part(of.events_in_grace, "within the grace after a withdrawal");
    if of.rejected_share > 0.0 {
        parts.push(format!("{:.2} % of rows that could not be read", 100.0 * of.rejected_share));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean of a geometric count is 1/p, and it is at most n with probability 1 - (1 - p)^n.
    #[test]
    fn a_decision_shows_as_late_as_it_should() {
        let mut draws = Draws::new(5, 5);
        let drawn: Vec<u64> = (0..20_000).map(|_| until_shown(0.4, draws.uniform())).collect();
        let mean = drawn.iter().sum::<u64>() as f64 / 20_000.0;
        assert!((mean - 2.5).abs() < 5.0 * (0.6_f64 / 0.16 / 20_000.0).sqrt(), "{mean}");
        let three = drawn.iter().filter(|n| **n <= 3).count() as f64 / 20_000.0;
        assert!((three - (1.0 - 0.6_f64.powi(3))).abs() < 0.015, "{three}");
        assert_eq!((until_shown(1.0, 0.5), until_shown(0.0, 0.5)), (1, u64::MAX));
    }
}
