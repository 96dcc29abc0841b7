//! The shape of outcomes: how many units of a segment have how many rows and how much of an outcome.
//!
//! It is what a segment can be drawn from anew, without anybody's rows. Small numbers are kept as they are; from
//! [`EXACT`] on, units whose rows and outcome each lie within the same eighth of a doubling make one group, which keeps
//! their number and both of their means. Totals and means of the segment stay exact, and its spread loses at most a
//! part in a thousand; a table of shapes grows with the logarithm of what people do, and not with the log.

use std::collections::BTreeMap;

use super::outcomes::{Question, parts};
use super::segments::{KINDS, column, label};
use crate::engine::{Engine, Rows};
use crate::error::Result;

/// Numbers from here on are put together with those nearby.
pub const EXACT: u32 = 16;
/// Bins of every doubling above that.
const BINS: u32 = 8;

/// Units that are alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    /// How many there are.
    pub units: f64,
    /// Rows of one of them: what its mean is taken over.
    pub n: f64,
    /// Their outcome, summed over these rows, in the unit of facts.
    pub y: f64,
}

/// What a shape is of: one segment under one strategy, as [`super::outcomes::Cell`] has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Of {
    pub strategy: String,
    /// Id of a metric or measure.
    pub metric: String,
    pub attribute: String,
    pub value: String,
    /// Column and value within which it was counted.
    pub within: Option<(String, String)>,
}

pub type Shapes = BTreeMap<Of, Vec<Group>>;

/// The shapes of every outcome, by strategy and value of every single attribute.
pub async fn of_outcomes(engine: &Engine, question: &Question<'_>) -> Result<Shapes> {
    let mut shapes = Shapes::new();
    for (number, part) in parts(engine, question).await?.into_iter().enumerate() {
        let table = format!("shape_units_{number}");
        let names = question.attributes.iter().map(|name| column(name));
        let names: String = names.map(|name| format!(", k.{name} AS {name}")).collect();
        let units = &part.per_unit;
        let sql = format!("SELECT f.*{names} FROM ({units}) f JOIN {KINDS} k ON f.segment = k.segment");
        engine.stage(&table, &sql).await?;
        for metric in &part.metrics {
            let (n, y) = (format!("{}_n", metric.id), format!("{}_y", metric.id));
            let rows = engine.rows(&grouped(&table, "within", question.attributes, (&n, &y))).await?;
            let scale = (1.0, metric.scale.unit());
            read(&rows, question.attributes, metric.id, part.within.as_deref(), scale, &mut shapes);
        }
    }
    Ok(shapes)
}

/// Units by attribute, and by how much they have.
fn grouped(table: &str, within: &str, attributes: &[&str], (n, y): (&str, &str)) -> String {
    let names: Vec<String> = attributes.iter().map(|name| column(name)).collect();
    let sets: Vec<String> = names.iter().map(|name| format!("(strategy, within, {name}, bin_n, bin_y)")).collect();
    let all = names.join(", ");
    format!(
        "SELECT strategy, within, {all}, bin_n, bin_y, count(*) AS units, sum(CAST(n AS DOUBLE)) AS n, \
         sum(CAST(y AS DOUBLE)) AS y FROM (SELECT strategy, {within} AS within, {all}, {n} AS n, {y} AS y, \
         {} AS bin_n, {} AS bin_y FROM {table} WHERE {n} > 0) GROUP BY GROUPING SETS ({})",
        bin(n),
        bin(y),
        sets.join(", ")
    )
}

/// The number itself while it is small, and then the part of its doubling that it lies in.
fn bin(of: &str) -> String {
    let doublings = EXACT.ilog2();
    format!(
        "CASE WHEN abs({of}) < {EXACT} THEN CAST({of} AS BIGINT) ELSE CAST(signum(CAST({of} AS DOUBLE)) AS BIGINT) * \
         ({EXACT} + CAST(floor({BINS} * (log2(abs(CAST({of} AS DOUBLE))) - {doublings})) AS BIGINT)) END"
    )
}

fn read(
    rows: &Rows,
    attributes: &[&str],
    metric: &str,
    within: Option<&str>,
    (scale_n, scale_y): (f64, f64),
    shapes: &mut Shapes,
) {
    let mut found: BTreeMap<Of, Vec<(i64, i64, Group)>> = BTreeMap::new();
    for row in 0..rows.len() {
        let text = |column: &str| rows.text(column, row).unwrap_or_default().to_owned();
        let named = |name: &&str| Some(((*name).to_owned(), rows.text(&label(name), row)?.to_owned()));
        let Some((attribute, value)) = attributes.iter().find_map(named) else { continue };
        let of = Of {
            strategy: text("strategy"),
            metric: metric.to_owned(),
            attribute,
            value,
            within: within.map(|column| (column.to_owned(), text("within"))),
        };
        let units = rows.count("units", row) as f64;
        let mean = |column: &str| rows.float(column, row).unwrap_or(0.0) / units;
        let bins = (rows.integer("bin_n", row).unwrap_or(0), rows.integer("bin_y", row).unwrap_or(0));
        let group = Group { units, n: mean("n") * scale_n, y: mean("y") * scale_y };
        found.entry(of).or_default().push((bins.0, bins.1, group));
    }
    for (of, mut groups) in found {
        // A plan gives its rows in any order; what is drawn from them must not depend on it.
        groups.sort_by_key(|(n, y, _)| (*n, *y));
        shapes.insert(of, groups.into_iter().map(|(_, _, group)| group).collect());
    }
}
