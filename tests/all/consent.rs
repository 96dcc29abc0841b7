//! Consent as of each decision: thousands of random people and records, against a slow reference that scans the records
//! of one person for one decision at a time. Times are few, so that records and decisions often meet at one instant.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::Value;

use crate::support::Audit;

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;
const START: i64 = 1_772_323_200 * SECOND;
/// Decisions before it are not judged.
const EFFECTIVE: i64 = START + 2 * HOUR;
const GRACE: i64 = 3 * HOUR;
const PURPOSE: &str = "personalize.content";
const STRATEGIES: u32 = 24;

const MAP: &str = "
dataset:
  - fides_key: web
    meta: { context: web }
    collections:
      - name: t
        fields:
          - { name: views, data_categories: [user.behavior.browsing_history] }
          - { name: account, data_categories: [user.account.settings] }
  - fides_key: store
    meta: { context: store }
    collections:
      - name: t
        fields:
          - { name: basket, data_categories: [user.behavior.purchase_history] }
          - { name: remedies, data_categories: [user.health_and_medical] }
  - fides_key: app
    meta: { context: app }
    collections:
      - name: t
        fields:
          - { name: views, data_categories: [user.behavior.browsing_history] }
          - { name: place, data_categories: [user.location] }
";

const POLICY: &str = "
version: '1'
effective: 2026-03-01T02:00:00Z
regimes: { US-CA: opt_out }
grace: 3h
purposes:
  - purpose: personalize
    categories:
      - { category: user.behavior, basis: consent }
      - { category: user.health_and_medical, basis: consent }
      - { category: user.account, basis: contract }
      - { category: user.location, basis: legitimate_interests }
";

/// Inputs of a strategy, by its number.
const INPUTS: [&[&str]; 6] = [
    &["web.t.views"],
    &["web.t.views", "store.t.basket"],
    &["web.t.views", "app.t.views", "store.t.basket"],
    &["store.t.remedies", "web.t.account"],
    &["app.t.place"],
    &["app.t.place", "store.t.remedies"],
];

#[derive(Debug, Clone)]
struct Record {
    at: i64,
    status: &'static str,
    purpose: &'static str,
    categories: BTreeSet<&'static str>,
    contexts: BTreeSet<&'static str>,
    explicit: bool,
    expires: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    Permitted,
    InGrace,
    Unknown,
    Without,
    AfterWithdrawal,
}

