//! `probity.prom`: the main numbers for Prometheus, as a file that the node exporter's textfile collector reads and that
//! is valid OpenMetrics 1.0 too. The collector knows Prometheus' older text format, so that all families are gauges (it
//! refuses the types that OpenMetrics added) and the units and the end are comments to it.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::ci::verdict;
use super::findings_csv::disposition;
use crate::decisions::baseline::Gone;
use crate::error::Result;
use crate::facts::{Fact, attributes, judged::Judged};
use crate::findings::State;
use crate::playbook::Verdict;
use crate::record::{EvidenceFile, GateStatus, Record};
use crate::stats::Interval;

const GATE: [(GateStatus, &str); 3] = [
    (GateStatus::Passed, "passed"),
    (GateStatus::Failed, "failed"),
    (GateStatus::NothingEvaluated, "nothing_evaluated"),
];

const VERDICTS: [Verdict; 6] = [
    Verdict::NotApplicable,
    Verdict::Pass,
    Verdict::Manual,
    Verdict::NotEvidenced,
    Verdict::Inconclusive,
    Verdict::Fail,
];

/// The record's numbers, each with the label `system`, so that audits of several systems can lie in one folder.
pub fn render(record: &Record) -> Result<Vec<u8>> {
    let mut page = Page { system: &record.system.name, families: Vec::new() };
    audit(&mut page, record);
    findings(&mut page, record);
    since_baseline(&mut page, record);
    consent(&mut page, record);
    outcomes(&mut page, record);
    evidence(&mut page, record);
    Ok(page.text().into_bytes())
}

fn audit(page: &mut Page, record: &Record) {
    let info = page.family("probity_audit_info", "", "What was audited, and by what; always 1.");
    let policies: Vec<&str> = record.system.policies.iter().map(|policy| policy.version.as_str()).collect();
    let as_of = record.system.as_of.as_deref().unwrap_or_default();
    info.add(&[("version", &record.tool.version), ("as_of", as_of), ("policies", &policies.join(","))], 1.0);
    if let Ok(started) = chrono::DateTime::parse_from_rfc3339(&record.run.started) {
        let help = "When the audit ran, in seconds since 1970.";
        page.family("probity_audit_timestamp_seconds", "seconds", help).add(&[], started.timestamp() as f64);
    }
    if let Ok(day) = as_of.parse::<chrono::NaiveDate>() {
        let help = "Start of the day (UTC) that the audit speaks for, in seconds since 1970.";
        let seconds = day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp() as f64;
        page.family("probity_audit_as_of_timestamp_seconds", "seconds", help).add(&[], seconds);
    }
    let help = "How long the audit took.";
    page.family("probity_audit_duration_seconds", "seconds", help).add(&[], record.run.seconds);
    let gate = page.family("probity_gate_status", "", "Whether the gate has this status: 1 for one, 0 for the others.");
    for (status, name) in GATE {
        gate.add(&[("status", name)], flag(status == record.verdict.status));
    }
    let steps = page.family("probity_step_status", "", "Whether a step of the playbook has this status: 1 for one.");
    for step in &record.steps {
        for status in VERDICTS {
            steps.add(&[("step", step.id.id()), ("status", verdict(status))], flag(step.status == status));
        }
    }
}

/// Every rule has a series for its open failures, so that an alert on it sees it fall to 0.
fn findings(page: &mut Page, record: &Record) {
    let rules = page.family("probity_rule_status", "", "The status of a rule, in a label; always 1.");
    for step in &record.steps {
        for rule in &step.rules {
            let (severity, status) = (rule.severity.label(), verdict(rule.status));
            rules.add(&[("rule", &rule.id), ("step", step.id.id()), ("severity", severity), ("status", status)], 1.0);
        }
    }
    let mut counts: BTreeMap<[&str; 5], u64> = BTreeMap::new();
    for step in &record.steps {
        for rule in step.rules.iter().filter(|rule| rule.on.is_some()) {
            counts.insert([&rule.id, step.id.id(), rule.severity.label(), "fail", "open"], 0);
        }
    }
    for finding in &record.findings {
        let (step, severity) = (finding.step.id(), finding.severity.label());
        let key = [&finding.rule, step, severity, verdict(finding.status), disposition(finding.disposition)];
        *counts.entry(key).or_default() += 1;
    }
    let help = "Findings, by rule, whether it fails or is inconclusive, and what became of them.";
    let family = page.family("probity_findings", "", help);
    for ([rule, step, severity, status, disposition], count) in counts {
        let labels =
            [("rule", rule), ("step", step), ("severity", severity), ("status", status), ("disposition", disposition)];
        family.add(&labels, count as f64);
    }
}

