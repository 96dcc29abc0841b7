//! `loyalty_forecast`: what a model of purchases says that buyers will be worth, and whether they buy as the model says.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FactKind, attributes};
use crate::findings::Evidence;
use crate::manifest;
use crate::replay::loyalty::{Cell, Found, Segment};
use crate::replay::segments::is_known;
use crate::stats::gamma_gamma::{self, GammaGamma};
use crate::stats::{Interval, bg_nbd};

/// What is forecast is not compared where more of the buyers than this are in another class than the model says, and
/// their number is no chance (p below [`CHANCE`]).
const MISPLACED: f64 = 0.05;
const CHANCE: f64 = 0.001;
/// Nor where how often and how much go together more than this; CDNOW, which the models' authors used, has 0.11.
const TOGETHER: f64 = 0.3;
/// Classes of buyers beside the model hold at least so many people, or `min_cell`.
const CLASS: u64 = 5;

/// One arm, over everybody or one segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoyaltyForecast {
    pub strategy: String,
    pub holdout: String,
    /// The attribute that makes the segment; empty for everybody.
    pub segment: BTreeMap<String, String>,
    /// How long after the first order is looked ahead, e.g. `365 days`.
    pub over: String,
    /// People who ordered; null when withheld.
    pub buyers: Option<u64>,
    /// Those of them who ordered again on another day; null when withheld.
    pub again: Option<u64>,
    /// Why there is no forecast, in words.
    pub reason: Option<String>,
    pub purchases: Option<Purchases>,
    pub spending: Option<Spending>,
    /// Days with orders after the first order, per buyer.
    pub orders: Option<Interval>,
    /// Money on such a day.
    pub order_value: Option<Interval>,
    /// Money per buyer: (1 + `orders`) × `order_value`.
    pub value: Option<Interval>,
    /// Buyers by how often they ordered again, beside the model; empty when withheld.
    pub classes: Vec<Class>,
    /// Share of buyers who are in another class than the model says.
    pub misplaced: Option<f64>,
    /// Of Pearson's χ² test that they are in the classes that the model says.
    pub p_value: Option<f64>,
    /// Between how often and how much, −1 to 1; the model takes it to be 0.
    pub correlation: Option<f64>,
    /// Whether fewer than `min_cell` people ordered, so that everything is withheld.
    pub suppressed: bool,
}

/// Parameters of BG/NBD: rates are gamma(`r`, rate `alpha` in days), the chance to stop after a purchase beta(`a`, `b`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Purchases {
    pub r: f64,
    pub alpha: f64,
    pub a: f64,
    pub b: f64,
    pub log_likelihood: f64,
}

/// Parameters of the gamma-gamma model: values are gamma(`p`, rate ν), ν gamma(`q`, rate `v` in money).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spending {
    pub p: f64,
    pub q: f64,
    pub v: f64,
    pub log_likelihood: f64,
}

/// Buyers who ordered again so often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Class {
    /// This often and more, up to the next class.
    pub from: u64,
    pub observed: u64,
    pub expected: f64,
}

impl FactKind for LoyaltyForecast {
    const NAME: &'static str = "loyalty_forecast";
    const DOC: &'static str = include_str!("loyalty_forecast.md");
    const NEEDS_LOG: bool = false;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([("strategy", self.strategy.clone()), ("segment", attributes(&self.segment))])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let told = |class: &Class| {
            let words = format!("{} buyers, of {:.1} expected", class.observed, class.expected);
            Evidence::value("again", format!("{} times: {words}", class.from))
        };
        self.classes.iter().map(told).collect()
    }
}

/// What the models say of one arm and segment.
pub struct Forecast {
    fact: LoyaltyForecast,
    /// Money per buyer, with the variance of its logarithm.
    pub value: Option<(f64, f64)>,
    /// Why it may not be compared.
    pub unlike: Option<String>,
}

/// All of them, by arm and segment; none unless asked for.
#[derive(Default)]
pub struct Forecasts(BTreeMap<String, BTreeMap<Segment, Forecast>>);

impl Forecasts {
    /// Fits both models to every arm and segment that has enough buyers.
    pub fn new(found: &Found, loyalty: &manifest::Loyalty, settings: &manifest::Measure) -> Self {
        let Some(asked) = loyalty.forecast.as_ref().filter(|_| found.told.values) else { return Self::default() };
        let over = asked.over.as_secs_f64();
        let mut all = Self::default();
        for (arm, cells) in &found.cells {
            for (segment, cell) in cells {
                let mut forecast = of(cell, over, settings);
                forecast.fact.strategy.clone_from(arm);
                forecast.fact.holdout.clone_from(&loyalty.holdout.value);
                forecast.fact.segment = segment.iter().cloned().collect();
                // Counts of one hidden segment would follow from those of the others.
                let sibling = |of: &Segment| {
                    segment.is_some() && of.as_ref().map(|(name, _)| name) == segment.as_ref().map(|(name, _)| name)
                };
                let few = |cell: &Cell| (1..settings.min_cell).contains(&buyers(cell));
                let unknown = segment.as_ref().is_some_and(|(_, value)| !is_known(value));
                if unknown || cells.iter().any(|(of, cell)| sibling(of) && few(cell)) {
                    forecast.fact.withhold();
                }
                all.0.entry(arm.clone()).or_default().insert(segment.clone(), forecast);
            }
        }
        all
    }

