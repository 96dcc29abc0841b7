//! How long it takes until something happens, where for some it has not happened yet: Kaplan & Meier (1958).
//!
//! Whoever was only seen for a while counts for as long as they were seen (right-censoring), neither as lost nor as kept.
//! Everything is computed from a small table of days, so the people themselves are never held.

use super::Interval;
use super::quantile::{normal_p, normal_quantile, upper_tail};

const LOG_LOG: &str = "kaplan_meier";
const EXACT: &str = "clopper_pearson";
const RESTRICTED: &str = "restricted_mean";
const MEDIAN: &str = "brookmeyer_crowley";
const GREENWOOD: &str = "greenwood";

/// What happened on one day, counted from each person's own start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Day {
    pub day: u64,
    /// People to whom it happened.
    pub events: u64,
    /// People who were last seen on this day, after whatever happened on it.
    pub censored: u64,
}

/// A step of the curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    pub day: u64,
    /// People who could still be seen to have it happen on this day.
    pub at_risk: u64,
    pub events: u64,
    /// S, the share to whom it has not happened by the end of the day.
    pub share: f64,
    /// Σ d / (n·(n − d)) up to this day: Greenwood's (1926) variance of log S. Infinite where S is 0.
    pub greenwood: f64,
}

/// The curve of a group.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Survival {
    /// The days on which it happened to somebody.
    pub steps: Vec<Step>,
    /// Everybody.
    pub people: u64,
    /// The day on which somebody was last seen.
    pub last: u64,
    /// How many were last seen by day.
    leaving: Vec<(u64, u64)>,
}

/// The product-limit estimate: S = Π (1 − d/n) over the days with events, d of the n people still at risk. `days` in any
/// order; days named twice are added up.
pub fn kaplan_meier(days: &[Day]) -> Survival {
    let mut days: Vec<Day> = days.iter().copied().filter(|of| of.events + of.censored > 0).collect();
    days.sort_by_key(|of| of.day);
    let people: u64 = days.iter().map(|of| of.events + of.censored).sum();
    let (mut at_risk, mut share, mut greenwood) = (people, 1.0, 0.0);
    let mut curve = Survival { people, last: days.last().map_or(0, |of| of.day), ..Survival::default() };
    for same in days.chunk_by(|a, b| a.day == b.day) {
        let (events, censored) = same.iter().fold((0, 0), |(e, c), of| (e + of.events, c + of.censored));
        let day = same[0].day;
        if events > 0 {
            let (n, d) = (at_risk as f64, events as f64);
            share *= (n - d) / n;
            greenwood += d / (n * (n - d));
            curve.steps.push(Step { day, at_risk, events, share, greenwood });
        }
        curve.leaving.push((day, events + censored));
        at_risk -= events + censored;
    }
    curve
}

impl Survival {
    /// People who were still at risk on a day.
    pub fn at_risk(&self, day: u64) -> u64 {
        self.people - self.leaving.iter().filter(|(of, _)| *of < day).map(|(_, n)| n).sum::<u64>()
    }

    /// S and its variance on the log scale by the end of a day. None past the day on which somebody was last seen, unless
    /// it has happened to everybody: nothing is known there.
    fn at(&self, day: u64) -> Option<(f64, f64)> {
        let step = self.steps.iter().rev().find(|step| step.day <= day);
        let (share, greenwood) = step.map_or((1.0, 0.0), |step| (step.share, step.greenwood));
        (self.people > 0 && (day <= self.last || share == 0.0)).then_some((share, greenwood))
    }

    /// S by the end of `day`, with the interval on the log(−log) scale (Kalbfleisch & Prentice 1980), which stays within 0
    /// and 1: S^exp(±z·√V / log S), V Greenwood's. Method `kaplan_meier`. Where it happened to nobody, or to all, that
    /// interval has no width; then the exact limit for none of those still at risk, or for all to whom it happened. Method
    /// `clopper_pearson`.
    pub fn share(&self, day: u64, level: f64) -> Option<Interval> {
        let (share, variance) = self.at(day)?;
        let exact = |n: u64| Some((upper_tail(level)?.ln() / n.max(1) as f64).exp());
        if share >= 1.0 {
            return Interval::of(1.0, exact(self.at_risk(day))?, 1.0, level, EXACT);
        }
        if share <= 0.0 {
            return Interval::of(0.0, 0.0, 1.0 - exact(self.steps.iter().map(|step| step.events).sum())?, level, EXACT);
        }
        let width = normal_quantile(level)? * variance.sqrt() / share.ln();
        Interval::of(share, share.powf((-width).exp()), share.powf(width.exp()), level, LOG_LOG)
    }

