//! `probity diff`: two audits beside each other.

use std::path::{Path, PathBuf};

use super::{Ending, print};
use crate::decisions::baseline::Baseline;
use crate::decisions::compare::Diff;
use crate::decisions::snapshot::Snapshot;
use crate::error::Result;
use crate::evidence::files;
use crate::outputs::{diff, json};

/// Set two audits beside each other: what is new, fixed, worse, better, the same, and what cannot be compared
///
/// A number is worse or better when its two intervals lie apart and the difference holds after correction for all numbers
/// compared. A finding that vanished with its evidence is not fixed, but not comparable.
#[derive(clap::Args)]
pub struct Args {
    /// The earlier record (audit.json), or a baseline
    old: PathBuf,
    /// The later record
    new: PathBuf,
    #[arg(long, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    Text,
    /// For a comment on a pull request
    Markdown,
    Json,
}

pub fn run(args: &Args) -> Result<Ending> {
    let new = json::read(&args.new)?;
    let compared = Diff::of(&earlier(&args.old)?, &new, &files::sha256(&args.new)?);
    print(&match args.format {
        Format::Text => diff::text(&compared),
        Format::Markdown => diff::markdown(&compared),
        Format::Json => diff::json(&compared)?,
    })?;
    Ok(Ending::done())
}

/// A record or a baseline, in short.
fn earlier(path: &Path) -> Result<Snapshot> {
    let is_baseline = std::fs::read(path)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok())
        .is_some_and(|value| value.get("probity_baseline").is_some());
    if is_baseline {
        return Ok(Baseline::read(path, &path.display().to_string())?.audit);
    }
    Ok(Snapshot::of(&json::read(path)?, &files::sha256(path)?))
}
