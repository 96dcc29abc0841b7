//! The outcomes that segments are compared by: against peer libraries, and against plain loops over a random log.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};

use crate::support::{Audit, facts};

fn manifest(measure: &str) -> String {
    format!(
        "probity: 1\nsystem: {{ name: Test, owner: team@shop.example, jurisdiction: DE, as_of: 2026-06-01 }}\n\
         measure:\n{measure}evidence:\n  subjects: {{ path: subjects.csv }}\n  recommendations: {{ path: log.csv }}\n"
    )
}

fn record(measure: &str, subjects: &str, log: &str) -> Value {
    let audit = Audit::new().with("audit.yaml", manifest(measure));
    audit.with("subjects.csv", subjects).with("log.csv", log).run().record()
}

#[track_caller]
fn near(got: &Value, expected: f64) {
    let got = got.as_f64().unwrap_or(f64::NAN);
    assert!((got - expected).abs() <= 1e-8 * expected.abs().max(1.0), "{got} is not {expected}");
}

/// The fact about a segment in a metric.
#[track_caller]
fn parity<'a>(record: &'a Value, strategy: &str, metric: &str, segment: &Value) -> &'a Value {
    let all = facts(record, "outcome_parity");
    let mut found = all.into_iter().filter(|fact| {
        fact["strategy"] == strategy
            && fact["metric"] == metric
            && fact["segment"] == *segment
            && fact["within"] == json!({})
    });
    found.next().unwrap_or_else(|| panic!("no fact on {metric} of {segment} under {strategy}"))
}

/// 600 people of three groups, each with one row: tp, fp, fn, tn. The rates of fairlearn 0.15.0 `MetricFrame(metrics={
/// selection_rate, true_positive_rate, false_positive_rate, precision_score, 1 - precision, FN/(FN+TN)}, y_true, y_pred,
/// sensitive_features)` and Aequitas 1.1.0 `Group().get_crosstabs(df)` on these rows; the ratios are Aequitas'
/// `Bias().get_disparity_predefined_groups(ref_groups_dict={"group": "a"})`.
#[test]
fn rates_of_a_confusion_table_are_those_of_fairlearn_and_aequitas() {
    let groups = [("a", [74, 36, 47, 143]), ("b", [46, 30, 47, 56]), ("c", [29, 20, 14, 58])];
    let (mut subjects, mut log) = ("subject_id,group\n".to_owned(), String::new());
    log += "timestamp,subject_id,item_id,strategy,selected,relevant\n";
    let mut person = 0;
    for (group, counts) in groups {
        for (count, (selected, relevant)) in counts.into_iter().zip([(1, 1), (1, 0), (0, 1), (0, 0)]) {
            for _ in 0..count {
                person += 1;
                subjects += &format!("p{person},{group}\n");
                log += &format!("2026-03-01T00:00:00Z,p{person},i,s,{selected},{relevant}\n");
            }
        }
    }
    let measure =
        "  segments: [{ attribute: group, reference: a }]\n  metrics: [selection, tpr, fpr, fdr, for, precision]\n";
    let record = record(measure, &subjects, &log);
    let rates = [
        ("selection", [0.36666666666666664, 0.4245810055865922, 0.4049586776859504]),
        ("tpr", [0.6115702479338843, 0.4946236559139785, 0.6744186046511628]),
        ("fpr", [0.2011173184357542, 0.3488372093023256, 0.2564102564102564]),
        ("precision", [0.6727272727272727, 0.6052631578947368, 0.5918367346938775]),
        ("fdr", [0.32727272727272727, 0.39473684210526316, 0.40816326530612246]),
        ("for", [0.24736842105263157, 0.4563106796116505, 0.19444444444444445]),
    ];
    for (metric, rates) in rates {
        for ((group, _), rate) in groups.iter().zip(rates) {
            let fact = parity(&record, "s", metric, &json!({"group": group}));
            near(&fact["rate"]["estimate"], rate);
            if *group != "a" {
                near(&fact["ratio"]["estimate"], rate / rates[0]);
            }
        }
    }
    assert_eq!(parity(&record, "s", "fdr", &json!({"group": "b"}))["harm"], "high");
    // What is missed least is favoured most.
    assert_eq!(parity(&record, "s", "for", &json!({"group": "a"}))["most_favoured"]["segment"]["group"], "c");
}

