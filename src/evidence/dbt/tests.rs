//! Manifests in the shapes that dbt has written over its versions.

use super::*;

fn read(text: &str) -> Manifest {
    Manifest::read(Path::new("target/manifest.json"), text).unwrap()
}

#[test]
fn artifacts_are_told_apart_by_what_they_hold() {
    let of = |kind: &str| {
        format!(r#"{{"metadata": {{"dbt_schema_version": "https://schemas.getdbt.com/dbt/{kind}/v6.json"}}}}"#)
    };
    assert_eq!(artifact(&of("manifest")).as_deref(), Some("manifest"));
    assert_eq!(artifact(&of("run-results")).as_deref(), Some("run-results"));
    // Broken further on, it is still dbt's.
    assert_eq!(artifact(of("manifest").trim_end_matches('}')).as_deref(), Some("manifest"));
    assert_eq!(artifact(r#"{"run": {"facets": {"dbt_schema_version": "x"}}}"#), None);
    assert_eq!(artifact("{"), None);
}

#[test]
fn a_relation_loses_its_quotes_in_every_dialect() {
    for (written, parts_) in [
        (r#""db"."sch.ema"."a ""#, vec!["db", "sch.ema", "a "]),
        ("`proj-1`.`data`.`t`", vec!["proj-1", "data", "t"]),
        ("`proj-1.data.t`", vec!["proj-1", "data", "t"]),
        ("[db].[dbo].[t]", vec!["db", "dbo", "t"]),
        ("DB.SCHEMA.T", vec!["DB", "SCHEMA", "T"]),
    ] {
        assert_eq!(parts(written), parts_);
    }
    let node = |text: &str| Node::deserialize(serde_json::from_str::<Value>(text).unwrap()).unwrap();
    let named =
        node(r#"{"database": null, "schema": "web", "alias": "events_v2", "name": "events", "relation_name": null}"#);
    assert_eq!(named.relation().as_deref(), Some("web.events_v2"));
    let source = node(r#"{"database": "db", "schema": "web", "identifier": "t1", "name": "events"}"#);
    assert_eq!(source.relation().as_deref(), Some("db.web.t1"));
}

#[test]
fn nodes_and_columns_keep_their_places_however_the_file_is_laid_out() {
    let text = r#"{
  "metadata": {"project_name": "shop", "nodes": {"model.a": 1}},
  "parent_map": {"model.a": ["model.b"]},
  "nodes": {
    "model.a": {"resource_type": "model", "name": "a\"}{", "meta": {"columns": {"y": 1}},
      "columns": {"x": {"name": "x"},
                  "y": {"name": "y"}}}
  },
  "sources": {"source.s": {"columns": {"z": {}}}}
}"#;
    let manifest = read(text);
    let place = |line, column| Place { line, column };
    assert_eq!(manifest.place("model.a"), place(5, 5));
    assert_eq!(manifest.column_place("model.a", "y"), place(7, 19));
    assert_eq!(manifest.column_place("source.s", "z"), place(9, 40));
    // A column that is not there stands where its node does, and a node that is not there nowhere.
    assert_eq!(manifest.column_place("model.a", "q"), place(5, 5));
    assert_eq!(manifest.place("model.q"), Place::default());
    let one_line = text.replace('\n', " ");
    assert_eq!(read(&one_line).column_place("model.a", "y").line, 1);
}

#[test]
fn upstream_goes_through_ephemeral_models_and_names_what_is_lacking() {
    let text = r#"{"nodes": {
        "model.f": {"depends_on": {"nodes": ["model.e", "seed.s"]}},
        "model.e": {"schema": "x", "name": "e", "config": {"materialized": "ephemeral"},
                    "depends_on": {"nodes": ["source.web", "model.e"]}},
        "model.g": {"depends_on": {"nodes": ["model.gone"]}},
        "model.h": {"depends_on": {"nodes": ["model.off"]}},
        "seed.s": {"schema": "x", "name": "s", "depends_on": null}},
        "disabled": {"model.off": []},
        "sources": {"source.web": {"schema": "web", "identifier": "events"}}, "exposures": null}"#;
    let manifest = read(text);
    let all: Vec<String> = manifest.upstream("model.f").unwrap().into_iter().collect();
    assert_eq!(all, ["web.events", "x.s"]);
    assert_eq!(manifest.upstream("model.g"), Err("model.gone".to_owned()));
    assert_eq!(manifest.upstream("model.h"), Ok(BTreeSet::new()));
}

#[test]
fn what_is_broken_is_told_with_its_line_and_all_at_once() {
    let error = |text: &str| Manifest::read(Path::new("manifest.json"), text).unwrap_err().to_string();
    assert!(
        error("{\n\"nodes\": {\n").starts_with("manifest.json:3: the file is no JSON from here on"),
        "{}",
        error("{\n")
    );
    assert!(error("{\"nodes\": []}").contains("shape dbt writes"));
    let two = error("{\"nodes\": {\n\"model.a\": {\"columns\": 3},\n\"model.b\": [1]}}");
    assert!(two.contains("manifest.json:2:1: `model.a`") && two.contains("manifest.json:3:1: `model.b`"), "{two}");
    // No depth of brackets is a fault of ours.
    let deep = format!("{{\"nodes\": {{\"model.a\": {}", "[".repeat(100_000));
    assert!(error(&deep).contains("no JSON"));
}
