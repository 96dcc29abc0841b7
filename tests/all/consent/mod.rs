//! Consent as of each decision: thousands of random people, records and policies, against a slow reference. Times are
//! few, so that records and decisions often meet at one instant.

mod policies;
mod reference;

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::Value;

use crate::support::Audit;
use policies::{Basis, JURISDICTIONS, Policy};
use reference::{Answer, Names, Record, Told, Wish, linked, may_use, objection, worst};

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;
/// 2026-03-01T00:00:00Z.
const START: i64 = 1_772_323_200 * SECOND;
/// Decisions before it are not judged.
const FIRST: i64 = START + 2 * HOUR;
/// From here on the second version of the policy holds.
const SECOND_VERSION: i64 = START + 6 * HOUR;
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

/// Inputs of a strategy, by its number.
const INPUTS: [&[&str]; 6] = [
    &["web.t.views"],
    &["web.t.views", "store.t.basket"],
    &["web.t.views", "app.t.views", "store.t.basket"],
    &["store.t.remedies", "web.t.account"],
    &["app.t.place"],
    &["app.t.place", "store.t.remedies"],
];

/// Days of birth: 16 today, tomorrow; 15 today, tomorrow; long since; and not known.
const BIRTHS: [&str; 8] =
    ["2010-03-01", "2010-03-02", "2011-03-01", "2011-03-02", "1980-07-01", "1980-07-01", "1980-07-01", ""];

fn rfc3339(at: i64) -> String {
    let time = chrono::DateTime::from_timestamp_micros(at).unwrap();
    time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

/// What varies most in a run; not everything at once, for each kind of scope is replayed by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Theme {
    Scopes,
    Operations,
    /// Two versions of the policy, the second with other graces, notices and rules for minors.
    Versions,
    /// Two people out of three have a second id, known from a moment on.
    Links,
}

/// From here on the second ids are known.
const LINKED: i64 = START + 5 * HOUR;

pub struct Draw(ChaCha8Rng);

