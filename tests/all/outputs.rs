//! The outputs for other tools, read by what others read them with: Microsoft's validator of SARIF, the parsers of JUnit,
//! Prometheus, OpenMetrics and in-toto, GitHub's renderer of Markdown (`tests/outputs/fetch` installs them).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;

use serde_json::Value;
use sha2::{Digest, Sha256};

mod hostile;
mod runs;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const ALL: &str = "findings,html,sarif,code-scanning,junit,markdown,openmetrics,in-toto";

/// What the readers read from the files in a folder.
#[track_caller]
fn read(folder: &Path, expressions: &[&str]) -> Value {
    let script = Path::new(ROOT).join("tests/outputs/read.py");
    assert!(script.with_file_name("readers").exists(), "tests/outputs/fetch installs what this test needs");
    let output = assert_cmd::Command::new("python3").arg(script).arg(folder).args(expressions).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn probity(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_probity"));
    command.current_dir(folder).env("NO_COLOR", "1").args(arguments).output().unwrap()
}

fn json(path: impl AsRef<Path>) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The committed shop in every format, audited once for all tests here, and what the readers say of it.
struct Shop {
    folder: PathBuf,
    record: Value,
    sarif: Value,
    read: Value,
}

/// What is asked of the SARIF file.
const ASKED: [&str; 5] = [
    "Level == 'Error'",
    "Level == 'Warning'",
    "Level == 'None'",
    "IsSuppressed == True",
    "RuleId == 'non-consented-join'",
];

fn shop() -> &'static Shop {
    static SHOP: OnceLock<Shop> = OnceLock::new();
    SHOP.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("probity-test-outputs-{}", std::process::id()));
        let out = folder.to_str().unwrap();
        let github = format!("{ALL},github={out}/annotations.txt");
        let arguments = ["audit", "fixtures/storefront/audit.yaml", "--out", out, "--format", &github];
        let output = probity(Path::new(ROOT), &arguments);
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        let (record, sarif) = (json(folder.join("audit.json")), json(folder.join("probity.sarif")));
        Shop { read: read(&folder, &ASKED), folder, record, sarif }
    })
}

fn findings(record: &Value, status: &str, severities: &[&str]) -> usize {
    let is = |finding: &&Value| finding["status"] == status && severities.contains(&text(&finding["severity"]));
    list(&record["findings"]).iter().filter(is).count()
}

fn rules(record: &Value) -> impl Iterator<Item = &Value> {
    list(&record["steps"]).iter().flat_map(|step| list(&step["rules"]))
}

#[test]
fn microsofts_validator_takes_the_sarif_with_github_s_rules() {
    let shop = shop();
    // The one thing it misses is a home page.
    for fault in list(&shop.read["sarif"]["faults"]) {
        assert_eq!((text(&fault[0]), text(&fault[1])), ("SARIF2005", "warning"), "{fault}");
    }
    let of = |status, severities: &[&str]| findings(&shop.record, status, severities);
    let expected = [
        of("fail", &["critical", "high"]),
        of("fail", &["medium"]),
        of("inconclusive", &["critical", "high", "medium", "low"]),
        0,
        1,
    ];
    assert!(expected[..3].iter().all(|count| *count > 0));
    assert_eq!(shop.read["sarif"]["counts"], serde_json::json!(expected));
}

