//! Bias: what segments of people got, and what became of the items.

use std::collections::BTreeMap;

use super::declared::Declared;
use super::tables::Tables;
use crate::engine::Engine;
use crate::error::Result;
use crate::evidence::columns::Role;
use crate::facts::{Fact, outcome_parity, subgroup};
use crate::manifest::Manifest;
use crate::replay::outcomes::{self, Question};
use crate::replay::segments::{self, Home, Segments};
use crate::yaml::Document;

/// All facts on bias. None without a log.
pub(super) async fn bias_facts(engine: &Engine, declared: &Declared, tables: &Tables) -> Result<Vec<Fact>> {
    if !tables.0.contains_key(&Role::Recommendations) {
        return Ok(Vec::new());
    }
    let measure = &declared.manifest.value.measure;
    let homes = measure
        .segments
        .iter()
        .filter_map(|segment| Some((segment.attribute.value.clone(), tables.home(&segment.attribute)?)));
    let homes: BTreeMap<String, Home> = homes.collect();
    let segments = segments::stage(engine, homes, measure).await?;
    check_references(&declared.manifest, &segments)?;
    let mut facts = Vec::new();
    facts.extend(outcomes(engine, declared, tables, &segments).await?);
    Ok(facts)
}

async fn outcomes(engine: &Engine, declared: &Declared, tables: &Tables, segments: &Segments) -> Result<Vec<Fact>> {
    let measure = &declared.manifest.value.measure;
    let metrics = tables.metrics(measure);
    let attributes: Vec<&str> = segments.attributes.keys().map(String::as_str).collect();
    let within: Vec<String> = measure.within.iter().map(|at| at.value.clone()).collect();
    let question = Question {
        unit: measure.unit,
        metrics: &metrics,
        attributes: &attributes,
        depth: usize::from(measure.intersections),
        within: &within,
        cutoff: measure.cutoff,
        selected: tables.has(Role::Recommendations, "selected"),
    };
    let cells = outcomes::cells(engine, &question).await?;
    let parity = outcome_parity::measure(&cells, segments, measure).into_iter().map(Fact::OutcomeParity);
    let subgroups = subgroup::measure(&cells, measure).into_iter().map(Fact::Subgroup);
    Ok(parity.chain(subgroups).collect())
}

/// A reference that nobody has would leave its attribute without any comparison.
fn check_references(manifest: &Document<Manifest>, segments: &Segments) -> Result<()> {
    let mut problems = Vec::new();
    for segment in &manifest.value.measure.segments {
        let values = segments.values(&segment.attribute);
        if let Some(reference) = &segment.reference
            && !values.is_empty()
            && !values.contains(reference.as_str())
        {
            let message = format!("no subject of the log has `{}` as its `{}`", **reference, *segment.attribute);
            problems.push(manifest.problem(reference, message).suggest(reference, &values));
        }
    }
    crate::error::all_clear(problems)
}
