use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::findings::Disposition;
use crate::playbook::Step;
use crate::stats::Interval;

fn parity(segment: &str, ratio: Option<f64>) -> Fact {
    let interval = |x: f64| json!({"estimate": x, "low": x - 0.02, "high": x + 0.02, "level": 0.95, "method": "m"});
    serde_json::from_value(json!({
        "kind": "outcome_parity", "strategy": "home", "metric": "click", "harm": "low", "scale": "share",
        "segment": {"age": segment}, "reference": {"age": "18"}, "within": {}, "unit": "subject",
        "comparison": "compared", "subjects": 900, "impressions": 9000, "rate": null, "reference_rate": null,
        "ratio": ratio.map(interval), "difference": null, "p_value": null, "q_value": null, "p_equivalence": null,
        "p_holm": null, "unknown_bounds": null, "suppressed": false, "counts_withheld": false, "most_favoured": null,
        "to_decide": null
    }))
    .unwrap()
}

fn finding(fact: usize, facts: &[Fact], status: Verdict) -> Finding {
    Finding {
        rule: "four-fifths".into(),
        step: Step::TestForBias,
        severity: Severity::High,
        status,
        disposition: Disposition::Open,
        fingerprint: crate::findings::fingerprint("four-fifths", facts[fact].kind(), &facts[fact].identity()),
        message: String::new(),
        plain: None,
        people: None,
        fact,
        evidence: Vec::new(),
        since_baseline: None,
        since_last_audit: None,
    }
}

/// A step whose rule gave each fact this verdict.
fn steps(verdicts: &[Verdict]) -> Vec<StepResult> {
    let mut by: BTreeMap<Verdict, Vec<usize>> = BTreeMap::new();
    verdicts.iter().enumerate().for_each(|(fact, verdict)| by.entry(*verdict).or_default().push(fact));
    let rule = RuleResult {
        id: "four-fifths".into(),
        pack: "p".into(),
        title: String::new(),
        severity: Severity::High,
        status: verdicts.iter().copied().max().unwrap_or(Verdict::NotEvidenced),
        reason: None,
        on: Some("outcome_parity".into()),
        verdicts: by,
        words: BTreeMap::new(),
        why: String::new(),
        remedy: String::new(),
        references: Vec::new(),
        params: BTreeMap::new(),
    };
    vec![StepResult { id: Step::TestForBias, status: rule.status, rules: vec![rule], facts: vec![], findings: vec![] }]
}

/// An audit whose facts have these ratios and verdicts.
struct Side {
    facts: Vec<Fact>,
    steps: Vec<StepResult>,
    findings: Vec<Finding>,
}

fn side(ratios: &[(&str, Option<f64>, Verdict)]) -> Side {
    let facts: Vec<Fact> = ratios.iter().map(|(segment, ratio, _)| parity(segment, *ratio)).collect();
    let verdicts: Vec<Verdict> = ratios.iter().map(|(_, _, verdict)| *verdict).collect();
    let objected = (0..facts.len()).filter(|i| matches!(verdicts[*i], Verdict::Fail | Verdict::Inconclusive));
    let findings = objected.map(|index| finding(index, &facts, verdicts[index])).collect();
    Side { steps: steps(&verdicts), findings, facts }
}

fn snapshot(of: &Side) -> Snapshot {
    let rules = of.steps.iter().flat_map(|step| &step.rules);
    Snapshot {
        system: "shop".into(),
        as_of: None,
        record: "r".into(),
        tool: "0".into(),
        gate: GateStatus::Failed,
        rules: rules.map(|rule| (rule.id.clone(), rule.status)).collect(),
        findings: of
            .findings
            .iter()
            .map(|finding| Known {
                fingerprint: finding.fingerprint.clone(),
                rule: finding.rule.clone(),
                severity: finding.severity,
                status: finding.status,
                disposition: finding.disposition,
                about: about(&of.facts[finding.fact]),
                fact: key(&of.facts[finding.fact]),
            })
            .collect(),
        measures: of.facts.iter().flat_map(|fact| Measured::of(fact, 0.95)).collect(),
        mixes: Vec::new(),
    }
}

