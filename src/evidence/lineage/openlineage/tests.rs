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

fn sources(flow: &Flow) -> Vec<&str> {
    flow.sources.iter().map(String::as_str).collect()
}

/// A job's event with explicit lineage.
fn explicit(name: &str, inputs: &[&str], outputs: &[&str], entries: &str) -> String {
    let datasets = |names: &[&str]| {
        names.iter().map(|name| format!(r#"{{"namespace": "db", "name": "{name}"}}"#)).collect::<Vec<_>>().join(", ")
    };
    format!(
        r#"{{"job": {{"namespace": "etl", "name": "{name}", "facets": {{"lineage": {{"_producer": "p", "_schemaURL": "s",
        "entries": [{entries}]}}}}}}, "inputs": [{}], "outputs": [{}]}}"#,
        datasets(inputs),
        datasets(outputs)
    )
}

#[test]
fn explicit_lineage_goes_before_inputs_and_outputs_and_column_lineage() {
    let entry = r#"{"namespace": "db", "name": "features.f", "type": "DATASET",
        "inputs": [{"namespace": "db", "name": "web.events", "type": "DATASET"},
                   {"namespace": "db", "name": "web.events", "type": "DATASET", "field": "uid",
                    "transformations": [{"type": "INDIRECT", "subtype": "JOIN"}]},
                   {"namespace": "db", "name": "web.pages", "type": "DATASET", "field": "uid",
                    "transformations": [{"type": "INDIRECT", "subtype": "JOIN"}]}],
        "fields": {"views": {"inputs": [{"namespace": "db", "name": "web.events", "type": "DATASET", "field": "views"}]}}}"#;
    let flows =
        read(&explicit("j", &["web.events", "web.pages", "store.receipts"], &["features.f", "features.g"], entry));
    assert_eq!((flows.len(), flows[0].target.as_deref()), (2, Some("features.f")));
    assert_eq!(sources(&flows[0]), ["web.events", "web.pages"]);
    assert_eq!(keys(&flows[0]), ["web.events.uid = web.pages.uid"]);
    // The job itself reads what no dataset is made from, and makes what no entry names.
    assert_eq!((flows[1].target.as_deref(), sources(&flows[1])), (Some("features.g"), vec!["store.receipts"]));
    let dataset = r#"{"eventTime": "2026-03-01T00:00:00Z", "dataset": {"namespace": "db", "name": "features.f", "facets": {
        "columnLineage": {"fields": {"lines": {"inputFields": [{"namespace": "db", "name": "store.receipts", "field": "lines"}]}}},
        "lineage": {"inputs": [{"namespace": "db", "name": "web.events", "type": "DATASET"}],
            "fields": {"views": {"inputs": [{"namespace": "db", "name": "web.events", "type": "DATASET", "field": "views"}]}}}}}}"#;
    let flows = read(dataset);
    assert_eq!((flows.len(), sources(&flows[0])), (1, vec!["web.events"]));
    assert!(flows[0].columns.iter().all(|column| column.name == "views"));
    let nothing = r#"{"namespace": "db", "name": "features.f", "type": "DATASET", "inputs": []}"#;
    assert_eq!(read(&explicit("j", &["web.events"], &["features.f"], nothing)), []);
}

#[test]
fn a_job_stands_for_what_flows_into_it_however_many_jobs_away() {
    let from = |name: &str| format!(r#"{{"namespace": "etl", "name": "{name}", "type": "JOB"}}"#);
    let chain = format!(
        r#"{}, {{"namespace": "etl", "name": "load", "type": "JOB", "inputs": [{}, {}]}}"#,
        format_args!(r#"{{"namespace": "db", "name": "features.f", "type": "DATASET", "inputs": [{}]}}"#, from("load")),
        from("extract"),
        from("load"),
    );
    let text = format!("{}\n{}", explicit("plan", &[], &[], &chain), explicit("extract", &["web.events"], &[], ""));
    let flows = read(&text);
    assert_eq!((flows[0].target.as_deref(), sources(&flows[0])), (Some("features.f"), vec!["web.events"]));
    // Its own job, unnamed, with what that filters by.
    let own = r#"{"namespace": "db", "name": "features.f", "type": "DATASET", "inputs": [{"type": "JOB"}]},
        {"type": "JOB", "inputs": [{"namespace": "db", "name": "store.receipts", "type": "DATASET", "field": "uid",
            "transformations": [{"type": "INDIRECT", "subtype": "FILTER"}]}]}"#;
    assert_eq!(sources(&read(&explicit("j", &[], &["features.f"], own))[0]), ["store.receipts"]);
    // A job that makes data itself is known by its event; one that nobody tells of leaves the question open.
    let generated = r#"{"namespace": "db", "name": "features.f", "type": "DATASET", "inputs": [],
        "fields": {"total": {"inputs": [{"type": "JOB", "transformations": [{"type": "DIRECT", "subtype": "AGGREGATION"}]}]}}}"#;
    assert_eq!(read(&explicit("j", &[], &["features.f"], generated)), []);
    let unknown =
        format!(r#"{{"namespace": "db", "name": "features.f", "type": "DATASET", "inputs": [{}]}}"#, from("gone"));
    let parsed = parse(&format!("\n{}", explicit("j", &[], &["features.f"], &unknown)), "runs.jsonl");
    assert_eq!(parsed.unparsed[0].line, 2);
    assert!(parsed.unparsed[0].reason.contains("`etl/gone`"), "{parsed:?}");
}

#[test]
fn entries_that_are_not_of_the_published_shape_are_listed() {
    for entry in [
        r#"{"namespace": "db", "name": "f", "type": "TABLE", "inputs": []}"#,
        r#"{"namespace": "db", "type": "DATASET", "inputs": []}"#,
        r#"{"namespace": "db", "name": "f"}"#,
    ] {
        assert_eq!(parse(&explicit("j", &[], &[], entry), "runs.jsonl").unparsed.len(), 1, "{entry}");
    }
}

/// A run's event with the query of its job.
fn with_query(query: &str, dialect: &str, inputs: &str) -> String {
    let sql = serde_json::json!({"query": query, "dialect": dialect});
    format!(
        r#"{{"run": {{"runId": "r1"}}, "job": {{"namespace": "etl", "name": "f", "facets": {{"sql": {sql}}}}},
        "inputs": [{inputs}], "outputs": [{{"namespace": "db", "name": "shop.features.f"}}]}}"#
    )
}

