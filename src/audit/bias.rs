//! Bias: what segments of people got, and what became of the items.

use std::collections::BTreeMap;

use super::declared::Declared;
use super::items::item_facts;
use super::tables::Tables;
use crate::engine::Engine;
use crate::error::Result;
use crate::evidence::columns::Role;
use crate::facts::{Fact, outcome_parity};
use crate::manifest::{Manifest, Metric};
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
    facts.extend(item_facts(engine, declared, tables, &segments).await?);
    Ok(facts)
}

async fn outcomes(
    engine: &Engine,
    declared: &Declared,
    tables: &Tables,
    segments: &Segments,
) -> Result<impl Iterator<Item = Fact>> {
    let measure = &declared.manifest.value.measure;
    let wanted: Vec<Metric> = match &measure.metrics {
        Some(metrics) => metrics.iter().map(|at| at.value).collect(),
        None => Metric::ALL.to_vec(),
    };
    let metrics: Vec<Metric> =
        wanted.into_iter().filter(|metric| tables.has(Role::Recommendations, metric.column())).collect();
    let within: Vec<String> = measure.within.iter().map(|at| at.value.clone()).collect();
    let question =
        Question { unit: measure.unit, metrics: &metrics, attributes: &segments.attributes, within: &within };
    let cells = outcomes::cells(engine, &question).await?;
    Ok(outcome_parity::measure(&cells, measure).into_iter().map(Fact::OutcomeParity))
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
