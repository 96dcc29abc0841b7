//! Popularity, variety and calibration of lists, told from what people did before the log.

use std::collections::{BTreeMap, BTreeSet};

use probity::stats::{ClusterSums, ratio_mean};
use serde_json::{Value, json};

use crate::support::{Audit, Numbers, facts, near, quality};

const MANIFEST: &str = "\
probity: 1
system: { name: Test shop, owner: team@shop.example, jurisdiction: DE, as_of: 2026-06-01 }
purposes:
  - { id: personalize.content, legal_basis: consent, benefit: Less to look through. }
strategies:
  - { id: hybrid, purpose: personalize.content }
measure:
  min_cell: 2
  segments: [{ attribute: age }]
  categories: genre
rules: { packs: [fairness] }
evidence:
  subjects: { path: subjects.csv }
  items: { path: items.csv }
  history: { path: history.csv }
  recommendations: { path: log.csv }
";

fn shop(subjects: &str, items: &str, history: &str, log: &str) -> Audit {
    Audit::new()
        .with("audit.yaml", MANIFEST)
        .with("subjects.csv", format!("subject_id,age\n{subjects}"))
        .with("items.csv", format!("item_id,genre\n{items}"))
        .with("history.csv", format!("subject_id,item_id,timestamp,weight\n{history}"))
        .with("log.csv", format!("request_id,timestamp,subject_id,item_id,position,strategy\n{log}"))
}

fn fact<'a>(record: &'a Value, measure: &str, age: &str) -> &'a Value {
    let all = facts(record, "list_parity");
    let found = all.into_iter().find(|fact| fact["measure"] == measure && fact["segment"] == json!({"age": age}));
    found.unwrap_or_else(|| panic!("no {measure} of {age}"))
}

/// Evidently's own test of popularity bias (`tests/metrics/recsys/test_popularity_bias.py`): training (1, 1), (1, 2),
/// (2, 1), (3, 1), recommended (1, 3), (2, 2), (2, 3), (3, 1), (3, 2): its `arp` is 1.5, over those of whom something
/// is known.
#[test]
fn mean_popularity_is_that_of_evidently() {
    let people = "u1,all\nu2,all\nu3,all\n";
    let history = "u1,1,,\nu1,2,,\nu2,1,,\nu3,1,,\n";
    let row = |(nth, (subject, item)): (usize, &(&str, u64))| {
        format!("r{subject},2026-03-01T10:00:00Z,{subject},{item},{},hybrid\n", nth + 1)
    };
    let shown = [("u1", 3), ("u2", 2), ("u2", 3), ("u3", 1), ("u3", 2)];
    let log: String = shown.iter().enumerate().map(row).collect();
    let record = shop(people, "1,a\n2,b\n3,a\n", history, &log).run().record();
    let all = fact(&record, "popularity", "all");
    near(&all["value"]["estimate"], 1.5, 1e-9);
    assert_eq!((&all["subjects"], &all["comparison"]), (&json!(2), &json!("reference")));
    assert_eq!(quality(&record, "history")["given"], true);
}

/// Steck (2018) by hand. Before: three of a, one of b. Shown: a then b, which weigh 1 and 1/log2(3), so that q is 0.61315
/// and 0.38685, and 0.75·ln(0.75/0.61452) + 0.25·ln(0.25/0.38549) = 0.04117. Another person is shown a only: with q of b
/// 0, 0.75·ln(0.75/0.9975) + 0.25·ln(0.25/0.0025) = 0.93741.
#[test]
fn calibration_is_that_of_steck_by_hand() {
    let history: String = ["u1", "u2"]
        .iter()
        .flat_map(|who| [1, 2, 3, 4].map(|item| format!("{who},{item},2026-01-01T00:00:00Z,\n")))
        .collect();
    let log = "\
r1,2026-03-01T10:00:00Z,u1,1,1,hybrid
r1,2026-03-01T10:00:00Z,u1,4,2,hybrid
r2,2026-03-01T10:00:00Z,u2,1,1,hybrid
r2,2026-03-01T10:00:00Z,u2,2,2,hybrid
";
    let record = shop("u1,all\nu2,all\n", "1,a\n2,a\n3,a\n4,b\n", &history, log).run().record();
    near(&fact(&record, "miscalibration", "all")["value"]["estimate"], f64::midpoint(0.0411691, 0.9374083), 1e-6);
    near(&fact(&record, "categories_per_list", "all")["value"]["estimate"], 1.5, 1e-9);
    near(&fact(&record, "category_entropy", "all")["value"]["estimate"], 2.0_f64.ln() / 2.0, 1e-9);
    // Each item was had by two people, so that nothing is lifted; the head is the first items that make 80 %.
    assert_eq!(fact(&record, "tail_share", "all")["value"], Value::Null);
}

