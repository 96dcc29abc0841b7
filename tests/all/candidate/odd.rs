//! Candidates and logs that are odd or wrong, and candidates of the command line.

use serde_json::{Value, json};

use super::{HARMFUL, MANIFEST, PEOPLE, fact, shop};
use crate::support::{Audit, facts, near, verdict};

fn estimates(record: &Value) -> Vec<&Value> {
    facts(record, "counterfactual").into_iter().filter(|fact| fact["segment"] == json!({})).collect()
}

#[test]
fn a_candidate_of_nothing_but_new_items_tells_nothing() {
    let record = shop("item_id,position,probability\nnew,1,0.75\nnewer,1,0.25\n").run().record();
    let everyone = fact(&record, "doubly_robust", &json!({}));
    assert_eq!((&everyone["unsupported_share"], &everyone["effective_impressions"]), (&json!(1.0), &json!(0.0)));
    near(&fact(&record, "inverse_propensity", &json!({}))["estimate"], 0.0, 0.0);
    assert_eq!(fact(&record, "self_normalised", &json!({}))["estimate"], json!(null));
    assert_eq!(fact(&record, "inverse_propensity", &json!({}))["change"], json!(null));
    assert_eq!(verdict(&record, "candidate-four-fifths"), "not_evidenced");
    assert_eq!(verdict(&record, "candidate-worse-for-segment"), "not_evidenced");
    assert_eq!(verdict(&record, "candidate-unsupported"), "fail");
}

#[test]
fn positions_and_requests_that_the_log_lacks_change_nothing() {
    let plain = shop(HARMFUL).run().record();
    let more = shop(&format!("{HARMFUL}i0,9,0.5\ni1,9,0.5\n")).run().record();
    assert_eq!(estimates(&plain), estimates(&more));
    // Each request by its own, and one that nobody made.
    let mut own = "request_id,item_id,position,probability\n".to_owned();
    let lines: Vec<&str> = HARMFUL.lines().skip(1).collect();
    for person in 0..PEOPLE {
        for turn in 0..10 {
            lines.iter().for_each(|line| own += &format!("r{person}-{turn},{line}\n"));
        }
    }
    let known = shop(&own).run().record();
    let unknown = shop(&format!("{own}r-none,i0,1,1\n")).run().record();
    assert_eq!(estimates(&known), estimates(&unknown));
    for (left, right) in estimates(&plain).into_iter().zip(estimates(&known)) {
        near(&left["estimate"], right["estimate"].as_f64().unwrap(), 1e-9);
    }
    // Only positions that the log lacks.
    let record = shop("item_id,position,probability\ni0,7,1\n").run().record();
    let all = facts(&record, "counterfactual");
    assert!(all[0]["refused"].as_str().is_some_and(|of| of.contains("no decision of the log")), "{}", all[0]);
}

#[test]
fn rows_of_other_strategies_do_not_count() {
    let plain = shop(HARMFUL).run().record();
    let audit = shop(HARMFUL);
    let mut log = audit.text("log.csv");
    for person in 0..PEOPLE {
        log += &format!("x{person},2026-03-02T10:00:00Z,p{person},i0,1,other,,1\n");
    }
    let other = "  - { id: today, purpose: personalize.content }\n  - { id: other, purpose: personalize.content }\n";
    let audit =
        audit.replacing("audit.yaml", "  - { id: today, purpose: personalize.content }\n", other).with("log.csv", log);
    assert_eq!(estimates(&plain), estimates(&audit.run().record()));
}

#[test]
fn a_segment_of_one_person_has_no_interval() {
    let audit = shop(HARMFUL);
    let subjects = audit.text("subjects.csv").replacen("p0,65+", "p0,100+", 1);
    let audit = audit.with("subjects.csv", subjects).replacing("audit.yaml", "min_cell: 10", "min_cell: 1");
    let record = audit.run().record();
    for fact in facts(&record, "counterfactual").iter().filter(|fact| fact["segment"] == json!({"age_band": "100+"})) {
        for of in ["value", "current", "change", "ratio", "p_value", "q_value"] {
            assert_eq!(fact[of], json!(null), "{of}: {fact}");
        }
        assert_eq!(fact["impressions"], 10);
    }
}

#[test]
fn a_table_without_rows_is_refused() {
    let record = shop("item_id,position,probability\n").run().record();
    let all = facts(&record, "counterfactual");
    assert_eq!(all.len(), 1);
    assert!(all[0]["refused"].as_str().is_some_and(|of| of.contains("no decision of the log")), "{}", all[0]);
    shop("").run().refused(&["candidate.csv"]);
    shop("item,position\ni0,1\n").run().refused(&["`item_id`", "item"]);
}

