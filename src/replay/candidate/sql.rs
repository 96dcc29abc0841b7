//! The plans. Places are positions, 0 where the log has none; a context is what the candidate's probabilities hold for. The
//! model of rewards is fitted three times: to all rows, and to the rows outside of each fold.

use super::{LEAST, Question, Scales};
use crate::engine::quoted;
use crate::evidence::table::Table;
use crate::manifest::Unit;
use crate::replay::segments::column;
use crate::stats::off_policy::{Assumption, COLUMNS};

/// What probabilities are counted in.
pub(super) const WHOLE: &str = "1e12";
/// The sum of probabilities past which a table is wrong, and below which something is left untold.
pub(super) const ABOVE: &str = "1000001000000";
const BELOW: &str = "999999000000";
/// An item's mean reward in a position is mixed with so many rows of the position's own mean.
pub(super) const PRIOR: u32 = 20;
/// Names of what is modelled, with the condition of the rows that it is modelled from.
const FITS: [(&str, &str); 3] = [("", "true"), ("0", "fold <> 0"), ("1", "fold <> 1")];

/// The columns of a candidate's table by which its rows belong together.
pub(super) fn keys(table: &Table) -> Vec<&'static str> {
    ["request_id", "subject_id", "position"].into_iter().filter(|key| table.present.contains(*key)).collect()
}

/// As [`keys`], with the place in place of the position.
pub(super) fn context(table: &Table) -> Vec<&'static str> {
    let own = ["request_id", "subject_id"].into_iter().filter(|key| table.present.contains(*key));
    own.chain(["place"]).collect()
}

pub(super) fn joined(left: &str, right: &str, keys: &[&str]) -> String {
    keys.iter().map(|key| format!("{left}.{key} = {right}.{key}")).collect::<Vec<_>>().join(" AND ")
}

pub(super) fn listed(of: &str, keys: &[&str]) -> String {
    keys.iter().map(|key| format!("{of}{key} AS {key}")).collect::<Vec<_>>().join(", ")
}

fn each(question: &Question<'_>, of: impl Fn(&str, &str) -> String) -> String {
    question.metrics.iter().map(|metric| of(metric.id, metric.value)).collect()
}

/// The impressions of the logging strategy.
pub(super) fn log(question: &Question<'_>, shown: &str) -> String {
    let rewards = each(question, |id, value| format!(", CAST({value} AS BIGINT) AS {id}"));
    let segments = question.attributes.iter().map(|name| format!(", {}", column(name))).collect::<String>();
    // A request is known by its id, else by its subject and time.
    let slate = match question.unit {
        Unit::Subject => "coalesce(request_id, concat_ws('\u{1f}', subject_id, CAST(timestamp AS VARCHAR)))",
        Unit::Impression => "request_id",
    };
    format!(
        "SELECT request_id, subject_id, item_id, coalesce(position, 0) AS place, propensity, {slate} AS slate, \
         CASE WHEN bucket < '80' THEN 0 ELSE 1 END AS fold{rewards}{segments} FROM ({shown})"
    )
}

/// What propensities there are, the largest rewards, and whether each position draws uniformly.
pub(super) fn propensities(question: &Question<'_>) -> String {
    let most = each(question, |id, _| format!(", max({id}_most) AS {id}_most"));
    let inner = each(question, |id, _| format!(", max(abs({id})) AS {id}_most"));
    format!(
        "SELECT coalesce(sum(n), 0) AS n, coalesce(sum(missing), 0) AS missing, coalesce(sum(zero), 0) AS zero, \
         coalesce(sum(above), 0) AS above, min(least) AS least, \
         min(CASE WHEN most - least <= 1e-9 * most THEN 1 ELSE 0 END) AS uniform{most} FROM \
         (SELECT place, count(*) AS n, count(*) FILTER (WHERE propensity IS NULL) AS missing, \
         count(*) FILTER (WHERE propensity < {LEAST}) AS zero, count(*) FILTER (WHERE propensity > 1.000000001) AS above, \
         min(propensity) AS least, max(propensity) AS most{inner} FROM candidate_log GROUP BY place)"
    )
}

