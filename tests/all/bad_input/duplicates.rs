//! Rows that would count twice, and requests that contradict themselves.

use serde_json::Value;

use crate::support::{Audit, csv, decisions_csv, facts, log, quality, subject};

const IMPRESSIONS: &str = "path: log.csv";
const DECISIONS: &str = "path: log.csv\n    layout: decisions";

fn audit(text: &str, source: &str) -> Audit {
    Audit::new().with("log.csv", text).source(source)
}

/// The log with the lines of `numbers` (from 1) appended once more.
fn with_repeated(text: &str, numbers: &[usize]) -> String {
    let lines: Vec<&str> = text.lines().collect();
    numbers.iter().fold(text.to_owned(), |text, n| text + lines[n - 1] + "\n")
}

fn measured(record: &Value) -> Vec<&Value> {
    ["data_use", "join", "outcome_parity"].into_iter().flat_map(|kind| facts(record, kind)).collect()
}

#[test]
fn repeated_rows_are_quarantined_and_not_counted_twice() {
    let layouts = [
        (csv(&log()), IMPRESSIONS, "repeats an earlier row with the same item and position", 482),
        (decisions_csv(&log()), DECISIONS, "repeats an earlier row with the same request", 162),
    ];
    for (text, source, reason, first) in layouts {
        let clean = audit(&text, source).run().audited(0);
        let text = with_repeated(&text, &[2, 17, 17]);
        let run = audit(&text, source).max_rejected("0.05").run();
        let record = run.audited(0);
        let expected = [first, first + 1, first + 2].map(|line| format!("log.csv:{line}: {reason}"));
        assert_eq!(run.rejected(), expected);
        assert_eq!(measured(&record), measured(&clean));
        let quality = quality(&record, "recommendations");
        assert_eq!((&quality["rejected"], &quality["duplicates"]), (&3.into(), &3.into()));
        run.leaks_nobody();
        let told = format!("log.csv:{first}: {reason}");
        audit(&text, source).run().refused(&[&told, "3 of ", "`max_rejected` allows 0.1 %"]);
    }
}

#[test]
fn repeated_rows_are_found_without_request_ids_and_without_positions() {
    let without = |text: &str, columns: &[usize]| -> String {
        let cells = |line: &str| {
            let cells = line.split(',').enumerate().filter(|(i, _)| !columns.contains(i));
            cells.map(|(_, cell)| cell).collect::<Vec<_>>().join(",")
        };
        text.lines().map(|line| cells(line) + "\n").collect()
    };
    let layouts = [(csv(&log()), IMPRESSIONS, vec![0, 4], 482), (decisions_csv(&log()), DECISIONS, vec![0], 162)];
    for (text, source, columns, line) in layouts {
        let text = with_repeated(&without(&text, &columns), &[9]);
        let run = audit(&text, source).max_rejected("0.05").run();
        run.audited(0);
        let rejected = run.rejected();
        assert_eq!(rejected.len(), 1, "{rejected:?}");
        assert!(rejected[0].starts_with(&format!("log.csv:{line}: repeats an earlier row")), "{rejected:?}");
    }
}

#[test]
fn a_request_of_two_people_is_rejected_as_a_whole() {
    let text = csv(&log());
    let run = |text: &str, source: &str| audit(text, source).max_rejected("0.05").run();
    let torn = Audit::new().with("log.csv", &text).in_line("log.csv", 3, &subject(0), &subject(1)).text("log.csv");
    let reason = "the request has rows of more than one subject or strategy";
    let result = run(&torn, IMPRESSIONS);
    let record = result.audited(0);
    assert_eq!(result.rejected(), [2, 3, 4].map(|line| format!("log.csv:{line}: {reason}")));
    let quality = quality(&record, "recommendations");
    assert_eq!((&quality["rejected"], &quality["duplicates"]), (&3.into(), &0.into()));
    assert_eq!(quality["subjects"], 80);
    result.leaks_nobody();
    let lists = with_repeated(&decisions_csv(&log()), &[2]);
    let torn = Audit::new().with("log.csv", lists).in_line("log.csv", 162, &subject(0), &subject(1)).text("log.csv");
    let result = run(&torn, DECISIONS);
    result.audited(0);
    assert_eq!(result.rejected(), [2, 162].map(|line| format!("log.csv:{line}: {reason}")));
    audit(&torn, DECISIONS).run().refused(&[&format!("log.csv:2: {reason}")]);
}

#[test]
fn a_person_listed_twice_counts_once() {
    let clean = Audit::new().run().audited(0);
    let text = with_repeated(&Audit::new().text("subjects.csv"), &[5, 5]);
    let run = Audit::new().with("subjects.csv", &text).max_rejected("0.05").run();
    let record = run.audited(0);
    assert_eq!(measured(&record), measured(&clean));
    let reason = "repeats an earlier row with the same subject";
    assert_eq!(run.rejected(), [82, 83].map(|line| format!("subjects.csv:{line}: {reason}")));
    Audit::new().with("subjects.csv", &text).run().refused(&[&format!("subjects.csv:82: {reason}")]);
}
