//! A strategy that nobody has been exposed to: against the Open Bandit Pipeline on its own sample, against planted truth,
//! and refused where the log cannot tell.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Audit, Numbers, facts, near, verdict};

mod odd;

fn fact<'a>(record: &'a Value, estimator: &str, segment: &Value) -> &'a Value {
    let all = facts(record, "counterfactual");
    let found = all.into_iter().find(|fact| fact["estimator"] == estimator && fact["segment"] == *segment);
    found.unwrap_or_else(|| panic!("no {estimator} of {segment}"))
}

fn sample(strategy: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/open-bandit/data/{strategy}/all.csv"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("cannot read {} ({error}): run `fixtures/open-bandit/fetch` first", path.display())
    })
}

/// How often the log shows each item in each position, as a table of probabilities.
fn frequencies(log: &str) -> String {
    let mut counts: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    for row in csv::Reader::from_reader(log.as_bytes()).deserialize::<BTreeMap<String, String>>() {
        let row = row.unwrap();
        *counts.entry((row["position"].parse().unwrap(), row["item_id"].parse().unwrap())).or_default() += 1;
    }
    let total = |position: u32| counts.iter().filter(|((own, _), _)| *own == position).map(|(_, n)| n).sum::<u32>();
    let rows = counts
        .iter()
        .map(|((position, item), n)| format!("{item},{position},{}\n", f64::from(*n) / f64::from(total(*position))));
    format!("item_id,position,probability\n{}", rows.collect::<String>())
}

fn bandit(on: &str, candidate: &str, table: String) -> Value {
    let manifest = format!(
        "probity: 1
system: {{ name: Sample, owner: nobody@shop.example, jurisdiction: JP }}
purposes: [{{ id: personalize.content, legal_basis: consent, benefit: Less to look through. }}]
strategies: [{{ id: {on}, purpose: personalize.content }}]
candidate: {{ id: {candidate}, on: {on}, clip: 1.5 }}
measure: {{ unit: impression, segments: [{{ attribute: user_feature_0 }}] }}
evidence:
  candidate: {{ path: candidate.csv }}
  recommendations:
    path: log.csv
    values: {{ strategy: {on} }}
    columns: {{ clicked: click, propensity: propensity_score }}
"
    );
    Audit::new().with("audit.yaml", manifest).with("log.csv", sample(on)).with("candidate.csv", table).run().record()
}

const FEATURE: &str = "81ce123cbb5bd8ce818f60fb3586bba5";

