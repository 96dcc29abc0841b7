use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::*;

fn table(rows: &[&[u64]]) -> Vec<(usize, usize, u64)> {
    let cells = |(i, row): (usize, &&[u64])| row.iter().enumerate().map(|(j, n)| (i, j, *n)).collect::<Vec<_>>();
    rows.iter().enumerate().flat_map(cells).collect()
}

fn near(got: f64, expected: f64, tolerance: f64) {
    assert!((got - expected).abs() <= tolerance, "{got} is not {expected}");
}

/// Hair and eye colour of 592 students (Snee 1974): χ² = 138.29 with 9 degrees of freedom.
///
/// scipy 1.15.3 `stats.contingency.association(t, "cramer")` and `stats.chi2_contingency(t, correction=False)`; the
/// correction and the limits by solving the same equation with `optimize.brentq`, the derivatives of φ² by differences.
#[test]
fn hair_and_eyes_go_together_as_published() {
    let hair = table(&[&[68, 119, 26, 7], &[20, 84, 17, 94], &[15, 54, 14, 10], &[5, 29, 14, 16]]);
    let found = cramers_v(&hair, 0.95).unwrap();
    near(found.uncorrected, 0.279_044_623_342_658_4, 1e-12);
    near(found.p_value / 2.325_286_787_098_839e-25, 1.0, 1e-9);
    near(found.strength.estimate, 0.270_483_152_912_315_67, 1e-12);
    near(found.strength.low, 0.232_139_944_378_574_3, 1e-8);
    near(found.strength.high, 0.314_506_948_656_367_25, 1e-8);
    assert_eq!(found.strength.method, "score_delta");
}

/// Sex and survival of 2,201 people aboard the Titanic (Dawson 1995), as scipy 1.15.3 says of them.
#[test]
fn who_survived_the_titanic() {
    let found = cramers_v(&table(&[&[1364, 367], &[126, 344]]), 0.95).unwrap();
    near(found.uncorrected, 0.455_604_783_148_933_93, 1e-12);
    near(found.p_value / 2.302_151_178_355_054e-101, 1.0, 1e-9);
}

fn powers(numbers: &[f64]) -> Powers {
    let sum = |power: i32| numbers.iter().map(|x| x.powi(power)).sum();
    Powers { n: numbers.len() as f64, sums: [sum(1), sum(2), sum(3), sum(4)] }
}

/// Weights of dried plants under three treatments (Dobson 1983): F = 4.846; then with unequal groups.
///
/// statsmodels 0.15.0 `anova_oneway(groups, use_var="bf")`, whose numerator is the correction, too; the variance by
/// influence functions taken numerically, and the limits with `numpy.roots` of the same equation.
#[test]
fn plants_grow_as_published() {
    let control = [4.17, 5.58, 5.18, 6.11, 4.50, 4.61, 5.17, 4.53, 5.33, 5.14];
    let first = [4.81, 4.17, 4.41, 3.59, 5.87, 3.83, 6.03, 4.89, 4.32, 4.69];
    let second = [6.31, 5.12, 5.54, 5.50, 5.37, 5.29, 4.92, 6.15, 5.80, 5.26];
    let equal = correlation_ratio(&[powers(&control), powers(&first), powers(&second)], 0.95).unwrap();
    near(equal.uncorrected.powi(2), 0.264_148_296_832_119_66, 1e-10);
    near(equal.strength.estimate.powi(2), 0.209_640_763_264_128_5, 1e-10);
    near(equal.p_value, 0.020_548_727_471_462_98, 1e-9);
    let longer = [&second[..7], &[9.0]].concat();
    let unequal = correlation_ratio(&[powers(&control), powers(&first[..6]), powers(&longer)], 0.95).unwrap();
    near(unequal.uncorrected.powi(2), 0.282_921_313_229_085_5, 1e-10);
    near(unequal.strength.estimate.powi(2), 0.211_162_688_660_086_67, 1e-10);
    near(unequal.p_value, 0.049_575_461_903_092_94, 1e-9);
    near(unequal.strength.low, 0.197_104_882_437_187_36, 1e-6);
    near(unequal.strength.high, 0.738_562_181_133_268, 1e-6);
}

#[test]
fn the_ends_are_told_and_what_cannot_be_measured_is_not() {
    let same = cramers_v(&table(&[&[50, 0, 0], &[0, 50, 0], &[0, 0, 50]]), 0.95).unwrap();
    near(same.strength.estimate, 1.0, 1e-12);
    assert_eq!(same.strength.high, 1.0);
    let none = cramers_v(&table(&[&[50, 100], &[100, 200]]), 0.95).unwrap();
    assert_eq!((none.strength.estimate, none.strength.low, none.p_value), (0.0, 0.0, 1.0));
    for flat in [table(&[&[5, 6]]), table(&[&[5], &[6]]), table(&[&[5, 0], &[6, 0]]), Vec::new()] {
        assert_eq!(cramers_v(&flat, 0.95), None);
    }
    let apart = correlation_ratio(&[powers(&[1.0, 1.0]), powers(&[3.0, 3.0])], 0.95).unwrap();
    assert_eq!((apart.strength.estimate, apart.p_value), (1.0, 0.0));
    assert_eq!(correlation_ratio(&[powers(&[1.0, 2.0])], 0.95), None);
    assert_eq!(correlation_ratio(&[powers(&[2.0, 2.0]), powers(&[2.0])], 0.95), None);
}

fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// An index drawn with the given shares.
fn index(rng: &mut ChaCha8Rng, shares: &[f64]) -> usize {
    let mut left = uniform(rng);
    shares
        .iter()
        .position(|share| {
            left -= share;
            left < 0.0
        })
        .unwrap_or(shares.len() - 1)
}

