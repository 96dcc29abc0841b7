//! The log as two tables: `impressions`, one row per item shown, and `decisions`, one row per request.
//!
//! Rows come per impression or per decision. A row that repeats another one of its decision would count twice, and a
//! request with two subjects or strategies cannot be judged: both are rejected, with file and line.

use std::collections::BTreeMap;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

use crate::engine::{Engine, literal, rfc3339};
use crate::error::Result;
use crate::evidence::columns::{LIST, Role};
use crate::evidence::table::{FILE, Reject, Table};
use crate::evidence::text::LINE;
use crate::manifest::Unit;

/// The log in short.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// Decisions by strategy; requests, or rows where nothing tells requests apart.
    pub decisions: BTreeMap<String, u64>,
    pub impressions: u64,
    /// Distinct subjects; None when the log has none.
    pub subjects: Option<u64>,
    /// Times of the first and last decision, RFC 3339.
    pub first: Option<String>,
    pub last: Option<String>,
}

/// What a decision is known by: its request, else subject, time and strategy (and for a whole list, the list).
pub(super) const KEY: &str =
    "coalesce(request_id, concat_ws('\u{1f}', subject_id, CAST(timestamp AS VARCHAR), strategy))";
const ROW_KEY: &str =
    "coalesce(request_id, concat_ws('\u{1f}', subject_id, CAST(timestamp AS VARCHAR), strategy, item_id))";

/// The column of `impressions` with the `key` of the decision that a row belongs to.
pub(super) const OF: &str = "__key";

/// The columns that every part of `decisions` has.
const DECIDED: &str = "key, subject_id, at, strategy, jurisdiction, inputs, explained, gpc, minor, impressions";

/// Why all rows of a request that contradicts itself are rejected.
const TORN: &str = "the request has rows of more than one subject or strategy";

/// Positions that fit in the bits of one integer, with which repeated positions are noticed without a second grouping.
const POSITIONS: u32 = 62;

/// Makes `impressions` and `decisions` from the tables that the reader registered, and rejects what counts twice.
pub async fn prepare(engine: &Engine, table: &mut Table, unit: Unit) -> Result<()> {
    let by_impression = table.layouts.contains("impressions");
    let by_decision = table.layouts.contains("decisions");
    let identified = table.present.contains("request_id") || table.present.contains("subject_id");
    let mut rejects = Vec::new();
    if identified && unit == Unit::Subject {
        if by_impression {
            // One reading tells what the requests are, and which of them cannot be.
            engine.stage("requests", &grouped("recommendations_impressions", &suspect(table))).await?;
            rejects.extend(repeated_impressions(engine).await?);
        }
        if by_decision {
            rejects.extend(repeated_decisions(engine).await?);
        }
    }
    if !rejects.is_empty() {
        table.duplicates = rejects.iter().filter(|reject| reject.reason != TORN).count() as u64;
        register_rejects(engine, "rejected_rows", &rejects)?;
    }
    let rejected = !rejects.is_empty();
    table.reject(rejects);
    let kept = |rows: &str| if rejected { kept(rows, "rejected_rows") } else { rows.to_owned() };
    let mut impressions = Vec::new();
    let mut decisions = Vec::new();
    if by_impression {
        let rows = kept("recommendations_impressions");
        impressions.push(impression_rows(&rows, table, counts_from_zero(engine, table).await?));
        decisions.push(match (identified && unit == Unit::Subject, rejected) {
            (true, false) => format!("SELECT {DECIDED} FROM requests"),
            (true, true) => grouped(&rows, "false"),
            (false, _) => each_row(&rows),
        });
    }
    if by_decision {
        let rows = kept("recommendations_decisions");
        impressions.push(unnested(&rows, table));
        decisions.push(listed(&rows));
    }
    engine.view("impressions", &impressions.join("\nUNION ALL ")).await?;
    let decisions: Vec<String> = decisions.iter().map(|part| format!("SELECT {DECIDED} FROM ({part})")).collect();
    let numbered = format!(
        "SELECT {DECIDED}, CAST(row_number() OVER () AS BIGINT) AS list FROM ({})",
        decisions.join("\nUNION ALL ")
    );
    engine.stage("decisions", &numbered).await
}

