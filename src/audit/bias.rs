//! Bias: what segments of people got, and what became of the items.

use std::collections::BTreeMap;

use super::declared::Declared;
use super::tables::Tables;
use crate::engine::Engine;
use crate::error::Result;
use crate::evidence::columns::Role;
use crate::facts::{Fact, inequality, outcome_parity, selection};
use crate::manifest::{Manifest, Metric, SelectionOutcome, Unit};
use crate::replay::inequality as spreads;
use crate::replay::outcomes::{self, Question};
use crate::replay::segments::{self, Home, Segments};
use crate::replay::selection as selections;
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
    facts.extend(selected(engine, declared, tables, &segments).await?);
    facts.extend(unequal(engine, declared, tables, &segments).await?);
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

async fn selected(
    engine: &Engine,
    declared: &Declared,
    tables: &Tables,
    segments: &Segments,
) -> Result<impl Iterator<Item = Fact>> {
    let measure = &declared.manifest.value.measure;
    let wanted = measure.selection.outcome.as_ref().map(|at| at.value);
    let has = |outcome: &SelectionOutcome| tables.has(Role::Recommendations, outcome.id());
    let outcomes: Vec<SelectionOutcome> = SelectionOutcome::ALL
        .into_iter()
        .filter(|outcome| wanted.is_none_or(|wanted| wanted == *outcome) && has(outcome))
        .collect();
    let lists = measure.selection.tables.iter().map(|table| table.iter().map(|at| at.value.clone()).collect());
    let mut of: Vec<Vec<String>> = lists.collect();
    if of.is_empty() {
        of = segments.attributes.keys().map(|attribute| vec![attribute.clone()]).collect();
    }
    let question = selections::Question { unit: measure.unit, outcomes: &outcomes, tables: &of };
    let found = selections::tables(engine, &question).await?;
    Ok(selection::measure(&found, segments, measure).into_iter().map(Fact::Selection))
}

/// What each person got in total; without subjects there is no person to add up for.
async fn unequal(
    engine: &Engine,
    declared: &Declared,
    tables: &Tables,
    segments: &Segments,
) -> Result<impl Iterator<Item = Fact>> {
    let measure = &declared.manifest.value.measure;
    let has = |benefit: &spreads::Benefit| tables.has(Role::Recommendations, benefit.column);
    let mut benefits = spreads::BENEFITS.to_vec();
    benefits.retain(|benefit| measure.unit == Unit::Subject && has(benefit));
    let attributes: Vec<&String> = segments.attributes.keys().collect();
    let found = spreads::spreads(engine, &benefits, &attributes).await?;
    Ok(inequality::measure(&found, measure).into_iter().map(Fact::Inequality))
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
