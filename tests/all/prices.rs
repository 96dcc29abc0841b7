//! Planted surcharges, steering and discounts, told from a log with prices and a table of list prices.

use std::collections::BTreeMap;

use probity::stats::{ClusterSums, WithinSums, ratio_mean};
use serde_json::{Value, json};

use crate::support::{Audit, Numbers, facts, near, verdict};

const MANIFEST: &str = "\
probity: 1
system: { name: Test shop, owner: team@shop.example, jurisdiction: DE, as_of: 2026-06-01 }
purposes:
  - { id: personalize.content, legal_basis: consent, benefit: Less to look through. }
strategies:
  - { id: hybrid, purpose: personalize.content }
measure:
  min_cell: 10
  segments: [{ attribute: device, reference: desk }]
rules: { packs: [fairness] }
evidence:
  subjects: { path: subjects.csv }
  items: { path: items.csv }
  recommendations: { path: log.csv }
";

/// One price shown; None where the log has none.
#[derive(Debug, Clone)]
struct Shown {
    person: u64,
    item: u64,
    hour: u64,
    price: Option<f64>,
}

const PEOPLE: u64 = 150;
const ITEMS: u64 = 20;

/// Every third has a phone, every twelfth is not known.
fn device(person: u64) -> &'static str {
    match person {
        _ if person % 12 == 7 => "",
        _ if person.is_multiple_of(3) => "phone",
        _ => "desk",
    }
}

fn list(item: u64) -> f64 {
    10.0 + 5.0 * item as f64
}

/// Ten rows a person over three days. `price` of person, item, day.
fn rows(seed: u64, item: impl Fn(u64, u64) -> u64, mut price: impl FnMut(u64, u64, u64) -> Option<f64>) -> Vec<Shown> {
    let mut draw = Numbers(seed);
    let mut rows = Vec::new();
    for person in 0..PEOPLE {
        for _ in 0..10 {
            let (item, hour) = (item(person, draw.below(ITEMS)), draw.below(72));
            rows.push(Shown { person, item, hour, price: price(person, item, hour / 24) });
        }
    }
    rows
}

fn cents(price: f64) -> f64 {
    (price * 100.0).round() / 100.0
}

fn shop(rows: &[Shown]) -> Audit {
    let subjects = (0..PEOPLE).map(|person| format!("p{person},{}\n", device(person))).collect::<String>();
    let items = (0..ITEMS).map(|item| format!("i{item},{}\n", list(item))).collect::<String>();
    let mut log = "request_id,timestamp,subject_id,item_id,position,strategy,price\n".to_owned();
    for (nth, Shown { person, item, hour, price }) in rows.iter().enumerate() {
        let (day, hour) = (1 + hour / 24, hour % 24);
        let price = price.map(|price| price.to_string()).unwrap_or_default();
        log += &format!("r{nth},2026-03-{day:02}T{hour:02}:10:00Z,p{person},i{item},1,hybrid,{price}\n");
    }
    Audit::new()
        .with("audit.yaml", MANIFEST)
        .with("subjects.csv", format!("subject_id,device\n{subjects}"))
        .with("items.csv", format!("item_id,price\n{items}"))
        .with("log.csv", log)
}

fn fact<'a>(record: &'a Value, measure: &str, device: &str) -> &'a Value {
    let all = facts(record, "price_parity");
    let found = all.into_iter().find(|fact| fact["measure"] == measure && fact["segment"] == json!({"device": device}));
    found.unwrap_or_else(|| panic!("no {measure} of {device}"))
}

/// A tenth off on odd days.
fn fair(item: u64, day: u64) -> f64 {
    cents(list(item) * if day == 1 { 0.9 } else { 1.0 })
}

