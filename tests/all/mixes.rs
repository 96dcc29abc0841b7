//! What a log is made of, beside plain loops over its rows.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::reidentification::Numbers;
use crate::support::{Audit, facts};

const MANIFEST: &str = "\
probity: 1
system: { name: Shop, owner: team@shop.example, as_of: 2026-06-01 }
measure: { segments: [{ attribute: age_band }], min_cell: 10 }
evidence:
  subjects: { path: people.csv, declares: { subject_id: user.unique_id } }
  recommendations: { path: log.csv, declares: { subject_id: user.unique_id } }
";

struct Row {
    request: u64,
    person: u64,
    strategy: &'static str,
    jurisdiction: &'static str,
    position: u64,
    /// In cents; None where it is not known.
    price: Option<u64>,
    revenue: u64,
}

/// 300 people with up to six requests of five items. Everybody has a strategy that they get three times in four and prices
/// of their own; seven people are in the jurisdiction `SM`; one price in 20 is not known.
fn log(seed: u64) -> Vec<Row> {
    let mut draw = Numbers(seed);
    let mut rows = Vec::new();
    let mut request = 0;
    for person in 0..300 {
        let own = ["a", "b", "c"][draw.below(3) as usize];
        let (cheap, jurisdiction) =
            (draw.below(2) == 0, if person < 7 { "SM" } else { ["DE", "FR", ""][draw.below(3) as usize] });
        for _ in 0..=draw.below(6) {
            request += 1;
            let strategy = if draw.below(4) > 0 { own } else { ["a", "b", "c"][draw.below(3) as usize] };
            for position in 1..=5 {
                let price = 100 + draw.below(if cheap { 3_000 } else { 9_000 });
                let (known, bought) = (draw.below(20) > 0, draw.below(10) == 0);
                let revenue = if bought { price } else { 0 };
                let price = known.then_some(price);
                rows.push(Row { request, person, strategy, jurisdiction, position, price, revenue });
            }
        }
    }
    rows
}

fn csv(rows: &[Row]) -> String {
    let mut text = "request_id,timestamp,subject_id,item_id,position,strategy,jurisdiction,price,revenue\n".to_owned();
    for row in rows {
        let Row { request, person, strategy, jurisdiction, position, .. } = row;
        let euros = |cents: u64| format!("{}.{:02}", cents / 100, cents % 100);
        let (price, revenue) = (row.price.map(euros).unwrap_or_default(), euros(row.revenue));
        text += &format!(
            "r{request},2026-03-01T10:00:00Z,p{person},i{position},{position},{strategy},{jurisdiction},{price},{revenue}\n"
        );
    }
    text
}

/// Age bands of 150, 141 and 5 people, and 4 who are not in the table.
fn people() -> String {
    let band = |person: u64| match person {
        0..150 => "18-29",
        150..291 => "30-44",
        _ => "90+",
    };
    let rows = (0..296).map(|person| format!("p{person},{}\n", band(person)));
    std::iter::once("subject_id,age_band\n".to_owned()).chain(rows).collect()
}

fn audit(rows: &[Row]) -> Value {
    Audit::new().with("audit.yaml", MANIFEST).with("people.csv", people()).with("log.csv", csv(rows)).run().record()
}

fn mix<'a>(record: &'a Value, of: &str, by: &str) -> &'a Value {
    let all = facts(record, "mix");
    all.into_iter().find(|fact| fact["of"] == of && fact["by"] == by).unwrap_or_else(|| panic!("no mix {of} by {by}"))
}

fn bins(mix: &Value) -> BTreeMap<String, u64> {
    let bins = mix["bins"].as_array().expect("bins").iter();
    bins.map(|bin| (bin["name"].as_str().expect("a name").to_owned(), bin["count"].as_u64().expect("a count")))
        .collect()
}

/// What rows are worth by the definition: the variance of each share, people as the unit, beside that of as many
/// independent rows. Each row is a person and a bin.
fn effective(rows: &[(u64, String)]) -> f64 {
    let people: BTreeSet<u64> = rows.iter().map(|row| row.0).collect();
    let names: BTreeSet<&String> = rows.iter().map(|row| &row.1).collect();
    let (n, m) = (rows.len() as f64, people.len() as f64);
    let mut effect = 0.0;
    for name in &names {
        let p = rows.iter().filter(|row| row.1 == **name).count() as f64 / n;
        let squares: f64 = people
            .iter()
            .map(|person| {
                let own = rows.iter().filter(|row| row.0 == *person);
                let (all, here) =
                    own.fold((0.0, 0.0), |(all, here), row| (all + 1.0, here + f64::from(u8::from(row.1 == **name))));
                (here - p * all) * (here - p * all)
            })
            .sum();
        effect += m / (m - 1.0) * squares / n / p;
    }
    n / (effect / (names.len() as f64 - 1.0)).max(1.0)
}

