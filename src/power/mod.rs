//! Could the audit have seen it? For a log as it is: the smallest difference, and the fewest decisions without consent,
//! that each rule would catch as often as is asked.
//!
//! The log is read, replayed and measured as an audit does it. Of what rules judge, plans then fetch the shape only
//! ([`crate::replay::shapes`]), from which samples of people are drawn with more or less of an outcome
//! ([`population`]). In each sample the fact is measured with the very functions of the audit, and the very rule is
//! asked of it ([`Trial`]); the size at which it fails in the wanted share of samples is the answer. Nothing is said
//! about the log itself.
//!
//! Simplifications: other comparisons of a family keep their observed p-values; a segment keeps its people and rows,
//! and what is changed is how often an outcome happens, not to whom.

mod allocation;
mod decisions;
mod left;
mod number;
mod outcomes;
pub mod population;
mod search;
mod selection;
#[cfg(test)]
mod tests;
pub mod text;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use schemars::JsonSchema;
use serde::Serialize;

use crate::audit::{Measured, Options};
use crate::error::Result;
use crate::facts::measured::about;
use crate::rules::trial::Trial;

use number::Number;
pub use search::Side;
use search::{Found, Search};

/// Version of the JSON.
pub const SCHEMA_VERSION: &str = "1";

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The share of samples in which a rule has to fail, between 0 and 1.
    pub power: f64,
    pub simulations: usize,
    /// Default the manifest's.
    pub seed: Option<u64>,
}

/// The same, with the seed that is used.
#[derive(Debug, Clone, Copy)]
struct Sampling {
    power: f64,
    simulations: usize,
    seed: u64,
}

impl Sampling {
    /// One standard error of a share of samples.
    fn error(&self, share: f64) -> f64 {
        (share * (1.0 - share) / self.simulations as f64).sqrt()
    }
}

/// What the audit of a log could have seen.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Power {
    pub schema_version: String,
    pub system: String,
    /// The share of samples in which a rule has to fail.
    pub power: f64,
    pub simulations: usize,
    pub seed: u64,
    /// Decisions of the log; null without a log.
    pub decisions: Option<u64>,
    /// Rules on measured numbers, by rule and strategy.
    pub differences: Vec<Difference>,
    /// Rules on what was done without consent, by rule and strategy.
    pub events: Vec<Decisions>,
    /// Rules that are not simulated, and why.
    pub not_simulated: Vec<NotSimulated>,
}

/// The smallest size that is caught as often as is asked.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Seen {
    pub size: f64,
    /// The share of samples in which the rule failed at this size.
    pub probability: f64,
    /// One standard error of that share, by the number of samples.
    pub error: f64,
}

/// A rule beside one measured number.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Difference {
    pub rule: String,
    pub pack: String,
    pub strategy: String,
    /// The kind of fact.
    pub kind: String,
    /// What identifies the fact.
    pub about: BTreeMap<String, String>,
    /// The same in words.
    pub says: String,
    /// The number, e.g. `ratio`; 1 is where nobody is treated otherwise.
    pub measure: String,
    pub side: Side,
    /// Past this the rule fails when nobody doubts the number.
    pub bound: f64,
    /// As it was measured.
    pub observed: Option<f64>,
    /// Units of the segment that it was measured on; null when their number is withheld.
    pub units: Option<u64>,
    /// What they are: `people` or `rows`.
    pub unit: String,
    /// Null when not even `tried` would be seen.
    pub seen: Option<Seen>,
    /// The largest effect that was tried.
    pub tried: f64,
    /// Units that it would take, at this mix and beside this reference, for the rule to pass a segment that is treated
    /// alike, as often as is asked; null when the rule never passes, when their number is withheld, or when no size
    /// suffices.
    pub units_to_pass: Option<u64>,
}

/// A rule beside one use or combination of data.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Decisions {
    pub rule: String,
    pub pack: String,
    pub strategy: String,
    pub kind: String,
    pub about: BTreeMap<String, String>,
    pub says: String,
    /// What is counted, e.g. `decisions without consent`.
    pub of: String,
    /// So many of them, at random, would be seen; null when all of them would not.
    pub seen: Option<Seen>,
    pub hidden: Hidden,
}

/// What keeps decisions from being judged.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Hidden {
    /// Decisions of this use.
    pub events: u64,
    /// The share of decisions, drawn at random, in which it would not show.
    pub share: f64,
    /// The share of rows that could not be read.
    pub rejected_share: f64,
    pub events_before_policy: u64,
    pub events_in_grace: u64,
    pub events_unknown: u64,
    pub subjects: u64,
    /// People in no consent record: whatever was done to them hides.
    pub subjects_unknown: u64,
}

