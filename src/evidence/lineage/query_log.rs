//! Logs of executed statements to flows, each at the row that shows it first.
//!
//! A log repeats itself: the engine counts equal texts, and each is read once. Values within statements may be data
//! about people; nothing of a text but the names of its tables and columns goes any further.

use std::sync::Arc;

use datafusion::catalog::streaming::StreamingTable;

use super::{Flow, Parsed, Unparsed, sql};
use crate::engine::{Engine, quoted};
use crate::error::{Problem, Result};
use crate::evidence::files::{DataFile, Hash};
use crate::evidence::text::{self, FAULT, LINE, TextFile};
use crate::manifest::{Dialect, Format, LineageSource, Manifest};
use crate::scan;
use crate::yaml::Document;

/// Columns of a log, each with the names it has where `columns` says nothing: ours, then those of known databases.
const COLUMNS: [(&str, &[&str]); 4] = [
    ("query", &["query", "sql", "query_text", "statement_text", "statement"]),
    ("id", &["id", "query_id", "job_id", "statement_id"]),
    ("job", &["job", "job_name"]),
    ("dialect", &["dialect"]),
];

/// Words that start statements which no row passes through on its way from table to table.
const NO_LINEAGE: &str = "abort analyse analyze checkpoint close comment commit deallocate deny desc describe discard \
    drop get grant kill list listen lock ls msck notify optimize put refresh reindex release remove reset revoke rm \
    rollback savepoint show truncate uncache undrop unlisten unlock unset use vacuum zorder";
/// Such words too, unless the statement holds another.
const OUTER: &str = "begin end set start";
const INNER: &str = "select table insert merge update copy call execute values";

/// Reads one file; `table` is what the engine calls it.
pub async fn read(
    engine: &Engine,
    manifest: &Document<Manifest>,
    source: &LineageSource,
    file: &DataFile,
    table: &str,
) -> Result<Parsed> {
    let origins = origins(manifest, source, file)?;
    let columns: Vec<String> = origins.iter().flatten().cloned().collect();
    let mut stream = TextFile::new(file.clone(), b',', columns, Hash::default());
    // Statements run over several lines.
    stream.any_text = true;
    let raw = StreamingTable::try_new(stream.schema.clone(), vec![Arc::new(stream)])?;
    let unread = format!("{table}_raw");
    engine.session.register_table(unread.as_str(), Arc::new(raw))?;
    let cells: String = COLUMNS.iter().zip(&origins).map(|((name, _), origin)| cell(name, origin.as_deref())).collect();
    engine.stage(table, &format!("SELECT {LINE}, {FAULT}{cells} FROM {unread}")).await?;

    let mut parsed = Parsed::default();
    let faulty = format!(
        "SELECT {LINE} AS line, coalesce({FAULT}, 'query is empty, or is not UTF-8 text') AS reason FROM {table} \
         WHERE {FAULT} IS NOT NULL OR query IS NULL ORDER BY line"
    );
    let rows = engine.rows(&faulty).await?;
    for row in 0..rows.len() {
        let reason = rows.text("reason", row).unwrap_or_default().to_owned();
        parsed.unparsed.push(Unparsed { path: file.name.clone(), line: rows.count("line", row), reason });
        parsed.statements += 1;
    }
    let distinct = format!(
        "SELECT query, dialect, count(*) AS times, min({LINE}) AS line, first_value(id ORDER BY {LINE}) AS id, \
         first_value(job ORDER BY {LINE}) AS job FROM {table} WHERE {FAULT} IS NULL AND query IS NOT NULL \
         GROUP BY query, dialect ORDER BY line"
    );
    let rows = engine.rows(&distinct).await?;
    for row in 0..rows.len() {
        let statement = Statement {
            text: rows.text("query", row).unwrap_or_default(),
            dialect: rows.text("dialect", row),
            name: rows.text("id", row).or(rows.text("job", row)),
            times: rows.count("times", row),
            line: rows.count("line", row),
        };
        statement.parse(&file.name, source.dialect, &mut parsed);
    }
    parsed.unparsed.sort_by_key(|unparsed| unparsed.line);
    Ok(parsed)
}

