//! How many things of a kind there are, and how unequally they occur: richness and diversity as ecology measures them.

use std::collections::BTreeMap;

use super::inequality::{self, Gini};

/// Below this logarithm a probability is 0 beside 1, to the last digit.
const NEVER: f64 = -40.0;

/// How many things occur how often, by how often they occur.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Abundance(BTreeMap<u64, u64>);

impl Abundance {
    /// Adds things that occur this often each. Those that never do are none of the sample.
    pub fn add(&mut self, times: u64, things: u64) {
        if times > 0 && things > 0 {
            *self.0.entry(times).or_default() += things;
        }
    }

    /// Distinct things that occur.
    pub fn things(&self) -> u64 {
        self.0.values().sum()
    }

    /// How often they occur in all.
    pub fn occurrences(&self) -> u64 {
        self.0.iter().map(|(times, things)| times * things).sum()
    }

    /// The number of distinct things to be expected among `sample` of the N occurrences, drawn at random without
    /// replacement: Σ 1 − C(N − n, m) ÷ C(N, m) (Hurlbert 1971). From 0 to the smaller of `sample` and
    /// [`Abundance::things`]; None when there are fewer occurrences than that.
    ///
    /// The share of the two binomials is the product of 1 − m ÷ (N − j) over j < n, one factor after the other as n
    /// grows: differences of the logarithms of large factorials would leave fewer digits.
    pub fn rarefied(&self, sample: u64) -> Option<f64> {
        let all = self.occurrences();
        if sample > all {
            return None;
        }
        let (mut missed, mut factors, mut expected) = (0.0_f64, 0, 0.0);
        for (&times, &things) in &self.0 {
            while factors < times && missed > NEVER {
                missed += (-(sample as f64) / (all - factors) as f64).ln_1p();
                factors += 1;
            }
            expected += things as f64 * -missed.exp_m1();
        }
        Some(expected)
    }

    /// Shannon's entropy of the shares of things, −Σ p·ln p, in nats; from 0, where one thing takes all, to the
    /// logarithm of how many there are (Shannon 1948). Its exponential is the number of equally frequent things that
    /// would have it (Hill 1973). None when nothing occurs.
    pub fn entropy(&self) -> Option<f64> {
        let all = self.occurrences() as f64;
        let part = |(times, things): (&u64, &u64)| {
            let share = *times as f64 / all;
            -(*things as f64) * share * share.ln()
        };
        (all > 0.0).then(|| self.0.iter().map(part).sum::<f64>().max(0.0))
    }

    /// The Gini coefficient of occurrences over `of` things, those that never occur among them. None when nothing
    /// occurs, or more things do than there are.
    pub fn gini(&self, of: u64, variant: Gini) -> Option<f64> {
        let mut below = of.checked_sub(self.things())? as f64;
        let of = of as f64;
        let mut ranked = 0.0;
        for (&times, &things) in &self.0 {
            let (times, things) = (times as f64, things as f64);
            // The sum of 2·rank − 1 over things that share their ranks, less N for each.
            ranked += times * things * (2.0 * below + things - of);
            below += things;
        }
        inequality::gini(ranked, self.occurrences() as f64, of, variant)
    }
}

