//! How unequally amounts are spread over people: indices that are 0 when all have the same, from a few sums.
//!
//! All are relative: who doubles everybody's amount changes none of them. Amounts are 0 or more.

/// Sums over people with amounts b. Any float will do for counts, so that sums of groups can be added and taken away.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sums {
    pub people: f64,
    /// Σb.
    pub total: f64,
    /// Σb².
    pub squares: f64,
    /// Σ b·ln b over those above 0.
    pub entropy: f64,
    /// Σ ln b over those above 0.
    pub logs: f64,
    /// Σ √b.
    pub roots: f64,
    /// People with nothing.
    pub zeros: f64,
}

impl Sums {
    /// The sums as columns, in the order of the fields.
    pub fn columns(&self) -> [f64; 7] {
        [self.people, self.total, self.squares, self.entropy, self.logs, self.roots, self.zeros]
    }

    /// The sums from the first seven columns. None when there are fewer.
    pub fn of_columns(columns: &[f64]) -> Option<Self> {
        let &[people, total, squares, entropy, logs, roots, zeros, ..] = columns else { return None };
        Some(Self { people, total, squares, entropy, logs, roots, zeros })
    }

    /// The mean, when there is anything to share: every index is undefined where nobody has anything.
    fn mean(&self) -> Option<f64> {
        let mean = self.total / self.people;
        (self.people > 0.0 && mean > 0.0 && mean.is_finite()).then_some(mean)
    }

    /// The generalised entropy of order 2, half the squared coefficient of variation: 1/(2N)·Σ((b/μ)² − 1). From 0 to
    /// (N − 1)/2. Zeros are no trouble (Shorrocks 1980; Speicher et al. 2018 measure unfairness by it).
    pub fn entropy_2(&self) -> Option<f64> {
        let mean = self.mean()?;
        Some(((self.squares / self.people / mean / mean - 1.0) / 2.0).max(0.0))
    }

    /// Standard deviation over mean, with the population's variance; from 0 to √(N − 1).
    pub fn variation(&self) -> Option<f64> {
        Some((2.0 * self.entropy_2()?).sqrt())
    }

    /// Theil's T, 1/N·Σ b/μ·ln(b/μ): from 0 to ln N. Someone with nothing adds 0, the limit of b·ln b (Theil 1967).
    pub fn theil_t(&self) -> Option<f64> {
        let mean = self.mean()?;
        Some((self.entropy / self.people / mean - mean.ln()).max(0.0))
    }

    /// Theil's L, the mean log deviation, 1/N·Σ ln(μ/b). It has no bound, and none at all when someone has nothing.
    pub fn theil_l(&self) -> Option<f64> {
        let mean = self.mean()?;
        (self.zeros == 0.0).then(|| (mean.ln() - self.logs / self.people).max(0.0))
    }

    /// Atkinson's index with aversion ½, 1 − (1/N·Σ√b)²/μ: the share of the total that could be given up, were the rest
    /// spread equally, without loss of welfare. From 0 to 1 − 1/N; zeros are no trouble below an aversion of 1 (Atkinson
    /// 1970).
    pub fn atkinson(&self) -> Option<f64> {
        let mean = self.mean()?;
        Some((1.0 - (self.roots / self.people).powi(2) / mean).max(0.0))
    }
}

/// The part of Theil's T that lies between groups, given the people and total of each: what would be left if everybody
/// had the mean of their group, Σ Sg/S·ln((Sg/Ng)/(S/N)). The rest lies within them (Theil 1967; Speicher et al. 2018).
pub fn between(groups: &[(f64, f64)]) -> Option<f64> {
    let (people, total) = groups.iter().fold((0.0, 0.0), |sum, group| (sum.0 + group.0, sum.1 + group.1));
    if people <= 0.0 || total <= 0.0 {
        return None;
    }
    let of = |(n, s): &(f64, f64)| if *s > 0.0 && *n > 0.0 { s / total * (s / n / (total / people)).ln() } else { 0.0 };
    Some(groups.iter().map(of).sum::<f64>().max(0.0))
}

