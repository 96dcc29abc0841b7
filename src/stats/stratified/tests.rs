use proptest::prelude::*;

use super::*;

/// A stratum from its cells: events and others of the group, events and others of the reference.
fn stratum([a, b, c, d]: [u32; 4]) -> Stratum {
    let [a, b, c, d] = [a, b, c, d].map(f64::from);
    Stratum { events: a, rows: a + b, reference_events: c, reference_rows: c + d }
}

fn near(got: f64, expected: f64) {
    assert!((got - expected).abs() <= 1e-9 * expected.abs().max(1e-3), "{got} is not {expected}");
}

/// Admissions at Berkeley in 1973 (Bickel, Hammel & O'Connell 1975) in six departments: men, then women.
pub const ADMISSIONS: [[u32; 4]; 6] = [
    [512, 313, 89, 19],
    [353, 207, 17, 8],
    [120, 205, 202, 391],
    [138, 279, 131, 244],
    [53, 138, 94, 299],
    [22, 351, 24, 317],
];

/// What statsmodels says of some tables.
struct Oracle {
    tables: Vec<[u32; 4]>,
    /// M² with and without the continuity correction, and their p.
    cmh: [(f64, f64); 2],
    odds: [f64; 3],
    risk: f64,
    /// Breslow-Day without and with Tarone's correction, and their p.
    breslow_day: [(f64, f64); 2],
}

/// statsmodels 0.15.0 `StratifiedTable(tables)`: `test_null_odds(correction)`, `oddsratio_pooled` with its `_confint()`,
/// `riskratio_pooled`, `test_equal_odds(adjust)`. The tables but the first are numpy 2 `default_rng(20)`'s, the last has
/// empty cells.
fn oracles() -> Vec<Oracle> {
    vec![
        Oracle {
            tables: ADMISSIONS.to_vec(),
            cmh: [(1.4269462285866883, 0.23226346281704802), (1.5246066604434356, 0.21692369705551817)],
            odds: [0.9046968282586231, 0.7719073617593505, 1.0603297644366558],
            risk: 0.944905022595929,
            breslow_day: [(18.825513705236514, 0.0020713903499175457), (18.82550125205323, 0.0020714013978808676)],
        },
        Oracle {
            tables: vec![[47, 131, 3, 56], [7, 4, 11, 13], [12, 71, 7, 50]],
            cmh: [(9.113501719757377, 0.0025372969051735694), (9.958802486866308, 0.0016008214643981056)],
            odds: [2.7827019266179067, 1.4569950390302517, 5.314657775057966],
            risk: 2.168911711216053,
            breslow_day: [(5.103697049714274, 0.07793746342275087), (5.100215577609419, 0.07807325012528188)],
        },
        Oracle {
            tables: vec![[5, 171, 34, 129], [34, 57, 43, 98], [18, 64, 28, 50], [32, 49, 6, 46], [63, 117, 41, 48]],
            cmh: [(4.075884020727225, 0.04349949862521241), (4.366735706993254, 0.036647131091859575)],
            odds: [0.7496654485545448, 0.5695392012490655, 0.9867596181684409],
            risk: 0.8154102884314226,
            breslow_day: [(42.70184612238895, 1.19318392943768e-08), (42.697813512122316, 1.1954843226469336e-08)],
        },
        Oracle {
            tables: vec![
                [10, 146, 12, 52],
                [7, 6, 2, 16],
                [22, 19, 36, 39],
                [7, 71, 28, 67],
                [72, 58, 18, 63],
                [85, 90, 31, 63],
                [7, 13, 48, 26],
                [18, 25, 10, 109],
            ],
            cmh: [(8.626127003945129, 0.00331375359616215), (9.026427161429474, 0.002661040837755313)],
            odds: [1.4528113625938244, 1.1258821849075826, 1.8746729307693746],
            risk: 1.2828740441304691,
            breslow_day: [(76.29647885770441, 7.815970093361102e-14), (76.22155724291328, 8.093525849517391e-14)],
        },
        Oracle {
            tables: vec![[0, 5, 2, 7], [3, 4, 0, 6], [1, 0, 1, 9], [2, 8, 3, 20]],
            cmh: [(1.0249548507582493, 0.3113465808961122), (1.8386523897857248, 0.17510897756026345)],
            odds: [2.368907368907369, 0.6559118626383504, 8.555603949425391],
            risk: 2.151126651126651,
            breslow_day: [(6.931975160479435, 0.0740978523695981), (6.919346160128021, 0.07451340117611693)],
        },
    ]
}

#[test]
fn agree_with_statsmodels() {
    for Oracle { tables, cmh: tests, odds, risk, breslow_day: homogeneity } in oracles() {
        let strata: Vec<Stratum> = tables.into_iter().map(stratum).collect();
        for (correction, (statistic, p)) in [0.5, 0.0].into_iter().zip(tests) {
            let got = cmh(&strata, correction).unwrap();
            near(got.statistic, statistic);
            near(got.p_value, p);
        }
        near(odds_ratio(&strata).unwrap(), odds[0]);
        let interval = odds_ratio_interval(&strata, 0.95).unwrap();
        near(interval.estimate, odds[0]);
        near(interval.low, odds[1]);
        near(interval.high, odds[2]);
        near(risk_ratio(&strata).unwrap(), risk);
        for (tarone, (statistic, p)) in [false, true].into_iter().zip(homogeneity) {
            let got = breslow_day(&strata, tarone).unwrap();
            near(got.statistic, statistic);
            near(got.p_value, p);
        }
    }
}

