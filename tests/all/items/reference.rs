//! A slow and obviously right reckoning of random logs, list by list, beside what the plans find.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{List, Numbers, Shown, at, exposure, near, ranking, shop};

const ITEMS: [&str; 11] = ["a1", "a2", "b1", "b2", "b3", "b4", "c1", "c2", "c3", "x1", "x2"];
const CUTOFF: u32 = 5;

/// People with tastes of their own, several lists each, of one to nine items; some without a position.
fn lists(seed: u64) -> Vec<List> {
    let mut draw = Numbers(seed);
    let mut lists = Vec::new();
    for person in 0..90 {
        let taste = draw.index(ITEMS.len());
        for _ in 0..1 + draw.below(4) {
            let (mut left, mut items) = (ITEMS.to_vec(), Vec::new());
            for position in 1..=1 + draw.index(9) {
                let next = if draw.below(3) == 0 { taste.min(left.len() - 1) } else { draw.index(left.len()) };
                let shown = at(left.remove(next), position);
                let position = shown.position.filter(|_| draw.below(20) > 0);
                items.push(Shown { position, relevant: draw.below(3) == 0, clicked: draw.below(4) == 0, ..shown });
            }
            lists.push(List { strategy: if draw.below(3) == 0 { "two" } else { "one" }, person, items });
        }
    }
    lists
}

fn group(item: &str) -> Option<String> {
    (!item.starts_with('x')).then(|| item[..1].to_uppercase())
}

/// The list's items that get attention, in order, with their weights.
fn placed(list: &List) -> Vec<(Option<String>, f64)> {
    let mut placed: Vec<(u32, &Shown)> =
        list.items.iter().filter_map(|shown| Some((shown.position.filter(|k| *k <= CUTOFF)?, shown))).collect();
    placed.sort_by_key(|(position, _)| *position);
    placed.into_iter().map(|(k, shown)| (group(&shown.item), 1.0 / f64::from(k + 1).log2())).collect()
}

type Shares = BTreeMap<String, f64>;

fn shares(of: impl Iterator<Item = (String, f64)>) -> Shares {
    let mut sums = Shares::new();
    for (group, amount) in of {
        *sums.entry(group).or_default() += amount;
    }
    let total: f64 = sums.values().sum();
    sums.into_iter().map(|(group, amount)| (group, amount / total)).collect()
}

fn kl(p: &Shares, q: &Shares) -> f64 {
    p.iter().filter(|(_, p)| **p > 0.0).map(|(group, p)| p * (p / q.get(group).copied().unwrap_or(0.0)).ln()).sum()
}

fn jsd(p: &Shares, q: &Shares) -> f64 {
    let names = p.keys().chain(q.keys());
    let middle: Shares =
        names.map(|name| (name.clone(), 0.5 * (p.get(name).unwrap_or(&0.0) + q.get(name).unwrap_or(&0.0)))).collect();
    0.5 * kl(p, &middle) + 0.5 * kl(q, &middle)
}

/// Geyik et al.'s definition, prefix by prefix.
fn ndkl(groups: &[String], target: &Shares) -> f64 {
    let discount = |k: usize| 1.0 / ((k + 1) as f64).log2();
    let whole: f64 = (1..=groups.len()).map(discount).sum();
    let prefix = |k: usize| shares(groups[..k].iter().map(|group| (group.clone(), 1.0)));
    (1..=groups.len()).map(|k| discount(k) * kl(&prefix(k), target)).sum::<f64>() / whole
}

fn mean(of: impl Iterator<Item = f64>) -> f64 {
    let all: Vec<f64> = of.collect();
    all.iter().sum::<f64>() / all.len() as f64
}

/// The least and the most over a grid of ways to share out the unknown attention among three groups.
fn extremes(list: &[(Option<String>, f64)], target: &Shares) -> (f64, f64) {
    const STEPS: usize = 24;
    let unknown: f64 = list.iter().filter(|(group, _)| group.is_none()).map(|(_, weight)| weight).sum();
    let known = || list.iter().filter_map(|(group, weight)| Some((group.clone()?, *weight)));
    if unknown == 0.0 {
        let of = jsd(&shares(known()), target);
        return (of, of);
    }
    let mut found = (f64::INFINITY, 0.0_f64);
    for a in 0..=STEPS {
        for b in 0..=STEPS - a {
            let parts = [("A", a), ("B", b), ("C", STEPS - a - b)];
            let filled = parts.map(|(group, part)| (group.to_owned(), unknown * part as f64 / STEPS as f64));
            let of = jsd(&shares(known().chain(filled)), target);
            found = (found.0.min(of), found.1.max(of));
        }
    }
    found
}

