//! Lineage: which table was made from which, by which keys, and where that is written.
//!
//! What cannot be read is listed, never ignored: a statement that nobody could parse may join anything.

use std::collections::{BTreeMap, BTreeSet};

use super::table::{Reject, Table};

pub mod dbt;
pub mod openlineage;
pub mod query_log;
mod sources;
pub mod sql;

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
    /// As the record names it.
    pub path: String,
    pub line: u64,
    /// What ran it, by its own name: the run of a lineage event, a dbt node, an entry of a log of queries.
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
}

/// All lineage that was handed over.
#[derive(Debug, Clone, Default)]
pub struct Lineage {
    pub flows: Vec<Flow>,
    pub aliases: BTreeSet<(String, String)>,
    /// Files that a dbt manifest tells of, by the manifest that was read for them.
    pub within: BTreeMap<String, String>,
    /// The files, with a statement or event as a row; what could not be read, or leaves something open, as rejects.
    pub table: Table,
}

impl Lineage {
    /// Adds what a later look found to leave something open.
    pub fn reject(&mut self, rejects: Vec<Reject>) {
        for reject in &rejects {
            let name = self.within.get(&reject.file).unwrap_or(&reject.file);
            if let Some(file) = self.table.files.iter_mut().find(|file| file.name == *name) {
                file.rejected += 1;
            }
        }
        self.table.rejects.extend(rejects);
        self.table.rejects.sort();
    }
}