/// Nothing without a baseline.
fn since_baseline(page: &mut Page, record: &Record) {
    let Some(baseline) = &record.baseline else { return };
    let help = "Findings by what became of them since the baseline; those that are gone by what they were.";
    let family = page.family("probity_findings_since_baseline", "", help);
    for state in State::ALL {
        for status in [Verdict::Fail, Verdict::Inconclusive] {
            let now = record.findings.iter().filter(|of| of.since_baseline == Some(state) && of.status == status);
            let gone: &[Gone] = match state {
                State::Fixed => &baseline.since.fixed,
                State::NotComparable => &baseline.since.not_comparable,
                _ => &[],
            };
            let gone = gone.iter().filter(|gone| gone.status == status);
            let (state, count) = (state.words().replace(' ', "_"), now.count() + gone.count());
            family.add(&[("state", &state), ("status", verdict(status))], count as f64);
        }
    }
}

fn consent(page: &mut Page, record: &Record) {
    let help = "Decisions (or other uses) that used a category of data, by what consent says of them.";
    let uses = page.family("probity_use_decisions", "", help);
    for fact in &record.facts {
        let Fact::DataUse(fact) = fact else { continue };
        let version = fact.policy_version.as_deref().unwrap_or_default();
        let labels = [
            ("strategy", fact.strategy.as_str()),
            ("purpose", &fact.purpose),
            ("operation", &fact.operation),
            ("category", &fact.category),
            ("jurisdiction", &fact.jurisdiction),
            ("policy", version),
        ];
        uses.add_judged(&labels, &fact.counts);
    }
    let help = "Decisions (or other uses) that combined two contexts, by what consent says of them.";
    let joins = page.family("probity_join_decisions", "", help);
    for fact in &record.facts {
        let Fact::Join(fact) = fact else { continue };
        let (version, contexts) = (fact.policy_version.as_deref().unwrap_or_default(), fact.contexts.join("+"));
        let required = if fact.requires_consent { "yes" } else { "no" };
        let labels = [
            ("strategy", fact.strategy.as_str()),
            ("purpose", &fact.purpose),
            ("operation", &fact.operation),
            ("contexts", &contexts),
            ("requires_consent", required),
            ("policy", version),
        ];
        joins.add_judged(&labels, &fact.counts);
    }
}

/// Three families, because an average over an estimate and its limits would mean nothing.
fn outcomes(page: &mut Page, record: &Record) {
    type Limit = fn(&Interval) -> f64;
    let families: [(&str, &str, Limit); 3] = [
        ("probity_outcome_ratio", "A segment's outcome over the reference's: the estimate.", |of| of.estimate),
        ("probity_outcome_ratio_low", "The lower limit of probity_outcome_ratio.", |of| of.low),
        ("probity_outcome_ratio_high", "The upper limit of probity_outcome_ratio.", |of| of.high),
    ];
    for (name, help, limit) in families {
        let family = page.family(name, "", help);
        for fact in &record.facts {
            let Fact::OutcomeParity(fact) = fact else { continue };
            let Some(ratio) = fact.ratio.as_ref().filter(|_| !fact.suppressed) else { continue };
            let [segment, reference, within] = [&fact.segment, &fact.reference, &fact.within].map(attributes);
            let labels = [
                ("strategy", fact.strategy.as_str()),
                ("metric", &fact.metric),
                ("segment", &segment),
                ("reference", &reference),
                ("within", &within),
            ];
            family.add(&labels, limit(ratio));
        }
    }
}