    /// The days until it happens, of which at most `horizon` count: the area under the curve (Irwin 1949). Its variance is
    /// Σ A²·d / (n·(n − d)), A the area from each step to the horizon (Klein & Moeschberger 2003, 4.5). Method
    /// `restricted_mean`.
    ///
    /// None past the day on which somebody was last seen, or where nothing varies.
    pub fn restricted_mean(&self, horizon: u64, level: f64) -> Option<Interval> {
        let (mean, variance) = self.restricted(horizon)?;
        let half = normal_quantile(level)? * variance.sqrt();
        let limits = ((mean - half).max(0.0), (mean + half).min(horizon as f64));
        (variance > 0.0).then(|| Interval::of(mean, limits.0, limits.1, level, RESTRICTED))?
    }

    fn restricted(&self, horizon: u64) -> Option<(f64, f64)> {
        self.at(horizon)?;
        let steps: Vec<&Step> = self.steps.iter().filter(|step| step.day < horizon).collect();
        let (mut area, mut variance) = (0.0, 0.0);
        // From the last step back: the area to the right of each one.
        for (nth, step) in steps.iter().enumerate().rev() {
            let until = steps.get(nth + 1).map_or(horizon, |next| next.day);
            area += step.share * (until - step.day) as f64;
            let (n, d) = (step.at_risk as f64, step.events as f64);
            if n > d {
                variance += area * area * d / (n * (n - d));
            }
        }
        area += steps.first().map_or(horizon, |step| step.day) as f64;
        Some((area, variance))
    }

    /// The first day by whose end it has happened to half, with the days on which the limits of [`Survival::share`] do
    /// (Brookmeyer & Crowley 1982). Method `brookmeyer_crowley`.
    ///
    /// None when the curve, or its upper limit, does not come down to a half.
    pub fn median(&self, level: f64) -> Option<Interval> {
        let first = |reached: &dyn Fn(&Step) -> Option<bool>| {
            let step = self.steps.iter().find(|step| reached(step) == Some(true))?;
            Some(step.day as f64)
        };
        let limits = |step: &Step| self.share(step.day, level);
        let middle = first(&|step| Some(step.share <= 0.5))?;
        let low = first(&|step| Some(limits(step)?.low <= 0.5))?;
        let high = first(&|step| Some(limits(step)?.high <= 0.5))?;
        Interval::of(middle, low, high, level, MEDIAN)
    }
}

/// What two groups differ by.
#[derive(Debug, Clone, PartialEq)]
pub struct Contrast {
    pub ratio: Interval,
    pub difference: Interval,
    /// Two-sided, that there is no difference.
    pub p_value: f64,
}

/// S of `a` beside S of `b` by the end of `day`, on the log scale: variances by Greenwood, added. Method `greenwood`.
///
/// None where either is 0 or 1, or not known: then one side shows no variation to judge by.
pub fn shares(a: &Survival, b: &Survival, day: u64, level: f64) -> Option<Contrast> {
    let ((a, variance_a), (b, variance_b)) = (a.at(day)?, b.at(day)?);
    let inner = |share: f64| share > 0.0 && share < 1.0;
    let absolute = a * a * variance_a + b * b * variance_b;
    (inner(a) && inner(b)).then(|| contrast((a, b), variance_a + variance_b, absolute, level))?
}

/// Restricted means, likewise.
pub fn restricted_means(a: &Survival, b: &Survival, horizon: u64, level: f64) -> Option<Contrast> {
    let ((a, variance_a), (b, variance_b)) = (a.restricted(horizon)?, b.restricted(horizon)?);
    let varies = a > 0.0 && b > 0.0 && variance_a > 0.0 && variance_b > 0.0;
    let relative = variance_a / (a * a) + variance_b / (b * b);
    varies.then(|| contrast((a, b), relative, variance_a + variance_b, level))?
}

