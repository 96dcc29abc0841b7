//! Storefront: an invented clothing shop with a web site, an app and stores, for trying Probity out and testing it.
//!
//! [`write`] makes everything an audit reads: manifest, data map, consent policy, consent records, three months of
//! recommendations, subjects and items. It plants defects while it does so and returns (and writes, as `truth.json`)
//! exactly what it planted. The same options give the same contents on every machine: chance is seeded, and all
//! arithmetic that decides anything is in whole numbers.
//!
//! The shop means well. `home-hybrid` combines what people did on the web and in stores, for those who granted the
//! combination; `web-behaviour` serves those who granted the web; `popular` profiles nobody and serves the rest. What
//! goes wrong is in `plan` and, with prices and providers, in `offers`; what people agreed to is in `biography`.

mod biography;
mod chance;
mod files;
mod items;
mod offers;
mod people;
mod plan;
#[cfg(test)]
mod reckoning;
mod rights;
#[cfg(test)]
mod tests;
pub mod truth;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Problem, Result};
pub use truth::Truth;

const DAY: i64 = 86_400;
/// 2026-03-01T00:00:00Z, when the log begins.
const START: i64 = 1_772_323_200;
/// The log ends with the last hour of May by the clocks of Berlin.
const LENGTH: i64 = 92 * DAY - 3 * 3_600;
/// 2026-03-08T00:00:00Z, as in `consent-policy.yaml`: earlier decisions are not judged.
const EFFECTIVE: i64 = START + 7 * DAY;
/// Items of one decision.
const LENGTH_OF_LIST: usize = 10;

/// What shop to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Seed of all chance.
    pub seed: u64,
    /// Customers; each has a decision unless there are fewer decisions.
    pub subjects: usize,
    /// Recommendation requests, of ten items each.
    pub decisions: usize,
    /// The same shop without any defect.
    pub clean: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 20, subjects: 3_000, decisions: 20_000, clean: false }
    }
}

/// Writes the shop into `folder`, which must not exist or be empty, and returns what was planted.
///
/// The files are written beside it and moved there when all are complete.
///
/// # Errors
/// When the options are out of range, the folder holds something, or a file cannot be written.
pub fn write(options: &Options, folder: &Path) -> Result<Truth> {
    check(options)?;
    let existed = vacant(folder)?;
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent).map_err(|e| Error::io(parent, "create", &e))?;
    let beside = tempfile::Builder::new().prefix(".storefront-").tempdir_in(parent);
    let beside = beside.map_err(|e| Error::io(parent, "write here", &e))?;
    // A folder of its own within, for the temporary one is closed to others.
    let complete = beside.path().join("shop");
    let truth = files::write(options, &complete)?;
    if existed {
        std::fs::remove_dir(folder).map_err(|e| Error::io(folder, "replace", &e))?;
    }
    std::fs::rename(&complete, folder).map_err(|e| Error::io(folder, "create", &e))?;
    Ok(truth)
}

fn check(options: &Options) -> Result<()> {
    let too_few = [("subjects", options.subjects), ("decisions", options.decisions)];
    for (name, value) in too_few {
        if value == 0 || value > u32::MAX as usize {
            return Err(Problem::new(format!("`{name}` is {value}; expected 1 to {}", u32::MAX)).into());
        }
    }
    Ok(())
}

/// Whether the folder exists; an error when something is in it.
fn vacant(folder: &Path) -> Result<bool> {
    let mut entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::io(folder, "use as a folder", &error)),
    };
    match entries.next() {
        None => Ok(true),
        Some(_) => {
            let problem = Problem::in_file(folder, "the folder is not empty, and nothing in it is overwritten");
            Err(problem.help("name a folder that does not exist yet").into())
        }
    }
}
