//! `probity power`: could the audit have seen it?

use std::path::PathBuf;

use clap::ValueEnum;

use super::{Ending, block_on, print, write};
use crate::audit::{Options, Scope};
use crate::error::{Error, Problem, Result};
use crate::power::{Wanted, power, text};
use crate::progress::Progress;

/// Find out what an audit of your own log could see at all
///
/// For each rule on a measured number: the smallest difference that it would catch with the wanted probability, by
/// simulation on the shape of your log. For each rule on consent: how many decisions without consent it takes. What is not
/// simulated is listed with the reason. Nothing is judged.
///
/// Exit code 0: it was worked out. 2: it could not be. 3: there was nothing to simulate.
#[derive(clap::Args)]
pub struct Args {
    /// The manifest, usually audit.yaml
    manifest: PathBuf,
    /// How often a difference has to be caught, above 0 and below 1
    #[arg(long, default_value_t = 0.8)]
    power: f64,
    /// Seed of the samples; default the manifest's
    #[arg(long)]
    seed: Option<u64>,
    /// Samples of each comparison, 50 to 100000
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(50..=100_000))]
    simulations: u32,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// A file in place of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Memory for the replay in MiB; past it, work spills to disk
    #[arg(long, value_name = "MIB")]
    memory: Option<usize>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub fn run(args: Args) -> Result<Ending> {
    if !(args.power > 0.0 && args.power < 1.0) {
        return Err(Problem::new(format!("`--power {}` is no probability above 0 and below 1", args.power)).into());
    }
    if let Some(out) = &args.out {
        write::writable(out)?;
    }
    let options = Options {
        fail_on: None,
        baseline: None,
        candidate: None,
        memory: args.memory.map(|mebibytes| mebibytes.saturating_mul(1 << 20)),
        progress: Progress::on_stderr(),
        pseudonym_key: None,
        scope: Scope::Whole,
    };
    let wanted = Wanted { power: args.power, simulations: args.simulations as usize, seed: args.seed };
    let outcome = block_on(power(&args.manifest, &options, &wanted));
    options.progress.finish();
    let found = outcome?;
    let text = match args.format {
        Format::Text => text::render(&found),
        Format::Json => {
            let json = serde_json::to_string_pretty(&found).map_err(|error| Error::Internal(error.to_string()))?;
            json + "\n"
        }
    };
    match &args.out {
        Some(out) => {
            write::one(out, text.as_bytes())?;
            anstream::eprintln!("wrote {}", out.display());
        }
        None => print(&text)?,
    }
    let (numbers, uses) = (found.differences.len(), found.events.len());
    if numbers + uses == 0 {
        return Ok(Ending::with(3, "nothing was simulated: no rule judges a number or a use of this log"));
    }
    Ok(Ending::with(0, format!("simulated what rules see of {numbers} differences and {uses} uses of data")))
}