const LISTS: [&[u32]; 6] =
    [&[1, 0, 0, 1, 0, 1], &[0, 1, 1, 0], &[0, 0, 0, 1, 1, 0, 1, 0], &[0, 0, 0, 0, 0, 1], &[1, 1, 1], &[0, 0, 0]];

/// scikit-learn 1.9.1 `ndcg_score([relevance], [[n, .., 1]], k=K)` of each list; the last has nothing relevant.
const NDCG_AT_3: [f64; 5] = [0.46927872602275655, 0.6934264036172708, 0.0, 0.0, 1.0];
const NDCG: [f64; 5] = [0.8385465274895064, 0.6934264036172708, 0.5400753810454858, 0.35620718710802235, 1.0];

/// Of everybody's list the same five or six, so that a group's mean is the mean of the lists.
#[test]
fn the_quality_of_lists_is_that_of_scikit_learn() {
    let (mut subjects, mut log) = ("subject_id,group\n".to_owned(), String::new());
    log += "request_id,timestamp,subject_id,item_id,position,strategy,relevant\n";
    for (index, list) in LISTS.iter().enumerate() {
        for (group, times) in [("a", 10), ("b", if index == 1 { 30 } else { 10 })] {
            for copy in 0..times {
                let person = format!("p{index}{group}{copy}");
                subjects += &format!("{person},{group}\n");
                for (place, relevant) in list.iter().enumerate() {
                    let position = place + 1;
                    log += &format!("r{person},2026-03-01T00:00:00Z,{person},i{place},{position},s,{relevant}\n");
                }
            }
        }
    }
    let mean = |of: &[f64], again: usize| {
        let sum: f64 = of.iter().sum();
        (sum / of.len() as f64, (sum + 2.0 * of[again]) / (of.len() as f64 + 2.0))
    };
    let metrics = "[ndcg, precision_at, recall_at, mrr, hit_rate]";
    for (cutoff, k, ndcg) in [("  cutoff: 3\n", 3, NDCG_AT_3), ("", usize::MAX, NDCG)] {
        let measure = format!("  segments: [{{ attribute: group, reference: a }}]\n  metrics: {metrics}\n{cutoff}");
        let record = record(&measure, &subjects, &log);
        let hits = |list: &[u32]| f64::from(list.iter().take(k).sum::<u32>());
        let first =
            |list: &[u32]| list.iter().take(k).position(|of| *of == 1).map_or(0.0, |at| 1.0 / (at as f64 + 1.0));
        let of =
            |value: &dyn Fn(&[u32]) -> f64, lists: &[&[u32]]| lists.iter().map(|list| value(list)).collect::<Vec<_>>();
        let expected = [
            ("ndcg", mean(&ndcg, 1)),
            ("precision_at", mean(&of(&|list| hits(list) / list.len().min(k) as f64, &LISTS), 1)),
            ("recall_at", mean(&of(&|list| hits(list) / f64::from(list.iter().sum::<u32>()), &LISTS[..5]), 1)),
            ("mrr", mean(&of(&first, &LISTS), 1)),
            ("hit_rate", mean(&of(&|list| f64::from(u8::from(hits(list) > 0.0)), &LISTS), 1)),
        ];
        for (metric, (a, b)) in expected {
            let name = if cutoff.is_empty() { metric.to_owned() } else { format!("{metric}@3") };
            near(&parity(&record, "s", &name, &json!({"group": "a"}))["rate"]["estimate"], a);
            near(&parity(&record, "s", &name, &json!({"group": "b"}))["rate"]["estimate"], b);
        }
        let judged = if cutoff.is_empty() { "ndcg" } else { "ndcg@3" };
        assert_eq!(parity(&record, "s", judged, &json!({"group": "a"}))["subjects"], 50, "the last list has no nDCG");
    }
}

