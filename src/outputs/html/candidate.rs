//! How a candidate is laid out: a table per outcome, in it everyone and each segment, the candidate beside today.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::tiers::{severity, worst};
use super::told::{Told, line, ratio};
use super::verdict_word;
use super::view::{Row, States, rows};
use crate::facts::Fact;
use crate::facts::counterfactual::{Comparison, Counterfactual};
use crate::metrics::IDS;
use crate::outputs::charts::{Scale, axis};
use crate::outputs::text;
use crate::record::Record;

/// What is charted and judged; the other estimates stand beside it.
const JUDGED: &str = "doubly_robust";

/// The candidate, or why there is no estimate.
#[derive(Debug, Serialize)]
pub struct CandidateView<'a> {
    pub candidate: &'a str,
    pub on: &'a str,
    /// The page has more than one assumption.
    pub several: bool,
    pub refused: Vec<Refused<'a>>,
    pub groups: Vec<CandidateGroup<'a>>,
}

#[derive(Debug, Serialize)]
pub struct Refused<'a> {
    pub row: Row<'a, Counterfactual>,
    pub positions: &'static str,
}

/// One outcome under one assumption.
#[derive(Debug, Serialize)]
pub struct CandidateGroup<'a> {
    pub metric: &'a str,
    pub assumption: &'a str,
    /// What the assumption says.
    pub positions: &'static str,
    pub uncovered: u64,
    pub distance: Option<f64>,
    pub axis: String,
    pub state: &'static str,
    pub rows: Vec<CandidateRow<'a>>,
    /// The other estimators.
    pub estimators: Vec<&'a str>,
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
    /// What each of the group's other estimators says.
    pub others: Vec<Option<Other<'a>>>,
}

#[derive(Debug, Serialize)]
pub struct Other<'a> {
    pub index: usize,
    pub estimator: &'a str,
    pub value: Option<Told>,
    /// The value where it has no interval.
    pub estimate: Option<String>,
}

/// None without a candidate.
pub fn candidate<'a>(record: &'a Record, states: &States) -> Option<CandidateView<'a>> {
    let all = rows(record, states, |fact| if let Fact::Counterfactual(fact) = fact { Some(fact) } else { None });
    let first = all.first()?.fact;
    let several = all.iter().any(|row| row.fact.assumption != first.assumption);
    let (refused, told): (Vec<_>, Vec<_>) = all.into_iter().partition(|row| row.fact.refused.is_some());
    let mut groups: BTreeMap<_, Vec<Row<'a, Counterfactual>>> = BTreeMap::new();
    for row in told {
        let (metric, assumption) = (row.fact.metric.as_str(), row.fact.assumption.as_str());
        let place = (IDS.iter().position(|id| *id == metric), ASSUMPTIONS.iter().position(|(id, _)| *id == assumption));
        groups.entry((place, metric, assumption)).or_default().push(row);
    }
    let refused = refused.into_iter().map(|row| Refused { positions: positions(&row.fact.assumption), row });
    Some(CandidateView {
        candidate: &first.candidate,
        on: &first.on,
        several,
        refused: refused.collect(),
        groups: groups.into_iter().map(|((_, metric, assumption), rows)| group(metric, assumption, rows)).collect(),
    })
}

/// What the assumptions on positions say, in the order of the page.
const ASSUMPTIONS: [(&str, &str); 3] = [
    ("independent", "Each position is judged by itself, as if what stands in the others did not matter."),
    ("cascade", "Each position is judged with all that stands above it, as if people read from the top."),
    ("slate", "Each position is judged with all else that is shown at the same time."),
];

fn positions(assumption: &str) -> &'static str {
    ASSUMPTIONS.iter().find(|(id, _)| *id == assumption).map_or("", |(_, words)| words)
}

fn group<'a>(metric: &'a str, assumption: &'a str, rows: Vec<Row<'a, Counterfactual>>) -> CandidateGroup<'a> {
    let (uncovered, distance) =
        rows.first().map_or((0, None), |row| (row.fact.uncovered, row.fact.propensity_distance));
    let (judged, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.fact.estimator == JUDGED);
    let changes = judged.iter().filter_map(|row| row.fact.change.as_ref());
    let scale = Scale::around(changes.flat_map(|of| [of.low, of.high]));
    let state = worst(judged.iter().map(|row| row.state));
    let number = if metric == "revenue" { text::number } else { text::percent };
    let mut estimators: Vec<&str> = Vec::new();
    for row in &others {
        if !estimators.contains(&row.fact.estimator.as_str()) {
            estimators.push(&row.fact.estimator);
        }
    }
    let mut shown: Vec<_> = judged.into_iter().map(|row| show(row, &others, &estimators, scale, number)).collect();
    shown.sort_by_key(|of| {
        let everyone = of.row.fact.segment.is_empty();
        (!everyone, Reverse(severity(of.row.state)), of.label.clone())
    });
    CandidateGroup {
        estimators,
        metric,
        assumption,
        positions: positions(assumption),
        uncovered,
        distance,
        axis: axis(scale, &[]),
        state,
        rows: shown,
    }
}

fn show<'a>(
    row: Row<'a, Counterfactual>,
    others: &[Row<'a, Counterfactual>],
    estimators: &[&str],
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
    let beside = estimators.iter().map(|name| {
        let is = |other: &&Row<'a, Counterfactual>| other.fact.segment == fact.segment && other.fact.estimator == *name;
        others.iter().find(is).map(|other| Other {
            index: other.index,
            estimator: &other.fact.estimator,
            value: Told::of(&other.fact.value, number),
            estimate: other.fact.estimate.map(number),
        })
    });
    CandidateRow {
        plot: line(fact.change.as_ref(), scale, &[], &label, mark, word),
        label,
        mark,
        word,
        value: Told::of(&fact.value, number),
        current: Told::of(&fact.current, number),
        change: Told::of(&fact.change, ratio),
        ratio: Told::of(&fact.ratio, ratio),
        others: beside.collect(),
        row,
    }
}
