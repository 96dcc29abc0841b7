//! Plans of shops, from the command line: what is planted is what the rules find, of every pack; and any part of a plan gives
//! a shop that can be audited.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

/// One of everything, and which rules it is to fail.
const EFFECTS: [(&str, &[&str]); 22] = [
    ("{ plant: outcome, segment: { age_band: 65+ }, ratio: 0.55 }", &["outcome-four-fifths", "gap-within-strata"]),
    ("{ plant: price, segment: { region: south }, ratio: 1.1 }", &["same-item-price", "discount-parity"]),
    ("{ plant: steering, segment: { gender: male }, ratio: 1.4 }", &["price-steering"]),
    (
        "{ plant: provider, strategy: popular, favoured: Tessel, instead_of: Kestrel, share: 0.7 }",
        &["item-exposure"],
    ),
    (
        "{ plant: provider, strategy: home-hybrid, segment: { gender: male }, favoured: Brisa, instead_of: Marlow, share: 0.7 }",
        &["segment-exposure-gap"],
    ),
    ("{ plant: best-sellers, segment: { region: north }, share: 0.8 }", &["popularity-bias"]),
    ("{ plant: off-taste, segment: { age_band: 18-29 }, share: 0.9 }", &["calibration-parity"]),
    ("{ plant: selection, segment: { gender: male }, ratio: 0.5 }", &["equal-opportunity"]),
    (
        "{ plant: consent, defect: combination-never-granted, share: 0.6 }",
        &["non-consented-join", "use-without-consent", "gdpr-combination"],
    ),
    ("{ plant: consent, defect: after-withdrawal, share: 0.6 }", &["use-after-withdrawal", "gdpr-withdrawal"]),
    ("{ plant: consent, defect: within-grace, share: 0.7 }", &["gdpr-grace"]),
    ("{ plant: consent, defect: no-record, share: 0.6 }", &["unknown-consent", "gdpr-demonstrable-consent"]),
    ("{ plant: consent, defect: refused, share: 0.9 }", &["alternative-not-served", "dsa-option-honoured"]),
    ("{ plant: undeclared-strategy, share: 0.2 }", &["undeclared-strategy"]),
    ("{ plant: unmapped-input, share: 0.3 }", &["unmapped-input"]),
    ("{ plant: personal-data, share: 0.1 }", &["undeclared-personal-data"]),
    ("{ plant: unexplained, strategy: web-behaviour, share: 0.3 }", &["unexplained", "dsa-parameters-shown"]),
    ("{ plant: minors, share: 0.1 }", &["minor-profiled", "gdpr-minors"]),
    ("{ plant: privacy-signal, share: 0.5 }", &["privacy-signal-ignored", "cpra-preference-signal"]),
    ("{ plant: proxy, attribute: age_band, share: 0.7 }", &["proxy-for-protected-attribute"]),
    (
        "{ plant: loyalty, churn: 4, order_value: 1.4 }\n  - { plant: allocation, ratio: 0.5 }",
        &["sample-ratio-mismatch"],
    ),
    (
        "{ plant: candidate, overall: 1.2, segment: { age_band: 65+ }, ratio: 0.4 }",
        &["candidate-worse-for-segment", "candidate-four-fifths"],
    ),
];
const PROMPTS: [(&str, &[&str]); 5] = [
    ("harder-no", &["asymmetric-choice", "gdpr-refusal-as-easy", "cpra-symmetry"]),
    ("preselected", &["preselected-consent", "gdpr-affirmative-act"]),
    ("later-layer", &["no-on-later-layer"]),
    ("dismissal", &["dismissal-taken-as-consent", "cpra-affirmative-consent"]),
    ("asked-again", &["asked-again-too-soon", "cpra-asked-again"]),
];

