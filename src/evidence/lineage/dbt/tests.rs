//! A project with every way a node comes to be.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::evidence::lineage::Why;

fn node(kind: &str, name: &str, rest: Value) -> Value {
    let mut node = json!({
        "resource_type": kind, "package_name": "shop", "name": name, "database": "lake", "schema": "marts",
        "alias": name, "relation_name": format!("\"lake\".\"marts\".\"{name}\""),
        "original_file_path": format!("models\\{name}.sql"), "depends_on": {"nodes": []},
    });
    for (key, value) in rest.as_object().unwrap() {
        node[key] = value.clone();
    }
    node
}

fn manifest(nodes: Value) -> Manifest {
    let sources = json!({
        "source.shop.web.events": {"resource_type": "source", "relation_name": "\"lake\".\"web\".\"events\""},
        "source.shop.till.receipts": {"resource_type": "source", "relation_name": "\"lake\".\"store\".\"receipts\""},
    });
    let metadata = json!({"adapter_type": "postgres", "project_name": "shop"});
    let text = json!({"metadata": metadata, "nodes": nodes, "sources": sources}).to_string();
    Manifest::read(Path::new("manifest.json"), &text).unwrap()
}

fn read(nodes: Value) -> Parsed {
    parse(&manifest(nodes), "dbt/target/manifest.json", Dialect::Hive)
}

const BOTH: [&str; 2] = ["source.shop.web.events", "source.shop.till.receipts"];
const JOIN: &str = r#"select w.views from "lake"."web"."events" w join "lake"."store"."receipts" r on w.uid = r.uid"#;

fn sources(flow: &Flow) -> Vec<&str> {
    flow.sources.iter().map(String::as_str).collect()
}

#[test]
fn compiled_sql_of_old_and_new_manifests_is_read_and_makes_the_nodes_table() {
    for key in ["compiled_code", "compiled_sql"] {
        let parsed = read(json!({"model.shop.f": node("model", "f", json!({key: JOIN}))}));
        assert_eq!(parsed.unparsed, []);
        let [flow] = &parsed.flows[..] else { panic!("{parsed:?}") };
        assert_eq!(flow.target.as_deref(), Some("lake.marts.f"));
        assert_eq!(sources(flow), ["lake.store.receipts", "lake.web.events"]);
        assert_eq!((flow.path.as_str(), flow.line, flow.run.as_deref()), ("dbt/models/f.sql", 1, Some("model.shop.f")));
        assert_eq!(flow.keys.len(), 1);
        assert!(flow.columns.iter().any(|column| column.name == "views" && column.why == Why::Selected));
    }
}

#[test]
fn without_sql_a_node_is_made_of_whole_tables() {
    let python = node(
        "model",
        "p",
        json!({"language": "python", "compiled_code": "def model(dbt, session): pass",
        "depends_on": {"nodes": BOTH}}),
    );
    let parsed = read(json!({
        "model.shop.p": node("model", "p", json!({"depends_on": {"nodes": BOTH}})),
        "snapshot.shop.s": node("snapshot", "s", json!({"depends_on": {"nodes": ["model.shop.p"]}})),
        "seed.shop.c": node("seed", "c", json!({})),
        "test.shop.t": node("test", "t", json!({"compiled_code": JOIN})),
    }));
    assert_eq!((parsed.flows.len(), parsed.statements), (2, 2));
    assert_eq!(sources(&parsed.flows[0]), ["lake.store.receipts", "lake.web.events"]);
    assert!(!parsed.flows[0].all_columns && parsed.flows[0].columns.is_empty());
    assert_eq!(sources(&parsed.flows[1]), ["lake.marts.p"]);
    // dbt keeps the Python of a model where it keeps SQL.
    let parsed = read(json!({"model.shop.p": python}));
    assert_eq!((parsed.unparsed.len(), sources(&parsed.flows[0]).len()), (0, 2));
}

