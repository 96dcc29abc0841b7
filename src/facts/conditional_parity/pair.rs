//! Two segments in the same strata, and what can be said of them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Gap, Part, RowTest, Simpson, Standardised};
use crate::manifest::{Measure, Unit};
use crate::replay::strata::Cell;
use crate::stats::decomposition::{gap, standardised};
use crate::stats::stratified::{
    ChiSquared, Stratum, breslow_day, cmh, crude_ratio, odds_ratio, odds_ratio_interval, risk_ratio,
    risk_ratio_interval,
};
use crate::stats::{Interval, Proportion, Scale, jackknife, proportion};

/// Continuity correction of the Cochran-Mantel-Haenszel test.
const CORRECTION: f64 = 0.5;
/// The share of both segments' impressions from which a stratum is large.
const LARGE: f64 = 0.05;

/// Cells of one segment by stratum.
pub(super) type Own<'a> = BTreeMap<&'a (String, String), &'a Cell>;

/// The same strata of a segment and the reference.
pub(super) struct Pair<'a> {
    pub keys: Vec<&'a (String, String)>,
    pub strata: Vec<Stratum>,
    /// Units of both in each stratum.
    pub units: Vec<[u64; 2]>,
    /// Four sums per stratum, by random group: those of [`strata`].
    groups: Vec<Vec<f64>>,
    measure: &'a Measure,
}

/// Columns of sums as strata.
fn strata(sums: &[f64]) -> Vec<Stratum> {
    let stratum = |s: &[f64]| Stratum { rows: s[0], events: s[1], reference_rows: s[2], reference_events: s[3] };
    sums.chunks_exact(4).map(stratum).collect()
}

impl<'a> Pair<'a> {
    pub fn of(ours: &Own<'a>, theirs: &Own<'a>, measure: &'a Measure) -> Self {
        let keys: BTreeSet<&(String, String)> = ours.keys().chain(theirs.keys()).copied().collect();
        let keys: Vec<_> = keys.into_iter().collect();
        let mut groups = BTreeMap::new();
        let mut units = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            let sides = [ours.get(key), theirs.get(key)];
            for (side, cell) in sides.iter().enumerate() {
                for (group, sums) in cell.iter().flat_map(|cell| &cell.groups) {
                    let of = groups.entry(*group).or_insert_with(|| vec![0.0; 4 * keys.len()]);
                    let first = 4 * at + 2 * side;
                    of[first..first + 2].copy_from_slice(sums);
                }
            }
            units.push(sides.map(|cell| cell.map_or(0, |cell| cell.units)));
        }
        let groups: Vec<Vec<f64>> = groups.into_values().collect();
        let mut total = vec![0.0; 4 * keys.len()];
        for group in &groups {
            total.iter_mut().zip(group).for_each(|(total, sum)| *total += sum);
        }
        Self { keys, strata: strata(&total), units, groups, measure }
    }

    fn by_subject(&self) -> bool {
        self.measure.unit == Unit::Subject
    }

    /// The statistic with what the random groups say of its uncertainty.
    fn robust(&self, scale: Scale, statistic: impl Fn(&[Stratum]) -> Option<f64>) -> Option<Interval> {
        jackknife(&self.groups, scale, |sums| statistic(&strata(sums)))?.interval(self.measure.level)
    }

    pub fn crude(&self) -> Option<Interval> {
        if self.by_subject() {
            return self.robust(Scale::Log, crude_ratio);
        }
        let sum = |of: fn(&Stratum) -> f64| self.strata.iter().map(of).sum::<f64>().round() as u64;
        let ours = Proportion { successes: sum(|s| s.events), trials: sum(|s| s.rows) };
        let theirs = Proportion { successes: sum(|s| s.reference_events), trials: sum(|s| s.reference_rows) };
        proportion::katz(ours, theirs, self.measure.level)
    }

    /// The Mantel-Haenszel ratio of rates, and the p of its being 1.
    pub fn adjusted(&self) -> Option<(Interval, Option<f64>)> {
        let level = self.measure.level;
        if self.by_subject() {
            let found = jackknife(&self.groups, Scale::Log, |sums| risk_ratio(&strata(sums)))?;
            return Some((found.interval(level)?, found.p_value(1.0)));
        }
        Some((risk_ratio_interval(&self.strata, level)?, self.cmh().map(|test| test.p_value)))
    }

    pub fn odds_ratio(&self) -> Option<Interval> {
        if self.by_subject() {
            return self.robust(Scale::Log, odds_ratio);
        }
        odds_ratio_interval(&self.strata, self.measure.level)
    }

    pub fn cmh(&self) -> Option<RowTest> {
        cmh(&self.strata, CORRECTION).map(test)
    }

    pub fn breslow_day(&self) -> Option<RowTest> {
        breslow_day(&self.strata, true).map(test)
    }

    pub fn gap(&self) -> Option<Gap> {
        use crate::stats::decomposition::Gap as Parts;
        let found = gap(&self.strata)?;
        let part = |of: fn(&Parts) -> f64| Part {
            estimate: of(&found),
            interval: self.robust(Scale::Linear, |strata| gap(strata).map(|gap| of(&gap))),
        };
        let total = part(|gap| gap.total);
        let clear = total.interval.as_ref().is_some_and(|total| total.low > 0.0 || total.high < 0.0);
        Some(Gap {
            composition: part(|gap| gap.composition),
            within: part(|gap| gap.within),
            unmatched: (found.unmatched != 0.0).then(|| part(|gap| gap.unmatched)),
            explained: clear.then(|| found.composition / found.total),
            total,
        })
    }

    pub fn standardised(&self) -> Option<Standardised> {
        Some(Standardised {
            rate: self.robust(Scale::Linear, |strata| standardised(strata).map(|of| of.rate))?,
            reference_rate: self.robust(Scale::Linear, |strata| standardised(strata).map(|of| of.reference_rate))?,
        })
    }

    /// Whether each large stratum goes against the crude ratio.
    pub fn large(&self, crude: &Interval) -> Vec<bool> {
        let compared = || self.strata.iter().zip(&self.units).filter(|(of, _)| of.compares());
        let all: f64 = compared().map(|(of, _)| of.rows + of.reference_rows).sum();
        let least = self.measure.min_cell;
        let large = compared().filter(|(of, units)| {
            units.iter().all(|units| *units >= least) && of.rows + of.reference_rows >= LARGE * all
        });
        large
            .map(|(of, _)| {
                let difference = of.events / of.rows - of.reference_events / of.reference_rows;
                difference * (crude.estimate - 1.0) < 0.0
            })
            .collect()
    }
}

/// What the intervals and the large strata say of a reversal.
pub(super) fn simpson(crude: &Interval, adjusted: &Interval, large: &[bool]) -> Simpson {
    let side = |of: &Interval| if of.high < 1.0 { -1 } else { i32::from(of.low > 1.0) };
    let turned = (crude.estimate - 1.0) * (adjusted.estimate - 1.0) < 0.0;
    match side(crude) {
        0 => Simpson::None,
        own if side(adjusted) == -own => Simpson::Certain,
        _ if turned || (large.len() > 1 && large.iter().all(|opposite| *opposite)) => Simpson::Apparent,
        _ => Simpson::None,
    }
}

fn test(ChiSquared { statistic, df, p_value }: ChiSquared) -> RowTest {
    RowTest { statistic, df, p_value }
}
