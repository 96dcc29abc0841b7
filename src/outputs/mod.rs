//! Outputs: what an audit looks like to those who read it. They render the record and compute nothing.
//!
//! One file per format, and one line in [`FORMATS`]. [`terminal`] is the summary that a run prints.

use crate::error::Result;
use crate::record::Record;

mod charts;
mod ci;
pub mod diff;
pub mod findings_csv;
pub mod github;
pub mod html;
pub mod in_toto;
pub mod json;
pub mod junit;
mod labels;
mod loyalty_charts;
pub mod markdown;
pub mod openmetrics;
mod page;
mod prose;
#[cfg(test)]
mod sample;
pub mod sarif;
mod summary;
pub mod terminal;
mod text;
pub mod trend;

/// A format that a record can be written in.
pub struct Format {
    /// As `--format` takes it.
    pub name: &'static str,
    /// The file it becomes in the folder of the audit.
    pub file_name: &'static str,
    /// Whether it goes to standard output unless a file is asked for: what others read from there.
    pub printed: bool,
    /// The file's bytes: the same record gives the same bytes.
    pub render: fn(&Record) -> Result<Vec<u8>>,
}

impl Format {
    /// The file's bytes, the report's made with these templates.
    ///
    /// # Errors
    /// When a template of the user's cannot be filled in.
    pub fn render_with(&self, record: &Record, templates: &html::Templates) -> Result<Vec<u8>> {
        if self.name == "html" { html::render_with(record, templates) } else { (self.render)(record) }
    }
}

/// All formats, by the order in which they are written.
pub const FORMATS: &[Format] = &[
    Format { name: "json", file_name: "audit.json", printed: false, render: json::render },
    Format { name: "findings", file_name: "findings.csv", printed: false, render: findings_csv::render },
    Format { name: "html", file_name: "report.html", printed: false, render: html::render },
    Format { name: "sarif", file_name: "probity.sarif", printed: false, render: sarif::render },
    Format { name: "code-scanning", file_name: "code-scanning.sarif", printed: false, render: sarif::render_open },
    Format { name: "junit", file_name: "junit.xml", printed: false, render: junit::render },
    Format { name: "markdown", file_name: "summary.md", printed: false, render: markdown::render },
    Format { name: "github", file_name: "annotations.txt", printed: true, render: github::render },
    Format { name: "openmetrics", file_name: "probity.prom", printed: false, render: openmetrics::render },
    Format { name: "in-toto", file_name: "probity.intoto.json", printed: false, render: in_toto::render },
];

/// A format by its name.
pub fn by_name(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_found_by_its_name_and_writes_its_own_file() {
        let mut files: Vec<_> = FORMATS.iter().map(|format| format.file_name).collect();
        files.sort_unstable();
        files.dedup();
        assert_eq!(files.len(), FORMATS.len());
        for format in FORMATS {
            assert_eq!(by_name(format.name).map(|found| found.file_name), Some(format.file_name));
        }
        assert!(by_name("pdf").is_none());
    }

    #[test]
    fn the_same_record_gives_the_same_bytes() -> Result<()> {
        let record = sample::record();
        for format in FORMATS {
            assert_eq!((format.render)(&record)?, (format.render)(&record.clone())?, "{}", format.name);
        }
        Ok(())
    }
}
