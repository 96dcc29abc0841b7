use super::super::sample;
use super::*;

fn run(record: &Record) -> Value {
    let log: Value = serde_json::from_slice(&render(record).unwrap()).unwrap();
    log["runs"][0].clone()
}

#[test]
fn what_is_undecided_has_no_level_and_what_is_waived_is_suppressed() {
    let mut record = sample::record();
    record.findings[1].disposition = Disposition::Waived;
    record.findings[2].disposition = Disposition::Baseline;
    record.waivers[0].findings = vec![record.findings[1].fingerprint.clone()];
    let run = run(&record);
    for (result, finding) in run["results"].as_array().unwrap().iter().zip(&record.findings) {
        let undecided = finding.status == Verdict::Inconclusive;
        assert_eq!(result["kind"], if undecided { "open" } else { "fail" });
        assert_eq!(result["level"] == "none", undecided);
        assert_eq!(result["suppressions"].is_array(), finding.disposition != Disposition::Open);
        assert!(result["baselineState"].is_null(), "there is no baseline");
    }
    assert!(run["results"][1]["suppressions"][0]["justification"].as_str().unwrap().contains("until 2026-06-30"));
    let told = run["invocations"][0]["toolConfigurationNotifications"].as_array().unwrap();
    assert_eq!((told.len(), &told[0]["associatedRule"]["id"]), (1, &json!("input-mapped")));
}

#[test]
fn places_are_uris() {
    let mut record = sample::record();
    record.run.folder = Some("a b".into());
    let at = |path: &str| artifact_location(&record, path);
    assert_eq!(at("c:d#é?.yaml"), json!({ "uri": "a%20b/c%3Ad%23%C3%A9%3F.yaml", "uriBaseId": BASE }));
    assert_eq!(at("C:\\logs\\x y.csv"), json!({ "uri": "file:///C%3A/logs/x%20y.csv" }));
    assert_eq!(at("/var/log.csv"), json!({ "uri": "file:///var/log.csv" }));
    assert_eq!(at("../../x.csv"), json!({ "uri": "../../x.csv" }));
    assert!(is_url("https://eur-lex.europa.eu/eli/reg/2016/679/oj") && !is_url("GDPR Art. 6") && !is_url("https://"));
    assert!(!is_url("https://x/<y>") && !is_url("javascript:x"));
    assert_eq!(pascal("non-consented-join"), "NonConsentedJoin");
}
