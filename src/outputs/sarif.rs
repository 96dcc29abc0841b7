//! `probity.sarif`: the findings in the Static Analysis Results Interchange Format (SARIF) 2.1.0, OASIS 2020, for code
//! scanning. What the tools that read it do with each part is said beside it.

use serde_json::{Value, json};

use super::ci::{inside, is_absolute, is_open_failure, level, manifest, spot, verdict};
use super::findings_csv::disposition;
use super::markdown;
use super::text::clean;
use crate::decisions::baseline::Gone;
use crate::decisions::waivers::{WaiverResult, WaiverState};
use crate::error::{Error, Result};
use crate::findings::{Disposition, Evidence, Finding, State};
use crate::playbook::{Severity, Step, Verdict};
use crate::record::{EvidenceFile, Record, RuleResult};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// What relative paths start from: the folder the program ran in. Consumers put the repository in its place.
const BASE: &str = "%SRCROOT%";

/// Conditions that are told beside the results: id, what they mean, what to do.
const NOTICES: [(&str, &str, &str); 3] = [
    (
        "waiver-without-effect",
        "A waiver keeps no finding from failing the gate.",
        "Renew the waiver or mend what it was about, and take it out of the file.",
    ),
    (
        "not-evidenced",
        "A rule could not be evaluated, because nobody handed over what it needs.",
        "Hand over what the message names, in the manifest.",
    ),
    ("for-a-person", "A rule asks what no program can answer.", "Answer it in the report, and sign it."),
];

/// The record as one run. Results are findings alone: what passed is no result, and what nobody could look at is told
/// as a notification, so that silence never reads as a pass.
pub fn render(record: &Record) -> Result<Vec<u8>> {
    let fixed = record.baseline.iter().flat_map(|baseline| &baseline.since.fixed);
    log(record, record.findings.iter(), fixed)
}

/// The same with the open failing findings as its only results. GitHub's code scanning shows every result as an open alert,
/// whatever its kind, suppressions and baseline state say.
pub fn render_open(record: &Record) -> Result<Vec<u8>> {
    log(record, record.findings.iter().filter(|finding| is_open_failure(finding)), std::iter::empty())
}

fn log<'a>(
    record: &Record,
    findings: impl Iterator<Item = &'a Finding>,
    fixed: impl Iterator<Item = &'a Gone>,
) -> Result<Vec<u8>> {
    let rules: Vec<(Step, &RuleResult)> =
        record.steps.iter().flat_map(|step| step.rules.iter().map(|rule| (step.id, rule))).collect();
    let mut results: Vec<Value> = findings.map(|finding| result(record, &rules, finding)).collect();
    results.extend(fixed.map(|gone| absent(record, &rules, gone)));
    let notices = NOTICES.map(|(id, what, help)| {
        json!({ "id": id, "shortDescription": message(what), "fullDescription": message(what), "help": message(help) })
    });
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "Probity",
                "version": record.tool.version,
                "semanticVersion": record.tool.version,
                "rules": rules.iter().map(|(step, rule)| descriptor(*step, rule)).collect::<Vec<_>>(),
                "notifications": notices,
            }},
            "automationDetails": { "id": automation(record) },
            "originalUriBaseIds": { BASE: { "description": message("The folder in which Probity ran.") } },
            "invocations": [invocation(record, &rules)],
            "artifacts": record.evidence.iter().map(|file| artifact(record, file)).collect::<Vec<_>>(),
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    let mut bytes = serde_json::to_vec_pretty(&log).map_err(|error| Error::Internal(error.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// GitHub takes all before the last slash as the category under which it compares runs.
fn automation(record: &Record) -> String {
    let day = record.system.as_of.as_deref().unwrap_or_default();
    format!("probity/{}/{}", encoded(&record.system.name).replace('/', "%2F"), encoded(day))
}

fn descriptor(step: Step, rule: &RuleResult) -> Value {
    let references = rule.references.join("; ");
    let text = format!("{} References: {references}", rule.remedy);
    let listed: String = rule.references.iter().map(|of| format!("\n- {}", markdown::text(of))).collect();
    let markdown = format!("{}\n\nReferences:\n{listed}\n", markdown::prose(&rule.remedy));
    let (text, markdown) = match rule.references.is_empty() {
        true => (rule.remedy.clone(), markdown::prose(&rule.remedy)),
        false => (text, markdown),
    };
    let mut value = json!({
        "id": rule.id,
        "shortDescription": message(&rule.title),
        "fullDescription": message(&rule.why),
        "help": { "text": clean(&text), "markdown": markdown },
        "defaultConfiguration": { "level": level(rule.severity) },
        "properties": {
            "step": step.id(),
            "pack": rule.pack,
            "severity": rule.severity.label(),
            "params": rule.params,
            // GitHub shows four severities only for what is tagged `security` and has a score; else three.
            "security-severity": score(rule.severity),
            "tags": ["security", "privacy", step.id()],
        },
    });
    // A name that repeats the id says nothing (rule SARIF1001 of Microsoft's validator).
    if let Some(name) = Some(pascal(&rule.id)).filter(|name| !name.eq_ignore_ascii_case(&rule.id)) {
        value["name"] = json!(name);
    }
    if let Some(uri) = rule.references.iter().find(|reference| is_url(reference)) {
        value["helpUri"] = json!(uri);
    }
    value
}

/// In the middle of the range that GitHub gives each word.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
    }
}

