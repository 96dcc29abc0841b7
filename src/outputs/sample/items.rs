//! Attention to groups of items: each comparison once with every number and once with as few as can be.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::HOSTILE;
use super::facts::fact;
use crate::facts::Fact;

pub fn items(facts: &mut Vec<Fact>) {
    for (group, items, comparison, share, ratio) in [
        ("own-label", 120, "compared", Some(0.42), Some(1.4)),
        ("Tessel", 30, "compared", Some(0.031), Some(0.41)),
        (HOSTILE[0], 31, "compared", Some(0.08), Some(1.03)),
        ("Cordwain", 28, "compared", Some(0.0), Some(0.0)),
        ("Marlow", 12, "undefined", Some(0.04), None),
        ("(unknown)", 4, "unknown", Some(0.01), None),
    ] {
        facts.push(exposure((group, items), &[], comparison, share, ratio));
    }
    for (segment, ratio, comparison) in
        [("18-24", Some(0.7), "compared"), (HOSTILE[5], Some(1.02), "compared"), ("25-44", None, "reference")]
    {
        facts.push(exposure(("Tessel", 30), &[("age_band", segment)], comparison, Some(0.03), ratio));
    }
    facts.push(exposure(("Tessel", 30), &[("age_band", "under 18")], "suppressed", None, None));
    for (segment, full) in [(vec![], true), (vec![("age_band", HOSTILE[1])], true), (vec![("age_band", "65+")], false)]
    {
        let number = |value: f64| full.then(|| interval(value, 0.05));
        let skew = |skew: Option<f64>| full.then(|| json!({"item_group": HOSTILE[2], "skew": skew}));
        facts.push(fact(json!({
            "kind": "ranking_fairness", "strategy": "ranker_v2", "item_attribute": "provider", "segment": pairs(&segment),
            "discount": "log2", "cutoff": 10, "target": "catalogue", "groups": 6, "lists": full.then_some(18_000),
            "awrf_jsd": number(0.91), "awrf_jsd_bounds": full.then(|| json!({"low": 0.88, "high": 0.93})),
            "awrf_difference": number(0.2), "ndkl": number(0.31), "lists_infinite": full.then_some(12),
            "min_skew": skew(None), "max_skew": skew(Some(0.8)), "eel": full.then_some(0.012),
            "eed": full.then_some(0.31), "eer": full.then_some(0.29), "suppressed": !full,
        })));
    }
}

/// The use of the catalogue, to everyone and by segment.
pub fn catalogue(facts: &mut Vec<Fact>) {
    for (strategy, segment, comparison, ratio) in [
        ("ranker_v2", None, None, None),
        ("ranker_v2", Some("25-44"), Some("reference"), None),
        ("ranker_v2", Some(HOSTILE[1]), Some("compared"), Some(0.83)),
        ("ranker_v2", Some("unknown"), Some("unknown"), None),
        ("ranker_v2", Some("under 18"), Some("suppressed"), None),
        (HOSTILE[0], None, None, None),
    ] {
        let shown = comparison != Some("suppressed");
        let segment: Vec<(&str, &str)> = segment.map(|value| ("age_band", value)).into_iter().collect();
        let reference: &[(&str, &str)] = if segment.is_empty() { &[] } else { &[("age_band", "25-44")] };
        let rarefied = matches!(comparison, Some("reference" | "compared")).then(|| 812.4 * ratio.unwrap_or(1.0));
        facts.push(fact(json!({
            "kind": "catalogue_use", "strategy": strategy, "segment": pairs(&segment), "reference": pairs(reference),
            "comparison": comparison, "catalogue": "items", "catalogue_items": 12_400, "unlisted_items": 31,
            "unit": "subject", "subjects": shown.then_some(4_210), "impressions": shown.then_some(96_512),
            "items_shown": shown.then_some(2_977), "catalogue_coverage": shown.then_some(0.24),
            "sample": rarefied.map(|_| 8_120), "rarefied_items": rarefied,
            "reference_rarefied_items": rarefied.map(|_| 812.4), "rarefied_ratio": ratio,
            "gini_n": shown.then_some(0.947), "gini_n_minus_1": shown.then_some(0.947_08),
            "item_entropy": shown.then_some(6.1), "effective_items": shown.then_some(445.9), "suppressed": !shown,
            "counts_withheld": false,
        })));
    }
}

fn pairs(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn interval(estimate: f64, by: f64) -> Value {
    json!({"estimate": estimate, "low": estimate * (1.0 - by), "high": estimate * (1.0 + by) + 0.01, "level": 0.95, "method": "group_jackknife"})
}

fn exposure(
    (group, items): (&str, u64),
    segment: &[(&str, &str)],
    comparison: &str,
    share: Option<f64>,
    ratio: Option<f64>,
) -> Fact {
    let everyone = segment.is_empty();
    let reference: &[(&str, &str)] = if everyone { &[] } else { &[("age_band", "25-44")] };
    let shown = comparison != "suppressed";
    let compared = ratio.filter(|_| everyone);
    let beside = ratio.filter(|_| !everyone);
    let whole = |of: Option<f64>| of.map(|of| interval(of, 0.12));
    fact(json!({
        "kind": "exposure_parity", "strategy": "ranker_v2", "item_attribute": "provider", "item_group": group,
        "segment": pairs(segment), "reference": pairs(reference), "reference_group": "own-label", "discount": "log2",
        "cutoff": 10, "target": "catalogue", "unit": "subject",
        "comparison": if everyone || !shown { comparison } else { "compared" }, "subjects": shown.then_some(4_210),
        "impressions": shown.then_some(96_512), "unplaced": shown.then_some(12), "items": items, "share": whole(share),
        "target_share": compared.zip(share).map(|(ratio, share)| if ratio > 0.0 { share / ratio } else { 0.07 }),
        "ratio": whole(compared), "log_ratio": compared.filter(|ratio| *ratio > 0.0).map(f64::ln),
        "difference": compared.map(|_| interval(-0.04, -0.2)), "p_value": compared.map(|_| 0.0004),
        "q_value": compared.map(|_| 0.003), "share_bounds": share.map(|share| json!({"low": share, "high": share + 0.01})),
        "exposure_per_item": compared.map(|_| 310.5), "item_ratio": whole(compared),
        "log_item_ratio": compared.filter(|ratio| *ratio > 0.0).map(f64::ln), "relevance_share": compared.map(|_| 0.11),
        "click_share": compared.map(|_| 0.09), "treatment_ratio": whole(compared), "impact_ratio": whole(compared),
        "segment_comparison": (!everyone).then_some(comparison), "reference_share": beside.map(|_| 0.05),
        "segment_ratio": whole(beside), "segment_difference": beside.map(|_| interval(-0.01, -0.2)),
        "segment_p_value": beside.map(|_| 0.001), "segment_q_value": beside.map(|_| 0.004),
        "suppressed": !shown, "counts_withheld": false,
    }))
}
