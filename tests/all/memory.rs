//! The memory between audits: baseline, ratchet, ledger, decisions, and the story of a gate.

use std::path::Path;

use serde_json::Value;

use crate::support::{Audit, Run, csv, facts, log, plain, subject};

/// Runs the program in the folder of an audit: its exit code, and what it printed.
#[track_caller]
fn probity(audit: &Audit, args: &[&str]) -> (i32, String, String) {
    let mut command = assert_cmd::Command::cargo_bin("probity").expect("the program is built");
    command.current_dir(audit.path("")).env("NO_COLOR", "1").env_remove("RUST_BACKTRACE");
    let output = command.args(args).output().expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8 is printed");
    let (stdout, stderr) = (text(&output.stdout), plain(&text(&output.stderr)));
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code().expect("a code"), stdout, stderr)
}

#[track_caller]
pub fn done(audit: &Audit, args: &[&str]) -> String {
    let (code, stdout, stderr) = probity(audit, args);
    assert_eq!(code, 0, "{args:?}: {stderr}");
    stdout + &stderr
}

/// 400 people in two age bands, each shown 30 items; the young click on 5 in 10, the others on `clicks` in 100.
fn shop(clicks: u32) -> Audit {
    let mut rows = "request_id,timestamp,subject_id,item_id,position,strategy,clicked,inputs\n".to_owned();
    let (mut subjects, mut consent) = ("subject_id,age_band\n".to_owned(), CONSENT.to_owned());
    for person in 0..400_u32 {
        let young = person % 2 == 0;
        subjects += &format!("p{person},{}\n", if young { "18-29" } else { "65+" });
        consent += &format!("p{person},2026-01-01T00:00:00Z,given,personalize.content,user.behavior,web\n");
        for shown in 0..30_u32 {
            // A spread that is even over people and items, and the same in every shop.
            let draw = (person * 37 + shown * 61) % 100;
            let clicked = draw < if young { 50 } else { clicks };
            rows += &format!(
                "r{person}-{shown},2026-05-{:02}T10:00:00Z,p{person},i{},1,popular,{clicked},web.events.views\n",
                shown % 28 + 1,
                shown % 9
            );
        }
    }
    Audit::new().with("log.csv", rows).with("subjects.csv", subjects).with("consent.csv", consent).replacing(
        "audit.yaml",
        "  min_cell: 10\n",
        "  min_cell: 10\n  metrics: [click]\n",
    )
}

const CONSENT: &str = "subject_id,timestamp,status,purpose,categories,contexts\n";

/// The same shop, audited again with another log.
fn again(run: Run, clicks: u32) -> Run {
    let log = shop(clicks).text("log.csv");
    let audit = run.audit.with("log.csv", log);
    let _ = std::fs::remove_dir_all(audit.path("report"));
    audit.run()
}

fn finding<'a>(record: &'a Value, rule: &str) -> Option<&'a Value> {
    record["findings"].as_array().expect("findings").iter().find(|finding| finding["rule"] == rule)
}

const WAIVER: &str = "\
waivers:
  - rule: outcome-four-fifths
    subject: { strategy: popular, metric: click, segment: age_band=65+, reference: age_band=18-29, within: '' }
    reason: The cause is known, and mended with the next release.
    owner: hybrid-team@shop.example
    approved_by: privacy@shop.example
    created: 2026-05-01
    expires: 2026-06-30
";

/// The story: the first audit fails, a waiver is filed, the gate passes, the waiver expires, it fails again and says why.
#[test]
fn a_gate_goes_red_is_waived_and_goes_red_again_when_the_waiver_ends() {
    let run = shop(30).run();
    let record = run.audited(1);
    let failed = finding(&record, "outcome-four-fifths").expect("0.6 is below four fifths");
    assert_eq!((&failed["status"], &failed["disposition"]), (&"fail".into(), &"open".into()));

    let audit = run.audit.with("decisions.yaml", WAIVER);
    let manifest = audit.text("audit.yaml");
    let audit = audit.with("audit.yaml", format!("{manifest}decisions: decisions.yaml\n"));
    let run = audit.run();
    let record = run.audited(0);
    assert_eq!(finding(&record, "outcome-four-fifths").unwrap()["disposition"], "waived");
    assert!(run.stdout.contains("covers 1 finding until 2026-06-30"), "{}", run.stdout);

    let run = run.audit.replacing("audit.yaml", "as_of: 2026-06-01", "as_of: 2026-07-01").run();
    let record = run.audited(1);
    let failed = finding(&record, "outcome-four-fifths").unwrap();
    assert_eq!(failed["disposition"], "open");
    let told = failed["evidence"].as_array().unwrap().iter().find(|evidence| evidence["label"] == "waiver").unwrap();
    assert_eq!(told["value"], "has no effect: it has expired");
    assert!(run.stdout.contains("no effect: it has expired"), "{}", run.stdout);
}

