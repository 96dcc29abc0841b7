//! What became of the items: how much attention each group of them got, from whom and by which strategy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

use super::positions::PLACES;
use super::segments::{CELLS, CODED, DECIDED, KINDS, Segments, UNKNOWN};
use crate::engine::{Engine, Rows, literal, quoted};
use crate::error::Result;
use crate::manifest::{ItemGroup, Target};

/// The group of items whose groups are too small to be told apart.
pub const OTHER: &str = "(other)";
/// Groups of one attribute that are told apart, besides those that the manifest names.
pub const MOST_GROUPS: usize = 50;
/// The table of items: `item_id`, the name of its group `grp`, and its number `g`, from 1 in the order of
/// [`Groups::sizes`]; 0 is not known.
pub const GROUPED: &str = "grouped_items";
/// Rounding of weights that makes their sums exact, whatever the order.
pub const EXACT: &str = "DECIMAL(24, 15)";

/// The groups of one attribute of items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups {
    /// Items by group, the largest first; without those whose group is not known.
    pub sizes: Vec<(String, u64)>,
    /// Items whose group is not known.
    pub unknown: u64,
    /// All values that occur, also those counted as [`OTHER`].
    pub values: BTreeSet<String>,
}

impl Groups {
    pub fn items(&self, group: &str) -> u64 {
        if group == UNKNOWN {
            return self.unknown;
        }
        self.sizes.iter().find(|(name, _)| name == group).map_or(0, |(_, n)| *n)
    }

    /// Items whose group is known.
    pub fn known(&self) -> u64 {
        self.sizes.iter().map(|(_, n)| n).sum()
    }
}

/// Makes [`GROUPED`]: each item once, with its group. An item listed with several values has none.
pub async fn stage(engine: &Engine, of: &ItemGroup) -> Result<Groups> {
    let column = quoted(&of.attribute);
    let each = format!(
        "SELECT item_id, CASE WHEN min({column}) = max({column}) THEN min({column}) END AS value FROM items GROUP BY item_id"
    );
    engine.stage("items_once", &each).await?;
    let rows = engine.rows("SELECT value, count(*) AS n FROM items_once GROUP BY value ORDER BY n DESC, value").await?;
    let mut groups = Groups::default();
    let (mut kept, mut others): (Vec<(String, u64)>, u64) = (Vec::new(), 0);
    for row in 0..rows.len() {
        let n = rows.count("n", row);
        let Some(value) = rows.text("value", row) else {
            groups.unknown = n;
            continue;
        };
        groups.values.insert(value.to_owned());
        if kept.len() < MOST_GROUPS || is_named(of, value) {
            kept.push((value.to_owned(), n));
        } else {
            others += n;
        }
    }
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(kept.iter().map(|(name, _)| name)));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((1..).take(kept.len())));
    engine.small_table("told_apart", RecordBatch::try_from_iter([("name", names), ("g", numbers)])?)?;
    let other = kept.len() + 1;
    groups.sizes = kept;
    if others > 0 {
        groups.sizes.push((OTHER.to_owned(), others));
    }
    let grouped = format!(
        "SELECT i.item_id AS item_id, \
         coalesce(t.name, CASE WHEN i.value IS NULL THEN '{UNKNOWN}' ELSE '{OTHER}' END) AS grp, \
         coalesce(t.g, CASE WHEN i.value IS NULL THEN 0 ELSE {other} END) AS g \
         FROM items_once i LEFT JOIN told_apart t ON i.value = t.name"
    );
    engine.stage(GROUPED, &grouped).await?;
    Ok(groups)
}

fn is_named(of: &ItemGroup, value: &str) -> bool {
    let in_target = matches!(&*of.target, Target::Policy(shares) if shares.contains_key(value));
    in_target || of.reference.as_ref().is_some_and(|reference| reference.value == value)
}

/// What a group of items got, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sums {
    /// Impressions whose position is known, as far as the cutoff.
    pub impressions: f64,
    /// Attention, in first places.
    pub exposure: f64,
    /// Clicks and relevance of all impressions, wherever they were.
    pub clicks: f64,
    pub relevant: f64,
    /// Impressions without a position.
    pub unplaced: f64,
}

impl std::ops::AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.impressions += other.impressions;
        self.exposure += other.exposure;
        self.clicks += other.clicks;
        self.relevant += other.relevant;
        self.unplaced += other.unplaced;
    }
}

/// One strategy's attention among one segment of people.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cell {
    /// By random group of subjects, and by group of items.
    pub buckets: BTreeMap<String, BTreeMap<String, Sums>>,
    /// Subjects, or impressions where these are the unit.
    pub units: u64,
}

impl Cell {
    /// The sums of each group of items.
    pub fn totals(&self) -> BTreeMap<&str, Sums> {
        let mut totals: BTreeMap<&str, Sums> = BTreeMap::new();
        for (group, sums) in self.buckets.values().flatten() {
            *totals.entry(group).or_default() += *sums;
        }
        totals
    }
}

/// Attribute and value of a segment; None for all people.
pub type Segment = Option<(String, String)>;

