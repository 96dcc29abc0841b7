//! How a candidate is laid out: a table per outcome, in it everyone and each segment, the candidate beside today.

use std::collections::BTreeMap;

use serde::Serialize;

use super::tiers::{severity, worst};
use super::verdict_word;
use super::view::{Row, States, rows};
use crate::facts::Fact;
use crate::facts::counterfactual::{Comparison, Counterfactual};
use crate::outputs::charts::{Scale, Whisker, axis, grid, whisker};
use crate::outputs::text;
use crate::record::Record;

/// What is charted and judged; the other estimates stand beside it.
const JUDGED: &str = "doubly_robust";

/// The candidate, or why there is no estimate.
#[derive(Debug, Serialize)]
pub struct CandidateView<'a> {
    pub candidate: &'a str,
    pub on: &'a str,
    pub refused: Vec<Row<'a, Counterfactual>>,
    /// Positions are taken as independent of each other.
    pub independent: bool,
    pub uncovered: u64,
    pub distance: Option<f64>,
    pub groups: Vec<CandidateGroup<'a>>,
}

/// One outcome.
#[derive(Debug, Serialize)]
pub struct CandidateGroup<'a> {
    pub metric: &'a str,
    pub axis: String,
    pub state: &'static str,
    pub rows: Vec<CandidateRow<'a>>,
}

#[derive(Debug, Serialize)]
pub struct CandidateRow<'a> {
    pub row: Row<'a, Counterfactual>,
    pub label: String,
    pub mark: &'static str,
    pub word: &'static str,
    pub plot: String,
    pub value: Option<Told>,
    pub current: Option<Told>,
    pub change: Option<Told>,
    pub ratio: Option<Told>,
    /// The other estimators' values.
    pub others: Vec<Other<'a>>,
}

/// A number and its interval in words.
#[derive(Debug, Serialize)]
pub struct Told {
    pub estimate: String,
    pub interval: String,
}

#[derive(Debug, Serialize)]
pub struct Other<'a> {
    pub index: usize,
    pub estimator: &'a str,
    pub value: Option<String>,
}

/// None without a candidate.
pub fn candidate<'a>(record: &'a Record, states: &States) -> Option<CandidateView<'a>> {
    let all = rows(record, states, |fact| if let Fact::Counterfactual(fact) = fact { Some(fact) } else { None });
    let first = all.first()?.fact;
    let (refused, told): (Vec<_>, Vec<_>) = all.into_iter().partition(|row| row.fact.refused.is_some());
    let mut metrics: BTreeMap<(&'a str, usize), Vec<Row<'a, Counterfactual>>> = BTreeMap::new();
    let place = |metric: &str| crate::metrics::IDS.iter().position(|id| *id == metric).unwrap_or_default();
    for row in told {
        metrics.entry((row.fact.metric.as_str(), place(&row.fact.metric))).or_default().push(row);
    }
    let mut metrics: Vec<_> = metrics.into_iter().collect();
    metrics.sort_by_key(|((_, place), _)| *place);
    Some(CandidateView {
        candidate: &first.candidate,
        on: &first.on,
        independent: first.assumption == "independent",
        uncovered: first.uncovered,
        distance: first.propensity_distance,
        refused,
        groups: metrics.into_iter().map(|((metric, _), rows)| group(metric, rows)).collect(),
    })
}

fn group<'a>(metric: &'a str, rows: Vec<Row<'a, Counterfactual>>) -> CandidateGroup<'a> {
    let (judged, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.fact.estimator == JUDGED);
    let changes = judged.iter().filter_map(|row| row.fact.change.as_ref());
    let scale = Scale::around(changes.flat_map(|of| [of.low, of.high]));
    let state = worst(judged.iter().map(|row| row.state));
    let number = if metric == "revenue" { text::number } else { text::percent };
    let mut shown: Vec<_> = judged.into_iter().map(|row| show(row, &others, scale, number)).collect();
    shown.sort_by_key(|of| {
        let everyone = of.row.fact.segment.is_empty();
        (!everyone, std::cmp::Reverse(severity(of.row.state)), of.label.clone())
    });
    CandidateGroup { metric, axis: axis(scale, &[]), state, rows: shown }
}

fn show<'a>(
    row: Row<'a, Counterfactual>,
    others: &[Row<'a, Counterfactual>],
    scale: Scale,
    number: fn(f64) -> String,
) -> CandidateRow<'a> {
    let fact = row.fact;
    let label = match fact.segment.is_empty() {
        true => "everyone".to_owned(),
        false => crate::facts::attributes(&fact.segment),
    };
    let (mark, word) = match (fact.comparison, row.state) {
        (Comparison::Suppressed, _) => ("withheld", "too few to show"),
        (_, "none") => ("withheld", "not judged"),
        (_, state) => (state, verdict_word(state)),
    };
    let plot = match &fact.change {
        Some(of) => {
            let (estimate, low, high) = (of.estimate, of.low, of.high);
            whisker(scale, &[], Whisker { label: &label, estimate, low, high, mark, verdict: word })
        }
        None => grid(scale, &[]),
    };
    let told = |of: &Option<crate::stats::Interval>, number: fn(f64) -> String| {
        of.as_ref().map(|of| Told {
            estimate: number(of.estimate),
            interval: format!("{} to {}", number(of.low), number(of.high)),
        })
    };
    let same = others.iter().filter(|other| other.fact.segment == fact.segment);
    let beside = same.map(|other| Other {
        index: other.index,
        estimator: &other.fact.estimator,
        value: other.fact.estimate.map(number),
    });
    CandidateRow {
        label,
        mark,
        word,
        plot,
        value: told(&fact.value, number),
        current: told(&fact.current, number),
        change: told(&fact.change, ratio),
        ratio: told(&fact.ratio, ratio),
        others: beside.collect(),
        row,
    }
}

/// Three places after the point.
fn ratio(of: f64) -> String {
    format!("{of:.3}")
}
