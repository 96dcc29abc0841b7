//! Audits the shops, and counts.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Mutex;

use chrono::{NaiveDate, TimeDelta};
use probity::audit::{Options, Scope, audit};
use probity::decisions::baseline::{self, BaselineFile};
use probity::decisions::ledger::{self, Entry};
use probity::decisions::snapshot::Snapshot;
use probity::playbook::Verdict;
use probity::progress::Progress;
use probity::record::{Record, RuleResult};
use serde_json::{Map, Value};

use super::plan::{Document, Edit, Planted, Shop};
use super::tables::Stock;

/// In how many shops a rule did what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Shops with the defect.
    pub shops: u64,
    /// Those in which the rule failed on it.
    pub found: u64,
    /// Shops without any defect in which there were facts of what the rule is about.
    pub asked: u64,
    /// Those in which it had to judge one of them, and did not leave all of them out.
    pub judged: u64,
    /// Those in which it failed.
    pub alarms: u64,
}

/// By the place of the shop among `shops`, and by rule.
pub type Counts = BTreeMap<(usize, String), Count>;

/// What of a shop is audited at once: one seed, or all of them where each audit knows the ones before.
type Job<'a> = (usize, &'a Shop, Vec<u64>);

/// Streams of chance of what is planted, beyond those of what both shops have.
const PLANTED: u64 = 1_000;
const MEMORY: usize = 1 << 30;

/// Audits all of them, with and without what is planted, on as many threads as there are processors.
pub fn run(shops: &[Shop]) -> Counts {
    let (mut jobs, counts) = (VecDeque::<Job<'_>>::new(), Mutex::new(Counts::new()));
    for (place, shop) in shops.iter().enumerate() {
        let seeds = 1..=shop.seeds + shop.earlier as u64;
        match shop.earlier {
            0 => jobs.extend(seeds.map(|seed| (place, shop, vec![seed]))),
            // They take longest, so that they begin first.
            _ => jobs.push_front((place, shop, seeds.collect())),
        }
    }
    let jobs = Mutex::new(jobs);
    let next = || jobs.lock().expect("no thread panicked").pop_front();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
                let runtime = runtime.expect("a runtime");
                while let Some((place, shop, seeds)) = next() {
                    let found = runtime.block_on(audited(shop, &seeds));
                    let mut counts = counts.lock().expect("no thread panicked");
                    for (rule, count) in found {
                        let all = counts.entry((place, rule)).or_default();
                        all.shops += count.shops;
                        all.found += count.found;
                        all.asked += count.asked;
                        all.judged += count.judged;
                        all.alarms += count.alarms;
                    }
                }
            });
        }
    });
    counts.into_inner().expect("no thread panicked")
}

/// The shops of some seeds, one after the other.
async fn audited(shop: &Shop, seeds: &[u64]) -> BTreeMap<String, Count> {
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    let (mut clean_before, mut planted_before): (Vec<Snapshot>, Vec<Snapshot>) = (Vec::new(), Vec::new());
    for (number, &seed) in seeds.iter().enumerate() {
        let simulated = |group: Option<&str>| {
            let mut stock = Stock::simulated(&shop.plan(seed, group));
            stock.edit(shop.evidence.iter(), 0);
            if shop.earlier > 0 {
                stock.edit([as_of(number)].iter(), 0);
            }
            stock
        };
        let clean = simulated(None);
        let counted = number >= shop.earlier;
        let record = record(&clean, &clean_before, &format!("{} {seed}, clean", shop.shop)).await;
        if counted {
            let own = shop.planted.iter().flat_map(|planted| planted.fails.keys());
            own.for_each(|rule| judge_clean(&record, rule, seed, counts.entry(rule.clone()).or_default()));
        }
        for group in shop.groups() {
            let lasting = shop.lasting.as_deref() == Some(group);
            if !counted && !lasting {
                continue;
            }
            let mut stock = if shop.has_plan(group) { simulated(Some(group)) } else { clean.clone() };
            for (planted, place) in shop.of_group(group).zip(1..) {
                stock.edit(planted.edits.iter(), PLANTED * place);
            }
            let before = if lasting { &planted_before } else { &clean_before };
            let record = self::record(&stock, before, &format!("{} {seed}, {group}", shop.shop)).await;
            for planted in shop.of_group(group).filter(|_| counted) {
                judge_planted(&record, planted, seed, &mut counts);
            }
            if lasting {
                remember(&mut planted_before, &record, shop.earlier);
            }
        }
        remember(&mut clean_before, &record, shop.earlier);
    }
    counts
}

