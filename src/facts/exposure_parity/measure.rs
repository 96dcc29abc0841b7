//! From sums by random group of subjects to shares of attention beside their targets.

use std::collections::{BTreeMap, BTreeSet};

use super::{Bounds, ExposureParity};
use crate::facts::outcome_parity::Comparison;
use crate::manifest::{ItemGroup, Measure, Target, Unit};
use crate::replay::items::{Cell, Groups, OTHER, Segment, Sums};
use crate::replay::rankings::Targets;
use crate::replay::segments::{Segments, UNKNOWN, is_known};
use crate::stats::{Estimate, Interval, Portion, Scale, benjamini_hochberg, jackknife, portion};

type Cells = BTreeMap<(String, Segment), Cell>;

/// What each group is to have among one cell's people. Groups of which the target says nothing are not in it; empty
/// where nothing was relevant.
fn target_shares(of: &ItemGroup, groups: &Groups, cell: &Cell) -> BTreeMap<String, f64> {
    let names = || groups.sizes.iter().map(|(name, _)| name);
    let shares_of = |amount: &dyn Fn(&str) -> f64| -> BTreeMap<String, f64> {
        let total: f64 = names().map(|name| amount(name)).sum();
        names().filter(|_| total > 0.0).map(|name| (name.clone(), amount(name) / total)).collect()
    };
    match &*of.target {
        Target::Catalogue => shares_of(&|name| groups.items(name) as f64),
        Target::Merit => {
            let totals = cell.totals();
            shares_of(&|name| totals.get(name).map_or(0.0, |sums| sums.relevant))
        }
        Target::Policy(shares) => shares
            .iter()
            .filter(|(_, share)| share.value > 0.0)
            .map(|(name, share)| (name.clone(), share.value))
            .collect(),
    }
}

/// The targets of each strategy among all people. Every group has one, which is 0 where the target says nothing.
pub fn targets(of: &ItemGroup, groups: &Groups, cells: &Cells) -> Targets {
    let everyone = cells.iter().filter(|((_, segment), _)| segment.is_none());
    let of_strategy = everyone.filter_map(|((strategy, _), cell)| {
        let shares = target_shares(of, groups, cell);
        let all = groups.sizes.iter().map(|(name, _)| (name.clone(), shares.get(name).copied().unwrap_or(0.0)));
        (!shares.is_empty()).then(|| (strategy.clone(), all.collect()))
    });
    of_strategy.collect()
}

/// The group with which exposure per item is compared: the manifest's, else the one with the largest target.
pub fn reference(of: &ItemGroup, shares: &BTreeMap<String, f64>) -> Option<String> {
    if let Some(fixed) = &of.reference {
        return Some(fixed.value.clone());
    }
    let order = |(name, share): &(&String, &f64)| (name.as_str() != OTHER, **share);
    let best = shares.iter().max_by(|a, b| {
        let ((a_own, a_share), (b_own, b_share)) = (order(a), order(b));
        a_own.cmp(&b_own).then(a_share.total_cmp(&b_share)).then_with(|| b.0.cmp(a.0))
    });
    best.map(|(name, _)| name.clone())
}

/// All facts of one attribute of items, in the order of strategy, segment and group.
pub fn measure(
    of: &ItemGroup,
    groups: &Groups,
    cells: &Cells,
    segments: &Segments,
    measure: &Measure,
    has: Has,
) -> Vec<ExposureParity> {
    let mut facts = Vec::new();
    for ((strategy, segment), cell) in cells {
        let everyone = cells.get(&(strategy.clone(), None));
        let shares = everyone.map(|cell| target_shares(of, groups, cell)).unwrap_or_default();
        let reference_value = segment.as_ref().and_then(|(attribute, _)| segments.references.get(attribute));
        let other =
            segment.as_ref().zip(reference_value).map(|((attribute, _), value)| (attribute.clone(), value.clone()));
        let siblings: Vec<(&Segment, u64)> = cells
            .iter()
            .filter(|((own, sibling), _)| own == strategy && same_attribute(sibling, segment))
            .map(|((_, sibling), cell)| (sibling, cell.units))
            .collect();
        let view = View {
            of,
            groups,
            cell,
            targets: target_shares(of, groups, cell),
            reference_group: reference(of, &shares),
            other: other.as_ref().and_then(|segment| cells.get(&(strategy.clone(), Some(segment.clone())))),
            other_segment: other,
            withheld: withheld(&siblings, measure.min_cell) == Some(segment),
            measure,
            has,
        };
        let names = groups.sizes.iter().map(|(name, _)| name.as_str());
        let unknown = cell.totals().contains_key(UNKNOWN).then_some(UNKNOWN);
        facts.extend(names.chain(unknown).map(|group| view.fact(strategy, segment, group)));
    }
    facts
}

