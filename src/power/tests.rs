//! Sizes that are named, beside logs in which just these are planted, and beside a closed form.

use std::collections::BTreeMap;

use serde_json::json;

use super::number::Number;
use super::outcomes::numbers;
use super::population::{How, Population};
use super::search::{Found, Search};
use super::{Sampling, Side};
use crate::facts::Fact;
use crate::manifest::Measure;
use crate::metrics::metric;
use crate::replay::outcomes::Cell;
use crate::replay::shapes::{Group, Of, Shapes};
use crate::rules::AuditContext;
use crate::rules::load::{LoadedPack, override_params, parse};
use crate::rules::trial::Trial;
use crate::stats::ClusterSums;
use crate::stats::draw::Draws;

/// People, rows of each, and the rate of their outcome.
#[derive(Clone, Copy)]
struct Log {
    segment: u32,
    reference: u32,
    rows: u32,
    rate: f64,
}

fn segment(value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("band".to_owned(), value.to_owned())])
}

/// The very distribution of hits over people: a binomial count each.
fn exact(people: u32, rows: u32, rate: f64) -> Vec<Group> {
    let (n, odds) = (f64::from(rows), rate / (1.0 - rate));
    let mut share = (1.0 - rate).powi(rows as i32);
    let mut groups = Vec::new();
    for hits in 0..=rows {
        groups.push(Group { units: f64::from(people) * share, n, y: f64::from(hits) });
        share *= odds * f64::from(rows - hits) / f64::from(hits + 1);
    }
    groups
}

fn shapes(log: Log, ratio: f64) -> Shapes {
    let of = |value: &str| Of {
        strategy: "s".into(),
        metric: "click".into(),
        attribute: "band".into(),
        value: value.into(),
        within: None,
    };
    let Log { segment, reference, rows, rate } = log;
    Shapes::from([(of("young"), exact(segment, rows, rate * ratio)), (of("old"), exact(reference, rows, rate))])
}

fn fact(ratio: f64) -> Fact {
    let interval = json!({"estimate": ratio, "low": ratio, "high": ratio, "level": 0.95, "method": "cluster_delta"});
    serde_json::from_value(json!({
        "kind": "outcome_parity", "strategy": "s", "metric": "click", "harm": "low", "scale": "share",
        "segment": segment("young"), "reference": segment("old"), "within": {}, "unit": "subject",
        "comparison": "compared", "subjects": 1000, "impressions": 10000, "rate": null, "reference_rate": null,
        "ratio": interval, "difference": null, "p_value": 0.5, "q_value": 0.5, "p_equivalence": null, "p_holm": null,
        "unknown_bounds": null, "suppressed": false, "counts_withheld": false, "most_favoured": null,
        "to_decide": null,
    }))
    .expect("a fact")
}

fn pack(floor: f64) -> Vec<LoadedPack> {
    let builtin = crate::rules::builtin::pack("playbook").expect("the pack ships");
    let mut packs = vec![parse(std::path::Path::new(builtin.path), builtin.yaml).expect("it is good")];
    let change = BTreeMap::from([("floor".to_owned(), json!(floor))]);
    let changes = BTreeMap::from([("outcome-four-fifths".to_owned(), change)]);
    override_params(&mut packs, &changes, std::path::Path::new("audit.yaml")).expect("a floor");
    packs
}

fn context() -> AuditContext {
    AuditContext {
        system: "s".into(),
        owner: "o".into(),
        as_of: None,
        unit: "subject".into(),
        level: 0.95,
        min_cell: 30,
    }
}

/// What a rule sees of a log whose observed ratio is `observed`.
fn found(rule: &str, log: Log, observed: f64, floor: f64, sampling: &Sampling) -> Vec<Found> {
    let (packs, measure, facts) = (pack(floor), Measure::default(), [fact(observed)]);
    let trials = Trial::all(&packs, &context()).expect("rules");
    let trial = trials.iter().find(|trial| *trial.rule.rule.id == rule).expect("the rule");
    let numbers = numbers(&facts, &shapes(log, observed), &measure);
    let number: &dyn Number = &numbers[0];
    Search { trial, number, sampling, stream: 0 }.sides().expect("it is searched")
}

