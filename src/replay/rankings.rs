//! Every list by itself: how far the groups of items in it are from their targets, at each place and in attention.
//!
//! Nothing is smoothed, and no list is held: windows over its ranks give what a list is worth, and only sums by random
//! group of subjects come back. Lists and groups are numbered first, so that what has to be sorted is small. With D the
//! shares of the groups among the first k and r their targets, the divergence KL(D‖r) = (1/k)·Σ c_g·ln c_g − ln k −
//! (1/k)·Σ c_g·ln r_g needs no more than the count c of the group of each place so far: each place adds
//! c·ln c − (c−1)·ln(c−1) − ln r.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};

use super::items::{GROUPED, Groups, Segment, by_segment, key, names, text};
use super::positions::PLACES;
use super::segments::{CODED, Segments};
use crate::engine::Engine;
use crate::error::Result;
use crate::manifest::Unit;

/// Groups up to which bounds for items of unknown group are worked out: each list then has a row for each group.
pub const MOST_BOUNDED: usize = 20;

/// The target of each group by strategy.
pub type Targets = BTreeMap<String, BTreeMap<String, f64>>;

/// Sums over the lists of one random group of subjects.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ListSums {
    /// Lists with any item whose group is known and that got attention.
    pub lists: f64,
    /// Jensen-Shannon divergence of the attention in a list from the target, in nats.
    pub jsd: f64,
    /// Total variation distance of the two; with two groups, the difference.
    pub distance: f64,
    /// Lists without an item of a group whose target is 0, and their normalised discounted KL divergence, in nats.
    pub finite: f64,
    pub ndkl: f64,
    /// Lists with any item that got attention, and what their divergence is at least and at most, whatever the groups of
    /// their unknown items are.
    pub bounded: f64,
    pub low: f64,
    pub high: f64,
}

/// Lists by strategy and segment, and by random group of subjects.
pub type Lists = BTreeMap<(String, Segment), BTreeMap<String, ListSums>>;

/// Names the lists: `list`, `strategy`, `bucket` and the attributes of who was shown it. Where rows are the unit, the
/// segments have done so.
pub async fn number(engine: &Engine, segments: &Segments, unit: Unit) -> Result<()> {
    if unit == Unit::Impression {
        return Ok(());
    }
    let own: String = names(segments).iter().map(|name| format!(", p.{name} AS {name}")).collect();
    let sql = format!(
        "SELECT d.list AS list, d.strategy AS strategy, p.bucket AS bucket{own} FROM decisions d \
         JOIN people p ON d.subject_id = p.subject_id"
    );
    engine.view("numbered_lists", &sql).await
}