/// Sets every q: Benjamini-Hochberg over all comparisons with a target, and over all of segments.
pub fn correct(facts: &mut [ExposureParity]) {
    type Read = fn(&ExposureParity) -> Option<f64>;
    type Write = fn(&mut ExposureParity, f64);
    let families: [(Read, Write); 2] = [
        (|fact| fact.p_value, |fact, q| fact.q_value = Some(q)),
        (|fact| fact.segment_p_value, |fact, q| fact.segment_q_value = Some(q)),
    ];
    for (read, write) in families {
        let family: Vec<usize> = (0..facts.len()).filter(|index| read(&facts[*index]).is_some()).collect();
        let p: Vec<f64> = family.iter().filter_map(|index| read(&facts[*index])).collect();
        for (index, q) in family.iter().zip(benjamini_hochberg(&p)) {
            write(&mut facts[*index], q);
        }
    }
}

fn same_attribute(a: &Segment, b: &Segment) -> bool {
    match (a, b) {
        (Some((a, _)), Some((b, _))) => a == b,
        (None, None) => true,
        _ => false,
    }
}

/// One hidden count is the total less the others: then the smallest shown one is withheld with it.
pub(in crate::facts) fn withheld<'a>(siblings: &[(&'a Segment, u64)], min_cell: u64) -> Option<&'a Segment> {
    let lone = siblings.iter().filter(|(_, units)| *units < min_cell).count() == 1;
    let shown = siblings.iter().filter(|(_, units)| lone && *units >= min_cell);
    shown.min_by_key(|(segment, units)| (*units, *segment)).map(|(segment, _)| *segment)
}

/// Which columns the log has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Has {
    pub relevant: bool,
    pub clicked: bool,
}

/// A cell with what its groups are held against.
struct View<'a> {
    of: &'a ItemGroup,
    groups: &'a Groups,
    cell: &'a Cell,
    targets: BTreeMap<String, f64>,
    reference_group: Option<String>,
    /// The reference segment, and what it was shown.
    other_segment: Option<(String, String)>,
    other: Option<&'a Cell>,
    withheld: bool,
    measure: &'a Measure,
    has: Has,
}

