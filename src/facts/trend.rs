//! `trend`: one measure over the audits of a ledger.

use std::collections::{BTreeMap, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measured::{Harm, Measured};
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
    pub harm: Harm,
    /// Audits that are used, this one included.
    pub audits: u64,
    /// The newest twelve of them, oldest first; the last is this audit.
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
    /// Stable name of the fact.
    pub key: String,
}

/// One audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// The day it speaks for, `YYYY-MM-DD`; null when it names none.
    pub as_of: Option<String>,
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

/// The numbers of one audit, and the day it speaks for.
#[derive(Debug, Clone, Copy)]
pub struct Audit<'a> {
    pub as_of: Option<&'a str>,
    pub measures: &'a [Measured],
}

/// A number on a day.
type Seen<'a> = (Option<&'a str>, &'a Interval);

/// A number of several audits, oldest first; the last is this one's.
struct Series<'a> {
    of: &'a Measured,
    seen: Vec<Seen<'a>>,
}

/// Points that a fact tells.
const TOLD: usize = 12;

impl FactKind for Trend {
    const NAME: &'static str = "trend";
    const DOC: &'static str = include_str!("trend.md");
    const MEASURES: &'static [&'static str] = &["beyond_limits", "run_of_eight", "overall"];
    const NEEDS_LOG: bool = true;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        let mut rest = self.about.clone();
        let strategy = rest.remove("strategy").map(|strategy| ("strategy", strategy));
        let named = [("of", self.of.clone()), ("about", attributes(&rest)), ("measure", self.measure.clone())];
        named.into_iter().chain(strategy).collect()
    }

    fn evidence(&self) -> Vec<Evidence> {
        let told = |point: &Point| {
            let Point { as_of, estimate, low, high } = point;
            let day = as_of.as_ref().map(|day| format!("{day}: ")).unwrap_or_default();
            Evidence::value("audit", format!("{day}{estimate:.4} ({low:.4} to {high:.4})"))
        };
        let last = self.points.len().saturating_sub(3);
        self.points[last..].iter().map(told).collect()
    }
}

/// Works out the trend of every number of `now` that an earlier audit has, too. Audits that speak for later days than `now`
/// are no earlier ones. `level` is that of one interval; that of `overall` leaves out as little for all numbers of one kind
/// and measure together (Bonferroni).
pub fn measure(earlier: &[Audit<'_>], now: Audit<'_>, level: f64) -> Vec<Trend> {
    let mut before: Vec<&Audit<'_>> =
        earlier.iter().filter(|audit| audit.as_of.zip(now.as_of).is_none_or(|(day, today)| day <= today)).collect();
    before.sort_by_key(|audit| audit.as_of);
    let name = |of: &'_ Measured| (of.key.clone(), of.measure.clone());
    let mut seen: HashMap<(String, String), Vec<Seen<'_>>> = HashMap::new();
    for (audit, of) in before.into_iter().flat_map(|audit| audit.measures.iter().map(move |of| (audit, of))) {
        seen.entry(name(of)).or_default().push((audit.as_of, &of.value));
    }
    let known = now.measures.iter().filter_map(|of| {
        let mut seen = seen.remove(&name(of))?;
        seen.push((now.as_of, &of.value));
        Some(Series { of, seen })
    });
    let series: Vec<Series<'_>> = known.collect();
    let family = |one: &Series<'_>| {
        let same = |other: &&Series<'_>| other.of.kind == one.of.kind && other.of.measure == one.of.measure;
        series.iter().filter(same).count() as f64
    };
    series.iter().filter_map(|one| of_series(one, 1.0 - (1.0 - level) / family(one))).collect()
}

