//! `probity policy test`: the tests that stand beside rule packs.

use std::path::{Path, PathBuf};

use super::{Ending, print};
use crate::error::{Error, Result, all_clear};
use crate::rules::{builtin, load, testing};

/// Work on rule packs
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Run the tests of rule packs: facts in, verdict out
    Test {
        /// Pack files, each with its `*.test.yaml` beside it; without any, the built-in packs
        packs: Vec<PathBuf>,
    },
}

pub fn run(args: Args) -> Result<Ending> {
    let Command::Test { packs } = args.command;
    let mut problems = Vec::new();
    let mut lines = String::new();
    let mut note = |name: &str, report: testing::Report| {
        lines.push_str(&format!("{name}: {} passed, {} failed\n", report.passed, report.failures.len()));
        problems.extend(report.failures);
    };
    if packs.is_empty() {
        for pack in builtin::BUILTIN {
            let loaded = load::parse(Path::new(pack.path), pack.yaml)?;
            note(pack.id, testing::run(&loaded, Path::new(pack.tests_path), pack.tests)?);
        }
    }
    for path in &packs {
        let read = |path: &Path| std::fs::read_to_string(path).map_err(|e| Error::io(path, "read", &e));
        let loaded = load::parse(path, read(path)?)?;
        let tests = path.with_extension("test.yaml");
        note(&path.display().to_string(), testing::run(&loaded, &tests, read(&tests)?)?);
    }
    print(&lines)?;
    if problems.is_empty() {
        return Ok(Ending::with(0, "all rule tests passed"));
    }
    if let Err(error) = all_clear(problems) {
        super::diagnostics::show(&error);
    }
    Ok(Ending::with(1, "a rule test failed"))
}