/// What was there when the baseline was written may stay; what is new may not; what gets surely worse may not either.
#[test]
fn a_baseline_lets_stay_what_was_there_and_nothing_else() {
    let run = shop(38).run();
    run.audited(1);
    done(&run.audit, &["baseline", "write", "report/audit.json"]);
    let before = run.audit.text("baseline.json");
    let audit = run.audit.replacing("audit.yaml", "rules:\n", "gate: { baseline: baseline.json }\nrules:\n");
    let run = audit.run();
    let record = run.audited(0);
    let known = finding(&record, "outcome-four-fifths").unwrap();
    assert_eq!((&known["disposition"], &known["since_baseline"]), (&"baseline".into(), &"same".into()));
    assert!(run.stdout.contains("0 new, 0 worse"), "{}", run.stdout);

    // Worse than the baseline allows.
    let run = again(run, 25);
    let record = run.audited(1);
    let known = finding(&record, "outcome-four-fifths").unwrap();
    assert_eq!((&known["disposition"], &known["since_baseline"]), (&"open".into(), &"worse".into()));
    assert!(finding(&record, "worse-than-baseline").is_some());

    // Better, and still below four fifths' bound.
    let run = again(run, 39);
    run.audited(0);

    // Another finding: people who agreed to nothing.
    let consent = run.audit.text("consent.csv");
    let kept = consent.lines().filter(|line| !line.starts_with("p7,")).map(|line| format!("{line}\n"));
    let refused =
        format!("{}p7,2026-01-01T00:00:00Z,refused,personalize.content,user.behavior,web\n", kept.collect::<String>());
    let run = run.audit.with("consent.csv", refused).run();
    let record = run.audited(1);
    let new = finding(&record, "use-without-consent").unwrap();
    assert_eq!((&new["disposition"], &new["since_baseline"]), (&"open".into(), &"new".into()));
    assert_eq!(run.audit.text("baseline.json"), before, "no audit rewrites the baseline");
    let (code, _, stderr) = probity(&run.audit, &["baseline", "write", "report/audit.json"]);
    assert_eq!(code, 2, "a baseline is not overwritten unasked");
    assert!(stderr.contains("there is a baseline already"), "{stderr}");
}

/// A metric worsens within its bound: four fifths are reached before and after, and the ratchet catches it.
#[test]
fn the_ratchet_catches_what_gets_worse_within_its_bound() {
    let run = shop(50).run();
    run.audited(0);
    done(&run.audit, &["baseline", "write", "report/audit.json", "--out", "kept/baseline.json"]);
    let baseline = run.audit.text("kept/baseline.json");
    let held = |clicks| {
        let audit = shop(clicks).with("kept/baseline.json", &baseline);
        audit.replacing("audit.yaml", "rules:\n", "gate: { baseline: kept/baseline.json }\nrules:\n").run()
    };
    held(50).audited(0);
    shop(44).run().audited(0);
    let record = held(44).audited(1);
    assert!(finding(&record, "outcome-four-fifths").is_none_or(|of| of["status"] != "fail"));
    let caught = finding(&record, "worse-than-baseline").expect("the ratchet");
    let message = caught["message"].as_str().unwrap();
    assert!(message.contains("segment=age_band=65+") && message.contains("surely worse than 1.0 "), "{message}");
    assert!(caught["since_baseline"].is_null(), "a difference is nothing that could be in a baseline");
    let changes = facts(&record, "change");
    let change = changes.into_iter().find(|fact| fact["about"]["segment"] == "age_band=65+").expect("the fact");
    assert_eq!(change["since"], "baseline");
    assert!(change["now"]["high"].as_f64() < change["before"]["low"].as_f64());
}

#[test]
fn numbers_made_in_another_way_are_not_compared() {
    let run = shop(38).run();
    run.audited(1);
    done(&run.audit, &["baseline", "write", "report/audit.json"]);
    let audit = run.audit.replacing("audit.yaml", "rules:\n", "gate: { baseline: baseline.json }\nrules:\n");
    let run = audit.replacing("audit.yaml", "  min_cell: 10\n", "  min_cell: 10\n  level: 0.9\n").run();
    let record = run.audited(1);
    let known = finding(&record, "outcome-four-fifths").unwrap();
    assert_eq!((&known["disposition"], &known["since_baseline"]), (&"open".into(), &"not_comparable".into()));
    let changes = facts(&record, "change");
    assert!(!changes.is_empty() && changes.iter().all(|fact| fact["comparison"] == "other_method"), "{changes:?}");
}