/// Each audit speaks for a week later than the one before.
fn as_of(number: usize) -> Edit {
    let first = NaiveDate::from_ymd_opt(2026, 6, 1).expect("a day");
    let day = first + TimeDelta::weeks(number as i64);
    let set = Some(day.to_string().into());
    Edit::Document(Document { file: "audit.yaml".into(), at: "system/as_of".into(), set, append: None, remove: false })
}

fn remember(audits: &mut Vec<Snapshot>, record: &Record, most: usize) {
    if most > 0 {
        audits.push(Snapshot::of(record, &"0".repeat(64)));
        let past = audits.len().saturating_sub(most);
        audits.drain(..past);
    }
}

async fn record(stock: &Stock, before: &[Snapshot], name: &str) -> Record {
    let folder = tempfile::tempdir().expect("a temporary folder");
    stock.write(folder.path());
    write_memory(folder.path(), before);
    let baseline = before.first().map(|_| folder.path().join("baseline.json"));
    let options = Options {
        candidate: None,
        fail_on: None,
        baseline,
        memory: Some(MEMORY),
        progress: Progress::hidden(),
        pseudonym_key: None,
        scope: Scope::Whole,
    };
    let audit = audit(&folder.path().join("audit.yaml"), &options).await;
    audit.unwrap_or_else(|error| panic!("{name}: {error:?}")).record
}

/// The earlier audits as the ledger, the first of them as the baseline.
fn write_memory(folder: &Path, before: &[Snapshot]) {
    for audit in before {
        let entry = Entry::Audit(Box::new(audit.clone()));
        ledger::append(&folder.join("ledger.jsonl"), |_| Ok(entry)).expect("the ledger is written");
    }
    if let Some(first) = before.first() {
        let file = BaselineFile { probity_baseline: baseline::FORMAT, audit: first.clone() };
        std::fs::write(folder.join("baseline.json"), serde_json::to_vec(&file).expect("JSON")).expect("it is written");
    }
}

fn result<'a>(record: &'a Record, rule: &str) -> &'a RuleResult {
    let mut rules = record.steps.iter().flat_map(|step| &step.rules);
    rules.find(|result| result.id == rule).unwrap_or_else(|| panic!("{rule} is of no pack that the shop names"))
}

fn failed<'a>(record: &'a Record, rule: &str) -> impl Iterator<Item = Value> + 'a {
    let facts = result(record, rule).verdicts.get(&Verdict::Fail).into_iter().flatten();
    facts.map(|&fact| serde_json::to_value(&record.facts[fact]).expect("JSON"))
}

fn judge_clean(record: &Record, rule: &str, seed: u64, count: &mut Count) {
    let decided = [Verdict::Pass, Verdict::Fail, Verdict::Inconclusive];
    let said = |verdict: &Verdict| decided.contains(verdict);
    let verdicts = || result(record, rule).verdicts.keys();
    let asked = verdicts().any(|verdict| said(verdict) || *verdict == Verdict::NotApplicable);
    count.judged += u64::from(verdicts().any(said));
    let alarm = failed(record, rule).next();
    count.asked += u64::from(asked);
    count.alarms += u64::from(alarm.is_some());
    if alarm.is_some() {
        let told = record.findings.iter().filter(|finding| finding.rule == rule && finding.status == Verdict::Fail);
        told.for_each(|finding| println!("seed {seed}: {rule} without a defect: {}", finding.message));
    } else if !asked {
        println!("seed {seed}: {rule} is not asked: {:?}", result(record, rule).reason);
    }
}

fn judge_planted(record: &Record, planted: &Planted, seed: u64, counts: &mut BTreeMap<String, Count>) {
    for (rule, on) in &planted.fails {
        let found = failed(record, rule).any(|fact| holds(&fact, on));
        let count = counts.entry(rule.clone()).or_default();
        count.shops += 1;
        count.found += u64::from(found);
        if !found {
            let result = result(record, rule);
            let kind = result.on.clone().unwrap_or_default();
            println!("seed {seed}: {rule} does not find it: {:?} {:?}", result.verdicts.keys(), result.reason);
            let facts = record.facts.iter().map(|fact| serde_json::to_value(fact).expect("JSON"));
            let about = facts.filter(|fact| fact["kind"] == kind.as_str() && holds(fact, on)).take(3);
            about.for_each(|fact| println!("  {fact}"));
        }
    }
}

/// Whether a fact has all of these fields, and within them these.
fn holds(fact: &Value, on: &Map<String, Value>) -> bool {
    on.iter().all(|(name, expected)| match expected {
        Value::Object(within) if !within.is_empty() => holds(&fact[name], within),
        other => fact[name] == *other,
    })
}
