//! A second reckoning of the truth, slow and obvious, that knows only the files and the rules of consent.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use chrono::{DateTime, Utc};

use super::truth::{Judged, Truth};
use crate::evidence::consent_policy::{ConsentPolicy, Regime};
use crate::evidence::data_map::DataMap;
use crate::evidence::taxonomy::{Taxonomy, covers};
use crate::manifest::{LegalBasis, Manifest};
use crate::yaml::Document;

pub type Row = BTreeMap<String, String>;

pub struct Shop {
    pub manifest: Document<Manifest>,
    pub policy: Document<ConsentPolicy>,
    pub map: DataMap,
    pub decisions: Vec<Row>,
    pub consent: BTreeMap<String, Vec<Row>>,
    pub subjects: BTreeMap<String, Row>,
    /// Provider and list price of each item.
    pub items: BTreeMap<String, (String, f64)>,
    /// The text of every file by its name.
    pub files: BTreeMap<String, String>,
}

pub fn rows(text: &str) -> Vec<Row> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().map(|row| row.unwrap()).collect()
}

/// Every file of the folder with its contents, decompressed.
pub fn contents(folder: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let (path, name) = entry.map(|e| (e.path(), e.file_name().into_string().unwrap())).unwrap();
        if path.is_dir() {
            all.extend(contents(&path).into_iter().map(|(inner, text)| (format!("{name}/{inner}"), text)));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let mut text = String::new();
        if name.ends_with(".gz") {
            assert_eq!(bytes[4..8], [0; 4], "a gzip header without a time");
            flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        } else {
            text = String::from_utf8(bytes).unwrap();
        }
        all.insert(name, text);
    }
    all
}

pub fn read(folder: &Path) -> Shop {
    let files = contents(folder);
    let manifest = Manifest::read(&folder.join("audit.yaml")).unwrap();
    let mut taxonomy = Taxonomy::fideslang().unwrap();
    let map = DataMap::read(&[(folder.join("data-map.yaml"), "data-map.yaml".into())], &mut taxonomy).unwrap();
    let policy = Document::<ConsentPolicy>::read(&folder.join("consent-policy.yaml")).unwrap();
    policy.check(&taxonomy, &manifest.value, &map).unwrap();
    let log = files.iter().filter(|(name, _)| name.starts_with("recommendations/"));
    let mut consent: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for row in rows(&files["consent.csv"]) {
        consent.entry(row["subject_id"].clone()).or_default().push(row);
    }
    let subjects = rows(&files["subjects.csv"]).into_iter().map(|row| (row["subject_id"].clone(), row)).collect();
    let items = files["items.jsonl"].lines().map(|line| {
        let item: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| item[key].as_str().unwrap().to_owned();
        (text("item_id"), (text("provider"), item["price"].as_f64().unwrap()))
    });
    let items = items.collect();
    let decisions = log.flat_map(|(_, text)| rows(text)).collect();
    Shop { manifest, policy, map, decisions, consent, subjects, items, files }
}

pub fn time(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().into()
}

fn list(text: &str) -> BTreeSet<&str> {
    text.split('|').filter(|one| !one.is_empty()).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Permitted,
    InGrace,
    Unknown,
    Without,
    AfterWithdrawal,
}