fn size(log: Log, observed: f64, floor: f64, sampling: &Sampling) -> Option<f64> {
    let found = found("outcome-four-fifths", log, observed, floor, sampling);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].side, Side::AtMost);
    assert!((found[0].bound - floor).abs() < 1e-9, "the bound of the rule is found by asking it: {}", found[0].bound);
    found[0].seen.as_ref().map(|seen| seen.size)
}

const SAMPLES: Sampling = Sampling { power: 0.8, simulations: 400, seed: 3 };

/// Sums of people drawn one by one, each row by itself: no shape, no thinning.
fn drawn(draws: &mut Draws, people: u32, rows: u32, rate: f64) -> ClusterSums {
    let mut sums = ClusterSums { clusters: u64::from(people), ..ClusterSums::default() };
    for _ in 0..people {
        let hits = (0..rows).filter(|_| draws.uniform() < rate).count() as f64;
        let n = f64::from(rows);
        sums = ClusterSums {
            n: sums.n + n,
            y: sums.y + hits,
            nn: sums.nn + n * n,
            yy: sums.yy + hits * hits,
            ny: sums.ny + n * hits,
            ..sums
        };
    }
    sums
}

/// The share of logs, each drawn from nothing with this ratio in it, in which the rule fails.
fn caught(log: Log, ratio: f64, logs: u32) -> f64 {
    let (packs, measure) = (pack(0.8), Measure::default());
    let trials = Trial::all(&packs, &context()).expect("rules");
    let trial = trials.iter().find(|trial| *trial.rule.rule.id == "outcome-four-fifths").expect("the rule");
    let cell = |sums: ClusterSums| Cell {
        strategy: "s".into(),
        metric: metric("click").expect("a metric"),
        segment: segment("young"),
        within: None,
        units: sums.clusters,
        impressions: sums.n as u64,
        sums,
    };
    let Fact::OutcomeParity(parity) = fact(ratio) else { panic!("of its kind") };
    let mut draws = Draws::new(11, u64::from(log.segment));
    let fails = (0..logs).filter(|_| {
        let own = cell(drawn(&mut draws, log.segment, log.rows, log.rate * ratio));
        let other = cell(drawn(&mut draws, log.reference, log.rows, log.rate));
        let mut made = parity.with(&own, &other, &measure, |_| true);
        made.q_value = made.p_value;
        let verdict = trial.ask(&Fact::OutcomeParity(made)).expect("an answer");
        verdict == Some(crate::playbook::Verdict::Fail)
    });
    fails.count() as f64 / f64::from(logs)
}

/// Of few hits, drawn one by one, and of many, drawn by their normal limit.
#[test]
fn what_is_named_is_caught_as_often_as_it_says() {
    for log in [
        Log { segment: 150, reference: 400, rows: 10, rate: 0.1 },
        Log { segment: 600, reference: 900, rows: 10, rate: 0.1 },
    ] {
        let named = size(log, 0.9, 0.8, &SAMPLES).expect("some size is seen");
        // 400 logs and 400 samples, each with an error of 0.02; a hundredth of a size is worth another 0.02.
        let share = caught(log, named, 400);
        assert!((share - 0.8).abs() < 0.09, "{named} is caught in {share}");
        let less = caught(log, named + 0.1, 200);
        assert!(less < share - 0.1, "what is smaller is seen less often: {less}");
    }
}

/// With as many independent rows for everybody the log of the ratio is normal, of variance (1 - p)/np on either side:
/// statsmodels 0.15.0 `NormalIndPower().power(log(0.8 / r) / sd, m, 0.025, ratio=0, alternative="larger")`, solved for
/// 0.8 by scipy 1.17.1 `brentq`, sd² being m times the variance of the log.
#[test]
fn a_closed_form_agrees() {
    let sampling = Sampling { simulations: 1_000, ..SAMPLES };
    for (people, expected) in CLOSED {
        let log = Log { segment: people, reference: people, rows: 10, rate: 0.1 };
        let named = size(log, 0.9, 0.8, &sampling).expect("some size is seen");
        assert!((named - expected).abs() < 0.016, "{people}: {named} is not {expected}");
    }
}

const CLOSED: [(u32, f64); 3] = [(400, 0.645_42), (2_000, 0.729_46), (10_000, 0.768_16)];

