//! How data use and joins are laid out: a table per strategy and purpose, and a matrix of the contexts combined.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::view::States;
use crate::facts::Fact;
use crate::facts::data_use::DataUse;
use crate::facts::join::Join;
use crate::facts::judged::Judged;
use crate::outputs::charts::{Share, shares};
use crate::record::Record;

/// Data use of one strategy for one purpose.
#[derive(Debug, Serialize)]
pub struct UseGroup<'a> {
    pub strategy: &'a str,
    pub purpose: &'a str,
    pub rows: Vec<Row<'a, DataUse>>,
    /// Rows that pass, when there are many.
    pub folded: Vec<Row<'a, DataUse>>,
}

/// Joins of one strategy for one purpose.
#[derive(Debug, Serialize)]
pub struct JoinGroup<'a> {
    pub strategy: &'a str,
    pub purpose: &'a str,
    pub rows: Vec<Row<'a, Join>>,
    /// Rows that pass, when there are many.
    pub folded: Vec<Row<'a, Join>>,
    pub matrix: Matrix<'a>,
}

/// A fact with its place in the record, its verdict and its bar.
#[derive(Debug, Serialize)]
pub struct Row<'a, F> {
    pub index: usize,
    pub fact: &'a F,
    pub state: &'static str,
    pub bar: String,
}

/// Which contexts were combined with which: the lower triangle, rows by columns.
#[derive(Debug, Serialize)]
pub struct Matrix<'a> {
    pub columns: Vec<&'a str>,
    pub rows: Vec<MatrixRow<'a>>,
}

#[derive(Debug, Serialize)]
pub struct MatrixRow<'a> {
    pub context: &'a str,
    pub cells: Vec<Cell<'a>>,
}

/// A pair of contexts. `pair` is false above the diagonal; `fact` is null when nothing combined the pair.
#[derive(Debug, Serialize)]
pub struct Cell<'a> {
    pub pair: bool,
    pub state: &'static str,
    pub index: usize,
    pub fact: Option<&'a Join>,
}

/// Data use by strategy and purpose: worst first, most decisions without consent first.
pub fn uses<'a>(record: &'a Record, states: &States) -> Vec<UseGroup<'a>> {
    let of_kind = |fact: &'a Fact| match fact {
        Fact::DataUse(fact) => Some((fact, fact.strategy.as_str(), fact.purpose.as_str(), &fact.counts)),
        _ => None,
    };
    let groups = grouped(record, states, of_kind).into_iter().map(|((strategy, purpose), rows)| {
        let (rows, folded) = states.fold(rows, |row| row.index);
        UseGroup { strategy, purpose, rows, folded }
    });
    groups.collect()
}

/// Joins by strategy and purpose: worst first, most decisions without consent first.
pub fn joins<'a>(record: &'a Record, states: &States) -> Vec<JoinGroup<'a>> {
    let of_kind = |fact: &'a Fact| match fact {
        Fact::Join(fact) => Some((fact, fact.strategy.as_str(), fact.purpose.as_str(), &fact.counts)),
        _ => None,
    };
    let groups = grouped(record, states, of_kind).into_iter().map(|((strategy, purpose), rows)| {
        let matrix = matrix(&rows);
        let (rows, folded) = states.fold(rows, |row| row.index);
        JoinGroup { strategy, purpose, rows, folded, matrix }
    });
    groups.collect()
}

/// What tells a kind of fact that is judged by consent: itself, strategy, purpose, counts.
type Judgeable<'a, F> = (&'a F, &'a str, &'a str, &'a Judged);

/// Rows of one kind by strategy and purpose.
fn grouped<'a, F>(
    record: &'a Record,
    states: &States,
    of_kind: impl Fn(&'a Fact) -> Option<Judgeable<'a, F>>,
) -> BTreeMap<(&'a str, &'a str), Vec<Row<'a, F>>> {
    let mut groups: BTreeMap<(&str, &str), Vec<Row<'a, F>>> = BTreeMap::new();
    let mut without: BTreeMap<usize, u64> = BTreeMap::new();
    for (index, fact) in record.facts.iter().enumerate() {
        let Some((fact, strategy, purpose, counts)) = of_kind(fact) else { continue };
        without.insert(index, counts.events_without_consent);
        let row = Row { index, fact, state: states.of(index), bar: shares(&parts(counts)) };
        groups.entry((strategy, purpose)).or_default().push(row);
    }
    for rows in groups.values_mut() {
        rows.sort_by_key(|row| Reverse((states.rank(row.index), without[&row.index])));
    }
    groups
}

fn parts(counts: &Judged) -> [Share; 5] {
    [
        Share { class: "permitted", label: "permitted", count: counts.events_permitted },
        Share { class: "grace", label: "in grace", count: counts.events_in_grace },
        Share { class: "without", label: "without consent", count: counts.events_without_consent },
        Share { class: "unknown", label: "unknown", count: counts.events_unknown },
        Share { class: "before", label: "before the policy", count: counts.events_before_policy },
    ]
}

fn matrix<'a>(rows: &[Row<'a, Join>]) -> Matrix<'a> {
    let contexts: BTreeSet<&str> = rows.iter().flat_map(|row| row.fact.contexts.iter().map(String::as_str)).collect();
    let contexts: Vec<&str> = contexts.into_iter().collect();
    let find = |a: &str, b: &str| {
        rows.iter().find(|row| row.fact.contexts.iter().any(|c| c == a) && row.fact.contexts.iter().any(|c| c == b))
    };
    let columns = contexts[..contexts.len().saturating_sub(1)].to_vec();
    let body = contexts.iter().enumerate().skip(1).map(|(below, &context)| {
        let cells = columns.iter().enumerate().map(|(column, &other)| {
            let row = (column < below).then(|| find(context, other)).flatten();
            Cell {
                pair: column < below,
                state: row.map_or("none", |row| row.state),
                index: row.map_or(0, |row| row.index),
                fact: row.map(|row| row.fact),
            }
        });
        MatrixRow { context, cells: cells.collect() }
    });
    Matrix { rows: body.collect(), columns }
}
