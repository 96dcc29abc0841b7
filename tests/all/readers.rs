//! One small log, written in every way that a log may be written: the facts are the same.

use std::io::Write;

use serde_json::{Map, Value, json};

use crate::support::{Audit, HEADER, Impression, csv, decisions, decisions_csv, facts, log, rfc3339};

pub mod parquet;
mod text;

/// All facts that a record has, without what names files and columns.
pub fn measured(record: &Value) -> Vec<Value> {
    let mut facts = record["facts"].as_array().expect("facts").clone();
    facts.retain(|fact| fact["kind"] != "undeclared_personal_data");
    // A log that states its jurisdiction, if only as a constant, is counted by it, too.
    facts.retain(|fact| fact["kind"] != "mix" || fact["by"] != "jurisdiction");
    for fact in facts.iter_mut().filter(|fact| fact["kind"] == "evidence_quality") {
        let fact = fact.as_object_mut().expect("a fact");
        for key in ["files", "rows", "columns_missing"] {
            fact.remove(key);
        }
    }
    facts
}

/// The facts that do not hang on how people are called: random groups of people, dealt by their ids, do.
pub fn whoever(facts: Vec<Value>) -> Vec<Value> {
    facts.into_iter().filter(|fact| !fact.to_string().contains("group_jackknife")).collect()
}

/// The facts of the log as plain CSV, a row per impression.
fn plain() -> Vec<Value> {
    let facts = measured(&Audit::new().run().audited(0));
    assert!(facts.len() > 10);
    facts
}

/// An audit of files of a log, read as `source` says, measures what the plain CSV measures.
#[track_caller]
fn same(files: &[(&str, &[u8])], source: &str) {
    let audit = files.iter().fold(Audit::new().without("log.csv"), |audit, (name, bytes)| audit.with(name, bytes));
    let run = audit.source(source).run();
    let record = run.audited(0);
    assert!(run.rejected().is_empty());
    run.leaks_nobody();
    for (ours, theirs) in measured(&record).iter().zip(plain()) {
        assert_eq!(*ours, theirs, "read as {source}");
    }
    assert_eq!(measured(&record).len(), plain().len());
}

/// The log as JSON Lines, a row per impression.
pub fn jsonl(rows: &[Impression]) -> String {
    let line = |row: &Impression| {
        json!({
            "request_id": row.request, "timestamp": rfc3339(row.at), "subject_id": row.subject, "item_id": row.item,
            "position": row.position, "strategy": row.strategy, "clicked": row.clicked,
            "revenue": row.revenue as f64 / 100.0,
        })
    };
    rows.iter().map(|row| format!("{}\n", line(row))).collect()
}

/// The log as JSON Lines, a row per decision with arrays.
fn decisions_jsonl(rows: &[Impression]) -> String {
    let line = |decision: &[Impression]| {
        let list = |of: &dyn Fn(&Impression) -> Value| Value::Array(decision.iter().map(of).collect());
        let first = &decision[0];
        json!({
            "request_id": first.request, "timestamp": rfc3339(first.at), "subject_id": first.subject,
            "strategy": first.strategy, "item_id": list(&|row| json!(row.item)), "clicked": list(&|row| json!(row.clicked)),
            "revenue": list(&|row| json!(row.revenue as f64 / 100.0)),
        })
    };
    decisions(rows).into_iter().map(|decision| format!("{}\n", line(decision))).collect()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).expect("compressed");
    encoder.finish().expect("compressed")
}

fn zstd(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 0).expect("compressed")
}

#[test]
fn every_format_and_compression_reads_the_same() {
    for (extension, text) in [("csv", csv(&log())), ("jsonl", jsonl(&log())), ("ndjson", jsonl(&log()))] {
        let plain = format!("log.{extension}");
        same(&[(&plain, text.as_bytes())], &format!("path: {plain}"));
        let name = format!("{plain}.gz");
        same(&[(&name, &gzip(&text))], &format!("path: {name}"));
        let name = format!("{plain}.zst");
        same(&[(&name, &zstd(&text))], &format!("path: {name}"));
    }
    // A gzip file may be several, one after the other.
    let text = csv(&log());
    let (one, two) = text.split_at(5000);
    same(&[("log.csv.gz", &[gzip(one), gzip(two)].concat())], "path: log.csv.gz");
    same(&[("export.txt", text.as_bytes())], "path: export.txt\n    format: csv");
}

#[test]
fn a_row_per_decision_reads_as_a_row_per_impression() {
    let text = decisions_csv(&log());
    same(&[("log.csv", text.as_bytes())], "path: log.csv\n    layout: decisions");
    let text = text.replace('|', "; ");
    same(&[("log.csv", text.as_bytes())], "path: log.csv\n    layout: decisions\n    list_separator: ';'");
    same(&[("log.jsonl", decisions_jsonl(&log()).as_bytes())], "path: log.jsonl\n    layout: decisions");
}

