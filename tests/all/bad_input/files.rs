//! Files that are not there, not whole, or not what they are called.

use std::io::Write;

use crate::support::{Audit, HEADER, csv, facts, log, subject};

#[test]
fn a_missing_file_is_told_with_its_line_and_the_nearest_name() {
    Audit::new().without("log.csv").run().refused(&["there is no file `log.csv`", "audit.yaml:40:11"]);
    let audit = Audit::new().replacing("audit.yaml", "path: subjects.csv", "path: subject.csv");
    audit.run().refused(&["there is no file `subject.csv`", "there is a `subjects.csv`"]);
    Audit::new().without("data-map.yaml").run().refused(&["data-map.yaml: cannot read", "no such file or folder"]);
    Audit::new().without("policy.yaml").run().refused(&["policy.yaml: cannot read", "no such file or folder"]);
    Audit::new().without("audit.yaml").run().refused(&["audit.yaml: cannot read", "no such file or folder"]);
    let audit = Audit::new().source("path: logs/*.csv");
    audit.run().refused(&["no file matches `logs/*.csv`", "audit.yaml:40:11"]);
    let audit = Audit::new().with("logs/readme.txt", "nothing").source("path: logs");
    audit.run().refused(&["the folder `logs` holds no csv, jsonl or parquet file", "audit.yaml:40:11"]);
    let audit = Audit::new().with("log.txt", HEADER).source("path: log.txt");
    audit.run().refused(&["the format of `log.txt` cannot be told from its name", "state `format: csv`"]);
}

#[test]
fn a_log_with_a_header_alone_evaluates_nothing() {
    for layout in ["impressions", "decisions"] {
        let audit = Audit::new().with("log.csv", format!("{HEADER}\n"));
        let run = audit.source(&format!("path: log.csv\n    layout: {layout}")).run();
        let record = run.audited(3);
        assert!(run.stderr.contains("exit 3: Nothing was evaluated"), "{}", run.stderr);
        assert_eq!(record["verdict"]["status"], "nothing_evaluated");
        assert!(facts(&record, "outcome_parity").is_empty());
        assert_ne!(record["steps"][4]["status"], "pass");
    }
}

#[test]
fn a_file_of_no_bytes_is_refused() {
    for name in ["log.csv", "log.csv.gz", "log.jsonl", "log.parquet"] {
        let audit = Audit::new().with(name, "");
        let audit = if name == "log.csv" { audit } else { audit.source(&format!("path: {name}")) };
        audit.run().refused(&[name]);
    }
    Audit::new().with("log.csv", "").run().refused(&["log.csv:1: the file is empty", "header"]);
    Audit::new().with("log.csv", "\n\n").run().refused(&["log.csv:1: the file is empty", "header"]);
    Audit::new().with("audit.yaml", "").run().refused(&["audit.yaml"]);
    Audit::new().with("policy.yaml", "").run().refused(&["policy.yaml"]);
}

#[test]
fn a_log_of_one_person_shows_and_compares_nobody() {
    let only: Vec<_> = log().into_iter().filter(|row| row.subject == subject(7)).collect();
    let run = Audit::new().with("log.csv", csv(&only)).run();
    let record = run.audited(0); // Consent was judged, and is in order.
    let cells = facts(&record, "outcome_parity");
    assert!(!cells.is_empty());
    for cell in cells {
        assert_eq!(cell["suppressed"], true, "{cell}");
        for hidden in ["subjects", "impressions", "rate", "ratio", "difference"] {
            assert!(cell[hidden].is_null(), "{hidden} of {cell}");
        }
    }
    let bias = &record["steps"][4];
    assert_eq!(bias["id"], "test-for-bias");
    assert_ne!(bias["status"], "pass");
    run.leaks_nobody();
}

#[test]
fn compressed_files_that_end_early_are_refused() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(csv(&log()).as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(csv(&log()).as_bytes(), 0).unwrap();
    for (name, bytes) in [("log.csv.gz", gzip), ("log.csv.zst", zstd)] {
        for kept in [bytes.len() - 6, bytes.len() / 2, 12] {
            let audit = Audit::new().with(name, &bytes[..kept]).source(&format!("path: {name}"));
            audit.run().refused(&[&format!("{name}:"), "cannot read"]);
        }
        let audit = Audit::new().with(name, "not compressed at all").source(&format!("path: {name}"));
        audit.run().refused(&[&format!("{name}:")]);
    }
}

#[test]
fn a_parquet_file_that_is_cut_or_damaged_is_refused() {
    let whole = crate::readers::parquet::impressions(&log());
    let audit = |bytes: &[u8]| Audit::new().with("log.parquet", bytes).source("path: log.parquet");
    assert_eq!(audit(&whole).run().code, Some(0));
    for kept in [whole.len() - 9, whole.len() / 2, 6] {
        audit(&whole[..kept]).run().refused(&["log.parquet: cannot read this as Parquet"]);
    }
    audit(csv(&log()).as_bytes()).run().refused(&["log.parquet: cannot read this as Parquet"]);
    let mut damaged = whole.clone();
    damaged[8..200].fill(0xff);
    audit(&damaged).run().refused(&["log.parquet: cannot read this as Parquet"]);
}

#[test]
fn outputs_go_to_a_folder_and_nowhere_else() {
    let run = Audit::new().with("report", "a file of mine").run();
    run.refused(&["report: this is a file; expected a folder to write to"]);
    assert_eq!(run.audit.text("report"), "a file of mine");
    let run = Audit::new().with("taken", "a file of mine").run_to("taken/report");
    run.refused(&["taken"]);
    assert_eq!(run.audit.text("taken"), "a file of mine");
}

#[test]
fn a_command_that_cannot_be_read_ends_with_the_meaning_of_its_code() {
    let run = |arguments: &[&str]| {
        let mut command = assert_cmd::Command::cargo_bin("probity").unwrap();
        command.args(arguments).output().unwrap()
    };
    let wrong = run(&["audit", "--owt", "x"]);
    assert_eq!(wrong.status.code(), Some(2));
    let told = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert_eq!(told.lines().last(), Some("exit 2: could not audit: the command cannot be read"));
    let help = run(&["--help"]);
    assert_eq!((help.status.code(), help.stderr.is_empty()), (Some(0), true));
}
