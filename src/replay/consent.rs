//! Consent in force at the time of each decision.
//!
//! Records are folded into *lanes*: one need answered by the records of one scope that covers it (plus whatever revokes
//! it), and one lane per need that only listens for objections. A lane is one bit. Per subject, the running sum of the
//! bits that start and end is the state of all lanes at every moment, so that each decision meets exactly one row of
//! the timeline. A decision then is a *signature*: what it used, and the state of all lanes. Plans count signatures; each
//! distinct one is judged once, in [`judge`], and a second plan adds up what was decided.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

use super::uses::{Asked, Need, Requirement, Use};
use crate::engine::{Engine, Rows, rfc3339};
use crate::error::{Error, Problem, Result};
use crate::evidence::columns::LIST;
use crate::evidence::consent_policy::{ConsentPolicy, Regime};
use crate::evidence::data_map::DataMap;
use crate::evidence::table::FILE;
use crate::evidence::taxonomy::{Taxonomy, covers};
use crate::evidence::text::LINE;
use crate::manifest::{LegalBasis, Manifest};
use crate::yaml::Document;

/// Lanes per 64-bit word of state; sums of distinct bits below this never overflow.
const WORD: usize = 62;
/// Before and after every time, in microseconds.
const EVER: (i64, i64) = (-9_000_000_000_000_000_000, 9_000_000_000_000_000_000);

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
}

/// Strategy, category (or pair), jurisdiction (empty for pairs): what a tally is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Category { strategy: String, category: String, jurisdiction: String },
    Pair { strategy: String, contexts: (String, String) },
}

/// What one signature means for one category or pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Permitted,
    InGrace,
    Unknown,
    Without,
    AfterWithdrawal,
}

/// The state of all lanes at a moment; `known` is false for a subject in no record at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    pub known: bool,
    pub granted: BTreeSet<usize>,
    pub in_grace: BTreeSet<usize>,
    pub withdrawn: BTreeSet<usize>,
    pub refused: BTreeSet<usize>,
}

/// The scope of a consent record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    pub purpose: String,
    /// Empty: all.
    pub categories: BTreeSet<String>,
    /// Empty: every context on its own, and no combination.
    pub contexts: BTreeSet<String>,
}

impl Scope {
    /// Whether a grant of this scope is a grant of `need`, explicitness aside.
    pub fn covers(&self, need: &Need) -> bool {
        let categories = self.categories.is_empty()
            || need.categories.iter().all(|needed| self.categories.iter().any(|own| covers(own, needed)));
        let contexts =
            if self.contexts.is_empty() { need.contexts.len() == 1 } else { need.contexts.is_subset(&self.contexts) };
        covers(&self.purpose, &need.purpose) && categories && contexts
    }

    /// Whether a refusal or withdrawal of this scope ends `need` whatever scope granted it: taking back one context
    /// takes back its combinations; refusing a combination leaves its parts alone.
    pub fn revokes(&self, need: &Need) -> bool {
        let touches = |own: &String| need.categories.iter().any(|needed| covers(own, needed) || covers(needed, own));
        covers(&self.purpose, &need.purpose)
            && (self.categories.is_empty() || self.categories.iter().any(touches))
            && self.contexts.is_subset(&need.contexts)
    }
}

/// A need answered by one scope, or (without scope) listening for objections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    pub need: usize,
    pub scope: Option<usize>,
}

/// Lanes for every need: one per scope that covers it, and one for objections.
pub fn lanes(needs: &[Need], scopes: &[Scope]) -> Vec<Lane> {
    let of = |need: usize| {
        let covering = (0..scopes.len()).filter(move |&scope| scopes[scope].covers(&needs[need]));
        covering.map(move |scope| Lane { need, scope: Some(scope) }).chain([Lane { need, scope: None }])
    };
    (0..needs.len()).flat_map(of).collect()
}

