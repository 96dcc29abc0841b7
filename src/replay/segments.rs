//! Who belongs to which segment, found once for everything that compares segments.
//!
//! Two tables come of it. `people`: one row per subject of the log, with the value of each attribute and the random
//! `bucket` that [`crate::stats::jackknife()`] needs. `shown`: every impression with the same columns beside its own.
//! Where the manifest counts in impressions there is no `people`, and each row of `shown` has its own bucket.
//!
//! Most measures read neither, but the log in numbers: [`CODED`], written once. A person is `who`, a combination of
//! attributes `segment` (named by [`KINDS`]), and that with a bucket `cell` (named by [`CELLS`]): plans add up by numbers,
//! and put names to the few rows that are left.

use std::collections::{BTreeMap, BTreeSet};

use super::log::OF;
use crate::engine::{Engine, literal, quoted};
use crate::error::Result;
use crate::evidence::columns::Role;
use crate::manifest::{Measure, Unit};

/// The segment of subjects whose attribute is not known.
pub const UNKNOWN: &str = "(unknown)";
/// The segment of subjects who have several values of an attribute that the log states row by row.
pub const SEVERAL: &str = "(several)";

/// The impressions in numbers: `who`, `segment`, `cell`, `list` (of the decision), and the columns of the log without its
/// texts about people and requests. Where a row is the unit, it has no `who`.
pub const CODED: &str = "coded";
/// Every combination of attributes that occurs, by its number `segment`.
pub const KINDS: &str = "segment_kinds";
/// Every such combination with each bucket that occurs, by its number `cell`.
pub const CELLS: &str = "segment_cells";
/// Decisions about each person by each strategy: `strategy`, `who`, `segment`, `decisions`, and impressions as `shown`.
pub const DECIDED: &str = "decided";

/// Random groups of people.
const BUCKETS: u32 = 256;
/// SQL: the bucket of a table as a number from 0, of its two digits.
fn bucket_number(table: &str) -> String {
    let digit = |nth: u32| format!("CAST(strpos('0123456789abcdef', substr({table}.bucket, {nth}, 1)) AS BIGINT)");
    format!("({} * 16 + {} - 17)", digit(1), digit(2))
}

/// SQL: whether a row of [`CODED`] or [`CELLS`] is of one of the first `n` buckets.
pub fn in_first_buckets(n: u64) -> String {
    format!("cell % {BUCKETS} < {n}")
}

/// Where the values of an attribute are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// The table of subjects.
    Subjects,
    /// A column of the log.
    Log,
}

/// The segments of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Segments {
    pub attributes: BTreeMap<String, Home>,
    /// Units of the whole log by attribute and value.
    pub sizes: BTreeMap<String, BTreeMap<String, u64>>,
    /// The value with which all others of an attribute are compared: the manifest's, else the largest known one. None
    /// where every value is too small or unknown.
    pub references: BTreeMap<String, String>,
}

/// Whether a value names a segment that can be compared.
pub fn is_known(value: &str) -> bool {
    value != UNKNOWN && value != SEVERAL
}

/// What the log has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Has {
    /// Its columns: canonical ones, and those within which comparisons are repeated.
    pub columns: BTreeSet<String>,
    /// Whether something tells one list from the next.
    pub lists: bool,
}

/// Makes the tables, and counts the segments.
pub async fn stage(
    engine: &Engine,
    attributes: BTreeMap<String, Home>,
    measure: &Measure,
    has: &Has,
) -> Result<Segments> {
    let names: Vec<String> = attributes.keys().map(|name| column(name)).collect();
    let bucket = |of: &str| format!("substr(md5(concat('{}:', {of})), 1, 2) AS bucket", measure.seed);
    let counted = match measure.unit {
        Unit::Subject => {
            engine.stage("people_read", &people(&attributes, &bucket("d.subject_id"))).await?;
            number(engine, "people_read", &names).await?;
            engine.stage("people", &numbered_people(&names)).await?;
            engine.stage(DECIDED, DECIDED_SQL).await?;
            engine.stage("coded_rows", &coded(CODED_BY_DECISION, has)).await?;
            let own = names.iter().map(|name| format!(", p.{name}")).collect::<String>();
            let log = log_columns("i.", measure);
            let shown =
                format!("SELECT {log}, p.bucket{own} FROM impressions i JOIN people p ON i.subject_id = p.subject_id");
            engine.view("shown", &shown).await?;
            "people"
        }
        Unit::Impression => {
            let row =
                "coalesce(request_id, concat_ws('|', CAST(timestamp AS VARCHAR), item_id, CAST(position AS VARCHAR)))";
            let own = attributes
                .keys()
                .map(|name| format!(", coalesce(CAST({} AS VARCHAR), '{UNKNOWN}') AS {}", quoted(name), column(name)));
            let log = log_columns("", measure);
            let shown = format!("SELECT {log}, {OF}, {}{} FROM impressions", bucket(row), own.collect::<String>());
            engine.stage("shown", &shown).await?;
            number(engine, "shown", &names).await?;
            engine.stage("coded_rows", &coded(&by_row(engine, &names, has).await?, has)).await?;
            "shown"
        }
    };
    let absent = Role::Recommendations.columns().iter();
    let absent = absent.filter(|column| !has.columns.contains(column.name));
    let absent = absent.map(|column| format!(", CAST(NULL AS {}) AS {}", column.kind.sql_type(), column.name));
    engine.view(CODED, &format!("SELECT *{} FROM coded_rows", absent.collect::<String>())).await?;
    let sizes = sizes(engine, counted, &attributes).await?;
    let references = references(&sizes, measure);
    Ok(Segments { attributes, sizes, references })
}