fn result(record: &Record, rules: &[(Step, &RuleResult)], finding: &Finding) -> Value {
    let at = spot(record, finding);
    let (mut related, mut links, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for evidence in &finding.evidence {
        match &evidence.path {
            Some(path) if path == at.path && evidence.line == Some(at.line) => {}
            Some(path) => {
                let id = related.len() + 1;
                let mut place = location(record, path, evidence.line);
                place["id"] = json!(id);
                place["message"] = message(&label(evidence));
                related.push(place);
                links.push(format!("[{}]({id})", plain(&evidence.label)));
            }
            None => values.push(label(evidence)),
        }
    }
    // Places are shown by GitHub where the message links to them.
    let mut text = plain(&finding.message);
    if !links.is_empty() {
        text = format!("{text}; see {}", links.join(", "));
    }
    let fails = finding.status == Verdict::Fail;
    let mut value = json!({
        "ruleId": finding.rule,
        // A kind other than `fail` has no level (3.27.10); `open` is a rule for which the information does not suffice.
        "kind": if fails { "fail" } else { "open" },
        "level": if fails { level(finding.severity) } else { "none" },
        "message": { "text": text },
        "locations": [location(record, at.path, Some(at.line))],
        "partialFingerprints": {
            // The one that GitHub compares. Its own, made of the line alone, would melt all findings of a line into one.
            "primaryLocationLineHash": finding.fingerprint,
            "probity/v1": finding.fingerprint,
        },
    });
    if let Some(index) = rules.iter().position(|(_, rule)| rule.id == finding.rule) {
        value["ruleIndex"] = json!(index);
    }
    if record.baseline.is_some() {
        value["baselineState"] = json!(baseline_state(finding.since_baseline));
    }
    if !related.is_empty() {
        value["relatedLocations"] = json!(related);
    }
    if let Some(suppression) = suppression(record, finding) {
        value["suppressions"] = json!([suppression]);
    }
    value["properties"] = json!({
        "step": finding.step.id(),
        "severity": finding.severity.label(),
        "status": verdict(finding.status),
        "disposition": disposition(finding.disposition),
        "sinceBaseline": finding.since_baseline.map(State::words),
        "evidence": values,
    });
    value
}

/// A finding of the baseline that is fixed.
fn absent(record: &Record, rules: &[(Step, &RuleResult)], gone: &Gone) -> Value {
    let failed = gone.status == Verdict::Fail;
    let about: Vec<String> = gone.about.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let mut value = json!({
        "ruleId": gone.rule,
        "kind": if failed { "fail" } else { "open" },
        "level": if failed { level(gone.severity) } else { "none" },
        "message": message(&format!("fixed since the baseline: {}", about.join(", "))),
        "locations": [location(record, manifest(record), Some(1))],
        "partialFingerprints": { "primaryLocationLineHash": gone.fingerprint, "probity/v1": gone.fingerprint },
        "baselineState": "absent",
    });
    if let Some(index) = rules.iter().position(|(_, rule)| rule.id == gone.rule) {
        value["ruleIndex"] = json!(index);
    }
    value
}

/// The state in SARIF's words (3.27.24): `updated` is there in both and not the same. What is about the difference itself
/// was not there before.
fn baseline_state(state: Option<State>) -> &'static str {
    match state {
        None | Some(State::New) => "new",
        Some(State::Same) => "unchanged",
        Some(State::Worse | State::Better | State::NotComparable) => "updated",
        Some(State::Fixed) => "absent",
    }
}

/// What keeps the finding from failing the gate. A waiver without effect is none, not even a rejected one: readers that
/// do not look at `status` would hide an open finding. It is told as a notification.
fn suppression(record: &Record, finding: &Finding) -> Option<Value> {
    match finding.disposition {
        Disposition::Open => None,
        Disposition::Baseline => Some(json!({
            "kind": "external",
            "status": "accepted",
            "justification": "It was there when the baseline was written, and is no worse now.",
        })),
        Disposition::Waived => {
            let mut value = json!({ "kind": "external", "status": "accepted" });
            let applies = |waiver: &&WaiverResult| {
                waiver.state == WaiverState::Applied && waiver.findings.contains(&finding.fingerprint)
            };
            if let Some(waiver) = record.waivers.iter().find(applies) {
                let WaiverResult { reason, owner, expires, approved_by, .. } = waiver;
                let told = format!("{reason} ({owner} answers for it until {expires}; approved by {approved_by})");
                value["justification"] = json!(clean(&told));
                value["location"] = location(record, &waiver.path, Some(waiver.line));
            }
            Some(value)
        }
    }
}

