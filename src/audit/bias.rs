//! Bias: what segments of people got, and what became of the items.

use std::collections::BTreeMap;

use super::candidate::candidate_facts;
use super::declared::Declared;
use super::items::item_facts;
use super::tables::Tables;
use crate::engine::Engine;
use crate::error::Result;
use crate::evidence::columns::Role;
use crate::facts::conditional_parity::{self, Conditional};
use crate::facts::{Fact, catalogue_use, inequality, list_parity, outcome_parity, price_parity, selection, subgroup};
use crate::manifest::{Manifest, Measure, Metric, SelectionOutcome, Unit};
use crate::metrics::{self, Per, Scale};
use crate::replay::catalogue;
use crate::replay::inequality as spreads;
use crate::replay::lists;
use crate::replay::outcomes::{self, Question};
use crate::replay::prices;
use crate::replay::segments::{self, Home, Segments};
use crate::replay::selection as selections;
use crate::replay::shapes::{self, Shapes};
use crate::replay::strata;
use crate::yaml::Document;

/// Who belongs to which segment. None without a log.
pub(super) async fn segments(engine: &Engine, declared: &Declared, tables: &Tables) -> Result<Option<Segments>> {
    if !tables.0.contains_key(&Role::Recommendations) {
        return Ok(None);
    }
    let measure = &declared.manifest.value.measure;
    let homes = measure
        .segments
        .iter()
        .filter_map(|segment| Some((segment.attribute.value.clone(), tables.home(&segment.attribute)?)));
    let homes: BTreeMap<String, Home> = homes.collect();
    let log = Role::Recommendations;
    let canonical = log.columns().iter().map(|column| column.name.to_owned());
    let within = measure.within.iter().map(|at| at.value.clone());
    let has = |name: &str| tables.has(log, name);
    let columns = canonical.chain(within).filter(|name| has(name)).collect();
    let has = segments::Has { columns, lists: has("request_id") || has("subject_id") };
    let segments = segments::stage(engine, homes, measure, &has).await?;
    check_references(&declared.manifest, &segments)?;
    Ok(Some(segments))
}

/// All facts on bias.
pub(super) async fn bias_facts(
    engine: &Engine,
    declared: &Declared,
    tables: &Tables,
    segments: &Segments,
) -> Result<Vec<Fact>> {
    let mut facts = Vec::new();
    facts.extend(outcomes(engine, declared, tables, segments).await?);
    facts.extend(conditional(engine, declared, tables, segments).await?);
    facts.extend(selected(engine, declared, tables, segments).await?);
    facts.extend(price_facts(engine, declared, tables, segments).await?);
    facts.extend(item_facts(engine, declared, tables, segments).await?);
    facts.extend(list_facts(engine, declared, tables, segments).await?);
    facts.extend(used(engine, declared, tables, segments).await?);
    facts.extend(unequal(engine, declared, tables, segments).await?);
    facts.extend(candidate_facts(engine, declared, tables, segments).await?);
    Ok(facts)
}

async fn outcomes(engine: &Engine, declared: &Declared, tables: &Tables, segments: &Segments) -> Result<Vec<Fact>> {
    let measure = &declared.manifest.value.measure;
    let cells = outcomes::cells(engine, &Asked::of(declared, tables, segments).question()).await?;
    let parity = outcome_parity::measure(&cells, segments, measure).into_iter().map(Fact::OutcomeParity);
    let subgroups = subgroup::measure(&cells, measure).into_iter().map(Fact::Subgroup);
    Ok(parity.chain(subgroups).collect())
}

/// What is asked of outcomes.
struct Asked<'a> {
    measure: &'a Measure,
    metrics: Vec<&'static metrics::Metric>,
    attributes: Vec<&'a str>,
    within: Vec<String>,
    places: Option<u32>,
}

impl<'a> Asked<'a> {
    fn of(declared: &'a Declared, tables: &Tables, segments: &'a Segments) -> Self {
        let measure = &declared.manifest.value.measure;
        Self {
            measure,
            metrics: tables.metrics(measure),
            attributes: segments.attributes.keys().map(String::as_str).collect(),
            within: measure.within.iter().map(|at| at.value.clone()).collect(),
            places: places(tables, measure),
        }
    }

