//! How much of the catalogue is shown, from a log to the record: published numbers, and a slow reference.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::reidentification::Numbers;
use crate::support::{Audit, facts};

const MANIFEST: &str = "\
probity: 1
system: { name: Shop, owner: team@shop.example, as_of: 2026-06-01 }
measure: { min_cell: 10, segments: [{ attribute: band, reference: a }] }
rules: { packs: [fairness] }
evidence:
  subjects: { path: people.csv }
  items: { path: items.csv }
  recommendations: { path: log.csv }
";
const WITHOUT_ITEMS: &str = "  items: { path: items.csv }\n";

/// Who was shown what by which strategy.
type Row = (String, &'static str, String);

fn shop(people: &[(String, &str)], items: &[String], log: &[Row]) -> Audit {
    let people: String = people.iter().map(|(person, band)| format!("{person},{band}\n")).collect();
    let rows: String = log
        .iter()
        .enumerate()
        .map(|(row, (person, strategy, item))| format!("r{row},2026-03-01T10:00:00Z,{person},{item},{strategy}\n"))
        .collect();
    Audit::new()
        .with("audit.yaml", MANIFEST)
        .with("people.csv", format!("subject_id,band\n{people}"))
        .with("items.csv", format!("item_id\n{}\n", items.join("\n")))
        .with("log.csv", format!("request_id,timestamp,subject_id,item_id,strategy\n{rows}"))
}

fn fact<'a>(record: &'a Value, strategy: &str, band: Option<&str>) -> &'a Value {
    let segment = band.map_or_else(|| json!({}), |band| json!({"band": band}));
    let all = facts(record, "catalogue_use");
    let found = all.into_iter().find(|fact| fact["strategy"] == strategy && fact["segment"] == segment);
    found.unwrap_or_else(|| panic!("no {strategy} to {segment}"))
}

