//! Whether the newest of a series of values is one of them: control charts for single values (Shewhart 1931).
//!
//! Limits come from earlier values only, so that the newest is not judged against limits that it helped to make.

/// Earlier values below which no limits are made.
pub const LEAST_EARLIER: usize = 8;

/// How many values in a row on one side of the centre are a signal.
pub const RUN: usize = 8;

/// Standard deviations between the centre and a limit.
const WIDTH: f64 = 3.0;

/// The expected distance of two standard normal values, 2/√π, known as d₂ for samples of two. [`WIDTH`] over this is the
/// 2.66 of Wheeler & Chambers (1992).
const MEAN_RANGE: f64 = std::f64::consts::FRAC_2_SQRT_PI;

/// A value and its standard error, which is above 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub value: f64,
    pub se: f64,
}

/// Limits for the newest value, in its own unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    pub centre: f64,
    pub low: f64,
    pub high: f64,
    /// By how much the values vary more than their standard errors tell, 1 or more; None where they have none.
    pub overdispersion: Option<f64>,
    pub signals: Vec<Signal>,
}

/// What a rule saw in the newest values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    pub rule: Rule,
    pub side: Side,
}

/// A rule that tells a signal from chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The newest value lies outside the limits. By chance in 0.27 % of cases where centre and spread are known; see
    /// [`individuals`] and [`standardised`] for what their estimation adds.
    BeyondLimits,
    /// The newest [`RUN`] values lie on one side of the centre of those before them, of which there must be
    /// [`LEAST_EARLIER`]. By chance in 2/2⁸ = 0.8 % of cases where the centre is known, 3.1 % where it comes of 8 values,
    /// 1.8 % of 16 and 1.3 % of 32 (the integral of φ(c)·(Φ(c/√k)⁸ + Φ(−c/√k)⁸)).
    RunOfEight,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Above,
    Below,
}

/// The chart of individual values: mean ± 2.66 times the mean distance of neighbours (Wheeler & Chambers 1992; NIST/SEMATECH
/// e-Handbook 6.3.2.2), for values whose own errors are not known.
///
/// Few earlier values make rough limits: of normal values without a change the newest is outside in 3.1 % of cases after
/// 8 of them, 1.9 % after 12, 1.0 % after 24 and 0.4 % after 100.
///
/// None for fewer than [`LEAST_EARLIER`] earlier values or any that is not finite.
pub fn individuals(values: &[f64]) -> Option<Chart> {
    let (&newest, earlier) = values.split_last()?;
    if earlier.len() < LEAST_EARLIER || !values.iter().all(|value| value.is_finite()) {
        return None;
    }
    let centre = mean(earlier);
    let half = WIDTH * mean_range(earlier.iter().copied()) / MEAN_RANGE;
    Chart::of(centre, half, None, newest, run(values, mean))
}

/// The chart of values with known standard errors: as [`individuals`] of z = (value − centre)/se, and back in the unit of
/// the newest value (Laney 2002, "Improved control charts for attributes", who takes the errors from a binomial).
///
/// The centre c weighs values by 1/se². The limits are c ± 3·s·√(se² + se(c)²) with the newest value's se; s is the mean
/// distance of neighbouring z over d₂, i.e. how much more than their errors the values vary, and is taken as 1 where it
/// is less, since errors that are known are not smaller than they are. Of values that vary by their errors alone the
/// newest is outside in 0.2 % of cases, however few came before; of values that vary by much more, in 2.5 % after 8.
///
/// None for fewer than [`LEAST_EARLIER`] earlier values, or any that is not finite or has no standard error above 0.
pub fn standardised(points: &[Point]) -> Option<Chart> {
    let (newest, earlier) = points.split_last()?;
    let known = |point: &Point| point.value.is_finite() && point.se > 0.0 && point.se.is_finite();
    if earlier.len() < LEAST_EARLIER || !points.iter().all(known) {
        return None;
    }
    let (centre, se) = weighted(earlier)?;
    let z = earlier.iter().map(|point| (point.value - centre) / point.se);
    let spread = (mean_range(z) / MEAN_RANGE).max(1.0);
    let half = WIDTH * spread * newest.se.hypot(se);
    let values: Vec<f64> = points.iter().map(|point| point.value).collect();
    let before = points.len().checked_sub(RUN).filter(|before| *before >= LEAST_EARLIER);
    let middle = before.and_then(|before| weighted(&points[..before]));
    let run = middle.and_then(|(middle, _)| one_side(&values[values.len() - RUN..], middle));
    Chart::of(centre, half, Some(spread), newest.value, run)
}