/// One impression of the random log.
struct Shown {
    strategy: &'static str,
    person: usize,
    decision: usize,
    clicked: u32,
    converted: u32,
    cents: i64,
}

struct Random {
    group: Vec<[&'static str; 2]>,
    rows: Vec<Shown>,
}

fn random(seed: u64) -> Random {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut below = |end: u64| rng.next_u64() % end;
    let group = (0..400).map(|_| {
        let age = ["young", "old", "old", ""][below(4) as usize];
        [age, ["f", "m"][below(2) as usize]]
    });
    let group: Vec<[&str; 2]> = group.collect();
    let mut rows = Vec::new();
    let mut decision = 0;
    for person in 0..group.len() {
        for _ in 0..1 + below(5) {
            let strategy = ["s", "t"][below(2) as usize];
            decision += 1;
            for _ in 0..1 + below(4) {
                let clicked = u32::from(below(10) < 4);
                let converted = clicked * u32::from(below(10) < 6);
                let cents = i64::from(converted) * (500 + below(9000) as i64);
                rows.push(Shown { strategy, person, decision, clicked, converted, cents });
            }
        }
    }
    Random { group, rows }
}

impl Random {
    fn files(&self) -> (String, String) {
        let mut subjects = "subject_id,age,sex\n".to_owned();
        for (person, [age, sex]) in self.group.iter().enumerate() {
            subjects += &format!("p{person},{age},{sex}\n");
        }
        let mut log = "request_id,timestamp,subject_id,item_id,strategy,clicked,converted,revenue\n".to_owned();
        for (index, row) in self.rows.iter().enumerate() {
            let Shown { strategy, person, decision, clicked, converted, cents } = row;
            let revenue = *cents as f64 / 100.0;
            log += &format!(
                "d{decision},2026-03-01T00:00:00Z,p{person},i{index},{strategy},{clicked},{converted},{revenue}\n"
            );
        }
        (subjects, log)
    }

