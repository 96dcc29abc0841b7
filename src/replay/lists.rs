//! What lists are like: how popular and how varied what people are shown is, and whether it follows what they liked.
//!
//! Every measure is one pair of whole numbers per strategy and person, whose sums by segment do not depend on their
//! order. What is popular and what a person likes is learned from before the log, never from the log itself.

use crate::engine::{Engine, Rows, literal, quoted};
use crate::error::Result;
use crate::replay::segments::Segments;
use crate::stats::ClusterSums;

/// The share of all interactions that the head of the catalogue makes; what is left is its tail (Abdollahpouri, Burke &
/// Mobasher 2017).
const HEAD: &str = "0.8";
/// How much of a person's own taste is mixed into what they are shown, so that the divergence stays finite (Steck 2018).
const ALPHA: &str = "0.01";

/// What is measured of the lists of one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Mean popularity of what is shown: people who had the item before.
    Popularity,
    /// That over the mean popularity of what the person had before, less 1.
    PopularityLift,
    /// The share of what is shown that is of the tail.
    TailShare,
    /// The divergence of the categories shown from those of the person's history, in nats.
    Miscalibration,
    /// Distinct categories in a list.
    Categories,
    /// Entropy of the categories in a list, in nats.
    Entropy,
}

impl Measure {
    pub const ALL: [Self; 6] = [
        Self::Popularity,
        Self::PopularityLift,
        Self::TailShare,
        Self::Miscalibration,
        Self::Categories,
        Self::Entropy,
    ];

    pub fn id(self) -> &'static str {
        match self {
            Self::Popularity => "popularity",
            Self::PopularityLift => "popularity_lift",
            Self::TailShare => "tail_share",
            Self::Miscalibration => "miscalibration",
            Self::Categories => "categories_per_list",
            Self::Entropy => "category_entropy",
        }
    }

    /// The plan of one row per strategy and person, with `n` and `y`; and the units in which the two are counted.
    fn plan(self) -> (String, f64, f64) {
        let mean = |y: &str, from: &str| {
            format!("SELECT strategy, subject_id, 1 AS n, CAST(round({y}) AS BIGINT) AS y FROM {from}")
        };
        match self {
            Self::Popularity => (mean("1e6 * fans / n", "list_popularity"), 1.0, 1e-6),
            Self::TailShare => (mean("1e9 * tail / n", "list_popularity"), 1.0, 1e-9),
            Self::PopularityLift => (
                "SELECT l.strategy AS strategy, l.subject_id AS subject_id, CAST(round(1e6 * h.fans / h.n) AS BIGINT) AS n, \
                 CAST(round(1e6 * l.fans / l.n) AS BIGINT) AS y \
                 FROM list_popularity l JOIN (SELECT a.subject_id AS subject_id, count(*) AS n, sum(i.fans) AS fans \
                 FROM list_history a JOIN item_popularity i ON a.item_id = i.item_id GROUP BY a.subject_id) h \
                 ON l.subject_id = h.subject_id"
                    .to_owned(),
                1e-6,
                1e-6,
            ),
            Self::Miscalibration => (mean("kl", "list_calibration"), 1.0, 1e-9),
            Self::Categories => (mean("1e9 * categories / lists", "list_variety"), 1.0, 1e-9),
            Self::Entropy => (mean("entropy / lists", "list_variety"), 1.0, 1e-9),
        }
    }
}

/// What people did before the log.
#[derive(Debug, Clone, Copy)]
pub struct History {
    /// Whether it says how much each interaction weighs.
    pub weighted: bool,
}

/// What to sum.
pub struct Question<'a> {
    pub segments: &'a Segments,
    pub history: Option<History>,
    /// The column of items that says what they are about.
    pub categories: Option<&'a str>,
}

/// The people of one segment under one strategy.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    pub strategy: String,
    pub attribute: String,
    pub value: String,
    pub measure: Measure,
    /// All people of the segment whom the strategy decided about.
    pub people: u64,
    /// Of those of them with a value.
    pub sums: ClusterSums,
}

