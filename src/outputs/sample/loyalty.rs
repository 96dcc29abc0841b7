//! What became of people under two strategies, beside a holdout: points that lie close, and one arm with a hostile name.

use serde_json::{Value, json};

use super::HOSTILE;
use super::facts::fact;
use crate::facts::Fact;
use crate::facts::loyalty::Loyalty;

fn interval(estimate: f64, by: f64, level: f64) -> Value {
    json!({"estimate": estimate, "low": estimate * (1.0 - by), "high": estimate * (1.0 + by), "level": level, "method": "greenwood"})
}

fn loyalty(strategy: &str, measure: &str, segment: &Value, comparison: &str, value: f64, times: f64) -> Fact {
    let (shown, compared) = (comparison != "suppressed", comparison == "compared");
    let score = measure == "net_promoter_score";
    let apart = interval(value - value / times, 0.4, 0.95);
    let effect = match score {
        true => {
            json!({"measured_by": "difference", "interval": apart, "narrow": apart, "worse": -0.05, "better": 0.05, "p_equivalence": 0.3})
        }
        false => {
            json!({"measured_by": "ratio", "interval": interval(times, 0.06, 0.95), "narrow": interval(times, 0.05, 0.9),
            "worse": 0.95, "better": 1.05, "p_equivalence": 0.02})
        }
    };
    let point = |(day, share): (u64, f64)| json!({"day": day, "share": share, "low": share - 0.02, "high": share});
    let curve: Vec<Value> = [(0, 1.0), (45, 0.98), (60, 0.8), (90, 0.8 * value)].map(point).into();
    fact(json!({
        "kind": "loyalty", "strategy": strategy, "holdout": "plain", "measure": measure, "segment": segment,
        "comparison": comparison, "harm": if measure == "time_to_next_order" { "high" } else { "low" },
        "lasting": measure != "early_revenue", "horizon": "90 days", "people": shown.then_some(4_210),
        "subjects": shown.then_some(3_900), "censored_share": shown.then_some(0.12),
        "response": score.then(|| json!({"rate": 0.31, "holdout_rate": 0.4, "difference": interval(-0.09, 0.5, 0.95), "p_value": 0.0004})),
        "value": shown.then(|| interval(value, 0.04, 0.95)), "holdout_value": compared.then(|| interval(value / times, 0.04, 0.95)),
        "ratio": (compared && !score).then(|| interval(times, 0.06, 0.95)), "difference": compared.then_some(apart),
        "effect": compared.then_some(effect), "p_value": compared.then_some(0.01), "q_value": compared.then_some(0.03),
        "srm_p": 0.4, "curve": if measure == "retention" && shown { curve } else { Vec::new() },
        "suppressed": !shown, "counts_withheld": false,
    }))
}

/// All facts on loyalty.
pub(super) fn arms(facts: &mut Vec<Fact>) {
    for (measure, value, times) in [
        ("early_revenue", 21.4, 1.12),
        ("lifetime_value", 61.0, 1.01),
        ("repeat_rate", 0.41, 0.9),
        ("retention", 0.62, 0.86),
        ("time_to_next_order", 31.0, 1.2),
        ("net_promoter_score", 0.21, 1.3),
    ] {
        let all = json!({});
        facts.push(loyalty("plain", measure, &all, "holdout", value / times, times));
        facts.push(loyalty("ranker_v2", measure, &all, "compared", value, times));
        facts.push(loyalty(HOSTILE[1], measure, &json!({"age_band": HOSTILE[0]}), "compared", value, 1.0));
        facts.push(loyalty("ranker_v2", measure, &json!({"age_band": "65+"}), "suppressed", value, times));
    }
    for (strategy, region, forecast) in
        [("plain", None, true), (HOSTILE[1], Some(HOSTILE[0]), true), ("ranker_v2", None, false)]
    {
        facts.push(fact(json!({
            "kind": "loyalty_forecast", "strategy": strategy, "holdout": "plain", "segment": region.map_or(json!({}), |of| json!({"region": of})),
            "over": "365 days", "buyers": 2_357, "again": 946, "suppressed": false,
            "reason": (!forecast).then_some("the orders do not hold the parameters of BG/NBD"),
            "purchases": forecast.then(|| json!({"r": 0.243, "alpha": 30.9, "a": 0.793, "b": 2.426, "log_likelihood": -9582.4})),
            "spending": forecast.then(|| json!({"p": 6.25, "q": 3.74, "v": 15.44, "log_likelihood": -4059.0})),
            "orders": forecast.then(|| interval(1.58, 0.1, 0.95)), "order_value": forecast.then(|| interval(35.2, 0.05, 0.95)),
            "value": forecast.then(|| interval(90.8, 0.1, 0.95)), "misplaced": forecast.then_some(0.013),
            "p_value": forecast.then_some(0.19), "correlation": forecast.then_some(0.11),
            "classes": if forecast { vec![json!({"from": 0, "observed": 1_411, "expected": 1_407.7}), json!({"from": 1, "observed": 946, "expected": 949.3})] } else { vec![] },
        })));
    }
    // A heap of points, two of them one.
    let spots = [
        (1.12, 0.86),
        (1.12, 0.86),
        (1.125, 0.865),
        (1.115, 0.87),
        (1.13, 0.85),
        (1.09, 0.9),
        (1.1, 0.89),
        (0.97, 1.01),
        (0.975, 1.0),
        (1.02, 1.04),
        (1.01, 1.045),
        (1.0, 1.0),
    ];
    for (nth, (soon, later)) in spots.into_iter().enumerate() {
        let side = |times: f64| json!({"ratio": interval(times, 0.05, 0.95), "q_value": 0.01});
        facts.push(fact(json!({
            "kind": "loyalty_balance", "strategy": if nth == 1 { HOSTILE[1] } else { "ranker_v2" }, "holdout": "plain",
            "segment": if nth == 0 { json!({}) } else { json!({"region": format!("r{nth}")}) },
            "early_revenue": side(soon), "early_order_value": null, "lifetime_value": null, "repeat_rate": null,
            "retention": side(later), "horizon": "90 days",
        })));
    }
    facts.push(fact(json!({
        "kind": "sample_ratio", "holdout": "plain", "stated": true, "p_value": 0.4, "chi_squared": 0.7, "crossed": 0, "left_out": 12,
        "arms": [{"strategy": "plain", "people": 4_190, "expected": 4_200.0}, {"strategy": HOSTILE[1], "people": 4_210, "expected": 4_200.0}],
    })));
}

/// The word and the verdict of a comparison, as the rules of the playbook would have them.
pub(super) fn said(fact: &Loyalty) -> Option<(&'static str, &'static str)> {
    let effect = fact.effect.as_ref()?;
    Some(match (effect.interval.high < effect.worse, effect.narrow.low > effect.worse) {
        (true, _) => ("fail", "relevant harm"),
        (_, true) => ("pass", "undecided, not relevantly worse"),
        _ => ("inconclusive", "undecided"),
    })
}
