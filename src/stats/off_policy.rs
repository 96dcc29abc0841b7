//! What a policy would have got, estimated from the rows that another policy chose (off-policy evaluation).
//!
//! A row i has the reward r, the probability b with which the logging policy made its choice, and the probability e with
//! which the evaluated policy would have made the same; its weight is w = e / b. Every estimator is a ratio of two sums
//! over rows, so that totals by cluster and their cross products give cluster-robust intervals, also of a comparison with
//! the logging policy's own mean on the same rows.

use statrs::function::gamma::checked_gamma_ur;

use super::Interval;
use super::quantile::{t_p, t_quantile};
use super::ratio_mean::{ClusterSums, RatioMean, Unit};

/// What the reward in a position may depend on: of which positions' choices a row's weight is the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assumption {
    /// The choice in that position alone: w = e / b.
    Independent,
    /// The choices down to that position, as if read from the top: w of position k is the product of e / b over 1 to k
    /// (reward interaction; McInerney, Brost, Chandar, Mehrotra & Carterette 2020).
    Cascade,
    /// All choices of the request: w is the product over all of its positions (importance sampling of whole slates).
    Slate,
}

impl Assumption {
    pub const ALL: [Self; 3] = [Self::Independent, Self::Cascade, Self::Slate];

    /// As facts and manifests name it.
    pub fn id(self) -> &'static str {
        match self {
            Self::Independent => "independent",
            Self::Cascade => "cascade",
            Self::Slate => "slate",
        }
    }
}

/// What is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Rows, N.
    Rows,
    /// w.
    Weight,
    /// r.
    Reward,
    /// w·r.
    Weighted,
    /// min(w, λ)·r.
    Clipped,
    /// v·m + w·(r − q): q is the modelled reward of the choice that was made, m the mean of the modelled rewards of all
    /// choices under the evaluated policy, and v what w has of other positions than its own under
    /// [`Assumption::Cascade`] (Kiyohara et al. 2022), else 1.
    Robust,
    /// 1 where the evaluated policy, which does not draw, makes the same choice.
    Match,
    /// r of those.
    MatchReward,
    /// As [`Column::Robust`], with q and m from the other of two halves of the clusters.
    CrossFitted,
}

impl Column {
    pub const ALL: [Self; COLUMNS] = [
        Self::Rows,
        Self::Weight,
        Self::Reward,
        Self::Weighted,
        Self::Clipped,
        Self::Robust,
        Self::Match,
        Self::MatchReward,
        Self::CrossFitted,
    ];

    pub fn index(self) -> usize {
        self as usize
    }
}

pub const COLUMNS: usize = 9;

/// How the value of the evaluated policy is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Estimator {
    /// Σr of the rows where both agree over their number (Li, Chu, Langford & Wang 2011). Only where the logging policy
    /// draws uniformly and the evaluated one does not draw.
    Replay,
    /// Σw·r / N (Horvitz & Thompson 1952). Without bias when b is right and above 0 wherever e is.
    InversePropensity,
    /// Σmin(w, λ)·r / N (Ionides 2008): less variance for a bias downwards where r is not below 0.
    Clipped,
    /// Σw·r / Σw (Swaminathan & Joachims 2015): never beyond the rewards seen, consistent.
    SelfNormalised,
    /// Σm / N: as good as the model of rewards.
    DirectMethod,
    /// Σ(v·m + w·(r − q)) / N (Dudík, Langford & Li 2011): without bias when either b or the model is right.
    DoublyRobust,
    /// The same, each half of the clusters by the model of the other half (Chernozhukov et al. 2018; Narita, Yasui & Yata
    /// 2021): no row has had a part in the model that it is held against.
    CrossFitted,
}

impl Estimator {
    pub const ALL: [Self; 7] = [
        Self::Replay,
        Self::InversePropensity,
        Self::Clipped,
        Self::SelfNormalised,
        Self::DirectMethod,
        Self::DoublyRobust,
        Self::CrossFitted,
    ];

    /// As facts name it.
    pub fn id(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::InversePropensity => "inverse_propensity",
            Self::Clipped => "clipped",
            Self::SelfNormalised => "self_normalised",
            Self::DirectMethod => "direct_method",
            Self::DoublyRobust => "doubly_robust",
            Self::CrossFitted => "doubly_robust_cross_fitted",
        }
    }

    /// The sums whose ratio it is. None for the direct method, whose sum is no sum of observed rows.
    fn columns(self) -> Option<(Column, Column)> {
        match self {
            Self::Replay => Some((Column::MatchReward, Column::Match)),
            Self::InversePropensity => Some((Column::Weighted, Column::Rows)),
            Self::Clipped => Some((Column::Clipped, Column::Rows)),
            Self::SelfNormalised => Some((Column::Weighted, Column::Weight)),
            Self::DoublyRobust => Some((Column::Robust, Column::Rows)),
            Self::CrossFitted => Some((Column::CrossFitted, Column::Rows)),
            Self::DirectMethod => None,
        }
    }
}

