//! Prices by segment: what the same item cost in the same span of time, how much was taken off, and how dear the items
//! are that were shown.
//!
//! The log is read once, into one row per person, item and span. Values are summed as whole numbers, so that no sum
//! depends on its order: logarithms and discounts in 10⁻⁸, money in ten-thousandths.

use std::collections::BTreeMap;

use crate::engine::{Engine, Rows, literal};
use crate::error::Result;
use crate::manifest::Unit;
use crate::replay::segments::{CELLS, CODED, KINDS, SEVERAL, Segments, UNKNOWN};
use crate::stats::{ClusterSums, WithinSums};

/// A price above this, or not above 0, is left out: it is a mistake or no price.
const MOST: &str = "1e9";
/// To what logarithms and discounts are known.
const RESOLUTION: f64 = 1e-8;
const MONEY: f64 = 1e-4;
/// In what the sums of a person are counted that make the within estimator.
const FINE: f64 = 1e-11;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// The price of the same item in the same span.
    SameItemPrice,
    /// The discount on the same item in the same span.
    SameItemDiscount,
    /// The price shown, whatever the item.
    MeanPrice,
    /// 1 − price / list price.
    Discount,
    /// Impressions below the list price.
    DiscountedShare,
    /// The list price of what is shown.
    PriceLevel,
    /// Impressions of items dearer than the median of the catalogue.
    AboveMedianShare,
}

impl Measure {
    pub const ALL: [Self; 7] = [
        Self::SameItemPrice,
        Self::SameItemDiscount,
        Self::MeanPrice,
        Self::Discount,
        Self::DiscountedShare,
        Self::PriceLevel,
        Self::AboveMedianShare,
    ];

    pub fn id(self) -> &'static str {
        match self {
            Self::SameItemPrice => "same_item_price",
            Self::SameItemDiscount => "same_item_discount",
            Self::MeanPrice => "mean_price",
            Self::Discount => "discount",
            Self::DiscountedShare => "discounted_share",
            Self::PriceLevel => "price_level",
            Self::AboveMedianShare => "above_median_share",
        }
    }

    /// For those that are means over all impressions: the columns of `priced` with count and sum, and the sum's unit.
    fn mean(self) -> Option<(&'static str, &'static str, f64)> {
        match self {
            Self::SameItemPrice | Self::SameItemDiscount => None,
            Self::MeanPrice => Some(("n", "paid", MONEY)),
            Self::Discount => Some(("off_n", "off", RESOLUTION)),
            Self::DiscountedShare => Some(("off_n", "reduced", 1.0)),
            Self::PriceLevel => Some(("list_n", "list", MONEY)),
            Self::AboveMedianShare => Some(("list_n", "dear", 1.0)),
        }
    }
}

/// What to sum.
pub struct Question<'a> {
    pub unit: Unit,
    pub segments: &'a Segments,
    /// Microseconds within which prices of an item are compared.
    pub span: i64,
    /// Whether the log has prices.
    pub priced: bool,
    /// Whether items have list prices.
    pub listed: bool,
}

/// The impressions of one segment, for one mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    pub strategy: String,
    pub attribute: String,
    pub value: String,
    pub measure: Measure,
    /// Subjects, or impressions where an impression is the unit.
    pub units: u64,
    pub impressions: u64,
    /// Impressions whose price is not above 0, or above a billion.
    pub left_out: u64,
    pub sums: ClusterSums,
}

/// A segment beside the reference, in items and spans in which both were shown a price.
#[derive(Debug, Clone, PartialEq)]
pub struct Matched {
    pub strategy: String,
    pub attribute: String,
    pub segment: String,
    pub measure: Measure,
    pub cells: u64,
    pub items: u64,
    /// Units and impressions of the segment, then of the reference.
    pub units: [u64; 2],
    pub impressions: [u64; 2],
    /// The segment's mean over the cells, weighted as their comparison is: of log prices, or of discounts.
    pub mean: f64,
    pub sums: WithinSums,
}

/// What of a gap in mean price is due to the prices of items that both were shown (Kitagawa 1955), in the log's currency.
pub type Splits = BTreeMap<(String, String, String), f64>;

