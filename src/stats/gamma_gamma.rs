//! What a purchase is worth on average, where some people were seen to buy once and others often: the gamma-gamma model
//! (Fader & Hardie 2013). A person's purchases are gamma(p, rate ν), ν being spread over people as a gamma(q, rate v); how
//! much they spend has nothing to do with how often.

use statrs::function::gamma::ln_gamma;

use super::maximum::{Maximum, delta_variance, gradient, maximum};

/// People who bought as often, and of about the same mean value.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spenders {
    /// Purchases that the mean is over, at least 1.
    pub purchases: u64,
    /// Their mean value, above 0.
    pub mean: f64,
    pub people: u64,
}

/// The parameters, v in the unit of the values.
#[derive(Debug, Clone, PartialEq)]
pub struct GammaGamma {
    pub p: f64,
    pub q: f64,
    pub v: f64,
    pub log_likelihood: f64,
    logs: Maximum<3>,
}

/// Fits the model by maximum likelihood (equation 1a), with the covariance from the observed information. None where the
/// table does not hold all three parameters.
pub fn fit(table: &[Spenders]) -> Option<GammaGamma> {
    let wrong = |of: &Spenders| of.purchases == 0 || !(of.mean > 0.0 && of.mean.is_finite());
    let people: f64 = table.iter().map(|of| of.people as f64).sum();
    let mean = table.iter().map(|of| of.people as f64 * of.mean).sum::<f64>() / people;
    if people <= 3.0 || table.iter().any(wrong) {
        return None;
    }
    let of = |logs: &[f64; 3]| {
        let [p, q, v] = logs.map(f64::exp);
        let one = |of: &Spenders| {
            let x = of.purchases as f64;
            let ways = ln_gamma(p * x + q) - ln_gamma(p * x) - ln_gamma(q);
            let value =
                q * v.ln() + (p * x - 1.0) * of.mean.ln() + p * x * x.ln() - (p * x + q) * (v + x * of.mean).ln();
            of.people as f64 * (ways + value)
        };
        table.iter().map(one).sum()
    };
    let logs = maximum(of, [1.0, 1.0, mean.ln()])?;
    let [p, q, v] = logs.at.map(f64::exp);
    Some(GammaGamma { p, q, v, log_likelihood: logs.value, logs })
}

impl GammaGamma {
    /// What a purchase is worth over all people, p·v / (q − 1), with the variance of its logarithm. None where q is at or
    /// below 1: then the mean is not finite.
    pub fn mean(&self) -> Option<(f64, f64)> {
        let log = |logs: &[f64; 3]| {
            let [p, q, v] = logs.map(f64::exp);
            (p * v / (q - 1.0)).ln()
        };
        let variance = delta_variance(&gradient(&log, &self.logs.at), &self.logs.covariance);
        let mean = log(&self.logs.at).exp();
        (self.q > 1.0 && mean.is_finite() && variance > 0.0 && variance.is_finite()).then_some((mean, variance))
    }

    /// What a purchase of a person is worth who made `purchases` of this mean (equation 5).
    pub fn mean_of(&self, of: &Spenders) -> f64 {
        let (p, q, v, x) = (self.p, self.q, self.v, of.purchases as f64);
        p * (v + x * of.mean) / (p * x + q - 1.0)
    }
}

/// Pearson's correlation between how often and how much, which the model takes to be none. None where one does not vary.
pub fn correlation(table: &[Spenders]) -> Option<f64> {
    let sum = |of: &dyn Fn(f64, f64) -> f64| {
        table.iter().map(|row| row.people as f64 * of(row.purchases as f64, row.mean)).sum::<f64>()
    };
    let (n, x, y) = (sum(&|_, _| 1.0), sum(&|x, _| x), sum(&|_, y| y));
    let (x, y) = (x / n, y / n);
    let together = sum(&|a, b| (a - x) * (b - y));
    let spread = (sum(&|a, _| (a - x).powi(2)) * sum(&|_, b| (b - y).powi(2))).sqrt();
    let found = together / spread;
    (spread > 0.0 && found.is_finite()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::bg_nbd::tests::{cdnow, near, people};

    fn spenders() -> Vec<Spenders> {
        let people = people();
        let bought = people.iter().filter(|of| of.again > 0);
        bought
            .map(|of| Spenders { purchases: of.again, mean: of.cents as f64 / 100.0 / of.again as f64, people: 1 })
            .collect()
    }

    /// lifetimes 0.11.3 `GammaGammaFitter().fit(frequency, monetary_value)`, refined to its own optimum: parameters,
    /// standard errors and log-likelihood.
    #[test]
    fn agrees_with_lifetimes() {
        let found = fit(&spenders()).unwrap();
        for (found, told) in [(found.p, 2.901610523), (found.q, 5.162338544), (found.v, 29.75955272)] {
            near(found, told, 2e-4);
        }
        near(found.log_likelihood, -1703.6919298290816, 1e-8);
        let error = |nth: usize, of: f64| found.logs.covariance[nth][nth].sqrt() * of;
        near(error(0, found.p), 0.596432, 2e-3);
        near(error(1, found.q), 0.694947, 2e-3);
        near(error(2, found.v), 9.924626, 2e-3);
        near(correlation(&spenders()).unwrap() + 1.0, 1.0006080947775781, 1e-9);
        let (mean, variance) = found.mean().unwrap();
        near(mean, 2.901610523 * 29.75955272 / 4.162338544, 2e-4);
        assert!(variance > 0.0 && variance < 0.01);
    }

    /// Fader & Hardie 2013, The gamma-gamma model of monetary value, on the 946 people who bought again: p 6.25, q 3.74,
    /// v 15.44.
    #[test]
    fn agrees_with_the_paper_on_its_data() {
        let again = cdnow("spent.csv").into_iter().filter(|row| row[1] > 0.0);
        let table: Vec<Spenders> =
            again.map(|row| Spenders { purchases: row[1] as u64, mean: row[4], people: 1 }).collect();
        assert_eq!(table.len(), 946);
        let found = fit(&table).unwrap();
        for (found, told) in [(found.p, 6.25), (found.q, 3.74), (found.v, 15.44)] {
            assert!((found - told).abs() < 0.01, "{found} is not {told}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_none() {
        assert_eq!(fit(&[]), None);
        assert_eq!(fit(&[Spenders { purchases: 0, mean: 1.0, people: 9 }]), None);
        assert_eq!(fit(&[Spenders { purchases: 1, mean: f64::NAN, people: 9 }]), None);
        // All alike: nothing holds the spread.
        assert_eq!(fit(&[Spenders { purchases: 2, mean: 5.0, people: 50 }]), None);
        assert_eq!(correlation(&[Spenders { purchases: 2, mean: 5.0, people: 50 }]), None);
    }
}
