//! `evidence_quality`: whether the evidence could be read, and what it lacks.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FactKind;
use crate::evidence::columns::Role;
use crate::evidence::lineage::Lineage;
use crate::evidence::table::Table;
use crate::findings::Evidence;

/// One role of evidence (all its files together).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceQuality {
    /// `data_map`, `consent_policy`, `consent_records`, `recommendations`, `subjects`, `items`, `prompts` or `lineage`.
    pub role: String,
    /// Whether it was handed over.
    pub given: bool,
    pub files: u64,
    /// Rows (of lineage: statements and events) read, rejected ones included; null for other documents.
    pub rows: Option<u64>,
    /// Rows that could not be read, duplicates included; each stands in `rejected.csv`.
    pub rejected: Option<u64>,
    /// `rejected` over `rows`, 0 to 1.
    pub rejected_share: Option<f64>,
    /// Rows rejected because they repeat another row of the same decision.
    pub duplicates: Option<u64>,
    /// Distinct subjects; null when the table has none.
    pub subjects: Option<u64>,
    /// Subjects of the log whom this table does not know; null where that does not apply.
    pub subjects_missing: Option<u64>,
    /// Canonical columns that are absent, so that what needs them is not evidenced.
    pub columns_missing: Vec<String>,
    /// Earliest and latest time in it, RFC 3339, UTC.
    pub first: Option<String>,
    pub last: Option<String>,
}

impl FactKind for EvidenceQuality {
    const NAME: &'static str = "evidence_quality";
    const DOC: &'static str = "One fact per role of evidence: whether it was handed over, its files, rows and rejected \
        rows, duplicates, distinct subjects, subjects of the log that it does not know, columns it lacks, and the \
        time it spans.";
    const NEEDS_LOG: bool = false;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([("role", self.role.clone())])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut evidence = Vec::new();
        if let (Some(rows), Some(rejected)) = (self.rows, self.rejected) {
            evidence.push(Evidence::value("rows", rows.to_string()));
            evidence.push(Evidence::value("rejected", rejected.to_string()));
        }
        if !self.columns_missing.is_empty() {
            evidence.push(Evidence::value("columns missing", self.columns_missing.join(", ")));
        }
        evidence
    }
}

/// What plans found out about a table beyond its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    pub subjects: Option<u64>,
    pub subjects_missing: Option<u64>,
    pub first: Option<String>,
    pub last: Option<String>,
}

/// A role whose evidence is a table.
pub fn of_table(role: Role, table: Option<&Table>, coverage: Coverage) -> EvidenceQuality {
    let (rows, rejected) = table.map(|t| (t.rows(), t.rejected())).unzip();
    let share = rows.zip(rejected).filter(|(rows, _)| *rows > 0).map(|(rows, rejected)| rejected as f64 / rows as f64);
    let missing = |table: &Table| {
        let absent = role.columns().iter().filter(|column| !table.present.contains(column.name));
        absent.map(|column| column.name.to_owned()).collect()
    };
    EvidenceQuality {
        role: role.id().to_owned(),
        given: table.is_some(),
        files: table.map_or(0, |t| t.files.len() as u64),
        rows,
        rejected,
        rejected_share: share,
        duplicates: table.filter(|_| role == Role::Recommendations).map(|t| t.duplicates),
        subjects: coverage.subjects,
        subjects_missing: coverage.subjects_missing,
        columns_missing: table.map(missing).unwrap_or_default(),
        first: coverage.first,
        last: coverage.last,
    }
}

/// Lineage: its statements and events, and those that leave open what was joined.
pub fn of_lineage(lineage: Option<&Lineage>) -> EvidenceQuality {
    let (rows, rejected) = lineage.map(|l| (l.table.rows(), l.table.rejected())).unzip();
    let share = rows.zip(rejected).filter(|(rows, _)| *rows > 0).map(|(rows, rejected)| rejected as f64 / rows as f64);
    let files = lineage.map_or(0, |lineage| lineage.table.files.len());
    EvidenceQuality { rows, rejected, rejected_share: share, ..of_documents("lineage", files) }
}

/// A role whose evidence is documents.
pub fn of_documents(role: &str, files: usize) -> EvidenceQuality {
    EvidenceQuality {
        role: role.to_owned(),
        given: files > 0,
        files: files as u64,
        rows: None,
        rejected: None,
        rejected_share: None,
        duplicates: None,
        subjects: None,
        subjects_missing: None,
        columns_missing: Vec::new(),
        first: None,
        last: None,
    }
}
