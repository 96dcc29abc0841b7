//! What each column of a statement comes from, and what decides its rows: the SQL's own meaning, dialect by dialect.
//!
//! Written `column: bases; column: bases | bases of the rows`. `*: t -a` is all of `t` but `a`; `t/u.a` is one of two
//! tables'; `~t.a` counts only where the table has it.

use super::*;
use crate::evidence::lineage::{Base, Bases, How, Output};

fn bases(bases: &Bases) -> String {
    let one = |base: &Base| {
        let tables: Vec<&str> = base.tables.iter().map(String::as_str).collect();
        format!("{}{}.{}", if base.optional { "~" } else { "" }, tables.join("/"), base.column)
    };
    bases.iter().map(one).collect::<Vec<_>>().join(" ")
}

pub(super) fn told(flow: &Flow) -> String {
    let outputs = flow.outputs.as_ref().expect("told by column");
    let column = |output: &Output| match output {
        Output::Column { name, bases: own } => format!("{name}: {}", bases(own)).trim().to_owned(),
        Output::All { table, except } => {
            except.iter().fold(format!("*: {table}"), |text, name| format!("{text} -{name}"))
        }
    };
    let columns = outputs.columns.iter().map(column).collect::<Vec<_>>().join("; ");
    if outputs.rows.is_empty() { columns } else { format!("{columns} | {}", bases(&outputs.rows)) }
}

