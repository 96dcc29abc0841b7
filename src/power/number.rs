//! A measured number as it can be made larger or smaller: what every kind that is simulated has to give.

use crate::facts::Fact;
use crate::stats::{benjamini_hochberg, holm};

/// A number of one fact, beside what it would be where nobody is treated otherwise, which is 1.
pub(super) trait Number: Sync {
    /// What the number is, e.g. `ratio`.
    fn measure(&self) -> &'static str;

    /// Whom and what it is about, in words.
    fn says(&self) -> String;

    fn fact(&self) -> &Fact;

    /// As it was measured.
    fn observed(&self) -> Option<f64>;

    /// The units of the segment that it was measured on; none where their number is withheld.
    fn units(&self) -> Option<u64>;

    /// Whether its units are people, and not rows.
    fn of_people(&self) -> bool;

    /// The largest size that can be made.
    fn most(&self) -> f64;

    /// The fact if the number had this size and nobody doubted it.
    fn certain(&self, size: f64) -> Fact;

    /// Samples of the same shape, with sizes up to `most`, and `scale` times as many people.
    fn samples<'a>(&'a self, plan: &Plan<'_>, most: f64, scale: f64) -> Box<dyn Samples + 'a>;
}

/// Samples of one number.
pub(super) trait Samples {
    /// What the audit would measure in the sample if the true size were this.
    fn fact(&self, nth: usize, size: f64) -> Fact;
}

/// How samples are drawn, and for whom.
pub(super) struct Plan<'a> {
    pub seed: u64,
    /// Tells the samples of one number from those of all others.
    pub stream: u64,
    pub many: usize,
    /// Whether the rule reads a field of the fact.
    pub reads: &'a (dyn Fn(&str) -> bool + Sync),
}

/// The other comparisons that a p-value is corrected for. They stay as they were observed.
#[derive(Debug, Clone, Default)]
pub(super) struct Family(Vec<f64>);

impl Family {
    pub fn of(others: impl Iterator<Item = Option<f64>>) -> Self {
        Self(others.flatten().collect())
    }

    /// Adjusted by Benjamini & Hochberg, and by Holm.
    pub fn corrected(&self, p: Option<f64>) -> (Option<f64>, Option<f64>) {
        let Some(p) = p else { return (None, None) };
        let all: Vec<f64> = self.0.iter().copied().chain([p]).collect();
        (benjamini_hochberg(&all).last().copied(), holm(&all).last().copied())
    }
}
