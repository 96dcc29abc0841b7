//! `measure.loyalty`: who is compared with whom over time, and how long is long.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Manifest;
use super::measure::window;
use crate::error::Problem;
use crate::yaml::{At, Document};

/// Who is compared with whom over time. Spans are like `90d` or `36h`, each counted from a person's own start: the first
/// decision about them, or `enrolled` of `subjects`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Loyalty {
    /// The arm with which all others are compared: people served without personalization, or by the strategy before.
    pub holdout: At<String>,
    /// The column of `subjects` that says a person's arm; default the strategy of the first decision about them.
    pub arm: Option<At<String>>,
    /// The shares in which people were dealt out to the arms, e.g. `{hybrid: 0.9, holdout: 0.1}`; only these are compared.
    /// Default: every arm there is, in equal shares.
    #[serde(default)]
    pub split: BTreeMap<String, At<f64>>,
    /// The day up to which outcomes were handed over whole (it is not counted itself, UTC). Default: the last outcome.
    pub until: Option<NaiveDate>,
    /// How long is at once, for what is sold soon. Default `30d`.
    #[serde(default = "soon", deserialize_with = "window")]
    #[schemars(with = "String")]
    pub soon: Duration,
    /// How long is long, in whole days. Default `90d`.
    #[serde(default = "horizon", deserialize_with = "window")]
    #[schemars(with = "String")]
    pub horizon: Duration,
    /// Within how long of the first order another one counts as a repeat. Default `60d`.
    #[serde(default = "repeat_within", deserialize_with = "window")]
    #[schemars(with = "String")]
    pub repeat_within: Duration,
    /// After how long without any activity a person counts as gone. Default `45d`.
    #[serde(default = "churn_after", deserialize_with = "window")]
    #[schemars(with = "String")]
    pub churn_after: Duration,
    /// What shows that a person is still there.
    #[serde(default)]
    pub active_by: Activity,
    /// What buyers will be worth by a model of their purchases, beside what was observed. Default: no model.
    pub forecast: Option<Forecast>,
    /// Adjusting by what people did before their start (CUPED; Deng, Xu, Kohavi & Walker 2013). Refused: the outcomes from
    /// before are a use of data of their own, for which each person's consent at the start would have to be shown.
    pub cuped: Option<At<bool>>,
    /// From which difference on one matters, over the holdout's number; of `net_promoter_score`, in points of 1. Within it
    /// both sides are practically equal. Default 0.05.
    pub margin: Option<At<f64>>,
    /// The same of single measures, e.g. `{retention: 0.02, net_promoter_score: 0.1}`.
    #[serde(default)]
    pub margins: BTreeMap<String, At<f64>>,
}

/// What buyers will be worth.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forecast {
    /// The model.
    pub model: ForecastModel,
    /// Within how long of the first order. Default `365d`.
    #[serde(default = "year", deserialize_with = "window")]
    #[schemars(with = "String")]
    pub over: Duration,
}

/// A model of purchases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForecastModel {
    /// BG/NBD for how often (Fader, Hardie & Lee 2005), gamma-gamma for how much (Fader & Hardie 2013).
    BgNbd,
}

/// What shows that a person is still there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    #[default]
    Orders,
    /// Orders and visits.
    Visits,
}

const DAY: u64 = 86_400;
/// What is measured, as `margins` names it.
pub const MEASURES: [&str; 9] = [
    "early_revenue",
    "early_order_value",
    "lifetime_value",
    "repeat_rate",
    "retention",
    "days_retained",
    "time_to_next_order",
    "net_promoter_score",
    "forecast_value",
];
const MARGIN: f64 = 0.05;

fn year() -> Duration {
    Duration::from_secs(365 * DAY)
}

fn soon() -> Duration {
    Duration::from_secs(30 * DAY)
}

fn horizon() -> Duration {
    Duration::from_secs(90 * DAY)
}

fn repeat_within() -> Duration {
    Duration::from_secs(60 * DAY)
}

fn churn_after() -> Duration {
    Duration::from_secs(45 * DAY)
}

impl Loyalty {
    /// From which difference of a measure on one matters.
    pub fn margin(&self, measure: &str) -> f64 {
        self.margins.get(measure).or(self.margin.as_ref()).map_or(MARGIN, |margin| margin.value)
    }

    /// The horizon in days, at least 1.
    pub fn horizon_days(&self) -> u64 {
        (self.horizon.as_secs() / DAY).max(1)
    }
}

pub(super) fn check(document: &Document<Manifest>) -> Vec<Problem> {
    let Some(loyalty) = &document.value.measure.loyalty else { return Vec::new() };
    let mut problems = Vec::new();
    let mut wrong = |message: String| problems.push(document.problem(&loyalty.holdout, message));
    let told = |span: Duration| crate::duration(span.as_secs_f64());
    if !loyalty.horizon.as_secs().is_multiple_of(DAY) {
        wrong(format!("`horizon` is {}; expected whole days", told(loyalty.horizon)));
    }
    if loyalty.churn_after >= loyalty.horizon {
        let (after, horizon) = (told(loyalty.churn_after), told(loyalty.horizon));
        wrong(format!("`churn_after` is {after}: within the horizon of {horizon} nobody could ever count as gone"));
    }
    if loyalty.soon > loyalty.horizon {
        wrong(format!(
            "`soon` is {}, which is longer than the horizon of {}",
            told(loyalty.soon),
            told(loyalty.horizon)
        ));
    }
    for (arm, share) in &loyalty.split {
        if !(share.value > 0.0 && share.value <= 1.0) {
            let message = format!("the share of arm `{arm}` is {}; expected above 0 and at most 1", share.value);
            problems.push(document.problem(share, message));
        }
    }
    if let Some(cuped) = loyalty.cuped.as_ref().filter(|cuped| cuped.value) {
        problems.push(document.problem(
            cuped,
            "`cuped` is not done: what people did before their start is a use of data of its own, and no consent to it is \
             replayed; leave it out, intervals are then wider and hold all the same",
        ));
    }
    for margin in loyalty.margin.iter().chain(loyalty.margins.values()) {
        if !(margin.value > 0.0 && margin.value < 1.0) {
            let message = format!("the margin is {}; expected above 0 and below 1", margin.value);
            problems.push(document.problem(margin, message));
        }
    }
    for (measure, margin) in &loyalty.margins {
        if !MEASURES.contains(&measure.as_str()) {
            let problem =
                document.problem(margin, format!("`margins` names `{measure}`, which is no measure of loyalty"));
            problems.push(problem.suggest(measure, MEASURES));
        }
    }
    if let Some(first) = loyalty.split.values().next() {
        let whole: f64 = loyalty.split.values().map(|share| share.value).sum();
        if (whole - 1.0).abs() > 1e-6 {
            problems.push(document.problem(first, format!("the shares of `split` add up to {whole:.4}; expected 1")));
        }
        if !loyalty.split.contains_key(&loyalty.holdout.value) {
            let message = format!("`split` has no share of the holdout `{}`", loyalty.holdout.value);
            let problem = document.problem(&loyalty.holdout, message);
            problems.push(problem.suggest(&loyalty.holdout, loyalty.split.keys()));
        }
        if loyalty.split.len() < 2 {
            problems.push(document.problem(first, "`split` names one arm; expected the holdout and others"));
        }
    }
    problems
}
