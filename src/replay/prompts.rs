//! What people were asked: how hard yes and no were, what stood ticked beforehand, and who was asked again after a no.

use crate::engine::Engine;
use crate::error::{Problem, Result};
use crate::evidence::table::{FILE, Table};
use crate::evidence::taxonomy::Taxonomy;
use crate::evidence::text::LINE;
use crate::manifest::Manifest;
use crate::yaml::Document;

/// A year, and how soon after a dismissal a grant in the records is taken to come from it, in microseconds.
const YEAR: i64 = 365 * 86_400 * 1_000_000;
const AT_ONCE: i64 = 5 * 60 * 1_000_000;

/// What one answer takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effort {
    /// Prompts that state it.
    pub prompts: u64,
    pub mean: f64,
    pub median: f64,
    pub max: f64,
}

/// The prompts of one notice version for one purpose in one jurisdiction.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub purpose: String,
    /// Empty where the prompts state none.
    pub notice_version: String,
    pub jurisdiction: String,
    pub prompts: u64,
    pub subjects: u64,
    pub given: u64,
    pub refused: u64,
    pub dismissed: u64,
    pub yes_steps: Option<Effort>,
    pub no_steps: Option<Effort>,
    pub yes_seconds: Option<Effort>,
    pub no_seconds: Option<Effort>,
    /// Prompts that state the steps of both answers, and those of them in which a no takes more.
    pub both_steps: u64,
    pub harder_no: u64,
    /// Prompts that say whether the yes was ticked beforehand, and those in which it was.
    pub preselected_stated: u64,
    pub preselected: u64,
    /// Prompts that say whether the first layer offers a no, and those in which it does not.
    pub first_layer_stated: u64,
    pub no_on_later_layer: u64,
    pub dismissed_as_yes: u64,
    pub repeats: u64,
    pub excess_repeats: u64,
    /// Subjects of `excess_repeats`.
    pub subjects_repeated: u64,
}

/// Counts the prompts by purpose, notice version and jurisdiction. `table` is the table `prompts` as it was read.
pub async fn asked(
    engine: &Engine,
    manifest: &Document<Manifest>,
    taxonomy: &Taxonomy,
    table: &Table,
    have_records: bool,
) -> Result<Vec<Asked>> {
    check_purposes(engine, manifest, taxonomy).await?;
    let place = manifest.value.system.jurisdiction.as_deref().unwrap_or("unstated");
    let prompts = format!(
        "SELECT purpose, coalesce(notice_version, '') AS notice, coalesce(jurisdiction, {}) AS place, subject_id, \
         timestamp AS at, answer, yes_steps, no_steps, yes_seconds, no_seconds, preselected, no_on_first_layer, \
         {FILE} AS file, {LINE} AS line FROM prompts",
        crate::engine::literal(place)
    );
    let people = table.present.contains("subject_id");
    let repeats = match people {
        true => repeats(&prompts, have_records),
        false => format!("SELECT file, line, 0 AS repeat, 0 AS excess FROM ({prompts}) WHERE false"),
    };
    let taken = match people && have_records {
        true => taken_as_yes(&prompts),
        false => format!("SELECT file, line FROM ({prompts}) WHERE false"),
    };
    let joined = format!(
        "SELECT p.*, r.repeat AS repeat, r.excess AS excess, t.line AS taken FROM ({prompts}) p \
         LEFT JOIN ({repeats}) r ON p.file = r.file AND p.line = r.line \
         LEFT JOIN ({taken}) t ON p.file = t.file AND p.line = t.line"
    );
    let effort = |column: &str| {
        format!(
            "count({column}) AS {column}_n, avg({column}) AS {column}_mean, median(CAST({column} AS DOUBLE)) AS \
             {column}_median, max(CAST({column} AS DOUBLE)) AS {column}_max"
        )
    };
    let when = |condition: &str| format!("count(*) FILTER (WHERE {condition})");
    let sql = format!(
        "SELECT purpose, notice, place, count(*) AS prompts, count(DISTINCT subject_id) AS subjects, \
         {} AS given, {} AS refused, {} AS dismissed, {}, {}, {}, {}, {} AS both_steps, {} AS harder_no, \
         count(preselected) AS preselected_stated, coalesce(sum(preselected), 0) AS preselected, \
         count(no_on_first_layer) AS first_layer_stated, {} AS no_on_later_layer, count(taken) AS taken, \
         coalesce(sum(repeat), 0) AS repeats, coalesce(sum(excess), 0) AS excess, \
         count(DISTINCT CASE WHEN excess = 1 THEN subject_id END) AS subjects_repeated \
         FROM ({joined}) GROUP BY purpose, notice, place ORDER BY purpose, notice, place",
        when("answer = 'given'"),
        when("answer = 'refused'"),
        when("answer = 'dismissed'"),
        effort("yes_steps"),
        effort("no_steps"),
        effort("yes_seconds"),
        effort("no_seconds"),
        when("yes_steps IS NOT NULL AND no_steps IS NOT NULL"),
        when("no_steps > yes_steps"),
        when("no_on_first_layer = 0"),
    );
    let rows = engine.rows(&sql).await?;
    let one = |row: usize| {
        let text = |column: &str| rows.text(column, row).unwrap_or_default().to_owned();
        let count = |column: &str| rows.count(column, row);
        let effort = |column: &str| {
            let part = |name: &str| rows.float(&format!("{column}_{name}"), row);
            let (mean, median, max) = (part("mean")?, part("median")?, part("max")?);
            Some(Effort { prompts: count(&format!("{column}_n")), mean, median, max })
        };
        Asked {
            purpose: text("purpose"),
            notice_version: text("notice"),
            jurisdiction: text("place"),
            prompts: count("prompts"),
            subjects: count("subjects"),
            given: count("given"),
            refused: count("refused"),
            dismissed: count("dismissed"),
            yes_steps: effort("yes_steps"),
            no_steps: effort("no_steps"),
            yes_seconds: effort("yes_seconds"),
            no_seconds: effort("no_seconds"),
            both_steps: count("both_steps"),
            harder_no: count("harder_no"),
            preselected_stated: count("preselected_stated"),
            preselected: count("preselected"),
            first_layer_stated: count("first_layer_stated"),
            no_on_later_layer: count("no_on_later_layer"),
            dismissed_as_yes: count("taken"),
            repeats: count("repeats"),
            excess_repeats: count("excess"),
            subjects_repeated: count("subjects_repeated"),
        }
    };
    Ok((0..rows.len()).map(one).collect())
}

