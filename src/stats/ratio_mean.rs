//! A mean per row whose rows come in clusters: a ratio of two sums over clusters, with cluster-robust uncertainty.
//!
//! Rows of one cluster may be correlated in any way; clusters are independent. Everything is computed from six sums, so
//! the data themselves are never held.

use super::quantile::{t_p, t_quantile};
use super::units::units_within;
use super::{Interval, equivalence};

/// Sums over the clusters of a group, where cluster i has n_i rows whose values add up to y_i.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ClusterSums {
    /// How many clusters, m.
    pub clusters: u64,
    /// Σ n_i, the rows.
    pub n: f64,
    /// Σ y_i, in the unit of the value.
    pub y: f64,
    /// Σ n_i².
    pub nn: f64,
    /// Σ y_i², in the unit squared.
    pub yy: f64,
    /// Σ n_i·y_i.
    pub ny: f64,
    /// What the clusters are; it names the method of the intervals.
    pub unit: Unit,
}

/// What is taken as independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    /// Clusters of rows: method `cluster_delta`.
    #[default]
    Cluster,
    /// Each row by itself: method `row_delta`.
    Row,
}

impl Unit {
    /// The name of the method in [`Interval::method`].
    pub fn method(self) -> &'static str {
        match self {
            Unit::Cluster => "cluster_delta",
            Unit::Row => "row_delta",
        }
    }

    /// Rows only when both sides are rows.
    fn with(self, other: Unit) -> Unit {
        if self == other { self } else { Unit::Cluster }
    }
}

/// A mean per row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RatioMean {
    /// R = Σy / Σn, in the unit of the value.
    pub estimate: f64,
    /// Variance of R, in the unit squared. 0 when all clusters agree exactly: then the sample shows no variation to
    /// judge by, and everything that needs it is None.
    pub variance: f64,
    /// Degrees of freedom, clusters − 1.
    pub df: f64,
    /// What is taken as independent.
    pub unit: Unit,
}

impl ClusterSums {
    /// Independent rows: each is its own cluster. `y` is Σ y and `yy` is Σ y² over `rows` rows; the variance then is
    /// the ordinary s²/n.
    pub fn of_rows(rows: u64, y: f64, yy: f64) -> Self {
        let n = rows as f64;
        Self { clusters: rows, n, y, nn: n, yy, ny: y, unit: Unit::Row }
    }

    /// The mean per row, R = Σy / Σn, with the linearised variance m/(m−1) · Σ(y_i − R·n_i)² / (Σn)² of a ratio
    /// (Cochran 1977, ch. 6) on m − 1 degrees of freedom.
    ///
    /// None with fewer than two clusters, without rows, or when a sum is not finite.
    pub fn mean(&self) -> Option<RatioMean> {
        let Self { clusters, n, y, nn, yy, ny, unit } = *self;
        if clusters < 2 || n.is_nan() || n <= 0.0 {
            return None;
        }
        let (m, estimate) = (clusters as f64, y / n);
        let (cross, square) = (2.0 * estimate * ny, estimate * estimate * nn);
        let residual = yy - cross + square;
        // Below this the three terms' own rounding is all that is left of their sum, of either sign.
        let rounding = 8.0 * f64::EPSILON * (yy.abs() + cross.abs() + square.abs());
        let residual = if residual <= rounding { 0.0 } else { residual };
        let variance = m / (m - 1.0) * residual / n / n;
        let finite = [n, y, nn, yy, ny, estimate, residual, variance].iter().all(|value| value.is_finite());
        finite.then_some(RatioMean { estimate, variance, df: m - 1.0, unit })
    }
}

impl RatioMean {
    /// R ± t·√variance. Method [`Unit::method`].
    ///
    /// None when the variance is 0: an interval without width would claim a certainty that the sample cannot give. For
    /// a share, [`super::share`] gives an honest one.
    pub fn interval(&self, level: f64) -> Option<Interval> {
        if self.variance <= 0.0 {
            return None;
        }
        let half = t_quantile(level, self.df)? * self.variance.sqrt();
        Interval::of(self.estimate, self.estimate - half, self.estimate + half, level, self.unit.method())
    }

    /// The variance of log R by the delta method. None unless R and its variance are above 0.
    fn log_variance(&self) -> Option<f64> {
        let relative = self.variance / self.estimate / self.estimate;
        (self.estimate > 0.0 && relative > 0.0 && relative.is_finite()).then_some(relative)
    }
}

