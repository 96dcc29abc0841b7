//! The shop's files against the truth about them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::conduct::{HYBRID, POPULAR, SPOTLIGHT, WEB};
use super::reckoning::{Row, Shop, contents, read, recount, time};
use super::truth::{Segment, Truth};
use super::{EFFECTIVE, Plan, write};

mod effects;
mod random;

fn storefront(seed: u64, subjects: usize, decisions: usize) -> Plan {
    Plan { seed, subjects, decisions, ..Plan::storefront().unwrap() }
}

/// What a column of the log adds up to, and impressions, of each subject under one strategy.
fn sums(shop: &Shop, strategy: &str, column: &str) -> BTreeMap<String, (f64, f64)> {
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for row in shop.decisions.iter().filter(|row| row["model"] == strategy) {
        let sum = sums.entry(row["customer"].clone()).or_default();
        sum.0 += row[column].split('|').map(|cell| cell.parse::<f64>().unwrap()).sum::<f64>();
        sum.1 += row["items"].split('|').count() as f64;
    }
    sums
}

/// A segment's rate over the reference's with its 95 % interval, clustered by subject (delta method on the logarithm).
struct Ratio {
    estimate: f64,
    low: f64,
    high: f64,
    subjects: usize,
}

fn ratio(shop: &Shop, sums: &BTreeMap<String, (f64, f64)>, segment: &Segment) -> Ratio {
    // The rate, the square of its relative standard error, and the number of subjects.
    let rate = |value: &str| {
        let of = |subject: &str| shop.subjects[subject][&segment.attribute] == value;
        let mine: Vec<(f64, f64)> = sums.iter().filter(|(subject, _)| of(subject)).map(|(_, sum)| *sum).collect();
        let (outcome, shown) = mine.iter().fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
        let n = mine.len() as f64;
        let residuals: f64 = mine.iter().map(|(o, s)| (o - outcome / shown * s).powi(2)).sum();
        (outcome / shown, residuals * n / (n - 1.0) / outcome.powi(2), mine.len())
    };
    let ((mine, spread, subjects), (reference, other_spread, _)) = (rate(&segment.value), rate(&segment.reference));
    let (estimate, error) = (mine / reference, 1.96 * (spread + other_spread).sqrt());
    Ratio { estimate, low: estimate * (-error).exp(), high: estimate * error.exp(), subjects }
}

/// Where the log does not show what the truth says of its segments.
fn surprises(shop: &Shop, truth: &Truth) -> Vec<String> {
    let mut surprises = Vec::new();
    for segment in &truth.segments {
        let Ratio { estimate, low, high, subjects } = ratio(shop, &sums(shop, &segment.strategy, "clicks"), segment);
        let enough = subjects >= 30;
        let near = (low..=high).contains(&segment.ratio);
        // What the storefront is to show: one segment surely below four fifths, two regions too small, all others alike.
        let as_told = match segment.value.as_str() {
            value if value == segment.reference => true,
            "65+" if segment.ratio < 0.75 => enough && near && high < 0.8,
            "alps" => enough && near && low < 0.77 && high > 0.83,
            "islands" => !enough,
            _ => enough && near && low > 0.8 && (segment.ratio - 1.0).abs() < 0.02,
        };
        if !as_told || subjects as u64 != segment.subjects {
            let name = format!("{} {}", segment.attribute, segment.value);
            surprises.push(format!("{name}: {estimate:.3} [{low:.3}, {high:.3}] of {subjects} subjects"));
        }
    }
    // Nothing fails by chance, under any strategy.
    for segment in truth.segments.iter().filter(|s| (s.ratio - 1.0).abs() < 0.02) {
        for (strategy, column) in
            truth.strategies.keys().flat_map(|s| ["clicks", "orders", "revenue"].map(|column| (s, column)))
        {
            let found = ratio(shop, &sums(shop, strategy, column), segment);
            if found.subjects >= 30 && found.high < 0.8 {
                surprises.push(format!("{strategy} {column} {}: {:.3} by chance", segment.value, found.estimate));
            }
        }
    }
    surprises
}

fn outcomes(shop: &Shop, truth: &Truth) {
    for (strategy, told) in &truth.strategies {
        let rows: Vec<&Row> = shop.decisions.iter().filter(|row| row["model"] == *strategy).collect();
        let sum = |column: &str| -> f64 {
            rows.iter().flat_map(|row| row[column].split('|')).map(|cell| cell.parse::<f64>().unwrap()).sum()
        };
        let lengths = rows.iter().flat_map(|row| ["items", "prices", "clicks", "orders", "revenue"].map(|c| &row[c]));
        let length = if strategy == SPOTLIGHT { 1 } else { 10 };
        assert!(lengths.into_iter().all(|cell| cell.split('|').count() == length));
        assert_eq!(told.impressions, (rows.len() * length) as u64);
        let customers: BTreeSet<&String> = rows.iter().map(|row| &row["customer"]).collect();
        assert_eq!((rows.len(), customers.len()), (told.decisions as usize, told.subjects as usize));
        assert_eq!((sum("clicks"), sum("orders")), (told.clicks as f64, told.conversions as f64));
        assert!((sum("revenue") - told.revenue).abs() < 0.001);
    }
}

