//! The spread of the direct method: how far chance could have moved the model, and whom it is asked about.
//!
//! The estimate of a segment is Σm / N over its N rows. With M(a) the candidate's probability of the item a in a place, added
//! up over the segment's rows there, Σm = Σ M(a)·q(a), where q(a) = (S + 20·r̄) / (n + 20) of the n rows of a with rewards S, r̄
//! the mean of the place. To the first order (the delta method; Hampel 1974 on influence), a row of the log with reward r
//! moves it by
//!
//! ```text
//! u = (m − Σm/N, in the segment) + M(a)/(n + 20)·(r − q(a)) + (Σ over a' of M(a')·20/(n(a') + 20))·(r − r̄)/n_place
//! ```
//!
//! over N. All rows of the log count, those of other segments, too: the model is of all of them. What one person's rows come
//! to is added up before it is squared.

use std::fmt::Write;

use super::sql::{PRIOR, WHOLE, context, joined, listed};
use super::{Cell, Question, Scales, step};
use crate::engine::{Engine, literal};
use crate::error::Result;
use crate::manifest::Unit;
use crate::metrics::Metric;
use crate::replay::segments::column;
use crate::stats::off_policy::Estimator;

/// So many segments are summed in one pass over the log, as columns of it.
const BATCH: usize = 16;

/// Sets [`crate::stats::off_policy::Sums::direct_spread`] of every cell that is shown.
pub(super) async fn spread(
    engine: &Engine,
    question: &Question<'_>,
    scales: &Scales,
    cells: &mut [Cell],
) -> Result<()> {
    for (at, metric) in question.metrics.iter().enumerate() {
        let shown = |cell: &&mut Cell| cell.metric.id == metric.id && cell.units >= question.min_cell;
        let mut shown: Vec<&mut Cell> = cells.iter_mut().filter(shown).collect();
        for batch in shown.chunks_mut(BATCH) {
            of_batch(engine, question, (metric, scales.most[at], scales.direct[at]), batch).await?;
        }
    }
    Ok(())
}

/// The condition of a segment's rows.
fn within(cell: &Cell) -> String {
    let conditions = cell.segment.iter().map(|(name, value)| format!("{} = {}", column(name), literal(value)));
    conditions.chain(["used = 1".to_owned()]).collect::<Vec<_>>().join(" AND ")
}

/// One column for each segment.
fn columns(cells: &[&mut Cell], of: impl Fn(usize, &Cell) -> String) -> String {
    cells.iter().enumerate().fold(String::new(), |mut sql, (k, cell)| {
        let _ = write!(sql, ", {}", of(k, cell));
        sql
    })
}

async fn of_batch(
    engine: &Engine,
    question: &Question<'_>,
    (metric, most, direct): (&Metric, f64, f64),
    cells: &mut [&mut Cell],
) -> Result<()> {
    let (id, keys) = (metric.id, context(question.table));
    let by = keys.join(", ");
    let rows = columns(cells, |k, cell| format!("sum(CASE WHEN {} THEN {id}_0 ELSE 0 END) AS n{k}", within(cell)));
    let shares = format!("SELECT {by}{rows} FROM candidate_rows WHERE used = 1 GROUP BY {by}");
    let masses = columns(cells, |k, _| {
        let mass = format!("CAST(CAST(round(c.p * {WHOLE}) AS BIGINT) AS DECIMAL(19, 0))");
        format!("sum({mass} * CAST(s.n{k} AS DECIMAL(19, 0))) AS mass{k}")
    });
    let masses = format!(
        "SELECT {}{masses} FROM candidate_choices c JOIN ({shares}) s ON {} GROUP BY c.item_id, c.place",
        listed("c.", &["item_id", "place"]),
        joined("c", "s", &keys)
    );
    engine.stage("candidate_masses", &masses).await?;
    let priors = columns(cells, |k, _| {
        let prior = format!("CAST(m.mass{k} AS DOUBLE) * {PRIOR}.0 / (coalesce(q.{id}_n, 0) + {PRIOR}.0)");
        format!("sum(CAST(round({prior}) AS DECIMAL(38, 0))) AS prior{k}")
    });
    let priors = format!(
        "SELECT m.place AS place{priors} FROM candidate_masses m \
         LEFT JOIN candidate_model q ON m.item_id = q.item_id AND m.place = q.place GROUP BY m.place"
    );
    let leverage = columns(cells, |k, _| {
        let share = |of: &str, n: &str| format!("coalesce(CAST({of}{k} AS DOUBLE), 0.0) / {WHOLE} / {n}");
        let own = share("m.mass", &format!("(q.{id}_n + {PRIOR}.0)"));
        format!("{own} AS own{k}, coalesce({}, 0.0) AS all{k}", share("p.prior", &format!("nullif(l.{id}_n, 0)")))
    });
    let leverage = format!(
        "SELECT {}, q.{id}_q AS q, l.{id}_mean AS mean{leverage} FROM candidate_model q \
         JOIN candidate_places l ON q.place = l.place LEFT JOIN ({priors}) p ON q.place = p.place \
         LEFT JOIN candidate_masses m ON q.item_id = m.item_id AND q.place = m.place",
        listed("q.", &["item_id", "place"])
    );
    engine.stage("candidate_leverage", &leverage).await?;
    let largest = columns(cells, |k, _| format!("max(own{k} + all{k}) AS most{k}"));
    let largest = engine.rows(&format!("SELECT 1 AS one{largest} FROM candidate_leverage")).await?;
    let unit = metric.scale.unit();
    let scales: Vec<f64> = (0..cells.len())
        .map(|k| step(2.0 * most * (1.0 + largest.float(&format!("most{k}"), 0).unwrap_or(0.0))))
        .collect();
    let moves = columns(cells, |k, cell| {
        let estimate = cell.sums.estimate(Estimator::DirectMethod).unwrap_or(0.0) / unit;
        let own = format!("CASE WHEN {} THEN {id}_direct / {direct:e} - ({estimate:e}) ELSE 0.0 END", within(cell));
        let all = format!("own{k} * ({id} - q) + all{k} * ({id} - mean)");
        format!("CAST(round(({own} + {all}) * {:e}) AS BIGINT) AS u{k}", scales[k])
    });
    let moves = format!(
        "SELECT r.subject_id AS subject_id{moves} FROM candidate_rows r \
         JOIN candidate_leverage x ON r.item_id = x.item_id AND r.place = x.place WHERE r.{id} IS NOT NULL"
    );
    let per_unit = match question.unit {
        Unit::Subject => {
            let sums = columns(cells, |k, _| format!("sum(u{k}) AS u{k}"));
            format!("SELECT subject_id{sums} FROM ({moves}) GROUP BY subject_id")
        }
        Unit::Impression => moves,
    };
    let squares = columns(cells, |k, _| {
        let wide = format!("CAST(u{k} AS DECIMAL(19, 0))");
        format!("CAST(sum({wide} * {wide}) AS DOUBLE) AS uu{k}, CAST(sum({wide}) AS DOUBLE) AS u{k}")
    });
    let sums = engine.rows(&format!("SELECT count(*) AS units{squares} FROM ({per_unit})")).await?;
    let units = sums.count("units", 0) as f64;
    for (k, cell) in cells.iter_mut().enumerate() {
        let (Some(uu), Some(u)) = (sums.float(&format!("uu{k}"), 0), sums.float(&format!("u{k}"), 0)) else { continue };
        let n = cell.sums.total[0] / unit * scales[k];
        cell.sums.direct_spread = Some(((uu - u * u / units) / n / n).max(0.0));
    }
    Ok(())
}