/// How often each position shows an item, beside how often its propensities say: an item shown o times with propensities
/// b was to be expected N·o / Σ(1/b) times. Items to be expected less than five times, and those never shown, are one.
pub(super) fn agreement() -> String {
    let whole = |value: &str| format!("sum(CAST(round({value}) AS BIGINT))");
    let inverse = whole("1e6 / propensity");
    let chi = "CAST(round(1e6 * least((o - e) * (o - e) / e, 1e9)) AS DECIMAL(38, 0))";
    let items = format!(
        "SELECT i.place AS place, CAST(i.o AS DOUBLE) AS o, CAST(n.n AS DOUBLE) AS n, \
         CAST(i.o AS DOUBLE) * n.n / (CAST(i.inverse AS DOUBLE) / 1e6) AS e FROM \
         (SELECT place, item_id, count(*) AS o, {inverse} AS inverse FROM \
         (SELECT place, item_id, CASE WHEN propensity < 1e-6 THEN 1e-6 ELSE propensity END AS propensity FROM candidate_log) \
         GROUP BY place, item_id) i \
         JOIN (SELECT place, count(*) AS n FROM candidate_log GROUP BY place) n ON i.place = n.place"
    );
    let positions = format!(
        "SELECT place, max(n) AS n, count(*) FILTER (WHERE e >= 5) AS cells, \
         CAST(coalesce(sum({chi}) FILTER (WHERE e >= 5), 0) AS DOUBLE) / 1e6 AS chi, \
         CAST({apart} AS DOUBLE) / 1e3 AS apart, CAST({all} AS DOUBLE) / 1e3 AS all_e, \
         coalesce(CAST({large} AS DOUBLE), 0) / 1e3 AS large_e, \
         coalesce(sum(o) FILTER (WHERE e >= 5), 0) AS large_o FROM ({items}) GROUP BY place",
        apart = whole("1e3 * abs(o - e)"),
        all = whole("1e3 * e"),
        large = whole("CASE WHEN e >= 5 THEN 1e3 * e ELSE 0 END"),
    );
    format!(
        "SELECT place, chi + CASE WHEN n - large_e >= 5 THEN (n - large_o - n + large_e) * (large_e - large_o) / (n - large_e) \
         ELSE 0 END AS chi_square, cells + CASE WHEN n - large_e >= 5 THEN 1 ELSE 0 END AS cells, \
         (apart + abs(n - all_e)) / 2 / n AS distance FROM ({positions}) ORDER BY place"
    )
}

/// What the candidate would show in every place of the log.
pub(super) fn choices(question: &Question<'_>, from_zero: bool) -> String {
    let own = listed("c.", &keys(question.table).into_iter().filter(|key| *key != "position").collect::<Vec<_>>());
    let own = if own.is_empty() { own } else { format!("{own}, ") };
    let p = "coalesce(c.probability, 1.0) AS p";
    if question.table.present.contains("position") {
        let place = if from_zero { "c.position + 1" } else { "c.position" };
        return format!("SELECT {own}c.item_id AS item_id, {place} AS place, {p} FROM candidate c");
    }
    format!(
        "SELECT {own}c.item_id AS item_id, l.place AS place, {p} FROM candidate c \
         CROSS JOIN (SELECT DISTINCT place FROM candidate_log) l"
    )
}

/// The mean reward of each place.
pub(super) fn places(question: &Question<'_>) -> String {
    let means = each(question, |id, _| {
        let means = FITS.iter().map(|(fit, rows)| {
            format!(
                ", coalesce(CAST(sum({id}) FILTER (WHERE {rows}) AS DOUBLE) / nullif(count({id}) FILTER (WHERE {rows}), 0), \
                 0.0) AS {id}_mean{fit}"
            )
        });
        format!(", count({id}) AS {id}_n{}", means.collect::<String>())
    });
    format!("SELECT place{means} FROM candidate_log GROUP BY place")
}

