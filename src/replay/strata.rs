//! Outcomes by segment within strata of the conditions under which things were shown: position, strategy, columns of the
//! log.
//!
//! The log is read once, into `conditions`: one row per strategy, subject and condition. Everything else is summed up from
//! there, by random group of subjects, so that [`crate::stats::jackknife()`] can say how sure any comparison is.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::{Engine, Rows, literal, quoted};
use crate::error::Result;
use crate::manifest::{Metric, Unit};
use crate::replay::segments::{CELLS, CODED, Segments, UNKNOWN};

/// The canonical column of the place in a list.
pub const POSITION: &str = "position";
/// Positions past this one are one stratum.
const LAST_POSITION: u32 = 10;
/// Values of a column that stand alone, the most frequent ones. The others are one stratum.
const MOST_LEVELS: usize = 40;
/// The stratum of values past those.
pub const OTHER: &str = "(other)";
/// Sums that a plan should bring back at most: past that, fewer and larger groups of subjects are kept apart.
const MOST_SUMS: usize = 600_000;

/// What to sum.
pub struct Question<'a> {
    pub unit: Unit,
    /// Outcomes that are 0 or 1.
    pub metrics: &'a [Metric],
    /// The first places of a list that count as selected, where the log does not say what was.
    pub places: Option<u32>,
    pub segments: &'a Segments,
    /// Columns of the log whose values are strata.
    pub conditions: &'a [String],
}

/// A segment's outcomes in one stratum of a strategy.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cell {
    /// Subjects, or impressions where an impression is the unit.
    pub units: u64,
    /// Impressions and events of each random group that has any.
    pub groups: BTreeMap<u8, [f64; 2]>,
}

/// Strategy and value of the condition, as strata of a segment.
pub type Cells = BTreeMap<(String, String), Cell>;

/// A metric, an attribute and its value.
pub type Of = (Metric, String, String);

/// What was summed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Strata {
    /// By condition, and then by strategy and value of the condition. The condition that is empty stands for none: one
    /// stratum per strategy.
    pub by: BTreeMap<String, BTreeMap<Of, Cells>>,
    /// Units over all strategies.
    pub units: BTreeMap<Of, u64>,
}

impl Cell {
    pub fn impressions(&self) -> f64 {
        self.groups.values().map(|[n, _]| n).sum()
    }

    pub fn events(&self) -> f64 {
        self.groups.values().map(|[_, y]| y).sum()
    }
}

/// Sums every metric by strategy, value of every attribute, and stratum.
pub async fn sums(engine: &Engine, question: &Question<'_>) -> Result<Strata> {
    let mut strata = Strata::default();
    if question.metrics.is_empty() || question.segments.attributes.is_empty() {
        return Ok(strata);
    }
    engine.stage("conditions", &question.conditions_sql()).await?;
    let values: usize = question.segments.sizes.values().map(BTreeMap::len).sum();
    // Nothing is known of the number of strategies yet: what is few by condition is few by strategy.
    let whole = engine.rows(&question.sums_sql(None, "''", 1)).await?;
    let whole = question.read(&whole, &mut strata.units);
    let strategies: BTreeSet<&String> = whole.values().flat_map(|cells| cells.keys().map(|(name, _)| name)).collect();
    let strategies = strategies.len();
    for (index, condition) in question.conditions.iter().enumerate() {
        let mut level = format!("level_{index}");
        let mut levels = 1 + LAST_POSITION as usize;
        if condition != POSITION {
            let rows = engine
                .rows(&format!(
                    "SELECT {level} AS level, sum(shown) AS n FROM conditions GROUP BY {level} ORDER BY n DESC, level \
                     LIMIT {}",
                    MOST_LEVELS + 1
                ))
                .await?;
            levels = rows.len().min(MOST_LEVELS);
            if rows.len() > MOST_LEVELS {
                let kept: Vec<String> =
                    (0..MOST_LEVELS).filter_map(|row| rows.text("level", row)).map(literal).collect();
                level = format!("CASE WHEN {level} IN ({}) THEN {level} ELSE '{OTHER}' END", kept.join(", "));
            }
        }
        let rows = engine.rows(&question.sums_sql(Some(index), &level, strategies * levels * values)).await?;
        let cells = question.read(&rows, &mut BTreeMap::new());
        strata.by.insert(condition.clone(), cells);
    }
    if question.unit == Unit::Subject && strategies > 1 {
        let rows = engine.rows(&question.people_sql()).await?;
        question.read(&rows, &mut strata.units);
    }
    strata.by.insert(String::new(), whole);
    Ok(strata)
}