/// Whether a row is about whom an effect hits.
fn is_hit(shop: &Shop, row: &Row, strategy: Option<&String>, segment: &BTreeMap<String, String>) -> bool {
    let subject = &shop.subjects[&row["customer"]];
    strategy.is_none_or(|own| *own == row["model"]) && segment.iter().all(|(name, value)| subject[name] == *value)
}

/// A day has one price of an item, near its list price, and what is planted is all that differs from it.
fn prices(shop: &Shop, truth: &Truth) {
    let (mut today, mut dearer) = (BTreeMap::new(), Vec::new());
    let mut counts = vec![0; truth.surcharges.len()];
    for row in &shop.decisions {
        let told = truth.surcharges.iter().enumerate();
        let hits: Vec<usize> =
            told.filter(|(_, s)| is_hit(shop, row, s.strategy.as_ref(), &s.segment)).map(|(at, _)| at).collect();
        for (item, price) in row["items"].split('|').zip(row["prices"].split('|')) {
            let (day, price) = (time(&row["served_at"]).date_naive(), price.parse::<f64>().unwrap());
            hits.iter().for_each(|at| counts[*at] += 1);
            if !hits.is_empty() {
                let ratio: f64 = hits.iter().map(|at| truth.surcharges[*at].ratio).product();
                dearer.push((item, day, price, ratio));
                continue;
            }
            assert_eq!(*today.entry((item, day)).or_insert(price), price, "{item} on {day}");
            assert!((price / shop.items[item].1 - 1.0).abs() < 0.021, "{item} on {day}: {price}");
        }
    }
    let mut compared = 0;
    for (item, day, price, ratio) in dearer {
        let Some(others) = today.get(&(item, day)) else { continue };
        assert!((price - others * ratio).abs() < 0.006, "{item} on {day}: {price} and {others}");
        compared += 1;
    }
    assert_eq!(counts, truth.surcharges.iter().map(|s| s.impressions).collect::<Vec<_>>());
    assert!(compared > 0 || counts.iter().all(|count| *count < 100));
}

/// Each provider's share of the attention and of the impressions under one strategy, over its share of the catalogue.
fn exposures(shop: &Shop, strategy: &str) -> BTreeMap<String, (f64, u64)> {
    let listed = |provider: &str| shop.items.values().filter(|(of, _)| of == provider).count() as f64;
    let (mut shown, mut all) = (BTreeMap::<String, (f64, u64)>::new(), 0.0);
    for row in shop.decisions.iter().filter(|row| row["model"] == strategy) {
        for (place, item) in row["items"].split('|').enumerate() {
            let attention = 1.0 / (place as f64 + 2.0).log2();
            let sum = shown.entry(shop.items[item].0.clone()).or_default();
            *sum = (sum.0 + attention, sum.1 + 1);
            all += attention;
        }
    }
    let over_catalogue = |name: &str, attention: f64| attention / all * shop.items.len() as f64 / listed(name);
    shown.into_iter().map(|(name, (sum, n))| (name.clone(), (over_catalogue(&name, sum), n))).collect()
}

fn impressions_of_providers(shop: &Shop, truth: &Truth) {
    for told in &truth.placements {
        let rows = shop.decisions.iter().filter(|row| is_hit(shop, row, told.strategy.as_ref(), &told.segment));
        let items = rows.flat_map(|row| row["items"].split('|'));
        let shown = items.filter(|item| shop.items[*item].0 == told.provider).count();
        assert_eq!(shown as u64, told.impressions, "{told:?}");
    }
}

/// Providers whose share of attention is not near their share of the catalogue, or what is planted of that.
fn misplaced(shop: &Shop, truth: &Truth) -> Vec<String> {
    let mut misplaced = Vec::new();
    let spotlit = truth.strategies.contains_key(SPOTLIGHT).then_some(SPOTLIGHT);
    for strategy in [HYBRID, WEB, POPULAR].into_iter().chain(spotlit) {
        let exposures = exposures(shop, strategy);
        assert_eq!(exposures.len(), 10);
        for (provider, (ratio, _)) in exposures {
            let planted =
                truth.placements.iter().find(|p| p.strategy.as_deref() == Some(strategy) && p.provider == provider);
            let near = ratio / planted.map_or(1.0, |told| told.ratio);
            if !(0.9..=1.1).contains(&near) {
                misplaced.push(format!("{provider} under {strategy}: {ratio:.3}"));
            }
        }
    }
    misplaced
}