fn of_series(series: &Series<'_>, level: f64) -> Option<Trend> {
    let Measured { key, kind, about, measure, harm, value: newest } = series.of;
    let scale = scale_of(measure);
    on_scale(newest, scale)?;
    let mut used: Vec<(Option<&str>, &Interval, control::Point)> = Vec::new();
    for &(as_of, interval) in &series.seen {
        let Some(point) = on_scale(interval, scale).filter(|_| interval.method == newest.method) else { continue };
        if as_of.is_some() && used.last().is_some_and(|(last, ..)| *last == as_of) {
            used.pop();
        }
        used.push((as_of, interval, point));
    }
    if used.len() < 2 {
        return None;
    }
    let points: Vec<control::Point> = used.iter().map(|(.., point)| *point).collect();
    let looks: Vec<Look> = points.iter().map(|point| Look { value: point.value, se: point.se }).collect();
    let back = |value: f64| if scale == Scale::Log { value.exp() } else { value };
    let chart = control::standardised(&points);
    let limit = |of: fn(&Chart) -> f64| chart.as_ref().map(|chart| back(of(chart)));
    let point = |&(as_of, of, _): &(Option<&str>, &Interval, control::Point)| Point {
        as_of: as_of.map(str::to_owned),
        estimate: of.estimate,
        low: of.low,
        high: of.high,
    };
    let earlier = points.len() - 1;
    Some(Trend {
        of: kind.clone(),
        about: about.clone(),
        measure: measure.clone(),
        harm: *harm,
        audits: points.len() as u64,
        points: used[used.len().saturating_sub(TOLD)..].iter().map(point).collect(),
        left_out: (series.seen.len() - used.len()) as u64,
        reason: chart.is_none().then(|| format!("limits take {LEAST_EARLIER} earlier audits, and there are {earlier}")),
        centre: limit(|chart| chart.centre),
        lower_limit: limit(|chart| chart.low),
        upper_limit: limit(|chart| chart.high),
        overdispersion: chart.as_ref().and_then(|chart| chart.overdispersion),
        signals: chart.iter().flat_map(|chart| &chart.signals).map(|signal| signal_of(signal, *harm)).collect(),
        overall: sequence::interval(&looks, level).map(|of| Interval {
            estimate: back(of.estimate),
            low: back(of.low),
            high: back(of.high),
            ..of
        }),
        key: key.clone(),
    })
}

/// The scale on which a number is nearly normal: ratios are above 0, and 1 says that there is no difference.
fn scale_of(measure: &str) -> Scale {
    if ["ratio", "adjusted", "impact_interval"].contains(&measure) { Scale::Log } else { Scale::Linear }
}

