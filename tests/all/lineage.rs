//! Static joins, end to end: what SQL and runs combine is a finding at its place, with a log and without.

use serde_json::Value;

use crate::support::{Audit, MANIFEST, facts, quality, subject};

const SQL: &str = "\
-- features of the start page
CREATE TABLE staging.buyers AS SELECT sha256(email) AS k, lines FROM store.receipts;

INSERT INTO features.f
SELECT w.views, b.lines FROM shop.web.events w JOIN staging.buyers b ON sha256(w.email) = b.k;
";

/// A table of features whose map does not say what it is made of.
const FEATURES: &str = "  - fides_key: features\n    meta: { context: web }\n    collections:\n      - name: f\n        \
    fields:\n          - { name: score, data_categories: [user.behavior] }\n  - fides_key: site\n    \
    meta: { context: web }\n    collections:\n      - name: visits\n        fields:\n          \
    - { name: pages, data_categories: [user.behavior.browsing_history] }\n";

/// A strategy that no log shows reads a table that SQL makes of both contexts.
fn with_sql(sql: &str) -> Audit {
    let popular = "    owner: web-team@shop.example\n    inputs: [web.events.views]\n";
    let planned = "  - id: planned\n    purpose: personalize.content\n    objective: A useful start page.\n    \
        horizon: both\n    logic: Not yet in use.\n    owner: web-team@shop.example\n    inputs: [features.f.score]\n";
    let audit = Audit::new();
    let map = audit.text("data-map.yaml") + FEATURES;
    let manifest = MANIFEST.replace(popular, &format!("{popular}{planned}"));
    audit
        .with("data-map.yaml", map)
        .with("audit.yaml", manifest + "  lineage: etl/*.sql\n")
        .with("etl/features.sql", sql)
}

/// People without a grant for store and web together, and those of them without one for the store.
const NOT_TOGETHER: u32 = 25;
const NOT_THE_STORE: u32 = 15;

/// Every decision of `popular` in the log names `features.f.score` as its input, and nothing else.
fn read_in_the_log(lineage: &str, file: &str) -> Audit {
    let audit = Audit::new();
    let inputs = |line: &str| match (line.starts_with("request_id"), line.contains(",popular,")) {
        (true, _) => format!("{line},inputs\n"),
        (_, true) => format!("{line},features.f.score\n"),
        _ => format!("{line},\n"),
    };
    let log: String = audit.text("log.csv").lines().map(inputs).collect();
    let refused = |line: &str| {
        let of = |people: u32| (0..people).any(|person| line.starts_with(&subject(person)));
        (line.ends_with(",store|web") && of(NOT_TOGETHER)) || (line.ends_with(",store") && of(NOT_THE_STORE))
    };
    let consent = audit.text("consent.csv");
    let consent: String = consent.lines().filter(|line| !refused(line)).map(|line| format!("{line}\n")).collect();
    let map = audit.text("data-map.yaml") + FEATURES;
    audit
        .with("data-map.yaml", map)
        .with("audit.yaml", MANIFEST.to_owned() + "  lineage: etl\n")
        .with("log.csv", log)
        .with("consent.csv", consent)
        .with(&format!("etl/{file}"), lineage)
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
    let fact = join(&record, "planned").expect("a static join");
    assert_eq!((&fact["events"], &fact["static_only"]), (&0.into(), &true.into()));
    assert_eq!(fact["sources"][0], serde_json::json!({"path": "etl/features.sql", "line": 4, "run": null}));
    assert_eq!(fact["link"], "shop.web.events.email = staging.buyers.k (hashed e-mail)");
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
    assert_eq!(sources, ["etl/features.sql", "audit.yaml"]);
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
    let fact = join(&record, "planned").expect("a static join");
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
    let line = with_sql(SQL).text("audit.yaml").lines().count();
    let audit = with_sql(SQL).replacing("audit.yaml", "etl/*.sql", "etl/feature.sql");
    audit.run().refused(&[&format!("audit.yaml:{line}"), "there is a `features.sql`"]);
    let named = "{ path: etl, names: { raw.t: web.event } }";
    let audit = with_sql(SQL).replacing("audit.yaml", "etl/*.sql", named);
    audit.run().refused(&[&format!("audit.yaml:{line}"), "did you mean `web.events`?"]);
}

