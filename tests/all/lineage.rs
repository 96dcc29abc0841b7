//! Static joins, end to end: what SQL and runs combine is a finding at its place, with a log and without.

use serde_json::Value;

use crate::support::{Audit, MANIFEST, facts, quality};

const SQL: &str = "\
-- features of the start page
CREATE TABLE staging.buyers AS SELECT sha256(email) AS k, lines FROM store.receipts;

INSERT INTO features.f
SELECT w.views, b.lines FROM shop.web.events w JOIN staging.buyers b ON sha256(w.email) = b.k;
";

/// The strategy `popular` reads a table that SQL makes of both contexts; its map names neither.
fn with_sql(sql: &str) -> Audit {
    let popular = "    owner: web-team@shop.example\n    inputs: [web.events.views]\n";
    let feature = "  - fides_key: features\n    meta: { context: web }\n    collections:\n      - name: f\n        \
        fields:\n          - { name: score, data_categories: [user.behavior] }\n";
    let audit = Audit::new();
    let map = audit.text("data-map.yaml") + feature;
    let manifest = MANIFEST.replace(popular, &popular.replace("web.events.views", "features.f.score"));
    audit
        .with("data-map.yaml", map)
        .with("audit.yaml", manifest + "  lineage: etl/*.sql\n")
        .with("etl/features.sql", sql)
}

fn join<'a>(record: &'a Value, strategy: &str) -> Option<&'a Value> {
    facts(record, "join").into_iter().find(|fact| fact["strategy"] == strategy)
}

fn finding<'a>(record: &'a Value, rule: &str) -> Option<&'a Value> {
    record["findings"].as_array().expect("findings").iter().find(|finding| finding["rule"] == rule)
}

const RULE: &str = "unconsented-join-in-lineage";

#[test]
fn a_join_that_no_log_shows_is_a_finding_at_its_line() {
    let run = with_sql(SQL).run();
    // It is of medium severity, and the gate fails from high on.
    let record = run.audited(0);
    let fact = join(&record, "popular").expect("a static join");
    assert_eq!((&fact["events"], &fact["static_only"]), (&0.into(), &true.into()));
    assert_eq!(fact["sources"], serde_json::json!([{"path": "etl/features.sql", "line": 4, "run": null}]));
    assert_eq!(fact["link"], "shop.web.events.email = staging.buyers.k");
    let message = finding(&record, RULE).expect("a finding")["message"].to_string();
    assert!(message.contains("etl/features.sql:4") && message.contains("store and web"), "{message}");
    // What the log shows stays what it was.
    assert_eq!(join(&record, "hybrid").expect("a join")["static_only"], false);
    let lineage = quality(&record, "lineage");
    assert_eq!((&lineage["rows"], &lineage["rejected"]), (&2.into(), &0.into()));
    let evidence = record["evidence"].as_array().expect("evidence");
    assert!(evidence.iter().any(|file| file["role"] == "lineage" && file["path"] == "etl/features.sql"));
    run.leaks_nobody();
}

#[test]
fn check_finds_it_without_a_log() {
    let audit = with_sql(SQL);
    let manifest = audit.path("audit.yaml");
    let mut command = assert_cmd::Command::cargo_bin("probity").expect("the program is built");
    let output =
        command.env("NO_COLOR", "1").args(["check", "--fail-on", "medium"]).arg(manifest).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(RULE) && text.contains("etl/features.sql:4"), "{text}");
}

#[test]
fn a_pair_that_log_and_lineage_show_is_one_fact() {
    let sql = SQL.replace("INSERT INTO features.f", "INSERT INTO web.events");
    let record = with_sql(&sql).run().audited(0);
    let fact = join(&record, "hybrid").expect("a join");
    assert_eq!((&fact["events"], &fact["static_only"]), (&80.into(), &false.into()));
    let sources: Vec<&str> =
        fact["sources"].as_array().expect("sources").iter().filter_map(|source| source["path"].as_str()).collect();
    assert_eq!(sources, ["audit.yaml", "etl/features.sql"]);
    assert!(finding(&record, RULE).is_none());
}

#[test]
fn a_combination_that_the_policy_names_free_passes() {
    let free = "      basis: contract\n      reason: one account\n";
    let audit = with_sql(SQL).replacing("policy.yaml", "      basis: consent\n", free).replacing(
        "policy.yaml",
        "category: user.behavior, basis: consent",
        "category: user.behavior, basis: contract",
    );
    let record = audit.run().audited(0);
    let fact = join(&record, "popular").expect("a static join");
    assert_eq!((&fact["requires_consent"], &fact["reason"]), (&false.into(), &"one account".into()));
    assert!(finding(&record, RULE).is_none());
}

#[test]
fn what_cannot_be_read_is_listed_and_does_not_stop_the_audit() {
    let run = with_sql(&format!("{SQL}\nSELEC lines FROM store.receipts;\n")).run();
    let record = run.audited(0);
    let lineage = quality(&record, "lineage");
    assert_eq!((&lineage["given"], &lineage["rows"], &lineage["rejected"]), (&true.into(), &3.into(), &1.into()));
    assert!(run.rejected().iter().any(|row| row.starts_with("etl/features.sql:7: ")), "{:?}", run.rejected());
    assert!(finding(&record, "unreadable-evidence").is_some());
    assert!(finding(&record, RULE).is_some());
}

#[test]
fn a_table_that_nobody_mapped_leaves_the_question_open() {
    let run =
        with_sql("CREATE TABLE features.f AS\nSELECT w.views FROM web.events w JOIN crm.people p USING (k);\n").run();
    run.audited(0);
    assert!(run.rejected()[0].starts_with("etl/features.sql:1: `crm.people`"), "{:?}", run.rejected());
}

#[test]
fn a_misspelt_path_and_a_wrong_name_are_told_with_their_line() {
    let line = MANIFEST.lines().count() + 1;
    let audit = with_sql(SQL).replacing("audit.yaml", "etl/*.sql", "etl/feature.sql");
    audit.run().refused(&[&format!("audit.yaml:{line}"), "there is a `features.sql`"]);
    let named = "{ path: etl, names: { raw.t: web.event } }";
    let audit = with_sql(SQL).replacing("audit.yaml", "etl/*.sql", named);
    audit.run().refused(&[&format!("audit.yaml:{line}"), "did you mean `web.events`?"]);
}
