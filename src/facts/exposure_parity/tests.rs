use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::*;
use crate::manifest::{ItemGroup, Measure, PositionModel, Target};
use crate::replay::items::{Cell, Groups, Segment, Sums};
use crate::replay::positions::weight;
use crate::replay::segments::Segments;
use crate::yaml::At;

fn placed<T>(value: T) -> At<T> {
    At { value, line: 1, column: 1 }
}

fn asked(target: Target) -> ItemGroup {
    ItemGroup { attribute: placed("side".into()), target: placed(target), reference: None, by_segment: true }
}

fn groups() -> Groups {
    let sizes = vec![("B".to_owned(), 65), ("A".to_owned(), 35)];
    Groups { values: sizes.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>(), sizes, unknown: 0 }
}

fn sexes() -> Segments {
    Segments { references: BTreeMap::from([("sex".to_owned(), "m".to_owned())]), ..Segments::default() }
}

type Cells = BTreeMap<(String, Segment), Cell>;

/// What 300 people are shown, whose tastes differ widely and of whom some come often. Women are shown A at 30 % of the
/// places, men at 40 %; half of the items of A are relevant, and a quarter of those of B.
fn log(uniform: &mut impl FnMut() -> f64) -> Cells {
    let mut cells = Cells::new();
    for _ in 0..300 {
        let (sex, mean) = if uniform() < 0.5 { ("f", 0.3) } else { ("m", 0.4) };
        let taste = if uniform() < 0.5 { mean - 0.25 } else { mean + 0.25 };
        let bucket = format!("{:02x}", (uniform() * 256.0) as u32);
        let mut own: BTreeMap<String, Sums> = BTreeMap::new();
        for _ in 0..1 + (uniform() * uniform() * 12.0) as u32 {
            for place in 1..=6 {
                let (group, relevance) = if uniform() < taste { ("A", 0.5) } else { ("B", 0.25) };
                *own.entry(group.to_owned()).or_default() += Sums {
                    impressions: 1.0,
                    exposure: weight(PositionModel::Log2, place).unwrap(),
                    relevant: if uniform() < relevance { 1.0 } else { 0.0 },
                    ..Sums::default()
                };
            }
        }
        for segment in [None, Some(("sex".to_owned(), sex.to_owned()))] {
            let cell = cells.entry(("one".to_owned(), segment)).or_default();
            cell.units += 1;
            let sums = cell.buckets.entry(bucket.clone()).or_default();
            for (group, of) in &own {
                *sums.entry(group.clone()).or_default() += *of;
            }
        }
    }
    cells
}

fn fact<'a>(facts: &'a [ExposureParity], sex: &str) -> &'a ExposureParity {
    let wanted =
        |fact: &&ExposureParity| fact.item_group == "A" && fact.segment.get("sex").map_or("", String::as_str) == sex;
    facts.iter().find(wanted).unwrap()
}

/// 500 logs of 300 people with very uneven activity: the planted share, its ratio to merit, the attention per relevance
/// and the gap between the sexes lie within 90 to 98 % of their 95 % intervals (91 % of the gaps, 95 % of the shares).
#[test]
fn intervals_cover_what_was_planted() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut uniform = move || (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let has = Has { relevant: true, clicked: false };
    let settings = Measure::default();
    let merit = 0.35 * 0.5 / (0.35 * 0.5 + 0.65 * 0.25);
    let truths = [1.0, 0.35 / merit, 0.5, 0.75, -0.1];
    let logs = 500;
    let mut covered = [0_u32; 5];
    for _ in 0..logs {
        let cells = log(&mut uniform);
        let by_items = measure(&asked(Target::Catalogue), &groups(), &cells, &sexes(), &settings, has);
        let by_merit = measure(&asked(Target::Merit), &groups(), &cells, &sexes(), &settings, has);
        let (all, women) = (fact(&by_items, ""), fact(&by_items, "f"));
        let found = [
            &all.ratio,
            &fact(&by_merit, "").ratio,
            &all.treatment_ratio,
            &women.segment_ratio,
            &women.segment_difference,
        ];
        for ((covered, truth), found) in covered.iter_mut().zip(truths).zip(found) {
            let interval = found.as_ref().unwrap();
            *covered += u32::from(interval.low <= truth && truth <= interval.high);
        }
    }
    let shares = covered.map(|covered| f64::from(covered) / f64::from(logs));
    assert!(shares.iter().all(|share| (0.90..=0.98).contains(share)), "{shares:?}");
}

/// Benjamini and Hochberg's procedure by hand over the p-values of the groups: the q of the smallest of m is at most m·p.
#[test]
fn each_family_is_corrected_by_itself() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let mut uniform = move || (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let cells = log(&mut uniform);
    let has = Has { relevant: true, clicked: false };
    let mut facts = measure(&asked(Target::Catalogue), &groups(), &cells, &sexes(), &Measure::default(), has);
    correct(&mut facts);
    // Two groups among everyone, women and men; and two among women beside men.
    let p: Vec<f64> = facts.iter().filter_map(|fact| fact.p_value).collect();
    let of_segments: Vec<f64> = facts.iter().filter_map(|fact| fact.segment_p_value).collect();
    assert_eq!((p.len(), of_segments.len()), (6, 2));
    let least = p.iter().copied().fold(1.0, f64::min);
    let q = facts.iter().find(|fact| fact.p_value == Some(least)).unwrap().q_value.unwrap();
    assert!(q >= least && q <= 6.0 * least + 1e-12);
    let largest = of_segments.iter().copied().fold(0.0, f64::max);
    let of = facts.iter().find(|fact| fact.segment_p_value == Some(largest)).unwrap();
    assert!((of.segment_q_value.unwrap() - largest).abs() < 1e-12);
}

/// Relevance of 0 is no denominator, and a policy's silence no target.
#[test]
fn what_has_no_denominator_is_undefined() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut uniform = move || (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let mut cells = log(&mut uniform);
    for sums in cells.values_mut().flat_map(|cell| cell.buckets.values_mut()).flat_map(BTreeMap::values_mut) {
        sums.relevant = 0.0;
    }
    let has = Has { relevant: true, clicked: true };
    let facts = measure(&asked(Target::Merit), &groups(), &cells, &sexes(), &Measure::default(), has);
    let all = fact(&facts, "");
    assert_eq!((all.comparison, &all.ratio, all.target_share), (Comparison::Undefined, &None, None));
    assert_eq!((&all.treatment_ratio, &all.impact_ratio, all.relevance_share), (&None, &None, None));
    assert!(targets(&asked(Target::Merit), &groups(), &cells).is_empty());
    let policy = Target::Policy(BTreeMap::from([("B".to_owned(), placed(1.0))]));
    let facts = measure(&asked(policy), &groups(), &cells, &sexes(), &Measure::default(), has);
    assert_eq!((fact(&facts, "").comparison, fact(&facts, "").share.is_some()), (Comparison::Undefined, true));
}
