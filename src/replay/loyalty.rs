//! What became of people after they were served: from rows of orders and visits to one row per person, and from these to
//! the few sums by arm and segment that means, and the small tables of days that curves need.
//!
//! Everybody has an own start, and is seen until the day up to which outcomes were handed over. Whoever was not seen for
//! the whole of a span says nothing about it.

use std::collections::BTreeMap;

use super::segments::{Home, UNKNOWN, column, label};
use crate::engine::{Engine, literal, quoted};
use crate::error::Result;
use crate::manifest::{Activity, Loyalty};
use crate::stats::ClusterSums;
use crate::stats::bg_nbd::Buyers;
use crate::stats::gamma_gamma::Spenders;
use crate::stats::survival::Day;

pub(super) const DAY: i64 = 86_400_000_000;

/// A mean per person, order or answer: its name, and the size of its whole unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    pub id: &'static str,
    pub scale: f64,
    needs: Needs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Orders,
    Values,
    Scores,
}

pub const MEANS: [Mean; 5] = [
    Mean { id: "early_revenue", scale: 1e-4, needs: Needs::Values },
    Mean { id: "early_order_value", scale: 1e-4, needs: Needs::Values },
    Mean { id: "lifetime_value", scale: 1e-4, needs: Needs::Values },
    Mean { id: "repeat_rate", scale: 1.0, needs: Needs::Orders },
    Mean { id: "net_promoter_score", scale: 1.0, needs: Needs::Scores },
];

/// What to sum.
pub struct Question<'a> {
    pub loyalty: &'a Loyalty,
    pub attributes: &'a BTreeMap<String, Home>,
    /// Whether there are decisions about people.
    pub log: bool,
    /// Whether there is a table of subjects.
    pub subjects: bool,
}

/// One arm, and one segment of it or all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cell {
    pub people: u64,
    /// People whom more than one arm served.
    pub crossed: u64,
    /// By [`Mean::id`]; a cluster is a person.
    pub means: BTreeMap<&'static str, ClusterSums>,
    /// Days from the start until a person was gone.
    pub gone: Vec<Day>,
    /// Days from the first order to the next.
    pub next: Vec<Day>,
    pub asked: u64,
    pub answered: u64,
    /// How often buyers bought again, in days from the first order; empty unless a forecast is asked for.
    pub buyers: Vec<Buyers>,
    /// How much they then paid.
    pub spenders: Vec<Spenders>,
}

/// An attribute and its value; None for everybody.
pub type Segment = Option<(String, String)>;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// By arm, then segment.
    pub cells: BTreeMap<String, BTreeMap<Segment, Cell>>,
    /// What the outcomes can tell.
    pub told: Told,
    /// People without an own start before the end, who are left out.
    pub left_out: u64,
    /// All arms that anybody is in, also those that are not compared.
    pub arms: Vec<String>,
}

/// What the outcomes can tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    pub orders: bool,
    pub values: bool,
    pub scores: bool,
    /// Who was asked and did not answer.
    pub silence: bool,
    /// Signs of life.
    pub activity: bool,
    pub departures: bool,
}

impl Told {
    pub fn tells(self, mean: &Mean) -> bool {
        match mean.needs {
            Needs::Orders => self.orders,
            Needs::Values => self.values,
            Needs::Scores => self.scores,
        }
    }

    /// Whether who is gone is told.
    pub fn leaving(self) -> bool {
        self.activity || self.departures
    }
}