#[test]
fn the_same_prices_for_all_pass() {
    let record = shop(&rows(3, |_, item| item, |_, item, day| Some(fair(item, day)))).run().audited(0);
    let phone = fact(&record, "same_item_price", "phone");
    assert_eq!(phone["comparison"], "compared");
    near(&phone["ratio"]["estimate"], 1.0, 1e-12);
    near(&phone["ratio"]["high"], 1.0, 1e-7);
    assert_eq!(phone["p_value"], 1.0);
    near(&fact(&record, "same_item_discount", "phone")["difference"]["estimate"], 0.0, 1e-12);
    assert_eq!(fact(&record, "same_item_price", "desk")["comparison"], "reference");
    assert_eq!(fact(&record, "mean_price", "(unknown)")["comparison"], "unknown");
    for rule in ["same-item-price", "price-steering"] {
        assert_eq!(verdict(&record, rule), "pass", "{rule}");
    }
}

/// Phones pay 5 % more, within a cent, and each person a little more or less of their own.
#[test]
fn a_planted_surcharge_is_found_with_its_interval() {
    let own = |person: u64| 1.0 + (person * 7 % 11) as f64 / 500.0;
    let price = |person: u64, item: u64, day: u64| {
        let more = if device(person) == "phone" { 1.05 } else { 1.0 };
        Some(cents(fair(item, day) * own(person) * more))
    };
    let run = shop(&rows(4, |_, item| item, price)).run();
    run.leaks_nobody();
    let record = run.audited(1);
    let phone = fact(&record, "same_item_price", "phone");
    let number = |name: &str| phone["ratio"][name].as_f64().expect("a number");
    assert!(number("low") > 1.04 && number("low") < 1.05 && number("high") > 1.05 && number("high") < 1.06, "{phone}");
    assert!(phone["q_value"].as_f64().expect("a number") < 1e-6);
    assert_eq!(phone["harm"], "high");
    assert_eq!(verdict(&record, "same-item-price"), "fail");
    // The mix is the same but for chance, so that all of the gap that is not chance is the price of the same item.
    let split = &fact(&record, "mean_price", "phone")["split"];
    let part = |name: &str| split[name].as_f64().expect("a number");
    assert!((part("mix") + part("price") - part("gap")).abs() < 1e-9);
    assert!((part("price") / 57.0 - 0.05).abs() < 0.01, "{split}");
}

/// Phones are shown the dearer half of the catalogue twice as often, at the same prices.
#[test]
fn steering_is_no_difference_of_price_for_the_same_item() {
    let item = |person: u64, item: u64| {
        if device(person) == "phone" && item.is_multiple_of(2) { ITEMS / 2 + item / 2 } else { item }
    };
    let record = shop(&rows(5, item, |_, item, day| Some(fair(item, day)))).run().audited(0);
    near(&fact(&record, "same_item_price", "phone")["ratio"]["estimate"], 1.0, 1e-9);
    assert_eq!(verdict(&record, "same-item-price"), "pass");
    assert_eq!(verdict(&record, "price-steering"), "fail");
    assert!(fact(&record, "price_level", "phone")["ratio"]["low"].as_f64().expect("a number") > 1.1);
    assert!(fact(&record, "above_median_share", "phone")["value"].as_f64().expect("a number") > 0.6);
    let split = &fact(&record, "mean_price", "phone")["split"];
    // On the same day the same item costs the same; days differ by chance only.
    assert!(split["price"].as_f64().expect("a number").abs() < 0.05 * split["mix"].as_f64().expect("a number"));
}

/// Only desks see reductions.
#[test]
fn discounts_for_some_only_are_found() {
    let price = |person: u64, item: u64, _| Some(if device(person) == "desk" { fair(item, 1) } else { list(item) });
    let record = shop(&rows(6, |_, item| item, price)).run().audited(1);
    near(&fact(&record, "discounted_share", "phone")["value"], 0.0, 0.0);
    near(&fact(&record, "discounted_share", "desk")["value"], 1.0, 0.0);
    near(&fact(&record, "same_item_discount", "phone")["difference"]["estimate"], -0.1, 1e-3);
    assert_eq!(verdict(&record, "discount-parity"), "fail");
}