#[test]
fn the_truth_is_what_a_second_reckoning_finds_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let (small, clean) = (folder.path().join("small"), folder.path().join("clean"));
    let plan = storefront(7, 900, 9_000);
    let truth = write(&plan, &small).unwrap();
    recount(&read(&small), &truth);
    outcomes(&read(&small), &truth);
    prices(&read(&small), &truth);
    impressions_of_providers(&read(&small), &truth);
    assert!(truth.placements.iter().all(|told| told.exchanged > 0));

    let truth = write(&plan.clean(), &clean).unwrap();
    recount(&read(&clean), &truth);
    outcomes(&read(&clean), &truth);
    prices(&read(&clean), &truth);
    assert_eq!(truth.planted, super::truth::Planted::default());
    let judged = truth.joins.iter().map(|j| &j.judged).chain(truth.data_uses.iter().map(|u| &u.judged));
    let mut judged = judged.collect::<Vec<_>>().into_iter();
    assert!(judged.all(|j| j.events_without_consent + j.events_in_grace + j.events_unknown == 0));
    assert!(truth.undeclared.is_empty() && truth.unmapped.is_empty());
    assert!(truth.effects.is_empty() && truth.surcharges.is_empty() && truth.placements.is_empty());
    assert!(truth.segments.iter().all(|s| s.ratio == 1.0));
}

#[test]
fn the_committed_shop_is_what_the_default_options_give() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/storefront");
    let folder = tempfile::tempdir().unwrap();
    let fresh = folder.path().join("storefront");
    let truth = write(&Plan::storefront().unwrap(), &fresh).unwrap();
    let (here, there) = (contents(&fresh), contents(&committed));
    assert_eq!(here.keys().collect::<Vec<_>>(), there.keys().collect::<Vec<_>>());
    for (name, text) in &here {
        assert!(*text == there[name], "fixtures/storefront/{name} is not what the generator writes");
    }
    let written: Truth = serde_json::from_str(&there["truth.json"]).unwrap();
    assert_eq!(serde_json::to_value(&written).unwrap(), serde_json::to_value(&truth).unwrap());

    let shop = read(&committed);
    assert_eq!(shop.policy.value.effective.unwrap().timestamp(), EFFECTIVE);
    recount(&shop, &truth);
    outcomes(&shop, &truth);
    prices(&shop, &truth);
    impressions_of_providers(&shop, &truth);
    // Enough of each defect that finding it is no accident.
    let planted = &truth.planted;
    let all = [
        planted.combination_never_granted,
        planted.after_withdrawal,
        planted.within_grace,
        planted.before_grant,
        planted.after_expiry,
        planted.no_record,
        planted.undeclared,
        planted.unmapped,
    ];
    assert!(all.iter().all(|count| count.subjects >= 5 && count.events >= count.subjects), "{planted:?}");
}

#[test]
fn the_committed_log_shows_what_the_truth_says_of_segments_and_providers() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan::storefront().unwrap();
    for (clean, plan) in [(false, plan.clone()), (true, plan.clean())] {
        let path = folder.path().join(clean.to_string());
        let truth = write(&plan, &path).unwrap();
        let shop = read(&path);
        assert_eq!(surprises(&shop, &truth), Vec::<String>::new(), "clean: {clean}");
        assert_eq!(misplaced(&shop, &truth), Vec::<String>::new(), "clean: {clean}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
    let folder = tempfile::tempdir().unwrap();
    for (name, seed) in [("a", 3), ("b", 3), ("c", 4)] {
        write(&storefront(seed, 300, 900), &folder.path().join(name)).unwrap();
    }
    let log = |name: &str| std::fs::read(folder.path().join(name).join("recommendations/2026-04.csv.gz")).unwrap();
    assert_eq!(log("a"), log("b"));
    assert_eq!(contents(&folder.path().join("a")), contents(&folder.path().join("b")));
    assert_ne!(contents(&folder.path().join("a")), contents(&folder.path().join("c")));
}

#[test]
fn nothing_is_overwritten_and_nothing_half_written_stays() {
    let folder = tempfile::tempdir().unwrap();
    let plan = storefront(1, 3, 1).clean();
    let (empty, full) = (folder.path().join("empty"), folder.path().join("full"));
    std::fs::create_dir(&empty).unwrap();
    write(&plan, &empty).unwrap();
    std::fs::create_dir(&full).unwrap();
    std::fs::write(full.join("note"), "mine").unwrap();
    assert!(write(&plan, &full).unwrap_err().to_string().contains("not empty"));
    assert!(write(&Plan { subjects: 0, ..plan }, &folder.path().join("none")).is_err());
    let mut left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["empty", "full"]);
}
