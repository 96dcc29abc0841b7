//! The share that a part has of a whole, both summed by random group of clusters, beside a share that it should have.
//!
//! By [`jackknife()`] on the log scale; where that is undefined, because one group alone holds the whole part, by the
//! cluster-robust variance of [`super::ratio_mean`] with the groups as clusters.
//!
//! Where all groups agree exactly, as when everybody is shown the same, the sample has no variance, and yet those not
//! seen may differ. Groups of n_i rows tell at least as much as (Σn_i)² / Σn_i² independent ones (Kish 1965), and when
//! none of so many deviates, at most d = 1 − (α/2)^(1/rows) of all do (Clopper & Pearson 1934). Whatever these have
//! lies within the range of the value: from x − d·(x − least) to x + d·(most − x). Of a share of 0 or 1 that is the
//! exact limit itself. Method `cluster_exact`.

use super::jackknife::{Scale, jackknife};
use super::quantile::{t_p, upper_tail};
use super::ratio_mean::ClusterSums;
use super::{Interval, share};

const METHOD: &str = "cluster_exact";
/// p-values are given no smaller.
const SMALLEST_P: f64 = 1e-12;
const LARGEST_P: f64 = 1.0 - 1e-9;

/// The sums of one group of clusters.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Portion {
    pub part: f64,
    pub whole: f64,
}

/// A share beside its target, or beside another share.
#[derive(Debug, Clone, PartialEq)]
pub struct Against {
    /// The share, between 0 and 1, or the ratio of two.
    pub estimate: Interval,
    /// Two-sided, that the share is the target, or the ratio 1. None where the target is not within 0 and 1.
    pub p_value: Option<f64>,
}

/// The groups as the clusters of a mean.
fn sums(groups: &[Portion]) -> ClusterSums {
    let filled = groups.iter().filter(|group| group.whole > 0.0);
    filled.fold(ClusterSums::default(), |sums, group| ClusterSums {
        clusters: sums.clusters + 1,
        n: sums.n + group.whole,
        y: sums.y + group.part,
        nn: sums.nn + group.whole * group.whole,
        yy: sums.yy + group.part * group.part,
        ny: sums.ny + group.whole * group.part,
        ..sums
    })
}

fn columns(groups: &[Portion]) -> Vec<Vec<f64>> {
    groups.iter().map(|group| vec![group.part, group.whole]).collect()
}

fn quotient(sums: &[f64]) -> Option<f64> {
    (sums[1] > 0.0).then(|| sums[0] / sums[1])
}

/// The interval of a value on which all groups agree, which lies within `range`.
fn alike(sums: &ClusterSums, range: (f64, f64), level: f64) -> Option<Interval> {
    let (value, rows) = (sums.y / sums.n, sums.n / sums.nn * sums.n);
    let deviant = -(upper_tail(level)?.ln() / rows).exp_m1();
    let (low, high) = (value - deviant * (value - range.0), value + deviant * (range.1 - value));
    Interval::of(value, low, high, level, METHOD)
}

/// The share of all groups together, and how it goes with a fixed `target`.
///
/// None without a whole, or with fewer than two groups that have any.
pub fn against(groups: &[Portion], target: f64, level: f64) -> Option<Against> {
    if let Some(found) = jackknife(&columns(groups), Scale::Log, quotient) {
        let mut estimate = found.interval(level)?;
        estimate.high = estimate.high.min(1.0);
        let p_value = if target > 0.0 { found.p_value(target) } else { None };
        return Some(Against { estimate, p_value });
    }
    let sums = sums(groups);
    let mean = sums.mean()?;
    if mean.variance > 0.0 {
        let p_value = t_p((mean.estimate - target) / mean.variance.sqrt(), mean.df);
        return Some(Against { estimate: share::interval(&sums, level)?, p_value });
    }
    let (value, rows) = (mean.estimate, sums.n / sums.nn * sums.n);
    // The share of groups that would have to be like the rest for the limit to lie on the target.
    let rest = if target < value { target / value } else { (1.0 - target) / (1.0 - value) };
    let p_value = if target == value { Some(1.0) } else { (0.0..=1.0).contains(&rest).then(|| 2.0 * rest.powf(rows)) };
    let p_value = p_value.map(|p| p.clamp(SMALLEST_P, 1.0));
    Some(Against { estimate: alike(&sums, (0.0, 1.0), level)?, p_value })
}

/// The mean of all groups together of something that lies within `range`.
///
/// None without a whole, or with fewer than two groups that have any.
pub fn mean(groups: &[Portion], range: (f64, f64), level: f64) -> Option<Interval> {
    if let Some(found) = jackknife(&columns(groups), Scale::Linear, quotient) {
        let of = found.interval(level)?;
        return Some(Interval { low: of.low.max(range.0), high: of.high.min(range.1), ..of });
    }
    let sums = sums(groups);
    sums.mean()?;
    alike(&sums, range, level)
}

