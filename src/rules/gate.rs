//! The gate: whether a release may pass, in one word and one sentence.

use std::collections::BTreeMap;

use crate::facts::{self, Fact};
use crate::findings::{Disposition, Finding};
use crate::playbook::{Severity, Verdict};
use crate::record::{GateStatus, GateVerdict, RuleResult, StepResult};

/// Turns findings, after waivers and baseline, into the gate's verdict.
///
/// Open failing findings of severity `fail_on` or worse fail it. Else, when a log was handed over and no fact that
/// needs it could be decided (or, without a log, no fact at all), nothing was evaluated, which is not a pass.
pub fn verdict(findings: &[Finding], steps: &[StepResult], fail_on: Severity, facts: &[Fact]) -> GateVerdict {
    let open =
        |status: Verdict| findings.iter().filter(move |f| f.disposition == Disposition::Open && f.status == status);
    let mut failures: BTreeMap<Severity, u64> = BTreeMap::new();
    for finding in open(Verdict::Fail) {
        *failures.entry(finding.severity).or_default() += 1;
    }
    let inconclusive = open(Verdict::Inconclusive).count() as u64;
    let set_aside = findings.iter().filter(|f| f.disposition != Disposition::Open && f.status == Verdict::Fail).count();
    let blocking: u64 = failures.range(fail_on..).map(|(_, count)| count).sum();

    let have_log =
        facts.iter().any(|fact| matches!(fact, Fact::EvidenceQuality(e) if e.role == "recommendations" && e.given));
    let decided = steps.iter().flat_map(|step| &step.rules).any(|rule| decided(rule, have_log));
    let (status, exit_code) = match (blocking, decided) {
        (1.., _) => (GateStatus::Failed, 1),
        (0, false) => (GateStatus::NothingEvaluated, 3),
        (0, true) => (GateStatus::Passed, 0),
    };
    let sentence = sentence(status, fail_on, &failures, inconclusive, set_aside as u64, have_log);
    GateVerdict { status, exit_code, fail_on, failures, inconclusive, sentence }
}

/// Whether a rule decided any fact that counts for the gate.
fn decided(rule: &RuleResult, have_log: bool) -> bool {
    let counts = rule.on.as_deref().and_then(facts::kind).is_some_and(|kind| kind.needs_log || !have_log);
    counts && [Verdict::Pass, Verdict::Fail, Verdict::Inconclusive].iter().any(|v| rule.verdicts.contains_key(v))
}

fn sentence(
    status: GateStatus,
    fail_on: Severity,
    failures: &BTreeMap<Severity, u64>,
    inconclusive: u64,
    set_aside: u64,
    have_log: bool,
) -> String {
    let listed = |range: &mut dyn Iterator<Item = (&Severity, &u64)>| {
        range.map(|(severity, count)| format!("{count} {}", severity.label())).collect::<Vec<_>>().join(", ")
    };
    let below = listed(&mut failures.range(..fail_on).rev());
    let mut rest = Vec::new();
    if !below.is_empty() {
        rest.push(format!("{below} below the bar"));
    }
    if inconclusive > 0 {
        rest.push(format!("{inconclusive} undecided by the evidence"));
    }
    if set_aside > 0 {
        rest.push(format!("{set_aside} set aside by waivers or the baseline"));
    }
    let rest = if rest.is_empty() { String::new() } else { format!(" ({})", rest.join("; ")) };
    match status {
        GateStatus::Failed => {
            let blocking: u64 = failures.range(fail_on..).map(|(_, count)| count).sum();
            let noun = if blocking == 1 { "finding" } else { "findings" };
            format!(
                "Failed: {} open {noun} of severity {} or worse{rest}.",
                listed(&mut failures.range(fail_on..).rev()),
                fail_on.label()
            )
        }
        GateStatus::Passed => format!("Passed: no open finding of severity {} or worse{rest}.", fail_on.label()),
        GateStatus::NothingEvaluated if have_log => {
            format!("Nothing was evaluated: no decision of the log could be judged{rest}.")
        }
        GateStatus::NothingEvaluated => format!("Nothing was evaluated: no rule could decide anything{rest}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::Step;

    fn finding(severity: Severity, status: Verdict, disposition: Disposition) -> Finding {
        Finding {
            rule: "r".into(),
            step: Step::TestForBias,
            severity,
            status,
            disposition,
            fingerprint: String::new(),
            message: String::new(),
            plain: None,
            people: None,
            fact: 0,
            evidence: Vec::new(),
            since_baseline: None,
            since_last_audit: None,
        }
    }

    fn step(on: &str, verdict: Verdict) -> StepResult {
        let rule = RuleResult {
            id: "r".into(),
            pack: "p".into(),
            title: String::new(),
            severity: Severity::High,
            status: verdict,
            reason: None,
            on: Some(on.into()),
            verdicts: BTreeMap::from([(verdict, vec![0])]),
            words: BTreeMap::new(),
            why: String::new(),
            remedy: String::new(),
            references: Vec::new(),
            params: BTreeMap::new(),
        };
        StepResult { id: Step::TestForBias, status: verdict, rules: vec![rule], facts: vec![], findings: vec![] }
    }

    fn log() -> Fact {
        serde_json::from_value(serde_json::json!({
            "kind": "evidence_quality", "role": "recommendations", "given": true, "files": 1, "columns_missing": []
        }))
        .unwrap()
    }

    #[test]
    fn open_failures_at_the_bar_fail_and_waived_or_lesser_ones_do_not() {
        let steps = [step("data_use", Verdict::Fail)];
        let findings = [
            finding(Severity::Critical, Verdict::Fail, Disposition::Open),
            finding(Severity::Medium, Verdict::Fail, Disposition::Open),
            finding(Severity::High, Verdict::Inconclusive, Disposition::Open),
        ];
        let red = verdict(&findings, &steps, Severity::High, &[log()]);
        assert_eq!((red.status, red.exit_code), (GateStatus::Failed, 1));
        assert_eq!(
            red.sentence,
            "Failed: 1 critical open finding of severity high or worse (1 medium below the bar; 1 undecided by the evidence)."
        );
        let waived = [finding(Severity::Critical, Verdict::Fail, Disposition::Waived)];
        let green = verdict(&waived, &steps, Severity::High, &[log()]);
        assert_eq!((green.status, green.exit_code), (GateStatus::Passed, 0));
        assert_eq!(
            green.sentence,
            "Passed: no open finding of severity high or worse (1 set aside by waivers or the baseline)."
        );
        assert_eq!(verdict(&findings[1..], &steps, Severity::High, &[log()]).exit_code, 0);
        assert_eq!(verdict(&findings[1..], &steps, Severity::Medium, &[log()]).exit_code, 1);
    }

    #[test]
    fn a_log_of_which_nothing_was_decided_is_not_green() {
        let declared = step("purpose", Verdict::Pass);
        let unseen = step("data_use", Verdict::NotEvidenced);
        let gate = verdict(&[], &[declared.clone(), unseen], Severity::High, &[log()]);
        assert_eq!((gate.status, gate.exit_code), (GateStatus::NothingEvaluated, 3));
        // Without a log the declarations are what was asked for.
        assert_eq!(verdict(&[], &[declared], Severity::High, &[]).exit_code, 0);
        assert_eq!(verdict(&[], &[], Severity::High, &[]).exit_code, 3);
    }
}
