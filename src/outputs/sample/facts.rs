//! The facts of the record for tests: every kind, in good and in bad.

use std::collections::BTreeMap;

use serde_json::json;

use super::candidates::candidates;
use super::loyalty::arms;
use super::{HOSTILE, OPAQUE};
use crate::facts::Fact;

/// Alternatives, explanations and prompts: each once with every number and once with as few as can be.
fn choices(facts: &mut Vec<Fact>) {
    facts.push(fact(json!({
        "kind": "alternative", "purpose": "personalize.content", "jurisdiction": "DE", "basis": "consent",
        "profiling": ["ranker_v2"], "alternatives": ["bestsellers", HOSTILE[1]], "decisions": 40_000, "subjects": 9_000,
        "by_alternative": 8_000, "subjects_by_alternative": 1_900, "refused": 2_100, "refused_subjects": 310,
        "refused_by_alternative": 1_900, "refused_subjects_by_alternative": 290, "refused_share": 0.905, "in_grace": 12,
        "silent": 700, "silent_by_alternative": 650, "declared_at": [{"path": "audit.yaml", "line": 41}],
    })));
    facts.push(fact(json!({
        "kind": "alternative", "purpose": HOSTILE[0], "jurisdiction": HOSTILE[3], "profiling": [HOSTILE[1]],
        "alternatives": [], "declared_at": [],
    })));
    let share = json!({"estimate": 0.62, "low": 0.58, "high": 0.66, "level": 0.95, "method": "cluster_delta"});
    for (segment, share, counts) in [
        (json!({}), Some(&share), Some(12_000)),
        (json!({"age_band": HOSTILE[0]}), Some(&share), None),
        (json!({"age_band": "65+"}), None, None),
    ] {
        facts.push(fact(json!({
            "kind": "explanation", "strategy": "ranker_v2", "profiling": true, "segment": segment, "unit": "subject",
            "decisions": counts, "explained": counts.map(|n| n / 2), "unstated": counts.map(|_| 3), "subjects": counts,
            "share": share, "strategy_share": 0.62, "suppressed": share.is_none(),
        })));
    }
    let effort = json!({"prompts": 900, "mean": 2.25, "median": 2.0, "max": 5.0});
    for (notice, effort, count) in [("2026-1", Some(effort), Some(40)), (HOSTILE[1], None, None)] {
        facts.push(fact(json!({
            "kind": "prompt", "purpose": "personalize.content", "notice_version": notice, "jurisdiction": "DE",
            "prompts": 1_000, "subjects": count, "given": 600, "refused": 250, "dismissed": 140, "yes_steps": effort,
            "no_steps": effort, "yes_seconds": effort, "no_seconds": effort, "both_steps": 900, "harder_no": count,
            "preselected": count, "no_on_later_layer": count, "dismissed_as_yes": count, "repeats": count,
            "excess_repeats": count, "subjects_repeated": count,
        })));
    }
}

