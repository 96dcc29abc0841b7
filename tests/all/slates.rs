//! A candidate whose positions are judged together: against the Open Bandit Pipeline on a generated log, and told where the
//! log or the table cannot say what stood above.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::support::{Audit, Numbers, facts, near, verdict};

const MANIFEST: &str = "\
probity: 1
system: { name: Test shop, owner: team@shop.example, jurisdiction: DE, as_of: 2026-06-01 }
purposes:
  - { id: personalize.content, legal_basis: consent, benefit: Less to look through. }
strategies:
  - { id: today, purpose: personalize.content }
candidate: { id: tomorrow, clip: 1.5, assumption: [cascade, slate] }
measure: { min_cell: 10, segments: [{ attribute: device }] }
evidence:
  candidate: { path: candidate.csv }
  recommendations: { path: log.csv, values: { strategy: today } }
";

/// How readily the log and the candidate draw each of four items, of those not drawn yet.
const LOGGED: [u64; 4] = [4, 3, 2, 1];
const TOMORROW: [u64; 4] = [2, 2, 3, 3];
const REQUESTS: u64 = 900;

/// Three items for each request, drawn one after the other without putting back; whoever clicked above clicks less below. The
/// candidate's table says what it would draw beneath what the log shows.
fn slates() -> (String, String) {
    let mut draw = Numbers(23);
    let mut log = "request_id,timestamp,subject_id,device,item_id,position,propensity,clicked\n".to_owned();
    let mut table = "request_id,position,item_id,probability\n".to_owned();
    for request in 0..REQUESTS {
        let (person, device) = (request / 3, if request / 3 % 3 == 0 { "phone" } else { "desk" });
        let mut left = vec![0_usize, 1, 2, 3];
        let mut above = false;
        for position in 1..=3 {
            let total = |of: &[u64; 4]| left.iter().map(|item| of[*item]).sum::<u64>();
            let (all, all_of_it) = (total(&LOGGED), total(&TOMORROW));
            for item in &left {
                let p = TOMORROW[*item] as f64 / all_of_it as f64;
                let _ = writeln!(table, "r{request},{position},i{item},{p}");
            }
            let mut at = draw.below(all);
            let chosen = left.iter().position(|item| match at.checked_sub(LOGGED[*item]) {
                Some(rest) => {
                    at = rest;
                    false
                }
                None => true,
            });
            let item = left.remove(chosen.expect("one is drawn"));
            let clicked = draw.below(100) < 20 + 10 * item as u64 - if above { 15 } else { 0 };
            above |= clicked;
            let b = LOGGED[item] as f64 / all as f64;
            let _ = writeln!(
                log,
                "r{request},2026-03-01T10:00:00Z,p{person},{device},i{item},{position},{b},{}",
                u8::from(clicked)
            );
        }
    }
    (log, table)
}

fn audit() -> Audit {
    let (log, table) = slates();
    Audit::new().with("audit.yaml", MANIFEST).with("log.csv", log).with("candidate.csv", table)
}

fn fact<'a>(record: &'a Value, assumption: &str, estimator: &str) -> &'a Value {
    let all = facts(record, "counterfactual");
    let is = |fact: &&Value| {
        fact["assumption"] == assumption && fact["estimator"] == estimator && fact["segment"] == json!({})
    };
    all.into_iter().find(is).unwrap_or_else(|| panic!("no {estimator} under {assumption}"))
}

/// Of every position, as the pipeline's are of every request of three.
///
/// obp 0.4.1: `SlateRewardInteractionIPS(len_list=3).estimate_policy_value(slate_id, reward, position, pscore_cascade,
/// evaluation_policy_pscore_cascade) / 3` and `SlateStandardIPS(len_list=3).estimate_policy_value(slate_id, reward, position,
/// pscore, evaluation_policy_pscore) / 3`. obp 0.5.5: `SlateCascadeDoublyRobust(len_list=3,
/// n_unique_action=4).estimate_policy_value(..., q_hat, evaluation_policy_action_dist) / 3` with `q_hat` of an item and position
/// (clicks + 20 * mean of the position) / (rows + 20). What it does not have, with numpy 2: `(w * r).sum() / w.sum()`,
/// `(np.minimum(w, 1.5) * r).mean()`, `(m + w * (r - q)).mean()`, `w.mean()`, `w.max()`, `w.sum()**2 / (w*w).sum()`.
#[test]
fn rewards_that_depend_on_what_stands_above_agree_with_the_pipeline() {
    let record = audit().run().record();
    for (assumption, estimator, value) in [
        ("cascade", "inverse_propensity", 0.305757385361552),
        ("cascade", "self_normalised", 0.30378502625315945),
        ("cascade", "clipped", 0.22037511022927692),
        ("cascade", "doubly_robust", 0.30042587187780884),
        ("cascade", "direct_method", 0.3350413131490712),
        ("slate", "inverse_propensity", 0.3142476851851852),
        ("slate", "self_normalised", 0.30544287022474814),
        ("slate", "direct_method", 0.3350413131490712),
        ("slate", "doubly_robust", 0.3262033611696169),
    ] {
        let fact = fact(&record, assumption, estimator);
        near(&fact["estimate"], value, 1e-9);
        assert_eq!((&fact["impressions"], &fact["uncovered"], &fact["short"]), (&json!(2700), &json!(0), &json!(0)));
    }
    for (assumption, mean, most, effective) in [
        ("cascade", 1.006492614638448, 6.75, 1198.6279195542515),
        ("slate", 1.0288263888888889, 6.75, 971.437779946144),
    ] {
        let fact = fact(&record, assumption, "inverse_propensity");
        near(&fact["mean_weight"]["estimate"], mean, 1e-9);
        near(&fact["max_weight"], most, 1e-9);
        near(&fact["effective_impressions"], effective, 1e-6);
    }
    let all = facts(&record, "counterfactual");
    assert!(all.iter().all(|fact| fact["assumption"] != "independent" && fact["estimator"] != "replay"));
}

