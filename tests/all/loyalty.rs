//! Strategies that sell at once and drive away, and such that do not, told from orders, visits and answers.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Audit, facts};

const MANIFEST: &str = "\
probity: 1
system: { name: Test shop, owner: team@shop.example, jurisdiction: DE, as_of: 2026-06-01 }
purposes:
  - { id: personalize.content, legal_basis: consent, benefit: Less to look through. }
strategies:
  - { id: eager, purpose: personalize.content }
measure:
  min_cell: 20
  segments: [{ attribute: device }]
  loyalty: { holdout: plain, until: 2026-06-01 }
rules: { packs: [playbook] }
evidence:
  subjects: { path: subjects.csv }
  recommendations: { path: log.csv }
  outcomes:
    - { path: orders.csv, values: { kind: order } }
    - { path: survey.csv, values: { kind: survey } }
";

/// A small generator of numbers that any language has.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// How an arm treats its people.
#[derive(Clone, Copy)]
pub(crate) struct Arm {
    /// Mean money per order.
    pub(crate) money: u64,
    /// In a thousand: who is lost after an order.
    pub(crate) lost: u64,
}

pub(crate) struct Person {
    pub(crate) arm: &'static str,
    /// Days since 2026-01-01.
    pub(crate) start: u64,
    /// Day and cents.
    pub(crate) orders: Vec<(u64, u64)>,
    /// Whether asked, and what was answered.
    pub(crate) score: Option<Option<u64>>,
}

/// 2026-06-01 is so many days after 2026-01-01.
pub(crate) const END: u64 = 151;

pub(crate) fn people(seed: u64, count: u64, eager: Arm, plain: Arm) -> Vec<Person> {
    let mut draw = Numbers(seed);
    for _ in 0..10 {
        draw.below(2);
    }
    let person = |nth: u64| {
        // Dealt out in turns, so that arms are of one size.
        let (arm, of) = if nth.is_multiple_of(2) { ("eager", eager) } else { ("plain", plain) };
        let start = draw.below(140);
        let (mut day, mut orders) = (start, Vec::new());
        loop {
            day += 3 + draw.below(30);
            if day >= END {
                break;
            }
            orders.push((day, 100 * (of.money / 2 + draw.below(of.money))));
            if draw.below(1000) < of.lost {
                break;
            }
        }
        let score = (draw.below(3) == 0 && start + 5 < END).then(|| (draw.below(2) == 0).then(|| draw.below(11)));
        Person { arm, start, orders, score }
    };
    (0..count).map(person).collect()
}

fn moment(day: u64) -> String {
    let start = chrono::NaiveDate::from_ymd_opt(2026, 1, 1).expect("a day");
    format!("{}T12:00:00Z", start + chrono::Days::new(day))
}

pub(crate) fn shop(people: &[Person]) -> Audit {
    let mut subjects = "subject_id,device\n".to_owned();
    let mut log = "request_id,timestamp,subject_id,item_id,strategy\n".to_owned();
    let mut orders = "subject_id,timestamp,value\n".to_owned();
    let mut survey = "subject_id,timestamp,score\n".to_owned();
    for (nth, person) in people.iter().enumerate() {
        subjects += &format!("p{nth},{}\n", if nth % 4 < 2 { "desk" } else { "phone" });
        log += &format!("r{nth},{},p{nth},i1,{}\n", moment(person.start), person.arm);
        for (day, cents) in &person.orders {
            orders += &format!("p{nth},{},{}.{:02}\n", moment(*day), cents / 100, cents % 100);
        }
        if let Some(score) = person.score {
            let score = score.map(|score| score.to_string()).unwrap_or_default();
            survey += &format!("p{nth},{},{score}\n", moment(person.start + 5));
        }
    }
    Audit::new()
        .with("audit.yaml", MANIFEST)
        .with("subjects.csv", subjects)
        .with("log.csv", log)
        .with("orders.csv", orders)
        .with("survey.csv", survey)
}

pub(crate) const SAME: Arm = Arm { money: 40, lost: 80 };

