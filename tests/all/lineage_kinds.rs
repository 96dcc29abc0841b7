//! Every kind of lineage but plain SQL, end to end: dbt manifests, logs of queries, OpenLineage events.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use probity::evidence::dbt;
use probity::evidence::lineage::{self, Flow, openlineage};
use probity::manifest::Dialect;
use serde_json::{Value, json};

use crate::support::{Audit, MANIFEST, PEOPLE, facts, quality};

const RULE: &str = "unconsented-join-in-lineage";

/// The strategy `popular` reads `features.f`, which the lineage makes; `evidence` is a YAML line under `evidence`.
fn shop(evidence: &str) -> Audit {
    let popular = "    owner: web-team@shop.example\n    inputs: [web.events.views]\n";
    let feature = "  - fides_key: features\n    meta: { context: web }\n    collections:\n      - name: f\n        \
        fields:\n          - { name: score, data_categories: [user.behavior] }\n";
    let audit = Audit::new();
    let map = audit.text("data-map.yaml") + feature;
    let manifest = MANIFEST.replace(popular, &popular.replace("web.events.views", "features.f.score"));
    audit.with("data-map.yaml", map).with("audit.yaml", format!("{manifest}  {evidence}\n"))
}

/// A project with one model of web and store, `features.f`, and its categories.
fn project() -> Value {
    let node = |kind: &str, schema: &str, name: &str| {
        json!({"resource_type": kind, "package_name": "shop", "name": name, "alias": name, "database": "shop",
            "schema": schema, "relation_name": format!("\"shop\".\"{schema}\".\"{name}\""),
            "original_file_path": format!("models/{name}.sql"), "depends_on": {"nodes": []}, "columns": {}})
    };
    let mut model = node("model", "features", "f");
    model["compiled_code"] = "select w.views, r.lines from \"shop\".\"web\".\"events\" w\n\
        join \"shop\".\"store\".\"receipts\" r on w.uid = r.uid"
        .into();
    model["depends_on"]["nodes"] = json!(["source.shop.web.events", "source.shop.store.receipts"]);
    model["columns"] = json!({"score": {"name": "score", "meta": {"data_categories": ["user.behavior"]}}});
    model["config"] = json!({"meta": {"probity": {"context": "web"}}});
    json!({
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
            "adapter_type": "postgres", "project_name": "shop"},
        "nodes": {"model.shop.f": model},
        "sources": {"source.shop.web.events": node("source", "web", "events"),
            "source.shop.store.receipts": node("source", "store", "receipts")},
    })
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("JSON is written")
}

/// What `probity check` prints of an audit whose gate fails from medium on.
fn check(audit: &Audit) -> (Option<i32>, String) {
    let mut command = assert_cmd::Command::cargo_bin("probity").expect("the program is built");
    command.env("NO_COLOR", "1").args(["check", "--fail-on", "medium"]).arg(audit.path("audit.yaml"));
    let output = command.output().expect("it runs");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn join<'a>(record: &'a Value, strategy: &str) -> &'a Value {
    facts(record, "join").into_iter().find(|fact| fact["strategy"] == strategy).expect("a static join")
}

#[test]
fn a_dbt_model_that_joins_two_contexts_is_found_at_its_file() {
    for lineage in ["lineage: dbt/target/manifest.json", "lineage: dbt/target", "lineage: { path: dbt, format: dbt }"] {
        let audit = shop(lineage).with("dbt/target/manifest.json", pretty(&project())).with(
            "dbt/target/run_results.json",
            r#"{"metadata": {"dbt_schema_version": "https://x/run-results/v6.json"}}"#,
        );
        let (code, text) = check(&audit);
        assert_eq!(code, Some(1), "{lineage}\n{text}");
        assert!(text.contains(RULE) && text.contains("dbt/models/f.sql:1"), "{lineage}\n{text}");
    }
    let audit = shop("lineage: dbt/target/manifest.json").with("dbt/target/manifest.json", project().to_string());
    let record = audit.run().audited(0);
    let source = json!([{"path": "dbt/models/f.sql", "line": 1, "run": "model.shop.f"}]);
    let fact = join(&record, "popular");
    assert_eq!(
        (&fact["sources"][0], &fact["link"]),
        (&source[0], &"shop.store.receipts.uid = shop.web.events.uid".into())
    );
    let evidence = record["evidence"].as_array().expect("evidence");
    let file = evidence.iter().find(|file| file["role"] == "lineage").expect("the manifest");
    assert_eq!((&file["path"], &file["format"]), (&"dbt/target/manifest.json".into(), &"dbt".into()));
}

#[test]
fn a_dbt_project_that_was_only_parsed_still_shows_which_tables_meet() {
    let mut project = project();
    project["nodes"]["model.shop.f"]["compiled_code"] = Value::Null;
    let audit = shop("lineage: target/manifest.json").with("target/manifest.json", pretty(&project));
    let (code, text) = check(&audit);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("models/f.sql:1"), "{text}");
    // A table that nobody mapped is a gap of the manifest's, wherever the model is written.
    project["nodes"]["model.shop.f"]["depends_on"]["nodes"] = json!(["source.shop.web.events", "source.shop.crm"]);
    project["sources"]["source.shop.crm"] = json!({"resource_type": "source", "schema": "crm", "identifier": "people"});
    let run = shop("lineage: target/manifest.json").with("target/manifest.json", pretty(&project)).run();
    let record = run.audited(0);
    assert!(run.rejected()[0].starts_with("models/f.sql:1: `crm.people`"), "{:?}", run.rejected());
    assert_eq!(quality(&record, "lineage")["rejected"], 1);
}

