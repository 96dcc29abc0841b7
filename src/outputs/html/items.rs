//! How attention to groups of items is laid out: a chart per attribute of items, in it the strategies one below the other,
//! then segments of people beside their reference, then the lists by themselves.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::tiers::{bounds, said, severity, summarise, worst};
use super::view::{Row, States, rows};
use crate::facts::exposure_parity::ExposureParity;
use crate::facts::outcome_parity::Comparison;
use crate::facts::ranking_fairness::RankingFairness;
use crate::facts::{Fact, attributes};
use crate::outputs::charts::{Scale, Whisker, axis, grid, whisker};
use crate::outputs::text::{percent, signed};
use crate::record::Record;
use crate::stats::Interval;

/// One attribute of items.
#[derive(Debug, Serialize)]
pub struct Items<'a> {
    pub attribute: &'a str,
    pub target: &'a str,
    /// What a place counts, and how far down lists count: `a place k counts 1/k, in the first 10 places`.
    pub attention: String,
    pub axis: String,
    pub sections: Vec<Section<'a>>,
    /// By attribute of people.
    pub segments: Vec<Segments<'a>>,
    pub lists: Vec<Row<'a, RankingFairness>>,
    /// Lists to segments of people.
    pub segment_lists: Vec<Row<'a, RankingFairness>>,
}

/// One strategy.
#[derive(Debug, Serialize)]
pub struct Section<'a> {
    pub strategy: &'a str,
    /// The groups with the least and the most for their targets, in words.
    pub least: Option<String>,
    pub most: Option<String>,
    pub rows: Vec<Dot<'a>>,
    /// Rows that pass, when there are many.
    pub folded: Vec<Dot<'a>>,
}

/// Segments of one attribute of people, by one strategy.
#[derive(Debug, Serialize)]
pub struct Segments<'a> {
    pub strategy: &'a str,
    pub reference: String,
    pub axis: String,
    /// The worst verdict in it.
    pub state: &'static str,
    /// How many rows have each verdict.
    pub summary: String,
    pub rows: Vec<Dot<'a>>,
    pub folded: Vec<Dot<'a>>,
    /// Segments too small to show.
    pub withheld: Vec<Dot<'a>>,
}

/// One group of items.
#[derive(Debug, Serialize)]
pub struct Dot<'a> {
    pub index: usize,
    pub fact: &'a ExposureParity,
    pub segment: String,
    pub state: &'static str,
    pub word: &'a str,
    pub plot: String,
    pub ratio: Option<&'a Interval>,
    pub q: Option<f64>,
    pub share: Option<String>,
    pub share_interval: Option<String>,
    pub target: Option<String>,
    pub difference: Option<String>,
}

type Fair<'a> = Vec<Row<'a, ExposureParity>>;
type Ranked<'a> = Vec<Row<'a, RankingFairness>>;

/// Lays out every attribute of items that the record knows.
pub fn items<'a>(record: &'a Record, states: &States) -> Vec<Items<'a>> {
    let mut by_attribute: BTreeMap<&str, (Fair<'a>, Ranked<'a>)> = BTreeMap::new();
    for row in rows(record, states, |fact| if let Fact::ExposureParity(fact) = fact { Some(fact) } else { None }) {
        by_attribute.entry(&row.fact.item_attribute).or_default().0.push(row);
    }
    for row in rows(record, states, |fact| if let Fact::RankingFairness(fact) = fact { Some(fact) } else { None }) {
        by_attribute.entry(&row.fact.item_attribute).or_default().1.push(row);
    }
    let layout = Layout { record, states };
    by_attribute.into_iter().map(|(attribute, (exposures, lists))| layout.items(attribute, exposures, lists)).collect()
}

struct Layout<'a, 's> {
    record: &'a Record,
    states: &'s States,
}

