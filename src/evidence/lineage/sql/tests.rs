//! What each construct reads, uses and joins by. Expectations are the SQL's own meaning.

use super::super::Why;
use super::*;

mod outputs;

fn read(sql: &str) -> Vec<Flow> {
    let parsed = parse(sql, "etl.sql", Dialect::Postgres);
    assert_eq!(parsed.unparsed, [], "{sql}");
    parsed.flows
}

fn one(sql: &str) -> Flow {
    let mut flows = read(sql);
    assert_eq!(flows.len(), 1, "{sql}");
    flows.remove(0)
}

fn sources(flow: &Flow) -> Vec<&str> {
    flow.sources.iter().map(String::as_str).collect()
}

fn keys(flow: &Flow) -> Vec<String> {
    flow.keys.iter().map(|key| format!("{} = {}", key.left.text(), key.right.text())).collect()
}

/// Columns used for one thing, as `table.column`.
fn used(flow: &Flow, why: Why) -> Vec<String> {
    let of_it = flow.columns.iter().filter(|column| column.why == why);
    of_it.map(|column| format!("{}.{}", column.table.as_deref().unwrap_or("?"), column.name)).collect()
}

const BOTH: [&str; 2] = ["store.receipts", "web.events"];

/// Every way to join `web.events` and `store.receipts` by their `uid`.
#[test]
fn each_construct_names_both_tables_and_the_key() {
    for sql in [
        "CREATE TABLE f AS SELECT w.views, r.lines FROM web.events w JOIN store.receipts r ON w.uid = r.uid",
        "CREATE VIEW f AS SELECT views FROM web.events LEFT JOIN store.receipts USING (uid)",
        "INSERT INTO f SELECT w.views FROM web.events w, store.receipts r WHERE w.uid = r.uid AND r.paid",
        "CREATE TABLE f AS SELECT views FROM web.events w WHERE w.uid IN (SELECT uid FROM store.receipts)",
        "CREATE TABLE f AS SELECT views FROM web.events w WHERE EXISTS
           (SELECT 1 FROM store.receipts r WHERE r.uid = w.uid)",
        "CREATE TABLE f AS SELECT views FROM web.events w WHERE NOT EXISTS
           (SELECT 1 FROM store.receipts r WHERE r.uid = w.uid)",
        "CREATE TABLE f AS WITH v AS (SELECT uid, views FROM web.events), s AS (SELECT uid AS person FROM store.receipts)
           SELECT v.views FROM v JOIN s ON v.uid = s.person",
        "CREATE TABLE f AS WITH v (person) AS (SELECT uid FROM web.events)
           SELECT * FROM v JOIN store.receipts r ON v.person = r.uid",
        "CREATE TABLE f AS SELECT a.views FROM (SELECT * FROM web.events) a
           JOIN (SELECT uid FROM store.receipts GROUP BY uid) b ON a.uid = b.uid",
        "CREATE TABLE f AS SELECT w.views, (SELECT max(r.total) FROM store.receipts r WHERE r.uid = w.uid) FROM web.events w",
        "UPDATE web.events w SET spent = r.total FROM store.receipts r WHERE w.uid = r.uid",
        "MERGE INTO web.events w USING store.receipts r ON w.uid = r.uid WHEN MATCHED THEN UPDATE SET spent = r.total",
        "SELECT w.views INTO f FROM web.events w JOIN store.receipts r ON w.uid IS NOT DISTINCT FROM r.uid",
        "CREATE TABLE f AS SELECT * FROM web.events w, LATERAL (SELECT * FROM store.receipts r WHERE r.uid = w.uid) x",
        "CREATE TABLE f AS SELECT * FROM (web.events w JOIN store.receipts r ON w.uid = r.uid)",
        "CREATE TABLE f AS SELECT views FROM web.events JOIN store.receipts ON events.uid = receipts.uid",
        "CREATE TABLE f AS SELECT 1 FROM web.events w JOIN store.receipts r
           ON sha256(lower(w.uid)::bytea) = sha256(lower(r.uid)::bytea)",
        "CREATE TABLE f AS SELECT 1 FROM (SELECT md5(uid) AS k FROM web.events) w
           JOIN (SELECT left(md5(uid), 12) AS k FROM store.receipts) r USING (k)",
    ] {
        let flow = one(sql);
        assert_eq!(sources(&flow), BOTH, "{sql}");
        assert_eq!(keys(&flow), ["store.receipts.uid = web.events.uid"], "{sql}");
        let joined = used(&flow, Why::JoinKey);
        assert_eq!(joined, ["store.receipts.uid", "web.events.uid"], "{sql}");
    }
}