impl Draw {
    pub fn below(&mut self, n: u32) -> u32 {
        self.0.next_u32() % n
    }

    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u32) as usize]
    }

    pub fn some(&mut self, of: &[&'static str]) -> Names {
        of.iter().copied().filter(|_| self.0.next_u32().is_multiple_of(2)).collect()
    }

    fn hour(&mut self) -> i64 {
        START + i64::from(self.below(12)) * HOUR
    }

    fn record(&mut self, theme: Theme) -> Record {
        let status = self.one(&["given", "given", "given", "renewed", "withdrawn", "refused", "objected", "expired"]);
        let at = self.hour() + i64::from(self.one(&[0, 0, 0, 1, -1]));
        let given = matches!(status, "given" | "renewed");
        Record {
            at,
            status,
            purpose: self.one(&[PURPOSE, PURPOSE, PURPOSE, "personalize", "analytics"]),
            categories: match self.below(4) {
                0 if theme == Theme::Scopes => {
                    self.some(&["user.behavior", "user.behavior.purchase_history", "user.health_and_medical"])
                }
                0 => Names::from(["user.behavior"]),
                _ => BTreeSet::new(),
            },
            contexts: match theme {
                Theme::Scopes => self.some(&["web", "store", "app"]),
                _ => self.some(&["web", "store"]),
            },
            operations: match self.below(4) {
                0 if theme == Theme::Operations => Names::from([self.one(&["serve", "train"])]),
                _ => BTreeSet::new(),
            },
            recipients: match self.below(4) {
                0 if theme == Theme::Operations => Names::from(["adnet"]),
                _ => BTreeSet::new(),
            },
            notice: self.one(&["", "n1", "n2", "n2", "n3"]),
            explicit: self.below(3) == 0,
            parental: self.below(3) == 0,
            expires: (given && self.below(4) == 0).then(|| at + i64::from(self.below(5)) * HOUR),
            mechanism: self.one(&["", "", "", "gpc"]),
        }
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

#[derive(Debug, Clone)]
struct Decision {
    person: usize,
    strategy: u32,
    at: i64,
    jurisdiction: &'static str,
    operation: &'static str,
    gpc: bool,
    theme: Theme,
}

impl Decision {
    /// The version of the policy that judges it; for what came before the first one, the first.
    fn policy<'a>(&self, policies: &'a [Policy]) -> &'a Policy {
        policies.iter().rev().find(|policy| self.at >= policy.effective).unwrap_or(&policies[0])
    }

    /// Whether the person is too young; None when nobody knows, or where it does not matter.
    fn minor(&self, policy: &Policy) -> Option<bool> {
        let minors = policy.minors.as_ref()?;
        let limit = if self.jurisdiction == "FR" { minors.in_france } else { minors.limit };
        // All decisions lie on the first of March 2026.
        let old_enough = format!("{}-03-01", 2026 - limit);
        let birth = BIRTHS[self.person % BIRTHS.len()];
        (!birth.is_empty()).then_some(birth > old_enough.as_str())
    }

    /// What becomes of it for one category of one context.
    fn use_of(&self, policy: &Policy, ids: &[&[Record]], category: &'static str, context: &'static str) -> Told {
        let minor = self.minor(policy) == Some(true);
        let never = minor && policy.minors.as_ref().is_some_and(|minors| minors.never);
        let scope = (Names::from([category]), Names::from([context]));
        match policy.basis(category) {
            Basis::Prohibited | Basis::None => (Answer::Without, None),
            _ if never => (Answer::Minor, None),
            Basis::Contract => (Answer::Permitted, None),
            Basis::LegitimateInterests => self.judge(policy, ids, scope, false, false, false),
            basis => self.judge(policy, ids, scope, basis == Basis::ExplicitConsent, true, minor),
        }
    }

    /// What becomes of it for a pair of contexts.
    fn pair(
        &self,
        policy: &Policy,
        ids: &[&[Record]],
        categories: Names,
        (a, b): (&'static str, &'static str),
        special: bool,
    ) -> Told {
        let minor = self.minor(policy) == Some(true);
        if minor && policy.minors.as_ref().is_some_and(|minors| minors.never) {
            return (Answer::Minor, None);
        }
        if !policy.pair_takes_consent((a, b), &categories) {
            return (Answer::Permitted, None);
        }
        self.judge(policy, ids, (categories, Names::from([a, b])), special, true, minor)
    }

    fn judge(
        &self,
        policy: &Policy,
        ids: &[&[Record]],
        (categories, contexts): (Names, Names),
        explicit: bool,
        consent: bool,
        parental: bool,
    ) -> Told {
        let wish = Wish {
            purpose: PURPOSE,
            categories,
            contexts,
            operation: self.operation,
            recipient: (self.theme == Theme::Operations && self.strategy.is_multiple_of(4)).then_some("adnet"),
            notices: policy.notices.clone(),
            explicit,
            parental,
            grace: policy.grace(self.jurisdiction),
        };
        let opt_out = policy.opt_out.contains(self.jurisdiction);
        let told = match (ids, consent) {
            ([records], true) => may_use(records, &wish, opt_out, self.at),
            ([records], false) => objection(records, &wish, self.at),
            _ => linked(ids, &wish, consent, opt_out, self.at),
        };
        if parental && told.0 >= Answer::Without { (Answer::Minor, None) } else { told }
    }
}

#[derive(Debug, Default)]
struct Counts {
    by_answer: BTreeMap<&'static str, u64>,
    without: BTreeSet<usize>,
    delays: Vec<i64>,
}

