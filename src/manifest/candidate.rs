//! `candidate`: a strategy that nobody has been exposed to yet.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Manifest;
use crate::error::Problem;
use crate::yaml::{At, Document};

/// A strategy that nobody has been exposed to. What it would show is in `evidence.candidate`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    pub id: At<String>,
    /// The strategy on whose log it is judged, as the log writes it; default the only one of the log.
    pub on: Option<At<String>>,
    /// One of `purposes`.
    pub purpose: Option<At<String>>,
    /// λ: no row weighs more than this in the clipped estimate.
    #[serde(default = "clip")]
    pub clip: f64,
}

fn clip() -> f64 {
    10.0
}

pub(super) fn check(document: &Document<Manifest>) -> Vec<Problem> {
    let manifest = &document.value;
    let mut problems = Vec::new();
    let source = manifest.evidence.candidate.first();
    match (&manifest.candidate, source) {
        (Some(candidate), None) => {
            let message = format!("nothing says what the candidate `{}` would show", *candidate.id);
            problems.push(document.problem(&candidate.id, message).help("name its table under `evidence.candidate`"));
        }
        (None, Some(source)) => {
            let problem =
                document.problem(&source.path, "a table of a candidate is handed over, and no `candidate` is named");
            problems.push(problem.help("add `candidate: { id: ..., on: ... }`"));
        }
        _ => {}
    }
    let Some(candidate) = &manifest.candidate else { return problems };
    if let Some(purpose) = candidate.purpose.as_ref().filter(|purpose| manifest.purpose(purpose).is_none()) {
        let message = format!("the candidate serves `{}`, which `purposes` does not declare", purpose.value);
        let known = manifest.purposes.iter().map(|known| known.id.as_str());
        problems.push(document.problem(purpose, message).suggest(purpose, known));
    }
    if !(candidate.clip >= 1.0 && candidate.clip.is_finite()) {
        let message = format!("`candidate.clip` is {}; expected 1 or more", candidate.clip);
        problems.push(document.problem(&candidate.id, message));
    }
    problems
}