/// Adds up attention by strategy, segment, random group of subjects and group of items.
pub async fn cells(
    engine: &Engine,
    segments: &Segments,
    by_subject: bool,
) -> Result<BTreeMap<(String, Segment), Cell>> {
    let own: String = names(segments).iter().map(|name| format!(", c.{name} AS {name}")).collect();
    // As early as possible to the few combinations of what it will be added up by.
    let early = format!(
        "SELECT s.strategy AS strategy, s.cell AS cell, coalesce(g.grp, '{UNKNOWN}') AS grp, \
         count(p.weight) AS impressions, sum(p.exact) AS exposure, sum(s.clicked) AS clicks, \
         sum(s.relevant) AS relevant, count(*) - count(s.position) AS unplaced, count(*) AS n \
         FROM {CODED} s LEFT JOIN {GROUPED} g ON s.item_id = g.item_id LEFT JOIN \
         (SELECT position, weight, CAST(weight AS {EXACT}) AS exact FROM {PLACES}) p ON s.position = p.position \
         GROUP BY s.strategy, s.cell, coalesce(g.grp, '{UNKNOWN}')"
    );
    let named = format!("SELECT a.*, c.bucket AS bucket{own} FROM ({early}) a JOIN {CELLS} c ON a.cell = c.cell");
    engine.stage("attention", &named).await?;
    let sums = "CAST(sum(impressions) AS DOUBLE) AS impressions, CAST(coalesce(sum(exposure), 0) AS DOUBLE) AS exposure, \
                CAST(coalesce(sum(clicks), 0) AS DOUBLE) AS clicks, CAST(coalesce(sum(relevant), 0) AS DOUBLE) AS relevant, \
                CAST(sum(unplaced) AS DOUBLE) AS unplaced";
    let rows = engine.rows(&by_segment("strategy, bucket, grp", sums, "attention", segments)).await?;
    let mut cells: BTreeMap<(String, Segment), Cell> = BTreeMap::new();
    for row in 0..rows.len() {
        let sum = |name: &str| rows.float(name, row).unwrap_or(0.0);
        let sums = Sums {
            impressions: sum("impressions"),
            exposure: sum("exposure"),
            clicks: sum("clicks"),
            relevant: sum("relevant"),
            unplaced: sum("unplaced"),
        };
        let bucket = cells.entry(key(&rows, row)).or_default().buckets.entry(text(&rows, "bucket", row)).or_default();
        *bucket.entry(text(&rows, "grp", row)).or_default() += sums;
    }
    let rows = engine.rows(&units(segments, by_subject, "attention")).await?;
    for row in 0..rows.len() {
        if let Some(cell) = cells.get_mut(&key(&rows, row)) {
            cell.units = rows.count("units", row);
        }
    }
    Ok(cells)
}

/// Counts the subjects whom each strategy decided about; else impressions, as the `n` of a table that has the segments.
pub(super) fn units(segments: &Segments, by_subject: bool, otherwise: &str) -> String {
    if !by_subject {
        return by_segment("strategy", "sum(n) AS units", otherwise, segments);
    }
    let people = format!("(SELECT strategy, segment, count(*) AS n FROM {DECIDED} GROUP BY strategy, segment)");
    by_segment("strategy", "sum(n) AS units", &with_names(&people, segments), segments)
}

/// A table that numbers combinations of attributes, with their names.
pub(super) fn with_names(table: &str, segments: &Segments) -> String {
    let own: String = names(segments).iter().map(|name| format!(", k.{name} AS {name}")).collect();
    format!("(SELECT t.*{own} FROM {table} t JOIN {KINDS} k ON t.segment = k.segment)")
}

/// The attributes of segments as SQL names them.
pub(super) fn names(segments: &Segments) -> Vec<String> {
    segments.attributes.keys().map(|name| super::segments::column(name)).collect()
}

/// Aggregates over all people, and over each value of each attribute of segments, as `attribute` and `value`.
pub(super) fn by_segment(keys: &str, sums: &str, from: &str, segments: &Segments) -> String {
    let names = names(segments);
    if names.is_empty() {
        return format!(
            "SELECT {keys}, CAST(NULL AS VARCHAR) AS attribute, CAST(NULL AS VARCHAR) AS value, {sums} FROM {from} GROUP BY {keys}"
        );
    }
    let sets: String = names.iter().map(|name| format!(", ({keys}, {name})")).collect();
    let attribute: String = names
        .iter()
        .zip(segments.attributes.keys())
        .map(|(name, attribute)| format!(" WHEN {name} IS NOT NULL THEN {}", literal(attribute)))
        .collect();
    // The function takes two or more.
    let value = format!("coalesce({}, NULL)", names.join(", "));
    format!(
        "SELECT {keys}, CASE{attribute} END AS attribute, {value} AS value, {sums} FROM {from} \
         GROUP BY GROUPING SETS (({keys}){sets})"
    )
}

pub(super) fn key(rows: &Rows, row: usize) -> (String, Segment) {
    let segment = rows.text("attribute", row).map(|attribute| (attribute.to_owned(), text(rows, "value", row)));
    (text(rows, "strategy", row), segment)
}

pub(super) fn text(rows: &Rows, column: &str, row: usize) -> String {
    rows.text(column, row).unwrap_or_default().to_owned()
}
