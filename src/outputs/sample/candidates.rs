//! A candidate judged on the log of another strategy.

use serde_json::json;

use super::HOSTILE;
use super::facts::fact;
use crate::facts::Fact;

/// A candidate: for everyone, for a segment by two estimators, for one too small, and one that is refused.
pub(super) fn candidates(facts: &mut Vec<Fact>) {
    let interval = |of: [f64; 3]| json!({"estimate": of[0], "low": of[1], "high": of[2], "level": 0.95, "method": "cluster_delta"});
    for (estimator, assumption, segment, comparison) in [
        ("doubly_robust", "independent", json!({}), "undefined"),
        ("doubly_robust", "independent", json!({"age_band": "65+"}), "compared"),
        ("doubly_robust_cross_fitted", "independent", json!({"age_band": "65+"}), "compared"),
        ("clipped", "independent", json!({"age_band": "65+"}), "compared"),
        ("direct_method", "independent", json!({"age_band": "65+"}), "undefined"),
        ("doubly_robust", "independent", json!({"age_band": HOSTILE[0]}), "suppressed"),
        ("doubly_robust", "cascade", json!({"age_band": "65+"}), "compared"),
    ] {
        let shown = comparison != "suppressed";
        let model = estimator == "direct_method";
        facts.push(fact(json!({
            "kind": "counterfactual", "candidate": HOSTILE[1], "on": "ranker_v2", "metric": "click",
            "estimator": estimator, "assumption": assumption, "segment": segment, "reference": {"age_band": "25-44"},
            "unit": "subject", "comparison": comparison, "clip": (estimator == "clipped").then_some(10.0),
            "estimate": shown.then_some(0.0391),
            "value": shown.then(|| interval([0.0391, 0.037, 0.0412])),
            "current": shown.then(|| interval([0.041, 0.0402, 0.0418])),
            "change": (shown && !model).then(|| interval([0.954, 0.91, 1.0])),
            "change_p_value": 0.04, "change_q_value": 0.08, "overall_change": interval([1.1, 1.05, 1.15]),
            "ratio": (comparison == "compared").then(|| interval([0.71, 0.66, 0.77])),
            "p_value": 0.0001, "q_value": 0.0004, "effective_impressions": shown.then_some(2_638.9),
            "max_weight": shown.then_some(9.6), "mean_weight": shown.then(|| interval([0.99, 0.97, 1.01])),
            "unsupported_share": shown.then_some(0.021), "propensity_distance": 0.06,
            "subjects": shown.then_some(1_640), "impressions": shown.then_some(48_000), "short": shown.then_some(12),
            "uncovered": 310, "suppressed": !shown,
        })));
    }
    facts.push(fact(json!({
        "kind": "counterfactual", "candidate": "ranker_v3", "on": HOSTILE[1], "metric": "", "estimator": "",
        "assumption": "single", "segment": {}, "reference": {}, "unit": "subject", "comparison": "undefined",
        "refused": format!("the log of `{}` has no propensities", HOSTILE[1]), "uncovered": 0, "suppressed": false,
    })));
}
