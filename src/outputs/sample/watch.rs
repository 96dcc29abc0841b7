//! Mixes, drift and trends: with every number and with as few as can be.

use serde_json::{Value, json};

use super::HOSTILE;
use crate::facts::Fact;

pub fn watch(facts: &mut Vec<Fact>) {
    let mut push =
        |value: Value| facts.push(serde_json::from_value(value).expect("the sample's facts have the shape of facts"));
    push(json!({
        "kind": "mix", "of": "decisions", "by": "strategy", "edges": [], "total": 40_000, "effective": 8_120, "pooled": 2,
        "suppressed": false,
        "bins": [{"name": "ranker_v2", "count": 30_000}, {"name": HOSTILE[0], "count": 9_000}, {"name": "(other)", "count": 1_000}],
    }));
    push(json!({
        "kind": "mix", "of": "impressions", "by": "price", "edges": [10.0, 25.5], "total": 400_000, "effective": 90_120,
        "pooled": 0, "suppressed": false, "bins": [{"name": "up to 10", "count": 100_000},
        {"name": "over 10 to 25.5", "count": 200_000}, {"name": "over 25.5", "count": 100_000}],
    }));
    push(json!({
        "kind": "mix", "of": "subjects", "by": HOSTILE[1], "edges": [], "bins": [], "total": null, "effective": null,
        "pooled": 0, "suppressed": true,
    }));
    push(json!({
        "kind": "drift", "of": "decisions", "by": "strategy", "since": "last_audit", "as_of": "2026-04-01",
        "comparison": "compared", "psi": 0.34, "psi_critical": 0.004, "p_value": 1e-9, "q_value": 2e-9,
        "js_divergence": 0.04, "js_distance": 0.2, "largest_move": {"value": HOSTILE[0], "before": 0.05, "now": 0.225},
        "bins": 3, "total_before": 38_000, "total": 40_000, "effective_before": 8_000, "effective": 8_120,
    }));
    for (since, comparison) in [("last_audit", "rebinned"), ("baseline", "suppressed"), ("baseline", "one_value")] {
        push(json!({"kind": "drift", "of": "impressions", "by": "price", "since": since, "comparison": comparison}));
    }
    let overall = json!({"estimate": 0.88, "low": 0.85, "high": 0.91, "level": 0.998, "method": "normal_mixture"});
    let point = |month: u32, estimate: f64| json!({"as_of": format!("2025-{month:02}-01"), "estimate": estimate, "low": estimate - 0.06, "high": estimate + 0.07});
    let steady: Vec<Value> =
        (1..12).map(|month| point(month, 0.9 + f64::from(month % 4) * 0.02)).chain([point(12, 0.76)]).collect();
    push(json!({
        "kind": "trend", "of": "outcome_parity", "measure": "ratio", "harm": "low", "key": "0a1b", "audits": 12,
        "about": {"strategy": "ranker_v2", "metric": "click", "segment": "age_band=65+"}, "points": steady, "left_out": 1,
        "centre": 0.93, "lower_limit": 0.84, "upper_limit": 1.03, "overdispersion": 1.0, "overall": overall,
        "signals": [{"rule": "beyond_limits", "side": "below", "harmful": true}],
    }));
    push(json!({
        "kind": "trend", "of": "price_parity", "measure": "ratio", "harm": "high", "key": "0a1c", "audits": 2,
        "about": {"strategy": HOSTILE[1], "segment": HOSTILE[3]}, "points": [point(1, 1.1), point(2, 1.2)], "left_out": 0,
        "reason": "limits take 8 earlier audits, and there are 1", "signals": [],
    }));
}