const INPUTS: &str = r#"{"name": "shop.web.events"}, {"name": "shop.store.receipts"}"#;

#[test]
fn where_no_event_tells_of_columns_the_query_does() {
    let select = "SELECT w.views FROM shop.web.events w JOIN shop.store.receipts r ON w.uid = r.uid";
    for query in [select.to_owned(), format!("CREATE TABLE features.f AS {select}"), format!("INSERT INTO f {select};")]
    {
        let flows = read(&with_query(&query, "postgres", INPUTS));
        assert_eq!((flows.len(), flows[0].run.as_deref()), (1, Some("r1")), "{query}");
        assert_eq!((flows[0].target.as_deref(), flows[0].all_columns), (Some("shop.features.f"), true));
        assert_eq!(keys(&flows[0]), ["shop.store.receipts.uid = shop.web.events.uid"]);
        assert_eq!(sources(&flows[0]), ["shop.store.receipts", "shop.web.events"]);
    }
    // A script's own tables are flows too.
    let script = "CREATE TEMP TABLE t AS SELECT * FROM web.events; CREATE TABLE features.f AS SELECT * FROM t";
    let flows = read(&with_query(script, "postgres", ""));
    assert_eq!(
        flows.iter().map(|f| (f.target.as_deref(), sources(f))).collect::<Vec<_>>(),
        [(Some("shop.features.f"), vec!["t"]), (Some("t"), vec!["web.events"]),]
    );
    // With column lineage the query has nothing to add.
    let told = complete(r#"{"fields": {"views": {"inputFields": [{"name": "shop.web.events", "field": "views"}]}}}"#);
    let told =
        told.replace(r#""name": "f"}"#, r#""name": "f", "facets": {"sql": {"query": "SELECT * FROM crm.people"}}}"#);
    assert_eq!(sources(&read(&told)[0]), ["shop.web.events"]);
}

#[test]
fn the_query_is_read_in_its_own_dialect_and_what_cannot_be_read_leaves_whole_tables() {
    let snowflake = "SELECT f.value:uid FROM shop.web.events, LATERAL FLATTEN(input => pages) f";
    let parsed = parse(&with_query(snowflake, "snowflake", ""), "runs.jsonl");
    assert_eq!((parsed.unparsed.len(), parsed.flows.len()), (0, 1), "{parsed:?}");
    let broken = parse(&with_query("SELEC 'anna@people.example'", "", INPUTS), "runs.jsonl");
    assert_eq!((broken.unparsed.len(), sources(&broken.flows[0]).len()), (0, 2));
    let lost = parse(&with_query("SELEC 'anna@people.example'", "", ""), "runs.jsonl");
    assert_eq!((lost.unparsed.len(), lost.flows.len()), (1, 0));
    assert!(!lost.unparsed[0].reason.contains("anna"));
}

#[test]
fn facets_that_say_nothing_of_lineage_are_passed_over() {
    let event = r#"{"eventTime": "2026-03-01T00:00:00Z", "eventType": "COMPLETE", "producer": "p", "schemaURL": "s",
        "run": {"runId": "r1", "facets": {"parent": {"run": {"runId": "r0"}, "job": {"namespace": "n", "name": "p"}},
            "nominalTime": {"nominalStartTime": "2026-03-01T00:00:00Z"}, "errorMessage": {"message": "m"}}},
        "job": {"namespace": "n", "name": "j", "facets": {"jobType": {"integration": "SPARK"}, "tags": {"tags": []},
            "sourceCode": {"language": "python", "sourceCode": "x"}, "documentation": {"description": "d"}}},
        "inputs": [{"namespace": "db", "name": "web.events", "facets": {"schema": {"fields": [{"name": "a"}]},
            "dataSource": {"name": "n", "uri": "u"}}, "inputFacets": {"inputStatistics": {"rowCount": 3}}}],
        "outputs": [{"namespace": "db", "name": "features.f", "facets": {"storage": {"storageLayer": "iceberg"}},
            "outputFacets": {"outputStatistics": {"rowCount": 3}}}]}"#;
    assert_eq!(sources(&read(event)[0]), ["web.events"]);
}