#[test]
fn targets_are_named_whatever_makes_them() {
    for (sql, target) in [
        ("CREATE TABLE features.f AS SELECT * FROM web.events", Some("features.f")),
        ("CREATE OR REPLACE VIEW features.f AS SELECT * FROM web.events", Some("features.f")),
        ("CREATE MATERIALIZED VIEW \"Features\".\"F\" AS SELECT * FROM web.events", Some("Features.F")),
        ("INSERT INTO features.f (a) SELECT a FROM web.events", Some("features.f")),
        ("SELECT a INTO features.f FROM web.events", Some("features.f")),
        ("ALTER TABLE features.f_new RENAME TO f", Some("features.f")),
        ("SELECT a FROM web.events", None),
    ] {
        assert_eq!(one(sql).target.as_deref(), target, "{sql}");
    }
}

#[test]
fn both_sides_of_a_set_operation_are_read() {
    let flow = one("CREATE TABLE f AS SELECT uid FROM web.events UNION ALL SELECT person FROM store.receipts");
    assert_eq!(sources(&flow), BOTH);
    // What is joined to a union is joined to each side of it.
    let flow = one("CREATE TABLE f AS SELECT 1 FROM app.opens o JOIN
        (SELECT uid FROM web.events UNION SELECT person FROM store.receipts) u ON o.uid = u.uid");
    assert_eq!(keys(&flow), ["app.opens.uid = store.receipts.person", "app.opens.uid = web.events.uid"]);
}

#[test]
fn a_column_whose_table_is_not_said_is_used_all_the_same() {
    let flow = one("CREATE TABLE f AS SELECT lines FROM web.events w JOIN store.receipts r ON w.uid = person");
    assert_eq!(keys(&flow), ["store.receipts.person = web.events.uid"]);
    assert_eq!(used(&flow, Why::Selected), ["?.lines"]);
}

#[test]
fn columns_that_only_filter_or_group_are_used() {
    let flow = one("CREATE TABLE f AS SELECT w.views FROM web.events w JOIN store.receipts r ON w.uid = r.uid
        WHERE r.total > 100 GROUP BY r.postcode, w.views HAVING count(r.line) > 2 ORDER BY r.day");
    assert_eq!(used(&flow, Why::Selected), ["web.events.views"]);
    assert_eq!(used(&flow, Why::Filter), ["store.receipts.line", "store.receipts.total"]);
    assert_eq!(used(&flow, Why::Group), ["store.receipts.day", "store.receipts.postcode", "web.events.views"]);
    let flow = one("CREATE TABLE f AS SELECT CASE WHEN r.total > 9 THEN 1 END FROM store.receipts r");
    assert_eq!(used(&flow, Why::Selected), ["store.receipts.total"]);
}

#[test]
fn stars_and_rows_stand_for_all_columns() {
    assert_eq!(used(&one("CREATE TABLE f AS SELECT * FROM web.events"), Why::Selected), ["web.events.*"]);
    assert_eq!(used(&one("CREATE TABLE f AS SELECT e.* FROM web.events e"), Why::Selected), ["web.events.*"]);
    assert_eq!(used(&one("CREATE TABLE f AS SELECT to_json(e) FROM web.events e"), Why::Selected), ["web.events.*"]);
}

#[test]
fn a_natural_or_cross_join_reads_both_tables() {
    let flow = one("CREATE TABLE f AS SELECT 1 FROM web.events NATURAL JOIN store.receipts");
    assert_eq!(keys(&flow), ["store.receipts.* = web.events.*"]);
    let flow = one("CREATE TABLE f AS SELECT 1 FROM web.events CROSS JOIN store.receipts");
    assert_eq!((sources(&flow), flow.keys.len()), (BOTH.to_vec(), 0));
}

#[test]
fn a_common_table_hides_a_table_of_its_name_only_where_it_is_seen() {
    let flow = one("CREATE TABLE f AS WITH events AS (SELECT uid FROM events) SELECT uid FROM events");
    assert_eq!(sources(&flow), ["events"]);
    let flow = one("CREATE TABLE f AS WITH t AS (SELECT 1 AS x FROM web.events) SELECT x FROM t");
    assert_eq!(sources(&flow), ["web.events"]);
    let flow = one("CREATE TABLE f AS WITH RECURSIVE t AS
        (SELECT uid FROM web.events UNION SELECT r.uid FROM store.receipts r JOIN t ON r.parent = t.uid) SELECT uid FROM t");
    assert_eq!(sources(&flow), BOTH);
}

#[test]
fn statements_keep_their_lines() {
    let sql = "-- features\n\nCREATE TABLE a AS\n  SELECT 1 FROM web.events;\n/* two\nlines */ CREATE TABLE b AS SELECT ';' FROM a;\n\
        SET search_path = x;\nINSERT INTO c SELECT * FROM b\n";
    let lines: Vec<(u64, String)> = read(sql).into_iter().map(|f| (f.line, f.target.unwrap_or_default())).collect();
    assert_eq!(lines, [(3, "a".into()), (6, "b".into()), (8, "c".into())]);
    assert_eq!(parse(sql, "etl.sql", Dialect::Postgres).statements, 4);
}

#[test]
fn what_cannot_be_read_is_listed_and_hides_nothing() {
    let sql = "CREATE TABLE a AS SELECT 1 FROM web.events;\nSELECT a FRUM b 'anna@people.example';\n\
        {{ config(x) }} SELECT * FROM {{ ref('y') }};\nCREATE TABLE b AS SELECT 1 FROM store.receipts;\n\
        CALL refresh();\nWITH x AS (INSERT INTO t SELECT 1 FROM a RETURNING 1) SELECT * FROM x;\n\
        SELECT 'never closed FROM store.receipts;\n";
    let parsed = parse(sql, "etl.sql", Dialect::Postgres);
    assert_eq!(parsed.flows.iter().map(|flow| flow.line).collect::<Vec<_>>(), [1, 4]);
    assert_eq!(parsed.unparsed.iter().map(|u| u.line).collect::<Vec<_>>(), [2, 3, 5, 6, 7], "{:?}", parsed.unparsed);
    assert_eq!(parsed.statements, 7);
    assert!(parsed.unparsed.iter().all(|u| u.path == "etl.sql" && !u.reason.contains("anna")), "{:?}", parsed.unparsed);
}

#[test]
fn dialects_are_read_by_their_own_rules() {
    let bigquery = "CREATE TABLE `shop.features.f` AS SELECT * EXCEPT (day) FROM `shop.web.events` w
        JOIN `shop.store.receipts` r ON w.uid = r.uid";
    let parsed = parse(bigquery, "q.sql", Dialect::Bigquery);
    assert_eq!(parsed.unparsed, []);
    assert_eq!(sources(&parsed.flows[0]), ["shop.store.receipts", "shop.web.events"]);
    assert_eq!(keys(&parsed.flows[0]), ["shop.store.receipts.uid = shop.web.events.uid"]);
    let snowflake = "CREATE OR REPLACE TABLE f AS SELECT w.v:a::string AS a FROM web.events w
        JOIN store.receipts r ON w.uid = r.uid QUALIFY row_number() OVER (PARTITION BY r.uid ORDER BY r.day) = 1;
        CREATE TABLE g CLONE f; ALTER TABLE g SWAP WITH h";
    let parsed = parse(snowflake, "q.sql", Dialect::Snowflake);
    assert_eq!(parsed.unparsed, []);
    let targets: Vec<&str> = parsed.flows.iter().filter_map(|flow| flow.target.as_deref()).collect();
    assert_eq!(targets, ["f", "g", "h", "g"]);
    assert!(used(&parsed.flows[0], Why::Filter).contains(&"store.receipts.day".to_owned()));
    let spark =
        "INSERT OVERWRITE TABLE f SELECT w.views FROM web.events w LEFT SEMI JOIN store.receipts r ON w.uid = r.uid";
    for dialect in [Dialect::Spark, Dialect::Hive] {
        let parsed = parse(spark, "q.sql", dialect);
        assert_eq!(parsed.unparsed, []);
        assert_eq!(keys(&parsed.flows[0]), ["store.receipts.uid = web.events.uid"]);
    }
}

#[test]
fn queries_nested_beyond_reason_are_listed() {
    let mut sql = "SELECT a FROM t".to_owned();
    for _ in 0..20 {
        sql = format!("SELECT a FROM t WHERE ({sql}) = ({sql} LIMIT 1)").chars().take(4000).collect();
        if sql.len() >= 4000 {
            break;
        }
    }
    assert_eq!(parse(&sql, "q.sql", Dialect::Postgres).unparsed.len(), 1);
    let deep = (0..14).fold("SELECT a FROM t".to_owned(), |sql, _| format!("SELECT a FROM t WHERE a = ({sql})"));
    let parsed = parse(&deep, "q.sql", Dialect::Postgres);
    assert_eq!(parsed.flows.len() + parsed.unparsed.len(), 1);
}