/// Judges one requirement by the state of the lanes at the time of a decision.
pub fn judge(requirement: &Requirement, state: &State, regime: Regime, needs: &[Need], lanes: &[Lane]) -> Outcome {
    let of = |need: usize, scoped: bool, set: &BTreeSet<usize>| {
        set.iter().any(|&lane| lanes[lane].need == need && lanes[lane].scope.is_some() == scoped)
    };
    let objected = |need: usize| {
        if of(need, false, &state.withdrawn) || of(need, false, &state.refused) {
            Outcome::AfterWithdrawal
        } else if of(need, false, &state.in_grace) {
            Outcome::InGrace
        } else {
            Outcome::Permitted
        }
    };
    let granted = |need: usize| {
        if regime == Regime::OptOut && !needs[need].explicit {
            objected(need)
        } else if !state.known {
            Outcome::Unknown
        } else if of(need, true, &state.granted) {
            Outcome::Permitted
        } else if of(need, true, &state.in_grace) {
            Outcome::InGrace
        } else if of(need, true, &state.withdrawn) {
            Outcome::AfterWithdrawal
        } else {
            Outcome::Without
        }
    };
    match requirement {
        Requirement::NoBasis => Outcome::Without,
        Requirement::Free => Outcome::Permitted,
        Requirement::Grant(all) => all.iter().map(|&need| granted(need)).max().unwrap_or(Outcome::Permitted),
        Requirement::NoObjection(all) => all.iter().map(|&need| objected(need)).max().unwrap_or(Outcome::Permitted),
    }
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
}

