//! `junit.xml`: a suite per step and a case per rule, for what shows the results of tests.

use std::fmt::Write;

use super::ci::{counted, inside, is_open_failure, place, set_aside};
use super::text::escape;
use crate::error::Result;
use crate::findings::{Disposition, Finding};
use crate::playbook::Verdict;
use crate::record::{Record, RuleResult, StepResult};

/// What a case is.
enum Outcome<'a> {
    Passed,
    /// Open findings, worst first. Readers show one failure of a case, so that all of them go into one.
    Failed(Vec<&'a Finding>),
    /// Neither: what nobody could look at, or has taken on, is no pass.
    Skipped(String),
}

/// The record as JUnit's XML, in what Jenkins, GitLab and GitHub's actions for it read alike. Time is 0: rules are
/// judged together, so that no rule has a time of its own.
pub fn render(record: &Record) -> Result<Vec<u8>> {
    let (mut suites, mut all) = (String::new(), Counts::default());
    for (number, step) in record.steps.iter().enumerate() {
        let (suite, counts) = suite(record, number, step);
        suites += &suite;
        all.add(&counts);
    }
    let name = attribute(&format!("Probity: {}", record.system.name));
    let counts = all.attributes();
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name={name} {counts}>\n{suites}</testsuites>\n"
    );
    Ok(text.into_bytes())
}

#[derive(Default)]
struct Counts {
    tests: usize,
    failures: usize,
    skipped: usize,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.tests += other.tests;
        self.failures += other.failures;
        self.skipped += other.skipped;
    }

    fn attributes(&self) -> String {
        let Self { tests, failures, skipped } = self;
        format!(r#"tests="{tests}" failures="{failures}" errors="0" skipped="{skipped}" time="0""#)
    }
}

fn suite(record: &Record, number: usize, step: &StepResult) -> (String, Counts) {
    let (mut cases, mut counts) = (String::new(), Counts::default());
    for rule in &step.rules {
        counts.tests += 1;
        let (class, name) = (attribute(step.id.id()), attribute(&rule.id));
        let _ = write!(cases, "    <testcase classname={class} name={name} time=\"0\"");
        match outcome(record, rule) {
            Outcome::Passed => cases.push_str("/>\n"),
            Outcome::Failed(findings) => {
                counts.failures += 1;
                let told = match findings[..] {
                    [one] => one.message.clone(),
                    _ => format!("{}; the worst: {}", counted(findings.len(), "finding"), findings[0].message),
                };
                let (message, severity) = (attribute(&told), attribute(rule.severity.label()));
                let _ = write!(cases, ">\n      <failure message={message} type={severity}>");
                for finding in findings {
                    let at = place(record, finding).map(|at| {
                        let path = inside(record, at.path).unwrap_or_else(|| at.path.to_owned());
                        format!("{path}:{}, ", at.line)
                    });
                    let line = format!("{} ({}{})", finding.message, at.unwrap_or_default(), finding.fingerprint);
                    let _ = writeln!(cases, "{}", content(&line));
                }
                let _ = writeln!(cases, "{}</failure>\n    </testcase>", content(&rule.remedy));
            }
            Outcome::Skipped(reason) => {
                counts.skipped += 1;
                let _ = writeln!(cases, ">\n      <skipped message={}/>\n    </testcase>", attribute(&reason));
            }
        }
    }
    let named = |name: &str, value: &str| format!("      <property name=\"{name}\" value={}/>\n", attribute(value));
    let properties = [
        named("step", step.id.title()),
        named("status", step.status.label()),
        named("gate", &record.verdict.sentence),
        named("as_of", record.system.as_of.as_deref().unwrap_or_default()),
        named("probity", &record.tool.version),
    ];
    // Without a zone, as the schemas of Jenkins and Ant have it; the record's times are UTC.
    let started = attribute(record.run.started.trim_end_matches('Z'));
    let head = format!("id=\"{number}\" name={} {} timestamp={started}", attribute(step.id.id()), counts.attributes());
    let properties = format!("    <properties>\n{}    </properties>\n", properties.concat());
    (format!("  <testsuite {head}>\n{properties}{cases}  </testsuite>\n"), counts)
}

fn outcome<'a>(record: &'a Record, rule: &RuleResult) -> Outcome<'a> {
    let findings = || record.findings.iter().filter(|finding| finding.rule == rule.id);
    let open: Vec<&Finding> = findings().filter(|finding| is_open_failure(finding)).collect();
    if !open.is_empty() {
        return Outcome::Failed(open);
    }
    let reason = rule.reason.clone().unwrap_or_else(|| rule.title.clone());
    let undecided = findings().filter(|finding| finding.status == Verdict::Inconclusive).count();
    Outcome::Skipped(match rule.status {
        Verdict::Pass => return Outcome::Passed,
        Verdict::NotApplicable => format!("not applicable: {reason}"),
        Verdict::NotEvidenced => format!("not evidenced: {reason}"),
        Verdict::Manual => format!("for a person: {}", rule.title),
        Verdict::Inconclusive => {
            format!("inconclusive: the evidence does not decide {}", counted(undecided, "finding"))
        }
        Verdict::Fail => {
            let kinds = [Disposition::Waived, Disposition::Baseline].map(|kind| {
                let those = findings().filter(|finding| finding.disposition == kind).count();
                (those > 0).then(|| format!("{} {}", counted(those, "finding"), set_aside(kind)))
            });
            format!("fails, and does not count: {}", kinds.into_iter().flatten().collect::<Vec<_>>().join(", "))
        }
    })
}

/// Text that XML 1.0 can hold: what is cleaned and escaped has no control characters; two code points remain.
fn content(text: &str) -> String {
    escape(text).replace(['\u{FFFE}', '\u{FFFF}'], "\u{FFFD}")
}

fn attribute(text: &str) -> String {
    format!("\"{}\"", content(text))
}
