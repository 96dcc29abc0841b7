//! How often people who bought once will buy again: the BG/NBD model of Fader, Hardie & Lee (2005). While someone buys, they
//! do so at random at an own rate λ; after each purchase they stop for good with an own probability p. λ is spread over
//! people as a gamma(r, rate α), p as a beta(a, b).
//!
//! Everything is computed from a small table of how many people bought so often, last then, and were seen so long.

use statrs::function::gamma::ln_gamma;

use super::Interval;
use super::association::chi2_tail;
use super::maximum::{Maximum, delta_variance, gradient, maximum};
use super::quantile::normal_quantile;

/// People who did the same. Times count from the first purchase, in any one unit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Buyers {
    /// Purchases after the first.
    pub again: u64,
    /// When the last of them was; 0 where there is none.
    pub last: f64,
    /// How long they were seen.
    pub seen: f64,
    pub people: u64,
}

/// The parameters, α in the unit of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BgNbd {
    pub r: f64,
    pub alpha: f64,
    pub a: f64,
    pub b: f64,
}

/// The parameters under which a table is likeliest.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    pub model: BgNbd,
    pub log_likelihood: f64,
    logs: Maximum<4>,
}

/// People by how often they bought again, beside how many should have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Class {
    /// This often and more, up to the next class.
    pub from: u64,
    pub observed: u64,
    pub expected: f64,
}

/// Whether a table looks like the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    pub classes: Vec<Class>,
    /// Pearson's Σ (observed − expected)² / expected.
    pub chi_squared: f64,
    /// On as many degrees of freedom as there are classes, less one and the four parameters; None where none is left.
    pub p_value: Option<f64>,
    /// Share of people who are in another class than they should be: ½ Σ |observed − expected| / people.
    pub misplaced: f64,
}

/// Fits the model by maximum likelihood (equation 6), with the covariance from the observed information.
///
/// None where the table does not hold all four parameters, such as when nobody bought twice, or everybody goes on.
pub fn fit(table: &[Buyers]) -> Option<Fit> {
    let people: f64 = table.iter().map(|of| of.people as f64).sum();
    let again: f64 = table.iter().map(|of| of.people as f64 * of.again as f64).sum();
    let seen: f64 = table.iter().map(|of| of.people as f64 * of.seen).sum();
    let wrong = |of: &Buyers| !(0.0 <= of.last && of.last <= of.seen && of.seen.is_finite());
    if again <= 0.0 || seen <= 0.0 || table.iter().any(wrong) {
        return None;
    }
    // Half of people's purchases lost: then the mean rate is about twice the mean number over the mean time.
    let start = [0.0, (seen / again / 2.0).ln(), 0.0, 1.0];
    let of = |logs: &[f64; 4]| log_likelihood(&BgNbd::of_logs(logs), table);
    let logs = maximum(of, start)?;
    let told = Fit { model: BgNbd::of_logs(&logs.at), log_likelihood: logs.value, logs };
    (people > 4.0).then_some(told)
}

fn log_likelihood(model: &BgNbd, table: &[Buyers]) -> f64 {
    let BgNbd { r, alpha, a, b } = *model;
    let common = r * alpha.ln() - ln_gamma(r) + ln_gamma(a + b) - ln_gamma(b);
    // What depends on the number of purchases alone is needed for many rows.
    let mut known: Option<(u64, f64, f64)> = None;
    let one = |of: &Buyers| {
        let x = of.again as f64;
        let (of_count, of_stop) = match known {
            Some((again, count, stop)) if again == of.again => (count, stop),
            _ => {
                let count = ln_gamma(r + x) + ln_gamma(b + x) - ln_gamma(a + b + x);
                let stop = if of.again > 0 { a.ln() - (b + x - 1.0).ln() } else { f64::NEG_INFINITY };
                known = Some((of.again, count, stop));
                (count, stop)
            }
        };
        let (goes_on, stopped) = (-(r + x) * (alpha + of.seen).ln(), of_stop - (r + x) * (alpha + of.last).ln());
        let larger = goes_on.max(stopped);
        of.people as f64 * (common + of_count + larger + ((goes_on - larger).exp() + (stopped - larger).exp()).ln())
    };
    table.iter().map(one).sum()
}