impl FromIterator<u64> for Abundance {
    /// From how often each thing occurs.
    fn from_iter<T: IntoIterator<Item = u64>>(times: T) -> Self {
        let mut abundance = Self::default();
        times.into_iter().for_each(|times| abundance.add(times, 1));
        abundance
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(times: &[u64]) -> Abundance {
        times.iter().copied().collect()
    }

    #[track_caller]
    fn near(found: Option<f64>, expected: f64) {
        let found = found.expect("defined");
        assert!((found - expected).abs() <= 1e-11 * expected.abs().max(1.0), "{found} is not {expected}");
    }

    /// LensKit divides by N, holisticai and Evidently by N − 1: [1, 2, 3, 4] has 0.25 and 1/3. Evidently's test of
    /// diversity recommends items 3, 2, 3, 1 and 2: Gini 0.2. Items that are never shown count as 0.
    #[test]
    fn both_ginis() {
        near(of(&[1, 2, 3, 4]).gini(4, Gini::Population), 0.25);
        near(of(&[1, 2, 3, 4]).gini(4, Gini::Unbiased), 1.0 / 3.0);
        near(of(&[1, 2, 2]).gini(3, Gini::Unbiased), 0.2);
        near(of(&[5]).gini(4, Gini::Population), 0.75);
        near(of(&[5]).gini(4, Gini::Unbiased), 1.0);
        assert_eq!(of(&[5]).gini(1, Gini::Unbiased), None, "one item cannot be spread");
        assert_eq!(of(&[5, 1]).gini(1, Gini::Population), None);
        assert_eq!(of(&[]).gini(4, Gini::Population), None);
    }

    /// scipy 1.17.1, `sum(1 - hypergeom.pmf(0, N, n, m) for n in counts)`. The last with a million items and 38,650,000
    /// occurrences, where scipy is right to seven digits only: from products of decimals of 40 digits.
    #[test]
    fn rarefied_numbers_agree_with_scipy() {
        let few = of(&[50, 30, 10, 5, 3, 1, 1]);
        near(few.rarefied(10), 3.535730149611618);
        near(few.rarefied(37), 5.393672297430538);
        near(few.rarefied(99), 6.98);
        let thousand: Abundance = (0..1000).map(|item| item * item % 97 + 1).collect();
        near(thousand.rarefied(100), 93.56210356037678);
        near(thousand.rarefied(5000), 882.2716264768674);
        let mut many = Abundance::default();
        for (times, items) in [(1, 400_000), (2, 200_000), (10, 300_000), (150, 99_000), (20_000, 1000)] {
            many.add(times, items);
        }
        near(many.rarefied(1_000_000), 187802.61474046574);
    }

    /// scipy 1.17.1, `stats.entropy`.
    #[test]
    fn entropies() {
        near(of(&[1, 2, 3, 4]).entropy(), 1.2798542258336676);
        near(of(&[7, 7, 7]).entropy(), 3.0_f64.ln());
        assert_eq!(of(&[9]).entropy(), Some(0.0));
        assert_eq!(of(&[]).entropy(), None);
    }

    /// C(n, k), exact.
    fn choose(n: u64, k: u64) -> u128 {
        if k > n { 0 } else { (0..k).fold(1, |product, j| product * u128::from(n - j) / u128::from(j + 1)) }
    }

    proptest! {
        /// A whole sample has all things and one occurrence is one thing; more is never fewer; and binomials that are
        /// worked out in whole numbers say the same.
        #[test]
        fn rarefied_is_what_binomials_say(times in prop::collection::vec(1_u64..9, 1..12)) {
            let abundance = of(&times);
            let all = abundance.occurrences();
            let mut last = 0.0;
            for sample in 0..=all {
                let found = abundance.rarefied(sample).unwrap();
                let missed = |n: &u64| choose(all - n, sample) as f64 / choose(all, sample) as f64;
                let expected: f64 = times.iter().map(|n| 1.0 - missed(n)).sum();
                prop_assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
                prop_assert!(found >= last - 1e-12);
                last = found;
            }
            prop_assert!((abundance.rarefied(1).unwrap() - 1.0).abs() < 1e-12);
            prop_assert_eq!(last, times.len() as f64);
            prop_assert_eq!(abundance.rarefied(all + 1), None);
        }

        #[test]
        fn ginis_are_mean_differences(times in prop::collection::vec(0_u64..50, 2..20)) {
            let total: u64 = times.iter().sum();
            prop_assume!(total > 0);
            let n = times.len() as f64;
            let pairs: u64 = times.iter().flat_map(|a| times.iter().map(move |b| a.abs_diff(*b))).sum();
            let slow = pairs as f64 / (2.0 * n * total as f64);
            let found = of(&times).gini(times.len() as u64, Gini::Population).unwrap();
            prop_assert!((found - slow).abs() < 1e-12, "{found} is not {slow}");
            let unbiased = of(&times).gini(times.len() as u64, Gini::Unbiased).unwrap();
            prop_assert!((unbiased - slow * n / (n - 1.0)).abs() < 1e-12);
        }
    }
}