#[test]
fn more_people_see_more_and_few_see_nothing() {
    let of = |people| Log { segment: people, reference: 2_000, rows: 10, rate: 0.1 };
    let sizes: Vec<f64> = [60, 200, 800, 3_000].map(|people| size(of(people), 1.0, 0.8, &SAMPLES).unwrap()).into();
    assert!(sizes.windows(2).all(|pair| pair[0] < pair[1]), "{sizes:?}");
    assert_eq!(size(Log { segment: 30, reference: 60, rows: 1, rate: 0.05 }, 1.0, 0.8, &SAMPLES), None);
}

#[test]
fn another_bound_gives_another_answer() {
    let log = Log { segment: 800, reference: 2_000, rows: 10, rate: 0.1 };
    let (four_fifths, nine_tenths) = (size(log, 1.0, 0.8, &SAMPLES).unwrap(), size(log, 1.0, 0.9, &SAMPLES).unwrap());
    assert!(nine_tenths > four_fifths + 0.06, "{four_fifths} {nine_tenths}");
}

/// A rule that looks for more looks upwards, and finds it.
#[test]
fn the_side_is_the_rule_s() {
    let log = Log { segment: 800, reference: 2_000, rows: 10, rate: 0.1 };
    let found = found("reference-served-worse", log, 0.7, 0.8, &SAMPLES);
    assert_eq!((found.len(), found[0].side), (1, Side::AtLeast));
    assert!((found[0].bound - 1.25).abs() < 1e-9, "{}", found[0].bound);
    let seen = found[0].seen.as_ref().expect("some size is seen");
    assert!((1.3..1.6).contains(&seen.size) && seen.probability >= 0.8, "{seen:?}");
}

/// Of one sample after another, at every rate: units with rows and outcomes as the population has them, and never less
/// of an outcome at a higher rate.
#[test]
fn samples_have_the_rate_that_is_asked() {
    let groups = exact(120, 8, 0.2);
    let amounts = [Group { units: 90.0, n: 3.0, y: 0.0 }, Group { units: 30.0, n: 2.0, y: 17.5 }];
    for (how, groups, rates) in [
        (How::Thinned, &groups[..], [0.05, 0.2, 0.5]),
        (How::Repeated, &groups[..], [0.05, 0.2, 0.7]),
        (How::Mixed, &groups[..], [0.05, 0.2, 0.7]),
        (How::Scaled, &amounts[..], [0.5, 1.6, 4.0]),
    ] {
        let population = Population::of(groups, how).expect("rows");
        let samples = population.samples((1, 1), 2_000, rates[2], 1.0);
        let mut means = Vec::new();
        for rate in rates {
            let all: Vec<ClusterSums> = (0..2_000).map(|nth| samples.sums(nth, rate)).collect();
            let (y, n) = all.iter().fold((0.0, 0.0), |(y, n), sums| (y + sums.y, n + sums.n));
            assert!((y / n / rate - 1.0).abs() < 0.03, "{how:?}: {} is not {rate}", y / n);
            means.push(all.iter().map(|sums| sums.y).collect::<Vec<_>>());
        }
        for pair in means.windows(2) {
            assert!(pair[0].iter().zip(&pair[1]).all(|(less, more)| less <= more), "{how:?}");
        }
    }
}

/// Variance of the outcome from sample to sample: unit by unit, and by the normal limit, which hundreds of carriers
/// reach.
#[test]
fn the_normal_limit_varies_as_the_units_do() {
    let spread = |population: &Population, rate: f64| {
        let samples = population.samples((2, 2), 3_000, rate, 1.0);
        let rates: Vec<f64> = (0..3_000).map(|nth| samples.sums(nth, rate)).map(|sums| sums.y / sums.n).collect();
        let mean = rates.iter().sum::<f64>() / 3_000.0;
        rates.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>() / 2_999.0
    };
    // A tenth of the units carries all, so that few carry much.
    let of = |units: f64| {
        let groups = [Group { units: 0.9 * units, n: 5.0, y: 0.0 }, Group { units: 0.1 * units, n: 5.0, y: 4.0 }];
        Population::of(&groups, How::Thinned).expect("rows")
    };
    for rate in [0.03, 0.08, 0.15] {
        // 200 units that carry it are drawn each; 2,000 are not.
        let ratio = spread(&of(2_000.0), rate) / spread(&of(20_000.0), rate);
        assert!((ratio / 10.0 - 1.0).abs() < 0.12, "{rate}: {ratio}");
    }
}

