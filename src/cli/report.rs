//! `probity report`: outputs from a record, without the logs.

use std::path::{Path, PathBuf};

use super::formats::{self, Asked};
use super::{Ending, print, write};
use crate::error::{Error, Problem, Result};
use crate::outputs::html::Templates;
use crate::outputs::{json, terminal};

/// Render a record (audit.json) again, without the logs
#[derive(clap::Args)]
pub struct Args {
    /// The record of an audit, usually audit-report/audit.json
    #[arg(required_unless_present = "write_templates")]
    record: Option<PathBuf>,
    /// Folder for the outputs; without it and without paths, only the summary is printed
    #[arg(long)]
    out: Option<PathBuf>,
    #[arg(long, value_delimiter = ',', value_name = "NAME[=PATH]", help = formats::HELP)]
    format: Vec<String>,
    /// Folder of templates for the report, in the place of those of the same name
    #[arg(long, value_name = "DIR")]
    templates: Option<PathBuf>,
    /// Write the built-in templates into a folder, to start own ones from, and do nothing else
    #[arg(long, value_name = "DIR", conflicts_with_all = ["record", "out", "templates"])]
    write_templates: Option<PathBuf>,
}

pub fn run(args: Args) -> Result<Ending> {
    if let Some(folder) = &args.write_templates {
        return write_templates(folder);
    }
    let Some(record) = &args.record else { return Err(Error::Internal("no record was named".into())) };
    let record = json::read(record)?;
    let default = || ["html", "findings"].map(String::from).to_vec();
    let formats = if args.format.is_empty() && args.out.is_some() { default() } else { args.format };
    if formats.is_empty() {
        print(&terminal::render(&record))?;
        return Ok(Ending::done());
    }
    let asked = Asked::read(&formats, args.out.as_deref())?.with(args.templates.as_deref())?;
    asked.write(&record, Vec::new())?;
    asked.tell();
    Ok(Ending::done())
}

/// Own work is not written over: whoever wants the built-in file again moves theirs away.
fn write_templates(folder: &Path) -> Result<Ending> {
    let files: Vec<(PathBuf, Vec<u8>)> =
        Templates::built_in().iter().map(|(name, text)| (folder.join(name), text.as_bytes().to_vec())).collect();
    if let Some((path, _)) = files.iter().find(|(path, _)| path.exists()) {
        return Err(Problem::in_file(path, "this file is there already").help("name another folder").into());
    }
    write::all(&files)?;
    anstream::eprintln!("wrote {} templates to {}", files.len(), folder.display());
    Ok(Ending::done())
}
