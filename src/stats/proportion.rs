//! Shares of independent rows: intervals for one, for a difference and for a ratio.
//!
//! Every function here takes the rows as independent. Where rows come in clusters these intervals are too narrow; see
//! [`super::ratio_mean`]. A plain mean of independent rows is [`super::ClusterSums::of_rows`].

use super::quantile::{BETA_SHAPE, beta_quantile, normal_p, normal_quantile, upper_tail};
use super::units::units_within;
use super::{Interval, equivalence};

/// So many successes in so many trials, e.g. 7 of 17.
///
/// With no trials, or more successes than trials, every result is None; so it is for a level not between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proportion {
    pub successes: u64,
    pub trials: u64,
}

impl Proportion {
    /// Successes over trials.
    pub fn estimate(&self) -> Option<f64> {
        (self.trials > 0 && self.successes <= self.trials).then(|| self.successes as f64 / self.trials as f64)
    }

    /// The score interval of Wilson (1927): the values that a z-test against them would not reject. Method `wilson`.
    pub fn wilson(&self, level: f64) -> Option<Interval> {
        let (p, n, z) = (self.estimate()?, self.trials as f64, normal_quantile(level)?);
        let shrink = 1.0 + z * z / n;
        let centre = (p + z * z / (2.0 * n)) / shrink;
        let half = z / shrink * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        // At the ends the limit is the end itself; rounding must not move it.
        let low = if self.successes == 0 { 0.0 } else { (centre - half).clamp(0.0, p) };
        let high = if self.successes == self.trials { 1.0 } else { (centre + half).clamp(p, 1.0) };
        Interval::of(p, low, high, level, "wilson")
    }

    /// The exact interval of Clopper & Pearson (1934), never covering less often than `level` says: beta quantiles
    /// with shapes (x, n − x + 1) and (x + 1, n − x). Method `clopper_pearson`.
    ///
    /// Meant for few trials. Above 10,000 the quantiles are out of reach and, unless nothing or everything was a
    /// success, the result is None: use [`Self::wilson`].
    pub fn clopper_pearson(&self, level: f64) -> Option<Interval> {
        let (p, x, n, tail) = (self.estimate()?, self.successes as f64, self.trials as f64, upper_tail(level)?);
        let (low, high) = if self.successes == 0 {
            // The closed forms at the ends hold for any number of trials; ln_1p and exp_m1 keep their digits.
            (0.0, -(tail.ln() / n).exp_m1())
        } else if self.successes == self.trials {
            ((tail.ln() / n).exp(), 1.0)
        } else if n < BETA_SHAPE {
            (beta_quantile(tail, x, n - x + 1.0)?, 1.0 - beta_quantile(tail, n - x, x + 1.0)?)
        } else {
            return None;
        };
        Interval::of(p, low, high, level, "clopper_pearson")
    }

    /// Wilson's limits, read as in [`newcombe`].
    fn limits(&self, level: f64) -> Option<(f64, f64, f64)> {
        self.wilson(level).map(|interval| (interval.estimate, interval.low, interval.high))
    }
}

/// The difference a − b by the hybrid score interval of Newcombe (1998, Statistics in Medicine 17:873-890, method 10):
/// from each share to its own Wilson limit, the distances squared and added. Method `newcombe`.
pub fn newcombe(a: Proportion, b: Proportion, level: f64) -> Option<Interval> {
    let ((p1, l1, u1), (p2, l2, u2)) = (a.limits(level)?, b.limits(level)?);
    let d = p1 - p2;
    let (low, high) = (d - (p1 - l1).hypot(u2 - p2), d + (u1 - p1).hypot(p2 - l2));
    Interval::of(d, low.max(-1.0), high.min(1.0), level, "newcombe")
}

/// The ratio of two shares, a / b. From whole products, so that a ratio of exactly 4/5 is the number 0.8 and one below
/// it is less, as long as those stay below 2^53. None without trials or when b has no successes.
pub fn ratio(a: Proportion, b: Proportion) -> Option<f64> {
    a.estimate()?;
    b.estimate()?;
    let (upper, lower) = (a.successes as f64 * b.trials as f64, b.successes as f64 * a.trials as f64);
    (lower > 0.0).then(|| upper / lower)
}

/// The ratio a / b by the log interval of Katz et al. (1978): variance of the log 1/x₁ − 1/n₁ + 1/x₂ − 1/n₂.
/// Method `katz`.
///
/// When any of the four cells (successes and failures of a and b) is empty, ½ is added to all four for the limits. The
/// estimate stays the plain ratio and the limits are widened to include it: when a has no successes it is 0, and so is
/// the lower limit. None when b has no successes: a ratio to nothing is undefined, neither 1 nor 0.
pub fn katz(a: Proportion, b: Proportion, level: f64) -> Option<Interval> {
    let (ratio, z) = (ratio(a, b)?, normal_quantile(level)?);
    let (log, variance) = katz_log(a, b);
    let half = z * variance.sqrt();
    let (low, high) = ((log - half).exp().min(ratio), (log + half).exp().max(ratio));
    Interval::of(ratio, low, high, level, "katz")
}