impl Counts {
    fn count(&mut self, decision: &Decision, (answer, no): Told) {
        let mut add = |names: &[&'static str]| names.iter().for_each(|n| *self.by_answer.entry(n).or_default() += 1);
        add(&["events"]);
        if decision.at < FIRST {
            return add(&["events_before_policy"]);
        }
        match answer {
            Answer::Permitted => add(&["events_permitted"]),
            Answer::InGrace => add(&["events_in_grace"]),
            Answer::Unknown => add(&["events_unknown"]),
            Answer::Without => add(&["events_without_consent"]),
            Answer::AfterWithdrawal => add(&["events_without_consent", "events_after_withdrawal"]),
            Answer::Objected => add(&["events_without_consent", "events_after_withdrawal", "events_objected"]),
            Answer::Signalled => add(&["events_without_consent", "events_after_withdrawal", "events_gpc"]),
            Answer::Minor => add(&["events_without_consent", "events_minors"]),
        }
        if answer >= Answer::Without {
            self.without.insert(decision.person);
        }
        if matches!(answer, Answer::AfterWithdrawal | Answer::Objected | Answer::Signalled) {
            self.delays.push(decision.at - no.unwrap());
        }
    }

    fn compare(&mut self, fact: &Value, theme: Theme, name: &str) {
        const FIELDS: [&str; 10] = [
            "events",
            "events_before_policy",
            "events_permitted",
            "events_in_grace",
            "events_unknown",
            "events_without_consent",
            "events_after_withdrawal",
            "events_objected",
            "events_gpc",
            "events_minors",
        ];
        for field in FIELDS {
            assert_eq!(fact[field], self.by_answer.get(field).copied().unwrap_or(0), "{field} of {name}: {fact}");
        }
        assert_eq!(fact["subjects_without_consent"], self.without.len(), "{name}: {fact}");
        if theme == Theme::Links {
            // Which of several nos of one kind is told is no matter of right or wrong.
            return;
        }
        self.delays.sort_unstable();
        let rank = |percent: usize| (self.delays.len() * percent).div_ceil(100).max(1) - 1;
        let delay = &fact["withdrawal_delay"];
        for (quantile, percent) in [("median_seconds", 50), ("p95_seconds", 95), ("max_seconds", 100)] {
            let expected = self.delays.get(rank(percent)).map(|micros| *micros as f64 / 1e6);
            assert_eq!(delay[quantile].as_f64(), expected, "{quantile} of {name}: {fact}");
        }
    }
}

type Key = (String, String, String, String, String);

/// What each fact must say: by strategy, operation, category (or pair), jurisdiction, version.
#[derive(Default)]
struct Expected {
    facts: BTreeMap<Key, Counts>,
    coverage: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Expected {
    fn decide(&mut self, policies: &[Policy], decision: &Decision, ids: &[&[Record]]) {
        let policy = decision.policy(policies);
        let version = if policies.len() > 1 { policy.version } else { "" };
        let strategy = format!("s{:02}", decision.strategy);
        let parts = parts(INPUTS[decision.strategy as usize % INPUTS.len()]);
        let mut all = Vec::new();
        let mut count = |what: &str, jurisdiction: &str, told: Told| {
            let key = [&strategy, decision.operation, what, jurisdiction, version].map(str::to_owned);
            let [a, b, c, d, e] = key;
            self.facts.entry((a, b, c, d, e)).or_default().count(decision, told);
            all.push(told.0);
        };
        for category in parts.iter().map(|p| p.1).collect::<BTreeSet<_>>() {
            let of_it = parts.iter().filter(|p| p.1 == category);
            let told = of_it.map(|(context, _, _)| decision.use_of(policy, ids, category, context));
            count(category, decision.jurisdiction, worst(told));
        }
        let contexts: Vec<&str> = parts.iter().map(|p| p.0).collect::<BTreeSet<_>>().into_iter().collect();
        for (i, a) in contexts.iter().enumerate() {
            for b in &contexts[i + 1..] {
                let sides: Vec<_> = parts.iter().filter(|p| p.0 == *a || p.0 == *b).collect();
                let categories: Names = sides.iter().map(|p| p.1).collect();
                let special = sides.iter().any(|p| p.2);
                let told = decision.pair(policy, ids, categories, (a, b), special);
                count(&format!("{a}+{b}"), "", told);
            }
        }
        if decision.operation == "serve" {
            let gap = match () {
                () if decision.at < FIRST => "before_policy",
                () if all.contains(&Answer::Unknown) => "unknown_subject",
                () if policy.minors.is_some() && decision.minor(policy).is_none() => "unknown_age",
                () => "whole",
            };
            *self.coverage.entry(strategy).or_default().entry(gap.to_owned()).or_default() += 1;
        }
    }
}

fn replay_agrees(seed: u64, theme: Theme) -> BTreeSet<&'static str> {
    let mut draw = Draw(ChaCha8Rng::seed_from_u64(seed));
    let people = 900;
    let versions = if theme == Theme::Versions { vec!["first", "second"] } else { vec!["first"] };
    let policies: Vec<Policy> = versions.into_iter().map(|version| Policy::draw(&mut draw, version)).collect();
    // The second half are what people said under second ids.
    let mut records: Vec<Vec<Record>> = (0..people * if theme == Theme::Links { 2 } else { 1 })
        .map(|_| {
            let many = if draw.below(12) == 0 { 0 } else { 1 + draw.below(7) };
            (0..many).map(|_| draw.record(theme)).collect()
        })
        .collect();
    let decisions: Vec<Decision> = (0..3600)
        .map(|number| {
            let person = draw.below(people as u32) as usize;
            Decision {
                person,
                strategy: draw.below(STRATEGIES),
                at: draw.hour() + draw.one(&[0, 0, 1, -1, HOUR / 2]),
                jurisdiction: JURISDICTIONS[person % 3],
                operation: if theme == Theme::Operations && number % 3 == 0 { "train" } else { "serve" },
                gpc: draw.below(12) == 0,
                theme,
            }
        })
        .collect();
    let consent = consent_csv(&records);
    // A request with the signal is a no to all personalisation, where and when the policy says so.
    let signals = |d: &&Decision| {
        let policy = d.policy(&policies);
        d.gpc && d.operation == "serve" && d.at >= policy.effective && policy.signals.contains(d.jurisdiction)
    };
    for decision in decisions.iter().filter(signals) {
        records[decision.person].push(Record {
            at: decision.at,
            status: "refused",
            purpose: "personalize",
            categories: BTreeSet::new(),
            contexts: BTreeSet::new(),
            operations: BTreeSet::new(),
            recipients: BTreeSet::new(),
            notice: "",
            explicit: false,
            parental: false,
            expires: None,
            mechanism: "gpc",
        });
    }
    let mut log = String::from("request_id,timestamp,subject_id,item_id,strategy,jurisdiction,gpc\n");
    let mut uses = String::from("timestamp,subject_id,operation,strategy,jurisdiction\n");
    let mut expected = Expected::default();
    for (request, decision) in decisions.iter().enumerate() {
        let Decision { person, strategy, jurisdiction, operation, gpc, .. } = decision;
        let at = rfc3339(decision.at);
        if *operation == "serve" {
            log += &format!("q{request},{at},p{person:04},i1,s{strategy:02},{jurisdiction},{gpc}\n");
        } else {
            let row = format!("{at},p{person:04},{operation},s{strategy:02},{jurisdiction}\n");
            if uses.contains(&row) {
                continue;
            }
            uses += &row;
        }
        let second = (theme == Theme::Links && person % 3 > 0 && decision.at >= LINKED)
            .then(|| records[people + person].as_slice());
        let ids: Vec<&[Record]> = [records[*person].as_slice()].into_iter().chain(second).collect();
        expected.decide(&policies, decision, &ids);
    }
    let births = (0..people).map(|person| format!("p{person:04},{}\n", BIRTHS[person % BIRTHS.len()]));
    let subjects = format!("subject_id,birth_date\n{}", births.collect::<String>());
    let mut links = String::from("subject_id,linked_id,timestamp\n");
    for person in (0..people).filter(|person| theme == Theme::Links && person % 3 > 0) {
        links += &format!("p{person:04},p{:04},{}\n", people + person, rfc3339(LINKED));
    }
    let record = Audit::new()
        .with("audit.yaml", manifest(theme))
        .with("links.csv", links)
        .with("map.yaml", MAP)
        .with("policy.yaml", policies[0].yaml())
        .with("policy-2.yaml", policies.last().unwrap().yaml())
        .with("consent.csv", consent)
        .with("subjects.csv", subjects)
        .with("uses.csv", uses)
        .with("log.csv", log)
        .run()
        .record();
    compare(record, expected, theme, &format!("seed {seed}, {theme:?}"))
}

/// Compares every count of every fact; returns the answers that occurred.
fn compare(record: Value, mut expected: Expected, theme: Theme, name: &str) -> BTreeSet<&'static str> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let facts = expected.facts.len();
    let mut compared = 0;
    for fact in record["facts"].as_array().unwrap() {
        let (what, jurisdiction) = match fact["kind"].as_str().unwrap() {
            "data_use" => (text(&fact["category"]), text(&fact["jurisdiction"])),
            "join" => {
                let contexts = fact["contexts"].as_array().unwrap().iter().map(text).collect::<Vec<_>>();
                (contexts.join("+"), String::new())
            }
            "coverage" => {
                let mut gaps = expected.coverage.remove(&text(&fact["strategy"])).unwrap();
                assert_eq!(fact["judged"], gaps.remove("whole").unwrap_or(0), "{fact}");
                assert_eq!(fact["gaps"], serde_json::to_value(gaps).unwrap(), "{fact}");
                continue;
            }
            _ => continue,
        };
        let version = fact["policy_version"].as_str().unwrap_or_default().to_owned();
        let key = (text(&fact["strategy"]), text(&fact["operation"]), what, jurisdiction, version);
        expected.facts.get_mut(&key).unwrap().compare(fact, theme, &format!("{name}, {key:?}"));
        compared += 1;
    }
    assert_eq!(compared, facts);
    assert!(expected.coverage.is_empty(), "{:?}", expected.coverage);
    expected.facts.values().flat_map(|c| c.by_answer.keys().copied()).collect()
}