#[test]
fn a_dbt_manifest_is_a_data_map() {
    let from_dbt = |project: &Value| {
        let audit = shop("lineage: dbt/target/manifest.json").with("dbt/target/manifest.json", pretty(project));
        let map = audit.text("data-map.yaml");
        let own = map.split("  - fides_key: features").next().expect("a text").to_owned();
        audit.with("data-map.yaml", own).replacing(
            "audit.yaml",
            "data_map: [data-map.yaml]",
            "data_map: [data-map.yaml, dbt/target/manifest.json]",
        )
    };
    let (code, text) = check(&from_dbt(&project()));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("dbt/models/f.sql:1"), "{text}");
    let mut wrong = project();
    wrong["nodes"]["model.shop.f"]["columns"]["score"]["meta"]["data_categories"] = json!(["user.behaviour"]);
    let line = pretty(&wrong).lines().position(|line| line.contains("\"score\": {")).expect("the column") + 1;
    let place = format!("manifest.json:{line}:");
    from_dbt(&wrong).run().refused(&[&place, "`model.shop.f`: data category `user.behaviour`", "`user.behavior`"]);
}

/// A log with a session's noise, a statement over two lines, one that is executed twice and one that nobody can read.
const LOG: &str = "\
query_id,started,query
q1,2026-03-01T00:00:00Z,SET search_path TO web
q2,2026-03-01T00:01:00Z,\"CREATE TABLE staging.buyers AS
SELECT sha256(email) AS k, lines FROM store.receipts\"
q3,2026-03-01T00:02:00Z,\"INSERT INTO features.f -- Anna's
SELECT w.views, b.lines FROM web.events w JOIN staging.buyers b ON sha256(w.email) = b.k\"
q4,2026-03-02T00:02:00Z,\"INSERT INTO features.f -- Anna's
SELECT w.views, b.lines FROM web.events w JOIN staging.buyers b ON sha256(w.email) = b.k\"
q5,2026-03-02T00:03:00Z,SELEC 'anna.001@people.example'
q6,2026-03-02T00:03:00Z,GRANT SELECT ON FUTURE TABLES IN SCHEMA web TO ROLE reporter
q7,2026-03-02T00:03:00Z,
q8,2026-03-02T00:03:00Z,SHOW TABLES,3
";

#[test]
fn a_log_of_queries_shows_a_join_at_its_row() {
    let audit = shop("lineage: { path: logs/queries.csv, format: query_log }").with("logs/queries.csv", LOG);
    let (code, text) = check(&audit);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(RULE) && text.contains("logs/queries.csv:5"), "{text}");
    let run = audit.run();
    let record = run.audited(0);
    let source = json!([{"path": "logs/queries.csv", "line": 5, "run": "q3, 2 times"}]);
    assert_eq!(join(&record, "popular")["sources"][0], source[0]);
    // Five texts, one of them twice, and two rows that hold none.
    let lineage = quality(&record, "lineage");
    assert_eq!((&lineage["rows"], &lineage["rejected"]), (&7.into(), &3.into()));
    let lines: Vec<String> =
        run.rejected().iter().filter_map(|row| row.split(": ").next().map(str::to_owned)).collect();
    assert_eq!(lines, ["logs/queries.csv:9", "logs/queries.csv:11", "logs/queries.csv:12"]);
    assert!(LOG.contains(PEOPLE));
    run.leaks_nobody();
}

#[test]
fn logs_of_queries_may_be_json_lines_compressed_and_named_otherwise() {
    let join = "INSERT INTO features.f SELECT w.views FROM web.events w JOIN store.receipts r ON w.uid = r.uid";
    let rows = [
        json!({"text": "SELECT 1", "job": "warm-up", "engine": "postgres"}),
        json!({"text": format!("{join} QUALIFY row_number() OVER (PARTITION BY w.uid ORDER BY 1) = 1"),
            "job": "nightly", "engine": "snowflake"}),
    ];
    let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).expect("it is compressed");
    let source = "{ path: logs, format: query_log, columns: { query: text, dialect: engine } }";
    let audit = shop(&format!("lineage: {source}"))
        .with("logs/2026-03.jsonl.gz", gzip.finish().expect("it is compressed"))
        .with("logs/README.md", "what this is");
    let record = audit.run().audited(0);
    let found = json!([{"path": "logs/2026-03.jsonl.gz", "line": 2, "run": "nightly"}]);
    assert_eq!(self::join(&record, "popular")["sources"][0], found[0]);
}

