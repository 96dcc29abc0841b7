//! Intervals that may be looked at after every new observation: with the given probability, none of them ever misses.
//!
//! An interval of 95 % is for one look. Who looks at a new one every month, and acts on the first that excludes the
//! truth, meets one sooner or later.

use super::Interval;

const METHOD: &str = "normal_mixture";

/// The look at which the sequence is narrowest, were all observations as precise as the first.
pub const TIGHTEST: f64 = 10.0;

/// An observation with its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    pub value: f64,
    /// Above 0.
    pub se: f64,
}

/// The interval after the last of `looks`, from all of them: by Robbins' (1970) normal mixture, in the form of Howard,
/// Ramdas, McAuliffe & Sekhon (2021, "Time-uniform, nonparametric, nonasymptotic confidence sequences").
///
/// With S = Σ y/se² and V = Σ 1/se², |S − θV| ≤ √((V + ρ)·ln((V + ρ)/(ρα²))) holds at every look at once with
/// probability `level` = 1 − α, so that S/V ± that over V never excludes θ. ρ sets where it is narrowest: at V* for ρ =
/// V*/(y − 1), where y − ln y = 1 − 2·ln α. V* is [`TIGHTEST`] times the first look's 1/se², which is known before anything
/// is compared.
///
/// Where θ moves, the interval is for its mean so far, weighed by precision (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas
/// 2021, "Time-uniform central limit theory and asymptotic confidence sequences"). Observations must be independent
/// given what came before; standard errors are taken as known.
///
/// Method `normal_mixture`. None without looks, or when any is not finite or has no standard error above 0.
pub fn interval(looks: &[Look], level: f64) -> Option<Interval> {
    let known = |look: &Look| look.value.is_finite() && look.se > 0.0 && look.se.is_finite();
    let first = looks.first()?;
    if !looks.iter().all(known) {
        return None;
    }
    let rho = mixture(TIGHTEST * first.se.powi(-2), level)?;
    let v: f64 = looks.iter().map(|look| look.se.powi(-2)).sum();
    let s: f64 = looks.iter().map(|look| look.value * look.se.powi(-2)).sum();
    let half = radius(v, rho, level)?;
    Interval::of(s / v, s / v - half, s / v + half, level, METHOD)
}

/// The half-width at precision `v`.
fn radius(v: f64, rho: f64, level: f64) -> Option<f64> {
    let alpha = 1.0 - level;
    let half = ((v + rho) * ((v + rho) / rho / (alpha * alpha)).ln()).sqrt() / v;
    half.is_finite().then_some(half)
}

