//! What `probity power` names, and whether audits of logs with just that in them see it.

use std::path::Path;

use serde_json::Value;

use crate::support::{Audit, ITEMS, PEOPLE};

const MANIFEST: &str = "\
probity: 1
system: { name: Test shop, owner: team@shop.example, jurisdiction: DE, as_of: 2026-06-01 }
purposes:
  - { id: personalize.content, legal_basis: consent, benefit: Less to look through. }
strategies:
  - { id: hybrid, purpose: personalize.content }
measure:
  min_cell: 10
  metrics: [click]
  segments: [{ attribute: device, reference: desk }]
rules: { packs: [playbook] }
evidence:
  subjects: { path: subjects.csv, declares: { subject_id: user.contact.email } }
  recommendations: { path: log.csv, declares: { subject_id: user.contact.email } }
";

const PHONES: u32 = 150;
const DESKS: u32 = 250;
const ROWS: u32 = 12;

/// A small generator of numbers that any language has.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A log in which people with a phone click `ratio` times as often as others, who click on a sixth of what they see.
fn shop(seed: u64, ratio: f64) -> Audit {
    let mut numbers = Numbers(seed.wrapping_mul(977) + 5);
    for _ in 0..20 {
        numbers.next();
    }
    let (mut subjects, mut log) = ("subject_id,device\n".to_owned(), String::new());
    log += "request_id,timestamp,subject_id,item_id,strategy,clicked\n";
    for person in 0..PHONES + DESKS {
        let phone = person < PHONES;
        subjects += &format!("anna.{person:03}{PEOPLE},{}\n", if phone { "phone" } else { "desk" });
        for row in 0..ROWS {
            let clicked = numbers.next() < if phone { ratio / 6.0 } else { 1.0 / 6.0 };
            let day = 1 + (person + row) % 28;
            let (who, what) = (format!("anna.{person:03}{PEOPLE}"), format!("{ITEMS} {row}"));
            log += &format!("r{person}-{row},2026-05-{day:02}T08:00:00Z,{who},{what},hybrid,{}\n", u8::from(clicked));
        }
    }
    Audit::new().with("audit.yaml", MANIFEST).with("subjects.csv", subjects).with("log.csv", log)
}

/// Runs `probity power` in a folder; exit code, stdout and stderr.
fn power(folder: &Path, manifest: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let mut command = assert_cmd::Command::cargo_bin("probity").expect("the program is built");
    command.current_dir(folder).env("NO_COLOR", "1").env_remove("RUST_BACKTRACE");
    let output = command.arg("power").arg(manifest).args(more).output().expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8 is printed");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn json(folder: &Path, manifest: &str, more: &[&str]) -> Value {
    let (code, stdout, stderr) = power(folder, manifest, &[&["--format", "json"], more].concat());
    assert_eq!(code, Some(0), "{stderr}");
    serde_json::from_str(&stdout).expect("JSON")
}

fn row<'a>(found: &'a Value, list: &str, rule: &str) -> &'a Value {
    let rows = found[list].as_array().expect("rows");
    rows.iter().find(|row| row["rule"] == rule).unwrap_or_else(|| panic!("{rule} in {found:#}"))
}

/// A simulated shop, and the record of its audit.
fn storefront() -> (tempfile::TempDir, Value) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |args: &[&str], code: i32| {
        let mut command = assert_cmd::Command::cargo_bin("probity").expect("the program is built");
        command.current_dir(folder.path()).args(args).assert().code(code);
    };
    run(&["simulate", "--out", "shop", "--subjects", "600", "--decisions", "3000"], 0);
    run(&["audit", "shop/audit.yaml", "--quiet", "--format", "json", "--out", "report"], 1);
    let text = std::fs::read_to_string(folder.path().join("report/audit.json")).expect("there is a record");
    let record = serde_json::from_str(&text).expect("the record is JSON");
    (folder, record)
}

