//! What every rule finds of what was planted for it, and how often it fails where nothing was planted.
//!
//! `tests/all/recall/shops` holds the shops: what each has beyond the simulated one, and the defects planted in it, with
//! the rules that must find each. Every shop is audited with and without its defects. The counts stand in
//! `docs/recall.md`, which `PROBITY_RECALL=write` writes anew; with the name of a shop in place of `write` only that shop
//! is audited, and its part of the page printed.

mod documents;
mod page;
mod plan;
mod run;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use probity::rules::builtin::BUILTIN;
use probity::rules::pack::PackFile;
use probity::stats::Proportion;

use page::{Line, page};
use plan::Shop;
use run::Count;

/// At least so many of the shops with a defect must show it.
const RECALL: f64 = 0.95;
/// And at most so many of those without it may.
const ALARMS: f64 = 0.05;

/// Rules of all packs, in their order: whether it judges facts, or asks a person.
fn rules() -> Vec<(&'static str, String, bool)> {
    let of_pack = |pack: &'static probity::rules::builtin::Builtin| {
        let file: PackFile = serde_saphyr::from_str(pack.yaml).expect("a pack");
        file.rules.into_iter().map(|rule| (pack.id, rule.id.value, rule.on.is_some()))
    };
    BUILTIN.iter().flat_map(of_pack).collect()
}

#[test]
fn every_rule_has_a_planted_defect() {
    let shops = Shop::all();
    let planted: Vec<&String> =
        shops.iter().flat_map(|shop| &shop.planted).flat_map(|planted| planted.fails.keys()).collect();
    let rules = rules();
    let without: Vec<&String> =
        rules.iter().filter(|(_, id, judges)| *judges && !planted.contains(&id)).map(|(_, id, _)| id).collect();
    assert!(without.is_empty(), "plant a defect for {without:?} in a file of tests/all/recall/shops");
    let unknown: Vec<&&String> =
        planted.iter().filter(|id| !rules.iter().any(|(_, own, judges)| *judges && own == **id)).collect();
    assert!(unknown.is_empty(), "no pack has {unknown:?}, or they ask a person");
    let once: BTreeSet<&&String> = planted.iter().collect();
    assert_eq!(once.len(), planted.len(), "a rule is planted for in one place");
    for shop in &shops {
        let own: BTreeSet<&String> = shop.planted.iter().flat_map(|planted| planted.fails.keys()).collect();
        let named: Vec<&String> = shop.unasked.keys().chain(shop.known.keys()).filter(|id| !own.contains(id)).collect();
        assert!(named.is_empty(), "{}: {named:?} are planted for elsewhere", shop.shop);
        assert!(!shop.chance || shop.seeds >= 20, "{}: fewer than 20 shops where chance decides", shop.shop);
    }
}

/// What is wrong with a count, if anything.
fn fault(shop: &Shop, rule: &str, count: Count) -> Option<String> {
    let share = |failed, of| Proportion { successes: failed, trials: of }.estimate().unwrap_or_default();
    let recall = share(count.found, count.shops);
    let alarms = share(count.alarms, count.asked);
    let misses = recall < RECALL || alarms > ALARMS;
    match (misses, shop.known.contains_key(rule)) {
        (true, false) => Some(format!("{}: {rule}: {count:?}", shop.shop)),
        (false, true) => Some(format!("{}: {rule} is held to miss a bound, and does not: {count:?}", shop.shop)),
        _ if (count.judged == 0) != shop.unasked.contains_key(rule) => {
            Some(format!("{}: {rule}: has it something to judge in a clean shop? {count:?}", shop.shop))
        }
        _ => None,
    }
}

#[test]
fn rules_find_what_is_planted_and_little_else() {
    let wanted = std::env::var("PROBITY_RECALL").unwrap_or_default();
    let only = Some(&wanted).filter(|wanted| !wanted.is_empty() && *wanted != "write");
    let shops: Vec<Shop> = Shop::all().into_iter().filter(|shop| only.is_none_or(|only| shop.shop == *only)).collect();
    assert!(!shops.is_empty(), "no shop is called {wanted}");
    let counts: BTreeMap<(usize, String), Count> = run::run(&shops);
    let faults: Vec<String> =
        counts.iter().filter_map(|((shop, rule), count)| fault(&shops[*shop], rule, *count)).collect();
    let line = |(pack, rule, judges): (&'static str, String, bool)| {
        let counted = counts.iter().find(|((_, counted), _)| *counted == rule);
        let counted = counted.map(|((shop, _), count)| (&shops[*shop], *count));
        Line { pack, rule, asks: !judges, counted }
    };
    let text = page(&shops, &rules().into_iter().map(line).collect::<Vec<_>>());
    println!("{text}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/recall.md");
    if wanted == "write" {
        std::fs::write(&path, &text).expect("the page is written");
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    if only.is_none() {
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == text, "docs/recall.md is not what was measured; `PROBITY_RECALL=write` writes it anew");
    }
}
