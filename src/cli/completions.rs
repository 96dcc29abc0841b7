//! `probity completions`: what a shell needs to complete the command line.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Ending, print};
use crate::error::{Error, Result};

/// Print completions for a shell
///
/// For bash: probity completions bash > ~/.local/share/bash-completion/completions/probity
#[derive(clap::Args)]
pub struct Args {
    shell: Shell,
}

pub fn run(args: &Args) -> Result<Ending> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "probity", &mut script);
    print(&String::from_utf8(script).map_err(|error| Error::Internal(error.to_string()))?)?;
    Ok(Ending::done())
}