pub fn facts() -> Vec<Fact> {
    let mut facts = vec![
        purpose("ranker_v2", true, Some("personalize.content")),
        purpose("ranker_v1", true, Some("personalize.content")),
        purpose("bestsellers", true, Some("essential.service")),
        purpose(HOSTILE[1], false, None),
    ];
    for (name, categories, contexts, special) in [
        ("shop.events.product_id", vec!["user.behavior.browsing_history"], vec!["web"], false),
        ("shop.orders.basket", vec!["user.behavior.purchase_history"], vec!["store"], false),
        ("pharmacy.orders.item", vec!["user.health_and_medical"], vec!["store", "web"], true),
        ("loyalty.cards.points", vec!["user.account"], vec!["loyalty"], false),
        (HOSTILE[0], vec![], vec![], false),
    ] {
        let mapped = !categories.is_empty();
        facts.push(fact(json!({
            "kind": "field", "strategy": "ranker_v2", "field": name, "mapped": mapped, "declared": true,
            "categories": categories, "contexts": contexts, "context_declared": name != "loyalty.cards.points", "special": special,
            "identifiability": mapped.then_some("aggregated.pseudonymized"), "collected_for": ["essential.service"],
            "retention": "13 months", "sources": if special { vec!["pharmacy.raw.item"] } else { vec![] }, "decisions": 12_000,
            "mapped_at": mapped.then(|| json!({"path": "map/shop.yml", "line": 42})),
            "nearest": (!mapped).then_some("shop.events.script"),
        })));
    }
    for (category, jurisdiction, special, permitted, without, unknown) in [
        ("user.health_and_medical", "DE", true, 1_200, 5_120, 300),
        ("user.location", "DE", false, 2_400, 48, 0),
        ("user.behavior.browsing_history", "DE", false, 180_400, 0, 1_020),
        ("user.behavior.browsing_history", HOSTILE[3], false, 90_121, 0, 0),
        (HOSTILE[5], "FR", false, 3_000, 0, 0),
    ] {
        facts.push(fact(json!({
            "kind": "data_use", "strategy": "ranker_v2", "purpose": "personalize.content", "category": category,
            "operation": "serve", "prohibited": false, "recipients": [HOSTILE[0]],
            "basis": if special { "explicit_consent" } else { "consent" }, "special": special, "jurisdiction": jurisdiction,
            "events": permitted + without + unknown + 130 + 2_000, "subjects": 8_400, "events_permitted": permitted,
            "events_without_consent": without, "subjects_without_consent": without / 8, "events_in_grace": 130,
            "subjects_in_grace": 12, "events_after_withdrawal": without / 10, "subjects_after_withdrawal": without / 80,
            "events_objected": without / 40, "subjects_objected": without / 160, "events_gpc": without / 40,
            "subjects_gpc": without / 160, "events_minors": without / 20, "subjects_minors": without / 90,
            "events_unknown": unknown, "subjects_unknown": unknown / 10, "events_before_policy": 2_000,
            "withdrawal_delay": (without > 0)
                .then_some(json!({"median_seconds": 7_200.0, "p95_seconds": 200_000.5, "max_seconds": 900_000.0})),
            "first_without_consent": (without > 0).then_some("2026-03-03T04:12:00Z"),
            "last_without_consent": (without > 0).then_some("2026-03-31T21:40:09Z"),
            "contexts": ["store", "web"], "fields": ["pharmacy.orders.item"], "clause": {"path": "policy.yaml", "line": 31},
        })));
    }
    for (contexts, requires, permitted, without) in [
        (["store", "web"], true, 40_100, 18_204),
        (["loyalty", "web"], true, 9_120, 0),
        (["app", "web"], false, 77_000, 0),
    ] {
        facts.push(fact(json!({
            "kind": "join", "strategy": "ranker_v2", "purpose": "personalize.content", "contexts": contexts,
            "operation": "serve", "unlinkable": false, "link": requires.then_some("hashed e-mail"), "requires_consent": requires,
            "reason": (!requires).then_some("one service in the eyes of the person"), "special": without > 0,
            "events": permitted + without + 420 + 800, "subjects": 9_200, "events_permitted": permitted,
            "events_without_consent": without, "subjects_without_consent": without / 8, "events_in_grace": 420,
            "subjects_in_grace": 40, "events_after_withdrawal": without / 12, "subjects_after_withdrawal": without / 90,
            "events_objected": 0, "subjects_objected": 0, "events_gpc": 0, "subjects_gpc": 0, "events_minors": 0,
            "subjects_minors": 0, "events_unknown": 0, "subjects_unknown": 0, "events_before_policy": 800,
            "first_without_consent": (without > 0).then_some("2026-03-03T00:40:00Z"),
            "last_without_consent": (without > 0).then_some("2026-03-31T23:58:01Z"),
            "fields": ["shop.events.product_id", "shop.orders.basket"],
            "sources": [{"path": "sql/join_web_store.sql", "line": 31, "run": null}], "clause": {"path": "policy.yaml", "line": 40},
        })));
    }
    choices(&mut facts);
    risks(&mut facts);
    facts.push(fact(json!({
        "kind": "coverage", "strategy": "ranker_v2", "declared": true, "decisions": 200_000, "judged": 180_000, "share": 0.9,
        "gaps": {"unknown_subject": 15_000, "unmapped_input": 5_000},
    })));
    parities(&mut facts);
    super::conditions::conditions(&mut facts);
    selections(&mut facts);
    price_parities(&mut facts);
    super::items::items(&mut facts);
    list_parities(&mut facts);
    candidates(&mut facts);
    arms(&mut facts);
    super::items::catalogue(&mut facts);
    inequalities(&mut facts);
    for (column, class, declared) in [
        (Some("customer"), Some(("email", "user.contact.email")), true),
        (Some(HOSTILE[0]), Some(("iban", "user.financial.bank_account")), false),
        (None, None, true),
    ] {
        facts.push(fact(json!({
            "kind": "undeclared_personal_data", "role": "recommendations", "path": "logs/2026-03.csv.gz", "column": column,
            "canonical": declared.then_some("subject_id"), "class": class.map(|c| c.0), "category": class.map(|c| c.1),
            "matches": class.map_or(0, |_| 1_204), "sampled": class.map_or(0, |_| 1_980),
            "share": class.map(|_| 0.608), "rows": 2_000, "columns": 17, "declared": declared,
            "declared_as": (declared && class.is_some()).then_some("user.contact"),
            "declared_at": (declared && class.is_some()).then(|| json!({"path": "audit.yaml", "line": 61})),
        })));
    }
    for (role, given, rows, missing) in [
        ("recommendations", true, Some(1_204_233), vec!["propensity", "relevant"]),
        ("consent_records", true, Some(48_120), vec![]),
        ("items", false, None, vec![]),
    ] {
        facts.push(fact(json!({
            "kind": "evidence_quality", "role": role, "given": given, "files": u64::from(given), "rows": rows,
            "rejected": rows.map(|_| 12), "rejected_share": rows.map(|rows| 12.0 / f64::from(rows)),
            "duplicates": rows.map(|_| 2), "subjects": rows.map(|_| 19_877), "subjects_missing": rows.map(|_| 61),
            "columns_missing": missing, "first": rows.map(|_| "2026-03-01T00:00:12Z"), "last": rows.map(|_| "2026-03-31T23:58:01Z"),
        })));
    }
    super::watch::watch(&mut facts);
    facts
}

