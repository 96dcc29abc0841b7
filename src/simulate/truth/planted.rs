//! What each effect of the plan is and whom it hit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Ledger, Placement, Surcharge};
use crate::simulate::conduct::{Defect, HYBRID, Reading, SPOTLIGHT};
use crate::simulate::people::Subject;
use crate::simulate::plan::{self, Metric, WHOLE, What, Whom};

/// An effect of the plan, and whom it hit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// As the plan names it.
    pub plant: String,
    /// None: whichever decides.
    pub strategy: Option<String>,
    /// Empty: everybody.
    pub segment: BTreeMap<String, String>,
    /// Its sizes, by the keys of the plan.
    pub sizes: BTreeMap<String, f64>,
    /// What else the plan says of it, e.g. which defect.
    pub names: BTreeMap<String, String>,
    /// Decisions that it hit; of questions, the questions.
    pub events: u64,
    /// People whom these were about.
    pub subjects: u64,
    /// Where it depends on the articles how far an effect gets: the mean list price of what was shown, over that of what
    /// would have been.
    pub ratio_in_log: Option<f64>,
}

/// Whether an effect that leaves nothing to chance, or leaves it to people, hits a decision.
pub(super) fn concerns(effect: &plan::Effect, reading: &Reading, subject: &Subject) -> bool {
    let profiled = reading.uses.iter().any(|used| used.consent);
    let whom = &effect.whom;
    match effect.what {
        What::Outcome { .. } | What::Price { .. } | What::Selection { .. } | What::SmallSegment { .. } => {
            whom.holds(reading.strategy, subject)
        }
        What::Minors { .. } => profiled && subject.minor,
        What::PrivacySignal { .. } => profiled && subject.signals,
        What::Proxy { .. } => reading.strategy == HYBRID && subject.told_by_tier,
        What::Loyalty { .. } => !subject.holdout && whom.is_about(subject),
        What::Allocation { .. } => subject.holdout,
        What::Candidate { .. } => reading.strategy == SPOTLIGHT && whom.is_about(subject),
        _ => false,
    }
}

impl Ledger<'_> {
    pub(super) fn effect(&self, at: usize) -> Effect {
        let plan::Effect { what, whom } = &self.plan.effects[at];
        let of_defect =
            |defect: Defect| self.defects.get(&defect).map_or((0, 0), |count| (count.events, count.subjects));
        let (events, subjects) = match what {
            What::Consent { defect, .. } => of_defect(*defect),
            What::UndeclaredStrategy { .. } => of_defect(Defect::Undeclared),
            What::UnmappedInput { .. } => of_defect(Defect::Unmapped),
            _ => match self.offered.touched.get(&at) {
                Some((events, people)) => (*events, people.len() as u64),
                None => (self.concerned[at].events, self.concerned[at].subjects),
            },
        };
        let ratio_in_log = self.offered.steered.get(&at).filter(|sums| sums.0 > 0);
        Effect {
            plant: plant(what).to_owned(),
            strategy: strategy(whom),
            segment: segment(whom),
            sizes: sizes(what).into_iter().map(|(name, millionths)| (name.to_owned(), size(millionths))).collect(),
            names: names(what).into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            events,
            subjects,
            ratio_in_log: ratio_in_log.map(|(before, after)| *after as f64 / *before as f64),
        }
    }

    pub(super) fn surcharges(&self) -> Vec<Surcharge> {
        let planted = self.plan.each(|what| match what {
            What::Price { ratio } => Some(*ratio),
            _ => None,
        });
        let surcharge = |(at, whom, ratio): (usize, &Whom, u64)| Surcharge {
            strategy: strategy(whom),
            segment: segment(whom),
            ratio: size(ratio),
            impressions: self.offered.surcharged.get(&at).copied().unwrap_or_default(),
        };
        planted.map(surcharge).collect()
    }

    pub(super) fn placements(&self) -> Vec<Placement> {
        let planted = self.plan.each(|what| match what {
            What::Provider { favoured, instead_of, share } => {
                Some([(*favoured, WHOLE + share), (*instead_of, WHOLE - share)])
            }
            _ => None,
        });
        planted
            .flat_map(|(at, whom, both)| both.map(|(provider, ratio)| (at, whom, provider, ratio)))
            .map(|(at, whom, provider, ratio)| Placement {
                strategy: strategy(whom),
                segment: segment(whom),
                provider: provider.to_owned(),
                ratio: size(ratio),
                impressions: self.offered.shown.get(&(at, provider)).copied().unwrap_or_default(),
                exchanged: self.offered.exchanged.get(&at).copied().unwrap_or_default(),
            })
            .collect()
    }
}

