//! Two segments beside each other: their rates, and what may be said of the gap between them.

use crate::manifest::{Measure, Unit};
use crate::metrics::{Per, Scale};
use crate::replay::outcomes::Cell;
use crate::stats::{ClusterSums, Interval, Proportion, proportion, ratio_mean, share};

use super::outcome_parity::ToDecide;

/// How the numbers of a cell are read: rows that each stand for themselves, or sums over subjects.
enum Reading {
    /// Independent rows that are 0 or 1.
    Rows(Proportion),
    /// Independent rows of any size.
    Amounts(ClusterSums),
    /// Subjects, with rows that are 0 or 1.
    Shares(ClusterSums),
    /// Subjects, with rows of any size.
    Means(ClusterSums),
}

fn reading(cell: &Cell, measure: &Measure) -> Reading {
    let each = matches!(cell.metric.per, Per::Impression | Per::List | Per::AllDecisions);
    match measure.unit {
        Unit::Subject if each && cell.metric.scale.is_bounded() => Reading::Shares(cell.sums),
        Unit::Subject => Reading::Means(cell.sums),
        Unit::Impression if cell.metric.scale == Scale::Share => {
            Reading::Rows(Proportion { successes: cell.sums.y.round() as u64, trials: cell.units })
        }
        Unit::Impression => Reading::Amounts(ClusterSums::of_rows(cell.units, cell.sums.y, cell.sums.yy)),
    }
}

pub(super) fn rate_of(cell: &Cell, measure: &Measure) -> Option<Interval> {
    match reading(cell, measure) {
        Reading::Rows(rows) => rows.wilson(measure.level),
        Reading::Amounts(sums) | Reading::Means(sums) => sums.mean()?.interval(measure.level),
        Reading::Shares(sums) => share::interval(&sums, measure.level),
    }
}

/// A segment beside another one.
pub(super) struct Pair {
    pub ratio: Option<Interval>,
    pub difference: Option<Interval>,
    pub p_value: Option<f64>,
    /// That the ratio lies at or beyond the bound or its inverse.
    pub p_equivalence: Option<f64>,
}

impl Pair {
    pub fn of(a: &Cell, b: &Cell, measure: &Measure) -> Self {
        Self::wanted(a, b, measure, |_| true)
    }

    /// As [`Pair::of`], without what nobody asks for: the ratio, and of the others those that `wanted` names.
    pub fn wanted(a: &Cell, b: &Cell, measure: &Measure, wanted: impl Fn(&str) -> bool) -> Self {
        let (level, bound) = (measure.level, measure.decide_at);
        let (low, high) = (bound.min(bound.recip()), bound.max(bound.recip()));
        let (difference, p_value, equivalence) = (wanted("difference"), wanted("p_value"), wanted("p_equivalence"));
        let alike = |a: &ClusterSums, b: &ClusterSums| {
            if equivalence { ratio_mean::equivalence_p(&a.mean()?, &b.mean()?, low, high) } else { None }
        };
        match (reading(a, measure), reading(b, measure)) {
            (Reading::Rows(a), Reading::Rows(b)) => Self {
                ratio: proportion::katz(a, b, level),
                difference: proportion::newcombe(a, b, level).filter(|_| difference),
                p_value: proportion::z_test(a, b),
                p_equivalence: proportion::katz_equivalence_p(a, b, low, high).filter(|_| equivalence),
            },
            (Reading::Shares(a), Reading::Shares(b)) => Self {
                ratio: share::ratio(&a, &b, level),
                difference: if difference { share::difference(&a, &b, level) } else { None },
                p_value: if p_value { cautious(share::p_value(&a, &b), &a, &b) } else { None },
                p_equivalence: alike(&a, &b),
            },
            (Reading::Means(a) | Reading::Amounts(a), Reading::Means(b) | Reading::Amounts(b)) => {
                let means = a.mean().zip(b.mean());
                Self {
                    ratio: means.and_then(|(a, b)| ratio_mean::ratio(&a, &b, level)),
                    difference: means.filter(|_| difference).and_then(|(a, b)| ratio_mean::difference(&a, &b, level)),
                    p_value: cautious(means.filter(|_| p_value).and_then(|(a, b)| ratio_mean::p_value(&a, &b)), &a, &b),
                    p_equivalence: alike(&a, &b),
                }
            }
            // One metric is read in one way.
            _ => Self { ratio: None, difference: None, p_value: None, p_equivalence: None },
        }
    }
}

/// Units of `a` that would decide, set where the bound lies within the interval of the ratio.
pub(super) fn to_decide(a: &Cell, b: &Cell, ratio: &Interval, measure: &Measure) -> Option<ToDecide> {
    let (level, bound) = (measure.level, measure.decide_at);
    if ratio.low >= bound || bound > ratio.high {
        return None;
    }
    let units = match (reading(a, measure), reading(b, measure)) {
        (Reading::Rows(a), Reading::Rows(b)) => proportion::katz_units(a, b, bound, level)?,
        (Reading::Shares(a) | Reading::Means(a) | Reading::Amounts(a), other) => {
            let (Reading::Shares(b) | Reading::Means(b) | Reading::Amounts(b)) = other else { return None };
            ratio_mean::units_to_decide(&a.mean()?, &b.mean()?, bound, level)?
        }
        _ => return None,
    };
    Some(ToDecide { bound, units })
}

/// The larger of a p-value and of the one that a common spread gives: a small segment in which little happened does not
/// pass for certain.
fn cautious(p: Option<f64>, a: &ClusterSums, b: &ClusterSums) -> Option<f64> {
    let alike = ratio_mean::p_value_of_one_spread(a, b);
    p.map(|p| alike.map_or(p, |alike| p.max(alike)))
}
