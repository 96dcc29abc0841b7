//! How often the intervals hold a planted truth when rows of one cluster are correlated.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::proportion::{Proportion, katz};
use super::survival::{Day, Survival, kaplan_meier};
use super::{ClusterSums, ratio_mean, share, times};

/// Uniform on 0 to 1.
fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Clusters of a random size in `rows`, each with its own beta-distributed share of mean `p` and intra-cluster
/// correlation 1/(1 + `concentration`). Drawn as Pólya's urn, which gives the beta-binomial without drawing the beta.
fn draw(rng: &mut ChaCha8Rng, clusters: u64, rows: (u64, u64), p: f64, concentration: f64) -> ClusterSums {
    let mut sums = ClusterSums { clusters, ..ClusterSums::default() };
    for _ in 0..clusters {
        let n = rows.0 + rng.next_u64() % (rows.1 - rows.0 + 1);
        let mut y = 0.0;
        for drawn in 0..n {
            if uniform(rng) < (concentration * p + y) / (concentration + drawn as f64) {
                y += 1.0;
            }
        }
        let n = n as f64;
        sums.n += n;
        sums.y += y;
        sums.nn += n * n;
        sums.yy += y * y;
        sums.ny += n * y;
    }
    sums
}

fn as_rows(sums: &ClusterSums) -> Proportion {
    Proportion { successes: sums.y as u64, trials: sums.n as u64 }
}

/// 150 clusters of 5 to 35 rows a side, correlation 0.2, shares 0.08 and 0.10: a true ratio of 0.8.
#[test]
fn clusters_cover_and_rows_do_not() {
    let (replications, truth) = (2_000, 0.8);
    let mut rng = ChaCha8Rng::seed_from_u64(20_240_607);
    let (mut clustered, mut iid, mut differences, mut rejected) = (0, 0, 0, 0);
    for _ in 0..replications {
        let a = draw(&mut rng, 150, (5, 35), 0.08, 4.0);
        let b = draw(&mut rng, 150, (5, 35), 0.10, 4.0);
        let again = draw(&mut rng, 150, (5, 35), 0.10, 4.0);
        let means = (a.mean().unwrap(), b.mean().unwrap());
        let ratio = ratio_mean::ratio(&means.0, &means.1, 0.95).unwrap();
        let difference = ratio_mean::difference(&means.0, &means.1, 0.95).unwrap();
        let rows = katz(as_rows(&a), as_rows(&b), 0.95).unwrap();
        clustered += u32::from(ratio.low <= truth && truth <= ratio.high);
        differences += u32::from(difference.low <= -0.02 && -0.02 <= difference.high);
        iid += u32::from(rows.low <= truth && truth <= rows.high);
        rejected += u32::from(ratio_mean::p_value(&means.1, &again.mean().unwrap()).unwrap() < 0.05);
    }
    let share = |count: u32| f64::from(count) / f64::from(replications);
    assert!((0.93..=0.97).contains(&share(clustered)), "{}", share(clustered));
    assert!((0.93..=0.97).contains(&share(differences)), "{}", share(differences));
    assert!((0.03..=0.07).contains(&share(rejected)), "{}", share(rejected));
    assert!(share(iid) < 0.75, "{}", share(iid));
}

/// 30 clusters of 1 to 7 rows see nothing at all in some samples, more often the rarer the event. However strong the
/// correlation, the limits given then miss the truth in at most the 2.5 % of all samples that one side may.
#[test]
fn samples_without_events_cover() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let samples = 1_000;
    for concentration in [0.01, 1.0] {
        for (p, some_empty) in [(0.02, true), (0.05, true), (0.10, true), (0.2, false)] {
            let (mut empty, mut missed, mut rejected) = (0, 0, 0);
            for _ in 0..samples {
                let a = draw(&mut rng, 30, (1, 7), p, concentration);
                if a.y == 0.0 {
                    let b = draw(&mut rng, 300, (1, 7), p, concentration);
                    empty += 1;
                    missed += u32::from(share::ratio(&a, &b, 0.95).is_some_and(|ratio| ratio.high < 1.0));
                    rejected += u32::from(share::p_value(&a, &b).unwrap() < 0.05);
                }
            }
            assert!(!some_empty || empty > 0);
            assert!(missed <= samples / 40 && rejected <= samples / 40, "{p}: {missed} and {rejected} of {empty}");
        }
    }
}

/// Times until something happens, in whole days of a mean of 20 and 30, of people who are seen for 10 to 80 days: how often
/// the ratio of medians from the limits of both holds the true 2/3.
#[test]
fn ratios_of_medians_cover() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut group = |size: u32, mean: f64| -> Survival {
        let one = |_| {
            let seen = 10 + rng.next_u64() % 71;
            let day = (-uniform(&mut rng).ln() * mean).ceil().max(1.0) as u64;
            Day { day: day.min(seen), events: u64::from(day <= seen), censored: u64::from(day > seen) }
        };
        kaplan_meier(&(0..size).map(one).collect::<Vec<_>>())
    };
    let truth = (20.0 * 2.0_f64.ln()).ceil() / (30.0 * 2.0_f64.ln()).ceil();
    let (mut held, mut told) = (0, 0);
    for _ in 0..800 {
        let (a, b) = (group(80, 20.0), group(80, 30.0));
        let Some(ratio) = a.median(0.95).zip(b.median(0.95)).and_then(|(a, b)| times(&b, &a)) else { continue };
        told += 1;
        held += u32::from(ratio.difference.low <= truth && truth <= ratio.difference.high);
    }
    assert!(told > 700 && held * 1000 >= 935 * told, "{held} of {told}");
}
