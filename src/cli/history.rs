//! `probity history`: the ledger of audits, one line each, in a chain.

use std::path::{Path, PathBuf};

use super::{Ending, print};
use crate::decisions::ledger::{self, Entry, Ledger};
use crate::decisions::snapshot::Snapshot;
use crate::error::{Error, Problem, Result};
use crate::evidence::files;
use crate::outputs::{json, trend};
use crate::record::Record;

/// The ledger of audits: append to it, verify it, see how numbers went
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Append an audit to the ledger
    Append {
        /// The record of an audit, usually audit-report/audit.json
        record: PathBuf,
        #[arg(long, default_value = "history.jsonl")]
        ledger: PathBuf,
    },
    /// Check that no line was changed, taken out, put in or moved
    ///
    /// Exit code 0: the chain holds. 1: it does not. That the end was cut only shows to whoever kept the head: it is
    /// printed here, by `append`, and in every report made with the ledger.
    Verify {
        #[arg(default_value = "history.jsonl")]
        ledger: PathBuf,
        /// A hash that must be in the ledger: the head when it was last seen
        #[arg(long, value_name = "HASH")]
        expect_head: Option<String>,
        /// A record whose ledger this was: its head must be in it
        #[arg(long, value_name = "RECORD")]
        seen_by: Option<PathBuf>,
    },
    /// Show how numbers went from audit to audit
    Trend {
        #[arg(default_value = "history.jsonl")]
        ledger: PathBuf,
        /// Only numbers whose name holds this, e.g. `click` or `age_band=65+`
        #[arg(long)]
        measure: Option<String>,
    },
}

pub fn run(args: Args) -> Result<Ending> {
    match args.command {
        Command::Append { record, ledger } => append(&record, &ledger),
        Command::Verify { ledger, expect_head, seen_by } => verify(&ledger, expect_head.as_deref(), seen_by.as_deref()),
        Command::Trend { ledger, measure } => {
            let ledger = read(&ledger)?;
            print(&trend::render(&ledger.audits().collect::<Vec<_>>(), measure.as_deref()))?;
            Ok(Ending::done())
        }
    }
}

fn append(path: &Path, to: &Path) -> Result<Ending> {
    let record = json::read(path)?;
    let audit = Snapshot::of(&record, &files::sha256(path)?);
    let line = ledger::append(to, |ledger| {
        known(path, &record, ledger)?;
        if let Some(last) = ledger.audits().next_back()
            && last.system != audit.system
        {
            let message =
                format!("the ledger is of the system `{}`, and the record of `{}`", last.system, audit.system);
            return Err(Problem::in_file(to, message).into());
        }
        if let Some(same) = ledger.audits().find(|known| known.record == audit.record) {
            let message = format!("this record is in the ledger already, as of {}", same.day());
            return Err(Problem::in_file(path, message).into());
        }
        Ok(Entry::Audit(Box::new(audit)))
    })?;
    appended(to, line.sequence)
}

/// Says where the ledger stands after a line was appended.
pub(super) fn appended(to: &Path, sequence: u64) -> Result<Ending> {
    let ledger = read(to)?;
    anstream::eprintln!("appended line {sequence} to {}", to.display());
    Ok(Ending::with(0, format!("the ledger has {} lines, head {}", ledger.lines.len(), ledger.head())))
}

/// The head that a record was made on must be in the ledger: else lines of it are gone.
pub(super) fn known(path: &Path, record: &Record, ledger: &Ledger) -> Result<()> {
    match &record.ledger {
        Some(seen) if ledger.place(&seen.head).is_none() => {
            let message = format!(
                "the record was made when the ledger had {} lines and the head {}, which this ledger lacks",
                seen.count, seen.head
            );
            let problem = Problem::in_file(path, message);
            Err(problem.help("restore the ledger from where it was kept, or audit again with this one").into())
        }
        _ => Ok(()),
    }
}

fn verify(path: &Path, expected: Option<&str>, seen_by: Option<&Path>) -> Result<Ending> {
    let seen_by = match seen_by {
        Some(record) => Some((record, json::read(record)?)),
        None => None,
    };
    if !path.exists() {
        return Err(Problem::in_file(path, "there is no ledger here").into());
    }
    let broken = |error: Error| {
        super::diagnostics::show(&error);
        Ok(Ending::with(1, "the ledger is not as it was written"))
    };
    let ledger = match read(path) {
        Ok(ledger) => ledger,
        // What can be read and does not hold is an answer, not a fault.
        Err(error @ Error::Invalid(_)) => return broken(error),
        Err(error) => return Err(error),
    };
    if let Some(hash) = expected
        && ledger.place(hash).is_none()
    {
        let message = format!("no line has the hash {hash}: the ledger was cut, or written anew, since");
        return broken(Problem::in_file(path, message).into());
    }
    if let Some((record, seen)) = &seen_by {
        if seen.ledger.is_none() {
            return Err(Problem::in_file(record, "this audit was made without a ledger").into());
        }
        if let Err(error) = known(record, seen, &ledger) {
            return broken(error);
        }
    }
    let since = match expected.and_then(|hash| ledger.place(hash)) {
        Some(place) if place < ledger.lines.len() => format!(", {} after the one expected", ledger.lines.len() - place),
        _ => String::new(),
    };
    Ok(Ending::with(0, format!("the chain of {} lines holds{since}; head {}", ledger.lines.len(), ledger.head())))
}

fn read(path: &Path) -> Result<Ledger> {
    Ledger::read(path, &path.display().to_string())
}