impl<'a> Layout<'a, '_> {
    fn items(&self, attribute: &'a str, exposures: Fair<'a>, lists: Ranked<'a>) -> Items<'a> {
        let first = exposures.first().map(|row| row.fact);
        let depth = match first.and_then(|fact| fact.cutoff) {
            None => "whole lists".to_owned(),
            Some(1) => "the first place".to_owned(),
            Some(cutoff) => format!("the first {cutoff} places"),
        };
        let (everyone, segments): (Vec<_>, Vec<_>) = exposures.into_iter().partition(|row| row.fact.segment.is_empty());
        let (own, segment_lists): (Vec<_>, Vec<_>) = lists.into_iter().partition(|row| row.fact.segment.is_empty());
        let (axis, sections) = self.sections(everyone);
        Items {
            attribute,
            target: first.map_or("", |fact| fact.target.as_str()),
            attention: format!("{}, in {depth}", first.map_or_else(String::new, |fact| weight(&fact.discount))),
            axis,
            sections,
            segments: self.segments(segments),
            lists: own,
            segment_lists,
        }
    }

    fn sections(&self, rows: Fair<'a>) -> (String, Vec<Section<'a>>) {
        let bounds = bounds(self.record, rows.iter().map(|row| row.index));
        let scale = scale(rows.iter().map(|row| &row.fact.ratio), &bounds);
        let mut by_strategy: BTreeMap<&str, Fair<'a>> = BTreeMap::new();
        for row in rows {
            by_strategy.entry(&row.fact.strategy).or_default().push(row);
        }
        let section = |(strategy, mut rows): (&'a str, Fair<'a>)| {
            let size =
                |row: &Row<'_, ExposureParity>| row.fact.ratio.as_ref().map_or(f64::INFINITY, |ratio| ratio.estimate);
            rows.sort_by(|a, b| size(a).total_cmp(&size(b)));
            let compared = || rows.iter().filter(|row| row.fact.ratio.is_some()).map(|row| row.fact);
            let words = |fact: Option<&ExposureParity>| fact.and_then(in_words);
            let (least, most) =
                (words(compared().next()), words(compared().next_back()).filter(|_| compared().count() > 1));
            let (rows, folded) = self.states.fold(rows, |row| row.index);
            let dots = |rows: Fair<'a>| rows.into_iter().map(|row| against_target(row, scale, &bounds)).collect();
            Section { strategy, least, most, rows: dots(rows), folded: dots(folded) }
        };
        let mut sections: Vec<_> = by_strategy.into_iter().map(section).collect();
        sections.sort_by_key(|of| Reverse(severity(worst(of.rows.iter().map(|row| row.state)))));
        (axis(scale, &bounds), sections)
    }

    fn segments(&self, rows: Fair<'a>) -> Vec<Segments<'a>> {
        let mut by_attribute: BTreeMap<(Vec<&String>, &str), Fair<'a>> = BTreeMap::new();
        for row in rows {
            by_attribute.entry((row.fact.segment.keys().collect(), &row.fact.strategy)).or_default().push(row);
        }
        let section = |((_, strategy), rows): ((Vec<&String>, &'a str), Fair<'a>)| {
            let bounds = bounds(self.record, rows.iter().map(|row| row.index));
            let scale = scale(rows.iter().map(|row| &row.fact.segment_ratio), &bounds);
            let reference = rows.iter().map(|row| attributes(&row.fact.reference)).next().unwrap_or_default();
            let (small, mut rows): (Fair<'a>, Fair<'a>) = rows.into_iter().partition(|row| row.fact.suppressed);
            rows.sort_by(|a, b| (&a.fact.item_group, &a.fact.segment).cmp(&(&b.fact.item_group, &b.fact.segment)));
            let (rows, folded) = self.states.fold(rows, |row| row.index);
            let dots = |rows: Fair<'a>| -> Vec<Dot<'a>> {
                rows.into_iter().map(|row| against_segment(row, scale, &bounds)).collect()
            };
            let (rows, folded, withheld) = (dots(rows), dots(folded), dots(small));
            let all = || rows.iter().chain(&folded).chain(&withheld).map(|row| (row.state, row.word));
            let (state, summary) = (worst(all().map(|(state, _)| state)), summarise(all()));
            Segments { strategy, reference, axis: axis(scale, &bounds), state, summary, rows, folded, withheld }
        };
        let mut sections: Vec<_> = by_attribute.into_iter().map(section).collect();
        sections.sort_by_key(|of| Reverse(severity(of.state)));
        sections
    }
}

/// What a position model makes of a place.
fn weight(model: &str) -> String {
    match model {
        "log2" => "a place k counts 1/log₂(k + 1)".to_owned(),
        "log2_clipped" => "a place k counts 1/log₂(k), the first two alike".to_owned(),
        "reciprocal" => "a place k counts 1/k".to_owned(),
        "measured" => "a place counts as often as people click there, the first place being 1".to_owned(),
        other => match other.strip_prefix("geometric(").and_then(|rest| rest.strip_suffix(')')) {
            Some(p) => format!("each place counts {p} times the one above it"),
            None => format!("places are weighed by {other}"),
        },
    }
}

fn scale<'f>(ratios: impl Iterator<Item = &'f Option<Interval>>, bounds: &[f64]) -> Scale {
    let ends = ratios.flatten().flat_map(|ratio| [ratio.estimate, ratio.low, ratio.high]);
    Scale::around(ends.chain(bounds.iter().copied()))
}

/// `Tessel, 4.1% where its share is 12%`.
fn in_words(fact: &ExposureParity) -> Option<String> {
    let (share, target) = (fact.share.as_ref()?, fact.target_share?);
    Some(format!("{}, {} where its share is {}", fact.item_group, percent(share.estimate), percent(target)))
}

fn against_target<'a>(row: Row<'a, ExposureParity>, scale: Scale, bounds: &[f64]) -> Dot<'a> {
    let (fact, comparison) = (row.fact, row.fact.comparison);
    let target = fact.target_share.map(percent);
    dot(
        row,
        comparison,
        scale,
        bounds,
        Beside { ratio: &fact.ratio, difference: &fact.difference, q: fact.q_value, target },
    )
}