/// Below the first position these propensities hold for what stands above, so that as probabilities of the position alone
/// they are wrong: there the estimate is refused, beside the other that is made.
#[test]
fn both_assumptions_stand_side_by_side() {
    let both = audit().replacing("audit.yaml", "[cascade, slate]", "[independent, cascade]");
    let record = both.run().record();
    let all = facts(&record, "counterfactual");
    let refused: Vec<_> = all.iter().filter(|fact| fact["refused"] != json!(null)).collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(refused[0]["assumption"], "independent");
    assert!(refused[0]["refused"].as_str().unwrap().contains("in position 3"), "{}", refused[0]["refused"]);
    near(&fact(&record, "cascade", "inverse_propensity")["estimate"], 0.305757385361552, 1e-9);
    // One that takes its own probabilities and the log's for independent of each other.
    let single = audit().replacing("audit.yaml", "[cascade, slate]", "cascade").run().record();
    assert!(facts(&single, "counterfactual").iter().all(|fact| fact["assumption"] == "cascade"));
    assert_eq!(verdict(&single, "candidate-unsupported"), "pass");
}

#[test]
fn where_a_position_is_not_told_what_stands_below_it_is_left_out() {
    let uncovered = |audit: Audit, cascade: u64, slate: u64| {
        let record = audit.run().record();
        for (assumption, expected) in [("cascade", cascade), ("slate", slate)] {
            let fact = fact(&record, assumption, "doubly_robust");
            assert_eq!(fact["uncovered"], expected, "{assumption}");
        }
    };
    let without = |file: &str, start: &str| {
        let text = audit()
            .text(file)
            .lines()
            .filter(|line| !line.starts_with(start))
            .fold(String::new(), |all, line| all + line + "\n");
        audit().with(file, text)
    };
    // The candidate says nothing of the second position of one request.
    uncovered(without("candidate.csv", "r5,2,"), 2, 3);
    // Nor of the first of another.
    uncovered(without("candidate.csv", "r5,1,"), 3, 3);
    // The log does not have the first position: both others hang in the air.
    let log = audit().text("log.csv");
    let first =
        log.lines().find(|line| line.starts_with("r7,") && line.contains(",1,0")).expect("it is there").to_owned();
    uncovered(audit().with("log.csv", log.replacen(&format!("{first}\n"), "", 1)), 2, 2);
    // Without its position nothing of a request has a place.
    let lost = first.replacen(",1,0", ",,0", 1);
    uncovered(audit().with("log.csv", log.replacen(&first, &lost, 1)), 3, 3);
}

#[test]
fn what_the_assumptions_need_is_an_error_with_its_place() {
    let wrong = |from: &str, to: &str| audit().replacing("audit.yaml", from, to).run();
    wrong("[cascade, slate]", "[cascades]").refused(&["audit.yaml:7", "`cascades`", "did you mean `cascade`?"]);
    wrong("[cascade, slate]", "[cascade, cascade]").refused(&["audit.yaml:7", "`cascade`", "twice"]);
    let log = audit().text("log.csv");
    let no_positions = audit().with("log.csv", log.replacen(",position,", ",row,", 1));
    let table = audit().text("candidate.csv").replacen("position,", "row,", 1);
    no_positions.with("candidate.csv", table).run().refused(&["audit.yaml:7", "`cascade`", "column `position`"]);
    // Rows that say of nobody whose they are.
    let rows = audit()
        .replacing("audit.yaml", "min_cell: 10", "unit: impression, min_cell: 10")
        .with("log.csv", log.replacen("request_id,", "id,", 1))
        .with("candidate.csv", "item_id,position,probability\ni0,1,0.5\n");
    rows.run().refused(&["audit.yaml:7", "`slate`", "column `request_id`"]);
    // Propensities whose product is nothing.
    let tiny = |line: &str| {
        let mut cells: Vec<&str> = line.split(',').collect();
        if cells[0] == "r9" && cells[5] != "1" {
            cells[6] = "0.00000001";
        }
        cells.join(",") + "\n"
    };
    let record = audit().with("log.csv", log.lines().map(tiny).collect::<String>()).run().record();
    for fact in facts(&record, "counterfactual") {
        assert!(fact["refused"].as_str().is_some_and(|of| of.contains("would stand for")), "{fact}");
    }
}
