//! The register of risks: what is broken, how bad it is, and how many of the people in the log it concerns.

use serde::Serialize;

use super::conclusion::{Worst, people, told};
use super::view::MANY;
use crate::findings::Disposition;
use crate::outputs::summary::failing;
use crate::playbook::Severity;
use crate::record::Record;

/// How likely it is that a person of the log is concerned: the classes, least first. The last is for what concerns no
/// countable people, e.g. a missing declaration.
const CLASSES: [(f64, &str); 4] =
    [(0.01, "under 1%"), (0.05, "1 to 5%"), (0.2, "5 to 20%"), (f64::INFINITY, "over 20%")];
const SEVERITIES: [Severity; 4] = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];

#[derive(Debug, Serialize)]
pub struct Register<'a> {
    pub columns: Vec<&'static str>,
    pub rows: Vec<Line>,
    pub risks: Vec<Risk<'a>>,
    /// The later ones, when there are many.
    pub folded: Vec<Risk<'a>>,
}

/// The risks of one severity, by how likely they are.
#[derive(Debug, Serialize)]
pub struct Line {
    pub severity: Severity,
    pub cells: Vec<Cell>,
}

#[derive(Debug, Serialize)]
pub struct Cell {
    pub risks: u64,
    /// From 0 to 3: how dark it is drawn, by severity and likelihood together.
    pub shade: usize,
    pub label: &'static str,
}

/// Findings of one rule about one strategy.
#[derive(Debug, Serialize)]
pub struct Risk<'a> {
    pub worst: Worst<'a>,
    pub strategy: String,
    pub findings: usize,
    /// The most people that one of them concerns.
    pub people: Option<u64>,
    pub share: Option<f64>,
    pub open: bool,
}

/// `None` when nothing is broken.
pub fn register(record: &Record) -> Option<Register<'_>> {
    let all = people(record).filter(|all| *all > 0);
    let risks: Vec<Risk<'_>> = failing(record)
        .into_iter()
        .filter_map(|group| {
            let people = group.findings.iter().filter_map(|index| record.findings.get(*index)?.people).max();
            Some(Risk {
                worst: told(record, *group.findings.first()?)?,
                strategy: group.strategy,
                findings: group.findings.len(),
                people,
                share: people.zip(all).map(|(people, all)| people as f64 / all as f64),
                open: group.disposition == Disposition::Open,
            })
        })
        .collect();
    let columns: Vec<&str> = CLASSES.iter().map(|(_, label)| *label).chain(["not counted in people"]).collect();
    let class = |risk: &Risk<'_>| {
        let share = risk.share.map(|share| CLASSES.iter().position(|(below, _)| share < *below));
        share.flatten().unwrap_or(CLASSES.len())
    };
    let line = |(down, severity): (usize, Severity)| {
        let of = |class_of: usize| {
            let here = |risk: &&Risk<'_>| risk.worst.severity == severity && class(risk) == class_of;
            risks.iter().filter(here).count() as u64
        };
        let cells = columns.iter().enumerate().map(|(column, label)| Cell {
            risks: of(column),
            shade: if column == CLASSES.len() { 3_usize.saturating_sub(down) } else { (3 - down + column) / 2 },
            label,
        });
        Line { severity, cells: cells.collect() }
    };
    let rows = SEVERITIES.into_iter().enumerate().map(line).collect();
    let mut risks = risks;
    let folded = risks.split_off(risks.len().min(MANY));
    (!risks.is_empty()).then_some(Register { columns, rows, risks, folded })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outputs::sample;

    /// Every risk stands in one cell of the matrix, by its severity.
    #[test]
    fn the_matrix_holds_every_risk_once() {
        let record = sample::record();
        let register = register(&record).expect("the sample has failures");
        for line in &register.rows {
            let listed =
                register.risks.iter().chain(&register.folded).filter(|risk| risk.worst.severity == line.severity);
            assert_eq!(line.cells.iter().map(|cell| cell.risks).sum::<u64>(), listed.count() as u64);
        }
        assert!(register.rows.iter().flat_map(|line| &line.cells).all(|cell| cell.shade <= 3));
    }

    #[test]
    fn a_record_without_failures_has_no_register() {
        let mut record = sample::record();
        record.findings.clear();
        assert!(register(&record).is_none());
    }
}
