use std::path::Path;

use super::*;
use crate::evidence::lineage::{openlineage, sql};
use crate::manifest::Dialect;
use crate::replay::uses::Requirement;
use crate::yaml::Document;

const MANIFEST: &str = "
probity: 1
system: {name: Shop, owner: team}
purposes: [{id: personalize.content}]
strategies: [{id: hybrid, purpose: personalize.content, inputs: [features.f.score]}]
evidence: {lineage: {path: x.sql, names: {raw.pageviews: web.events}}}
";

const MAP: &str = "
dataset:
  - fides_key: web
    meta: {context: web}
    collections:
      - name: events
        fields:
          - {name: uid, data_categories: [user.unique_id]}
          - {name: views, data_categories: [user.behavior.browsing_history]}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
          - {name: browser, data_categories: [user.device.cookie_id]}
          - {name: page, data_categories: [system.operations]}
  - fides_key: site
    meta: {context: site}
    collections: [{name: visits, fields: [{name: uid, data_categories: [user.unique_id]}]}]
  - fides_key: store
    meta: {context: store}
    collections:
      - name: receipts
        fields:
          - {name: uid, data_categories: [user.unique_id]}
          - {name: lines, data_categories: [user.behavior.purchase_history]}
          - {name: e, data_categories: [user.contact.email], fides_meta: {identity: email_sha256}}
          - {name: tablet, data_categories: [user.device.device_id]}
          - {name: sku, data_categories: [system.operations]}
  - fides_key: stats
    collections:
      - name: popularity
        fields:
          - {name: sku, data_categories: [system.operations]}
          - name: rank
            data_categories: [user.behavior]
            fides_meta: {derived_from: [store.receipts.lines], breaker: {minimum_group_size: 50, evidence: p.sql}}
  - fides_key: features
    collections: [{name: f, fields: [{name: score, data_categories: [user.behavior]}]}]
";

const POLICY: &str = "
version: '1'
purposes:
  - purpose: personalize.content
    categories: [{category: user, basis: contract}]
same_as: [[web, site]]
";

fn found_with(lineage: &Lineage, policy: &str) -> Found {
    let manifest = Document::<Manifest>::parse(Path::new("audit.yaml"), MANIFEST).unwrap().value;
    let mut map = crate::evidence::data_map::parse(MAP).unwrap();
    map.follow(lineage, &std::collections::BTreeMap::from([("raw.pageviews".into(), "web.events".into())]));
    let policy = Document::<ConsentPolicy>::parse(Path::new("policy.yaml"), policy).unwrap().value;
    find(lineage, &map, &policy, &manifest, &[])
}

fn found(text: &str) -> Found {
    let parsed = sql::parse(text, "etl.sql", Dialect::Postgres);
    assert_eq!(parsed.unparsed, []);
    found_with(&Lineage { flows: parsed.flows, ..Lineage::default() }, POLICY)
}

/// The lines at which web and store are combined, and by which key.
fn lines(text: &str) -> (Vec<u64>, Option<String>) {
    let found = found(text);
    assert!(found.joins.len() <= 1, "{found:?}");
    let Some(join) = found.joins.into_iter().next() else { return (Vec::new(), None) };
    assert_eq!((join.contexts.0.as_str(), join.contexts.1.as_str()), ("store", "web"));
    assert!(matches!(join.ask.requirement, Requirement::Grant(_)));
    (join.sources.into_iter().map(|(_, line, _)| line).collect(), join.link)
}

const KEY: &str = "store.receipts.uid = web.events.uid";