#[test]
fn what_a_file_of_lineage_is_must_be_plain() {
    let line = MANIFEST.lines().count() + 1;
    let at = format!("audit.yaml:{line}");
    let log = |source: &str| shop(&format!("lineage: {source}")).with("q.csv", LOG);
    log("q.csv").run().refused(&[&at, "format: query_log"]);
    log("{ path: q.csv, format: querylog }").run().refused(&[&at, "did you mean `query_log`?"]);
    log("{ path: q.csv, format: query_log, columns: { querry: query } }")
        .run()
        .refused(&[&at, "did you mean `query`?"]);
    log("{ path: q.csv, format: query_log, columns: { id: qery_id } }")
        .run()
        .refused(&[&at, "did you mean `query_id`?"]);
    log("{ path: q.csv, columns: { query: query } }").run().refused(&[&at, "only a log of queries has `columns`"]);
    let bare = shop("lineage: { path: q.csv, format: query_log }").with("q.csv", "a,b\n1,2\n");
    bare.run().refused(&[&at, "has no column `query`"]);
    let json = |text: &str| shop("lineage: x.json").with("x.json", text);
    json(r#"{"metadata": {"dbt_schema_version": "https://x/run-results/v6.json"}}"#)
        .run()
        .refused(&[&at, "`run-results`"]);
    json("{\"name\": \"a-package\"}").run().refused(&[&at, "neither OpenLineage events nor a dbt manifest"]);
    let broken = "{\"metadata\": {\"dbt_schema_version\": \"https://x/manifest/v12.json\"},\n\"nodes\": {\n,}}";
    json(broken).run().refused(&["x.json:3", "no JSON from here on"]);
    let other = shop("lineage: { path: x.json, format: dbt }").with("x.json", "{}");
    other.run().refused(&[&at, "no dbt manifest"]);
}

/// A file that `fixtures/lineage/fetch` gets.
fn published(name: &str) -> (PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/lineage/data").join(name);
    let text = std::fs::read_to_string(&path);
    (path, text.unwrap_or_else(|e| panic!("cannot read {name} ({e}): run `fixtures/lineage/fetch` first")))
}

/// What dbt itself says that each model is made from, as pairs of unquoted relations, and what we read.
#[test]
fn the_sql_of_published_dbt_projects_reads_what_dbt_says_it_depends_on() {
    for (name, models, compiled) in
        [("manifest-v2.json", 5, 5), ("manifest-v11.json", 4, 0), ("manifest-v12.json", 6, 6)]
    {
        let (path, text) = published(name);
        let raw: Value = serde_json::from_str(&text).expect("JSON");
        let plain = |id: &str| {
            let node = raw["nodes"].get(id).unwrap_or(&raw["sources"][id]);
            node["relation_name"].as_str().map(|name| name.replace('"', "")).unwrap_or_else(|| {
                // Seeds of old versions have no relation.
                format!("{}.{}.{}", text_of(&node["database"]), text_of(&node["schema"]), text_of(&node["alias"]))
            })
        };
        let mut expected = BTreeSet::new();
        for (id, node) in raw["nodes"].as_object().expect("nodes").iter().filter(|(_, n)| n["resource_type"] == "model")
        {
            let upstream = node["depends_on"]["nodes"].as_array().expect("a list");
            for upstream in upstream {
                expected.insert((plain(id), plain(upstream.as_str().expect("an id"))));
            }
        }
        assert_eq!(dbt::artifact(&text).as_deref(), Some("manifest"));
        let manifest = dbt::Manifest::read(&path, &text).expect("it is read");
        let parsed = lineage::dbt::parse(&manifest, "target/manifest.json", Dialect::Hive);
        assert_eq!(parsed.unparsed, [], "{name}");
        let models_read: Vec<&Flow> =
            parsed.flows.iter().filter(|f| f.run.as_ref().is_some_and(|run| run.starts_with("model."))).collect();
        assert_eq!(models_read.len(), models, "{name}");
        assert_eq!(models_read.iter().filter(|flow| flow.all_columns).count(), compiled, "{name}");
        let read: BTreeSet<(String, String)> = models_read
            .iter()
            .flat_map(|f| f.sources.iter().map(|s| (f.target.clone().unwrap_or_default(), s.clone())))
            .collect();
        assert_eq!(read, expected, "{name}");
    }
}

fn text_of(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// The examples that the OpenLineage project ships with its client: one of each kind of event.
#[test]
fn published_events_of_every_kind_load() {
    for (name, made, from) in [
        ("example_full_event.json", Some("instance.schema.table"), vec!["instance.schema.table"]),
        ("serde_example_job_event.json", Some("dataset_b"), vec!["dataset_a"]),
        ("serde_example_dataset_event.json", None, vec![]),
        ("serde_example_run_event.json", None, vec![]),
    ] {
        let parsed = openlineage::read(&published(name).1, name, Dialect::Postgres);
        assert_eq!((parsed.unparsed, parsed.statements), (vec![], 1), "{name}");
        assert_eq!(parsed.flows.first().and_then(|flow| flow.target.as_deref()), made, "{name}");
        let sources: Vec<&str> = parsed.flows.iter().flat_map(|f| &f.sources).map(String::as_str).collect();
        assert_eq!(sources, from, "{name}");
    }
}