/// A table crossed, with a name that means harm, one left out and one withheld; and scores without anything to compare.
fn selections(facts: &mut Vec<Fact>) {
    let interval = |estimate: f64, method: &str| json!({"estimate": estimate, "low": estimate * 0.85, "high": (estimate * 1.18).min(1.6), "level": 0.95, "method": method});
    let most = json!({"gender": "men", "origin": "a"});
    for (gender, origin, comparison, n, y) in [
        ("men", "a", "most_selected", 412, 215),
        ("men", HOSTILE[1], "compared", 226, 95),
        ("women", HOSTILE[5], "compared", 295, 70),
        ("women", "c", "excluded", 17, 7),
        ("women", HOSTILE[0], "suppressed", 0, 0),
    ] {
        let shown = n > 0;
        let (rate, compared) = (f64::from(y) / f64::from(n.max(1)), comparison == "compared");
        let ratio = rate / (215.0 / 412.0);
        facts.push(fact(json!({
            "kind": "selection", "strategy": "ranker_v2", "outcome": "selected", "table": ["gender", "origin"],
            "category": {"gender": gender, "origin": origin}, "unit": "subject", "comparison": comparison,
            "applicants": shown.then_some(n), "selected": shown.then_some(y),
            "rate": shown.then(|| interval(rate, "wilson")), "share": shown.then_some(f64::from(n) / 962.0),
            "excluded": comparison == "excluded", "exclude_below": 0.02, "most_selected": most,
            "impact_ratio": if compared { Some(ratio) } else { (comparison == "most_selected").then_some(1.0) },
            "impact_interval": compared.then(|| interval(ratio, "katz")), "reference": most,
            "reference_ratio": compared.then(|| interval(ratio, "katz")),
            "standard_deviations": compared.then_some(-2.45), "p_value": compared.then_some(0.0162),
            "test": compared.then_some("fisher_exact"), "q_value": compared.then_some(0.04),
            "shortfall": compared.then_some(22.94), "flips_with": (ratio < 0.8 && compared).then(|| json!({"bound": 0.8, "people": 29})),
            "suppressed": !shown, "unknown": 250, "unknown_share": 0.0886, "unstated": 12, "median": null,
        })));
    }
    facts.push(fact(json!({
        "kind": "selection", "strategy": HOSTILE[0], "outcome": "score", "table": ["age_band"],
        "category": {"age_band": "65+"}, "unit": "subject", "comparison": "undefined", "applicants": 40, "selected": 0,
        "share": 1.0, "excluded": false, "exclude_below": 0.02, "reference": {}, "suppressed": false, "unknown": 0,
        "unknown_share": 0.0, "unstated": 0, "median": 61.5,
    })));
}

