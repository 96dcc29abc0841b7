//! Outcomes by segment: per-subject sums, and from them the few sums that a cluster-robust interval needs.

use std::collections::BTreeMap;

use crate::engine::{Engine, literal, quoted};
use crate::error::Result;
use crate::manifest::{Metric, Unit};
use crate::replay::segments::{Home, SEVERAL, UNKNOWN};
use crate::stats::ClusterSums;

/// The sums of one segment under one strategy.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    pub strategy: String,
    pub metric: Metric,
    pub attribute: String,
    pub value: String,
    /// Column and value within which it was counted; None for all.
    pub within: Option<(String, String)>,
    /// Subjects, or impressions where an impression is the unit.
    pub units: u64,
    pub impressions: u64,
    pub sums: ClusterSums,
}

/// What to sum.
pub struct Question<'a> {
    pub unit: Unit,
    pub metrics: &'a [Metric],
    pub attributes: &'a BTreeMap<String, Home>,
    pub within: &'a [String],
}

/// Sums every metric by strategy and value of every attribute; and again within each value of each `within` column.
pub async fn cells(engine: &Engine, question: &Question<'_>) -> Result<Vec<Cell>> {
    let mut cells = Vec::new();
    if question.metrics.is_empty() || question.attributes.is_empty() {
        return Ok(cells);
    }
    for within in std::iter::once(None).chain(question.within.iter().map(Some)) {
        let rows = engine.rows(&sql(question, within.map(String::as_str))).await?;
        for row in 0..rows.len() {
            for metric in question.metrics {
                let id = metric.id();
                let sum = |name: &str| rows.float(&format!("{id}_{name}"), row).unwrap_or(0.0);
                let units = rows.count(&format!("{id}_m"), row);
                if units == 0 {
                    continue;
                }
                // Revenue is summed in ten-thousandths, so that sums are exact in any order.
                let scale = if *metric == Metric::Revenue { 1e-4 } else { 1.0 };
                let attribute = rows.text("attribute", row).unwrap_or_default().to_owned();
                cells.push(Cell {
                    strategy: rows.text("strategy", row).unwrap_or_default().to_owned(),
                    metric: *metric,
                    value: rows.text("value", row).unwrap_or_default().to_owned(),
                    within: within
                        .map(|column| (column.clone(), rows.text("within", row).unwrap_or_default().to_owned())),
                    units,
                    impressions: rows.count(&format!("{id}_n"), row),
                    sums: ClusterSums {
                        clusters: units,
                        n: sum("n"),
                        y: sum("y") * scale,
                        nn: sum("nn"),
                        yy: sum("yy") * scale * scale,
                        ny: sum("ny") * scale,
                        ..ClusterSums::default()
                    },
                    attribute,
                });
            }
        }
    }
    cells.sort_by(|a, b| {
        (a.metric, &a.strategy, &a.attribute, &a.within, &a.value).cmp(&(
            b.metric,
            &b.strategy,
            &b.attribute,
            &b.within,
            &b.value,
        ))
    });
    Ok(cells)
}

fn sql(question: &Question<'_>, within: Option<&str>) -> String {
    let within_column =
        within.map_or("''".to_owned(), |w| format!("coalesce(CAST(i.{} AS VARCHAR), '{UNKNOWN}')", quoted(w)));
    let from_log = |(name, home): (&String, &Home)| (*home == Home::Log).then(|| name.clone());
    let log_attributes: Vec<String> = question.attributes.iter().filter_map(from_log).collect();
    let per_unit = match question.unit {
        Unit::Subject => {
            let sums = question.metrics.iter().map(|metric| {
                let (id, column) = (metric.id(), metric.column());
                format!("count({column}) AS {id}_n, coalesce(sum({column}), 0) AS {id}_y")
            });
            let attributes = log_attributes.iter().map(|name| {
                let name = quoted(name);
                let text = format!("CAST(i.{name} AS VARCHAR)");
                format!("CASE WHEN min({text}) = max({text}) THEN min({text}) WHEN min({text}) IS NULL THEN NULL ELSE '{SEVERAL}' END AS {name}")
            });
            format!(
                "SELECT i.strategy AS strategy, i.subject_id AS subject_id, {within_column} AS within, {} \
                 FROM impressions i GROUP BY i.strategy, i.subject_id, {within_column}",
                sums.chain(attributes).collect::<Vec<_>>().join(", ")
            )
        }
        Unit::Impression => {
            let sums = question.metrics.iter().map(|metric| {
                let (id, column) = (metric.id(), metric.column());
                format!("CASE WHEN {column} IS NULL THEN 0 ELSE 1 END AS {id}_n, coalesce({column}, 0) AS {id}_y")
            });
            let attributes = log_attributes.iter().map(|name| format!("CAST(i.{0} AS VARCHAR) AS {0}", quoted(name)));
            format!(
                "SELECT i.strategy AS strategy, i.subject_id AS subject_id, {within_column} AS within, {} FROM impressions i",
                sums.chain(attributes).collect::<Vec<_>>().join(", ")
            )
        }
    };
    let joined = if question.attributes.values().any(|home| *home == Home::Subjects) {
        format!("SELECT u.*, {} FROM ({per_unit}) u LEFT JOIN subjects s ON u.subject_id = s.subject_id", {
            let from_subjects = question.attributes.iter().filter(|(_, home)| **home == Home::Subjects);
            from_subjects
                .map(|(name, _)| format!("CAST(s.{0} AS VARCHAR) AS {0}", quoted(name)))
                .collect::<Vec<_>>()
                .join(", ")
        })
    } else {
        per_unit
    };
    let known = question.attributes.keys().map(|name| format!("coalesce({0}, '{UNKNOWN}') AS {0}", quoted(name)));
    let names: Vec<String> = question.attributes.keys().map(|name| quoted(name)).collect();
    let measures = question.metrics.iter().flat_map(|m| [format!("{}_n", m.id()), format!("{}_y", m.id())]);
    let columns = known.chain(measures).collect::<Vec<_>>().join(", ");
    let aggregates = question
        .metrics
        .iter()
        .map(|metric| {
            let id = metric.id();
            let (n, y) = (format!("{id}_n"), format!("{id}_y"));
            // Products of amounts outgrow 64 bits; decimals add up exactly in any order.
            let wide = |column: &str| format!("CAST({column} AS DECIMAL(19, 0))");
            format!(
                "count(*) FILTER (WHERE {n} > 0) AS {id}_m, sum({n}) AS {id}_n, sum({y}) AS {id}_y, \
                 CAST(sum({wn} * {wn}) AS DOUBLE) AS {id}_nn, CAST(sum({wy} * {wy}) AS DOUBLE) AS {id}_yy, \
                 CAST(sum({wn} * {wy}) AS DOUBLE) AS {id}_ny",
                wn = wide(&n),
                wy = wide(&y),
            )
        })
        .collect::<Vec<_>>()
        .join(", ");
    let sets = names.iter().map(|name| format!("(strategy, within, {name})")).collect::<Vec<_>>().join(", ");
    let attribute = names
        .iter()
        .zip(question.attributes.keys())
        .map(|(name, attribute)| format!("WHEN {name} IS NOT NULL THEN {}", literal(attribute)))
        .collect::<Vec<_>>()
        .join(" ");
    let value = if names.len() == 1 { names[0].clone() } else { format!("coalesce({})", names.join(", ")) };
    format!(
        "SELECT strategy, within, CASE {attribute} END AS attribute, {value} AS value, {aggregates} \
         FROM (SELECT strategy, within, {columns} FROM ({joined})) GROUP BY GROUPING SETS ({sets})"
    )
}
