//! Estimates for a candidate, each against plain loops over the same rows, and how often their intervals hold the truth.

use std::collections::BTreeMap;
use std::fmt::Write;

use probity::engine::Engine;
use probity::stats::ratio_mean::{ClusterSums, RatioMean, Unit};
use serde_json::{Value, json};

use crate::support::{Audit, facts, near};

/// Numbers without a pattern (splitmix64; Steele, Lea & Flood 2014).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
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

const LOGGED: [f64; 4] = [0.4, 0.3, 0.2, 0.1];
/// By position; the last item of the first position is one that the log never shows there.
const TOMORROW: [[f64; 5]; 2] = [[0.1, 0.2, 0.3, 0.3, 0.1], [0.25, 0.25, 0.25, 0.25, 0.0]];
/// Chances of a click by position and item.
const LIKED: [[f64; 4]; 2] = [[0.3, 0.4, 0.5, 0.45], [0.2, 0.25, 0.35, 0.3]];
/// Rows that the model mixes in.
const PRIOR: f64 = 20.0;

#[derive(Debug, Clone, Copy)]
struct Row {
    person: usize,
    place: usize,
    item: usize,
    click: f64,
}

/// Who is asked about.
type Within = fn(usize) -> bool;

fn is_old(person: usize) -> bool {
    person.is_multiple_of(5)
}

/// Requests of two positions, whose clicks go together for each person.
fn rows(seed: u64, people: usize) -> Vec<Row> {
    let mut draw = Draw(seed);
    let mut rows = Vec::new();
    for person in 0..people {
        let inclined = if draw.next() < 0.5 { 0.1 } else { -0.1 };
        for _ in 0..3 + (draw.next() * 6.0) as usize {
            for (place, liked) in LIKED.iter().enumerate() {
                let item = draw.of(&LOGGED);
                let click = if draw.next() < liked[item] + inclined { 1.0 } else { 0.0 };
                rows.push(Row { person, place, item, click });
            }
        }
    }
    rows
}

/// Mean of a place, and modelled rewards of its items.
type Model = [(f64, [f64; 5], [f64; 5]); 2];

/// By place: the mean, the modelled reward of each item, and the rows of each.
fn model<'a>(rows: impl Iterator<Item = &'a Row> + Clone) -> Model {
    [0, 1].map(|place| {
        let here = rows.clone().filter(move |row| row.place == place);
        let (n, sum) = here.clone().fold((0.0, 0.0), |(n, sum), row| (n + 1.0, sum + row.click));
        let mean = sum / n;
        let (mut counts, mut sums) = ([0.0; 5], [0.0; 5]);
        here.for_each(|row| {
            counts[row.item] += 1.0;
            sums[row.item] += row.click;
        });
        (mean, [0, 1, 2, 3, 4].map(|item| (sums[item] + PRIOR * mean) / (counts[item] + PRIOR)), counts)
    })
}

fn modelled(model: &Model, place: usize) -> f64 {
    TOMORROW[place].iter().zip(model[place].1).map(|(p, q)| p * q).sum()
}

/// The direct method for the people of a segment, by the model of all rows.
fn direct(rows: &[Row], within: Within) -> f64 {
    let model = model(rows.iter());
    let asked: Vec<f64> = rows.iter().filter(|row| within(row.person)).map(|row| modelled(&model, row.place)).collect();
    asked.iter().sum::<f64>() / asked.len() as f64
}

/// Its variance, by what each person has of it.
fn direct_variance(rows: &[Row], within: Within) -> f64 {
    let (model, estimate) = (model(rows.iter()), direct(rows, within));
    let asked = [0, 1].map(|place| rows.iter().filter(|row| within(row.person) && row.place == place).count() as f64);
    let n = asked[0] + asked[1];
    let mut moved: BTreeMap<usize, f64> = BTreeMap::new();
    for row in rows {
        let (mean, q, counts) = &model[row.place];
        let mass = |item: usize| asked[row.place] * TOMORROW[row.place][item];
        let of_place: f64 = (0..5).map(|item| mass(item) * PRIOR / (counts[item] + PRIOR)).sum();
        let in_place: f64 = counts.iter().sum();
        let own = if within(row.person) { modelled(&model, row.place) - estimate } else { 0.0 };
        let u = own
            + mass(row.item) / (counts[row.item] + PRIOR) * (row.click - q[row.item])
            + of_place / in_place * (row.click - mean);
        *moved.entry(row.person).or_default() += u / n;
    }
    let (all, m) = (moved.len() as f64, moved.keys().filter(|person| within(**person)).count() as f64);
    let sum: f64 = moved.values().sum();
    m / (m - 1.0) * (moved.values().map(|u| u * u).sum::<f64>() - sum * sum / all)
}