fn rfc3339(at: i64) -> String {
    let time = chrono::DateTime::from_timestamp_micros(at).unwrap();
    time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

struct Draw(ChaCha8Rng);

impl Draw {
    fn below(&mut self, n: u32) -> u32 {
        self.0.next_u32() % n
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u32) as usize]
    }

    fn some(&mut self, of: &[&'static str]) -> BTreeSet<&'static str> {
        of.iter().copied().filter(|_| self.0.next_u32().is_multiple_of(2)).collect()
    }

    fn hour(&mut self) -> i64 {
        START + i64::from(self.below(12)) * HOUR
    }

    fn record(&mut self) -> Record {
        let status = self.one(&["given", "given", "given", "withdrawn", "refused", "expired"]);
        let at = self.hour() + i64::from(self.one(&[0, 0, 0, 1, -1]));
        Record {
            at,
            status,
            purpose: self.one(&[PURPOSE, PURPOSE, PURPOSE, "personalize", "analytics"]),
            categories: match self.below(4) {
                0 => self.some(&["user.behavior", "user.behavior.purchase_history", "user.health_and_medical"]),
                _ => BTreeSet::new(),
            },
            contexts: self.some(&["web", "store", "app"]),
            explicit: self.below(3) == 0,
            expires: (status == "given" && self.below(4) == 0).then(|| at + i64::from(self.below(5)) * HOUR),
        }
    }
}

fn covers(general: &str, specific: &str) -> bool {
    specific == general || specific.starts_with(&format!("{general}."))
}

/// Whether a record's scope is wide enough to grant this.
fn wide_enough(record: &Record, categories: &BTreeSet<&str>, contexts: &BTreeSet<&str>) -> bool {
    let categories_fit =
        record.categories.is_empty() || categories.iter().all(|c| record.categories.iter().any(|own| covers(own, c)));
    let contexts_fit = match record.contexts.len() {
        0 => contexts.len() == 1,
        _ => contexts.iter().all(|c| record.contexts.contains(c)),
    };
    covers(record.purpose, PURPOSE) && categories_fit && contexts_fit
}

/// Whether a refusal or withdrawal of that scope takes this away, whoever granted it.
fn takes_away(record: &Record, categories: &BTreeSet<&str>, contexts: &BTreeSet<&str>) -> bool {
    let touches = |own: &&str| categories.iter().any(|c| covers(own, c) || covers(c, own));
    covers(record.purpose, PURPOSE)
        && (record.categories.is_empty() || record.categories.iter().any(touches))
        && record.contexts.iter().all(|c| contexts.contains(c))
}

/// The life of one scope's grant, told record by record until `now`.
#[derive(Clone, Copy)]
enum Grant {
    None,
    Live { until: i64 },
    Withdrawn { at: i64, graced: bool },
    Refused { at: i64, graced: bool },
}

fn in_order(records: &[Record], now: i64) -> Vec<&Record> {
    let strictness = |status: &str| ["given", "expired", "refused", "withdrawn"].iter().position(|s| *s == status);
    let mut past: Vec<&Record> = records.iter().filter(|record| record.at <= now).collect();
    let until = |record: &Record| std::cmp::Reverse(record.expires.unwrap_or(i64::MAX));
    past.sort_by_key(|record| (record.at, strictness(record.status), until(record)));
    past
}

fn may_use(
    records: &[Record],
    categories: &BTreeSet<&str>,
    contexts: &BTreeSet<&str>,
    explicit: bool,
    opt_out: bool,
    now: i64,
) -> Answer {
    if opt_out && !explicit {
        return objection(records, categories, contexts, explicit, now);
    }
    if records.is_empty() {
        return Answer::Unknown;
    }
    let mut best = Answer::Without;
    let scopes: Vec<&Record> = records.iter().filter(|r| wide_enough(r, categories, contexts)).collect();
    let mut answers = Vec::new();
    for scope in scopes {
        let same =
            |r: &Record| (r.purpose, &r.categories, &r.contexts) == (scope.purpose, &scope.categories, &scope.contexts);
        let mut grant = Grant::None;
        let mut given_before = false;
        for record in in_order(records, now) {
            grant = match record.status {
                "given" if same(record) && (record.explicit || !explicit) => {
                    given_before = true;
                    Grant::Live { until: record.expires.unwrap_or(i64::MAX) }
                }
                "expired" if same(record) => Grant::None,
                "withdrawn" | "refused"
                    if same(record) || (given_before && takes_away(record, categories, contexts)) =>
                {
                    match grant {
                        Grant::Withdrawn { .. } | Grant::Refused { .. } => grant,
                        Grant::Live { until } if record.status == "withdrawn" => {
                            Grant::Withdrawn { at: record.at, graced: until > record.at }
                        }
                        _ if record.status == "withdrawn" => Grant::Withdrawn { at: record.at, graced: false },
                        _ => Grant::Refused { at: record.at, graced: false },
                    }
                }
                _ => grant,
            };
        }
        answers.push(match grant {
            Grant::Live { until } if now < until => Answer::Permitted,
            Grant::Withdrawn { at, graced } if graced && now <= at + GRACE => Answer::InGrace,
            Grant::Withdrawn { .. } => Answer::AfterWithdrawal,
            _ => Answer::Without,
        });
    }
    for wanted in [Answer::AfterWithdrawal, Answer::InGrace, Answer::Permitted] {
        if answers.contains(&wanted) {
            best = wanted;
        }
    }
    best
}

/// Where a yes is the default, or none is needed: only an objection counts, and a later grant lifts it.
fn objection(
    records: &[Record],
    categories: &BTreeSet<&str>,
    contexts: &BTreeSet<&str>,
    explicit: bool,
    now: i64,
) -> Answer {
    let mut state = Grant::None;
    let mut lawful = true;
    for record in in_order(records, now) {
        match record.status {
            "given" if wide_enough(record, categories, contexts) && (record.explicit || !explicit) => {
                (state, lawful) = (Grant::None, true);
            }
            "withdrawn" | "refused" if takes_away(record, categories, contexts) && lawful => {
                (state, lawful) = (Grant::Refused { at: record.at, graced: true }, false);
            }
            _ => {}
        }
    }
    match state {
        Grant::Refused { at, graced } if graced && now <= at + GRACE => Answer::InGrace,
        Grant::Refused { .. } => Answer::AfterWithdrawal,
        _ => Answer::Permitted,
    }
}

/// What a strategy's inputs are: context, category, special.
fn parts(inputs: &[&str]) -> Vec<(&'static str, &'static str, bool)> {
    let of = |input: &&str| match *input {
        "web.t.views" => ("web", "user.behavior.browsing_history", false),
        "web.t.account" => ("web", "user.account.settings", false),
        "store.t.basket" => ("store", "user.behavior.purchase_history", false),
        "store.t.remedies" => ("store", "user.health_and_medical", true),
        "app.t.views" => ("app", "user.behavior.browsing_history", false),
        _ => ("app", "user.location", false),
    };
    inputs.iter().map(of).collect()
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    by_answer: BTreeMap<&'static str, u64>,
    without: BTreeSet<usize>,
}

fn count(counts: &mut Counts, person: usize, answer: Option<Answer>) {
    let mut add = |name| *counts.by_answer.entry(name).or_default() += 1;
    add("events");
    match answer {
        None => add("events_before_policy"),
        Some(Answer::Permitted) => add("events_permitted"),
        Some(Answer::InGrace) => add("events_in_grace"),
        Some(Answer::Unknown) => add("events_unknown"),
        Some(Answer::Without) => add("events_without_consent"),
        Some(Answer::AfterWithdrawal) => {
            add("events_without_consent");
            add("events_after_withdrawal");
        }
    }
    if matches!(answer, Some(Answer::Without | Answer::AfterWithdrawal)) {
        counts.without.insert(person);
    }
}

fn compare(fact: &Value, counts: &Counts, name: &str) {
    for field in [
        "events",
        "events_before_policy",
        "events_permitted",
        "events_in_grace",
        "events_unknown",
        "events_without_consent",
        "events_after_withdrawal",
    ] {
        assert_eq!(fact[field], counts.by_answer.get(field).copied().unwrap_or(0), "{field} of {name}: {fact}");
    }
    assert_eq!(fact["subjects_without_consent"], counts.without.len(), "{name}: {fact}");
}

fn replay_agrees(seed: u64) {
    let mut draw = Draw(ChaCha8Rng::seed_from_u64(seed));
    let people = 900;
    let records: Vec<Vec<Record>> = (0..people)
        .map(|_| {
            let many = if draw.below(12) == 0 { 0 } else { 1 + draw.below(7) };
            (0..many).map(|_| draw.record()).collect()
        })
        .collect();
    let mut log = String::from("request_id,timestamp,subject_id,item_id,strategy,jurisdiction\n");
    let mut categories: BTreeMap<(String, String, String), Counts> = BTreeMap::new();
    let mut pairs: BTreeMap<(String, String), Counts> = BTreeMap::new();
    for request in 0..3600_usize {
        let person = draw.below(people as u32) as usize;
        let number = draw.below(STRATEGIES);
        let (strategy, inputs) = (format!("s{number:02}"), INPUTS[number as usize % INPUTS.len()]);
        let now = draw.hour() + draw.one(&[0, 0, 1, -1, HOUR / 2]);
        let jurisdiction = if person.is_multiple_of(3) { "US-CA" } else { "DE" };
        log += &format!("q{request},{},p{person:04},i1,{strategy},{jurisdiction}\n", rfc3339(now));
        let (mine, opt_out) = (&records[person], jurisdiction == "US-CA");
        let parts = parts(inputs);
        let judged = |answer: Answer| (now >= EFFECTIVE).then_some(answer);
        for category in parts.iter().map(|p| p.1).collect::<BTreeSet<_>>() {
            let answers = parts.iter().filter(|p| p.1 == category).map(|(context, _, special)| {
                let (categories, contexts) = (BTreeSet::from([category]), BTreeSet::from([*context]));
                match category {
                    "user.account.settings" => Answer::Permitted,
                    "user.location" => objection(mine, &categories, &contexts, false, now),
                    _ => may_use(mine, &categories, &contexts, *special, opt_out, now),
                }
            });
            let key = (strategy.clone(), category.to_owned(), jurisdiction.to_owned());
            count(categories.entry(key).or_default(), person, judged(answers.max().unwrap()));
        }
        let contexts: Vec<&str> = parts.iter().map(|p| p.0).collect::<BTreeSet<_>>().into_iter().collect();
        for (i, a) in contexts.iter().enumerate() {
            for b in &contexts[i + 1..] {
                let sides: Vec<_> = parts.iter().filter(|p| p.0 == *a || p.0 == *b).collect();
                let categories: BTreeSet<&str> = sides.iter().map(|p| p.1).collect();
                let special = sides.iter().any(|p| p.2);
                let answer = may_use(mine, &categories, &BTreeSet::from([*a, *b]), special, opt_out, now);
                count(pairs.entry((strategy.clone(), format!("{a}+{b}"))).or_default(), person, judged(answer));
            }
        }
    }
    let mut consent = String::from("subject_id,timestamp,status,purpose,categories,contexts,explicit,expires\n");
    for (person, records) in records.iter().enumerate() {
        for r in records {
            let join = |set: &BTreeSet<&'static str>| set.iter().copied().collect::<Vec<_>>().join("|");
            let expires = r.expires.map(rfc3339).unwrap_or_default();
            consent += &format!(
                "p{person:04},{},{},{},{},{},{},{expires}\n",
                rfc3339(r.at),
                r.status,
                r.purpose,
                join(&r.categories),
                join(&r.contexts),
                r.explicit
            );
        }
    }
    let mut manifest = format!(
        "probity: 1\nsystem: {{ name: Random, owner: nobody, jurisdiction: DE }}\npurposes:\n  - id: {PURPOSE}\nevidence:\n  \
         data_map: map.yaml\n  consent_policy: policy.yaml\n  consent_records: {{ path: consent.csv }}\n  \
         recommendations: {{ path: log.csv }}\nstrategies:\n"
    );
    for number in 0..STRATEGIES {
        let inputs = INPUTS[number as usize % INPUTS.len()].join(", ");
        manifest += &format!("  - {{ id: s{number:02}, purpose: {PURPOSE}, inputs: [{inputs}] }}\n");
    }
    let record = Audit::new()
        .with("audit.yaml", manifest)
        .with("map.yaml", MAP)
        .with("policy.yaml", POLICY)
        .with("consent.csv", consent)
        .with("log.csv", log)
        .run()
        .record();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (mut uses, mut joins) = (0, 0);
    for fact in record["facts"].as_array().unwrap() {
        if fact["kind"] == "data_use" {
            let key = (text(&fact["strategy"]), text(&fact["category"]), text(&fact["jurisdiction"]));
            compare(fact, &categories[&key], &format!("seed {seed}, {key:?}"));
            uses += 1;
        } else if fact["kind"] == "join" {
            let contexts = fact["contexts"].as_array().unwrap().iter().map(text).collect::<Vec<_>>().join("+");
            let key = (text(&fact["strategy"]), contexts);
            compare(fact, &pairs[&key], &format!("seed {seed}, {key:?}"));
            joins += 1;
        }
    }
    assert_eq!((uses, joins), (categories.len(), pairs.len()));
    let seen: BTreeSet<&str> = categories.values().flat_map(|c| c.by_answer.keys().copied()).collect();
    assert_eq!(seen.len(), 7, "every answer occurs: {seen:?}");
}

#[test]
fn the_replay_agrees_with_a_slow_reference() {
    for seed in 1..=6 {
        replay_agrees(seed);
    }
}