#[derive(Debug, Default)]
pub struct Prices {
    pub cells: Vec<Cell>,
    pub matched: Vec<Matched>,
    /// By strategy, attribute and segment.
    pub splits: Splits,
}

/// Reads the log once and sums by strategy and value of every attribute.
pub async fn sum(engine: &Engine, question: &Question<'_>) -> Result<Prices> {
    let mut prices = Prices::default();
    if question.segments.attributes.is_empty() {
        return Ok(prices);
    }
    if question.listed {
        engine.stage("list_prices", LIST_PRICES).await?;
    }
    engine.stage("priced", &priced(question)).await?;
    for (at, attribute) in question.segments.attributes.keys().enumerate() {
        let column = super::segments::column(attribute);
        let rows = engine.rows(&means(&column)).await?;
        read_means(&rows, attribute, question.unit, &mut prices.cells);
        if !question.priced {
            continue;
        }
        let Some(reference) = question.segments.references.get(attribute) else { continue };
        let pairs = format!("price_pairs_{at}");
        engine.stage(&pairs, &paired(&column, reference)).await?;
        let told = engine.rows(&matched(&pairs)).await?;
        let sums = engine.rows(&within(&column, &pairs, reference)).await?;
        read_matched(&told, &sums, attribute, question.unit, &mut prices.matched);
        read_splits(&engine.rows(&split(&column, reference)).await?, attribute, &mut prices.splits);
    }
    Ok(prices)
}

/// The list price of each item that has just one, and whether it lies above the median of all of them.
const LIST_PRICES: &str = "WITH i AS (SELECT item_id, min(price) AS list FROM items WHERE price > 0 AND price <= 1e9 \
     GROUP BY item_id HAVING min(price) = max(price)) \
     SELECT i.item_id AS item_id, i.list AS list, CASE WHEN i.list > m.middle THEN 1 ELSE 0 END AS dear \
     FROM i CROSS JOIN (SELECT median(list) AS middle FROM i) m";

/// One row per person, item and span; per person, where the log has no prices that could differ.
fn priced(question: &Question<'_>) -> String {
    let Question { unit, segments, span, priced, listed } = question;
    let (item, span) = if *priced {
        ("s.item_id".to_owned(), format!("s.timestamp / {span}"))
    } else {
        ("''".to_owned(), "CAST(0 AS BIGINT)".to_owned())
    };
    let names = |prefix: &str| -> String {
        segments.attributes.keys().map(|name| format!(", {prefix}{}", super::segments::column(name))).collect()
    };
    // Rows without people are of their random group and attributes.
    let who = if *unit == Unit::Subject { "who" } else { "cell" };
    let (list, dear, join) = if *listed {
        ("l.list", "l.dear", " LEFT JOIN list_prices l ON s.item_id = l.item_id")
    } else {
        ("CAST(NULL AS DOUBLE)", "CAST(NULL AS BIGINT)", "")
    };
    let good = format!("s.price > 0 AND s.price <= {MOST}");
    let whole = |value: &str| format!("coalesce(sum(CAST(round({value}) AS BIGINT)), 0)");
    let log = whole("ln(price) * 1e8");
    let paid = whole("price * 1e4");
    let list_sum = whole("list * 1e4");
    let off = whole("CASE WHEN price > 100 * list THEN -99.0 ELSE 1 - price / list END * 1e8");
    let rows = format!(
        "SELECT strategy, item_id, span, who, min(segment) AS segment, count(price) AS n, sum(bad) AS bad, {log} AS log, {paid} AS paid, \
         count(list) AS list_n, {list_sum} AS list, coalesce(sum(dear), 0) AS dear, \
         count(price / list) AS off_n, {off} AS off, \
         count(CASE WHEN round(price * 1e4) < round(list * 1e4) THEN 1 END) AS reduced \
         FROM (SELECT s.strategy AS strategy, {item} AS item_id, {span} AS span, s.{who} AS who, s.segment AS segment, \
         CASE WHEN {good} THEN s.price END AS price, \
         CASE WHEN s.price IS NOT NULL AND NOT ({good}) THEN 1 ELSE 0 END AS bad, \
         {list} AS list, {dear} AS dear FROM {CODED} s{join}) \
         GROUP BY strategy, item_id, span, who"
    );
    match unit {
        Unit::Subject => {
            format!("SELECT r.*{} FROM ({rows}) r JOIN {KINDS} k ON r.segment = k.segment", names("k."))
        }
        Unit::Impression => {
            let sums = "strategy, item_id, span, n, bad, log, paid, list_n, list, dear, off_n, off, reduced";
            let of = sums.split(", ").map(|name| format!("r.{name} AS {name}")).collect::<Vec<_>>().join(", ");
            format!("SELECT {of}, c.bucket AS who{} FROM ({rows}) r JOIN {CELLS} c ON r.who = c.cell", names("c."))
        }
    }
}