#[test]
fn a_finding_that_vanished_with_its_evidence_is_not_fixed() {
    let run = shop(30).run();
    run.audited(1);
    done(&run.audit, &["baseline", "write", "report/audit.json"]);
    // Nobody hands over the subjects any more: nothing can be compared.
    let audit = run.audit.replacing("audit.yaml", "rules:\n", "gate: { baseline: baseline.json }\nrules:\n");
    let audit = audit.replacing(
        "audit.yaml",
        "  subjects: { path: subjects.csv, declares: { subject_id: user.contact.email } }\n",
        "",
    );
    let run = audit.replacing("audit.yaml", "  segments:\n    - attribute: age_band\n", "").run();
    let record = run.record();
    let gone = &record["baseline"]["not_comparable"];
    let told = gone.as_array().unwrap().iter().find(|of| of["rule"] == "outcome-four-fifths").expect("it is told");
    assert!(told["reason"].as_str().unwrap().contains("evidence"), "{told}");
    assert!(record["baseline"]["fixed"].as_array().unwrap().iter().all(|of| of["rule"] != "outcome-four-fifths"));

    // The same shop with the gap closed is fixed.
    let run = shop(50).with("baseline.json", run.audit.text("baseline.json"));
    let run = run.replacing("audit.yaml", "rules:\n", "gate: { baseline: baseline.json }\nrules:\n").run();
    let record = run.audited(0);
    let fixed = record["baseline"]["fixed"].as_array().unwrap();
    assert!(fixed.iter().any(|of| of["rule"] == "outcome-four-fifths"), "{fixed:?}");
}

#[test]
fn two_records_are_set_beside_each_other() {
    let worse = shop(25).run();
    worse.audited(1);
    let run = shop(38).run();
    run.audited(1);
    let audit = run.audit.with("worse.json", worse.audit.text("report/audit.json"));
    let text = done(&audit, &["diff", "report/audit.json", "worse.json"]);
    assert!(text.contains("Worse (1)") && text.contains("outcome-four-fifths"), "{text}");
    assert!(text.contains("1 surely worse, 0 surely better"), "{text}");
    let markdown = done(&audit, &["diff", "report/audit.json", "worse.json", "--format", "markdown"]);
    assert!(markdown.contains("| high | `outcome-four-fifths` |"), "{markdown}");
    let json: Value =
        serde_json::from_str(&probity(&audit, &["diff", "worse.json", "report/audit.json", "--format", "json"]).1)
            .expect("JSON");
    assert_eq!((&json["counts"]["better"], &json["counts"]["worse"]), (&1.into(), &0.into()));
    assert_eq!(json["numbers"][0]["direction"], "better");
    let same = done(&audit, &["diff", "worse.json", "worse.json"]);
    assert!(same.contains("0 new, 0 worse, 0 not comparable, 0 fixed, 0 better"), "{same}");
}

/// Three audits in a ledger, and a sign-off.
fn ledger() -> Audit {
    let run = shop(50).run();
    done(&run.audit, &["history", "append", "report/audit.json"]);
    let audit = run.audit.replacing("audit.yaml", "rules:\n", "ledger: history.jsonl\nrules:\n");
    let mut run = audit.run();
    for clicks in [49, 48] {
        done(&run.audit, &["history", "append", "report/audit.json"]);
        run = again(run, clicks);
    }
    run.audit
}