impl BgNbd {
    fn of_logs(logs: &[f64; 4]) -> Self {
        let [r, alpha, a, b] = logs.map(f64::exp);
        Self { r, alpha, a, b }
    }

    /// Purchases after the first that someone makes within `time` of it, on average (equation 9):
    /// (a + b − 1)/(a − 1) · [1 − (α/(α + t))^r · ₂F₁(r, b; a + b − 1; t/(α + t))].
    ///
    /// None for times below 0, and where the series does not end.
    pub fn expected(&self, time: f64) -> Option<f64> {
        // At a = 1 and a + b = 1 the formula is 0/0, and its neighbours meet.
        let near = [self.a - 1.0, self.a + self.b - 1.0].iter().any(|of| of.abs() < 1e-6);
        if near {
            let beside = |by: f64| Self { a: self.a + by, ..*self }.expected_there(time);
            return Some(f64::midpoint(beside(-3e-5)?, beside(3e-5)?));
        }
        self.expected_there(time)
    }

    fn expected_there(&self, time: f64) -> Option<f64> {
        let Self { r, alpha, a, b } = *self;
        if time.is_nan() || time < 0.0 {
            return None;
        }
        let gone = (alpha / (alpha + time)).powf(r) * hypergeometric(r, b, a + b - 1.0, time / (alpha + time))?;
        Some((a + b - 1.0) / (a - 1.0) * (1.0 - gone)).filter(|of| of.is_finite())
    }

    /// Purchases within `time` more, of someone who did what these did (equation 10).
    pub fn expected_more(&self, of: &Buyers, time: f64) -> Option<f64> {
        let Self { r, alpha, a, b } = *self;
        let x = of.again as f64;
        let (then, now) = (alpha + of.seen + time, alpha + of.seen);
        let series = hypergeometric(r + x, b + x, a + b + x - 1.0, time / then)?;
        let lasting = 1.0 - (now / then).powf(r + x) * series;
        let odds = if of.again > 0 { a / (b + x - 1.0) * (now / (alpha + of.last)).powf(r + x) } else { 0.0 };
        Some((a + b + x - 1.0) / (a - 1.0) * lasting / (1.0 + odds)).filter(|of| of.is_finite())
    }

    /// The probability of each number of purchases after the first within `time`, from none up to one less than `most`
    /// (equation 8).
    fn probabilities(&self, time: f64, most: u64) -> Vec<f64> {
        let Self { r, alpha, a, b } = *self;
        let (stay, odds) = ((alpha / (alpha + time)).ln() * r, time / (alpha + time));
        // Γ(r + j)/(Γ(r)·j!)·(α/(α + t))^r·(t/(α + t))^j: exactly j purchases of one who never stops, and their sum.
        let (mut exactly, mut fewer) = (stay.exp(), 0.0);
        let ln_beta = |x: f64, y: f64| ln_gamma(x) + ln_gamma(y) - ln_gamma(x + y);
        let of = |x: u64| {
            let count = x as f64;
            let goes_on = (ln_beta(a, b + count) - ln_beta(a, b)).exp() * exactly;
            let stops = match x {
                0 => 0.0,
                _ => (ln_beta(a + 1.0, b + count - 1.0) - ln_beta(a, b)).exp() * (1.0 - fewer),
            };
            fewer += exactly;
            exactly *= (r + count) / (count + 1.0) * odds;
            goes_on + stops
        };
        (0..most).map(of).collect()
    }
}

impl Fit {
    /// [`BgNbd::expected`], its interval by the delta method on the log scale. Method `bg_nbd_delta`.
    pub fn expected(&self, time: f64, level: f64) -> Option<Interval> {
        on_log_scale(self.model.expected(time)?, self.log_variance(|of| of.expected(time))?, level)
    }