/// Rejects what lists a person once more: joined with the log, every further row would count the person again.
pub async fn prepare_subjects(engine: &Engine, table: &mut Table) -> Result<()> {
    let distinct = engine.rows("SELECT count(*) AS n, count(DISTINCT subject_id) AS people FROM subjects").await?;
    if distinct.count("n", 0) == distinct.count("people", 0) {
        return Ok(());
    }
    let found = engine
        .rows(&format!(
            "SELECT {FILE}, {LINE} FROM (SELECT {FILE}, {LINE}, \
             row_number() OVER (PARTITION BY subject_id ORDER BY {FILE}, {LINE}) AS nth FROM subjects) \
             WHERE nth > 1 ORDER BY {FILE}, {LINE}"
        ))
        .await?;
    let rejects: Vec<Reject> = (0..found.len())
        .map(|row| Reject {
            file: found.text(FILE, row).unwrap_or_default().to_owned(),
            line: found.count(LINE, row),
            reason: "repeats an earlier row with the same subject".to_owned(),
        })
        .collect();
    register_rejects(engine, "rejected_subjects", &rejects)?;
    table.reject(rejects);
    engine.view("subjects", &format!("SELECT * FROM {}", kept("subjects", "rejected_subjects"))).await
}

/// Counts what the log holds.
pub async fn summarise(engine: &Engine, table: &Table) -> Result<Log> {
    let rows = engine
        .rows(
            "SELECT strategy, count(*) AS n, sum(impressions) AS shown, min(at) AS first, max(at) AS last \
             FROM decisions GROUP BY strategy ORDER BY strategy",
        )
        .await?;
    let mut log = Log::default();
    for row in 0..rows.len() {
        log.decisions.insert(rows.text("strategy", row).unwrap_or_default().to_owned(), rows.count("n", row));
        log.impressions += rows.count("shown", row);
    }
    let all = 0..rows.len();
    log.first = all.clone().filter_map(|row| rows.integer("first", row)).min().map(rfc3339);
    log.last = all.filter_map(|row| rows.integer("last", row)).max().map(rfc3339);
    if table.present.contains("subject_id") {
        let subjects = engine.rows("SELECT count(DISTINCT subject_id) AS n FROM decisions").await?;
        log.subjects = Some(subjects.count("n", 0));
    }
    Ok(log)
}

/// The rows of a table without those that were rejected afterwards.
fn kept(rows: &str, rejected: &str) -> String {
    format!(
        "(SELECT r.* FROM {rows} r LEFT ANTI JOIN {rejected} x ON r.{FILE} = x.{FILE} AND r.{LINE} = x.{LINE}) kept"
    )
}

/// Every canonical column that belongs to the request, and then those of the item.
fn columns(table: &Table, item: impl Fn(&str) -> String) -> String {
    let canonical = Role::Recommendations.columns().iter();
    let mut all: Vec<String> = canonical
        .map(
            |column| {
                if column.per_item { format!("{} AS {}", item(column.name), column.name) } else { column.name.into() }
            },
        )
        .collect();
    all.extend(attributes(table).iter().map(|name| crate::engine::quoted(name)));
    all.join(", ")
}

/// Columns of the log that are there to compare by.
pub fn attributes(table: &Table) -> Vec<String> {
    let canonical = Role::Recommendations.columns();
    table.present.iter().filter(|name| canonical.iter().all(|c| c.name != name.as_str())).cloned().collect()
}