/// Without prices in the log, what list prices tell is still told; without either, nothing is.
#[test]
fn what_is_not_handed_over_is_not_evidenced() {
    let rows = rows(7, |_, item| item, |_, _, _| None);
    let bare = |audit: Audit| {
        let log = audit.text("log.csv");
        let lines = log.lines().map(|line| line.rsplit_once(',').expect("columns").0.to_owned() + "\n");
        let log = lines.collect::<String>();
        audit.with("log.csv", log)
    };
    let record = bare(shop(&rows)).run().audited(0);
    let measures: Vec<&Value> = facts(&record, "price_parity").into_iter().map(|fact| &fact["measure"]).collect();
    assert!(!measures.is_empty() && measures.iter().all(|of| *of == "price_level" || *of == "above_median_share"));
    assert_eq!(verdict(&record, "same-item-price"), "not_evidenced");
    let record = bare(shop(&rows)).replacing("audit.yaml", "  items: { path: items.csv }\n", "").run().audited(3);
    assert!(facts(&record, "price_parity").is_empty());
    assert_eq!(verdict(&record, "same-item-price"), "not_evidenced");
}

#[test]
fn a_window_that_is_none_is_told() {
    let manifest = |window: &str| {
        shop(&[]).replacing("audit.yaml", "  min_cell: 10\n", &format!("  min_cell: 10\n  price_window: {window}\n"))
    };
    manifest("soon").run().refused(&["audit.yaml", "`soon` is no span of time like `1d` or `6h`"]);
    manifest("0s").run().refused(&["`0s` is no span of time from `1s` to `100000d`"]);
}

/// Random logs with prices of every kind, some missing or not above 0, beside a plain loop over their rows.
#[test]
fn the_plan_agrees_with_a_loop_over_rows() {
    for (seed, window) in [(11, 24), (12, 6), (13, 72)] {
        let mut draw = Numbers(seed);
        let price = |person: u64, item: u64, _| match draw.below(12) {
            0 => None,
            1 => Some(if person.is_multiple_of(2) { 0.0 } else { -3.5 }),
            n => Some(cents(list(item) * (0.7 + n as f64 / 20.0))),
        };
        let rows = rows(seed, |_, item| item, price);
        let manifest = format!("  min_cell: 10\n  price_window: {window}h\n");
        let run = shop(&rows).replacing("audit.yaml", "  min_cell: 10\n", &manifest).run();
        let record = run.record();
        slow_same_item(&record, &rows, window);
        slow_means(&record, &rows);
    }
}

fn priced(rows: &[Shown]) -> impl Iterator<Item = (&Shown, f64)> {
    rows.iter().filter_map(|row| Some((row, row.price.filter(|price| *price > 0.0)?)))
}

fn add(sums: &mut ClusterSums, people: &BTreeMap<u64, (f64, f64)>) {
    for &(n, y) in people.values() {
        sums.clusters += 1;
        sums.n += n;
        sums.y += y;
        sums.nn += n * n;
        sums.yy += y * y;
        sums.ny += n * y;
    }
}