/// Whether the records let data of `category` (any, for a combination) from `contexts` be used for `purpose` at `now`.
fn judge(
    shop: &Shop,
    row: &Row,
    purpose: &str,
    category: Option<&str>,
    contexts: &BTreeSet<&str>,
    jurisdiction: &str,
) -> Verdict {
    let now = time(&row["served_at"]);
    let regime = shop.policy.value.regime(jurisdiction);
    let Some(records) = shop.consent.get(&row["customer"]) else {
        return if regime == Regime::OptOut { Verdict::Permitted } else { Verdict::Unknown };
    };
    let relevant: Vec<&Row> = records
        .iter()
        .filter(|record| time(&record["timestamp"]) <= now && covers(&record["purpose"], purpose))
        .filter(|record| {
            let categories = list(&record["categories"]);
            categories.is_empty() || category.is_none_or(|used| categories.iter().any(|c| covers(c, used)))
        })
        .collect();
    let holds_all = |record: &Row| {
        let scope = list(&record["contexts"]);
        if scope.is_empty() { contexts.len() == 1 } else { contexts.is_subset(&scope) }
    };
    let takes_part = |record: &Row| list(&record["contexts"]).is_subset(contexts);
    let latest_of_its_scope = |grant: &Row| {
        relevant.iter().all(|other| {
            list(&other["contexts"]) != list(&grant["contexts"])
                || time(&other["timestamp"]) < time(&grant["timestamp"])
                || (time(&other["timestamp"]) == time(&grant["timestamp"]) && other["status"] == "given")
        })
    };
    let granted = relevant.iter().filter(|record| record["status"] == "given" && holds_all(record)).any(|grant| {
        let expired = !grant["expires"].is_empty() && time(&grant["expires"]) <= now;
        let revoked = relevant.iter().any(|other| {
            matches!(other["status"].as_str(), "withdrawn" | "refused")
                && takes_part(other)
                && time(&other["timestamp"]) >= time(&grant["timestamp"])
        });
        latest_of_its_scope(grant) && !expired && !revoked
    });
    if granted {
        return Verdict::Permitted;
    }
    // What takes a larger scope away matters here only if that scope had been given.
    let ends_a_grant = |record: &Row| {
        let same_scope = |other: &&Row| list(&other["contexts"]) == list(&record["contexts"]);
        holds_all(record) && relevant.iter().any(|other| other["status"] == "given" && same_scope(other))
    };
    let no = relevant.iter().filter(|r| r["status"] != "given" && (takes_part(r) || ends_a_grant(r)));
    match no.max_by_key(|record| time(&record["timestamp"])) {
        Some(last) if last["status"] == "withdrawn" => {
            let delay = now - time(&last["timestamp"]);
            let grace = chrono::Duration::from_std(shop.policy.value.grace(purpose, jurisdiction)).unwrap();
            if delay <= grace { Verdict::InGrace } else { Verdict::AfterWithdrawal }
        }
        None if !relevant.iter().any(|record| record["status"] == "given" && holds_all(record)) => match regime {
            Regime::OptOut => Verdict::Permitted,
            Regime::OptIn => Verdict::Without,
        },
        _ => Verdict::Without,
    }
}

#[derive(Default)]
struct Counted {
    all: Vec<String>,
    by: BTreeMap<Verdict, Vec<String>>,
    before_policy: u64,
}

impl Counted {
    fn add(&mut self, row: &Row, verdict: Option<Verdict>) {
        self.all.push(row["customer"].clone());
        match verdict {
            Some(verdict) => self.by.entry(verdict).or_default().push(row["customer"].clone()),
            None => self.before_policy += 1,
        }
    }

    fn judged(&self) -> Judged {
        let of = |verdict: Verdict| self.by.get(&verdict).cloned().unwrap_or_default();
        let distinct = |all: &[String]| all.iter().collect::<BTreeSet<_>>().len() as u64;
        let after = of(Verdict::AfterWithdrawal);
        let without = [of(Verdict::Without), after.clone()].concat();
        Judged {
            events: self.all.len() as u64,
            subjects: distinct(&self.all),
            events_permitted: of(Verdict::Permitted).len() as u64,
            events_without_consent: without.len() as u64,
            subjects_without_consent: distinct(&without),
            events_in_grace: of(Verdict::InGrace).len() as u64,
            events_after_withdrawal: after.len() as u64,
            subjects_after_withdrawal: distinct(&after),
            events_unknown: of(Verdict::Unknown).len() as u64,
            subjects_unknown: distinct(&of(Verdict::Unknown)),
            events_before_policy: self.before_policy,
        }
    }
}

