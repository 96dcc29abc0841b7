//! What became of the uses of data on the way from a decision to consent, and how long a no took to be heard.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::view::States;
use crate::facts::Fact;
use crate::facts::data_use::DataUse;
use crate::outputs::charts::level;
use crate::outputs::charts::time::{Span, axis, delay};
use crate::record::Record;

/// Uses of data from first to last step. A use is one decision that used one category of data.
#[derive(Debug, Serialize)]
pub struct Funnel<'a> {
    /// `None` for all together.
    pub strategy: Option<&'a str>,
    pub stages: Vec<Stage>,
}

#[derive(Debug, Serialize)]
pub struct Stage {
    pub words: &'static str,
    /// Part of the stage before, or one of several parts that end it.
    pub ends: bool,
    pub count: u64,
    /// Share of the uses that need consent; null for those that do not.
    pub share: Option<f64>,
    pub bar: String,
}

/// How long one use of data went on after a no.
#[derive(Debug, Serialize)]
pub struct Delayed<'a> {
    pub index: usize,
    pub fact: &'a DataUse,
    pub state: &'static str,
    pub plot: String,
}

#[derive(Debug, Serialize)]
pub struct Delays<'a> {
    pub axis: String,
    pub rows: Vec<Delayed<'a>>,
}

/// Sums over the uses of one funnel.
#[derive(Default)]
struct Sums {
    all: u64,
    before: u64,
    other: u64,
    unknown: u64,
    permitted: u64,
    grace: u64,
    withdrawn: u64,
    without: u64,
}

impl Sums {
    fn add(&mut self, of: &DataUse) {
        let counts = &of.counts;
        self.all += counts.events;
        self.before += counts.events_before_policy;
        if !of.special && !matches!(of.basis.as_str(), "consent" | "explicit_consent") {
            self.other += counts.events.saturating_sub(counts.events_before_policy);
            return;
        }
        self.unknown += counts.events_unknown;
        self.permitted += counts.events_permitted;
        self.grace += counts.events_in_grace;
        self.withdrawn += counts.events_after_withdrawal;
        self.without += counts.events_without_consent.saturating_sub(counts.events_after_withdrawal);
    }

    fn stages(&self) -> Vec<Stage> {
        let asked = self.unknown + self.permitted + self.grace + self.withdrawn + self.without;
        let stage = |words, ends, class: &str, count: u64| Stage {
            words,
            ends,
            count,
            share: (asked > 0).then(|| count as f64 / asked as f64),
            bar: level(class, count, self.all),
        };
        let outside = |words, count| Stage { share: None, ..stage(words, true, "before", count) };
        let mut stages = vec![Stage { share: None, ..stage("All uses of data about people", false, "many", self.all) }];
        if self.before > 0 {
            stages.push(outside("before the policy took effect: not judged", self.before));
        }
        if self.other > 0 {
            stages.push(outside("on another ground than consent, or on none", self.other));
        }
        stages.extend([
            stage("Uses that need consent", false, "many", asked),
            stage("of a person in no consent record", true, "unknown", self.unknown),
            stage("Uses of a person in a consent record", false, "many", asked - self.unknown),
            stage("permitted: a yes was in force", true, "permitted", self.permitted),
            stage("in grace: the no was young enough", true, "grace", self.grace),
            stage("after a no, and past the grace", true, "without", self.withdrawn),
            stage("otherwise without consent", true, "without", self.without),
        ]);
        stages
    }
}

/// A funnel over everything, and one per strategy where there are several.
pub fn funnels(record: &Record) -> Vec<Funnel<'_>> {
    let mut strategies: BTreeMap<&str, Sums> = BTreeMap::new();
    let mut all = Sums::default();
    for fact in &record.facts {
        if let Fact::DataUse(of) = fact {
            all.add(of);
            strategies.entry(&of.strategy).or_default().add(of);
        }
    }
    if all.all == 0 {
        return Vec::new();
    }
    let mut funnels = vec![Funnel { strategy: None, stages: all.stages() }];
    if strategies.len() > 1 {
        let each = strategies.iter();
        funnels.extend(each.map(|(strategy, sums)| Funnel { strategy: Some(*strategy), stages: sums.stages() }));
    }
    funnels
}

/// Uses that went on after a no, the longest first; `None` where there are none.
pub fn delays<'a>(record: &'a Record, states: &States) -> Option<Delays<'a>> {
    let mut found = Vec::new();
    for (index, fact) in record.facts.iter().enumerate() {
        if let Fact::DataUse(fact) = fact
            && let Some(of) = &fact.counts.withdrawal_delay
        {
            found.push((index, fact, [of.median_seconds, of.p95_seconds, of.max_seconds]));
        }
    }
    found.sort_by_key(|(index, fact, [_, _, max])| (Reverse((max * 1e3) as u64), fact.strategy.as_str(), *index));
    let span = Span::around(found.iter().flat_map(|(_, fact, of)| of.iter().copied().chain([fact.grace_seconds])));
    let rows: Vec<_> = found
        .into_iter()
        .map(|(index, fact, of)| {
            let label = format!("{} by {}", fact.category, fact.strategy);
            Delayed { index, fact, state: states.of(index), plot: delay(span, &label, of, fact.grace_seconds) }
        })
        .collect();
    (!rows.is_empty()).then(|| Delays { axis: axis(span), rows })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outputs::sample;

    /// Whatever enters the funnel leaves it: each step is the sum of the parts that follow it.
    #[test]
    fn nothing_is_lost_on_the_way() {
        let record = sample::record();
        let funnels = funnels(&record);
        let all = &funnels[0];
        let steps: Vec<(usize, u64)> =
            all.stages.iter().enumerate().filter(|(_, stage)| !stage.ends).map(|(i, stage)| (i, stage.count)).collect();
        for pair in steps.windows(2) {
            let lost: u64 = all.stages[pair[0].0 + 1..pair[1].0].iter().map(|stage| stage.count).sum();
            assert_eq!(pair[0].1, pair[1].1 + lost, "{:?}", all.stages[pair[0].0]);
        }
        let (last, count) = steps[steps.len() - 1];
        assert_eq!(count, all.stages[last + 1..].iter().map(|stage| stage.count).sum::<u64>());
        let used: u64 =
            record.facts.iter().map(|fact| if let Fact::DataUse(of) = fact { of.counts.events } else { 0 }).sum();
        assert_eq!(all.stages[0].count, used);
    }
}