    pub fn of(&self, arm: &str, segment: &Segment) -> Option<&Forecast> {
        self.0.get(arm)?.get(segment)
    }

    pub fn facts(&self) -> Vec<LoyaltyForecast> {
        self.0.values().flat_map(BTreeMap::values).map(|forecast| forecast.fact.clone()).collect()
    }
}

impl LoyaltyForecast {
    fn withhold(&mut self) {
        (self.buyers, self.again) = (None, None);
        self.classes.clear();
    }
}

fn buyers(cell: &Cell) -> u64 {
    cell.buyers.iter().map(|of| of.people).sum()
}

fn of(cell: &Cell, seconds: f64, settings: &manifest::Measure) -> Forecast {
    let (level, days) = (settings.level, seconds / 86_400.0);
    let people = buyers(cell);
    let again: u64 = cell.buyers.iter().filter(|of| of.again > 0).map(|of| of.people).sum();
    let suppressed = people < settings.min_cell;
    let mut fact = LoyaltyForecast {
        strategy: String::new(),
        holdout: String::new(),
        segment: BTreeMap::new(),
        over: crate::duration(seconds),
        buyers: Some(people).filter(|_| !suppressed),
        again: Some(again).filter(|_| !suppressed && again >= settings.min_cell),
        reason: None,
        purchases: None,
        spending: None,
        orders: None,
        order_value: None,
        value: None,
        classes: Vec::new(),
        misplaced: None,
        p_value: None,
        correlation: None,
        suppressed,
    };
    let refuse = |mut fact: LoyaltyForecast, reason: &str| {
        fact.reason = Some(reason.to_owned());
        Forecast { fact, value: None, unlike: None }
    };
    if suppressed {
        return Forecast { fact, value: None, unlike: None };
    }
    if again < settings.min_cell {
        return refuse(fact, "too few people ordered again to fit a model");
    }
    let Some(fit) = bg_nbd::fit(&cell.buyers) else {
        return refuse(fact, "the orders do not hold the parameters of BG/NBD");
    };
    let check = fit.check(&cell.buyers, CLASS.max(settings.min_cell) as f64);
    let of = fit.model;
    fact.purchases = Some(Purchases { r: of.r, alpha: of.alpha, a: of.a, b: of.b, log_likelihood: fit.log_likelihood });
    fact.orders = fit.expected(days, level);
    fact.correlation = gamma_gamma::correlation(&cell.spenders);
    if let Some(check) = check {
        (fact.misplaced, fact.p_value) = (Some(check.misplaced), check.p_value);
        let class = |of: bg_nbd::Class| Class { from: of.from, observed: of.observed, expected: of.expected };
        fact.classes = check.classes.into_iter().map(class).collect();
    }
    let spending = gamma_gamma::fit(&cell.spenders);
    let Some((model, (mean, of_mean))) = spending.as_ref().and_then(|model| Some((model, model.mean()?))) else {
        return refuse(fact, "the values of orders do not hold the parameters of the gamma-gamma model");
    };
    let GammaGamma { p, q, v, log_likelihood, .. } = *model;
    fact.spending = Some(Spending { p, q, v, log_likelihood });
    fact.order_value = bg_nbd::on_log_scale(mean, of_mean, level);
    // The two models are fitted apart: the variances of the logarithms add up.
    let whole = |model: &bg_nbd::BgNbd| Some(1.0 + model.expected(days)?);
    let value = whole(&of).zip(fit.log_variance(whole)).map(|(often, of_often)| (often * mean, of_often + of_mean));
    let Some((estimate, variance)) = value else {
        return refuse(fact, "what the model says has no interval");
    };
    fact.value = bg_nbd::on_log_scale(estimate, variance, level);
    let chance = fact.p_value.is_none_or(|p| p >= CHANCE);
    let unlike = if !chance && fact.misplaced.is_some_and(|of| of > MISPLACED) {
        Some("people of an arm do not order again as often as the model of purchases says")
    } else if fact.correlation.is_some_and(|of| of.abs() > TOGETHER) {
        Some("how often people of an arm order goes together with how much, which the model takes to be apart")
    } else {
        None
    };
    Forecast { fact, value, unlike: unlike.map(str::to_owned) }
}
