//! `audit.json`, the record itself, and reading it back.

use std::path::Path;

use crate::error::{Error, Problem, Result};
use crate::record::{Record, SCHEMA_VERSION};

/// The record as indented JSON with a final newline.
pub fn render(record: &Record) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(record).map_err(|error| Error::Internal(error.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads a record that [`render`] wrote, by this version of the program or an earlier one of the same major version.
///
/// # Errors
/// When the file cannot be read, is not JSON, is no audit record, or has a shape that this version does not know.
pub fn read(path: &Path) -> Result<Record> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, "read the audit record", &error))?;
    parse(path, &bytes)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Record> {
    let value: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|error| at(path, &error, "this is not the JSON of an audit record"))?;
    let Some(version) = value.get("schema_version").and_then(serde_json::Value::as_str) else {
        return Err(Problem::in_file(path, "this is not an audit record: it has no `schema_version`")
            .help(HELP)
            .into());
    };
    if major(version) != major(SCHEMA_VERSION) {
        let message = format!("the record has schema version `{version}`, and this program reads {SCHEMA_VERSION}");
        return Err(Problem::in_file(path, message).help("use the version of Probity that wrote it").into());
    }
    serde_json::from_slice(bytes).map_err(|error| at(path, &error, "this is not a whole audit record"))
}

const HELP: &str = "hand over the `audit.json` that `probity audit` wrote";

fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or_default()
}

/// serde_json's reason, with its place as ours.
fn at(path: &Path, error: &serde_json::Error, what: &str) -> Error {
    let text = error.to_string();
    let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
    Problem::new(format!("{what}: {reason}")).at(path, error.line() as u64, error.column() as u64).help(HELP).into()
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn fault(text: &str) -> String {
        parse(Path::new("audit.json"), text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_record_reads_back_as_it_was_written() -> Result<()> {
        let folder = tempfile::tempdir().map_err(|error| Error::Internal(error.to_string()))?;
        let path = folder.path().join("audit.json");
        let record = sample::record();
        let bytes = render(&record)?;
        assert_eq!(bytes.last(), Some(&b'\n'));
        std::fs::write(&path, bytes).map_err(|error| Error::io(&path, "write", &error))?;
        assert_eq!(read(&path)?, record);
        Ok(())
    }

    #[test]
    fn what_is_no_record_is_refused_with_its_line() {
        assert!(
            fault("{\n  \"a\": ,\n}")
                .starts_with("audit.json:2:8: this is not the JSON of an audit record: expected value")
        );
        assert!(fault("{\"name\": 1}").contains("it has no `schema_version`"));
        assert!(fault("[]").contains("it has no `schema_version`"));
        assert!(fault("{\"schema_version\": \"9.1\"}").contains("schema version `9.1`"));
        let fault = fault("{\n\"schema_version\": \"1.0\"\n}");
        assert!(fault.starts_with("audit.json:3:1: this is not a whole audit record: missing field `tool`"), "{fault}");
    }

    #[test]
    fn a_missing_file_is_told_in_words() {
        let fault = read(Path::new("no/such/audit.json")).unwrap_err().to_string();
        assert_eq!(fault, "no/such/audit.json: cannot read the audit record: no such file or folder");
    }
}