    /// Rows n and outcome y of each person under a strategy; people without any are left out.
    fn sums(&self, strategy: &str, metric: &str) -> BTreeMap<usize, (f64, f64)> {
        let mut sums: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
        let mut decisions: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for row in self.rows.iter().filter(|row| row.strategy == strategy) {
            let money = row.cents as f64 / 100.0;
            let (n, y) = match metric.split('_').next().unwrap() {
                "click" => (1.0, f64::from(row.clicked)),
                "conversion" => (1.0, f64::from(row.converted)),
                "revenue" => (1.0, money),
                _ => (f64::from(row.converted), money),
            };
            let sum = sums.entry(row.person).or_default();
            *sum = (sum.0 + n, sum.1 + y);
            decisions.entry(row.person).or_default().insert(row.decision);
        }
        for (person, sum) in &mut sums {
            if metric.ends_with("_per_decision") {
                sum.0 = decisions[person].len() as f64;
            } else if metric.ends_with("_per_subject") {
                sum.0 = 1.0;
            }
        }
        if metric == "exposure" {
            let own = decisions;
            let mut all: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
            for row in &self.rows {
                all.entry(row.person).or_default().insert(row.decision);
            }
            let of = |person| own.get(person).map_or(0.0, |own| own.len() as f64);
            return all.iter().map(|(person, all)| (*person, (all.len() as f64, of(person)))).collect();
        }
        sums.retain(|_, (n, _)| *n > 0.0);
        sums
    }
}

const COUNTED: [&str; 11] = [
    "click",
    "conversion",
    "revenue",
    "click_per_decision",
    "conversion_per_decision",
    "revenue_per_decision",
    "click_per_subject",
    "conversion_per_subject",
    "revenue_per_subject",
    "order_value",
    "exposure",
];

/// Σy/Σn and the linearised variance m/(m−1)·Σ(y − R·n)²/(Σn)², written out.
fn textbook(people: &[(f64, f64)]) -> (f64, f64) {
    let (n, y) = people.iter().fold((0.0, 0.0), |(n, y), one| (n + one.0, y + one.1));
    let (rate, m) = (y / n, people.len() as f64);
    let residuals: f64 = people.iter().map(|(n, y)| (y - rate * n).powi(2)).sum();
    (rate, m / (m - 1.0) * residuals / (n * n))
}

#[test]
fn every_outcome_of_a_random_log_is_what_plain_loops_count() {
    for seed in 0..2 {
        let random = random(seed);
        let (subjects, log) = random.files();
        let measure = format!(
            "  segments: [{{ attribute: age, reference: old }}, {{ attribute: sex, reference: f }}]\n  metrics: [{}]\n  \
             min_cell: 10\n",
            COUNTED.join(", ")
        );
        let record = record(&measure, &subjects, &log);
        for metric in COUNTED {
            for strategy in ["s", "t"] {
                let sums = random.sums(strategy, metric);
                let of = |attribute: usize, value: &str| -> Vec<(f64, f64)> {
                    let ours = sums.iter().filter(|(person, _)| random.group[**person][attribute] == value);
                    ours.map(|(_, sum)| *sum).collect()
                };
                for (attribute, name, value, reference) in [(0, "age", "young", "old"), (1, "sex", "m", "f")] {
                    let (ours, theirs) = (of(attribute, value), of(attribute, reference));
                    let ((rate, variance), (other, _)) = (textbook(&ours), textbook(&theirs));
                    let fact = parity(&record, strategy, metric, &json!({name: value}));
                    assert_eq!(fact["subjects"], ours.len(), "{metric} {strategy} {value}");
                    near(&fact["rate"]["estimate"], rate);
                    near(&fact["ratio"]["estimate"], rate / other);
                    near(&fact["difference"]["estimate"], rate - other);
                    // Student's t of so many degrees of freedom is 1.96 to 2.03.
                    let half = (fact["rate"]["high"].as_f64().unwrap() - rate) / variance.sqrt();
                    assert!((1.95..2.04).contains(&half), "{metric}: {half}");
                }
                let unknown = parity(&record, strategy, metric, &json!({"age": "(unknown)"}));
                assert_eq!((&unknown["comparison"], &unknown["ratio"]), (&json!("unknown"), &Value::Null));
            }
        }
    }
}

/// However the unknown are dealt, the ratio stays within its bounds; and the extreme ways reach them.
#[test]
fn unknown_people_leave_the_ratio_within_its_bounds() {
    let random = random(3);
    let (subjects, log) = random.files();
    let measure = "  segments: [{ attribute: age, reference: old }]\n  metrics: [click]\n  min_cell: 10\n";
    let record = record(measure, &subjects, &log);
    let fact = parity(&record, "s", "click", &json!({"age": "young"}));
    let of = |age: &str| {
        let rows = random.rows.iter().filter(|row| row.strategy == "s" && random.group[row.person][0] == age);
        rows.fold((0.0, 0.0), |(n, y), row| (n + 1.0, y + f64::from(row.clicked)))
    };
    let ((n, y), (rn, ry), (un, uy)) = (of("young"), of("old"), of(""));
    near(&fact["unknown_bounds"]["low"], y / (n + un - uy) / ((ry + uy) / (rn + uy)));
    near(&fact["unknown_bounds"]["high"], (y + uy) / (n + uy) / (ry / (rn + un - uy)));
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for _ in 0..200 {
        let (hits, misses) = ((rng.next_u64() % 1000) as f64 / 1000.0, (rng.next_u64() % 1000) as f64 / 1000.0);
        let (h, m) = ((uy * hits).round(), ((un - uy) * misses).round());
        let ratio = (y + h) / (n + h + m) / ((ry + uy - h) / (rn + un - h - m));
        let bounds = &fact["unknown_bounds"];
        assert!(bounds["low"].as_f64().unwrap() <= ratio + 1e-12 && ratio <= bounds["high"].as_f64().unwrap() + 1e-12);
    }
}

/// A log in which each person of (age, sex) clicks with a chance of its own.
fn planted(chance: impl Fn(&str, &str) -> f64) -> (String, String) {
    let mut rng = ChaCha8Rng::seed_from_u64(17);
    let mut uniform = move || (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let (mut subjects, mut log) = ("subject_id,age,sex,region\n".to_owned(), String::new());
    log += "timestamp,subject_id,item_id,strategy,clicked\n";
    for person in 0..2_000 {
        let (age, sex, region) =
            (["young", "old"][person % 2], ["f", "m"][person / 2 % 2], ["n", "s", "w"][person % 3]);
        subjects += &format!("p{person},{age},{sex},{region}\n");
        let own = chance(age, sex) * (0.6 + 0.8 * uniform());
        for item in 0..20 {
            log += &format!("2026-03-01T00:00:00Z,p{person},i{item},s,{}\n", u8::from(uniform() < own));
        }
    }
    (subjects, log)
}

const THREE: &str = "  segments: [{ attribute: age, reference: young }, { attribute: sex }, { attribute: region }]\n  metrics: [click]\n";

/// Old women and young men are served worse, and old and young, women and men alike: only the subgroups show it.
#[test]
fn a_subgroup_that_no_attribute_shows_is_found_at_every_depth() {
    let (subjects, log) = planted(|age, sex| if (age == "old") == (sex == "f") { 0.2 } else { 0.4 });
    for depth in [2, 3] {
        let record = record(&format!("{THREE}  intersections: {depth}\n"), &subjects, &log);
        let worst: Vec<&Value> = failing(&record, "subgroup-four-fifths");
        let twos: Vec<&Value> =
            worst.iter().map(|f| &f["segment"]).filter(|s| s.as_object().unwrap().len() == 2).collect();
        assert_eq!(twos, [&json!({"age": "old", "sex": "f"}), &json!({"age": "young", "sex": "m"})]);
        assert!(failing(&record, "outcome-four-fifths").is_empty());
        // 4 of age and sex, 6 each with region, and 12 of all three.
        assert_eq!(facts(&record, "subgroup")[0]["compared"], if depth == 2 { 16 } else { 28 });
        let first = worst[0];
        let rest = first["rest_rate"]["estimate"].as_f64().unwrap();
        assert!((0.31..0.36).contains(&rest), "everyone else: {rest}");
    }
}

/// Where old people alone are served worse, that is told once, of them, and not again of every subgroup of theirs.
#[test]
fn a_subgroup_that_repeats_its_attribute_is_not_told_again() {
    let (subjects, log) = planted(|age, _| if age == "old" { 0.2 } else { 0.4 });
    let record = record(&format!("{THREE}  intersections: 3\n"), &subjects, &log);
    assert!(failing(&record, "subgroup-four-fifths").is_empty());
    let single: Vec<&Value> = failing(&record, "outcome-four-fifths").iter().map(|fact| &fact["segment"]).collect();
    assert_eq!(single, [&json!({"age": "old"})]);
    let fact =
        facts(&record, "subgroup").into_iter().find(|f| f["segment"] == json!({"age": "old", "sex": "f"})).unwrap();
    let added = |name: &str| {
        let adds = fact["adds"].as_array().unwrap().iter();
        adds.clone().find(|a| a["attribute"] == name).unwrap()["ratio"]["estimate"].as_f64().unwrap()
    };
    assert!((0.45..0.56).contains(&added("age")) && (0.93..1.07).contains(&added("sex")), "{fact}");
}

/// The facts that a rule failed.
fn failing<'a>(record: &'a Value, rule: &str) -> Vec<&'a Value> {
    let findings = record["findings"].as_array().unwrap().iter();
    let ours = findings.filter(|finding| finding["rule"] == rule && finding["status"] == "fail");
    ours.map(|finding| &record["facts"][finding["fact"].as_u64().unwrap() as usize]).collect()
}

