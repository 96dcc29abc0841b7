//! Consent in force at the time of each decision.
//!
//! Records are folded into *lanes*: one need answered by the records of one scope that covers it (plus whatever revokes
//! it), and one lane per need that only listens for objections. A lane is one bit. Per subject, the running sum of the
//! bits that start and end is the state of all lanes at every moment, so that each decision meets exactly one row of
//! the timeline. A decision then is a *signature*: what it used, and the state of all lanes. Plans count signatures; each
//! distinct one is judged once, and a second plan adds up what was decided.

mod events;
mod lanes;
mod matters;
mod samples;
mod tally;
mod timeline;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

use events::SCOPE;
pub use events::Sources;
pub use lanes::Outcome;
use lanes::{Hears, Lane, Scope, Status, lanes};
pub use matters::{Code, Gap, Matter, Tallies, category_matter, pair_matter};
pub use samples::{Pseudonyms, Sample, SampleRecord};
use timeline::{PEOPLE, said_sql, spans_sql, timeline_sql};

use super::uses::{AskedUse, Need};
use crate::engine::{Engine, literal};
use crate::error::{Problem, Result};
use crate::evidence::columns::{LIST, OPERATIONS, decimal_day};
use crate::evidence::consent_policy::Policies;
use crate::evidence::data_map::DataMap;
use crate::evidence::table::FILE;
use crate::evidence::taxonomy::Taxonomy;
use crate::evidence::text::LINE;
use crate::manifest::{LegalBasis, Manifest};
use crate::yaml::Document;

/// Lanes per 64-bit word of state; sums of distinct bits below this never overflow.
const WORD: usize = 62;

/// The states of a lane, each a bit: granted, in grace, withdrawn, refused, ended by a privacy signal.
const MASKS: [&str; 5] = ["g", "a", "w", "r", "p"];

/// Where a subject's age is told, beside the log's own flag.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ages {
    /// Whether `subjects` has the day of birth.
    pub birth_date: bool,
    /// Whether `subjects` has an age in years.
    pub age: bool,
}

/// Everything that the replay of consent needs beside the tables.
pub struct Replay<'a> {
    pub engine: &'a Engine,
    pub manifest: &'a Document<Manifest>,
    pub policies: &'a Policies,
    pub map: &'a DataMap,
    pub taxonomy: &'a Taxonomy,
    /// Uses of `data_uses`; those of undeclared strategies ask nothing.
    pub uses: &'a [AskedUse],
    pub needs: &'a [Need],
    pub sources: Sources,
    pub ages: Ages,
    /// How many samples to take for each category and pair.
    pub samples: usize,
    pub pseudonyms: Pseudonyms<'a>,
}

