//! A strategy that nobody has been exposed to, set beside the log of one that decides today.
//!
//! The impressions of the logging strategy are joined with what the candidate would show in the same place, weighed, and
//! added up by subject and then by segment. Everything is summed in whole numbers, so that no sum depends on its order.

mod checks;
mod direct;
mod sql;

use std::collections::BTreeMap;

use crate::engine::{Engine, Rows, literal};
use crate::error::Result;
use crate::evidence::table::Table;
use crate::manifest::{Manifest, Unit};
use crate::metrics::Metric;
use crate::replay::segments::label;
use crate::stats::off_policy::{Assumption, COLUMNS, Column, Sums};
use crate::stats::{self, off_policy};
use crate::yaml::Document;

/// Propensities below this count as 0: no log is long enough for them.
const LEAST: f64 = 1e-9;
/// Below this p the propensities do not fit the log, if they are also far from it.
const MISFIT_P: f64 = 1e-6;
/// The share of a position's impressions that would have to be other items for the propensities to fit.
const MISFIT: f64 = 0.3;

/// Past this a request stands for so many others that nothing but it is told.
const HEAVIEST: f64 = 1e12;

/// What to sum.
pub struct Question<'a> {
    pub unit: Unit,
    /// The strategy of the log.
    pub on: &'a str,
    /// Outcomes of impressions.
    pub metrics: &'a [&'static Metric],
    pub attributes: &'a [&'a str],
    /// The table of the candidate.
    pub table: &'a Table,
    /// Whether the log has propensities.
    pub logged: bool,
    /// The most that a row weighs in the clipped sum.
    pub clip: f64,
    /// What the positions of one request are to each other; each is answered.
    pub assumptions: &'a [Assumption],
    /// Segments of fewer units are not shown, and spared the interval of the direct method.
    pub min_cell: u64,
}

/// What there is to judge a candidate by.
#[derive(Debug)]
pub struct Found {
    pub assumption: Assumption,
    /// Why no estimate can be made; then there are no cells.
    pub refused: Option<String>,
    pub cells: Vec<Cell>,
    /// The candidate does not draw, and the log drew uniformly in each position.
    pub replayable: bool,
    /// The greatest distance of propensities from what the log shows, of all positions (of the first only where those
    /// below it may depend on it): 0 to 1.
    pub distance: Option<f64>,
    /// Impressions of the log.
    pub impressions: u64,
    /// Those in a place of which the candidate's table says nothing, and those whose weight the log does not tell.
    pub uncovered: u64,
}

/// The sums of one segment.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    pub metric: &'static Metric,
    /// Empty for everyone.
    pub segment: BTreeMap<String, String>,
    pub units: u64,
    pub impressions: u64,
    pub sums: Sums,
    pub max_weight: f64,
    /// Share of the candidate's probability on items that the log never shows in that position.
    pub unsupported: f64,
    /// Impressions for which the candidate's probabilities add up to less than 1.
    pub short: u64,
}

/// Joins the log with the candidate, and sums by segment: once for each assumption.
pub async fn sum(engine: &Engine, manifest: &Document<Manifest>, question: &Question<'_>) -> Result<Vec<Found>> {
    checks::candidate(engine, manifest, question.table).await?;
    let shown = format!("SELECT * FROM shown WHERE strategy = {}", literal(question.on));
    engine.stage("candidate_log", &sql::log(question, &shown)).await?;
    let log = engine.rows(&sql::propensities(question)).await?;
    let mut all: Vec<Found> = question.assumptions.iter().map(|&of| blank(of, log.count("n", 0))).collect();
    if let Some(reason) = unusable(&log, question) {
        all.iter_mut().for_each(|found| found.refused = Some(reason.clone()));
        return Ok(all);
    }
    let fit = engine.rows(&sql::agreement()).await?;
    let from_zero = engine.rows("SELECT min(position) AS n FROM candidate").await?.integer("n", 0) == Some(0);
    engine.stage("candidate_choices", &sql::choices(question, from_zero)).await?;
    engine.stage("candidate_places", &sql::places(question)).await?;
    engine.stage("candidate_model", &sql::model(question)).await?;
    let direct = Scales::of(&log, question, 1.0).direct;
    engine.stage("candidate_contexts", &sql::contexts(question, &direct)).await?;
    for found in &mut all {
        found.refused = misfit(&fit, question, found);
        if found.refused.is_none() {
            judge(engine, question, &log, found).await?;
        }
    }
    Ok(all)
}

