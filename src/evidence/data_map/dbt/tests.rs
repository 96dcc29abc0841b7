//! The `meta` of dbt projects, where old and new versions write it.

use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::evidence::data_map::DataMap;
use crate::evidence::taxonomy::Taxonomy;

fn manifest() -> Value {
    json!({
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"},
        "nodes": {
            "model.shop.f": {"resource_type": "model", "schema": "features", "alias": "f", "name": "f",
                "config": {"meta": {"probity": {"context": "web", "retention": "13 months"}}},
                "meta": {"owner": "team", "fides": {"context": "elsewhere", "collected_for": ["personalize.content"]}},
                "columns": {
                    "score": {"name": "score", "meta": {"data_categories": ["user.behavior"], "contextt": "not ours"}},
                    "both": {"name": "both", "meta": {}, "config": {"meta": {"probity": {
                        "data_categories": "user.behavior", "derived_from": ["web.events.views"]}}}},
                    "plain": {"name": "plain"}}},
            "test.shop.t": {"resource_type": "test", "schema": "x", "name": "t", "columns": {"c": {}}}},
        "sources": {"source.shop.web.events": {"resource_type": "source", "schema": "web", "identifier": "events",
            "columns": {"views": {"meta": {"fides": {"data_categories": ["user.behavior.browsing_history"],
                "special": true, "identity": "email", "data_qualifier": "pseudonymized"}}}}}},
    })
}

fn read(manifest: &Value) -> Result<DataMap> {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("manifest.json");
    std::fs::write(&path, serde_json::to_string_pretty(manifest).unwrap()).unwrap();
    DataMap::read(&[(path, "target/manifest.json".into())], &mut Taxonomy::fideslang()?)
}

#[test]
fn categories_and_contexts_are_read_from_both_places() {
    let map = read(&manifest()).unwrap();
    assert_eq!(
        map.fields.keys().collect::<Vec<_>>(),
        ["features.f.both", "features.f.plain", "features.f.score", "web.events.views",]
    );
    let score = &map.fields["features.f.score"];
    assert!(score.categories.contains("user.behavior") && score.context_declared);
    // Ours goes before that of Fides, and both before nothing.
    assert_eq!((score.context.as_str(), score.retention.as_deref()), ("web", Some("13 months")));
    assert_eq!(score.collected_for, ["personalize.content"]);
    assert_eq!((score.path.as_str(), score.collection.as_str()), ("target/manifest.json", "features.f"));
    let lines: Vec<String> = serde_json::to_string_pretty(&manifest()).unwrap().lines().map(str::to_owned).collect();
    assert!(lines[usize::try_from(score.line).unwrap() - 1].contains("\"score\": {"));
    let views = &map.fields["web.events.views"];
    assert!(views.special && !views.context_declared);
    assert_eq!((views.context.as_str(), views.identity.as_deref()), ("web", Some("email")));
    assert_eq!(views.identifiability.as_deref(), Some("pseudonymized"));
    assert_eq!(map.resolve("features.f.both").unwrap().sources.len(), 1);
    assert!(map.fields["features.f.plain"].categories.is_empty());
}

#[test]
fn mistakes_are_told_by_node_line_and_nearest_name_and_all_at_once() {
    let mut wrong = manifest();
    wrong["nodes"]["model.shop.f"]["columns"]["score"]["meta"]["data_categories"] = json!(["user.behaviour", 3]);
    wrong["nodes"]["model.shop.f"]["config"]["meta"]["probity"] = json!({"contxt": "web"});
    let error = read(&wrong).unwrap_err().to_string();
    assert!(error.contains("`model.shop.f`: data category `user.behaviour` is not in the taxonomy"), "{error}");
    assert!(error.contains("did you mean `user.behavior`") && error.contains("`3`"), "{error}");
    assert!(error.contains("`model.shop.f`: `contxt`") && error.contains("did you mean `context`"), "{error}");
    let mut wrong = manifest();
    wrong["nodes"]["model.shop.f"]["columns"]["plain"]["meta"] = json!({"probity": "user.behavior"});
    let error = read(&wrong).unwrap_err().to_string();
    assert!(error.contains("`model.shop.f`: `meta.probity` of column `plain` must be a mapping"), "{error}");
    let mut underived = manifest();
    underived["sources"] = json!({});
    let error = read(&underived).unwrap_err().to_string();
    assert!(error.contains("manifest.json:") && error.contains("derived from `web.events.views`"), "{error}");
}

#[test]
fn another_artifact_is_refused_and_other_json_is_fideslang() {
    let mut other = manifest();
    other["metadata"]["dbt_schema_version"] = json!("https://schemas.getdbt.com/dbt/catalog/v1.json");
    assert!(read(&other).unwrap_err().to_string().contains("dbt's `catalog`"));
    let fides = json!({"dataset": [{"fides_key": "web", "collections": [{"name": "e", "fields": [{"name": "v"}]}]}]});
    assert!(read(&fides).unwrap().fields.contains_key("web.e.v"));
}
