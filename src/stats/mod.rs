//! Intervals, tests and corrections. No word of the domain: counts and sums in, numbers with their uncertainty out.
//!
//! Where units are clusters of rows: [`ratio_mean`] for any value, [`share`] for rows between 0 and 1. Where each row
//! is a unit: [`proportion`]. Any smooth function of sums: [`jackknife`]; a share beside a target: [`portion`]. How two
//! variables go together: [`association`].
//! Rates compared within strata: [`stratified`], and how a gap splits up between and within them: [`decomposition`].
//! Amounts compared within cells: [`within`]. How many things there are, and how unequally they occur: [`abundance`];
//! how unequally amounts are spread over people: [`inequality`]. That a ratio is near 1: [`equivalence`]. Over many
//! tests: [`multiple`]. What another policy would have got: [`off_policy`]. How long it takes until
//! something happens: [`survival`]. Whether people were dealt out as meant: [`allocation`]. How often people will buy
//! again, and for how much: [`bg_nbd`] and [`gamma_gamma`], fitted by [`maximum`]. Seeded chance: [`draw`].
//!
//! Over time: that a number moved between two measurements ([`moved`]), or a distribution ([`drift`]); whether the newest
//! value of a series is one of them ([`control`]); intervals that may be looked at again and again ([`sequence`]).

pub mod abundance;
pub mod allocation;
pub mod association;
pub mod bg_nbd;
pub mod control;
#[cfg(test)]
mod coverage;
pub mod decomposition;
pub mod draw;
pub mod drift;
pub mod equivalence;
pub mod gamma_gamma;
pub mod inequality;
pub mod jackknife;
pub mod maximum;
pub mod moved;
pub mod multiple;
pub mod off_policy;
pub mod portion;
pub mod proportion;
pub mod quantile;
pub mod ratio_mean;
pub mod sequence;
pub mod share;
pub mod stratified;
pub mod survival;
mod units;
pub mod within;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use abundance::Abundance;
pub use jackknife::{Estimate, Scale, jackknife};
pub use moved::{Moved, moved, times};
pub use multiple::{benjamini_hochberg, holm};
pub use portion::Portion;
pub use proportion::Proportion;
pub use ratio_mean::{ClusterSums, RatioMean, Unit};
pub use units::MOST_UNITS;
pub use within::WithinSums;

/// An estimate with its confidence interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// The point estimate, in the unit of the field that carries it.
    pub estimate: f64,
    /// Lower limit.
    pub low: f64,
    /// Upper limit.
    pub high: f64,
    /// Confidence level, 0 to 1.
    pub level: f64,
    /// How the interval was made: `cluster_delta`, `row_delta`, `cluster_mover`, `wilson`, `clopper_pearson`,
    /// `newcombe`, `katz`, `score_delta`, `group_jackknife`, `greenland_robins`, `robins_breslow_greenland`,
    /// `cluster_within`, `cluster_exact`, `mover`, `normal_mixture`, `kaplan_meier`, `restricted_mean`, `brookmeyer_crowley`,
    /// `greenwood` or `bg_nbd_delta`.
    pub method: String,
}

impl Interval {
    /// None unless the three numbers are finite, so that no record ever carries a number JSON cannot.
    fn of(estimate: f64, low: f64, high: f64, level: f64, method: &str) -> Option<Self> {
        let finite = estimate.is_finite() && low.is_finite() && high.is_finite();
        finite.then(|| Self { estimate, low, high, level, method: method.to_owned() })
    }
}
