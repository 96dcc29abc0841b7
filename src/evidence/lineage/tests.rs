//! What fields stand for once lineage is followed: statements in, contexts and categories out.

use std::collections::BTreeMap;

use super::*;
use crate::evidence::data_map::{self, DataMap, Resolved};
use crate::manifest::Dialect;

const MAP: &str = "
dataset:
  - fides_key: web
    meta: {context: web}
    collections:
      - name: events
        fields:
          - {name: uid, data_categories: [user.unique_id]}
          - {name: views, data_categories: [user.behavior.browsing_history]}
          - {name: page, data_categories: [system.operations]}
          - name: device
            fields: [{name: cookie_id, data_categories: [user.device.cookie_id]}]
  - fides_key: store
    meta: {context: store}
    collections:
      - name: receipts
        fields:
          - {name: uid, data_categories: [user.unique_id]}
          - {name: lines, data_categories: [user.behavior.purchase_history]}
          - {name: remedies, data_categories: [user.health_and_medical]}
          - {name: sku, data_categories: [system.operations]}
  - fides_key: stats
    collections:
      - name: popularity
        fields:
          - {name: sku, data_categories: [system.operations]}
          - name: rank
            data_categories: [user.behavior]
            fides_meta: {breaker: {minimum_group_size: 50, evidence: p.sql}}
  - fides_key: features
    collections:
      - name: f
        fields:
          - {name: score, data_categories: [user.behavior]}
          - {name: other, data_categories: [user.behavior]}
";

fn following(parsed: Parsed) -> DataMap {
    assert_eq!(parsed.unparsed, []);
    let mut map = data_map::parse(MAP).expect("a map");
    let Parsed { flows, aliases, declared, .. } = parsed;
    map.follow(&Lineage { flows, aliases, declared, ..Lineage::default() }, &BTreeMap::new());
    map
}

fn resolved(sql: &str, field: &str) -> Resolved {
    following(sql::parse(sql, "etl.sql", Dialect::Postgres)).resolve(field).unwrap_or_else(|| panic!("{field}: {sql}"))
}

/// The contexts of `features.f.score`.
fn contexts(sql: &str) -> String {
    resolved(sql, "features.f.score").contexts().into_iter().collect::<Vec<_>>().join(" ")
}

#[test]
fn columns_are_followed_one_by_one_to_any_depth() {
    for (expected, sql) in [
        // Through tables that nobody mapped, hashed on the way.
        (
            "store web",
            "CREATE TABLE a AS SELECT md5(uid) AS k, lines AS l FROM store.receipts;
             CREATE VIEW b AS SELECT k, count(l) AS n FROM a GROUP BY k;
             CREATE TABLE features.f AS SELECT w.views + b.n AS score FROM web.events w JOIN b ON md5(w.uid) = b.k",
        ),
        // Only the key, only a filter, only a group, only a condition: each a use.
        (
            "store web",
            "CREATE TABLE features.f AS SELECT w.views AS score FROM web.events w
             JOIN store.receipts r ON w.uid = r.uid",
        ),
        (
            "store web",
            "CREATE TABLE features.f AS SELECT views AS score FROM web.events
             WHERE uid IN (SELECT uid FROM store.receipts WHERE remedies > 0)",
        ),
        (
            "store web",
            "CREATE TABLE features.f AS SELECT max(w.views) AS score FROM web.events w
             JOIN store.receipts r ON w.page = r.sku GROUP BY r.lines",
        ),
        (
            "store web",
            "CREATE TABLE features.f AS SELECT CASE WHEN r.lines > 3 THEN w.views END AS score FROM web.events w
             JOIN store.receipts r ON w.page = r.sku",
        ),
        // A column that is fetched and not handed on.
        (
            "web",
            "CREATE TABLE a AS SELECT w.views, (SELECT sum(lines) FROM store.receipts r WHERE r.uid = w.uid) AS spent
             FROM web.events w;
             CREATE TABLE features.f AS SELECT views AS score, spent AS other FROM a",
        ),
        // By column through stars, the map telling whose column it is.
        (
            "web",
            "CREATE TABLE a AS SELECT * FROM web.events w JOIN stats.popularity p ON w.page = p.sku;
             CREATE TABLE features.f AS SELECT views AS score, rank AS other FROM a",
        ),
        (
            "store",
            "CREATE TABLE a AS SELECT * FROM web.events w JOIN store.receipts r ON w.page = r.sku;
             CREATE TABLE features.f AS SELECT lines AS score FROM a",
        ),
        // Of nobody's data: then the map's own word for the score counts.
        (
            "features",
            "CREATE TABLE a AS SELECT * FROM store.receipts; CREATE TABLE features.f AS SELECT sku AS score FROM a
              JOIN stats.popularity p USING (sku)",
        ),
        // Only a breaker cuts, with the keys of its groups.
        (
            "",
            "CREATE TABLE stats.popularity AS SELECT sku, count(*) AS rank FROM store.receipts GROUP BY sku, lines;
             CREATE TABLE features.f AS SELECT p.rank AS score FROM stats.popularity p WHERE p.sku > 'a'",
        ),
        // What that table holds besides is not covered.
        (
            "store",
            "CREATE TABLE stats.popularity AS SELECT sku, max(lines) AS most FROM store.receipts GROUP BY sku;
             CREATE TABLE features.f AS SELECT p.most AS score FROM stats.popularity p",
        ),
    ] {
        assert_eq!(contexts(sql), expected, "{sql}");
    }
}

