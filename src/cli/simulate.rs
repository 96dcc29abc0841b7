//! `probity simulate`: a shop with a known truth.

use std::path::PathBuf;

use super::{Ending, print};
use crate::error::Result;
use crate::simulate::{self, Options};

/// Write a simulated shop whose defects are known, to try an audit on
///
/// The folder gets a manifest, a data map, a consent policy, consent records, a log, and `truth.json` with everything
/// that was planted. The same options give the same bytes.
#[derive(clap::Args)]
pub struct Args {
    /// Folder to write; must be new or empty
    #[arg(long)]
    out: PathBuf,
    #[arg(long, default_value_t = Options::default().seed)]
    seed: u64,
    #[arg(long, default_value_t = Options::default().subjects)]
    subjects: usize,
    #[arg(long, default_value_t = Options::default().decisions)]
    decisions: usize,
    /// A shop without any planted defect
    #[arg(long)]
    clean: bool,
}

pub fn run(args: &Args) -> Result<Ending> {
    let options = Options { seed: args.seed, subjects: args.subjects, decisions: args.decisions, clean: args.clean };
    simulate::write(&options, &args.out)?;
    print(&format!("wrote {}; now: probity audit {}\n", args.out.display(), args.out.join("audit.yaml").display()))?;
    Ok(Ending::done())
}