impl Question<'_> {
    /// One row per strategy, unit and combination of conditions. Without subjects, rows are already by group.
    fn conditions_sql(&self) -> String {
        let levels: Vec<String> = self.conditions.iter().map(|column| level(column)).collect();
        let named: String = levels.iter().enumerate().map(|(i, level)| format!(", {level} AS level_{i}")).collect();
        let by: String = levels.iter().map(|level| format!(", {level}")).collect();
        let sums = self.metrics.iter().map(|metric| {
            let (id, column) = (metric.id(), metric.0.sql(self.places));
            format!(", count({column}) AS {id}_n, coalesce(sum({column}), 0) AS {id}_y")
        });
        let sums = sums.collect::<String>() + ", count(*) AS shown";
        match self.unit {
            Unit::Subject => {
                format!("SELECT strategy, who, min(cell) AS cell{named}{sums} FROM {CODED} GROUP BY strategy, who{by}")
            }
            Unit::Impression => {
                format!("SELECT strategy, cell{named}{sums} FROM {CODED} GROUP BY strategy, cell{by}")
            }
        }
    }

    /// Sums by strategy, stratum, group, and value of each attribute. `level` is a column of `conditions` or what is made
    /// of it; `cells` says how many cells there are to be.
    fn sums_sql(&self, condition: Option<usize>, level: &str, cells: usize) -> String {
        let rows = match self.unit {
            Unit::Impression => {
                format!(
                    "SELECT strategy, {level} AS level, cell{} FROM conditions",
                    self.each("{m}_n AS {m}_m, {m}_n, {m}_y")
                )
            }
            Unit::Subject => {
                // With one condition, or none, a subject's rows may have to become one again.
                let unique = condition.is_some() && self.conditions.len() == 1 && !level.starts_with("CASE");
                let per_subject = if unique {
                    format!("SELECT strategy, cell, {level} AS level{} FROM conditions", self.each("{m}_n, {m}_y"))
                } else {
                    let by = if condition.is_some() { format!(", {level}") } else { String::new() };
                    let sums = self.each("sum({m}_n) AS {m}_n, sum({m}_y) AS {m}_y");
                    format!(
                        "SELECT strategy, min(cell) AS cell, {level} AS level{sums} FROM conditions \
                         GROUP BY strategy, who{by}"
                    )
                };
                let sums = self.each("CASE WHEN {m}_n > 0 THEN 1 ELSE 0 END AS {m}_m, {m}_n, {m}_y");
                format!("SELECT strategy, level, cell{sums} FROM ({per_subject})")
            }
        };
        self.by_value(bucket(cells), &rows)
    }

    /// People by value of each attribute, over all strategies.
    fn people_sql(&self) -> String {
        let sums = self.each("CASE WHEN {m}_n > 0 THEN 1 ELSE 0 END AS {m}_m, {m}_n, 0 AS {m}_y");
        let per_subject = self.each("sum({m}_n) AS {m}_n");
        let rows = format!(
            "SELECT '' AS strategy, '' AS level, cell{sums} FROM \
             (SELECT min(cell) AS cell{per_subject} FROM conditions GROUP BY who)"
        );
        self.by_value("'00'", &rows)
    }

    /// `rows` by strategy, level, random group and value of each attribute; `part` is the group, of a bucket.
    fn by_value(&self, part: &str, rows: &str) -> String {
        let keys = "strategy, level, part";
        let own: String = self.columns().map(|(i, name)| format!(", c.{name} AS a_{i}")).collect();
        let sets: Vec<String> = self.columns().map(|(i, _)| format!("({keys}, a_{i})")).collect();
        let which: String = self.columns().map(|(i, _)| format!(" WHEN a_{i} IS NOT NULL THEN {i}")).collect();
        let values: Vec<String> = self.columns().map(|(i, _)| format!("a_{i}")).collect();
        let value = if values.len() == 1 { values[0].clone() } else { format!("coalesce({})", values.join(", ")) };
        let sums = self.each("sum({m}_m) AS {m}_m, sum({m}_n) AS {m}_n, sum({m}_y) AS {m}_y");
        // First to the few cells of people, by their numbers.
        let few = format!("SELECT strategy, level, cell{sums} FROM ({rows}) GROUP BY strategy, level, cell");
        let named =
            format!("SELECT r.*, {part} AS part{own} FROM ({few}) r JOIN (SELECT * FROM {CELLS}) c ON r.cell = c.cell");
        format!(
            "SELECT {keys}, CASE{which} END AS attribute, {value} AS value{sums} FROM ({named}) \
             GROUP BY GROUPING SETS ({})",
            sets.join(", ")
        )
    }

    /// The attributes, each with its number and its name as SQL.
    fn columns(&self) -> impl Iterator<Item = (usize, String)> {
        self.segments.attributes.keys().map(|name| super::segments::column(name)).enumerate()
    }

    /// `, columns` of every metric, whose id stands in for `{m}`.
    fn each(&self, columns: &str) -> String {
        self.metrics.iter().map(|metric| format!(", {}", columns.replace("{m}", metric.id()))).collect()
    }

    /// Cells by metric and segment. Units are added up over strategies and strata into `units`, which means something
    /// where there is but one of each.
    fn read(&self, rows: &Rows, units: &mut BTreeMap<Of, u64>) -> BTreeMap<Of, Cells> {
        let attributes: Vec<&String> = self.segments.attributes.keys().collect();
        let mut cells: BTreeMap<Of, Cells> = BTreeMap::new();
        let mut whole: BTreeMap<Of, u64> = BTreeMap::new();
        for row in 0..rows.len() {
            let text = |column: &str| rows.text(column, row).unwrap_or_default().to_owned();
            let attribute = usize::try_from(rows.count("attribute", row)).ok().and_then(|at| attributes.get(at));
            let Some(attribute) = attribute else { continue };
            let part = u8::from_str_radix(rows.text("part", row).unwrap_or_default(), 16).unwrap_or_default();
            for metric in self.metrics {
                let number = |name: &str| rows.float(&format!("{}_{name}", metric.id()), row).unwrap_or(0.0);
                let (n, of) = (number("n"), (*metric, (*attribute).clone(), text("value")));
                if n == 0.0 {
                    continue;
                }
                let here = rows.count(&format!("{}_m", metric.id()), row);
                *whole.entry(of.clone()).or_default() += here;
                let cell = cells.entry(of).or_default().entry((text("strategy"), text("level"))).or_default();
                cell.units += here;
                let sums = cell.groups.entry(part).or_default();
                *sums = [sums[0] + n, sums[1] + number("y")];
            }
        }
        units.extend(whole);
        cells
    }
}

/// The value of a condition as the name of a stratum.
fn level(column: &str) -> String {
    if column == POSITION {
        return format!(
            "CASE WHEN position IS NULL THEN '{UNKNOWN}' WHEN position > {LAST_POSITION} THEN '{}+' ELSE CAST(position \
             AS VARCHAR) END",
            LAST_POSITION + 1
        );
    }
    format!("coalesce(CAST({} AS VARCHAR), '{UNKNOWN}')", quoted(column))
}

/// The random group, of 256, 64 or 16 as there is room for: a jackknife of 16 groups is less precise and as honest.
fn bucket(cells: usize) -> &'static str {
    match MOST_SUMS / cells.max(1) {
        256.. => "bucket",
        64.. => "concat(substr(bucket, 1, 1), translate(substr(bucket, 2, 1), '0123456789abcdef', '0000111122223333'))",
        _ => "substr(bucket, 1, 1)",
    }
}
