use proptest::prelude::*;

use super::*;

pub(crate) fn near(of: f64, told: f64, within: f64) {
    assert!((of - told).abs() <= within * told.abs(), "{of} is not {told}");
}

/// A small generator of numbers that any language has.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn share(&mut self) -> f64 {
        (self.below(1 << 31) as f64 + 0.5) / f64::from(1_u32 << 31)
    }
}

pub(crate) struct Person {
    pub again: u64,
    last: u64,
    seen: u64,
    pub cents: u64,
}

/// People who buy at six paces and stop at four, the same that the numbers of lifetimes below were made from.
pub(crate) fn people() -> Vec<Person> {
    let mut draw = Numbers(5);
    for _ in 0..10 {
        draw.below(2);
    }
    let one = |_| {
        let seen = 150 + draw.below(150);
        let (pace, lost) = (10 + 15 * draw.below(6), [5, 30, 150, 700][draw.below(4) as usize]);
        let base = 500 + draw.below(3000);
        let (mut day, mut person) = (0, Person { again: 0, last: 0, seen, cents: 0 });
        while draw.below(1000) >= lost {
            day += 1 + draw.below(2 * pace);
            if day > seen {
                break;
            }
            person.again += 1;
            person.last = day;
            person.cents += base / 2 + draw.below(base);
        }
        person
    };
    (0..600).map(one).collect()
}

fn table() -> Vec<Buyers> {
    let one = |of: &Person| Buyers { again: of.again, last: of.last as f64, seen: of.seen as f64, people: 1 };
    people().iter().map(one).collect()
}

/// The published estimates of Fader, Hardie & Lee (2005) on CDNOW, in weeks.
const CDNOW: BgNbd = BgNbd { r: 0.2426, alpha: 4.4136, a: 0.7929, b: 2.4259 };

/// lifetimes 0.11.3 `BetaGeoFitter().fit(frequency, recency, T)`: parameters, standard errors (of the parameters, ours of
/// their logarithms), log-likelihood.
#[test]
fn agrees_with_lifetimes() {
    let found = fit(&table()).unwrap();
    let BgNbd { r, alpha, a, b } = found.model;
    for (found, told) in [(r, 0.677754303), (alpha, 32.01842031), (a, 0.279544895), (b, 3.88363996)] {
        near(found, told, 5e-4);
    }
    near(found.log_likelihood, -10799.791529808881, 1e-9);
    let errors = [(r, 0.049934), (alpha, 3.089476), (a, 0.119190), (b, 2.349564)];
    for (nth, (parameter, told)) in errors.into_iter().enumerate() {
        near(found.logs.covariance[nth][nth].sqrt() * parameter, told, 5e-3);
    }
    // `expected_number_of_purchases_up_to_time`.
    near(found.model.expected(30.0).unwrap(), 0.6068601967079744, 1e-4);
    near(found.model.expected(365.0).unwrap(), 5.871399883698771, 1e-4);
}

/// lifetimes 0.11.3 with the published parameters: `expected_number_of_purchases_up_to_time`,
/// `conditional_expected_number_of_purchases_up_to_time`, `probability_of_n_purchases_up_to_time`. The second person is
/// the paper's own example: 1.226 purchases within 39 weeks.
#[test]
fn what_it_expects_agrees_with_lifetimes() {
    for (weeks, told) in [(1.0, 0.053185541), (10.0, 0.431770129), (39.0, 1.195047682), (78.0, 1.858023905)] {
        near(CDNOW.expected(weeks).unwrap(), told, 1e-7);
    }
    for (again, last, seen, told_39, told_5) in [
        (0, 0.0, 38.86, 0.19478676916061785, 0.02755259105487469),
        (2, 30.43, 38.86, 1.2259226579870348, 0.18315916156745762),
        (10, 20.0, 38.86, 0.28641676784340236, 0.04486322803016317),
        (1, 5.0, 30.0, 0.44212624663764266, 0.06648773726651633),
        (26, 35.0, 38.0, 15.519599793821358, 2.476274529258794),
    ] {
        let of = Buyers { again, last, seen, people: 1 };
        near(CDNOW.expected_more(&of, 39.0).unwrap(), told_39, 1e-9);
        near(CDNOW.expected_more(&of, 5.0).unwrap(), told_5, 1e-9);
    }
    let told = [0.57475011, 0.19912234, 0.08525525, 0.04574383, 0.02758912, 0.01790478];
    for (found, told) in CDNOW.probabilities(38.86, 6).into_iter().zip(told) {
        near(found, told, 1e-6);
    }
}

/// Rows of a summary of CDNOW's customers, after the header.
pub(crate) fn cdnow(name: &str) -> Vec<Vec<f64>> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cdnow/data").join(name);
    let text = std::fs::read_to_string(path).expect("CDNOW is there: run `fixtures/cdnow/fetch` first");
    text.lines().skip(1).map(|line| line.split(',').map(|of| of.parse().unwrap()).collect()).collect()
}