fn compared(before: &Side, now: &Side) -> Vec<(String, State)> {
    told(&snapshot(before), now)
}

fn told(before: &Snapshot, now: &Side) -> Vec<(String, State)> {
    let measured: Vec<Measured> = now.facts.iter().flat_map(|fact| Measured::of(fact, 0.95)).collect();
    let changes = change::measure(Since::Baseline, None, &before.measures, &measured);
    let now = Now { facts: &now.facts, steps: &now.steps, findings: &now.findings };
    let all = compare(before, &now, &changes.iter().collect::<Vec<_>>());
    all.into_iter().map(|of| (of.about["segment"].clone(), of.state)).collect()
}

use Verdict::{Fail, Inconclusive, NotEvidenced, Pass};

#[test]
fn every_state_is_told_apart() {
    let before = side(&[
        ("a", Some(0.7), Fail),
        ("b", Some(0.7), Fail),
        ("c", Some(0.7), Fail),
        ("d", Some(0.78), Inconclusive),
        ("e", Some(0.7), Fail),
        ("f", Some(0.7), Fail),
        ("g", Some(0.7), Fail),
    ]);
    let now = side(&[
        ("a", Some(0.71), Fail),
        ("b", Some(0.5), Fail),
        ("c", Some(0.76), Fail),
        ("d", Some(0.77), Fail),
        ("e", Some(0.99), Pass),
        ("f", None, NotEvidenced),
        ("h", Some(0.6), Fail),
    ]);
    let expected = [
        ("age=a", State::Same),
        ("age=b", State::Worse),
        ("age=c", State::Better),
        // Undecided then, a failure now.
        ("age=d", State::New),
        ("age=h", State::New),
        ("age=e", State::Fixed),
        ("age=f", State::NotComparable),
        // Not measured at all any more: nothing shows that it is mended.
        ("age=g", State::NotComparable),
    ];
    assert_eq!(compared(&before, &now), expected.map(|(segment, state)| (segment.to_owned(), state)));
}

#[test]
fn what_a_rule_that_was_not_asked_finds_is_not_new() {
    let now = side(&[("a", Some(0.7), Fail)]);
    let mut before = snapshot(&side(&[("a", Some(0.7), Pass)]));
    assert_eq!(told(&before, &now), [("age=a".to_owned(), State::New)]);
    before.rules = BTreeMap::from([("four-fifths".to_owned(), NotEvidenced)]);
    assert_eq!(told(&before, &now), [("age=a".to_owned(), State::NotComparable)]);
    before.rules.clear();
    assert_eq!(told(&before, &now), [("age=a".to_owned(), State::NotComparable)]);
    // And what a rule found that is not asked any more is not fixed.
    let before = side(&[("a", Some(0.7), Fail)]);
    let mut now = side(&[("a", Some(0.99), Pass)]);
    now.steps.clear();
    assert_eq!(compared(&before, &now), [("age=a".to_owned(), State::NotComparable)]);
}

/// One in the baseline allows one.
#[test]
fn findings_are_a_multiset() {
    let before = side(&[("a", Some(0.7), Fail)]);
    let mut now = side(&[("a", Some(0.7), Fail)]);
    now.findings.push(now.findings[0].clone());
    let states: Vec<State> = compared(&before, &now).into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, [State::Same, State::New]);
    let (now, before) = (before, now);
    let states: Vec<State> = compared(&before, &now).into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, [State::Same, State::Fixed]);
}

#[test]
fn numbers_of_another_method_are_not_compared() {
    let (before, now) = (side(&[("a", Some(0.7), Fail)]), side(&[("a", Some(0.7), Fail)]));
    let mut before = snapshot(&before);
    let value = Interval { method: "another".into(), ..before.measures[0].value.clone() };
    before.measures[0].value = value;
    assert_eq!(told(&before, &now), [("age=a".to_owned(), State::NotComparable)]);
}
