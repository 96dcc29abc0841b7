//! Bias: what segments of people got, and what became of the items.

use std::collections::BTreeMap;

use super::declared::Declared;
use super::tables::Tables;
use crate::engine::Engine;
use crate::error::Result;
use crate::evidence::columns::Role;
use crate::facts::{Fact, list_parity, outcome_parity, price_parity};
use crate::manifest::{Manifest, Metric, Unit};
use crate::replay::lists;
use crate::replay::outcomes::{self, Question};
use crate::replay::prices;
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
    facts.extend(price_facts(engine, declared, tables, &segments).await?);
    facts.extend(list_facts(engine, declared, tables, &segments).await?);
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

/// Needs a price in the log, or of items.
async fn price_facts(
    engine: &Engine,
    declared: &Declared,
    tables: &Tables,
    segments: &Segments,
) -> Result<impl Iterator<Item = Fact>> {
    let measure = &declared.manifest.value.measure;
    let listed = tables.has(Role::Items, "price");
    let span = i64::try_from(measure.price_window.as_micros()).unwrap_or(i64::MAX);
    let found = if listed || tables.has(Role::Recommendations, "price") {
        prices::sum(engine, &prices::Question { unit: measure.unit, segments, span, listed }).await?
    } else {
        prices::Prices::default()
    };
    Ok(price_parity::measure(&found, segments, measure).into_iter().map(Fact::PriceParity))
}

/// Needs people, and what they did before, or categories of items.
async fn list_facts(
    engine: &Engine,
    declared: &Declared,
    tables: &Tables,
    segments: &Segments,
) -> Result<impl Iterator<Item = Fact>> {
    let measure = &declared.manifest.value.measure;
    let mut cells = Vec::new();
    if measure.unit == Unit::Subject {
        let categories = measure.categories.as_ref().map(|at| at.value.as_str());
        let weighted = tables.has(Role::History, "weight");
        let history = tables.0.contains_key(&Role::History).then_some(lists::History { weighted });
        cells = lists::cells(engine, &lists::Question { segments, history, categories }).await?;
    }
    Ok(list_parity::measure(&cells, segments, measure).into_iter().map(Fact::ListParity))
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
