//! What can be said before a release, without a log: the pairs that strategies declare, and who lacks consent to them.

use serde_json::Value;

use crate::support::{Audit, facts};

/// Five people as of the first of June: two agreed to the combination, one of them only until May; one took it back;
/// one agreed to each part alone; one is in no consent record.
const CONSENT: &str = "\
subject_id,timestamp,status,purpose,contexts,expires
ann@people.example,2026-03-01T00:00:00Z,given,personalize.content,store|web,
ben@people.example,2026-03-01T00:00:00Z,given,personalize.content,store|web,2026-05-01T00:00:00Z
cem@people.example,2026-03-01T00:00:00Z,given,personalize.content,store|web,
cem@people.example,2026-05-20T00:00:00Z,withdrawn,personalize.content,store|web,
dee@people.example,2026-03-01T00:00:00Z,given,personalize.content,store,
dee@people.example,2026-03-01T00:00:00Z,given,personalize.content,web,
";

const SUBJECTS: &str = "\
subject_id,age_band
ann@people.example,18-29
ben@people.example,18-29
cem@people.example,30-44
dee@people.example,30-44
eve@people.example,30-44
";

fn shop() -> Audit {
    Audit::new().with("consent.csv", CONSENT).with("subjects.csv", SUBJECTS)
}

fn check(audit: &Audit, joins: bool) -> (Option<i32>, String) {
    let mut command = assert_cmd::Command::cargo_bin("probity").expect("the program is built");
    let command = command.env("NO_COLOR", "1").args(["check", "--fail-on", "medium"]).arg(audit.path("audit.yaml"));
    let output = if joins { command.arg("--joins") } else { command }.output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    (output.status.code(), text)
}

#[test]
fn a_declared_pair_is_told_with_the_people_who_lack_consent_today() {
    let (code, text) = check(&shop(), true);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("declared to combine store and web for `personalize.content`"), "{text}");
    assert!(text.contains("4 of 5 people lack consent to that today"), "{text}");
}

#[test]
fn without_the_records_the_question_stays_open() {
    let (_, text) = check(&shop(), false);
    assert!(
        text.contains("no consent records were read (`probity check --joins` reads them): join-before-release"),
        "{text}"
    );
}

#[test]
fn nothing_is_told_when_everyone_has_agreed_or_nobody_need_be_asked() {
    let everyone = CONSENT.replace("2026-05-01T00:00:00Z", "").replace("withdrawn", "given");
    let everyone = everyone.replace("content,store,", "content,store|web,")
        + "eve@people.example,2026-03-01T00:00:00Z,given,personalize.content,store|web,\n";
    let (_, text) = check(&shop().with("consent.csv", everyone), true);
    assert!(!text.contains("lack consent"), "{text}");
    let free = shop()
        .replacing("policy.yaml", "      basis: consent\n", "      basis: contract\n      reason: one account\n")
        .replacing(
            "policy.yaml",
            "category: user.behavior, basis: consent",
            "category: user.behavior, basis: contract",
        );
    let (_, text) = check(&free, true);
    assert!(!text.contains("lack consent"), "{text}");
}

#[test]
fn an_audit_without_a_log_tells_the_same() {
    let manifest = shop().text("audit.yaml");
    let log = manifest.find("  recommendations:").expect("the log is named");
    let run = shop().with("audit.yaml", &manifest[..log]).run();
    let record: Value = run.record();
    let joins = facts(&record, "join");
    assert_eq!(joins.len(), 1);
    let told = ["static_only", "in_lineage", "people", "people_without_consent"].map(|field| joins[0][field].clone());
    assert_eq!(told, [Value::from(true), false.into(), 5.into(), 4.into()]);
    assert_eq!(joins[0]["sources"], serde_json::json!([{"path": "audit.yaml", "line": 19, "run": null}]));
    run.leaks_nobody();
}