fn against_segment<'a>(row: Row<'a, ExposureParity>, scale: Scale, bounds: &[f64]) -> Dot<'a> {
    let (fact, comparison) = (row.fact, row.fact.segment_comparison.unwrap_or(Comparison::Undefined));
    let (ratio, difference) = (&fact.segment_ratio, &fact.segment_difference);
    let beside = Beside { ratio, difference, q: fact.segment_q_value, target: fact.reference_share.map(percent) };
    dot(row, comparison, scale, bounds, beside)
}

/// What a share stands beside.
struct Beside<'a> {
    ratio: &'a Option<Interval>,
    difference: &'a Option<Interval>,
    q: Option<f64>,
    target: Option<String>,
}

fn dot<'a>(
    row: Row<'a, ExposureParity>,
    comparison: Comparison,
    scale: Scale,
    bounds: &[f64],
    of: Beside<'a>,
) -> Dot<'a> {
    let (state, word) = said(comparison, row.state);
    let fact = row.fact;
    let segment = attributes(&fact.segment);
    let label = if segment.is_empty() { fact.item_group.clone() } else { format!("{} to {segment}", fact.item_group) };
    let plot = of.ratio.as_ref().map_or_else(
        || grid(scale, bounds),
        |ratio| {
            let (estimate, low, high) = (ratio.estimate, ratio.low, ratio.high);
            whisker(scale, bounds, Whisker { label: &label, estimate, low, high, mark: state, verdict: word })
        },
    );
    let points = |x: f64| format!("{} pp", signed(x * 100.0));
    Dot {
        index: row.index,
        fact,
        segment,
        state,
        word,
        plot,
        ratio: of.ratio.as_ref(),
        q: of.q,
        share: fact.share.as_ref().map(|share| percent(share.estimate)),
        share_interval: fact.share.as_ref().map(|share| format!("{} to {}", percent(share.low), percent(share.high))),
        target: of.target,
        difference: of
            .difference
            .as_ref()
            .map(|by| format!("{} ({} to {})", points(by.estimate), points(by.low), points(by.high))),
    }
}