fn size(millionths: u64) -> f64 {
    millionths as f64 / WHOLE as f64
}

fn strategy(whom: &Whom) -> Option<String> {
    whom.strategy.map(str::to_owned)
}

fn segment(whom: &Whom) -> BTreeMap<String, String> {
    whom.segment.iter().map(|(attribute, value)| ((*attribute).to_owned(), (*value).to_owned())).collect()
}

fn plant(what: &What) -> &'static str {
    match what {
        What::Outcome { .. } => "outcome",
        What::Price { .. } => "price",
        What::Steering { .. } => "steering",
        What::Provider { .. } => "provider",
        What::BestSellers { .. } => "best-sellers",
        What::OffTaste { .. } => "off-taste",
        What::Selection { .. } => "selection",
        What::Consent { .. } => "consent",
        What::UndeclaredStrategy { .. } => "undeclared-strategy",
        What::UnmappedInput { .. } => "unmapped-input",
        What::PersonalData { .. } => "personal-data",
        What::Unexplained { .. } => "unexplained",
        What::Minors { .. } => "minors",
        What::PrivacySignal { .. } => "privacy-signal",
        What::Proxy { .. } => "proxy",
        What::Prompt { .. } => "prompt",
        What::SmallSegment { .. } => "small-segment",
        What::Loyalty { .. } => "loyalty",
        What::Allocation { .. } => "allocation",
        What::Candidate { .. } => "candidate",
    }
}

fn sizes(what: &What) -> Vec<(&'static str, u64)> {
    match what {
        What::Outcome { ratio, .. }
        | What::Price { ratio }
        | What::Steering { ratio }
        | What::Selection { ratio }
        | What::Allocation { ratio } => vec![("ratio", *ratio)],
        What::Provider { share, .. }
        | What::BestSellers { share }
        | What::OffTaste { share }
        | What::UndeclaredStrategy { share }
        | What::UnmappedInput { share }
        | What::PersonalData { share }
        | What::Unexplained { share }
        | What::Minors { share }
        | What::PrivacySignal { share }
        | What::Proxy { share, .. }
        | What::Prompt { share, .. } => vec![("share", *share)],
        What::Consent { share, among, .. } => vec![("share", *share), ("among", *among)],
        What::SmallSegment { subjects } => vec![("subjects", *subjects as u64 * WHOLE)],
        What::Loyalty { churn, order_value } => vec![("churn", *churn), ("order_value", *order_value)],
        What::Candidate { overall, ratio } => vec![("overall", *overall), ("ratio", *ratio)],
    }
}

fn names(what: &What) -> Vec<(&'static str, &'static str)> {
    match what {
        What::Outcome { metric, .. } => vec![(
            "metric",
            match metric {
                Metric::Click => "click",
                Metric::Order => "order",
                Metric::Revenue => "revenue",
            },
        )],
        What::Provider { favoured, instead_of, .. } => vec![("favoured", favoured), ("instead_of", instead_of)],
        What::Consent { defect, .. } => vec![("defect", defect.id())],
        What::Prompt { defect, .. } => vec![("defect", defect.id())],
        What::Proxy { attribute, .. } => vec![("attribute", attribute)],
        _ => Vec::new(),
    }
}
