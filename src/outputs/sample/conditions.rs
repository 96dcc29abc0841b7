//! Comparisons under equal conditions for the record for tests.

use serde_json::json;

use super::HOSTILE;
use crate::facts::Fact;

pub fn conditions(facts: &mut Vec<Fact>) {
    let position = &["position"][..];
    let strategy = HOSTILE[1];
    for (strategy, segment, by, crude, adjusted, simpson) in [
        (Some("ranker_v2"), "65+", position, 0.66, 0.91, "none"),
        (Some("ranker_v2"), "45-64", position, 0.93, 1.12, "certain"),
        (Some("ranker_v2"), HOSTILE[0], position, 0.97, 0.62, "none"),
        (Some(strategy), "18-24", &[HOSTILE[3]], 1.04, 1.04, "none"),
        (None, "65+", &["position", "strategy"], 0.8, 1.01, "apparent"),
    ] {
        facts.push(pair(strategy, segment, by, crude, adjusted, simpson));
    }
    for (segment, comparison, count) in
        [("under 18", "suppressed", None), ("(unknown)", "unknown", Some(4_000)), ("no clicks", "undefined", Some(90))]
    {
        facts.push(fact(json!({
            "kind": "conditional_parity", "strategy": "ranker_v2", "metric": "click", "segment": {"age_band": segment},
            "reference": {"age_band": "25-44"}, "by": ["position"], "unit": "subject", "comparison": comparison,
            "subjects": count, "impressions": count, "strata": 0, "strata_left_out": 0, "simpson": "none",
            "large_strata": 0, "large_strata_opposite": 0, "suppressed": count.is_none(), "counts_withheld": false,
            "by_stratum": [],
        })));
    }
}

fn pair(strategy: Option<&str>, segment: &str, by: &[&str], crude: f64, adjusted: f64, simpson: &str) -> Fact {
    let interval = |estimate: f64, by: f64| json!({"estimate": estimate, "low": estimate / by, "high": estimate * by, "level": 0.95, "method": "group_jackknife"});
    let around = |estimate: f64| json!({"estimate": estimate, "interval": {"estimate": estimate, "low": estimate - 0.002, "high": estimate + 0.002, "level": 0.95, "method": "group_jackknife"}});
    let base = 0.08;
    let (total, within) = (base * (crude - 1.0), base * (adjusted - 1.0));
    let unmatched = strategy.is_none().then_some(0.002);
    let composition = total - within - unmatched.unwrap_or(0.0);
    let rows = [("1", 0.16, false), ("2", 0.08, false), ("11+", 0.02, true)].map(|(name, rate, suppressed)| {
        let shown = |value: f64| (!suppressed).then_some(value);
        let count = (!suppressed).then_some(1_240);
        json!({
            "stratum": name, "units": count, "reference_units": count, "impressions": count, "reference_impressions": count,
            "rate": shown(rate * adjusted), "reference_rate": shown(rate), "ratio": shown(adjusted), "suppressed": suppressed,
        })
    });
    let test = json!({"statistic": 5.2, "df": 1.0, "p_value": 0.023});
    fact(json!({
        "kind": "conditional_parity", "strategy": strategy, "metric": "click", "segment": {"age_band": segment},
        "reference": {"age_band": "25-44"}, "by": by, "unit": "subject", "comparison": "compared", "subjects": 4_210,
        "impressions": 96_512, "strata": 11, "strata_left_out": u64::from(strategy.is_none()),
        "crude": interval(crude, 1.05), "adjusted": interval(adjusted, 1.06), "p_value": 0.004, "q_value": 0.012,
        "odds_ratio": interval(adjusted * 0.98, 1.07), "cmh": test, "breslow_day": test,
        "gap": {"total": around(total), "composition": around(composition), "within": around(within),
            "unmatched": unmatched.map(around), "explained": composition / total},
        "standardised": {"rate": interval(base * adjusted, 1.04), "reference_rate": interval(base, 1.02)},
        "simpson": simpson, "large_strata": 8, "large_strata_opposite": 2, "suppressed": false, "counts_withheld": false,
        "by_stratum": if by.len() == 1 { rows.to_vec() } else { vec![] },
    }))
}

fn fact(value: serde_json::Value) -> Fact {
    serde_json::from_value(value).expect("the sample's facts have the shape of facts")
}