/// Makes [`KINDS`] and [`CELLS`] from a table with a bucket and the attributes.
async fn number(engine: &Engine, table: &str, names: &[String]) -> Result<()> {
    let all = names.join(", ");
    let kinds = if names.is_empty() {
        "SELECT CAST(0 AS BIGINT) AS segment".to_owned()
    } else {
        format!(
            "SELECT {all}, CAST(row_number() OVER () AS BIGINT) AS segment FROM (SELECT DISTINCT {all} FROM {table})"
        )
    };
    engine.stage(KINDS, &kinds).await?;
    let distinct: String = names.iter().map(|name| format!(", {name}")).collect();
    let cells = format!(
        "SELECT t.*, k.segment AS segment, k.segment * {BUCKETS} + {} AS cell \
         FROM (SELECT DISTINCT bucket{distinct} FROM {table}) t {}",
        bucket_number("t"),
        kinds_of("t", names)
    );
    engine.stage(CELLS, &cells).await
}

/// The join that finds the number of a row's attributes, as `k.segment`.
fn kinds_of(table: &str, names: &[String]) -> String {
    if names.is_empty() {
        return format!("CROSS JOIN {KINDS} k");
    }
    let on: Vec<String> = names.iter().map(|name| format!("{table}.{name} = k.{name}")).collect();
    format!("JOIN {KINDS} k ON {}", on.join(" AND "))
}

fn numbered_people(names: &[String]) -> String {
    format!(
        "SELECT p.*, CAST(row_number() OVER () AS BIGINT) AS who, k.segment AS segment, \
         k.segment * {BUCKETS} + {} AS cell FROM people_read p {}",
        bucket_number("p"),
        kinds_of("p", names)
    )
}

const DECIDED_SQL: &str = "SELECT d.strategy AS strategy, p.who AS who, min(p.segment) AS segment, count(*) AS decisions, \
     sum(d.impressions) AS shown FROM decisions d JOIN people p ON d.subject_id = p.subject_id \
     GROUP BY d.strategy, p.who";

/// The numbers of each impression, by the decision it belongs to.
const CODED_BY_DECISION: &str = "(SELECT d.key AS key, d.list AS list, p.who AS who, p.segment AS segment, p.cell AS cell \
     FROM decisions d JOIN people p ON d.subject_id = p.subject_id) r JOIN impressions i ON r.key = i.__key";

/// The numbers of each impression, where rows are the unit. Lists are numbered here, with the attributes of a row of each.
async fn by_row(engine: &Engine, names: &[String], has: &Has) -> Result<String> {
    let list = if has.lists {
        let own: String = names.iter().map(|name| format!(", {name}")).collect();
        let min: String = names.iter().map(|name| format!(", min({name}) AS {name}")).collect();
        let lists = format!(
            "SELECT key, strategy, bucket{own}, CAST(row_number() OVER () AS BIGINT) AS list FROM (SELECT {OF} AS key, \
             strategy, min(bucket) AS bucket{min} FROM shown GROUP BY {OF}, strategy)"
        );
        engine.stage("numbered_lists", &lists).await?;
        ("l.list", format!(" LEFT JOIN numbered_lists l ON s.{OF} = l.key AND s.strategy = l.strategy"))
    } else {
        ("CAST(NULL AS BIGINT)", String::new())
    };
    Ok(format!(
        "(SELECT s.*, {} AS list, CAST(NULL AS BIGINT) AS who, k.segment AS segment, \
         k.segment * {BUCKETS} + {} AS cell FROM shown s {}{}) i",
        list.0,
        bucket_number("s"),
        kinds_of("s", names),
        list.1
    ))
}

