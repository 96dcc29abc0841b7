//! Which statements move no rows, and what becomes of a text that is read.

use super::*;

#[test]
fn statements_that_move_no_rows_are_told_by_their_first_word() {
    for text in [
        "SHOW GRANTS TO ROLE reporter",
        "-- who: nightly\n/* a job's */ GRANT SELECT ON FUTURE TABLES IN SCHEMA web TO ROLE reporter",
        "USE WAREHOUSE small",
        "begin transaction",
        "OPTIMIZE web.events ZORDER BY (uid)",
        "set x = 3",
    ] {
        assert!(is_no_lineage(text), "{text}");
    }
    for text in [
        "BEGIN INSERT INTO f TABLE web.events",
        "SET x = (SELECT max(uid) FROM web.events)",
        "CACHE TABLE f AS SELECT * FROM web.events",
        "SELECTX",
        "-- SHOW nothing",
        "",
        "COPY f FROM 's3://x'",
        "CALL fill()",
    ] {
        assert!(!is_no_lineage(text), "{text}");
    }
    // A long comment is no depth.
    assert!(is_no_lineage(&("--\n".repeat(200_000) + "COMMIT")));
}

fn parse(text: &str, dialect: Option<&str>, times: u64) -> Parsed {
    let mut parsed = Parsed::default();
    Statement { text, dialect, name: Some("q7"), times, line: 41 }.parse("log.csv", Dialect::Postgres, &mut parsed);
    parsed
}

#[test]
fn a_text_is_read_once_in_its_own_dialect_at_its_row() {
    let parsed = parse("CREATE TABLE a AS SELECT 1 FROM w;\nCREATE TABLE b AS SELECT 2 FROM a", None, 12);
    assert_eq!((parsed.statements, parsed.unparsed.len()), (2, 0));
    assert!(parsed.flows.iter().all(|flow| flow.line == 41 && flow.path == "log.csv"));
    assert_eq!(parsed.flows[1].run.as_deref(), Some("q7, 12 times"));
    let bigquery = "CREATE TABLE a AS SELECT * EXCEPT (x) FROM `p.web.events`";
    assert_eq!(parse(bigquery, Some("bigquery"), 1).unparsed, []);
    assert_eq!(parse(bigquery, Some("bigquery"), 1).flows[0].run.as_deref(), Some("q7"));
    assert!(parse(bigquery, Some("cobol"), 1).unparsed[0].reason.contains("dialect"));
}

#[test]
fn only_a_statement_alone_is_passed_over_unread() {
    assert_eq!(parse("SHOW GRANTS OF ROLE x OR SUCH", None, 1).unparsed, []);
    let with_more = parse("SHOW GRANTS OF ROLE x OR SUCH; SELEC 1", None, 3);
    assert!(with_more.unparsed.iter().any(|fault| fault.reason.ends_with("(executed 3 times)")), "{with_more:?}");
}
