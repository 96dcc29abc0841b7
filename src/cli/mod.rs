//! The command line. One file per subcommand; each returns the exit code and what it means.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::{Error, Result};

mod audit;
mod baseline;
mod check;
mod completions;
mod decide;
mod diagnostics;
mod diff;
mod explain;
mod facts;
mod formats;
mod history;
mod init;
mod man;
mod policy;
mod power;
mod reference;
mod report;
mod schema;
mod simulate;
mod write;

/// Audits personalization: whose data was combined without consent, who was served worse, and how sure we are.
#[derive(Parser)]
#[command(name = "probity", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Init(init::Args),
    Audit(audit::Args),
    Check(check::Args),
    Power(power::Args),
    Report(report::Args),
    Diff(diff::Args),
    Baseline(baseline::Args),
    Decide(decide::Args),
    History(history::Args),
    Explain(explain::Args),
    Facts(facts::Args),
    Policy(policy::Args),
    Schema(schema::Args),
    Simulate(simulate::Args),
    Completions(completions::Args),
    Man(man::Args),
    Reference(reference::Args),
}

/// What the exit codes of a gate mean.
const EXIT_CODES: [(u8, &str); 4] = [
    (0, "the gate passed, or what was asked for is done"),
    (
        1,
        "the gate failed: open findings of severity `--fail-on` (default high) or worse; or a test of rules or of the ledger did not hold",
    ),
    (2, "it could not be done: usage, manifest, unreadable evidence, or a fault of the program"),
    (3, "nothing was evaluated: no decisions, or every cell too small"),
];

/// How a command ended: the exit code, and one line for people.
pub struct Ending {
    pub code: u8,
    pub meaning: Option<String>,
}

impl Ending {
    /// A command that only shows something.
    fn done() -> Self {
        Self { code: 0, meaning: None }
    }

    fn with(code: u8, meaning: impl Into<String>) -> Self {
        Self { code, meaning: Some(meaning.into()) }
    }
}

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(shown) => {
            let _ = shown.print(); // Nobody is left to tell when that fails.
            if !shown.use_stderr() {
                return ExitCode::SUCCESS; // Help or the version, which was asked for.
            }
            anstream::eprintln!("exit 2: could not audit: the command cannot be read");
            return ExitCode::from(2);
        }
    };
    let ending = match cli.command {
        Command::Init(args) => init::run(args),
        Command::Audit(args) => audit::run(args),
        Command::Check(args) => check::run(args),
        Command::Power(args) => power::run(args),
        Command::Report(args) => report::run(args),
        Command::Diff(args) => diff::run(&args),
        Command::Baseline(args) => baseline::run(args),
        Command::Decide(args) => decide::run(args),
        Command::History(args) => history::run(args),
        Command::Explain(args) => explain::run(&args),
        Command::Facts(args) => facts::run(&args),
        Command::Policy(args) => policy::run(args),
        Command::Schema(args) => schema::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Reference(args) => reference::run(&args),
    };
    let ending = ending.unwrap_or_else(|error| {
        diagnostics::show(&error);
        Ending::with(2, meaning_of(&error))
    });
    if let Some(meaning) = ending.meaning {
        anstream::eprintln!("exit {}: {meaning}", ending.code);
    }
    ExitCode::from(ending.code)
}

fn meaning_of(error: &Error) -> &'static str {
    match error {
        Error::Invalid(_) => "could not audit: what was handed over cannot be used as it is",
        Error::Internal(_) => "could not audit: Probity itself failed",
    }
}

/// Runs a future on all cores.
fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Internal(format!("cannot start threads: {error}")))?;
    runtime.block_on(future)
}

/// Text to stdout; a reader that has gone away is no error.
fn print(text: &str) -> Result<()> {
    use std::io::Write;
    match anstream::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::io("standard output", "write to", &error))
        }
        _ => Ok(()),
    }
}