#[test]
fn a_statement_that_joins_two_contexts_for_a_strategy_is_found_at_its_line() {
    let join = "\nCREATE TABLE features.f AS SELECT w.views FROM web.events w JOIN store.receipts r USING (uid)";
    assert_eq!(lines(join), (vec![2], Some(KEY.into())));
    // Longer names, bare names where one table has them, and names of the manifest's.
    let longer =
        "INSERT INTO lake.features.F SELECT w.views FROM lake.web.events w JOIN store.receipts r ON w.uid = r.uid";
    assert_eq!(lines(longer).0, [1]);
    assert_eq!(lines("CREATE TABLE f AS SELECT 1 FROM events e, receipts r WHERE e.uid = r.uid").0, [1]);
    assert_eq!(lines("CREATE TABLE f AS SELECT 1 FROM raw.pageviews e, receipts r WHERE e.uid = r.uid").0, [1]);
}

#[test]
fn chains_are_followed_and_told_where_they_combine() {
    let chain = "CREATE TABLE t1 AS SELECT md5(r.uid) AS k, r.lines FROM store.receipts r;
        CREATE TABLE t2 AS SELECT w.views, t.lines FROM web.events w JOIN t1 t ON md5(w.uid) = t.k;
        CREATE VIEW t3 AS SELECT * FROM t2;
        INSERT INTO features.f SELECT * FROM t3;";
    assert_eq!(lines(chain), (vec![2], Some("t1.k = web.events.uid".into())));
    // In circles too: t1 then holds web by way of t3, and line 1 adds store to it.
    assert_eq!(lines(&format!("{chain}\nINSERT INTO t1 SELECT * FROM t3")).0, [1, 2]);
    let round =
        "INSERT INTO web.events SELECT * FROM store.receipts;\nINSERT INTO store.receipts SELECT * FROM web.events;
        INSERT INTO features.f SELECT * FROM web.events";
    assert_eq!(lines(round).0, [1, 2]);
    // Two statements that fill one table, each from its own context.
    let two =
        "INSERT INTO features.f SELECT uid FROM web.events;\nINSERT INTO features.f SELECT uid FROM store.receipts";
    assert_eq!(lines(two).0, [1, 2]);
}

#[test]
fn a_filter_a_group_and_a_key_alone_are_uses() {
    for by in
        ["WHERE w.uid IN (SELECT uid FROM store.receipts)", "JOIN store.receipts r ON w.page = r.sku GROUP BY r.lines"]
    {
        assert_eq!(lines(&format!("CREATE TABLE features.f AS SELECT w.views FROM web.events w {by}")).0, [1], "{by}");
    }
}

#[test]
fn a_link_says_what_kind_of_identifier_it_is() {
    for (link, text) in [
        (
            "store.receipts.e = web.events.email (hashed e-mail)",
            "CREATE TABLE features.f AS SELECT w.views AS score FROM web.events w
             JOIN store.receipts r ON sha256(lower(w.email)::bytea) = r.e",
        ),
        // Hashed a step before, and called otherwise since.
        (
            "store.receipts.e = t1.k (hashed e-mail)",
            "CREATE TABLE t1 AS SELECT md5(w.email) AS k, views FROM web.events w;
             CREATE TABLE features.f AS SELECT t.views AS score FROM t1 t JOIN store.receipts r ON t.k = r.e",
        ),
        (
            "store.receipts.tablet = web.events.browser (device id)",
            "CREATE TABLE features.f AS SELECT w.views AS score FROM web.events w, store.receipts r
             WHERE r.tablet = w.browser",
        ),
        // By way of a table of pairs.
        (
            "graph.pairs.one = web.events.uid and graph.pairs.two = store.receipts.uid",
            "CREATE TABLE features.f AS SELECT w.views AS score FROM web.events w
             JOIN graph.pairs g ON g.one = w.uid JOIN store.receipts r ON r.uid = g.two",
        ),
    ] {
        assert_eq!(lines(text).1.as_deref(), Some(link), "{text}");
    }
}

