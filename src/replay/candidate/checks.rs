//! What is wrong with a candidate's table as a whole.

use crate::engine::{Engine, Rows};
use crate::error::{Problem, Result, all_clear};
use crate::evidence::table::{FILE, Table};
use crate::evidence::text::LINE;
use crate::manifest::Manifest;
use crate::yaml::Document;

/// Fails when an item is listed twice in one place, or when the probabilities of one place add up to more than 1.
pub(super) async fn candidate(engine: &Engine, manifest: &Document<Manifest>, table: &Table) -> Result<()> {
    let keys = super::sql::keys(table);
    let place = keys.iter().map(|key| format!("{key}, ")).collect::<String>();
    let first = format!("min({FILE}) AS file, min({LINE}) AS line");
    let twice = format!(
        "SELECT {first} FROM candidate GROUP BY {place}item_id HAVING count(*) > 1 ORDER BY file, line LIMIT 1"
    );
    let by = if keys.is_empty() { String::new() } else { format!(" GROUP BY {}", keys.join(", ")) };
    let whole = super::sql::WHOLE;
    let above = format!(
        "SELECT {first}, sum(CAST(round(coalesce(probability, 1.0) * {whole}) AS BIGINT)) AS total FROM candidate{by} \
         HAVING sum(CAST(round(coalesce(probability, 1.0) * {whole}) AS BIGINT)) > {} ORDER BY file, line LIMIT 1",
        super::sql::ABOVE
    );
    let at = |rows: &Rows, message: String| {
        Problem::new(message).at(manifest.resolve(rows.text("file", 0).unwrap_or_default()), rows.count("line", 0), 0)
    };
    let of = match table.present.contains("request_id") {
        true => "one request and position",
        false => "one position",
    };
    let mut problems = Vec::new();
    let rows = engine.rows(&twice).await?;
    if !rows.is_empty() {
        problems.push(at(&rows, format!("the candidate lists an item of {of} twice, here for the first time")));
    }
    let rows = engine.rows(&above).await?;
    if !rows.is_empty() {
        let total = rows.float("total", 0).unwrap_or(0.0) / 1e12;
        let message = format!("the candidate's probabilities of {of}, which begins here, add up to {total:.6}");
        let help = match table.present.contains("position") {
            true => "each position shows one item, so that they add up to at most 1",
            false => {
                "without a column `position` they hold for each position, which shows one item: they add up to at most 1"
            }
        };
        problems.push(at(&rows, message).help(help));
    }
    all_clear(problems)
}