/// One benefit with every number, and one without any.
fn inequalities(facts: &mut Vec<Fact>) {
    let index = |value: f64| json!({"value": value, "interval": {"estimate": value, "low": value * 0.9, "high": value * 1.1, "level": 0.95, "method": "group_jackknife"}});
    let between = |attribute: &str, share: f64| json!({"attribute": attribute, "segments": 5, "theil_t": share * 0.62, "share": index(share), "by_chance": 0.0004});
    facts.push(fact(json!({
        "kind": "inequality", "strategy": "ranker_v2", "benefit": "revenue", "state": "measured", "subjects": 19_877,
        "mean": 12.4, "share_without": 0.61, "entropy_2": index(1.73), "theil_t": index(0.62), "theil_l": null,
        "atkinson_half": index(0.43), "variation": index(1.86), "gini_n": 0.71, "gini_n1": 0.71,
        "between": [between("age_band", 0.031), between(HOSTILE[0], 0.0007)],
    })));
    facts.push(fact(json!({
        "kind": "inequality", "strategy": HOSTILE[1], "benefit": "clicks", "state": "nothing", "subjects": 40, "mean": 0.0,
        "share_without": 1.0, "between": [],
    })));
}

fn risks(facts: &mut Vec<Fact>) {
    let classes = |sizes: [u64; 4]| {
        json!({
            "count": 1_204, "k_min": 1, "k_p5": 1, "k_median": 7, "unique": sizes[0], "under_k": sizes[0] + sizes[1],
            "share_unique": sizes[0] as f64 / 9_000.0, "share_under_k": (sizes[0] + sizes[1]) as f64 / 9_000.0,
            "sizes": [
                {"from": 1, "to": 1, "subjects": sizes[0]}, {"from": 2, "to": 4, "subjects": sizes[1]},
                {"from": 5, "to": 9, "subjects": sizes[2]}, {"from": 10, "to": null, "subjects": sizes[3]},
            ],
        })
    };
    let quasi = |field: &str, context: &str, column: Option<&str>| json!({"field": field, "contexts": [context], "column": column, "mapped_at": {"path": "map/shop.yml", "line": 7}});
    facts.push(fact(json!({
        "kind": "reidentification", "strategy": "ranker_v2",
        "quasi_identifiers": [
            quasi("shop.people.age", "web", Some("age")), quasi("loyalty.cards.postcode", HOSTILE[5], Some("zip")),
            quasi(HOSTILE[0], "web", None),
        ],
        "contexts": ["loyalty", "web"], "missing": [HOSTILE[0]], "unmapped": [HOSTILE[1]], "k": 5, "subjects": 9_000,
        "subjects_missing": 61, "suppressed": false, "joined": classes([1_210, 2_300, 990, 4_500]),
        "before": [
            {"context": "web", "classes": classes([0, 3, 40, 8_957])},
            {"context": HOSTILE[5], "classes": classes([12, 104, 980, 7_904])},
        ],
        "increment_unique": 0.133, "increment_under_k": 0.377, "under_k_at_most": 0.394,
        "diversity": [{
            "field": "pharmacy.orders.item", "values": 9, "l_distinct": 1, "l_entropy": 1.0, "t": 0.71, "alike": 1_340,
            "share_alike": 0.149,
        }],
        "special_missing": [HOSTILE[2]],
    })));
    facts.push(fact(json!({
        "kind": "reidentification", "strategy": "bestsellers", "quasi_identifiers": [], "contexts": [], "missing": [],
        "unmapped": [], "k": 5, "subjects_missing": 0, "suppressed": false, "before": [], "diversity": [],
        "special_missing": [],
    })));
    for (field, attribute, comparison, strength) in [
        ("loyalty.cards.postcode", Some("origin"), "measured", Some((0.52, 0.47, 0.57))),
        ("shop.people.age", Some("origin"), "measured", Some((0.06, 0.0, 0.11))),
        (HOSTILE[5], Some(HOSTILE[1]), "measured", Some((0.29, 0.18, 0.41))),
        ("shop.people.age", Some("age_band"), "itself", None),
        ("shop.events.product_id", None, "not_at_hand", None),
    ] {
        facts.push(fact(json!({
            "kind": "proxy", "strategy": "ranker_v2", "field": field, "inputs": ["shop.people.age", HOSTILE[0]],
            "column": attribute.map(|_| "zip"), "attribute": attribute, "comparison": comparison,
            "statistic": strength.map(|_| "cramers_v"), "strength": strength.map(|(estimate, low, high)| json!({
                "estimate": estimate, "low": low, "high": high, "level": 0.95, "method": "score_delta",
            })),
            "uncorrected": strength.map(|s| s.0 + 0.01), "p_value": strength.map(|_| 0.001),
            "q_value": strength.map(|_| 0.004), "subjects": strength.map(|_| 8_700), "unknown": strength.map(|_| 300),
            "levels": strength.map(|_| 50), "levels_merged": strength.map(|_| 31),
            "attribute_levels": strength.map(|_| 4), "mapped_at": {"path": "map/shop.yml", "line": 21},
        })));
    }
}