/// The share of `a` over that of `b`, group by group from the same clusters. Where the jackknife is undefined, from the
/// limits of both by themselves: wider than need be, never narrower.
///
/// None where [`against`] is None for either, or where nothing speaks against a `b` of 0.
pub fn ratio(a: &[Portion], b: &[Portion], level: f64) -> Option<Against> {
    let pairs: Vec<Vec<f64>> = a.iter().zip(b).map(|(a, b)| vec![a.part, a.whole, b.part, b.whole]).collect();
    let statistic = |s: &[f64]| Some(quotient(&s[..2])? / quotient(&s[2..]).filter(|share| *share > 0.0)?);
    if let Some(found) = jackknife(&pairs, Scale::Log, statistic) {
        return Some(Against { estimate: found.interval(level)?, p_value: found.p_value(1.0) });
    }
    let within = |level: f64| {
        let (one, other) = (against(a, 1.0, level)?.estimate, against(b, 1.0, level)?.estimate);
        Interval::of(one.estimate / other.estimate, one.low / other.high, one.high / other.low, level, METHOD)
    };
    let estimate = within(level)?;
    // Halved on the log scale, as in `share::p_value`.
    let excludes = |p: f64| within(1.0 - p).is_some_and(|of| of.low > 1.0 || of.high < 1.0);
    let (mut low, mut high) = (SMALLEST_P, LARGEST_P);
    for _ in 0..50 {
        let middle = (low * high).sqrt();
        if excludes(middle) { high = middle } else { low = middle }
    }
    let p_value = Some(if excludes(LARGEST_P) { high } else { 1.0 });
    Some(Against { estimate, p_value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(of: &[(f64, f64)]) -> Vec<Portion> {
        of.iter().map(|&(part, whole)| Portion { part, whole }).collect()
    }

    /// Twenty groups of equal size of which none has any: the exact limit of 0 of 20, by statsmodels 0.15.0
    /// `proportion_confint(0, 20, method="beta")`; and scipy 1.17.1 `binomtest(0, 20, .3, alternative="less")` has a p of
    /// 0.7^20 = 0.00079792, twice of which is the two-sided one.
    #[test]
    fn nothing_has_an_upper_limit_and_a_p_value() {
        let none = against(&groups(&[(0.0, 7.0); 20]), 0.3, 0.95).unwrap();
        assert_eq!((none.estimate.estimate, none.estimate.low), (0.0, 0.0));
        assert!((none.estimate.high - 0.16843347098308536).abs() < 1e-9);
        assert!((none.p_value.unwrap() - 2.0 * 0.7_f64.powi(20)).abs() < 1e-12);
        let all = against(&groups(&[(7.0, 7.0); 20]), 0.7, 0.95).unwrap();
        assert_eq!((all.estimate.estimate, all.estimate.high), (1.0, 1.0));
        assert!((all.p_value.unwrap() - none.p_value.unwrap()).abs() < 1e-12);
    }

    /// Everybody is shown the same, a half: of those not seen 16.8 % may be shown nothing, or nothing else.
    #[test]
    fn what_all_agree_on_may_still_differ_for_the_unseen() {
        let same = groups(&[(2.0, 4.0); 20]);
        let found = against(&same, 0.5, 0.95).unwrap();
        assert_eq!((found.estimate.estimate, found.p_value, found.estimate.method.as_str()), (0.5, Some(1.0), METHOD));
        assert!((found.estimate.low - 0.5 * (1.0 - 0.16843347098308536)).abs() < 1e-9);
        assert!((found.estimate.high - 0.5 * (1.0 + 0.16843347098308536)).abs() < 1e-9);
        let above = against(&same, 0.8, 0.95).unwrap().p_value.unwrap();
        assert!((above - 2.0 * 0.4_f64.powi(20)).abs() < 1e-12);
        let mean = mean(&same, (0.0, 3.0), 0.95).unwrap();
        assert!((mean.high - (0.5 + 2.5 * 0.16843347098308536)).abs() < 1e-9);
    }

    /// Two segments, each shown its own list and always the same: nothing varies, and the gap is plain.
    #[test]
    fn a_gap_without_any_variation_is_seen() {
        let (a, b) = (groups(&[(1.0, 4.0); 200]), groups(&[(2.0, 4.0); 200]));
        let gap = ratio(&a, &b, 0.95).unwrap();
        assert_eq!(gap.estimate.estimate, 0.5);
        assert!(gap.estimate.low > 0.47 && gap.estimate.high < 0.54 && gap.p_value.unwrap() < 1e-9);
        let none = ratio(&a, &a, 0.95).unwrap();
        assert_eq!((none.estimate.estimate, none.p_value), (1.0, Some(1.0)));
        let varied = groups(&[(1.0, 2.0), (3.0, 5.0), (2.0, 2.0)]);
        assert_eq!(ratio(&varied, &groups(&[(1.0, 2.0); 3]), 0.95).unwrap().estimate.method, "group_jackknife");
        assert_eq!(ratio(&a, &groups(&[(0.0, 4.0); 200]), 0.95), None);
    }

    /// With one group holding the whole part, leaving it out leaves no logarithm: the ordinary mean of 1, 0, 0, 0 with
    /// its standard error of 0.25 and three degrees of freedom, whose t of 1 has a p of 0.391 (scipy 1.17.1
    /// `2 * t.sf(1, 3)` = 0.39100221895577053).
    #[test]
    fn a_part_in_one_group_alone_is_told_by_its_mean() {
        let one = against(&groups(&[(1.0, 1.0), (0.0, 1.0), (0.0, 1.0), (0.0, 1.0)]), 0.5, 0.95).unwrap();
        assert_eq!(
            (one.estimate.estimate, one.estimate.low, one.estimate.method.as_str()),
            (0.25, 0.0, "cluster_delta")
        );
        assert!((one.p_value.unwrap() - 0.39100221895577053).abs() < 1e-9);
    }

    #[test]
    fn what_cannot_be_told_is_none() {
        assert_eq!(against(&[], 0.5, 0.95), None);
        assert_eq!(against(&groups(&[(0.0, 0.0), (0.0, 0.0)]), 0.5, 0.95), None);
        assert_eq!(against(&groups(&[(1.0, 2.0)]), 0.5, 0.95), None);
        let usual = against(&groups(&[(1.0, 2.0), (3.0, 5.0), (2.0, 2.0)]), 0.0, 0.95).unwrap();
        assert_eq!((usual.p_value, usual.estimate.method.as_str()), (None, "group_jackknife"));
    }
}