fn signal_of(signal: &control::Signal, harm: Harm) -> Signal {
    let rule = match signal.rule {
        Rule::BeyondLimits => "beyond_limits",
        Rule::RunOfEight => "run_of_eight",
    };
    let (side, harmful) = match signal.side {
        Side::Above => ("above", harm == Harm::High),
        Side::Below => ("below", harm == Harm::Low),
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

    fn measured(value: Interval, harm: Harm) -> Measured {
        Measured {
            key: "abc".into(),
            kind: "outcome_parity".into(),
            about: BTreeMap::from([("segment".to_owned(), "age_band=65+".to_owned())]),
            measure: "ratio".into(),
            harm,
            value,
        }
    }

    type Ledger = Vec<(Option<String>, Vec<Measured>)>;

    fn audits(estimates: &[f64]) -> Ledger {
        let seen = estimates.iter().enumerate();
        let day = |n: usize| Some(format!("2026-{:02}-{:02}", n / 28 + 1, n % 28 + 1));
        seen.map(|(n, e)| (day(n), vec![measured(interval(*e, 0.05, "cluster_delta"), Harm::Low)])).collect()
    }

    /// The last is this audit.
    fn trends(seen: &Ledger) -> Vec<Trend> {
        let all: Vec<Audit<'_>> =
            seen.iter().map(|(as_of, measures)| Audit { as_of: as_of.as_deref(), measures }).collect();
        let (now, earlier) = all.split_last().unwrap();
        measure(earlier, *now, 0.95)
    }

    fn trend(seen: &Ledger) -> Trend {
        trends(seen).remove(0)
    }

    const STEADY: [f64; 9] = [0.95, 0.98, 0.93, 0.96, 0.97, 0.94, 0.95, 0.97, 0.96];

    #[test]
    fn a_drop_is_told_in_its_direction() {
        let steady = trend(&audits(&STEADY));
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
        let mut seen = audits(&dropped);
        assert_eq!(trend(&seen).signals, [signal(true, "below")]);
        seen[8].1[0].harm = Harm::High;
        assert_eq!(trend(&seen).signals, [signal(false, "below")]);
    }

    #[test]
    fn few_audits_have_no_limits_but_an_interval() {
        let few = trend(&audits(&STEADY[..8]));
        assert_eq!(few.reason.as_deref(), Some("limits take 8 earlier audits, and there are 7"));
        assert_eq!((few.centre, few.lower_limit, few.points.len()), (None, None, 8));
        let overall = few.overall.unwrap();
        assert!(overall.low < 0.95 && overall.high > 0.97 && overall.method == "normal_mixture");
        assert_eq!(trends(&audits(&STEADY[..1])), []);
    }

    #[test]
    fn other_methods_are_left_out_and_a_day_counts_once() {
        let mut seen = audits(&STEADY);
        seen[2].1[0].value.method = "katz".into();
        seen[4].1[0].value.low = 0.0;
        seen[5].1.clear();
        let found = trend(&seen);
        assert_eq!((found.audits, found.left_out), (6, 2));
        // The same day measured anew replaces what was measured before.
        let mut again = audits(&STEADY);
        again[8].0 = again[7].0.clone();
        let found = trend(&again);
        assert_eq!((found.points.len(), found.left_out, found.points[7].estimate), (8, 1, STEADY[8]));
        // What has no interval now has no trend.
        seen[8].1[0].value.low = 0.0;
        assert_eq!(trends(&seen), []);
    }

    /// An audit made again for an earlier day sees what it saw then, in whichever order the ledger got its lines.
    #[test]
    fn later_days_are_not_seen() {
        let seen = audits(&STEADY);
        let mut late = seen.clone();
        late.swap(0, 3);
        late.insert(
            2,
            (Some("2026-12-01".to_owned()), vec![measured(interval(0.1, 0.05, "cluster_delta"), Harm::Low)]),
        );
        assert_eq!(trend(&late), trend(&seen));
    }

    #[test]
    fn many_numbers_of_a_kind_share_one_level_and_old_points_are_not_told() {
        let seen = audits(&[0.95; 30]);
        let many = seen.iter().map(|(day, own)| {
            let named = |nth: usize| Measured { key: nth.to_string(), ..own[0].clone() };
            (day.clone(), (0..10).map(named).collect())
        });
        let (alone, all) = (trend(&seen), trends(&many.collect()));
        assert_eq!((alone.audits, alone.points.len(), all.len()), (30, 12, 10));
        let (alone, together) = (alone.overall.unwrap(), all[0].overall.clone().unwrap());
        assert!((together.level - 0.995).abs() < 1e-12 && together.low < alone.low && together.high > alone.high);
    }

    /// 300 ledgers of twenty ratios over 24 audits each. Nothing changes: a ratio is out of its limits to the harmful side
    /// in less than 2 of 1,000 cases, and in 15 of 300 ledgers at most the interval of any ratio ever lies below four fifths
    /// where the truth is four fifths.
    #[test]
    fn ledgers_without_a_change_are_quiet() {
        use crate::stats::sequence::tests::normal;
        use rand_chacha::ChaCha8Rng;
        use rand_chacha::rand_core::SeedableRng;
        let (mut looks, mut beyond, mut run, mut below) = (0, 0, 0, 0);
        for seed in 0..300 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut ledger: Ledger = Vec::new();
            let mut ever = false;
            for month in 0..24 {
                let one = |nth: usize, rng: &mut ChaCha8Rng| {
                    let se = 0.03 + 0.005 * nth as f64;
                    let value = interval(0.8 * (se * normal(rng)).exp(), se, "cluster_delta");
                    Measured { key: nth.to_string(), ..measured(value, Harm::Low) }
                };
                ledger.push((Some(format!("2026-{month:02}")), (0..20).map(|nth| one(nth, &mut rng)).collect()));
                for trend in trends(&ledger) {
                    looks += u32::from(trend.centre.is_some());
                    let has = |rule: &str| trend.signals.iter().any(|signal| signal.harmful && signal.rule == rule);
                    beyond += u32::from(has("beyond_limits"));
                    run += u32::from(has("run_of_eight"));
                    ever |= trend.overall.is_some_and(|overall| overall.high < 0.8);
                }
            }
            below += u32::from(ever);
        }
        assert_eq!(looks, 300 * 20 * 16);
        assert!(beyond * 1_000 < 2 * looks, "{beyond} of {looks}");
        // Possible in the last nine audits, in half of 1.3 to 3.1 % of cases.
        assert!(f64::from(run) < 0.016 * 300.0 * 20.0 * 9.0, "{run}");
        assert!(below <= 15, "{below}");
    }

    /// A segment that gets 0.72 of the reference's outcome, in audits each of which leaves four fifths undecided.
    #[test]
    fn what_lasts_is_decided_in_time() {
        let seen = audits(&[0.74, 0.69, 0.73, 0.75, 0.70, 0.71, 0.74, 0.72]);
        let wide: Ledger = seen
            .into_iter()
            .map(|(day, own)| {
                let value = interval(own[0].value.estimate, 0.09, "cluster_delta");
                (day, vec![Measured { value, ..own[0].clone() }])
            })
            .collect();
        assert!(wide.iter().all(|(_, own)| own[0].value.high > 0.8));
        let decided = |upto: usize| trend(&wide[..upto].to_vec()).overall.unwrap().high < 0.8;
        assert!(!decided(3) && decided(8));
    }
}