#[test]
fn every_result_stands_at_a_line_that_is_there() {
    let (shop, mut places) = (shop(), BTreeMap::new());
    let run = &shop.sarif["runs"][0];
    let (results, findings) = (list(&run["results"]), list(&shop.record["findings"]));
    assert_eq!(results.len(), findings.len());
    for (result, finding) in results.iter().zip(findings) {
        assert_eq!(result["ruleId"], finding["rule"]);
        assert_eq!(result["partialFingerprints"]["primaryLocationLineHash"], finding["fingerprint"]);
        let rule = &run["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize];
        assert_eq!(rule["id"], finding["rule"]);
        let related = result["relatedLocations"].as_array().into_iter().flatten();
        for location in list(&result["locations"]).iter().chain(related) {
            let place = &location["physicalLocation"];
            assert_eq!(place["artifactLocation"]["uriBaseId"], "%SRCROOT%");
            let uri = text(&place["artifactLocation"]["uri"]);
            let lines = std::fs::read_to_string(Path::new(ROOT).join(uri)).unwrap();
            let line = place["region"]["startLine"].as_u64().unwrap() as usize;
            places.insert((text(&finding["rule"]), uri), lines.lines().nth(line - 1).unwrap().to_owned());
        }
    }
    // GitHub gets what is open and fails, and nothing else.
    let open = json(shop.folder.join("code-scanning.sarif"));
    let open: Vec<&Value> = list(&open["runs"][0]["results"]).iter().map(|result| &result["kind"]).collect();
    assert_eq!(open, vec!["fail"; findings_of(&shop.record, "").len()]);
    // The planted defects stand where somebody can mend them.
    let at = |rule, file| places[&(rule, file)].as_str();
    assert!(at("use-after-withdrawal", "fixtures/storefront/consent-policy.yaml").contains("basis: consent"));
    assert!(at("non-consented-join", "fixtures/storefront/audit.yaml").contains("features.customer.affinity"));
    assert!(at("non-consented-join", "fixtures/storefront/lineage.jsonl").contains("loyalty"));
}

#[test]
fn digests_are_those_of_the_files() {
    let shop = shop();
    let digest = |path: &Path| {
        Sha256::digest(std::fs::read(path).unwrap()).iter().map(|b| format!("{b:02x}")).collect::<String>()
    };
    let subjects = list(&shop.read["in_toto"]["subjects"]);
    assert_eq!(subjects.len(), 1 + list(&shop.record["evidence"]).len());
    for (index, subject) in subjects.iter().enumerate() {
        let folder = if index == 0 { &shop.folder } else { &Path::new(ROOT).join("fixtures/storefront") };
        assert_eq!(text(&subject[1]), digest(&folder.join(text(&subject[0]))), "{subject}");
    }
    for artifact in list(&shop.sarif["runs"][0]["artifacts"]) {
        let path = Path::new(ROOT).join(text(&artifact["location"]["uri"]));
        assert_eq!(text(&artifact["hashes"]["sha-256"]), digest(&path));
    }
}

#[test]
fn the_statement_tells_every_rule_by_what_it_did_to_the_gate() {
    let (shop, mut expected) = (shop(), [const { Vec::new() }; 3]);
    for rule in rules(&shop.record) {
        let blocks = |of: &Value| of["rule"] == rule["id"] && of["status"] == "fail" && of["severity"] != "medium";
        let place = match text(&rule["status"]) {
            "pass" => 0,
            "fail" if list(&shop.record["findings"]).iter().any(blocks) => 2,
            "fail" | "inconclusive" | "not_evidenced" => 1,
            _ => continue,
        };
        expected[place].push(text(&rule["id"]));
    }
    assert!(expected[2].contains(&"non-consented-join") && expected[1].contains(&"unknown-consent"));
    assert_eq!(shop.read["in_toto"]["tests"], serde_json::json!(expected));
    assert_eq!(shop.read["in_toto"]["result"], "FAILED");
}

#[test]
fn junit_has_a_case_per_rule_and_no_undecided_one_passes() {
    let shop = shop();
    let suites = list(&shop.read["junit"]);
    let cases: Vec<&Value> = suites.iter().flat_map(|suite| list(&suite["cases"])).collect();
    assert_eq!(cases.len(), rules(&shop.record).count());
    for (case, rule) in cases.iter().zip(rules(&shop.record)) {
        assert_eq!(case["name"], rule["id"]);
        let open = findings_of(&shop.record, text(&rule["id"]));
        let results = list(&case["results"]);
        match text(&rule["status"]) {
            "pass" => assert!(results.is_empty(), "{case}"),
            "fail" => {
                assert_eq!((results.len(), &results[0][0], &results[0][2]), (1, &"failed".into(), &rule["severity"]));
                let told = text(&results[0][3]);
                assert!(!open.is_empty() && open.iter().all(|of| told.contains(text(&of["fingerprint"]))), "{told}");
            }
            _ => assert_eq!(results[0][0], "skipped", "{case}"),
        }
    }
    let sum = |index: usize| suites.iter().map(|suite| suite["counts"][index].as_u64().unwrap()).sum::<u64>();
    let count = |status| rules(&shop.record).filter(|rule| rule["status"] == status).count() as u64;
    let passed = count("pass");
    assert_eq!((sum(0), sum(1), sum(3)), (cases.len() as u64, count("fail"), 0));
    assert_eq!(sum(0) - sum(1) - sum(2), passed);
}

/// The failing findings of a rule, or of all.
fn findings_of<'a>(record: &'a Value, rule: &str) -> Vec<&'a Value> {
    let of_rule = |of: &Value| rule.is_empty() || of["rule"] == rule;
    list(&record["findings"]).iter().filter(|of| of["status"] == "fail" && of_rule(of)).collect()
}

