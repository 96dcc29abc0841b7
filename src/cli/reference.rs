//! `probity reference`: the pages under `docs/reference`, written from the code, so that they cannot differ from it.

use std::path::PathBuf;

use super::{Ending, print, write};
use crate::error::Result;

mod command_line;
mod pages;
mod schema;

/// Write the reference pages (what is committed under docs/reference) from the program itself
#[derive(clap::Args)]
#[command(hide = true)]
pub struct Args {
    /// Folder for the pages
    #[arg(long)]
    out: PathBuf,
}

pub fn run(args: &Args) -> Result<Ending> {
    let pages = pages::all();
    let files: Vec<_> = pages.iter().map(|(name, text)| (args.out.join(name), text.clone().into_bytes())).collect();
    write::all(&files)?;
    let names: String = files.iter().map(|(path, _)| format!("wrote {}\n", path.display())).collect();
    print(&names)?;
    Ok(Ending::done())
}

/// A text as a cell of a table in Markdown.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
