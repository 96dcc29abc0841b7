//! What the formats for other tools share: where a finding is shown, how loudly, and under which names.

use crate::findings::{Disposition, Evidence, Finding};
use crate::playbook::{Severity, Verdict};
use crate::record::Record;

/// A line of a file, its path as the record has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot<'a> {
    pub path: &'a str,
    pub line: u64,
}

/// The line that a finding is about: the clause of the policy it violates, else a line that people wrote (manifest, data
/// map, SQL). Never a log's: nobody mends one there.
pub fn place<'a>(record: &Record, finding: &'a Finding) -> Option<Spot<'a>> {
    let written = |evidence: &&Evidence| {
        let (Some(path), true) = (&evidence.path, evidence.label != "waiver") else { return false };
        let file = record.evidence.iter().find(|file| file.path == *path);
        evidence.line.is_some()
            && file.is_none_or(|file| file.rows.is_none() || file.format == "sql")
            && inside(record, path).is_some()
    };
    let mut places: Vec<&Evidence> = finding.evidence.iter().filter(written).collect();
    places.sort_by_key(|evidence| evidence.label != "policy clause");
    places.first().and_then(|evidence| Some(Spot { path: evidence.path.as_deref()?, line: evidence.line? }))
}

/// [`place`], or the start of the manifest for what has none: tools that show findings in files drop those without.
pub fn spot<'a>(record: &'a Record, finding: &'a Finding) -> Spot<'a> {
    place(record, finding).unwrap_or(Spot { path: manifest(record), line: 1 })
}

/// The manifest as the record names it.
pub fn manifest(record: &Record) -> &str {
    let file = record.evidence.iter().find(|file| file.role == "manifest");
    file.map_or("audit.yaml", |file| file.path.as_str())
}

/// A path of the record from the folder the program ran in, without `.` and `..`; none when it lies outside.
pub fn inside(record: &Record, path: &str) -> Option<String> {
    if is_absolute(path) {
        return None;
    }
    let folder = record.run.folder.as_deref().unwrap_or_default();
    let mut names: Vec<&str> = Vec::new();
    for name in folder.split('/').chain(path.split('/')) {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()?),
            name => names.push(name),
        }
    }
    (!names.is_empty()).then(|| names.join("/"))
}

/// Whether a path starts at a root, on Unix or on Windows.
pub fn is_absolute(path: &str) -> bool {
    let mut chars = path.chars();
    let drive = chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.next() == Some(':')
        && matches!(chars.next(), Some('/' | '\\'));
    drive || path.starts_with(['/', '\\'])
}

/// How loudly tools tell a severity: the words of SARIF.
pub fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    }
}

/// A verdict as the record writes it.
pub fn verdict(of: Verdict) -> &'static str {
    match of {
        Verdict::NotApplicable => "not_applicable",
        Verdict::Pass => "pass",
        Verdict::Manual => "manual",
        Verdict::NotEvidenced => "not_evidenced",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Fail => "fail",
    }
}

/// Whether a finding is wrong and nobody took it on.
pub fn is_open_failure(finding: &Finding) -> bool {
    finding.status == Verdict::Fail && finding.disposition == Disposition::Open
}

/// Why a finding does not count, after its number.
pub fn set_aside(of: Disposition) -> &'static str {
    match of {
        Disposition::Open => "open",
        Disposition::Waived => "waived",
        Disposition::Baseline => "of the baseline, and no worse",
    }
}

/// `1 finding`, `2 findings`.
pub fn counted(count: usize, noun: &str) -> String {
    format!("{} {noun}{}", super::text::count(count as u64), if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn paths_are_told_from_where_the_program_ran() {
        let mut record = sample::record();
        record.run.folder = None;
        assert_eq!(inside(&record, "./map/../policy.yaml").as_deref(), Some("policy.yaml"));
        record.run.folder = Some("privacy/shop".into());
        assert_eq!(inside(&record, "audit.yaml").as_deref(), Some("privacy/shop/audit.yaml"));
        assert_eq!(inside(&record, "../policy.yaml").as_deref(), Some("privacy/policy.yaml"));
        for outside in ["../../../etc/passwd", "/etc/passwd", "C:\\x", "C:/x", "\\\\host\\share", "../..", ""] {
            let told = inside(&record, outside);
            assert!(told.is_none() || outside.is_empty(), "{outside}: {told:?}");
        }
        assert_eq!(inside(&record, "C:x").as_deref(), Some("privacy/shop/C:x"), "a name, not a drive");
    }

    #[test]
    fn a_finding_is_shown_at_the_clause_it_violates_and_never_in_a_log() {
        let mut record = sample::record();
        let clause = Spot { path: "policy.yaml", line: 12 };
        assert_eq!(spot(&record, &record.findings[0]), clause);
        record.findings[0].evidence.reverse();
        assert_eq!(spot(&record, &record.findings[0]), clause, "whatever the order");
        record.findings[0].evidence.retain(|evidence| evidence.label != "policy clause");
        assert_eq!(spot(&record, &record.findings[0]), Spot { path: "sql/join_web_store.sql", line: 31 });
        let log = Evidence::place("combined at", "", "log/2026-03.parquet", 7);
        let far = Evidence::place("policy clause", "", "../elsewhere.yaml", 7);
        let waiver = Evidence::place("waiver", "", "decisions.yaml", 2);
        record.findings[0].evidence = vec![log, far, waiver];
        assert_eq!(spot(&record, &record.findings[0]), Spot { path: "audit.yaml", line: 1 });
    }
}
