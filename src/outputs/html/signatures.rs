//! Who signs, and what they decided last by the ledger.

use serde::Serialize;

use crate::decisions::ledger::DecisionResult;
use crate::record::Record;

#[derive(Debug, Serialize)]
pub struct Signature<'a> {
    pub title: String,
    /// The last decision about a whole audit in this role; it is about an earlier audit, never about this one.
    pub last: Option<&'a DecisionResult>,
}

/// The three roles of every report, and those that the ledger knows besides.
pub fn signatures(record: &Record) -> Vec<Signature<'_>> {
    let decisions = record.ledger.iter().flat_map(|ledger| &ledger.decisions);
    let whole: Vec<&DecisionResult> = decisions.filter(|of| of.decision.findings.is_empty()).collect();
    let role = |of: &DecisionResult| of.decision.role.trim().to_lowercase();
    let last = |name: &str| whole.iter().rev().find(|of| role(of) == name).copied();
    let roles = [
        ("system", format!("For the system: {}", record.system.owner)),
        ("data protection", "For data protection".to_owned()),
        ("audit", "For the audit".to_owned()),
    ];
    let mut signatures: Vec<Signature<'_>> = Vec::new();
    for (name, title) in &roles {
        signatures.push(Signature { title: title.clone(), last: last(name) });
    }
    let mut others: Vec<String> = whole.iter().map(|of| role(of)).collect();
    others.sort();
    others.dedup();
    for name in others.iter().filter(|name| roles.iter().all(|(known, _)| known != name)) {
        let last = last(name);
        let title = last.map_or_else(|| name.clone(), |of| format!("As {}", of.decision.role.trim()));
        signatures.push(Signature { title, last });
    }
    signatures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outputs::sample;

    #[test]
    fn each_role_shows_its_last_decision_about_a_whole_audit() {
        let mut record = sample::record();
        assert_eq!(signatures(&record).len(), 3);
        let decision = |sequence: u64, role: &str, name: &str, findings: &[&str]| {
            serde_json::json!({"sequence": sequence, "recorded": "2026-03-01T09:00:00Z", "role": role, "name": name,
                "decision": "reject", "reason": "r", "expires": null, "record": "ab", "as_of": "2026-02-28",
                "findings": findings, "expired": false})
        };
        let ledger = serde_json::json!({"path": "history.jsonl", "head": "00", "count": 4, "last_audit": null, "decisions": [
            decision(1, "Data protection", "Ada", &[]), decision(2, "data protection ", "Bea", &[]),
            decision(3, "data protection", "Cem", &["ff"]), decision(4, "Works council", "Dee", &[])]});
        record.ledger = serde_json::from_value(ledger).expect("a ledger");
        let all = signatures(&record);
        let told: Vec<_> =
            all.iter().map(|of| (of.title.as_str(), of.last.map(|last| last.decision.name.as_str()))).collect();
        assert_eq!(
            told[1..],
            [("For data protection", Some("Bea")), ("For the audit", None), ("As Works council", Some("Dee"))]
        );
    }
}
