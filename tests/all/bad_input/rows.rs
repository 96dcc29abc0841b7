//! Rows that cannot be read: told with file and line, quarantined when they are few, and no value of theirs repeated.

use crate::support::{Audit, HEADER, PEOPLE, csv, decisions_csv, log, quality, subject};

/// A log of which one text of line 3 is replaced is refused for `reason`, and with a raised limit read without it.
#[track_caller]
fn rejected(from: &str, to: &str, reason: &str) {
    let told = format!("log.csv:3: {reason}");
    let limit = "1 of 480 rows of `recommendations` cannot be read; `max_rejected` allows 0.1 %";
    Audit::new().in_line("log.csv", 3, from, to).run().refused(&[&told, limit]);
    let run = Audit::new().in_line("log.csv", 3, from, to).max_rejected("0.01").run();
    let record = run.audited(0);
    assert_eq!(run.rejected(), [told]);
    let quality = quality(&record, "recommendations");
    assert_eq!((&quality["rows"], &quality["rejected"]), (&480.into(), &1.into()));
    run.leaks_nobody();
}

#[test]
fn values_of_the_wrong_type_are_rejected_with_their_reason() {
    rejected(",2,hybrid,0", ",2,hybrid,often", "clicked is not 0 or 1, true or false");
    rejected(",2,hybrid", ",second,hybrid", "position is not a whole number from 0");
    rejected(",2,hybrid", ",-2,hybrid", "position is not a whole number from 0");
    rejected("2026-03-27T08:30:00Z", "yesterday", "timestamp is not a time like 2026-03-01T10:00:00Z");
    rejected("2026-03-27T08:30:00Z", "2026-02-30T08:30:00Z", "timestamp is not a time like 2026-03-01T10:00:00Z");
    rejected(",hybrid,", ",,", "strategy is empty");
    rejected(&subject(0), "  ", "subject_id is empty");
}

#[test]
fn amounts_that_are_no_finite_numbers_are_rejected() {
    for value in ["NaN", "inf", "-Infinity", "1e300"] {
        rejected(",0,0.00", &format!(",0,{value}"), "revenue is not a finite amount up to 1e12");
    }
    rejected(",0,0.00", ",0,12 EUR", "revenue is not a number");
    for value in ["NaN", "inf"] {
        let audit = Audit::new().with("log.csv", csv(&log()).replacen("revenue", "propensity", 1));
        let run = audit.in_line("log.csv", 3, ",0,0.00", &format!(",0,{value}")).run();
        run.refused(&["log.csv:3: propensity is not a finite number"]);
    }
}

#[test]
fn lists_of_a_decision_are_checked_element_by_element() {
    let audit = |from: &str, to: &str| {
        let audit = Audit::new().with("log.csv", decisions_csv(&log())).source("path: log.csv\n    layout: decisions");
        audit.in_line("log.csv", 3, from, to).run()
    };
    audit("0|1|0,", "0|x|0,").refused(&["log.csv:3: clicked is not a list of 0 or 1"]);
    audit("0|1|0,", "0|1,").refused(&["log.csv:3: clicked and item_id are lists of different lengths"]);
    audit("0.00|", "NaN|").refused(&["log.csv:3: revenue is not a list of amounts"]);
}

#[test]
fn a_column_that_is_missing_or_misspelt_is_told_with_the_nearest() {
    let audit = Audit::new().in_line("log.csv", 1, "subject_id", "subjectid");
    audit.run().refused(&["audit.yaml:40:11", "`log.csv` has no column `subject_id`", "did you mean `subjectid`?"]);
    let columns = |mapped: &str| Audit::new().source(&format!("path: log.csv\n    columns: {{ {mapped} }}")).run();
    let told = ["audit.yaml:41:28", "`log.csv` has no column `subjct_id`", "did you mean `subject_id`?"];
    columns("subject_id: subjct_id").refused(&told);
    let told = ["`subjct_id` is no column that recommendations have", "did you mean `subject_id`?"];
    columns("subjct_id: subject_id").refused(&told);
    let values = Audit::new().source("path: log.csv\n    values: { jurisdicton: DE }");
    values.run().refused(&["audit.yaml:41:", "`jurisdicton` is no column", "did you mean `jurisdiction`?"]);
    let audit = Audit::new().in_line("log.csv", 1, "revenue", "clicked");
    audit.run().refused(&["log.csv:1: the header names column `clicked` twice"]);
}