/// The modelled reward of each item in each place.
pub(super) fn model(question: &Question<'_>) -> String {
    let means = each(question, |id, _| {
        let means = FITS.iter().map(|(fit, _)| {
            format!(
                ", (coalesce(CAST(c.{id}_sum{fit} AS DOUBLE), 0.0) + {PRIOR}.0 * p.{id}_mean{fit}) \
                 / (c.{id}_n{fit} + {PRIOR}.0) AS {id}_q{fit}"
            )
        });
        format!(", c.{id}_n AS {id}_n{}", means.collect::<String>())
    });
    let sums = each(question, |id, _| {
        let sums = FITS.iter().map(|(fit, rows)| {
            format!(
                ", sum({id}) FILTER (WHERE {rows}) AS {id}_sum{fit}, count({id}) FILTER (WHERE {rows}) AS {id}_n{fit}"
            )
        });
        sums.collect()
    });
    format!(
        "SELECT c.item_id AS item_id, c.place AS place{means} FROM \
         (SELECT item_id, place{sums} FROM candidate_log GROUP BY item_id, place) c \
         JOIN candidate_places p ON c.place = p.place"
    )
}

/// For each context how much probability is told, how much of it the log does not support, and the modelled reward.
pub(super) fn contexts(question: &Question<'_>, direct: &[f64]) -> String {
    let keys = context(question.table);
    let mass = format!("CAST(round(c.p * {WHOLE}) AS BIGINT)");
    let direct = question.metrics.iter().zip(direct).flat_map(|(metric, scale)| {
        let id = metric.id;
        FITS.map(|(fit, _)| {
            format!(
                ", sum(CAST(round(c.p * coalesce(q.{id}_q{fit}, l.{id}_mean{fit}) * {scale:e}) AS BIGINT)) \
                 AS {id}_direct{fit}"
            )
        })
    });
    let by = keys.iter().map(|key| format!("c.{key}")).collect::<Vec<_>>().join(", ");
    format!(
        "SELECT {}, sum({mass}) AS mass, sum(CASE WHEN q.item_id IS NULL THEN {mass} ELSE 0 END) AS unsupported, \
         max(CASE WHEN c.p > 0.0 AND c.p < 1.0 THEN 1 ELSE 0 END) AS drawn{} \
         FROM candidate_choices c JOIN candidate_places l ON c.place = l.place \
         LEFT JOIN candidate_model q ON c.item_id = q.item_id AND c.place = q.place GROUP BY {by}",
        listed("c.", &keys),
        direct.collect::<String>(),
    )
}

