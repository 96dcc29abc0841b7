//! Each effect, measured in the written files beside the same shop without it: it does what it says, by its size, and to
//! nobody else.

use std::collections::BTreeMap;
use std::path::Path;

use super::is_hit;
use crate::simulate::conduct::SPOTLIGHT;
use crate::simulate::reckoning::{Row, Shop, read, rows};
use crate::simulate::truth::{Effect, Truth};
use crate::simulate::{Plan, write};

fn shop(effects: &str) -> (Shop, Truth) {
    let text = format!("probity-shop: 1\nseed: 5\nsubjects: 1200\ndecisions: 8000\neffects: [{effects}]\n");
    let plan = Plan::parse(Path::new("plan.yaml"), &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let folder = tempfile::tempdir().unwrap();
    let truth = write(&plan, &folder.path().join("shop")).unwrap();
    (read(&folder.path().join("shop")), truth)
}

/// Columns that every shop's log has.
const COLUMNS: [&str; 7] = ["served_at", "customer", "model", "items", "prices", "clicks", "inputs"];

/// The rows that an effect hits, without it and with it. All others are what they were.
fn pairs<'s>(without: &'s Shop, with: &'s Shop, effect: &Effect) -> Vec<(&'s Row, &'s Row)> {
    assert_eq!(without.decisions.len(), with.decisions.len());
    let (mut hit, mut others) = (Vec::new(), 0);
    for (before, after) in without.decisions.iter().zip(&with.decisions) {
        if is_hit(with, after, effect.strategy.as_ref(), &effect.segment) {
            hit.push((before, after));
            continue;
        }
        others += 1;
        let columns = COLUMNS.iter().chain(&["orders", "revenue"]);
        columns.for_each(|name| assert_eq!(before[*name], after[*name], "{name} of somebody else, by {effect:?}"));
    }
    assert!(hit.len() > 200 && (others > 200 || effect.segment.is_empty()));
    hit
}

fn numbers(row: &Row, column: &str) -> Vec<f64> {
    row[column].split('|').filter_map(|cell| cell.parse().ok()).collect()
}

fn total<'r>(rows: impl Iterator<Item = &'r Row>, column: &str) -> f64 {
    rows.flat_map(|row| numbers(row, column)).sum()
}

/// A share of `n` within four standard errors of what it is by plan.
#[track_caller]
fn near(found: f64, n: f64, share: f64) {
    let error = 4.0 * (share * (1.0 - share) / n).sqrt() + 1e-9;
    assert!((found / n - share).abs() <= error, "{found} of {n}, planned {share} ± {error}");
}

#[test]
fn outcomes_of_a_segment_are_multiplied() {
    let (without, _) = shop("");
    let segment = "segment: {gender: male, age_band: 30-44}";
    for (metric, column) in [("click", "clicks"), ("order", "orders")] {
        let effect = format!("{{plant: outcome, metric: {metric}, strategy: home-hybrid, {segment}, ratio: 0.6}}");
        let (with, truth) = shop(&effect);
        let hit = pairs(&without, &with, &truth.effects[0]);
        assert_eq!(hit.len() as u64, truth.effects[0].events);
        // Of what there was, each stays with this chance.
        near(total(hit.iter().map(|(_, after)| *after), column), total(hit.iter().map(|(b, _)| *b), column), 0.6);
    }
    let (with, truth) = shop("{plant: outcome, metric: revenue, segment: {gender: female}, ratio: 1.5}");
    let hit = pairs(&without, &with, &truth.effects[0]);
    let [before, after] = [hit.iter().map(|(b, _)| *b).collect::<Vec<_>>(), hit.iter().map(|(_, a)| *a).collect()];
    let ratio = total(after.iter().copied(), "revenue") / total(before.iter().copied(), "revenue");
    assert!((ratio - 1.5).abs() < 1e-3, "{ratio}");
    assert_eq!(total(after.into_iter(), "orders"), total(before.into_iter(), "orders"));
}

