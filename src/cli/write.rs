//! Outputs onto the disk: all of them or none. They are written beside, then renamed.

use std::path::Path;

use crate::error::{Error, Problem, Result};
use crate::evidence::table::Reject;
use crate::outputs::Format;
use crate::outputs::html::Templates;
use crate::record::Record;

/// The file that lists every row that could not be read.
pub const REJECTED: &str = "rejected.csv";

/// Whether `folder` can be written to later: told before the work, not after it.
pub fn writable(folder: &Path) -> Result<()> {
    match folder.ancestors().find(|ancestor| ancestor.exists()) {
        Some(there) if !there.is_dir() => {
            Err(Problem::in_file(there, "this is a file; expected a folder to write to").into())
        }
        _ => Ok(()),
    }
}

/// The templates of the report: built in, or from the user's folder where there is one.
pub fn templates(folder: Option<&Path>) -> Result<Templates> {
    folder.map_or_else(|| Ok(Templates::default()), Templates::read)
}

/// Writes the record in every format, and the rejected rows.
pub fn outputs(
    folder: &Path,
    formats: &[&Format],
    record: &Record,
    rejects: &[Reject],
    templates: &Templates,
) -> Result<()> {
    let mut files: Vec<(&str, Vec<u8>)> = Vec::new();
    for format in formats {
        files.push((format.file_name, format.render_with(record, templates)?));
    }
    files.push((REJECTED, rejected_csv(rejects)?));
    all(folder, &files)
}

/// Writes all files into `folder`, or none of them.
pub fn all(folder: &Path, files: &[(&str, Vec<u8>)]) -> Result<()> {
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent).map_err(|e| Error::io(parent, "make", &e))?;
    let beside = tempfile::Builder::new()
        .prefix(".probity-")
        .tempdir_in(parent)
        .map_err(|e| Error::io(parent, "write in", &e))?;
    for (name, bytes) in files {
        let path = beside.path().join(name);
        std::fs::write(&path, bytes).map_err(|e| Error::io(&path, "write", &e))?;
    }
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "make", &e))?;
    for (name, _) in files {
        let (from, to) = (beside.path().join(name), folder.join(name));
        std::fs::rename(&from, &to).map_err(|e| Error::io(&to, "write", &e))?;
    }
    Ok(())
}

/// Writes one file, whole or not at all.
pub fn one(path: &Path, bytes: &[u8]) -> Result<()> {
    match (path.parent(), path.file_name().and_then(|name| name.to_str())) {
        (Some(folder), Some(name)) => {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            all(folder, &[(name, bytes.to_vec())])
        }
        _ => Err(Problem::in_file(path, "this is no name of a file to write").into()),
    }
}

fn rejected_csv(rejects: &[Reject]) -> Result<Vec<u8>> {
    let fault = |error: csv::Error| Error::Internal(error.to_string());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["file", "line", "reason"]).map_err(fault)?;
    for reject in rejects {
        let line = reject.line.to_string();
        writer.write_record([reject.file.as_str(), line.as_str(), reject.reason.as_str()]).map_err(fault)?;
    }
    writer.into_inner().map_err(|error| Error::Internal(error.to_string()))
}