/// Impressions; the value by each of [`ESTIMATORS`]; mean and largest weight, effective impressions, the log's own value.
type Published = (&'static str, bool, u64, [f64; 5], [f64; 4]);

const ESTIMATORS: [&str; 5] = ["inverse_propensity", "clipped", "self_normalised", "direct_method", "doubly_robust"];

/// obp 0.4.1 (the Open Bandit Pipeline), of the campaign `all`: `InverseProbabilityWeighting`,
/// `SelfNormalizedInverseProbabilityWeighting`, `DirectMethod` and `DoublyRobust`, each `().estimate_policy_value(reward=click,
/// action=item_id, position=position - 1, pscore=propensity_score, action_dist=..., estimated_rewards_by_reg_model=q)` with
/// q of an item and position (clicks + 20 * mean of the position) / (rows + 20). It has no clipping: of that, numpy's
/// `(np.minimum(w, 1.5) * click).mean()`; so with what it does not give of weights.
const PUBLISHED: [Published; 4] = [
    (
        "random",
        false,
        10000,
        [
            0.005035366932711512,
            0.0027779621203672823,
            0.0052530721964214695,
            0.004644927527087759,
            0.005042376620536461,
        ],
        [0.9585565825921327, 9.62315345191438, 2638.8734492267367, 0.0038],
    ),
    (
        "random",
        true,
        8200,
        [
            0.005746488194054927,
            0.0029935554960741602,
            0.005975547853896326,
            0.0046378475890516005,
            0.005673384151027228,
        ],
        [0.9616671700332812, 9.62315345191438, 2182.4665848681284, 0.0037804878048780487],
    ),
    (
        "bts",
        false,
        10000,
        [
            0.0023596395168460067,
            0.0016397432788962532,
            0.002333713893161734,
            0.004276358438707037,
            0.003049496974805205,
        ],
        [1.0111091697059524, 277.77777777777777, 340.37834113259464, 0.0042],
    ),
    (
        "bts",
        true,
        8123,
        [0.002305062346771231, 0.0015309441646009162, 0.0023016569145854105, 0.0042768029924095, 0.0029788064820598804],
        [1.0014795568202373, 147.0588235294118, 333.0735794820088, 0.004678074602979195],
    ),
];

#[test]
fn both_policies_of_the_open_bandit_sample_agree_with_its_pipeline() {
    let random = (0..80).flat_map(|item| (1..=3).map(move |position| format!("{item},{position},0.0125\n")));
    let random = format!("item_id,position,probability\n{}", random.collect::<String>());
    let records =
        [("random", bandit("random", "bts", frequencies(&sample("bts")))), ("bts", bandit("bts", "random", random))];
    for (log, of_segment, n, values, [mean, most, effective, current]) in PUBLISHED {
        let record = &records.iter().find(|(name, _)| *name == log).unwrap().1;
        let segment = if of_segment { json!({ "user_feature_0": FEATURE }) } else { json!({}) };
        for (estimator, value) in ESTIMATORS.into_iter().zip(values) {
            let fact = fact(record, estimator, &segment);
            near(&fact["estimate"], value, 1e-9);
            assert_eq!((&fact["impressions"], &fact["refused"]), (&json!(n), &json!(null)));
            assert_eq!(
                (&fact["candidate"], &fact["on"]),
                (&json!(if log == "bts" { "random" } else { "bts" }), &json!(log))
            );
            near(&fact["mean_weight"]["estimate"], mean, 1e-9);
            near(&fact["max_weight"], most, 1e-9);
            near(&fact["effective_impressions"], effective, 1e-6 * effective);
            near(&fact["current"]["estimate"], current, 1e-12);
        }
    }
    // A candidate that draws is not replayed.
    assert!(facts(&records[0].1, "counterfactual").iter().all(|fact| fact["estimator"] != "replay"));
}

const MANIFEST: &str = "\
probity: 1
system: { name: Test shop, owner: team@shop.example, jurisdiction: DE, as_of: 2026-06-01 }
purposes:
  - { id: personalize.content, legal_basis: consent, benefit: Less to look through. }
strategies:
  - { id: today, purpose: personalize.content }
candidate: { id: tomorrow, on: today, purpose: personalize.content }
measure:
  min_cell: 10
  segments: [{ attribute: age_band, reference: under 65 }]
rules: { packs: [playbook] }
evidence:
  subjects: { path: subjects.csv }
  candidate: { path: candidate.csv }
  recommendations: { path: log.csv }
";

const PEOPLE: u64 = 600;

fn is_old(person: u64) -> bool {
    person.is_multiple_of(4)
}

/// Clicks in a hundred: the young like item 0, the old item 1, nobody much the others.
fn liked(old: bool, item: u64) -> u64 {
    match (old, item) {
        (false, 0) => 70,
        (false, 1) => 30,
        (true, 0) => 10,
        (true, 1) => 60,
        _ => 30,
    }
}

/// Four items, drawn evenly: ten decisions of one item for each person.
fn shop(table: &str) -> Audit {
    let mut draw = Numbers(11);
    let mut log = "request_id,timestamp,subject_id,item_id,position,strategy,propensity,clicked\n".to_owned();
    let mut subjects = "subject_id,age_band\n".to_owned();
    for person in 0..PEOPLE {
        let old = is_old(person);
        subjects += &format!("p{person},{}\n", if old { "65+" } else { "under 65" });
        for turn in 0..10 {
            let item = draw.below(4);
            let clicked = u8::from(draw.below(100) < liked(old, item));
            log += &format!("r{person}-{turn},2026-03-01T1{turn}:00:00Z,p{person},i{item},1,today,0.25,{clicked}\n");
        }
    }
    Audit::new()
        .with("audit.yaml", MANIFEST)
        .with("subjects.csv", subjects)
        .with("log.csv", log)
        .with("candidate.csv", table)
}

/// Item 0 for nearly everybody.
const HARMFUL: &str = "item_id,position,probability\ni0,1,0.8\ni1,1,0.1\ni2,1,0.05\ni3,1,0.05\n";

/// What the candidate is worth to a group, by what was planted.
fn planted(old: bool, shares: [f64; 4]) -> f64 {
    shares.iter().zip(0..).map(|(share, item)| share * liked(old, item) as f64 / 100.0).sum()
}

#[test]
fn a_candidate_that_is_better_for_most_and_harms_some_is_found() {
    let record = shop(HARMFUL).run().record();
    let shares = [0.8, 0.1, 0.05, 0.05];
    let (old, young) = (json!({"age_band": "65+"}), json!({"age_band": "under 65"}));
    for estimator in ["inverse_propensity", "self_normalised", "doubly_robust"] {
        for (segment, is_old) in [(&old, true), (&young, false)] {
            let value = &fact(&record, estimator, segment)["value"];
            let truth = planted(is_old, shares);
            let (low, high) = (value["low"].as_f64().unwrap(), value["high"].as_f64().unwrap());
            assert!(low <= truth && truth <= high, "{estimator} of {segment}: {value} does not hold {truth}");
        }
    }
    let everyone = fact(&record, "doubly_robust", &json!({}));
    assert!(everyone["change"]["low"].as_f64().unwrap() > 1.0, "better overall: {everyone}");
    let harmed = fact(&record, "doubly_robust", &old);
    assert!(harmed["change"]["high"].as_f64().unwrap() < 1.0, "worse for the old: {harmed}");
    assert_eq!(harmed["overall_change"], everyone["change"]);
    for rule in ["candidate-worse-for-segment", "candidate-four-fifths"] {
        assert_eq!(verdict(&record, rule), "fail", "{rule}");
    }
    assert_eq!(verdict(&record, "candidate-unsupported"), "pass");
    // The record is the same twice.
    let again = shop(HARMFUL).run().record();
    assert_eq!(record["facts"], again["facts"]);
}

#[test]
fn a_candidate_that_serves_all_alike_passes() {
    let fair = "item_id,position,probability\ni2,1,0.5\ni3,1,0.5\n";
    let record = shop(fair).run().record();
    assert_eq!(verdict(&record, "candidate-four-fifths"), "pass");
    // One that knows each person.
    let mut own = "subject_id,item_id\n".to_owned();
    (0..PEOPLE).for_each(|person| own += &format!("p{person},i{}\n", u8::from(is_old(person))));
    let record = shop(&own).run().record();
    assert_eq!(verdict(&record, "candidate-worse-for-segment"), "pass");
    // It does not draw, and the log draws evenly: it is replayed, which here is what weighing gives.
    for segment in [json!({}), json!({"age_band": "65+"})] {
        let replay = fact(&record, "replay", &segment);
        near(&replay["estimate"], fact(&record, "self_normalised", &segment)["estimate"].as_f64().unwrap(), 1e-9);
    }
    let truth = liked(true, 1) as f64 / 100.0;
    near(&fact(&record, "replay", &json!({"age_band": "65+"}))["estimate"], truth, 0.06);
}

#[test]
fn what_the_log_never_shows_is_told() {
    let record = shop("item_id,position,probability\ni0,1,0.5\nnew,1,0.5\n").run().record();
    let everyone = fact(&record, "doubly_robust", &json!({}));
    near(&everyone["unsupported_share"], 0.5, 1e-12);
    near(&everyone["mean_weight"]["estimate"], 0.5, 0.05);
    assert_eq!(verdict(&record, "candidate-unsupported"), "fail");
    // A table that tells only part of what is shown is counted.
    let record = shop("item_id,position,probability\ni0,1,0.5\n").run().record();
    assert_eq!(fact(&record, "doubly_robust", &json!({}))["short"], 10 * PEOPLE);
}

#[test]
fn wrong_propensities_are_refused_one_by_one() {
    let column = |from: &str, to: &str, rows: usize| {
        let audit = shop(HARMFUL);
        let log = audit.text("log.csv").replacen(from, to, rows);
        audit.with("log.csv", log)
    };
    for (audit, reason) in [
        (column(",0.25,", ",,", 3), "3 of 6000 impressions of `today` have no propensity"),
        (column(",0.25,", ",0,", 1), "1 of 6000 impressions of `today` have a propensity of 0 or less"),
        (column(",0.25,", ",1.25,", 2), "2 of 6000 impressions of `today` have a propensity above 1"),
        (column(",propensity,", ",score,", 1), "the log of `today` has no propensities"),
        (column(",0.25,", ",0.05,", 6000), "do not fit its own log"),
        (shop("request_id,item_id\nnone-such,i0\n"), "its table speaks of no decision of the log"),
    ] {
        let record = audit.run().record();
        let all = facts(&record, "counterfactual");
        assert_eq!(all.len(), 1, "{reason}");
        let told = all[0]["refused"].as_str().unwrap_or_default();
        assert!(told.contains(reason), "{told} is not {reason}");
        for number in ["estimate", "value", "current", "change", "ratio", "p_value", "effective_impressions"] {
            assert_eq!(all[0][number], json!(null), "{number}: {reason}");
        }
        for rule in ["candidate-four-fifths", "candidate-worse-for-segment", "candidate-unsupported"] {
            assert_eq!(verdict(&record, rule), "not_evidenced", "{rule}: {reason}");
        }
    }
}

#[test]
fn a_wrong_table_or_name_is_an_error_with_its_place() {
    let above = "item_id,position,probability\ni0,1,0.8\ni1,1,0.4\n";
    shop(above).run().refused(&["candidate.csv:2", "add up to 1.2", "at most 1"]);
    let twice = "item_id,position,probability\ni0,1,0.4\ni0,1,0.4\n";
    shop(twice).run().refused(&["candidate.csv:2", "twice"]);
    shop("item_id,position,probability\ni0,1,1.5\n")
        .run()
        .refused(&["candidate.csv:2", "probability is not between 0 and 1"]);
    let named = |from: &str, to: &str| shop(HARMFUL).replacing("audit.yaml", from, to).run();
    named("on: today,", "on: todya,").refused(&["audit.yaml:7", "no strategy `todya`", "did you mean `today`?"]);
    named("{ id: tomorrow, on: today, purpose", "{ id: tomorrow, clip: 0.5, purpose")
        .refused(&["`candidate.clip` is 0.5"]);
    named("purpose: personalize.content }\nmeasure", "purpose: personalise.content }\nmeasure")
        .refused(&["`personalise.content`", "did you mean `personalize.content`?"]);
    named("  candidate: { path: candidate.csv }\n", "").refused(&[
        "audit.yaml:7",
        "`tomorrow`",
        "`evidence.candidate`",
    ]);
}
