//! Seeded draws. The same seed and stream give the same numbers; streams of one seed are independent of each other.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use statrs::distribution::{ContinuousCDF, Normal};

/// From this mean on counts are drawn from the normal distribution, rounded: its skewness there is below a fifth.
const NORMAL_FROM: f64 = 30.0;

/// One stream of chance.
pub struct Draws(ChaCha12Rng);

impl Draws {
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut generator = ChaCha12Rng::from_seed(bytes);
        generator.set_stream(stream);
        Self(generator)
    }

    /// Uniform between 0 and 1, neither of them included.
    pub fn uniform(&mut self) -> f64 {
        const STEPS: f64 = (1_u64 << 53) as f64;
        ((self.0.next_u64() >> 11) as f64 + 0.5) / STEPS
    }

    /// Uniform in `0..n`; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(n)) >> 64) as u64
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        Normal::standard().inverse_cdf(self.uniform())
    }

    /// A Poisson count of this mean; 0 unless the mean is above 0.
    pub fn poisson(&mut self, mean: f64) -> u64 {
        if mean < NORMAL_FROM {
            let u = self.uniform();
            let (mut count, mut term) = (0, (-mean).exp());
            let mut upto = term;
            while u > upto && term > 0.0 {
                count += 1;
                term *= mean / count as f64;
                upto += term;
            }
            return count;
        }
        (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64
    }

    pub fn binomial(&mut self, trials: u64, share: f64) -> u64 {
        binomial(trials, share, self.uniform())
    }
}

/// How many of `trials` succeed, each with probability `share`, where the uniform `u` says how lucky they are: the
/// quantile of the binomial distribution, so that for one `u` the count never falls as the share rises. Normal,
/// rounded, where both sides are expected [`NORMAL_FROM`] times or more.
pub fn binomial(trials: u64, share: f64, u: f64) -> u64 {
    if share > 0.5 {
        return trials - binomial(trials, 1.0 - share, 1.0 - u);
    }
    if share.is_nan() || share <= 0.0 {
        return 0;
    }
    let (n, mean) = (trials as f64, trials as f64 * share);
    if mean >= NORMAL_FROM {
        let spread = (mean * (1.0 - share)).sqrt();
        return (mean + spread * Normal::standard().inverse_cdf(u)).round().clamp(0.0, n) as u64;
    }
    let odds = share / (1.0 - share);
    let (mut count, mut term) = (0_u64, (n * (-share).ln_1p()).exp());
    let mut upto = term;
    while u > upto && count < trials && term > 0.0 {
        term *= odds * (trials - count) as f64 / (count + 1) as f64;
        count += 1;
        upto += term;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and variance of 40,000 draws, and how far they may be from what they should be: five standard errors.
    fn moments(draw: impl FnMut(usize) -> f64) -> (f64, f64) {
        let draws: Vec<f64> = (0..40_000).map(draw).collect();
        let mean = draws.iter().sum::<f64>() / 40_000.0;
        (mean, draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 39_999.0)
    }

    #[track_caller]
    fn near((mean, variance): (f64, f64), expected: f64, spread: f64) {
        assert!((mean - expected).abs() < 5.0 * (spread / 40_000.0).sqrt(), "mean {mean}, expected {expected}");
        assert!((variance / spread - 1.0).abs() < 0.06, "variance {variance}, expected {spread}");
    }

    #[test]
    fn counts_have_the_mean_and_variance_of_their_distribution() {
        let mut draws = Draws::new(1, 1);
        for mean in [0.3, 4.0, 29.0, 200.0] {
            near(moments(|_| draws.poisson(mean) as f64), mean, mean);
        }
        for (trials, share) in [(10, 0.2), (10, 0.9), (400, 0.5), (9_000, 0.001), (100_000, 0.3)] {
            let mean = trials as f64 * share;
            near(moments(|_| draws.binomial(trials, share) as f64), mean, mean * (1.0 - share));
        }
        near(moments(|_| draws.normal()), 0.0, 1.0);
    }

    #[test]
    fn a_count_never_falls_as_its_share_rises() {
        for trials in [7, 300, 20_000] {
            for u in [0.01, 0.3, 0.5, 0.9, 0.999] {
                let counts: Vec<u64> = (0..=100).map(|share| binomial(trials, f64::from(share) / 100.0, u)).collect();
                assert_eq!((counts[0], counts[100]), (0, trials));
                // Where the normal takes over, rounding may move the count by one.
                assert!(counts.windows(2).all(|pair| pair[0] <= pair[1] + 1), "{trials} {u}: {counts:?}");
            }
        }
    }

    #[test]
    fn a_stream_repeats_itself_and_no_other() {
        let draw = |seed, stream| {
            let mut draws = Draws::new(seed, stream);
            (0..20).map(|_| draws.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1, 1), draw(1, 1));
        assert_ne!(draw(1, 1), draw(1, 2));
        assert_ne!(draw(1, 1), draw(2, 1));
    }
}