#[test]
fn metrics_that_cannot_be_measured_are_refused() {
    let refused = |measure: &str, told: &[&str]| {
        let audit = Audit::new().with("audit.yaml", manifest(measure));
        audit.with("subjects.csv", "subject_id,age_band\na,x\n").run().refused(told);
    };
    refused("  segments: [{ attribute: age_band }]\n  metrics: [ndgc]\n", &["unknown value `ndgc`", "`ndcg`"]);
    refused("  segments: [{ attribute: age_band }]\n  metrics: [ndcg]\n", &["`ndcg` needs the column `relevant`"]);
    refused("  segments: [{ attribute: age_band }]\n  metrics: [selection]\n", &["or `measure.cutoff`"]);
    refused(
        "  unit: impression\n  segments: [{ attribute: strategy }]\n  metrics: [click_per_subject]\n",
        &["`click_per_subject` needs subjects"],
    );
    refused("  intersections: 4\n", &["`measure.intersections` is 4; expected 1, 2 or 3"]);
    refused("  cutoff: 0\n", &["`measure.cutoff` is 0; expected 1 or more"]);
}

/// The first place is 1 or, throughout, 0: measures of lists are the same.
#[test]
fn a_log_that_counts_places_from_zero_is_read_as_such() {
    let log = |first: usize| {
        let mut log = "request_id,timestamp,subject_id,item_id,position,strategy,relevant\n".to_owned();
        for person in 0..60 {
            for (place, relevant) in LISTS[person % 5].iter().enumerate() {
                let position = place + first;
                log += &format!("r{person},2026-03-01T00:00:00Z,p{person},i{place},{position},s,{relevant}\n");
            }
        }
        log
    };
    let people = (0..60).map(|person| format!("p{person},{}\n", ["a", "b"][person % 2]));
    let subjects = format!("subject_id,group\n{}", people.collect::<String>());
    let measure = "  segments: [{ attribute: group, reference: a }]\n  metrics: [ndcg, mrr]\n";
    let (one, zero) = (record(measure, &subjects, &log(1)), record(measure, &subjects, &log(0)));
    assert_eq!(facts(&one, "outcome_parity"), facts(&zero, "outcome_parity"));
    near(&parity(&one, "s", "ndcg", &json!({"group": "a"}))["rate"]["estimate"], NDCG.iter().sum::<f64>() / 5.0);
}

