//! `drift`: how far a mix has moved from what an earlier audit found, and whether chance could have moved it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FactKind;
use super::change::Since;
use super::mix::Mix;
use crate::findings::Evidence;
use crate::replay::mixes::OTHER;
use crate::stats::benjamini_hochberg;
use crate::stats::drift::{jensen_shannon, largest_move, psi, psi_critical, psi_p};

/// A mix beside the same mix of an earlier audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// What is counted by what, as in `mix`.
    pub of: String,
    pub by: String,
    pub since: Since,
    /// The day that the earlier audit speaks for, `YYYY-MM-DD`; null when it named none.
    pub as_of: Option<String>,
    pub comparison: Comparison,
    /// Population Stability Index, from 0 (no difference); null unless compared, as are all that follow.
    pub psi: Option<f64>,
    /// The index that chance alone stays below in 95 % of cases, for as much as was counted.
    pub psi_critical: Option<f64>,
    /// How often chance alone makes an index at least as large.
    pub p_value: Option<f64>,
    /// `p_value` adjusted over all mixes compared (Benjamini-Hochberg).
    pub q_value: Option<f64>,
    /// Jensen-Shannon divergence to base 2, 0 (alike) to 1 (nothing in common).
    pub js_divergence: Option<f64>,
    /// Its root, a distance from 0 to 1.
    pub js_distance: Option<f64>,
    /// The value whose share moved furthest.
    pub largest_move: Option<Move>,
    /// Values compared.
    pub bins: Option<u64>,
    /// Everything counted then, and now.
    pub total_before: Option<u64>,
    pub total: Option<u64>,
    /// The independent observations that these are worth.
    pub effective_before: Option<u64>,
    pub effective: Option<u64>,
}

/// What could be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    Compared,
    /// There were fewer than `min_cell` subjects, then or now.
    Suppressed,
    /// The earlier audit put numbers into other bins.
    Rebinned,
    /// All that was counted has the same value, then and now.
    OneValue,
}

/// A value with its shares, 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Move {
    pub value: String,
    pub before: f64,
    pub now: f64,
}

/// The level of `psi_critical`.
const LEVEL: f64 = 0.95;

impl FactKind for Drift {
    const NAME: &'static str = "drift";
    const DOC: &'static str = include_str!("drift.md");
    const MEASURES: &'static [&'static str] = &["psi", "js_divergence"];
    const NEEDS_LOG: bool = true;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([("of", self.of.clone()), ("by", self.by.clone()), ("since", self.since.id().to_owned())])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let moved = self.largest_move.iter().map(|of| {
            Evidence::value(
                "largest move",
                format!("{}: {:.1}% to {:.1}%", of.value, of.before * 100.0, of.now * 100.0),
            )
        });
        let since = self.as_of.iter().map(|day| Evidence::value("compared with", day.clone()));
        moved.chain(since).collect()
    }
}

/// Compares every mix with that of the same name of an earlier audit, of the day `as_of`. What only one of the two has is not compared.
pub fn measure(earlier: &[Mix], mixes: &[Mix], since: Since, as_of: Option<&str>) -> Vec<Drift> {
    let same = |mix: &Mix| earlier.iter().find(|other| other.of == mix.of && other.by == mix.by);
    let mut facts: Vec<Drift> = mixes.iter().filter_map(|mix| Some(compare(same(mix)?, mix, since, as_of))).collect();
    let p: Vec<f64> = facts.iter().map(|fact| fact.p_value.unwrap_or(f64::NAN)).collect();
    for (fact, q) in facts.iter_mut().zip(benjamini_hochberg(&p)) {
        fact.q_value = fact.p_value.map(|_| q);
    }
    facts
}

