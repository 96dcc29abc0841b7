//! What a run writes where, with waivers, a baseline, and as the step of the action.

use std::path::Path;

use serde_json::Value;

use super::{ALL, ROOT, json, list, probity, read, text};
use crate::support::Audit;

const N11: [(&str, &str); 6] = [
    ("audit.yaml", include_str!("../../../fixtures/conformance/n11-waived/audit.yaml")),
    ("map.yaml", include_str!("../../../fixtures/conformance/n11-waived/map.yaml")),
    ("policy.yaml", include_str!("../../../fixtures/conformance/n11-waived/policy.yaml")),
    ("consent.csv", include_str!("../../../fixtures/conformance/n11-waived/consent.csv")),
    ("log.csv", include_str!("../../../fixtures/conformance/n11-waived/log.csv")),
    ("decisions.yaml", include_str!("../../../fixtures/conformance/n11-waived/decisions.yaml")),
];

/// One decision without consent, waived.
fn waived() -> Audit {
    N11.iter().fold(Audit::new(), |audit, (name, text)| audit.with(name, text))
}

#[track_caller]
fn audited(audit: &Audit, more: &[&str], code: i32) -> (Value, Value) {
    let mut arguments = vec!["audit", "audit.yaml", "--out", "report", "--format", ALL];
    arguments.extend(more);
    let output = probity(&audit.path(""), &arguments);
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    let asked =
        ["IsSuppressed == True", "BaselineState == 'New'", "BaselineState == 'Unchanged'", "BaselineState == 'Absent'"];
    (read(&audit.path("report"), &asked), json(audit.path("report/probity.sarif")))
}

fn case<'a>(read: &'a Value, rule: &str) -> &'a Value {
    let mut cases = list(&read["junit"]).iter().flat_map(|suite| list(&suite["cases"]));
    &cases.find(|case| case["name"] == rule).unwrap()["results"][0]
}

#[test]
fn a_waiver_suppresses_and_one_that_has_expired_is_told_and_does_not() {
    let (read, sarif) = audited(&waived(), &[], 0);
    assert_eq!(read["sarif"]["counts"][0], 1);
    let suppressed =
        list(&sarif["runs"][0]["results"]).iter().find(|result| result["suppressions"].is_array()).unwrap();
    let suppression = &suppressed["suppressions"][0];
    let why = "The form that asks goes live with the next release. (web-team@shop.example answers for it until 2026-06-30; \
               approved by privacy@shop.example)";
    assert_eq!((&suppression["status"], &suppression["justification"]), (&"accepted".into(), &why.into()));
    assert_eq!(suppression["location"]["physicalLocation"]["region"]["startLine"], 2);
    assert_eq!(case(&read, "use-without-consent")[0], "skipped");
    assert_eq!(case(&read, "use-without-consent")[1], "fails, and does not count: 1 finding waived");
    assert!(text(&read["markdown"]).contains("<summary>1 finding waived</summary>"));

    let expired = waived().replacing("decisions.yaml", "expires: 2026-06-30", "expires: 2026-03-01");
    let expired = expired.replacing("decisions.yaml", "created: 2026-03-01", "created: 2026-01-01");
    let expired = expired.replacing("decisions.yaml", "expires: 2026-03-01", "expires: 2026-02-01");
    let (read, sarif) = audited(&expired, &[], 1);
    assert_eq!(read["sarif"]["counts"][0], 0, "an expired waiver hides nothing");
    let told = &sarif["runs"][0]["invocations"][0]["toolConfigurationNotifications"][0];
    assert_eq!(told["message"]["text"], "the waiver of `use-without-consent` has no effect: it has expired");
    assert_eq!(told["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "decisions.yaml");
    assert_eq!(case(&read, "use-without-consent")[0], "failed");
    assert!(text(&read["markdown"]).contains("<h3>Waivers without effect</h3>"));
}

#[test]
fn a_baseline_is_told_in_every_format() {
    let audit = waived().replacing("audit.yaml", "decisions: decisions.yaml\n", "");
    audited(&audit, &[], 1);
    let written = probity(&audit.path(""), &["baseline", "write", "report/audit.json"]);
    assert_eq!(written.status.code(), Some(0));
    let (read, sarif) = audited(&audit, &["--baseline", "baseline.json"], 0);
    let known = list(&sarif["runs"][0]["results"]).len() as u64;
    assert_eq!(read["sarif"]["counts"], serde_json::json!([known, 0, known, 0]));
    assert_eq!(
        case(&read, "use-without-consent")[1],
        "fails, and does not count: 1 finding of the baseline, and no worse"
    );
    let csv = std::fs::read_to_string(audit.path("report/findings.csv")).unwrap();
    assert!(csv.lines().skip(1).all(|line| line.ends_with(",same,")), "{csv}");

    // The person agreed all along: the finding is fixed.
    let audit = audit.replacing("consent.csv", ",refused,", ",given,");
    let (read, sarif) = audited(&audit, &["--baseline", "baseline.json"], 0);
    assert_eq!(read["sarif"]["counts"][3], 1);
    let absent = list(&sarif["runs"][0]["results"]).iter().find(|result| result["baselineState"] == "absent").unwrap();
    assert_eq!(absent["ruleId"], "use-without-consent");
    assert!(text(&read["markdown"]).contains("<summary>1 finding fixed since the baseline</summary>"));
    let fixed = |of: &&Value| {
        of[0] == "probity_findings_since_baseline" && of[1]["state"] == "fixed" && of[1]["status"] == "fail"
    };
    assert_eq!(list(&read["prometheus"]).iter().find(fixed).unwrap()[2], 1.0);
}

#[test]
fn formats_go_where_they_are_asked_for_and_change_no_exit_code() {
    let audit = waived().replacing("audit.yaml", "decisions: decisions.yaml\n", "");
    let run = |format: &str| {
        let output = probity(&audit.path(""), &["audit", "audit.yaml", "--out", "report", "--format", format]);
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, stdout, stderr) = run("sarif=deep/er/x.sarif,markdown=-");
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stdout.starts_with("## Audit of Case N11\n"), "nothing else is printed: {stdout}");
    assert!(stderr.contains("wrote deep/er/x.sarif"), "{stderr}");
    assert!(audit.path("deep/er/x.sarif").is_file() && audit.path("report/audit.json").is_file());
    assert!(!audit.path("report/report.html").exists(), "only what is asked for, and the record");
    let (code, stdout, _) = run("github");
    assert_eq!((code, stdout.lines().all(|line| line.starts_with("::"))), (Some(1), true), "{stdout}");
    std::fs::remove_dir_all(audit.path("report")).unwrap();

    let faults = [
        ("sariff", "did you mean `sarif`?"),
        ("sarif=", "names no path"),
        ("github,markdown=-", "would both go to standard output"),
        ("html=x,sarif=x", "would both be written to this file"),
        ("html=log.csv/x.html", "this is a file; expected a folder to write to"),
        ("sarif=deep", "this is a folder; expected a file to write"),
    ];
    for (format, told) in faults {
        let (code, stdout, stderr) = run(format);
        let stderr = crate::support::plain(&stderr);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{format}: {stderr}");
        assert!(stderr.contains(told), "{format}: {stderr}");
        assert!(!audit.path("report").exists(), "{format}: something was written");
    }
}

/// The step of the action as a runner would start it: what it printed, its outputs and its summary.
fn action(audit: &Audit, variables: &[(&str, &str)]) -> (Option<i32>, String, String, String) {
    let mut command = assert_cmd::Command::new(Path::new(ROOT).join(".github/action/run"));
    let (outputs, summary) = (audit.path("outputs.txt"), audit.path("summary.txt"));
    command.current_dir(audit.path("")).env("GITHUB_OUTPUT", &outputs).env("GITHUB_STEP_SUMMARY", &summary);
    command.env("PROBITY_PROGRAM", env!("CARGO_BIN_EXE_probity")).env("PROBITY_FORMATS", "html,code-scanning");
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    let printed = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), printed, read(&outputs), read(&summary))
}

