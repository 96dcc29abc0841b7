//! What is missing when there is no fact of a kind, in words.

use crate::facts::Fact;
use crate::playbook::Verdict;

/// Whether a role of evidence was handed over. Unknown counts as handed over: then another reason is given.
fn given(facts: &[Fact], role: &str) -> bool {
    !facts.iter().any(|fact| matches!(fact, Fact::EvidenceQuality(quality) if quality.role == role && !quality.given))
}

/// Whether lineage was handed over.
fn lineage(facts: &[Fact]) -> bool {
    facts
        .iter()
        .any(|fact| matches!(fact, Fact::EvidenceQuality(quality) if quality.role == "lineage" && quality.given))
}

/// The verdict of a rule whose kind of fact does not occur, and why. Not evidenced, unless the other facts show that
/// the question does not arise.
pub(super) fn verdict(kind: &str, needs_log: bool, facts: &[Fact], have_log: bool) -> (Verdict, String) {
    let missing = |reason: &str| (Verdict::NotEvidenced, reason.to_owned());
    if kind == "join" && !have_log && lineage(facts) {
        return missing(
            "no lineage that was handed over combines two contexts for a strategy; what decisions combine only a log \
             shows",
        );
    }
    if needs_log && !have_log {
        return missing("no recommendation log was handed over");
    }
    let fields = || facts.iter().filter_map(|fact| if let Fact::Field(field) = fact { Some(field) } else { None });
    match kind {
        "purpose" => missing("no strategy is declared, and no log shows one"),
        "field" if !given(facts, "data_map") => missing("no data map was handed over"),
        "field" => missing("no strategy declares an input, and no row of the log names one"),
        "data_use" | "join" if !given(facts, "data_map") => missing("no data map was handed over"),
        "data_use" | "join" if !given(facts, "consent_policy") => missing("no consent policy was handed over"),
        "data_use" => missing(
            "no use of data was told apart: that takes strategies with inputs, a data map with categories and a consent \
             policy",
        ),
        "join" => {
            let unknown = fields().filter(|field| !field.mapped || !field.context_declared).count();
            match (fields().count(), unknown) {
                (0, _) => missing("no strategy declares an input, so that a combination of contexts could not show"),
                (_, 0) => (Verdict::NotApplicable, "no decision combined two contexts".to_owned()),
                (_, unknown) => missing(&format!(
                    "no combination showed, but the context of {unknown} inputs is not declared, which could hide one"
                )),
            }
        }
        "alternative" => {
            let purposes = facts.iter().filter_map(|fact| if let Fact::Purpose(of) = fact { Some(of) } else { None });
            match purposes.filter(|purpose| purpose.declared).count() {
                0 => missing("no strategy is declared"),
                _ => (Verdict::NotApplicable, "no declared strategy profiles anybody".to_owned()),
            }
        }
        "explanation" => missing("no column of the log says whether an explanation was shown (`explained`)"),
        "prompt" => missing("no consent prompts were handed over (`evidence.prompts`)"),
        "reidentification" | "proxy" if !given(facts, "data_map") => missing("no data map was handed over"),
        "reidentification" if fields().count() == 0 => {
            missing("no strategy declares an input, and no row of the log names one")
        }
        "reidentification" => missing("the data map marks no field as a quasi-identifier (`quasi_identifier: true`)"),
        "proxy" => missing(
            "no input was set beside a protected attribute: that takes columns of `subjects` that say which field they hold \
             (`fields`), and attributes (`measure.protected` or `measure.segments`)",
        ),
        "outcome_parity" => missing(
            "nothing was compared: that takes a segment (`measure.segments`) and an outcome column in the log (`clicked`, \
             `converted` or `revenue`)",
        ),
        "subgroup" => missing(
            "no subgroup was large enough: that takes two attributes (`measure.segments`) and `measure.intersections` of 2 \
             or 3",
        ),
        "conditional_parity" => missing(
            "nothing was compared under equal conditions: that takes a segment (`measure.segments`), `clicked` or `converted` \
             in the log, and a `position` in it or `measure.conditional: true`",
        ),
        "selection" => missing(
            "no table of selection was made: that takes a segment (`measure.segments`) and a column `selected` or `score` in \
             the log",
        ),
        "price_parity" => missing(
            "no prices were compared: that takes a segment (`measure.segments`) and prices in the log (`price`), or list \
             prices (`price` of `items`)",
        ),
        "list_parity" => missing(
            "no lists were compared: that takes a segment (`measure.segments`), and what people did before the log \
             (`evidence.history`) or what items are about (`measure.categories`)",
        ),
        "catalogue_use" => missing("the log shows no item"),
        "inequality" => missing(
            "what people got could not be added up: that takes a log with subjects and a column `clicked`, `converted` or \
             `revenue`",
        ),
        "counterfactual" => {
            (Verdict::NotApplicable, "no candidate was handed over (`candidate` and `evidence.candidate`)".to_owned())
        }
        "undeclared_personal_data" => missing(
            "nothing was scanned: that takes a table of evidence, `measure.scan_rows` above 0, and an audit that reads the \
             tables",
        ),
        "mix" => missing("the log says nothing that could be counted"),
        "evidence_quality" => missing("no evidence was handed over"),
        "change" | "drift" | "trend" => missing(
            "there is no earlier audit to compare with: that takes a ledger of audits (`ledger`), or a baseline \
             (`gate.baseline`)",
        ),
        other => missing(&format!("no fact of the kind `{other}` was measured")),
    }
}
