//! Lineage: which table was made from which, by which keys, and where that is written.
//!
//! What cannot be read is listed, never ignored: a statement that nobody could parse may join anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::files;
use super::table::{FileRead, Reject, Table};
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::yaml::Document;

pub mod ancestry;
pub mod openlineage;
mod outputs;
pub mod reach;
pub mod sql;
mod tables;

pub use outputs::{Base, Bases, How, Output, Outputs};

/// A statement or run that makes one table from others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flow {
    /// What is made; None when the rows go to whoever asked.
    pub target: Option<String>,
    /// Tables read, by the names they are written with, without quotes.
    pub sources: BTreeSet<String>,
    /// Columns used, keys and filters included.
    pub columns: BTreeSet<Column>,
    /// Whether `columns` are all that are used; producers of events often leave out keys and filters.
    pub all_columns: bool,
    pub keys: BTreeSet<JoinKey>,
    /// What each column that it makes comes from. None: that cannot be told column by column, and all that the flow
    /// reads stands for each.
    pub outputs: Option<Outputs>,
    pub how: How,
    /// Columns that it hashes. That hides no person, and tells what kind of key it is.
    pub hashed: BTreeSet<Key>,
    /// As the record names it.
    pub path: String,
    pub line: u64,
    /// Run of the lineage event, if it is one.
    pub run: Option<String>,
}

/// A column that a flow uses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Column {
    /// None when it cannot be told which table has it.
    pub table: Option<String>,
    /// `*` for all of them.
    pub name: String,
    pub why: Why,
}

/// What a column is used for. Each is a use: a filter tells as much about a person as a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    Selected,
    JoinKey,
    Filter,
    Group,
}

/// Two columns that rows are matched by, whatever function each passed through.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct JoinKey {
    pub left: Key,
    pub right: Key,
}

/// One side of a join key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub table: Option<String>,
    pub column: String,
}

impl Key {
    pub fn text(&self) -> String {
        match &self.table {
            Some(table) => format!("{table}.{}", self.column),
            None => self.column.clone(),
        }
    }
}

/// What could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unparsed {
    pub path: String,
    pub line: u64,
    pub reason: String,
}

/// What a text of lineage says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    pub flows: Vec<Flow>,
    pub unparsed: Vec<Unparsed>,
    /// Statements or events, those that could not be read included.
    pub statements: u64,
    /// Other names of tables: the alias, then the name.
    pub aliases: BTreeSet<(String, String)>,
    /// Columns of tables that a statement declares, in their order.
    pub declared: BTreeMap<String, Vec<String>>,
}

/// All lineage that was handed over.
#[derive(Debug, Clone, Default)]
pub struct Lineage {
    pub flows: Vec<Flow>,
    pub aliases: BTreeSet<(String, String)>,
    /// Columns of tables that a statement declares, in their order.
    pub declared: BTreeMap<String, Vec<String>>,
    /// The files, with a statement or event as a row; what could not be read, or leaves something open, as rejects.
    pub table: Table,
}

impl Lineage {
    /// Reads all of the manifest's lineage; None when it names none.
    pub fn read(manifest: &Document<Manifest>) -> Result<Option<Self>> {
        let sources = &manifest.value.evidence.lineage;
        if sources.is_empty() {
            return Ok(None);
        }
        let mut lineage = Self::default();
        let mut seen = BTreeSet::new();
        for source in sources {
            let folder = manifest.resolve(&source.path).is_dir();
            let before = lineage.table.files.len();
            for path in files::paths(manifest, &source.path)? {
                let name = files::name_of(manifest, &path);
                let Some(format) = Format::of(&path) else {
                    // A folder may hold other things; a file that was named may not be skipped.
                    if folder {
                        continue;
                    }
                    let message = format!("`{name}` is neither SQL nor OpenLineage, by its name");
                    let problem = manifest.problem(&source.path, message);
                    return Err(problem.help("expected a file named .sql, .json, .jsonl or .ndjson").into());
                };
                if !seen.insert(path.clone()) {
                    continue;
                }
                let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, "read", &e))?;
                let parsed = match std::str::from_utf8(&bytes) {
                    Ok(text) if format == Format::Sql => sql::parse(text, &name, source.dialect),
                    Ok(text) => openlineage::parse(text, &name),
                    Err(fault) => {
                        let line = 1 + bytes[..fault.valid_up_to()].iter().filter(|b| **b == b'\n').count() as u64;
                        let reason = "the file is not UTF-8 text from here on".to_owned();
                        let unparsed = vec![Unparsed { path: name.clone(), line, reason }];
                        Parsed { statements: 1, unparsed, ..Parsed::default() }
                    }
                };
                lineage.table.files.push(FileRead {
                    name,
                    format: format.id().into(),
                    rows: parsed.statements,
                    rejected: parsed.unparsed.len() as u64,
                    sha256: files::sha256(&path)?,
                });
                lineage.flows.extend(parsed.flows);
                lineage.aliases.extend(parsed.aliases);
                lineage.declared.extend(parsed.declared);
                let rejects = parsed.unparsed.into_iter();
                lineage.table.rejects.extend(rejects.map(|u| Reject { file: u.path, line: u.line, reason: u.reason }));
            }
            if lineage.table.files.len() == before && seen.is_empty() {
                let message = format!("the folder `{}` holds no .sql, .json or .jsonl file", *source.path);
                return Err(manifest.problem(&source.path, message).into());
            }
        }
        Ok(Some(lineage))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Sql,
    OpenLineage,
}

impl Format {
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_string_lossy().to_lowercase().as_str() {
            "sql" => Some(Self::Sql),
            "json" | "jsonl" | "ndjson" => Some(Self::OpenLineage),
            _ => None,
        }
    }

    fn id(self) -> &'static str {
        match self {
            Self::Sql => "sql",
            Self::OpenLineage => "openlineage",
        }
    }
}

#[cfg(test)]
mod tests;
