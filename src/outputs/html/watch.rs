//! How trends, drift and mixes are laid out: a row each, those that a rule objects to first.

use serde::Serialize;

use super::view::{Row, States, rows};
use crate::facts::Fact;
use crate::facts::drift::Drift;
use crate::facts::mix::Mix;
use crate::facts::trend::{self, Trend};
use crate::outputs::charts::series::{Limits, Point, series};
use crate::outputs::text::percent;
use crate::record::Record;

#[derive(Debug, Serialize)]
pub struct Watch<'a> {
    pub trends: Vec<TrendRow<'a>>,
    /// Trends that no rule objects to, where there are many.
    pub folded: Vec<TrendRow<'a>>,
    pub drifts: Vec<Row<'a, Drift>>,
    pub mixes: Vec<MixRow<'a>>,
}

#[derive(Debug, Serialize)]
pub struct TrendRow<'a> {
    pub row: Row<'a, Trend>,
    pub newest: &'a trend::Point,
    /// The day of the oldest point shown.
    pub since: Option<&'a str>,
    pub chart: String,
}

#[derive(Debug, Serialize)]
pub struct MixRow<'a> {
    pub row: Row<'a, Mix>,
    pub shares: Vec<Share<'a>>,
}

#[derive(Debug, Serialize)]
pub struct Share<'a> {
    pub value: &'a str,
    pub share: String,
}

impl Watch<'_> {
    pub fn is_empty(&self) -> bool {
        self.trends.is_empty() && self.folded.is_empty() && self.drifts.is_empty() && self.mixes.is_empty()
    }
}

pub fn watch<'a>(record: &'a Record, states: &States) -> Watch<'a> {
    let trends = rows(record, states, |fact| if let Fact::Trend(fact) = fact { Some(fact) } else { None });
    let mut trends: Vec<TrendRow<'a>> = trends.into_iter().filter_map(trend_row).collect();
    trends.sort_by_key(|of| std::cmp::Reverse(states.rank(of.row.index)));
    let (trends, folded) = states.fold(trends, |of| of.row.index);
    let mixes = rows(record, states, |fact| if let Fact::Mix(fact) = fact { Some(fact) } else { None });
    Watch {
        trends,
        folded,
        drifts: rows(record, states, |fact| if let Fact::Drift(fact) = fact { Some(fact) } else { None }),
        mixes: mixes.into_iter().map(mix_row).collect(),
    }
}

fn trend_row(row: Row<'_, Trend>) -> Option<TrendRow<'_>> {
    let newest = row.fact.points.last()?;
    let points: Vec<Point> = row
        .fact
        .points
        .iter()
        .map(|point| Point { estimate: point.estimate, low: point.low, high: point.high })
        .collect();
    let limits = row.fact.centre.zip(row.fact.lower_limit).zip(row.fact.upper_limit);
    let limits = limits.map(|((centre, low), high)| Limits { centre, low, high });
    let chart = series(&points, limits, row.state, &row.fact.measure);
    let since = row.fact.points.first().and_then(|point| point.as_of.as_deref());
    Some(TrendRow { newest, since, chart, row })
}

fn mix_row(row: Row<'_, Mix>) -> MixRow<'_> {
    let total = row.fact.total.unwrap_or(0).max(1) as f64;
    let shares = row.fact.bins.iter().map(|bin| Share { value: &bin.name, share: percent(bin.count as f64 / total) });
    MixRow { shares: shares.collect(), row }
}
