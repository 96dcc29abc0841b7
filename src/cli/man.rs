//! `probity man`: manual pages, out of the same definition as `--help`.

use std::path::PathBuf;

use clap::CommandFactory;
use clap_mangen::Man;

use super::{Cli, Ending, print, write};
use crate::error::{Error, Result};

/// Print the manual page, or write one for each subcommand
#[derive(clap::Args)]
pub struct Args {
    /// Folder for the pages, e.g. ~/.local/share/man/man1; without it the page of `probity` is printed
    #[arg(long)]
    out: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<Ending> {
    let mut command = Cli::command();
    command.build();
    let pages = pages(&command)?;
    match &args.out {
        None => {
            let page = pages.first().map(|(_, page)| String::from_utf8_lossy(page).into_owned());
            print(&page.unwrap_or_default())?;
        }
        Some(folder) => {
            let files: Vec<_> = pages.iter().map(|(name, page)| (folder.join(name), page.clone())).collect();
            write::all(&files)?;
            for (name, _) in &pages {
                anstream::eprintln!("wrote {}", folder.join(name).display());
            }
        }
    }
    Ok(Ending::done())
}

/// The page of a command and those of its subcommands, with their file names. The command is built: its name is then
/// `probity-policy-test` in full.
fn pages(command: &clap::Command) -> Result<Vec<(String, Vec<u8>)>> {
    let man = Man::new(command.clone().disable_help_subcommand(true));
    let mut page = Vec::new();
    man.render(&mut page).map_err(|error| Error::Internal(error.to_string()))?;
    let mut pages = vec![(man.get_filename(), page)];
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        pages.extend(self::pages(sub)?);
    }
    Ok(pages)
}