/// Sums what became of people, by arm and segment.
pub async fn follow(engine: &Engine, question: &Question<'_>) -> Result<Found> {
    let told = told(engine, question.loyalty).await?;
    let until = match question.loyalty.until {
        Some(day) => day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros(),
        None => engine.rows("SELECT max(timestamp) + 1 AS n FROM outcomes").await?.integer("n", 0).unwrap_or(0),
    };
    engine.stage("loyalty_everyone", &question.everyone()).await?;
    let rows = engine.rows("SELECT DISTINCT arm FROM loyalty_everyone WHERE arm IS NOT NULL ORDER BY arm").await?;
    let arms = (0..rows.len()).filter_map(|row| rows.text("arm", row).map(str::to_owned)).collect();
    let split = &question.loyalty.split;
    let named = split.keys().map(|arm| literal(arm)).collect::<Vec<_>>().join(", ");
    let chosen = if split.is_empty() { "arm IS NOT NULL".to_owned() } else { format!("arm IN ({named})") };
    let late =
        format!("SELECT count(*) AS n FROM loyalty_everyone WHERE {chosen} AND (start IS NULL OR start >= {until})");
    let left_out = engine.rows(&late).await?.count("n", 0);
    let followed =
        format!("SELECT *, {until} - start AS seen FROM loyalty_everyone WHERE {chosen} AND start < {until}");
    engine.view("loyalty_followed", &followed).await?;
    let since = "o.timestamp >= f.start AND o.timestamp < f.start + f.seen";
    // Rows of one person and moment are lines of one order.
    engine.view("loyalty_orders", &format!(
        "SELECT subject_id, at, start, paid, row_number() OVER (PARTITION BY subject_id ORDER BY at) AS nth FROM \
         (SELECT f.subject_id AS subject_id, f.start AS start, o.timestamp AS at, sum(o.value) AS paid FROM outcomes o \
         JOIN loyalty_followed f ON o.subject_id = f.subject_id AND {since} WHERE o.kind = 'order' \
         GROUP BY f.subject_id, f.start, o.timestamp)"
    ))
    .await?;
    engine.stage("loyalty_people", &question.per_person(told, since)).await?;
    let mut found = Found { told, left_out, arms, ..Found::default() };
    question.sums(engine, &mut found).await?;
    for (day, seen, of) in [("gone", "seen_days", false), ("next", "wait_days", true)] {
        let wanted = if of { told.orders } else { told.leaving() };
        if wanted {
            question.days(engine, day, seen, &mut found).await?;
        }
    }
    if question.loyalty.forecast.is_some() && told.orders {
        question.purchases(engine, &mut found).await?;
    }
    Ok(found)
}

async fn told(engine: &Engine, loyalty: &Loyalty) -> Result<Told> {
    let count = |name: &str, of: &str| format!("count(*) FILTER (WHERE {of}) AS {name}");
    let sql = format!(
        "SELECT {}, {}, {}, {}, {}, {} FROM outcomes",
        count("orders", "kind = 'order'"),
        count("priced", "kind = 'order' AND value IS NOT NULL"),
        count("scores", "kind = 'survey' AND score IS NOT NULL"),
        count("silence", "kind = 'survey' AND score IS NULL"),
        count("visits", "kind = 'visit'"),
        count("churned", "kind = 'churned'"),
    );
    let rows = engine.rows(&sql).await?;
    let has = |name: &str| rows.count(name, 0) > 0;
    Ok(Told {
        orders: has("orders"),
        values: has("priced"),
        scores: has("scores"),
        silence: has("silence"),
        activity: has("orders") || (loyalty.active_by == Activity::Visits && has("visits")),
        departures: has("churned"),
    })
}

