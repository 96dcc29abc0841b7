//! The plan as its file says it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::yaml::At;

/// What shop `probity simulate` makes: how large, and what is planted in it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Version of this format: 1.
    #[serde(rename = "probity-shop")]
    pub format: At<u32>,
    /// Seed of all chance.
    #[serde(default = "seed")]
    pub seed: u64,
    /// Customers.
    #[serde(default = "subjects")]
    pub subjects: At<usize>,
    /// Recommendation requests, of ten items each.
    #[serde(default = "decisions")]
    pub decisions: At<usize>,
    /// What is planted; nothing without any.
    #[serde(default)]
    pub effects: Vec<Entry>,
}

fn seed() -> u64 {
    20
}

fn subjects() -> At<usize> {
    At { value: 3_000, line: 0, column: 0 }
}

fn decisions() -> At<usize> {
    At { value: 20_000, line: 0, column: 0 }
}

/// One thing that is planted. Which of the keys it has depends on `plant`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub plant: At<Kind>,
    /// Whose decisions it hits; default whoever decides.
    pub strategy: Option<At<String>>,
    /// Whom it hits, as attribute and value, e.g. `{age_band: 65+}`; default everybody.
    pub segment: Option<At<BTreeMap<String, At<String>>>>,
    /// What the ratio multiplies; default `click`.
    pub metric: Option<At<Outcome>>,
    /// Above 0; 1 plants nothing.
    pub ratio: Option<At<f64>>,
    /// From 0, which plants nothing, to 1.
    pub share: Option<At<f64>>,
    /// Share of the people whom it reaches at all, and then again and again; default 1.
    pub among: Option<At<f64>>,
    pub favoured: Option<At<String>>,
    pub instead_of: Option<At<String>>,
    pub defect: Option<At<String>>,
    /// The attribute of people for which an input stands in.
    pub attribute: Option<At<String>>,
    /// How many people.
    pub subjects: Option<At<usize>>,
    /// Times the chance to be lost after an order.
    pub churn: Option<At<f64>>,
    /// Times what is paid for an order.
    pub order_value: Option<At<f64>>,
    /// Times what everyone together gets today.
    pub overall: Option<At<f64>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Click,
    Order,
    Revenue,
}

/// What can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// People of a segment click, order or pay `ratio` times as often, or as much.
    Outcome,
    /// They are shown `ratio` times the price of the same item.
    Price,
    /// They are shown articles whose list price is about `ratio` times as high.
    Steering,
    /// A share of one provider's places goes to another provider.
    Provider,
    /// A share of the places goes to best sellers.
    BestSellers,
    /// A share of the places goes to articles of other categories than a person's own.
    OffTaste,
    /// What would suit them is moved forward `ratio` times as often.
    Selection,
    /// Data is used without consent, in one of several ways.
    Consent,
    /// A strategy that nobody declared decides, on a share of the decisions of two weeks in April.
    UndeclaredStrategy,
    /// A share of what `web-behaviour` decides from May on reads a field that nobody mapped.
    UnmappedInput,
    /// A share of the log's rows has an e-mail address in a column that declares none.
    PersonalData,
    /// A share of the decisions comes without an explanation.
    Unexplained,
    /// A share of the people are minors, who are profiled as everybody is.
    Minors,
    /// A share of the Californians send the Global Privacy Control, which is ignored.
    PrivacySignal,
    /// The loyalty tier, an input of `home-hybrid`, tells an attribute for a share of the people.
    Proxy,
    /// A share of the questions for consent is put unfairly.
    Prompt,
    /// A region of so few people.
    SmallSegment,
    /// Those who are personalized are lost, and pay, `churn` and `order_value` times as those who are not.
    Loyalty,
    /// The arm without personalization has `ratio` times the people that were dealt to it.
    Allocation,
    /// A candidate for the spotlight gives `overall` times the clicks of today, and a segment `ratio` times its own.
    Candidate,
}

/// The keys that a kind must have, and those that it may have.
pub fn keys(kind: Kind) -> (&'static [&'static str], &'static [&'static str]) {
    match kind {
        Kind::Outcome => (&["segment", "ratio"], &["strategy", "metric"]),
        Kind::Price | Kind::Steering => (&["segment", "ratio"], &["strategy"]),
        Kind::Selection => (&["segment", "ratio"], &[]),
        Kind::Provider => (&["favoured", "instead_of", "share"], &["strategy", "segment"]),
        Kind::BestSellers | Kind::OffTaste => (&["segment", "share"], &["strategy"]),
        Kind::Consent => (&["defect", "share"], &["among"]),
        Kind::Unexplained => (&["share"], &["strategy", "segment"]),
        Kind::UndeclaredStrategy | Kind::UnmappedInput | Kind::PersonalData | Kind::Minors | Kind::PrivacySignal => {
            (&["share"], &[])
        }
        Kind::Proxy => (&["attribute", "share"], &[]),
        Kind::Prompt => (&["defect", "share"], &[]),
        Kind::SmallSegment => (&["segment", "subjects"], &[]),
        Kind::Loyalty => (&["churn", "order_value"], &["segment"]),
        Kind::Allocation => (&["ratio"], &[]),
        Kind::Candidate => (&["overall", "segment", "ratio"], &[]),
    }
}