fn evidence(page: &mut Page, record: &Record) {
    type Rows = fn(&EvidenceFile) -> Option<u64>;
    let families: [(&str, &str, Rows); 2] = [
        ("probity_evidence_rows", "Rows of a table of evidence, rejected ones included.", |file| file.rows),
        ("probity_evidence_rejected_rows", "Rows of a table of evidence that could not be read.", |file| file.rejected),
    ];
    for (name, help, of) in families {
        let mut roles: BTreeMap<&str, u64> = BTreeMap::new();
        for file in &record.evidence {
            if let Some(rows) = of(file) {
                *roles.entry(&file.role).or_default() += rows;
            }
        }
        let family = page.family(name, "", help);
        for (role, rows) in roles {
            family.add(&[("role", role)], rows as f64);
        }
    }
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

struct Page<'a> {
    system: &'a str,
    families: Vec<Family>,
}

struct Family {
    head: String,
    name: &'static str,
    /// Already escaped.
    system: String,
    /// By their labels: a series may stand there once only.
    samples: BTreeMap<String, f64>,
}

impl Page<'_> {
    fn family(&mut self, name: &'static str, unit: &str, help: &str) -> &mut Family {
        let mut head = format!("# HELP {name} {help}\n# TYPE {name} gauge\n");
        if !unit.is_empty() {
            let _ = writeln!(head, "# UNIT {name} {unit}");
        }
        self.families.push(Family { head, name, system: escape(self.system), samples: BTreeMap::new() });
        let last = self.families.len() - 1;
        &mut self.families[last]
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for family in self.families.iter().filter(|family| !family.samples.is_empty()) {
            text.push_str(&family.head);
            for (labels, value) in &family.samples {
                let _ = writeln!(text, "{}{labels} {}", family.name, number(*value));
            }
        }
        text.push_str("# EOF\n");
        text
    }
}

impl Family {
    fn add(&mut self, labels: &[(&str, &str)], value: f64) {
        let mut text = format!("{{system=\"{}\"", self.system);
        for (name, value) in labels {
            let _ = write!(text, ",{name}=\"{}\"", escape(value));
        }
        text.push('}');
        self.samples.entry(text).or_insert(value);
    }

    fn add_judged(&mut self, labels: &[(&str, &str)], counts: &Judged) {
        let parts = [
            ("permitted", counts.events_permitted),
            ("in_grace", counts.events_in_grace),
            ("without", counts.events_without_consent),
            ("unknown", counts.events_unknown),
            ("before_policy", counts.events_before_policy),
        ];
        for (consent, count) in parts {
            let labels: Vec<_> = labels.iter().copied().chain([("consent", consent)]).collect();
            self.add(&labels, count as f64);
        }
    }
}

/// A label's value. Other control characters than the line feed are spelt out, so that no reader breaks a line there.
fn escape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                let _ = write!(text, "<U+{:04X}>", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text
}

fn number(value: f64) -> String {
    if value.is_infinite() { if value > 0.0 { "+Inf".into() } else { "-Inf".into() } } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_breaks_no_line_and_no_series_stands_there_twice() {
        assert_eq!(escape("a\\b\"c\nd\re\u{2028}"), "a\\\\b\\\"c\\nd<U+000D>e<U+2028>");
        let mut page = Page { system: "x", families: Vec::new() };
        let family = page.family("probity_x_seconds", "seconds", "Help.");
        family.add(&[("a", "1")], 2.5);
        family.add(&[("a", "1")], 3.0);
        family.add(&[("a", "2")], f64::NEG_INFINITY);
        page.family("probity_empty", "", "Nothing.");
        let expected = "# HELP probity_x_seconds Help.\n# TYPE probity_x_seconds gauge\n# UNIT probity_x_seconds seconds\n\
                        probity_x_seconds{system=\"x\",a=\"1\"} 2.5\nprobity_x_seconds{system=\"x\",a=\"2\"} -Inf\n# EOF\n";
        assert_eq!(page.text(), expected);
    }
}
