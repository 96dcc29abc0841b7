//! How often people bought again, for models of it: from orders to one row per buyer, and from these to two small tables
//! by arm and segment, whose size does not grow with the number of people.

use super::loyalty::{DAY, Found, Question};
use super::segments::column;
use crate::engine::Engine;
use crate::error::Result;
use crate::stats::bg_nbd::Buyers;
use crate::stats::gamma_gamma::Spenders;

/// Times are told in steps of whole days, of which the longest time has at most so many.
const STEPS: u64 = 90;
/// Mean values are told in steps of 2 %: of each, the number of people and the mean.
const PER_LOG: u32 = 50;
/// The size of a whole unit of money.
const SCALE: f64 = 1e-4;

impl Question<'_> {
    /// Fills the tables of purchases of every cell. Orders of one day are one purchase, as the models have it.
    pub(super) async fn purchases(&self, engine: &Engine, found: &mut Found) -> Result<()> {
        let columns = self.attributes.keys().map(|name| format!(", f.{}", column(name))).collect::<String>();
        let days = format!(
            "SELECT subject_id, first, (at - first) / {DAY} AS day, sum(paid) AS paid FROM \
             (SELECT subject_id, at, paid, min(at) OVER (PARTITION BY subject_id) AS first FROM loyalty_orders) \
             GROUP BY subject_id, first, (at - first) / {DAY}"
        );
        // A day without any money says nothing about how much.
        let priced = "d.day > 0 AND d.paid > 0";
        engine
            .stage(
                "loyalty_buyers",
                &format!(
                    "SELECT f.arm AS arm{columns}, d.again AS again, d.last AS last, d.priced AS priced, d.paid AS paid, \
                     (f.start + f.seen - d.first) / {DAY} AS seen FROM loyalty_followed f JOIN \
                     (SELECT subject_id, min(first) AS first, count(*) FILTER (WHERE day > 0) AS again, max(day) AS last, \
                     count(*) FILTER (WHERE {priced}) AS priced, sum(paid) FILTER (WHERE {priced}) AS paid \
                     FROM ({days}) d GROUP BY subject_id) d ON f.subject_id = d.subject_id"
                ),
            )
            .await?;
        let longest = engine.rows("SELECT max(seen) AS n FROM loyalty_buyers").await?.count("n", 0);
        let step = longest.div_ceil(STEPS).max(1);
        let own = self.attributes.keys().map(|name| format!(", {}", column(name))).collect::<String>();

        let (keys, sets) = self.sets(", again, last, seen");
        let sql = format!(
            "SELECT arm{keys}, again, last, seen, count(*) AS people FROM \
             (SELECT arm{own}, again, last / {step} AS last, seen / {step} AS seen FROM loyalty_buyers) GROUP BY {sets} \
             ORDER BY again, last, seen"
        );
        // In the middle of its step; whole days are told as they are.
        let middle = |nth: u64| (nth * step) as f64 + (step - 1) as f64 / 2.0;
        let rows = engine.rows(&sql).await?;
        for row in 0..rows.len() {
            let count = |name: &str| rows.count(name, row);
            let again = count("again");
            let last = if again > 0 { middle(count("last")) } else { 0.0 };
            let buyers = Buyers { again, last, seen: middle(count("seen")), people: count("people") };
            let arm = rows.text("arm", row).unwrap_or_default().to_owned();
            let cell = found.cells.entry(arm).or_default().entry(self.segment(&rows, row)).or_default();
            cell.buyers.push(buyers);
        }

        let (keys, sets) = self.sets(", priced, bin");
        let sql = format!(
            "SELECT arm{keys}, priced, bin, count(*) AS people, CAST(sum(mean) AS DOUBLE) AS sum FROM \
             (SELECT arm{own}, priced, mean, CAST(floor(ln(CAST(mean AS DOUBLE)) * {PER_LOG}) AS BIGINT) AS bin FROM \
             (SELECT arm{own}, priced, greatest(paid / priced, 1) AS mean FROM loyalty_buyers WHERE priced > 0)) \
             GROUP BY {sets} ORDER BY priced, bin"
        );
        let rows = engine.rows(&sql).await?;
        for row in 0..rows.len() {
            let (people, purchases) = (rows.count("people", row), rows.count("priced", row));
            let mean = rows.float("sum", row).unwrap_or(0.0) * SCALE / people.max(1) as f64;
            let arm = rows.text("arm", row).unwrap_or_default().to_owned();
            let cell = found.cells.entry(arm).or_default().entry(self.segment(&rows, row)).or_default();
            cell.spenders.push(Spenders { purchases, mean, people });
        }
        Ok(())
    }
}
