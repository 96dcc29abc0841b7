//! `ranking_fairness`: how far the lists are from the shares that groups of items are to have.

use std::collections::BTreeMap;
use std::f64::consts::LN_2;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::exposure_parity::Bounds;
use super::exposure_parity::withheld;
use super::measured::{Harm, Number};
use super::{FactKind, attributes};
use crate::findings::Evidence;
use crate::manifest::{ItemGroup, Measure};
use crate::replay::items::{Cell, Segment, Sums};
use crate::replay::rankings::{ListSums, Lists, MOST_BOUNDED, Targets};
use crate::replay::segments::UNKNOWN;
use crate::stats::{Interval, Portion, portion};

/// The lists of one strategy, to all people or one segment of them, by one attribute of items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RankingFairness {
    pub strategy: String,
    /// The attribute of items, e.g. `provider`.
    pub item_attribute: String,
    /// The people who were shown the lists; empty for all.
    pub segment: BTreeMap<String, String>,
    /// The position model, e.g. `log2`. `ndkl` has its own: 1 / log2(k + 1).
    pub discount: String,
    /// The last position that counts; null for the whole list.
    pub cutoff: Option<u32>,
    /// `catalogue`, `merit` or `policy`; of all people whom the strategy served.
    pub target: String,
    /// Groups told apart.
    pub groups: u64,
    /// Lists with an item whose group is known; null when withheld.
    pub lists: Option<u64>,
    /// AWRF: mean over lists of 1 less the Jensen-Shannon divergence, in nats, of attention from the target. 1 is fair.
    pub awrf_jsd: Option<Interval>,
    /// The same, whatever the groups of the items are whose group is not known; null when all are known or there are
    /// more than 20 groups.
    pub awrf_jsd_bounds: Option<Bounds>,
    /// AWRF of two groups: mean over lists of the difference between share of attention and target. 0 is fair; null with
    /// more groups.
    pub awrf_difference: Option<Interval>,
    /// Mean over lists of the normalised discounted KL divergence, in nats, of each beginning of the list from the
    /// target. 0 is fair. Over the lists for which it is finite.
    pub ndkl: Option<Interval>,
    /// Lists that hold an item of a group whose target is 0, so that the divergence is infinite; null when withheld.
    pub lists_infinite: Option<u64>,
    /// The group with the least places for its target, and with the most.
    pub min_skew: Option<Skew>,
    pub max_skew: Option<Skew>,
    /// Expected exposure by group, on shares: loss |ε − ε*|², disparity |ε|², relevance ε·ε*.
    pub eel: Option<f64>,
    pub eed: Option<f64>,
    pub eer: Option<f64>,
    /// Whether the segment is below `min_cell` units, so that its numbers are withheld.
    pub suppressed: bool,
}

/// A group's share of places beside its target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Skew {
    pub item_group: String,
    /// ln(share of places ÷ target), in nats; null when it has no place at all.
    pub skew: Option<f64>,
}

impl FactKind for RankingFairness {
    const NAME: &'static str = "ranking_fairness";
    const DOC: &'static str = include_str!("ranking_fairness.md");
    const MEASURES: &'static [&'static str] = &["awrf_jsd", "awrf_difference", "ndkl", "skew", "eel", "eed", "eer"];
    const NEEDS_LOG: bool = true;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("strategy", self.strategy.clone()),
            ("item_attribute", self.item_attribute.clone()),
            ("segment", attributes(&self.segment)),
            ("discount", self.discount.clone()),
            ("cutoff", self.cutoff.map_or_else(String::new, |cutoff| cutoff.to_string())),
            ("target", self.target.clone()),
        ])
    }

    fn evidence(&self) -> Vec<Evidence> {
        vec![Evidence::value("attention", self.discount.clone()), Evidence::value("target", self.target.clone())]
    }

    fn numbers(&self, _: f64) -> Vec<Number> {
        Number::of("awrf_jsd", Harm::High, &self.awrf_jsd)
    }
}

/// What the lists of one attribute of items add up to.
pub struct Found<'a> {
    pub of: &'a ItemGroup,
    pub cells: &'a BTreeMap<(String, Segment), Cell>,
    pub targets: &'a Targets,
    pub lists: &'a Lists,
}

