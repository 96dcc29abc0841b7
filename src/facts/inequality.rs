//! `inequality`: how unequally what a strategy does for people is spread over them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FactKind;
use crate::findings::Evidence;
use crate::manifest::Measure;
use crate::replay::inequality::{Buckets, Spread};
use crate::stats::inequality::{self, Gini, Sums};
use crate::stats::{Interval, Scale, jackknife};

/// One benefit under one strategy. All indices are 0 where everybody has the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Inequality {
    pub strategy: String,
    /// `clicks`, `conversions` or `revenue`, each in total per person.
    pub benefit: String,
    pub state: State,
    /// People the strategy decided about.
    pub subjects: Option<u64>,
    /// Per person; revenue in the log's currency.
    pub mean: Option<f64>,
    /// The share of people who have nothing, 0 to 1.
    pub share_without: Option<f64>,
    /// Generalised entropy of order 2, half the squared coefficient of variation.
    pub entropy_2: Option<Index>,
    /// Theil's T, 0 to ln N.
    pub theil_t: Option<Index>,
    /// Theil's L, the mean log deviation; null where somebody has nothing, since it has no bound there.
    pub theil_l: Option<Index>,
    /// Atkinson's index with aversion 0.5, 0 to 1.
    pub atkinson_half: Option<Index>,
    /// Standard deviation over mean.
    pub variation: Option<Index>,
    /// Gini coefficient of these people, 0 to 1 - 1/N.
    pub gini_n: Option<f64>,
    /// The same over pairs of different people, 0 to 1: `gini_n` times N/(N - 1).
    pub gini_n1: Option<f64>,
    /// How much of Theil's T lies between the segments of each attribute.
    pub between: Vec<Between>,
}

/// What could be worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Measured,
    /// Fewer than `min_cell` people.
    Suppressed,
    /// Nobody has anything, so that there is nothing to spread.
    Nothing,
    /// Somebody has less than nothing, for which the indices are not made.
    Negative,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Index {
    pub value: f64,
    /// Null where nothing varies.
    pub interval: Option<Interval>,
}

/// Theil's T taken apart: what is left when everybody has the mean of their segment, and the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Between {
    pub attribute: String,
    /// Segments, people of unknown attribute counting as one.
    pub segments: u64,
    /// Theil's T between segments.
    pub theil_t: f64,
    /// `theil_t` over the whole Theil's T, 0 to 1; the rest lies within segments.
    pub share: Option<Index>,
    /// The share that segments of these sizes would have by chance alone.
    pub by_chance: Option<f64>,
}

impl FactKind for Inequality {
    const NAME: &'static str = "inequality";
    const DOC: &'static str = include_str!("inequality.md");
    const MEASURES: &'static [&'static str] =
        &["entropy_2", "theil_t", "theil_l", "atkinson_half", "variation", "gini_n", "gini_n1"];
    const NEEDS_LOG: bool = true;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([("strategy", self.strategy.clone()), ("benefit", self.benefit.clone())])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let share = |of: &Between| Some((of.attribute.clone(), of.share.as_ref()?.value));
        let told = self.between.iter().filter_map(share);
        told.map(|(name, share)| Evidence::value("between segments", format!("{:.1}% by {name}", share * 100.0)))
            .collect()
    }
}

/// Below this, Theil's T is what rounding makes of people who all have the same.
const ALIKE: f64 = 1e-12;

/// Works out the indices of every strategy and benefit.
pub fn measure(spreads: &[Spread], measure: &Measure) -> Vec<Inequality> {
    spreads.iter().map(|spread| of_spread(spread, measure)).collect()
}

fn of_spread(spread: &Spread, measure: &Measure) -> Inequality {
    let groups: Vec<Vec<f64>> = spread.buckets.values().map(|sums| sums.columns().to_vec()).collect();
    let whole = total(&groups);
    let state = match () {
        () if whole.people < measure.min_cell as f64 => State::Suppressed,
        () if spread.negative > 0 => State::Negative,
        () if whole.total <= 0.0 => State::Nothing,
        () => State::Measured,
    };
    let (shown, measured) = (state != State::Suppressed, state == State::Measured);
    let index = |of: fn(&Sums) -> Option<f64>| {
        let value = of(&whole).filter(|_| measured)?;
        let found = jackknife(&groups, Scale::Log, |columns| of(&Sums::of_columns(columns)?));
        Some(Index { value, interval: found.and_then(|found| found.interval(measure.level)) })
    };
    let gini = |variant| inequality::gini(spread.ranked, whole.total, whole.people, variant).filter(|_| measured);
    let apart = spread.groups.iter().filter(|_| measured);
    Inequality {
        strategy: spread.strategy.clone(),
        benefit: spread.benefit.to_owned(),
        state,
        subjects: shown.then_some(whole.people as u64),
        mean: shown.then(|| whole.total / whole.people),
        share_without: shown.then(|| whole.zeros / whole.people),
        entropy_2: index(Sums::entropy_2),
        theil_t: index(Sums::theil_t),
        theil_l: index(Sums::theil_l),
        atkinson_half: index(Sums::atkinson),
        variation: index(Sums::variation),
        gini_n: gini(Gini::Population),
        gini_n1: gini(Gini::Unbiased),
        between: apart.filter_map(|(attribute, values)| between(attribute, values, spread, measure)).collect(),
    }
}

fn total(groups: &[Vec<f64>]) -> Sums {
    let mut columns = [0.0; 7];
    for group in groups {
        for (sum, own) in columns.iter_mut().zip(group) {
            *sum += own;
        }
    }
    Sums::of_columns(&columns).unwrap_or_default()
}