/// The doubly robust estimate with the models of the other fold, by person.
fn cross_fitted(rows: &[Row], within: Within, fold: &dyn Fn(usize) -> bool) -> RatioMean {
    let others = [false, true].map(|of| model(rows.iter().filter(move |row| fold(row.person) != of)));
    let mut sums: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for row in rows.iter().filter(|row| within(row.person)) {
        let model = &others[usize::from(fold(row.person))];
        let w = TOMORROW[row.place][row.item] / LOGGED[row.item];
        let value = modelled(model, row.place) + w * (row.click - model[row.place].1[row.item]);
        let (n, sum) = sums.entry(row.person).or_default();
        (*n, *sum) = (*n + 1.0, *sum + value);
    }
    let mut all = ClusterSums { clusters: sums.len() as u64, ..ClusterSums::default() };
    for (n, y) in sums.into_values() {
        (all.n, all.y) = (all.n + n, all.y + y);
        (all.nn, all.yy, all.ny) = (all.nn + n * n, all.yy + y * y, all.ny + n * y);
    }
    all.mean().expect("there are people")
}

/// What the planted chances come to; of an item that is never shown, the model says the mean of the place.
fn truth() -> f64 {
    let of = |place: usize| {
        let mean: f64 = LOGGED.iter().zip(LIKED[place]).map(|(share, liked)| share * liked).sum();
        let known: f64 = TOMORROW[place].iter().zip(LIKED[place]).map(|(share, liked)| share * liked).sum();
        known + TOMORROW[place][4] * mean
    };
    (of(0) + of(1)) / 2.0
}

fn everyone(_: usize) -> bool {
    true
}

const MANIFEST: &str = "\
probity: 1
system: { name: Test shop, owner: team@shop.example, jurisdiction: DE, as_of: 2026-06-01 }
purposes:
  - { id: personalize.content, legal_basis: consent, benefit: Less to look through. }
strategies:
  - { id: today, purpose: personalize.content }
candidate: { id: tomorrow }
measure: { min_cell: 10, seed: 5, segments: [{ attribute: age_band }] }
evidence:
  subjects: { path: subjects.csv }
  candidate: { path: candidate.csv }
  recommendations: { path: log.csv, values: { strategy: today } }
";

fn shop(rows: &[Row], people: usize) -> Audit {
    let mut log = "request_id,timestamp,subject_id,item_id,position,propensity,clicked\n".to_owned();
    for (at, row) in rows.iter().enumerate() {
        let (request, place, b) = (at / 2, row.place + 1, LOGGED[row.item]);
        let _ =
            writeln!(log, "r{request},2026-03-01T10:00:00Z,p{},i{},{place},{b},{}", row.person, row.item, row.click);
    }
    let mut subjects = "subject_id,age_band\n".to_owned();
    (0..people).for_each(|person| {
        let _ = writeln!(subjects, "p{person},{}", if is_old(person) { "65+" } else { "under 65" });
    });
    let mut table = "item_id,position,probability\n".to_owned();
    for (place, shares) in TOMORROW.iter().enumerate() {
        for (item, share) in shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            let _ = writeln!(table, "i{item},{},{share}", place + 1);
        }
    }
    let audit = Audit::new().with("audit.yaml", MANIFEST).with("log.csv", log);
    audit.with("subjects.csv", subjects).with("candidate.csv", table)
}