/// Totals over clusters, and the sums of products of the totals of each cluster.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sums {
    pub clusters: u64,
    pub unit: Unit,
    /// Σ over clusters, by [`Column`].
    pub total: [f64; COLUMNS],
    /// Σ over clusters of the product of two totals; symmetric.
    pub cross: [[f64; COLUMNS]; COLUMNS],
    /// Σ m, the modelled rewards.
    pub direct: f64,
    /// Σu² over clusters, where u is what a cluster has of the error of Σ m / N, through its rows and through the model.
    /// None when it was not summed.
    pub direct_spread: Option<f64>,
    /// Σ w² over rows.
    pub squared_weights: f64,
}

impl Sums {
    /// The sums of a ratio of two columns.
    pub fn of(&self, numerator: Column, denominator: Column) -> ClusterSums {
        let (y, n) = (numerator.index(), denominator.index());
        ClusterSums {
            clusters: self.clusters,
            n: self.total[n],
            y: self.total[y],
            nn: self.cross[n][n],
            yy: self.cross[y][y],
            ny: self.cross[n][y],
            unit: self.unit,
        }
    }

    /// The point estimate. None when its denominator is not above 0.
    pub fn estimate(&self, estimator: Estimator) -> Option<f64> {
        let (y, n) = match estimator.columns() {
            Some((y, n)) => (self.total[y.index()], self.total[n.index()]),
            None => (self.direct, self.total[Column::Rows.index()]),
        };
        Some(y / n).filter(|value| n > 0.0 && value.is_finite())
    }

    /// The estimate with its variance over clusters; the model of rewards is taken as given. None for the direct method.
    pub fn mean(&self, estimator: Estimator) -> Option<RatioMean> {
        let (y, n) = estimator.columns()?;
        self.of(y, n).mean()
    }

    /// As [`Sums::mean`], and for the direct method with the variance m/(m − 1)·Σu², which counts the chance in the model,
    /// too. It must not be set beside another such mean as if they were independent: both may come of one model.
    pub fn value(&self, estimator: Estimator) -> Option<RatioMean> {
        if estimator != Estimator::DirectMethod {
            return self.mean(estimator);
        }
        let m = self.clusters as f64;
        let variance = Some(m / (m - 1.0) * self.direct_spread?).filter(|v| v.is_finite() && *v >= 0.0)?;
        Some(RatioMean { estimate: self.estimate(estimator)?, variance, df: m - 1.0, unit: self.unit })
    }

    /// What the logging policy got, Σr / N.
    pub fn current(&self) -> Option<RatioMean> {
        self.of(Column::Reward, Column::Rows).mean()
    }

    /// Σw / N, which is 1 but for chance when b is right, and below 1 by what the log never shows.
    pub fn mean_weight(&self) -> Option<RatioMean> {
        self.of(Column::Weight, Column::Rows).mean()
    }

    /// So many rows of weight 1 would be as sure: (Σw)² / Σw² (Kish 1965).
    pub fn effective_rows(&self) -> f64 {
        let weight = self.total[Column::Weight.index()];
        if self.squared_weights > 0.0 { weight / self.squared_weights * weight } else { 0.0 }
    }

    /// The estimate over what the logging policy got, with its interval and the two-sided p-value that both are one.
    ///
    /// Both come from the same clusters and go together: the variance of the logarithm is m/(m − 1)·Σu², where u adds up
    /// what each cluster has of the four sums, each over its total (the delta method on the logarithmic scale).
    /// None where either is not above 0, for the direct method, or when nothing varies.
    pub fn change(&self, estimator: Estimator, level: f64) -> Option<(Interval, f64)> {
        let (y, n) = estimator.columns()?;
        let total = |column: Column| self.total[column.index()];
        let sides = [total(y), total(n), total(Column::Reward), total(Column::Rows)];
        if self.clusters < 2 || sides.iter().any(|side| side.is_nan() || *side <= 0.0) {
            return None;
        }
        let mut gradient = [0.0; COLUMNS];
        for (column, sign) in [(y, 1.0), (n, -1.0), (Column::Reward, -1.0), (Column::Rows, 1.0)] {
            gradient[column.index()] += sign / total(column);
        }
        let (mut spread, mut size) = (0.0, 0.0_f64);
        for (i, left) in gradient.iter().enumerate() {
            for (j, right) in gradient.iter().enumerate() {
                let term = left * self.cross[i][j] * right;
                spread += term;
                size += term.abs();
            }
        }
        let m = self.clusters as f64;
        let se = (m / (m - 1.0) * spread).sqrt();
        // Below this only the terms' own rounding is left of their sum.
        if spread <= 32.0 * f64::EPSILON * size || !se.is_finite() {
            return None;
        }
        let log = (sides[0] / sides[1] / (sides[2] / sides[3])).ln();
        let half = t_quantile(level, m - 1.0)? * se;
        let interval = Interval::of(log.exp(), (log - half).exp(), (log + half).exp(), level, self.unit.method())?;
        Some((interval, t_p(log / se, m - 1.0)?))
    }
}

/// The p-value that counts agree with expected ones: Pearson's χ² on `cells` − 1 degrees of freedom (Pearson 1900). None
/// with fewer than two cells.
pub fn agreement(chi_square: f64, cells: u64) -> Option<f64> {
    let degrees = cells.checked_sub(1).filter(|degrees| *degrees > 0)?;
    match chi_square {
        x if x.is_nan() => None,
        x if x <= 0.0 => Some(1.0),
        x => checked_gamma_ur(degrees as f64 / 2.0, x / 2.0).ok(),
    }
}

#[cfg(test)]
mod tests;
