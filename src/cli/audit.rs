//! `probity audit`: evidence in, record and report out.

use std::path::PathBuf;

use super::formats::{self, Asked};
use super::{Ending, block_on, print, write};
use crate::audit::{Options, Scope, audit};
use crate::error::Result;
use crate::outputs::terminal;
use crate::playbook::Severity;
use crate::progress::Progress;

/// The environment variable with the key of pseudonyms. Never an argument: those can be read by others.
const PSEUDONYM_KEY: &str = "PROBITY_PSEUDONYM_KEY";

/// Audit what a manifest describes
///
/// Reads the evidence, replays the log, judges, and writes the record (audit.json), the report and the findings.
/// Exit code 0: the gate passed. 1: it failed. 2: the audit could not be made. 3: nothing was evaluated.
///
/// Sample subjects of findings are numbered, or named by a pseudonym under the key in PROBITY_PSEUDONYM_KEY, so that
/// whoever holds the key and the ids can find them again.
#[derive(clap::Args)]
pub struct Args {
    /// The manifest, usually audit.yaml
    manifest: PathBuf,
    /// Folder for the outputs; made if it is not there
    #[arg(long, default_value = "audit-report")]
    out: PathBuf,
    #[arg(long, value_delimiter = ',', default_value = "json,html,findings", value_name = "NAME[=PATH]", help = formats::HELP)]
    format: Vec<String>,
    /// The least severity of open findings that fails the gate; default by the manifest, else high
    #[arg(long)]
    fail_on: Option<Severity>,
    /// What was found before and may stay as long as it gets no worse (`probity baseline write`); default the manifest's
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// What a strategy would show that nobody has been exposed to yet, in place of the manifest's `evidence.candidate`. Without
    /// `candidate` in the manifest it is named after the file, and judged on the log's only strategy
    #[arg(long, value_name = "FILE")]
    candidate: Option<PathBuf>,
    /// Folder of templates for the report, in the place of those of the same name (`probity report --write-templates`)
    #[arg(long, value_name = "DIR")]
    templates: Option<PathBuf>,
    /// Memory for the replay in MiB; past it, work spills to disk
    #[arg(long, value_name = "MIB")]
    memory: Option<usize>,
    /// No summary on stdout
    #[arg(long, short)]
    quiet: bool,
}

pub fn run(args: Args) -> Result<Ending> {
    let asked = Asked::read(&args.format, Some(&args.out))?.with(args.templates.as_deref())?;
    let options = Options {
        fail_on: args.fail_on,
        baseline: args.baseline,
        candidate: args.candidate,
        memory: args.memory.map(|mebibytes| mebibytes.saturating_mul(1 << 20)),
        progress: Progress::on_stderr(),
        pseudonym_key: std::env::var_os(PSEUDONYM_KEY)
            .map(|key| key.into_encoded_bytes())
            .filter(|key| !key.is_empty()),
        scope: Scope::Whole,
    };
    let outcome = block_on(audit(&args.manifest, &options));
    options.progress.finish();
    let audit = outcome?;
    let rejected = args.out.join(write::REJECTED);
    asked.write(&audit.record, vec![(rejected.clone(), write::rejected_csv(&audit.rejects)?)])?;
    if !args.quiet && !asked.prints() {
        print(&terminal::render(&audit.record))?;
    }
    asked.tell();
    if !audit.rejects.is_empty() {
        anstream::eprintln!("wrote {}", rejected.display());
    }
    let verdict = &audit.record.verdict;
    Ok(Ending::with(verdict.exit_code, verdict.sentence.clone()))
}
