//! What text files leave open: delimiters, marks, ends of lines, quotes.

use super::{Audit, csv, jsonl, log, same};

#[test]
fn a_semicolon_a_mark_and_other_ends_of_lines_read_the_same() {
    let text = csv(&log());
    let source = "path: log.csv\n    delimiter: ";
    same(&[("log.csv", text.replace(',', ";").as_bytes())], &format!("{source}';'"));
    same(&[("log.csv", text.replace(',', "\t").as_bytes())], &format!("{source}\"\\t\""));
    same(&[("log.csv", format!("\u{feff}{text}").as_bytes())], "path: log.csv");
    let quoted = text.replacen("request_id", "\"request_id\"", 1);
    same(&[("log.csv", format!("\u{feff}{quoted}").as_bytes())], "path: log.csv");
    same(&[("log.csv", text.replace('\n', "\r\n").as_bytes())], "path: log.csv");
    same(&[("log.csv", text.trim_end().as_bytes())], "path: log.csv");
    same(&[("log.csv", text.replace('\n', "\n\n").as_bytes())], "path: log.csv");
    same(&[("log.csv", text.replace('\n', "\r\n\r\n").as_bytes())], "path: log.csv");
    same(&[("log.jsonl", format!("\u{feff}{}", jsonl(&log())).as_bytes())], "path: log.jsonl");
    same(&[("log.jsonl", jsonl(&log()).replace('\n', "\r\n\r\n").as_bytes())], "path: log.jsonl");
}

#[test]
fn quotes_blanks_and_a_line_feed_within_a_field_read_the_same() {
    let all_quoted =
        |line: &str| line.split(',').map(|cell| format!("\"{cell}\"")).collect::<Vec<_>>().join(",") + "\n";
    let text: String = csv(&log()).lines().map(all_quoted).collect();
    same(&[("log.csv", text.as_bytes())], "path: log.csv");
    same(&[("log.csv", text.replace('\n', "\r\n").as_bytes())], "path: log.csv");
    let blanks = |line: &str| line.split(',').collect::<Vec<_>>().join(" , ") + "\n";
    let text: String = csv(&log()).lines().map(blanks).collect();
    same(&[("log.csv", text.as_bytes())], "path: log.csv");
    let noted = |line: &str| format!("\"of two\nlines, said \"\"he\"\"\",{line}\n");
    let text: String = csv(&log()).lines().map(noted).collect();
    same(&[("log.csv", text.as_bytes())], "path: log.csv");
}

#[test]
fn lines_are_counted_right_after_blank_lines_in_every_end_of_line_and_after_quoted_line_feeds() {
    let (header, rest) = ("note,", csv(&log()));
    for end in ["\n", "\r\n"] {
        let mut text = String::new();
        for (index, line) in rest.lines().enumerate() {
            let note = if index == 0 { header.to_owned() } else { format!("\"a note{end}of two lines\",") };
            text +=
                &format!("{note}{}{end}", if index == 3 { line.replace(",hybrid,", ",,") } else { line.to_owned() });
            if index == 1 {
                text += &end.repeat(3);
            }
        }
        // The header is line 1; a row takes two lines; three blank lines stand after the first.
        let audit = Audit::new().with("log.csv", text);
        audit.run().refused(&["log.csv:9: strategy is empty"]);
    }
    let mut lines: Vec<String> = jsonl(&log()).lines().map(str::to_owned).collect();
    lines[4] = "{".to_owned();
    let audit = Audit::new().with("log.jsonl", lines.join("\r\n\r\n")).source("path: log.jsonl");
    audit.run().refused(&["log.jsonl:9: not JSON"]);
}

#[test]
fn ends_of_lines_that_are_bare_carriage_returns_are_refused() {
    let audit = Audit::new().with("log.csv", csv(&log()).replace('\n', "\r"));
    audit.run().refused(&["log.csv:1: lines end with a bare carriage return"]);
}

#[test]
fn an_id_with_leading_zeros_stays_a_text() {
    let numbered = |name: &str| {
        let text = Audit::new().text(name).replace("anna.", "").replace(crate::support::PEOPLE, "");
        assert!(text.contains("007,"));
        text
    };
    let audit = || {
        let audit = Audit::new().with("subjects.csv", numbered("subjects.csv"));
        audit.with("consent.csv", numbered("consent.csv")).with("log.csv", numbered("log.csv"))
    };
    let measured = super::measured(&audit().run().audited(0));
    assert_eq!(super::whoever(measured), super::whoever(super::plain()));
    // `7` is another person than `007`.
    let subjects = numbered("subjects.csv").replace("\n007,", "\n7,");
    let record = audit().with("subjects.csv", subjects).run().audited(0);
    assert_eq!(crate::support::quality(&record, "subjects")["subjects_missing"], 1);
}
