//! Plans made at random: each gives a shop whose truth adds up. And plans that are wrong, each told with its place.

use std::path::Path;

use super::{impressions_of_providers, outcomes, prices};
use crate::simulate::chance::Chance;
use crate::simulate::reckoning::{read, recount};
use crate::simulate::{Plan, write};

/// One entry of each kind; `%r` and `%s` stand for a ratio and a share.
const ENTRIES: [&str; 24] = [
    "{ plant: outcome, segment: { age_band: 18-29 }, ratio: %r }",
    "{ plant: outcome, metric: order, strategy: popular, segment: { gender: male, tenure: over 3 years }, ratio: %r }",
    "{ plant: outcome, metric: revenue, segment: { region: pacific }, ratio: %r }",
    "{ plant: price, segment: { gender: female }, ratio: %r }",
    "{ plant: price, strategy: web-behaviour, segment: { region: south }, ratio: %r }",
    "{ plant: steering, strategy: home-hybrid, segment: { age_band: 65+ }, ratio: %r }",
    "{ plant: provider, favoured: Tessel, instead_of: Brisa, share: %s }",
    "{ plant: best-sellers, segment: { gender: male }, share: %s }",
    "{ plant: off-taste, segment: { gender: female }, share: %s }",
    "{ plant: selection, segment: { gender: female }, ratio: %r }",
    "{ plant: consent, defect: combination-never-granted, share: %s, among: %s }",
    "{ plant: consent, defect: after-withdrawal, share: %s }",
    "{ plant: consent, defect: no-record, share: %s }",
    "{ plant: consent, defect: refused, share: %s, among: %s }",
    "{ plant: undeclared-strategy, share: %s }",
    "{ plant: unmapped-input, share: %s }",
    "{ plant: personal-data, share: %s }",
    "{ plant: unexplained, segment: { age_band: 65+ }, share: %s }",
    "{ plant: minors, share: %s }",
    "{ plant: privacy-signal, share: %s }",
    "{ plant: proxy, attribute: gender, share: %s }",
    "{ plant: prompt, defect: asked-again, share: %s }",
    "{ plant: loyalty, churn: %r, order_value: %r, segment: { gender: male } }",
    "{ plant: allocation, ratio: %r }",
];

fn random(seed: u64) -> String {
    let mut chance = Chance::new(seed, 99);
    let mut text = format!("probity-shop: 1\nseed: {seed}\nsubjects: 150\ndecisions: 700\neffects:\n");
    text += "  - { plant: candidate, overall: 1.1, segment: { gender: male }, ratio: 0.9 }\n";
    for entry in ENTRIES {
        if !chance.per_mille(400) {
            continue;
        }
        let mut entry = entry.to_owned();
        while entry.contains('%') {
            let (ratio, share) = (500 + chance.below(1_000), chance.below(1_001));
            entry = entry.replacen("%r", &format!("{}", ratio as f64 / 1_000.0), 1);
            entry = entry.replacen("%s", &format!("{}", share as f64 / 1_000.0), 1);
        }
        text += &format!("  - {entry}\n");
    }
    text
}