#[test]
fn prices_and_dearer_articles_are_shown_to_a_segment() {
    let (without, _) = shop("");
    let (with, truth) = shop("{plant: price, strategy: home-hybrid, segment: {age_band: 45-64}, ratio: 1.08}");
    for (before, after) in pairs(&without, &with, &truth.effects[0]) {
        for (old, new) in numbers(before, "prices").into_iter().zip(numbers(after, "prices")) {
            assert!((new - old * 1.08).abs() < 0.0051, "{old} and {new}");
        }
    }
    let (with, truth) = shop("{plant: steering, segment: {region: north}, ratio: 1.3}");
    let hit = pairs(&without, &with, &truth.effects[0]);
    let listed = |shop: &Shop, row: &Row| row["items"].split('|').map(|item| shop.items[item].1).sum::<f64>();
    let (before, after) =
        hit.iter().fold((0.0, 0.0), |all, (b, a)| (all.0 + listed(&without, b), all.1 + listed(&with, a)));
    let told = truth.effects[0].ratio_in_log.unwrap();
    assert!((after / before - told).abs() < 1e-9 && (1.15..1.35).contains(&told), "{} and {told}", after / before);
    // Whose articles they are stays as it was.
    let providers =
        |shop: &Shop, row: &Row| row["items"].split('|').map(|i| shop.items[i].0.clone()).collect::<Vec<_>>();
    assert!(hit.iter().all(|(b, a)| providers(&without, b) == providers(&with, a)));
}

#[test]
fn places_of_a_list_go_to_other_articles() {
    let (without, _) = shop("");
    let changed = |effect: &str| {
        let (with, truth) = shop(effect);
        let hit = pairs(&without, &with, &truth.effects[0]);
        let mut places = Vec::new();
        for (before, after) in hit {
            let bought = numbers(before, "orders");
            let both = before["items"].split('|').zip(after["items"].split('|')).zip(bought);
            places.extend(
                both.filter(|(_, bought)| *bought == 0.0)
                    .map(|((b, a), _)| (before["customer"].clone(), b.to_owned(), a.to_owned())),
            );
        }
        (with, places)
    };
    let (shop, places) =
        changed("{plant: provider, segment: {gender: male}, favoured: Tessel, instead_of: Kestrel, share: 0.4}");
    let of: Vec<_> = places.iter().filter(|(_, before, _)| shop.items[before].0 == "Kestrel").collect();
    let gone: Vec<_> = of.iter().filter(|(_, before, after)| before != after).collect();
    near(gone.len() as f64, of.len() as f64, 0.4);
    assert!(gone.iter().all(|(.., after)| shop.items[after].0 == "Tessel"));

    let (_, places) = changed("{plant: best-sellers, strategy: popular, segment: {gender: male}, share: 0.3}");
    let moved: Vec<_> = places.iter().filter(|(_, before, after)| before != after).collect();
    near(moved.len() as f64, places.len() as f64, 0.3);
    assert!(moved.iter().all(|(.., after)| after.as_str() < "i020"));

    let (_, places) = changed("{plant: off-taste, segment: {gender: female}, share: 0.25}");
    near(places.iter().filter(|(_, before, after)| before != after).count() as f64, places.len() as f64, 0.25);
}

#[test]
fn flags_of_the_log_have_their_shares() {
    let (with, truth) = shop(
        "{plant: unexplained, segment: {age_band: 18-29}, share: 0.3}, {plant: personal-data, share: 0.05}, \
         {plant: minors, share: 0.2}, {plant: privacy-signal, share: 0.5}, {plant: selection, segment: {gender: female}, \
         ratio: 0.7}, {plant: proxy, attribute: age_band, share: 0.6}",
    );
    let count = |is: &dyn Fn(&Row) -> bool| with.decisions.iter().filter(|row| is(row)).count() as f64;
    let young = |row: &Row| with.subjects[&row["customer"]]["age_band"] == "18-29";
    near(count(&|row| row["explained"] == "0" && young(row)), count(&young), 0.3);
    assert_eq!(count(&|row| row["explained"] == "0"), truth.effects[0].events as f64);
    near(count(&|row| row["note"].contains('@')), with.decisions.len() as f64, 0.05);
    let mut people: BTreeMap<&str, &Row> = BTreeMap::new();
    people.extend(with.decisions.iter().map(|row| (row["customer"].as_str(), row)));
    let minors = people.values().filter(|row| row["minor"] == "1").count() as f64;
    near(minors, people.len() as f64, 0.2);
    let pacific = |row: &Row| with.subjects[&row["customer"]]["region"] == "pacific";
    let signals = people.values().filter(|row| row["gpc"] == "1").count() as f64;
    near(signals, people.values().filter(|row| pacific(row)).count() as f64, 0.5);
    assert!(people.values().all(|row| row["gpc"] == "0" || pacific(row)));
    for (gender, share) in [("female", 0.42), ("male", 0.6)] {
        let own = with.decisions.iter().filter(|row| with.subjects[&row["customer"]]["gender"] == gender);
        let cells = own.flat_map(|row| numbers(row, "relevant").into_iter().zip(numbers(row, "selected")));
        let suits: Vec<f64> = cells.filter(|(relevant, _)| *relevant == 1.0).map(|(_, selected)| selected).collect();
        near(suits.iter().sum(), suits.len() as f64, share);
    }
    let tiers = BTreeMap::from([("18-29", "basic"), ("30-44", "bronze"), ("45-64", "silver"), ("65+", "gold")]);
    let known: Vec<&Row> = with.subjects.values().filter(|row| !row["age_band"].is_empty()).collect();
    let agree = known.iter().filter(|row| tiers[row["age_band"].as_str()] == row["tier"]).count() as f64;
    near(agree, known.len() as f64, 0.6 + 0.4 / 4.0);
}

