//! `probity report`: outputs from a record, without the logs.

use std::path::PathBuf;

use super::{Ending, audit, print, write};
use crate::error::Result;
use crate::outputs::{json, terminal};

/// Render a record (audit.json) again, without the logs
#[derive(clap::Args)]
pub struct Args {
    /// The record of an audit, usually audit-report/audit.json
    record: PathBuf,
    /// Folder for the outputs; without it, only the summary is printed
    #[arg(long)]
    out: Option<PathBuf>,
    /// What to write
    #[arg(long, value_delimiter = ',', default_value = "html,findings")]
    format: Vec<String>,
}

pub fn run(args: Args) -> Result<Ending> {
    let record = json::read(&args.record)?;
    match &args.out {
        None => print(&terminal::render(&record))?,
        Some(folder) => {
            write::writable(folder)?;
            let mut files = Vec::new();
            for format in audit::formats(&args.format)? {
                files.push((format.file_name, (format.render)(&record)?));
            }
            write::all(folder, &files)?;
            for (name, _) in &files {
                anstream::eprintln!("wrote {}", folder.join(name).display());
            }
        }
    }
    Ok(Ending::done())
}
