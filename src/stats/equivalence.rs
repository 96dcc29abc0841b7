//! That a ratio is near 1, which a test of difference never shows: not to reject is not to be alike.

use super::Interval;
use super::quantile::t_p;

const SMALLEST_P: f64 = 1e-12;

/// The p-value of the hypothesis that a ratio lies at or beyond `low` or `high`, by two one-sided t-tests on the log
/// scale (Schuirmann 1987): below α, the ratio is between the two, and the interval of level 1 − 2α lies within them.
///
/// `estimate` is the ratio, above 0; `se` the standard error of its logarithm on `df` degrees of freedom; 0 < `low` <
/// `high`. None when any of these is not so.
pub fn ratio_p(estimate: f64, se: f64, df: f64, low: f64, high: f64) -> Option<f64> {
    let defined = estimate > 0.0 && se > 0.0 && low > 0.0 && low < high && se.is_finite() && high.is_finite();
    if !defined {
        return None;
    }
    // The probability of a t at least as large, from the two-sided one.
    let above = |t: f64| t_p(t, df).map(|p| if t > 0.0 { p / 2.0 } else { 1.0 - p / 2.0 });
    let (over_low, under_high) = (above((estimate / low).ln() / se)?, above((high / estimate).ln() / se)?);
    Some(over_low.max(under_high))
}

/// The same of any number, told by its intervals alone: a one-sided test of a bound is at α where the interval of level
/// 1 − 2α ends on it. `low` < `high` in the unit of the number; not below 1e-12.
///
/// None where `interval` has none at some level, or the bounds are none.
pub fn p_by_intervals(low: f64, high: f64, interval: impl Fn(f64) -> Option<Interval>) -> Option<f64> {
    if low.is_nan() || high.is_nan() || low >= high {
        return None;
    }
    let estimate = interval(0.5)?.estimate;
    // Whether the interval that leaves out `tail` on either side keeps off the bound.
    let off = |tail: f64, bound: f64| {
        interval(1.0 - 2.0 * tail).map(|of| if estimate > bound { of.low > bound } else { of.high < bound })
    };
    let beyond = |bound: f64, inside: bool| -> Option<f64> {
        // Halved on the log scale: the interval grows as its tails shrink.
        let (mut small, mut large) = (SMALLEST_P, 0.5 - 1e-12);
        if estimate == bound || !off(large, bound)? {
            return Some(0.5);
        }
        for _ in 0..60 {
            let middle = (small * large).sqrt();
            if off(middle, bound)? {
                large = middle;
            } else {
                small = middle;
            }
        }
        Some(if inside { large } else { 1.0 - large })
    };
    Some(beyond(low, estimate > low)?.max(beyond(high, estimate < high)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::quantile::t_quantile;
    use crate::stats::{ClusterSums, ratio_mean};

    /// statsmodels 0.15.0 `DescrStatsW(log(x)).ttost_mean(log(low), log(high))` of x = 0.9, 1.1, 1.05, 0.97, 1.2, 0.88, 1.01,
    /// 1.13, whose logarithms have this mean and standard error on 7 degrees of freedom.
    #[test]
    fn agrees_with_statsmodels() {
        let (estimate, se) = (0.024367096211588633_f64.exp(), 0.03858241383902782);
        for (low, high, expected) in [(0.8, 1.25, 0.0006605444995786326), (0.95, 1.05, 0.27342091994834444)] {
            let p = ratio_p(estimate, se, 7.0, low, high).unwrap();
            assert!((p - expected).abs() < 1e-9, "{p} is not {expected}");
        }
    }

    #[test]
    fn what_is_undefined_is_none() {
        for (estimate, se, df, low, high) in [
            (0.0, 0.1, 9.0, 0.8, 1.25),
            (1.0, 0.0, 9.0, 0.8, 1.25),
            (1.0, 0.1, 0.0, 0.8, 1.25),
            (1.0, 0.1, 9.0, 1.25, 0.8),
            (1.0, 0.1, 9.0, 0.0, 1.25),
            (f64::NAN, 0.1, 9.0, 0.8, 1.25),
            (1.0, f64::INFINITY, 9.0, 0.8, 1.25),
        ] {
            assert_eq!(ratio_p(estimate, se, df, low, high), None);
        }
    }

    /// statsmodels 0.15.0 `ttost_ind(a, b, low, high, usevar="unequal")` of a = 1, -1, 0, 1, 1, 0, -1, 1, 1, 0, 1, 1 and
    /// b = 0, 1, 1, -1, 0, 1, 1, 1, -1, 0.
    #[test]
    fn by_intervals_it_is_the_two_one_sided_tests() {
        let sums = |clusters, y, yy| ClusterSums::of_rows(clusters, y, yy).mean().unwrap();
        let (a, b) = (sums(12, 5.0, 9.0), sums(10, 3.0, 7.0));
        for (bound, expected) in [(0.6, 0.08966778103073046), (0.2, 0.40630280921369266), (0.05, 0.5752295904393231)] {
            let p = p_by_intervals(-bound, bound, |level| ratio_mean::difference(&a, &b, level)).unwrap();
            assert!((p - expected).abs() < 1e-9, "{p} is not {expected}");
        }
        assert_eq!(p_by_intervals(0.2, 0.2, |level| ratio_mean::difference(&a, &b, level)), None);
        assert_eq!(p_by_intervals(-0.2, 0.2, |_| None), None);
    }

    proptest! {
        /// Where there is a closed form, the intervals give the same.
        #[test]
        fn intervals_and_closed_form_agree(log in -0.5f64..0.5, se in 0.05f64..0.3, df in 2.0f64..300.0) {
            let interval = |level: f64| {
                let half = t_quantile(level, df)? * se;
                Interval::of(log.exp(), (log - half).exp(), (log + half).exp(), level, "any")
            };
            let (told, p) = (ratio_p(log.exp(), se, df, 0.8, 1.25).unwrap(), p_by_intervals(0.8, 1.25, interval).unwrap());
            prop_assert!((told - p).abs() < 1e-8, "{told} is not {p}");
        }

        /// At α, exactly when the interval of level 1 − 2α lies between the bounds.
        #[test]
        fn is_the_interval_within_the_bounds(log in -0.5f64..0.5, se in 0.01f64..0.3, df in 2.0f64..300.0) {
            let p = ratio_p(log.exp(), se, df, 0.8, 1.25).unwrap();
            let half = t_quantile(0.9, df).unwrap() * se;
            let within = log - half > 0.8_f64.ln() && log + half < 1.25_f64.ln();
            prop_assert!(within == (p < 0.05) || (p - 0.05).abs() < 1e-9);
        }
    }
}