#[test]
fn an_edited_ledger_and_a_cut_one_are_noticed() {
    let audit = ledger();
    let text = audit.text("history.jsonl");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    let told = done(&audit, &["history", "verify"]);
    let head = told.rsplit("head ").next().unwrap().trim().to_owned();
    assert!(told.contains("the chain of 3 lines holds"), "{told}");
    done(&audit, &["history", "verify", "--expect-head", &head]);
    done(&audit, &["history", "verify", "--seen-by", "report/audit.json"]);

    let broken = |audit: Audit, lines: &[&str], told: &str| {
        let audit = audit.with("history.jsonl", lines.iter().map(|line| format!("{line}\n")).collect::<String>());
        let (code, _, stderr) = probity(&audit, &["history", "verify", "--expect-head", &head]);
        assert_eq!(code, 1, "{stderr}");
        assert!(stderr.contains(told), "expected `{told}` in {stderr}");
        audit
    };
    // Edited: the first audit's gate, in place.
    let edited = lines[0].replacen("\"gate\":\"passed\"", "\"gate\":\"failed\"", 1);
    assert_ne!(edited, lines[0]);
    let audit =
        broken(audit, &[&edited, lines[1], lines[2]], "line 2 does not follow line 1 as it is: line 1 was changed");
    // Cut at the end, in the middle, at the beginning; put in another order.
    let audit = broken(audit, &lines[..2], "the ledger was cut, or written anew, since");
    let audit = broken(audit, &[lines[0], lines[2]], "line 2 calls itself 3: lines were taken out");
    let audit = broken(audit, &lines[1..], "the beginning was cut");
    let audit = broken(audit, &[lines[0], lines[2], lines[1]], "line 2 calls itself 3");
    // The last line, edited: its hash is not the one that was seen.
    let last = lines[2].replacen("\"gate\":\"passed\"", "\"gate\":\"failed\"", 1);
    let audit = broken(audit, &[lines[0], lines[1], &last], "no line has the hash");
    // An audit refuses to build on it.
    let audit = audit.with("history.jsonl", format!("{edited}\n{}\n", lines[1]));
    audit.run_to("another").refused(&["history.jsonl:2", "line 1 was changed"]);
}