/// A rule that is not simulated.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct NotSimulated {
    pub rule: String,
    pub pack: String,
    /// The kind of fact that it judges.
    pub kind: String,
    /// Facts of that kind.
    pub facts: usize,
    pub reason: String,
}

/// Works out what the audit that `manifest` describes could have seen.
pub async fn power(manifest: &Path, options: &Options, wanted: &Wanted) -> Result<Power> {
    let measured = Measured::read(manifest, options).await?;
    options.progress.start("finding the shape of the log", 0);
    let (shapes, tables) = (measured.shapes().await?, measured.selections().await?);
    options.progress.start("simulating", 0);
    let (facts, measure, context) = (&measured.facts, &measured.manifest().measure, measured.context());
    let Wanted { power, simulations, seed } = *wanted;
    let sampling = Sampling { power, simulations, seed: seed.unwrap_or(measure.seed) };
    let nobody = Default::default();
    let segments = measured.segments.as_ref().unwrap_or(&nobody);
    let mut numbers: Vec<Box<dyn Number + '_>> = Vec::new();
    let boxed = |number| Box::new(number) as Box<dyn Number>;
    numbers.extend(outcomes::numbers(facts, &shapes, measure).into_iter().map(boxed));
    numbers.extend(selection::numbers(facts, &tables, segments, measure).into_iter().map(|of| Box::new(of) as _));
    numbers.extend(allocation::numbers(facts).into_iter().map(|of| Box::new(of) as _));
    let trials = Trial::all(measured.packs(), &context)?;
    let mut differences = search_all(&numbers, &trials, &sampling)?;
    let mut events = decisions::search(&trials, facts, &sampling)?;
    differences.sort_by(|a, b| (&a.rule, &a.strategy).cmp(&(&b.rule, &b.strategy)));
    events.sort_by(|a, b| (&a.rule, &a.strategy).cmp(&(&b.rule, &b.strategy)));
    let not_simulated = left::rules(&trials, facts, &differences, &events);
    options.progress.finish();
    Ok(Power {
        schema_version: SCHEMA_VERSION.to_owned(),
        system: context.system,
        power,
        simulations,
        seed: sampling.seed,
        decisions: measured.decisions(),
        differences,
        events,
        not_simulated,
    })
}

/// Every rule beside every number that it judges, on all cores. What comes of it does not depend on how many there are.
fn search_all(numbers: &[Box<dyn Number + '_>], trials: &[Trial<'_>], sampling: &Sampling) -> Result<Vec<Difference>> {
    let pairs = numbers.iter().enumerate().flat_map(|(stream, number)| {
        let judging = trials.iter().filter(|trial| trial.kind() == number.fact().kind());
        judging.map(move |trial| Search { trial, number: &**number, sampling, stream: stream as u64 })
    });
    let pairs: Vec<Search<'_>> = pairs.collect();
    let (next, found) = (Mutex::new(0..pairs.len()), Mutex::new(BTreeMap::new()));
    let work = || {
        while let Some(index) = next.lock().ok().and_then(|mut next| next.next()) {
            let of = pairs[index].differences();
            if let Ok(mut found) = found.lock() {
                found.insert(index, of);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
        work();
    });
    let found = found.into_inner().unwrap_or_default();
    Ok(found.into_values().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

impl Search<'_> {
    fn differences(&self) -> Result<Vec<Difference>> {
        let fact = self.number.fact();
        let sides = self.sides()?;
        let units_to_pass = if sides.is_empty() { None } else { self.units_to_pass()? };
        let difference = |Found { side, bound, seen, tried }: Found| Difference {
            rule: self.trial.rule.rule.id.value.clone(),
            pack: self.trial.pack.to_owned(),
            strategy: about(fact).remove("strategy").unwrap_or_default(),
            kind: fact.kind().to_owned(),
            about: about(fact),
            says: self.number.says(),
            measure: self.number.measure().to_owned(),
            side,
            bound: (bound * 1e6).round() / 1e6,
            observed: self.number.observed(),
            units: self.number.units(),
            unit: if self.number.of_people() { "people" } else { "rows" }.to_owned(),
            seen,
            tried,
            units_to_pass,
        };
        Ok(sides.into_iter().map(difference).collect())
    }
}
