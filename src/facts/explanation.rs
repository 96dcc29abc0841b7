//! `explanation`: in how many decisions people were shown why they see what they see.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measured::{Harm, Number};
use super::{FactKind, attributes};
use crate::findings::Evidence;
use crate::manifest::{Manifest, Measure, Unit};
use crate::replay::explanations::Shown;
use crate::stats::{Interval, Proportion, share};

/// One strategy, or one segment of its subjects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    pub strategy: String,
    /// Whether the strategy is declared to profile; null when it is not declared.
    pub profiling: Option<bool>,
    /// The attribute that makes the segment, e.g. `{age_band: 65+}`; empty for the whole strategy.
    pub segment: BTreeMap<String, String>,
    /// What one independent unit is: `subject` or `impression`.
    pub unit: String,
    /// Decisions that say whether an explanation was shown; null when withheld.
    pub decisions: Option<u64>,
    /// Decisions with an explanation; null when withheld.
    pub explained: Option<u64>,
    /// Decisions that do not say; null when withheld.
    pub unstated: Option<u64>,
    /// Subjects of `decisions`; null when withheld or when the log has no subjects.
    pub subjects: Option<u64>,
    /// `explained` over `decisions`, 0 to 1; null when withheld, or when there are too few subjects for an interval.
    pub share: Option<Interval>,
    /// The same share of the whole strategy, to compare a segment with.
    pub strategy_share: Option<f64>,
    /// Whether there are fewer than `min_cell` units, so that the numbers are withheld.
    pub suppressed: bool,
}

impl FactKind for Explanation {
    const NAME: &'static str = "explanation";
    const DOC: &'static str = "One fact per strategy of the log, and per value of each `measure.segments` attribute that \
        the table of subjects has: the share of decisions in which an explanation was shown (column `explained`; a \
        decision of several rows was explained when one of them says so). Decisions of one person resemble each other, \
        so the interval is made from per-subject sums (see `outcome_parity`); where an impression is the unit it is \
        Wilson's. Segments of fewer than `min_cell` units are suppressed, and with them the counts of their siblings, \
        from which they could be worked out.";
    const NEEDS_LOG: bool = true;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([("strategy", self.strategy.clone()), ("segment", attributes(&self.segment))])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut evidence = Vec::new();
        if let (Some(explained), Some(decisions)) = (self.explained, self.decisions) {
            evidence.push(Evidence::value("explained", format!("{explained} of {decisions} decisions")));
        }
        if let Some(subjects) = self.subjects {
            evidence.push(Evidence::value("subjects", subjects.to_string()));
        }
        evidence
    }

    fn numbers(&self, _: f64) -> Vec<Number> {
        Number::of("share", Harm::Low, &self.share)
    }
}

/// Makes facts of the sums, in their order.
pub fn measure(shown: &[Shown], manifest: &Manifest) -> Vec<Explanation> {
    let Measure { unit, level, min_cell, .. } = manifest.measure;
    let of_subjects = unit == Unit::Subject;
    let small = |of: &Shown| of.sums.clusters < min_cell;
    let one = |of: &Shown| {
        let siblings = shown.iter().filter(|other| other.strategy == of.strategy);
        let attribute = |of: &Shown| of.segment.as_ref().map(|(attribute, _)| attribute.clone());
        let beside_small = siblings.clone().any(|other| attribute(other) == attribute(of) && small(other));
        let interval = |of: &Shown| match unit {
            Unit::Subject => share::interval(&of.sums, level),
            Unit::Impression => Proportion { successes: of.explained, trials: of.decisions }.wilson(level),
        };
        let whole = siblings.clone().find(|other| other.segment.is_none());
        let told = |count: u64| (!beside_small).then_some(count);
        Explanation {
            strategy: of.strategy.clone(),
            profiling: manifest.strategy(&of.strategy).map(|strategy| strategy.profiling),
            segment: of.segment.clone().into_iter().collect(),
            unit: unit.id().into(),
            decisions: told(of.decisions),
            explained: told(of.explained),
            unstated: told(of.unstated),
            subjects: told(of.sums.clusters).filter(|_| of_subjects),
            // The interval of independent rows would tell the counts.
            share: if small(of) || (beside_small && !of_subjects) { None } else { interval(of) },
            strategy_share: whole
                .filter(|whole| !small(whole) && whole.decisions > 0)
                .map(|whole| whole.explained as f64 / whole.decisions as f64),
            suppressed: small(of),
        }
    };
    shown.iter().map(one).collect()
}