#[test]
fn a_fork_after_a_merge_is_named() {
    let audit = ledger();
    let text = audit.text("history.jsonl");
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    // Two branches each appended after line 2: the union that a merge driver makes of them.
    let other = lines[2].replacen("\"as_of\":\"2026-06-01\"", "\"as_of\":\"2026-06-02\"", 1);
    let audit = audit.with("history.jsonl", format!("{}\n{}\n{}\n{other}\n", lines[0], lines[1], lines[2]));
    let (code, _, stderr) = probity(&audit, &["history", "verify"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("lines 3 and 4 both follow line 2: the ledger forked here"), "{stderr}");
    // A merge that nobody finished.
    let marks = format!("{}\n{}\n<<<<<<< HEAD\n{}\n=======\n{other}\n>>>>>>> topic\n", lines[0], lines[1], lines[2]);
    let audit = audit.with("history.jsonl", marks);
    let (code, _, stderr) = probity(&audit, &["history", "verify"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("history.jsonl:3") && stderr.contains("a merge left its marks"), "{stderr}");
    // A line that a program did not finish.
    let cut = format!("{}\n{}\n{}", lines[0], lines[1], &lines[2][..lines[2].len() / 2]);
    let (code, _, stderr) = probity(&audit.with("history.jsonl", cut), &["history", "append", "report/audit.json"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("the last line is cut short"), "{stderr}");
}

#[test]
fn a_record_knows_the_ledger_it_was_made_on() {
    let audit = ledger();
    let record: Value = serde_json::from_str(&audit.text("report/audit.json")).unwrap();
    assert_eq!(record["ledger"]["count"], 3);
    assert_eq!(record["ledger"]["last_audit"]["as_of"], "2026-06-01");
    let changes = facts(&record, "change");
    assert!(changes.iter().any(|fact| fact["since"] == "last_audit" && fact["comparison"] == "compared"));
    // Not the same record twice, and not onto a ledger that lost its end since.
    let (code, _, stderr) = probity(&audit, &["history", "append", "report/audit.json"]);
    assert_eq!(code, 0, "{stderr}");
    let (code, _, stderr) = probity(&audit, &["history", "append", "report/audit.json"]);
    assert_eq!((code, stderr.contains("is in the ledger already")), (2, true), "{stderr}");
    let first = audit.text("history.jsonl").lines().next().unwrap().to_owned() + "\n";
    let audit = audit.with("history.jsonl", first);
    let (code, _, stderr) = probity(&audit, &["history", "append", "report/audit.json"]);
    assert_eq!((code, stderr.contains("which this ledger lacks")), (2, true), "{stderr}");
    let (code, _, stderr) = probity(&audit, &["history", "verify", "--seen-by", "report/audit.json"]);
    assert_eq!((code, stderr.contains("which this ledger lacks")), (1, true), "{stderr}");
}

#[test]
fn a_sign_off_is_recorded_and_told_by_the_next_audit() {
    let audit = ledger();
    let sign = |audit: &Audit, more: &[&str]| {
        let base = ["decide", "report/audit.json", "accept", "--role", "data protection", "--name", "R. Reader"];
        probity(audit, &[&base[..], &["--reason", "Read and understood."], more].concat())
    };
    let (code, _, stderr) = sign(&audit, &["--expires", "2026-12-31"]);
    assert_eq!(code, 0, "{stderr}");
    for (more, told) in [
        (&["--condition", "x"][..], "a `--condition` goes with `accept-with-conditions`"),
        (&["--expires", "2026-05-01"], "before the day of the audit, 2026-06-01"),
        (&["--finding", "zzzz"], "no finding has the fingerprint `zzzz`"),
        (&["--reason", " "], "cannot be used multiple times"),
    ] {
        let (code, _, stderr) = sign(&audit, more);
        assert_eq!((code, stderr.contains(told)), (2, true), "{stderr}");
    }
    done(&audit, &["history", "verify"]);
    let run = audit.run();
    let record = run.record();
    let decision = &record["ledger"]["decisions"][0];
    assert_eq!((&decision["role"], &decision["name"]), (&"data protection".into(), &"R. Reader".into()));
    assert_eq!((&decision["decision"], &decision["expired"]), (&"accept".into(), &false.into()));
    let later = run.audit.replacing("audit.yaml", "as_of: 2026-06-01", "as_of: 2027-01-01").run();
    assert_eq!(later.record()["ledger"]["decisions"][0]["expired"], true);
}

#[test]
fn what_is_no_baseline_or_of_another_system_is_refused() {
    let with = |text: &str| {
        let audit = Audit::new().with("baseline.json", text);
        audit.replacing("audit.yaml", "rules:\n", "gate: { baseline: baseline.json }\nrules:\n").run()
    };
    with("{").refused(&["baseline.json:1", "this is not the JSON of a baseline"]);
    with("{}").refused(&["this is not a baseline", "probity baseline write"]);
    with("{\"probity_baseline\": 9, \"audit\": {}}").refused(&["the baseline has format 9"]);
    with("{\"probity_baseline\": 1, \"audit\": {}}")
        .refused(&["this is not a whole baseline", "missing field `system`"]);
    let run = shop(50).run();
    done(&run.audit, &["baseline", "write", "report/audit.json"]);
    let other = run.audit.text("baseline.json").replacen("\"system\": \"Test shop\"", "\"system\": \"Another\"", 1);
    with(&other).refused(&["this is of the system `Another`, and the manifest is of `Test shop`"]);
}

/// The small audit of the other tests has room for its consent: nothing of it leaks into what is kept.
#[test]
fn what_is_kept_names_nobody() {
    let run = Audit::new().with("log.csv", csv(&log())).run();
    done(&run.audit, &["baseline", "write", "report/audit.json"]);
    done(&run.audit, &["history", "append", "report/audit.json"]);
    for kept in ["baseline.json", "history.jsonl"] {
        let text = run.audit.text(kept);
        assert!(!text.contains("@people.example") && !text.contains(&subject(3)), "{kept}");
    }
    assert!(Path::new(&run.audit.path("history.jsonl")).is_file());
}

/// Programs that append at once wait for each other: every line is there, whole, and follows the one before.
#[test]
fn appending_at_once_loses_nothing() {
    let run = shop(50).run();
    let audit = &run.audit;
    std::thread::scope(|scope| {
        for writer in 0..8 {
            scope.spawn(move || {
                let name = format!("writer {writer}");
                let args =
                    ["decide", "report/audit.json", "accept", "--role", "audit", "--name", &name, "--reason", "x"];
                done(audit, &args);
            });
        }
    });
    let told = done(audit, &["history", "verify"]);
    assert!(told.contains("the chain of 8 lines holds"), "{told}");
    let text = audit.text("history.jsonl");
    assert!((0..8).all(|writer| text.contains(&format!("writer {writer}"))));
}

#[test]
fn facts_are_printed_for_other_judges() {
    let run = shop(50).run();
    let all: Value = serde_json::from_str(&probity(&run.audit, &["facts", "report/audit.json"]).1).expect("JSON");
    assert_eq!(all, run.record()["facts"]);
    let some = probity(&run.audit, &["facts", "report/audit.json", "--kind", "outcome_parity"]).1;
    let some: Vec<Value> = serde_json::from_str(&some).expect("JSON");
    assert!(!some.is_empty() && some.iter().all(|fact| fact["kind"] == "outcome_parity"));
    let (code, _, stderr) = probity(&run.audit, &["facts", "report/audit.json", "--kind", "outcome_party"]);
    assert_eq!((code, stderr.contains("did you mean `outcome_parity`?")), (2, true), "{stderr}");
}