#[test]
fn the_columns_that_meet_are_named() {
    let text =
        "CREATE TABLE a AS SELECT w.views, r.lines, r.tablet FROM web.events w JOIN store.receipts r USING (uid);
        CREATE TABLE features.f AS SELECT views + lines AS score FROM a";
    let found = found(text);
    let fields: Vec<&str> = found.joins[0].fields.iter().map(String::as_str).collect();
    assert_eq!(fields, ["store.receipts.lines", "store.receipts.uid", "web.events.uid", "web.events.views"]);
}

#[test]
fn what_is_no_join_of_two_contexts_is_not_found() {
    for text in [
        // Fetched, and dropped before the score.
        "CREATE TABLE a AS SELECT w.views, (SELECT sum(lines) FROM store.receipts r WHERE r.uid = w.uid) AS spent
         FROM web.events w;
         CREATE TABLE features.f AS SELECT views AS score FROM a",
        // Into a column that the strategy does not read.
        "CREATE TABLE features.f AS SELECT w.views AS score, max(r.lines) OVER (PARTITION BY r.sku) AS other
         FROM web.events w JOIN store.receipts r ON w.page = r.sku",
        // Feeds no strategy.
        "CREATE TABLE other.t AS SELECT w.views FROM web.events w JOIN store.receipts r ON w.uid = r.uid",
        // One context under two names.
        "CREATE TABLE features.f AS SELECT w.views FROM web.events w JOIN site.visits v ON w.uid = v.uid",
        // Nothing personal is taken from the store.
        "CREATE TABLE features.f AS SELECT w.views FROM web.events w JOIN store.receipts r ON w.page = r.sku",
        // Only an aggregate that a breaker covers.
        "CREATE TABLE stats.popularity AS SELECT sku, count(*) AS rank FROM store.receipts r GROUP BY sku, lines;
         CREATE TABLE features.f AS SELECT w.views, p.rank FROM web.events w JOIN stats.popularity p ON w.page = p.sku",
    ] {
        assert_eq!(lines(text).0, Vec::<u64>::new(), "{text}");
    }
}

#[test]
fn the_policy_decides_as_for_a_log() {
    let text = "CREATE TABLE features.f AS SELECT w.views FROM web.events w JOIN store.receipts r ON w.uid = r.uid";
    let flows = sql::parse(text, "etl.sql", Dialect::Postgres).flows;
    let lineage = Lineage { flows, ..Lineage::default() };
    let free = format!(
        "{POLICY}combinations: {{clauses: [{{contexts: [store, web], basis: contract, reason: one account}}]}}\n"
    );
    let found = found_with(&lineage, &free);
    assert_eq!(found.joins[0].ask.requirement, Requirement::Free);
    assert_eq!(found.joins[0].ask.reason.as_deref(), Some("one account"));
    // A clause cannot stretch a consent.
    let found = found_with(&lineage, &free.replace("basis: contract}]\n", "basis: consent}]\n"));
    assert!(matches!(found.joins[0].ask.requirement, Requirement::Grant(_)));
}

#[test]
fn a_table_that_nobody_mapped_is_told_and_a_run_names_itself() {
    let unknown =
        found("\nCREATE TABLE features.f AS SELECT w.views FROM web.events w JOIN crm.people p ON w.uid = p.uid")
            .unknown;
    assert_eq!((unknown[0].line, unknown[0].reason.starts_with("`crm.people`")), (2, true));
    let event = r#"{"run": {"runId": "r1"}, "job": {"name": "j"}, "outputs": [{"name": "lake.features.f"}], "inputs": [
        {"name": "store.receipts"}, {"name": "s3/1", "facets": {"symlinks": {"identifiers": [{"name": "web.events"}]}}}]}"#;
    let parsed = openlineage::parse(event, "runs.jsonl");
    let found = found_with(&Lineage { flows: parsed.flows, aliases: parsed.aliases, ..Lineage::default() }, POLICY);
    assert_eq!(found.joins[0].sources, BTreeSet::from([("runs.jsonl".to_owned(), 1, Some("r1".to_owned()))]));
    assert_eq!(found.unknown, []);
}
