//! How loyalty is laid out: what is sold at once beside what lasts, curves of who stays, and every number in a table.

use std::collections::BTreeMap;

use serde::Serialize;

use super::tiers::worst;
use super::view::{Row, States, rows};
use crate::facts::loyalty::{Comparison, Loyalty, Scale};
use crate::facts::loyalty_balance::{LoyaltyBalance, Side};
use crate::facts::loyalty_forecast::LoyaltyForecast;
use crate::facts::sample_ratio::SampleRatio;
use crate::facts::{Fact, attributes};
use crate::outputs::loyalty_charts::{Curve, Dot, curves, quadrants};
use crate::outputs::text;
use crate::record::Record;

/// From how many tables on they are folded.
const MANY: usize = 4;

#[derive(Debug, Serialize)]
pub struct LoyaltyView<'a> {
    pub ratios: Vec<Row<'a, SampleRatio>>,
    /// The picture of both sides; empty where nothing is on both.
    pub picture: String,
    pub balances: Vec<Balance<'a>>,
    pub groups: Vec<Group<'a>>,
    pub folded: bool,
    pub forecasts: Vec<Row<'a, LoyaltyForecast>>,
}

/// An arm and segment on both sides.
#[derive(Debug, Serialize)]
pub struct Balance<'a> {
    pub row: Row<'a, LoyaltyBalance>,
    pub label: String,
    pub number: usize,
    pub soon: Option<String>,
    pub later: Option<String>,
    pub soon_of: &'static str,
    pub later_of: &'static str,
}

/// One measure.
#[derive(Debug, Serialize)]
pub struct Group<'a> {
    pub title: &'static str,
    pub words: &'static str,
    pub state: &'static str,
    /// The difference that matters.
    pub margin: Option<String>,
    pub chart: String,
    pub rows: Vec<LoyaltyRow<'a>>,
}

#[derive(Debug, Serialize)]
pub struct LoyaltyRow<'a> {
    pub row: Row<'a, Loyalty>,
    pub label: String,
    pub mark: &'static str,
    pub word: &'a str,
    pub value: Option<String>,
    pub holdout: Option<String>,
    pub change: Option<String>,
    /// Where the difference stands to the margin, in a rule's word.
    pub stands: Option<&'a str>,
    /// p of practical equality, where the two are not shown to differ relevantly.
    pub p_equivalence: Option<f64>,
}

#[derive(Clone, Copy)]
enum Unit {
    Money,
    Share,
    Days,
    Points,
}

const MEASURES: [(&str, &str, &str, Unit); 9] = [
    ("early_revenue", "Revenue soon", "Orders less returns per person, soon after the start.", Unit::Money),
    ("early_order_value", "Value of an order soon", "Money per order, soon after the start.", Unit::Money),
    ("lifetime_value", "Value up to the horizon", "Orders less returns per person, as observed.", Unit::Money),
    ("repeat_rate", "Orders again", "Buyers who ordered again in time.", Unit::Share),
    ("retention", "Still there", "People of whom something was heard, up to the horizon.", Unit::Share),
    ("days_retained", "Days still there", "Mean days, of which those up to the horizon count.", Unit::Days),
    ("time_to_next_order", "Time to the next order", "Days until half of the buyers ordered again.", Unit::Days),
    (
        "forecast_value",
        "Value by forecast",
        "Money per buyer after the first order, by a model of purchases.",
        Unit::Money,
    ),
    ("net_promoter_score", "Would recommend", "Answers of 9 or 10 less those of 0 to 6, in points.", Unit::Points),
];

impl Unit {
    fn words(self, value: f64) -> String {
        match self {
            Self::Money => text::number(value),
            Self::Share => text::percent(value),
            Self::Days => format!("{value:.1}"),
            Self::Points => text::signed(value * 100.0),
        }
    }
}

pub fn loyalty<'a>(record: &'a Record, states: &States) -> Option<LoyaltyView<'a>> {
    let ratios = rows(record, states, |fact| if let Fact::SampleRatio(fact) = fact { Some(fact) } else { None });
    let mut by_measure: BTreeMap<usize, Vec<Row<'a, Loyalty>>> = BTreeMap::new();
    for row in rows(record, states, |fact| if let Fact::Loyalty(fact) = fact { Some(fact) } else { None }) {
        let Some(place) = MEASURES.iter().position(|(id, ..)| *id == row.fact.measure) else { continue };
        by_measure.entry(place).or_default().push(row);
    }
    let balances: Vec<Balance<'a>> =
        rows(record, states, |fact| if let Fact::LoyaltyBalance(fact) = fact { Some(fact) } else { None })
            .into_iter()
            .enumerate()
            .map(|(nth, row)| balance(nth + 1, row))
            .collect();
    let dots = balances.iter().filter_map(|of| {
        let (soon, later) = (sides(of.row.fact).0?, sides(of.row.fact).1?);
        Some(Dot { number: of.number, x: &soon.ratio, y: &later.ratio, mark: of.row.state, label: &of.label })
    });
    let picture = quadrants(&dots.collect::<Vec<_>>());
    let folded = by_measure.len() > MANY;
    let groups = by_measure.into_iter().map(|(place, rows)| group(record, place, rows)).collect();
    let forecasts = rows(record, states, |fact| if let Fact::LoyaltyForecast(fact) = fact { Some(fact) } else { None });
    (!ratios.is_empty()).then_some(LoyaltyView { ratios, picture, balances, groups, folded, forecasts })
}