/// A mixture of independence (weight 1 − `same`) and of one variable telling the other, and its true V.
fn planted(rows: &[f64], columns: &[f64], same: f64) -> (Vec<f64>, f64) {
    let told = |i: usize, j: usize| if i % columns.len() == j { 1.0 } else { 0.0 };
    let mut shares = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        shares.extend(columns.iter().enumerate().map(|(j, column)| row * ((1.0 - same) * column + same * told(i, j))));
    }
    let width = columns.len();
    let margins: Vec<f64> = (0..width).map(|j| shares.iter().skip(j).step_by(width).sum()).collect();
    let phi2: f64 =
        shares.iter().enumerate().map(|(at, p)| p * p / (rows[at / width] * margins[at % width])).sum::<f64>() - 1.0;
    let least = rows.len().min(width) as f64 - 1.0;
    (shares, (phi2.max(0.0) / least).sqrt())
}

/// 1,000 tables of each planted strength, for two shapes of table and two numbers of rows.
#[test]
fn intervals_of_v_cover_what_is_planted() {
    let mut rng = ChaCha8Rng::seed_from_u64(20_130_607);
    let shapes: [(&[f64], &[f64]); 2] =
        [(&[0.9, 0.1], &[0.6, 0.4]), (&[0.2, 0.2, 0.15, 0.15, 0.1, 0.1, 0.05, 0.05], &[0.5, 0.3, 0.2])];
    let tables = 1_000;
    for (rows, columns) in shapes {
        for n in [400, 2_000] {
            for same in [0.0, 0.1, 0.3, 0.6] {
                let (shares, truth) = planted(rows, columns, same);
                let (mut covered, mut square, mut rejected) = (0, 0.0, 0);
                for _ in 0..tables {
                    let mut counts = vec![0_u64; shares.len()];
                    for _ in 0..n {
                        counts[index(&mut rng, &shares)] += 1;
                    }
                    let cells: Vec<_> =
                        counts.iter().enumerate().map(|(at, n)| (at / columns.len(), at % columns.len(), *n)).collect();
                    let found = cramers_v(&cells, 0.95).unwrap();
                    covered += u32::from(found.strength.low <= truth && truth <= found.strength.high);
                    square += found.strength.estimate.powi(2) / f64::from(tables);
                    rejected += u32::from(found.p_value < 0.05);
                }
                let share = f64::from(covered) / f64::from(tables);
                let what = format!("{}x{} of {n} at {truth}", rows.len(), columns.len());
                assert!((0.93..=0.97).contains(&share), "{what}: {share}");
                if same == 0.0 {
                    // V² is cut off at 0, so its mean lies a little above.
                    assert!(square < 2.0 / f64::from(n), "{what}: {square}");
                    assert!((35..=65).contains(&rejected), "{what}: {rejected}");
                } else {
                    assert!((square.sqrt() - truth).abs() < 0.02, "{what}: {}", square.sqrt());
                }
            }
        }
    }
}

/// Skewed numbers whose spread differs between four unequal groups: nothing that a test on normal numbers assumes.
#[test]
fn intervals_of_eta_cover_what_is_planted() {
    let mut rng = ChaCha8Rng::seed_from_u64(19_350_101);
    let (shares, spreads) = ([0.4, 0.3, 0.2, 0.1], [1.0, 1.5, 0.7, 2.0]);
    let within: f64 = shares.iter().zip(spreads).map(|(share, spread)| share * spread * spread).sum();
    // At a true η of 0.85 such tails make the intervals a little too short.
    for (step, least) in [(0.0, 0.93), (0.3, 0.93), (0.8, 0.93), (2.0, 0.91)] {
        let means: [f64; 4] = std::array::from_fn(|group| step * group as f64);
        let mean: f64 = shares.iter().zip(means).map(|(share, mean)| share * mean).sum();
        let between: f64 = shares.iter().zip(means).map(|(share, group)| share * (group - mean).powi(2)).sum();
        let truth = (between / (between + within)).sqrt();
        let (samples, mut covered) = (1_000, 0);
        for _ in 0..samples {
            let mut groups = [Powers::default(); 4];
            for _ in 0..1_000 {
                let group = index(&mut rng, &shares);
                // Exponential, moved to mean 0: variance 1, skewness 2.
                let x = means[group] + spreads[group] * (-(1.0 - uniform(&mut rng)).ln() - 1.0);
                groups[group].n += 1.0;
                for (power, sum) in (1..).zip(&mut groups[group].sums) {
                    *sum += x.powi(power);
                }
            }
            let strength = correlation_ratio(&groups, 0.95).unwrap().strength;
            covered += u32::from(strength.low <= truth && truth <= strength.high);
        }
        let share = f64::from(covered) / f64::from(samples);
        assert!((least..=0.97).contains(&share), "{truth}: {share}");
    }
}

proptest! {
    #[test]
    fn any_table_is_answered(cells in prop::collection::vec((0_usize..9, 0_usize..9, any::<u64>()), 0..40)) {
        if let Some(found) = cramers_v(&cells, 0.95) {
            let Interval { estimate, low, high, .. } = found.strength;
            prop_assert!(0.0 <= low && low <= estimate && estimate <= high && high <= 1.0);
        }
    }

    #[test]
    fn any_groups_are_answered(groups in prop::collection::vec((0.0_f64..1e9, any::<[f64; 4]>()), 0..9)) {
        let groups: Vec<Powers> = groups.into_iter().map(|(n, sums)| Powers { n, sums }).collect();
        if let Some(found) = correlation_ratio(&groups, 0.95) {
            let Interval { estimate, low, high, .. } = found.strength;
            prop_assert!(0.0 <= low && low <= estimate && estimate <= high && high <= 1.0);
        }
    }
}