impl Replay<'_> {
    /// Counts, for every category and pair, what became of the decisions.
    pub async fn run(&self) -> Result<BTreeMap<Matter, Tallies>> {
        let known = events::view(self.engine, self.sources, self.policies, &self.manifest.value).await?;
        let known_scopes = if known { self.scopes().await? } else { Scopes::default() };
        let lanes = lanes(self.needs, &known_scopes.scopes, self.sources.links);
        if known {
            self.relate(&known_scopes, &lanes)?;
            self.engine.stage("consent_people", PEOPLE).await?;
            self.engine.stage("consent_said", &said_sql(lanes.len(), self.sources.links)).await?;
            self.engine.stage("consent_spans", &spans_sql()).await?;
            self.engine.stage("consent_timeline", &timeline_sql(lanes.len(), self.sources.links)).await?;
        }
        self.register_uses()?;
        self.engine.stage("signatures", &self.signatures_sql(&lanes, known)).await?;
        let key = key_columns(lanes.len()).join(", ");
        let rows = self.engine.rows(&format!("SELECT {key} FROM signatures GROUP BY {key} ORDER BY {key}")).await?;
        self.tally(&rows, &lanes, known).await
    }

    /// The distinct scopes of the events and the notices they were made under: table `scopes` by their texts, and as
    /// values. Names are checked.
    async fn scopes(&self) -> Result<Scopes> {
        let key = SCOPE.join(", ");
        let rows = self.engine.rows(&format!("SELECT {key} FROM consent_events GROUP BY {key} ORDER BY {key}")).await?;
        let policy = self.policies.latest();
        // Notices that no need asks about are all the same.
        let asked: BTreeSet<&String> = self.needs.iter().flat_map(|need| &need.notices).collect();
        let mut known = Scopes::default();
        let mut texts: Vec<Vec<String>> = vec![Vec::new(); SCOPE.len()];
        let mut numbers: [Vec<i64>; 2] = Default::default();
        for row in 0..rows.len() {
            let text = |column: &str| rows.text(column, row).unwrap_or_default().to_owned();
            let elements = |column: &str| -> BTreeSet<String> {
                text(column).split(LIST).map(str::trim).filter(|e| !e.is_empty()).map(str::to_owned).collect()
            };
            let written = Scope {
                purpose: text("purpose"),
                categories: elements("categories"),
                contexts: elements("contexts"),
                operations: elements("operations"),
                recipients: elements("recipients"),
            };
            self.check(&written, SCOPE.map(|column| (column, text(column)))).await?;
            let contexts = written.contexts.iter().map(|c| policy.canonical(c).to_owned()).collect();
            numbers[0].push(number(&mut known.scopes, Scope { contexts, ..written }));
            let notice = Some(text("notice_version")).filter(|notice| asked.contains(notice)).unwrap_or_default();
            numbers[1].push(number(&mut known.notices, notice));
            texts.iter_mut().zip(SCOPE).for_each(|(of, column)| of.push(text(column)));
        }
        let texts = SCOPE
            .into_iter()
            .zip(texts)
            .map(|(column, values)| -> (&str, ArrayRef) { (column, Arc::new(StringArray::from(values))) });
        let numbers = ["scope", "notice"]
            .into_iter()
            .zip(numbers)
            .map(|(column, values)| -> (&str, ArrayRef) { (column, Arc::new(Int64Array::from(values))) });
        self.engine.small_table("scopes", RecordBatch::try_from_iter(texts.chain(numbers))?)?;
        Ok(known)
    }

    /// A name that nothing knows would make a withdrawal count for nothing, so it is an error.
    async fn check(&self, scope: &Scope, texts: [(&str, String); SCOPE.len()]) -> Result<()> {
        let contexts: BTreeSet<String> = self.map.contexts().into_iter().map(str::to_owned).collect();
        let operations: BTreeSet<String> = OPERATIONS.iter().map(|word| (*word).to_owned()).collect();
        let purposes = BTreeSet::from([scope.purpose.clone()]);
        let taxonomy = self.taxonomy;
        let found = [
            ("purpose", &purposes, &taxonomy.data_uses, "is not in the taxonomy"),
            ("data category", &scope.categories, &taxonomy.data_categories, "is not in the taxonomy"),
            ("context", &scope.contexts, &contexts, "is in no dataset of the data map"),
            ("operation", &scope.operations, &operations, "is not known"),
        ];
        let unknown = found
            .into_iter()
            .find_map(|(what, names, known, why)| Some((what, names.difference(known).next()?, why, known)));
        let Some((what, name, why, known)) = unknown else { return Ok(()) };
        let equal = texts.map(|(column, text)| format!("coalesce({column}, '') = {}", literal(&text))).join(" AND ");
        let place = self
            .engine
            .rows(&format!("SELECT {FILE}, {LINE} FROM consent_records WHERE {equal} ORDER BY {FILE}, {LINE} LIMIT 1"))
            .await?;
        let file = self.manifest.resolve(place.text(FILE, 0).unwrap_or_default());
        Err(Problem::new(format!("{what} `{name}` {why}"))
            .at(file, place.count(LINE, 0), 0)
            .suggest(name, known)
            .into())
    }

    /// Table `lanes`: which record, by scope and status, does what on which lane.
    fn relate(&self, known: &Scopes, lanes: &[Lane]) -> Result<()> {
        let mut rows: Vec<[i64; 11]> = Vec::new();
        for (number, lane) in lanes.iter().enumerate() {
            let need = &self.needs[lane.need];
            let (word, bit) = place_of(number);
            let own = match lane.hears {
                Hears::Scope(own) => Some(own),
                Hears::Objections | Hears::LinkedObjections => None,
            };
            let linked = i64::from(lane.hears == Hears::LinkedObjections);
            for (id, scope) in known.scopes.iter().enumerate() {
                let foreign = i64::from(own.is_some_and(|own| own != id));
                for (notice_id, notice) in known.notices.iter().enumerate() {
                    for status in Status::ALL {
                        let Some(effect) = status.effect((id, scope), notice, lane, need) else { continue };
                        rows.push([
                            id as i64,
                            notice_id as i64,
                            status as i64,
                            number as i64,
                            effect as i64,
                            i64::from(own.is_none()),
                            foreign,
                            linked,
                            need.grace,
                            word,
                            bit,
                        ]);
                    }
                }
            }
        }
        let names = [
            "scope",
            "notice",
            "status",
            "lane",
            "effect",
            "objection",
            "foreign_scope",
            "for_linked",
            "grace",
            "word",
            "bit",
        ];
        self.engine.small_table("lanes", integers(&names, &rows)?)
    }

    /// Table `use_kinds`: the uses by what tells their rows apart, with the age below which each version of the policy
    /// protects.
    fn register_uses(&self) -> Result<()> {
        let text = |of: fn(&AskedUse) -> &String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(self.uses.iter().map(of)))
        };
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..self.uses.len() as i64));
        let mut columns = vec![
            ("use_id".to_owned(), ids),
            ("strategy".to_owned(), text(|u| &u.usage.strategy)),
            ("operation".to_owned(), text(|u| &u.usage.operation)),
            ("recipient".to_owned(), text(|u| &u.usage.recipient_text)),
            ("inputs".to_owned(), text(|u| &u.usage.inputs_text)),
            ("jurisdiction".to_owned(), text(|u| &u.usage.jurisdiction)),
        ];
        for version in 0..self.policies.versions().len() {
            let limit = |u: &AskedUse| u.asked.get(version).and_then(|asked| asked.age_limit).map(i64::from);
            let limits: ArrayRef = Arc::new(Int64Array::from_iter(self.uses.iter().map(limit)));
            columns.push((format!("limit{version}"), limits));
        }
        self.engine.small_table("use_kinds", RecordBatch::try_from_iter(columns)?)
    }

    /// Decisions by what they used, the state of consent, and subject: what everything after this is counted from. The
    /// decisions about someone who had said no keep their moment.
    fn signatures_sql(&self, lanes: &[Lane], known: bool) -> String {
        let masks = mask_columns(lanes.len());
        let (states, join) = if known {
            let states = masks.iter().map(|m| format!("coalesce(t.{m}, -1) AS {m}")).collect::<Vec<_>>();
            let join =
                "LEFT JOIN consent_timeline t ON d.subject_id = t.subject_id AND d.at >= t.since AND d.at < t.until";
            (states, join)
        } else {
            (masks.iter().map(|m| format!("CAST(-1 AS BIGINT) AS {m}")).collect(), "")
        };
        let versions = self.policies.versions().len();
        let after = |index: usize| self.policies.since(index).map(|since| format!("WHEN d.at >= {since} THEN {index}"));
        let since: Vec<String> = (0..versions).rev().filter_map(after).collect();
        let first = if self.policies.since(0).is_some() { -1 } else { 0 };
        let version = match since.as_slice() {
            [] => first.to_string(),
            cases => format!("CASE {} ELSE {first} END", cases.join(" ")),
        };
        let (minor, people) = self.minor_sql();
        let said_no: Vec<String> = (0..lanes.len().div_ceil(WORD).max(1))
            .flat_map(|word| {
                let listening = lanes.iter().enumerate().filter(|(_, lane)| !matches!(lane.hears, Hears::Scope(_)));
                let places = listening.map(|(number, _)| place_of(number)).filter(|(of, _)| *of == word as i64);
                let objections: i64 = places.map(|(_, bit)| bit).sum();
                [
                    format!("w{word} > 0"),
                    format!("p{word} > 0"),
                    format!("(r{word} > 0 AND (r{word} & {objections}) <> 0)"),
                ]
            })
            .collect();
        let key = key_columns(lanes.len()).join(", ");
        format!(
            "SELECT {key}, subject_id, moment, count(*) AS n, min(at) AS first, max(at) AS last FROM \
             (SELECT {key}, subject_id, at, CASE WHEN {said_no} THEN at END AS moment FROM \
              (SELECT use_id, version, CAST({minor} AS BIGINT) AS minor, {masks}, subject_id, at FROM \
               (SELECT u.*, CAST({version} AS BIGINT) AS version, d.minor AS flagged, {states}, d.subject_id AS subject_id, d.at \
                FROM data_uses d JOIN use_kinds u ON d.strategy = u.strategy AND d.operation = u.operation \
                AND d.recipient = u.recipient AND d.inputs = u.inputs AND d.jurisdiction = u.jurisdiction {join}) d {people})) \
             GROUP BY {key}, subject_id, moment",
            said_no = said_no.join(" OR "),
            masks = masks.join(", "),
            states = states.join(", "),
        )
    }

    /// Whether a decision is about a minor (1), or nobody knows (2); and the join that tells.
    fn minor_sql(&self) -> (String, String) {
        let versions = self.policies.versions().len();
        if self.uses.iter().all(|used| used.asked.iter().all(|asked| asked.age_limit.is_none())) {
            return ("0".to_owned(), String::new());
        }
        let limits: String = (0..versions).map(|v| format!(" WHEN {v} THEN limit{v}")).collect();
        let limit = format!("CASE greatest(version, 0){limits} END");
        let today = decimal_day("to_timestamp_micros(at)");
        let known = [
            self.ages.birth_date.then(|| format!("({today} - s.birth_date) / 10000")),
            self.ages.age.then(|| "s.age".to_owned()),
        ];
        let known: Vec<String> = known.into_iter().flatten().collect();
        let (age, people) = if known.is_empty() {
            ("CAST(NULL AS BIGINT)".to_owned(), String::new())
        } else {
            let columns = [self.ages.birth_date.then_some("birth_date"), self.ages.age.then_some("age")];
            let columns: Vec<&str> = columns.into_iter().flatten().collect();
            let people = format!(
                "LEFT JOIN (SELECT subject_id AS person, {} FROM subjects) s ON d.subject_id = s.person",
                columns.join(", ")
            );
            (format!("coalesce({})", known.join(", ")), people)
        };
        let minor = format!(
            "CASE WHEN {limit} IS NULL THEN 0 WHEN flagged = 1 THEN 1 WHEN flagged = 0 THEN 0 WHEN {age} IS NULL THEN 2 \
             WHEN {age} < {limit} THEN 1 ELSE 0 END"
        );
        (minor, people)
    }
}

