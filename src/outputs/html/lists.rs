//! How comparisons of lists are laid out: a table per measure and attribute, in it the strategies one below the other.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::tiers::{Tiers, said, severity, summarise, worst};
use super::told::{Told, by_measure, label, points};
use super::view::{Row, States, rows};
use crate::facts::list_parity::{Comparison, ListParity};
use crate::facts::{Fact, attributes};
use crate::outputs::text;
use crate::record::Record;

/// From how many tables on only those with a failure are open.
const MANY: usize = 4;

/// One measure by one attribute.
#[derive(Debug, Serialize)]
pub struct ListGroup<'a> {
    pub title: &'static str,
    /// What it says, and which side is worse.
    pub words: &'static str,
    pub by: String,
    /// The worst verdict in it.
    pub state: &'static str,
    /// How many rows have each verdict.
    pub summary: String,
    pub closed: bool,
    pub sections: Vec<ListSection<'a>>,
}

/// One strategy of a table.
#[derive(Debug, Serialize)]
pub struct ListSection<'a> {
    pub strategy: &'a str,
    pub reference: String,
    pub rows: Vec<ListRow<'a>>,
    /// Segments too small to show.
    pub withheld: Vec<ListRow<'a>>,
}

#[derive(Debug, Serialize)]
pub struct ListRow<'a> {
    pub row: Row<'a, ListParity>,
    pub label: String,
    pub mark: &'static str,
    pub word: &'a str,
    pub value: Option<Told>,
    pub ratio: Option<Told>,
    pub difference: Option<Told>,
}

/// The measures in the order of the page: id, title, what it says.
const MEASURES: [(&str, &str, &str); 6] = [
    (
        "miscalibration",
        "How far lists are from people's own taste",
        "0 follows exactly what each person liked before; the higher, the further from it.",
    ),
    (
        "popularity_lift",
        "How much more popular than people's own taste",
        "Above 0, people are shown what is more popular than what they chose before; higher is worse.",
    ),
    (
        "popularity",
        "How popular what is shown is",
        "People who had an item before, mean of what is shown; higher leaves less that is particular.",
    ),
    (
        "tail_share",
        "Share of what few people know",
        "Items outside the head that makes 80% of all interactions; lower leaves less that is particular.",
    ),
    ("categories_per_list", "Categories in a list", "Lower is less of a choice."),
    ("category_entropy", "How evenly a list mixes categories", "0 is one category only; lower is less of a choice."),
];

pub fn lists<'a>(record: &'a Record, states: &States) -> Tiers<ListGroup<'a>> {
    let all = rows(record, states, |fact| if let Fact::ListParity(fact) = fact { Some(fact) } else { None });
    let place = |fact: &ListParity| MEASURES.iter().position(|(id, ..)| *id == fact.measure);
    let groups = by_measure(all, place, |fact| &fact.segment);
    let fold = groups.len() > MANY;
    let group = |((place, by), rows): ((usize, String), Vec<Row<'a, ListParity>>)| {
        let (id, title, words) = MEASURES[place];
        let said: Vec<_> = rows.iter().map(|row| said(row.fact.comparison, row.state)).collect();
        let state = worst(said.iter().map(|(state, _)| *state));
        let closed = fold && state == "inconclusive";
        ListGroup {
            title,
            words,
            by,
            state,
            summary: summarise(said.into_iter()),
            closed,
            sections: sections(rows, id),
        }
    };
    Tiers::new(groups.into_iter().map(group).collect(), fold, "pass", |group: &ListGroup<'_>| group.state)
}

fn sections<'a>(rows: Vec<Row<'a, ListParity>>, measure: &str) -> Vec<ListSection<'a>> {
    let mut by_strategy: BTreeMap<&str, Vec<ListRow<'a>>> = BTreeMap::new();
    for row in rows {
        by_strategy.entry(&row.fact.strategy).or_default().push(show(row, measure == "tail_share"));
    }
    let section = |(strategy, mut rows): (&'a str, Vec<ListRow<'a>>)| {
        rows.sort_by_key(|of| (of.mark != "reference", Reverse(severity(of.mark))));
        let reference = rows.first().map(|of| attributes(&of.row.fact.reference)).unwrap_or_default();
        let (withheld, rows) = rows.into_iter().partition(|of| of.row.fact.comparison == Comparison::Suppressed);
        ListSection { strategy, reference, rows, withheld }
    };
    by_strategy.into_iter().map(section).collect()
}

fn show(row: Row<'_, ListParity>, share: bool) -> ListRow<'_> {
    let fact = row.fact;
    let (mark, word) = said(fact.comparison, row.state);
    let value = Told::of(&fact.value, if share { text::percent } else { text::number });
    let ratio = Told::of(&fact.ratio, text::number);
    let difference = Told::of(&fact.difference, if share { points } else { text::signed });
    ListRow { label: label(&fact.segment), mark, word, value, ratio, difference, row }
}