fn search<'a>(trials: &'a [Trial<'a>], rule: &str, number: &'a dyn Number, sampling: &'a Sampling) -> Search<'a> {
    let trial = trials.iter().find(|trial| *trial.rule.rule.id == rule).expect("the rule");
    Search { trial, number, sampling, stream: 1 }
}

/// The rule fails by the estimate alone where there are people enough, and the log of a ratio of shares is near normal
/// with the variance of Katz et al. 1978: 0.8 of the estimates lie below 0.8 where r = 0.8 · exp(-0.841 62 · se).
#[test]
fn a_selection_is_seen_where_its_estimate_falls() {
    use crate::facts::selection;
    use crate::manifest::SelectionOutcome;
    use crate::replay::segments::Segments;
    use crate::replay::selection::{Cell, Table};
    let cell = |value: &str, assessed, chosen| Cell { values: vec![value.into()], assessed, chosen, unstated: 0 };
    let tables = [Table {
        strategy: "s".into(),
        outcome: SelectionOutcome::Selected,
        attributes: vec!["sex".into()],
        median: None,
        cells: vec![cell("female", 400, 180), cell("male", 600, 300)],
    }];
    let (segments, measure) = (Segments::default(), Measure::default());
    let facts: Vec<Fact> = selection::measure(&tables, &segments, &measure).into_iter().map(Fact::Selection).collect();
    let numbers = super::selection::numbers(&facts, &tables, &segments, &measure);
    assert_eq!(numbers.len(), 1, "the most selected category is compared with nothing");
    let builtin = crate::rules::builtin::pack("ll144").expect("the pack ships");
    let packs = [parse(std::path::Path::new(builtin.path), builtin.yaml).expect("it is good")];
    let trials = Trial::all(&packs, &context()).expect("rules");
    let sampling = Sampling { simulations: 1_000, ..SAMPLES };
    let found = search(&trials, "ll144-selection", &numbers[0], &sampling).sides().expect("it is searched");
    let named = found[0].seen.as_ref().expect("some size is seen").size;
    let se = |ratio: f64| ((1.0 - 0.5 * ratio) / (200.0 * ratio) + 0.5 / 300.0).sqrt();
    let expected = (0..50).fold(0.8, |ratio, _| 0.8 * (-0.841_62 * se(ratio)).exp());
    assert!((named - expected).abs() < 0.016, "{named} is not {expected}");
    assert_eq!((found.len(), found[0].side), (1, Side::AtMost));
}

/// Of two arms that should be alike, (n₂ - n₁)/√(n₁ + n₂) is near standard normal, and the rule fails past 3.290 53,
/// the z of a two-sided p of 0.001; with a loss of 1 - s it is that past 0.841 62 more in 0.8 of the cases.
#[test]
fn lost_people_are_seen_by_how_arms_compare() {
    use crate::facts::sample_ratio::{Arm, SampleRatio};
    let arm = |strategy: &str| Arm { strategy: strategy.into(), people: 5_000, expected: 5_000.0 };
    let facts = [Fact::SampleRatio(SampleRatio {
        holdout: "a".into(),
        arms: vec![arm("a"), arm("b")],
        stated: false,
        p_value: Some(1.0),
        chi_squared: Some(0.0),
        crossed: None,
        left_out: 0,
    })];
    let numbers = super::allocation::numbers(&facts);
    assert_eq!(numbers.len(), 2);
    let packs = pack(0.8);
    let trials = Trial::all(&packs, &context()).expect("rules");
    let sampling = Sampling { simulations: 1_000, ..SAMPLES };
    let expected = (0..50).fold(0.9, |s: f64, _| 1.0 - (3.290_53 + 0.841_62) * (5_000.0 * (1.0 + s)).sqrt() / 5_000.0);
    for number in &numbers {
        let search = search(&trials, "sample-ratio-mismatch", number, &sampling);
        let found = search.sides().expect("it is searched");
        let named = found[0].seen.as_ref().expect("some size is seen").size;
        assert!((named - expected).abs() < 0.011, "{named} is not {expected}");
        // It has no condition to pass by, so that nobody has to be enough for one.
        assert_eq!((found.len(), search.units_to_pass().expect("no fault")), (1, None));
    }
}
