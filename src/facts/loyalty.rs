//! `loyalty`: whether people stay, come back and buy again under a strategy, beside a holdout.

mod compare;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use compare::Kind;
pub use compare::{Effect, Scale};

use super::loyalty_forecast::Forecasts;
use super::measured::Number;
use super::{FactKind, attributes};
use crate::findings::Evidence;
use crate::manifest;
use crate::replay::loyalty::{Cell, Found, MEANS, Segment};
use crate::replay::segments::is_known;
use crate::stats::survival::{self, Survival, kaplan_meier};
use crate::stats::{Interval, Proportion, benjamini_hochberg, proportion};

/// Points that a curve is told at.
const POINTS: u64 = 12;

/// One measure of one arm, over everybody or one segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Loyalty {
    /// The arm: a strategy, or a value of the column that says it.
    pub strategy: String,
    /// The arm it is compared with.
    pub holdout: String,
    /// `early_revenue`, `early_order_value`, `lifetime_value`, `repeat_rate`, `retention`, `days_retained`,
    /// `time_to_next_order`, `net_promoter_score` or `forecast_value`.
    pub measure: String,
    /// The attribute that makes the segment, e.g. `{age_band: 65+}`; empty for everybody.
    pub segment: BTreeMap<String, String>,
    pub comparison: Comparison,
    /// The side on which people, and the shop, are worse off: `high` for the time to the next order, else `low`.
    pub harm: String,
    /// Whether it tells what pays at once (`early_revenue`, `early_order_value`) or what lasts.
    pub lasting: bool,
    /// The span that it is measured over, e.g. `90 days`.
    pub horizon: String,
    /// People of the arm and segment; null when withheld.
    pub people: Option<u64>,
    /// Those of them whom the measure is about; null when withheld.
    pub subjects: Option<u64>,
    /// Share of those whom the measure could be about who were not seen for the whole span; of curves, of those who left it
    /// unobserved before its end. Null for means over orders or answers, and when withheld.
    pub censored_share: Option<f64>,
    /// Who answered, of `net_promoter_score`; null where the evidence does not say who did not answer.
    pub response: Option<Response>,
    /// Money in the currency of the outcomes, a share, days, or −1 to 1 (`net_promoter_score`).
    pub value: Option<Interval>,
    /// The same of the holdout.
    pub holdout_value: Option<Interval>,
    /// `value` over `holdout_value`; null unless compared, and of `net_promoter_score`.
    pub ratio: Option<Interval>,
    /// `value` minus `holdout_value`; null unless compared.
    pub difference: Option<Interval>,
    /// The same beside the margin, turned so that more is better; null unless compared.
    pub effect: Option<Effect>,
    /// Two-sided, of the null hypothesis that there is no difference.
    pub p_value: Option<f64>,
    /// Benjamini-Hochberg adjusted within all comparisons of this measure.
    pub q_value: Option<f64>,
    /// The p-value that people were dealt out to the arms as meant.
    pub srm_p: Option<f64>,
    /// Why nothing is compared, in words.
    pub reason: Option<String>,
    /// The share of people still there over time, of `retention`; empty for other measures and when withheld.
    pub curve: Vec<Point>,
    /// Whether fewer than `min_cell` people are measured, so that the numbers are withheld.
    pub suppressed: bool,
    /// Whether counts are withheld so that a suppressed sibling cannot be worked out.
    pub counts_withheld: bool,
}

/// Answers to a survey.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Response {
    /// People who answered over people who were asked.
    pub rate: f64,
    /// The same of the holdout; null where it is not compared, or has too few people asked.
    pub holdout_rate: Option<f64>,
    /// Newcombe's interval of `rate` minus `holdout_rate`.
    pub difference: Option<Interval>,
    /// Two-sided, that people of both answer alike (Fisher's exact test).
    pub p_value: Option<f64>,
}