/// Every impression with its weight `w`, what of it other positions have (`before`), and whether it is used: not where the
/// candidate says nothing, nor where the weight is a product of which a factor is not known.
pub(super) fn weighed(question: &Question<'_>, assumption: Assumption) -> String {
    let keys = context(question.table);
    let joined = format!(
        "SELECT l.*, x.mass AS mass, x.unsupported AS unsupported, x.drawn AS drawn, coalesce(c.p, 0.0) AS p, \
         coalesce(c.p, 0.0) / l.propensity AS own{} FROM candidate_log l LEFT JOIN candidate_contexts x ON {} \
         LEFT JOIN candidate_choices c ON {} AND l.item_id = c.item_id \
         JOIN candidate_model q ON l.item_id = q.item_id AND l.place = q.place",
        each(question, |id, _| {
            let fold = |of: &str| format!("CASE WHEN l.fold = 0 THEN {of}0 ELSE {of}1 END");
            format!(
                ", x.{id}_direct AS {id}_m, q.{id}_q AS {id}_q, {} AS {id}_other_m, {} AS {id}_other_q",
                fold(&format!("x.{id}_direct")),
                fold(&format!("q.{id}_q"))
            )
        }),
        self::joined("l", "x", &keys),
        self::joined("l", "c", &keys),
    );
    // A product as the sum of logarithms; a factor of 0 has none and makes it 0. In order, so that it is the same each time.
    let product = |frame: &str| {
        format!(
            "CASE WHEN coalesce(min(own) OVER ({frame}), 1.0) > 0.0 THEN \
             exp(coalesce(sum(CASE WHEN own > 0.0 THEN ln(own) ELSE 0.0 END) OVER ({frame}), 0.0)) ELSE 0.0 END"
        )
    };
    let ordered = "PARTITION BY slate ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND";
    let (above, down, whole) =
        (format!("{ordered} 1 PRECEDING"), format!("{ordered} CURRENT ROW"), format!("{ordered} UNBOUNDED FOLLOWING"));
    let twins = "count(*) OVER (PARTITION BY slate, place) AS twins";
    let gaps = "CASE WHEN mass IS NULL OR twins > 1 OR slate IS NULL THEN 1 ELSE 0 END";
    match assumption {
        Assumption::Independent => {
            format!(
                "SELECT *, own AS w, 1.0 AS before, CASE WHEN mass IS NULL THEN 0 ELSE 1 END AS used FROM ({joined})"
            )
        }
        Assumption::Cascade => format!(
            "SELECT *, CASE WHEN used = 1 THEN above ELSE 0.0 END AS before, \
             CASE WHEN used = 1 THEN above * own ELSE 0.0 END AS w FROM \
             (SELECT *, {} AS above, CASE WHEN sum({gaps}) OVER ({down}) = 0 AND count(*) OVER ({down}) = place THEN 1 \
             ELSE 0 END AS used FROM (SELECT *, {twins} FROM ({joined})))",
            product(&above)
        ),
        Assumption::Slate => format!(
            "SELECT *, 1.0 AS before, CASE WHEN used = 1 THEN whole ELSE 0.0 END AS w FROM \
             (SELECT *, {} AS whole, CASE WHEN sum({gaps}) OVER ({whole}) = 0 \
             AND count(*) OVER ({whole}) = max(place) OVER ({whole}) THEN 1 ELSE 0 END AS used \
             FROM (SELECT *, {twins} FROM ({joined})))",
            product(&whole)
        ),
    }
}

/// The largest weight that is used. One past all numbers is the largest, too.
pub(super) const HEAVIEST: &str =
    "SELECT max(CASE WHEN before > w THEN before ELSE w END) AS heaviest FROM candidate_weighed WHERE used = 1";

/// The impressions, each with what it adds to every sum: nothing where it is not used.
pub(super) fn rows(question: &Question<'_>, scales: &Scales) -> String {
    let whole = |value: &str, scale: f64| format!("CAST(round({value} * {scale:e}) AS BIGINT)");
    let columns = question.metrics.iter().enumerate().map(|(at, metric)| {
        let (scale, direct) = (scales.rewards[at], scales.direct[at]);
        let id = metric.id;
        let robust = |of: &str| whole(&format!("(before * {id}_{of}m / {direct:e} + w * ({id} - {id}_{of}q))"), scale);
        let columns: [String; COLUMNS] = [
            "1".to_owned(),
            whole("w", scales.weight),
            id.to_owned(),
            whole(&format!("w * {id}"), scale),
            whole(&format!("least(w, {:e}) * {id}", question.clip), scale),
            robust(""),
            "CASE WHEN p > 0.0 THEN 1 ELSE 0 END".to_owned(),
            format!("CASE WHEN p > 0.0 THEN {id} ELSE 0 END"),
            robust("other_"),
        ];
        let there = |value: &str| format!("CASE WHEN {id} IS NULL OR used = 0 THEN 0 ELSE {value} END");
        let own = columns.iter().enumerate().map(|(at, value)| format!(", {} AS {id}_{at}", there(value)));
        let more =
            [("direct", format!("{id}_m")), ("mass", "mass".to_owned()), ("unsupported", "unsupported".to_owned())];
        let more = more.iter().map(|(name, value)| format!(", {} AS {id}_{name}", there(value)));
        own.chain(more).collect::<String>() + &format!(", {id}")
    });
    let segments = question.attributes.iter().map(|name| format!(", {}", column(name))).collect::<String>();
    format!(
        "SELECT request_id, subject_id, item_id, place, used, w, drawn, mass{segments}{} FROM candidate_weighed",
        columns.collect::<String>()
    )
}

