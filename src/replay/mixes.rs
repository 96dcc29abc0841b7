//! What a log is made of: how many decisions, people or impressions fall to each value of a column.
//!
//! One plan counts decisions and one counts impressions, each by all its columns at once. Beside each count stand the
//! sums that tell how many independent observations it is worth, since rows of one person resemble each other.

use std::collections::BTreeMap;

use super::segments::{CELLS, CODED, Segments, UNKNOWN, column, in_first_buckets};
use crate::engine::{Engine, Rows, literal};
use crate::error::Result;
use crate::manifest::Unit;
use crate::stats::drift::BinSums;

/// All values of a column after the most frequent ones.
pub const OTHER: &str = "(other)";

/// Values of a column that are told apart; the rest is [`OTHER`].
const MOST: usize = 200;

/// Impressions from which on the edges of bins are chosen by a part of the people.
const ENOUGH: u64 = 2_000_000;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
    Decisions,
    Subjects,
    Impressions,
}

impl Of {
    pub fn id(self) -> &'static str {
        match self {
            Self::Decisions => "decisions",
            Self::Subjects => "subjects",
            Self::Impressions => "impressions",
        }
    }
}

/// A number of the log that is counted by bins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    pub column: &'static str,
    /// SQL of its value, null where it does not count.
    value: &'static str,
}

/// The numbers that a log may have. Most impressions earn nothing, which is what rates of clicks and conversions tell;
/// revenue is therefore binned where there is some.
pub const NUMBERS: [Number; 4] = [
    Number { column: "position", value: "CAST(position AS DOUBLE)" },
    Number { column: "price", value: "price" },
    Number { column: "score", value: "score" },
    Number { column: "revenue", value: "CASE WHEN revenue <> 0 THEN CAST(revenue AS DOUBLE) * 1e-4 END" },
];

/// What is counted by what.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    pub unit: Unit,
    pub segments: &'a Segments,
    /// Columns of the request with words to count by, e.g. `strategy`.
    pub words: &'a [&'static str],
    pub numbers: &'a [Number],
    /// The upper edges of bins by column of numbers, where they are already chosen.
    pub edges: &'a BTreeMap<String, Vec<f64>>,
    pub impressions: u64,
}

/// The counts of one column.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    pub of: Of,
    pub by: String,
    /// Upper edges of the bins of numbers, ascending; empty for words. A value on an edge lies below it.
    pub edges: Vec<f64>,
    pub bins: BTreeMap<String, Bin>,
    /// People, or rows where these are the unit.
    pub units: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bin {
    pub sums: BinSums,
    /// People with something in this bin, or rows where these are the unit.
    pub units: u64,
}

/// A column on its way into the plan: name, edges and SQL of the bin, null where a row does not count.
struct Column {
    by: String,
    edges: Vec<f64>,
    bin: String,
}

/// Counts everything that is asked for, in the order decisions, people, impressions, and then by column.
pub async fn tallies(engine: &Engine, question: &Question<'_>) -> Result<Vec<Tally>> {
    let mut words: Vec<Column> = Vec::new();
    for &by in question.words {
        // Lists in one text are told with commas.
        let told = format!("replace({by}, {}, ', ')", literal(crate::evidence::columns::LIST));
        let bin = format!("coalesce(nullif({told}, ''), '{UNKNOWN}')");
        words.push(Column { by: by.to_owned(), edges: Vec::new(), bin });
    }
    for by in question.segments.attributes.keys() {
        words.push(Column { by: by.clone(), edges: Vec::new(), bin: column(by) });
    }
    let mut numbers = Vec::new();
    for number in question.numbers {
        let edges = match question.edges.get(number.column) {
            Some(edges) => edges.clone(),
            None => choose_edges(engine, number, question.impressions).await?,
        };
        let bin = number.bin(&edges);
        numbers.push(Column { by: number.column.to_owned(), edges, bin });
    }
    let mut tallies = Vec::new();
    match question.unit {
        Unit::Subject => {
            let decisions = "decisions d JOIN people p ON d.subject_id = p.subject_id";
            tallies.extend(count(engine, Of::Decisions, &words, decisions, Some("p.who")).await?);
            tallies.extend(people(question.segments));
            tallies.extend(count(engine, Of::Impressions, &numbers, CODED, Some("who")).await?);
        }
        Unit::Impression => {
            words.extend(numbers);
            let named = format!("{CODED} i JOIN {CELLS} c ON i.cell = c.cell");
            tallies.extend(count(engine, Of::Impressions, &words, &named, None).await?);
        }
    }
    Ok(tallies)
}

/// People by attribute, whom the segments have counted.
fn people(segments: &Segments) -> impl Iterator<Item = Tally> {
    segments.sizes.iter().map(|(by, sizes)| {
        let one = |n: u64| {
            let y = n as f64;
            Bin { sums: BinSums { y, yy: y, yn: y }, units: n }
        };
        let bins: BTreeMap<String, Bin> = sizes.iter().map(|(value, n)| (value.clone(), one(*n))).collect();
        let units = sizes.values().sum();
        Tally { of: Of::Subjects, by: by.clone(), edges: Vec::new(), bins, units }
    })
}

