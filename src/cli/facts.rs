//! `probity facts`: what was measured, without a judgement, for those who judge with other means.

use std::path::PathBuf;

use super::{Ending, print};
use crate::error::{Error, Problem, Result};
use crate::facts::{self, KINDS};
use crate::outputs::json;

/// Print the facts of a record as JSON, e.g. to judge them with Open Policy Agent
#[derive(clap::Args)]
pub struct Args {
    /// The record of an audit, usually audit-report/audit.json
    record: PathBuf,
    /// Only facts of this kind, e.g. join
    #[arg(long)]
    kind: Option<String>,
}

pub fn run(args: &Args) -> Result<Ending> {
    if let Some(kind) = args.kind.as_ref().filter(|kind| facts::kind(kind).is_none()) {
        let known = KINDS.iter().map(|kind| kind.name);
        return Err(Problem::new(format!("there is no kind of fact `{kind}`")).suggest(kind, known).into());
    }
    let record = json::read(&args.record)?;
    let wanted = |fact: &&facts::Fact| args.kind.as_ref().is_none_or(|kind| fact.kind() == kind);
    let facts: Vec<_> = record.facts.iter().filter(wanted).collect();
    let text = serde_json::to_string_pretty(&facts).map_err(|error| Error::Internal(error.to_string()))?;
    print(&format!("{text}\n"))?;
    Ok(Ending::done())
}