#[track_caller]
pub(crate) fn fact<'a>(record: &'a Value, arm: &str, measure: &str) -> &'a Value {
    let whole = |fact: &&Value| {
        fact["strategy"] == arm
            && fact["measure"] == measure
            && fact["segment"].as_object().is_some_and(|of| of.is_empty())
    };
    facts(record, "loyalty").into_iter().find(whole).unwrap_or_else(|| panic!("no {measure} of {arm}"))
}

pub(crate) fn verdict<'a>(record: &'a Value, id: &str) -> &'a Value {
    let steps = record["steps"].as_array().expect("steps");
    let mut rules = steps.iter().flat_map(|step| step["rules"].as_array().expect("rules"));
    &rules.find(|rule| rule["id"] == id).expect("the rule is there")["status"]
}

#[track_caller]
fn near(got: &Value, expected: f64) {
    let got = got.as_f64().unwrap_or_else(|| panic!("{got} is no number"));
    assert!((got - expected).abs() <= 1e-9, "{got} is not {expected}");
}

#[test]
fn a_strategy_that_sells_and_drives_away_is_found() {
    let eager = Arm { money: 60, lost: 500 };
    let run = shop(&people(1, 1200, eager, SAME)).run();
    let record = run.record();
    for rule in ["gain-bought-with-loyalty", "loyalty-harm"] {
        assert_eq!(verdict(&record, rule), "fail", "{rule}");
    }
    assert_eq!(verdict(&record, "sample-ratio-mismatch"), "pass");
    let at = |measure: &str, limit: &str| fact(&record, "eager", measure)["ratio"][limit].as_f64().expect("a number");
    assert!(at("early_order_value", "low") > 1.3 && at("early_order_value", "high") < 1.7);
    assert!(at("retention", "high") < 0.8 && at("days_retained", "high") < 1.0 && at("repeat_rate", "high") < 0.8);
    assert_eq!(fact(&record, "plain", "retention")["comparison"], "holdout");
    // Every segment is told, too, and both sides stand in one fact.
    let balances = facts(&record, "loyalty_balance");
    assert_eq!(balances.len(), 3);
    assert!(
        balances.iter().all(|of| of["strategy"] == "eager" && of["retention"]["ratio"]["high"].as_f64() < Some(1.0))
    );
    let html = std::fs::read_to_string(run.out.join("report.html")).expect("there is a report");
    assert!(html.contains("id=\"loyalty\"") && html.contains("Sold at once, kept for long"), "no section");
}

/// Of twenty shops whose arms are alike, no rule says that anybody is surely worse off more often than chance does.
#[test]
fn alike_arms_are_not_flagged() {
    let mut failed = BTreeMap::new();
    for seed in 100..120 {
        let record = shop(&people(seed, 400, SAME, SAME)).run().record();
        for rule in ["gain-bought-with-loyalty", "loyalty-harm", "sample-ratio-mismatch"] {
            *failed.entry(rule).or_insert(0) += i32::from(verdict(&record, rule) == "fail");
        }
    }
    // Eight measures of three groups each, most of which cannot tell so small a margin from nothing: 5 % would be one.
    assert!(failed.remove("loyalty-harm").is_some_and(|n| n <= 2), "loyalty-harm");
    assert!(failed.values().all(|n| *n == 0), "{failed:?}");
}