#[test]
fn whatever_is_planted_the_truth_is_what_a_second_reckoning_finds() {
    for seed in 0..24 {
        let text = random(seed);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop");
        let plan = Plan::parse(Path::new("plan.yaml"), &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let truth = write(&plan, &path).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let shop = read(&path);
        recount(&shop, &truth);
        outcomes(&shop, &truth);
        prices(&shop, &truth);
        impressions_of_providers(&shop, &truth);
        assert_eq!(truth.decisions as usize, shop.decisions.len());
        assert_eq!(truth.effects.len(), plan.effects.len());
        for effect in &truth.effects {
            assert!(effect.events <= truth.decisions && effect.subjects <= effect.events, "{effect:?}");
        }
        // Twice the same.
        let again = folder.path().join("again");
        assert_eq!(write(&plan, &again).unwrap(), truth);
    }
}

#[track_caller]
fn refused(effect: &str, wanted: &[&str]) {
    let text = format!("probity-shop: 1\neffects:\n  - {effect}\n");
    let error = Plan::parse(Path::new("plan.yaml"), &text).expect_err(effect).to_string();
    for part in wanted {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}

#[test]
fn a_wrong_plan_is_refused_with_place_and_help() {
    refused("{ plant: outcme, ratio: 1 }", &["plan.yaml:3:", "unknown value `outcme`", "did you mean `outcome`?"]);
    refused("{ plant: price, segmnt: {} }", &["plan.yaml:3:", "unknown key `segmnt`", "did you mean `segment`?"]);
    refused("{ plant: price, ratio: 1.1 }", &["plan.yaml:3:", "the key `segment` is missing here"]);
    refused(
        "{ plant: unmapped-input, share: 0.1, ratio: 2 }",
        &["plan.yaml:3:", "`ratio` says nothing of what is planted here", "it has the keys `share`"],
    );
    refused(
        "{ plant: price, strategy: home-hybird, segment: { gender: male }, ratio: 1.1 }",
        &["the shop has no strategy `home-hybird`", "did you mean `home-hybrid`?"],
    );
    refused("{ plant: price, segment: { age_bnd: 65+ }, ratio: 1.1 }", &["`age_bnd`", "did you mean `age_band`?"]);
    refused("{ plant: price, segment: { region: wets }, ratio: 1.1 }", &["`wets`", "did you mean `west`?"]);
    refused("{ plant: price, segment: {}, ratio: 1.1 }", &["one attribute or two"]);
    refused("{ plant: price, segment: { gender: male }, ratio: 0 }", &["`ratio` is 0; expected 0.01 to 5"]);
    refused("{ plant: price, segment: { gender: male }, ratio: .nan }", &["expected 0.01 to 5"]);
    refused("{ plant: minors, share: 1.5 }", &["`share` is 1.5; expected 0 to 1"]);
    refused("{ plant: minors, share: many }", &["plan.yaml:3:", "expected a number"]);
    refused("{ plant: consent, defect: before-grnt, share: 1 }", &["`before-grnt`", "did you mean `before-grant`?"]);
    refused("{ plant: prompt, defect: preselcted, share: 1 }", &["did you mean `preselected`?"]);
    refused("{ plant: proxy, attribute: gendr, share: 1 }", &["did you mean `gender`?"]);
    refused(
        "{ plant: provider, favoured: Tessel, instead_of: Tessel, share: 0.5 }",
        &["`Tessel` cannot be favoured at its own cost"],
    );
    refused("{ plant: provider, favoured: Tesel, instead_of: Brisa, share: 0.5 }", &["did you mean `Tessel`?"]);
    refused("{ plant: small-segment, segment: { region: west }, subjects: 45 }", &["only some regions can be small"]);
    refused("{ plant: outcome, segment: { region: alps }, ratio: 0.8 }", &["nobody lives in the region `alps`"]);
    // Two of which one says that the other is not so.
    refused(
        "{ plant: minors, share: 0.1 }\n  - { plant: minors, share: 0.2 }",
        &["plan.yaml:4:", "line 3 plants the same with another size"],
    );
    refused(
        "{ plant: provider, favoured: Tessel, instead_of: Brisa, share: 0.5 }\n  \
         - { plant: provider, favoured: Brisa, instead_of: Kestrel, share: 0.5 }",
        &["plan.yaml:4:", "line 3"],
    );
    let all = "probity-shop: 2\nsubjects: 0\neffects:\n  - { plant: minors, share: 2 }\n";
    let error = Plan::parse(Path::new("plan.yaml"), all).unwrap_err().to_string();
    for part in ["format 2 is not known", "`subjects` is 0", "`share` is 2"] {
        assert!(error.contains(part), "not all at once: {error}");
    }
}

#[test]
fn a_candidate_that_cannot_be_is_refused() {
    let text = "probity-shop: 1\nsubjects: 300\ndecisions: 900\neffects:\n  \
                - { plant: candidate, overall: 1.9, segment: { gender: female }, ratio: 0.3 }\n";
    let plan = Plan::parse(Path::new("plan.yaml"), text).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let error = write(&plan, &folder.path().join("shop")).unwrap_err().to_string();
    assert!(error.contains("0.25 to 2 can be made"), "{error}");
    assert!(!folder.path().join("shop").exists());
}
