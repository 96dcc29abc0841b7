//! Outcomes by segment: per-subject sums, and from them the few sums that a cluster-robust interval needs.
//!
//! One plan reads the log, adds up by subject and then by every combination of attributes; segments and subgroups of any
//! depth are rolled up from those few rows.

use std::collections::BTreeMap;

use super::segments::{CODED, DECIDED, KINDS, UNKNOWN, column, label};
use crate::engine::{Engine, quoted};
use crate::error::Result;
use crate::manifest::Unit;
use crate::metrics::{METRICS, Metric, Per};
use crate::stats::ClusterSums;

/// The sums of one segment under one strategy.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    pub strategy: String,
    pub metric: &'static Metric,
    /// The attributes that make the segment, with their values.
    pub segment: BTreeMap<String, String>,
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
    pub metrics: &'a [&'static Metric],
    pub attributes: &'a [&'a str],
    /// Attributes that a segment may combine, at least 1.
    pub depth: usize,
    pub within: &'a [String],
    /// K of measures of ranking.
    pub cutoff: Option<u32>,
    /// The first places of a list that count as selected, where the log does not say what was.
    pub places: Option<u32>,
}

/// Sums every metric by strategy and segment; and for single attributes again within each value of each `within` column.
pub async fn cells(engine: &Engine, question: &Question<'_>) -> Result<Vec<Cell>> {
    let mut cells = Vec::new();
    for part in parts(engine, question).await? {
        add(engine, question, &part, &mut cells).await?;
    }
    let order = |cell: &Cell| METRICS.iter().position(|metric| metric.id == cell.metric.id);
    cells.sort_by_cached_key(|cell| {
        let names: Vec<String> = cell.segment.keys().cloned().collect();
        let values: Vec<String> = cell.segment.values().cloned().collect();
        (order(cell), names.len(), cell.strategy.clone(), names, cell.within.clone(), values)
    });
    Ok(cells)
}

/// Metrics that one plan sums.
pub(super) struct Part {
    pub metrics: Vec<&'static Metric>,
    /// Per unit with the number of its combination of attributes: for every metric `{id}_n`, `{id}_y` and `{id}_k`.
    pub per_unit: String,
    /// The column within whose values it is counted.
    pub within: Option<String>,
    /// Attributes that a segment may combine.
    depth: usize,
}

/// What is summed, by what it is summed per.
pub(super) async fn parts(engine: &Engine, question: &Question<'_>) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    if question.attributes.is_empty() {
        return Ok(parts);
    }
    let of = |per: fn(Per) -> bool| -> Vec<&'static Metric> {
        question.metrics.iter().copied().filter(|metric| per(metric.per)).collect()
    };
    let mut add = |metrics: &[&'static Metric], per_unit: String, within: Option<&String>, depth: usize| {
        parts.push(Part { metrics: metrics.to_vec(), per_unit, within: within.cloned(), depth });
    };
    let rows = of(|per| matches!(per, Per::Impression | Per::Decision | Per::Subject));
    if !rows.is_empty() {
        add(&rows, question.per_unit(&rows, None), None, question.depth);
    }
    // Only an impression has a position or a place.
    let single = of(|per| per == Per::Impression);
    for within in question.within.iter().filter(|_| !single.is_empty()) {
        add(&single, question.per_unit(&single, Some(within)), Some(within), 1);
    }
    let lists = of(|per| per == Per::List);
    if !lists.is_empty() {
        let most = engine.rows("SELECT max(impressions) AS n FROM decisions").await?.count("n", 0);
        engine.small_table("ideal", ideal(most)?)?;
        add(&lists, question.per_subject(&lists), None, question.depth);
    }
    let exposure = of(|per| per == Per::AllDecisions);
    if !exposure.is_empty() {
        add(&exposure, from_decisions(), None, question.depth);
    }
    Ok(parts)
}

/// Adds up a part by strategy and segment.
async fn add(engine: &Engine, question: &Question<'_>, part: &Part, cells: &mut Vec<Cell>) -> Result<()> {
    let (metrics, within) = (&part.metrics, part.within.as_ref());
    let rows = engine.rows(&question.by_segment(metrics, &part.per_unit, part.depth)).await?;
    for row in 0..rows.len() {
        let text = |column: &str| rows.text(column, row).map(str::to_owned);
        let attributes = question.attributes.iter();
        let segment: BTreeMap<String, String> =
            attributes.filter_map(|name| Some(((*name).to_owned(), text(&label(name))?))).collect();
        for metric in metrics {
            let sum = |name: &str| rows.float(&format!("{}_{name}", metric.id), row).unwrap_or(0.0);
            let units = rows.count(&format!("{}_m", metric.id), row);
            if units == 0 {
                continue;
            }
            let unit = metric.scale.unit();
            cells.push(Cell {
                strategy: text("strategy").unwrap_or_default(),
                metric,
                segment: segment.clone(),
                within: within.map(|column| (column.clone(), text("within").unwrap_or_default())),
                units,
                impressions: rows.count(&format!("{}_k", metric.id), row),
                sums: ClusterSums {
                    clusters: units,
                    n: sum("n"),
                    y: sum("y") * unit,
                    nn: sum("nn"),
                    yy: sum("yy") * unit * unit,
                    ny: sum("ny") * unit,
                    ..ClusterSums::default()
                },
            });
        }
    }
    Ok(())
}