    /// The variance of the logarithm of what the model says, by the delta method. None where that is not above 0.
    pub fn log_variance(&self, says: impl Fn(&BgNbd) -> Option<f64>) -> Option<f64> {
        let log = |logs: &[f64; 4]| says(&BgNbd::of_logs(logs)).map_or(f64::NAN, f64::ln);
        let variance = delta_variance(&gradient(&log, &self.logs.at), &self.logs.covariance);
        (variance > 0.0 && variance.is_finite()).then_some(variance)
    }

    /// Sets people by how often they bought again beside what the model expects of people who were seen as long. Classes
    /// of fewer than `least` people, expected or observed, are joined with the next.
    pub fn check(&self, table: &[Buyers], least: f64) -> Option<Check> {
        const MOST: usize = 40;
        let (mut observed, mut expected) = (vec![0_u64; MOST + 1], vec![0.0; MOST + 1]);
        let mut by_age: Vec<(f64, u64)> = table.iter().map(|of| (of.seen, of.people)).collect();
        by_age.sort_by(|a, b| a.0.total_cmp(&b.0));
        for same in by_age.chunk_by(|a, b| a.0 == b.0) {
            let people = same.iter().map(|(_, people)| people).sum::<u64>() as f64;
            let chances = self.model.probabilities(same[0].0, MOST as u64);
            expected[MOST] += people * (1.0 - chances.iter().sum::<f64>()).max(0.0);
            for (expected, chance) in expected.iter_mut().zip(chances) {
                *expected += people * chance;
            }
        }
        table.iter().for_each(|of| observed[(of.again as usize).min(MOST)] += of.people);
        let mut classes: Vec<Class> = Vec::new();
        let mut open = None;
        for (count, (seen, told)) in observed.into_iter().zip(expected).enumerate() {
            let mut class = open.take().unwrap_or(Class { from: count as u64, observed: 0, expected: 0.0 });
            class.observed += seen;
            class.expected += told;
            if class.expected >= least && class.observed as f64 >= least {
                classes.push(class);
            } else {
                open = Some(class);
            }
        }
        if let (Some(rest), Some(last)) = (open, classes.last_mut()) {
            last.observed += rest.observed;
            last.expected += rest.expected;
        }
        let people: f64 = classes.iter().map(|class| class.observed as f64).sum();
        let apart = |class: &Class| class.observed as f64 - class.expected;
        let chi_squared: f64 = classes.iter().map(|class| apart(class).powi(2) / class.expected).sum();
        let misplaced = classes.iter().map(|class| apart(class).abs()).sum::<f64>() / 2.0 / people;
        let df = classes.len() as f64 - 5.0;
        let p_value = if df >= 1.0 { chi2_tail(chi_squared, df) } else { None };
        (people > 0.0 && chi_squared.is_finite()).then_some(Check { classes, chi_squared, p_value, misplaced })
    }
}

/// A number above 0 from the variance of its logarithm. Method `bg_nbd_delta`.
pub fn on_log_scale(estimate: f64, variance: f64, level: f64) -> Option<Interval> {
    let factor = (normal_quantile(level)? * variance.sqrt()).exp();
    Interval::of(estimate, estimate / factor, estimate * factor, level, "bg_nbd_delta")
}

/// Gauss's ₂F₁(a, b; c; z) for 0 ≤ z < 1 by its series, which has positive terms from where c + n is above 0. None where it
/// does not end within a million terms, or c is a whole number below 1.
fn hypergeometric(a: f64, b: f64, c: f64, z: f64) -> Option<f64> {
    if !(0.0..1.0).contains(&z) {
        return None;
    }
    let (mut term, mut sum) = (1.0_f64, 1.0_f64);
    for n in 0..1_000_000_u32 {
        let n = f64::from(n);
        term *= (a + n) * (b + n) / ((c + n) * (n + 1.0)) * z;
        sum += term;
        if !sum.is_finite() {
            return None;
        }
        // What is left is less than a geometric series of the ratio that terms come down to.
        if term.abs() < 1e-15 * sum.abs() * (1.0 - z) && c + n > 0.0 {
            return Some(sum);
        }
    }
    None
}

#[cfg(test)]
pub(super) mod tests;