/// An attribute may be called as a column of the log or of a plan is.
#[test]
fn attributes_may_be_called_anything() {
    let random = random(7);
    let (subjects, log) = random.files();
    let log = log.replacen("item_id", "item_id,position", 1);
    let log: String = log
        .lines()
        .enumerate()
        .map(|(row, line)| match line.split(',').collect::<Vec<_>>()[..] {
            [request, at, subject, item, ref rest @ ..] if row > 0 => {
                format!("{request},{at},{subject},{item},{},{}\n", row % 4 + 1, rest.join(","))
            }
            _ => format!("{line}\n"),
        })
        .collect();
    let plain = record("  segments: [{ attribute: age, reference: old }]\n  min_cell: 10\n", &subjects, &log);
    for name in ["strategy", "bucket", "within", "value", "click_n", "position", "Group by \"x\""] {
        let called = format!("  segments: [{{ attribute: '{name}', reference: old }}]\n  min_cell: 10\n");
        let header = if name.contains('"') { "\"Group by \"\"x\"\"\"" } else { name };
        let renamed = record(&called, &subjects.replacen("age", header, 1), &log);
        for kind in ["outcome_parity", "conditional_parity", "inequality"] {
            let (was, is) = (facts(&plain, kind), facts(&renamed, kind));
            assert!(!was.is_empty() && was.len() == is.len(), "{kind} by {name}");
            for (was, is) in was.iter().zip(is) {
                assert_eq!(
                    (&was["ratio"], &was["adjusted"], &was["theil_t"]),
                    (&is["ratio"], &is["adjusted"], &is["theil_t"])
                );
            }
        }
    }
}