#[test]
fn questions_go_wrong_by_their_shares() {
    let (with, truth) = shop(
        "{plant: prompt, defect: harder-no, share: 0.2}, {plant: prompt, defect: preselected, share: 0.3}, {plant: prompt, \
         defect: later-layer, share: 0.1}, {plant: prompt, defect: dismissal, share: 0.4}, {plant: prompt, defect: \
         asked-again, share: 0.5}",
    );
    let prompts = rows(&with.files["prompts.csv"]);
    let mut first: BTreeMap<&str, (&Row, usize)> = BTreeMap::new();
    prompts.iter().for_each(|row| first.entry(&row["subject_id"]).or_insert((row, 0)).1 += 1);
    assert_eq!(first.len(), with.consent.len());
    let count = |is: &dyn Fn(&Row, usize) -> bool| first.values().filter(|(row, n)| is(row, *n)).count() as f64;
    let all = first.len() as f64;
    near(count(&|row, _| row["no_steps"] == "4"), all, 0.2);
    near(count(&|row, _| row["preselected"] == "1"), all, 0.3);
    near(count(&|row, _| row["no_on_first_layer"] == "0"), all, 0.1);
    near(count(&|row, _| row["answer"] == "dismissed"), count(&|row, _| row["answer"] != "refused"), 0.4);
    near(count(&|_, n| n == 3), count(&|row, _| row["answer"] == "refused"), 0.5);
    for (effect, found) in truth.effects.iter().zip([
        count(&|row, _| row["no_steps"] == "4"),
        count(&|row, _| row["preselected"] == "1"),
        count(&|row, _| row["no_on_first_layer"] == "0"),
        count(&|row, _| row["answer"] == "dismissed"),
        count(&|_, n| n == 3),
    ]) {
        assert_eq!(effect.events as f64, found, "{effect:?}");
    }
}

/// Days without a purchase after which nobody comes back.
const SILENCE: i64 = 26;

#[test]
fn people_are_lost_and_pay_as_planned() {
    let (with, truth) = shop("{plant: loyalty, churn: 3, order_value: 1.4}, {plant: allocation, ratio: 0.5}");
    let purchases = rows(&with.files["outcomes.csv.gz"]);
    let arm = |row: &Row| with.subjects[&row["subject_id"]]["arm"].clone();
    let time = |row: &Row| crate::simulate::reckoning::time(&row["timestamp"]);
    let until = crate::simulate::reckoning::time("2026-06-01T00:00:00Z");
    let mut last: BTreeMap<&str, &Row> = BTreeMap::new();
    last.extend(purchases.iter().map(|row| (row["subject_id"].as_str(), row)));
    for (name, lost, paid) in [("personal", 0.24, 56.0), ("holdout", 0.08, 40.0)] {
        let own: Vec<&Row> = purchases.iter().filter(|row| arm(row) == name).collect();
        let whole = |row: &&&Row| until - time(row) > chrono::Duration::days(SILENCE);
        let seen: Vec<&&Row> = own.iter().filter(whole).collect();
        let gone = seen.iter().filter(|row| std::ptr::eq(last[row["subject_id"].as_str()], **row as &Row)).count();
        near(gone as f64, seen.len() as f64, lost);
        let mean = total(own.iter().copied(), "value") / own.len() as f64;
        assert!((mean / paid - 1.0).abs() < 0.05, "{name} pay {mean}");
    }
    let holdout = with.subjects.values().filter(|row| row["arm"] == "holdout").count() as f64;
    near(holdout, with.subjects.len() as f64, 0.05);
    // Nobody of them is profiled.
    let profiled = ["home-hybrid", "web-behaviour", "experiment-7"];
    let held = with.decisions.iter().filter(|row| with.subjects[&row["customer"]]["arm"] == "holdout");
    assert!(held.clone().count() > 100 && held.clone().all(|row| !profiled.contains(&row["model"].as_str())));
    assert_eq!(truth.effects[1].events as usize, held.count());
}