fn compare(before: &Mix, now: &Mix, since: Since, as_of: Option<&str>) -> Drift {
    let aligned = align(before, now);
    let (x, y): (Vec<f64>, Vec<f64>) = aligned.iter().map(|(_, x, y)| (*x, *y)).unzip();
    let bins = aligned.len();
    let comparison = match () {
        () if before.suppressed || now.suppressed => Comparison::Suppressed,
        () if before.edges != now.edges => Comparison::Rebinned,
        () if psi(&x, &y).is_none() => Comparison::OneValue,
        () => Comparison::Compared,
    };
    let compared = comparison == Comparison::Compared;
    let sizes = before.effective.zip(now.effective).filter(|_| compared).map(|(n, m)| (n as f64, m as f64));
    let psi = psi(&x, &y).filter(|_| compared);
    let js = jensen_shannon(&x, &y).filter(|_| compared);
    let named = |(bin, before, now): (usize, f64, f64)| Some(Move { value: aligned.get(bin)?.0.clone(), before, now });
    Drift {
        of: now.of.clone(),
        by: now.by.clone(),
        since,
        as_of: as_of.map(str::to_owned),
        comparison,
        psi,
        psi_critical: sizes.and_then(|(n, m)| psi_critical(LEVEL, n, m, bins)),
        p_value: psi.zip(sizes).and_then(|(psi, (n, m))| psi_p(psi, n, m, bins)),
        q_value: None,
        js_divergence: js,
        js_distance: js.map(f64::sqrt),
        largest_move: largest_move(&x, &y).filter(|_| compared).and_then(named),
        bins: compared.then_some(bins as u64),
        total_before: before.total.filter(|_| compared),
        total: now.total.filter(|_| compared),
        effective_before: before.effective.filter(|_| compared),
        effective: now.effective.filter(|_| compared),
    }
}

/// Every value with its counts then and now.
///
/// A value that only one side names was 0 on the other, or lies in its `(other)`. As much of that is taken for it as
/// would make the shares equal, so that only what surely moved is told as drift.
fn align(before: &Mix, now: &Mix) -> Vec<(String, f64, f64)> {
    let side = |mix: &Mix| -> BTreeMap<String, f64> {
        mix.bins.iter().map(|bin| (bin.name.clone(), bin.count as f64)).collect()
    };
    let (mut x, mut y) = (side(before), side(now));
    let (n, m): (f64, f64) = (x.values().sum(), y.values().sum());
    share_out(&mut x, &y, n / m);
    share_out(&mut y, &x, m / n);
    let names: BTreeSet<String> = x.keys().chain(y.keys()).cloned().collect();
    let of = |side: &BTreeMap<String, f64>, name: &String| side.get(name).copied().unwrap_or(0.0);
    let all = names.into_iter().map(|name| {
        let (x, y) = (of(&x, &name), of(&y, &name));
        (name, x, y)
    });
    all.filter(|(_, x, y)| x + y > 0.0).collect()
}