#[track_caller]
fn near(value: &Value, expected: f64) {
    let number = value.as_f64().unwrap_or_else(|| panic!("{value} is no number"));
    assert!((number - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{number} is not {expected}");
}

/// Evidently's test of diversity (`tests/metrics/recsys`): users 1 to 3 are recommended the items 3; 2 and 3; 1 and 2.
/// Coverage 1 and Gini 0.2, which is the variant with n - 1. Then with an item that nobody is shown.
#[test]
fn evidently_and_an_item_that_is_never_shown() {
    let people: Vec<(String, &str)> = (1..=3).map(|person| (format!("u{person}"), "a")).collect();
    let shown = [("u1", "i3"), ("u2", "i2"), ("u2", "i3"), ("u3", "i1"), ("u3", "i2")];
    let log: Vec<Row> = shown.iter().map(|(person, item)| ((*person).to_owned(), "one", (*item).to_owned())).collect();
    let items = |names: &[&str]| -> Vec<String> { names.iter().map(|name| (*name).to_owned()).collect() };
    let run = |audit: Audit| audit.replacing("audit.yaml", "min_cell: 10", "min_cell: 1").run().record();

    // Who hands over no items hands over what was shown.
    let without = shop(&people, &[], &log).replacing("audit.yaml", WITHOUT_ITEMS, "");
    for (record, source) in [(run(shop(&people, &items(&["i1", "i2", "i3"]), &log)), "items"), (run(without), "log")] {
        let all = fact(&record, "one", None);
        assert_eq!((&all["catalogue"], &all["catalogue_items"]), (&json!(source), &json!(3)));
        assert_eq!(all["unlisted_items"], if source == "items" { json!(0) } else { Value::Null });
        near(&all["catalogue_coverage"], 1.0);
        near(&all["gini_n_minus_1"], 0.2);
        near(&all["gini_n"], 0.2 * 2.0 / 3.0);
    }

    // One item that is never shown, and one that is shown and not listed.
    let record = run(shop(&people, &items(&["i1", "i2", "i4", "i4"]), &log));
    let all = fact(&record, "one", None);
    assert_eq!((&all["catalogue_items"], &all["unlisted_items"]), (&json!(4), &json!(1)));
    assert_eq!((&all["items_shown"], &all["impressions"], &all["subjects"]), (&json!(3), &json!(5), &json!(3)));
    near(&all["catalogue_coverage"], 0.75);
    near(&all["gini_n"], (-1.0 + 2.0 + 3.0 * 2.0) / (4.0 * 5.0));
    // The shares 0.2, 0.4 and 0.4: scipy 1.17.1 `stats.entropy`.
    near(&all["item_entropy"], 1.0549201679861442);
    near(&all["effective_items"], 1.0549201679861442_f64.exp());
    assert_eq!((&all["comparison"], &all["sample"]), (&Value::Null, &Value::Null));
}

/// What the documentation says, worked out row by row.
struct Slow {
    times: Vec<u64>,
}

impl Slow {
    fn of<'a>(rows: impl Iterator<Item = &'a Row>) -> Self {
        let mut times: BTreeMap<&str, u64> = BTreeMap::new();
        rows.for_each(|(.., item)| *times.entry(item).or_default() += 1);
        Self { times: times.into_values().collect() }
    }

    fn impressions(&self) -> u64 {
        self.times.iter().sum()
    }

    /// Draws one impression after the other: the product of the chances that none of them is of the item.
    fn rarefied(&self, sample: u64) -> f64 {
        let all = self.impressions();
        let missed = |n: u64| (0..sample).map(|j| all.saturating_sub(n + j) as f64 / (all - j) as f64).product::<f64>();
        self.times.iter().map(|n| 1.0 - missed(*n)).sum()
    }

    /// The mean difference of all pairs of items over twice the mean.
    fn gini(&self, items: usize, pairs: usize) -> f64 {
        let mut times = self.times.clone();
        times.resize(items, 0);
        let apart: u64 = times.iter().flat_map(|a| times.iter().map(|b| a.abs_diff(*b))).sum();
        apart as f64 / pairs as f64 / (2.0 * self.impressions() as f64 / items as f64)
    }

    fn entropy(&self) -> f64 {
        let all = self.impressions() as f64;
        self.times.iter().map(|n| *n as f64 / all * (all / *n as f64).ln()).sum()
    }
}

/// Bands of 60, 25 and 12 people beside 4 of the band d, too few to show, and people of no band; `narrow` shows band b
/// the head of the catalogue only.
#[test]
fn random_logs_agree_with_a_slow_reference() {
    for seed in 1..=3 {
        let mut draw = Numbers(seed);
        let bands = [("a", 60), ("b", 25), ("c", 12), ("d", 4), ("", 15)];
        let people: Vec<(String, &str)> = bands
            .iter()
            .flat_map(|(band, size)| (0..*size).map(move |nth| (format!("{band}person{nth}"), *band)))
            .collect();
        let items: Vec<String> = (0..80).map(|item| format!("item{item}")).collect();
        let mut log: Vec<Row> = Vec::new();
        for (person, band) in &people {
            for strategy in ["wide", "narrow"] {
                for _ in 0..3 + draw.below(9) {
                    let end = if strategy == "narrow" && *band == "b" { 8 } else { 75 };
                    let (one, other) = (draw.below(end), draw.below(end));
                    // The lower of two draws: some items are shown more than others. Four are not listed.
                    let item = if draw.below(40) == 0 && end > 8 { 80 + draw.below(4) } else { one.min(other) };
                    log.push((person.clone(), strategy, format!("item{item}")));
                }
            }
        }
        let record = shop(&people, &items, &log).run().record();
        let distinct: BTreeSet<&String> = items.iter().chain(log.iter().map(|(.., item)| item)).collect();
        let band_of: BTreeMap<&String, &str> = people.iter().map(|(person, band)| (person, *band)).collect();
        let slow = |strategy: &str, band: Option<&str>| {
            let own = |row: &&Row| row.1 == strategy && band.is_none_or(|band| band_of[&row.0] == band);
            Slow::of(log.iter().filter(own))
        };
        assert_eq!(facts(&record, "catalogue_use").len(), 12);
        for strategy in ["wide", "narrow"] {
            let sample =
                ["a", "b", "c"].map(|band| slow(strategy, Some(band)).impressions()).into_iter().min().unwrap();
            for band in [None, Some("a"), Some("b"), Some("c"), Some("")] {
                let (expected, named) =
                    (slow(strategy, band), band.map(|b| if b.is_empty() { "(unknown)" } else { b }));
                let found = fact(&record, strategy, named);
                let n = distinct.len();
                assert_eq!(found["catalogue_items"], json!(n));
                assert_eq!(found["items_shown"], json!(expected.times.len()));
                near(&found["catalogue_coverage"], expected.times.len() as f64 / n as f64);
                near(&found["gini_n"], expected.gini(n, n * n));
                near(&found["gini_n_minus_1"], expected.gini(n, n * (n - 1)));
                near(&found["item_entropy"], expected.entropy());
                near(&found["effective_items"], expected.entropy().exp());
                // Of the bands one is too small: the next in size is not counted either, nor is the sample that it is.
                let counted = band != Some("c");
                assert_eq!(found["counts_withheld"], json!(!counted));
                let impressions = if counted { json!(expected.impressions()) } else { Value::Null };
                assert_eq!((&found["impressions"], &found["sample"]), (&impressions, &Value::Null));
                if let Some(band) = band.filter(|band| !band.is_empty()) {
                    let (own, reference) = (expected.rarefied(sample), slow(strategy, Some("a")).rarefied(sample));
                    near(&found["rarefied_items"], own);
                    near(&found["reference_rarefied_items"], reference);
                    let comparison = if band == "a" { "reference" } else { "compared" };
                    assert_eq!(found["comparison"], comparison);
                    match band {
                        "a" => assert_eq!(found["rarefied_ratio"], Value::Null),
                        _ => near(&found["rarefied_ratio"], own / reference),
                    }
                } else {
                    assert_eq!(found["rarefied_items"], Value::Null);
                }
            }
            let hidden = fact(&record, strategy, Some("d"));
            assert_eq!((&hidden["suppressed"], &hidden["comparison"]), (&json!(true), &json!("suppressed")));
            for number in ["subjects", "impressions", "items_shown", "catalogue_coverage", "gini_n", "item_entropy"] {
                assert_eq!(hidden[number], Value::Null, "{number}");
            }
        }
        // What was planted shows, whatever the sizes of the bands.
        let ratio =
            |strategy: &str, band: &str| fact(&record, strategy, Some(band))["rarefied_ratio"].as_f64().unwrap();
        assert!(ratio("narrow", "b") < 0.35 && ratio("narrow", "c") > 0.8 && ratio("wide", "b") > 0.8);
    }
}

/// Without a band that is too small the sample is told; and rows that stand for themselves need no people.
#[test]
fn the_sample_is_told_where_it_gives_nobody_away() {
    let bands = [("a", 30, 4), ("b", 12, 3)];
    let people: Vec<(String, &str)> =
        bands.iter().flat_map(|(band, size, _)| (0..*size).map(move |nth| (format!("{band}{nth}"), *band))).collect();
    let log: Vec<Row> = bands
        .iter()
        .flat_map(|(band, size, each)| {
            (0..size * each).map(move |nth| (format!("{band}{}", nth % size), "one", format!("item{}", nth % 40)))
        })
        .collect();
    let record = shop(&people, &["item1".to_owned()], &log).run().record();
    let [a, b] = ["a", "b"].map(|band| fact(&record, "one", Some(band)));
    for (of, subjects, impressions) in [(a, 30, 120), (b, 12, 36)] {
        assert_eq!((&of["subjects"], &of["impressions"]), (&json!(subjects), &json!(impressions)));
        assert_eq!(of["sample"], json!(36));
    }
    near(&b["rarefied_items"], 36.0);
    // 40 items of 3 impressions each: scipy 1.17.1, `40 * (1 - hypergeom.pmf(0, 120, 3, 36))`.
    let rarefied = 26.42871385842472;
    near(&a["rarefied_items"], rarefied);

    let rows: String = log
        .iter()
        .map(|(person, strategy, item)| format!("2026-03-01T10:00:00Z,{item},{strategy},{}\n", &person[..1]))
        .collect();
    let record = shop(&people, &[], &[])
        .replacing("audit.yaml", "measure: { ", "measure: { unit: impression, ")
        .replacing("audit.yaml", WITHOUT_ITEMS, "")
        .replacing("audit.yaml", "  subjects: { path: people.csv }\n", "")
        .with("log.csv", format!("timestamp,item_id,strategy,band\n{rows}"))
        .run()
        .record();
    let of = fact(&record, "one", Some("a"));
    assert_eq!((&of["unit"], &of["subjects"], &of["impressions"]), (&json!("impression"), &Value::Null, &json!(120)));
    near(&of["rarefied_items"], rarefied);
}