/// The ρ whose sequence is narrowest at precision `v`. None unless 0 < `level` < 1.
fn mixture(v: f64, level: f64) -> Option<f64> {
    let alpha = 1.0 - level;
    if !(level > 0.0 && alpha > 0.0 && v > 0.0) {
        return None;
    }
    let goal = 1.0 - 2.0 * alpha.ln();
    // y − ln y grows from 1 at y = 1, and is above y/2 everywhere.
    let (mut low, mut high) = (1.0, 2.0 * goal);
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return Some(v / (middle - 1.0)).filter(|rho| rho.is_finite());
        }
        if middle - middle.ln() < goal {
            low = middle;
        } else {
            high = middle;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore, SeedableRng};

    use super::*;

    /// A standard normal value (Box & Muller 1958).
    pub fn normal(rng: &mut ChaCha8Rng) -> f64 {
        let mut uniform = || ((rng.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos()
    }

    /// scipy 1.17.1: ρ/V* is 1/(−w − 1) with w = `special.lambertw(-alpha**2 / e, -1)`; the radius at V = 250 and ρ = 100
    /// by numpy.
    #[test]
    fn agrees_with_scipy() {
        for (level, expected) in
            [(0.95, 0.121_773_488_698_656_92), (0.99, 0.085_060_260_608_863_2), (0.9, 0.150_639_795_804_354_16)]
        {
            let found = mixture(1.0, level).unwrap();
            assert!((found / expected - 1.0).abs() < 1e-9, "{found} is not {expected}");
        }
        let found = radius(250.0, 100.0, 0.95).unwrap();
        assert!((found - 0.201_414_185_417_459_18).abs() < 1e-12, "{found}");
    }

    /// At the look it is made for, no other mixture is narrower.
    #[test]
    fn is_narrowest_where_it_is_to_be() {
        let rho = mixture(1_000.0, 0.95).unwrap();
        let at = |rho: f64| radius(1_000.0, rho, 0.95).unwrap();
        assert!(at(rho) < at(rho * 1.05) && at(rho) < at(rho / 1.05));
    }

    /// Whether the truth is ever outside, of the sequence and of the plain interval of each look, and the look at which the
    /// sequence first lies below `floor`.
    fn watch(
        rng: &mut ChaCha8Rng,
        looks: usize,
        truth: impl Fn(usize) -> f64,
        floor: f64,
    ) -> (bool, bool, Option<usize>) {
        let (mut ever, mut plain, mut below) = (false, false, None);
        let mut seen = Vec::new();
        for look in 0..looks {
            let se = [0.04, 0.05, 0.06][look % 3];
            let value = truth(look) + se * normal(rng);
            seen.push(Look { value, se });
            let of = interval(&seen, 0.95).unwrap();
            ever |= truth(look) < of.low || truth(look) > of.high;
            let mean = seen.iter().map(|look| (look.value * look.se.powi(-2), look.se.powi(-2)));
            let (s, v) = mean.fold((0.0, 0.0), |(s, v), (y, w)| (s + y, v + w));
            plain |= (s / v - truth(look)).abs() > 1.959_964 / v.sqrt();
            below = below.or((of.high < floor).then_some(look));
        }
        (ever, plain, below)
    }

    /// Over 1,000 series of 60 looks at one truth: the sequence misses it ever in at most 5 %, while the plain interval of
    /// all data so far, looked at every time, misses it at some look in more than 30 %.
    #[test]
    fn repeated_looks_are_paid_for() {
        let mut rng = ChaCha8Rng::seed_from_u64(60);
        let (mut ever, mut plain) = (0, 0);
        for _ in 0..1_000 {
            let (missed, naive, _) = watch(&mut rng, 60, |_| -0.1, f64::NEG_INFINITY);
            ever += u32::from(missed);
            plain += u32::from(naive);
        }
        assert!(ever <= 50, "{ever}");
        assert!(plain > 300, "{plain}");
    }

    /// A log-ratio at ln 0.7 is told to be below ln 0.8 within twelve looks in nearly all series; one at ln 0.8 in at most
    /// one of forty, however long one looks.
    #[test]
    fn finds_what_is_there() {
        let mut rng = ChaCha8Rng::seed_from_u64(12);
        let floor = 0.8_f64.ln();
        let found = |rng: &mut ChaCha8Rng, truth: f64, looks| {
            (0..400).filter(|_| watch(rng, looks, |_| truth, floor).2.is_some()).count()
        };
        assert!(found(&mut rng, 0.7_f64.ln(), 12) > 380);
        assert!(found(&mut rng, floor, 60) <= 10);
    }

    #[test]
    fn what_is_undefined_is_none() {
        let look = Look { value: 0.1, se: 0.2 };
        assert!(interval(&[look], 0.95).is_some());
        assert_eq!(interval(&[], 0.95), None);
        for broken in [Look { se: 0.0, ..look }, Look { se: f64::NAN, ..look }, Look { value: f64::INFINITY, ..look }] {
            assert_eq!(interval(&[look, broken], 0.95), None);
        }
        for level in [0.0, 1.0, f64::NAN, -1.0] {
            assert_eq!(interval(&[look], level), None);
        }
    }

    proptest! {
        #[test]
        fn any_input_is_answered(values in prop::collection::vec((any::<f64>(), any::<f64>()), 0..6), level in any::<f64>()) {
            let looks: Vec<Look> = values.into_iter().map(|(value, se)| Look { value, se }).collect();
            if let Some(of) = interval(&looks, level) {
                prop_assert!(of.low <= of.estimate && of.estimate <= of.high);
            }
        }

        /// Never narrower than the plain interval of all looks, and symmetric about the weighted mean.
        #[test]
        fn is_wider_than_a_single_look(values in prop::collection::vec((-1.0f64..1.0, 0.01f64..0.5), 1..60)) {
            let looks: Vec<Look> = values.into_iter().map(|(value, se)| Look { value, se }).collect();
            let of = interval(&looks, 0.95).unwrap();
            let v: f64 = looks.iter().map(|look| look.se.powi(-2)).sum();
            prop_assert!(of.high - of.estimate > 1.96 / v.sqrt());
            prop_assert!((of.high + of.low - 2.0 * of.estimate).abs() < 1e-9);
        }
    }
}
