//! `probity simulate`: a shop with a known truth.

use std::path::PathBuf;

use super::{Ending, print};
use crate::error::{Problem, Result};
use crate::simulate::{self, Plan, plan};

/// Write a simulated shop whose defects are known, to try an audit on
///
/// The folder gets a manifest, a data map, a consent policy, consent records, a log, and `truth.json` with everything
/// that was planted. The same plan gives the same bytes.
#[derive(clap::Args)]
pub struct Args {
    /// Folder to write; must be new or empty
    #[arg(long, required_unless_present = "print_plan")]
    out: Option<PathBuf>,
    /// What to plant, of which kind and size (YAML); default the plan that `--print-plan` shows
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Print the plan of the storefront, to start one's own from, and write nothing
    #[arg(long, conflicts_with_all = ["plan", "out"])]
    print_plan: bool,
    /// Seed of all chance; default what the plan says
    #[arg(long)]
    seed: Option<u64>,
    /// Customers; default what the plan says
    #[arg(long)]
    subjects: Option<usize>,
    /// Recommendation requests; default what the plan says
    #[arg(long)]
    decisions: Option<usize>,
    /// The same shop with nothing planted
    #[arg(long)]
    clean: bool,
}

pub fn run(args: &Args) -> Result<Ending> {
    if args.print_plan {
        print(plan::STOREFRONT)?;
        return Ok(Ending::done());
    }
    let Some(out) = &args.out else { return Err(Problem::new("no folder is named").help("say `--out FOLDER`").into()) };
    let plan = match &args.plan {
        Some(path) => Plan::read(path)?,
        None => Plan::storefront()?,
    };
    let plan = if args.clean { plan.clean() } else { plan };
    let plan = Plan {
        seed: args.seed.unwrap_or(plan.seed),
        subjects: args.subjects.unwrap_or(plan.subjects),
        decisions: args.decisions.unwrap_or(plan.decisions),
        ..plan
    };
    simulate::write(&plan, out)?;
    print(&format!("wrote {}; now: probity audit {}\n", out.display(), out.join("audit.yaml").display()))?;
    Ok(Ending::done())
}
