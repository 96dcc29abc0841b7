//! Consent in force at the time of each decision.
//!
//! Records are folded into *lanes*: one need answered by the records of one scope that covers it (plus whatever revokes
//! it), and one lane per need that only listens for objections. A lane is one bit. Per subject, the running sum of the
//! bits that start and end is the state of all lanes at every moment, so that each decision meets exactly one row of
//! the timeline. A decision then is a *signature*: what it used, and the state of all lanes. Plans count signatures; each
//! distinct one is judged once, in [`judge`], and a second plan adds up what was decided.

mod lanes;
mod samples;
mod timeline;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

use lanes::Status;
pub use lanes::{Lane, Outcome, Scope, State, judge, lanes};
pub use samples::{Pseudonyms, Sample, SampleRecord};
use timeline::{spans_sql, timeline_sql};

use super::uses::{Asked, Need, Requirement, Use};
use crate::engine::{Engine, Rows, rfc3339};
use crate::error::{Error, Problem, Result};
use crate::evidence::columns::LIST;
use crate::evidence::consent_policy::ConsentPolicy;
use crate::evidence::data_map::DataMap;
use crate::evidence::table::FILE;
use crate::evidence::taxonomy::Taxonomy;
use crate::evidence::text::LINE;
use crate::manifest::{LegalBasis, Manifest};
use crate::yaml::Document;

/// Lanes per 64-bit word of state; sums of distinct bits below this never overflow.
const WORD: usize = 62;

/// Decisions and people behind one answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub events: u64,
    pub subjects: u64,
    pub first: Option<String>,
    pub last: Option<String>,
}

/// What became of the decisions that used a category, or combined a pair.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tallies {
    pub all: Tally,
    pub permitted: Tally,
    pub in_grace: Tally,
    pub without: Tally,
    /// Part of `without`.
    pub after_withdrawal: Tally,
    pub unknown: Tally,
    pub before_policy: Tally,
    /// A few of the decisions in `without`.
    pub samples: Vec<Sample>,
}

/// Strategy, category (or pair), jurisdiction (empty for pairs): what a tally is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Matter {
    Category { strategy: String, category: String, jurisdiction: String },
    Pair { strategy: String, contexts: (String, String) },
}

/// Everything that the replay of consent needs beside the tables.
pub struct Replay<'a> {
    pub engine: &'a Engine,
    pub manifest: &'a Document<Manifest>,
    pub policy: &'a ConsentPolicy,
    pub map: &'a DataMap,
    pub taxonomy: &'a Taxonomy,
    /// Uses with what the policy asks of each; undeclared strategies have no purpose and ask nothing.
    pub uses: &'a [(Use, Option<Asked>)],
    pub needs: &'a [Need],
    /// Whether `consent_records` is a table.
    pub have_records: bool,
    /// How many samples to take for each category and pair.
    pub samples: usize,
    pub pseudonyms: Pseudonyms<'a>,
}

