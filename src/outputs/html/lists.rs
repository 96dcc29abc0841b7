//! How comparisons of lists are laid out: a table per measure and attribute.

use std::collections::BTreeMap;

use serde::Serialize;

use super::verdict_word;
use super::view::{Row, States, rows};
use crate::facts::Fact;
use crate::facts::list_parity::{Comparison, ListParity};
use crate::outputs::text;
use crate::record::Record;
use crate::stats::Interval;

/// One measure by one attribute.
#[derive(Debug, Serialize)]
pub struct ListGroup<'a> {
    pub title: &'static str,
    /// What it says, and which side is worse.
    pub words: &'static str,
    pub by: String,
    pub rows: Vec<ListRow<'a>>,
}

#[derive(Debug, Serialize)]
pub struct ListRow<'a> {
    pub row: Row<'a, ListParity>,
    pub label: String,
    pub mark: &'static str,
    pub word: &'a str,
    pub value: Option<[String; 2]>,
    pub ratio: Option<[String; 2]>,
    pub difference: Option<[String; 2]>,
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

pub fn lists<'a>(record: &'a Record, states: &States) -> Vec<ListGroup<'a>> {
    let mut groups: BTreeMap<(usize, String), Vec<Row<'a, ListParity>>> = BTreeMap::new();
    for row in rows(record, states, |fact| if let Fact::ListParity(fact) = fact { Some(fact) } else { None }) {
        let Some(place) = MEASURES.iter().position(|(id, ..)| *id == row.fact.measure) else { continue };
        let by = row.fact.segment.keys().cloned().collect::<Vec<_>>().join(" × ");
        groups.entry((place, by)).or_default().push(row);
    }
    let group = |((place, by), rows): ((usize, String), Vec<Row<'a, ListParity>>)| {
        let (id, title, words) = MEASURES[place];
        ListGroup { title, words, by, rows: rows.into_iter().map(|row| show(row, id == "tail_share")).collect() }
    };
    groups.into_iter().map(group).collect()
}

fn show(row: Row<'_, ListParity>, share: bool) -> ListRow<'_> {
    let fact = row.fact;
    let (mark, word) = match fact.comparison {
        Comparison::Compared => (row.state, verdict_word(row.state)),
        Comparison::Reference => ("reference", "reference"),
        Comparison::Suppressed => ("withheld", "too few to show"),
        Comparison::Unknown => ("withheld", "unknown group"),
        Comparison::Undefined => ("withheld", "cannot be compared"),
    };
    let word = if mark == "none" { "not judged" } else { word };
    let label = fact.segment.values().cloned().collect::<Vec<_>>().join(" × ");
    let told = |of: &Option<Interval>, number: fn(f64) -> String| {
        of.as_ref().map(|of| [number(of.estimate), format!("{} to {}", number(of.low), number(of.high))])
    };
    let points: fn(f64) -> String = if share { |x| format!("{} pp", text::signed(x * 100.0)) } else { text::signed };
    let value = told(&fact.value, if share { text::percent } else { text::number });
    let (ratio, difference) = (told(&fact.ratio, text::number), told(&fact.difference, points));
    ListRow { label, mark, word, value, ratio, difference, row }
}
