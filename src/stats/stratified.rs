//! Two groups compared within strata: what is left of a ratio of rates once both are looked at under the same condition.
//!
//! Everything here takes each row as independent but for the point estimates, which need no such assumption: with rows
//! in clusters, put [`risk_ratio`] or [`odds_ratio`] of the sums into [`super::jackknife()`].

use super::Interval;
use super::association::chi2_tail;
use super::quantile::normal_quantile;

/// What two groups got in one stratum.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Stratum {
    /// Events of the group in question, a; 0 to `rows`.
    pub events: f64,
    /// Its rows, n₁.
    pub rows: f64,
    /// Events of the reference, c; 0 to `reference_rows`.
    pub reference_events: f64,
    /// Its rows, n₀.
    pub reference_rows: f64,
}

/// A test whose statistic is χ² distributed when the null hypothesis holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChiSquared {
    pub statistic: f64,
    /// Degrees of freedom, at least 1.
    pub df: f64,
    pub p_value: f64,
}

impl Stratum {
    /// N, the rows of both groups.
    fn total(&self) -> f64 {
        self.rows + self.reference_rows
    }

    /// m, the events of both groups.
    fn happened(&self) -> f64 {
        self.events + self.reference_events
    }

    /// Whether both groups have rows and something happened: a ratio of rates learns from no other stratum.
    pub fn compares(&self) -> bool {
        self.rows > 0.0 && self.reference_rows > 0.0 && self.happened() > 0.0
    }

    /// Whether no margin is empty: odds and tests learn from no other stratum.
    pub fn varies(&self) -> bool {
        self.compares() && self.total() > 1.0 && self.happened() < self.total()
    }

    /// The variance of a when all margins are fixed and the groups do not matter (hypergeometric).
    fn null_variance(&self) -> f64 {
        let (n, m) = (self.total(), self.happened());
        self.rows * self.reference_rows * m * (n - m) / (n * n * (n - 1.0))
    }

    /// The cells over N: a·d, b·c, (a + d)/N, (b + c)/N, the parts of the odds ratio and its variance.
    fn odds(&self) -> [f64; 4] {
        let n = self.total();
        let (a, c) = (self.events, self.reference_events);
        let (b, d) = (self.rows - a, self.reference_rows - c);
        [a * d / n, b * c / n, (a + d) / n, (b + c) / n]
    }
}

/// The Cochran-Mantel-Haenszel test (Cochran 1954; Mantel & Haenszel 1959) that in no stratum the groups differ:
/// M² = (|Σ(a − E)| − correction)² / ΣV on 1 degree of freedom. `correction` is 0.5 for the continuity correction, or 0;
/// a distance smaller than it counts as 0.
///
/// None when no stratum tells anything.
pub fn cmh(strata: &[Stratum], correction: f64) -> Option<ChiSquared> {
    let (mut distance, mut variance) = (0.0, 0.0);
    for of in strata.iter().filter(|of| of.varies()) {
        distance += of.events - of.rows * of.happened() / of.total();
        variance += of.null_variance();
    }
    let statistic = (distance.abs() - correction).max(0.0).powi(2) / variance;
    chi_squared(statistic, 1.0)
}

fn chi_squared(statistic: f64, df: f64) -> Option<ChiSquared> {
    let p_value = chi2_tail(statistic, df).filter(|_| statistic.is_finite())?;
    Some(ChiSquared { statistic, df, p_value })
}

/// The ratio of rates over all strata as one: (Σa/Σn₁) / (Σc/Σn₀). None without events or rows of the reference.
pub fn crude_ratio(strata: &[Stratum]) -> Option<f64> {
    let sum = |of: fn(&Stratum) -> f64| strata.iter().map(of).sum::<f64>();
    let ratio = sum(|s| s.events) / sum(|s| s.rows) / (sum(|s| s.reference_events) / sum(|s| s.reference_rows));
    ratio.is_finite().then_some(ratio)
}

/// The Mantel-Haenszel ratio of rates that all strata share, Σ(a·n₀/N) / Σ(c·n₁/N) (Nurminen 1981; Greenland & Robins
/// 1985). None when nothing happened to the reference in any stratum that both groups have.
pub fn risk_ratio(strata: &[Stratum]) -> Option<f64> {
    let (ours, theirs) = risks(strata);
    let ratio = ours / theirs;
    ratio.is_finite().then_some(ratio)
}

fn risks(strata: &[Stratum]) -> (f64, f64) {
    strata.iter().filter(|of| of.compares()).fold((0.0, 0.0), |(ours, theirs), of| {
        let n = of.total();
        (ours + of.events * of.reference_rows / n, theirs + of.reference_events * of.rows / n)
    })
}