impl View<'_> {
    fn fact(&self, strategy: &str, segment: &Segment, group: &str) -> ExposureParity {
        let measure = self.measure;
        let hidden = self.cell.units < measure.min_cell;
        let counted = !hidden && !self.withheld;
        let totals = self.cell.totals();
        let own = totals.get(group).copied().unwrap_or_default();
        let pairs = |of: &Segment| of.iter().cloned().collect::<BTreeMap<_, _>>();
        let mut fact = ExposureParity {
            strategy: strategy.to_owned(),
            item_attribute: self.of.attribute.value.clone(),
            item_group: group.to_owned(),
            segment: pairs(segment),
            reference: pairs(&self.other_segment),
            reference_group: self.reference_group.clone(),
            discount: measure.position_model.id(),
            cutoff: measure.cutoff,
            target: self.of.target.id().to_owned(),
            unit: measure.unit.id().to_owned(),
            comparison: if hidden { Comparison::Suppressed } else { Comparison::Undefined },
            subjects: (counted && measure.unit == Unit::Subject).then_some(self.cell.units),
            impressions: counted.then_some(own.impressions as u64),
            unplaced: counted.then(|| totals.values().map(|sums| sums.unplaced).sum::<f64>() as u64),
            items: self.groups.items(group),
            share: None,
            target_share: None,
            ratio: None,
            log_ratio: None,
            difference: None,
            p_value: None,
            q_value: None,
            share_bounds: None,
            exposure_per_item: None,
            item_ratio: None,
            log_item_ratio: None,
            relevance_share: None,
            click_share: None,
            treatment_ratio: None,
            impact_ratio: None,
            segment_comparison: segment.as_ref().map(|_| Comparison::Undefined),
            reference_share: None,
            segment_ratio: None,
            segment_difference: None,
            segment_p_value: None,
            segment_q_value: None,
            suppressed: hidden,
            counts_withheld: self.withheld,
        };
        if hidden {
            fact.segment_comparison = segment.as_ref().map(|_| Comparison::Suppressed);
        } else if group == UNKNOWN {
            fact.comparison = Comparison::Unknown;
            fact.segment_comparison = segment.as_ref().map(|_| Comparison::Unknown);
            fact.share = portion::against(&portions(self.cell, group), 1.0, measure.level).map(|found| found.estimate);
        } else {
            self.against_target(&mut fact, group);
            self.against_group(&mut fact, group, &totals);
            self.against_segment(&mut fact, segment, group);
            let share = |of: fn(&Sums) -> f64| -> Option<f64> {
                let known: f64 = totals.iter().filter(|(name, _)| **name != UNKNOWN).map(|(_, sums)| of(sums)).sum();
                (known > 0.0).then(|| of(&own) / known)
            };
            fact.relevance_share = share(|sums| sums.relevant).filter(|_| self.has.relevant);
            fact.click_share = share(|sums| sums.clicks).filter(|_| self.has.clicked);
            let all: f64 = totals.values().map(|sums| sums.exposure).sum();
            let unknown = totals.get(UNKNOWN).map_or(0.0, |sums| sums.exposure);
            fact.share_bounds =
                (all > 0.0).then(|| Bounds { low: own.exposure / all, high: (own.exposure + unknown) / all });
            fact.exposure_per_item = (segment.is_none() && fact.items > 0).then(|| own.exposure / fact.items as f64);
        }
        fact
    }

    fn against_target(&self, fact: &mut ExposureParity, group: &str) {
        let level = self.measure.level;
        let target = self.targets.get(group).copied().filter(|target| *target > 0.0);
        let found = portion::against(&portions(self.cell, group), target.unwrap_or(0.0), level);
        let Some(found) = found else { return };
        fact.target_share = target;
        if let Some(target) = target {
            let fixed = |by: f64, less: f64| Interval {
                estimate: found.estimate.estimate / by - less,
                low: found.estimate.low / by - less,
                high: found.estimate.high / by - less,
                level,
                method: found.estimate.method.clone(),
            };
            let moving = (*self.of.target == Target::Merit).then(|| self.against_merit(group));
            if let Some((ratio, difference)) = moving {
                // Where the share is 0, the share alone is uncertain.
                fact.p_value = ratio.as_ref().map_or(found.p_value, |ratio| ratio.p_value(1.0));
                fact.ratio = Some(ratio.and_then(|ratio| ratio.interval(level)).unwrap_or_else(|| fixed(target, 0.0)));
                fact.difference = difference.and_then(|of| of.interval(level)).or_else(|| Some(fixed(1.0, target)));
            } else {
                fact.ratio = Some(fixed(target, 0.0));
                fact.difference = Some(fixed(1.0, target));
                fact.p_value = found.p_value;
            }
            fact.log_ratio = fact.ratio.as_ref().and_then(|ratio| log(ratio.estimate));
            fact.comparison = Comparison::Compared;
        }
        fact.share = Some(found.estimate);
    }

    /// Share of attention over, and less, the share of relevance: both are of the same people.
    fn against_merit(&self, group: &str) -> (Option<Estimate>, Option<Estimate>) {
        let sums = |sums: &BTreeMap<String, Sums>| {
            let known = sums.iter().filter(|(name, _)| *name != UNKNOWN).map(|(_, sums)| sums);
            let (exposure, relevant) = known.fold((0.0, 0.0), |(e, r), of| (e + of.exposure, r + of.relevant));
            let own = sums.get(group).copied().unwrap_or_default();
            vec![own.exposure, exposure, own.relevant, relevant]
        };
        let columns: Vec<Vec<f64>> = self.cell.buckets.values().map(sums).collect();
        let defined = |s: &[f64]| s[1] > 0.0 && s[2] > 0.0 && s[3] > 0.0;
        let ratio = |s: &[f64]| defined(s).then(|| s[0] / s[1] / (s[2] / s[3]));
        let difference = |s: &[f64]| defined(s).then(|| s[0] / s[1] - s[2] / s[3]);
        (jackknife(&columns, Scale::Log, ratio), jackknife(&columns, Scale::Linear, difference))
    }

    /// Attention per item, and what a group has per relevance, beside the reference group.
    fn against_group(&self, fact: &mut ExposureParity, group: &str, totals: &BTreeMap<&str, Sums>) {
        let Some(reference) = self.reference_group.as_deref().filter(|reference| *reference != group) else { return };
        let level = self.measure.level;
        let (items, their_items) = (fact.items as f64, self.groups.items(reference) as f64);
        let ratio = |of: fn(&Sums) -> f64, per: &dyn Fn(&Sums, f64) -> f64| -> Option<Interval> {
            let sums = |sums: &BTreeMap<String, Sums>| {
                let [own, their] = [group, reference].map(|name| sums.get(name).copied().unwrap_or_default());
                vec![of(&own), own.relevant, of(&their), their.relevant]
            };
            let columns: Vec<Vec<f64>> = self.cell.buckets.values().map(sums).collect();
            let statistic = |s: &[f64]| {
                let sums = |relevant: f64| Sums { relevant, ..Sums::default() };
                let (below, their_below) = (per(&sums(s[1]), items), per(&sums(s[3]), their_items));
                (below > 0.0 && their_below > 0.0 && s[2] > 0.0).then(|| s[0] / below / (s[2] / their_below))
            };
            jackknife(&columns, Scale::Log, statistic)?.interval(level)
        };
        fact.item_ratio = ratio(|sums| sums.exposure, &|_, items| items);
        let per_item = |name: &str, items: f64| totals.get(name).map(|sums| sums.exposure / items);
        let parity = per_item(group, items).zip(per_item(reference, their_items)).map(|(own, their)| own / their);
        fact.log_item_ratio = parity.and_then(log);
        if self.has.relevant {
            fact.treatment_ratio = ratio(|sums| sums.exposure, &|sums, _| sums.relevant);
        }
        if self.has.relevant && self.has.clicked {
            fact.impact_ratio = ratio(|sums| sums.clicks, &|sums, _| sums.relevant);
        }
    }

    /// How much of the segment's attention the group gets, beside the reference segment's.
    fn against_segment(&self, fact: &mut ExposureParity, segment: &Segment, group: &str) {
        let Some((_, value)) = segment else { return };
        if !is_known(value) {
            fact.segment_comparison = Some(Comparison::Unknown);
            return;
        }
        let Some(other) = self.other.filter(|other| other.units >= self.measure.min_cell) else { return };
        if self.other_segment.as_ref().is_some_and(|(_, reference)| reference == value) {
            fact.segment_comparison = Some(Comparison::Reference);
            return;
        }
        let level = self.measure.level;
        // Group by group of subjects, for both may be of the same ones where rows are the unit.
        let buckets: BTreeSet<&String> = self.cell.buckets.keys().chain(other.buckets.keys()).collect();
        let portions = |cell: &Cell| -> Vec<Portion> {
            buckets
                .iter()
                .map(|name| cell.buckets.get(*name).map_or_else(Portion::default, |of| portion_of(of, group)))
                .collect()
        };
        let (own, their) = (portions(self.cell), portions(other));
        let whole: f64 = their.iter().map(|of| of.whole).sum();
        fact.reference_share = (whole > 0.0).then(|| their.iter().map(|of| of.part).sum::<f64>() / whole);
        let pairs: Vec<Vec<f64>> =
            own.iter().zip(&their).map(|(own, their)| vec![own.part, own.whole, their.part, their.whole]).collect();
        let less = |s: &[f64]| (s[1] > 0.0 && s[3] > 0.0).then(|| s[0] / s[1] - s[2] / s[3]);
        fact.segment_difference = jackknife(&pairs, Scale::Linear, less).and_then(|of| of.interval(level));
        if let Some(found) = portion::ratio(&own, &their, level) {
            fact.segment_ratio = Some(found.estimate);
            fact.segment_p_value = found.p_value;
        }
        if fact.segment_ratio.is_some() {
            fact.segment_comparison = Some(Comparison::Compared);
        }
    }
}

fn portions(cell: &Cell, group: &str) -> Vec<Portion> {
    cell.buckets.values().map(|sums| portion_of(sums, group)).collect()
}

/// Attention of a group, and of all that it is a part of: the known ones, or all for those not known.
fn portion_of(sums: &BTreeMap<String, Sums>, group: &str) -> Portion {
    let counts = |name: &String| group == UNKNOWN || name != UNKNOWN;
    let whole = sums.iter().filter(|(name, _)| counts(name)).map(|(_, sums)| sums.exposure).sum();
    Portion { part: sums.get(group).map_or(0.0, |sums| sums.exposure), whole }
}

fn log(value: f64) -> Option<f64> {
    (value > 0.0 && value.is_finite()).then(|| value.ln())
}