#[test]
fn the_action_ends_as_the_audit_and_tells_it_where_people_read() {
    let audit = waived().replacing("audit.yaml", "decisions: decisions.yaml\n", "");
    let (code, printed, outputs, summary) = action(&audit, &[("PROBITY_OUT", "told here")]);
    assert_eq!(code, Some(1), "{printed}");
    assert_eq!(outputs, "status=failed\nexit-code=1\nout=told here\n");
    assert!(summary.starts_with("## Audit of Case N11\n"), "{summary}");
    // What the program says stands between a token and its end; the commands come after.
    let token = printed.lines().next().unwrap().strip_prefix("::stop-commands::").unwrap();
    let (said, commands) = printed.split_once(&format!("\n::{token}::\n")).unwrap();
    assert!(said.contains("wrote told here/code-scanning.sarif"), "{said}");
    assert!(commands.starts_with("::error title=Probity%3A failed::"), "{commands}");
    assert!(commands.contains("::error file=policy.yaml,line="), "{commands}");
    for name in ["audit.json", "report.html", "code-scanning.sarif"] {
        assert!(audit.path(&format!("told here/{name}")).is_file(), "{name}");
    }

    let quiet = [("PROBITY_ANNOTATIONS", "false"), ("PROBITY_SUMMARY", "false"), ("PROBITY_FAIL_ON", "critical")];
    let (code, printed, outputs, _) = action(&waived(), &quiet);
    assert_eq!((code, outputs.as_str()), (Some(0), "status=passed\nexit-code=0\nout=audit-report\n"), "{printed}");
    assert_eq!(printed.lines().filter(|line| line.starts_with("::")).count(), 2, "{printed}");

    let broken = waived().replacing("audit.yaml", "probity: 1", "::error::x: 1");
    let (code, printed, outputs, summary) = action(&broken, &[("PROBITY_OUT", "x\nstatus=passed")]);
    assert_eq!(
        (code, outputs.as_str(), summary.as_str()),
        (Some(2), "status=not_made\nexit-code=2\n", ""),
        "{printed}"
    );
    assert!(
        printed.ends_with("\n::error title=Probity::The audit could not be made; the log of this step says why.\n")
    );
}