pub(super) const TOTALS: &str =
    "SELECT coalesce(sum(used), 0) AS n, max(CASE WHEN used = 1 THEN drawn ELSE 0 END) AS drawn FROM candidate_rows";

/// By everyone and by each value of each attribute.
pub(super) fn by_segment(question: &Question<'_>) -> String {
    let names: Vec<String> = question.attributes.iter().map(|name| column(name)).collect();
    let segments = names.iter().map(|name| format!(", {name}")).collect::<String>();
    let (mut inner, mut outer, mut rolled) = (String::new(), String::new(), String::new());
    let by_subject = question.unit == Unit::Subject;
    for metric in question.metrics {
        let id = metric.id;
        let add = |value: &str| if by_subject { format!("sum({value})") } else { value.to_owned() };
        let plain = (0..COLUMNS).map(|at| at.to_string()).chain(["direct", "mass", "unsupported"].map(str::to_owned));
        for name in plain {
            let column = quoted(&format!("{id}_{name}"));
            inner += &format!(", {} AS {column}", add(&column));
            outer += &format!(", sum(CAST({column} AS DECIMAL(38, 0))) AS {column}");
            rolled += &format!(", CAST({column} AS DOUBLE) AS {column}");
        }
        let wide = format!("CAST({id}_1 AS DECIMAL(19, 0))");
        let heaviest = format!("CASE WHEN {id}_0 = 1 THEN w ELSE 0.0 END");
        let most = if by_subject { format!("max({heaviest})") } else { heaviest };
        let short = format!("CASE WHEN {id}_0 = 1 AND mass < {BELOW} THEN 1 ELSE 0 END");
        inner += &format!(
            ", {} AS {id}_ww, {most} AS {id}_heaviest, {} AS {id}_short",
            add(&format!("{wide} * {wide}")),
            add(&short)
        );
        outer += &format!(
            ", sum({id}_ww) AS {id}_ww, max({id}_heaviest) AS {id}_heaviest, sum({id}_short) AS {id}_short, \
             count(*) FILTER (WHERE {id}_0 > 0) AS {id}_units"
        );
        rolled += &format!(
            ", CAST({id}_ww AS DOUBLE) AS {id}_ww, {id}_heaviest, CAST({id}_short AS BIGINT) AS {id}_short, {id}_units, \
             CAST({id}_0 AS BIGINT) AS {id}_rows"
        );
        for left in 0..COLUMNS {
            for right in left..COLUMNS {
                let product = |at: usize| format!("CAST({id}_{at} AS DECIMAL(19, 0))");
                outer += &format!(", sum({} * {}) AS {id}_{left}_{right}", product(left), product(right));
                rolled += &format!(", CAST({id}_{left}_{right} AS DOUBLE) AS {id}_{left}_{right}");
            }
        }
    }
    let by = if by_subject { format!(" GROUP BY subject_id{segments}") } else { String::new() };
    let per_unit = format!("SELECT subject_id{segments}{inner} FROM candidate_rows{by}");
    let sets: Vec<String> = names.iter().map(|name| format!("({name})")).chain(["()".to_owned()]).collect();
    let grouping =
        if names.is_empty() { String::new() } else { format!(" GROUP BY GROUPING SETS ({})", sets.join(", ")) };
    let own = names.join(", ");
    let own = if own.is_empty() { own } else { format!("{own}, ") };
    format!("SELECT {own}1 AS one{rolled} FROM (SELECT {own}1 AS one{outer} FROM ({per_unit}){grouping})")
}