#[test]
fn propensities_that_are_no_numbers_never_make_an_estimate() {
    for text in ["high", "NaN", "inf", "-inf", "1e400"] {
        let audit = shop(HARMFUL);
        let log = audit.text("log.csv").replacen(",0.25,", &format!(",{text},"), 1);
        let run = audit.with("log.csv", log).run();
        assert!(!run.stderr.contains("panicked"), "{text}: {}", run.stderr);
        let record = run.record();
        let everyone = estimates(&record);
        // Either the row is rejected, and told, or the estimate is refused.
        if everyone[0]["refused"] == json!(null) {
            assert_eq!(everyone[0]["impressions"], 10 * PEOPLE - 1, "{text}");
            assert_eq!(run.rejected().len(), 1, "{text}");
        }
    }
    for text in ["NaN", "-0.1", "1.1", "some"] {
        shop(&format!("item_id,position,probability\ni0,1,{text}\n")).run().refused(&["candidate.csv:2"]);
    }
}

/// A shop whose manifest names no candidate, or its settings only; the table lies in `new/later.csv`.
fn without(settings: bool) -> Audit {
    let mut manifest = MANIFEST.replacen("  candidate: { path: candidate.csv }\n", "", 1);
    if !settings {
        manifest = manifest.replacen("candidate: { id: tomorrow, on: today, purpose: personalize.content }\n", "", 1);
    }
    shop("").with("shop/audit.yaml", manifest).with("new/later.csv", HARMFUL)
}

fn moved(audit: Audit) -> Audit {
    let (log, subjects) = (audit.text("log.csv"), audit.text("subjects.csv"));
    audit.with("shop/log.csv", log).with("shop/subjects.csv", subjects)
}

#[test]
fn a_file_of_the_command_line_is_the_candidate() {
    let expected = shop(HARMFUL).run().record();
    let near_it = |record: &Value, id: &str| {
        let all = facts(record, "counterfactual");
        assert!(!all.is_empty() && all.iter().all(|fact| fact["candidate"] == id), "{id}");
        for (left, right) in estimates(&expected).into_iter().zip(estimates(record)) {
            assert_eq!(left["value"], right["value"]);
        }
    };
    let path = |record: &Value| {
        let all = record["evidence"].as_array().unwrap().iter().find(|file| file["role"] == "candidate");
        all.expect("it is listed")["path"].as_str().unwrap().to_owned()
    };
    // A path is relative to where the program runs, not to the manifest.
    let from_above = ["audit", "shop/audit.yaml", "--candidate", "new/later.csv", "--out", "report"];
    let record = moved(without(false)).runs("", &from_above, "report").record();
    near_it(&record, "later");
    assert_eq!(path(&record), "../new/later.csv");
    let from_beside = ["audit", "../shop/audit.yaml", "--candidate", "later.csv", "--out", "../report"];
    near_it(&moved(without(false)).runs("new", &from_beside, "report").record(), "later");
    // What the manifest says of the candidate holds.
    let from_within = ["audit", "audit.yaml", "--candidate", "../new/later.csv", "--out", "../report"];
    near_it(&moved(without(true)).runs("shop", &from_within, "report").record(), "tomorrow");
    // Also in place of a table that the manifest names.
    let audit = shop("item_id,position,probability\ni0,1,1\n").with("other.csv", HARMFUL);
    let record =
        audit.runs("", &["audit", "audit.yaml", "--candidate", "other.csv", "--out", "report"], "report").record();
    near_it(&record, "tomorrow");
    assert_eq!(path(&record), "other.csv");
}

#[test]
fn a_file_of_the_command_line_that_cannot_be_used_is_told() {
    let arguments = |file: &'static str| ["audit", "audit.yaml", "--candidate", file, "--out", "report"];
    shop(HARMFUL).runs("", &arguments("none.csv"), "report").refused(&["none.csv"]);
    // Several strategies, and nothing says on which.
    let manifest = MANIFEST.replacen("  candidate: { path: candidate.csv }\n", "", 1).replacen(
        "candidate: { id: tomorrow, on: today, purpose: personalize.content }\n",
        "",
        1,
    );
    let audit = shop(HARMFUL);
    let log = audit.text("log.csv") + "x1,2026-03-02T10:00:00Z,p1,i0,1,other,0.5,1\n";
    let audit = audit.with("audit.yaml", manifest).with("log.csv", log);
    audit.runs("", &arguments("candidate.csv"), "report").refused(&[
        "2 strategies",
        "`candidate: { id: candidate, on: ... }`",
        "`other`, `today`",
    ]);
}

#[test]
fn a_check_looks_at_the_candidate_without_the_log() {
    let check = |audit: Audit| {
        let run = audit.without("log.csv").without("subjects.csv").runs("", &["check", "audit.yaml"], "report");
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        (run.code, crate::support::plain(&run.stderr))
    };
    assert_ne!(check(shop(HARMFUL)).0, Some(2));
    let (code, told) = check(shop(HARMFUL).replacing("audit.yaml", "on: today,", "on: todya,"));
    assert!(code == Some(2) && told.contains("audit.yaml:7") && told.contains("did you mean `today`?"), "{told}");
    let (code, told) = check(shop("itme_id,position,probability\ni0,1,1\n"));
    assert!(code == Some(2) && told.contains("`item_id`") && told.contains("candidate"), "{told}");
    // A table that is made later is not asked for.
    assert_ne!(check(shop(HARMFUL).without("candidate.csv")).0, Some(2));
}
