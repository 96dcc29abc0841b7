//! `probity init`: a first manifest, data map and consent policy for the user's own files.

use std::path::PathBuf;

use super::{Ending, block_on, print};
use crate::error::Result;
use crate::init;

/// Propose audit.yaml, a data map and a consent policy for your own files
///
/// Looks at names of columns and a sample of rows: recommendation logs, consent records, people, items, histories (CSV,
/// JSON Lines, Parquet), consent receipts, lineage (SQL, OpenLineage, dbt), fideslang data maps. Asks nothing. Every guess
/// is marked as one, and what only a person can know as TODO; until it is filled in, the audit finds it missing. Nothing is
/// overwritten.
#[derive(clap::Args)]
pub struct Args {
    /// Files, or folders with files in them
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,
    /// Folder to write to; default the folder that was named, else the current one
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Lines of a list that are shown.
const SHOWN: usize = 12;

pub fn run(args: Args) -> Result<Ending> {
    let out = match (&args.out, &args.paths[..]) {
        (Some(out), _) => out.clone(),
        (None, [folder]) if folder.is_dir() => folder.clone(),
        (None, _) => PathBuf::from("."),
    };
    super::write::writable(&out.join("audit.yaml"))?;
    let proposal = block_on(init::propose(&args.paths, &out))?;
    init::write(&proposal, &out)?;
    let mut text = String::new();
    list(&mut text, "read", &proposal.read);
    list(&mut text, "not used", &proposal.unused);
    list(&mut text, "to fill in (TODO)", &proposal.to_do);
    for (name, _) in &proposal.files {
        text.push_str(&format!("wrote {}\n", out.join(name).display()));
    }
    text.push_str(&format!("now: probity check {}\n", out.join("audit.yaml").display()));
    print(&text)?;
    Ok(Ending::done())
}

fn list(text: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    text.push_str(&format!("{title}\n"));
    lines.iter().take(SHOWN).for_each(|line| text.push_str(&format!("  {line}\n")));
    if let more @ 1.. = lines.len().saturating_sub(SHOWN) {
        text.push_str(&format!("  and {more} more\n"));
    }
    text.push('\n');
}
