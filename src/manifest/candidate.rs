//! `candidate`: a strategy that nobody has been exposed to yet.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::evidence::OneOrMany;
use super::{Manifest, Source};
use crate::error::Problem;
use crate::stats::off_policy::Assumption;
use crate::yaml::{At, Document, text_or_texts};

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
    /// What the outcome in a position may depend on, one or several: `independent` (what stands in that position; default),
    /// `cascade` (also what stands above it) or `slate` (all of the request). Each has its own estimates.
    #[serde(default, deserialize_with = "text_or_texts")]
    #[schemars(with = "OneOrMany<String>")]
    pub assumption: Vec<At<String>>,
}

impl Candidate {
    /// With nothing but a name, as one that is handed over on the command line.
    pub fn named(id: String) -> Self {
        let id = At { value: id, line: 0, column: 0 };
        Self { id, on: None, purpose: None, clip: clip(), assumption: Vec::new() }
    }

    /// The assumptions that are named, else that positions are independent.
    pub fn assumptions(&self) -> Vec<Assumption> {
        let named = |of: &Assumption| self.assumption.iter().any(|at| at.value == of.id());
        let all: Vec<Assumption> = Assumption::ALL.into_iter().filter(named).collect();
        if all.is_empty() { vec![Assumption::Independent] } else { all }
    }
}

fn clip() -> f64 {
    10.0
}

/// Puts a file of the command line in place of the manifest's table, whose columns it is taken to have; where the manifest
/// names no candidate, the file does.
pub(super) fn hand_over(document: &mut Document<Manifest>, file: &Path) {
    let written = from_folder(document.path.parent().unwrap_or(Path::new("")), file);
    let manifest = &mut document.value;
    let mut source = match manifest.evidence.candidate.first() {
        Some(known) => known.clone(),
        None => Source::of(String::new()),
    };
    let extension = |path: &Path| path.extension().map(|of| of.to_ascii_lowercase());
    if extension(Path::new(&source.path.value)) != extension(file) {
        source.format = None;
    }
    source.path = At { value: written.to_string_lossy().into_owned(), line: 0, column: 0 };
    manifest.evidence.candidate = vec![source];
    if manifest.candidate.is_none() {
        let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
        let stem = name.split('.').find(|part| !part.is_empty()).unwrap_or("candidate");
        manifest.candidate = Some(Candidate::named(stem.to_owned()));
    }
}

/// A path of the command line as it is written in a manifest that lies in `folder`.
fn from_folder(folder: &Path, file: &Path) -> PathBuf {
    if file.is_absolute() {
        return file.to_owned();
    }
    if let Ok(below) = file.strip_prefix(folder) {
        return below.to_owned();
    }
    let up: PathBuf = folder.components().filter(|part| *part != std::path::Component::CurDir).map(|_| "..").collect();
    let written = up.join(file);
    // A folder that is a link has another parent than its name says.
    match (folder.join(&written).canonicalize(), file.canonicalize()) {
        (Ok(found), Ok(meant)) if found == meant => written,
        _ => std::path::absolute(file).unwrap_or_else(|_| file.to_owned()),
    }
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
    let known = Assumption::ALL.map(Assumption::id);
    for at in candidate.assumption.iter().filter(|at| !known.contains(&at.as_str())) {
        let problem = document.problem(at, format!("`{}` is no assumption about positions", at.value));
        problems.push(problem.suggest(at, known));
    }
    for twice in super::repeated(candidate.assumption.iter()) {
        problems.push(document.problem(twice, format!("the assumption `{}` is listed twice", twice.value)));
    }
    problems
}