fn means(column: &str) -> String {
    let columns = ["n", "paid", "off_n", "off", "reduced", "list_n", "list", "dear", "bad"];
    let own = columns.map(|name| format!("sum({name}) AS {name}")).join(", ");
    // Products outgrow 64 bits; decimals add up exactly in any order.
    let wide = |name: &str| format!("CAST({name} AS DECIMAL(19, 0))");
    let sums = Measure::ALL.iter().filter_map(|measure| {
        let (n, y, _) = measure.mean()?;
        let (id, wn, wy) = (measure.id(), wide(n), wide(y));
        Some(format!(
            "count(*) FILTER (WHERE {n} > 0) AS {id}_m, sum({n}) AS {id}_n, sum({y}) AS {id}_y, \
             CAST(sum({wn} * {wn}) AS DOUBLE) AS {id}_nn, CAST(sum({wy} * {wy}) AS DOUBLE) AS {id}_yy, \
             CAST(sum({wn} * {wy}) AS DOUBLE) AS {id}_ny"
        ))
    });
    format!(
        "SELECT strategy, value, sum(bad) AS bad, {} FROM \
         (SELECT strategy, {column} AS value, who, {own} FROM priced GROUP BY strategy, {column}, who) \
         GROUP BY strategy, value ORDER BY strategy, value",
        sums.collect::<Vec<_>>().join(", ")
    )
}

fn read_means(rows: &Rows, attribute: &str, unit: Unit, cells: &mut Vec<Cell>) {
    for row in 0..rows.len() {
        for measure in Measure::ALL {
            let Some((_, _, scale)) = measure.mean() else { continue };
            let id = measure.id();
            let sums = sums(rows, row, id, scale);
            if sums.clusters == 0 {
                continue;
            }
            let impressions = rows.count(&format!("{id}_n"), row);
            cells.push(Cell {
                strategy: rows.text("strategy", row).unwrap_or_default().to_owned(),
                attribute: attribute.to_owned(),
                value: rows.text("value", row).unwrap_or_default().to_owned(),
                measure,
                units: if unit == Unit::Subject { sums.clusters } else { impressions },
                impressions,
                left_out: rows.count("bad", row),
                sums,
            });
        }
    }
}

fn sums(rows: &Rows, row: usize, id: &str, scale: f64) -> ClusterSums {
    let sum = |name: &str| rows.float(&format!("{id}_{name}"), row).unwrap_or(0.0);
    ClusterSums {
        clusters: rows.count(&format!("{id}_m"), row),
        n: sum("n"),
        y: sum("y") * scale,
        nn: sum("nn"),
        yy: sum("yy") * scale * scale,
        ny: sum("ny") * scale,
        ..ClusterSums::default()
    }
}