#[test]
fn where_columns_cannot_be_told_apart_each_stands_for_all() {
    let select = "SELECT w.views AS score, r.lines AS other FROM web.events w JOIN store.receipts r ON w.page = r.sku";
    // By position into a table whose order nobody tells; then told by its declaration, which turns them round.
    assert_eq!(contexts(&format!("INSERT INTO features.f {select}")), "store web");
    let declared = "CREATE TABLE features.f (other int, score int)";
    assert_eq!(contexts(&format!("{declared}; INSERT INTO features.f {select}")), "store");
    assert_eq!(contexts(&format!("INSERT INTO features.f (score, other) {select}")), "web");
    // A name that no statement gives may be any of them.
    assert_eq!(contexts(&format!("CREATE TABLE features.f AS {}", select.replace("score", "s"))), "store web");
    assert_eq!(contexts(&format!("CREATE TABLE features.f AS {}", select.replace(" AS score", "+1"))), "web");
    // A column that the map leaves out was collected with its table.
    assert_eq!(contexts("CREATE TABLE features.f AS SELECT shelf AS score FROM store.receipts"), "store");
}

#[test]
fn tables_in_circles_and_changed_rows_end() {
    let circle = "CREATE TABLE a AS SELECT * FROM b; CREATE TABLE b AS SELECT a.*, r.lines FROM a, store.receipts r;
        CREATE TABLE features.f AS SELECT lines AS score FROM b";
    assert_eq!(contexts(circle), "store");
    // An update adds to what a column held; other columns stay as they were.
    let update = "UPDATE web.events w SET page = r.lines FROM store.receipts r WHERE r.uid = w.uid;
        CREATE TABLE features.f AS SELECT page AS score, views AS other FROM web.events";
    assert_eq!(contexts(update), "store web");
    let other = resolved(update, "features.f.other");
    assert_eq!(other.contexts().into_iter().collect::<Vec<_>>(), ["web"]);
    let deleted = "CREATE TABLE features.f AS SELECT views AS score FROM web.events;
        DELETE FROM features.f WHERE uid NOT IN (SELECT uid FROM store.receipts)";
    assert_eq!(contexts(deleted), "store web");
}

#[test]
fn categories_are_the_fields_own_in_each_context_and_the_ancestors() {
    let sql = "CREATE TABLE features.f AS SELECT w.views + r.lines AS score FROM web.events w, store.receipts r";
    let parts: Vec<(String, String)> = resolved(sql, "features.f.score").parts.into_keys().collect();
    let part = |category: &str, context: &str| (category.to_owned(), context.to_owned());
    let expected = [
        part("user.behavior", "store"),
        part("user.behavior", "web"),
        part("user.behavior.browsing_history", "web"),
        part("user.behavior.purchase_history", "store"),
    ];
    assert_eq!(parts, expected);
    let health =
        resolved("CREATE TABLE features.f AS SELECT remedies AS score FROM store.receipts", "features.f.score");
    assert!(health.special && health.parts[&part("user.health_and_medical", "store")]);
    assert_eq!(health.sources.into_iter().collect::<Vec<_>>(), ["store.receipts.remedies"]);
    // All of a row: what the map does not personally know is not in it.
    let row = resolved("CREATE TABLE features.f AS SELECT to_json(e) AS score FROM web.events e", "features.f.score");
    assert!(row.parts.contains_key(&part("user.device.cookie_id", "web")));
    let within = "CREATE TABLE features.f AS SELECT e.device.cookie_id AS score FROM web.events e";
    assert!(!resolved(within, "features.f.score").parts.contains_key(&part("user.unique_id", "web")));
}