fn purpose(strategy: &str, declared: bool, purpose: Option<&str>) -> Fact {
    fact(json!({
        "kind": "purpose", "strategy": strategy, "declared": declared, "purpose": purpose,
        "legal_basis": declared.then_some("consent"), "benefit": declared.then_some("Finds what they came for in fewer pages."),
        "objective": declared.then_some("conversion"), "horizon": declared.then_some("short_term"),
        "logic": declared.then_some("A gradient-boosted ranker over what the person viewed and bought in the last 90 days."),
        "owner": declared.then_some("Ranking team"), "profiling": declared.then_some(strategy != "bestsellers"),
        "review_date": declared.then_some("2026-09-01"), "review_overdue": declared.then_some(false), "decisions": 120,
        "declared_at": declared.then(|| json!({"path": "audit.yaml", "line": 14})),
    }))
}

fn parities(facts: &mut Vec<Fact>) {
    let ages = [
        ("18-24", 1.04, 0.04),
        ("25-44", 1.0, 0.0),
        ("45-64", 0.93, 0.05),
        ("65+", 0.66, 0.07),
        ("under 18", 0.78, 0.2),
    ];
    facts.push(subgroup(1, json!({"age_band": "65+", "gender": "<script>"}), 0.61, 0.78));
    facts.push(subgroup(2, json!({"age_band": "65+", "region": "west"}), 0.7, 1.01));
    for metric in ["click", "conversion", "revenue"] {
        for (segment, ratio, spread) in ages {
            let spread = if metric == "click" { spread } else { spread * 2.5 };
            facts.push(parity(metric, ("age_band", segment), ("age_band", "25-44"), &[], ratio, spread));
        }
        facts.push(parity(metric, ("age_band", "unknown"), ("age_band", "25-44"), &[], f64::NAN, 1.0));
    }
    for (segment, ratio, spread) in [
        ("men", 1.0, 0.0),
        (HOSTILE[0], 0.97, 0.03),
        (HOSTILE[5], 0.81, 0.2),
        ("x", f64::NAN, 0.0),
        (OPAQUE, 0.0, 1.0),
        ("3aef83d337306549f1f8ca5a8b8ecff8", 1.0, 0.1),
    ] {
        facts.push(parity("click", ("gender", segment), ("gender", "men"), &[], ratio, spread));
    }
    for position in ["1", "2", "3"] {
        for (segment, ratio, spread) in ages {
            facts.push(parity(
                "click",
                ("age_band", segment),
                ("age_band", "25-44"),
                &[("position", position)],
                ratio * 1.05,
                spread * 2.0,
            ));
        }
    }
}