fn contrast((a, b): (f64, f64), relative: f64, absolute: f64, level: f64) -> Option<Contrast> {
    let z = normal_quantile(level)?;
    let (ratio, difference) = (a / b, a - b);
    let (factor, half) = ((z * relative.sqrt()).exp(), z * absolute.sqrt());
    Some(Contrast {
        ratio: Interval::of(ratio, ratio / factor, ratio * factor, level, GREENWOOD)?,
        difference: Interval::of(difference, difference - half, difference + half, level, GREENWOOD)?,
        p_value: normal_p(ratio.ln() / relative.sqrt())?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::Proportion;

    fn days(of: &[(u64, u64, u64)]) -> Vec<Day> {
        of.iter().map(|&(day, events, censored)| Day { day, events, censored }).collect()
    }

    /// Weeks of remission of leukaemia patients (Freireich et al. 1963), as `lifelines.datasets.load_leukemia()` has them:
    /// those under treatment, of whom many were still in remission, and those without, of whom none.
    fn treated() -> Survival {
        kaplan_meier(&days(&[
            (6, 3, 1),
            (7, 1, 0),
            (9, 0, 1),
            (10, 1, 1),
            (11, 0, 1),
            (13, 1, 0),
            (16, 1, 0),
            (17, 0, 1),
            (19, 0, 1),
            (20, 0, 1),
            (22, 1, 0),
            (23, 1, 0),
            (25, 0, 1),
            (32, 0, 2),
            (34, 0, 1),
            (35, 0, 1),
        ]))
    }

    fn untreated() -> Survival {
        let events =
            [(1, 2), (2, 2), (3, 1), (4, 2), (5, 2), (8, 4), (11, 2), (12, 2), (15, 1), (17, 1), (22, 1), (23, 1)];
        kaplan_meier(&days(&events.map(|(day, events)| (day, events, 0))))
    }

    fn near(of: f64, told: f64) {
        assert!((of - told).abs() < 1e-9, "{of} is not {told}");
    }

    /// lifelines 0.30.3 `KaplanMeierFitter().fit(t, status)`: `predict(t)` and `confidence_interval_`.
    #[test]
    fn agrees_with_lifelines() {
        for (curve, told) in [
            (
                treated(),
                [
                    (6, 0.857142857142857, 0.6197179552659838, 0.9515517476469969),
                    (10, 0.7529411764705878, 0.5031995107999564, 0.8893618351692651),
                    (20, 0.6274509803921566, 0.36751085598750194, 0.8049121894718411),
                    (23, 0.44817927170868327, 0.18805200595923233, 0.6801426284952412),
                ],
            ),
            (
                untreated(),
                [
                    (6, 0.5714285714285714, 0.33797695385949306, 0.7492407099432165),
                    (10, 0.3809523809523809, 0.1830665488203943, 0.5777886777458309),
                    (20, 0.09523809523809525, 0.01625926021224702, 0.2612499819686869),
                    (22, 0.047619047619047616, 0.003324463042531178, 0.1970449056989461),
                ],
            ),
        ] {
            for (day, share, low, high) in told {
                let found = curve.share(day, 0.95).unwrap();
                near(found.estimate, share);
                near(found.low, low);
                near(found.high, high);
            }
        }
    }

    /// lifelines 0.30.3 `median_survival_time_` with `median_survival_times(confidence_interval_)`, 23 (13 to infinity)
    /// and 8 (4 to 11), and `restricted_mean_survival_time(fitter, t=20)`.
    #[test]
    fn medians_and_restricted_means_agree_with_lifelines() {
        let median = untreated().median(0.95).unwrap();
        assert_eq!((median.estimate, median.low, median.high), (8.0, 4.0, 11.0));
        assert_eq!(treated().median(0.95), None);
        near(treated().restricted_mean(20, 0.95).unwrap().estimate, 16.116526610644254);
        near(untreated().restricted_mean(20, 0.95).unwrap().estimate, 8.428571428571429);
    }

    /// statsmodels 0.15.0 `SurvfuncRight(t, status).surv_prob_se`, Greenwood's standard error of S.
    #[test]
    fn greenwood_agrees_with_statsmodels() {
        for (curve, day, told) in
            [(treated(), 10, 0.096349652994), (treated(), 23, 0.134591456756), (untreated(), 8, 0.105971169574)]
        {
            let (share, variance) = curve.at(day).unwrap();
            near(share * variance.sqrt(), told);
        }
        // The difference of both at week 10, from those two numbers and that of the untreated, 0.105971169574.
        let apart = shares(&treated(), &untreated(), 10, 0.95).unwrap();
        let half = 1.959963984540054 * 0.096349652994_f64.hypot(0.105971169574);
        near(apart.difference.high - apart.difference.estimate, half);
        near(apart.ratio.estimate, 0.7529411764705878 / 0.3809523809523809);
        assert!(apart.ratio.low > 1.0 && apart.p_value < 0.05);
    }

    /// Where everybody was seen to the end, S is a plain share with its binomial variance, and the restricted mean a plain
    /// mean with the plain variance Σ(x − x̄)² / n².
    #[test]
    fn without_censoring_it_is_a_share_and_a_mean() {
        let curve = untreated();
        let (share, variance) = curve.at(10).unwrap();
        near(share, 8.0 / 21.0);
        near(share * share * variance, share * (1.0 - share) / 21.0);
        let steps = curve.steps.iter();
        let times: Vec<f64> = steps.flat_map(|step| vec![(step.day as f64).min(20.0); step.events as usize]).collect();
        let mean = times.iter().sum::<f64>() / 21.0;
        let spread = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / 21.0 / 21.0;
        let (found, variance) = curve.restricted(20).unwrap();
        near(found, mean);
        near(variance, spread);
    }

    /// None of 20 lost: the exact limit of 20 of 20, by statsmodels 0.15.0 `proportion_confint(20, 20, method="beta")`.
    #[test]
    fn nobody_lost_is_not_certainty() {
        let kept = kaplan_meier(&days(&[(90, 0, 20)])).share(60, 0.95).unwrap();
        assert_eq!((kept.estimate, kept.high), (1.0, 1.0));
        near(kept.low, Proportion { successes: 20, trials: 20 }.clopper_pearson(0.95).unwrap().low);
        let lost = kaplan_meier(&days(&[(9, 20, 0)])).share(60, 0.95).unwrap();
        near(lost.high, Proportion { successes: 0, trials: 20 }.clopper_pearson(0.95).unwrap().high);
    }

    #[test]
    fn what_nobody_was_there_to_see_is_not_known() {
        let curve = kaplan_meier(&days(&[(5, 1, 3), (8, 0, 4)]));
        assert!(curve.share(8, 0.95).is_some());
        assert_eq!((curve.share(9, 0.95), curve.restricted_mean(9, 0.95), curve.median(0.95)), (None, None, None));
        assert_eq!((curve.at_risk(5), curve.at_risk(6), curve.at_risk(9)), (8, 4, 0));
        let nobody = kaplan_meier(&[]);
        assert_eq!((nobody.share(0, 0.95), nobody.median(0.95)), (None, None));
        assert_eq!(shares(&curve, &nobody, 5, 0.95), None);
        assert_eq!(restricted_means(&curve, &nobody, 5, 0.95), None);
        assert_eq!(curve.share(8, 2.0), None);
    }

    proptest! {
        #[test]
        fn a_curve_falls_and_lies_within_its_limits(of in prop::collection::vec((0u64..40, 0u64..5, 0u64..5), 0..30)) {
            let curve = kaplan_meier(&days(&of));
            let mut before = 1.0;
            for day in 0..=curve.last {
                let Some(found) = curve.share(day, 0.95) else { continue };
                prop_assert!(found.estimate <= before);
                prop_assert!(0.0 <= found.low && found.low <= found.estimate && found.estimate <= found.high && found.high <= 1.0);
                before = found.estimate;
            }
            let _ = (curve.median(0.95), curve.restricted_mean(20, 0.95), shares(&curve, &curve, 10, 0.95));
        }
    }
}