fn fact<'a>(record: &'a Value, estimator: &str, segment: &Value) -> &'a Value {
    let all = facts(record, "counterfactual");
    let found = all.into_iter().find(|fact| fact["estimator"] == estimator && fact["segment"] == *segment);
    found.unwrap_or_else(|| panic!("no {estimator} of {segment}"))
}

/// Which half of the people somebody is in, by the hash that the engine has.
fn folds(people: usize) -> Vec<bool> {
    let run = async {
        let engine = Engine::embedded(1 << 26).expect("an engine");
        let parts = (0..people).map(|person| format!("SELECT {person} AS n, md5('5:p{person}') < '80' AS first"));
        let sql = format!("SELECT n, first FROM ({}) ORDER BY n", parts.collect::<Vec<_>>().join(" UNION ALL "));
        let rows = engine.rows(&sql).await.expect("hashes");
        (0..people).map(|row| rows.integer("first", row) == Some(0)).collect::<Vec<bool>>()
    };
    tokio::runtime::Runtime::new().expect("a runtime").block_on(run)
}

#[test]
fn the_plans_are_the_plain_loops() {
    const PEOPLE: usize = 200;
    let rows = rows(31, PEOPLE);
    let record = shop(&rows, PEOPLE).run().record();
    let folds = folds(PEOPLE);
    assert!(folds.iter().filter(|fold| **fold).count() > PEOPLE / 3);
    let segments: [(Value, Within); 2] = [(json!({}), everyone), (json!({"age_band": "65+"}), is_old)];
    for (segment, within) in segments {
        let value = &fact(&record, "direct_method", &segment)["value"];
        near(&value["estimate"], direct(&rows, within), 1e-9);
        let people = (0..PEOPLE).filter(|person| within(*person)).count();
        let variance = direct_variance(&rows, within);
        let expected =
            RatioMean { estimate: direct(&rows, within), variance, df: people as f64 - 1.0, unit: Unit::Cluster };
        let expected = expected.interval(0.95).expect("it varies");
        near(&value["low"], expected.low, 1e-9);
        near(&value["high"], expected.high, 1e-9);
        // Leave out one person after the other and see how far it moves.
        let without: Vec<f64> = (0..PEOPLE)
            .map(|person| {
                let rest: Vec<Row> = rows.iter().filter(|row| row.person != person).copied().collect();
                direct(&rest, within)
            })
            .collect();
        let (n, mean) = (PEOPLE as f64, without.iter().sum::<f64>() / PEOPLE as f64);
        let jackknife = (n - 1.0) / n * without.iter().map(|of| (of - mean).powi(2)).sum::<f64>();
        assert!((variance / jackknife - 1.0).abs() < 0.05, "{segment}: {variance} is not {jackknife}");

        let expected = cross_fitted(&rows, within, &|person| folds[person]).interval(0.95).expect("it varies");
        let value = &fact(&record, "doubly_robust_cross_fitted", &segment)["value"];
        near(&value["estimate"], expected.estimate, 1e-9);
        near(&value["low"], expected.low, 1e-9);
        near(&value["high"], expected.high, 1e-9);
    }
}

/// Of 300 logs the 95 % intervals hold the truth, within what 300 draws leave open (285 ± 4 standard deviations of 3.8).
#[test]
fn intervals_hold_the_truth_as_often_as_they_say() {
    const PEOPLE: usize = 300;
    let (mut of_direct, mut of_crossed) = (0, 0);
    for seed in 1..=300 {
        let rows = rows(seed * 7919, PEOPLE);
        let holds = |mean: RatioMean| {
            let of = mean.interval(0.95).expect("it varies");
            i32::from(of.low <= truth() && truth() <= of.high)
        };
        let (estimate, variance) = (direct(&rows, everyone), direct_variance(&rows, everyone));
        of_direct += holds(RatioMean { estimate, variance, df: PEOPLE as f64 - 1.0, unit: Unit::Cluster });
        of_crossed += holds(cross_fitted(&rows, everyone, &|person| person.is_multiple_of(2)));
    }
    assert!((270..=298).contains(&of_direct) && (270..=298).contains(&of_crossed), "{of_direct} {of_crossed}");
}