/// Item and span by segment, beside the reference's: how many of each, and the mean of both together.
fn paired(column: &str, reference: &str) -> String {
    let reference = literal(reference);
    format!(
        "WITH c AS (SELECT strategy, item_id, span, {column} AS value, sum(n) AS n, sum(log) AS log, sum(off) AS off, \
         max(CASE WHEN off_n > 0 THEN 1 ELSE 0 END) AS listed FROM priced WHERE n > 0 \
         GROUP BY strategy, item_id, span, {column}) \
         SELECT s.strategy AS strategy, s.item_id AS item_id, s.span AS span, s.value AS segment, s.listed AS listed, \
         s.n AS ns, r.n AS nr, s.log AS log_s, s.off AS off_s, \
         CAST(s.log + r.log AS DOUBLE) / (s.n + r.n) AS log, CAST(s.off + r.off AS DOUBLE) / (s.n + r.n) AS off \
         FROM c s JOIN c r ON s.strategy = r.strategy AND s.item_id = r.item_id AND s.span = r.span \
         WHERE r.value = {reference} AND s.value NOT IN ({reference}, '{UNKNOWN}', '{SEVERAL}')"
    )
}

/// What was matched, and the segment's weighted means.
fn matched(pairs: &str) -> String {
    let one = |id: &str, y: &str, condition: &str| {
        format!(
            "count(*) FILTER (WHERE {condition}) AS {id}_cells, \
             count(DISTINCT CASE WHEN {condition} THEN item_id END) AS {id}_items, \
             coalesce(sum(ns) FILTER (WHERE {condition}), 0) AS {id}_ns, \
             coalesce(sum(nr) FILTER (WHERE {condition}), 0) AS {id}_nr, \
             coalesce(sum(CAST(round(1e6 * ns * nr / (ns + nr)) AS BIGINT)) FILTER (WHERE {condition}), 0) AS {id}_w, \
             coalesce(sum(CAST(round(1.0 * {y} * nr / (ns + nr)) AS BIGINT)) FILTER (WHERE {condition}), 0) AS {id}_wy"
        )
    };
    format!(
        "SELECT strategy, segment, {}, {} FROM {pairs} GROUP BY strategy, segment ORDER BY strategy, segment",
        one("same_item_price", "log_s", "true"),
        one("same_item_discount", "off_s", "listed = 1"),
    )
}

/// Group and value without the means of their cell, summed by person: Σ w² and Σ w·(y − mean), where w is what is left
/// of the group: the other side's share of the cell, negative for the reference.
fn within(column: &str, pairs: &str, reference: &str) -> String {
    let reference = literal(reference);
    let weight = format!("CASE WHEN p.{column} = q.segment THEN q.nr ELSE -q.ns END * 1.0 / (q.ns + q.nr)");
    let wide = |name: &str| format!("CAST({name} AS DECIMAL(19, 0))");
    let one = |id: &str, b: &str, a: &str, condition: &str| {
        let (wn, wy) = (wide(b), wide(a));
        format!(
            "count(*) FILTER (WHERE {condition}) AS {id}_m, sum({b}) AS {id}_n, sum({a}) AS {id}_y, \
             CAST(sum({wn} * {wn}) AS DOUBLE) AS {id}_nn, CAST(sum({wy} * {wy}) AS DOUBLE) AS {id}_yy, \
             CAST(sum({wn} * {wy}) AS DOUBLE) AS {id}_ny"
        )
    };
    let whole = |value: &str| format!("sum(CAST(round({value}) AS BIGINT))");
    format!(
        "SELECT strategy, segment, first, {price}, {off} FROM \
         (SELECT strategy, segment, first, who, {b} AS b, {a} AS a, {b_off} AS b_off, {a_off} AS a_off, \
         max(listed) AS listed FROM \
         (SELECT p.strategy AS strategy, q.segment AS segment, CASE WHEN p.{column} = q.segment THEN 1 ELSE 0 END AS first, \
         p.who AS who, q.listed AS listed, p.n AS n, {weight} AS w, p.log - p.n * q.log AS log, p.off - p.n * q.off AS off \
         FROM priced p JOIN {pairs} q ON p.strategy = q.strategy AND p.item_id = q.item_id AND p.span = q.span \
         WHERE p.n > 0 AND (p.{column} = q.segment OR p.{column} = {reference})) \
         GROUP BY strategy, segment, first, who) \
         GROUP BY strategy, segment, first",
        price = one("same_item_price", "b", "a", "true"),
        off = one("same_item_discount", "b_off", "a_off", "listed = 1"),
        b = whole("1e11 * w * w * n"),
        a = whole("1e3 * w * log"),
        b_off = whole("1e11 * w * w * n * listed"),
        a_off = whole("1e3 * w * off * listed"),
    )
}