fn price_parities(facts: &mut Vec<Fact>) {
    let interval = |of: [f64; 3], method: &str| json!({"estimate": of[0], "low": of[1], "high": of[2], "level": 0.95, "method": method});
    for (measure, segment, comparison, of) in [
        ("same_item_price", "25-44", "reference", None),
        ("same_item_price", "65+", "compared", Some([1.048, 1.041, 1.055])),
        ("same_item_price", HOSTILE[0], "compared", Some([1.001, 0.996, 1.006])),
        ("same_item_price", HOSTILE[5], "suppressed", None),
        ("mean_price", "65+", "compared", Some([1.12, 1.02, 1.24])),
        ("discount", "65+", "compared", Some([-0.041, -0.055, -0.027])),
        ("discount", "unknown", "unknown", None),
        ("price_level", "65+", "compared", Some([1.08, 0.99, 1.18])),
    ] {
        let (same, ratio) = (measure == "same_item_price", measure != "discount");
        let shown = comparison != "suppressed";
        let value = if ratio { 24.9 } else { 0.082 };
        let method = if same { "cluster_within" } else { "cluster_delta" };
        facts.push(fact(json!({
            "kind": "price_parity", "strategy": "ranker_v2", "measure": measure, "segment": {"age_band": segment},
            "reference": {"age_band": "25-44"}, "unit": "subject", "comparison": comparison,
            "harm": if ratio { "high" } else { "low" }, "subjects": shown.then_some(1_812),
            "impressions": shown.then_some(48_120), "left_out": shown.then_some(17),
            "matched": (same && of.is_some()).then(|| json!({
                "window": "1 day", "cells": 9_120, "items": 812, "subjects": 1_790, "impressions": 46_220,
                "unmatched": 1_900, "reference_impressions": 120_400,
            })),
            "value": shown.then_some(value), "reference_value": value,
            "ratio": of.filter(|_| ratio).map(|of| interval(of, method)),
            "difference": of.filter(|_| !ratio).map(|of| interval(of, method)),
            "split": (measure == "mean_price").then(|| json!({"gap": 2.7, "mix": 1.6, "price": 1.1})),
            "p_value": of.map(|_| 0.0002), "q_value": of.map(|_| 0.001), "suppressed": !shown, "counts_withheld": false,
        })));
    }
}

fn list_parities(facts: &mut Vec<Fact>) {
    let interval = |of: [f64; 3]| json!({"estimate": of[0], "low": of[1], "high": of[2], "level": 0.95, "method": "cluster_delta"});
    for (measure, segment, comparison, ratio) in [
        ("miscalibration", "25-44", "reference", None),
        ("miscalibration", "65+", "compared", Some([1.52, 1.41, 1.64])),
        ("miscalibration", HOSTILE[0], "suppressed", None),
        ("popularity_lift", "65+", "compared", None),
        ("tail_share", HOSTILE[5], "compared", Some([0.91, 0.84, 0.99])),
        ("category_entropy", "unknown", "unknown", None),
    ] {
        let (shown, compared) = (comparison != "suppressed", comparison == "compared");
        facts.push(fact(json!({
            "kind": "list_parity", "strategy": "ranker_v2", "measure": measure, "segment": {"age_band": segment},
            "reference": {"age_band": "25-44"}, "comparison": comparison,
            "harm": if ["tail_share", "category_entropy"].contains(&measure) { "low" } else { "high" },
            "subjects": shown.then_some(1_640), "left_out": shown.then_some(172),
            "value": shown.then(|| interval([0.42, 0.4, 0.44])), "reference_value": 0.28,
            "ratio": ratio.map(interval), "difference": compared.then(|| interval([0.14, 0.11, 0.17])),
            "p_value": compared.then_some(0.0002), "q_value": compared.then_some(0.001), "suppressed": !shown,
            "counts_withheld": false,
        })));
    }
}