#[track_caller]
fn agrees(record: &Value, lists: &[List], strategy: &str, sex: &str, target: &Shares, merit: bool) {
    let of_sex = |list: &&List| sex.is_empty() || sex == if list.person.is_multiple_of(2) { "f" } else { "m" };
    let own: Vec<&List> = lists.iter().filter(|list| list.strategy == strategy).filter(of_sex).collect();
    let all_placed: Vec<_> = own.iter().map(|list| placed(list)).collect();
    let known = |list: &[(Option<String>, f64)]| -> Vec<(String, f64)> {
        list.iter().filter_map(|(group, weight)| Some((group.clone()?, *weight))).collect()
    };
    let expected = shares(all_placed.iter().flat_map(|list| known(list)));
    let relevant = shares(
        own.iter()
            .flat_map(|list| &list.items)
            .filter_map(|shown| Some((group(&shown.item)?, if shown.relevant { 1.0 } else { 0.0 }))),
    );
    for name in ["A", "B", "C"] {
        let fact = exposure(record, strategy, sex, name);
        near(&fact["share"]["estimate"], expected[name], 1e-9);
        near(&fact["relevance_share"], relevant[name], 1e-9);
        let wanted = if merit { relevant[name] } else { target[name] };
        near(&fact["target_share"], wanted, 1e-9);
        near(&fact["ratio"]["estimate"], expected[name] / wanted, 1e-9);
        near(&fact["difference"]["estimate"], expected[name] - wanted, 1e-9);
        let impressions = all_placed.iter().flatten().filter(|(group, _)| group.as_deref() == Some(name)).count();
        assert_eq!(fact["impressions"], impressions);
        let unknown: f64 = all_placed.iter().flatten().filter(|(group, _)| group.is_none()).map(|(_, w)| w).sum();
        let whole: f64 = all_placed.iter().flatten().map(|(_, weight)| weight).sum();
        near(&fact["share_bounds"]["low"], expected[name] * (whole - unknown) / whole, 1e-9);
        near(&fact["share_bounds"]["high"], (expected[name] * (whole - unknown) + unknown) / whole, 1e-9);
    }
    let fact = ranking(record, strategy, sex);
    let with_known: Vec<Vec<(String, f64)>> =
        all_placed.iter().map(|list| known(list)).filter(|l| !l.is_empty()).collect();
    assert_eq!(fact["lists"], with_known.len());
    near(
        &fact["awrf_jsd"]["estimate"],
        mean(with_known.iter().map(|list| 1.0 - jsd(&shares(list.iter().cloned()), target))),
        1e-9,
    );
    let groups = with_known.iter().map(|list| list.iter().map(|(group, _)| group.clone()).collect::<Vec<_>>());
    near(&fact["ndkl"]["estimate"], mean(groups.map(|groups| ndkl(&groups, target))), 1e-9);
    near(&fact["eel"], expected.iter().map(|(group, share)| (share - target[group]).powi(2)).sum(), 1e-9);
    let bounds: Vec<(f64, f64)> =
        all_placed.iter().filter(|list| !list.is_empty()).map(|list| extremes(list, target)).collect();
    near(&fact["awrf_jsd_bounds"]["high"], 1.0 - mean(bounds.iter().map(|(low, _)| *low)), 1e-3);
    near(&fact["awrf_jsd_bounds"]["low"], 1.0 - mean(bounds.iter().map(|(_, high)| *high)), 1e-9);
}

#[test]
fn random_logs_agree_with_a_slow_reckoning() {
    let catalogue =
        Shares::from([("A".to_owned(), 2.0 / 9.0), ("B".to_owned(), 4.0 / 9.0), ("C".to_owned(), 3.0 / 9.0)]);
    for seed in [3, 4] {
        let lists = lists(seed);
        let audit = shop(&lists, &ITEMS).replacing("audit.yaml", "position_model: log2", "cutoff: 5");
        let record = audit.run().whole();
        for strategy in ["one", "two"] {
            for sex in ["", "f", "m"] {
                agrees(&record, &lists, strategy, sex, &catalogue, false);
            }
        }
        let women = exposure(&record, "one", "f", "A");
        let share = |sex: &str| exposure(&record, "one", sex, "A")["share"]["estimate"].as_f64().unwrap();
        near(&women["segment_ratio"]["estimate"], share("f") / share("m"), 1e-9);
        near(&women["segment_difference"]["estimate"], share("f") - share("m"), 1e-9);
    }
}

/// By merit the lists are held against what was relevant to all people of the strategy, the shares against what was to
/// the segment.
#[test]
fn merit_agrees_with_a_slow_reckoning() {
    let lists = lists(5);
    let manifest = |audit: crate::support::Audit| audit.replacing("audit.yaml", "target: catalogue", "target: merit");
    let audit = manifest(shop(&lists, &ITEMS)).replacing("audit.yaml", "position_model: log2", "cutoff: 5");
    let record = audit.run().whole();
    for strategy in ["one", "two"] {
        let shown = lists.iter().filter(|list| list.strategy == strategy).flat_map(|list| &list.items);
        let merit =
            shares(shown.filter_map(|shown| Some((group(&shown.item)?, if shown.relevant { 1.0 } else { 0.0 }))));
        for sex in ["", "f"] {
            agrees(&record, &lists, strategy, sex, &merit, true);
        }
    }
}