/// The interval of [`risk_ratio`] for independent rows, on the log scale with the variance of Greenland & Robins (1985):
/// Σ(m·n₁·n₀/N² − a·c/N) / (Σ(a·n₀/N)·Σ(c·n₁/N)). Right for few large strata and for many sparse ones. Method
/// `greenland_robins`. None without events on either side.
pub fn risk_ratio_interval(strata: &[Stratum], level: f64) -> Option<Interval> {
    let (ours, theirs) = risks(strata);
    let spread = strata.iter().filter(|of| of.compares()).map(|of| {
        let n = of.total();
        of.happened() * of.rows * of.reference_rows / (n * n) - of.events * of.reference_events / n
    });
    log_interval(ours / theirs, spread.sum::<f64>() / (ours * theirs), level, "greenland_robins")
}

/// The Mantel-Haenszel odds ratio (1959), Σ(a·d/N) / Σ(b·c/N). None when its denominator is 0.
pub fn odds_ratio(strata: &[Stratum]) -> Option<f64> {
    let (mut r, mut s) = (0.0, 0.0);
    for of in strata.iter().filter(|of| of.varies()) {
        let [ad, bc, ..] = of.odds();
        (r, s) = (r + ad, s + bc);
    }
    let ratio = r / s;
    ratio.is_finite().then_some(ratio)
}

/// The interval of [`odds_ratio`] for independent rows, on the log scale with the variance of Robins, Breslow & Greenland
/// (1986). Method `robins_breslow_greenland`. None when the ratio is 0 or undefined.
pub fn odds_ratio_interval(strata: &[Stratum], level: f64) -> Option<Interval> {
    let (mut r, mut s, mut pr, mut cross, mut qs) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for [ad, bc, p, q] in strata.iter().filter(|of| of.varies()).map(Stratum::odds) {
        (r, s) = (r + ad, s + bc);
        (pr, cross, qs) = (pr + p * ad, cross + p * bc + q * ad, qs + q * bc);
    }
    let variance = pr / (2.0 * r * r) + cross / (2.0 * r * s) + qs / (2.0 * s * s);
    log_interval(r / s, variance, level, "robins_breslow_greenland")
}

fn log_interval(estimate: f64, variance: f64, level: f64, method: &str) -> Option<Interval> {
    if !(estimate > 0.0 && variance > 0.0 && variance.is_finite()) {
        return None;
    }
    let factor = (normal_quantile(level)? * variance.sqrt()).exp();
    Interval::of(estimate, estimate / factor, estimate * factor, level, method)
}

/// The test of Breslow & Day (1980) that all strata share one odds ratio: Σ(a − E)²/V, where E and V are a's expectation
/// and variance given the margins and [`odds_ratio`], on one degree of freedom less than there are strata that tell
/// anything. With `tarone`, less (Σ(a − E))²/ΣV (Tarone 1985), which makes it right for an odds ratio that is estimated so.
///
/// None with fewer than two such strata, or when the odds ratio is 0 or undefined.
pub fn breslow_day(strata: &[Stratum], tarone: bool) -> Option<ChiSquared> {
    let odds = odds_ratio(strata).filter(|odds| *odds > 0.0)?;
    let (mut sum, mut distance, mut variance, mut count) = (0.0, 0.0, 0.0, 0.0);
    for of in strata.iter().filter(|of| of.varies()) {
        let (a, v) = expected(of, odds)?;
        sum += (of.events - a).powi(2) / v;
        distance += of.events - a;
        variance += v;
        count += 1.0;
    }
    if count < 2.0 {
        return None;
    }
    chi_squared(if tarone { sum - distance * distance / variance } else { sum }, count - 1.0)
}

/// What a would be in a stratum of these margins with this odds ratio, and its variance.
fn expected(of: &Stratum, odds: f64) -> Option<(f64, f64)> {
    let (m, n1, n0) = (of.happened(), of.rows, of.reference_rows);
    // a·(n₀ − m + a) = ψ·(m − a)·(n₁ − a): (1 − ψ)·a² + b·a − ψ·m·n₁ = 0, in the form that divides by no small number.
    let b = n0 - m + odds * (m + n1);
    let root = (b * b + 4.0 * (1.0 - odds) * odds * m * n1).max(0.0).sqrt();
    let a = 2.0 * odds * m * n1 / (b + root);
    let cells = [a, m - a, n1 - a, n0 - m + a];
    let variance = 1.0 / cells.iter().map(|cell| 1.0 / cell).sum::<f64>();
    (cells.iter().all(|cell| *cell > 0.0) && variance > 0.0).then_some((a, variance))
}

#[cfg(test)]
mod tests;