#[test]
fn a_table_that_nobody_mapped_is_told_as_unknown() {
    let sql = "CREATE TABLE features.f AS SELECT w.views AS score, p.age AS other FROM web.events w, crm.people p
        WHERE w.page = p.page";
    let score = resolved(sql, "features.f.score");
    assert_eq!(score.unknown.into_iter().collect::<Vec<_>>(), ["crm.people"]);
    // Where nothing else says where it was collected, the map's own word counts.
    let only = resolved("CREATE TABLE features.f AS SELECT age AS score FROM crm.people", "features.f.score");
    assert_eq!(only.contexts().into_iter().collect::<Vec<_>>(), ["features"]);
    // A field that the map lacks is known by what lineage makes it of.
    let unmapped = resolved("CREATE TABLE features.g AS SELECT lines AS l FROM store.receipts", "features.g.l");
    assert_eq!(unmapped.contexts().into_iter().collect::<Vec<_>>(), ["store"]);
    let map = following(Parsed::default());
    assert!(map.resolve("features.g.l").is_none() && map.resolve("nowhere").is_none());
}

/// A run that reads web and store and writes `features.f`.
fn run(lineage: &str) -> DataMap {
    let event = format!(
        r#"{{"run": {{"runId": "r1"}}, "job": {{"name": "j"}}, "inputs": [{{"name": "db.web.events"}},
        {{"name": "db.store.receipts"}}],
        "outputs": [{{"name": "db.features.f", "facets": {{"columnLineage": {lineage}}}}}]}}"#
    );
    following(openlineage::parse(&event, "runs.jsonl"))
}

#[test]
fn runs_are_followed_by_column_where_their_events_tell() {
    let contexts = |lineage: &str, field: &str| {
        run(lineage).resolve(field).expect("made").contexts().into_iter().collect::<Vec<_>>().join(" ")
    };
    let field = |table: &str, column: &str, subtype: &str| {
        let kind = if matches!(subtype, "IDENTITY") { "DIRECT" } else { "INDIRECT" };
        format!(
            r#"{{"namespace": "db", "name": "db.{table}", "field": "{column}",
            "transformations": [{{"type": "{kind}", "subtype": "{subtype}", "masking": true}}]}}"#
        )
    };
    let views = field("web.events", "views", "IDENTITY");
    let lines = field("store.receipts", "lines", "IDENTITY");
    let two = |score: &str, other: &str, dataset: &str| {
        format!(
            r#"{{"fields": {{"score": {{"inputFields": [{score}]}}, "other": {{"inputFields": [{other}]}}}},
            "dataset": [{dataset}]}}"#
        )
    };
    let (score, other) = ("features.f.score", "features.f.other");
    // Keys and filters are told, and none of the store's is among them: no edge leads to the score.
    let page = field("web.events", "page", "FILTER");
    assert_eq!(contexts(&two(&views, &lines, &page), score), "web");
    assert_eq!(contexts(&two(&views, &lines, &page), other), "store");
    // A masked key under `dataset`, or under any one column, counts for all.
    let key = field("store.receipts", "uid", "JOIN");
    assert_eq!(contexts(&two(&views, &views, &key), score), "store web");
    assert_eq!(contexts(&two(&views, &format!("{views}, {key}"), ""), score), "store web");
    // A condition counts for its own.
    let condition = field("store.receipts", "lines", "CONDITIONAL");
    let conditioned = two(&views, &format!("{views}, {condition}"), &page);
    assert_eq!((contexts(&conditioned, score), contexts(&conditioned, other)), ("web".into(), "store web".into()));
    // Where no key of two inputs is told, some column of each is one.
    assert_eq!(contexts(&two(&views, &lines, ""), score), "store web");
    // Where nothing is told, or not of this column, all inputs stand for it.
    assert_eq!(contexts("{}", score), "store web");
    let fewer = format!(r#"{{"fields": {{"other": {{"inputFields": [{views}]}}}}, "dataset": [{page}]}}"#);
    assert_eq!(contexts(&fewer, score), "store web");
}

#[test]
fn ten_thousand_statements_are_followed_to_the_end() {
    let mut text = "CREATE TABLE t0 AS SELECT uid, lines AS v FROM store.receipts;
        CREATE TABLE t1 AS SELECT uid, views AS v FROM web.events;\n"
        .to_owned();
    for n in 2..10_000 {
        let (a, b) = (n - 1, n - 2);
        let columns: String = (0..8).map(|c| format!(", a.v + {c} AS v{c}")).collect();
        text += &match n % 3 {
            0 => format!("CREATE TABLE t{n} AS SELECT * FROM t{a};\n"),
            1 => format!("CREATE TABLE t{n} AS SELECT a.uid, a.v{columns} FROM t{a} a;\n"),
            _ => {
                format!("CREATE TABLE t{n} AS SELECT a.uid, a.v + b.v AS v FROM t{a} a JOIN t{b} b ON a.uid = b.uid;\n")
            }
        };
    }
    text += "INSERT INTO features.f (score) SELECT v FROM t9999";
    let map = following(sql::parse(&text, "etl.sql", Dialect::Postgres));
    let score = map.resolve("features.f.score").expect("mapped");
    assert_eq!(score.contexts().into_iter().collect::<Vec<_>>(), ["store", "web"]);
    assert_eq!(score.sources.len(), 4);
}