/// The scopes of consent events, and the versions of the notice they were made under, by their numbers.
#[derive(Default)]
struct Scopes {
    scopes: Vec<Scope>,
    notices: Vec<String>,
}

/// The number of a value among those known; a new one is added.
fn number<T: PartialEq>(known: &mut Vec<T>, value: T) -> i64 {
    let number = known.iter().position(|one| *one == value).unwrap_or_else(|| {
        known.push(value);
        known.len() - 1
    });
    number as i64
}

/// How a basis is named in facts.
pub fn basis_name(basis: Option<LegalBasis>) -> &'static str {
    basis.map_or("none", LegalBasis::id)
}

/// The word and bit of a lane.
fn place_of(lane: usize) -> (i64, i64) {
    ((lane / WORD) as i64, 1_i64 << (lane % WORD))
}

fn mask_columns(lanes: usize) -> Vec<String> {
    let words = lanes.div_ceil(WORD).max(1);
    (0..words).flat_map(|word| MASKS.map(|mask| format!("{mask}{word}"))).collect()
}

/// What tells signatures apart, subjects aside.
fn key_columns(lanes: usize) -> Vec<String> {
    ["use_id", "version", "minor"].map(str::to_owned).into_iter().chain(mask_columns(lanes)).collect()
}

/// A table of integers, from its rows.
fn integers(names: &[&str], rows: &[impl AsRef<[i64]>]) -> Result<RecordBatch> {
    let columns = names.iter().enumerate().map(|(index, name)| {
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.as_ref()[index])));
        (*name, values)
    });
    Ok(RecordBatch::try_from_iter(columns)?)
}