#[test]
fn audits_see_what_is_named_and_nothing_is_seen_where_little_is_wrong() {
    let alike = shop(1, 1.0);
    let folder = alike.path("");
    let found = json(&folder, "audit.yaml", &["--seed", "7"]);
    let row = row(&found, "differences", "outcome-four-fifths");
    assert_eq!(
        (&row["about"]["segment"], &row["units"], &row["bound"]),
        (&"device=phone".into(), &150.into(), &0.8.into())
    );
    let size = row["seen"]["size"].as_f64().expect("some size is seen");
    assert!((0.5..0.75).contains(&size), "{size}");
    assert!(row["seen"]["probability"].as_f64() >= Some(0.8));
    assert_eq!(found["schema_version"], "1");
    // Ten shops with just that in them: 8 are expected, and fewer than 5 once in 150 times.
    let fails = |ratio: f64| {
        let of = |seed| {
            let run = shop(seed, ratio).run();
            let record = run.record();
            let findings = record["findings"].as_array().expect("findings");
            findings.iter().any(|of| of["rule"] == "outcome-four-fifths" && of["status"] == "fail")
        };
        (100..110).filter(|seed| of(*seed)).count()
    };
    let caught = fails(size);
    assert!((5..=10).contains(&caught), "{caught} of 10 at {size}");
    assert!(fails(0.95) <= 1);
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_bound_another_answer() {
    let audit = shop(2, 0.9);
    let folder = audit.path("");
    let text = |more: &[&str]| power(&folder, "audit.yaml", more);
    let (code, first, stderr) = text(&["--seed", "3"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(text(&["--seed", "3"]).1, first);
    assert!(first.contains("device=phone against device=desk, click: "), "{first}");
    assert!(stderr.ends_with("exit 0: simulated what rules see of 2 differences and 0 uses of data\n"), "{stderr}");
    for secret in [PEOPLE, "anna.", ITEMS] {
        assert!(!first.contains(secret), "`{secret}` was told");
    }
    let size = |found: &Value| row(found, "differences", "outcome-four-fifths")["seen"]["size"].as_f64();
    let four_fifths = size(&json(&folder, "audit.yaml", &[]));
    let changed = MANIFEST
        .replace("packs: [playbook] }", "packs: [playbook], params: { outcome-four-fifths: { floor: 0.95 } } }");
    let audit = audit.with("audit.yaml", changed);
    let stricter = size(&json(&audit.path(""), "audit.yaml", &[]));
    assert!(stricter > four_fifths && four_fifths.is_some(), "{stricter:?} {four_fifths:?}");
    // What has to be caught nearly always has to be larger.
    let surely = size(&json(&audit.path(""), "audit.yaml", &["--power", "0.99"]));
    assert!(surely < stricter && surely.is_some(), "{surely:?} {stricter:?}");
}

/// Where a rule fails at one event, n of them are missed with probability (1 - visible)^n.
#[test]
fn decisions_without_consent_show_unless_they_cannot_be_judged() {
    let (folder, record) = storefront();
    let found = json(folder.path(), "shop/audit.yaml", &["--simulations", "400", "--power", "0.93"]);
    let events = found["events"].as_array().expect("rows");
    assert!(events.len() > 20);
    let mut more_than_one = 0;
    for row in events {
        let hidden = &row["hidden"];
        let share = hidden["share"].as_f64().expect("a share");
        let n = row["seen"]["size"].as_f64().expect("some number is seen");
        let least = |probability: f64| ((1.0 - probability).ln() / share.ln()).ceil().max(1.0);
        // A number that is nearly enough may be one more or less by the luck of 400 samples.
        let (low, high) = (least(0.89), least(0.97));
        assert!(share == 0.0 && n == 1.0 || (low..=high).contains(&n), "{row:#}");
        more_than_one += usize::from(n > 1.0);
        let part = |name: &str| hidden[name].as_f64().expect("a count");
        if row["rule"] == "non-consented-join" {
            let unseen = part("events_unknown") + part("events_before_policy") + part("events_in_grace");
            let expected = 1.0 - (1.0 - unseen / part("events")) * (1.0 - part("rejected_share"));
            assert!((share - expected).abs() < 1e-12, "{row:#}");
        }
    }
    assert!(more_than_one > 0, "some decisions hide");
    row(&found, "events", "non-consented-join");
    row(&found, "events", "use-after-withdrawal");
    // Withheld counts stay withheld, and no rule is passed over.
    let differences = found["differences"].as_array().expect("rows");
    for difference in differences.iter().filter(|row| row["kind"] == "outcome_parity") {
        let about = &difference["about"];
        let fact = record["facts"].as_array().expect("facts").iter().find(|fact| {
            let segment = fact["segment"].as_object().and_then(|of| of.iter().next());
            let named = segment.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()));
            fact["kind"] == "outcome_parity"
                && ["strategy", "metric"].iter().all(|name| fact[*name] == about[*name])
                && about["segment"] == named.unwrap_or_default()
        });
        assert_eq!(difference["units"], fact.expect("the fact")["subjects"], "{difference:#}");
    }
    let told =
        |list: &str| found[list].as_array().expect("rows").iter().map(|row| row["rule"].clone()).collect::<Vec<_>>();
    let all = [told("differences"), told("events"), told("not_simulated")].concat();
    for step in record["steps"].as_array().expect("steps") {
        for rule in step["rules"].as_array().expect("rules").iter().filter(|rule| !rule["on"].is_null()) {
            assert!(all.contains(&rule["id"]), "{} is passed over", rule["id"]);
        }
    }
}

#[test]
fn what_cannot_be_done_is_told() {
    let audit = Audit::new();
    let folder = audit.path("");
    let (code, stdout, stderr) = power(&folder, "audit.yaml", &["--power", "1.5"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("no probability above 0 and below 1"), "{stderr}");
    assert_eq!(power(&folder, "no-such.yaml", &[]).0, Some(2));
    assert_eq!(power(&folder, "audit.yaml", &["--simulations", "3"]).0, Some(2));
    // Nothing that could be simulated is not an answer.
    let bare = "probity: 1\nsystem: { name: s, owner: o }\nevidence: {}\n";
    let audit = audit.with("bare.yaml", bare);
    let (code, stdout, stderr) = power(&audit.path(""), "bare.yaml", &["--out", "power.txt"]);
    assert_eq!((code, stdout.as_str()), (Some(3), ""), "{stderr}");
    assert!(audit.text("power.txt").contains("\nNot simulated\n"));
}
