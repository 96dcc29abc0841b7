//! What each person got in total, summed into what indices of inequality need.
//!
//! Logarithms and roots are summed in billionths and amounts in whole units, so that sums do not depend on their order.

use std::collections::BTreeMap;

use super::segments::{CELLS, CODED};
use crate::engine::{Engine, literal};
use crate::error::Result;
use crate::stats::inequality::Sums;

/// A benefit per person: its name, its column of the log, and the size of its whole unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Benefit {
    pub id: &'static str,
    pub column: &'static str,
    pub scale: f64,
}

/// The benefits that a log can tell.
pub const BENEFITS: [Benefit; 3] = [
    Benefit { id: "clicks", column: "clicked", scale: 1.0 },
    Benefit { id: "conversions", column: "converted", scale: 1.0 },
    Benefit { id: "revenue", column: "revenue", scale: 1e-4 },
];

/// People and their total by random group.
pub type Buckets = BTreeMap<String, (f64, f64)>;

/// One benefit under one strategy.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    pub strategy: String,
    pub benefit: &'static str,
    /// People with less than nothing, e.g. more sent back than bought.
    pub negative: u64,
    /// Sums of each random group of people.
    pub buckets: BTreeMap<String, Sums>,
    /// People and total by attribute, value and random group.
    pub groups: BTreeMap<String, BTreeMap<String, Buckets>>,
    /// Σ (2·rank − N − 1)·b over people ranked by b.
    pub ranked: f64,
}

/// Sums every benefit by strategy, random group and value of each attribute.
pub async fn spreads(engine: &Engine, benefits: &[Benefit], attributes: &[&String]) -> Result<Vec<Spread>> {
    let mut spreads = Vec::new();
    if benefits.is_empty() {
        return Ok(spreads);
    }
    let sums = benefits
        .iter()
        .map(|Benefit { id, column, .. }| format!("count({column}) AS {id}_n, coalesce(sum({column}), 0) AS {id}_b"));
    let each = format!(
        "SELECT strategy, min(cell) AS cell, {} FROM {CODED} GROUP BY strategy, who",
        sums.collect::<Vec<_>>().join(", "),
    );
    engine.stage("benefits", &each).await?;
    for benefit in benefits {
        let mut own: BTreeMap<String, Spread> = BTreeMap::new();
        let rows = engine.rows(&sums_sql(benefit, attributes)).await?;
        for row in 0..rows.len() {
            let text = |column: &str| rows.text(column, row).unwrap_or_default().to_owned();
            let number = |column: &str| rows.float(column, row).unwrap_or(0.0);
            let spread = own.entry(text("strategy")).or_insert_with(|| Spread {
                strategy: text("strategy"),
                benefit: benefit.id,
                negative: 0,
                buckets: BTreeMap::new(),
                groups: BTreeMap::new(),
                ranked: 0.0,
            });
            let (people, total) = (number("people"), number("total") * benefit.scale);
            if let Some(attribute) = rows.text("attribute", row) {
                let values = spread.groups.entry(attribute.to_owned()).or_default();
                values.entry(text("value")).or_default().insert(text("bucket"), (people, total));
                continue;
            }
            spread.negative += rows.count("negative", row);
            spread.buckets.insert(
                text("bucket"),
                Sums {
                    people,
                    total,
                    squares: number("squares") * benefit.scale * benefit.scale,
                    entropy: number("entropy") * 1e-9,
                    logs: number("logs") * 1e-9,
                    roots: number("roots") * 1e-9,
                    zeros: number("zeros"),
                },
            );
        }
        let rows = engine.rows(&ranked_sql(benefit)).await?;
        for row in 0..rows.len() {
            let spread = rows.text("strategy", row).and_then(|strategy| own.get_mut(strategy));
            if let (Some(spread), Some(ranked)) = (spread, rows.float("ranked", row)) {
                let people: f64 = spread.buckets.values().map(|sums| sums.people).sum();
                let total: f64 = spread.buckets.values().map(|sums| sums.total).sum();
                spread.ranked = ranked * benefit.scale - people * total;
            }
        }
        spreads.extend(own.into_values());
    }
    Ok(spreads)
}