/// Published (Fader, Hardie & Lee 2005, tables 1 and 2, section 4): r 0.243, α 4.414, a 0.793, b 2.426, LL −9582.4, χ² on
/// three degrees of freedom 4.82.
#[test]
fn agrees_with_the_paper_on_its_data() {
    let buyers = |row: Vec<f64>| Buyers { again: row[1] as u64, last: row[2], seen: row[3], people: 1 };
    let table: Vec<Buyers> = cdnow("summary.csv").into_iter().map(buyers).collect();
    let found = fit(&table).unwrap();
    let BgNbd { r, alpha, a, b } = found.model;
    for (found, told) in [(r, 0.243), (alpha, 4.414), (a, 0.793), (b, 2.426)] {
        assert!((found - told).abs() < 6e-4, "{found} is not {told}");
    }
    assert!((found.log_likelihood + 9582.4).abs() < 0.05, "{}", found.log_likelihood);
    let check = found.check(&table, 25.0).unwrap();
    // The paper has one class from seven purchases on.
    let (fewer, more): (Vec<Class>, Vec<Class>) = check.classes.into_iter().partition(|class| class.from < 7);
    let part = |observed: f64, expected: f64| (observed - expected).powi(2) / expected;
    let (observed, expected) = more.iter().fold((0, 0.0), |(o, e), class| (o + class.observed, e + class.expected));
    let chi_squared = fewer.iter().map(|class| part(class.observed as f64, class.expected)).sum::<f64>();
    assert!((chi_squared + part(observed as f64, expected) - 4.82).abs() < 0.005);
}

/// One who draws from the model itself: its parameters come back, and of 100 shops about 95 % of the intervals of the
/// purchases within a year hold the true ones.
#[test]
fn its_own_draws_give_the_parameters_back() {
    let truth = BgNbd { r: 1.0, alpha: 20.0, a: 1.0, b: 3.0 };
    let shop = |seed: u64, size: u64| -> Vec<Buyers> {
        let mut draw = Numbers(seed);
        for _ in 0..20 {
            draw.below(2);
        }
        let one = |_| {
            // A gamma of shape 1 is an exponential; a beta(1, 3) the least of three.
            let rate = -draw.share().ln() / truth.alpha;
            let stop = draw.share().min(draw.share()).min(draw.share());
            let seen = 100.0 + 200.0 * draw.share();
            let mut of = Buyers { again: 0, last: 0.0, seen, people: 1 };
            loop {
                let next = of.last - draw.share().ln() / rate;
                if next > seen {
                    return of;
                }
                (of.again, of.last) = (of.again + 1, next);
                if draw.share() < stop {
                    return of;
                }
            }
        };
        (0..size).map(one).collect()
    };
    let large = fit(&shop(1, 8_000)).unwrap();
    for (found, told) in [(large.model.r, 1.0), (large.model.alpha, 20.0), (large.model.a, 1.0), (large.model.b, 3.0)] {
        near(found, told, 0.12);
    }
    let check = large.check(&shop(1, 8_000), 30.0).unwrap();
    assert!(check.p_value.unwrap() > 0.01 && check.misplaced < 0.03, "{check:?}");
    let told = truth.expected(365.0).unwrap();
    let (mut held, mut fitted) = (0, 0);
    for seed in 100..200 {
        let Some(found) = fit(&shop(seed, 300)) else { continue };
        let Some(interval) = found.expected(365.0, 0.95) else { continue };
        fitted += 1;
        held += u32::from(interval.low <= told && told <= interval.high);
    }
    assert!(fitted >= 90 && held * 100 >= 89 * fitted, "{held} of {fitted}");
}

/// People who all buy on one day a month look like nobody's own rate.
#[test]
fn what_does_not_look_like_the_model_is_told() {
    let mut table = Vec::new();
    for (nth, again) in [0, 7, 7, 7, 7, 7, 8, 8, 1, 7].into_iter().cycle().take(600).enumerate() {
        let seen = 240.0 + (nth % 3) as f64;
        table.push(Buyers { again, last: if again == 0 { 0.0 } else { 30.0 * again as f64 - 1.0 }, seen, people: 1 });
    }
    if let Some(check) = fit(&table).and_then(|found| found.check(&table, 10.0)) {
        assert!(check.misplaced > 0.2, "{check:?}");
    }
}

#[test]
fn what_cannot_be_told_is_none() {
    let one = Buyers { again: 0, last: 0.0, seen: 30.0, people: 400 };
    assert_eq!(fit(&[]), None);
    assert_eq!(fit(&[one]), None);
    assert_eq!(fit(&[Buyers { again: 2, last: 40.0, ..one }]), None);
    assert_eq!(fit(&[Buyers { again: 2, last: f64::NAN, ..one }]), None);
    assert_eq!(CDNOW.expected(-1.0), None);
}

/// scipy 1.17.1 `hyp2f1`, and log(1/(1 − z))/z = ₂F₁(1, 1; 2; z).
#[test]
fn the_series_agrees() {
    near(hypergeometric(1.0, 1.0, 2.0, 0.5).unwrap(), 2.0 * 2.0_f64.ln(), 1e-14);
    near(hypergeometric(1.0, 1.0, 2.0, 0.999).unwrap(), 1000.0_f64.ln() / 0.999, 1e-10);
    assert_eq!(hypergeometric(1.0, 1.0, 2.0, 1.0), None);
}

proptest! {
    #[test]
    fn more_time_is_more_purchases(r in 0.05f64..5.0, alpha in 1.0f64..100.0, a in 0.05f64..5.0, b in 0.05f64..9.0) {
        let model = BgNbd { r, alpha, a, b };
        let told: Vec<f64> = [0.0, 1.0, 30.0, 365.0].into_iter().filter_map(|time| model.expected(time)).collect();
        prop_assert!(told.len() == 4 && told[0].abs() < 1e-6, "{told:?}");
        prop_assert!(told.windows(2).all(|pair| pair[0] <= pair[1] + 1e-6), "{told:?}");
        // Nobody buys faster than without ever stopping.
        prop_assert!(told[3] <= r / alpha * 365.0 * (1.0 + 1e-9));
        let chances = model.probabilities(50.0, 400);
        prop_assert!(chances.iter().all(|of| *of >= -1e-12) && chances.iter().sum::<f64>() <= 1.0 + 1e-9);
    }
}