/// The difference a − b of the means of two groups without a common cluster: variances add, with the degrees of
/// freedom of Welch (1947) and Satterthwaite (1946).
///
/// None when either variance is 0.
pub fn difference(a: &RatioMean, b: &RatioMean, level: f64) -> Option<Interval> {
    let (estimate, se, df) = standard_difference(a, b)?;
    let half = t_quantile(level, df)? * se;
    Interval::of(estimate, estimate - half, estimate + half, level, a.unit.with(b.unit).method())
}

/// Two-sided p-value that both means are one, by the t-test on [`difference`]. None where that is None.
pub fn p_value(a: &RatioMean, b: &RatioMean) -> Option<f64> {
    let (estimate, se, df) = standard_difference(a, b)?;
    t_p(estimate / se, df)
}

/// Two-sided p-value that both means are one when the clusters of both groups are alike: the t-test with one spread, taken
/// around the common mean over both groups, R₀ = (Σy_a + Σy_b) / (Σn_a + Σn_b).
///
/// Amounts are skewed: a small group in which little happened by chance has a small variance by the same chance, and
/// [`p_value`] then takes it for certain. The spread of both together does not shrink with it. None with fewer than
/// three clusters in all, without rows on either side, or when nothing varies.
pub fn p_value_of_one_spread(a: &ClusterSums, b: &ClusterSums) -> Option<f64> {
    let clusters = a.clusters + b.clusters;
    if clusters < 3 || a.n <= 0.0 || b.n <= 0.0 {
        return None;
    }
    let common = (a.y + b.y) / (a.n + b.n);
    let (yy, ny, nn) = (a.yy + b.yy, a.ny + b.ny, a.nn + b.nn);
    let residual = yy - 2.0 * common * ny + common * common * nn;
    let rounding = 8.0 * f64::EPSILON * (yy.abs() + 2.0 * (common * ny).abs() + common * common * nn);
    let df = clusters as f64 - 2.0;
    let spread = residual / df;
    let share = |of: &ClusterSums| of.clusters as f64 / of.n / of.n;
    let se = (spread * (share(a) + share(b))).sqrt();
    let moves = residual > rounding && se > 0.0 && se.is_finite();
    t_p((a.y / a.n - b.y / b.n) / se, df).filter(|_| moves)
}

/// Difference, standard error, degrees of freedom.
fn standard_difference(a: &RatioMean, b: &RatioMean) -> Option<(f64, f64, f64)> {
    if a.variance <= 0.0 || b.variance <= 0.0 {
        return None;
    }
    let se = (a.variance + b.variance).sqrt();
    (se > 0.0 && se.is_finite()).then(|| (a.estimate - b.estimate, se, welch(a.variance, a.df, b.variance, b.df)))
}

/// The ratio a / b of the means of two groups without a common cluster, made on the log scale: variance of the log
/// is variance/estimate² of each, added, with Welch-Satterthwaite degrees of freedom. A ratio, without unit.
///
/// None when either estimate is at or below 0 or either variance is 0. Above all, a group in which nothing happened has
/// no interval here: its log does not exist, and its variance of 0 says only that the sample saw no event. Dropping it
/// would hide the most unequal case there is, and taking 0 for its variance would invent certainty; for a share,
/// [`super::share::ratio`] gives 0 with an upper limit, and [`super::share::p_value`] the matching p. For an unbounded
/// value no upper limit exists without assumptions.
pub fn ratio(a: &RatioMean, b: &RatioMean, level: f64) -> Option<Interval> {
    let (variance_a, variance_b) = (a.log_variance()?, b.log_variance()?);
    let t = t_quantile(level, welch(variance_a, a.df, variance_b, b.df))?;
    let estimate = a.estimate / b.estimate;
    let factor = (t * (variance_a + variance_b).sqrt()).exp();
    Interval::of(estimate, estimate / factor, estimate * factor, level, a.unit.with(b.unit).method())
}

/// The p-value that the ratio a / b lies at or beyond `low` or `high`: see [`equivalence::ratio_p`]. None where [`ratio`]
/// is None.
pub fn equivalence_p(a: &RatioMean, b: &RatioMean, low: f64, high: f64) -> Option<f64> {
    let (variance_a, variance_b) = (a.log_variance()?, b.log_variance()?);
    let (se, df) = ((variance_a + variance_b).sqrt(), welch(variance_a, a.df, variance_b, b.df));
    equivalence::ratio_p(a.estimate / b.estimate, se, df, low, high)
}

