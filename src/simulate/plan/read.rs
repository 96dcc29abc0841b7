//! A plan as its file says it, and every reason not to make a shop of it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Effect, FORMAT, Metric, Plan, PromptDefect, WHOLE, What, Whom};
use crate::error::{Problem, Result, all_clear};
use crate::simulate::conduct::{Defect, HYBRID, POPULAR, WEB};
use crate::simulate::items::PROVIDERS;
use crate::simulate::people::ATTRIBUTES;
use crate::yaml::{At, Document};

pub const SIZES: RangeInclusive<usize> = 1..=u32::MAX as usize;

/// What shop `probity simulate` makes: how large, and what is planted in it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// Version of this format: 1.
    #[serde(rename = "probity-shop")]
    format: At<u32>,
    /// Seed of all chance.
    #[serde(default = "seed")]
    seed: u64,
    /// Customers.
    #[serde(default = "subjects")]
    subjects: At<usize>,
    /// Recommendation requests, of ten items each.
    #[serde(default = "decisions")]
    decisions: At<usize>,
    /// What is planted; nothing without any.
    #[serde(default)]
    effects: Vec<Entry>,
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
struct Entry {
    plant: At<Kind>,
    /// Whose decisions it hits; default whoever decides.
    strategy: Option<At<String>>,
    /// Whom it hits, as attribute and value, e.g. `{age_band: 65+}`; default everybody.
    segment: Option<At<BTreeMap<String, At<String>>>>,
    /// What the ratio multiplies; default `click`.
    metric: Option<At<Outcome>>,
    /// Above 0; 1 plants nothing.
    ratio: Option<At<f64>>,
    /// From 0, which plants nothing, to 1.
    share: Option<At<f64>>,
    /// Share of the people whom it reaches at all, and then again and again; default 1.
    among: Option<At<f64>>,
    favoured: Option<At<String>>,
    instead_of: Option<At<String>>,
    defect: Option<At<String>>,
    /// The attribute of people for which an input stands in.
    attribute: Option<At<String>>,
    /// How many people.
    subjects: Option<At<usize>>,
    /// Times the chance to be lost after an order.
    churn: Option<At<f64>>,
    /// Times what is paid for an order.
    order_value: Option<At<f64>>,
    /// Times what everyone together gets today.
    overall: Option<At<f64>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Click,
    Order,
    Revenue,
}

/// What can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Kind {
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
fn keys(kind: Kind) -> (&'static [&'static str], &'static [&'static str]) {
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

pub fn read(path: &Path) -> Result<Plan> {
    checked(&Document::read(path)?)
}

pub fn parse(path: &Path, text: &str) -> Result<Plan> {
    checked(&Document::parse(path, text)?)
}

pub fn wrong_size(name: &str, value: usize) -> String {
    format!("`{name}` is {value}; expected {} to {}", SIZES.start(), SIZES.end())
}

fn checked(document: &Document<File>) -> Result<Plan> {
    let file = &document.value;
    let mut problems = Vec::new();
    if *file.format != FORMAT {
        let message = format!("plan format {} is not known; this program reads {FORMAT}", *file.format);
        problems.push(document.problem(&file.format, message));
    }
    for (name, size) in [("subjects", &file.subjects), ("decisions", &file.decisions)] {
        if !SIZES.contains(&size.value) {
            problems.push(document.problem(size, wrong_size(name, size.value)));
        }
    }
    let mut reader = Reader { document, problems, lines: Vec::new() };
    let effects: Vec<Effect> = file.effects.iter().filter_map(|entry| reader.effect(entry)).collect();
    reader.contradictions(&effects);
    all_clear(reader.problems)?;
    Ok(Plan { seed: file.seed, subjects: *file.subjects, decisions: *file.decisions, effects })
}

struct Reader<'a> {
    document: &'a Document<File>,
    problems: Vec<Problem>,
    /// Where each effect that could be read stands.
    lines: Vec<At<Kind>>,
}