fn blank(assumption: Assumption, impressions: u64) -> Found {
    let (refused, cells, distance) = (None, Vec::new(), None);
    Found { assumption, refused, cells, replayable: false, distance, impressions, uncovered: 0 }
}

/// The sums under one assumption.
async fn judge(engine: &Engine, question: &Question<'_>, log: &Rows, found: &mut Found) -> Result<()> {
    let weighed = sql::weighed(question, found.assumption);
    let heaviest = match found.assumption {
        Assumption::Independent => {
            engine.view("candidate_weighed", &weighed).await?;
            1.0 / log.float("least", 0).unwrap_or(1.0)
        }
        // What a product comes to is not known before it is made.
        Assumption::Cascade | Assumption::Slate => {
            engine.stage("candidate_weighed", &weighed).await?;
            engine.rows(sql::HEAVIEST).await?.float("heaviest", 0).unwrap_or(1.0)
        }
    };
    if heaviest.is_nan() || heaviest > HEAVIEST {
        found.refused = Some(format!(
            "a request would stand for {heaviest:.0e} others: the propensities of its positions, multiplied, are too small"
        ));
        return Ok(());
    }
    let scales = Scales::of(log, question, heaviest);
    engine.stage("candidate_rows", &sql::rows(question, &scales)).await?;
    let totals = engine.rows(sql::TOTALS).await?;
    found.uncovered = found.impressions.saturating_sub(totals.count("n", 0));
    if totals.count("n", 0) == 0 {
        found.refused = Some(match found.assumption {
            Assumption::Independent => "its table speaks of no decision of the log".to_owned(),
            Assumption::Cascade | Assumption::Slate => {
                "its table speaks of no request of the log whose positions are there without a gap, each once"
                    .to_owned()
            }
        });
        return Ok(());
    }
    let uniform = log.integer("uniform", 0) == Some(1);
    let drawn = totals.integer("drawn", 0) != Some(0);
    found.replayable = uniform && !drawn && found.assumption == Assumption::Independent;
    let rows = engine.rows(&sql::by_segment(question)).await?;
    for row in 0..rows.len() {
        found.cells.extend(question.metrics.iter().filter_map(|metric| cell(&rows, row, metric, question, &scales)));
    }
    let order = |cell: &Cell| question.metrics.iter().position(|metric| metric.id == cell.metric.id);
    found.cells.sort_by_cached_key(|cell| (order(cell), cell.segment.clone().into_iter().collect::<Vec<_>>()));
    direct::spread(engine, question, &scales, &mut found.cells).await
}

/// What a weight and a reward are counted in, so that whole numbers hold the sums of many.
struct Scales {
    weight: f64,
    /// By metric: what weighed rewards are counted in; rewards themselves are whole.
    rewards: Vec<f64>,
    /// By metric: what modelled rewards are counted in, which no weight makes larger than rewards are.
    direct: Vec<f64>,
    /// By metric: the largest reward.
    most: Vec<f64>,
}

impl Scales {
    fn of(log: &Rows, question: &Question<'_>, heaviest: f64) -> Self {
        let most = |metric: &&Metric| log.float(&format!("{}_most", metric.id), 0).unwrap_or(0.0);
        let most: Vec<f64> = question.metrics.iter().map(most).collect();
        Self {
            weight: step(heaviest),
            rewards: most.iter().map(|most| step(most * (1.0 + 3.0 * heaviest))).collect(),
            direct: most.iter().map(|most| step(*most)).collect(),
            most,
        }
    }
}

/// Ten trillion steps to the largest value that a row can have.
fn step(most: f64) -> f64 {
    10_f64.powi((13.0 - most.max(1.0).log10().ceil()) as i32)
}