fn slow_same_item(record: &Value, rows: &[Shown], window: u64) {
    // 1 March 2026 begins a day, a span of six hours and, counted from 1970, a span of three days two days later.
    let start = 1_772_323_200 / 3_600;
    let cell = |row: &Shown| (row.item, (start + row.hour) / window);
    let of = |device_of: &'static str| {
        let cell = &cell;
        move |key| {
            priced(rows).filter(|(row, _)| device(row.person) == device_of && cell(row) == key).collect::<Vec<_>>()
        }
    };
    let mut cells: Vec<_> = priced(rows).map(|(row, _)| cell(row)).collect();
    cells.sort_unstable();
    cells.dedup();
    let mut people: [BTreeMap<u64, (f64, f64)>; 2] = Default::default();
    let (mut matched, mut count, mut top, mut weights) = (0, 0, 0.0, 0.0);
    for key in cells {
        let sides = [of("phone")(key), of("desk")(key)];
        if sides.iter().any(Vec::is_empty) {
            continue;
        }
        matched += 1;
        let all: Vec<f64> = sides.iter().flatten().map(|(_, price)| price.ln()).collect();
        let (n, mean) = (all.len() as f64, all.iter().sum::<f64>() / all.len() as f64);
        count += all.len() as u64;
        let weight = sides[0].len() as f64 * sides[1].len() as f64 / n;
        let average = |side: &[(&Shown, f64)]| side.iter().map(|(_, p)| p.ln()).sum::<f64>() / side.len() as f64;
        top += weight * (average(&sides[0]) - average(&sides[1]));
        weights += weight;
        for (at, side) in sides.iter().enumerate() {
            for (row, price) in side {
                let group = if at == 0 { sides[1].len() as f64 / n } else { -(sides[0].len() as f64) / n };
                let own = people[at].entry(row.person).or_default();
                *own = (own.0 + group * group, own.1 + group * (price.ln() - mean));
            }
        }
    }
    let mut sums = WithinSums { rows: count, cells: matched, resolution: 1e-8, ..WithinSums::default() };
    add(&mut sums.first, &people[0]);
    add(&mut sums.second, &people[1]);
    let expected = sums.difference().and_then(|within| within.ratio(0.95)).expect("it is told");
    let phone = fact(record, "same_item_price", "phone");
    assert_eq!(phone["matched"]["cells"], matched);
    let told = &phone["matched"];
    let both = told["impressions"].as_u64().zip(told["reference_impressions"].as_u64()).map(|(a, b)| a + b);
    assert_eq!(both, Some(count));
    near(&phone["ratio"]["estimate"], (top / weights).exp(), 1e-6);
    near(&phone["ratio"]["estimate"], expected.estimate, 1e-6);
    near(&phone["ratio"]["low"], expected.low, 1e-6);
    near(&phone["ratio"]["high"], expected.high, 1e-6);
    let left_out = rows.iter().filter(|row| device(row.person) == "phone" && row.price.is_some_and(|p| p <= 0.0));
    assert_eq!(phone["left_out"], left_out.count());
}

fn slow_means(record: &Value, rows: &[Shown]) {
    type Value = fn(&Shown, f64) -> f64;
    let measures: [(&str, Value); 2] =
        [("mean_price", |_, price| price), ("discount", |row, price| 1.0 - price / list(row.item))];
    for (measure, value) in measures {
        let mean = |device_of: &str| {
            let mut people: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
            for (row, price) in priced(rows).filter(|(row, _)| device(row.person) == device_of) {
                let own = people.entry(row.person).or_default();
                *own = (own.0 + 1.0, own.1 + value(row, price));
            }
            let mut sums = ClusterSums::default();
            add(&mut sums, &people);
            sums.mean().expect("a mean")
        };
        let (phone, desk) = (mean("phone"), mean("desk"));
        let expected = ratio_mean::difference(&phone, &desk, 0.95).expect("a difference");
        let told = fact(record, measure, "phone");
        near(&told["value"], phone.estimate, 1e-6);
        near(&told["reference_value"], desk.estimate, 1e-6);
        near(&told["difference"]["low"], expected.low, 1e-6);
        near(&told["difference"]["high"], expected.high, 1e-6);
        near(&told["p_value"], ratio_mean::p_value(&phone, &desk).expect("p"), 1e-6);
    }
    let level = fact(record, "price_level", "phone");
    let of: Vec<f64> = rows.iter().filter(|row| device(row.person) == "phone").map(|row| list(row.item)).collect();
    near(&level["value"], of.iter().sum::<f64>() / of.len() as f64, 1e-9);
    let dear = of.iter().filter(|price| **price > 57.5).count() as f64 / of.len() as f64;
    near(&fact(record, "above_median_share", "phone")["value"], dear, 1e-9);
    // The split by hand.
    let stats = |device_of: &str| {
        let mut items: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
        for (row, price) in priced(rows).filter(|(row, _)| device(row.person) == device_of) {
            let own = items.entry(row.item).or_default();
            *own = (own.0 + 1.0, own.1 + price);
        }
        let n: f64 = items.values().map(|(n, _)| n).sum();
        (items, n)
    };
    let ((phone, all_phone), (desk, all_desk)) = (stats("phone"), stats("desk"));
    let both = phone.iter().filter_map(|(item, a)| Some((a, desk.get(item)?)));
    let price: f64 = both.map(|(a, b)| (a.0 / all_phone + b.0 / all_desk) / 2.0 * (a.1 / a.0 - b.1 / b.0)).sum();
    near(&fact(record, "mean_price", "phone")["split"]["price"], price, 1e-4);
}
