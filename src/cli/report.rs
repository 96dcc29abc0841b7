//! `probity report`: outputs from a record, without the logs.

use std::path::{Path, PathBuf};

use super::{Ending, audit, print, write};
use crate::error::{Error, Problem, Result};
use crate::outputs::html::Templates;
use crate::outputs::{json, terminal};

/// Render a record (audit.json) again, without the logs
#[derive(clap::Args)]
pub struct Args {
    /// The record of an audit, usually audit-report/audit.json
    #[arg(required_unless_present = "write_templates")]
    record: Option<PathBuf>,
    /// Folder for the outputs; without it, only the summary is printed
    #[arg(long)]
    out: Option<PathBuf>,
    /// What to write
    #[arg(long, value_delimiter = ',', default_value = "html,findings")]
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
    let templates = write::templates(args.templates.as_deref())?;
    match &args.out {
        None => print(&terminal::render(&record))?,
        Some(folder) => {
            write::writable(folder)?;
            let mut files = Vec::new();
            for format in audit::formats(&args.format)? {
                files.push((format.file_name, format.render_with(&record, &templates)?));
            }
            write::all(folder, &files)?;
            for (name, _) in &files {
                anstream::eprintln!("wrote {}", folder.join(name).display());
            }
        }
    }
    Ok(Ending::done())
}

/// Own work is not written over: whoever wants the built-in file again moves theirs away.
fn write_templates(folder: &Path) -> Result<Ending> {
    write::writable(folder)?;
    let there = |(name, _): &&(&str, &str)| folder.join(name).exists();
    if let Some((name, _)) = Templates::built_in().iter().find(there) {
        return Err(Problem::in_file(folder.join(name), "this file is there already")
            .help("name another folder")
            .into());
    }
    let files: Vec<(&str, Vec<u8>)> =
        Templates::built_in().iter().map(|(name, text)| (*name, text.as_bytes().to_vec())).collect();
    write::all(folder, &files)?;
    anstream::eprintln!("wrote {} templates to {}", files.len(), folder.display());
    Ok(Ending::done())
}