fn unusable(log: &Rows, question: &Question<'_>) -> Option<String> {
    let (n, on) = (log.count("n", 0), question.on);
    if !question.logged {
        return Some(format!("the log of `{on}` has no propensities"));
    }
    let told = [
        ("missing", "have no propensity"),
        ("zero", "have a propensity of 0 or less, which a shown item cannot have"),
        ("above", "have a propensity above 1"),
    ];
    let (rows, words) =
        told.into_iter().map(|(name, words)| (log.count(name, 0), words)).find(|(rows, _)| *rows > 0)?;
    Some(format!("{rows} of {n} impressions of `{on}` {words}"))
}

/// The worst position, if its propensities cannot be those by which the log was made.
///
/// Below the first position a propensity may hold for what stands above, and how often an item is to be expected there is
/// not known then; only where positions are independent is every one of them looked at.
fn misfit(fit: &Rows, question: &Question<'_>, found: &mut Found) -> Option<String> {
    let mut worst: Option<(f64, i64)> = None;
    let first = (0..fit.len()).filter_map(|row| fit.integer("place", row)).min();
    for row in 0..fit.len() {
        if found.assumption != Assumption::Independent && fit.integer("place", row) != first {
            continue;
        }
        let apart = fit.float("distance", row).unwrap_or(0.0);
        found.distance = Some(found.distance.unwrap_or(0.0).max(apart));
        let p = off_policy::agreement(fit.float("chi_square", row).unwrap_or(0.0), fit.count("cells", row));
        let place = fit.integer("place", row).unwrap_or(0);
        if p.is_some_and(|p| p < MISFIT_P) && apart > MISFIT && worst.is_none_or(|(most, _)| apart > most) {
            worst = Some((apart, place));
        }
    }
    let (apart, place) = worst?;
    let at = if place > 0 { format!(" in position {place}") } else { String::new() };
    Some(format!(
        "the propensities of `{}` do not fit its own log: to agree, {:.0} % of the impressions{at} would have to be of \
         other items",
        question.on,
        apart * 100.0
    ))
}

fn cell(rows: &Rows, row: usize, metric: &'static Metric, question: &Question<'_>, scales: &Scales) -> Option<Cell> {
    let id = metric.id;
    let of = question.metrics.iter().position(|known| known.id == id)?;
    let (scale, unit) = (scales.rewards[of], metric.scale.unit());
    let float = |name: &str| rows.float(&format!("{id}_{name}"), row).unwrap_or(0.0);
    let impressions = rows.count(&format!("{id}_rows"), row);
    if impressions == 0 {
        return None;
    }
    let step = |column: Column| match column {
        Column::Rows | Column::Match => 1.0,
        Column::Weight => 1.0 / scales.weight,
        Column::Reward | Column::MatchReward => unit,
        Column::Weighted | Column::Clipped | Column::Robust | Column::CrossFitted => unit / scale,
    };
    let units = rows.count(&format!("{id}_units"), row);
    let mut sums = Sums {
        clusters: units,
        unit: if question.unit == Unit::Subject { stats::Unit::Cluster } else { stats::Unit::Row },
        direct: float("direct") * unit / scales.direct[of],
        squared_weights: float("ww") / scales.weight / scales.weight,
        ..Sums::default()
    };
    for left in 0..COLUMNS {
        let left_step = step(Column::ALL[left]);
        sums.total[left] = float(&left.to_string()) * left_step;
        for (right, column) in Column::ALL.into_iter().enumerate().skip(left) {
            let product = float(&format!("{left}_{right}")) * left_step * step(column);
            (sums.cross[left][right], sums.cross[right][left]) = (product, product);
        }
    }
    let attributes = question.attributes.iter();
    let segment = attributes.filter_map(|name| Some(((*name).to_owned(), rows.text(&label(name), row)?.to_owned())));
    let mass = float("mass");
    Some(Cell {
        metric,
        segment: segment.collect(),
        units,
        impressions,
        sums,
        max_weight: float("heaviest"),
        unsupported: if mass > 0.0 { float("unsupported") / mass } else { 0.0 },
        short: rows.count(&format!("{id}_short"), row),
    })
}