/// Sums every measure that the evidence allows, by strategy and value of every attribute.
pub async fn cells(engine: &Engine, question: &Question<'_>) -> Result<Vec<Cell>> {
    let mut cells = Vec::new();
    let mut measures = Vec::new();
    if question.segments.attributes.is_empty() {
        return Ok(cells);
    }
    if let Some(history) = question.history {
        stage_popularity(engine, history).await?;
        measures.extend([Measure::Popularity, Measure::PopularityLift, Measure::TailShare]);
    }
    if let Some(categories) = question.categories {
        stage_variety(engine, categories).await?;
        measures.extend([Measure::Categories, Measure::Entropy]);
        if question.history.is_some() {
            stage_calibration(engine).await?;
            measures.push(Measure::Miscalibration);
        }
    }
    for measure in measures {
        let (plan, scale_n, scale_y) = measure.plan();
        let name = format!("list_{}", measure.id());
        engine.stage(&format!("{name}_by_person"), &plan).await?;
        for attribute in question.segments.attributes.keys() {
            let rows =
                engine.rows(&by_segment(&format!("{name}_by_person"), &super::segments::column(attribute))).await?;
            let read = |row| read(&rows, row, attribute, measure, (scale_n, scale_y));
            cells.extend((0..rows.len()).map(read));
        }
    }
    Ok(cells)
}

/// `item_popularity`, `list_history` (distinct person and item) and `list_popularity` (sums per strategy and person).
async fn stage_popularity(engine: &Engine, history: History) -> Result<()> {
    let first = engine.rows("SELECT min(at) AS first FROM decisions").await?.integer("first", 0).unwrap_or(i64::MAX);
    let weight = if history.weighted { "coalesce(weight, 1)" } else { "1.0" };
    let before = format!(
        "SELECT subject_id, item_id, count(*) AS uses, \
         sum(CAST(round(1e6 * CASE WHEN {weight} > 0 AND {weight} <= 1e6 THEN {weight} ELSE 0 END) AS BIGINT)) AS weight \
         FROM history WHERE timestamp IS NULL OR timestamp < {first} GROUP BY subject_id, item_id"
    );
    engine.stage("list_history", &before).await?;
    let popularity = format!(
        "SELECT item_id, fans, CASE WHEN before >= {HEAD} * total THEN 1 ELSE 0 END AS tail FROM \
         (SELECT item_id, fans, sum(uses) OVER () AS total, sum(uses) OVER (ORDER BY uses DESC, item_id ROWS BETWEEN \
         UNBOUNDED PRECEDING AND CURRENT ROW) - uses AS before FROM \
         (SELECT item_id, count(*) AS fans, sum(uses) AS uses FROM list_history GROUP BY item_id))"
    );
    engine.stage("item_popularity", &popularity).await?;
    engine
        .stage(
            "list_popularity",
            "SELECT s.strategy AS strategy, s.subject_id AS subject_id, count(*) AS n, sum(i.fans) AS fans, \
             sum(i.tail) AS tail FROM shown s JOIN item_popularity i ON s.item_id = i.item_id \
             GROUP BY s.strategy, s.subject_id",
        )
        .await
}

/// `item_categories`, `list_categories` (weights by rank, per person and category) and `list_variety`.
async fn stage_variety(engine: &Engine, categories: &str) -> Result<()> {
    let column = format!("CAST({} AS VARCHAR)", quoted(categories));
    let items = format!(
        "SELECT item_id, min({column}) AS category FROM items WHERE {column} IS NOT NULL GROUP BY item_id \
         HAVING min({column}) = max({column})"
    );
    engine.stage("item_categories", &items).await?;
    // A row per list and category: how often, and how much it weighs by rank.
    let rank = "CASE WHEN s.position > 1 THEN s.position ELSE 1 END";
    let lists = format!(
        "SELECT s.strategy AS strategy, s.subject_id AS subject_id, \
         coalesce(s.request_id, CAST(s.timestamp AS VARCHAR)) AS list, c.category AS category, count(*) AS n, \
         sum(CAST(round(1e9 / log2({rank} + 1)) AS BIGINT)) AS weight \
         FROM shown s JOIN item_categories c ON s.item_id = c.item_id \
         GROUP BY s.strategy, s.subject_id, coalesce(s.request_id, CAST(s.timestamp AS VARCHAR)), c.category"
    );
    engine.stage("list_categories", &lists).await?;
    engine
        .stage(
            "list_variety",
            "SELECT strategy, subject_id, count(*) AS lists, sum(categories) AS categories, \
             sum(CAST(round(1e9 * (ln(n) - nlogn / n)) AS BIGINT)) AS entropy FROM \
             (SELECT strategy, subject_id, list, count(*) AS categories, sum(n) AS n, \
             sum(CAST(round(1e9 * n * ln(n)) AS BIGINT)) * 1e-9 AS nlogn \
             FROM list_categories GROUP BY strategy, subject_id, list) GROUP BY strategy, subject_id",
        )
        .await
}

