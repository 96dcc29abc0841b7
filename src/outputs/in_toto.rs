//! `probity.intoto.json`: an in-toto Statement (v1) that this evidence was audited, and how it went, under the predicate
//! [test-result](https://in-toto.io/attestation/test-result/v0.1). It is unsigned; whoever runs the audit signs it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::ci::is_open_failure;
use super::json;
use crate::error::{Error, Result};
use crate::findings::Finding;
use crate::playbook::Verdict;
use crate::record::{EvidenceFile, GateStatus, Record, RuleResult};

/// The evidence of these roles says what was asked, not what happened.
const CONFIGURATION: [&str; 4] = ["manifest", "data_map", "consent_policy", "rule_pack"];

/// The statement. Its first subject is the record itself, `audit.json` as it is written, so that whoever holds the record
/// can verify it; the others are the files of evidence. What a rule could not decide is warned of, never passed.
pub fn render(record: &Record) -> Result<Vec<u8>> {
    let of_record = crate::hex(&Sha256::digest(json::render(record)?));
    let mut subjects = vec![json!({ "name": "audit.json", "digest": { "sha256": of_record } })];
    // A file may serve in two roles; a subject is named once.
    let mut named = BTreeSet::from(["audit.json"]);
    subjects.extend(record.evidence.iter().filter(|file| named.insert(&file.path)).map(resource));
    let configuration = record.evidence.iter().filter(|file| CONFIGURATION.contains(&file.role.as_str()));
    let (mut passed, mut warned, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for rule in record.steps.iter().flat_map(|step| &step.rules) {
        match rule.status {
            // What does not arise, and what only a person can answer, is no test.
            Verdict::NotApplicable | Verdict::Manual => {}
            Verdict::Pass => passed.push(rule.id.as_str()),
            Verdict::Fail if blocks(record, rule) => failed.push(rule.id.as_str()),
            _ => warned.push(rule.id.as_str()),
        }
    }
    let result = match record.verdict.status {
        GateStatus::Passed if warned.is_empty() => "PASSED",
        GateStatus::Passed => "WARNED",
        // There is no word for it, and it is not to be taken for a pass.
        GateStatus::Failed | GateStatus::NothingEvaluated => "FAILED",
    };
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects,
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": {
            "result": result,
            "configuration": configuration.map(resource).collect::<Vec<_>>(),
            "passedTests": passed,
            "warnedTests": warned,
            "failedTests": failed,
        },
    });
    let mut bytes = serde_json::to_vec_pretty(&statement).map_err(|error| Error::Internal(error.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Whether any finding of a rule fails the gate.
fn blocks(record: &Record, rule: &RuleResult) -> bool {
    let blocking = |finding: &Finding| is_open_failure(finding) && finding.severity >= record.verdict.fail_on;
    record.findings.iter().any(|finding| finding.rule == rule.id && blocking(finding))
}

fn resource(file: &EvidenceFile) -> Value {
    json!({ "name": file.path, "digest": { "sha256": file.sha256 } })
}