impl Chart {
    fn of(centre: f64, half: f64, overdispersion: Option<f64>, newest: f64, run: Option<Side>) -> Option<Self> {
        let (low, high) = (centre - half, centre + half);
        let beyond = match newest {
            value if value > high => Some(Side::Above),
            value if value < low => Some(Side::Below),
            _ => None,
        };
        let signals = [(Rule::BeyondLimits, beyond), (Rule::RunOfEight, run)];
        let signals = signals.into_iter().filter_map(|(rule, side)| Some(Signal { rule, side: side? }));
        let finite = low.is_finite() && high.is_finite();
        finite.then(|| Self { centre, low, high, overdispersion, signals: signals.collect() })
    }
}

fn run(values: &[f64], centre: impl Fn(&[f64]) -> f64) -> Option<Side> {
    let before = values.len().checked_sub(RUN).filter(|before| *before >= LEAST_EARLIER)?;
    one_side(&values[before..], centre(&values[..before]))
}

fn one_side(values: &[f64], centre: f64) -> Option<Side> {
    match () {
        () if values.iter().all(|value| *value > centre) => Some(Side::Above),
        () if values.iter().all(|value| *value < centre) => Some(Side::Below),
        () => None,
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The mean of points by 1/se², and its standard error.
fn weighted(points: &[Point]) -> Option<(f64, f64)> {
    let weight: f64 = points.iter().map(|point| point.se.powi(-2)).sum();
    let sum: f64 = points.iter().map(|point| point.value * point.se.powi(-2)).sum();
    (weight > 0.0 && weight.is_finite()).then(|| (sum / weight, weight.sqrt().recip()))
}

/// The mean distance of neighbours.
fn mean_range(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    let ranges: Vec<f64> = values.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
    mean(&ranges)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::super::sequence::tests::normal;
    use super::*;

    /// The flow rates of the e-Handbook, 6.3.2.2: mean 50.81, mean moving range 1.8778, limits 45.8159 and 55.8041 (with d₂
    /// rounded to 1.128).
    #[test]
    fn agrees_with_nist() {
        let mut rates = vec![49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1];
        assert!((mean(&rates) - 50.81).abs() < 1e-9);
        assert!((mean_range(rates.iter().copied()) - 1.8778).abs() < 1e-4);
        rates.push(50.0);
        let chart = individuals(&rates).unwrap();
        assert!((chart.low - 45.8159).abs() < 0.003 && (chart.high - 55.8041).abs() < 0.003, "{chart:?}");
        assert_eq!(chart.signals, []);
        for (newest, side) in [(55.9, Side::Above), (45.7, Side::Below)] {
            *rates.last_mut().unwrap() = newest;
            assert_eq!(individuals(&rates).unwrap().signals, [Signal { rule: Rule::BeyondLimits, side }]);
        }
    }

    /// Eight values above the mean of the eight before them, none of them far off.
    #[test]
    fn a_run_is_seen_only_when_it_is_whole() {
        let mut values = vec![10.0, 12.0, 9.0, 11.0, 10.0, 12.0, 9.0, 11.0];
        values.extend([11.0; 8]);
        let signal = Signal { rule: Rule::RunOfEight, side: Side::Above };
        let points = |values: &[f64]| values.iter().map(|&value| Point { value, se: 1.0 }).collect::<Vec<_>>();
        assert_eq!(individuals(&values).unwrap().signals, [signal]);
        assert_eq!(standardised(&points(&values)).unwrap().signals, [signal]);
        assert_eq!(individuals(&values[1..]).unwrap().signals, []);
        assert_eq!(standardised(&points(&values[1..])).unwrap().signals, []);
        values[12] = 10.0;
        assert_eq!(individuals(&values).unwrap().signals, []);
    }

    /// With equal errors the chart of standardised values has the limits of individual ones, times √(1 + 1/k) for the
    /// centre, unless the values vary less than their errors.
    #[test]
    fn standardised_limits_are_those_of_individuals() {
        let values = [49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1, 50.0];
        let with = |se: f64| standardised(&values.map(|value| Point { value, se })).unwrap();
        let (plain, rough, exact) = (individuals(&values).unwrap(), with(0.1), with(20.0));
        assert!((rough.centre - plain.centre).abs() < 1e-9);
        assert!(((rough.high - rough.centre) / (plain.high - plain.centre) - 1.1_f64.sqrt()).abs() < 1e-9);
        assert!(rough.overdispersion.unwrap() > 10.0);
        assert_eq!(exact.overdispersion, Some(1.0));
        assert!((exact.high - exact.centre - 3.0 * 20.0 * 1.1_f64.sqrt()).abs() < 1e-9);
    }

    #[test]
    fn too_few_or_broken_values_have_no_chart() {
        let values = [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.5];
        assert!(individuals(&values).is_some());
        assert_eq!(individuals(&values[1..]), None);
        assert_eq!(individuals(&[]), None);
        let mut points = values.map(|value| Point { value, se: 0.5 });
        assert!(standardised(&points).is_some());
        assert_eq!(standardised(&points[1..]), None);
        for broken in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            points[3].se = broken;
            assert_eq!(standardised(&points), None);
        }
    }

    /// Shares of 20,000 series that signal at their newest value, of `k` earlier ones, when it lies `shift` off.
    fn rates(k: usize, sampling: f64, drift: f64, shift: f64) -> [f64; 3] {
        let mut rng = ChaCha8Rng::seed_from_u64(k as u64 + 100);
        let samples = 20_000;
        let mut found = [0_u32; 3];
        for _ in 0..samples {
            let mut points: Vec<Point> = (0..=k)
                .map(|_| {
                    let truth = 0.3 + drift * normal(&mut rng);
                    Point { value: truth + sampling * normal(&mut rng), se: sampling }
                })
                .collect();
            points[k].value += shift;
            let values: Vec<f64> = points.iter().map(|point| point.value).collect();
            let (plain, weighed) = (individuals(&values).unwrap(), standardised(&points).unwrap());
            let has = |chart: &Chart, rule| u32::from(chart.signals.iter().any(|signal| signal.rule == rule));
            found[0] += has(&plain, Rule::BeyondLimits);
            found[1] += has(&weighed, Rule::BeyondLimits);
            found[2] += has(&weighed, Rule::RunOfEight);
        }
        found.map(|count| f64::from(count) / f64::from(samples))
    }

    /// The false alarms that the docs of each rule tell, by simulation here and, with numpy 2.4.6, of 400,000 series:
    /// 0.0312, 0.0188 and 0.0096 of individuals after 8, 12 and 24; 0.0018 of standardised after 8; 0.0253 of those that
    /// vary by more than their errors.
    #[test]
    fn false_alarms_are_as_told() {
        for (k, plain) in [(8, 0.0312), (12, 0.0188), (24, 0.0096)] {
            let [individual, standard, run] = rates(k, 1.0, 0.0, 0.0);
            assert!((individual - plain).abs() < 0.004, "{k}: {individual}");
            assert!(standard < 0.004, "{k}: {standard}");
            assert!(k > 15 || run == 0.0);
        }
        let [_, _, run] = rates(15, 1.0, 0.0, 0.0);
        assert!((run - 0.0313).abs() < 0.004, "{run}");
        let [_, varied, _] = rates(8, 0.05, 1.0, 0.0);
        assert!((0.02..0.032).contains(&varied), "{varied}");
        // A step of six standard errors is nearly always seen.
        assert!(rates(11, 1.0, 0.0, 6.0)[1] > 0.95);
    }

    proptest! {
        #[test]
        fn any_series_is_answered(values in prop::collection::vec(any::<f64>(), 0..20)) {
            let _ = individuals(&values);
            let _ = standardised(&values.iter().map(|&value| Point { value, se: value.abs() }).collect::<Vec<_>>());
        }

        /// Another unit gives the same chart in that unit.
        #[test]
        fn units_do_not_matter(values in prop::collection::vec(-5.0f64..5.0, 9..30), scale in 0.1f64..10.0) {
            let points = |by: f64| values.iter().map(|value| Point { value: value * by, se: by }).collect::<Vec<_>>();
            let (one, other) = (standardised(&points(1.0)).unwrap(), standardised(&points(scale)).unwrap());
            prop_assert!((one.low * scale - other.low).abs() < 1e-9 && (one.high * scale - other.high).abs() < 1e-9);
        }
    }
}