/// `list_calibration`: Kullback & Leibler's divergence of what is shown from the person's own taste.
async fn stage_calibration(engine: &Engine) -> Result<()> {
    let taste = "SELECT subject_id, category, CAST(weight AS DOUBLE) / sum(weight) OVER (PARTITION BY subject_id) AS p \
         FROM (SELECT h.subject_id AS subject_id, c.category AS category, sum(h.weight) AS weight \
         FROM list_history h JOIN item_categories c ON h.item_id = c.item_id WHERE h.weight > 0 \
         GROUP BY h.subject_id, c.category)";
    engine.stage("list_tastes", taste).await?;
    let shown = "SELECT strategy, subject_id, category, \
         CAST(weight AS DOUBLE) / sum(weight) OVER (PARTITION BY strategy, subject_id) AS q FROM \
         (SELECT strategy, subject_id, category, sum(weight) AS weight FROM list_categories \
         GROUP BY strategy, subject_id, category)";
    engine.stage("list_shown", shown).await?;
    let term = format!("p.p * ln(p.p / ((1 - {ALPHA}) * coalesce(q.q, 0) + {ALPHA} * p.p))");
    engine
        .stage(
            "list_calibration",
            &format!(
                "SELECT l.strategy AS strategy, l.subject_id AS subject_id, sum(CAST(round(1e9 * {term}) AS BIGINT)) AS kl \
                 FROM (SELECT DISTINCT strategy, subject_id FROM list_shown) l \
                 JOIN list_tastes p ON l.subject_id = p.subject_id \
                 LEFT JOIN list_shown q ON l.strategy = q.strategy AND l.subject_id = q.subject_id \
                 AND p.category = q.category GROUP BY l.strategy, l.subject_id"
            ),
        )
        .await
}

fn by_segment(table: &str, column: &str) -> String {
    // Products outgrow 64 bits; decimals add up exactly in any order.
    let wide = |name: &str| format!("CAST(v.{name} AS DECIMAL(19, 0))");
    let (n, y) = (wide("n"), wide("y"));
    let unknown = literal(crate::replay::segments::UNKNOWN);
    format!(
        "SELECT a.strategy AS strategy, coalesce(p.{column}, {unknown}) AS value, count(*) AS people, count(v.n) AS m, \
         sum(v.n) AS n, sum(v.y) AS y, CAST(sum({n} * {n}) AS DOUBLE) AS nn, CAST(sum({y} * {y}) AS DOUBLE) AS yy, \
         CAST(sum({n} * {y}) AS DOUBLE) AS ny FROM (SELECT DISTINCT strategy, subject_id FROM decisions) a \
         JOIN people p ON a.subject_id = p.subject_id \
         LEFT JOIN {table} v ON a.strategy = v.strategy AND a.subject_id = v.subject_id \
         GROUP BY a.strategy, p.{column} ORDER BY strategy, value"
    )
}

fn read(rows: &Rows, row: usize, attribute: &str, measure: Measure, (scale_n, scale_y): (f64, f64)) -> Cell {
    let text = |name: &str| rows.text(name, row).unwrap_or_default().to_owned();
    let float = |name: &str| rows.float(name, row).unwrap_or(0.0);
    Cell {
        strategy: text("strategy"),
        attribute: attribute.to_owned(),
        value: text("value"),
        measure,
        people: rows.count("people", row),
        sums: ClusterSums {
            clusters: rows.count("m", row),
            n: float("n") * scale_n,
            y: float("y") * scale_y,
            nn: float("nn") * scale_n * scale_n,
            yy: float("yy") * scale_y * scale_y,
            ny: float("ny") * scale_n * scale_y,
            ..ClusterSums::default()
        },
    }
}