/// Log of the ratio and its variance, with ½ in every cell when one is empty.
fn katz_log(a: Proportion, b: Proportion) -> (f64, f64) {
    let some_empty = [a, b].iter().any(|share| share.successes == 0 || share.successes == share.trials);
    let add = if some_empty { 0.5 } else { 0.0 };
    let part = |share: Proportion| {
        let (x, n) = (share.successes as f64 + add, share.trials as f64 + 2.0 * add);
        ((x / n).ln(), (1.0 / x - 1.0 / n).max(0.0))
    };
    let ((log_a, variance_a), (log_b, variance_b)) = (part(a), part(b));
    (log_a - log_b, variance_a + variance_b)
}

/// The p-value that the ratio a / b lies at or beyond `low` or `high`: see [`equivalence::ratio_p`], with the variance of
/// [`katz`]. None where that is None or either share is 0.
pub fn katz_equivalence_p(a: Proportion, b: Proportion, low: f64, high: f64) -> Option<f64> {
    let (log, variance) = katz_log(a, b);
    let ratio = ratio(a, b).filter(|_| a.successes > 0 && b.successes > 0)?;
    // On the scale of the interval, which is not centred on the ratio where a cell is empty.
    let shift = log - ratio.ln();
    equivalence::ratio_p(ratio * shift.exp(), variance.sqrt(), f64::INFINITY, low, high)
}

/// How many rows a would need, b growing in proportion and both shares staying as they are, for the interval of
/// [`katz`] to exclude `bound` (a ratio, above 0). Rounded up, at most [`super::MOST_UNITS`].
///
/// At or below a's rows when the interval excludes it already. None when either has no successes, or when the ratio is
/// the bound.
pub fn katz_units(a: Proportion, b: Proportion, bound: f64, level: f64) -> Option<u64> {
    a.estimate()?;
    b.estimate()?;
    if a.successes == 0 || b.successes == 0 {
        return None;
    }
    let z = normal_quantile(level)?;
    let (log, variance) = katz_log(a, b);
    units_within(log, bound, 1, |rows| Some(z * (variance * a.trials as f64 / rows).sqrt()))
}

/// Two-sided p-value that both shares are one, by the z-test with the pooled share's variance.
///
/// None when neither or both are wholly successes or wholly failures: then there is no variation to test against.
pub fn z_test(a: Proportion, b: Proportion) -> Option<f64> {
    normal_p(z_score(a, b)?)
}

/// The difference a - b in standard deviations, by the pooled share's variance: below -2 is what courts call more than
/// two standard deviations (Castaneda v. Partida, 1977). None as in [`z_test`].
pub fn z_score(a: Proportion, b: Proportion) -> Option<f64> {
    let (p1, p2) = (a.estimate()?, b.estimate()?);
    let (n1, n2) = (a.trials as f64, b.trials as f64);
    let pooled = (a.successes as f64 + b.successes as f64) / (n1 + n2);
    let variance = pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n2);
    (variance > 0.0).then(|| (p1 - p2) / variance.sqrt())
}

/// The most tables that [`fisher`] goes through.
const MOST_TABLES: u64 = 1_000_000;

