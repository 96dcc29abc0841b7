//! How what is known of people goes with another of their attributes: small tables of counts, and sums of powers.

use std::collections::BTreeMap;

use super::profiles::{PROFILES, Profiles};
use crate::engine::{Engine, Rows};
use crate::error::Result;
use crate::stats::association::Powers;

/// Levels of one variable that are told apart; those with fewer people are counted together.
pub const MOST_LEVELS: u64 = 50;

/// Numbers with more than this many different values are taken as numbers, others as names of groups.
const FEW_NUMBERS: u64 = 20;

/// Numbers are counted in this many parts of their range, as integers: their sums do not depend on their order.
const PARTS: &str = "1000000";

/// What a column's values look like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looks {
    /// Whether every value is a finite number, and none is written with a leading 0 as codes are.
    pub numbers: bool,
    pub distinct: u64,
}

impl Looks {
    pub fn like_quantities(self) -> bool {
        self.numbers && self.distinct > FEW_NUMBERS
    }
}

/// Looks at the values of each column.
pub async fn looks(engine: &Engine, profiles: &Profiles, columns: &[&str]) -> Result<BTreeMap<String, Looks>> {
    let mut selected = Vec::new();
    for (at, name) in columns.iter().enumerate() {
        let value = profiles.column(name)?;
        selected.push(format!(
            "count({value}) AS n{at}, count(DISTINCT {value}) AS d{at}, \
             count(CASE WHEN {} IS NOT NULL AND NOT regexp_like({value}, '^[+-]?0[0-9]') THEN 1 END) AS x{at}",
            number(&value)
        ));
    }
    if selected.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = engine.rows(&format!("SELECT {} FROM {PROFILES}", selected.join(", "))).await?;
    let one = |(at, name): (usize, &&str)| {
        let count = |of: &str| rows.count(&format!("{of}{at}"), 0);
        ((*name).to_owned(), Looks { numbers: count("n") > 0 && count("n") == count("x"), distinct: count("d") })
    };
    Ok(columns.iter().enumerate().map(one).collect())
}

/// A text as a finite number whose range can be taken, else null.
fn number(value: &str) -> String {
    format!("CASE WHEN abs(TRY_CAST({value} AS DOUBLE)) <= 1e300 THEN TRY_CAST({value} AS DOUBLE) END")
}

/// A variable beside an attribute, for one strategy's people.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    /// Level of the variable, level of the attribute, people. Levels are ranks by size from 1; 0 is all the others.
    pub cells: Vec<(usize, usize, u64)>,
    /// Levels of the variable and of the attribute before the small ones were put together.
    pub levels: (u64, u64),
}

/// Counts people by value of `column` and of `attribute`, by strategy. Who lacks the attribute is left out; a missing
/// value of `column` is a level of its own. Levels of fewer than `least` people, or past [`MOST_LEVELS`], are one.
pub async fn counts(
    engine: &Engine,
    profiles: &Profiles,
    column: &str,
    attribute: &str,
    least: u64,
) -> Result<BTreeMap<String, Counts>> {
    let (x, a) = (profiles.column(column)?, profiles.column(attribute)?);
    let level = |rank: &str, people: &str| kept(rank, people, least);
    let rows = engine
        .rows(&format!(
            "WITH cells AS (SELECT strategy, {x} AS x, {a} AS a, count(*) AS c FROM {PROFILES} \
             WHERE {a} IS NOT NULL GROUP BY strategy, {x}, {a}), \
             sums AS (SELECT *, sum(c) OVER (PARTITION BY strategy, x) AS nx, sum(c) OVER (PARTITION BY strategy, a) AS \
             na FROM cells), \
             ranked AS (SELECT *, dense_rank() OVER (PARTITION BY strategy ORDER BY nx DESC, x) AS rx, \
             dense_rank() OVER (PARTITION BY strategy ORDER BY na DESC, a) AS ra FROM sums), \
             levels AS (SELECT strategy, {} AS lx, {} AS la, c, rx, ra FROM ranked) \
             SELECT strategy, lx, la, CAST(sum(c) AS BIGINT) AS n, max(rx) AS rx, max(ra) AS ra FROM levels \
             GROUP BY strategy, lx, la ORDER BY strategy, lx, la",
            level("rx", "nx"),
            level("ra", "na"),
        ))
        .await?;
    let mut found: BTreeMap<String, Counts> = BTreeMap::new();
    for row in 0..rows.len() {
        let counts = found.entry(strategy(&rows, row)).or_insert_with(|| Counts { cells: Vec::new(), levels: (0, 0) });
        counts.cells.push((index(&rows, "lx", row), index(&rows, "la", row), rows.count("n", row)));
        counts.levels.0 = counts.levels.0.max(rows.count("rx", row));
        counts.levels.1 = counts.levels.1.max(rows.count("ra", row));
    }
    Ok(found)
}