/// What is measured, by loops over the people.
#[test]
fn every_number_is_that_of_plain_loops() {
    let people = people(7, 500, Arm { money: 50, lost: 200 }, SAME);
    let record = shop(&people).run().record();
    for arm in ["eager", "plain"] {
        let own: Vec<&Person> = people.iter().filter(|person| person.arm == arm).collect();
        let sum = |of: &dyn Fn(&Person) -> f64| own.iter().map(|person| of(person)).sum::<f64>();
        // Starts and orders are at noon, the end at midnight: whole days seen are one less than the days between.
        let seen = |person: &Person, from: u64, days: u64| END - from > days && person.start <= from;
        let paid = |person: &Person, days: u64| {
            let within = person.orders.iter().filter(|(day, _)| day - person.start < days);
            within.map(|(_, cents)| *cents as f64 / 100.0).sum::<f64>()
        };
        for (measure, days) in [("early_revenue", 30), ("lifetime_value", 90)] {
            let whole = sum(&|person| f64::from(seen(person, person.start, days)));
            let money = sum(&|person| if seen(person, person.start, days) { paid(person, days) } else { 0.0 });
            let told = fact(&record, arm, measure);
            assert_eq!(told["subjects"].as_f64(), Some(whole));
            near(&told["value"]["estimate"], money / whole);
            near(&told["censored_share"], 1.0 - whole / own.len() as f64);
        }
        let buyers = sum(&|person| f64::from(person.orders.first().is_some_and(|(day, _)| seen(person, *day, 60))));
        let again = sum(&|person| {
            let second = person.orders.first().zip(person.orders.get(1));
            let soon = second.is_some_and(|((first, _), (second, _))| seen(person, *first, 60) && second - first <= 60);
            f64::from(soon)
        });
        near(&fact(&record, arm, "repeat_rate")["value"]["estimate"], again / buyers);
        // The curve, day by day, from each person's own days: the first silence of 45 days.
        let ends: Vec<(u64, bool)> = own
            .iter()
            .map(|person| {
                let whole = END - person.start - 1;
                let signs: Vec<u64> =
                    std::iter::once(0).chain(person.orders.iter().map(|(day, _)| day - person.start)).collect();
                let next = |nth: usize| signs.get(nth + 1).copied().unwrap_or(u64::MAX);
                let silent = (0..signs.len()).find(|nth| next(*nth) > signs[*nth] + 45 && signs[*nth] + 45 <= whole);
                silent.map_or((whole, false), |nth| (signs[nth] + 45, true))
            })
            .collect();
        let mut share = 1.0;
        for day in 1..=90 {
            let at_risk = ends.iter().filter(|(end, _)| *end >= day).count() as f64;
            let gone = ends.iter().filter(|of| **of == (day, true)).count() as f64;
            share *= 1.0 - gone / at_risk;
        }
        near(&fact(&record, arm, "retention")["value"]["estimate"], share);
        let asked = sum(&|person| f64::from(person.score.is_some()));
        let scores: Vec<u64> = own.iter().filter_map(|person| person.score?).collect();
        let points: i64 = scores.iter().map(|score| i64::from(*score >= 9) - i64::from(*score <= 6)).sum();
        let told = fact(&record, arm, "net_promoter_score");
        near(&told["value"]["estimate"], points as f64 / scores.len() as f64);
        near(&told["response"]["rate"], scores.len() as f64 / asked);
    }
}

/// Everybody joined days ago: nobody is gone, and nobody knows who will be.
#[test]
fn who_joined_yesterday_is_not_gone() {
    let mut people = people(9, 200, SAME, SAME);
    for person in &mut people {
        person.start = END - 2;
        person.orders.clear();
        person.score = None;
    }
    people[0].orders.push((END - 1, 500));
    people[1].orders.push((END - 1, 500));
    let record = shop(&people).run().record();
    let told = fact(&record, "eager", "retention");
    assert_eq!((&told["value"], &told["comparison"]), (&Value::Null, &Value::from("undefined")));
    assert_eq!(told["curve"][0]["share"], 1.0);
    near(&told["censored_share"], 1.0);
    assert_eq!(fact(&record, "eager", "early_revenue")["comparison"], "suppressed");
    assert_eq!(verdict(&record, "loyalty-harm"), "not_evidenced");
}

#[test]
fn arms_that_lost_people_are_not_compared() {
    let people: Vec<Person> =
        people(11, 900, SAME, SAME).into_iter().enumerate().filter(|(nth, _)| nth % 6 != 0).map(|(_, of)| of).collect();
    let record = shop(&people).run().record();
    assert_eq!(verdict(&record, "sample-ratio-mismatch"), "fail");
    let told = fact(&record, "eager", "retention");
    assert_eq!(told["comparison"], "refused");
    assert!(told["ratio"].is_null() && told["difference"].is_null() && told["p_value"].is_null());
    assert!(told["reason"].as_str().is_some_and(|why| why.contains("equal shares")), "{told}");
    assert!(facts(&record, "loyalty_balance").is_empty());
    // These shares were meant: then they may be compared.
    let audit =
        shop(&people).replacing("audit.yaml", "holdout: plain,", "holdout: plain, split: { eager: 0.4, plain: 0.6 },");
    let record = audit.run().record();
    assert_eq!(fact(&record, "eager", "retention")["comparison"], "compared");
}