impl Question<'_> {
    /// Per unit, from impressions: `{id}_n` over which the mean is taken, `{id}_y` what is averaged, `{id}_k` impressions.
    fn per_unit(&self, metrics: &[&'static Metric], within: Option<&String>) -> String {
        let place = |of: &str| {
            within.map_or("''".to_owned(), |w| format!("coalesce(CAST({of}{} AS VARCHAR), '{UNKNOWN}')", quoted(w)))
        };
        if self.unit == Unit::Impression {
            let sums = metrics.iter().map(|metric| {
                let (id, value) = (metric.id, metric.sql(self.places));
                let one = format!("CASE WHEN {value} IS NULL THEN 0 ELSE 1 END");
                format!(", {one} AS {id}_n, coalesce({value}, 0) AS {id}_y, {one} AS {id}_k")
            });
            let (sums, place) = (sums.collect::<String>(), place(""));
            return format!("SELECT strategy, {place} AS within, segment{sums} FROM {CODED}");
        }
        let sums = metrics.iter().map(|metric| {
            let (id, value) = (metric.id, metric.sql(self.places));
            format!(", count({value}) AS {id}_k, coalesce(sum({value}), 0) AS {id}_y")
        });
        let (sums, place) = (sums.collect::<String>(), place(""));
        let per_subject = format!(
            "SELECT strategy, who, min(segment) AS segment, {place} AS within{sums} FROM {CODED} \
             GROUP BY strategy, who, {place}"
        );
        let decided = metrics.iter().any(|metric| metric.per == Per::Decision);
        let over = metrics.iter().map(|metric| {
            let id = metric.id;
            let over = match metric.per {
                Per::Impression => format!("u.{id}_k"),
                Per::Decision => format!("CASE WHEN u.{id}_k > 0 THEN d.decisions ELSE 0 END"),
                _ => format!("CASE WHEN u.{id}_k > 0 THEN 1 ELSE 0 END"),
            };
            format!(", {over} AS {id}_n, u.{id}_y, u.{id}_k")
        });
        let join = if decided {
            format!(" JOIN {DECIDED} d ON u.strategy = d.strategy AND u.who = d.who")
        } else {
            String::new()
        };
        let over = over.collect::<String>();
        format!("SELECT u.strategy, u.within, u.segment{over} FROM ({per_subject}) u{join}")
    }

    /// Per subject, from each decision's list.
    fn per_subject(&self, metrics: &[&'static Metric]) -> String {
        let top = self.cutoff.map_or("relevant IS NOT NULL".to_owned(), |k| format!("position <= {k}"));
        let most = self.cutoff.map_or("l.relevant".to_owned(), |k| format!("least(l.relevant, {k})"));
        // Whole numbers, so that sums do not depend on their order.
        let lists = format!(
            "SELECT strategy, who, min(segment) AS segment, count(*) AS rows, sum(relevant) AS relevant, \
             count(*) FILTER (WHERE {top}) AS judged, \
             coalesce(sum(relevant) FILTER (WHERE {top}), 0) AS hits, \
             min(position) FILTER (WHERE relevant = 1 AND {top}) AS first, \
             coalesce(sum(CAST(round(1e9 / log2(position + 1)) AS BIGINT)) FILTER (WHERE relevant = 1 AND {top}), 0) AS gain \
             FROM {CODED} WHERE relevant IS NOT NULL AND position > 0 GROUP BY strategy, who, list"
        );
        let valued = metrics.iter().map(|metric| format!(", {} AS {}", metric.value, quoted(metric.id)));
        let valued = format!(
            "SELECT strategy, who, segment, rows{} FROM (SELECT l.*, i.gain AS ideal FROM ({lists}) l LEFT JOIN ideal i \
             ON {most} = i.n) WHERE judged > 0",
            valued.collect::<String>()
        );
        let means = metrics.iter().map(|metric| {
            let (id, value) = (metric.id, quoted(metric.id));
            format!(
                ", CASE WHEN count({value}) > 0 THEN 1 ELSE 0 END AS {id}_n, \
                 coalesce(CAST(round(CAST(sum({value}) AS DOUBLE) / nullif(count({value}), 0)) AS BIGINT), 0) AS {id}_y, \
                 coalesce(sum(rows) FILTER (WHERE {value} IS NOT NULL), 0) AS {id}_k"
            )
        });
        format!(
            "SELECT strategy, '' AS within, min(segment) AS segment{} FROM ({valued}) GROUP BY strategy, who",
            means.collect::<String>()
        )
    }

    /// The sums that intervals need, of every combination of values, and of those the segments up to `depth`.
    fn by_segment(&self, metrics: &[&'static Metric], per_unit: &str, depth: usize) -> String {
        let names: Vec<String> = self.attributes.iter().map(|name| column(name)).collect();
        let (mut finest, mut rolled) = (String::new(), String::new());
        for metric in metrics {
            let id = metric.id;
            // Products of amounts outgrow 64 bits; decimals add up exactly in any order.
            let wide = |sum: &str| format!("CAST({id}_{sum} AS DECIMAL(19, 0))");
            let (n, y) = (wide("n"), wide("y"));
            finest += &format!(
                ", count(*) FILTER (WHERE {id}_n > 0) AS {id}_m, sum({id}_k) AS {id}_k, sum({id}_n) AS {id}_n, \
                 sum({id}_y) AS {id}_y, sum({n} * {n}) AS {id}_nn, sum({y} * {y}) AS {id}_yy, sum({n} * {y}) AS {id}_ny"
            );
            rolled += &format!(", sum({id}_m) AS {id}_m, sum({id}_k) AS {id}_k");
            let sums = ["n", "y", "nn", "yy", "ny"].iter();
            rolled += &sums.map(|sum| format!(", CAST(sum({id}_{sum}) AS DOUBLE) AS {id}_{sum}")).collect::<String>();
        }
        let all = names.join(", ");
        let named = names.iter().map(|name| format!("k.{name} AS {name}")).collect::<Vec<_>>().join(", ");
        let sets = subsets(&names, depth);
        let sets: Vec<String> = sets.iter().map(|set| format!("(strategy, within, {})", set.join(", "))).collect();
        format!(
            "SELECT strategy, within, {all}{rolled} FROM (SELECT f.*, {named} FROM \
             (SELECT strategy, within, segment{finest} FROM ({per_unit}) GROUP BY strategy, within, segment) f \
             JOIN {KINDS} k ON f.segment = k.segment) GROUP BY GROUPING SETS ({})",
            sets.join(", ")
        )
    }
}

/// Per subject and strategy, from decisions: also of those whom the strategy never decided about.
fn from_decisions() -> String {
    format!(
        "SELECT s.strategy AS strategy, '' AS within, a.segment AS segment, a.n AS exposure_n, \
         coalesce(o.decisions, 0) AS exposure_y, coalesce(o.shown, 0) AS exposure_k \
         FROM (SELECT DISTINCT strategy FROM {DECIDED}) s CROSS JOIN \
         (SELECT who, min(segment) AS segment, sum(decisions) AS n FROM {DECIDED} GROUP BY who) a \
         LEFT JOIN {DECIDED} o ON s.strategy = o.strategy AND a.who = o.who"
    )
}

/// All subsets of one to `depth` names.
fn subsets(names: &[String], depth: usize) -> Vec<Vec<&str>> {
    let mut all: Vec<Vec<&str>> = Vec::new();
    let mut last: Vec<(usize, Vec<&str>)> = vec![(0, Vec::new())];
    for _ in 0..depth.min(names.len()) {
        let longer = last.iter().flat_map(|(from, set)| {
            (*from..names.len()).map(move |next| {
                let mut longer = set.clone();
                longer.push(names[next].as_str());
                (next + 1, longer)
            })
        });
        last = longer.collect();
        all.extend(last.iter().map(|(_, set)| set.clone()));
    }
    all
}

/// The discounted gain of n relevant items in the first n places, for every n up to `most`.
fn ideal(most: u64) -> Result<datafusion::arrow::array::RecordBatch> {
    use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
    let most = i64::try_from(most).unwrap_or(i64::MAX).min(1_000_000);
    let mut gain = 0;
    let gains: Vec<i64> = (1..=most)
        .map(|place| {
            gain += (1e9 / ((place + 1) as f64).log2()).round() as i64;
            gain
        })
        .collect();
    let counts: ArrayRef = std::sync::Arc::new(Int64Array::from_iter_values(1..=most));
    Ok(RecordBatch::try_from_iter([("n", counts), ("gain", std::sync::Arc::new(Int64Array::from(gains)) as ArrayRef)])?)
}
