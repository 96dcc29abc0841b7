//! Outputs onto the disk: all of them or none. They are written beside, then renamed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::{Error, Problem, Result};
use crate::evidence::table::Reject;

/// The file that lists every row that could not be read.
pub const REJECTED: &str = "rejected.csv";

/// Whether a file can be written at `path` later: told before the work, not after it.
pub fn writable(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Err(Problem::in_file(path, "this is a folder; expected a file to write").into());
    }
    let folder = nearest(path);
    if folder.is_dir() {
        return Ok(());
    }
    Err(Problem::in_file(folder, "this is a file; expected a folder to write to").into())
}

/// Writes all files, or none of them: first each into a folder beside where it goes, which is on the same disk, then all
/// of them into their places. A place never holds half a file.
pub fn all(files: &[(PathBuf, Vec<u8>)]) -> Result<()> {
    let mut beside: BTreeMap<&Path, TempDir> = BTreeMap::new();
    let mut moves: Vec<(PathBuf, &Path)> = Vec::new();
    for (number, (path, bytes)) in files.iter().enumerate() {
        writable(path)?;
        let folder = match beside.entry(nearest(path)) {
            Entry::Occupied(folder) => folder.into_mut(),
            Entry::Vacant(new) => {
                let near = *new.key();
                let folder = tempfile::Builder::new().prefix(".probity-").tempdir_in(near);
                new.insert(folder.map_err(|e| Error::io(near, "write in", &e))?)
            }
        };
        let aside = folder.path().join(number.to_string());
        std::fs::write(&aside, bytes).map_err(|e| Error::io(path, "write", &e))?;
        moves.push((aside, path));
    }
    for (aside, path) in moves {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "make", &e))?;
        }
        std::fs::rename(&aside, path).map_err(|e| Error::io(path, "write", &e))?;
    }
    Ok(())
}

/// Writes one file, whole or not at all.
pub fn one(path: &Path, bytes: &[u8]) -> Result<()> {
    all(&[(path.to_owned(), bytes.to_vec())])
}

/// The nearest folder above a path that is there.
fn nearest(path: &Path) -> &Path {
    let above = path.ancestors().skip(1).find(|above| above.exists() || above.as_os_str().is_empty());
    above.filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The rejected rows as CSV.
pub fn rejected_csv(rejects: &[Reject]) -> Result<Vec<u8>> {
    let fault = |error: csv::Error| Error::Internal(error.to_string());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["file", "line", "reason"]).map_err(fault)?;
    for reject in rejects {
        let line = reject.line.to_string();
        writer.write_record([reject.file.as_str(), line.as_str(), reject.reason.as_str()]).map_err(fault)?;
    }
    writer.into_inner().map_err(|error| Error::Internal(error.to_string()))
}