#[test]
fn categories_that_no_item_has_are_told() {
    let audit = shop("u1,all\n", "1,a\n", "u1,1,,\n", "r1,2026-03-01T10:00:00Z,u1,1,1,hybrid\n");
    audit.replacing("audit.yaml", "categories: genre", "categories: gnere").run().refused(&[
        "audit.yaml:10",
        "`gnere` is not a column of `items`",
        "`genre`",
    ]);
}

#[derive(Debug, Default)]
struct Shop {
    /// Person, item, weight; those of before the log only.
    history: Vec<(u64, u64, f64)>,
    /// Person, list, item, position.
    shown: Vec<(u64, u64, u64, u64)>,
}

const PEOPLE: u64 = 120;

fn age(person: u64) -> &'static str {
    ["young", "young", "old"][(person % 3) as usize]
}

/// The last item has no genre, the last but one has two.
fn genre(item: u64) -> Option<u64> {
    (item < 28).then_some(item % 4)
}

/// Random shops, with strangers, weights that count for nothing, items without a past, and a history that reaches into
/// the log, beside plain loops.
#[test]
fn the_plans_agree_with_loops_over_people() {
    for seed in [21, 22] {
        let mut draw = Numbers(seed);
        let (mut shop_of, mut history, mut log) = (Shop::default(), String::new(), String::new());
        for person in 0..PEOPLE {
            for _ in 0..if person % 10 == 3 { 0 } else { 1 + draw.below(8) } {
                let (item, late, weight) = (draw.below(26) * draw.below(26) / 25, draw.below(6) == 0, draw.below(5));
                let written = ["", "-2", "0", "2.5", "1"][weight as usize];
                let at = if late { "2026-03-01T00:00:00Z" } else { "2026-02-28T23:59:59Z" };
                history += &format!("p{person},i{item},{at},{written}\n");
                if !late {
                    shop_of.history.push((person, item, [1.0, 0.0, 0.0, 2.5, 1.0][weight as usize]));
                }
            }
            for list in 0..3 {
                let mut items = BTreeSet::new();
                for _ in 0..2 + draw.below(4) {
                    items.insert(draw.below(30));
                }
                for (item, position) in items.into_iter().zip(1..) {
                    log += &format!(
                        "r{person}-{list},2026-03-0{}T00:00:00Z,p{person},i{item},{position},hybrid\n",
                        list + 1
                    );
                    shop_of.shown.push((person, list, item, position));
                }
            }
        }
        let subjects: String = (0..PEOPLE).map(|person| format!("p{person},{}\n", age(person))).collect();
        let genres = (0..28).map(|item| format!("i{item},g{}\n", item % 4)).collect::<String>();
        let run = shop(&subjects, &format!("{genres}i28,g0\ni28,g1\ni29,\n"), &history, &log).run();
        run.leaks_nobody();
        let record = run.record();
        for (measure, values) in slow(&shop_of) {
            let sums = |of: &str| {
                values.iter().filter(|(person, _)| age(**person) == of).fold(
                    ClusterSums::default(),
                    |s, (_, &(n, y))| {
                        let (nn, yy, ny) = (s.nn + n * n, s.yy + y * y, s.ny + n * y);
                        ClusterSums { clusters: s.clusters + 1, n: s.n + n, y: s.y + y, nn, yy, ny, ..s }
                    },
                )
            };
            let (old, young) = (sums("old"), sums("young"));
            let told = fact(&record, measure, "old");
            let shift = if measure == "popularity_lift" { 1.0 } else { 0.0 };
            let (a, b) = (old.mean().expect("a mean"), young.mean().expect("a mean"));
            near(&told["value"]["estimate"], a.estimate - shift, 1e-5);
            near(&told["reference_value"], b.estimate - shift, 1e-5);
            let difference = ratio_mean::difference(&a, &b, 0.95).expect("a difference");
            near(&told["difference"]["low"], difference.low, 1e-5);
            near(&told["difference"]["high"], difference.high, 1e-5);
            assert_eq!(told["subjects"], old.clusters, "{measure}");
            assert_eq!(told["comparison"], "compared");
        }
    }
}