/// The rules that fail in a shop of these effects, judged by every pack.
fn failing(effects: &[String], subjects: usize, decisions: usize) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let sizes = format!("probity-shop: 1\nseed: 3\nsubjects: {subjects}\ndecisions: {decisions}\neffects:\n");
    let text = effects.iter().fold(sizes, |text, effect| format!("{text}  - {effect}\n"));
    std::fs::write(at("plan.yaml"), &text).unwrap();
    let run = |arguments: &[&str]| {
        assert_cmd::Command::new(env!("CARGO_BIN_EXE_probity")).args(arguments).output().unwrap()
    };
    let made = run(&["simulate", "--plan", &at("plan.yaml"), "--out", &at("shop")]);
    assert!(made.status.success(), "{}\n{text}", String::from_utf8_lossy(&made.stderr));
    let manifest = at("shop/audit.yaml");
    let packs = "packs: [playbook, fairness, gdpr, dsa, cpra, ll144]";
    let audit = std::fs::read_to_string(&manifest).unwrap().replace("packs: [playbook, fairness]", packs);
    std::fs::write(&manifest, audit).unwrap();
    let audited = run(&["audit", &manifest, "--quiet", "--out", &at("report")]);
    let told = String::from_utf8_lossy(&audited.stderr).into_owned();
    assert!(matches!(audited.status.code(), Some(0 | 1)), "{told}\n{text}");
    let record = std::fs::read(Path::new(&at("report")).join("audit.json")).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    let findings = record["findings"].as_array().unwrap().iter().filter(|finding| finding["status"] == "fail");
    findings.map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_effect_is_found_by_the_rules_that_are_about_it() {
    let mut effects: Vec<String> = EFFECTS.iter().map(|(effect, _)| (*effect).to_owned()).collect();
    effects.extend(PROMPTS.iter().map(|(defect, _)| format!("{{ plant: prompt, defect: {defect}, share: 0.3 }}")));
    let failed = failing(&effects, 2_000, 14_000);
    let wanted = EFFECTS.iter().chain(&PROMPTS).flat_map(|(effect, rules)| rules.iter().map(move |rule| (effect, rule)));
    let missed: Vec<_> = wanted.filter(|(_, rule)| !failed.contains(**rule)).collect();
    assert!(missed.is_empty(), "{missed:#?} of {failed:#?}");
}

#[test]
fn any_part_of_a_plan_gives_a_shop_that_can_be_audited() {
    for part in 0..3 {
        let own = EFFECTS.iter().enumerate().filter(|(at, _)| at % 3 == part);
        failing(&own.map(|(_, (effect, _))| (*effect).to_owned()).collect::<Vec<_>>(), 300, 1_500);
    }
    // What is not planted is not found: sizes of nothing.
    let nothing = [
        "{ plant: outcome, segment: { age_band: 65+ }, ratio: 1 }",
        "{ plant: unexplained, share: 0 }",
        "{ plant: selection, segment: { gender: male }, ratio: 1 }",
        "{ plant: best-sellers, segment: { gender: male }, share: 0 }",
        "{ plant: minors, share: 0 }",
        "{ plant: privacy-signal, share: 0 }",
        "{ plant: proxy, attribute: gender, share: 0 }",
        "{ plant: personal-data, share: 0 }",
        "{ plant: prompt, defect: preselected, share: 0 }",
        "{ plant: loyalty, churn: 1, order_value: 1 }",
        "{ plant: candidate, overall: 1, segment: { age_band: 65+ }, ratio: 1 }",
    ];
    let failed = failing(&nothing.map(str::to_owned), 2_000, 10_000);
    // The purposes and questions that only people can answer apart, this is a shop in order.
    assert_eq!(failed, BTreeSet::new());
}

#[test]
fn the_printed_plan_is_the_one_that_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let run = |arguments: &[&str]| {
        assert_cmd::Command::new(env!("CARGO_BIN_EXE_probity")).args(arguments).output().unwrap()
    };
    let printed = run(&["simulate", "--print-plan"]).stdout;
    std::fs::write(at("plan.yaml"), &printed).unwrap();
    let sizes = ["--seed", "4", "--subjects", "300", "--decisions", "900"];
    let made = run(&[&["simulate", "--plan", &at("plan.yaml"), "--out", &at("own")], &sizes[..]].concat());
    assert!(made.status.success());
    assert!(run(&[&["simulate", "--out", &at("built-in")], &sizes[..]].concat()).status.success());
    let truth = |name: &str| std::fs::read_to_string(at(name)).unwrap();
    assert_eq!(truth("own/truth.json"), truth("built-in/truth.json"));
    assert!(truth("own/truth.json").contains("\"seed\": 4"));
    // The plan follows its published schema.
    let schema: Value = serde_json::from_slice(&run(&["schema", "shop-plan"]).stdout).unwrap();
    let value: Value = serde_saphyr::from_str(std::str::from_utf8(&printed).unwrap()).unwrap();
    let errors: Vec<String> =
        jsonschema::validator_for(&schema).unwrap().iter_errors(&value).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    // A wrong plan names its place and ends with 2, and nothing is written.
    let wrong = String::from_utf8(printed).unwrap().replacen("plant: price", "plant: prise", 1);
    std::fs::write(at("plan.yaml"), wrong).unwrap();
    let output = run(&["simulate", "--plan", &at("plan.yaml"), "--out", &at("never")]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("unknown value `prise`") && told.contains("did you mean `price`?"), "{told}");
    assert!(!Path::new(&at("never")).exists());
}