fn parity(
    metric: &str,
    segment: (&str, &str),
    reference: (&str, &str),
    within: &[(&str, &str)],
    ratio: f64,
    spread: f64,
) -> Fact {
    let (comparison, shown) = match (segment == reference, ratio.is_nan(), segment.1) {
        (true, ..) => ("reference", true),
        (_, true, "unknown") => ("unknown", true),
        (_, true, _) => ("suppressed", false),
        _ => ("compared", true),
    };
    let compared = comparison == "compared";
    let interval = |estimate: f64, by: f64| json!({"estimate": estimate, "low": estimate * (1.0 - by), "high": if estimate > 0.0 { estimate * (1.0 + by) } else { 12.9 }, "level": 0.95, "method": "cluster_delta"});
    let base = if metric == "revenue" { 0.84 } else { 0.0412 };
    let rate = if ratio.is_nan() { base } else { base * ratio };
    fact(json!({
        "kind": "outcome_parity", "strategy": "ranker_v2", "metric": metric, "harm": "low",
        "scale": if metric == "revenue" { "money" } else { "share" }, "segment": {segment.0: segment.1},
        "reference": {reference.0: reference.1}, "within": within.iter().copied().collect::<BTreeMap<_, _>>(), "unit": "subject",
        "comparison": comparison, "subjects": shown.then_some(4_210), "impressions": shown.then_some(96_512),
        "rate": shown.then(|| interval(rate, 0.05)), "reference_rate": shown.then(|| interval(base, 0.02)),
        "ratio": compared.then(|| interval(ratio, spread)),
        "difference": compared.then(|| json!({"estimate": rate - base, "low": rate - base * 1.1, "high": rate - base * 0.9, "level": 0.95, "method": "cluster_delta"})),
        "p_value": compared.then_some(0.0004), "q_value": compared.then_some(0.012), "suppressed": comparison == "suppressed",
        "counts_withheld": false,
        "most_favoured": compared.then(|| json!({"segment": {segment.0: "18-24"}, "ratio": interval(ratio / 1.04, spread)})),
        "to_decide": (compared && ratio - ratio * spread < 0.8 && ratio + ratio * spread > 0.8).then(|| json!({"bound": 0.8, "units": 18_400})),
    }))
}

fn subgroup(rank: u64, segment: serde_json::Value, ratio: f64, least: f64) -> Fact {
    let interval = |estimate: f64| json!({"estimate": estimate, "low": estimate * 0.88, "high": estimate * 1.12, "level": 0.95, "method": "cluster_delta"});
    fact(json!({
        "kind": "subgroup", "strategy": "ranker_v2", "metric": "click", "harm": "low", "scale": "share", "segment": segment,
        "rank": rank, "compared": 31, "too_small": 4, "unit": "subject", "comparison": "compared", "subjects": 1_204,
        "impressions": 22_930, "rate": interval(0.04 * ratio), "rest_rate": interval(0.04), "ratio": interval(ratio),
        "difference": json!({"estimate": 0.04 * ratio - 0.04, "low": -0.02, "high": 0.001, "level": 0.95, "method": "cluster_delta"}),
        "p_value": 0.0001, "q_value": 0.003,
        "adds": [{"attribute": "age_band", "ratio": interval(least), "p_value": 0.01}, {"attribute": "<b>gender</b>", "ratio": null, "p_value": null}],
        "least_added": interval(least),
    }))
}

pub(super) fn fact(value: serde_json::Value) -> Fact {
    serde_json::from_value(value).expect("the sample's facts have the shape of facts")
}
