//! Who belongs to which segment, found once for everything that compares segments.
//!
//! Two tables come of it. `people`: one row per subject of the log, with the value of each attribute and the random
//! `bucket` that [`crate::stats::jackknife()`] needs. `shown`: every impression with the same columns beside its own.
//! Where the manifest counts in impressions there is no `people`, and each row of `shown` has its own bucket.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::{Engine, literal, quoted};
use crate::error::Result;
use crate::manifest::{Measure, Unit};

/// The segment of subjects whose attribute is not known.
pub const UNKNOWN: &str = "(unknown)";
/// The segment of subjects who have several values of an attribute that the log states row by row.
pub const SEVERAL: &str = "(several)";

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

/// Makes `people` and `shown`, and counts the segments.
pub async fn stage(engine: &Engine, attributes: BTreeMap<String, Home>, measure: &Measure) -> Result<Segments> {
    let names: Vec<String> = attributes.keys().map(|name| column(name)).collect();
    let bucket = |of: &str| format!("substr(md5(concat('{}:', {of})), 1, 2) AS bucket", measure.seed);
    let counted = match measure.unit {
        Unit::Subject => {
            engine.stage("people", &people(&attributes, &bucket("d.subject_id"))).await?;
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
            let shown = format!("SELECT {log}, {}{} FROM impressions", bucket(row), own.collect::<String>());
            engine.view("shown", &shown).await?;
            "shown"
        }
    };
    let sizes = sizes(engine, counted, &attributes).await?;
    let references = references(&sizes, measure);
    Ok(Segments { attributes, sizes, references })
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
    let canonical = crate::evidence::columns::Role::Recommendations.columns().iter().map(|column| column.name);
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
