//! The smallest size that a rule catches as often as is asked.

use super::number::{Number, Plan};
use super::{Sampling, Seen};
use crate::error::Result;
use crate::playbook::Verdict;
use crate::rules::trial::Trial;

/// Samples that are asked first: where they leave no doubt, the others are not.
const FIRST: usize = 50;
/// How many standard errors leave no doubt.
const DOUBT: f64 = 3.5;
/// Sizes are found to a hundredth.
const STEPS: f64 = 100.0;
/// Sizes below 1 from which the search starts. Where next to nothing is left of a small segment's outcome, its interval
/// can be wider than where some is, so that the largest loss need not be the easiest to see.
const LOSSES: [u32; 5] = [0, 10, 25, 50, 70];
/// A segment is made at most so many times as large, or as small, in half doublings: 32 times.
const DOUBLINGS: i32 = 10;

/// On which side of 1 a rule looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Sizes at most this.
    AtMost,
    /// Sizes at least this.
    AtLeast,
}

/// A rule beside a number that it judges.
pub(super) struct Search<'a> {
    pub trial: &'a Trial<'a>,
    pub number: &'a dyn Number,
    pub sampling: &'a Sampling,
    pub stream: u64,
}

/// What was found on one side.
pub(super) struct Found {
    pub side: Side,
    /// The size past which the rule fails when nobody doubts the number.
    pub bound: f64,
    pub seen: Option<Seen>,
    /// The largest effect that was tried.
    pub tried: f64,
}

impl Search<'_> {
    /// Both sides, as far as the rule looks there: it must fail at the end of a side, and not where all are treated
    /// alike.
    pub fn sides(&self) -> Result<Vec<Found>> {
        let mut found = Vec::new();
        if self.certainly(1.0)? {
            return Ok(found);
        }
        let most = self.number.most();
        for (side, end) in [(Side::AtMost, 0.01), (Side::AtLeast, most)] {
            if end != 1.0 && self.certainly(end)? {
                found.push(self.side(side, end)?);
            }
        }
        Ok(found)
    }

    fn certainly(&self, size: f64) -> Result<bool> {
        Ok(self.trial.ask(&self.number.certain(size))? == Some(Verdict::Fail))
    }

    fn side(&self, side: Side, end: f64) -> Result<Found> {
        let (mut fails, mut holds) = (end, 1.0);
        for _ in 0..40 {
            let middle = (fails + holds) / 2.0;
            if self.certainly(middle)? { fails = middle } else { holds = middle }
        }
        let ends: Vec<u32> = match side {
            Side::AtMost => LOSSES.to_vec(),
            Side::AtLeast => {
                let end = (end * STEPS).floor() as u32;
                vec![end, (end + 100) / 2, (end + 300) / 4]
            }
        };
        let reads = |field: &str| self.trial.reads(field);
        let plan =
            Plan { seed: self.sampling.seed, stream: self.stream, many: self.sampling.simulations, reads: &reads };
        let largest = if side == Side::AtMost { 1.0 } else { end };
        let samples = self.number.samples(&plan, largest, 1.0);
        let size = |step: u32| f64::from(step) / STEPS;
        let fails = |nth, step| Ok(self.trial.ask(&samples.fact(nth, size(step)))? == Some(Verdict::Fail));
        let often = |step: u32| self.often(|nth| fails(nth, step));
        let mut caught = None;
        for &end in &ends {
            if often(end)? {
                caught = Some(end);
                break;
            }
        }
        let Some(mut caught) = caught else {
            return Ok(Found { side, bound: holds, seen: None, tried: size(ends[0]) });
        };
        let mut missed = STEPS as u32;
        while caught.abs_diff(missed) > 1 {
            let middle = (caught + missed) / 2;
            if often(middle)? { caught = middle } else { missed = middle }
        }
        let all = self.sampling.simulations;
        let share = self.count(0..all, &|nth| fails(nth, caught))? as f64 / all as f64;
        Ok(Found { side, bound: holds, seen: Some(self.seen(size(caught), share)), tried: size(ends[0]) })
    }

    fn seen(&self, size: f64, share: f64) -> Seen {
        Seen { size, probability: share, error: self.sampling.error(share) }
    }

    /// How many units a segment that is treated alike takes to pass as often as is asked, within a tenth or so, the
    /// reference as it is; none when the rule never passes, or no size that is tried suffices.
    pub fn units_to_pass(&self) -> Result<Option<u64>> {
        let passes = |fact| Ok::<bool, crate::error::Error>(self.trial.ask(&fact)? == Some(Verdict::Pass));
        let Some(units) = self.number.units().filter(|units| *units > 0) else { return Ok(None) };
        if !self.trial.has_pass_condition() || !passes(self.number.certain(1.0))? {
            return Ok(None);
        }
        let reads = |field: &str| self.trial.reads(field);
        let plan =
            Plan { seed: self.sampling.seed, stream: self.stream, many: self.sampling.simulations, reads: &reads };
        let suffices = |times: f64| {
            let samples = self.number.samples(&plan, 1.0, times);
            self.often(|nth| passes(samples.fact(nth, 1.0)))
        };
        let times = |half_doublings: f64| (half_doublings / 2.0).exp2();
        let (mut few, mut enough) = (-DOUBLINGS, DOUBLINGS);
        if !suffices(times(f64::from(enough)))? {
            return Ok(None);
        }
        while enough - few > 1 {
            let middle = (few + enough).div_euclid(2);
            if suffices(times(f64::from(middle)))? { enough = middle } else { few = middle }
        }
        let (mut few, mut enough) = (f64::from(few), f64::from(enough));
        for _ in 0..2 {
            let middle = (few + enough) / 2.0;
            if suffices(times(middle))? { enough = middle } else { few = middle }
        }
        Ok(Some(two_digits(units as f64 * times(enough))))
    }

    /// Whether it is so in the wanted share of samples; of the first ones only where they leave no doubt.
    fn often(&self, is: impl Fn(usize) -> Result<bool>) -> Result<bool> {
        let Sampling { power, simulations, .. } = *self.sampling;
        let first = FIRST.min(simulations);
        let count = self.count(0..first, &is)?;
        let off = (count as f64 / first as f64 - power).abs();
        if off > DOUBT * (power * (1.0 - power) / first as f64).sqrt() {
            return Ok(count as f64 >= power * first as f64);
        }
        let rest = self.count(first..simulations, &is)?;
        Ok((count + rest) as f64 >= power * simulations as f64)
    }

    fn count(&self, samples: std::ops::Range<usize>, is: &impl Fn(usize) -> Result<bool>) -> Result<usize> {
        let mut count = 0;
        for nth in samples {
            count += usize::from(is(nth)?);
        }
        Ok(count)
    }
}

/// Rounded up to two digits.
fn two_digits(of: f64) -> u64 {
    let unit = 10_f64.powf((of.log10().floor() - 1.0).max(0.0));
    // What is a whole number but for rounding stays it.
    ((of / unit - 1e-9).ceil() * unit) as u64
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_digits_are_kept() {
        let given = [3.2, 41.0, 417.1, 12_345.0, 99.5];
        assert_eq!(given.map(super::two_digits), [4, 41, 420, 13_000, 100]);
    }
}