#[track_caller]
fn check(dialect: Dialect, cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (sql, expected) in cases {
        let parsed = parse(sql, "etl.sql", dialect);
        let found = match (parsed.unparsed.first(), parsed.flows.as_slice()) {
            (None, [flow]) => told(flow),
            (fault, flows) => format!("{} flows, {fault:?}", flows.len()),
        };
        if found != *expected {
            wrong.push(format!("{sql}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const KEYS: &str = "store.uid web.uid";

#[test]
fn of_queries_in_postgres() {
    let on = |sql: &str| format!("CREATE TABLE f AS {sql}");
    let cases = [
        ("SELECT views FROM web", "views: web.views"),
        ("SELECT w.views AS v, w.day FROM web w", "v: web.views; day: web.day"),
        ("SELECT lower(email)::varchar(9) AS e, payload->>'x' AS x FROM web", "e: web.email; x: web.payload"),
        (
            "SELECT w.views, s.lines FROM web w JOIN store s ON w.uid = s.uid",
            "views: web.views; lines: store.lines | KEYS",
        ),
        ("SELECT views FROM web JOIN store USING (uid)", "views: store/web.views | KEYS"),
        ("SELECT w.views FROM web w, store s WHERE w.uid = s.uid AND s.paid", "views: web.views | store.paid KEYS"),
        (
            "SELECT w.views FROM web w LEFT JOIN store s ON w.uid = s.uid AND s.total > 5",
            "views: web.views | store.total KEYS",
        ),
        ("SELECT w.views FROM web w NATURAL JOIN store", "views: web.views | store.* web.*"),
        ("SELECT w.views FROM web w CROSS JOIN store", "views: web.views | store.*"),
        ("SELECT * FROM web", "*: web"),
        ("SELECT w.*, s.total FROM web w JOIN store s ON w.uid = s.uid", "*: web; total: store.total | KEYS"),
        ("WITH v AS (SELECT uid, views FROM web WHERE day > 1) SELECT v.views FROM v", "views: web.views | web.day"),
        // What is fetched and not used decides nothing.
        (
            "WITH x AS (SELECT total FROM store WHERE paid), v AS (SELECT views FROM web) SELECT views FROM v",
            "views: web.views",
        ),
        ("WITH v (a, b) AS (SELECT uid, views FROM web) SELECT b FROM v", "b: web.views"),
        ("WITH v (a) AS (SELECT * FROM web) SELECT a FROM v", "a: web.*"),
        ("SELECT x.n FROM (SELECT uid, count(*) AS n FROM store GROUP BY uid) x", "n: | store.uid"),
        ("SELECT x.total FROM (SELECT * FROM store) x", "total: store.total"),
        ("SELECT total FROM (SELECT * FROM web w JOIN store s ON w.uid = s.uid) x", "total: store/web.total | KEYS"),
        (
            "SELECT w.views, (SELECT max(s.total) FROM store s WHERE s.uid = w.uid) AS spent FROM web w",
            "views: web.views; spent: store.total KEYS",
        ),
        (
            "SELECT views FROM web w WHERE w.uid IN (SELECT uid FROM store WHERE total > 1)",
            "views: web.views | store.total KEYS",
        ),
        ("SELECT views FROM web w WHERE EXISTS (SELECT 1 FROM store s WHERE s.uid = w.uid)", "views: web.views | KEYS"),
        (
            "SELECT views FROM web w WHERE NOT EXISTS (SELECT 1 FROM store s WHERE s.uid = w.uid)",
            "views: web.views | KEYS",
        ),
        (
            "SELECT uid, views FROM web UNION ALL SELECT person, lines FROM store",
            "uid: store.person web.uid; views: store.lines web.views",
        ),
        ("SELECT * FROM web UNION ALL SELECT * FROM store", "*: web | store.*"),
        ("SELECT uid FROM web INTERSECT SELECT uid FROM store", "uid: web.uid | KEYS"),
        ("SELECT uid FROM web EXCEPT SELECT uid FROM store WHERE paid", "uid: web.uid | store.paid KEYS"),
        (
            "SELECT uid, sum(total) AS t FROM store GROUP BY uid HAVING count(line) > 2",
            "uid: store.uid; t: store.total | store.line store.uid",
        ),
        ("SELECT postcode, count(*) AS n FROM store GROUP BY 1", "postcode: store.postcode; n: | store.postcode"),
        ("SELECT count(*) FILTER (WHERE paid) AS n FROM store", "n: store.paid"),
        ("SELECT count(*) AS n FROM store", "n: | store.*"),
        ("SELECT uid FROM store ORDER BY total", "uid: store.uid"),
        ("SELECT uid FROM store ORDER BY total LIMIT 10", "uid: store.uid | store.total"),
        ("SELECT uid, total FROM store ORDER BY 2 DESC LIMIT 10", "uid: store.uid; total: store.total | store.total"),
        ("SELECT DISTINCT ON (uid) views FROM web", "views: web.views | web.uid"),
        (
            "SELECT views, rank() OVER (PARTITION BY uid ORDER BY day) AS n FROM web",
            "views: web.views; n: web.day web.uid",
        ),
        ("SELECT rank() OVER w AS n FROM web WINDOW w AS (PARTITION BY uid)", "n: | web.uid"),
        (
            "SELECT CASE WHEN s.vip THEN w.views ELSE 0 END AS score, w.day FROM web w JOIN store s ON w.uid = s.uid",
            "score: store.vip web.views; day: web.day | KEYS",
        ),
        (
            "SELECT w.views FROM web w JOIN store s ON sha256(lower(w.email)::bytea) = s.email_sha256",
            "views: web.views | store.email_sha256 web.email",
        ),
        (
            "SELECT w.views, x.t FROM web w, LATERAL (SELECT sum(total) AS t FROM store s WHERE s.uid = w.uid) x",
            "views: web.views; t: store.total | KEYS",
        ),
        (
            "SELECT w.views FROM web w JOIN store s ON (w.uid, w.day) = (s.uid, s.day)",
            "views: web.views | store.day store.uid web.day web.uid",
        ),
        (
            "WITH RECURSIVE t AS (SELECT uid, parent FROM web UNION ALL
             SELECT s.uid, s.parent FROM store s JOIN t ON s.uid = t.parent) SELECT uid FROM t",
            "uid: KEYS | store.parent store.uid web.parent",
        ),
        ("SELECT v.b FROM (VALUES (1, 2)) AS v (a, b)", "b:"),
        ("SELECT to_jsonb(w) AS j FROM web w", "j: web.*"),
    ];
    let cases = cases.map(|(sql, expected)| (on(sql), expected.replace("KEYS", KEYS)));
    let cases: Vec<(&str, &str)> = cases.iter().map(|(sql, expected)| (sql.as_str(), expected.as_str())).collect();
    check(Dialect::Postgres, &cases);
}

#[test]
fn of_statements_that_write() {
    check(
        Dialect::Postgres,
        &[
            ("CREATE VIEW f (a, b) AS SELECT uid, views FROM web", "a: web.uid; b: web.views"),
            ("CREATE MATERIALIZED VIEW f AS SELECT views FROM web", "views: web.views"),
            ("SELECT w.views INTO f FROM web w", "views: web.views"),
            ("INSERT INTO f (a, b) SELECT uid, views FROM web", "a: web.uid; b: web.views"),
            ("INSERT INTO f (a, b) SELECT * FROM web", "a: web.*; b: web.*"),
            ("INSERT INTO f SELECT uid, views FROM web", "uid: web.uid; views: web.views"),
            (
                "INSERT INTO f (uid, n) SELECT uid, views FROM web
                 ON CONFLICT (uid) DO UPDATE SET n = excluded.n + f.n",
                "uid: web.uid; n: web.views; n: f.n web.views",
            ),
            (
                "UPDATE web w SET spent = s.total FROM store s WHERE w.uid = s.uid",
                "spent: store.total | store.uid web.uid",
            ),
            (
                "UPDATE web SET (a, b) = (SELECT x, y FROM store s WHERE s.uid = web.uid)",
                "a: store.uid store.x store.y web.uid; b: store.uid store.x store.y web.uid",
            ),
            (
                "MERGE INTO web w USING store s ON w.uid = s.uid WHEN MATCHED AND s.paid THEN UPDATE SET spent = s.total
                 WHEN NOT MATCHED THEN INSERT (uid, spent) VALUES (s.uid, s.total)",
                "spent: store.total; uid: store.uid; spent: store.total | store.paid store.uid web.uid",
            ),
            ("DELETE FROM web USING store s WHERE web.uid = s.uid", "*: web | store.uid web.uid"),
            ("DELETE FROM web WHERE uid NOT IN (SELECT uid FROM store)", "*: web | store.uid web.uid"),
            ("ALTER TABLE f_new RENAME TO f", "*: f_new"),
        ],
    );
    let how = |sql: &str| one(sql).how;
    assert_eq!(how("CREATE TABLE f AS SELECT uid FROM web"), How::Makes);
    assert_eq!(how("INSERT INTO f (a) SELECT uid FROM web"), How::Fills);
    assert_eq!(how("INSERT INTO f SELECT uid FROM web"), How::Places);
    assert_eq!(how("UPDATE f SET a = 1 FROM web"), How::Changes);
}

#[test]
fn of_snowflake() {
    check(
        Dialect::Snowflake,
        &[
            (
                "CREATE TABLE f AS SELECT total, row_number() OVER (PARTITION BY uid ORDER BY day) AS rn FROM store
                 QUALIFY rn = 1",
                "total: store.total; rn: store.day store.uid | store.day ~store.rn store.uid",
            ),
            ("CREATE TABLE f AS SELECT * EXCLUDE (email) FROM web", "*: web -email"),
            (
                "CREATE TABLE f AS SELECT * EXCLUDE email RENAME uid AS person FROM web",
                "*: web -email -uid; person: web.uid",
            ),
            ("CREATE TABLE f AS SELECT w.v:a::string AS a FROM web w", "a: web.v"),
            (
                "CREATE TABLE f AS SELECT total * 2 AS t, t + 1 AS u FROM store",
                "t: store.total; u: ~store.t store.total",
            ),
            (
                "CREATE TABLE f AS SELECT f.value AS item FROM web w, LATERAL FLATTEN(input => w.items) f",
                "item: web.items",
            ),
            ("CREATE TABLE f AS SELECT uid, count(*) AS n FROM store GROUP BY ALL", "uid: store.uid; n: | store.uid"),
            (
                "CREATE TABLE f AS SELECT iff(s.vip, w.views, 0) AS v FROM web w JOIN store s USING (uid)",
                "v: store.vip web.views | store.uid web.uid",
            ),
            ("CREATE TABLE f AS SELECT hash(*) AS h FROM store", "h: store.*"),
            (
                "CREATE TABLE f AS SELECT w.views FROM web w
                 ASOF JOIN store s MATCH_CONDITION (w.ts >= s.ts) ON w.uid = s.uid",
                "views: web.views | store.ts store.uid web.ts web.uid",
            ),
            (
                "CREATE TABLE f AS SELECT * FROM store PIVOT (sum(total) FOR kind IN ('a', 'b'))",
                ": store.* store.kind store.total",
            ),
            ("CREATE TABLE g CLONE f", "*: f"),
            (
                "CREATE OR REPLACE DYNAMIC TABLE f TARGET_LAG = '1 hour' WAREHOUSE = w AS SELECT views FROM web",
                "views: web.views",
            ),
        ],
    );
}

#[test]
fn of_bigquery() {
    check(
        Dialect::Bigquery,
        &[
            ("CREATE TABLE f AS SELECT * EXCEPT (day, hour) FROM web", "*: web -day -hour"),
            ("CREATE TABLE f AS SELECT * REPLACE (lower(email) AS email) FROM web", "*: web -email; email: web.email"),
            ("CREATE TABLE f AS SELECT item FROM web w, UNNEST(w.items) AS item", "item: web.items"),
            ("CREATE TABLE f AS SELECT w.device.cookie_id AS c FROM web w", "c: web.device.cookie_id"),
            ("CREATE TABLE f AS SELECT device.cookie_id AS c FROM web", "c: web.device.cookie_id"),
            (
                "CREATE TABLE f AS SELECT w.views FROM `web` w
                 JOIN `store` s ON FARM_FINGERPRINT(w.email) = s.email_hash",
                "views: web.views | store.email_hash web.email",
            ),
            ("CREATE TABLE f AS SELECT uid FROM web UNION DISTINCT SELECT uid FROM store", "uid: store.uid web.uid"),
            (
                "MERGE web w USING store s ON w.uid = s.uid WHEN NOT MATCHED THEN INSERT ROW",
                "*: store | store.uid web.uid",
            ),
            (
                "CREATE TABLE f AS SELECT uid, views FROM web WHERE true
                 QUALIFY rank() OVER (PARTITION BY uid ORDER BY day) = 1",
                "uid: web.uid; views: web.views | web.day web.uid",
            ),
            (
                "CREATE TABLE f AS SELECT IF(s.vip, 1, 0) AS v FROM store s WHERE s.day > '2026-01-01'",
                "v: store.vip | store.day",
            ),
            ("CREATE TABLE f AS SELECT STRUCT(w.uid AS a, w.views AS b) AS s FROM web w", "s: web.uid web.views"),
            (
                "CREATE TABLE f AS SELECT ARRAY_AGG(w.views ORDER BY w.day LIMIT 3) AS last FROM web w",
                "last: web.day web.views",
            ),
        ],
    );
}

#[test]
fn of_spark_and_hive() {
    let keys = "| store.uid web.uid";
    for dialect in [Dialect::Spark, Dialect::Hive] {
        check(
            dialect,
            &[
                (
                    "INSERT OVERWRITE TABLE f SELECT w.views FROM web w LEFT SEMI JOIN store s ON w.uid = s.uid",
                    &format!("views: web.views {keys}"),
                ),
                (
                    "CREATE TABLE f AS SELECT w.views FROM web w LEFT ANTI JOIN store s ON w.uid = s.uid",
                    &format!("views: web.views {keys}"),
                ),
                (
                    "INSERT INTO TABLE f SELECT w.uid, item FROM web w LATERAL VIEW explode(w.items) t AS item",
                    "uid: web.uid; item: web.items",
                ),
                (
                    "CREATE TABLE f AS SELECT w.views FROM web w JOIN store s ON sha2(w.email, 256) <=> s.email_hash",
                    "views: web.views | store.email_hash web.email",
                ),
                ("INSERT OVERWRITE TABLE f PARTITION (day = 'x') SELECT uid FROM web", "uid: web.uid"),
                (
                    "CREATE TABLE f AS SELECT s.uid, collect_list(s.lines) AS l FROM store s GROUP BY s.uid",
                    "uid: store.uid; l: store.lines | store.uid",
                ),
                (
                    "CREATE TABLE f AS SELECT w.views FROM
                     (SELECT uid, views FROM web DISTRIBUTE BY uid SORT BY day) w",
                    "views: web.views",
                ),
            ],
        );
    }
}

#[test]
fn a_hashed_key_is_noted_as_one() {
    let flow = one(
        "CREATE TABLE f AS SELECT 1 FROM web w JOIN store s ON sha256(lower(w.email)) = s.k WHERE lower(w.day) = 'x'",
    );
    assert_eq!(flow.hashed.iter().map(super::super::super::Key::text).collect::<Vec<_>>(), ["web.email"]);
}

#[test]
fn comparisons_within_comparisons_are_read_once() {
    // Looked at again at each level, forty of them would never end.
    let deep = (0..40).fold("a".to_owned(), |inner, _| format!("({inner} = b)"));
    let flow = one(&format!("CREATE TABLE f AS SELECT 1 AS x FROM web WHERE {deep}"));
    assert_eq!(told(&flow), "x: | web.a web.b");
}

mod whatever_the_names {
    use proptest::prelude::*;

    use super::*;

    /// Common tables, each from its own table and some that read the one before.
    fn statement(aliases: &[String], order: &[usize]) -> String {
        let cte = |index: usize| {
            let (name, inner) = (&aliases[index], &aliases[index + 5]);
            match index {
                0 => format!("{name} AS (SELECT {inner}.uid, {inner}.views FROM web {inner} WHERE {inner}.day > 1)"),
                1 => format!("{name} AS (SELECT uid AS person, sum(total) AS t FROM store {inner} GROUP BY uid)"),
                _ => format!("{name} AS (SELECT * FROM app {inner} WHERE {inner}.os = 'x')"),
            }
        };
        let ctes: Vec<String> = order.iter().map(|index| cte(*index)).collect();
        let (a, b, c) = (&aliases[0], &aliases[1], &aliases[2]);
        format!(
            "CREATE TABLE f AS WITH {} SELECT {a}.views AS v, {b}.t AS t, {c}.opens AS o FROM {a}
             JOIN {b} ON md5({a}.uid) = md5({b}.person) LEFT JOIN {c} ON {c}.uid = {a}.uid",
            ctes.join(", ")
        )
    }

    proptest! {
        /// Other aliases, and common tables in another order, mean the same.
        #[test]
        fn lineage_is_the_same(
            names in proptest::collection::btree_set("x[a-z]{1,6}_", 8),
            shuffled in Just(vec![0_usize, 1, 2]).prop_shuffle(),
        ) {
            let names: Vec<String> = names.into_iter().collect();
            let flow = one(&statement(&names, &shuffled));
            prop_assert_eq!(
                told(&flow),
                "v: web.views; t: store.total; o: app.opens | app.os app.uid store.uid web.day web.uid"
            );
            prop_assert_eq!(keys(&flow), ["app.uid = web.uid", "store.uid = web.uid"]);
            prop_assert_eq!(sources(&flow), ["app", "store", "web"]);
        }
    }
}