#[test]
fn a_first_row_in_place_of_the_header_is_not_told() {
    let audit = Audit::new().with("log.csv", csv(&log()).replacen(&format!("{HEADER}\n"), "", 1));
    let run = audit.run();
    run.refused(&["`log.csv` has no column `subject_id`", "is the line with their names missing"]);
    run.leaks_nobody();
    let run = Audit::new().source("path: log.csv\n    delimiter: ';'").run();
    run.refused(&["`log.csv` has no column `subject_id`", "the delimiter another?"]);
}

#[test]
fn bytes_that_are_no_text_are_rejected_or_refused() {
    let spoilt = |line: usize, from: &str| {
        let text = csv(&log());
        let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
        let mut bytes = text.into_bytes();
        let at = bytes[start..].windows(from.len()).position(|w| w == from.as_bytes()).unwrap() + start;
        bytes[at] = 0xe4;
        Audit::new().with("log.csv", bytes)
    };
    spoilt(3, "Knitted").run().refused(&["log.csv:3: `item_id` is not UTF-8 text"]);
    let run = spoilt(3, "Knitted").max_rejected("0.01").run();
    run.audited(0);
    assert_eq!(run.rejected(), ["log.csv:3: `item_id` is not UTF-8 text"]);
    run.leaks_nobody();
    spoilt(1, "item").run().refused(&["log.csv:1: the header is not UTF-8 text"]);
}

#[test]
fn rows_with_too_few_or_too_many_fields_are_rejected() {
    rejected(",hybrid,", ",", "expected 8 fields, found 7");
    rejected(",hybrid,", ",hybrid,,", "expected 8 fields, found 9");
}

#[test]
fn a_quote_left_open_is_told_where_it_opens_and_loses_no_line_in_silence() {
    // Never closed, in a field before the last and in the last: the whole rest of the file would be one value.
    for (from, to) in [(",hybrid,", ",\"hybrid,"), (",0,0.00", ",0,\"0.00")] {
        let audit = Audit::new().in_line("log.csv", 3, from, to).max_rejected("1");
        audit.run().refused(&["log.csv:3: a quote is opened in this row and never closed"]);
    }
    // Closed by a later quote: every line between counts as rejected, however many fields came out.
    for (other, fault) in
        [(",popular,", "`strategy` has a line break in it"), (",1,popular,", "expected 8 fields, found 10")]
    {
        let quoted = other.replace("popular", "\"popular").replace(",1,\"", "\",1,");
        let audit = Audit::new().in_line("log.csv", 3, ",hybrid,", ",\"hybrid,").in_line("log.csv", 5, other, &quoted);
        let run = audit.max_rejected("0.01").run();
        let record = run.audited(0);
        let fault = |line: u64| format!("log.csv:{line}: {fault}, in a row over lines 3 to 5: is a quote left open?");
        assert_eq!(run.rejected(), [3, 4, 5].map(fault));
        assert_eq!(quality(&record, "recommendations")["rows"], 480);
        run.leaks_nobody();
    }
    let header = Audit::new().with("log.csv", HEADER.replace("item_id", "\"item_id"));
    header.run().refused(&["log.csv:1: a quote in the header is never closed"]);
}

#[test]
fn a_json_line_that_cannot_be_read_is_rejected() {
    let lines: Vec<String> = crate::readers::jsonl(&log()).lines().map(str::to_owned).collect();
    let audit = |line: &str| {
        let mut lines = lines.clone();
        lines[2] = line.to_owned();
        Audit::new().with("log.jsonl", lines.join("\n")).source("path: log.jsonl")
    };
    audit(&lines[2][..40]).run().refused(&["log.jsonl:3: not JSON from column 40 on"]);
    audit("[1, 2]").run().refused(&["log.jsonl:3: not a JSON object"]);
    let run = audit(&lines[2][..40]).max_rejected("0.01").run();
    run.audited(0);
    assert_eq!(run.rejected(), ["log.jsonl:3: not JSON from column 40 on"]);
    run.leaks_nobody();
}