fn sums_sql(benefit: &Benefit, attributes: &[&String]) -> String {
    let Benefit { id, scale, .. } = benefit;
    let amount = format!("CAST({id}_b AS DOUBLE) * {scale:e}");
    let billionths = |of: &str| format!("sum(CAST(round(({of}) * 1e9) AS DECIMAL(30, 0)))");
    let above = |of: &str| billionths(&format!("CASE WHEN {id}_b > 0 THEN {of} ELSE 0.0 END"));
    let names: Vec<String> = (0..attributes.len()).map(|nth| format!("attribute{nth}")).collect();
    let sets = names.iter().map(|name| format!(", (strategy, bucket, {name})")).collect::<String>();
    let told = names
        .iter()
        .zip(attributes)
        .map(|(name, attribute)| format!("WHEN {name} IS NOT NULL THEN {}", literal(attribute)))
        .collect::<Vec<_>>();
    let (attribute, value) = match names.as_slice() {
        [] => ("CAST(NULL AS VARCHAR)".to_owned(), "CAST(NULL AS VARCHAR)".to_owned()),
        [only] => (format!("CASE {} END", told.join(" ")), only.clone()),
        several => (format!("CASE {} END", told.join(" ")), format!("coalesce({})", several.join(", "))),
    };
    let own = (0..attributes.len())
        .map(|nth| format!(", c.{} AS attribute{nth}", super::segments::column(attributes[nth])))
        .collect::<String>();
    // First to the few cells of people, in numbers whose sums are exact.
    let by_cell = format!(
        "SELECT strategy, cell, count(*) AS people, sum(CAST({id}_b AS DECIMAL(19, 0))) AS total, \
         sum(CAST({id}_b AS DECIMAL(19, 0)) * CAST({id}_b AS DECIMAL(19, 0))) AS squares, \
         {entropy} AS entropy, {logs} AS logs, {roots} AS roots, \
         count(*) FILTER (WHERE {id}_b = 0) AS zeros, count(*) FILTER (WHERE {id}_b < 0) AS negative \
         FROM benefits WHERE {id}_n > 0 GROUP BY strategy, cell",
        entropy = above(&format!("{amount} * ln({amount})")),
        logs = above(&format!("ln({amount})")),
        roots = above(&format!("sqrt({amount})")),
    );
    let exact = ["total", "squares", "entropy", "logs", "roots"];
    let exact = exact.map(|name| format!("CAST(sum({name}) AS DOUBLE) AS {name}")).join(", ");
    format!(
        "SELECT strategy, bucket, {attribute} AS attribute, {value} AS value, sum(people) AS people, {exact}, \
         sum(zeros) AS zeros, sum(negative) AS negative FROM (SELECT b.*, c.bucket AS bucket{own} FROM ({by_cell}) b \
         JOIN {CELLS} c ON b.cell = c.cell) GROUP BY GROUPING SETS ((strategy, bucket){sets})"
    )
}

/// Σ (2·rank − 1)·b, from how many people have each amount: of n people after c others the (2·rank − 1) add up to
/// n·(2c + n).
fn ranked_sql(benefit: &Benefit) -> String {
    let id = benefit.id;
    format!(
        "SELECT strategy, CAST(sum(CAST(b AS DECIMAL(19, 0)) * CAST(n * (2 * upto - n) AS DECIMAL(19, 0))) AS DOUBLE) \
         AS ranked FROM (\
         SELECT strategy, b, n, CAST(sum(n) OVER (PARTITION BY strategy ORDER BY b ROWS BETWEEN UNBOUNDED PRECEDING \
         AND CURRENT ROW) AS BIGINT) AS upto FROM (\
         SELECT strategy, {id}_b AS b, count(*) AS n FROM benefits WHERE {id}_n > 0 GROUP BY strategy, {id}_b)) \
         GROUP BY strategy"
    )
}
