//! A shop with a known truth: an invented clothing shop with a web site, an app and stores, for trying Probity out and
//! testing it.
//!
//! A [`Plan`] says how large it is and what goes wrong in it. [`write`] makes everything that an audit reads: manifest, data
//! map, consent policy, consent records, three months of recommendations, subjects and items, and further tables where the
//! plan needs them. It returns (and writes, as `truth.json`) exactly what it planted. The same plan gives the same contents
//! on every machine: chance is seeded, and all arithmetic that decides anything is in whole numbers.
//!
//! The shop means well. `home-hybrid` combines what people did on the web and in stores, for those who granted the
//! combination; `web-behaviour` serves those who granted the web; `popular` profiles nobody and serves the rest. What
//! is done wrong is in `conduct` and, with prices and articles, in `offers`; what people agreed to is in `biography`.
//! `spotlight` and `loyalty` are for what the log of one strategy tells of another, and for what becomes of people.

mod biography;
mod chance;
mod conduct;
mod extras;
mod files;
mod items;
mod log;
mod loyalty;
mod offers;
mod people;
pub mod plan;
#[cfg(test)]
mod reckoning;
mod rights;
mod spotlight;
#[cfg(test)]
mod tests;
pub mod truth;

use std::path::Path;

use crate::error::{Error, Problem, Result};
pub use plan::Plan;
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

/// Writes the shop into `folder`, which must not exist or be empty, and returns what was planted.
///
/// The files are written beside it and moved there when all are complete.
///
/// # Errors
/// When the plan's sizes are out of range or cannot be made, the folder holds something, or a file cannot be written.
pub fn write(plan: &Plan, folder: &Path) -> Result<Truth> {
    plan.check()?;
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
    let truth = files::write(plan, &complete)?;
    if existed {
        std::fs::remove_dir(folder).map_err(|e| Error::io(folder, "replace", &e))?;
    }
    std::fs::rename(&complete, folder).map_err(|e| Error::io(folder, "create", &e))?;
    Ok(truth)
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
