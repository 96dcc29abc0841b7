//! One number of an arm beside that of the holdout: how far apart they are, and what it takes to say that they are not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::stats::bg_nbd::on_log_scale;
use crate::stats::quantile::normal_p;
use crate::stats::survival::{self, Survival};
use crate::stats::{ClusterSums, Interval, equivalence, moved, ratio_mean, share, times};

/// How an arm stands beside the holdout, turned so that more is better. It takes no side: where the intervals lie to the
/// bounds is for rules to judge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Effect {
    /// `ratio`, 1 being no difference, or `difference` (of `net_promoter_score`), 0 being none.
    pub measured_by: Scale,
    /// At the level of the audit.
    pub interval: Interval,
    /// At 2·level − 1, 0.9 for 0.95: of two one-sided tests (Schuirmann 1987), each at half of what is left of the level.
    pub narrow: Interval,
    /// Below it people are relevantly worse off: 1 − margin, or −margin of a difference.
    pub worse: f64,
    /// Above it they are relevantly better off: 1 + margin, or margin.
    pub better: f64,
    /// Of the hypothesis that the truth is at or beyond one of the two bounds: small where both are practically equal.
    pub p_equivalence: Option<f64>,
}

/// What two numbers are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    Ratio,
    Difference,
}

/// A number of one arm, with what its uncertainty comes from. Days are those of the horizon.
pub(super) enum Kind<'a> {
    Mean(&'a ClusterSums),
    Share(&'a ClusterSums),
    /// −1 to 1: a ratio says nothing.
    Score(&'a ClusterSums),
    Retention(Survival, u64),
    Days(Survival, u64),
    Median(Survival),
    /// What a model says, above 0, with the variance of its logarithm.
    Modelled(Option<(f64, f64)>),
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct Pair {
    pub ratio: Option<Interval>,
    pub difference: Option<Interval>,
    pub p_value: Option<f64>,
}

impl Kind<'_> {
    pub fn value(&self, level: f64) -> Option<Interval> {
        match self {
            Self::Mean(sums) | Self::Score(sums) => sums.mean()?.interval(level),
            Self::Share(sums) => share::interval(sums, level),
            Self::Retention(curve, day) => curve.share(*day, level),
            Self::Days(curve, day) => curve.restricted_mean(*day, level),
            Self::Median(curve) => curve.median(level),
            Self::Modelled(of) => of.and_then(|(estimate, variance)| on_log_scale(estimate, variance, level)),
        }
    }

    /// This arm's number beside the other's, which is of the same kind.
    pub fn beside(&self, other: &Self, level: f64) -> Pair {
        match (self, other) {
            (Self::Mean(x), Self::Mean(y)) | (Self::Score(x), Self::Score(y)) => {
                let Some((a, b)) = x.mean().zip(y.mean()) else { return Pair::default() };
                let ratio = ratio_mean::ratio(&a, &b, level);
                Pair {
                    ratio: ratio.filter(|_| matches!(self, Self::Mean(_))),
                    difference: ratio_mean::difference(&a, &b, level),
                    p_value: ratio_mean::p_value(&a, &b),
                }
            }
            (Self::Share(a), Self::Share(b)) => Pair {
                ratio: share::ratio(a, b, level),
                difference: share::difference(a, b, level),
                p_value: share::p_value(a, b),
            },
            (Self::Retention(x, day), Self::Retention(y, _)) => match survival::shares(x, y, *day, level) {
                Some(of) => of.into(),
                None => self.by_limits(other, level),
            },
            (Self::Days(x, day), Self::Days(y, _)) => {
                survival::restricted_means(x, y, *day, level).map(Pair::from).unwrap_or_default()
            }
            (Self::Modelled(Some((a, of_a))), Self::Modelled(Some((b, of_b)))) => Pair {
                ratio: on_log_scale(a / b, of_a + of_b, level),
                p_value: normal_p((a / b).ln() / (of_a + of_b).sqrt()),
                ..self.by_limits(other, level)
            },
            _ => self.by_limits(other, level),
        }
    }

    /// From the limits of both alone: of medians and models on the log scale; where nobody, or everybody, of a side is
    /// gone, a ratio of the outer limits, wider than need be and never narrower.
    fn by_limits(&self, other: &Self, level: f64) -> Pair {
        let Some((a, b)) = self.value(level).zip(other.value(level)) else { return Pair::default() };
        let apart = moved(&b, &a);
        if let Some(by) = times(&b, &a).filter(|_| !matches!(self, Self::Retention(..))) {
            return Pair {
                ratio: Some(by.difference),
                difference: apart.map(|of| of.difference),
                p_value: Some(by.p_value),
            };
        }
        let outer = Interval {
            estimate: a.estimate / b.estimate,
            low: a.low / b.high,
            high: a.high / b.low,
            level,
            method: "mover".to_owned(),
        };
        let p_value = apart.as_ref().map(|of| of.p_value);
        Pair { ratio: Some(outer).filter(|_| b.low > 0.0), difference: apart.map(|of| of.difference), p_value }
    }

    /// The same, turned so that more is better, beside the margin: a share of the holdout's number, or of a score so
    /// much of its range of 1.
    pub fn effect(&self, other: &Self, margin: f64, more_is_worse: bool, level: f64) -> Option<Effect> {
        let scale = if matches!(self, Self::Score(_)) { Scale::Difference } else { Scale::Ratio };
        let turned = |level: f64| {
            let pair = self.beside(other, level);
            match (scale, more_is_worse) {
                (Scale::Difference, _) => pair.difference,
                (Scale::Ratio, false) => pair.ratio,
                (Scale::Ratio, true) => pair.ratio.filter(|of| of.low > 0.0).map(|of| Interval {
                    estimate: 1.0 / of.estimate,
                    low: 1.0 / of.high,
                    high: 1.0 / of.low,
                    ..of
                }),
            }
        };
        let middle = if scale == Scale::Ratio { 1.0 } else { 0.0 };
        let (worse, better) = (middle - margin, middle + margin);
        let p_equivalence = equivalence::p_by_intervals(worse, better, turned);
        Some(Effect {
            measured_by: scale,
            interval: turned(level)?,
            narrow: turned(2.0 * level - 1.0)?,
            worse,
            better,
            p_equivalence,
        })
    }
}

impl From<survival::Contrast> for Pair {
    fn from(of: survival::Contrast) -> Self {
        Self { ratio: Some(of.ratio), difference: Some(of.difference), p_value: Some(of.p_value) }
    }
}