/// Whether the log counts places from 0, as measures do from 1: then no list has a place 1 without a place 0. A 0 here
/// and there is no way to count.
async fn counts_from_zero(engine: &Engine, table: &Table) -> Result<bool> {
    if !table.present.contains("position") {
        return Ok(false);
    }
    let sql = "SELECT count(*) FILTER (WHERE position = 0) AS zeros, count(*) FILTER (WHERE position = 1) AS ones \
               FROM recommendations_impressions WHERE position < 2";
    let rows = engine.rows(sql).await?;
    Ok(rows.count("zeros", 0) > 0 && rows.count("zeros", 0) >= rows.count("ones", 0))
}

fn impression_rows(rows: &str, table: &Table, from_zero: bool) -> String {
    let item = |name: &str| if from_zero && name == "position" { "position + 1" } else { name }.to_owned();
    format!("SELECT {}, {KEY} AS {OF} FROM {rows}", columns(table, item))
}

/// A row per decision, taken apart into one row per item. Positions count from 1 unless the row states them.
fn unnested(rows: &str, table: &Table) -> String {
    let list = |name: &str| format!("string_to_array({name}, {})", literal(LIST));
    let given: Vec<&str> = Role::Recommendations
        .columns()
        .iter()
        .filter(|column| column.per_item && table.present.contains(column.name))
        .map(|column| column.name)
        .collect();
    let request: Vec<String> = Role::Recommendations
        .columns()
        .iter()
        .filter(|column| !column.per_item)
        .map(|column| column.name.to_owned())
        .chain(attributes(table).iter().map(|name| crate::engine::quoted(name)))
        .chain([format!("{ROW_KEY} AS {OF}")])
        .collect();
    let lists: Vec<String> = given.iter().map(|name| format!("unnest({}) AS {name}", list(name))).collect();
    let element = |name: &str| {
        let text = format!("nullif(trim({name}), '')");
        let kind = Role::Recommendations.columns().iter().find(|c| c.name == name).map(|c| c.kind);
        use crate::evidence::columns::Kind;
        match kind {
            _ if name == "position" && !given.contains(&"position") => "__ordinal".to_owned(),
            Some(kind) if !given.contains(&name) => format!("CAST(NULL AS {})", kind.sql_type()),
            Some(Kind::Flag) => crate::evidence::columns::flag_of_text(&text),
            Some(Kind::Number) => format!("TRY_CAST({text} AS DOUBLE)"),
            Some(Kind::Money) => format!("CAST(round(TRY_CAST({text} AS DOUBLE) * 10000) AS BIGINT)"),
            Some(Kind::Count) if name == "position" => format!("coalesce(TRY_CAST({text} AS BIGINT), __ordinal)"),
            Some(Kind::Count) => format!("TRY_CAST({text} AS BIGINT)"),
            _ => text,
        }
    };
    format!(
        "SELECT {}, {OF} FROM (SELECT {}, {}, unnest(range(1, 1 + CAST(array_length({}) AS BIGINT))) AS __ordinal FROM {rows})",
        columns(table, element),
        request.join(", "),
        lists.join(", "),
        list("item_id"),
    )
}

/// Requests by their rows; `suspect` says of which rows they cannot be.
fn grouped(rows: &str, suspect: &str) -> String {
    format!(
        "SELECT {KEY} AS key, min(subject_id) AS subject_id, min(timestamp) AS at, min(strategy) AS strategy, \
         coalesce(min(jurisdiction), '') AS jurisdiction, coalesce(min(inputs), '') AS inputs, \
         max(explained) AS explained, max(gpc) AS gpc, max(minor) AS minor, count(*) AS impressions, \
         {suspect} AS suspect FROM {rows} GROUP BY {KEY}"
    )
}

fn each_row(rows: &str) -> String {
    format!(
        "SELECT CAST(NULL AS VARCHAR) AS key, subject_id, timestamp AS at, strategy, coalesce(jurisdiction, '') AS \
         jurisdiction, coalesce(inputs, '') AS inputs, explained, gpc, minor, CAST(1 AS BIGINT) AS impressions FROM {rows}"
    )
}