type Values = BTreeMap<u64, (f64, f64)>;

/// Every measure of every person.
fn slow(shop: &Shop) -> Vec<(&'static str, Values)> {
    let had: BTreeSet<(u64, u64)> = shop.history.iter().map(|&(person, item, _)| (person, item)).collect();
    let fans = |item: u64| had.iter().filter(|(_, own)| *own == item).count() as f64;
    let uses = |item: u64| shop.history.iter().filter(|(_, own, _)| *own == item).count();
    let mut items: Vec<u64> = had.iter().map(|(_, item)| *item).collect::<BTreeSet<_>>().into_iter().collect();
    items.sort_by_key(|item| (std::cmp::Reverse(uses(*item)), format!("i{item}")));
    let (mut tail, mut before) = (BTreeSet::new(), 0);
    for item in items {
        if before as f64 >= 0.8 * shop.history.len() as f64 {
            tail.insert(item);
        }
        before += uses(item);
    }
    let [mut popularity, mut lift, mut tails, mut kl, mut variety, mut entropy] = <[Values; 6]>::default();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    for person in 0..PEOPLE {
        let shown: Vec<_> = shop.shown.iter().filter(|row| row.0 == person).collect();
        let known: Vec<u64> = shown.iter().map(|row| row.2).filter(|item| fans(*item) > 0.0).collect();
        let own: Vec<f64> = had.iter().filter(|(who, _)| *who == person).map(|(_, item)| fans(*item)).collect();
        if !known.is_empty() {
            let popular = mean(&known.iter().map(|item| fans(*item)).collect::<Vec<_>>());
            popularity.insert(person, (1.0, popular));
            tails.insert(
                person,
                (1.0, mean(&known.iter().map(|i| f64::from(u8::from(tail.contains(i)))).collect::<Vec<_>>())),
            );
            if !own.is_empty() {
                lift.insert(person, (mean(&own), popular));
            }
        }
        let mut lists: BTreeMap<u64, [f64; 4]> = BTreeMap::new();
        let mut q = [0.0; 4];
        for (_, list, item, position) in &shown {
            if let Some(genre) = genre(*item) {
                lists.entry(*list).or_default()[genre as usize] += 1.0;
                q[genre as usize] += 1.0 / ((position + 1) as f64).log2();
            }
        }
        if lists.is_empty() {
            continue;
        }
        let distinct = |list: &[f64; 4]| list.iter().filter(|n| **n > 0.0).count() as f64;
        let nats = |list: &[f64; 4]| {
            let n: f64 = list.iter().sum();
            list.iter().filter(|own| **own > 0.0).map(|own| -own / n * (own / n).ln()).sum::<f64>()
        };
        variety.insert(person, (1.0, mean(&lists.values().map(distinct).collect::<Vec<_>>())));
        entropy.insert(person, (1.0, mean(&lists.values().map(nats).collect::<Vec<_>>())));
        let mut p = [0.0; 4];
        for (_, item, weight) in shop.history.iter().filter(|row| row.0 == person) {
            if let Some(genre) = genre(*item) {
                p[genre as usize] += weight;
            }
        }
        let (all_p, all_q) = (p.iter().sum::<f64>(), q.iter().sum::<f64>());
        if all_p > 0.0 {
            let term = |(p, q): (&f64, &f64)| {
                let (p, q) = (p / all_p, q / all_q);
                if p > 0.0 { p * (p / (0.99 * q + 0.01 * p)).ln() } else { 0.0 }
            };
            kl.insert(person, (1.0, p.iter().zip(&q).map(term).sum()));
        }
    }
    vec![
        ("popularity", popularity),
        ("popularity_lift", lift),
        ("tail_share", tails),
        ("miscalibration", kl),
        ("categories_per_list", variety),
        ("category_entropy", entropy),
    ]
}