/// The arm is a column of subjects, and those without personalization are in no log.
#[test]
fn a_holdout_outside_the_log_has_its_own_start() {
    let people = people(13, 600, Arm { money: 60, lost: 500 }, SAME);
    let log = shop(&people).run().record();
    let mut subjects = "subject_id,device,arm,since\n".to_owned();
    for (nth, person) in people.iter().enumerate() {
        let device = if nth % 4 < 2 { "desk" } else { "phone" };
        subjects += &format!("p{nth},{device},{},{}\n", person.arm, moment(person.start));
    }
    let audit = shop(&people)
        .with("subjects.csv", subjects)
        .replacing("audit.yaml", "holdout: plain,", "holdout: plain, arm: arm,")
        .replacing("audit.yaml", "{ path: subjects.csv }", "{ path: subjects.csv, columns: { enrolled: since } }")
        .replacing("audit.yaml", "  recommendations: { path: log.csv }\n", "");
    let record = audit.run().record();
    for measure in ["retention", "early_revenue", "repeat_rate"] {
        for field in ["value", "ratio", "subjects"] {
            assert_eq!(
                fact(&record, "eager", measure)[field],
                fact(&log, "eager", measure)[field],
                "{measure} {field}"
            );
        }
    }
}

#[test]
fn what_cannot_be_used_is_told() {
    let audit = || shop(&people(3, 80, SAME, SAME));
    audit()
        .replacing("audit.yaml", "holdout: plain", "holdout: plan")
        .run()
        .refused(&["nobody is in arm `plan`", "plain"]);
    audit()
        .replacing("audit.yaml", "holdout: plain,", "holdout: plain, arm: devices,")
        .run()
        .refused(&["arm `devices` is not a column of `subjects`", "device"]);
    audit()
        .replacing("audit.yaml", "holdout: plain,", "holdout: plain, horizn: 30d,")
        .run()
        .refused(&["unknown key `horizn`", "horizon"]);
    audit()
        .replacing("audit.yaml", "holdout: plain,", "holdout: plain, horizon: 40d,")
        .run()
        .refused(&["`churn_after` is 45 days", "nobody could ever count as gone"]);
    audit()
        .replacing("audit.yaml", "holdout: plain,", "holdout: plain, split: { eager: 0.5, plain: 0.4 },")
        .run()
        .refused(&["add up to 0.9000; expected 1"]);
    audit()
        .replacing("audit.yaml", "    - { path: orders.csv, values: { kind: order } }\n", "")
        .replacing("audit.yaml", "    - { path: survey.csv, values: { kind: survey } }\n", "")
        .replacing("audit.yaml", "  outcomes:\n", "")
        .run()
        .refused(&["`measure.loyalty` compares outcomes, and none are read"]);
    let rows = "subject_id,timestamp,score\np1,2026-03-01T10:00:00Z,11\np2,2026-03-01T10:00:00Z,9.5\np3,2026-03-01T10:00:00Z,9.0\n";
    let run = audit()
        .replacing("audit.yaml", "  min_cell: 20\n", "  min_cell: 20\n  max_rejected: 1\n")
        .with("survey.csv", rows)
        .run();
    let rejected = run.rejected();
    assert_eq!(rejected.len(), 2, "{rejected:?}");
    assert!(rejected.iter().all(|row| row.contains("score is not a whole number from 0 to 10")), "{rejected:?}");
    audit()
        .replacing("audit.yaml", "values: { kind: order }", "values: { kind: orders }")
        .run()
        .refused(&["kind is none of order, return, visit, churned, survey"]);
}
