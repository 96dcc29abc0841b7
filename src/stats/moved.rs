//! Whether a number moved between two independent measurements of it.

use super::Interval;
use super::quantile::{normal_p, normal_quantile};

/// How far a number moved, and how sure that is.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    /// The later value minus the earlier one. Method `mover`.
    pub difference: Interval,
    /// Two-sided, that it did not move.
    pub p_value: f64,
}

/// Sets two estimates of one number beside each other, by their intervals alone (MOVER; Zou & Donner 2008).
///
/// The lower limit of the difference is b − a − √((b − l_b)² + (u_a − a)²), the upper one b − a + √((u_b − b)² + (a − l_a)²):
/// skewed intervals, such as those of ratios and of shares near 0, keep their skew. p treats the side of the interval that
/// faces 0 as so many standard errors as the level says. Both must be independent and of one level: evidence that overlaps
/// makes the result cautious where the two go together.
///
/// None when the levels differ, a level is no level, or the two agree to the last digit and have no width.
pub fn moved(before: &Interval, now: &Interval) -> Option<Moved> {
    let z = normal_quantile(now.level).filter(|_| (before.level - now.level).abs() < 1e-12)?;
    let change = now.estimate - before.estimate;
    let side = |a: f64, b: f64| a.hypot(b);
    let below = side(now.estimate - now.low, before.high - before.estimate);
    let above = side(now.high - now.estimate, before.estimate - before.low);
    let difference = Interval::of(change, change - below, change + above, now.level, "mover")?;
    let facing = if change > 0.0 { below } else { above };
    let p_value = match (change == 0.0, facing > 0.0) {
        (true, _) => 1.0,
        (false, true) => normal_p(change / facing * z)?,
        // Two numbers without any uncertainty that differ, do.
        (false, false) => 0.0,
    };
    Some(Moved { difference, p_value })
}

/// How many times the earlier value the later one is: [`moved`] on the log scale, its `difference` turned back into a ratio.
///
/// None also where a value or a limit is not above 0.
pub fn times(before: &Interval, now: &Interval) -> Option<Moved> {
    let positive = [before, now].iter().all(|of| of.low > 0.0 && of.estimate > 0.0);
    let each = |of: &Interval, by: fn(f64) -> f64| Interval {
        estimate: by(of.estimate),
        low: by(of.low),
        high: by(of.high),
        ..of.clone()
    };
    let logs = moved(&each(before, f64::ln), &each(now, f64::ln)).filter(|_| positive)?;
    Some(Moved { difference: each(&logs.difference, f64::exp), ..logs })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::{Proportion, proportion};

    fn interval(estimate: f64, low: f64, high: f64) -> Interval {
        Interval { estimate, low, high, level: 0.95, method: "any".into() }
    }

    /// Two Wilson intervals give Newcombe's (1998, method 10) interval of a difference, of which MOVER is the general
    /// form. His first example, 56/70 against 48/80: 0.2, from 0.0524 to 0.3339.
    #[test]
    fn of_two_shares_it_is_newcombes() {
        let (a, b) = (Proportion { successes: 56, trials: 70 }, Proportion { successes: 48, trials: 80 });
        let by = moved(&b.wilson(0.95).unwrap(), &a.wilson(0.95).unwrap()).unwrap();
        for (found, told) in [(by.difference.low, 0.0524), (by.difference.high, 0.3339), (by.difference.estimate, 0.2)]
        {
            assert!((found - told).abs() < 5e-5, "{found} is not {told}");
        }
        let newcombe = proportion::newcombe(a, b, 0.95).unwrap();
        assert!((newcombe.low - by.difference.low).abs() < 1e-12 && (newcombe.high - by.difference.high).abs() < 1e-12);
        assert!(by.p_value < 0.05);
    }

    /// Of symmetric intervals it is the z-test: 10 ± 1.96·3 and 22 ± 1.96·4 are 12 apart with a standard error of 5, so
    /// z = 2.4 and p = 0.016395 (tables of the normal distribution).
    #[test]
    fn of_symmetric_intervals_it_is_the_z_test() {
        let z = 1.959963984540054;
        let by =
            moved(&interval(10.0, 10.0 - 3.0 * z, 10.0 + 3.0 * z), &interval(22.0, 22.0 - 4.0 * z, 22.0 + 4.0 * z));
        assert!((by.unwrap().p_value - 0.016395).abs() < 5e-7);
    }

    /// Symmetric on the log scale: 2 and 5 times with factors of 1.3 and 1.4 give 2.5 times with one of
    /// exp(√(ln² 1.3 + ln² 1.4)) = 1.533404 (by hand).
    #[test]
    fn a_ratio_is_made_on_the_log_scale() {
        let by = times(&interval(2.0, 2.0 / 1.3, 2.0 * 1.3), &interval(5.0, 5.0 / 1.4, 5.0 * 1.4)).unwrap();
        let factor = 1.3_f64.ln().hypot(1.4_f64.ln()).exp();
        assert!((by.difference.estimate - 2.5).abs() < 1e-12 && (by.difference.high - 2.5 * factor).abs() < 1e-12);
        assert!((by.difference.low - 2.5 / factor).abs() < 1e-12);
        assert_eq!(times(&interval(2.0, 0.0, 4.0), &interval(5.0, 4.0, 6.0)), None);
    }

    #[test]
    fn what_cannot_be_compared_is_none() {
        let other = Interval { level: 0.9, ..interval(1.0, 0.5, 2.0) };
        assert_eq!(moved(&other, &interval(1.0, 0.5, 2.0)), None);
        let same = moved(&interval(0.5, 0.5, 0.5), &interval(0.5, 0.5, 0.5)).unwrap();
        assert_eq!((same.p_value, same.difference.low), (1.0, 0.0));
        assert_eq!(moved(&interval(0.5, 0.5, 0.5), &interval(0.6, 0.6, 0.6)).unwrap().p_value, 0.0);
    }

    fn any() -> impl Strategy<Value = Interval> {
        (-5.0..5.0_f64, 0.001..3.0_f64, 0.001..3.0_f64).prop_map(|(x, below, above)| interval(x, x - below, x + above))
    }

    proptest! {
        /// The interval excludes 0 exactly when p is below 1 − level.
        #[test]
        fn interval_and_test_agree(a in any(), b in any()) {
            let by = moved(&a, &b).unwrap();
            let beyond = by.difference.low > 1e-9 || by.difference.high < -1e-9;
            let within = by.difference.low < -1e-9 && by.difference.high > 1e-9;
            prop_assert!(!beyond || by.p_value < 0.05);
            prop_assert!(!within || by.p_value > 0.05);
        }

        /// Intervals that lie apart have moved; the way back is as far and as sure.
        #[test]
        fn apart_is_moved_and_back_is_the_same(a in any(), b in any()) {
            let (there, back) = (moved(&a, &b).unwrap(), moved(&b, &a).unwrap());
            prop_assert!((there.p_value - back.p_value).abs() < 1e-12);
            prop_assert!((there.difference.low + back.difference.high).abs() < 1e-12);
            if a.high < b.low || b.high < a.low {
                prop_assert!(there.p_value < 0.05);
            }
        }
    }
}
