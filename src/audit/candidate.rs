//! The candidate: what people would get under it.

use std::collections::BTreeSet;

use super::declared::Declared;
use super::tables::Tables;
use crate::engine::Engine;
use crate::error::Result;
use crate::evidence::columns::Role;
use crate::evidence::loader::Loader;
use crate::evidence::table::Table;
use crate::facts::{Fact, counterfactual};
use crate::manifest::{Candidate, Manifest, Unit};
use crate::metrics::{METRICS, Metric};
use crate::progress::Progress;
use crate::replay::candidate::{self, Question};
use crate::replay::segments::Segments;
use crate::stats::off_policy::Assumption;
use crate::yaml::Document;

/// The outcomes of an impression that candidates are judged by.
const OUTCOMES: [&str; 3] = ["click", "conversion", "revenue"];

/// None without a candidate.
pub(super) async fn candidate_facts(
    engine: &Engine,
    declared: &Declared,
    tables: &Tables,
    segments: &Segments,
) -> Result<Vec<Fact>> {
    let manifest = &declared.manifest;
    let (Some(named), Some(table)) = (&manifest.value.candidate, tables.0.get(&Role::Candidate)) else {
        return Ok(Vec::new());
    };
    let has = |column: &str| tables.has(Role::Recommendations, column);
    let measure = &manifest.value.measure;
    crate::error::all_clear(missing(manifest, named, table, measure.unit == Unit::Subject, has))?;
    let on = logging(engine, manifest, named).await?;
    let metrics: Vec<&'static Metric> =
        METRICS.iter().filter(|metric| OUTCOMES.contains(&metric.id) && has(metric.needs[0])).collect();
    let attributes: Vec<&str> = segments.attributes.keys().map(String::as_str).collect();
    let assumptions = named.assumptions();
    let question = Question {
        unit: measure.unit,
        on: &on,
        metrics: &metrics,
        attributes: &attributes,
        table,
        logged: has("propensity"),
        clip: named.clip,
        assumptions: &assumptions,
        min_cell: measure.min_cell,
    };
    let found = candidate::sum(engine, manifest, &question).await?;
    let subject =
        counterfactual::Subject { candidate: &named.id, on: &on, clip: named.clip, positioned: has("position") };
    let facts = found.iter().flat_map(|found| counterfactual::measure(found, &subject, segments, measure));
    Ok(facts.map(Fact::Counterfactual).collect())
}

/// What can be said of the candidate without the log: whether its table, if it is here, has the columns of one, and whether
/// the strategy on which it is judged is declared.
pub(super) async fn check(engine: &Engine, declared: &Declared, progress: &Progress) -> Result<()> {
    let manifest = &declared.manifest;
    let Some(named) = &manifest.value.candidate else { return Ok(()) };
    let known = || manifest.value.strategies.iter().map(|strategy| strategy.id.as_str());
    if let Some(on) = named.on.as_ref().filter(|on| !known().any(|id| id == on.as_str())) {
        let message = format!("the candidate is judged on `{}`, which is no strategy of the manifest", on.value);
        return Err(manifest.problem(on, message).suggest(on, known()).into());
    }
    let sources = declared.sources(Role::Candidate).iter();
    let here: Vec<_> = sources.filter(|source| manifest.resolve(&source.path).exists()).cloned().collect();
    let loader = Loader {
        engine,
        manifest,
        role: Role::Candidate,
        attributes: BTreeSet::new(),
        optional: &[],
        unwanted: &[],
        progress,
        taxonomy: &declared.taxonomy,
    };
    loader.look(&here).await
}

/// What the candidate's table tells apart, the log must tell apart, too; and it must have an outcome.
fn missing(
    manifest: &Document<Manifest>,
    named: &Candidate,
    table: &Table,
    by_subject: bool,
    has: impl Fn(&str) -> bool,
) -> Vec<crate::error::Problem> {
    let keys = ["request_id", "subject_id", "position"].into_iter();
    let unknown = keys.filter(|key| table.present.contains(*key) && !has(key)).map(|key| {
        let message = format!("the table of the candidate `{}` has `{key}`, which the log does not have", *named.id);
        manifest.problem(&named.id, message).help("leave the column out, or map it in the log")
    });
    let mut problems: Vec<_> = unknown.collect();
    // Which rows are one request is told by its id, or by who was served when.
    let lacking = [("position", has("position")), ("request_id", has("request_id") || by_subject && has("subject_id"))];
    for at in named.assumption.iter().filter(|at| at.as_str() != Assumption::Independent.id()) {
        for (column, _) in lacking.iter().filter(|(_, there)| !there) {
            let message =
                format!("the assumption `{}` needs the column `{column}`, which the log does not have", at.value);
            problems.push(manifest.problem(at, message).help("map it in the log, or take positions as `independent`"));
        }
    }
    if !METRICS.iter().any(|metric| OUTCOMES.contains(&metric.id) && has(metric.needs[0])) {
        let message = format!("the candidate `{}` is judged by an outcome, and the log has none", *named.id);
        problems.push(manifest.problem(&named.id, message).help("map `clicked`, `converted` or `revenue` in the log"));
    }
    problems
}

/// The strategy on whose log the candidate is judged.
async fn logging(engine: &Engine, manifest: &Document<Manifest>, named: &Candidate) -> Result<String> {
    let rows = engine.rows("SELECT DISTINCT strategy FROM decisions ORDER BY strategy").await?;
    let known: Vec<String> = (0..rows.len()).filter_map(|row| rows.text("strategy", row).map(str::to_owned)).collect();
    match (&named.on, known.as_slice()) {
        (Some(on), _) if known.contains(&on.value) => Ok(on.value.clone()),
        (Some(on), _) => {
            let message = format!("the log has no strategy `{}`", on.value);
            Err(manifest.problem(on, message).suggest(on, &known).into())
        }
        (None, [only]) => Ok(only.clone()),
        (None, _) => {
            let message = format!("the log has {} strategies; say on which the candidate is judged", known.len());
            let known = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let help = match named.id.line {
                // It was handed over on the command line.
                0 => {
                    format!("add `candidate: {{ id: {}, on: ... }}` to the manifest, on one of {known}", named.id.value)
                }
                _ => format!("add `on:` to `candidate`: one of {known}"),
            };
            Err(manifest.problem(&named.id, message).help(help).into())
        }
    }
}
