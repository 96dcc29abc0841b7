//! Personal data that nobody declared: found with file and column, told without any value.

use serde_json::Value;

use crate::support::{Audit, Run, facts};

const KIND: &str = "undeclared_personal_data";

/// The audit with one more column in its log.
fn with_column(name: &str, value: impl Fn(usize) -> String) -> Audit {
    let audit = Audit::new();
    let text = audit.text("log.csv");
    let lines = text.lines().enumerate().map(|(i, line)| match i {
        0 => format!("{line},{name}\n"),
        _ => format!("{line},{}\n", value(i)),
    });
    let text: String = lines.collect();
    audit.with("log.csv", text)
}

fn findings<'a>(record: &'a Value, rule: &str) -> Vec<&'a Value> {
    record["findings"].as_array().unwrap().iter().filter(|finding| finding["rule"] == rule).collect()
}

fn rule(record: &Value) -> &Value {
    let rules = record["steps"][1]["rules"].as_array().unwrap();
    rules.iter().find(|rule| rule["id"] == "undeclared-personal-data").unwrap()
}

/// What was found undeclared, as `file column class`.
fn undeclared(record: &Value) -> Vec<String> {
    let facts = facts(record, KIND).into_iter().filter(|fact| fact["declared"] == false);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    facts.map(|f| format!("{} {} {}", text(&f["path"]), text(&f["column"]), text(&f["class"]))).collect()
}

#[track_caller]
fn tells_nothing_of(run: &Run, secrets: &[&str]) {
    let everything = run.everything();
    for secret in secrets {
        assert!(!everything.contains(secret), "`{secret}` was told");
    }
    run.leaks_nobody();
}

#[test]
fn an_email_in_a_free_column_is_found_with_file_and_column_and_not_told() {
    let run = with_column("note", |i| match i % 10 {
        0 => format!("wrote to secret{i}@hidden.example"),
        1..5 => "ok".into(),
        _ => String::new(),
    })
    .run();
    let record = run.audited(1);
    assert_eq!(undeclared(&record), ["log.csv note email"]);
    let fact = facts(&record, KIND).into_iter().find(|fact| fact["column"] == "note").unwrap();
    // Of 480 rows every tenth is an address, and half are empty.
    assert_eq!((&fact["matches"], &fact["sampled"], &fact["rows"]), (&48.into(), &240.into(), &480.into()));
    assert_eq!((&fact["category"], &fact["columns"]), (&"user.contact.email".into(), &9.into()));
    let found = findings(&record, "undeclared-personal-data");
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0]["message"],
        "column `note` of `log.csv` holds email values (48 of 240 looked at), and nothing declares `user.contact.email` there"
    );
    assert_eq!((&found[0]["severity"], &found[0]["evidence"][0]["path"]), (&"high".into(), &"log.csv".into()));
    let html = std::fs::read_to_string(run.out.join("report.html")).unwrap();
    assert!(html.contains("Personal data found where none is declared") && html.contains(">note<"));
    tells_nothing_of(&run, &["hidden.example", "secret"]);
}

#[test]
fn what_is_declared_passes_and_what_it_does_not_cover_fails() {
    let declare = |category: &str| {
        let audit = with_column("note", |i| format!("secret{i}@hidden.example"));
        let (from, to) = ("log.csv\n    declares: { ", format!("log.csv\n    declares: {{ note: {category}, "));
        audit.replacing("audit.yaml", from, &to)
    };
    for category in ["user.contact.email", "user.contact", "user"] {
        let run = declare(category).run();
        let record = run.audited(0);
        assert_eq!((rule(&record)["status"].as_str(), undeclared(&record)), (Some("pass"), vec![]), "{category}");
        let fact = facts(&record, KIND).into_iter().find(|fact| fact["column"] == "note").unwrap();
        assert_eq!((&fact["declared_as"], &fact["declared_at"]["line"]), (&category.into(), &41.into()));
        tells_nothing_of(&run, &["hidden.example", "secret"]);
    }
    assert_eq!(undeclared(&declare("user.contact.phone_number").run().audited(1)), ["log.csv note email"]);
}