impl Reader<'_> {
    fn wrong<V>(&mut self, at: &At<V>, message: impl Into<String>) {
        self.problems.push(self.document.problem(at, message));
    }

    fn effect(&mut self, entry: &Entry) -> Option<Effect> {
        let before = self.problems.len();
        self.check_keys(entry);
        let whom = Whom { strategy: self.strategy(entry), segment: self.segment(entry) };
        let what = self.what(entry);
        if self.problems.len() > before {
            return None;
        }
        self.lines.push(entry.plant.clone());
        what.map(|what| Effect { what, whom })
    }

    /// Every key that the kind needs is there, and none that says nothing of it.
    fn check_keys(&mut self, entry: &Entry) {
        fn place<V>(name: &'static str, at: &Option<At<V>>) -> Option<(&'static str, At<()>)> {
            at.as_ref().map(|at| (name, At { value: (), line: at.line, column: at.column }))
        }
        let given: Vec<(&str, At<()>)> = [
            place("strategy", &entry.strategy),
            place("segment", &entry.segment),
            place("metric", &entry.metric),
            place("ratio", &entry.ratio),
            place("share", &entry.share),
            place("among", &entry.among),
            place("favoured", &entry.favoured),
            place("instead_of", &entry.instead_of),
            place("defect", &entry.defect),
            place("attribute", &entry.attribute),
            place("subjects", &entry.subjects),
            place("churn", &entry.churn),
            place("order_value", &entry.order_value),
            place("overall", &entry.overall),
        ]
        .into_iter()
        .flatten()
        .collect();
        let (needed, allowed) = keys(*entry.plant);
        for missing in needed.iter().filter(|name| !given.iter().any(|(own, _)| own == *name)) {
            self.wrong(&entry.plant, format!("the key `{missing}` is missing here"));
        }
        for (name, at) in given.iter().filter(|(name, _)| !needed.contains(name) && !allowed.contains(name)) {
            let message = format!("`{name}` says nothing of what is planted here");
            let problem = self.document.problem(at, message);
            let known: Vec<String> = needed.iter().chain(allowed).map(|key| format!("`{key}`")).collect();
            self.problems.push(problem.help(format!("it has the keys {}", known.join(", "))));
        }
    }

    fn strategy(&mut self, entry: &Entry) -> Option<&'static str> {
        let name = entry.strategy.as_ref()?;
        self.one_of(name, "strategy", &[HYBRID, WEB, POPULAR])
    }

    fn one_of(&mut self, at: &At<String>, what: &str, known: &[&'static str]) -> Option<&'static str> {
        let found = known.iter().copied().find(|one| *one == at.value);
        if found.is_none() {
            let problem = self.document.problem(at, format!("the shop has no {what} `{}`", at.value));
            self.problems.push(problem.suggest(&at.value, known));
        }
        found
    }

    fn segment(&mut self, entry: &Entry) -> Vec<(&'static str, &'static str)> {
        let Some(segment) = &entry.segment else { return Vec::new() };
        if segment.is_empty() || segment.len() > 2 {
            self.wrong(segment, "a segment has one attribute or two, e.g. `{age_band: 65+}`");
        }
        let mut found = Vec::new();
        for (name, value) in &segment.value {
            let Some((attribute, values)) = ATTRIBUTES.iter().find(|(own, _)| *own == name.as_str()) else {
                let problem = self.document.problem(value, format!("people of the shop have no attribute `{name}`"));
                self.problems.push(problem.suggest(name, ATTRIBUTES.map(|(own, _)| own)));
                continue;
            };
            found
                .extend(self.one_of(value, &format!("{attribute} of people that is"), values).map(|v| (*attribute, v)));
        }
        found
    }

    fn number(&mut self, name: &str, at: &Option<At<f64>>, range: RangeInclusive<f64>) -> u64 {
        let Some(at) = at else { return 0 };
        if !range.contains(&at.value) {
            let message = format!("`{name}` is {}; expected {} to {}", at.value, range.start(), range.end());
            self.wrong(at, message);
            return 0;
        }
        (at.value * WHOLE as f64).round() as u64
    }

    fn share(&mut self, entry: &Entry) -> u64 {
        self.number("share", &entry.share, 0.0..=1.0)
    }

    fn ratio(&mut self, entry: &Entry) -> u64 {
        self.number("ratio", &entry.ratio, 0.01..=5.0)
    }

    fn what(&mut self, entry: &Entry) -> Option<What> {
        Some(match *entry.plant {
            Kind::Outcome => {
                let metric = match entry.metric.as_ref().map(|at| at.value) {
                    None | Some(Outcome::Click) => Metric::Click,
                    Some(Outcome::Order) => Metric::Order,
                    Some(Outcome::Revenue) => Metric::Revenue,
                };
                What::Outcome { metric, ratio: self.ratio(entry) }
            }
            Kind::Price => What::Price { ratio: self.ratio(entry) },
            Kind::Steering => What::Steering { ratio: self.ratio(entry) },
            Kind::Selection => What::Selection { ratio: self.number("ratio", &entry.ratio, 0.01..=1.5) },
            Kind::Provider => {
                let share = self.share(entry);
                let (favoured, instead_of) = (entry.favoured.as_ref()?, entry.instead_of.as_ref()?);
                if favoured == instead_of {
                    self.wrong(instead_of, format!("`{}` cannot be favoured at its own cost", instead_of.value));
                }
                let favoured = self.one_of(favoured, "provider", &PROVIDERS);
                let instead_of = self.one_of(instead_of, "provider", &PROVIDERS);
                What::Provider { favoured: favoured?, instead_of: instead_of?, share }
            }
            Kind::BestSellers => What::BestSellers { share: self.share(entry) },
            Kind::OffTaste => What::OffTaste { share: self.share(entry) },
            Kind::Consent => {
                let share = self.share(entry);
                let among = match &entry.among {
                    Some(_) => self.number("among", &entry.among, 0.0..=1.0),
                    None => WHOLE,
                };
                let name =
                    self.one_of(entry.defect.as_ref()?, "defect of consent", &Defect::OF_CONSENT.map(|d| d.id()));
                let defect = Defect::OF_CONSENT.into_iter().find(|defect| Some(defect.id()) == name)?;
                What::Consent { defect, share, among }
            }
            Kind::UndeclaredStrategy => What::UndeclaredStrategy { share: self.share(entry) },
            Kind::UnmappedInput => What::UnmappedInput { share: self.share(entry) },
            Kind::PersonalData => What::PersonalData { share: self.share(entry) },
            Kind::Unexplained => What::Unexplained { share: self.share(entry) },
            Kind::Minors => What::Minors { share: self.share(entry) },
            Kind::PrivacySignal => What::PrivacySignal { share: self.share(entry) },
            Kind::Proxy => {
                let share = self.share(entry);
                let known = ATTRIBUTES.map(|(name, _)| name);
                What::Proxy { attribute: self.one_of(entry.attribute.as_ref()?, "attribute of people", &known)?, share }
            }
            Kind::Prompt => {
                let share = self.share(entry);
                let known = PromptDefect::ALL.map(PromptDefect::id);
                let name = self.one_of(entry.defect.as_ref()?, "defect of questions", &known);
                let defect = PromptDefect::ALL.into_iter().find(|defect| Some(defect.id()) == name)?;
                What::Prompt { defect, share }
            }
            Kind::SmallSegment => {
                let subjects = entry.subjects.as_ref()?;
                if !(1..=1_000).contains(&subjects.value) {
                    self.wrong(subjects, format!("`subjects` is {}; expected 1 to 1000", subjects.value));
                }
                self.small_region(entry);
                What::SmallSegment { subjects: subjects.value }
            }
            Kind::Loyalty => What::Loyalty {
                churn: self.number("churn", &entry.churn, 0.1..=8.0),
                order_value: self.number("order_value", &entry.order_value, 0.1..=5.0),
            },
            Kind::Allocation => What::Allocation { ratio: self.number("ratio", &entry.ratio, 0.1..=3.0) },
            Kind::Candidate => What::Candidate {
                overall: self.number("overall", &entry.overall, 0.3..=1.9),
                ratio: self.number("ratio", &entry.ratio, 0.3..=1.9),
            },
        })
    }

    fn small_region(&mut self, entry: &Entry) {
        let Some(segment) = &entry.segment else { return };
        let small = segment.iter().all(|(name, value)| name == "region" && SMALL.contains(&value.as_str()));
        if !small {
            let known = SMALL.map(|name| format!("`{{region: {name}}}`")).join(" or ");
            self.wrong(segment, format!("only some regions can be small; expected {known}"));
        }
    }
}

/// Regions where nobody lives unless they are planted.
pub const SMALL: [&str; 2] = ["alps", "islands"];

impl Reader<'_> {
    /// Effects that say two things of the same, and such that nobody can feel.
    fn contradictions(&mut self, effects: &[Effect]) {
        if self.lines.len() < self.document.value.effects.len() {
            return; // Something is wrong already, and what is left of the plan is not what was meant.
        }
        let lines = std::mem::take(&mut self.lines);
        for (at, (effect, line)) in effects.iter().zip(&lines).enumerate() {
            if let Some(first) = effects[..at].iter().position(|other| other.same_as(effect)) {
                let message = format!("line {} plants the same with another size, or a second time", lines[first].line);
                self.wrong(line, message);
            }
            let nobody = effect.whom.segment.iter().find(|(_, value)| SMALL.contains(value));
            if let Some((attribute, value)) = nobody {
                let lives = |other: &Effect| {
                    matches!(other.what, What::SmallSegment { .. }) && other.whom.segment == [(*attribute, *value)]
                };
                if !effects.iter().any(lives) {
                    let problem = self.document.problem(line, format!("nobody lives in the region `{value}`"));
                    let help =
                        format!("plant it first: `plant: small-segment, segment: {{region: {value}}}, subjects: 45`");
                    self.problems.push(problem.help(help));
                }
            }
        }
    }
}

impl Effect {
    /// Whether both plant the same, whatever their sizes, or one undoes the other.
    fn same_as(&self, other: &Self) -> bool {
        let alike = self.whom == other.whom;
        match (&self.what, &other.what) {
            (What::Outcome { metric: one, .. }, What::Outcome { metric: two, .. }) => one == two && alike,
            (
                What::Provider { favoured, instead_of, .. },
                What::Provider { favoured: other_favoured, instead_of: other_instead, .. },
            ) => {
                let meet = |one: Option<&str>, two: Option<&str>| one.is_none() || two.is_none() || one == two;
                let together = meet(self.whom.strategy, other.whom.strategy);
                let undone = favoured == other_instead || instead_of == other_favoured;
                together && (undone || instead_of == other_instead)
            }
            (What::Consent { defect: one, .. }, What::Consent { defect: two, .. }) => one == two,
            (What::Prompt { defect: one, .. }, What::Prompt { defect: two, .. }) => one == two,
            (What::Proxy { .. }, What::Proxy { .. })
            | (What::Allocation { .. }, What::Allocation { .. })
            | (What::Candidate { .. }, What::Candidate { .. }) => true,
            (one, two) => std::mem::discriminant(one) == std::mem::discriminant(two) && alike,
        }
    }
}