#[test]
fn what_cannot_be_parsed_is_told_by_its_node_and_taken_whole() {
    let broken = json!({"compiled_code": "select views of uid from web", "depends_on": {"nodes": BOTH}});
    let parsed = read(json!({"model.shop.f": node("model", "f", broken)}));
    let [fault] = &parsed.unparsed[..] else { panic!("{parsed:?}") };
    assert_eq!((fault.path.as_str(), fault.line), ("dbt/models/f.sql", 1));
    assert!(fault.reason.starts_with("`model.shop.f`: no SQL"), "{fault:?}");
    assert_eq!(sources(&parsed.flows[0]), ["lake.store.receipts", "lake.web.events"]);
    let lacking = json!({"depends_on": {"nodes": ["model.shop.gone"]}});
    let parsed = read(json!({"model.shop.f": node("model", "f", lacking)}));
    assert!(parsed.unparsed[0].reason.contains("`model.shop.gone`") && parsed.flows.is_empty());
}

#[test]
fn an_ephemeral_model_is_no_table_and_an_exposure_reads_under_its_own_name() {
    let ephemeral = json!({"config": {"materialized": "ephemeral"}, "relation_name": null,
        "compiled_code": "select uid from \"lake\".\"web\".\"events\"", "depends_on": {"nodes": [BOTH[0]]}});
    let nodes = json!({
        "model.shop.e": node("model", "e", ephemeral),
        "model.shop.f": node("model", "f", json!({"depends_on": {"nodes": ["model.shop.e"]}})),
        "exposure.shop.board": {"resource_type": "exposure", "depends_on": {"nodes": ["model.shop.f"]},
            "original_file_path": "models/exposures.yml", "package_name": "shop"},
    });
    let parsed = read(nodes);
    let made: BTreeSet<(&str, Vec<&str>)> =
        parsed.flows.iter().map(|flow| (flow.target.as_deref().unwrap(), sources(flow))).collect();
    let expected = [("exposure.shop.board", vec!["lake.marts.f"]), ("lake.marts.f", vec!["lake.web.events"])];
    assert_eq!(made, BTreeSet::from(expected));
}

#[test]
fn hooks_are_statements_of_their_own() {
    let hooks = json!({"compiled_code": "select 1", "config": {
        "pre-hook": [{"sql": "grant select on {{ this }} to reporter", "transaction": true, "index": null}],
        "post-hook": [{"sql": "insert into {{ this }} select lines from store.receipts"},
                      {"sql": "{{ log_run('select') }}"}]}});
    let parsed = read(json!({"model.shop.f": node("model", "f", hooks)}));
    assert_eq!(parsed.statements, 3);
    let inserted = parsed.flows.iter().find(|flow| !flow.sources.is_empty()).unwrap();
    assert_eq!((inserted.target.as_deref(), sources(inserted)), (Some("lake.marts.f"), vec!["store.receipts"]));
    assert_eq!(parsed.unparsed.len(), 1);
    assert!(parsed.unparsed[0].reason.contains("template"));
}

#[test]
fn the_adapter_names_the_dialect_and_the_folder_the_file() {
    let text = json!({"metadata": {"adapter_type": "bigquery", "project_name": "shop"}, "nodes": {
        "model.pack.f": node("model", "f", json!({"package_name": "pack",
            "compiled_code": "select views from `lake`.`web`.`events` qualify row_number() over (partition by uid) = 1"}))
    }});
    let manifest = Manifest::read(Path::new("manifest.json"), &text.to_string()).unwrap();
    for (name, expected) in [
        ("dbt/target/manifest.json", "dbt/dbt_packages/pack/models/f.sql"),
        ("target/manifest.json", "dbt_packages/pack/models/f.sql"),
        ("mytarget/manifest.json", "mytarget/dbt_packages/pack/models/f.sql"),
        ("manifest.json", "dbt_packages/pack/models/f.sql"),
    ] {
        let parsed = parse(&manifest, name, Dialect::Postgres);
        assert_eq!(parsed.unparsed, []);
        assert_eq!((parsed.flows[0].path.as_str(), sources(&parsed.flows[0])), (expected, vec!["lake.web.events"]));
    }
}

#[test]
fn an_adapters_shorter_name_is_the_same_table() {
    let spark = json!({"relation_name": "marts.f", "depends_on": {"nodes": BOTH}});
    let parsed = read(json!({"model.shop.f": node("model", "f", spark)}));
    assert_eq!(parsed.flows[0].target.as_deref(), Some("marts.f"));
    assert_eq!(parsed.aliases, BTreeSet::from([("marts.f".to_owned(), "lake.marts.f".to_owned())]));
}