/// Equal texts of a log.
struct Statement<'a> {
    text: &'a str,
    dialect: Option<&'a str>,
    /// Its id, else its job.
    name: Option<&'a str>,
    times: u64,
    line: u64,
}

impl Statement<'_> {
    fn parse(&self, path: &str, default: Dialect, into: &mut Parsed) {
        let repeated = (self.times > 1).then(|| format!("{} times", self.times));
        let mut unparsed = |reason: String| {
            let reason = repeated.iter().fold(reason, |reason, times| format!("{reason} (executed {times})"));
            into.unparsed.push(Unparsed { path: path.to_owned(), line: self.line, reason });
        };
        let dialect = match self.dialect.map(Dialect::of_database) {
            None => default,
            Some(Some(dialect)) => dialect,
            Some(None) => {
                into.statements += 1;
                return unparsed("its dialect is none of postgres, snowflake, bigquery, spark or hive".into());
            }
        };
        let read = sql::parse(self.text, path, dialect);
        into.statements += read.statements;
        if read.statements != 1 || !is_no_lineage(self.text) {
            read.unparsed.into_iter().for_each(|fault| unparsed(fault.reason));
        }
        let run: Vec<&str> = self.name.into_iter().chain(repeated.as_deref()).collect();
        let run = (!run.is_empty()).then(|| run.join(", "));
        into.flows.extend(read.flows.into_iter().map(|flow| Flow { line: self.line, run: run.clone(), ..flow }));
    }
}

/// Whether a single statement is of a kind that moves no rows: what no dialect of ours reads may still be that.
pub(super) fn is_no_lineage(text: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect()
    };
    let all = words(text);
    let first = words(without_comments(text)).into_iter().next().unwrap_or_default();
    let among = |word: &str, list: &str| list.split_whitespace().any(|known| known == word);
    among(&first, NO_LINEAGE) || (among(&first, OUTER) && !all.iter().any(|word| among(word, INNER)))
}

/// A statement without the comments before it.
fn without_comments(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        let end = match (text.starts_with("--"), text.starts_with("/*")) {
            (true, _) => "\n",
            (_, true) => "*/",
            _ => return text,
        };
        text = text.split_once(end).map_or("", |(_, rest)| rest);
    }
}

/// The file's own name of each of [`COLUMNS`]; None where it has no such column.
fn origins(manifest: &Document<Manifest>, source: &LineageSource, file: &DataFile) -> Result<Vec<Option<String>>> {
    let header = text::header(file, b',')?;
    let mut problems = Vec::new();
    for (canonical, at) in &source.columns {
        if !COLUMNS.iter().any(|(name, _)| name == canonical) {
            let message = format!("`{canonical}` is no column of a log of queries");
            problems.push(manifest.problem(at, message).suggest(canonical, COLUMNS.map(|(name, _)| name)));
        } else if !header.contains(&at.value) {
            let message = format!("`{}` has no column `{}`", file.name, at.value);
            // A header line that is missing would be a statement, and is not to be told.
            let names = header.iter().filter(|name| scan::told_name(name, 0) == **name);
            problems.push(manifest.problem(at, message).suggest(&at.value, names));
        }
    }
    let found = COLUMNS.map(|(canonical, known)| match source.columns.get(canonical) {
        Some(at) => Some(at.value.clone()),
        None => known.iter().find_map(|known| header.iter().find(|name| name.eq_ignore_ascii_case(known)).cloned()),
    });
    if found[0].is_none() {
        let message = format!("`{}` has no column `query`, and `columns` maps none to it", file.name);
        let problem = Problem::new(message).at(&manifest.path, source.path.line, source.path.column);
        problems.push(problem.with_text(manifest.text.clone()).help("state `columns: { query: … }`"));
    }
    crate::error::all_clear(problems)?;
    Ok(found.into())
}

fn cell(name: &str, origin: Option<&str>) -> String {
    let value = match origin {
        Some(origin) => format!("nullif(trim({}), '')", quoted(origin)),
        None => "CAST(NULL AS VARCHAR)".to_owned(),
    };
    format!(", {value} AS {name}")
}

/// Whether such a file can be read as rows.
pub(super) fn rows_of(extension: &str) -> Option<Format> {
    match extension {
        "csv" => Some(Format::Csv),
        "jsonl" | "ndjson" | "json" => Some(Format::Jsonl),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
