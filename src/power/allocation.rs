//! How people were dealt out to the arms, with some of one arm's lost on the way.

use super::number::{Number, Plan, Samples};
use crate::facts::Fact;
use crate::facts::sample_ratio::{Arm, SampleRatio};
use crate::stats::allocation::chi_squared;
use crate::stats::draw::{Draws, binomial};

/// One arm.
pub(super) struct Allocation<'a> {
    own: &'a SampleRatio,
    fact: &'a Fact,
    arm: usize,
}

/// Every arm of every comparison over time.
pub(super) fn numbers(facts: &[Fact]) -> Vec<Allocation<'_>> {
    let mut numbers = Vec::new();
    for fact in facts {
        let Fact::SampleRatio(own) = fact else { continue };
        let arms = 0..if own.p_value.is_some() { own.arms.len() } else { 0 };
        numbers.extend(arms.map(|arm| Allocation { own, fact, arm }));
    }
    numbers
}

impl Allocation<'_> {
    fn with(&self, people: &[u64], test: Option<(f64, f64)>) -> Fact {
        let whole: f64 = people.iter().map(|n| *n as f64).sum();
        let before: f64 = self.own.arms.iter().map(|arm| arm.expected).sum();
        let arms = self.own.arms.iter().zip(people);
        let arms = arms.map(|(arm, people)| Arm {
            strategy: arm.strategy.clone(),
            people: *people,
            expected: arm.expected * whole / before,
        });
        Fact::SampleRatio(SampleRatio {
            arms: arms.collect(),
            p_value: test.map(|(_, p)| p),
            chi_squared: test.map(|(statistic, _)| statistic),
            ..self.own.clone()
        })
    }
}

impl Number for Allocation<'_> {
    fn measure(&self) -> &'static str {
        "share of the arm that is left"
    }

    fn says(&self) -> String {
        format!("people of the arm {}", self.own.arms[self.arm].strategy)
    }

    fn fact(&self) -> &Fact {
        self.fact
    }

    /// People of the arm beside how many it would have if the others had their shares.
    fn observed(&self) -> Option<f64> {
        let others = self.own.arms.iter().enumerate().filter(|(arm, _)| *arm != self.arm);
        let (people, expected) = others.fold((0.0, 0.0), |(n, e), (_, arm)| (n + arm.people as f64, e + arm.expected));
        let own = &self.own.arms[self.arm];
        Some(own.people as f64 / own.expected / (people / expected)).filter(|ratio| ratio.is_finite())
    }

    fn units(&self) -> Option<u64> {
        Some(self.own.arms[self.arm].people)
    }

    fn of_people(&self) -> bool {
        true
    }

    /// Nobody comes to an arm on the way.
    fn most(&self) -> f64 {
        1.0
    }

    fn certain(&self, size: f64) -> Fact {
        let people: Vec<u64> = self.own.arms.iter().map(|arm| arm.people).collect();
        self.with(&people, Some(if size == 1.0 { (0.0, 1.0) } else { (f64::MAX, 0.0) }))
    }

    fn samples<'a>(&'a self, plan: &Plan<'_>, _: f64, _: f64) -> Box<dyn Samples + 'a> {
        let luck = |nth: usize| {
            let mut draws = Draws::new(plan.seed, (plan.stream << 24) + nth as u64);
            let counts = self.own.arms.iter().map(|arm| draws.poisson(arm.expected)).collect();
            (counts, draws.uniform())
        };
        Box::new(OfAllocation { of: self, luck: (0..plan.many).map(luck).collect() })
    }
}

struct OfAllocation<'a> {
    of: &'a Allocation<'a>,
    /// The people of every arm before any is lost, and the luck of those of the arm in question.
    luck: Vec<(Vec<u64>, f64)>,
}

impl Samples for OfAllocation<'_> {
    fn fact(&self, nth: usize, size: f64) -> Fact {
        let (counts, luck) = &self.luck[nth];
        let mut people = counts.clone();
        people[self.of.arm] = binomial(people[self.of.arm], size, *luck);
        let shares: Vec<(u64, f64)> = people.iter().zip(&self.of.own.arms).map(|(n, arm)| (*n, arm.expected)).collect();
        let test = chi_squared(&shares).map(|test| (test.statistic, test.p_value));
        self.of.with(&people, test)
    }
}
