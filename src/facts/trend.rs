//! `trend`: one measure over the audits of a ledger.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FactKind, attributes};
use crate::findings::Evidence;
use crate::stats::control::{self, Chart, LEAST_EARLIER, Rule, Side};
use crate::stats::quantile::normal_quantile;
use crate::stats::sequence::{self, Look};
use crate::stats::{Interval, Scale};

/// One number, audit by audit, with what the earlier ones say of the newest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trend {
    /// The kind of fact that holds the number.
    pub of: String,
    /// What identifies that fact.
    pub about: BTreeMap<String, String>,
    /// The number of it, e.g. `ratio`.
    pub measure: String,
    /// Which direction harms: `low` or `high`.
    pub harm: String,
    /// The audits, oldest first; the newest is this one.
    pub points: Vec<Point>,
    /// Earlier audits whose number was made by another method, has no interval, or was measured anew for the same day.
    pub left_out: u64,
    /// Why there are no limits; null when there are.
    pub reason: Option<String>,
    /// What the earlier audits let expect of the newest, and its control limits, in the number's own unit.
    pub centre: Option<f64>,
    pub lower_limit: Option<f64>,
    pub upper_limit: Option<f64>,
    /// By how much the earlier audits vary more than their intervals tell, 1 or more.
    pub overdispersion: Option<f64>,
    /// Rules of the chart that see more than chance in the newest audits.
    pub signals: Vec<Signal>,
    /// Mean over all audits, by precision, with an interval that holds at every audit at once and for all numbers of this
    /// kind together.
    pub overall: Option<Interval>,
}

/// One audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// The day for which it speaks.
    pub as_of: String,
    pub estimate: f64,
    pub low: f64,
    pub high: f64,
}

/// A signal, and whether it is to the harmful side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Signal {
    /// `beyond_limits` or `run_of_eight`.
    pub rule: String,
    /// `above` or `below`.
    pub side: String,
    pub harmful: bool,
}

/// A number of the audits of a ledger and of this one, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub of: String,
    pub about: BTreeMap<String, String>,
    pub measure: String,
    pub harm: String,
    /// Whether it is a ratio, or a number that may be negative.
    pub scale: Scale,
    pub seen: Vec<(String, Interval)>,
}

impl FactKind for Trend {
    const NAME: &'static str = "trend";
    const DOC: &'static str = include_str!("trend.md");
    const MEASURES: &'static [&'static str] = &["beyond_limits", "run_of_eight", "overall"];
    const NEEDS_LOG: bool = true;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        let about = attributes(&self.about);
        BTreeMap::from([("of", self.of.clone()), ("about", about), ("measure", self.measure.clone())])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let told = |point: &Point| {
            let Point { as_of, estimate, low, high } = point;
            Evidence::value("audit", format!("{as_of}: {estimate:.3} ({low:.3} to {high:.3})"))
        };
        let last = self.points.len().saturating_sub(3);
        self.points[last..].iter().map(told).collect()
    }
}

/// Works out the trend of every series with an earlier audit. `level` is that of one interval; that of `overall` leaves out
/// as little for all series of one kind and measure together (Bonferroni).
pub fn measure(series: &[Series], level: f64) -> Vec<Trend> {
    let family =
        |one: &Series| series.iter().filter(|other| (&other.of, &other.measure) == (&one.of, &one.measure)).count();
    series.iter().filter_map(|one| of_series(one, 1.0 - (1.0 - level) / family(one) as f64)).collect()
}

fn of_series(series: &Series, level: f64) -> Option<Trend> {
    let (_, newest) = series.seen.last()?;
    on_scale(newest, series.scale)?;
    let mut used: Vec<(&String, &Interval, control::Point)> = Vec::new();
    for (as_of, interval) in &series.seen {
        let Some(point) = on_scale(interval, series.scale).filter(|_| interval.method == newest.method) else {
            continue;
        };
        if used.last().is_some_and(|(last, ..)| *last == as_of) {
            used.pop();
        }
        used.push((as_of, interval, point));
    }
    if used.len() < 2 {
        return None;
    }
    let points: Vec<control::Point> = used.iter().map(|(.., point)| *point).collect();
    let looks: Vec<Look> = points.iter().map(|point| Look { value: point.value, se: point.se }).collect();
    let back = |value: f64| if series.scale == Scale::Log { value.exp() } else { value };
    let chart = control::standardised(&points);
    let limit = |of: fn(&Chart) -> f64| chart.as_ref().map(|chart| back(of(chart)));
    let earlier = points.len() - 1;
    Some(Trend {
        of: series.of.clone(),
        about: series.about.clone(),
        measure: series.measure.clone(),
        harm: series.harm.clone(),
        points: used
            .iter()
            .map(|(as_of, of, _)| Point { as_of: (*as_of).clone(), estimate: of.estimate, low: of.low, high: of.high })
            .collect(),
        left_out: (series.seen.len() - used.len()) as u64,
        reason: chart.is_none().then(|| format!("limits take {LEAST_EARLIER} earlier audits, and there are {earlier}")),
        centre: limit(|chart| chart.centre),
        lower_limit: limit(|chart| chart.low),
        upper_limit: limit(|chart| chart.high),
        overdispersion: chart.as_ref().and_then(|chart| chart.overdispersion),
        signals: chart.iter().flat_map(|chart| &chart.signals).map(|signal| signal_of(signal, &series.harm)).collect(),
        overall: sequence::interval(&looks, level).map(|of| Interval {
            estimate: back(of.estimate),
            low: back(of.low),
            high: back(of.high),
            ..of
        }),
    })
}

