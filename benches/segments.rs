//! What it costs to compare more segments: the pass for one attribute, and the same log with four attributes and every
//! pair of them, as a ratio in the same run.
//!
//! `cargo bench --profile dev --bench segments`; `PROBITY_BENCH_ROWS` sets the impressions (default 20 million, ten to
//! a decision, some twenty to a person).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use probity::engine::Engine;
use probity::evidence::columns::Role;
use probity::manifest::{Measure, Unit};
use probity::metrics::{Metric, metric};
use probity::replay::outcomes::{Question, cells};
use probity::replay::segments::{Has, Home, stage};

const ATTRIBUTES: [&str; 4] = ["age_band", "gender", "region", "tier"];
const TIMES: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(bench())
}

async fn bench() -> Result<(), Box<dyn std::error::Error>> {
    let rows: u64 = std::env::var("PROBITY_BENCH_ROWS").map_or(Ok(20_000_000), |rows| rows.parse())?;
    let engine = Engine::embedded(probity::engine::default_memory())?;
    let people = (rows / 20).max(1_000);
    engine.stage("log", &impressions(rows, people)).await?;
    let given = ["request_id", "subject_id", "strategy", "clicked", "converted", "revenue"];
    let absent = Role::Recommendations.columns().iter().filter(|column| !given.contains(&column.name));
    let absent: String =
        absent.map(|column| format!(", CAST(NULL AS {}) AS {}", column.kind.sql_type(), column.name)).collect();
    engine.view("impressions", &format!("SELECT *{absent}, request_id AS __key FROM log")).await?;
    let decisions = "SELECT request_id AS key, strategy, subject_id, count(*) AS impressions, \
                     CAST(row_number() OVER () AS BIGINT) AS list FROM impressions \
                     GROUP BY strategy, subject_id, request_id";
    engine.stage("decisions", decisions).await?;
    engine.stage("subjects", &subjects(people)).await?;
    let homes: BTreeMap<String, Home> = ATTRIBUTES.iter().map(|name| ((*name).to_owned(), Home::Subjects)).collect();
    let columns: BTreeSet<String> = given.map(str::to_owned).into();
    stage(&engine, homes, &Measure::default(), &Has { columns, lists: true }).await?;
    println!("{rows} impressions of {people} people; medians of {TIMES}");
    let scan = median(async || {
        engine.rows("SELECT sum(clicked) AS clicks, count(DISTINCT strategy) AS n FROM impressions").await.map(|_| ())
    });
    let scan = scan.await?;
    let one = median(async || run(&engine, &ATTRIBUTES[..1], 1).await).await?;
    let four = median(async || run(&engine, &ATTRIBUTES, 2).await).await?;
    println!("scan of the columns           {scan:.2} s");
    println!("one attribute                 {one:.2} s, {:.1} scans", one / scan);
    println!("four attributes and all pairs {four:.2} s, {:.2} times the pass for one", four / one);
    Ok(())
}

async fn run(engine: &Engine, attributes: &[&str], depth: usize) -> probity::error::Result<()> {
    let metrics: Vec<&'static Metric> = ["click", "conversion", "revenue"].into_iter().filter_map(metric).collect();
    let question =
        Question { unit: Unit::Subject, metrics: &metrics, attributes, depth, within: &[], cutoff: None, places: None };
    cells(engine, &question).await.map(|_| ())
}

async fn median(run: impl AsyncFn() -> probity::error::Result<()>) -> probity::error::Result<f64> {
    let mut seconds = Vec::new();
    for _ in 0..TIMES {
        let clock = Instant::now();
        run().await?;
        seconds.push(clock.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[TIMES / 2])
}

/// Numbers that look random, by a multiplicative hash of the row.
fn impressions(rows: u64, people: u64) -> String {
    format!(
        "SELECT concat('r', CAST(value / 10 AS VARCHAR)) AS request_id, \
         concat('p', CAST((value / 10 * 2654435761) % {people} AS VARCHAR)) AS subject_id, \
         CASE (value / 10 * 40503) % 4 WHEN 0 THEN 'popular' WHEN 1 THEN 'web' ELSE 'hybrid' END AS strategy, \
         CASE WHEN (value * 2246822519) % 100 < 6 THEN 1 ELSE 0 END AS clicked, \
         CASE WHEN (value * 3266489917) % 1000 < 9 THEN 1 ELSE 0 END AS converted, \
         CASE WHEN (value * 3266489917) % 1000 < 9 THEN (value * 668265263) % 1000000 ELSE 0 END AS revenue \
         FROM range(0, {rows})"
    )
}

fn subjects(people: u64) -> String {
    let band = |factor: u64, of: u64| format!("CAST((value * {factor}) % {of} AS VARCHAR)");
    format!(
        "SELECT concat('p', CAST(value AS VARCHAR)) AS subject_id, {} AS age_band, {} AS gender, {} AS region, {} AS tier \
         FROM range(0, {people})",
        band(2_654_435_761, 6),
        band(40_503, 3),
        band(2_246_822_519, 16),
        band(668_265_263, 4)
    )
}