/// Judges every decision of the log on its own and compares all counts with the truth.
pub fn recount(shop: &Shop, truth: &Truth) {
    let mut joins: BTreeMap<(String, String, String, bool), Counted> = BTreeMap::new();
    let mut uses: BTreeMap<(String, String, String), Counted> = BTreeMap::new();
    let mut undeclared: BTreeMap<String, Counted> = BTreeMap::new();
    let mut unmapped: BTreeMap<(String, String), Counted> = BTreeMap::new();
    let (mut breaches, mut in_grace, mut unknown) = (0, 0, 0);
    let manifest = &shop.manifest.value;
    for row in &shop.decisions {
        let Some(strategy) = manifest.strategy(&row["model"]) else {
            undeclared.entry(row["model"].clone()).or_default().add(row, None);
            continue;
        };
        let declared: Vec<&str> = strategy.inputs.iter().map(|input| input.value.as_str()).collect();
        let named: Vec<&str> = row["inputs"].split('|').filter(|one| !one.is_empty()).collect();
        let mut parts = BTreeSet::new();
        for input in if named.is_empty() { declared } else { named } {
            match shop.map.resolve(input) {
                Some(resolved) => parts.extend(resolved.parts.into_keys()),
                None => {
                    unmapped.entry((row["model"].clone(), input.to_owned())).or_default().add(row, None);
                }
            }
        }
        let system = manifest.system.jurisdiction.as_deref().unwrap();
        let jurisdiction = if row["country"].is_empty() { system } else { &row["country"] };
        let judged = time(&row["served_at"]) >= shop.policy.value.effective.unwrap();
        let mut seen = BTreeSet::new();
        let categories: BTreeSet<&str> = parts.iter().map(|(category, _)| category.as_str()).collect();
        for category in categories {
            let verdict = match shop.policy.value.basis(&strategy.purpose, category).basis {
                Some(LegalBasis::Contract) => Verdict::Permitted,
                Some(LegalBasis::Consent) => parts
                    .iter()
                    .filter(|(of, _)| of == category)
                    .map(|(_, context)| {
                        let contexts = BTreeSet::from([context.as_str()]);
                        judge(shop, row, &strategy.purpose, Some(category), &contexts, jurisdiction)
                    })
                    .max()
                    .unwrap(),
                other => panic!("{category} for {} has the basis {other:?}", *strategy.purpose),
            };
            seen.insert(verdict);
            let key = (row["model"].clone(), category.to_owned(), jurisdiction.to_owned());
            uses.entry(key).or_default().add(row, judged.then_some(verdict));
        }
        let contexts: BTreeSet<&str> = parts.iter().map(|(_, context)| context.as_str()).collect();
        for a in &contexts {
            for b in contexts.iter().filter(|b| a < *b) {
                let needed = shop.policy.value.pair(&strategy.purpose, a, b).requires_consent;
                let verdict = match needed {
                    true => judge(shop, row, &strategy.purpose, None, &BTreeSet::from([*a, *b]), jurisdiction),
                    false => Verdict::Permitted,
                };
                seen.insert(verdict);
                let key = (row["model"].clone(), (*a).to_owned(), (*b).to_owned(), needed);
                joins.entry(key).or_default().add(row, judged.then_some(verdict));
            }
        }
        if judged {
            breaches += u64::from(seen.iter().any(|verdict| *verdict >= Verdict::Without));
            in_grace += u64::from(seen.contains(&Verdict::InGrace));
            unknown += u64::from(seen.contains(&Verdict::Unknown));
        }
    }
    let planted = &truth.planted;
    let breaking = [
        planted.combination_never_granted,
        planted.after_withdrawal,
        planted.before_grant,
        planted.after_expiry,
        planted.refused,
    ];
    assert_eq!(breaches, breaking.iter().map(|count| count.events).sum::<u64>());
    assert_eq!((in_grace, unknown), (planted.within_grace.events, planted.no_record.events));

    let found: Vec<_> = joins.iter().map(|((m, a, b, needed), c)| (m, [a, b], *needed, c.judged())).collect();
    let told: Vec<_> = truth
        .joins
        .iter()
        .map(|join| (&join.strategy, join.contexts.each_ref(), join.requires_consent, join.judged.clone()))
        .collect();
    assert_eq!(found, told);
    let found: Vec<_> = uses.iter().map(|((m, c, j), counted)| (m, c, j, counted.judged())).collect();
    let told: Vec<_> = truth
        .data_uses
        .iter()
        .map(|used| (&used.strategy, &used.category, &used.jurisdiction, used.judged.clone()))
        .collect();
    assert_eq!(found, told);
    let numbers = |counted: &Counted| (counted.judged().events, counted.judged().subjects);
    let found: Vec<_> = undeclared.iter().map(|(model, counted)| (model, numbers(counted))).collect();
    let told: Vec<_> = truth.undeclared.iter().map(|u| (&u.strategy, (u.events, u.subjects))).collect();
    assert_eq!(found, told);
    let found: Vec<_> = unmapped.iter().map(|((model, field), c)| (model, field, numbers(c))).collect();
    let told: Vec<_> = truth.unmapped.iter().map(|u| (&u.strategy, &u.field, (u.events, u.subjects))).collect();
    assert_eq!(found, told);
}