#[track_caller]
fn near(mix: &Value, expected: f64) {
    let found = mix["effective"].as_f64().expect("a number");
    assert!((found - expected).abs() <= 0.5 + 1e-6, "{found} is not {expected}");
}

#[test]
fn counts_and_what_they_are_worth_are_those_of_plain_loops() {
    for seed in [1, 2] {
        let rows = log(seed);
        let record = audit(&rows);
        let requests = || rows.iter().filter(|row| row.position == 1);

        let expected: Vec<(u64, String)> = requests().map(|row| (row.person, row.strategy.to_owned())).collect();
        let strategies = mix(&record, "decisions", "strategy");
        let count = |name: &str| expected.iter().filter(|row| row.1 == name).count() as u64;
        assert_eq!(bins(strategies), ["a", "b", "c"].map(|name| (name.to_owned(), count(name))).into());
        assert_eq!(strategies["total"], expected.len());
        near(strategies, effective(&expected));
        assert!(strategies["effective"].as_f64().unwrap() < 0.6 * expected.len() as f64, "rows of a person are alike");

        // Seven people are too few to be told, so that the smallest jurisdiction beside them is not told either.
        let jurisdictions = mix(&record, "decisions", "jurisdiction");
        let told = bins(jurisdictions);
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told["(other)"] > 7 && !told.contains_key("SM"));
        assert_eq!((told.values().sum::<u64>(), &jurisdictions["pooled"]), (expected.len() as u64, &json!(2)));

        // Nine people of the oldest and of unknown age are too few together.
        let ages = mix(&record, "subjects", "age_band");
        assert_eq!(bins(ages), [("18-29".to_owned(), 150), ("(other)".to_owned(), 150)].into());
        assert_eq!(ages["effective"], 300);

        // Bins that hold about a tenth each, counted again by the edges that the fact tells.
        let prices = mix(&record, "impressions", "price");
        let edges: Vec<f64> = prices["edges"].as_array().unwrap().iter().map(|edge| edge.as_f64().unwrap()).collect();
        assert_eq!(edges.len(), 9);
        let place = |cents: u64| edges.iter().filter(|edge| cents as f64 / 100.0 > **edge).count();
        let placed: Vec<(u64, String)> =
            rows.iter().filter_map(|row| Some((row.person, place(row.price?).to_string()))).collect();
        let counts: Vec<u64> =
            (0..10).map(|nth| placed.iter().filter(|row| row.1 == nth.to_string()).count() as u64).collect();
        let told: Vec<u64> =
            prices["bins"].as_array().unwrap().iter().map(|bin| bin["count"].as_u64().unwrap()).collect();
        assert_eq!(told, counts);
        let tenth = placed.len() as f64 / 10.0;
        assert!(counts.iter().all(|count| (*count as f64 / tenth - 1.0).abs() < 0.15), "{counts:?}");
        near(prices, effective(&placed));

        let revenue = mix(&record, "impressions", "revenue");
        assert_eq!(revenue["total"], rows.iter().filter(|row| row.revenue > 0).count());
        let positions = mix(&record, "impressions", "position");
        assert_eq!(positions["edges"], json!([1.0, 2.0, 3.0, 4.0, 5.0]));
        assert_eq!(bins(positions)["over 2 to 3"], requests().count() as u64);
    }
}

/// A log of rows without people is counted in rows, which stand for themselves.
#[test]
fn rows_without_people_are_counted_in_rows() {
    let rows = log(3);
    let text: String = csv(&rows)
        .lines()
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            format!("{},{}\n", cells[..2].join(","), cells[3..].join(","))
        })
        .collect();
    let manifest = "\
probity: 1
system: { name: Shop, owner: team@shop.example, as_of: 2026-06-01 }
measure: { unit: impression, segments: [{ attribute: jurisdiction }] }
evidence: { recommendations: { path: log.csv } }
";
    let record = Audit::new().with("audit.yaml", manifest).with("log.csv", text).run().record();
    let of = |by: &str| mix(&record, "impressions", by);
    let count = |name: &str| rows.iter().filter(|row| row.strategy == name).count() as u64;
    assert_eq!(bins(of("strategy")), ["a", "b", "c"].map(|name| (name.to_owned(), count(name))).into());
    let total = of("price")["total"].as_u64().unwrap();
    assert_eq!(total, rows.iter().filter(|row| row.price.is_some()).count() as u64);
    assert!(of("price")["effective"].as_u64().unwrap() >= total - 1);
    assert!(facts(&record, "mix").iter().all(|fact| fact["of"] == "impressions"));
}