/// Two-sided p-value that both shares are one, by the exact test of Fisher (1934): among all tables with these margins
/// the probability of those that are no more likely than this one.
///
/// None without trials, and for more than a million tables: use [`z_test`].
pub fn fisher(a: Proportion, b: Proportion) -> Option<f64> {
    a.estimate()?;
    b.estimate()?;
    let successes = a.successes.checked_add(b.successes)?;
    let trials = a.trials.checked_add(b.trials)?;
    let (least, most) = (successes.saturating_sub(b.trials), successes.min(a.trials));
    if most - least >= MOST_TABLES {
        return None;
    }
    // Weights are relative to the likeliest table, so that they neither overflow nor need factorials.
    let (n1, k, n) = (a.trials as f64, successes as f64, trials as f64);
    let up = |x: f64| (k - x) * (n1 - x) / ((x + 1.0) * (n - k - n1 + x + 1.0));
    let mode = (((n1 + 1.0) * (k + 1.0) / (n + 2.0)) as u64).clamp(least, most);
    let mut weights = vec![1.0; (most - least + 1) as usize];
    for x in mode..most {
        let index = (x - least) as usize;
        weights[index + 1] = weights[index] * up(x as f64);
    }
    for x in (least..mode).rev() {
        let index = (x - least) as usize;
        weights[index] = weights[index + 1] / up(x as f64);
    }
    // What is equally likely differs by rounding alone.
    let own = weights[(a.successes - least) as usize] * (1.0 + 1e-7);
    let as_extreme: f64 = weights.iter().filter(|weight| **weight <= own).sum();
    Some((as_extreme / weights.iter().sum::<f64>()).min(1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// At the limits of the 95 % interval one of the one-sided tests has a p of 2.5 %.
    #[test]
    fn equivalence_goes_with_the_interval() {
        let (a, b) = (of(170, 390), of(412, 797));
        let interval = katz(a, b, 0.95).unwrap();
        assert!((katz_equivalence_p(a, b, interval.low, 2.0).unwrap() - 0.025).abs() < 1e-9);
        assert!((katz_equivalence_p(a, b, 0.1, interval.high).unwrap() - 0.025).abs() < 1e-9);
        assert_eq!(katz_equivalence_p(of(0, 10), b, 0.8, 1.25), None);
    }

    const fn of(successes: u64, trials: u64) -> Proportion {
        Proportion { successes, trials }
    }

    const FISHER: [(Proportion, Proportion, f64); 8] = [
        (of(48, 80), of(12, 40), 0.0034092217678491827),
        (of(3, 4), of(1, 4), 0.48571428571428565),
        (of(170, 390), of(412, 797), 0.009430110452292514),
        (of(7, 17), of(215, 412), 0.4605377012013121),
        (of(0, 5), of(0, 6), 1.0),
        (of(0, 10), of(10, 10), 1.082508822446903e-05),
        (of(5000, 20000), of(5200, 20000), 0.02243731474271839),
        (of(1, 300_000), of(19, 300_000), 4.004405438322674e-05),
    ];

    fn limits(interval: Option<Interval>, low: f64, high: f64, tolerance: f64) {
        let got = interval.expect("defined");
        let close = (got.low - low).abs() <= tolerance && (got.high - high).abs() <= tolerance;
        assert!(close, "{got:?} is not {low} to {high}");
    }

    /// statsmodels 0.15.0 `proportion_confint(x, n, method="wilson")` and `method="beta"`.
    #[test]
    fn one_share_agrees_with_statsmodels() {
        for (x, n, wilson, exact) in [
            (7, 17, (0.2161105679021481, 0.6399455735700021), (0.18443696178394667, 0.6707528460532426)),
            (0, 10, (0.0, 0.27753279986288926), (0.0, 0.30849710781876083)),
            (10, 10, (0.7224672001371106, 1.0), (0.6915028921812392, 1.0)),
            (170, 390, (0.3875454798853122, 0.4854998816931302), (0.38605221803775536, 0.4867228472585771)),
        ] {
            limits(of(x, n).wilson(0.95), wilson.0, wilson.1, 1e-10);
            limits(of(x, n).clopper_pearson(0.95), exact.0, exact.1, 1e-10);
        }
    }

    /// Newcombe (1998), table II, method 10, to its four decimals; statsmodels 0.15.0
    /// `confint_proportions_2indep(x1, n1, x2, n2, compare="diff", method="newcomb")` gives the same.
    #[test]
    fn differences_agree_with_newcombe() {
        for (a, b, low, high) in [
            (of(56, 70), of(48, 80), 0.0524, 0.3339),
            (of(9, 10), of(3, 10), 0.1705, 0.8090),
            (of(6, 7), of(2, 7), 0.0582, 0.8062),
            (of(5, 56), of(0, 29), -0.0381, 0.1926),
            (of(0, 10), of(0, 20), -0.1611, 0.2775),
            (of(0, 10), of(0, 10), -0.2775, 0.2775),
            (of(10, 10), of(0, 20), 0.6791, 1.0),
            (of(10, 10), of(0, 10), 0.6075, 1.0),
        ] {
            limits(newcombe(a, b, 0.95), low, high, 5.1e-5);
        }
    }

    /// statsmodels 0.15.0 `confint_proportions_2indep(x1, n1, x2, n2, compare="ratio", method="log", alpha=1 - level)`.
    #[test]
    fn ratios_agree_with_statsmodels() {
        for (a, b, level, low, high) in [
            (of(48, 80), of(12, 40), 0.95, 1.2057317641823875, 3.317487453531938),
            (of(48, 80), of(12, 40), 0.9, 1.3079327015336764, 3.0582613274441544),
            (of(170, 390), of(412, 797), 0.95, 0.7394416853765963, 0.9615832939828549),
            (of(7, 17), of(9, 20), 0.95, 0.4336576360836794, 1.9307507474121124),
        ] {
            limits(katz(a, b, level), low, high, 1e-10);
        }
    }

    /// The same call with the ½ put in by hand, (0.5, 101, 10.5, 101) and (20.5, 21, 10.5, 21).
    #[test]
    fn empty_cells_get_a_half() {
        let none = katz(of(0, 100), of(10, 100), 0.95);
        limits(none.clone(), 0.0, 0.8017767943424607, 1e-10);
        assert_eq!(none.unwrap().estimate, 0.0);
        limits(katz(of(20, 20), of(10, 20), 0.95), 1.2663845141340624, 3.0099794656968064, 1e-10);
    }

    /// statsmodels 0.15.0 `proportions_ztest([x1, x2], [n1, n2])`.
    #[test]
    fn the_test_agrees_with_statsmodels() {
        for (a, b, p) in [
            (of(48, 80), of(12, 40), 0.0019457736937391545),
            (of(170, 390), of(412, 797), 0.008707495352200032),
            (of(7, 17), of(9, 20), 0.8150187488619097),
        ] {
            assert!((z_test(a, b).unwrap() - p).abs() < 1e-12);
        }
    }

    /// scipy 1.17.1 `stats.fisher_exact([[x1, n1 - x1], [x2, n2 - x2]]).pvalue`; the first is also glassbox-hiring 0.1.3
    /// `tests/test_external_validation.py`, and the second is Fisher's tea (1935) turned into two sides.
    #[test]
    fn the_exact_test_agrees_with_scipy() {
        for (a, b, p) in FISHER {
            let found = fisher(a, b).unwrap();
            assert!((found - p).abs() <= 1e-9 * p.max(1e-12), "{a:?} {b:?}: {found} is not {p}");
        }
    }

    /// holisticai 1.0.14 `z_test_diff` of the example of 6 RCNY 5-301(b), Black beside White: -2.6233297421.
    #[test]
    fn standard_deviations_agree_with_holisticai() {
        let (black, white) = (of(170, 390), of(412, 797));
        assert!((z_score(black, white).unwrap() + 2.6233297421).abs() < 1e-9);
        assert!((ratio(black, white).unwrap() - 0.843228777694797).abs() < 1e-14);
    }

    #[test]
    fn what_is_undefined_is_none() {
        assert_eq!(of(0, 0).wilson(0.95), None);
        assert_eq!(of(2, 1).clopper_pearson(0.95), None);
        assert_eq!(of(1, 2).wilson(1.0), None);
        assert_eq!(katz(of(1, 2), of(0, 2), 0.95), None);
        assert_eq!(z_test(of(0, 5), of(0, 6)), None);
        assert_eq!(katz_units(of(0, 5), of(1, 6), 0.8, 0.95), None);
        assert_eq!(katz_units(of(1, 5), of(2, 5), 0.5, 0.95), None);
    }

    /// By hand: log(2/1.5) = 0.28768, variance of the log 1/48 - 1/80 + 1/12 - 1/40 = 1/15, so that
    /// 80 · 1.95996² / 15 / 0.28768² = 247.55 rows.
    #[test]
    fn rows_to_decide() {
        let (a, b) = (of(48, 80), of(12, 40));
        assert_eq!(katz_units(a, b, 1.5, 0.95), Some(248));
        assert!(katz_units(a, b, 1.2, 0.95) <= Some(80), "already decided");
        assert!(katz_units(a, b, 1.21, 0.95) > Some(80));
    }

    proptest! {
        #[test]
        fn intervals_hold_their_estimate(n1 in 1u64..400, n2 in 1u64..400, f1 in 0.0f64..=1.0, f2 in 0.0f64..=1.0) {
            let a = of((n1 as f64 * f1).round() as u64, n1);
            let b = of((n2 as f64 * f2).round() as u64, n2);
            for level in [0.8, 0.95, 0.999] {
                let (wilson, exact) = (a.wilson(level).unwrap(), a.clopper_pearson(level).unwrap());
                prop_assert!(0.0 <= exact.low && exact.high <= 1.0);
                let others = [newcombe(a, b, level), katz(a, b, level)];
                for got in [wilson, exact].into_iter().chain(others.into_iter().flatten()) {
                    prop_assert!(got.low <= got.estimate && got.estimate <= got.high, "{got:?}");
                }
            }
        }

        #[test]
        fn any_input_is_answered(v in prop::array::uniform4(any::<u64>()), level in any::<f64>(), bound in any::<f64>()) {
            let (a, b) = (of(v[0], v[1]), of(v[2], v[3]));
            let (c, d) = (of(v[0].min(v[1]), v[0].max(v[1])), of(v[2].min(v[3]), v[2].max(v[3])));
            for (a, b) in [(a, b), (c, d)] {
                let _ = fisher(a, b);
                for level in [level, 0.95] {
                    let _ = (a.wilson(level), a.clopper_pearson(level), newcombe(a, b, level), katz(a, b, level));
                    let _ = (katz_units(a, b, bound, level), katz_units(a, b, 0.8, level), z_test(a, b));
                    let _ = (ratio(a, b), z_score(a, b));
                }
            }
        }
    }
}