impl Replay<'_> {
    /// Counts, for every category and pair, what became of the decisions.
    pub async fn run(&self) -> Result<BTreeMap<Matter, Tallies>> {
        let scopes = if self.have_records { self.scopes().await? } else { Vec::new() };
        let lanes = lanes(self.needs, &scopes);
        if self.have_records {
            self.relate(&scopes, &lanes)?;
            self.engine.stage("consent_spans", &spans_sql()).await?;
            self.engine.stage("consent_timeline", &timeline_sql(lanes.len())).await?;
        }
        self.register_uses()?;
        self.engine.stage("signatures", &self.signatures_sql(lanes.len())).await?;
        let masks = mask_columns(lanes.len()).join(", ");
        let rows = self
            .engine
            .rows(&format!("SELECT use_id, before, {masks} FROM signatures GROUP BY use_id, before, {masks} ORDER BY use_id, before, {masks}"))
            .await?;
        self.tally(&rows, &lanes).await
    }

    /// The distinct scopes of the records, as table `scopes` (by their texts) and as values. Names are checked.
    async fn scopes(&self) -> Result<Vec<Scope>> {
        let rows = self
            .engine
            .rows(
                "SELECT purpose, coalesce(categories, '') AS categories, coalesce(contexts, '') AS contexts \
                 FROM consent_records GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
            )
            .await?;
        let mut scopes = Vec::new();
        let mut texts: Vec<(String, String, String, i64)> = Vec::new();
        for row in 0..rows.len() {
            let text = |column: &str| rows.text(column, row).unwrap_or_default().to_owned();
            let elements = |text: &str| -> BTreeSet<String> {
                text.split(LIST).map(str::trim).filter(|e| !e.is_empty()).map(str::to_owned).collect()
            };
            let (purpose, categories, contexts) = (text("purpose"), text("categories"), text("contexts"));
            let written =
                Scope { purpose: purpose.clone(), categories: elements(&categories), contexts: elements(&contexts) };
            self.check(&written, &purpose, &categories, &contexts).await?;
            let scope = Scope {
                contexts: written.contexts.iter().map(|c| self.policy.canonical(c).to_owned()).collect(),
                ..written
            };
            let id = scopes.iter().position(|known| *known == scope).unwrap_or_else(|| {
                scopes.push(scope);
                scopes.len() - 1
            });
            texts.push((purpose, categories, contexts, id as i64));
        }
        let column = |of: fn(&(String, String, String, i64)) -> &String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(texts.iter().map(of)))
        };
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(texts.iter().map(|t| t.3)));
        let batch = RecordBatch::try_from_iter([
            ("purpose", column(|t| &t.0)),
            ("categories", column(|t| &t.1)),
            ("contexts", column(|t| &t.2)),
            ("scope", ids),
        ])?;
        self.engine.small_table("scopes", batch)?;
        Ok(scopes)
    }

    /// A name that nothing knows would make a withdrawal count for nothing, so it is an error.
    async fn check(&self, scope: &Scope, purpose: &str, categories: &str, contexts: &str) -> Result<()> {
        let known_contexts: BTreeSet<String> = self.map.contexts().into_iter().map(str::to_owned).collect();
        let unknown = |names: &BTreeSet<String>, known: &BTreeSet<String>| names.difference(known).next().cloned();
        let purposes = BTreeSet::from([scope.purpose.clone()]);
        let found = [
            (
                "purpose",
                unknown(&purposes, &self.taxonomy.data_uses),
                "is not in the taxonomy",
                &self.taxonomy.data_uses,
            ),
            (
                "data category",
                unknown(&scope.categories, &self.taxonomy.data_categories),
                "is not in the taxonomy",
                &self.taxonomy.data_categories,
            ),
            ("context", unknown(&scope.contexts, &known_contexts), "is in no dataset of the data map", &known_contexts),
        ];
        let Some((what, Some(name), why, known)) = found.into_iter().find(|(_, name, _, _)| name.is_some()) else {
            return Ok(());
        };
        let equal = |column: &str, text: &str| format!("coalesce({column}, '') = {}", crate::engine::literal(text));
        let place = self
            .engine
            .rows(&format!(
                "SELECT {FILE}, {LINE} FROM consent_records WHERE {} AND {} AND {} ORDER BY {FILE}, {LINE} LIMIT 1",
                equal("purpose", purpose),
                equal("categories", categories),
                equal("contexts", contexts)
            ))
            .await?;
        let file = self.manifest.resolve(place.text(FILE, 0).unwrap_or_default());
        Err(Problem::new(format!("{what} `{name}` {why}"))
            .at(file, place.count(LINE, 0), 0)
            .suggest(&name, known)
            .into())
    }

    /// Table `lanes`: which record, by scope and status, does what on which lane.
    fn relate(&self, scopes: &[Scope], lanes: &[Lane]) -> Result<()> {
        let mut rows: Vec<[i64; 9]> = Vec::new();
        for (number, lane) in lanes.iter().enumerate() {
            let need = &self.needs[lane.need];
            let grace = i64::try_from(self.policy.grace(&need.purpose).as_micros()).unwrap_or(i64::MAX / 4);
            let (word, bit) = ((number / WORD) as i64, 1_i64 << (number % WORD));
            for (id, scope) in scopes.iter().enumerate() {
                for status in Status::ALL {
                    if let Some(effect) = status.effect(id, scope, lane, need) {
                        let objection = i64::from(lane.scope.is_none());
                        let foreign = i64::from(lane.scope.is_some_and(|own| own != id));
                        rows.push([
                            id as i64,
                            status as i64,
                            number as i64,
                            effect as i64,
                            objection,
                            foreign,
                            grace,
                            word,
                            bit,
                        ]);
                    }
                }
            }
        }
        let names = ["scope", "status", "lane", "effect", "objection", "foreign_scope", "grace", "word", "bit"];
        let columns = names.iter().enumerate().map(|(i, name)| {
            let values: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row[i])));
            (*name, values)
        });
        self.engine.small_table("lanes", RecordBatch::try_from_iter(columns)?)
    }

    fn register_uses(&self) -> Result<()> {
        let text = |of: fn(&Use) -> &String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(self.uses.iter().map(|(usage, _)| of(usage))))
        };
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..self.uses.len() as i64));
        let batch = RecordBatch::try_from_iter([
            ("use_id", ids),
            ("strategy", text(|u| &u.strategy)),
            ("inputs", text(|u| &u.inputs_text)),
            ("jurisdiction", text(|u| &u.jurisdiction)),
        ])?;
        self.engine.small_table("uses", batch)
    }

    /// Decisions by what they used, the state of consent, and subject: what everything after this is counted from.
    fn signatures_sql(&self, lanes: usize) -> String {
        let columns = mask_columns(lanes);
        let (masks, join) = if self.have_records {
            let masks = columns.iter().map(|m| format!("coalesce(t.{m}, -1) AS {m}")).collect::<Vec<_>>();
            let join =
                "LEFT JOIN consent_timeline t ON d.subject_id = t.subject_id AND d.at >= t.since AND d.at < t.until";
            (masks, join)
        } else {
            (columns.iter().map(|m| format!("CAST(-1 AS BIGINT) AS {m}")).collect(), "")
        };
        let before = match self.policy.effective {
            Some(effective) => format!("CASE WHEN d.at < {} THEN 1 ELSE 0 END", effective.timestamp_micros()),
            None => "0".to_owned(),
        };
        format!(
            "SELECT use_id, before, {names}, subject_id, count(*) AS n, min(at) AS first, max(at) AS last FROM \
             (SELECT u.use_id, CAST({before} AS BIGINT) AS before, {masks}, d.subject_id, d.at FROM decisions d \
              JOIN uses u ON d.strategy = u.strategy AND d.inputs = u.inputs AND d.jurisdiction = u.jurisdiction {join}) \
             GROUP BY use_id, before, {names}, subject_id",
            names = columns.join(", "),
            masks = masks.join(", "),
        )
    }

    async fn tally(&self, signatures: &Rows, lanes: &[Lane]) -> Result<BTreeMap<Matter, Tallies>> {
        let masks = mask_columns(lanes.len());
        let mut matters: Vec<Matter> = Vec::new();
        let mut judged: Vec<Vec<i64>> = vec![Vec::new(); 4 + masks.len()];
        for row in 0..signatures.len() {
            let key: Vec<i64> = ["use_id", "before"]
                .into_iter()
                .chain(masks.iter().map(String::as_str))
                .map(|column| signatures.integer(column, row).unwrap_or(-1))
                .collect();
            let (usage, Some(asked)) = &self.uses[usize::try_from(key[0]).unwrap_or(0)] else { continue };
            let state = State::of(&key[2..]);
            for (matter, requirement) in matters_of(usage, asked, &self.manifest.value) {
                let id = matters.iter().position(|known| *known == matter).unwrap_or_else(|| {
                    matters.push(matter);
                    matters.len() - 1
                });
                let codes = match key[1] {
                    1 => vec![Code::All, Code::BeforePolicy],
                    _ => Code::of(judge(requirement, &state, asked.regime, self.needs, lanes)),
                };
                for code in codes {
                    for (column, value) in judged.iter_mut().zip(key.iter().copied().chain([id as i64, code as i64])) {
                        column.push(value);
                    }
                }
            }
        }
        let mut names: Vec<String> = vec!["use_id".into(), "before".into()];
        names.extend(masks.iter().cloned());
        let on = names.iter().map(|name| format!("s.{name} = j.{name}")).collect::<Vec<_>>().join(" AND ");
        names.extend(["matter".into(), "code".into()]);
        let columns = names.iter().zip(judged).map(|(name, values)| {
            let values: ArrayRef = Arc::new(Int64Array::from(values));
            (name.as_str(), values)
        });
        self.engine.small_table("judged", RecordBatch::try_from_iter(columns)?)?;
        let rows = self
            .engine
            .rows(&format!(
                "SELECT j.matter AS matter, j.code AS code, sum(s.n) AS events, count(DISTINCT s.subject_id) AS \
                 people, min(s.first) AS first, max(s.last) AS last FROM signatures s JOIN judged j ON {on} \
                 GROUP BY j.matter, j.code ORDER BY j.matter, j.code"
            ))
            .await?;
        let mut tallies: BTreeMap<Matter, Tallies> = BTreeMap::new();
        for row in 0..rows.len() {
            let index = usize::try_from(rows.count("matter", row)).unwrap_or(0);
            let matter = matters.get(index).ok_or_else(|| Error::Internal("a tally of nothing".into()))?;
            let tally = Tally {
                events: rows.count("events", row),
                subjects: rows.count("people", row),
                first: rows.integer("first", row).map(rfc3339),
                last: rows.integer("last", row).map(rfc3339),
            };
            let all = tallies.entry(matter.clone()).or_default();
            match rows.count("code", row) {
                0 => all.all = tally,
                1 => all.permitted = tally,
                2 => all.in_grace = tally,
                3 => all.without = tally,
                4 => all.after_withdrawal = tally,
                5 => all.unknown = tally,
                _ => all.before_policy = tally,
            }
        }
        let purposes: Vec<String> = matters.iter().map(|matter| self.purpose_of(matter)).collect();
        let samples =
            samples::of_matters(self.engine, &on, self.samples, &purposes, &self.pseudonyms, self.have_records).await?;
        for (index, samples) in samples {
            if let Some(tallies) = matters.get(index).and_then(|matter| tallies.get_mut(matter)) {
                tallies.samples = samples;
            }
        }
        Ok(tallies)
    }

    /// The purpose that the strategy of a matter serves.
    fn purpose_of(&self, matter: &Matter) -> String {
        let (Matter::Category { strategy, .. } | Matter::Pair { strategy, .. }) = matter;
        self.manifest.value.strategy(strategy).map(|s| s.purpose.value.clone()).unwrap_or_default()
    }
}