fn signal_of(signal: &control::Signal, harm: &str) -> Signal {
    let rule = match signal.rule {
        Rule::BeyondLimits => "beyond_limits",
        Rule::RunOfEight => "run_of_eight",
    };
    let (side, harmful) = match signal.side {
        Side::Above => ("above", harm == "high"),
        Side::Below => ("below", harm == "low"),
    };
    Signal { rule: rule.into(), side: side.into(), harmful }
}

/// The number on the scale on which it is nearly normal, with the standard error that its interval tells. None where it
/// tells none.
fn on_scale(interval: &Interval, scale: Scale) -> Option<control::Point> {
    let on = |value: f64| if scale == Scale::Log { value.ln() } else { value };
    let se = (on(interval.high) - on(interval.low)) / (2.0 * normal_quantile(interval.level)?);
    let value = on(interval.estimate);
    (value.is_finite() && se.is_finite() && se > 0.0).then_some(control::Point { value, se })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(estimate: f64, se: f64, method: &str) -> Interval {
        let half = (1.959_963_984_540_054 * se).exp();
        Interval { estimate, low: estimate / half, high: estimate * half, level: 0.95, method: method.into() }
    }

    fn series(estimates: &[f64]) -> Series {
        let seen = estimates.iter().enumerate();
        Series {
            of: "outcome_parity".into(),
            about: BTreeMap::from([("segment".to_owned(), "age_band=65+".to_owned())]),
            measure: "ratio".into(),
            harm: "low".into(),
            scale: Scale::Log,
            seen: seen.map(|(n, e)| (format!("2026-{:02}-01", n + 1), interval(*e, 0.05, "cluster_delta"))).collect(),
        }
    }

    fn trend(series: &Series) -> Trend {
        measure(std::slice::from_ref(series), 0.95).remove(0)
    }

    const STEADY: [f64; 9] = [0.95, 0.98, 0.93, 0.96, 0.97, 0.94, 0.95, 0.97, 0.96];

    #[test]
    fn a_drop_is_told_in_its_direction() {
        let steady = trend(&series(&STEADY));
        assert_eq!((&steady.reason, &steady.signals[..]), (&None, &[][..]));
        assert_eq!(steady.overdispersion, Some(1.0));
        let (centre, low) = (steady.centre.unwrap(), steady.lower_limit.unwrap());
        // The geometric mean of the eight before, and three errors of 0.05·√(1 + 1/8) below it.
        let mean = (STEADY[..8].iter().map(|value| value.ln()).sum::<f64>() / 8.0).exp();
        assert!((centre - mean).abs() < 1e-9);
        assert!((low - mean * (-0.15 * 1.125_f64.sqrt()).exp()).abs() < 1e-9);

        let mut dropped = STEADY;
        dropped[8] = 0.7;
        let signal = |harmful, side: &str| Signal { rule: "beyond_limits".into(), side: side.into(), harmful };
        assert_eq!(trend(&series(&dropped)).signals, [signal(true, "below")]);
        let high = Series { harm: "high".into(), ..series(&dropped) };
        assert_eq!(trend(&high).signals, [signal(false, "below")]);
    }

    #[test]
    fn few_audits_have_no_limits_but_an_interval() {
        let few = trend(&series(&STEADY[..8]));
        assert_eq!(few.reason.as_deref(), Some("limits take 8 earlier audits, and there are 7"));
        assert_eq!((few.centre, few.lower_limit, few.points.len()), (None, None, 8));
        let overall = few.overall.unwrap();
        assert!(overall.low < 0.95 && overall.high > 0.97 && overall.method == "normal_mixture");
        assert_eq!(measure(&[series(&STEADY[..1])], 0.95), []);
        assert_eq!(measure(&[series(&[])], 0.95), []);
    }

    #[test]
    fn other_methods_are_left_out_and_a_day_counts_once() {
        let mut of = series(&STEADY);
        of.seen[2].1.method = "katz".into();
        of.seen[4].1.low = 0.0;
        let found = trend(&of);
        assert_eq!((found.points.len(), found.left_out), (7, 2));
        // The same day measured anew replaces what was measured before.
        let mut again = series(&STEADY);
        again.seen[8].0 = again.seen[7].0.clone();
        let found = trend(&again);
        assert_eq!((found.points.len(), found.left_out, found.points[7].estimate), (8, 1, STEADY[8]));
        // What has no interval now has no trend.
        of.seen[8].1.low = 0.0;
        assert_eq!(measure(&[of], 0.95), []);
    }

    #[test]
    fn many_numbers_of_a_kind_share_one_level() {
        let one = series(&STEADY);
        let many: Vec<Series> = (0..10).map(|_| one.clone()).collect();
        let (alone, together) = (trend(&one).overall.unwrap(), measure(&many, 0.95).remove(0).overall.unwrap());
        assert!((together.level - 0.995).abs() < 1e-12 && together.low < alone.low && together.high > alone.high);
    }
}
