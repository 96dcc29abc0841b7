//! How comparisons of prices are laid out: a table per measure and attribute, in it the strategies one below the other.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::tiers::{Tiers, bounds, said, summarise, worst};
use super::told::{Told, by_measure, label, line, points, ratio};
use super::view::{Row, States, rows};
use crate::facts::price_parity::{Comparison, PriceParity};
use crate::facts::{Fact, attributes};
use crate::outputs::charts::{Scale, axis};
use crate::outputs::text;
use crate::record::Record;

/// From how many tables on only those with a failure are open.
const MANY: usize = 4;

/// One measure by one attribute.
#[derive(Debug, Serialize)]
pub struct PriceGroup<'a> {
    pub title: &'static str,
    /// What it says, and which side is worse.
    pub words: &'static str,
    pub by: String,
    /// The head of the charts; empty for differences, which have none.
    pub axis: String,
    pub state: &'static str,
    pub summary: String,
    /// Values are in the log's currency, not shares.
    pub money: bool,
    pub closed: bool,
    pub sections: Vec<PriceSection<'a>>,
}

/// One strategy of a table.
#[derive(Debug, Serialize)]
pub struct PriceSection<'a> {
    pub strategy: &'a str,
    pub reference: String,
    pub rows: Vec<PriceRow<'a>>,
    /// Segments too small to show.
    pub withheld: Vec<PriceRow<'a>>,
}

#[derive(Debug, Serialize)]
pub struct PriceRow<'a> {
    pub row: Row<'a, PriceParity>,
    pub label: String,
    pub mark: &'static str,
    pub word: &'a str,
    pub plot: String,
    pub value: Option<String>,
    pub reference_value: Option<String>,
    /// The ratio, else the difference, with its interval.
    pub change: Option<Told>,
}

/// The measures in the order of the page: id, title, what it says, whether it is money (a share otherwise).
const MEASURES: [(&str, &str, &str, bool); 7] = [
    (
        "same_item_price",
        "Price of the same item at the same time",
        "Above 1, the group is shown a higher price for the very same item.",
        true,
    ),
    (
        "same_item_discount",
        "Discount on the same item at the same time",
        "Below 0, less is taken off the list price for the group, on the very same item.",
        false,
    ),
    ("mean_price", "Mean price shown", "Above 1, the group is shown higher prices, whatever the items.", true),
    ("discount", "Mean discount shown", "Below 0, less is taken off the list price for the group.", false),
    ("discounted_share", "Share of impressions at a discount", "Below 1, the group is shown fewer discounts.", false),
    (
        "price_level",
        "List price of the items shown",
        "Above 1, the group is steered to dearer items, at whatever price.",
        true,
    ),
    (
        "above_median_share",
        "Share of items from the dearer half of the catalogue",
        "Above 1, the group is shown more of what is dear.",
        false,
    ),
];

pub fn prices<'a>(record: &'a Record, states: &States) -> Tiers<PriceGroup<'a>> {
    let all = rows(record, states, |fact| if let Fact::PriceParity(fact) = fact { Some(fact) } else { None });
    let place = |fact: &PriceParity| MEASURES.iter().position(|(id, ..)| *id == fact.measure);
    let groups = by_measure(all, place, |fact| &fact.segment);
    let fold = groups.len() > MANY;
    let groups = groups.into_iter().map(|((place, by), rows)| group(record, states, place, by, rows, fold)).collect();
    Tiers::new(groups, fold, "pass", |group: &PriceGroup<'_>| group.state)
}

fn group<'a>(
    record: &'a Record,
    states: &States,
    place: usize,
    by: String,
    rows: Vec<Row<'a, PriceParity>>,
    fold: bool,
) -> PriceGroup<'a> {
    let (_, title, words, money) = MEASURES[place];
    let bounds = bounds(record, rows.iter().map(|row| row.index));
    let words_of: Vec<_> = rows.iter().map(|row| said(row.fact.comparison, row.state)).collect();
    let state = worst(words_of.iter().map(|(state, _)| *state));
    let ratios = rows.iter().filter_map(|row| row.fact.ratio.as_ref());
    let scale = Scale::around(ratios.flat_map(|of| [of.low, of.high]).chain(bounds.iter().copied()));
    let has_plot = rows.iter().any(|row| row.fact.ratio.is_some());
    let mut sections: BTreeMap<&'a str, PriceSection<'a>> = BTreeMap::new();
    for row in rows {
        let (strategy, reference) = (row.fact.strategy.as_str(), attributes(&row.fact.reference));
        let section = sections.entry(strategy).or_insert_with(|| PriceSection {
            strategy,
            reference,
            rows: Vec::new(),
            withheld: Vec::new(),
        });
        let shown = show(row, scale, &bounds, has_plot, money);
        let few = shown.row.fact.comparison == Comparison::Suppressed;
        if few { &mut section.withheld } else { &mut section.rows }.push(shown);
    }
    for section in sections.values_mut() {
        section.rows.sort_by_key(|of| (of.mark != "reference", Reverse(states.rank(of.row.index))));
    }
    PriceGroup {
        title,
        words,
        by,
        axis: if has_plot { axis(scale, &bounds) } else { String::new() },
        state,
        summary: summarise(words_of.into_iter()),
        money,
        closed: fold && state == "inconclusive",
        sections: sections.into_values().collect(),
    }
}

fn show<'a>(row: Row<'a, PriceParity>, scale: Scale, bounds: &[f64], has_plot: bool, money: bool) -> PriceRow<'a> {
    let fact = row.fact;
    let (mark, word) = said(fact.comparison, row.state);
    let label = label(&fact.segment);
    let plot = if has_plot { line(fact.ratio.as_ref(), scale, bounds, &label, mark, word) } else { String::new() };
    let number = if money { text::number } else { text::percent };
    let change = Told::of(&fact.ratio, ratio).or_else(|| Told::of(&fact.difference, points));
    let value = fact.value.map(number);
    let reference_value = fact.reference_value.map(number);
    PriceRow { label, mark, word, plot, value, reference_value, change, row }
}