    fn question(&self) -> Question<'_> {
        Question {
            unit: self.measure.unit,
            metrics: &self.metrics,
            attributes: &self.attributes,
            depth: usize::from(self.measure.intersections),
            within: &self.within,
            cutoff: self.measure.cutoff,
            places: self.places,
        }
    }
}

/// The shapes of all outcomes that are compared.
pub(super) async fn shapes(
    engine: &Engine,
    declared: &Declared,
    tables: &Tables,
    segments: &Segments,
) -> Result<Shapes> {
    shapes::of_outcomes(engine, &Asked::of(declared, tables, segments).question()).await
}

/// The places that stand in for what was selected.
fn places(tables: &Tables, measure: &Measure) -> Option<u32> {
    measure.cutoff.filter(|_| !tables.has(Role::Recommendations, "selected"))
}

/// Outcomes under equal conditions. The strategy is a condition of every log, position and columns where they are there.
async fn conditional(engine: &Engine, declared: &Declared, tables: &Tables, segments: &Segments) -> Result<Vec<Fact>> {
    let measure = &declared.manifest.value.measure;
    let has = |column: &str| tables.has(Role::Recommendations, column);
    if !measure.conditional.unwrap_or(measure.unit == Unit::Subject && has(strata::POSITION)) {
        return Ok(Vec::new());
    }
    // What each impression has or has not.
    let shares = tables.metrics(measure).into_iter().map(Metric);
    let metrics: Vec<Metric> =
        shares.filter(|metric| metric.0.per == Per::Impression && metric.0.scale == Scale::Share).collect();
    let mut conditions: Vec<String> = Vec::new();
    let position = has(strata::POSITION).then(|| strata::POSITION.to_owned());
    for column in position.into_iter().chain(measure.within.iter().map(|at| at.value.clone())) {
        if !conditions.contains(&column) {
            conditions.push(column);
        }
    }
    let question = strata::Question {
        unit: measure.unit,
        metrics: &metrics,
        places: places(tables, measure),
        segments,
        conditions: &conditions,
    };
    let strata = strata::sums(engine, &question).await?;
    let facts = conditional_parity::measure(&Conditional { strata: &strata, segments, measure });
    Ok(facts.into_iter().map(Fact::ConditionalParity).collect())
}

async fn selected(
    engine: &Engine,
    declared: &Declared,
    tables: &Tables,
    segments: &Segments,
) -> Result<impl Iterator<Item = Fact>> {
    let found = selection_tables(engine, declared, tables, segments).await?;
    Ok(selection::measure(&found, segments, &declared.manifest.value.measure).into_iter().map(Fact::Selection))
}

/// Who was selected, table by table.
pub(super) async fn selection_tables(
    engine: &Engine,
    declared: &Declared,
    tables: &Tables,
    segments: &Segments,
) -> Result<Vec<selections::Table>> {
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
    selections::tables(engine, &question).await
}

/// Needs a price in the log, or of items.
async fn price_facts(
    engine: &Engine,
    declared: &Declared,
    tables: &Tables,
    segments: &Segments,
) -> Result<impl Iterator<Item = Fact>> {
    let measure = &declared.manifest.value.measure;
    let (listed, priced) = (tables.has(Role::Items, "price"), tables.has(Role::Recommendations, "price"));
    let span = i64::try_from(measure.price_window.as_micros()).unwrap_or(i64::MAX);
    let found = if listed || priced {
        prices::sum(engine, &prices::Question { unit: measure.unit, segments, span, priced, listed }).await?
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

/// What was shown of the catalogue, which is known in part without a table of items.
async fn used(
    engine: &Engine,
    declared: &Declared,
    tables: &Tables,
    segments: &Segments,
) -> Result<impl Iterator<Item = Fact>> {
    let measure = &declared.manifest.value.measure;
    let listed = tables.0.contains_key(&Role::Items);
    let found = catalogue::shown(engine, segments, measure.unit == Unit::Subject, listed).await?;
    Ok(catalogue_use::measure(&found, segments, measure).into_iter().map(Fact::CatalogueUse))
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
