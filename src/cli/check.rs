//! `probity check`: everything that can be said without opening a log.

use std::path::PathBuf;

use super::{Ending, block_on, print};
use crate::audit::{Options, Scope, audit};
use crate::error::Result;
use crate::outputs::terminal;
use crate::playbook::Severity;
use crate::progress::Progress;

/// Check a manifest, its data map, policy and rules, without any log
///
/// Reads and type-checks all that is declared, and judges what needs no log: purposes, inputs, and the contexts that
/// strategies and lineage would combine.
/// Exit codes are those of `audit`.
#[derive(clap::Args)]
pub struct Args {
    /// The manifest, usually audit.yaml
    manifest: PathBuf,
    /// Also read the consent records: for how many people would a join lack consent today?
    #[arg(long)]
    joins: bool,
    /// The least severity of open findings that fails the check
    #[arg(long)]
    fail_on: Option<Severity>,
}

pub fn run(args: Args) -> Result<Ending> {
    let options = Options {
        fail_on: args.fail_on,
        baseline: None,
        candidate: None,
        memory: None,
        progress: Progress::hidden(),
        pseudonym_key: None,
        scope: if args.joins { Scope::Consent } else { Scope::Declared },
    };
    let record = block_on(audit(&args.manifest, &options))?.record;
    print(&terminal::render(&record))?;
    Ok(Ending::with(record.verdict.exit_code, record.verdict.sentence))
}