#[test]
fn both_parsers_of_metrics_read_the_record_s_numbers() {
    let shop = shop();
    assert_eq!(shop.read["openmetrics"], shop.read["prometheus"]);
    let samples = list(&shop.read["prometheus"]);
    let sum = |name: &str, labels: &[(&str, &str)]| -> f64 {
        let is = |of: &&Value| of[0] == name && labels.iter().all(|(label, value)| of[1][label] == *value);
        samples.iter().filter(is).map(|of| of[2].as_f64().unwrap()).sum()
    };
    for severity in ["critical", "high", "medium"] {
        let counted = findings(&shop.record, "fail", &[severity]) as f64;
        assert_eq!(
            sum("probity_findings", &[("severity", severity), ("status", "fail"), ("disposition", "open")]),
            counted
        );
    }
    assert_eq!(sum("probity_gate_status", &[("status", "failed")]), 1.0);
    assert_eq!(sum("probity_gate_status", &[]), 1.0);
    assert_eq!(sum("probity_step_status", &[]), 7.0);
    let truth = json(Path::new(ROOT).join("fixtures/storefront/truth.json"));
    let decisions = truth["decisions"].as_f64().unwrap();
    assert_eq!(sum("probity_evidence_rows", &[("role", "recommendations")]), decisions);
    // Planted: `truth.json` counts the decisions that combined store and web without consent.
    let planted: u64 = list(&truth["joins"]).iter().filter_map(|join| join["events_without_consent"].as_u64()).sum();
    let required = [("consent", "without"), ("requires_consent", "yes")];
    assert!(planted > 0);
    assert_eq!(sum("probity_join_decisions", &required), planted as f64);
    let labels = [("strategy", "home-hybrid"), ("metric", "click"), ("segment", "age_band=65+"), ("within", "")];
    let is = |fact: &&Value| {
        fact["kind"] == "outcome_parity"
            && (&fact["strategy"], &fact["metric"]) == (&"home-hybrid".into(), &"click".into())
            && fact["segment"]["age_band"] == "65+"
            && fact["within"] == serde_json::json!({})
    };
    let fact = list(&shop.record["facts"]).iter().find(is).unwrap();
    for (name, limit) in [("", "estimate"), ("_low", "low"), ("_high", "high")] {
        assert_eq!(sum(&format!("probity_outcome_ratio{name}"), &labels), fact["ratio"][limit].as_f64().unwrap());
    }
}

#[test]
fn github_renders_the_summary_with_every_rule_that_failed() {
    let html = text(&shop().read["markdown"]);
    assert!(html.starts_with("<h2>Audit of Storefront recommendations</h2>\n<p><strong>✗ Failed: 7 critical, 57 high"));
    assert_eq!(html.matches("<tr>").count(), 8, "the steps and their head");
    for rule in rules(&shop().record).filter(|rule| rule["status"] == "fail") {
        assert!(html.contains(&format!("<li><code>{}</code>", text(&rule["id"]))), "{rule}");
    }
    assert!(html.contains("under <code>home-hybrid</code>, age_band=65+ gets "));
    assert!(!html.contains("<a "), "nothing was linked");
    assert!(std::fs::metadata(shop().folder.join("summary.md")).unwrap().len() < 60_000);
}

#[test]
fn annotations_are_few_and_the_worst_come_first() {
    let annotations = std::fs::read_to_string(shop().folder.join("annotations.txt")).unwrap();
    let lines: Vec<&str> = annotations.lines().collect();
    assert!(lines[0].starts_with("::error title=Probity%3A failed::Failed: 7 critical, 57 high"));
    let start = "::error file=fixtures/storefront/audit.yaml,line=43,title=non-consented-join (critical)::";
    assert!(lines[1].starts_with(start), "{}", lines[1]);
    for level in ["error", "warning", "notice"] {
        let of_it = lines.iter().filter(|line| line.starts_with(&format!("::{level} "))).count();
        assert!((1..=10).contains(&of_it), "{of_it} of {level}");
    }
}

/// A record gives what the audit gave, byte by byte.
#[test]
fn a_report_of_the_record_is_the_same_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let record = shop().folder.join("audit.json");
    let github = format!("{ALL},github=again/annotations.txt");
    let arguments = ["report", record.to_str().unwrap(), "--out", "again", "--format", &github];
    assert_eq!(probity(folder.path(), &arguments).status.code(), Some(0));
    let names = std::fs::read_dir(folder.path().join("again")).unwrap().map(|entry| entry.unwrap().file_name());
    let names: Vec<_> = names.collect();
    assert_eq!(names.len(), 10, "{names:?}");
    for name in names {
        let (then, now) = (shop().folder.join(&name), folder.path().join("again").join(&name));
        assert!(std::fs::read(then).unwrap() == std::fs::read(now).unwrap(), "{name:?}");
    }
}