/// How many clusters a would need, b growing in proportion and both keeping their means and mix of clusters, for the
/// interval of [`ratio`] to exclude `bound` (a ratio, above 0): the variances shrink as one over the number of clusters
/// (m − 1, to be exact) and the degrees of freedom grow with it. Rounded up, at most [`super::MOST_UNITS`].
///
/// At or below a's clusters when the interval excludes it already. None where [`ratio`] is None, or when the ratio is
/// the bound.
pub fn units_to_decide(a: &RatioMean, b: &RatioMean, bound: f64, level: f64) -> Option<u64> {
    let (variance_a, variance_b) = (a.log_variance()?, b.log_variance()?);
    let per_cluster = (b.df + 1.0) / (a.df + 1.0);
    units_within((a.estimate / b.estimate).ln(), bound, 2, |clusters| {
        // Below two clusters b would have no degree of freedom left: keep one.
        let (df_a, df_b) = (clusters - 1.0, (clusters * per_cluster - 1.0).max(1.0));
        let (variance_a, variance_b) = (variance_a * a.df / df_a, variance_b * b.df / df_b);
        Some(t_quantile(level, welch(variance_a, df_a, variance_b, df_b))? * (variance_a + variance_b).sqrt())
    })
}

/// Degrees of freedom of a sum of two independent estimated variances, at least one of which is above 0.
fn welch(variance_a: f64, df_a: f64, variance_b: f64, df_b: f64) -> f64 {
    // As shares of the sum, so that no square over- or underflows.
    let share = variance_a / (variance_a + variance_b);
    let (squared_a, squared_b) = (share * share / df_a, (1.0 - share) * (1.0 - share) / df_b);
    // Between the smaller of the two and their sum; rounding must not take it below.
    (1.0 / (squared_a + squared_b)).max(df_a.min(df_b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(got: f64, expected: f64) {
        assert!((got - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{got} is not {expected}");
    }

    fn sums(clusters: &[(f64, f64)]) -> ClusterSums {
        clusters.iter().fold(ClusterSums::default(), |sums, (n, y)| ClusterSums {
            clusters: sums.clusters + 1,
            n: sums.n + n,
            y: sums.y + y,
            nn: sums.nn + n * n,
            yy: sums.yy + y * y,
            ny: sums.ny + n * y,
            unit: Unit::Cluster,
        })
    }

    fn ragged() -> (ClusterSums, ClusterSums) {
        let a = sums(&[(4.0, 1.0), (2.0, 0.0), (7.0, 4.0), (1.0, 1.0), (5.0, 2.0), (3.0, 1.0)]);
        let b = sums(&[(3.0, 2.0), (6.0, 5.0), (2.0, 1.0), (4.0, 2.0), (5.0, 4.0)]);
        (a, b)
    }

    /// The rows written out as 0 and 1, statsmodels 0.15.0
    /// `OLS(rows, ones).fit(cov_type="cluster", cov_kwds={"groups": cluster}, use_t=True)`.
    #[test]
    fn one_mean_agrees_with_statsmodels() {
        let (a, b) = ragged();
        let (a, b) = (a.mean().unwrap(), b.mean().unwrap());
        near(a.estimate, 9.0 / 22.0);
        near(a.variance, 0.006864285226418958);
        near(b.variance, 0.005312499999999998);
        let interval = a.interval(0.95).unwrap();
        assert!((interval.low - 0.19611568).abs() < 1e-8 && (interval.high - 0.62206614).abs() < 1e-8);
        assert_eq!(interval.method, "cluster_delta");
    }

    /// statsmodels 0.15.0 `GLM(rows, ones, family=Poisson()).fit(cov_type="cluster", ...)` of each group: its intercept
    /// is the log of the mean. Variances added, Welch's df and scipy 1.17.1 `t.ppf` then give the limits.
    #[test]
    fn a_ratio_agrees_with_log_linear_regression() {
        let (a, b) = ragged();
        let (a, b) = (a.mean().unwrap(), b.mean().unwrap());
        near(a.log_variance().unwrap(), 0.041016222834404606);
        near(b.log_variance().unwrap(), 0.010841836734693886);
        let ratio = ratio(&a, &b, 0.95).unwrap();
        near(ratio.estimate, (9.0 / 22.0) / 0.7);
        near(ratio.low, 0.34285083014385737);
        near(ratio.high, 0.9961812697507582);
        // At the limits of the 95 % interval one of the one-sided tests has a p of 2.5 %.
        near(equivalence_p(&a, &b, ratio.low, 2.0).unwrap(), 0.025);
        near(equivalence_p(&a, &b, 0.01, ratio.high).unwrap(), 0.025);
    }

    /// With four rows in every cluster the mean is the mean of cluster means, so that Welch's test of the cluster means
    /// is an oracle: scipy 1.17.1 `ttest_ind(a, b, equal_var=False)` and its `confidence_interval(.95)`.
    #[test]
    fn a_difference_agrees_with_welch() {
        let group = |values: &[f64]| sums(&values.iter().map(|&y| (4.0, y)).collect::<Vec<_>>()).mean().unwrap();
        let a = group(&[1.0, 0.0, 4.0, 1.0, 2.0, 1.0, 3.0, 2.0]);
        let b = group(&[2.0, 5.0, 1.0, 2.0, 4.0, 5.0]);
        let difference = difference(&a, &b, 0.95).unwrap();
        near(difference.low, -0.827935176465786);
        near(difference.high, 0.1196018431324527);
        near(p_value(&a, &b).unwrap(), 0.12492439602834479);
        near(welch(a.variance, a.df, b.variance, b.df), 8.917081176268503);
    }

    /// With as many rows in every cluster it is Student's test of the cluster means but for the spread, which is taken
    /// around the common mean.
    #[test]
    fn one_spread_is_that_of_both_groups_together() {
        let (a, b) = ([1.0, 0.0, 4.0, 1.0, 2.0, 1.0, 3.0, 2.0], [2.0, 5.0, 1.0, 2.0, 4.0, 5.0]);
        let group = |values: &[f64]| sums(&values.iter().map(|&y| (4.0, y)).collect::<Vec<_>>());
        let all: Vec<f64> = a.iter().chain(&b).copied().collect();
        let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
        let total: f64 = all.iter().map(|y| (y - mean(&all)).powi(2)).sum();
        let t = (mean(&a) - mean(&b)) / (total / 12.0 * (1.0 / 8.0 + 1.0 / 6.0)).sqrt();
        near(p_value_of_one_spread(&group(&a), &group(&b)).unwrap(), t_p(t, 12.0).unwrap());
        assert_eq!(p_value_of_one_spread(&group(&[1.0, 1.0]), &group(&[1.0, 1.0])), None);
    }

    /// statsmodels 0.15.0 `OLS([1, 0, 4, 1, 2, 1, 3, 2], ones).fit().conf_int()`.
    #[test]
    fn rows_by_themselves_have_an_ordinary_mean() {
        let interval = ClusterSums::of_rows(8, 14.0, 36.0).mean().unwrap().interval(0.95).unwrap();
        assert_eq!((interval.estimate, interval.method.as_str()), (1.75, "row_delta"));
        assert!((interval.low - 0.67843864).abs() < 1e-8 && (interval.high - 2.82156136).abs() < 1e-8);
    }

    #[test]
    fn what_is_undefined_is_none() {
        let (a, b) = ragged();
        let mean = b.mean().unwrap();
        assert_eq!(ClusterSums::default().mean(), None);
        assert_eq!(ClusterSums { clusters: 1, ..a }.mean(), None);
        assert_eq!(ClusterSums { yy: f64::INFINITY, ..a }.mean(), None);
        // Nothing happened: the estimate stands, all that needs a variance does not.
        let none = ClusterSums { y: 0.0, yy: 0.0, ny: 0.0, ..a }.mean().unwrap();
        assert_eq!((none.estimate, none.variance), (0.0, 0.0));
        assert_eq!(none.interval(0.95), None);
        assert_eq!((difference(&none, &mean, 0.95), ratio(&none, &mean, 0.95)), (None, None));
        assert_eq!((p_value(&none, &mean), units_to_decide(&none, &mean, 0.8, 0.95)), (None, None));
        // Rounding of 0.1 leaves a residual of about 1e-17, which is no variation.
        assert_eq!(sums(&[(1.0, 0.1), (2.0, 0.2), (3.0, 0.3), (7.0, 0.7)]).mean().unwrap().variance, 0.0);
    }

    /// The sums of `times` as many of the same clusters.
    fn grown(s: ClusterSums, times: f64) -> RatioMean {
        let clusters = (s.clusters as f64 * times).round() as u64;
        let [n, y, nn, yy, ny] = [s.n, s.y, s.nn, s.yy, s.ny].map(|sum| sum * times);
        ClusterSums { clusters, n, y, nn, yy, ny, unit: s.unit }.mean().unwrap()
    }

    #[test]
    fn so_many_clusters_do_decide_and_one_fewer_does_not() {
        let (a, b) = ragged();
        // As many clusters as a, so that both are whole numbers at any size.
        let b = ClusterSums {
            clusters: 6,
            n: b.n + 1.0,
            y: b.y + 1.0,
            nn: b.nn + 1.0,
            yy: b.yy + 1.0,
            ny: b.ny + 1.0,
            ..b
        };
        let excludes = |units: u64, bound: f64| {
            let times = units as f64 / 6.0;
            let interval = ratio(&grown(a, times), &grown(b, times), 0.95).unwrap();
            bound < interval.low || interval.high < bound
        };
        for bound in [0.8, 0.6, 0.55, 0.5, 1.2] {
            let units = units_to_decide(&a.mean().unwrap(), &b.mean().unwrap(), bound, 0.95).unwrap();
            assert!(excludes(units, bound) && !excludes(units - 1, bound), "{bound}: {units}");
        }
    }

    #[test]
    fn the_bound_itself_is_never_decided() {
        let (a, b) = ragged();
        let (a, b) = (a.mean().unwrap(), b.mean().unwrap());
        assert_eq!(units_to_decide(&a, &a, 1.0, 0.95), None);
        assert_eq!(units_to_decide(&a, &b, -1.0, 0.95), None);
        assert_eq!(units_to_decide(&a, &a, 1.0 + 1e-9, 0.95), Some(crate::stats::MOST_UNITS));
    }

    prop_compose! {
        fn group()(clusters in prop::collection::vec((1u32..30, 0.0f64..1.0), 2..30)) -> ClusterSums {
            sums(&clusters.iter().map(|&(n, share)| (f64::from(n), (f64::from(n) * share).round())).collect::<Vec<_>>())
        }
    }

    proptest! {
        #[test]
        fn intervals_hold_their_estimate_and_mirror(a in group(), b in group(), level in 0.5f64..0.999) {
            let (a, b) = (a.mean().unwrap(), b.mean().unwrap());
            let all = [a.interval(level), difference(&a, &b, level), ratio(&a, &b, level)];
            for got in all.into_iter().flatten() {
                prop_assert!(got.low <= got.estimate && got.estimate <= got.high, "{got:?}");
            }
            if let (Some(one), Some(other)) = (ratio(&a, &b, level), ratio(&b, &a, level)) {
                prop_assert!((one.low * other.high - 1.0).abs() < 1e-9);
            }
            if let (Some(p), Some(got)) = (p_value(&a, &b), difference(&a, &b, level)) {
                let excluded = got.low > 0.0 || got.high < 0.0;
                prop_assert!(excluded == (p < 1.0 - level) || (p - (1.0 - level)).abs() < 1e-9);
            }
        }

        #[test]
        fn another_unit_of_the_value_scales_the_interval(s in group(), exponent in -20i32..20) {
            let by = 2.0_f64.powi(exponent);
            let scaled = ClusterSums { y: s.y * by, yy: s.yy * by * by, ny: s.ny * by, ..s };
            let (plain, scaled) = (s.mean().unwrap().interval(0.95), scaled.mean().unwrap().interval(0.95));
            prop_assert_eq!(plain.is_some(), scaled.is_some());
            if let (Some(plain), Some(scaled)) = (plain, scaled) {
                prop_assert!((plain.low * by - scaled.low).abs() <= 1e-9 * by);
                prop_assert!((plain.high * by - scaled.high).abs() <= 1e-9 * by);
            }
        }

        #[test]
        fn any_input_is_answered(v in prop::array::uniform6(any::<f64>()), clusters in any::<u64>(), level in any::<f64>()) {
            let s = ClusterSums { clusters, n: v[0], y: v[1], nn: v[2], yy: v[3], ny: v[4], unit: Unit::Row };
            let _ = s.mean();
            let a = RatioMean { estimate: v[0], variance: v[1], df: v[2], unit: Unit::Row };
            let b = RatioMean { estimate: v[3].abs(), variance: v[4].abs(), df: v[5].abs(), unit: Unit::Cluster };
            for level in [level, 0.95] {
                let _ = (a.interval(level), difference(&a, &b, level), ratio(&b, &a, level), p_value(&a, &b));
                let _ = (units_to_decide(&a, &b, v[0], level), units_to_decide(&b, &b, v[1], level));
            }
        }
    }
}