/// Columns of a group of people: their sums, then people and total of each segment.
fn between(attribute: &str, values: &BTreeMap<String, Buckets>, spread: &Spread, measure: &Measure) -> Option<Between> {
    let columns = |(bucket, sums): (&String, &Sums)| -> Vec<f64> {
        let parts = values.values().flat_map(|buckets| {
            let (people, total) = buckets.get(bucket).copied().unwrap_or_default();
            [people, total]
        });
        sums.columns().into_iter().chain(parts).collect()
    };
    let groups: Vec<Vec<f64>> = spread.buckets.iter().map(columns).collect();
    let parts = |columns: &[f64]| -> Vec<(f64, f64)> {
        columns[Sums::default().columns().len()..].chunks_exact(2).map(|part| (part[0], part[1])).collect()
    };
    let share = |columns: &[f64]| {
        let theil = Sums::of_columns(columns)?.theil_t()?;
        let between = inequality::between(&parts(columns))?;
        (theil > ALIKE).then(|| (between / theil).min(1.0))
    };
    let mut sums = vec![0.0; groups.first()?.len()];
    for group in &groups {
        for (sum, own) in sums.iter_mut().zip(group) {
            *sum += own;
        }
    }
    let whole = Sums::of_columns(&sums)?;
    let found = jackknife(&groups, Scale::Log, share);
    let theil = whole.theil_t().filter(|theil| *theil > ALIKE);
    Some(Between {
        attribute: attribute.to_owned(),
        segments: values.len() as u64,
        theil_t: inequality::between(&parts(&sums))?,
        share: share(&sums)
            .map(|value| Index { value, interval: found.and_then(|found| found.interval(measure.level)) }),
        by_chance: theil.zip(whole.entropy_2()).map(|(theil, entropy)| {
            // The means of k segments of N people alike vary by CV²·(k - 1)/N, of which Theil's T is half.
            (entropy * (values.len() as f64 - 1.0) / whole.people / theil).min(1.0)
        }),
    })
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore, SeedableRng};

    use super::*;
    use crate::stats::inequality::tests::sums;

    /// People with a bucket, a segment and an amount.
    fn spread(people: &[(usize, &str, f64)]) -> Spread {
        let mut buckets: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        let mut values: BTreeMap<String, Buckets> = BTreeMap::new();
        for (bucket, value, amount) in people {
            let bucket = format!("{bucket:02x}");
            buckets.entry(bucket.clone()).or_default().push(*amount);
            let own = values.entry((*value).to_owned()).or_default().entry(bucket).or_default();
            *own = (own.0 + 1.0, own.1 + amount);
        }
        Spread {
            strategy: "for-you".into(),
            benefit: "clicks",
            negative: people.iter().filter(|person| person.2 < 0.0).count() as u64,
            buckets: buckets.into_iter().map(|(bucket, amounts)| (bucket, sums(&amounts))).collect(),
            groups: BTreeMap::from([("age_band".to_owned(), values)]),
            ranked: 0.0,
        }
    }

    fn settings() -> Measure {
        Measure { min_cell: 1, ..Measure::default() }
    }

    #[test]
    fn what_cannot_be_spread_is_said() {
        let state = |people: &[(usize, &str, f64)], min_cell| {
            let fact = of_spread(&spread(people), &Measure { min_cell, ..Measure::default() });
            assert!(fact.entropy_2.is_none() && fact.gini_n.is_none() && fact.between.is_empty());
            fact.state
        };
        assert_eq!(state(&[(0, "a", 1.0), (1, "b", 2.0)], 3), State::Suppressed);
        assert_eq!(state(&[(0, "a", 0.0), (1, "b", 0.0)], 1), State::Nothing);
        assert_eq!(state(&[(0, "a", 3.0), (1, "b", -1.0)], 1), State::Negative);
        // All alike: the indices are 0, and no interval can be told.
        let alike = of_spread(&spread(&[(0, "a", 2.0), (1, "b", 2.0), (2, "a", 2.0)]), &settings());
        assert_eq!(alike.entropy_2, Some(Index { value: 0.0, interval: None }));
        assert_eq!(alike.between[0].share, None);
    }

    /// Amounts that are exponential with mean 1, for which Theil's T is 1 − γ (0.4228) and the entropy of order 2 is ½;
    /// segments do not matter. 95 % intervals hold the truth in 91 to 98 % of 400 samples, and the share between segments
    /// is on average what chance makes of it.
    #[test]
    fn intervals_cover_and_chance_is_told() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut uniform = move || ((rng.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        let (samples, mut covered, mut share, mut chance) = (400, 0, 0.0, 0.0);
        for _ in 0..samples {
            let people: Vec<(usize, &str, f64)> = (0..3_000)
                .map(|_| {
                    let segment = ["a", "b", "c", "d"][(uniform() * 4.0) as usize];
                    ((uniform() * 256.0) as usize, segment, -uniform().ln())
                })
                .collect();
            let fact = of_spread(&spread(&people), &settings());
            let interval = fact.theil_t.unwrap().interval.unwrap();
            covered += u32::from(interval.low <= 0.422_784_335 && 0.422_784_335 <= interval.high);
            share += fact.between[0].share.as_ref().unwrap().value;
            chance += fact.between[0].by_chance.unwrap();
        }
        let covered = f64::from(covered) / f64::from(samples);
        assert!((0.91..=0.98).contains(&covered), "{covered}");
        assert!((0.85..=1.15).contains(&(share / chance)), "{} by chance {}", share, chance);
    }
}