/// A point of a curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// Days since the start.
    pub day: u64,
    /// Share of people who are still there.
    pub share: f64,
    pub low: f64,
    pub high: f64,
}

/// What became of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    Compared,
    /// It is the holdout.
    Holdout,
    /// People were not dealt out as meant, so that arms differ in who is in them.
    Refused,
    /// The attribute is not known.
    Unknown,
    Suppressed,
    /// Nothing to compare with, or nothing varies.
    Undefined,
}

impl FactKind for Loyalty {
    const NAME: &'static str = "loyalty";
    const DOC: &'static str = include_str!("loyalty.md");
    const MEASURES: &'static [&'static str] = &manifest::LOYALTY_MEASURES;
    const NEEDS_LOG: bool = false;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("strategy", self.strategy.clone()),
            ("holdout", self.holdout.clone()),
            ("measure", self.measure.clone()),
            ("segment", attributes(&self.segment)),
        ])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let told = |of: &Interval| format!("{:.4} ({:.4} to {:.4})", of.estimate, of.low, of.high);
        let mut evidence = vec![Evidence::value("holdout", self.holdout.clone())];
        evidence.extend(self.value.as_ref().map(|value| Evidence::value("value", told(value))));
        evidence.extend(self.holdout_value.as_ref().map(|value| Evidence::value("value of the holdout", told(value))));
        let beside = self.effect.as_ref().map(|of| format!("{} to {}", of.worse, of.better));
        evidence.extend(beside.map(|of| Evidence::value("bounds of practically equal", of)));
        evidence.extend(self.censored_share.map(|of| Evidence::value("not seen to the end", format!("{of:.4}"))));
        evidence
    }

    fn numbers(&self, _: f64) -> Vec<Number> {
        let (measure, number) =
            if self.ratio.is_some() { ("ratio", &self.ratio) } else { ("difference", &self.difference) };
        Number::stated(measure, &self.harm, number)
    }
}

/// Who is compared, and whether that is fair.
pub struct Arms<'a> {
    pub found: &'a Found,
    pub loyalty: &'a manifest::Loyalty,
    pub settings: &'a manifest::Measure,
    pub srm_p: Option<f64>,
    /// Why nothing may be compared.
    pub refused: Option<String>,
    /// What models say of each arm and segment.
    pub forecasts: &'a Forecasts,
}

/// Compares every arm with the holdout, measure by measure.
pub fn measure(arms: &Arms<'_>) -> Vec<Loyalty> {
    let mut facts = Vec::new();
    for id in Loyalty::MEASURES {
        if !arms.tells(id) {
            continue;
        }
        let mut family: Vec<Loyalty> = arms.found.cells.keys().flat_map(|arm| arms.of_arm(id, arm)).collect();
        let compared: Vec<usize> = (0..family.len()).filter(|&i| family[i].p_value.is_some()).collect();
        let p: Vec<f64> = compared.iter().filter_map(|&i| family[i].p_value).collect();
        for (&index, q) in compared.iter().zip(benjamini_hochberg(&p)) {
            family[index].q_value = Some(q);
        }
        facts.extend(family);
    }
    facts
}

/// What a cell says of one measure.
struct Of<'a> {
    subjects: u64,
    censored_share: Option<f64>,
    number: Kind<'a>,
}

