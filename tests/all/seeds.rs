//! The storefront again and again: over twenty seeds the chapter on bias shows what was planted, and nothing else.

use std::process::Command;

use serde_json::Value;

const SEEDS: u64 = 20;

/// In every shop people of 65+ click 0.7 times as often, and those of the alps 0.87 times, whoever decides.
fn is_planted(fact: &Value) -> bool {
    fact["segment"]["age_band"] == "65+" || fact["segment"]["region"] == "alps"
}

fn probity(arguments: &[&str]) {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("probity"));
    let output = command.args(arguments).output().expect("the program runs");
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 1)), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn record(seed: u64) -> Value {
    let shop = tempfile::tempdir().unwrap();
    let (folder, seed) = (shop.path().to_str().unwrap(), seed.to_string());
    probity(&["simulate", "--seed", &seed, "--out", folder]);
    let (manifest, out) = (format!("{folder}/audit.yaml"), format!("{folder}/report"));
    probity(&["audit", &manifest, "--out", &out]);
    serde_json::from_slice(&std::fs::read(format!("{out}/audit.json")).unwrap()).unwrap()
}

#[test]
fn planted_effects_are_found_in_every_shop_and_no_others() {
    let (mut found, mut failed, mut discoveries, mut wrong) = (0, 0, 0, Vec::new());
    for seed in 100..100 + SEEDS {
        let record = record(seed);
        let facts = record["facts"].as_array().unwrap();
        let bias = |fact: &&Value| ["outcome_parity", "subgroup"].contains(&fact["kind"].as_str().unwrap());
        let significant = |fact: &&Value| fact["q_value"].as_f64().is_some_and(|q| q < 0.05);
        let worse = |fact: &&Value| fact["ratio"]["estimate"].as_f64().is_some_and(|ratio| ratio < 1.0);
        for fact in facts.iter().filter(bias).filter(significant).filter(worse) {
            discoveries += 1;
            if !is_planted(fact) {
                wrong.push(format!("seed {seed}: {} {} {}", fact["strategy"], fact["metric"], fact["segment"]));
            }
        }
        // The plain effect, under the strategy with the most decisions.
        let planted = facts.iter().find(|fact| {
            fact["kind"] == "outcome_parity"
                && fact["metric"] == "click"
                && fact["strategy"] == "home-hybrid"
                && fact["segment"]["age_band"] == "65+"
        });
        let planted = planted.unwrap();
        found += u64::from(significant(&planted));
        let (low, high) = (planted["ratio"]["low"].as_f64().unwrap(), planted["ratio"]["high"].as_f64().unwrap());
        assert!(low < 0.8 && high > 0.6, "seed {seed}: {low} to {high}");
        for finding in record["findings"].as_array().unwrap() {
            if finding["step"] == "test-for-bias" && finding["status"] == "fail" {
                failed += 1;
                let fact = &facts[finding["fact"].as_u64().unwrap() as usize];
                assert!(is_planted(fact), "seed {seed}: {} on {}", finding["rule"], fact["segment"]);
            }
        }
    }
    println!(
        "{discoveries} at q < 0.05 in {SEEDS} shops, {} of them not planted: {wrong:?}; {failed} findings",
        wrong.len()
    );
    assert_eq!(found, SEEDS);
    // q promises that at most one in twenty of what it shows is chance.
    assert!(wrong.len() * 20 <= discoveries, "{wrong:?} of {discoveries}");
    assert!(failed as u64 >= SEEDS);
}