/// The categories and pairs of a use, each with what it asks.
pub fn matters_of<'a>(
    usage: &'a Use,
    asked: &'a Asked,
    manifest: &'a Manifest,
) -> impl Iterator<Item = (Matter, &'a Requirement)> {
    let categories = asked.categories.iter().map(move |(category, ask)| {
        let matter = Matter::Category {
            strategy: usage.strategy.clone(),
            category: category.clone(),
            jurisdiction: usage.jurisdiction_name(manifest).to_owned(),
        };
        (matter, &ask.requirement)
    });
    let pairs = asked.pairs.iter().map(move |(contexts, ask)| {
        (Matter::Pair { strategy: usage.strategy.clone(), contexts: contexts.clone() }, &ask.requirement)
    });
    categories.chain(pairs)
}

/// How a basis is named in facts.
pub fn basis_name(basis: Option<LegalBasis>) -> &'static str {
    basis.map_or("none", LegalBasis::id)
}

/// What a row of the tally counts.
#[derive(Clone, Copy)]
enum Code {
    All = 0,
    Permitted = 1,
    InGrace = 2,
    Without = 3,
    AfterWithdrawal = 4,
    Unknown = 5,
    BeforePolicy = 6,
}

impl Code {
    fn of(outcome: Outcome) -> Vec<Self> {
        match outcome {
            Outcome::Permitted => vec![Self::All, Self::Permitted],
            Outcome::InGrace => vec![Self::All, Self::InGrace],
            Outcome::Unknown => vec![Self::All, Self::Unknown],
            Outcome::Without => vec![Self::All, Self::Without],
            Outcome::AfterWithdrawal => vec![Self::All, Self::Without, Self::AfterWithdrawal],
        }
    }
}

fn mask_columns(lanes: usize) -> Vec<String> {
    let words = lanes.div_ceil(WORD).max(1);
    (0..words).flat_map(|word| ["g", "a", "w", "r"].map(|mask| format!("{mask}{word}"))).collect()
}