/// The number that stands for what is sold at once, and the one for what lasts.
fn sides(fact: &LoyaltyBalance) -> (Option<&Side>, Option<&Side>) {
    let soon = fact.early_revenue.as_ref().or(fact.early_order_value.as_ref());
    let later = fact.retention.as_ref().or(fact.repeat_rate.as_ref()).or(fact.lifetime_value.as_ref());
    (soon, later)
}

fn balance<'a>(number: usize, row: Row<'a, LoyaltyBalance>) -> Balance<'a> {
    let fact = row.fact;
    let told = |side: &Side| {
        let of = &side.ratio;
        format!("{:.3} ({:.3} to {:.3})", of.estimate, of.low, of.high)
    };
    let (soon, later) = sides(fact);
    Balance {
        label: label(&fact.strategy, &fact.segment),
        number,
        soon: soon.map(told),
        later: later.map(told),
        soon_of: if fact.early_revenue.is_some() { "revenue" } else { "order value" },
        later_of: match (&fact.retention, &fact.repeat_rate) {
            (Some(_), _) => "still there",
            (None, Some(_)) => "order again",
            (None, None) => "value",
        },
        row,
    }
}

fn label(strategy: &str, segment: &BTreeMap<String, String>) -> String {
    if segment.is_empty() { format!("{strategy}, everybody") } else { format!("{strategy}, {}", attributes(segment)) }
}

fn group<'a>(record: &'a Record, place: usize, rows: Vec<Row<'a, Loyalty>>) -> Group<'a> {
    let (_, title, words, unit) = MEASURES[place];
    let whole = rows.iter().filter(|row| row.fact.segment.is_empty() && row.fact.curve.len() > 1);
    let lines = whole.map(|row| Curve {
        label: &row.fact.strategy,
        points: &row.fact.curve,
        holdout: row.fact.comparison == Comparison::Holdout,
    });
    let chart = curves(&lines.collect::<Vec<_>>());
    let margin = rows.iter().find_map(|row| row.fact.effect.as_ref()).map(|effect| match effect.measured_by {
        Scale::Ratio => format!("{} of the holdout's number", text::percent(1.0 - effect.worse)),
        Scale::Difference => format!("{} points", text::number(effect.better * 100.0)),
    });
    let rows: Vec<LoyaltyRow<'_>> = rows.into_iter().map(|row| show(record, row, unit)).collect();
    Group { title, words, state: worst(rows.iter().map(|row| row.mark)), margin, chart, rows }
}

fn show<'a>(record: &'a Record, row: Row<'a, Loyalty>, unit: Unit) -> LoyaltyRow<'a> {
    let fact = row.fact;
    let (mark, word) = match fact.comparison {
        Comparison::Compared => (row.state, "compared"),
        Comparison::Holdout => ("reference", "holdout"),
        Comparison::Refused => ("not_evidenced", "refused"),
        Comparison::Unknown => ("withheld", "not known"),
        Comparison::Suppressed => ("withheld", "too few"),
        Comparison::Undefined => ("none", "nothing to compare"),
    };
    let value = fact.value.as_ref().map(|of| {
        let (low, high) = (unit.words(of.low), unit.words(of.high));
        format!("{} ({low} to {high})", unit.words(of.estimate))
    });
    let change = match (&fact.ratio, &fact.difference) {
        (Some(of), _) => Some(format!("{:.3} times ({:.3} to {:.3})", of.estimate, of.low, of.high)),
        (None, Some(of)) => {
            let told = |value: f64| {
                if value > 0.0 { format!("+{}", unit.words(value).trim_start_matches('+')) } else { unit.words(value) }
            };
            Some(format!("{} ({} to {})", told(of.estimate), told(of.low), told(of.high)))
        }
        (None, None) => None,
    };
    let holdout = fact.holdout_value.as_ref().map(|of| unit.words(of.estimate));
    let stands = record.steps.iter().flat_map(|step| &step.rules).find_map(|rule| rule.word_on(row.index));
    let p_equivalence = fact.effect.as_ref().and_then(|effect| effect.p_equivalence);
    let label = label(&fact.strategy, &fact.segment);
    LoyaltyRow { label, mark, word, value, holdout, change, stands, p_equivalence, row }
}