impl Question<'_> {
    /// Everybody with their arm, start and segments.
    fn everyone(&self) -> String {
        let served = "SELECT subject_id, first_value(strategy ORDER BY at, strategy) AS arm, min(at) AS start, \
                      CASE WHEN min(strategy) <> max(strategy) THEN 1 ELSE 0 END AS crossed FROM decisions \
                      GROUP BY subject_id";
        let Some(arm) = &self.loyalty.arm else {
            let own = self.attributes.keys().map(|name| format!(", p.{}", column(name))).collect::<String>();
            let (start, joined) = if self.subjects {
                ("coalesce(s.enrolled, d.start)", " LEFT JOIN subjects s ON d.subject_id = s.subject_id")
            } else {
                ("d.start", "")
            };
            return format!(
                "SELECT d.subject_id AS subject_id, d.arm AS arm, {start} AS start, d.crossed AS crossed{own} \
                 FROM ({served}) d JOIN people p ON d.subject_id = p.subject_id{joined}"
            );
        };
        let own = self.attributes.iter().map(|(name, home)| {
            let value = match home {
                Home::Subjects => format!("CAST(s.{} AS VARCHAR)", quoted(name)),
                Home::Log => format!("p.{}", column(name)),
            };
            format!(", coalesce({value}, '{UNKNOWN}') AS {}", column(name))
        });
        let (start, joined) = if self.log {
            let joined = format!(
                " LEFT JOIN ({served}) d ON s.subject_id = d.subject_id LEFT JOIN people p ON s.subject_id = p.subject_id"
            );
            ("coalesce(s.enrolled, d.start)", joined)
        } else {
            ("s.enrolled", String::new())
        };
        format!(
            "SELECT s.subject_id AS subject_id, CAST(s.{} AS VARCHAR) AS arm, {start} AS start, 0 AS crossed{} FROM subjects s{joined}",
            quoted(arm),
            own.collect::<String>(),
        )
    }

    /// One row per person: what every mean is over (`_n`) and of (`_y`), and the days of both curves.
    fn per_person(&self, told: Told, since: &str) -> String {
        let micros = |span: std::time::Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        let loyalty = self.loyalty;
        let (soon, late) = (micros(loyalty.soon), micros(loyalty.horizon));
        let (repeat, silent) = (micros(loyalty.repeat_within), micros(loyalty.churn_after));
        let horizon = loyalty.horizon_days();
        let orders = format!(
            "SELECT subject_id, min(at) AS first, min(at) FILTER (WHERE nth = 2) AS second, \
             coalesce(sum(paid) FILTER (WHERE at < start + {soon}), 0) AS soon_paid, \
             count(paid) FILTER (WHERE at < start + {soon}) AS soon_orders, \
             coalesce(sum(paid) FILTER (WHERE at < start + {late}), 0) AS late_paid FROM loyalty_orders GROUP BY subject_id"
        );
        let returns = format!(
            "SELECT f.subject_id AS subject_id, \
             coalesce(sum(abs(o.value)) FILTER (WHERE o.timestamp < f.start + {soon}), 0) AS soon_back, \
             coalesce(sum(abs(o.value)) FILTER (WHERE o.timestamp < f.start + {late}), 0) AS late_back \
             FROM outcomes o JOIN loyalty_followed f ON o.subject_id = f.subject_id AND {since} WHERE o.kind = 'return' \
             GROUP BY f.subject_id"
        );
        let answers = format!(
            "SELECT f.subject_id AS subject_id, count(o.score) AS answers, \
             first_value(o.score ORDER BY CASE WHEN o.score IS NULL THEN 1 ELSE 0 END, o.timestamp DESC, o.score DESC) AS score \
             FROM outcomes o JOIN loyalty_followed f ON o.subject_id = f.subject_id AND {since} WHERE o.kind = 'survey' \
             GROUP BY f.subject_id"
        );
        let value = |of: &str| format!("coalesce(o.{of}_paid, 0) - coalesce(r.{of}_back, 0)");
        let up = |span: &str| format!("({span} + {DAY} - 1) / {DAY}");
        let own = self.attributes.keys().map(|name| format!(", f.{}", column(name))).collect::<String>();
        let given = |condition: &str, value: &str| format!("CASE WHEN {condition} THEN {value} ELSE 0 END");
        let (soon_seen, late_seen) = (format!("f.seen >= {soon}"), format!("f.seen >= {late}"));
        let repeat_seen = format!("f.start + f.seen - o.first >= {repeat}");
        let rest = [
            ("early_revenue_n", given(&soon_seen, "1")),
            ("early_revenue_y", given(&soon_seen, &value("soon"))),
            ("early_order_value_n", given(&soon_seen, "coalesce(o.soon_orders, 0)")),
            ("early_order_value_y", given(&soon_seen, "coalesce(o.soon_paid, 0)")),
            ("lifetime_value_n", given(&late_seen, "1")),
            ("lifetime_value_y", given(&late_seen, &value("late"))),
            ("repeat_rate_n", given(&repeat_seen, "1")),
            ("repeat_rate_y", given(&format!("{repeat_seen} AND o.second - o.first <= {repeat}"), "1")),
            ("net_promoter_score_n", given("s.answers > 0", "1")),
            ("net_promoter_score_y", "CASE WHEN s.score >= 9 THEN 1 WHEN s.score <= 6 THEN -1 ELSE 0 END".to_owned()),
            ("asked", given("s.answers IS NOT NULL", "1")),
            ("seen_days", format!("least(f.seen / {DAY}, {horizon})")),
            ("gone", up("(g.at - f.start)")),
            ("wait_days", format!("least((f.start + f.seen - o.first) / {DAY}, {horizon})")),
            ("next", up("(o.second - o.first)")),
        ];
        let rest = rest.map(|(name, sql)| format!(", {sql} AS {name}")).concat();
        format!(
            "SELECT f.arm AS arm, f.crossed AS crossed{own}{rest} FROM loyalty_followed f \
             LEFT JOIN ({orders}) o ON f.subject_id = o.subject_id LEFT JOIN ({returns}) r ON f.subject_id = r.subject_id \
             LEFT JOIN ({answers}) s ON f.subject_id = s.subject_id LEFT JOIN ({}) g ON f.subject_id = g.subject_id",
            self.gone(told, since, silent)
        )
    }

    /// When each person was gone: the first time that nothing was heard of them for so long, or that they said so.
    fn gone(&self, told: Told, since: &str, silent: i64) -> String {
        let active = if self.loyalty.active_by == Activity::Visits { "'order', 'visit'" } else { "'order'" };
        let of = |kinds: &str| {
            format!(
                "SELECT f.subject_id AS subject_id, o.timestamp AS at, f.start + f.seen AS until FROM outcomes o \
                 JOIN loyalty_followed f ON o.subject_id = f.subject_id AND {since} WHERE o.kind IN ({kinds})"
            )
        };
        let said = format!("SELECT subject_id, at FROM ({})", of("'churned'"));
        // The start is a sign of life, too.
        let silences = format!(
            "SELECT subject_id, at + {silent} AS at FROM (SELECT subject_id, at, until, \
             lead(at) OVER (PARTITION BY subject_id ORDER BY at) AS heard FROM \
             (SELECT subject_id, start AS at, start + seen AS until FROM loyalty_followed UNION ALL {})) \
             WHERE heard > at + {silent} OR (heard IS NULL AND until >= at + {silent})",
            of(active)
        );
        let all = if told.activity { format!("{said} UNION ALL {silences}") } else { said };
        format!("SELECT subject_id, min(at) AS at FROM ({all}) GROUP BY subject_id")
    }

    /// `arm` alone, and with each attribute.
    pub(super) fn sets(&self, also: &str) -> (String, String) {
        let names: Vec<String> = self.attributes.keys().map(|name| column(name)).collect();
        let own = names.iter().map(|name| format!(", {name}")).collect::<String>();
        let sets = names.iter().map(|name| format!(", (arm, {name}{also})")).collect::<String>();
        (own, format!("GROUPING SETS ((arm{also}){sets})"))
    }

    pub(super) fn segment(&self, rows: &crate::engine::Rows, row: usize) -> Segment {
        self.attributes.keys().find_map(|name| Some((name.clone(), rows.text(&label(name), row)?.to_owned())))
    }

    async fn sums(&self, engine: &Engine, found: &mut Found) -> Result<()> {
        let (own, sets) = self.sets("");
        let sums = MEANS.iter().map(|Mean { id, .. }| {
            // Products of amounts outgrow 64 bits; decimals add up exactly in any order.
            let wide = |of: &str| format!("CAST({id}_{of} AS DECIMAL(19, 0))");
            let (n, y) = (wide("n"), wide("y"));
            format!(
                ", count(*) FILTER (WHERE {id}_n > 0) AS {id}_m, sum({id}_n) AS {id}_n, sum({id}_y) AS {id}_y, \
                 CAST(sum({n} * {n}) AS DOUBLE) AS {id}_nn, CAST(sum({y} * {y}) AS DOUBLE) AS {id}_yy, \
                 CAST(sum({n} * {y}) AS DOUBLE) AS {id}_ny"
            )
        });
        let sql = format!(
            "SELECT arm{own}, count(*) AS people, sum(crossed) AS crossed, sum(asked) AS asked{} FROM loyalty_people \
             GROUP BY {sets}",
            sums.collect::<String>()
        );
        let rows = engine.rows(&sql).await?;
        for row in 0..rows.len() {
            let arm = rows.text("arm", row).unwrap_or_default().to_owned();
            let cell = found.cells.entry(arm).or_default().entry(self.segment(&rows, row)).or_default();
            cell.people = rows.count("people", row);
            cell.crossed = rows.count("crossed", row);
            cell.asked = rows.count("asked", row);
            cell.answered = rows.count("net_promoter_score_m", row);
            for Mean { id, scale, .. } in MEANS {
                let sum = |name: &str| rows.float(&format!("{id}_{name}"), row).unwrap_or(0.0);
                let sums = ClusterSums {
                    clusters: rows.count(&format!("{id}_m"), row),
                    n: sum("n"),
                    y: sum("y") * scale,
                    nn: sum("nn"),
                    yy: sum("yy") * scale * scale,
                    ny: sum("ny") * scale,
                    ..ClusterSums::default()
                };
                cell.means.insert(id, sums);
            }
        }
        Ok(())
    }

    /// How many it happened to, and how many were last seen, by day. A day that was not seen whole does not count.
    async fn days(&self, engine: &Engine, event: &str, seen: &str, found: &mut Found) -> Result<()> {
        let (own, sets) = self.sets(", day");
        let happened = format!("{event} IS NOT NULL AND {event} <= {seen}");
        let columns = self.attributes.keys().map(|name| format!(", {}", column(name))).collect::<String>();
        let sql = format!(
            "SELECT arm{own}, day, sum(event) AS events, sum(1 - event) AS censored FROM (SELECT arm{columns}, \
             CASE WHEN {happened} THEN {event} ELSE {seen} END AS day, CASE WHEN {happened} THEN 1 ELSE 0 END AS event \
             FROM loyalty_people WHERE {seen} IS NOT NULL) GROUP BY {sets}"
        );
        let rows = engine.rows(&sql).await?;
        for row in 0..rows.len() {
            let arm = rows.text("arm", row).unwrap_or_default().to_owned();
            let cell = found.cells.entry(arm).or_default().entry(self.segment(&rows, row)).or_default();
            let days = if event == "gone" { &mut cell.gone } else { &mut cell.next };
            let count = |name: &str| rows.count(name, row);
            days.push(Day { day: count("day"), events: count("events"), censored: count("censored") });
        }
        Ok(())
    }
}