/// Puts `targets` where plans can read them.
fn stage_targets(engine: &Engine, groups: &Groups, targets: &Targets) -> Result<()> {
    let (mut strategies, mut numbers, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for (strategy, of) in targets {
        for (number, (group, _)) in (1..).zip(&groups.sizes) {
            strategies.push(strategy.as_str());
            numbers.push(number);
            shares.push(of.get(group).copied().unwrap_or(0.0));
        }
    }
    let strategies: ArrayRef = Arc::new(StringArray::from(strategies));
    let numbers: ArrayRef = Arc::new(Int64Array::from(numbers));
    let shares: ArrayRef = Arc::new(Float64Array::from(shares));
    let batch = RecordBatch::try_from_iter([("strategy", strategies), ("g", numbers), ("target", shares)])?;
    engine.small_table("targets", batch)
}

/// Every place of every list that gets attention. The group 0 is not known.
fn places() -> String {
    format!(
        "SELECT s.list AS list, s.strategy AS strategy, coalesce(g.g, 0) AS g, \
         CAST(round(p.weight * 1e12) AS BIGINT) AS weight, s.position AS position \
         FROM {CODED} s JOIN {PLACES} p ON s.position = p.position LEFT JOIN {GROUPED} g ON s.item_id = g.item_id"
    )
}

/// What a group adds to twice the divergence, of attention `e` and target `t`.
fn term(e: &str, t: &str) -> String {
    format!(
        "(CASE WHEN {e} > 0 THEN {e} * ln(2 * {e} / ({e} + {t})) ELSE 0 END \
         + CASE WHEN {t} > 0 THEN {t} * ln(2 * {t} / ({e} + {t})) ELSE 0 END)"
    )
}

/// A sum of numbers to their twelfth decimal, which does not depend on their order.
fn exact(value: &str) -> String {
    format!("(CAST(sum(CAST(round(1e12 * ({value})) AS BIGINT)) AS DOUBLE) / 1e12)")
}

/// Lists are spread over this many partitions of a window: one partition each would be slow for millions of them.
const SPREAD: u32 = 64;

/// `rows` in the order of `keys` and then `order`, with the `nth` of each and, where other keys begin, the same as `start`.
fn nth(keys: &str, order: &str, rows: &str) -> String {
    let window = format!("OVER (PARTITION BY list % {SPREAD} ORDER BY {keys}, {order})");
    let same: Vec<String> = keys.split(", ").map(|key| format!("lag({key}) {window} = {key}")).collect();
    format!(
        "SELECT *, CASE WHEN same THEN NULL ELSE nth END AS start FROM (SELECT *, \
         CAST(row_number() {window} AS BIGINT) AS nth, {} AS same FROM {rows})",
        same.join(" AND ")
    )
}

/// The place of a row of [`nth`] among those of its keys, from 1.
fn since_start(order: &str) -> String {
    format!(
        "nth + 1 - max(start) OVER (PARTITION BY list % {SPREAD} ORDER BY {order} ROWS BETWEEN UNBOUNDED PRECEDING AND \
         CURRENT ROW)"
    )
}

/// What each list is worth, without its items of unknown group.
fn values() -> String {
    let share = "(CAST(e AS DOUBLE) / total)";
    format!(
        "WITH placed AS (SELECT list, strategy, g, weight, position, {k} AS k FROM ({by_place})), numbered AS (SELECT *, {c} AS c FROM ({by_group_and_place})), \
         ranked AS (SELECT s.list AS list, s.g AS g, s.weight AS weight, coalesce(t.target, 0) AS target, l.total AS total, \
         CAST(s.k AS DOUBLE) AS k, CAST(s.c AS DOUBLE) AS c FROM numbered s \
         JOIN (SELECT list, sum(weight) AS total FROM list_places WHERE g > 0 GROUP BY list) l ON s.list = l.list \
         LEFT JOIN targets t ON s.strategy = t.strategy AND s.g = t.g), \
         added AS (SELECT *, CASE WHEN target > 0 THEN \
         CASE WHEN c > 1 THEN c * ln(c) - (c - 1) * ln(c - 1) ELSE 0 END - ln(target) END AS step FROM ranked WHERE total > 0), \
         prefixes AS (SELECT *, greatest(sum(step) OVER (PARTITION BY list ORDER BY k \
         ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) / k - ln(k), 0) / log2(k + 1) * 1e12 AS kl, \
         1e12 / log2(k + 1) AS z FROM added), \
         by_group AS (SELECT list, g, min(target) AS target, min(total) AS total, sum(weight) AS e, {kl} AS kl, {z} AS z \
         FROM prefixes GROUP BY list, g) \
         SELECT list, 0.5 * {divergence} + 0.5 * ln(2) * (1 - {targets}) AS jsd, \
         0.5 * {distance} + 0.5 * (1 - {targets}) AS distance, \
         CASE WHEN min(target) > 0 THEN CAST(sum(kl) AS DOUBLE) / sum(z) END AS ndkl FROM by_group GROUP BY list",
        by_place = nth("list", "position, g", "(SELECT * FROM list_places WHERE g > 0)"),
        k = since_start("list, position, g"),
        by_group_and_place = nth("list, g", "position", "placed"),
        c = since_start("list, g, position"),
        kl = "sum(CAST(round(kl) AS BIGINT))",
        z = "sum(CAST(round(z) AS BIGINT))",
        divergence = exact(&term(share, "target")),
        targets = exact("target"),
        distance = exact(&format!("abs({share} - target)")),
    )
}

/// Bounds of the divergence of lists with items of unknown group. Convex as it is in the shares, it is greatest when one
/// group has all unknown attention, and least when that fills up the groups furthest below their targets to one common
/// ratio λ = min over the k lowest of (unknown + their attention) ÷ their targets.
fn bounds() -> String {
    format!(
        "WITH of_group AS (SELECT list, strategy, g, sum(weight) AS e FROM list_places GROUP BY list, strategy, g), \
         of_list AS (SELECT list, strategy, sum(e) AS total, coalesce(sum(e) FILTER (WHERE g = 0), 0) AS unknown \
         FROM of_group GROUP BY list, strategy), \
         filled AS (SELECT l.list AS list, CAST(l.unknown AS DOUBLE) / l.total AS u, t.target AS target, \
         CAST(coalesce(o.e, 0) AS DOUBLE) / l.total AS a \
         FROM (SELECT * FROM of_list WHERE unknown > 0) l JOIN targets t ON l.strategy = t.strategy \
         LEFT JOIN of_group o ON o.list = l.list AND o.g = t.g), \
         levels AS (SELECT *, CASE WHEN target > 0 THEN (u + sum(a) OVER lowest) / sum(target) OVER lowest END AS level \
         FROM filled WINDOW lowest AS (PARTITION BY list ORDER BY CASE WHEN target > 0 THEN a / target ELSE 1e300 END, target \
         ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)), \
         mixed AS (SELECT *, greatest(a, min(level) OVER (PARTITION BY list) * target) AS x, a + u AS y FROM levels) \
         SELECT list, 0.5 * {low} AS low, 0.5 * ({sum} + max({all} - {none})) AS high FROM mixed GROUP BY list",
        low = exact(&term("x", "target")),
        sum = exact(&term("a", "target")),
        none = term("a", "target"),
        all = term("y", "target"),
    )
}

/// Adds up the lists, of which [`number`] has been called, by the groups that `super::items::stage` put in place.
pub async fn lists(engine: &Engine, segments: &Segments, groups: &Groups, targets: &Targets) -> Result<Lists> {
    stage_targets(engine, groups, targets)?;
    engine.stage("list_places", &places()).await?;
    engine.stage("list_values", &values()).await?;
    let few = groups.sizes.len() <= MOST_BOUNDED;
    let none = "SELECT CAST(NULL AS BIGINT) AS list, CAST(NULL AS DOUBLE) AS low, CAST(NULL AS DOUBLE) AS high";
    engine.stage("list_bounds", &if few { bounds() } else { none.to_owned() }).await?;
    let own: String = names(segments).iter().map(|name| format!(", l.{name} AS {name}")).collect();
    let by: String = names(segments).iter().map(|name| format!(", l.{name}")).collect();
    // Sums of decimals do not depend on their order.
    let decimal = |value: &str| format!("sum(CAST({value} AS DECIMAL(24, 12)))");
    let sums = format!(
        "SELECT l.strategy AS strategy, l.bucket AS bucket{own}, count(v.jsd) AS lists, {} AS jsd, {} AS distance, \
         count(v.ndkl) AS finite, {} AS ndkl, count(coalesce(b.low, v.jsd)) AS bounded, {} AS low, {} AS high \
         FROM numbered_lists l LEFT JOIN list_values v ON l.list = v.list LEFT JOIN list_bounds b ON l.list = b.list \
         GROUP BY l.strategy, l.bucket{by}",
        decimal("v.jsd"),
        decimal("v.distance"),
        decimal("v.ndkl"),
        decimal("coalesce(b.low, v.jsd)"),
        decimal("coalesce(b.high, v.jsd)"),
    );
    engine.stage("ranked_lists", &sums).await?;
    let columns = ["lists", "jsd", "distance", "finite", "ndkl", "bounded", "low", "high"];
    let sums = columns.map(|name| format!("CAST(coalesce(sum({name}), 0) AS DOUBLE) AS {name}")).join(", ");
    let rows = engine.rows(&by_segment("strategy, bucket", &sums, "ranked_lists", segments)).await?;
    let mut found = Lists::new();
    for row in 0..rows.len() {
        let [lists, jsd, distance, finite, ndkl, bounded, low, high] =
            columns.map(|name| rows.float(name, row).unwrap_or(0.0));
        let sums = ListSums { lists, jsd, distance, finite, ndkl, bounded, low, high };
        found.entry(key(&rows, row)).or_default().insert(text(&rows, "bucket", row), sums);
    }
    Ok(found)
}
