//! A share per row whose rows come in clusters: [`ratio_mean`] for rows between 0 and 1, also where nothing or
//! everything happened.
//!
//! Such a group has a variance of 0, which says only that the sample saw no variation. As its rows are bounded, it can
//! still be bounded: whatever the correlation within clusters, m clusters of n_i rows tell at least as much as
//! (Σn_i)² / Σn_i² independent rows (Kish 1965, with an intra-cluster correlation of 1), and the exact limits of
//! Clopper & Pearson (1934) for none or all of so many rows hold, as Korn & Graubard (1998) do for survey shares.
//! Differences and ratios are then put together from the limits of both sides (MOVER: Zou & Donner 2008 for a
//! difference, Donner & Zou 2012 for a ratio). Method `cluster_mover`.

use super::Interval;
use super::quantile::upper_tail;
use super::ratio_mean::{self, ClusterSums};

const METHOD: &str = "cluster_mover";
const SMALLEST_P: f64 = 1e-12;
const LARGEST_P: f64 = 1.0 - 1e-9;

/// The share of a group, between 0 and 1: by [`super::RatioMean::interval`], its limits kept within 0 and 1; by the
/// exact limits above when nothing or everything happened.
///
/// None when the group has no mean, a mean outside 0 to 1, or all clusters agree on a share in between.
pub fn interval(group: &ClusterSums, level: f64) -> Option<Interval> {
    let mean = group.mean()?;
    let share = mean.estimate;
    if !(0.0..=1.0).contains(&share) {
        return None;
    }
    if let Some(Interval { low, high, method, .. }) = mean.interval(level) {
        return Interval::of(share, low.max(0.0), high.min(1.0), level, &method);
    }
    // ln of the half tail over the effective rows: the closed form of the exact limit.
    let exponent = upper_tail(level)?.ln() / (group.n / group.nn * group.n);
    if share == 0.0 {
        Interval::of(share, 0.0, -exponent.exp_m1(), level, METHOD)
    } else if share == 1.0 {
        Interval::of(share, exponent.exp(), 1.0, level, METHOD)
    } else {
        None
    }
}

/// Whether a group has an [`interval`], told without working it out.
fn is_known(group: &ClusterSums) -> bool {
    group.mean().is_some_and(|mean| {
        let share = mean.estimate;
        share == 0.0 || share == 1.0 || (0.0 < share && share < 1.0 && mean.variance > 0.0)
    })
}

/// The difference a − b: [`ratio_mean::difference`], or from the limits of both when either shows no variation.
///
/// None where [`interval`] is None for either.
pub fn difference(a: &ClusterSums, b: &ClusterSums, level: f64) -> Option<Interval> {
    if !is_known(a) || !is_known(b) {
        return None;
    }
    if let Some(ordinary) = ratio_mean::difference(&a.mean()?, &b.mean()?, level) {
        return Some(ordinary);
    }
    let (one, other) = (interval(a, level)?, interval(b, level)?);
    let estimate = one.estimate - other.estimate;
    let low = estimate - (one.estimate - one.low).hypot(other.high - other.estimate);
    let high = estimate + (one.high - one.estimate).hypot(other.estimate - other.low);
    Interval::of(estimate, low.max(-1.0), high.min(1.0), level, METHOD)
}

/// The ratio a / b: [`ratio_mean::ratio`], or from the limits of both when either shows no variation. Where nothing
/// happened in a it is 0, with 0 as lower and u_a / √(l_b·(2b − l_b)) as upper limit.
///
/// None where [`interval`] is None for either, or b's lower limit is 0: a ratio to nothing is undefined.
pub fn ratio(a: &ClusterSums, b: &ClusterSums, level: f64) -> Option<Interval> {
    if !is_known(a) || !is_known(b) {
        return None;
    }
    if let Some(ordinary) = ratio_mean::ratio(&a.mean()?, &b.mean()?, level) {
        return Some(ordinary);
    }
    let (one, other) = (interval(a, level)?, interval(b, level)?);
    if other.low <= 0.0 {
        return None;
    }
    let product = one.estimate * other.estimate;
    let limit = |one_limit: f64, other_limit: f64, sign: f64| {
        let (one_span, other_span) =
            (one_limit * (2.0 * one.estimate - one_limit), other_limit * (2.0 * other.estimate - other_limit));
        (product + sign * (product * product - one_span * other_span).max(0.0).sqrt()) / other_span
    };
    let estimate = one.estimate / other.estimate;
    let (low, high) = (limit(one.low, other.high, -1.0), limit(one.high, other.low, 1.0));
    Interval::of(estimate, low.clamp(0.0, estimate), high.max(estimate), level, METHOD)
}

