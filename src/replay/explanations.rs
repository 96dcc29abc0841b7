//! In how many decisions an explanation was shown: per-subject sums, by strategy and by segment of subjects.

use crate::engine::{Engine, literal, quoted};
use crate::error::Result;
use crate::manifest::Unit;
use crate::replay::segments::UNKNOWN;
use crate::stats::ClusterSums;

/// The sums of one strategy, or of one segment under it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    pub strategy: String,
    /// Attribute and value; None for all.
    pub segment: Option<(String, String)>,
    /// Decisions that say whether an explanation was shown.
    pub decisions: u64,
    /// Decisions that do not say.
    pub unstated: u64,
    /// Decisions with an explanation.
    pub explained: u64,
    /// Over subjects; over decisions where an impression is the unit.
    pub sums: ClusterSums,
}

/// Sums by strategy, and again by each value of each attribute of the table of subjects.
pub async fn shown(engine: &Engine, unit: Unit, attributes: &[&str]) -> Result<Vec<Shown>> {
    let per_unit = match unit {
        Unit::Subject => {
            "SELECT strategy, subject_id, count(*) AS total, count(explained) AS n, coalesce(sum(explained), 0) AS y \
             FROM decisions GROUP BY strategy, subject_id"
        }
        Unit::Impression => {
            "SELECT strategy, subject_id, CAST(1 AS BIGINT) AS total, CASE WHEN explained IS NULL THEN 0 ELSE 1 END AS n, \
             coalesce(explained, 0) AS y FROM decisions"
        }
    };
    let sums = "count(*) FILTER (WHERE n > 0) AS m, sum(total) AS total, sum(n) AS n, sum(y) AS y, sum(n * n) AS nn, \
         sum(y * y) AS yy, sum(n * y) AS ny";
    let mut plans =
        vec![format!("SELECT strategy, '' AS attribute, '' AS value, {sums} FROM ({per_unit}) GROUP BY strategy")];
    for attribute in attributes {
        plans.push(format!(
            "SELECT strategy, {} AS attribute, value, {sums} FROM \
             (SELECT u.*, coalesce(s.{}, '{UNKNOWN}') AS value FROM ({per_unit}) u \
              LEFT JOIN subjects s ON u.subject_id = s.subject_id) GROUP BY strategy, value",
            literal(attribute),
            quoted(attribute),
        ));
    }
    let mut shown = Vec::new();
    for plan in plans {
        let rows = engine.rows(&format!("{plan} ORDER BY strategy, value")).await?;
        for row in 0..rows.len() {
            let text = |column: &str| rows.text(column, row).unwrap_or_default().to_owned();
            let sum = |column: &str| rows.float(column, row).unwrap_or(0.0);
            let decisions = rows.count("n", row);
            shown.push(Shown {
                strategy: text("strategy"),
                segment: Some((text("attribute"), text("value"))).filter(|(attribute, _)| !attribute.is_empty()),
                decisions,
                unstated: rows.count("total", row).saturating_sub(decisions),
                explained: rows.count("y", row),
                sums: ClusterSums {
                    clusters: rows.count("m", row),
                    n: sum("n"),
                    y: sum("y"),
                    nn: sum("nn"),
                    yy: sum("yy"),
                    ny: sum("ny"),
                    ..ClusterSums::default()
                },
            });
        }
    }
    Ok(shown)
}
