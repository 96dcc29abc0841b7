//! What events of each shape say is made from what.

use super::*;

fn read(text: &str) -> Vec<Flow> {
    let parsed = parse(text, "runs.jsonl");
    assert_eq!(parsed.unparsed, []);
    parsed.flows
}

fn keys(flow: &Flow) -> Vec<String> {
    flow.keys.iter().map(|key| format!("{} = {}", key.left.text(), key.right.text())).collect()
}

const START: &str = r#"{"eventType": "START", "run": {"runId": "r1"}, "job": {"namespace": "etl", "name": "f"},
    "inputs": [{"namespace": "db", "name": "shop.web.events"}, {"namespace": "db", "name": "shop.store.receipts"}]}"#;

fn complete(lineage: &str) -> String {
    format!(
        r#"{{"eventType": "COMPLETE", "run": {{"runId": "r1"}}, "job": {{"namespace": "etl", "name": "f"}},
        "outputs": [{{"namespace": "db", "name": "shop.features.f", "facets": {{"columnLineage": {lineage}}}}}]}}"#
    )
}

#[test]
fn the_events_of_a_run_are_put_together() {
    let flows = read(&format!("{START}\n{}\n", complete(r#"{"fields": {}}"#)));
    assert_eq!(flows.len(), 1);
    assert_eq!((flows[0].target.as_deref(), flows[0].line), (Some("shop.features.f"), 3));
    assert_eq!(flows[0].run.as_deref(), Some("r1"));
    assert_eq!(flows[0].sources.iter().collect::<Vec<_>>(), ["shop.store.receipts", "shop.web.events"]);
    let flows = read(&format!("[{START},\n{}]", complete(r#"{"fields": {}}"#)));
    assert_eq!((flows.len(), flows[0].line), (1, 3));
}

#[test]
fn join_keys_are_found_in_both_forms_of_column_lineage() {
    let joined = |table: &str| {
        format!(
            r#"{{"namespace": "db", "name": "shop.{table}", "field": "email_sha256",
            "transformations": [{{"type": "INDIRECT", "subtype": "JOIN", "masking": true}}]}}"#
        )
    };
    let (web, store) = (joined("web.events"), joined("store.receipts"));
    let value = r#"{"namespace": "db", "name": "shop.web.events", "field": "views",
        "transformations": [{"type": "DIRECT", "subtype": "IDENTITY"}]}"#;
    let older = format!(r#"{{"fields": {{"views": {{"inputFields": [{value}, {web}, {store}]}}}}}}"#);
    let newer = format!(r#"{{"fields": {{"views": {{"inputFields": [{value}]}}}}, "dataset": [{web}, {store}]}}"#);
    for lineage in [older, newer] {
        let flows = read(&complete(&lineage));
        assert_eq!(keys(&flows[0]), ["shop.store.receipts.email_sha256 = shop.web.events.email_sha256"]);
        // The facet names datasets that no event lists as input.
        assert_eq!(flows[0].sources.len(), 2);
        let of = |why| flows[0].columns.iter().filter(move |c| c.why == why).count();
        assert_eq!((of(Why::Selected), of(Why::JoinKey)), (1, 2));
    }
}

#[test]
fn symlinks_are_other_names() {
    let event = r#"{"run": {"runId": "r"}, "job": {"name": "j"}, "inputs": [{"name": "s3/web/1", "facets":
        {"symlinks": {"identifiers": [{"namespace": "hive", "name": "web.events", "type": "TABLE"}]}}}],
        "outputs": [{"name": "features.f"}]}"#;
    let aliases = parse(event, "e.json").aliases;
    assert_eq!(aliases, BTreeSet::from([("s3/web/1".to_owned(), "web.events".to_owned())]));
}

#[test]
fn jobs_and_datasets_speak_without_a_run() {
    let job = r#"{"job": {"namespace": "etl", "name": "j"}, "inputs": [{"name": "web.events"}],
        "outputs": [{"name": "features.f"}]}"#;
    assert_eq!((read(job)[0].run.as_deref(), read(job)[0].sources.len()), (None, 1));
    let dataset = r#"{"dataset": {"name": "features.f", "facets": {"columnLineage": {"fields": {"a":
        {"inputFields": [{"name": "web.events", "field": "views"}]}}}}}}"#;
    assert_eq!(read(dataset)[0].target.as_deref(), Some("features.f"));
}

#[test]
fn what_is_no_event_is_listed_with_its_line_and_hides_no_other() {
    let whole = complete("{}").replace('\n', " ");
    let start = START.replace('\n', " ");
    let text =
        format!("{start}\nnot json {{\n{{\"a\": 1}}\n{whole}\n{{\"run\": {{}}, \"who\": \"anna@people.example\"}}\n");
    let parsed = parse(&text, "runs.jsonl");
    assert_eq!((parsed.flows.len(), parsed.statements), (1, 5));
    assert_eq!(parsed.unparsed.iter().map(|u| u.line).collect::<Vec<_>>(), [2, 3, 5]);
    assert!(parsed.unparsed.iter().all(|u| !u.reason.contains("anna")));
}
