//! What is not simulated, and why: no rule is passed over in silence.

use std::collections::BTreeSet;

use super::{Decisions, Difference, NotSimulated};
use crate::facts::Fact;
use crate::rules::trial::Trial;

/// Kinds of which samples are drawn.
#[cfg(test)]
const SIMULATED: [&str; 5] = ["outcome_parity", "selection", "sample_ratio", "data_use", "join"];

/// Every rule on facts that no number or use stands beside.
pub(super) fn rules(
    trials: &[Trial<'_>],
    facts: &[Fact],
    differences: &[Difference],
    events: &[Decisions],
) -> Vec<NotSimulated> {
    let told: BTreeSet<&str> =
        differences.iter().map(|of| of.rule.as_str()).chain(events.iter().map(|of| of.rule.as_str())).collect();
    let left = trials.iter().filter(|trial| !told.contains(trial.rule.rule.id.as_str()));
    left.map(|trial| {
        let of_kind = facts.iter().filter(|fact| fact.kind() == trial.kind()).count();
        NotSimulated {
            rule: trial.rule.rule.id.value.clone(),
            pack: trial.pack.to_owned(),
            kind: trial.kind().to_owned(),
            facts: of_kind,
            reason: reason(trial.kind(), of_kind).to_owned(),
        }
    })
    .collect()
}

fn reason(kind: &str, facts: usize) -> &'static str {
    match kind {
        _ if facts == 0 => "nothing of its kind was measured",
        "outcome_parity" | "selection" | "sample_ratio" => {
            "it judges no comparison that was made, or something else than the size of a difference"
        }
        "data_use" | "join" => "it judges none of these uses by how many decisions are wrong",
        "purpose" | "field" | "undeclared_personal_data" | "evidence_quality" | "alternative" => {
            "it judges what is declared or counted as it is: what it looks for is seen wherever it is there"
        }
        "coverage" | "explanation" | "prompt" | "reidentification" => {
            "it judges a count of all decisions or people, which chance does not enter, or hardly"
        }
        "proxy" => "how strongly a field goes with an attribute is not drawn anew",
        "change" | "drift" | "trend" | "mix" => "it compares with earlier audits, whose people cannot be drawn anew",
        "loyalty" | "loyalty_balance" | "loyalty_forecast" => {
            "how long people stay is not kept as a shape of people that can be drawn anew"
        }
        "counterfactual" => "the weights of a candidate's decisions are not kept as a shape that can be drawn anew",
        "subgroup" | "conditional_parity" => "it weighs many segments or strata together, which are not drawn together",
        "price_parity" | "exposure_parity" => {
            "its interval comes from groups of people left out in turn, not from a shape"
        }
        "list_parity" => "what lists are like, person by person, is not kept as a shape",
        _ => "no samples are drawn of its kind",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_that_the_packs_judge_has_a_reason() {
        let general = reason("no such kind", 1);
        for pack in crate::rules::builtin::BUILTIN {
            let pack = crate::rules::load::parse(std::path::Path::new(pack.path), pack.yaml).expect("the pack is good");
            for rule in pack.rules.iter().filter_map(|rule| rule.rule.on.as_ref()) {
                let known = SIMULATED.contains(&rule.as_str()) || reason(rule, 1) != general;
                assert!(known, "{} is judged, and nothing says why it is not simulated", rule.value);
            }
        }
    }
}
