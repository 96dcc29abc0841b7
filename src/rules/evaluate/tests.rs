//! Facts in, judgements out, with the playbook pack and small packs of one rule.

use std::path::Path;

use serde_json::json;

use super::*;
use crate::playbook::Severity;
use crate::rules::builtin;
use crate::rules::load::{override_params, parse};
use crate::rules::testing::default_audit;

fn playbook() -> LoadedPack {
    let pack = builtin::pack("playbook").unwrap();
    parse(Path::new(pack.path), pack.yaml).unwrap()
}

/// One rule on `outcome_parity`.
fn one(conditions: &str) -> LoadedPack {
    let text = format!(
        "pack: {{ id: p, version: '1', title: t }}\nrules:\n  - {{ id: r, title: t, step: test-for-bias, severity: low, \
         on: outcome_parity, {conditions}, message: m, why: w, remedy: r }}\n"
    );
    parse(Path::new("pack.yaml"), text).unwrap()
}

fn parity(segment: &str, changes: Value) -> Fact {
    let mut fact = json!({
        "kind": "outcome_parity", "strategy": "s", "metric": "click", "harm": "low", "scale": "share", "segment": {"g": segment}, "reference": {"g": "a"},
        "within": {}, "unit": "subject", "comparison": "compared", "suppressed": false, "counts_withheld": false
    });
    fact.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    serde_json::from_value(fact).unwrap()
}

fn ratio(segment: &str, low: f64, high: f64) -> Fact {
    let interval = json!({"estimate": (low + high) / 2.0, "low": low, "high": high, "level": 0.95, "method": "m"});
    parity(segment, json!({"ratio": interval, "q_value": 0.001}))
}

fn purpose(strategy: &str, declared: bool) -> Fact {
    serde_json::from_value(json!({"kind": "purpose", "strategy": strategy, "declared": declared, "decisions": 2}))
        .unwrap()
}

fn judged(pack: LoadedPack, facts: &[Fact]) -> Judgement {
    judge(&[pack], facts, &default_audit(), true).unwrap()
}

fn result<'a>(judgement: &'a Judgement, rule: &str) -> &'a RuleResult {
    judgement.steps.iter().flat_map(|step| &step.rules).find(|result| result.id == rule).unwrap()
}

/// The one rule's verdict of one fact.
fn verdict_of(conditions: &str, fact: Fact) -> (Verdict, Option<String>) {
    let judgement = judged(one(conditions), &[fact]);
    let result = result(&judgement, "r");
    (result.status, result.reason.clone())
}

#[test]
fn a_null_that_decides_is_not_evidenced_and_one_that_does_not_is_nothing() {
    let bare = || parity("b", json!({}));
    let not_measured = |what: &str| (Verdict::NotEvidenced, Some(format!("`fact.{what}` is not measured")));
    assert_eq!(verdict_of("fail_when: fact.ratio.high < 0.8", bare()), not_measured("ratio"));
    assert_eq!(verdict_of("fail_when: fact.p_value < 0.05", bare()), not_measured("p_value"));
    // Compared with a value, null would be unequal and pass; here it is not a value.
    assert_eq!(verdict_of("fail_when: fact.subjects == 3", bare()), not_measured("subjects"));
    assert_eq!(verdict_of("fail_when: fact.suppressed || fact.subjects == 3", bare()), not_measured("subjects"));
    assert_eq!(verdict_of("fail_when: fact.subjects == 3 || !fact.suppressed", bare()).0, Verdict::Fail);
    assert_eq!(verdict_of("fail_when: fact.suppressed && fact.subjects == 3", bare()).0, Verdict::Pass);
    let pass_when = "fail_when: fact.suppressed, pass_when: fact.p_value > 0.05";
    assert_eq!(verdict_of(pass_when, bare()), not_measured("p_value"));
    assert_eq!(verdict_of("where: fact.subjects > 3, fail_when: fact.suppressed", bare()), not_measured("subjects"));
}

#[test]
fn a_condition_may_ask_for_null() {
    let bare = || parity("b", json!({}));
    for conditions in [
        "fail_when: fact.ratio == null",
        "fail_when: null == fact.ratio",
        "fail_when: '!has(fact.ratio)'",
        "fail_when: fact.ratio == null || fact.ratio.low < 0.8",
    ] {
        assert_eq!(verdict_of(conditions, bare()).0, Verdict::Fail, "{conditions}");
        assert_eq!(verdict_of(conditions, ratio("b", 0.9, 1.0)).0, Verdict::Pass, "{conditions}");
    }
    assert_eq!(verdict_of("fail_when: fact.ratio != null && fact.ratio.low < 0.8", bare()).0, Verdict::Pass);
    assert_eq!(verdict_of("fail_when: fact.segment.g == 'b'", bare()).0, Verdict::Fail);
    let unknown_name = verdict_of("fail_when: fact.segment.sex == 'f'", bare());
    assert_eq!(unknown_name, (Verdict::NotEvidenced, Some("`fact.segment.sex` is not measured".to_owned())));
    assert_eq!(verdict_of("fail_when: fact.segment == fact.reference", parity("a", json!({}))).0, Verdict::Fail);
    assert_eq!(verdict_of("fail_when: fact.segment == fact.reference", bare()).0, Verdict::Pass);
}

