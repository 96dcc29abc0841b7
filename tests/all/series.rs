//! A year of audits in a ledger: quiet while nothing changes, and told when something does.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::memory::done;
use crate::reidentification::Numbers;
use crate::support::{Audit, facts};

const MANIFEST: &str = "\
probity: 1
system: { name: Shop, owner: team@shop.example, as_of: 2026-01-28 }
measure: { segments: [{ attribute: age_band }], metrics: [click], min_cell: 10, intersections: 1, conditional: false }
ledger: history.jsonl
evidence:
  subjects: { path: people.csv, declares: { subject_id: user.unique_id } }
  recommendations: { path: log.csv, declares: { subject_id: user.unique_id } }
";

/// 600 people with eight impressions each, of which everybody clicks on 30 in 100, but of those over 65 only on `clicks`;
/// `popular` decides `popular` in 100 times. Every month other people and other draws.
fn month(nth: u64, clicks: u64, popular: u64) -> (String, String) {
    let mut draw = Numbers(77 + nth);
    let mut people = "subject_id,age_band\n".to_owned();
    let mut log = "request_id,timestamp,subject_id,item_id,strategy,clicked,price\n".to_owned();
    for person in 0..600 {
        let old = person % 2 == 0;
        people += &format!("p{nth}-{person},{}\n", if old { "65+" } else { "18-64" });
        for shown in 0..8 {
            let strategy = if draw.below(100) < popular { "popular" } else { "hybrid" };
            let clicked = u8::from(draw.below(100) < if old { clicks } else { 30 });
            let price = 500 + draw.below(9_000) + 100 * nth;
            log += &format!(
                "r{nth}-{person}-{shown},2026-{:02}-03T10:00:00Z,p{nth}-{person},i{},{strategy},{clicked},{}.{:02}\n",
                nth % 12 + 1,
                shown % 5,
                price / 100,
                price % 100
            );
        }
    }
    (people, log)
}

/// The record of one more month, which is appended to the ledger.
fn audit(audit: Audit, nth: u64, clicks: u64, popular: u64) -> (Audit, Value) {
    let (people, log) = month(nth, clicks, popular);
    let _ = std::fs::remove_dir_all(audit.path("report"));
    let manifest = MANIFEST.replace("2026-01-28", &format!("2026-{:02}-28", nth % 12 + 1));
    let run = audit.with("audit.yaml", manifest).with("people.csv", people).with("log.csv", log).run();
    let record = run.record();
    done(&run.audit, &["history", "append", "report/audit.json"]);
    (run.audit, record)
}

/// Rules of the watch that fail, each with what it is about.
fn alarms(record: &Value) -> BTreeSet<String> {
    let watched = ["mix-drift", "trend-beyond-limits", "lasting-four-fifths"];
    let findings = record["findings"].as_array().expect("findings").iter();
    let failing = findings.filter(|finding| finding["status"] == "fail");
    let told = failing.filter_map(|finding| {
        let rule = watched.iter().find(|rule| finding["rule"] == **rule)?;
        let fact = &record["facts"][finding["fact"].as_u64()? as usize];
        let about = fact["about"]["segment"].as_str().or(fact["by"].as_str())?;
        let strategy = fact["about"]["strategy"].as_str().map(|name| format!(" under {name}")).unwrap_or_default();
        Some(format!("{rule}: {about}{strategy}"))
    });
    told.collect()
}

fn trends(record: &Value) -> impl Iterator<Item = &Value> {
    facts(record, "trend").into_iter().filter(|fact| fact["of"] == "outcome_parity")
}

#[test]
fn a_planted_change_is_told_and_quiet_months_are_not() {
    let mut shop = Audit::new();
    let mut record = Value::Null;
    let mut edges = BTreeSet::new();
    for nth in 0..9 {
        (shop, record) = audit(shop, nth, 30, 30);
        assert_eq!(alarms(&record), BTreeSet::new(), "month {nth}");
        let price = facts(&record, "mix").into_iter().find(|mix| mix["by"] == "price").expect("prices");
        edges.insert(price["edges"].to_string());
        let expected = if nth == 0 { 0 } else { 2 };
        assert_eq!(trends(&record).count(), expected, "one ratio of each strategy, once there is an earlier audit");
    }
    assert_eq!(edges.len(), 1, "later audits keep the bins of the first: {edges:?}");
    for trend in trends(&record) {
        assert_eq!((&trend["audits"], &trend["reason"]), (&9.into(), &Value::Null));
        let of = |name: &str| trend[name].as_f64().expect("a limit");
        assert!(of("lower_limit") < 1.0 && of("upper_limit") > 1.0 && of("overdispersion") < 2.5, "{trend}");
    }

    // Clicks of those over 65 fall by two fifths, and `popular` takes over: from 30 to 70 of 100 decisions.
    (shop, record) = audit(shop, 9, 18, 70);
    let expected = [
        "mix-drift: strategy",
        "trend-beyond-limits: age_band=65+ under hybrid",
        "trend-beyond-limits: age_band=65+ under popular",
    ];
    assert_eq!(alarms(&record), expected.map(str::to_owned).into());
    let drift = facts(&record, "drift").into_iter().find(|fact| fact["by"] == "strategy").expect("the drift");
    // Twice 0.4·ln(7/3), of two shares that change places.
    assert!((drift["psi"].as_f64().unwrap() - 0.8 * (7.0_f64 / 3.0).ln()).abs() < 0.08, "{drift}");
    assert_eq!((&drift["since"], &drift["as_of"]), (&"last_audit".into(), &"2026-09-28".into()));

    // It lasts: the mix is now what it was; the ratio of all audits together is not yet below four fifths.
    for nth in 10..12 {
        (shop, record) = audit(shop, nth, 18, 70);
        let told = alarms(&record);
        assert!(!told.iter().any(|alarm| alarm.starts_with("mix-drift")), "{told:?}");
    }
    let shown = done(&shop, &["history", "trend", "--measure", "outcome_parity ratio"]);
    assert!(shown.contains("12 audits of Shop") && shown.contains("age_band=65+"), "{shown}");
    assert_eq!(shown.matches("2026-10-28").count(), 2, "each audit of both ratios: {shown}");
    done(&shop, &["history", "verify"]);

    // The same month audited again is not a thirteenth.
    let again = shop.run().record();
    let first = trends(&again).next().expect("a trend");
    assert_eq!((&first["audits"], &first["left_out"]), (&12.into(), &1.into()));
}