async fn count(engine: &Engine, of: Of, columns: &[Column], from: &str, unit: Option<&str>) -> Result<Vec<Tally>> {
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    engine.stage("mix_cells", &cells(columns, from, unit)).await?;
    let rows = engine.rows(&sums(unit.is_some())).await?;
    let mut units: BTreeMap<u64, u64> = BTreeMap::new();
    if unit.is_some() {
        let counted = "SELECT mix, count(*) AS units FROM (SELECT DISTINCT mix, unit FROM mix_cells) GROUP BY mix";
        let counted = engine.rows(counted).await?;
        units.extend((0..counted.len()).map(|row| (counted.count("mix", row), counted.count("units", row))));
    }
    let mut tallies: Vec<Tally> = Vec::new();
    for (nth, column) in columns.iter().enumerate() {
        let mut tally =
            Tally { of, by: column.by.clone(), edges: column.edges.clone(), bins: BTreeMap::new(), units: 0 };
        tally.units = units.get(&(nth as u64)).copied().unwrap_or(0);
        for row in (0..rows.len()).filter(|&row| rows.count("mix", row) == nth as u64) {
            tally.add(&rows, row);
        }
        if unit.is_none() {
            tally.units = tally.bins.values().map(|bin| bin.sums.y as u64).sum();
        }
        tallies.push(tally);
    }
    Ok(tallies)
}

impl Tally {
    fn add(&mut self, rows: &Rows, row: usize) {
        let raw = rows.text("bin", row).unwrap_or(UNKNOWN);
        let name = if self.edges.is_empty() { raw.to_owned() } else { bin_name(&self.edges, raw) };
        let sum = |name: &str| rows.float(name, row).unwrap_or(0.0);
        let sums = BinSums { y: sum("y"), yy: sum("yy"), yn: sum("yn") };
        self.bins.insert(name, Bin { sums, units: rows.count("units", row) });
    }
}

/// Rows by column (`mix`), bin and unit.
fn cells(columns: &[Column], from: &str, unit: Option<&str>) -> String {
    let names: Vec<String> = (0..columns.len()).map(|nth| format!("bin{nth}")).collect();
    let bins: String = names.iter().zip(columns).map(|(name, of)| format!(", {} AS {name}", of.bin)).collect();
    let which: String =
        names.iter().enumerate().map(|(nth, name)| format!(" WHEN {name} IS NOT NULL THEN {nth}")).collect();
    let bin = if let [only] = names.as_slice() { only.clone() } else { format!("coalesce({})", names.join(", ")) };
    let own = if unit.is_some() { "unit, " } else { "" };
    let sets: Vec<String> = names.iter().map(|name| format!("({own}{name})")).collect();
    let cells = format!(
        "SELECT {own}CAST(CASE{which} END AS BIGINT) AS mix, {bin} AS bin, count(*) AS y FROM \
         (SELECT {}{bins} FROM {from}) GROUP BY GROUPING SETS ({})",
        unit.map_or("1 AS one".to_owned(), |unit| format!("{unit} AS unit")),
        sets.join(", ")
    );
    // A row outside every bin of a column leaves that column's set without a bin, and with it without a mix.
    format!("SELECT * FROM ({cells}) WHERE mix IS NOT NULL")
}

/// Per column and bin: rows, units, and of units the sums of squares and products with the unit's rows that count.
fn sums(units: bool) -> String {
    let wide = |name: &str| format!("CAST({name} AS DECIMAL(19, 0))");
    let summed = if units {
        format!(
            "SELECT c.mix AS mix, c.bin AS bin, sum(c.y) AS y, sum({y} * {y}) AS yy, sum({y} * {n}) AS yn, count(*) AS units \
             FROM mix_cells c JOIN (SELECT mix, unit, sum(y) AS n FROM mix_cells GROUP BY mix, unit) u \
             ON c.mix = u.mix AND c.unit = u.unit GROUP BY c.mix, c.bin",
            y = wide("c.y"),
            n = wide("u.n"),
        )
    } else {
        "SELECT mix, bin, y, y AS yy, y AS yn, y AS units FROM mix_cells".to_owned()
    };
    format!(
        "SELECT mix, CASE WHEN place <= {MOST} THEN bin ELSE '{OTHER}' END AS bin, sum(y) AS y, \
         CAST(sum(yy) AS DOUBLE) AS yy, CAST(sum(yn) AS DOUBLE) AS yn, max(units) AS units \
         FROM (SELECT *, row_number() OVER (PARTITION BY mix ORDER BY y DESC, bin) AS place FROM ({summed})) \
         GROUP BY mix, CASE WHEN place <= {MOST} THEN bin ELSE '{OTHER}' END"
    )
}