fn invocation(record: &Record, rules: &[(Step, &RuleResult)]) -> Value {
    let mut configuration = Vec::new();
    for waiver in record.waivers.iter().filter(|waiver| waiver.state != WaiverState::Applied) {
        let text = format!("the waiver of `{}` has no effect: {}", waiver.rule, waiver.state.words());
        let mut told = notice(rules, 0, "warning", &waiver.rule, &text);
        told["locations"] = json!([location(record, &waiver.path, Some(waiver.line))]);
        told["properties"] = json!({ "owner": waiver.owner, "expires": waiver.expires, "findings": waiver.findings });
        configuration.push(told);
    }
    let mut execution = Vec::new();
    for (_, rule) in rules {
        let reason = rule.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        match rule.status {
            Verdict::NotEvidenced => {
                execution.push(notice(rules, 1, "note", &rule.id, &format!("`{}` was not evaluated{reason}", rule.id)));
            }
            Verdict::Manual => {
                let text = format!("`{}` asks a person: {}", rule.id, rule.title);
                execution.push(notice(rules, 2, "note", &rule.id, &text));
            }
            _ => {}
        }
    }
    json!({
        "executionSuccessful": true,
        "exitCode": record.verdict.exit_code,
        "exitCodeDescription": clean(&record.verdict.sentence),
        "startTimeUtc": record.run.started,
        "toolConfigurationNotifications": configuration,
        "toolExecutionNotifications": execution,
    })
}

/// A condition of [`NOTICES`] that concerns a rule.
fn notice(rules: &[(Step, &RuleResult)], kind: usize, level: &str, rule: &str, text: &str) -> Value {
    let mut value = json!({
        "descriptor": { "id": NOTICES[kind].0, "index": kind },
        "level": level,
        "message": message(text),
    });
    if let Some(index) = rules.iter().position(|(_, known)| known.id == rule) {
        value["associatedRule"] = json!({ "id": rule, "index": index });
    }
    value
}

fn artifact(record: &Record, file: &EvidenceFile) -> Value {
    json!({
        "location": artifact_location(record, &file.path),
        "hashes": { "sha-256": file.sha256 },
        "properties": { "role": file.role, "format": file.format, "rows": file.rows, "rejected": file.rejected },
    })
}

fn location(record: &Record, path: &str, line: Option<u64>) -> Value {
    let mut place = json!({ "artifactLocation": artifact_location(record, path) });
    if let Some(line) = line.filter(|line| *line > 0) {
        place["region"] = json!({ "startLine": line });
    }
    json!({ "physicalLocation": place })
}

/// A path as a URI, percent-encoded: from the base where it lies within, else as it is.
fn artifact_location(record: &Record, path: &str) -> Value {
    match inside(record, path) {
        Some(path) => json!({ "uri": encoded(&path), "uriBaseId": BASE }),
        None if is_absolute(path) => {
            let path = path.replace('\\', "/");
            json!({ "uri": format!("file:///{}", encoded(path.trim_start_matches('/'))) })
        }
        None => json!({ "uri": encoded(path) }),
    }
}

/// Percent-encoding of all but the unreserved characters of RFC 3986 and the slash.
fn encoded(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

fn is_url(reference: &str) -> bool {
    let rest = reference.strip_prefix("https://").or_else(|| reference.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte))
    })
}

fn label(evidence: &Evidence) -> String {
    let text = if evidence.value.is_empty() {
        evidence.label.clone()
    } else {
        format!("{}: {}", evidence.label, evidence.value)
    };
    clean(&text).into_owned()
}

fn message(text: &str) -> Value {
    json!({ "text": plain(text) })
}

/// Text of a message, in which nothing reads as a link (3.11.6: `[text](target)`).
fn plain(text: &str) -> String {
    clean(text).replace("](", "\\](")
}

/// `non-consented-join` as `NonConsentedJoin`, the form SARIF's viewers know names in.
fn pascal(id: &str) -> String {
    let mut name = String::with_capacity(id.len());
    for word in id.split(|c: char| !c.is_alphanumeric()) {
        let mut chars = word.chars();
        name.extend(chars.next().into_iter().flat_map(char::to_uppercase));
        name.extend(chars);
    }
    name
}

#[cfg(test)]
mod tests;