/// The plan of the log in numbers, `from` what has them.
fn coded(from: &str, has: &Has) -> String {
    let texts = ["request_id", "subject_id"];
    let columns = has.columns.iter().filter(|name| !texts.contains(&name.as_str()));
    let columns: String = columns.map(|name| format!(", i.{0} AS {0}", quoted(name))).collect();
    format!("SELECT who, segment, cell, list{columns} FROM {from}")
}

/// The column of `people` and `shown` with an attribute, by a name that no column of the log or of a plan has.
pub fn column(attribute: &str) -> String {
    quoted(&label(attribute))
}

/// As [`column`], as results of plans name it.
pub fn label(attribute: &str) -> String {
    format!("segment {attribute}")
}

/// The canonical columns of impressions, and those within which comparisons are repeated.
fn log_columns(of: &str, measure: &Measure) -> String {
    let canonical = Role::Recommendations.columns().iter().map(|column| column.name);
    let names: BTreeSet<&str> = canonical.chain(measure.within.iter().map(|at| at.value.as_str())).collect();
    names.into_iter().map(|name| format!("{of}{0} AS {0}", quoted(name))).collect::<Vec<_>>().join(", ")
}

fn people(attributes: &BTreeMap<String, Home>, bucket: &str) -> String {
    let of = |home: Home| attributes.iter().filter(move |(_, own)| **own == home).map(|(name, _)| name);
    let known = |from: &'static str| {
        move |name: &String| format!(", coalesce({from}.{}, '{UNKNOWN}') AS {}", quoted(name), column(name))
    };
    let mut joins = String::new();
    if of(Home::Subjects).next().is_some() {
        let columns = of(Home::Subjects).map(|name| format!(", CAST({0} AS VARCHAR) AS {0}", quoted(name)));
        joins += &format!(
            " LEFT JOIN (SELECT subject_id{} FROM subjects) s ON d.subject_id = s.subject_id",
            columns.collect::<String>()
        );
    }
    if of(Home::Log).next().is_some() {
        let columns = of(Home::Log).map(|name| {
            let (name, text) = (quoted(name), format!("CAST({} AS VARCHAR)", quoted(name)));
            format!(
                ", CASE WHEN min({text}) = max({text}) THEN min({text}) WHEN min({text}) IS NOT NULL THEN '{SEVERAL}' END AS {name}"
            )
        });
        joins += &format!(
            " LEFT JOIN (SELECT subject_id{} FROM impressions GROUP BY subject_id) l ON d.subject_id = l.subject_id",
            columns.collect::<String>()
        );
    }
    let values = of(Home::Subjects).map(known("s")).chain(of(Home::Log).map(known("l")));
    format!(
        "SELECT d.subject_id AS subject_id, {bucket}{} FROM (SELECT DISTINCT subject_id FROM decisions) d{joins}",
        values.collect::<String>()
    )
}

async fn sizes(
    engine: &Engine,
    table: &str,
    attributes: &BTreeMap<String, Home>,
) -> Result<BTreeMap<String, BTreeMap<String, u64>>> {
    let counts: Vec<String> = attributes
        .keys()
        .map(|name| {
            let (column, label) = (column(name), literal(name));
            format!("SELECT {label} AS attribute, {column} AS value, count(*) AS n FROM {table} GROUP BY {column}")
        })
        .collect();
    let mut sizes: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    if counts.is_empty() {
        return Ok(sizes);
    }
    let rows = engine.rows(&counts.join(" UNION ALL ")).await?;
    for row in 0..rows.len() {
        let text = |column: &str| rows.text(column, row).unwrap_or_default().to_owned();
        sizes.entry(text("attribute")).or_default().insert(text("value"), rows.count("n", row));
    }
    Ok(sizes)
}

fn references(sizes: &BTreeMap<String, BTreeMap<String, u64>>, measure: &Measure) -> BTreeMap<String, String> {
    let largest = sizes.iter().filter_map(|(attribute, values)| {
        let large = values.iter().filter(|(value, n)| is_known(value) && **n >= measure.min_cell);
        let (value, _) = large.max_by(|a, b| a.1.cmp(b.1).then_with(|| b.0.cmp(a.0)))?;
        Some((attribute.clone(), value.clone()))
    });
    let fixed = measure.segments.iter().filter_map(|segment| {
        let reference = segment.reference.as_ref()?;
        Some((segment.attribute.value.clone(), reference.value.clone()))
    });
    largest.chain(fixed).collect()
}

impl Segments {
    /// The values of an attribute, unknown ones included.
    pub fn values(&self, attribute: &str) -> BTreeSet<&str> {
        self.sizes.get(attribute).into_iter().flat_map(|values| values.keys().map(String::as_str)).collect()
    }
}
