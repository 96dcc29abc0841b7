//! What is known of a table of evidence once it is read, and of the rows that could not be.

use std::collections::BTreeSet;

use super::columns::Role;
use crate::error::{Error, Problem, Result};
use crate::manifest::Manifest;
use crate::yaml::Document;

/// The column with the file a row comes from.
pub const FILE: &str = "__file";

/// What is known of a role's tables once they are read.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// Canonical columns (and attributes) that at least one file has.
    pub present: BTreeSet<String>,
    /// All columns of the files, by their own names.
    pub header: BTreeSet<String>,
    pub files: Vec<FileRead>,
    pub rejects: Vec<Reject>,
    /// Rejects that repeat another row of the same decision.
    pub duplicates: u64,
    /// Layouts that occur among the files.
    pub layouts: BTreeSet<&'static str>,
}

/// A file, read.
#[derive(Debug, Clone)]
pub struct FileRead {
    pub name: String,
    pub format: String,
    /// Rejected rows included.
    pub rows: u64,
    pub rejected: u64,
    pub sha256: String,
}

/// A row that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reject {
    pub file: String,
    /// Line of a text file, row of a Parquet file; from 1.
    pub line: u64,
    pub reason: String,
}

impl Table {
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    pub fn rejected(&self) -> u64 {
        self.files.iter().map(|file| file.rejected).sum()
    }

    /// Adds rows that a later look found to be unusable.
    pub fn reject(&mut self, rejects: Vec<Reject>) {
        for reject in &rejects {
            if let Some(file) = self.files.iter_mut().find(|file| file.name == reject.file) {
                file.rejected += 1;
            }
        }
        self.rejects.extend(rejects);
        self.rejects.sort();
    }

    /// Fails when more than `share` of the rows are rejected, and names the first of them.
    pub fn within(&self, share: f64, manifest: &Document<Manifest>, role: Role) -> Result<()> {
        let (rows, rejected) = (self.rows(), self.rejected());
        if rejected == 0 || rejected as f64 <= share * rows as f64 {
            return Ok(());
        }
        let mut problems = vec![Problem::in_file(
            &manifest.path,
            format!(
                "{rejected} of {rows} rows of `{}` cannot be read; `max_rejected` allows {}",
                role.id(),
                percent(share)
            ),
        )];
        problems.extend(
            self.rejects
                .iter()
                .take(5)
                .map(|r| Problem::new(r.reason.clone()).at(manifest.resolve(&r.file), r.line, 0)),
        );
        Err(Error::Invalid(problems))
    }
}

fn percent(share: f64) -> String {
    format!("{} %", share * 100.0)
}