impl Replay<'_> {
    /// Counts, for every category and pair, what became of the decisions.
    pub async fn run(&self) -> Result<BTreeMap<Subject, Tallies>> {
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
        let mut rows: Vec<[i64; 8]> = Vec::new();
        for (number, lane) in lanes.iter().enumerate() {
            let need = &self.needs[lane.need];
            let grace = i64::try_from(self.policy.grace(&need.purpose).as_micros()).unwrap_or(i64::MAX / 4);
            let (word, bit) = ((number / WORD) as i64, 1_i64 << (number % WORD));
            for (id, scope) in scopes.iter().enumerate() {
                for status in Status::ALL {
                    if let Some(effect) = status.effect(id, scope, lane, need) {
                        let objection = i64::from(lane.scope.is_none());
                        rows.push([
                            id as i64,
                            status as i64,
                            number as i64,
                            effect as i64,
                            objection,
                            grace,
                            word,
                            bit,
                        ]);
                    }
                }
            }
        }
        let names = ["scope", "status", "lane", "effect", "objection", "grace", "word", "bit"];
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

    async fn tally(&self, signatures: &Rows, lanes: &[Lane]) -> Result<BTreeMap<Subject, Tallies>> {
        let masks = mask_columns(lanes.len());
        let mut subjects: Vec<Subject> = Vec::new();
        let mut judged: Vec<Vec<i64>> = vec![Vec::new(); 4 + masks.len()];
        for row in 0..signatures.len() {
            let key: Vec<i64> = ["use_id", "before"]
                .into_iter()
                .chain(masks.iter().map(String::as_str))
                .map(|column| signatures.integer(column, row).unwrap_or(-1))
                .collect();
            let (usage, Some(asked)) = &self.uses[usize::try_from(key[0]).unwrap_or(0)] else { continue };
            let state = State::of(&key[2..]);
            for (subject, requirement) in subjects_of(usage, asked, &self.manifest.value) {
                let id = subjects.iter().position(|known| *known == subject).unwrap_or_else(|| {
                    subjects.push(subject);
                    subjects.len() - 1
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
        names.extend(["subject".into(), "code".into()]);
        let columns = names.iter().zip(judged).map(|(name, values)| {
            let values: ArrayRef = Arc::new(Int64Array::from(values));
            (name.as_str(), values)
        });
        self.engine.small_table("judged", RecordBatch::try_from_iter(columns)?)?;
        let rows = self
            .engine
            .rows(&format!(
                "SELECT j.subject AS subject, j.code AS code, sum(s.n) AS events, count(DISTINCT s.subject_id) AS \
                 people, min(s.first) AS first, max(s.last) AS last FROM signatures s JOIN judged j ON {on} \
                 GROUP BY j.subject, j.code ORDER BY j.subject, j.code"
            ))
            .await?;
        let mut tallies: BTreeMap<Subject, Tallies> = BTreeMap::new();
        for row in 0..rows.len() {
            let index = usize::try_from(rows.count("subject", row)).unwrap_or(0);
            let subject = subjects.get(index).ok_or_else(|| Error::Internal("a tally of nothing".into()))?;
            let tally = Tally {
                events: rows.count("events", row),
                subjects: rows.count("people", row),
                first: rows.integer("first", row).map(rfc3339),
                last: rows.integer("last", row).map(rfc3339),
            };
            let all = tallies.entry(subject.clone()).or_default();
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
        Ok(tallies)
    }
}

/// The categories and pairs of a use, each with what it asks.
pub fn subjects_of<'a>(
    usage: &'a Use,
    asked: &'a Asked,
    manifest: &'a Manifest,
) -> impl Iterator<Item = (Subject, &'a Requirement)> {
    let categories = asked.categories.iter().map(move |(category, ask)| {
        let subject = Subject::Category {
            strategy: usage.strategy.clone(),
            category: category.clone(),
            jurisdiction: usage.jurisdiction_name(manifest).to_owned(),
        };
        (subject, &ask.requirement)
    });
    let pairs = asked.pairs.iter().map(move |(contexts, ask)| {
        (Subject::Pair { strategy: usage.strategy.clone(), contexts: contexts.clone() }, &ask.requirement)
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

/// What a record says, with an explicit grant told from a plain one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Given = 0,
    GivenExplicitly = 1,
    Withdrawn = 2,
    Refused = 3,
    Expired = 4,
}

/// What a record does on a lane. The order is that of records at the same instant: the more restrictive comes last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Grant = 1,
    Expire = 2,
    Refuse = 3,
    Withdraw = 4,
}

impl Status {
    const ALL: [Self; 5] = [Self::Given, Self::GivenExplicitly, Self::Withdrawn, Self::Refused, Self::Expired];

    fn effect(self, id: usize, scope: &Scope, lane: &Lane, need: &Need) -> Option<Effect> {
        let own = lane.scope == Some(id);
        let end = match self {
            Self::Given | Self::GivenExplicitly => {
                let listens = own || (lane.scope.is_none() && scope.covers(need));
                let enough = self == Self::GivenExplicitly || !need.explicit;
                return (listens && enough).then_some(Effect::Grant);
            }
            Self::Withdrawn => Effect::Withdraw,
            Self::Refused => Effect::Refuse,
            // A lapse ends the grant of its own scope; it is no objection.
            Self::Expired => return own.then_some(Effect::Expire),
        };
        (own || scope.revokes(need)).then_some(end)
    }
}

impl State {
    /// From the masks of a signature: granted, in grace, withdrawn, refused, word by word; -1 for nobody known.
    fn of(masks: &[i64]) -> Self {
        let mut state = Self { known: masks.first().is_some_and(|mask| *mask >= 0), ..Self::default() };
        if !state.known {
            return state;
        }
        for (index, mask) in masks.iter().enumerate() {
            let lanes = (0..WORD).filter(|bit| mask >> bit & 1 == 1).map(|bit| index / 4 * WORD + bit);
            match index % 4 {
                0 => state.granted.extend(lanes),
                1 => state.in_grace.extend(lanes),
                2 => state.withdrawn.extend(lanes),
                _ => state.refused.extend(lanes),
            }
        }
        state
    }
}

fn mask_columns(lanes: usize) -> Vec<String> {
    let words = lanes.div_ceil(WORD).max(1);
    (0..words).flat_map(|word| ["g", "a", "w", "r"].map(|mask| format!("{mask}{word}"))).collect()
}

/// Subjects are spread over this many partitions of a window: one partition each would be slow for millions of them.
const BUCKETS: u32 = 64;

/// The bucket of a subject, from the last characters of the id (the first ones are often all alike).
fn bucket(subject: &str) -> String {
    format!(
        "(ascii(right({subject}, 1)) * 31 + ascii(right({subject}, 2)) * 7 + ascii(right({subject}, 3))) % {BUCKETS}"
    )
}

/// The plan of the spans: what each lane of a subject is from `at` until `next`.
fn spans_sql() -> String {
    let (_, never) = EVER;
    let status = format!(
        "CASE c.status WHEN 'given' THEN CASE WHEN c.\"explicit\" = 1 THEN {} ELSE {} END \
         WHEN 'withdrawn' THEN {} WHEN 'refused' THEN {} ELSE {} END",
        Status::GivenExplicitly as i64,
        Status::Given as i64,
        Status::Withdrawn as i64,
        Status::Refused as i64,
        Status::Expired as i64
    );
    let (grant, refuse, withdraw) = (Effect::Grant as i64, Effect::Refuse as i64, Effect::Withdraw as i64);
    let events = format!(
        "SELECT c.subject_id, {bucket} AS bucket, l.lane, c.timestamp AS at, l.effect, \
         CASE WHEN l.effect = {grant} THEN coalesce(c.expires, {never}) END AS expires, l.objection, l.grace, l.word, l.bit \
         FROM (SELECT *, {status} AS code FROM consent_records c) c \
         JOIN scopes s ON c.purpose = s.purpose AND coalesce(c.categories, '') = s.categories \
          AND coalesce(c.contexts, '') = s.contexts \
         JOIN lanes l ON l.scope = s.scope AND l.status = c.code",
        bucket = bucket("c.subject_id"),
    );
    let window = "WINDOW w AS (PARTITION BY bucket ORDER BY subject_id, lane, at, effect)";
    let neighbour = |which: &str, column: &str| {
        let same = format!("{which}(subject_id) OVER w = subject_id AND {which}(lane) OVER w = lane");
        format!("CASE WHEN {same} THEN {which}({column}) OVER w END")
    };
    // A record that objects again changes nothing: grace runs from the first objection.
    let changes = format!(
        "SELECT * FROM (SELECT *, {} AS before, {} AS lapse FROM ({events}) {window}) \
         WHERE before IS NULL OR effect < {refuse} OR before < {refuse}",
        neighbour("lag", "effect"),
        neighbour("lag", "expires"),
    );
    // Grace is for use that was lawful until now: a live grant, or no objection so far where none was needed.
    let lawful =
        format!("(before = {grant} AND lapse > at) OR (objection = 1 AND (before IS NULL OR before = {grant}))");
    let graced = format!("effect >= {refuse} AND ({lawful}) AND (effect = {withdraw} OR objection = 1) AND grace > 0");
    format!(
        "SELECT subject_id, word, bit, effect, at, next, CASE WHEN effect = {grant} THEN least(next, expires) END AS lapse, \
         CASE WHEN {graced} THEN least(at + grace + 1, next) ELSE at END AS grace_end \
         FROM (SELECT *, coalesce({}, {never}) AS next FROM ({changes}) {window})",
        neighbour("lead", "at"),
    )
}

/// The plan of the timeline: per subject, the state of all lanes from `since` until just before `until`.
fn timeline_sql(lanes: usize) -> String {
    let (ever, never) = EVER;
    let (grant, refuse, withdraw) = (Effect::Grant as i64, Effect::Refuse as i64, Effect::Withdraw as i64);
    let span = |mask: &str, when: &str, since: &str, until: &str| {
        format!(
            "SELECT subject_id, word, bit, '{mask}' AS mask, {since} AS since, {until} AS until FROM consent_spans WHERE {when}"
        )
    };
    let states = [
        span("g", &format!("effect = {grant}"), "at", "lapse"),
        span("a", &format!("effect >= {refuse}"), "at", "grace_end"),
        span("w", &format!("effect = {withdraw}"), "grace_end", "next"),
        span("r", &format!("effect = {refuse}"), "grace_end", "next"),
    ]
    .join(" UNION ALL ");
    // Every bit that starts also ends, so that sums are 0 again where the next subject of the bucket begins.
    let edges = format!(
        "SELECT subject_id, since AS at, word, mask, bit FROM ({states}) WHERE since < until \
         UNION ALL SELECT subject_id, until, word, mask, -bit FROM ({states}) WHERE since < until \
         UNION ALL SELECT DISTINCT subject_id, {ever}, 0, '', 0 FROM consent_records"
    );
    let columns = mask_columns(lanes);
    let sums = columns
        .iter()
        .map(|column| {
            let (mask, word) = column.split_at(1);
            format!("sum(CASE WHEN mask = '{mask}' AND word = {word} THEN bit ELSE 0 END) AS {column}")
        })
        .collect::<Vec<_>>()
        .join(", ");
    let running = columns.iter().map(|c| format!("sum({c}) OVER state AS {c}")).collect::<Vec<_>>().join(", ");
    format!(
        "SELECT * FROM (SELECT subject_id, at AS since, \
          CASE WHEN lead(subject_id) OVER w = subject_id THEN lead(at) OVER w ELSE {never} END AS until, {running} \
          FROM (SELECT subject_id, {bucket} AS bucket, at, {sums} FROM ({edges}) GROUP BY subject_id, at) \
          WINDOW w AS (PARTITION BY bucket ORDER BY subject_id, at), \
          state AS (PARTITION BY bucket ORDER BY subject_id, at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) \
         WHERE since < {never}",
        bucket = bucket("subject_id"),
    )
}