/// Prompts to people whose last word on the purpose was a no (a repeat), and those of them that follow another such
/// prompt within a year (in excess). The last word is that of an earlier prompt, or of a record of the whole purpose.
fn repeats(prompts: &str, have_records: bool) -> String {
    let asks = format!("SELECT subject_id, purpose, at, answer, file, line, 0 AS said FROM ({prompts})");
    let records = if have_records {
        "UNION ALL SELECT subject_id, purpose, timestamp, CASE WHEN status IN ('given', 'renewed') THEN 'given' ELSE 'refused' END, \
         '', 0, 1 FROM consent_records WHERE status <> 'expired' \
         AND concat(categories, contexts, operations, recipients) = ''"
    } else {
        ""
    };
    // A record at the instant of a prompt is the answer to it, and so comes after it.
    let before = "(PARTITION BY subject_id, purpose ORDER BY at, said, file, line \
         ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)";
    let last = |answer: &str| format!("max(CASE WHEN answer = '{answer}' THEN at END) OVER {before}");
    let told = format!(
        "SELECT *, {} AS last_no, {} AS last_yes FROM ({asks} {records}) WHERE subject_id IS NOT NULL",
        last("refused"),
        last("given")
    );
    let repeated = format!(
        "SELECT * FROM ({told}) WHERE said = 0 AND last_no IS NOT NULL AND last_no < at \
         AND (last_yes IS NULL OR last_yes <= last_no)"
    );
    format!(
        "SELECT file, line, 1 AS repeat, CASE WHEN at - lag(at) OVER \
         (PARTITION BY subject_id, purpose ORDER BY at, file, line) < {YEAR} THEN 1 ELSE 0 END AS excess FROM ({repeated})"
    )
}

/// Prompts that were dismissed, and after which the records know a grant at once, before the person was asked again.
fn taken_as_yes(prompts: &str) -> String {
    format!(
        "SELECT DISTINCT p.file AS file, p.line AS line FROM (SELECT *, \
          lead(at) OVER (PARTITION BY subject_id, purpose ORDER BY at, file, line) AS next FROM ({prompts}) \
          WHERE subject_id IS NOT NULL) p \
         JOIN consent_records c ON c.subject_id = p.subject_id AND c.timestamp >= p.at \
         WHERE p.answer = 'dismissed' AND c.status IN ('given', 'renewed') AND c.timestamp < p.at + {AT_ONCE} \
         AND (p.next IS NULL OR c.timestamp < p.next) \
         AND (c.purpose = p.purpose OR starts_with(p.purpose, concat(c.purpose, '.')))"
    )
}

/// A purpose that nothing knows would never meet a record or a strategy, so it is an error.
async fn check_purposes(engine: &Engine, manifest: &Document<Manifest>, taxonomy: &Taxonomy) -> Result<()> {
    let rows =
        engine.rows(&format!("SELECT purpose, min({FILE}) AS file FROM prompts GROUP BY purpose ORDER BY 1")).await?;
    for row in 0..rows.len() {
        let purpose = rows.text("purpose", row).unwrap_or_default();
        if taxonomy.data_uses.contains(purpose) {
            continue;
        }
        let file = rows.text("file", row).unwrap_or_default();
        let (name, place) = (crate::engine::literal(purpose), crate::engine::literal(file));
        let sql = format!("SELECT min({LINE}) AS line FROM prompts WHERE purpose = {name} AND {FILE} = {place}");
        let line = engine.rows(&sql).await?.count("line", 0);
        let problem = Problem::new(format!("purpose `{purpose}` is not in the taxonomy"));
        return Err(problem.at(manifest.resolve(file), line, 0).suggest(purpose, &taxonomy.data_uses).into());
    }
    Ok(())
}
