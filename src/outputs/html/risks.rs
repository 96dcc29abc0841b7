//! How risks to people are laid out: classes of people alike by strategy, and inputs beside protected attributes.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::view::{Row, States, rows};
use crate::facts::proxy::{Association, Proxy};
use crate::facts::reidentification::{Classes, Reidentification};
use crate::facts::{Fact, FactKind};
use crate::outputs::charts::{Share, shares, strength, strength_axis, strength_grid};
use crate::record::Record;

#[derive(Debug, Serialize)]
pub struct Risks<'a> {
    pub profiles: Vec<Profile<'a>>,
    /// Strategies none of whose inputs is a quasi-identifier.
    pub without: Vec<Row<'a, Reidentification>>,
    pub proxies: Vec<ProxyGroup<'a>>,
    /// The head of the charts of strengths.
    pub axis: String,
}

/// One strategy's classes, before and after the join.
#[derive(Debug, Serialize)]
pub struct Profile<'a> {
    pub row: Row<'a, Reidentification>,
    pub classes: Vec<ClassRow<'a>>,
}

#[derive(Debug, Serialize)]
pub struct ClassRow<'a> {
    /// The context alone; None for all together.
    pub context: Option<&'a str>,
    /// The fields that were looked at.
    pub fields: Vec<&'a str>,
    pub classes: &'a Classes,
    pub bar: String,
}

/// One strategy's inputs beside each attribute.
#[derive(Debug, Serialize)]
pub struct ProxyGroup<'a> {
    pub strategy: &'a str,
    pub sections: Vec<Section<'a>>,
    /// Those without a finding, when there are many.
    pub folded: Vec<Section<'a>>,
    pub fold_count: usize,
    /// Inputs whose values were not handed over.
    pub absent: Vec<Row<'a, Proxy>>,
}

#[derive(Debug, Serialize)]
pub struct Section<'a> {
    pub attribute: &'a str,
    pub rows: Vec<ProxyRow<'a>>,
}

#[derive(Debug, Serialize)]
pub struct ProxyRow<'a> {
    pub row: Row<'a, Proxy>,
    pub plot: String,
}

pub fn risks<'a>(record: &'a Record, states: &States) -> Risks<'a> {
    let mut profiles =
        rows(record, states, |fact| if let Fact::Reidentification(fact) = fact { Some(fact) } else { None });
    profiles.sort_by_key(|row| Reverse(states.rank(row.index)));
    let (profiles, without): (Vec<_>, Vec<_>) =
        profiles.into_iter().partition(|row| !row.fact.quasi_identifiers.is_empty());
    let bounds = bounds(record);
    Risks {
        profiles: profiles.into_iter().map(|row| Profile { classes: classes(row.fact), row }).collect(),
        without,
        proxies: proxies(record, states, &bounds),
        axis: strength_axis(&bounds),
    }
}

/// Each context alone, then all together. A row that says the same as the one before is left out.
fn classes(fact: &Reidentification) -> Vec<ClassRow<'_>> {
    let fields = |context: Option<&str>| {
        let quasi = fact.quasi_identifiers.iter().filter(|quasi| quasi.column.is_some());
        let of = quasi.filter(|quasi| context.is_none_or(|context| quasi.contexts == [context]));
        of.map(|quasi| quasi.field.as_str()).collect::<Vec<_>>()
    };
    let row = |context: Option<&'_ str>, classes| (fields(context), bar(classes));
    let mut all: Vec<ClassRow<'_>> = Vec::new();
    for alone in &fact.before {
        let (fields, bar) = row(Some(&alone.context), &alone.classes);
        all.push(ClassRow { context: Some(&alone.context), fields, classes: &alone.classes, bar });
    }
    if let Some(joined) = &fact.joined {
        let (fields, bar) = row(None, joined);
        if all.len() != 1 || all[0].fields != fields {
            all.push(ClassRow { context: None, fields, classes: joined, bar });
        }
    }
    all
}

/// Shares of people by the size of their class, the smallest first. The labels are those of the bands.
fn bar(classes: &Classes) -> String {
    const CLASSES: [(&str, &str); 4] =
        [("alone", "alone"), ("few", "in small groups"), ("some", "in middling groups"), ("many", "in large groups")];
    let parts =
        classes.sizes.iter().zip(CLASSES).map(|(band, (class, label))| Share { class, label, count: band.subjects });
    shares(&parts.collect::<Vec<_>>())
}

fn proxies<'a>(record: &'a Record, states: &States, bounds: &[f64]) -> Vec<ProxyGroup<'a>> {
    let mut groups: BTreeMap<&str, Vec<Row<'a, Proxy>>> = BTreeMap::new();
    for row in rows(record, states, |fact| if let Fact::Proxy(fact) = fact { Some(fact) } else { None }) {
        groups.entry(&row.fact.strategy).or_default().push(row);
    }
    let group = |(strategy, rows): (&'a str, Vec<Row<'a, Proxy>>)| {
        let (absent, mut rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.fact.attribute.is_none());
        let size = |row: &Row<'_, Proxy>| row.fact.strength.as_ref().map_or(1.0, |strength| strength.estimate);
        rows.sort_by(|a, b| size(b).total_cmp(&size(a)));
        let (rows, folded) = states.fold(rows, |row| row.index);
        let fold_count = folded.len();
        ProxyGroup { strategy, sections: sections(rows, bounds), folded: sections(folded, bounds), fold_count, absent }
    };
    groups.into_iter().map(group).collect()
}

fn sections<'a>(rows: Vec<Row<'a, Proxy>>, bounds: &[f64]) -> Vec<Section<'a>> {
    let mut sections: BTreeMap<&str, Vec<ProxyRow<'a>>> = BTreeMap::new();
    for row in rows {
        let attribute = row.fact.attribute.as_deref().unwrap_or_default();
        let plot = plot(&row, bounds);
        sections.entry(attribute).or_default().push(ProxyRow { row, plot });
    }
    sections.into_iter().map(|(attribute, rows)| Section { attribute, rows }).collect()
}

fn plot(row: &Row<'_, Proxy>, bounds: &[f64]) -> String {
    let fact = row.fact;
    match (&fact.strength, fact.comparison) {
        (Some(of), Association::Measured) => strength(
            bounds,
            of,
            row.state,
            &format!("{} beside {}", fact.field, fact.attribute.as_deref().unwrap_or("")),
        ),
        _ => strength_grid(bounds),
    }
}

/// The bounds of the rules that judge strengths.
fn bounds(record: &Record) -> Vec<f64> {
    let rules = record.steps.iter().flat_map(|step| &step.rules).filter(|rule| rule.on.as_deref() == Some(Proxy::NAME));
    let mut bounds: Vec<f64> = rules.filter_map(|rule| rule.params.get("bound")?.as_f64()).collect();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    bounds
}
