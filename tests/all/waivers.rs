//! Waivers: what keeps a finding from failing the gate, and what does not.

use serde_json::Value;

use crate::support::{Audit, Run};

const WAIVER: &str = include_str!("../../fixtures/conformance/n11-waived/decisions.yaml");

/// One decision without consent, with these decisions about it.
fn audited(decisions: &str) -> Run {
    let manifest = include_str!("../../fixtures/conformance/n11-waived/audit.yaml");
    Audit::new()
        .with("audit.yaml", manifest)
        .with("map.yaml", include_str!("../../fixtures/conformance/n11-waived/map.yaml"))
        .with("policy.yaml", include_str!("../../fixtures/conformance/n11-waived/policy.yaml"))
        .with("consent.csv", include_str!("../../fixtures/conformance/n11-waived/consent.csv"))
        .with("log.csv", include_str!("../../fixtures/conformance/n11-waived/log.csv"))
        .with("decisions.yaml", decisions)
        .run()
}

/// The state of the one waiver, and the disposition of the finding that it means.
fn told(record: &Value) -> (&str, &str) {
    let finding = record["findings"].as_array().expect("findings").iter().find(|f| f["rule"] == "use-without-consent");
    let disposition = finding.expect("the finding stays")["disposition"].as_str().expect("a disposition");
    (record["waivers"][0]["state"].as_str().expect("a state"), disposition)
}

#[test]
fn a_waiver_in_force_keeps_the_finding_and_lets_the_gate_pass() {
    let run = audited(WAIVER);
    let record = run.audited(0);
    assert_eq!(told(&record), ("applied", "waived"));
    let evidence = record["findings"].as_array().unwrap().iter().flat_map(|f| f["evidence"].as_array().unwrap());
    let waiver = evidence.clone().find(|evidence| evidence["label"] == "waiver").expect("it is told");
    let value = "until 2026-06-30 by web-team@shop.example, who answers for it: The form that asks goes live with the next \
                 release.";
    assert_eq!(
        (&waiver["value"], &waiver["path"], &waiver["line"]),
        (&value.into(), &"decisions.yaml".into(), &2.into())
    );
    assert!(run.everything().contains("privacy@shop.example"), "the report says who approved it");
}

#[test]
fn what_is_past_to_come_or_about_something_else_has_no_effect() {
    let past = WAIVER.replace("2026-06-30", "2026-03-01").replace("created: 2026-03-01", "created: 2026-02-01");
    assert_eq!(told(&audited(&past).audited(0)), ("applied", "waived"), "its last day is the day of the decision");
    let past = past.replace("expires: 2026-03-01", "expires: 2026-02-28");
    assert_eq!(told(&audited(&past).audited(1)), ("expired", "open"));
    let to_come = WAIVER.replace("created: 2026-03-01", "created: 2026-03-02");
    assert_eq!(told(&audited(&to_come).audited(1)), ("not_yet", "open"));
    let other = WAIVER.replace("jurisdiction: DE", "jurisdiction: FR");
    assert_eq!(told(&audited(&other).audited(1)), ("stale", "open"));
    let wider = WAIVER.replace("      jurisdiction: DE\n", "");
    assert_eq!(told(&audited(&wider).audited(1)), ("stale", "open"), "a subject is told in full");
}

#[test]
fn what_nobody_may_waive_stays_open() {
    let record = audited(&WAIVER.replace("use-without-consent", "prohibited-use")).audited(1);
    assert_eq!(told(&record), ("not_waivable", "open"));
}

#[test]
fn a_waiver_that_lacks_something_is_refused_with_its_line() {
    let told = [
        (WAIVER.replace("    owner: web-team@shop.example\n", ""), "owner"),
        (WAIVER.replace("web-team@shop.example", "' '"), "states no `owner`"),
        (WAIVER.replace("use-without-consent", "use-without-consnt"), "did you mean `use-without-consent`"),
        (WAIVER.replace("2026-06-30", "2026-02-01"), "expires before it was created"),
        (WAIVER.replace("reason:", "reasn:"), "reasn"),
    ];
    for (decisions, message) in told {
        audited(&decisions).refused(&["decisions.yaml", message]);
    }
}