#[test]
fn raw_addresses_as_subject_ids_are_undeclared_until_somebody_says_so() {
    let audit = Audit::new().replacing("audit.yaml", "    declares: { subject_id: user.contact.email }\n", "");
    let run = audit.run();
    let record = run.audited(1);
    assert_eq!(undeclared(&record), ["log.csv subject_id email"]);
    let message = findings(&record, "undeclared-personal-data")[0]["message"].as_str().unwrap();
    assert!(message.starts_with("column `subject_id` of `log.csv` (the subject ids) holds email values"), "{message}");
    run.leaks_nobody();
}

#[test]
fn a_misspelt_column_or_category_is_told_with_the_nearest_name() {
    let declares = |text: &str| {
        let from = "log.csv\n    declares: { subject_id: user.contact.email }";
        Audit::new().replacing("audit.yaml", from, &format!("log.csv\n    declares: {{ {text} }}")).run()
    };
    declares("subjct_id: user.contact.email").refused(&[
        "`declares` names `subjct_id`, which is no column of `log.csv`",
        "subject_id",
        "audit.yaml:41:28",
    ]);
    declares("subject_id: user.contact.emial").refused(&[
        "data category `user.contact.emial` is not in the taxonomy",
        "user.contact.email",
        "audit.yaml:41:29",
    ]);
}

#[test]
fn nothing_found_is_a_pass_and_nothing_looked_at_is_not() {
    let pseudonymous = |scan: &str| {
        let mut audit = Audit::new().replacing("audit.yaml", "  min_cell: 10\n", &format!("  min_cell: 10\n{scan}"));
        for name in ["log.csv", "subjects.csv", "consent.csv"] {
            let text = audit.text(name).replace("@people.example", "").replace("anna.", "c");
            audit = audit.with(name, text);
        }
        audit.run()
    };
    let record = pseudonymous("").audited(0);
    assert_eq!(rule(&record)["status"], "pass");
    let looked: Vec<(&str, u64, u64)> = facts(&record, KIND)
        .into_iter()
        .map(|f| (f["path"].as_str().unwrap(), f["rows"].as_u64().unwrap(), f["columns"].as_u64().unwrap()))
        .collect();
    assert_eq!(looked, [("consent.csv", 240, 6), ("log.csv", 480, 8), ("subjects.csv", 80, 2)]);
    assert!(facts(&record, KIND).iter().all(|fact| fact["column"].is_null() && fact["matches"] == 0));
    let record = pseudonymous("  scan_rows: 0\n").audited(0);
    assert_eq!(rule(&record)["status"], "not_evidenced");
    assert!(facts(&record, KIND).is_empty());
    let record = pseudonymous("  scan_rows: 50\n").audited(0);
    assert!(facts(&record, KIND).iter().all(|fact| fact["rows"] == 50));
}

/// A line break in a cell hides nothing.
#[test]
fn texts_over_several_lines_are_looked_at() {
    let run = with_column("comment", |i| format!("\"I was there\nand they told me {i} that it is not my size\""));
    let run = run.run();
    assert_eq!(undeclared(&run.audited(1)), ["log.csv comment free_text"]);
    tells_nothing_of(&run, &["they told me", "not my size"]);
}

#[test]
fn parquet_and_json_are_looked_at_with_their_nested_values() {
    let row = |i: usize| {
        format!(
            "{{\"request_id\":\"r{i}\",\"timestamp\":\"2026-03-27T08:30:00Z\",\"subject_id\":\"c{}\",\"item_id\":\"i{i}\",\
             \"strategy\":\"popular\",\"client\":{{\"ip\":\"203.0.113.{}\"}},\"cards\":[\"x\",\"4111 1111 1111 1111\"]}}\n",
            i % 40,
            i % 200 + 1
        )
    };
    let json: String = (0..200).map(row).collect();
    let run = Audit::new().with("log.jsonl", json).source("path: log.jsonl").run();
    assert_eq!(undeclared(&run.record()), ["log.jsonl cards payment_card", "log.jsonl client.ip ip_address"]);
    tells_nothing_of(&run, &["203.0.113", "4111"]);

    let parquet = crate::readers::parquet::impressions(&crate::support::log());
    let audit = Audit::new().with("log.parquet", parquet).source("path: log.parquet");
    let run = audit.replacing("audit.yaml", "    declares: { subject_id: user.contact.email }\n", "").run();
    assert_eq!(undeclared(&run.record()), ["log.parquet subject_id email"]);
    run.leaks_nobody();
}