#[test]
fn what_the_data_makes_undecidable_is_not_evidenced() {
    let fact = || parity("b", json!({"subjects": 4, "impressions": 0}));
    let divides = (Verdict::NotEvidenced, Some("it divides by zero".to_owned()));
    assert_eq!(verdict_of("fail_when: fact.subjects / fact.impressions > 2", fact()), divides);
    // Infinity would pass this bound.
    let share = "fail_when: double(fact.subjects) / double(fact.impressions) < 0.8";
    assert_eq!(verdict_of(share, fact()), divides);
    assert_eq!(verdict_of(share, parity("b", json!({"subjects": 4, "impressions": 4}))).0, Verdict::Pass);
    assert_eq!(verdict_of(share, parity("b", json!({"subjects": 3, "impressions": 4}))).0, Verdict::Fail);
}

#[test]
fn four_fifths_passes_at_the_bound_and_is_undecided_across_it() {
    let facts = [
        ratio("at", 0.8, 0.9),
        ratio("across", 0.79, 0.81),
        ratio("touching", 0.6, 0.8),
        ratio("below", 0.6, 0.79),
        parity("a", json!({"comparison": "reference"})),
        parity("few", json!({"comparison": "suppressed", "suppressed": true})),
    ];
    let judgement = judged(playbook(), &facts);
    let result = result(&judgement, "outcome-four-fifths");
    let counts = [
        (Verdict::NotApplicable, vec![5]),
        (Verdict::Pass, vec![0]),
        (Verdict::Inconclusive, vec![1, 2]),
        (Verdict::Fail, vec![3]),
    ];
    assert_eq!(result.verdicts, BTreeMap::from(counts));
    assert_eq!(result.status, Verdict::Fail);
    assert_eq!(result.reason.as_deref(), Some("a segment has fewer than 30 subjects"));
    let found: Vec<(usize, Verdict)> = judgement.findings.iter().map(|f| (f.fact, f.status)).collect();
    assert_eq!(found, [(1, Verdict::Inconclusive), (2, Verdict::Inconclusive), (3, Verdict::Fail)]);
    let bounds = judgement.findings[0].evidence.iter().filter(|e| e.label == "bound").map(|e| e.value.as_str());
    assert_eq!(bounds.collect::<Vec<_>>(), ["floor = 0.8", "q = 0.05"]);
}

#[test]
fn groups_that_cannot_be_computed_never_look_fair() {
    let facts = [
        parity("a", json!({"comparison": "reference"})),
        parity("few", json!({"comparison": "suppressed", "suppressed": true})),
    ];
    let judgement = judged(playbook(), &facts);
    let result = result(&judgement, "outcome-four-fifths");
    assert_eq!(result.status, Verdict::NotEvidenced);
    let reason = "no segment could be compared: a segment has fewer than 30 subjects";
    assert_eq!(result.reason.as_deref(), Some(reason));
    assert_eq!(judgement.steps[4].status, Verdict::NotEvidenced);
}

#[test]
fn all_seven_steps_are_there_and_say_what_was_missing() {
    let empty = judge(&[], &[], &default_audit(), false).unwrap();
    assert_eq!(empty.steps.iter().map(|step| step.id).collect::<Vec<_>>(), Step::ALL);
    assert!(empty.steps.iter().all(|step| step.status == Verdict::NotEvidenced && step.rules.is_empty()));

    let without_log = judge(&[playbook()], &[], &default_audit(), false).unwrap();
    let reason = |judgement: &Judgement, rule: &str| result(judgement, rule).reason.clone().unwrap();
    assert_eq!(reason(&without_log, "no-legal-basis"), "no recommendation log was handed over");
    assert_eq!(reason(&without_log, "unstated-benefit"), "no strategy is declared, and no log shows one");
    let with_log = judge(&[playbook()], &[], &default_audit(), true).unwrap();
    assert!(reason(&with_log, "outcome-four-fifths").contains("measure.segments"));
    assert_eq!(result(&with_log, "risk-acceptance").status, Verdict::Manual);
    assert_eq!(result(&with_log, "risk-acceptance").verdicts, BTreeMap::new());
    for step in &with_log.steps {
        assert!(matches!(step.status, Verdict::NotEvidenced), "{:?}", step.id);
    }
}

