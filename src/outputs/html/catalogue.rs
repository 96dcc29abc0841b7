//! How the use of the catalogue is laid out: a row per strategy for everybody, and one per segment below it.

use serde::Serialize;

use super::view::{MANY, Row, States, rows};
use crate::facts::Fact;
use crate::facts::catalogue_use::{CatalogueUse, Source};
use crate::facts::outcome_parity::Comparison;
use crate::playbook::Verdict;
use crate::record::Record;

#[derive(Debug, Serialize)]
pub struct Catalogue<'a> {
    pub items: u64,
    /// Items that nothing lists.
    pub unlisted: u64,
    /// Whether there is a list of items.
    pub listed: bool,
    pub rows: Vec<Use<'a>>,
    /// Rows of groups to which no rule objects, when there are many.
    pub folded: Vec<Use<'a>>,
}

#[derive(Debug, Serialize)]
pub struct Use<'a> {
    pub row: Row<'a, CatalogueUse>,
    /// What kind of row it is, where that says something.
    pub word: Option<&'static str>,
}

/// None where no item was shown.
pub fn catalogue<'a>(record: &'a Record, states: &States) -> Option<Catalogue<'a>> {
    let all = rows(record, states, |fact| if let Fact::CatalogueUse(fact) = fact { Some(fact) } else { None });
    let first = all.first()?.fact;
    // Everyone's row of each strategy stays: it is what the others are read beside.
    let many = all.len() > MANY;
    let shown = |row: &Row<'a, CatalogueUse>| {
        !many || row.fact.segment.is_empty() || states.rank(row.index) > Some(Verdict::Pass)
    };
    let (all, folded): (Vec<_>, Vec<_>) = all.into_iter().partition(shown);
    Some(Catalogue {
        items: first.catalogue_items,
        unlisted: first.unlisted_items.unwrap_or_default(),
        listed: first.catalogue == Source::Items,
        rows: all.into_iter().map(show).collect(),
        folded: folded.into_iter().map(show).collect(),
    })
}

fn show(row: Row<'_, CatalogueUse>) -> Use<'_> {
    let word = match row.fact.comparison {
        _ if row.fact.suppressed => Some("too few to show"),
        Some(Comparison::Reference) => Some("reference"),
        Some(Comparison::Unknown) => Some("unknown group"),
        Some(Comparison::Undefined) => Some("cannot be compared"),
        Some(Comparison::Compared | Comparison::Suppressed) | None => None,
    };
    Use { row, word }
}