impl Number {
    /// SQL of the bin's number by upper edges; null values lie in none.
    fn bin(&self, edges: &[f64]) -> String {
        let value = self.value;
        let below: String =
            edges.iter().enumerate().map(|(nth, edge)| format!(" WHEN {value} <= {edge:e} THEN '{nth}'")).collect();
        format!("CASE WHEN {value} IS NULL THEN NULL{below} ELSE '{}' END", edges.len())
    }
}

/// The bin in words; `nth` is its number as text.
fn bin_name(edges: &[f64], nth: &str) -> String {
    let Ok(nth) = nth.parse::<usize>() else { return nth.to_owned() };
    match (nth.checked_sub(1).and_then(|below| edges.get(below)), edges.get(nth)) {
        (None, Some(high)) => format!("up to {high}"),
        (Some(low), Some(high)) => format!("over {low} to {high}"),
        (Some(low), None) => format!("over {low}"),
        (None, None) => "all".to_owned(),
    }
}

/// The place of a bin among those of its column, by its words; what is no bin comes last.
pub fn bin_place(edges: &[f64], name: &str) -> usize {
    (0..=edges.len()).position(|nth| bin_name(edges, &nth.to_string()) == name).unwrap_or(usize::MAX)
}

/// Deciles of a number, rounded so that no edge is somebody's value: the least values that at least a tenth, two tenths
/// and so on of the rows do not exceed. Of a large log those of a random part of the people, who are as many as it takes
/// for about [`ENOUGH`] rows.
async fn choose_edges(engine: &Engine, number: &Number, impressions: u64) -> Result<Vec<f64>> {
    let value = number.value;
    let buckets = (ENOUGH.saturating_mul(256) / impressions.max(1)).clamp(1, 256);
    let part = if buckets < 256 { format!(" WHERE {}", in_first_buckets(buckets)) } else { String::new() };
    let deciles: Vec<String> =
        (1..10).map(|nth| format!("min(v) FILTER (WHERE upto * 10 >= total * {nth}) AS edge{nth}")).collect();
    let rows = engine
        .rows(&format!(
            "SELECT {} FROM (SELECT v, sum(n) OVER (ORDER BY v ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS upto, \
             sum(n) OVER () AS total FROM (SELECT v, count(v) AS n FROM (SELECT {value} AS v FROM {CODED}{part}) \
             WHERE v IS NOT NULL GROUP BY v))",
            deciles.join(", ")
        ))
        .await?;
    Ok(rounded((1..10).filter_map(|nth| rows.float(&format!("edge{nth}"), 0))))
}

/// Ascending edges to a hundredth of what they span, each once.
fn rounded(edges: impl Iterator<Item = f64>) -> Vec<f64> {
    let edges: Vec<f64> = edges.filter(|edge| edge.is_finite()).collect();
    let (Some(first), Some(last)) = (edges.first(), edges.last()) else { return Vec::new() };
    let span = if last > first { last - first } else { first.abs() };
    // The power of ten at most a hundredth of the span.
    let power = (span / 100.0).log10().floor().clamp(-300.0, 300.0) as i32;
    let mut rounded: Vec<f64> = Vec::new();
    for edge in edges {
        let text = match power {
            ..0 => format!("{edge:.*}", power.unsigned_abs() as usize),
            _ => format!("{}", (edge / 10_f64.powi(power)).round() * 10_f64.powi(power)),
        };
        // Adding 0 makes one of both zeros.
        let edge = text.parse::<f64>().unwrap_or(edge) + 0.0;
        if rounded.last().is_none_or(|last| edge > *last) {
            rounded.push(edge);
        }
    }
    rounded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_round_and_ascend() {
        let of = |edges: &[f64]| rounded(edges.iter().copied());
        assert_eq!(of(&[9.99, 14.96, 19.99, 104.2]), [10.0, 15.0, 20.0, 104.2]);
        assert_eq!(of(&[1.0, 1.0, 2.0, 2.0, 5.0]), [1.0, 2.0, 5.0]);
        assert_eq!(of(&[0.999_912, 0.999_934, 0.999_991]), [0.999_912, 0.999_934, 0.999_991]);
        assert_eq!(of(&[12_345.0, 987_654.0]), [12_000.0, 988_000.0]);
        assert_eq!(of(&[7.123_4]), [7.12]);
        assert_eq!(of(&[-0.001, 4.0]), [0.0, 4.0]);
        assert_eq!(of(&[0.0]), [0.0]);
        assert_eq!(of(&[]), [] as [f64; 0]);
    }

    #[test]
    fn bins_are_named_by_their_edges() {
        let names: Vec<String> = (0..4).map(|nth| bin_name(&[1.0, 2.5, 10.0], &nth.to_string())).collect();
        assert_eq!(names, ["up to 1", "over 1 to 2.5", "over 2.5 to 10", "over 10"]);
        assert_eq!(bin_name(&[1.0], OTHER), OTHER);
        assert_eq!(bin_place(&[1.0, 2.5, 10.0], "over 2.5 to 10"), 2);
        assert_eq!(bin_place(&[1.0, 2.5, 10.0], OTHER), usize::MAX);
    }
}