/// Ways in which a score comes to rest on a second context, and the line where that happens.
const RESTS_ON_BOTH: [(&str, u64); 6] = [
    // Two jobs upstream, by tables that nobody mapped.
    (
        "CREATE TABLE staging.spend AS SELECT uid, sum(lines) AS spent FROM store.receipts GROUP BY uid;
CREATE TABLE staging.both AS SELECT w.uid, w.views, s.spent FROM web.events w JOIN staging.spend s USING (uid);
INSERT INTO features.f (score) SELECT views * spent FROM staging.both",
        2,
    ),
    // A model's output, trained on joined data.
    (
        "
CREATE TABLE models.vectors AS SELECT w.uid, embed(w.views, r.lines) AS v FROM web.events w
JOIN store.receipts r ON r.uid = w.uid;
CREATE TABLE features.f AS SELECT cosine(v, v) AS score FROM models.vectors",
        2,
    ),
    // A hashed key that is nowhere selected.
    ("INSERT INTO features.f (score) SELECT w.views FROM web.events w JOIN store.receipts r ON md5(w.email) = r.k", 1),
    // Who is in the audience.
    ("INSERT INTO features.f (score) SELECT views FROM web.events WHERE uid IN (SELECT uid FROM store.receipts)", 1),
    (
        "INSERT INTO features.f (score) SELECT max(w.views) FROM web.events w, store.receipts r WHERE w.page = r.page
GROUP BY r.lines",
        1,
    ),
    (
        "INSERT INTO features.f (score) SELECT CASE WHEN r.lines > 3 THEN w.views ELSE 0 END FROM web.events w
LEFT JOIN store.receipts r ON true",
        1,
    ),
];

#[test]
fn the_log_knows_what_its_inputs_are_made_of() {
    for (sql, line) in RESTS_ON_BOTH {
        let run = read_in_the_log(sql, "features.sql").run();
        let record = run.audited(1);
        let fact = join(&record, "popular").unwrap_or_else(|| panic!("a join: {sql}"));
        assert_eq!((&fact["static_only"], &fact["requires_consent"]), (&false.into(), &true.into()), "{sql}");
        assert_eq!((&fact["events"], &fact["subjects"]), (&80.into(), &80.into()), "{sql}");
        let without = (&fact["events_without_consent"], &fact["subjects_without_consent"]);
        assert_eq!(without, (&NOT_TOGETHER.into(), &NOT_TOGETHER.into()), "{sql}");
        assert_eq!(
            fact["sources"],
            serde_json::json!([{"path": "etl/features.sql", "line": line, "run": null}]),
            "{sql}"
        );
        let rule = record["findings"].as_array().expect("findings").iter().find(|finding| {
            finding["rule"] == "non-consented-join"
                && finding["message"].as_str().is_some_and(|m| m.contains("popular"))
        });
        assert_eq!(rule.expect("a finding")["status"], "fail", "{sql}");
        run.leaks_nobody();
    }
}