/// The University Group Diabetes Program, deaths under tolbutamide and placebo below and above 55 years: the pooled
/// risk ratio that Rothman & Greenland (Modern Epidemiology, 1998, ch. 15) print is 1.33.
#[test]
fn the_risk_ratio_of_the_diabetes_program_is_the_published_one() {
    let strata = [stratum([8, 98, 5, 115]), stratum([22, 76, 16, 69])];
    assert_eq!(format!("{:.2}", risk_ratio(&strata).unwrap()), "1.33");
}

/// In one stratum the interval of Greenland & Robins is that of Katz et al. (1978).
#[test]
fn one_stratum_has_the_interval_of_katz() {
    use crate::stats::proportion::{Proportion, katz};
    let one = risk_ratio_interval(&[stratum([8, 98, 5, 115])], 0.95).unwrap();
    let katz = katz(Proportion { successes: 8, trials: 106 }, Proportion { successes: 5, trials: 120 }, 0.95).unwrap();
    near(one.estimate, katz.estimate);
    near(one.low, katz.low);
    near(one.high, katz.high);
}

#[test]
fn strata_that_tell_nothing_add_nothing() {
    let strata: Vec<Stratum> = ADMISSIONS.into_iter().map(stratum).collect();
    // One group only, a single row, nothing happened, nobody there.
    let empty = [[5, 9, 0, 0], [0, 0, 5, 9], [1, 0, 0, 0], [0, 12, 0, 7], [0, 0, 0, 0]].map(stratum);
    let more: Vec<Stratum> = strata.iter().chain(&empty).copied().collect();
    assert_eq!(cmh(&strata, 0.5), cmh(&more, 0.5));
    assert_eq!(odds_ratio_interval(&strata, 0.95), odds_ratio_interval(&more, 0.95));
    assert_eq!(risk_ratio_interval(&strata, 0.95), risk_ratio_interval(&more, 0.95));
    assert_eq!(breslow_day(&strata, true), breslow_day(&more, true));
    // Where all that could happen did, rates can be compared (they are 1) and odds cannot.
    let all = stratum([5, 0, 9, 0]);
    assert!(all.compares() && !all.varies());
    assert_eq!(odds_ratio(&strata), odds_ratio(&[&strata[..], &[all]].concat()));
    for none in [&empty[..], &[]] {
        assert_eq!((cmh(none, 0.0), odds_ratio(none), risk_ratio(none)), (None, None, None));
        assert_eq!((risk_ratio_interval(none, 0.95), breslow_day(none, false)), (None, None));
    }
    // Nothing happened to the group: the ratio is 0, and no interval can be made on the log scale.
    let never = [stratum([0, 10, 3, 9]), stratum([0, 8, 1, 9])];
    assert_eq!((risk_ratio(&never), odds_ratio(&never)), (Some(0.0), Some(0.0)));
    assert_eq!((risk_ratio_interval(&never, 0.95), breslow_day(&never, true)), (None, None));
    // The correction is never more than the distance.
    assert_eq!(cmh(&[stratum([1, 1, 1, 1])], 0.5).unwrap().statistic, 0.0);
}

proptest! {
    #[test]
    fn turning_the_groups_round_turns_the_ratios(tables in prop::collection::vec(prop::array::uniform4(1u32..500), 1..12)) {
        let strata: Vec<Stratum> = tables.iter().copied().map(stratum).collect();
        let turned: Vec<Stratum> = tables.iter().map(|&[a, b, c, d]| stratum([c, d, a, b])).collect();
        for (one, other) in [
            (risk_ratio_interval(&strata, 0.95), risk_ratio_interval(&turned, 0.95)),
            (odds_ratio_interval(&strata, 0.95), odds_ratio_interval(&turned, 0.95)),
        ] {
            let (one, other) = (one.unwrap(), other.unwrap());
            prop_assert!((one.estimate * other.estimate - 1.0).abs() < 1e-9);
            prop_assert!((one.low * other.high - 1.0).abs() < 1e-9);
        }
        let (one, other) = (cmh(&strata, 0.5).unwrap(), cmh(&turned, 0.5).unwrap());
        prop_assert!((one.statistic - other.statistic).abs() < 1e-6 * one.statistic.max(1.0));
    }

    #[test]
    fn any_input_is_answered(cells in prop::collection::vec(prop::array::uniform4(any::<f64>()), 0..5), level in any::<f64>()) {
        let strata: Vec<Stratum> = cells
            .into_iter()
            .map(|[events, rows, reference_events, reference_rows]| Stratum { events, rows, reference_events, reference_rows })
            .collect();
        let _ = (cmh(&strata, level), crude_ratio(&strata), risk_ratio(&strata), odds_ratio(&strata));
        let _ = (risk_ratio_interval(&strata, level), odds_ratio_interval(&strata, 0.9));
        let _ = (breslow_day(&strata, true), breslow_day(&strata, false));
    }
}