/// A fact per strategy and segment that has a target.
pub fn measure(found: &Found<'_>, measure: &Measure) -> Vec<RankingFairness> {
    let mut facts = Vec::new();
    for (key, buckets) in found.lists {
        let (strategy, segment) = key;
        let (Some(cell), Some(targets)) = (found.cells.get(key), found.targets.get(strategy)) else { continue };
        let attribute = |segment: &Segment| segment.as_ref().map(|(name, _)| name.clone());
        let siblings: Vec<(&Segment, u64)> = found
            .cells
            .iter()
            .filter(|((own, sibling), _)| own == strategy && attribute(sibling) == attribute(segment))
            .map(|((_, sibling), cell)| (sibling, cell.units))
            .collect();
        let suppressed = cell.units < measure.min_cell;
        let counted = !suppressed && withheld(&siblings, measure.min_cell) != Some(segment);
        let total = |of: fn(&ListSums) -> f64| buckets.values().map(of).sum::<f64>();
        let lists = total(|sums| sums.lists);
        let mean = |of: fn(&ListSums) -> f64, count: fn(&ListSums) -> f64, range: (f64, f64)| {
            let groups = buckets.values().map(|sums| Portion { part: of(sums), whole: count(sums) });
            portion::mean(&groups.collect::<Vec<_>>(), range, measure.level).filter(|_| !suppressed)
        };
        let largest = targets.values().filter(|target| **target > 0.0).map(|target| -target.ln()).fold(0.0, f64::max);
        let pooled = Pooled::of(cell, targets);
        let skews = pooled.as_ref().filter(|_| !suppressed).map(Pooled::skews).unwrap_or_default();
        let pooled = pooled.filter(|_| !suppressed);
        facts.push(RankingFairness {
            strategy: strategy.clone(),
            item_attribute: found.of.attribute.value.clone(),
            segment: segment.iter().cloned().collect(),
            discount: measure.position_model.id(),
            cutoff: measure.cutoff,
            target: found.of.target.id().to_owned(),
            groups: targets.len() as u64,
            lists: counted.then_some(lists as u64),
            awrf_jsd: mean(|sums| sums.lists - sums.jsd, |sums| sums.lists, (1.0 - LN_2, 1.0)),
            awrf_jsd_bounds: bounds(
                cell,
                targets,
                total(|sums| sums.bounded),
                total(|sums| sums.low),
                total(|sums| sums.high),
            )
            .filter(|_| !suppressed),
            awrf_difference: mean(|sums| sums.distance, |sums| sums.lists, (0.0, 1.0)).filter(|_| targets.len() == 2),
            ndkl: mean(|sums| sums.ndkl, |sums| sums.finite, (0.0, largest)),
            lists_infinite: counted.then(|| (lists - total(|sums| sums.finite)) as u64),
            min_skew: skews.first().cloned(),
            max_skew: skews.last().cloned(),
            eel: pooled.as_ref().map(|of| of.sum(|share, target| (share - target).powi(2))),
            eed: pooled.as_ref().map(|of| of.sum(|share, _| share * share)),
            eer: pooled.as_ref().map(|of| of.sum(|share, target| share * target)),
            suppressed,
        });
    }
    facts
}

/// Of 1 less the divergence, given its sums over lists. None where all groups are known, or where there are too many.
fn bounds(cell: &Cell, targets: &BTreeMap<String, f64>, lists: f64, low: f64, high: f64) -> Option<Bounds> {
    let unknown = cell.totals().get(UNKNOWN).is_some_and(|sums| sums.exposure > 0.0);
    let told = unknown && targets.len() <= MOST_BOUNDED && lists > 0.0;
    told.then(|| Bounds { low: 1.0 - high / lists, high: 1.0 - low / lists })
}

/// The shares of all lists together.
struct Pooled {
    /// Group, share of attention, share of places, target.
    groups: Vec<(String, f64, f64, f64)>,
}

impl Pooled {
    fn of(cell: &Cell, targets: &BTreeMap<String, f64>) -> Option<Self> {
        let totals = cell.totals();
        let whole = |of: fn(&Sums) -> f64| -> f64 {
            totals.iter().filter(|(name, _)| **name != UNKNOWN).map(|(_, sums)| of(sums)).sum()
        };
        let (exposure, places) = (whole(|sums| sums.exposure), whole(|sums| sums.impressions));
        let groups = targets.iter().map(|(name, target)| {
            let own = totals.get(name.as_str()).copied().unwrap_or_default();
            (name.clone(), own.exposure / exposure, own.impressions / places, *target)
        });
        (exposure > 0.0 && places > 0.0).then(|| Self { groups: groups.collect() })
    }

    fn sum(&self, of: impl Fn(f64, f64) -> f64) -> f64 {
        self.groups.iter().map(|(_, share, _, target)| of(*share, *target)).sum()
    }

    /// From the least to the most. A group without a target has none.
    fn skews(&self) -> Vec<Skew> {
        let with_target = self.groups.iter().filter(|(.., target)| *target > 0.0);
        let mut skews: Vec<(f64, &String)> =
            with_target.map(|(name, _, places, target)| ((places / target).ln(), name)).collect();
        skews.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(b.1)));
        let skew = |(skew, name): (f64, &String)| Skew {
            item_group: name.clone(),
            skew: Some(skew).filter(|s| s.is_finite()),
        };
        skews.into_iter().map(skew).collect()
    }
}
