//! That a ratio is near 1, which a test of difference never shows: not to reject is not to be alike.

use super::quantile::t_p;

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::quantile::t_quantile;

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

    proptest! {
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
