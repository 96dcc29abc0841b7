//! `probity baseline write`: from a record to the baseline that later audits are held against.

use std::path::PathBuf;

use super::{Ending, write};
use crate::decisions::baseline::{BaselineFile, FORMAT};
use crate::decisions::snapshot::Snapshot;
use crate::error::{Error, Problem, Result};
use crate::evidence::files;
use crate::findings::Disposition;
use crate::outputs::json;
use crate::playbook::Verdict;

/// What may stay as it is, as long as it gets no worse
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Write the baseline of an audit
    ///
    /// Its findings may stay from now on, as long as no number of them gets surely worse; any other finding is new, and
    /// fails the gate. No audit ever rewrites the file: run this again when things got better.
    Write {
        /// The record of an audit, usually audit-report/audit.json
        record: PathBuf,
        /// Where to write it
        #[arg(long, default_value = "baseline.json")]
        out: PathBuf,
        /// Take the place of a baseline that is there
        #[arg(long)]
        replace: bool,
    },
}

pub fn run(args: Args) -> Result<Ending> {
    let Command::Write { record: path, out, replace } = args.command;
    let record = json::read(&path)?;
    if out.exists() && !replace {
        let problem = Problem::in_file(&out, "there is a baseline already");
        return Err(problem
            .help("`--replace` puts this one in its place; `probity diff` shows what that allows")
            .into());
    }
    let file = BaselineFile { probity_baseline: FORMAT, audit: Snapshot::of(&record, &files::sha256(&path)?) };
    let mut bytes = serde_json::to_vec_pretty(&file).map_err(|error| Error::Internal(error.to_string()))?;
    bytes.push(b'\n');
    write::one(&out, &bytes)?;
    let open = |status| {
        let findings = record.findings.iter().filter(move |of| of.status == status);
        findings.filter(|of| of.disposition != Disposition::Waived).count()
    };
    let told = format!(
        "{} failing and {} undecided findings may stay as they are; {} numbers are held",
        open(Verdict::Fail),
        open(Verdict::Inconclusive),
        file.audit.measures.len()
    );
    anstream::eprintln!("wrote {}", out.display());
    Ok(Ending::with(0, told))
}