/// Numbers in the groups of an attribute, for one strategy's people.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Numbers {
    /// One per level of the attribute, in parts of the numbers' range; small levels are one, as in [`counts`].
    pub groups: Vec<Powers>,
    /// Levels of the attribute before that.
    pub levels: u64,
}

/// Sums the powers of a column of numbers by value of `attribute`, by strategy. Who lacks either is left out.
pub async fn numbers(
    engine: &Engine,
    profiles: &Profiles,
    column: &str,
    attribute: &str,
    least: u64,
) -> Result<BTreeMap<String, Numbers>> {
    let (x, a) = (profiles.column(column)?, profiles.column(attribute)?);
    let rows = engine
        .rows(&format!(
            "WITH people AS (SELECT strategy, {a} AS a, {} AS x FROM {PROFILES} WHERE {a} IS NOT NULL), \
             ends AS (SELECT *, min(x) OVER (PARTITION BY strategy) AS low, max(x) OVER (PARTITION BY strategy) AS high \
             FROM people WHERE x IS NOT NULL), \
             parts AS (SELECT strategy, a, CAST(round(coalesce((x - low) / nullif(high - low, 0), 0) * {PARTS}) AS \
             DECIMAL(7, 0)) AS z FROM ends), \
             squares AS (SELECT *, CAST(z * z AS DECIMAL(14, 0)) AS zz FROM parts), \
             sums AS (SELECT strategy, a, count(*) AS n, sum(z) AS s1, sum(zz) AS s2, sum(zz * z) AS s3, \
             sum(zz * zz) AS s4 FROM squares GROUP BY strategy, a), \
             ranked AS (SELECT *, dense_rank() OVER (PARTITION BY strategy ORDER BY n DESC, a) AS ra FROM sums), \
             levels AS (SELECT *, {} AS la FROM ranked) \
             SELECT strategy, la, CAST(sum(n) AS BIGINT) AS n, max(ra) AS ra, CAST(sum(s1) AS DOUBLE) AS s1, \
             CAST(sum(s2) AS DOUBLE) AS s2, CAST(sum(s3) AS DOUBLE) AS s3, CAST(sum(s4) AS DOUBLE) AS s4 FROM levels \
             GROUP BY strategy, la ORDER BY strategy, la",
            number(&x),
            kept("ra", "n", least),
        ))
        .await?;
    let mut found: BTreeMap<String, Numbers> = BTreeMap::new();
    for row in 0..rows.len() {
        let numbers = found.entry(strategy(&rows, row)).or_default();
        let sum = |name: &str| rows.float(name, row).unwrap_or(0.0);
        let sums = [sum("s1"), sum("s2"), sum("s3"), sum("s4")];
        numbers.groups.push(Powers { n: rows.count("n", row) as f64, sums });
        numbers.levels = numbers.levels.max(rows.count("ra", row));
    }
    Ok(found)
}

/// A level's rank, or 0 when it is too small or too far down to stand alone.
fn kept(rank: &str, people: &str, least: u64) -> String {
    format!("CAST(CASE WHEN {rank} <= {MOST_LEVELS} AND {people} >= {least} THEN {rank} ELSE 0 END AS BIGINT)")
}

fn strategy(rows: &Rows, row: usize) -> String {
    rows.text("strategy", row).unwrap_or_default().to_owned()
}

fn index(rows: &Rows, column: &str, row: usize) -> usize {
    usize::try_from(rows.count(column, row)).unwrap_or(0)
}
