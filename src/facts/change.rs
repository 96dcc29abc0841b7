//! `change`: a number of this audit beside the same number of an earlier one.

use std::collections::{BTreeMap, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measured::{Harm, Measured};
use super::{FactKind, attributes};
use crate::findings::Evidence;
use crate::stats::{Interval, benjamini_hochberg, moved};

/// One number, then and now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    pub since: Since,
    /// The day that the earlier audit speaks for, `YYYY-MM-DD`; null when it named none.
    pub as_of: Option<String>,
    /// The kind of fact.
    pub of: String,
    /// What identifies the fact.
    pub about: BTreeMap<String, String>,
    /// The field of the fact, e.g. `ratio`.
    pub measure: String,
    pub harm: Harm,
    pub comparison: Comparison,
    pub before: Interval,
    /// Null when it was not measured again.
    pub now: Option<Interval>,
    /// `now` minus `before`; null when they are not comparable, as below.
    pub difference: Option<Interval>,
    /// Two-sided, that nothing moved.
    pub p_value: Option<f64>,
    /// Benjamini-Hochberg adjusted over all comparisons with that earlier audit.
    pub q_value: Option<f64>,
    /// Stable name of the fact that is compared.
    pub key: String,
}

/// What is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Since {
    /// The audit that was written as a baseline.
    Baseline,
    /// The last audit of the ledger.
    LastAudit,
}

impl Since {
    pub fn id(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::LastAudit => "last_audit",
        }
    }
}

/// Whether the numbers can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    Compared,
    /// This audit has no such number.
    NotMeasured,
    /// It was made in another way, or at another level of confidence.
    OtherMethod,
}

/// Which way something went, as far as the evidence says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Surely worse for the people concerned.
    Worse,
    /// Surely better.
    Better,
    /// Neither is sure.
    Same,
    NotComparable,
}

impl Change {
    /// Worse or better when the two intervals lie apart and the difference holds after correction for the number of
    /// comparisons, q below `1 - level`.
    pub fn direction(&self) -> Direction {
        let (Some(now), Some(q)) = (&self.now, self.q_value) else { return Direction::NotComparable };
        let (lower, higher) = (now.high < self.before.low, now.low > self.before.high);
        match (q < 1.0 - now.level && (lower || higher), lower == (self.harm == Harm::Low)) {
            (false, _) => Direction::Same,
            (true, true) => Direction::Worse,
            (true, false) => Direction::Better,
        }
    }
}

impl FactKind for Change {
    const NAME: &'static str = "change";
    const DOC: &'static str = include_str!("change.md");
    const NEEDS_LOG: bool = false;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        let mut rest = self.about.clone();
        let strategy = rest.remove("strategy").map(|strategy| ("strategy", strategy));
        let named = [("since", self.since.id().to_owned()), ("of", self.of.clone()), ("about", attributes(&rest))];
        named.into_iter().chain(strategy).collect()
    }

    fn evidence(&self) -> Vec<Evidence> {
        let told = |of: &Interval| format!("{:.4} ({:.4} to {:.4})", of.estimate, of.low, of.high);
        let before = match &self.as_of {
            Some(day) => format!("{} on {day}", told(&self.before)),
            None => told(&self.before),
        };
        let mut evidence = vec![Evidence::value("before", before)];
        evidence.extend(self.now.as_ref().map(|now| Evidence::value("now", told(now))));
        evidence.push(Evidence::value("number", format!("`{}` of {}", self.measure, attributes(&self.about))));
        evidence
    }
}