#[test]
fn one_file_a_glob_a_folder_and_a_partitioned_folder_read_the_same() {
    let rows = log();
    let (early, late) = rows.split_at(200);
    let files: [(&str, &[u8]); 2] = [("logs/a.csv", &csv(early).into_bytes()), ("logs/b/c.csv.gz", &gzip(&csv(late)))];
    same(&files, "path: logs");
    same(&files, "path: 'logs/**/*.csv*'");
    same(&[files[0], ("logs/b.jsonl", jsonl(late).as_bytes())], "path: logs/*");
    // The strategy stands in the name of the folder.
    let of = |strategy: &str| {
        let rows: Vec<Impression> = log().into_iter().filter(|row| row.strategy == strategy).collect();
        let lines = csv(&rows).replacen(",strategy", "", 1).replace(&format!(",{strategy},"), ",");
        assert!(!lines.contains(strategy));
        lines
    };
    let files: [(&str, &[u8]); 2] = [
        ("log/strategy=hybrid/part.csv", &of("hybrid").into_bytes()),
        ("log/strategy=popular/part.csv", &of("popular").into_bytes()),
    ];
    same(&files, "path: log");
    // Or in the manifest, one source a strategy.
    let source =
        |strategy: &str| format!("- path: log/strategy={strategy}/part.csv\n      values: {{ strategy: {strategy} }}");
    let audit = files.iter().fold(Audit::new().without("log.csv"), |audit, (name, bytes)| audit.with(name, bytes));
    let run = audit.source(&format!("{}\n    {}", source("hybrid"), source("popular"))).run();
    assert_eq!(measured(&run.audited(0)), plain());
}

#[test]
fn both_layouts_may_stand_side_by_side() {
    let rows = log();
    let (early, late) = rows.split_at(240);
    let audit = Audit::new().with("log.csv", csv(early)).with("late.csv", decisions_csv(late));
    let run = audit.source("- path: log.csv\n    - path: late.csv\n      layout: decisions").run();
    assert_eq!(measured(&run.audited(0)), plain());
}

#[test]
fn own_names_of_columns_and_constants_read_the_same() {
    let header = "Request,served at,customer.id,Item \"id\",rank,model,clicks,EUR";
    let text = csv(&log()).replacen(HEADER, &header.replace("Item \"id\"", "\"Item \"\"id\"\"\""), 1);
    let columns = "path: log.csv\n    columns:\n      request_id: Request\n      timestamp: served at\n      \
                   subject_id: customer.id\n      item_id: 'Item \"id\"'\n      position: rank\n      strategy: model\n      \
                   clicked: clicks\n      revenue: EUR\n    values: { jurisdiction: DE }";
    same(&[("log.csv", text.as_bytes())], columns);
    // Nested keys of JSON are named with dots, and other keys are left alone.
    let nest = |line: &str| {
        let mut row: Map<String, Value> = serde_json::from_str(line).expect("a row");
        let who = row.remove("subject_id");
        row.insert("user".into(), json!({ "key": { "id": who }, "mail": "nobody" }));
        format!("{}\n", Value::Object(row))
    };
    let text: String = jsonl(&log()).lines().map(nest).collect();
    same(&[("log.jsonl", text.as_bytes())], "path: log.jsonl\n    columns: { subject_id: user.key.id }");
}

#[test]
fn the_record_is_the_same_byte_for_byte_but_for_the_run() {
    let text = |run: &crate::support::Run| {
        run.audited(0);
        let text = std::fs::read_to_string(run.out.join("audit.json")).expect("a record");
        let (before, rest) = text.split_once("\"run\": {").expect("a run");
        let (_, after) = rest.split_once('}').expect("its end");
        format!("{before}{after}")
    };
    let (first, second) = (Audit::new().run(), Audit::new().run());
    assert_eq!(text(&first), text(&second));
    let read = |run: &crate::support::Run, name: &str| std::fs::read(run.out.join(name)).expect("an output");
    assert!(read(&first, "findings.csv") == read(&second, "findings.csv"));
}

#[test]
fn no_id_and_no_free_text_is_in_any_output() {
    // Nobody consented to the combination, so that there are findings with evidence and samples.
    let consent = Audit::new().text("consent.csv").replace(",store|web\n", ",store\n");
    let run = Audit::new().with("consent.csv", consent).run();
    let record = run.audited(1);
    assert!(!record["findings"].as_array().expect("findings").is_empty());
    assert!(facts(&record, "join").iter().any(|join| join["events_without_consent"] != 0));
    run.leaks_nobody();
}