#[test]
fn ids_that_are_sometimes_numbers_in_json_are_one_id() {
    let (number, text) = ("7001", format!("anna.007{PEOPLE}"));
    let numbered = |name: &str| Audit::new().text(name).replace(&text, number);
    let audit = || {
        let audit = Audit::new().with("subjects.csv", numbered("subjects.csv"));
        audit.with("consent.csv", numbered("consent.csv"))
    };
    let plain = audit().with("log.csv", numbered("log.csv")).run().audited(0);
    let lines = crate::readers::jsonl(&log()).replace(&text, number);
    let lines: String = lines
        .lines()
        .enumerate()
        .map(|(nth, line)| if nth % 2 == 0 { line.replace("\"7001\"", "7001") } else { line.to_owned() })
        .map(|line| line + "\n")
        .collect();
    assert!(lines.contains(":7001") && lines.contains(":\"7001\""));
    let mixed = audit().with("log.jsonl", lines).source("path: log.jsonl").run().audited(0);
    assert_eq!(crate::readers::measured(&mixed), crate::readers::measured(&plain));
}

#[test]
fn consent_records_with_names_that_nothing_knows_are_refused() {
    let wrong = |from: &str, to: &str, told: &[&str]| {
        Audit::new().in_line("consent.csv", 5, from, to).run().refused(told);
    };
    let told = ["consent.csv:5: purpose `personalise.content` is not in the taxonomy", "`personalize.content`"];
    wrong("personalize.content", "personalise.content", &told);
    let told = ["consent.csv:5: data category `user.behaviour`", "did you mean `user.behavior`?"];
    wrong("user.behavior", "user.behaviour", &told);
    let told = ["consent.csv:5: context `wep` is in no dataset", "did you mean `web`?"];
    wrong(",web", ",wep", &told);
    let told = ["consent.csv:5: status is none of given, renewed, refused, objected, withdrawn, expired"];
    wrong(",given,", ",granted,", &told);
}

#[test]
fn uses_by_a_strategy_that_nobody_declared_are_refused() {
    let uses = "subject_id,timestamp,strategy,operation\n\
                ann@people.example,2026-03-01T00:00:00Z,hybrid,train\n\
                ann@people.example,2026-03-01T00:00:00Z,hybird,train\n";
    let audit = Audit::new().replacing("audit.yaml", "evidence:\n", "evidence:\n  uses: { path: uses.csv }\n");
    let told = ["uses.csv:3: the manifest declares no strategy `hybird`", "did you mean `hybrid`?"];
    audit.with("uses.csv", uses).run().refused(&told);
    let lonely = Audit::new().replacing(
        "audit.yaml",
        "  recommendations:\n    path: log.csv\n",
        "  uses:\n    path: uses.csv\n",
    );
    lonely.with("uses.csv", uses).run().refused(&["`uses` stand beside `recommendations`"]);
}

#[test]
fn rejected_rows_within_the_limit_are_listed_in_order_and_the_gate_decides() {
    let spoil = |audit: Audit| {
        let audit = audit.in_line("log.csv", 300, ",popular,", ",,").in_line("log.csv", 5, ",popular,", ",popular,,");
        let audit = audit.in_line("log.csv", 40, "2026-", "in 2026-");
        audit.in_line("subjects.csv", 4, ",", ",,").in_line("consent.csv", 9, ",given,", ",yes,").max_rejected("0.02")
    };
    let run = spoil(Audit::new()).run();
    let record = run.audited(0);
    let expected = [
        "log.csv:5: expected 8 fields, found 9",
        "log.csv:40: timestamp is not a time like 2026-03-01T10:00:00Z",
        "log.csv:300: strategy is empty",
        "consent.csv:9: status is none of given, renewed, refused, objected, withdrawn, expired",
        "subjects.csv:4: expected 2 fields, found 3",
    ];
    assert_eq!(run.rejected(), expected);
    for (role, rejected) in [("recommendations", 3), ("consent_records", 1), ("subjects", 1)] {
        assert_eq!(quality(&record, role)["rejected"], rejected, "{role}");
        let of_role = |file: &&serde_json::Value| file["role"] == role;
        assert_eq!(record["evidence"].as_array().unwrap().iter().find(of_role).unwrap()["rejected"], rejected);
    }
    run.leaks_nobody();
    // The same rows, and consent that somebody never gave: the gate is red, and the rows are listed all the same.
    let consent: String = Audit::new()
        .text("consent.csv")
        .lines()
        .filter(|l| !l.contains("store|web"))
        .map(|l| format!("{l}\n"))
        .collect();
    let run = spoil(Audit::new().with("consent.csv", consent)).run();
    run.audited(1);
    assert_eq!(run.rejected(), expected);
    run.leaks_nobody();
}
