//! The candidate: what people would get under it.

use super::declared::Declared;
use super::tables::Tables;
use crate::engine::Engine;
use crate::error::Result;
use crate::evidence::columns::Role;
use crate::evidence::table::Table;
use crate::facts::{Fact, counterfactual};
use crate::manifest::{Candidate, Manifest};
use crate::metrics::{METRICS, Metric};
use crate::replay::candidate::{self, Question};
use crate::replay::segments::Segments;
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
    crate::error::all_clear(missing(manifest, named, table, has))?;
    let on = logging(engine, manifest, named).await?;
    let metrics: Vec<&'static Metric> =
        METRICS.iter().filter(|metric| OUTCOMES.contains(&metric.id) && has(metric.needs[0])).collect();
    let attributes: Vec<&str> = segments.attributes.keys().map(String::as_str).collect();
    let measure = &manifest.value.measure;
    let question = Question {
        unit: measure.unit,
        on: &on,
        metrics: &metrics,
        attributes: &attributes,
        table,
        logged: has("propensity"),
        clip: named.clip,
    };
    let found = candidate::sum(engine, manifest, &question).await?;
    let subject =
        counterfactual::Subject { candidate: &named.id, on: &on, clip: named.clip, positioned: has("position") };
    Ok(counterfactual::measure(&found, &subject, segments, measure).into_iter().map(Fact::Counterfactual).collect())
}

/// What the candidate's table tells apart, the log must tell apart, too; and it must have an outcome.
fn missing(
    manifest: &Document<Manifest>,
    named: &Candidate,
    table: &Table,
    has: impl Fn(&str) -> bool,
) -> Vec<crate::error::Problem> {
    let keys = ["request_id", "subject_id", "position"].into_iter();
    let unknown = keys.filter(|key| table.present.contains(*key) && !has(key)).map(|key| {
        let message = format!("the table of the candidate `{}` has `{key}`, which the log does not have", *named.id);
        manifest.problem(&named.id, message).help("leave the column out, or map it in the log")
    });
    let mut problems: Vec<_> = unknown.collect();
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
            Err(manifest.problem(&named.id, message).help(format!("add `on:` to `candidate`: one of {known}")).into())
        }
    }
}
