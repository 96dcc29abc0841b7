//! `probity report`: outputs from a record, without the logs.

use std::path::PathBuf;

use super::formats::{self, Asked};
use super::{Ending, print};
use crate::error::Result;
use crate::outputs::{json, terminal};

/// Render a record (audit.json) again, without the logs
#[derive(clap::Args)]
pub struct Args {
    /// The record of an audit, usually audit-report/audit.json
    record: PathBuf,
    /// Folder for the outputs; without it and without paths, only the summary is printed
    #[arg(long)]
    out: Option<PathBuf>,
    #[arg(long, value_delimiter = ',', value_name = "NAME[=PATH]", help = formats::HELP)]
    format: Vec<String>,
}

pub fn run(args: Args) -> Result<Ending> {
    let record = json::read(&args.record)?;
    let default = || ["html", "findings"].map(String::from).to_vec();
    let formats = if args.format.is_empty() && args.out.is_some() { default() } else { args.format };
    if formats.is_empty() {
        print(&terminal::render(&record))?;
        return Ok(Ending::done());
    }
    let asked = Asked::read(&formats, args.out.as_deref())?;
    asked.write(&record, Vec::new())?;
    asked.tell();
    Ok(Ending::done())
}
