//! How selection rates are laid out: a table per strategy, outcome and attributes, as Local Law 144 wants them published.

use std::collections::BTreeMap;

use serde::Serialize;

use super::tiers::{Tiers, summarise, worst};
use super::verdict_word;
use super::view::{Row, States, rows};
use crate::facts::Fact;
use crate::facts::selection::{Selection, Standing};
use crate::record::Record;

/// From how many tables on only those with a failure are open.
const MANY: usize = 3;

/// One table, its categories in order.
#[derive(Debug, Serialize)]
pub struct SelectionTable<'a> {
    pub strategy: &'a str,
    pub outcome: &'a str,
    pub attributes: &'a [String],
    /// The worst verdict in it.
    pub state: &'static str,
    /// How many categories have each verdict.
    pub summary: String,
    /// Folded away: nothing in it fails.
    pub closed: bool,
    pub rows: Vec<Line<'a>>,
    /// Categories without an impact ratio, told again beneath.
    pub excluded: Vec<String>,
    pub withheld: Vec<Withheld>,
    pub exclude_below: f64,
    pub unknown: u64,
    pub unknown_share: f64,
    pub unstated: u64,
    pub median: Option<f64>,
}

#[derive(Debug, Serialize)]
pub struct Line<'a> {
    pub row: Row<'a, Selection>,
    /// One for each attribute.
    pub values: Vec<&'a str>,
    pub is_most: bool,
    /// What is said where no rule judged it.
    pub word: &'static str,
}

/// A category whose numbers are not shown.
#[derive(Debug, Serialize)]
pub struct Withheld {
    pub index: usize,
    pub category: String,
}

/// Strategy, outcome and attributes.
type Key<'a> = (&'a str, &'a str, &'a [String]);

pub fn selection<'a>(record: &'a Record, states: &States) -> Tiers<SelectionTable<'a>> {
    let mut tables: BTreeMap<Key<'a>, Vec<Row<'a, Selection>>> = BTreeMap::new();
    for row in rows(record, states, |fact| if let Fact::Selection(fact) = fact { Some(fact) } else { None }) {
        let fact = row.fact;
        tables.entry((&fact.strategy, &fact.outcome, &fact.table)).or_default().push(row);
    }
    let fold = tables.len() > MANY;
    let mut tables: Vec<_> = tables.into_iter().filter_map(|(key, rows)| table(key, rows, fold)).collect();
    tables.sort_by_key(|table| (table.strategy, table.outcome, table.attributes.len()));
    Tiers::new(tables, fold, "pass", |table: &SelectionTable<'_>| table.state)
}

fn table<'a>(
    (strategy, outcome, attributes): Key<'a>,
    rows: Vec<Row<'a, Selection>>,
    fold: bool,
) -> Option<SelectionTable<'a>> {
    let first = rows.first()?.fact;
    let values = |fact: &'a Selection| -> Vec<&'a str> {
        attributes.iter().map(|name| fact.category.get(name).map_or("", String::as_str)).collect()
    };
    let label = |fact: &'a Selection| values(fact).join(", ");
    let excluded = rows.iter().filter(|row| row.fact.comparison == Standing::Excluded);
    let excluded = excluded.map(|row| label(row.fact)).collect();
    let (hidden, shown): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.fact.suppressed);
    let withheld = hidden.iter().map(|row| Withheld { index: row.index, category: label(row.fact) }).collect();
    let state = worst(shown.iter().map(|row| row.state));
    let judged = shown.iter().filter(|row| row.state != "none").map(|row| (row.state, verdict_word(row.state)));
    let summary = summarise(judged);
    let line = |row: Row<'a, Selection>| Line {
        values: values(row.fact),
        is_most: row.fact.comparison == Standing::MostSelected,
        word: if row.fact.comparison == Standing::Compared { "not judged" } else { "not compared" },
        row,
    };
    Some(SelectionTable {
        strategy,
        outcome,
        attributes,
        state,
        summary,
        closed: fold && state == "inconclusive",
        rows: shown.into_iter().map(line).collect(),
        excluded,
        withheld,
        exclude_below: first.exclude_below,
        unknown: first.unknown,
        unknown_share: first.unknown_share,
        unstated: first.unstated,
        median: first.median,
    })
}