#[test]
fn no_join_in_a_fully_mapped_log_is_no_question_and_in_another_it_is_not_evidenced() {
    let field = |mapped: bool| {
        serde_json::from_value::<Fact>(json!({
            "kind": "field", "strategy": "s", "field": "a.b.c", "mapped": mapped, "declared": true, "categories": ["user"],
            "contexts": ["web"], "context_declared": mapped, "special": false, "collected_for": [], "sources": []
        }))
        .unwrap()
    };
    assert_eq!(result(&judged(playbook(), &[field(true)]), "non-consented-join").status, Verdict::NotApplicable);
    let judgement = judged(playbook(), &[field(true), field(false)]);
    let hidden = result(&judgement, "non-consented-join");
    assert_eq!(hidden.status, Verdict::NotEvidenced);
    assert!(hidden.reason.as_ref().unwrap().contains("1 input"));
}

#[test]
fn findings_come_worst_first_then_by_rule_then_by_fact_and_survive_new_numbers() {
    let facts = [purpose("b", true), purpose("a", false), ratio("x", 0.1, 0.2)];
    let first = judged(playbook(), &facts);
    let order: Vec<(Severity, &str, usize)> =
        first.findings.iter().map(|f| (f.severity, f.rule.as_str(), f.fact)).collect();
    assert_eq!(
        order[..3],
        [
            (Severity::High, "undeclared-strategy", 1),
            (Severity::High, "unstated-purpose-basis", 0),
            (Severity::High, "outcome-four-fifths", 2),
        ]
    );
    assert!(order.is_sorted_by_key(|(severity, ..)| std::cmp::Reverse(*severity)));
    for step in &first.steps {
        assert!(step.findings.iter().all(|index| first.findings[*index].step == step.id));
    }
    let again = judged(playbook(), &[ratio("x", 0.3, 0.4)]);
    assert_eq!(again.findings[0].fingerprint, first.findings[2].fingerprint);
    assert_ne!(again.findings[0].message, first.findings[2].message);
}

#[test]
fn bounds_change_by_name_and_keep_their_type() {
    let change = |rule: &str, param: &str, value: Value| {
        let mut packs = [playbook()];
        let changes = BTreeMap::from([(rule.to_owned(), BTreeMap::from([(param.to_owned(), value)]))]);
        override_params(&mut packs, &changes, Path::new("audit.yaml")).map(|()| packs).map_err(|e| e.to_string())
    };
    let facts = [ratio("x", 0.85, 0.95)];
    let strict = change("outcome-four-fifths", "floor", json!(1)).unwrap();
    let judgement = judge(&strict, &facts, &default_audit(), true).unwrap();
    assert_eq!(judgement.findings[0].status, Verdict::Fail);
    assert_eq!(result(&judgement, "outcome-four-fifths").params["floor"], json!(1.0));

    let wrong = change("outcome-four-fifths", "floor", json!("0.9")).unwrap_err();
    assert_eq!(
        wrong,
        "audit.yaml: parameter `floor` of rule `outcome-four-fifths` is `\"0.9\"`; expected a value like `0.8`"
    );
    let wrong = change("outcome-four-fifth", "floor", json!(0.9)).unwrap_err();
    assert!(wrong.ends_with("(did you mean `outcome-four-fifths`?)"), "{wrong}");
    let wrong = change("outcome-four-fifths", "flor", json!(0.9)).unwrap_err();
    assert_eq!(wrong, "audit.yaml: rule `outcome-four-fifths` has no parameter `flor` (did you mean `floor`?)");
}

#[test]
fn one_rule_id_in_two_packs_is_an_error() {
    let two = [playbook(), playbook()];
    let error = judge(&two, &[], &default_audit(), false).unwrap_err().to_string();
    assert!(error.starts_with("rule `undeclared-strategy` is in the packs"), "{error}");
}

#[test]
fn a_message_that_a_null_leaves_unfillable_names_rule_and_fact() {
    let text = "pack: { id: p, version: '1', title: t }\nrules:\n  - { id: r, title: t, step: test-for-bias, severity: low, \
                on: outcome_parity, fail_when: 'true', message: '{{ fact.ratio.low }}', why: w, remedy: r }\n";
    let pack = parse(Path::new("pack.yaml"), text).unwrap();
    let error = judge(&[pack], &[parity("b", json!({}))], &default_audit(), true).unwrap_err().to_string();
    assert!(error.starts_with("pack.yaml:3:11: rule `r` cannot word the `outcome_parity` fact"), "{error}");
}