#[test]
fn a_candidate_is_worth_what_was_planned() {
    let (with, truth) = shop("{plant: candidate, overall: 1.2, segment: {gender: male}, ratio: 0.5}");
    let chances: BTreeMap<String, f64> = rows(&with.files["candidate.csv"])
        .into_iter()
        .map(|row| (row["item_id"].clone(), row["probability"].parse().unwrap()))
        .collect();
    assert!((chances.values().sum::<f64>() - 1.0).abs() < 1e-12);
    let lit = || with.decisions.iter().filter(|row| row["model"] == SPOTLIGHT);
    // The log draws evenly, with the chance that it names.
    for item in chances.keys() {
        near(lit().filter(|row| row["items"] == *item).count() as f64, lit().count() as f64, 0.1);
    }
    assert!(lit().all(|row| row["propensity"] == "0.1"));
    assert!(with.decisions.iter().all(|row| row["model"] == SPOTLIGHT || row["propensity"].is_empty()));
    let told = truth.candidate.as_ref().unwrap();
    let male = |row: &Row| with.subjects[&row["customer"]]["gender"] == "male";
    let everyone: &dyn Fn(&Row) -> bool = &|_| true;
    let others: &dyn Fn(&Row) -> bool = &|row| !male(row);
    for (of, planned) in [(everyone, told.overall), (&male, told.within), (others, told.beyond)] {
        let own: Vec<&Row> = lit().filter(|row| of(row)).collect();
        let weighed = |row: &Row| chances[&row["items"]] / 0.1 * numbers(row, "clicks")[0];
        let (weights, clicks): (f64, f64) =
            (own.iter().map(|r| weighed(r)).sum(), total(own.iter().copied(), "clicks"));
        // The weighed clicks vary by no more than clicks of the largest weight do.
        let error = 4.0 * 2.2 * (clicks * 0.8).sqrt() / clicks;
        assert!((weights / clicks - planned).abs() < error, "{} and {planned} ± {error}", weights / clicks);
    }
    assert!((told.overall - 1.2).abs() < 1e-9 && (told.within - 0.5).abs() < 1e-9 && told.beyond > 1.4, "{told:?}");
}

#[test]
fn decisions_go_wrong_by_their_shares() {
    let (with, truth) = shop(
        "{plant: consent, defect: refused, share: 0.5, among: 0.4}, {plant: undeclared-strategy, share: 0.3}, \
         {plant: unmapped-input, share: 0.2}",
    );
    super::recount(&with, &truth);
    // Everybody refused who said no to everything and nothing else.
    let refused = |row: &Row| {
        let all = with.consent.get(&row["customer"]);
        let personal: Vec<_> = all.into_iter().flatten().filter(|record| record["purpose"] != "analytics").collect();
        personal.len() == 1 && personal[0]["status"] == "refused" && personal[0]["contexts"].is_empty()
    };
    let judged = |row: &Row| row["served_at"].as_str() >= "2026-03-08T01" && row["model"] != "experiment-7";
    let hit: Vec<&Row> = with.decisions.iter().filter(|row| refused(row) && judged(row)).collect();
    let wrong = hit.iter().filter(|row| row["model"] != "popular").count();
    // Whom it reaches is chance, too: people are few, and come several times.
    assert!((0.1..0.3).contains(&(wrong as f64 / hit.len() as f64)), "{wrong} of {}", hit.len());
    assert_eq!(truth.planted.refused.events, truth.effects[0].events);
    let april = |row: &&Row| ("2026-04-13T02".."2026-04-27T02").contains(&row["served_at"].as_str());
    let within: Vec<&Row> = with.decisions.iter().filter(april).collect();
    near(within.iter().filter(|row| row["model"] == "experiment-7").count() as f64, within.len() as f64, 0.3);
    let may = |row: &&Row| row["model"] == "web-behaviour" && row["served_at"].as_str() >= "2026-05-01T02";
    let own: Vec<&Row> = with.decisions.iter().filter(may).collect();
    // Of those whose inputs are the declared ones.
    let declared = own.iter().filter(|row| !row["inputs"].contains("app.")).count() as f64;
    near(own.iter().filter(|row| row["inputs"].contains("dwell")).count() as f64, declared, 0.2);
}