fn listed(rows: &str) -> String {
    format!(
        "SELECT {ROW_KEY} AS key, subject_id, timestamp AS at, strategy, coalesce(jurisdiction, '') AS jurisdiction, \
         coalesce(inputs, '') AS inputs, explained, gpc, minor, CAST(array_length(string_to_array(item_id, {})) AS BIGINT) AS impressions \
         FROM {rows}",
        literal(LIST)
    )
}

/// Which requests may have rows that repeat another one, or contradict themselves: for distinct positions the sum of the
/// positions' bits is their union.
fn suspect(table: &Table) -> String {
    let repeated = if table.present.contains("position") {
        let bit = format!("CASE WHEN position < {POSITIONS} THEN 1 << position END");
        format!("sum({bit}) <> bit_or({bit}) OR count({bit}) < count(*)")
    } else {
        "count(DISTINCT item_id) < count(*)".to_owned()
    };
    format!("({repeated} OR min(subject_id) <> max(subject_id) OR min(strategy) <> max(strategy))")
}

/// Impressions that repeat another one of their request, and requests that contradict themselves.
async fn repeated_impressions(engine: &Engine) -> Result<Vec<Reject>> {
    let suspects = "SELECT key FROM requests WHERE suspect";
    locate(engine, "recommendations_impressions", KEY, "item_id, position", suspects, "item and position").await
}

/// Decisions that repeat another row of the same request, and requests that contradict themselves.
async fn repeated_decisions(engine: &Engine) -> Result<Vec<Reject>> {
    let suspects =
        format!("SELECT {ROW_KEY} AS key FROM recommendations_decisions GROUP BY {ROW_KEY} HAVING count(*) > 1");
    locate(engine, "recommendations_decisions", ROW_KEY, "", &suspects, "request").await
}

async fn locate(engine: &Engine, rows: &str, key: &str, also: &str, suspects: &str, what: &str) -> Result<Vec<Reject>> {
    engine.stage("suspects", suspects).await?;
    if engine.rows("SELECT count(*) AS n FROM suspects").await?.count("n", 0) == 0 {
        return Ok(Vec::new());
    }
    let partition = if also.is_empty() { "key".to_owned() } else { format!("key, {also}") };
    let found = engine
        .rows(&format!(
            "SELECT {FILE}, {LINE}, torn FROM (SELECT {FILE}, {LINE}, \
             min(subject_id) OVER (PARTITION BY key) <> max(subject_id) OVER (PARTITION BY key) \
             OR min(strategy) OVER (PARTITION BY key) <> max(strategy) OVER (PARTITION BY key) AS torn, \
             row_number() OVER (PARTITION BY {partition} ORDER BY {FILE}, {LINE}) AS nth \
             FROM (SELECT r.*, s.key FROM (SELECT *, {key} AS k FROM {rows}) r JOIN suspects s ON r.k = s.key)) \
             WHERE torn OR nth > 1 ORDER BY {FILE}, {LINE}"
        ))
        .await?;
    Ok((0..found.len())
        .map(|row| Reject {
            file: found.text(FILE, row).unwrap_or_default().to_owned(),
            line: found.count(LINE, row),
            reason: match found.integer("torn", row) {
                Some(1) => TORN.to_owned(),
                _ => format!("repeats an earlier row with the same {what}"),
            },
        })
        .collect())
}

fn register_rejects(engine: &Engine, name: &str, rejects: &[Reject]) -> Result<()> {
    let files: ArrayRef = std::sync::Arc::new(StringArray::from_iter_values(rejects.iter().map(|r| r.file.as_str())));
    let lines: ArrayRef = std::sync::Arc::new(Int64Array::from_iter_values(
        rejects.iter().map(|r| i64::try_from(r.line).unwrap_or(i64::MAX)),
    ));
    engine.small_table(name, RecordBatch::try_from_iter([(FILE, files), (LINE, lines)])?)
}