/// Sets the numbers of an earlier audit beside those of this one, in the order of the earlier.
pub fn measure(since: Since, as_of: Option<&str>, earlier: &[Measured], now: &[Measured]) -> Vec<Change> {
    let now: HashMap<_, &Measured> = now.iter().map(|of| ((of.key.as_str(), of.measure.as_str()), of)).collect();
    let compare = |before: &Measured| {
        let now = now.get(&(before.key.as_str(), before.measure.as_str()));
        let alike = |now: &&&Measured| now.harm == before.harm && now.value.method == before.value.method;
        let moved = now.filter(alike).and_then(|now| moved(&before.value, &now.value));
        Change {
            since,
            as_of: as_of.map(str::to_owned),
            of: before.kind.clone(),
            about: before.about.clone(),
            measure: before.measure.clone(),
            harm: before.harm,
            comparison: match (now, &moved) {
                (None, _) => Comparison::NotMeasured,
                (Some(_), None) => Comparison::OtherMethod,
                (Some(_), Some(_)) => Comparison::Compared,
            },
            before: before.value.clone(),
            now: now.map(|now| now.value.clone()),
            difference: moved.as_ref().map(|moved| moved.difference.clone()),
            p_value: moved.map(|moved| moved.p_value),
            q_value: None,
            key: before.key.clone(),
        }
    };
    let mut facts: Vec<Change> = earlier.iter().map(compare).collect();
    let p_values: Vec<f64> = facts.iter().map(|fact| fact.p_value.unwrap_or(f64::NAN)).collect();
    for (fact, q) in facts.iter_mut().zip(benjamini_hochberg(&p_values)) {
        fact.q_value = (!q.is_nan()).then_some(q);
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(key: &str, harm: Harm, estimate: f64, by: f64, method: &str) -> Measured {
        Measured {
            key: key.into(),
            kind: "outcome_parity".into(),
            about: BTreeMap::from([("strategy".into(), "home".into()), ("segment".into(), key.into())]),
            measure: "ratio".into(),
            harm,
            value: Interval { estimate, low: estimate - by, high: estimate + by, level: 0.95, method: method.into() },
        }
    }

    #[test]
    fn it_is_worse_in_the_direction_that_harms_and_only_when_sure() {
        let earlier = [
            number("falls", Harm::Low, 0.95, 0.02, "m"),
            number("rises", Harm::Low, 0.85, 0.02, "m"),
            number("dearer", Harm::High, 1.0, 0.01, "m"),
            number("wavers", Harm::Low, 0.95, 0.06, "m"),
            number("gone", Harm::Low, 0.9, 0.02, "m"),
            number("otherwise", Harm::Low, 0.9, 0.02, "m"),
        ];
        let now = [
            number("falls", Harm::Low, 0.85, 0.02, "m"),
            number("rises", Harm::Low, 0.95, 0.02, "m"),
            number("dearer", Harm::High, 1.05, 0.01, "m"),
            number("wavers", Harm::Low, 0.88, 0.06, "m"),
            number("otherwise", Harm::Low, 0.5, 0.02, "another"),
            number("new", Harm::Low, 0.5, 0.02, "m"),
        ];
        let facts = measure(Since::Baseline, Some("2026-03-31"), &earlier, &now);
        let told: Vec<_> = facts.iter().map(|fact| (fact.about["segment"].as_str(), fact.direction())).collect();
        use Direction::{Better, NotComparable, Same, Worse};
        let expected = [
            ("falls", Worse),
            ("rises", Better),
            ("dearer", Worse),
            ("wavers", Same),
            ("gone", NotComparable),
            ("otherwise", NotComparable),
        ];
        assert_eq!(told, expected);
        assert_eq!(facts[4].comparison, Comparison::NotMeasured);
        assert_eq!(facts[5].comparison, Comparison::OtherMethod);
        assert!(facts.iter().all(|fact| fact.q_value >= fact.p_value));
    }

    /// Among a thousand numbers that only waver, what a single look would call apart is not called worse.
    #[test]
    fn many_numbers_raise_no_false_alarm() {
        let name = |i: usize| format!("s{i}");
        let earlier: Vec<Measured> = (0..1000).map(|i| number(&name(i), Harm::Low, 0.9, 0.02, "m")).collect();
        // Normal quantiles of a sample of 1,000, as the estimates' standard error of 0.0102 spreads them over √2.
        let wavering = |i: usize| {
            let z = crate::stats::quantile::normal_quantile(((2 * i + 1) as f64 / 1000.0 - 1.0).abs()).unwrap_or(0.0);
            0.9 + if i < 500 { -z } else { z } * 0.0102 * 2.0_f64.sqrt()
        };
        let mut now: Vec<Measured> = (0..1000).map(|i| number(&name(i), Harm::Low, wavering(i), 0.02, "m")).collect();
        let facts = measure(Since::LastAudit, None, &earlier, &now);
        let apart = facts.iter().filter(|fact| fact.now.as_ref().is_some_and(|now| now.high < fact.before.low)).count();
        assert!(apart > 0, "the test asks nothing");
        assert!(facts.iter().all(|fact| fact.direction() == Direction::Same));
        // One that truly falls is found among them.
        now[7].value = number("", Harm::Low, 0.8, 0.02, "m").value;
        let facts = measure(Since::LastAudit, None, &earlier, &now);
        let worse: Vec<_> = facts.iter().filter(|fact| fact.direction() == Direction::Worse).collect();
        assert_eq!((worse.len(), worse[0].key.as_str()), (1, "s7"));
    }
}