fn read_matched(told: &Rows, sides: &Rows, attribute: &str, unit: Unit, matched: &mut Vec<Matched>) {
    let key = |rows: &Rows, row: usize| {
        let text = |name: &str| rows.text(name, row).unwrap_or_default().to_owned();
        (text("strategy"), text("segment"))
    };
    let mut found: BTreeMap<(String, String), [Option<usize>; 2]> = BTreeMap::new();
    for row in 0..sides.len() {
        let side = usize::from(sides.integer("first", row) != Some(1));
        found.entry(key(sides, row)).or_default()[side] = Some(row);
    }
    for row in 0..told.len() {
        let (strategy, segment) = key(told, row);
        let Some([Some(first), Some(second)]) = found.get(&(strategy.clone(), segment.clone())) else { continue };
        for measure in [Measure::SameItemPrice, Measure::SameItemDiscount] {
            let id = measure.id();
            let count = |name: &str| told.count(&format!("{id}_{name}"), row);
            let cells = count("cells");
            if cells == 0 {
                continue;
            }
            // Both sums of a person are counted in the same unit, and so is their ratio.
            let side = |row: usize| {
                let of = sums(sides, row, id, FINE);
                ClusterSums { n: of.n * FINE, nn: of.nn * FINE * FINE, ny: of.ny * FINE, ..of }
            };
            let (first, second) = (side(*first), side(*second));
            let impressions = [count("ns"), count("nr")];
            let weight = count("w") as f64 * 1e-6;
            let sum = told.float(&format!("{id}_wy"), row).unwrap_or(0.0) * RESOLUTION;
            matched.push(Matched {
                strategy: strategy.clone(),
                attribute: attribute.to_owned(),
                segment: segment.clone(),
                measure,
                cells,
                items: count("items"),
                units: if unit == Unit::Subject { [first.clusters, second.clusters] } else { impressions },
                impressions,
                mean: sum / weight,
                sums: WithinSums { first, second, rows: impressions.iter().sum(), cells, resolution: RESOLUTION },
            });
        }
    }
}

/// For items that both were shown, the difference of their mean prices, counted as often as each side was shown it.
fn split(column: &str, reference: &str) -> String {
    let reference = literal(reference);
    let gap = "(CAST(s.paid AS DOUBLE) / s.n - CAST(r.paid AS DOUBLE) / r.n)";
    format!(
        "WITH c AS (SELECT strategy, item_id, {column} AS value, sum(n) AS n, sum(paid) AS paid FROM priced WHERE n > 0 \
         GROUP BY strategy, item_id, {column}), \
         t AS (SELECT strategy, value, sum(n) AS n FROM c GROUP BY strategy, value) \
         SELECT s.strategy AS strategy, s.value AS segment, max(ts.n) AS all_s, max(tr.n) AS all_r, \
         sum(CAST(round(s.n * {gap}) AS BIGINT)) AS as_s, sum(CAST(round(r.n * {gap}) AS BIGINT)) AS as_r \
         FROM c s JOIN c r ON s.strategy = r.strategy AND s.item_id = r.item_id \
         JOIN t ts ON s.strategy = ts.strategy AND s.value = ts.value \
         JOIN t tr ON r.strategy = tr.strategy AND r.value = tr.value \
         WHERE r.value = {reference} AND s.value <> {reference} GROUP BY s.strategy, s.value"
    )
}

fn read_splits(rows: &Rows, attribute: &str, splits: &mut Splits) {
    for row in 0..rows.len() {
        let text = |name: &str| rows.text(name, row).unwrap_or_default().to_owned();
        let float = |name: &str| rows.float(name, row).unwrap_or(0.0);
        let within = (float("as_s") / float("all_s") + float("as_r") / float("all_r")) / 2.0 * MONEY;
        splits.insert((text("strategy"), attribute.to_owned(), text("segment")), within);
    }
}