impl Arms<'_> {
    fn tells(&self, id: &str) -> bool {
        let told = self.found.told;
        match MEANS.iter().find(|mean| mean.id == id) {
            Some(mean) => told.tells(mean),
            None if id == "time_to_next_order" => told.orders,
            None if id == "forecast_value" => self.loyalty.forecast.is_some() && told.values,
            None => told.leaving(),
        }
    }

    fn of<'a>(&self, id: &str, arm: &str, segment: &Segment, cell: &'a Cell) -> Of<'a> {
        if id == "forecast_value" {
            let value = self.forecasts.of(arm, segment).and_then(|forecast| forecast.value);
            let subjects = cell.buyers.iter().map(|of| of.people).sum();
            return Of { subjects, censored_share: None, number: Kind::Modelled(value) };
        }
        let horizon = self.loyalty.horizon_days();
        let lost = |curve: &Survival, days: &[survival::Day]| {
            let lost: u64 = days.iter().filter(|of| of.day < horizon).map(|of| of.censored).sum();
            (curve.people > 0).then(|| lost as f64 / curve.people as f64)
        };
        if let Some(sums) = cell.means.get(id) {
            let number = match id {
                "repeat_rate" => Kind::Share(sums),
                "net_promoter_score" => Kind::Score(sums),
                _ => Kind::Mean(sums),
            };
            let orderers: u64 = cell.next.iter().map(|day| day.events + day.censored).sum();
            let whole = match id {
                "early_revenue" | "lifetime_value" => cell.people,
                "repeat_rate" => orderers,
                _ => 0,
            };
            let censored_share = (whole > 0).then(|| whole.saturating_sub(sums.clusters) as f64 / whole as f64);
            return Of { subjects: sums.clusters, censored_share, number };
        }
        let days = if id == "time_to_next_order" { &cell.next } else { &cell.gone };
        let curve = kaplan_meier(days);
        let (subjects, censored_share) = (curve.people, lost(&curve, days));
        let number = match id {
            "retention" => Kind::Retention(curve, horizon),
            "days_retained" => Kind::Days(curve, horizon),
            _ => Kind::Median(curve),
        };
        Of { subjects, censored_share, number }
    }

    fn of_arm(&self, id: &str, arm: &str) -> Vec<Loyalty> {
        let Some(cells) = self.found.cells.get(arm) else { return Vec::new() };
        let (level, margin) = (self.settings.level, self.loyalty.margin(id));
        let more_is_worse = id == "time_to_next_order";
        let holdout = self.found.cells.get(&self.loyalty.holdout.value);
        let few = |of: &Of<'_>| of.subjects < self.settings.min_cell;
        let measured: BTreeMap<&Segment, Of<'_>> =
            cells.iter().map(|(of, cell)| (of, self.of(id, arm, of, cell))).collect();
        let mut facts = Vec::new();
        for (segment, cell) in cells {
            let Some(of) = measured.get(segment) else { continue };
            let hidden = few(of);
            let beside = holdout.and_then(|cells| cells.get(segment));
            let other =
                beside.map(|cell| self.of(id, &self.loyalty.holdout.value, segment, cell)).filter(|of| !few(of));
            let known = segment.as_ref().is_none_or(|(_, value)| is_known(value));
            let is_holdout = arm == self.loyalty.holdout.value;
            let unlike = (id == "forecast_value").then(|| self.unlike(arm, segment)).flatten();
            let refused = self.refused.clone().or(unlike);
            let fair = !hidden && known && !is_holdout && refused.is_none();
            let against = other.as_ref().filter(|_| fair).map(|other| &other.number);
            let pair = against.map(|other| of.number.beside(other, level)).unwrap_or_default();
            let effect = against.and_then(|other| of.number.effect(other, margin, more_is_worse, level));
            let comparison = match () {
                () if hidden => Comparison::Suppressed,
                () if !known => Comparison::Unknown,
                () if is_holdout => Comparison::Holdout,
                () if refused.is_some() => Comparison::Refused,
                () if pair.p_value.is_none() => Comparison::Undefined,
                () => Comparison::Compared,
            };
            let counts = !hidden && !self.withheld(segment, &measured);
            let surveyed = id == "net_promoter_score" && self.found.told.silence && counts;
            let response = || self.response(cell, beside.filter(|_| fair && other.is_some()));
            facts.push(Loyalty {
                strategy: arm.to_owned(),
                holdout: self.loyalty.holdout.value.clone(),
                measure: id.to_owned(),
                segment: segment.iter().cloned().collect(),
                comparison,
                harm: if more_is_worse { "high" } else { "low" }.to_owned(),
                lasting: !id.starts_with("early_"),
                horizon: crate::duration(self.span(id)),
                people: counts.then_some(cell.people),
                subjects: counts.then_some(of.subjects),
                censored_share: of.censored_share.filter(|_| counts),
                response: surveyed.then(response).flatten(),
                value: of.number.value(level).filter(|_| !hidden),
                holdout_value: other.as_ref().and_then(|other| other.number.value(level)).filter(|_| !hidden),
                ratio: pair.ratio,
                difference: pair.difference,
                effect: effect.filter(|_| comparison == Comparison::Compared),
                p_value: pair.p_value,
                q_value: None,
                srm_p: self.srm_p,
                reason: refused.filter(|_| comparison == Comparison::Refused),
                curve: match &of.number {
                    Kind::Retention(curve, _) if !hidden => self.points(curve),
                    _ => Vec::new(),
                },
                suppressed: hidden,
                counts_withheld: !hidden && !counts,
            });
        }
        facts
    }

    /// Why what the model says may not be compared, of the arm or of the holdout.
    fn unlike(&self, arm: &str, segment: &Segment) -> Option<String> {
        let arms = [arm, &self.loyalty.holdout.value];
        arms.into_iter().find_map(|arm| self.forecasts.of(arm, segment)?.unlike.clone())
    }

    fn response(&self, cell: &Cell, beside: Option<&Cell>) -> Option<Response> {
        let of = |cell: &Cell| Proportion { successes: cell.answered, trials: cell.asked };
        let own = of(cell);
        let other = beside.filter(|cell| cell.asked >= self.settings.min_cell).map(of);
        Some(Response {
            rate: own.estimate()?,
            holdout_rate: other.and_then(|other| other.estimate()),
            difference: other.and_then(|other| proportion::newcombe(own, other, self.settings.level)),
            p_value: other.and_then(|other| proportion::fisher(own, other).or_else(|| proportion::z_test(own, other))),
        })
    }

    /// One hidden count is the total less the others: then the smallest shown count of the attribute is withheld with it.
    fn withheld(&self, segment: &Segment, measured: &BTreeMap<&Segment, Of<'_>>) -> bool {
        let Some((attribute, _)) = segment else { return false };
        let siblings = || measured.iter().filter(|(of, _)| of.as_ref().is_some_and(|(name, _)| name == attribute));
        let small = |of: &Of<'_>| of.subjects < self.settings.min_cell;
        let lone = siblings().filter(|(_, of)| small(of)).count() == 1;
        let least = siblings().filter(|(_, of)| !small(of)).min_by_key(|(of, cell)| (cell.subjects, **of));
        lone && least.is_some_and(|(of, _)| *of == segment)
    }

    /// Seconds that a measure looks at.
    fn span(&self, id: &str) -> f64 {
        let span = match id {
            "early_revenue" | "early_order_value" => self.loyalty.soon,
            "repeat_rate" => self.loyalty.repeat_within,
            "forecast_value" => self.loyalty.forecast.as_ref().map_or(self.loyalty.horizon, |of| of.over),
            _ => self.loyalty.horizon,
        };
        span.as_secs_f64()
    }

    /// The curve at a few days, as far as `min_cell` people are still seen.
    fn points(&self, curve: &Survival) -> Vec<Point> {
        let horizon = self.loyalty.horizon_days();
        let days = (0..=POINTS).map(|nth| horizon * nth / POINTS);
        let mut days: Vec<u64> = days.filter(|day| curve.at_risk(*day) >= self.settings.min_cell).collect();
        days.dedup();
        let point = |day: u64| {
            let Interval { estimate, low, high, .. } = curve.share(day, self.settings.level)?;
            Some(Point { day, share: estimate, low, high })
        };
        days.into_iter().filter_map(point).collect()
    }
}
