use super::*;

/// A row of a log: its cluster, reward, weight, and modelled rewards of the choice made and of the evaluated policy.
struct Row {
    cluster: usize,
    r: f64,
    w: f64,
    q: f64,
    m: f64,
}

fn sums(rows: &[Row], clusters: usize) -> Sums {
    let mut totals = vec![[0.0; COLUMNS]; clusters];
    let mut sums = Sums { clusters: clusters as u64, ..Sums::default() };
    for Row { cluster, r, w, q, m } in rows {
        let matched = if *w > 0.0 { 1.0 } else { 0.0 };
        let row = [1.0, *w, *r, w * r, w.min(10.0) * r, m + w * (r - q), matched, matched * r, m + w * (r - q)];
        totals[*cluster].iter_mut().zip(row).for_each(|(total, value)| *total += value);
        sums.direct += m;
        sums.squared_weights += w * w;
    }
    for total in totals {
        for i in 0..COLUMNS {
            sums.total[i] += total[i];
            for j in 0..COLUMNS {
                sums.cross[i][j] += total[i] * total[j];
            }
        }
    }
    sums
}

/// Numbers between 0 and 1 (xorshift64*, Vigna 2016).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn of(&mut self, shares: &[f64]) -> usize {
        let mut left = self.next();
        for (at, share) in shares.iter().enumerate() {
            left -= share;
            if left < 0.0 {
                return at;
            }
        }
        shares.len() - 1
    }
}

const LOGGED: [f64; 3] = [0.5, 0.3, 0.2];
const EVALUATED: [f64; 3] = [0.2, 0.3, 0.5];
const REWARDS: [f64; 3] = [0.2, 0.35, 0.5];
/// How far a person's own inclination moves every reward, up or down.
const INCLINED: f64 = 0.1;

/// A log of 200 people with 5 to 14 rows each, whose rows go together.
fn log(seed: u64) -> Sums {
    let mut draw = Draw(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    for _ in 0..20 {
        draw.next();
    }
    let mut rows = Vec::new();
    for cluster in 0..200 {
        let inclined = if draw.next() < 0.5 { INCLINED } else { -INCLINED };
        for _ in 0..5 + (draw.next() * 10.0) as usize {
            let action = draw.of(&LOGGED);
            let r = if draw.next() < REWARDS[action] + inclined { 1.0 } else { 0.0 };
            let w = EVALUATED[action] / LOGGED[action];
            // A model that is wrong everywhere: the robust estimate must stand on the weights.
            rows.push(Row { cluster, r, w, q: 0.1 + 0.2 * action as f64, m: 0.36 });
        }
    }
    sums(&rows, 200)
}

fn truth(policy: &[f64; 3]) -> f64 {
    policy.iter().zip(REWARDS).map(|(share, reward)| share * reward).sum()
}

/// Of 300 logs the 95 % intervals hold the truth, within what 300 draws leave open (285 ± 4 standard deviations of 3.8).
#[test]
fn intervals_hold_the_truth_as_often_as_they_say() {
    let value = truth(&EVALUATED);
    let change = value / truth(&LOGGED);
    let judged = [Estimator::InversePropensity, Estimator::Clipped, Estimator::SelfNormalised, Estimator::DoublyRobust];
    let mut held = [[0; 2]; 4];
    let mut weighed = 0;
    for seed in 1..=300 {
        let sums = log(seed);
        for (estimator, held) in judged.into_iter().zip(&mut held) {
            let interval = sums.mean(estimator).unwrap().interval(0.95).unwrap();
            held[0] += i32::from(interval.low <= value && value <= interval.high);
            let (interval, _) = sums.change(estimator, 0.95).unwrap();
            held[1] += i32::from(interval.low <= change && change <= interval.high);
        }
        let one = sums.mean_weight().unwrap().interval(0.95).unwrap();
        weighed += i32::from(one.low <= 1.0 && 1.0 <= one.high);
    }
    for count in held.into_iter().flatten().chain([weighed]) {
        assert!((270..=298).contains(&count), "{held:?}, {weighed}");
    }
}

/// Were the two means taken as independent, the interval would be wider than it has to be.
#[test]
fn a_change_counts_that_both_come_from_the_same_people() {
    let sums = log(7);
    let (change, p) = sums.change(Estimator::DoublyRobust, 0.95).unwrap();
    let apart =
        super::super::ratio_mean::ratio(&sums.mean(Estimator::DoublyRobust).unwrap(), &sums.current().unwrap(), 0.95)
            .unwrap();
    assert!((change.estimate - apart.estimate).abs() < 1e-12);
    assert!(change.high / change.low < apart.high / apart.low, "{change:?} {apart:?}");
    assert!(p < 1e-6, "{p}");
    // A policy that does just what the log did changes nothing, with certainty.
    let same = sums_of_the_same();
    assert_eq!(same.change(Estimator::InversePropensity, 0.95), None);
}

fn sums_of_the_same() -> Sums {
    let rows = (0..40).map(|i| Row { cluster: i / 4, r: f64::from(u8::from(i % 3 == 0)), w: 1.0, q: 0.0, m: 0.0 });
    sums(&rows.collect::<Vec<_>>(), 10)
}

/// By hand: four rows of weights 2, 0, 1 and 0.5.
#[test]
fn estimators_are_what_their_formulas_say() {
    let rows = [(1.0, 2.0), (1.0, 0.0), (0.0, 1.0), (1.0, 0.5)];
    let rows: Vec<Row> =
        rows.iter().enumerate().map(|(cluster, &(r, w))| Row { cluster, r, w, q: 0.5, m: 0.25 }).collect();
    let sums = sums(&rows, 4);
    let near = |estimator, expected: f64| {
        let got = sums.estimate(estimator).unwrap();
        assert!((got - expected).abs() < 1e-15, "{estimator:?}: {got}");
    };
    near(Estimator::InversePropensity, 2.5 / 4.0);
    near(Estimator::SelfNormalised, 2.5 / 3.5);
    near(Estimator::DirectMethod, 0.25);
    near(Estimator::DoublyRobust, 0.25 + (1.0 - 0.5 + 0.25) / 4.0);
    near(Estimator::Replay, 2.0 / 3.0);
    assert!((sums.effective_rows() - 3.5 * 3.5 / 5.25).abs() < 1e-15);
    assert_eq!(sums.mean(Estimator::DirectMethod), None);
}

/// scipy 1.15.3 `chi2.sf(10.0, 4)`; nothing to compare has no p.
#[test]
fn agreement_is_pearsons() {
    assert!((agreement(10.0, 5).unwrap() - 0.040427681994512805).abs() < 1e-12);
    assert_eq!(agreement(0.0, 5), Some(1.0));
    assert_eq!(agreement(3.0, 1), None);
    assert_eq!(agreement(f64::NAN, 5), None);
}
