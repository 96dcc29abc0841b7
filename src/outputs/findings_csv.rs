//! `findings.csv`: one row per finding, for those who sort and filter in a spreadsheet.

use crate::error::{Error, Result};
use crate::findings::{Disposition, Evidence, Finding, State};
use crate::record::Record;

const COLUMNS: [&str; 10] = [
    "rule",
    "step",
    "severity",
    "status",
    "disposition",
    "fingerprint",
    "message",
    "evidence",
    "since_baseline",
    "since_last_audit",
];

/// All findings, in the record's order, as RFC 4180 CSV.
pub fn render(record: &Record) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(fault)?;
    for finding in &record.findings {
        writer.write_record(row(finding).iter().map(|field| inert(field))).map_err(fault)?;
    }
    writer.into_inner().map_err(fault)
}

fn row(finding: &Finding) -> [String; 10] {
    [
        finding.rule.clone(),
        finding.step.id().to_owned(),
        finding.severity.label().to_owned(),
        finding.status.label().to_owned(),
        disposition(finding.disposition).to_owned(),
        finding.fingerprint.clone(),
        finding.message.clone(),
        finding.evidence.iter().map(flat).collect::<Vec<_>>().join("; "),
        since(finding.since_baseline),
        since(finding.since_last_audit),
    ]
}

/// Empty without an earlier audit.
fn since(state: Option<State>) -> String {
    state.map(State::words).unwrap_or_default().to_owned()
}

/// What became of a finding, in a word.
pub(super) fn disposition(of: Disposition) -> &'static str {
    match of {
        Disposition::Open => "open",
        Disposition::Waived => "waived",
        Disposition::Baseline => "baseline",
    }
}

/// A piece of evidence as `label: value (path:line)`.
fn flat(evidence: &Evidence) -> String {
    let mut text = evidence.label.clone();
    if !evidence.value.is_empty() {
        text.push_str(": ");
        text.push_str(&evidence.value);
    }
    match (&evidence.path, evidence.line) {
        (Some(path), Some(line)) => text.push_str(&format!(" ({path}:{line})")),
        (Some(path), None) => text.push_str(&format!(" ({path})")),
        _ => {}
    }
    text
}

/// A field that no spreadsheet takes for a formula: an apostrophe goes before the characters that start one, their
/// full-width forms included (OWASP, CSV Injection).
fn inert(field: &str) -> String {
    let risky = |first: char| matches!(first, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠');
    if field.starts_with(risky) { format!("'{field}") } else { field.to_owned() }
}

fn fault(error: impl std::fmt::Display) -> Error {
    Error::Internal(format!("cannot write the findings as CSV: {error}"))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn every_finding_is_a_row_that_reads_back() {
        let mut record = sample::record();
        record.findings[0].since_baseline = Some(State::NotComparable);
        record.findings[0].since_last_audit = Some(State::New);
        let bytes = render(&record).unwrap();
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), COLUMNS);
        let rows: Vec<_> = reader.records().map(|row| row.unwrap()).collect();
        assert_eq!(rows.len(), record.findings.len());
        assert_eq!((&rows[0][8], &rows[0][9], &rows[1][8]), ("not comparable", "new", ""));
        for (row, finding) in rows.iter().zip(&record.findings) {
            assert_eq!(row.get(0), Some(inert(&finding.rule).as_str()));
            assert_eq!(row.get(6), Some(inert(&finding.message).as_str()));
        }
    }

    #[test]
    fn no_field_starts_a_formula() {
        for hostile in ["=cmd()", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"] {
            assert_eq!(inert(hostile), format!("'{hostile}"));
        }
        assert_eq!(inert("a=b"), "a=b");

        let mut record = sample::record();
        record.findings[0].rule = "=rule".into();
        record.findings[0].message = "@message".into();
        record.findings[0].fingerprint = "+print".into();
        record.findings[0].evidence = vec![Evidence::value("=HYPERLINK(\"x\")", "y")];
        let bytes = render(&record).unwrap();
        for row in csv::Reader::from_reader(bytes.as_slice()).records() {
            for field in &row.unwrap() {
                assert!(!field.starts_with(['=', '+', '-', '@', '\t', '\r']), "{field}");
            }
        }
    }

    #[test]
    fn a_place_follows_its_value() {
        assert_eq!(
            flat(&Evidence::place("policy clause", "consent", "policy.yaml", 12)),
            "policy clause: consent (policy.yaml:12)"
        );
        assert_eq!(flat(&Evidence::value("fields", "a, b")), "fields: a, b");
    }
}