/// Two-sided p-value that both shares are one: [`ratio_mean::p_value`], or, when either shows no variation, what the
/// widest interval of [`difference`] that excludes 0 leaves out, not below 1e-12.
///
/// None where [`difference`] is None.
pub fn p_value(a: &ClusterSums, b: &ClusterSums) -> Option<f64> {
    if !is_known(a) || !is_known(b) {
        return None;
    }
    if let Some(p) = ratio_mean::p_value(&a.mean()?, &b.mean()?) {
        return Some(p);
    }
    let excludes = |p: f64| difference(a, b, 1.0 - p).map(|interval| interval.low > 0.0 || interval.high < 0.0);
    if !excludes(LARGEST_P)? {
        return Some(1.0);
    }
    // Halved on the log scale; a level any closer to 1 would lose the digits of p, so that p is given no smaller.
    let (mut low, mut high) = (SMALLEST_P, LARGEST_P);
    for _ in 0..50 {
        let middle = (low * high).sqrt();
        if excludes(middle)? {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-7, "{got} is not {expected}");
    }

    /// `clusters` of `n` rows each, in all of which the share `of` happened.
    fn alike(clusters: u64, n: f64, of: f64) -> ClusterSums {
        let (m, y) = (clusters as f64, n * of);
        ClusterSums { clusters, n: m * n, y: m * y, nn: m * n * n, yy: m * y * y, ny: m * n * y, ..Default::default() }
    }

    /// 20 clusters of 4 rows: a fifth of the clusters had one success in four, the others two.
    fn varied() -> ClusterSums {
        ClusterSums { clusters: 20, n: 80.0, y: 36.0, nn: 320.0, yy: 68.0, ny: 144.0, ..Default::default() }
    }

    /// statsmodels 0.15.0 `proportion_confint(0, 20, method="beta")` gives 0 to 0.16843347; 20 clusters of five rows
    /// that may all say the same tell no more than that.
    #[test]
    fn nothing_happened_still_has_an_upper_limit() {
        for rows in [1.0, 5.0] {
            let none = interval(&alike(20, rows, 0.0), 0.95).unwrap();
            assert_eq!((none.estimate, none.low, none.method.as_str()), (0.0, 0.0, "cluster_mover"));
            near(none.high, 0.16843347098308536);
            let all = interval(&alike(20, rows, 1.0), 0.95).unwrap();
            assert_eq!((all.estimate, all.high), (1.0, 1.0));
            near(all.low, 1.0 - 0.16843347098308536);
        }
    }

    /// With one row per cluster in both groups this is Newcombe's construction from exact limits: 0/10 v 10/10 gives
    /// -1 and -(1 - sqrt(2)·0.3084971), 0.3084971 being the upper limit of 0/10.
    #[test]
    fn a_difference_from_both_limits() {
        let d = difference(&alike(10, 1.0, 0.0), &alike(10, 1.0, 1.0), 0.95).unwrap();
        assert_eq!((d.estimate, d.low), (-1.0, -1.0));
        near(d.high, -1.0 + 2.0_f64.sqrt() * 0.30849710781876083);
    }

    #[test]
    fn a_ratio_of_nothing_to_something_is_0_with_an_upper_limit() {
        let (none, some) = (alike(20, 4.0, 0.0), varied());
        let r = ratio(&none, &some, 0.95).unwrap();
        assert_eq!((r.estimate, r.low), (0.0, 0.0));
        let b = interval(&some, 0.95).unwrap();
        near(r.high, 0.16843347098308536 / (b.low * (2.0 * b.estimate - b.low)).sqrt());
        // Turned round it is a ratio to nothing.
        assert_eq!(ratio(&some, &none, 0.95), None);
        assert_eq!(ratio(&none, &none, 0.95), None);
    }

    #[test]
    fn p_is_where_the_interval_meets_0() {
        let (none, some) = (alike(20, 4.0, 0.0), varied());
        let p = p_value(&none, &some).unwrap();
        assert!(0.0 < p && p < 0.01, "{p}");
        near(difference(&none, &some, 1.0 - p).unwrap().high, 0.0);
        assert_eq!(p_value(&none, &none), Some(1.0));
    }

    #[test]
    fn ordinary_groups_are_measured_ordinarily() {
        let (a, b) = (varied(), ClusterSums { y: 40.0, yy: 90.0, ny: 160.0, ..varied() });
        let (mean_a, mean_b) = (a.mean().unwrap(), b.mean().unwrap());
        assert_eq!(interval(&a, 0.9), mean_a.interval(0.9));
        assert_eq!(difference(&a, &b, 0.9), ratio_mean::difference(&mean_a, &mean_b, 0.9));
        assert_eq!(ratio(&a, &b, 0.9), ratio_mean::ratio(&mean_a, &mean_b, 0.9));
        assert_eq!(p_value(&a, &b), ratio_mean::p_value(&mean_a, &mean_b));
    }

    #[test]
    fn what_is_no_share_is_refused() {
        let money = ClusterSums { clusters: 2, n: 2.0, y: 30.0, nn: 2.0, yy: 500.0, ny: 30.0, ..Default::default() };
        assert_eq!(interval(&money, 0.95), None);
        assert_eq!(p_value(&money, &varied()), None);
        assert_eq!(interval(&alike(20, 4.0, 0.5), 0.95), None);
    }

    proptest! {
        #[test]
        fn intervals_hold_their_estimate(m in 2u64..50, n in 1.0f64..20.0, all in any::<bool>(), level in 0.5f64..0.999) {
            let a = alike(m, n.floor(), f64::from(u8::from(all)));
            let intervals =
                [interval(&a, level), difference(&a, &varied(), level), ratio(&a, &varied(), level), ratio(&varied(), &a, level)];
            for got in intervals.into_iter().flatten() {
                prop_assert!(got.low <= got.estimate && got.estimate <= got.high, "{got:?}");
            }
        }

        #[test]
        fn any_input_is_answered(v in prop::array::uniform6(any::<f64>()), clusters in any::<u64>(), level in any::<f64>()) {
            let a = ClusterSums { clusters, n: v[0], y: v[1], nn: v[2], yy: v[3], ny: v[4], ..Default::default() };
            for level in [level, 0.95] {
                let _ = (interval(&a, level), difference(&a, &varied(), level), ratio(&a, &varied(), level));
            }
            let _ = p_value(&a, &varied());
        }
    }
}
