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
    write::writable(&args.out)?;
    let pages = pages::all();
    let files: Vec<(&str, Vec<u8>)> = pages.iter().map(|(name, text)| (*name, text.clone().into_bytes())).collect();
    write::all(&args.out, &files)?;
    let names: String = pages.iter().map(|(name, _)| format!("wrote {}\n", args.out.join(name).display())).collect();
    print(&names)?;
    Ok(Ending::done())
}

/// A text as a cell of a table in Markdown.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