fn consent_csv(records: &[Vec<Record>]) -> String {
    let mut consent = String::from(
        "subject_id,timestamp,status,purpose,categories,contexts,operations,recipients,notice_version,explicit,parental,\
         expires,mechanism\n",
    );
    for (person, records) in records.iter().enumerate() {
        for r in records {
            let join = |set: &Names| set.iter().copied().collect::<Vec<_>>().join("|");
            let expires = r.expires.map(rfc3339).unwrap_or_default();
            consent += &format!(
                "p{person:04},{},{},{},{},{},{},{},{},{},{},{expires},{}\n",
                rfc3339(r.at),
                r.status,
                r.purpose,
                join(&r.categories),
                join(&r.contexts),
                join(&r.operations),
                join(&r.recipients),
                r.notice,
                r.explicit,
                r.parental,
                r.mechanism,
            );
        }
    }
    consent
}

fn manifest(theme: Theme) -> String {
    let policy = if theme == Theme::Versions { "[policy-2.yaml, policy.yaml]" } else { "policy.yaml" };
    let mut manifest = format!(
        "probity: 1\nsystem: {{ name: Random, owner: nobody, jurisdiction: DE }}\npurposes:\n  - id: {PURPOSE}\nevidence:\n  \
         data_map: map.yaml\n  consent_policy: {policy}\n  consent_records: {{ path: consent.csv }}\n  \
         subjects: {{ path: subjects.csv }}\n  uses: {{ path: uses.csv }}\n  recommendations: {{ path: log.csv }}\n\
         strategies:\n"
    );
    for number in 0..STRATEGIES {
        let inputs = INPUTS[number as usize % INPUTS.len()].join(", ");
        let recipient = if theme == Theme::Operations && number.is_multiple_of(4) { ", recipient: adnet" } else { "" };
        manifest += &format!("  - {{ id: s{number:02}, purpose: {PURPOSE}, inputs: [{inputs}]{recipient} }}\n");
    }
    if theme == Theme::Links {
        manifest.replace("evidence:\n", "evidence:\n  links: { path: links.csv }\n")
    } else {
        manifest
    }
}

#[test]
fn the_replay_agrees_with_a_slow_reference() {
    let mut seen = BTreeSet::new();
    let themes = [Theme::Scopes, Theme::Operations, Theme::Versions, Theme::Links];
    for (seed, theme) in (1..=8).zip(themes.into_iter().cycle()) {
        seen.extend(replay_agrees(seed, theme));
    }
    assert_eq!(seen.len(), 10, "every answer occurs: {seen:?}");
}
