//! Who was selected, and who scored above the median: people counted by category.
//!
//! A person who was selected in any row was selected, and a person's score is the highest that any row gave. The median
//! is that of everybody the strategy scored, people of unknown category included (6 RCNY 5-301(c)(1): "for the full
//! sample").

use std::collections::{BTreeMap, BTreeSet};

use super::segments::{CODED, KINDS};
use crate::engine::Engine;
use crate::error::Result;
use crate::manifest::{SelectionOutcome, Unit};

/// One table: how many of each category were selected, or scored above the median.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    pub strategy: String,
    pub outcome: SelectionOutcome,
    /// What makes the categories.
    pub attributes: Vec<String>,
    /// The median of everybody's score; None for what is selected.
    pub median: Option<f64>,
    /// Sorted by values.
    pub cells: Vec<Cell>,
}

/// One category, unknown ones included.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// One for each attribute of the table.
    pub values: Vec<String>,
    /// People of whom the log says whether they were selected, or what their score was.
    pub assessed: u64,
    /// Those selected, or above the median.
    pub chosen: u64,
    /// People of whom it does not say.
    pub unstated: u64,
}

/// What to table.
pub struct Question<'a> {
    pub unit: Unit,
    pub outcomes: &'a [SelectionOutcome],
    pub tables: &'a [Vec<String>],
}

/// The tables of every strategy, by outcome, strategy and attributes.
pub async fn tables(engine: &Engine, question: &Question<'_>) -> Result<Vec<Table>> {
    if question.outcomes.is_empty() || question.tables.is_empty() {
        return Ok(Vec::new());
    }
    let columns = columns(question);
    let medians = assess(engine, question, &columns).await?;
    let mut tables: BTreeMap<(SelectionOutcome, String, usize), Vec<Cell>> = BTreeMap::new();
    for (index, attributes) in question.tables.iter().enumerate() {
        let names: Vec<&str> = attributes.iter().map(|name| columns[name.as_str()].as_str()).collect();
        let values = names.iter().enumerate().map(|(nth, name)| format!("{name} AS value{nth}"));
        let counts = question.outcomes.iter().map(|outcome| {
            let flag = flag(*outcome);
            format!("count({flag}) AS {flag}_n, coalesce(sum({flag}), 0) AS {flag}_y")
        });
        let rows = engine
            .rows(&format!(
                "SELECT strategy, {}, count(*) AS people FROM assessed GROUP BY strategy, {}",
                values.chain(counts).collect::<Vec<_>>().join(", "),
                names.join(", "),
            ))
            .await?;
        for row in 0..rows.len() {
            let text = |column: &str| rows.text(column, row).unwrap_or_default().to_owned();
            for &outcome in question.outcomes {
                let count = |of: &str| rows.count(&format!("{}_{of}", flag(outcome)), row);
                let (assessed, chosen) = (count("n"), count("y"));
                let values = (0..names.len()).map(|nth| text(&format!("value{nth}"))).collect();
                let cell = Cell { values, assessed, chosen, unstated: rows.count("people", row) - assessed };
                tables.entry((outcome, text("strategy"), index)).or_default().push(cell);
            }
        }
    }
    let table = |((outcome, strategy, index), mut cells): ((SelectionOutcome, String, usize), Vec<Cell>)| {
        cells.sort();
        let median = medians.get(&strategy).copied().filter(|_| outcome == SelectionOutcome::Score);
        Table { strategy, outcome, attributes: question.tables[index].clone(), median, cells }
    };
    Ok(tables.into_iter().map(table).collect())
}

/// The column of `assessed` that is 1 for whoever was selected, or is above the median.
fn flag(outcome: SelectionOutcome) -> &'static str {
    match outcome {
        SelectionOutcome::Selected => "selected",
        SelectionOutcome::Score => "above",
    }
}

/// The columns of the attributes, by names that no other column has.
fn columns<'a>(question: &Question<'a>) -> BTreeMap<&'a str, String> {
    let names: BTreeSet<&str> = question.tables.iter().flatten().map(String::as_str).collect();
    names.into_iter().enumerate().map(|(nth, name)| (name, format!("attribute{nth}"))).collect()
}

/// Makes `assessed`, one row per strategy and person (or per row, where rows are the unit), and gives the medians.
async fn assess(
    engine: &Engine,
    question: &Question<'_>,
    columns: &BTreeMap<&str, String>,
) -> Result<BTreeMap<String, f64>> {
    let of = |table: &str| {
        let own =
            columns.iter().map(|(name, column)| format!(", {table}{} AS {column}", super::segments::column(name)));
        own.collect::<String>()
    };
    let each = match question.unit {
        Unit::Subject => format!(
            "SELECT d.strategy AS strategy, d.selected AS selected, d.score AS score{} FROM (\
             SELECT strategy, min(segment) AS segment, max(selected) AS selected, max(score) AS score FROM {CODED} \
             GROUP BY strategy, who) d JOIN {KINDS} k ON d.segment = k.segment",
            of("k.")
        ),
        Unit::Impression => format!(
            "SELECT c.strategy AS strategy, c.selected AS selected, c.score AS score{} FROM {CODED} c \
             JOIN {KINDS} k ON c.segment = k.segment",
            of("k.")
        ),
    };
    engine.stage("selections", &each).await?;
    let scored = "SELECT strategy, median(score) AS median FROM selections WHERE score IS NOT NULL GROUP BY strategy";
    engine.stage("medians", scored).await?;
    engine
        .view(
            "assessed",
            &format!(
                "SELECT s.strategy AS strategy, s.selected AS selected, \
                 CASE WHEN s.score > m.median THEN 1 WHEN s.score IS NOT NULL THEN 0 END AS above{} \
                 FROM selections s LEFT JOIN medians m ON s.strategy = m.strategy",
                columns.values().map(|column| format!(", s.{column} AS {column}")).collect::<String>()
            ),
        )
        .await?;
    let rows = engine.rows("SELECT strategy, median FROM medians").await?;
    let median = |row| Some((rows.text("strategy", row)?.to_owned(), rows.float("median", row)?));
    Ok((0..rows.len()).filter_map(median).collect())
}