/// Gives the values that `into` does not name their counts out of `into`'s `(other)`, all in one proportion where that does
/// not suffice: no other way of sharing it out makes a smaller index. `scale` makes counts of one those of the other.
fn share_out(into: &mut BTreeMap<String, f64>, from: &BTreeMap<String, f64>, scale: f64) {
    let pooled = into.get(OTHER).copied().unwrap_or(0.0);
    if pooled == 0.0 || !scale.is_finite() {
        return;
    }
    let lacking: Vec<(&String, f64)> = from
        .iter()
        .filter(|(name, _)| *name != OTHER && !into.contains_key(*name))
        .map(|(name, count)| (name, count * scale))
        .collect();
    let wanted: f64 = lacking.iter().map(|(_, count)| count).sum();
    let given = wanted.min(pooled);
    for (name, count) in lacking {
        into.insert(name.clone(), count * given / wanted);
    }
    into.insert(OTHER.to_owned(), pooled - given);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::mix::Bin;

    fn mix(bins: &[(&str, u64)]) -> Mix {
        let total: u64 = bins.iter().map(|bin| bin.1).sum();
        Mix {
            of: "decisions".into(),
            by: "strategy".into(),
            edges: Vec::new(),
            bins: bins.iter().map(|(name, count)| Bin { name: (*name).into(), count: *count }).collect(),
            total: Some(total),
            effective: Some(total),
            pooled: 0,
            suppressed: false,
        }
    }

    fn drift(before: &[(&str, u64)], now: &[(&str, u64)]) -> Drift {
        measure(&[mix(before)], &[mix(now)], Since::LastAudit, Some("2026-05-01")).remove(0)
    }

    #[test]
    fn a_strategy_that_took_over_is_drift() {
        let fact = drift(&[("a", 500), ("b", 500)], &[("a", 500), ("c", 500)]);
        assert!(fact.psi.unwrap() > 5.0 && fact.q_value.unwrap() < 1e-12);
        assert_eq!(fact.js_divergence, Some(0.5));
        assert_eq!(fact.largest_move, Some(Move { value: "b".into(), before: 0.5, now: 0.0 }));
        assert_eq!(fact.bins, Some(3));
        // What was pooled then may have been what is named now, but it was 4 at most.
        let fact = drift(&[("a", 500), ("b", 496), (OTHER, 4)], &[("a", 500), ("c", 497), (OTHER, 3)]);
        assert!(fact.psi.unwrap() > 4.0 && fact.q_value.unwrap() < 1e-12);
    }

    #[test]
    fn a_value_that_was_pooled_is_no_drift() {
        let fact = drift(&[("a", 950), (OTHER, 50)], &[("a", 1900), ("b", 60), ("c", 40)]);
        assert!(fact.psi.unwrap() < 1e-4, "{fact:?}");
        assert_eq!(fact.js_divergence, Some(0.0));
        let fact = drift(&[("a", 900), ("b", 60), ("c", 40)], &[("a", 900), ("b", 60), (OTHER, 40)]);
        assert!(fact.psi.unwrap() < 1e-4, "{fact:?}");
    }

    /// `c` was too small to be named and took `b` into `(other)` with it. There was nearly room for both.
    #[test]
    fn a_large_value_that_was_pooled_leaves_room_for_a_small_one() {
        let fact = drift(&[("a", 700), (OTHER, 190)], &[("a", 700), ("b", 195), ("c", 30)]);
        assert!(fact.psi.unwrap() < 0.01, "{fact:?}");
        assert_eq!(fact.bins, Some(3));
    }

    #[test]
    fn few_observations_are_not_drift_by_themselves() {
        let (few, many) = (
            drift(&[("a", 12), ("b", 18)], &[("a", 18), ("b", 12)]),
            drift(&[("a", 1200), ("b", 1800)], &[("a", 1800), ("b", 1200)]),
        );
        assert!(few.psi.unwrap() > 0.13 && few.p_value.unwrap() > 0.1 && few.psi < few.psi_critical);
        assert!(many.psi.unwrap() > 0.15 && many.p_value.unwrap() < 1e-9 && many.psi > many.psi_critical);
    }

    #[test]
    fn what_cannot_be_compared_is_said() {
        let (one, other) = (mix(&[("a", 50), ("b", 60)]), mix(&[("a", 70), ("b", 60)]));
        let state = |before: &Mix, now: &Mix| {
            let facts = measure(std::slice::from_ref(before), std::slice::from_ref(now), Since::Baseline, None);
            assert!(facts[0].psi.is_none() && facts[0].total.is_none() && facts[0].q_value.is_none());
            facts[0].comparison
        };
        let hidden = Mix { bins: Vec::new(), total: None, effective: None, suppressed: true, ..one.clone() };
        assert_eq!(state(&hidden, &other), Comparison::Suppressed);
        assert_eq!(state(&one, &hidden), Comparison::Suppressed);
        assert_eq!(state(&Mix { edges: vec![1.0], ..one.clone() }, &other), Comparison::Rebinned);
        assert_eq!(state(&mix(&[("a", 50)]), &mix(&[("a", 70)])), Comparison::OneValue);
        assert_eq!(measure(&[], &[one], Since::Baseline, None), []);
    }

    #[test]
    fn q_is_adjusted_over_all_mixes() {
        let before: Vec<Mix> =
            (0..4).map(|nth| Mix { by: format!("c{nth}"), ..mix(&[("a", 500), ("b", 500)]) }).collect();
        let mut now = before.clone();
        now[0] = Mix { by: "c0".into(), ..mix(&[("a", 550), ("b", 450)]) };
        let facts = measure(&before, &now, Since::LastAudit, None);
        let (p, q) = (facts[0].p_value.unwrap(), facts[0].q_value.unwrap());
        assert!((q - 4.0 * p).abs() < 1e-12 && facts[1].q_value == Some(1.0));
    }
}