#[test]
fn the_categories_of_ancestors_are_asked_about_as_well() {
    let record = read_in_the_log(RESTS_ON_BOTH[0].0, "features.sql").run().audited(1);
    let counts = |category: &str| {
        let uses = facts(&record, "data_use").into_iter();
        let fact = uses.filter(|fact| fact["strategy"] == "popular").find(|fact| fact["category"] == category);
        let fact = fact.unwrap_or_else(|| panic!("a use of {category}"));
        let count = |key: &str| fact[key].as_u64().expect("a count");
        (count("events"), count("subjects"), count("events_without_consent"), count("subjects_without_consent"))
    };
    let refused = u64::from(NOT_THE_STORE);
    assert_eq!(counts("user.behavior.purchase_history"), (80, 80, refused, refused));
    assert_eq!(counts("user.behavior.browsing_history"), (80, 80, 0, 0));
    // The score's own category was collected in both.
    assert_eq!(counts("user.behavior"), (80, 80, refused, refused));
    let field = facts(&record, "field").into_iter().find(|fact| fact["field"] == "features.f.score").expect("a field");
    assert_eq!(field["contexts"], serde_json::json!(["store", "web"]));
    assert_eq!(field["sources"], serde_json::json!(["store.receipts.lines", "web.events.views"]));
}

#[test]
fn runs_of_jobs_tell_the_log_as_sql_does() {
    let side = |table: &str, column: &str, kind: &str| {
        format!(
            r#"{{"namespace": "db", "name": "{table}", "field": "{column}",
            "transformations": [{{{kind}, "masking": true}}]}}"#
        )
    };
    let (value, joined) = (r#""type": "DIRECT", "subtype": "IDENTITY""#, r#""type": "INDIRECT", "subtype": "JOIN""#);
    let event = |dataset: &str| {
        let score = side("web.events", "views", value);
        format!(
            r#"{{"run": {{"runId": "r-7"}}, "job": {{"name": "j"}},
            "inputs": [{{"name": "web.events"}}, {{"name": "store.receipts"}}],
            "outputs": [{{"name": "features.f", "facets": {{"columnLineage":
            {{"fields": {{"score": {{"inputFields": [{score}]}}}}, "dataset": [{dataset}]}}}}}}]}}"#
        )
    };
    let keys = [side("web.events", "email", joined), side("store.receipts", "email_sha256", joined)].join(", ");
    let record = read_in_the_log(&event(&keys), "runs.json").run().audited(1);
    let fact = join(&record, "popular").expect("a join");
    assert_eq!(fact["events_without_consent"], NOT_TOGETHER);
    assert_eq!(fact["sources"][0], serde_json::json!({"path": "etl/runs.json", "line": 1, "run": "r-7"}));
    assert_eq!(fact["link"], "store.receipts.email_sha256 = web.events.email (hashed e-mail)");
    // The store is read, and the run says that nothing of it reaches the score.
    let filter = side("web.events", "day", r#""type": "INDIRECT", "subtype": "FILTER""#);
    let record = read_in_the_log(&event(&filter), "runs.json").run().record();
    assert!(join(&record, "popular").is_none());
}

#[test]
fn what_does_not_reach_the_score_is_no_join() {
    for sql in [
        // Fetched, and dropped before the score.
        "CREATE TABLE staging.t AS SELECT w.views, (SELECT sum(lines) FROM store.receipts r WHERE r.uid = w.uid)
         AS spent FROM web.events w;
         INSERT INTO features.f (score) SELECT views FROM staging.t",
        // Joined into a table that no strategy reads.
        "CREATE TABLE other.t AS SELECT w.views, r.lines FROM web.events w JOIN store.receipts r USING (uid);
         INSERT INTO features.f (score) SELECT views FROM web.events",
        // Two tables of one context.
        "INSERT INTO features.f (score) SELECT e.views * v.pages FROM web.events e JOIN site.visits v ON e.uid = v.uid",
    ] {
        // `hybrid` reads both contexts itself, and fails for that.
        let record = read_in_the_log(sql, "features.sql").run().audited(1);
        assert!(join(&record, "hybrid").is_some() && join(&record, "popular").is_none(), "{sql}");
        let uses = facts(&record, "data_use").into_iter().filter(|fact| fact["strategy"] == "popular");
        let mut categories: Vec<&str> = uses.filter_map(|fact| fact["category"].as_str()).collect();
        categories.sort_unstable();
        assert_eq!(categories, ["user.behavior", "user.behavior.browsing_history"], "{sql}");
    }
}