/// The Gini coefficient of amounts over `people` people, from the sum over people, ranked by amount from 1, of
/// (2·rank − N − 1)·b: the mean difference of two people over twice the mean. From 0 to 1 − 1/N.
///
/// `Unbiased` divides by N − 1 instead of N, for the mean over pairs of different people; from 0 to 1.
pub fn gini(ranked: f64, total: f64, people: f64, variant: Gini) -> Option<f64> {
    let count = match variant {
        Gini::Population => people,
        Gini::Unbiased => people - 1.0,
    };
    (total > 0.0 && count > 0.0).then(|| (ranked / (count * total)).max(0.0))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gini {
    Population,
    Unbiased,
}

#[cfg(test)]
pub mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The sums of a list.
    pub fn sums(amounts: &[f64]) -> Sums {
        let mut sums = Sums::default();
        for &b in amounts {
            sums.people += 1.0;
            sums.total += b;
            sums.squares += b * b;
            sums.roots += b.sqrt();
            if b > 0.0 {
                sums.entropy += b * b.ln();
                sums.logs += b.ln();
            } else {
                sums.zeros += 1.0;
            }
        }
        sums
    }

    fn ginis(amounts: &[f64]) -> (f64, f64) {
        let mut sorted = amounts.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len() as f64;
        let ranked = sorted.iter().enumerate().map(|(index, b)| (2.0 * (index as f64 + 1.0) - n - 1.0) * b).sum();
        let total = sorted.iter().sum();
        let of = |variant| gini(ranked, total, n, variant).unwrap();
        (of(Gini::Population), of(Gini::Unbiased))
    }

    fn near(found: Option<f64>, expected: f64) {
        let found = found.expect("defined");
        assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{found} is not {expected}");
    }

    /// LiFT `BenefitMapTest`: benefits .9, .75 and .6, in closed form.
    #[test]
    fn indices_agree_with_lift() {
        let sums = sums(&[0.9, 0.75, 0.6]);
        near(sums.entropy_2(), 0.04 / 3.0);
        near(sums.theil_t(), (1.2 * 1.2_f64.ln() + 0.8 * 0.8_f64.ln()) / 3.0);
        near(sums.theil_l(), -(1.2_f64.ln() + 0.8_f64.ln()) / 3.0);
        near(sums.variation(), (0.08_f64 / 3.0).sqrt());
        near(sums.atkinson(), 1.0 - ((1.2_f64.sqrt() + 1.0 + 0.8_f64.sqrt()) / 3.0).powi(2));
    }

    /// The two variants of LensKit and Evidently (see the doc of each): [1, 2, 3, 4] has 0.25 and 1/3.
    #[test]
    fn both_ginis() {
        let (population, unbiased) = ginis(&[1.0, 2.0, 3.0, 4.0]);
        near(Some(population), 0.25);
        near(Some(unbiased), 1.0 / 3.0);
        let (population, unbiased) = ginis(&[0.0, 0.0, 0.0, 5.0]);
        near(Some(population), 0.75);
        near(Some(unbiased), 1.0);
    }

    #[test]
    fn zeros_and_nothing() {
        let some = sums(&[0.0, 2.0, 4.0]);
        assert_eq!(some.theil_l(), None);
        near(some.theil_t(), 2.0 * 2.0_f64.ln() / 3.0);
        near(some.atkinson(), 1.0 - ((1.0 + 2.0_f64.sqrt()) / 3.0).powi(2));
        let none = sums(&[0.0, 0.0]);
        assert_eq!((none.entropy_2(), none.theil_t(), none.atkinson(), none.variation()), (None, None, None, None));
        assert_eq!(gini(0.0, 0.0, 2.0, Gini::Population), None);
        assert_eq!(between(&[(2.0, 0.0)]), None);
    }

    proptest! {
        /// What lies between groups and within them is the whole; scale does not matter; nothing is below 0.
        #[test]
        fn parts_make_the_whole(
            a in prop::collection::vec(0.0f64..100.0, 1..30),
            b in prop::collection::vec(0.0f64..100.0, 1..30),
            scale in 0.01f64..1000.0,
        ) {
            let all: Vec<f64> = a.iter().chain(&b).copied().collect();
            let (of_a, of_b, whole) = (sums(&a), sums(&b), sums(&all));
            prop_assume!(of_a.total > 0.01 && of_b.total > 0.01);
            let within = [of_a, of_b].iter().map(|part| part.total / whole.total * part.theil_t().unwrap()).sum::<f64>();
            let between = between(&[(of_a.people, of_a.total), (of_b.people, of_b.total)]).unwrap();
            prop_assert!((within + between - whole.theil_t().unwrap()).abs() < 1e-9);
            let scaled = sums(&all.iter().map(|b| b * scale).collect::<Vec<_>>());
            for (one, other) in [
                (whole.entropy_2(), scaled.entropy_2()),
                (whole.theil_t(), scaled.theil_t()),
                (whole.atkinson(), scaled.atkinson()),
            ] {
                prop_assert!((one.unwrap() - other.unwrap()).abs() < 1e-9);
            }
            let pairs: f64 = all.iter().flat_map(|x| all.iter().map(move |y| (x - y).abs())).sum();
            let slow = pairs / (2.0 * whole.people * whole.total);
            prop_assert!((ginis(&all).0 - slow).abs() < 1e-9);
        }
    }
}
