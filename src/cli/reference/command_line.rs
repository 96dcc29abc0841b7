//! The command line as a page.

use std::fmt::Write;

use clap::{Arg, Command, CommandFactory};

use super::cell;
use crate::cli::{Cli, EXIT_CODES};

pub fn page() -> String {
    let mut out =
        "# Command line\n\nResults go to stdout, progress and diagnostics to stderr; `NO_COLOR` is honoured. The \
                   last line on stderr says what the exit code means:\n\n| exit code | meaning |\n| --- | --- |\n"
            .to_owned();
    for (code, meaning) in EXIT_CODES {
        let _ = writeln!(out, "| {code} | {meaning} |");
    }
    out.push('\n');
    for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        section(&mut out, command, "probity");
    }
    out
}

fn section(out: &mut String, command: &Command, parent: &str) {
    let name = format!("{parent} {}", command.get_name());
    let subcommands: Vec<&Command> = command.get_subcommands().filter(|sub| sub.get_name() != "help").collect();
    let _ = writeln!(out, "## {name}\n");
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let _ = writeln!(out, "{}\n", about.trim());
    if subcommands.is_empty() {
        let usage = command.clone().bin_name(&name).render_usage().to_string();
        let usage = usage.trim_start_matches("Usage:").trim();
        let _ = writeln!(out, "```text\n{usage}\n```\n");
    }
    let arguments: Vec<&Arg> = command.get_arguments().filter(|arg| !arg.is_hide_set()).collect();
    if !arguments.is_empty() {
        out.push_str("| argument | what it is |\n| --- | --- |\n");
    }
    for argument in &arguments {
        let _ = writeln!(out, "| {} | {} |", cell(&written(argument)), cell(&what(argument)));
    }
    if !arguments.is_empty() {
        out.push('\n');
    }
    for sub in subcommands {
        section(out, sub, &name);
    }
}

fn written(argument: &Arg) -> String {
    let values =
        argument.get_value_names().map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
    let takes = argument.get_action().takes_values();
    let value = values.filter(|_| takes).unwrap_or_default();
    let Some(long) = argument.get_long() else { return format!("`{value}`") };
    let short = argument.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
    format!("{short}`--{long}{}`", if takes { format!(" {value}") } else { String::new() })
}

fn what(argument: &Arg) -> String {
    let mut text = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let possible: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|value| argument.get_action().takes_values() && !value.is_hide_set())
        .map(|value| match value.get_help() {
            Some(help) => format!("`{}` ({help})", value.get_name()),
            None => format!("`{}`", value.get_name()),
        })
        .collect();
    if !possible.is_empty() {
        text = format!("{text}{}{}", if text.is_empty() { "" } else { ": " }, possible.join(", "));
    }
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    if !defaults.is_empty() && argument.get_action().takes_values() {
        text.push_str(&format!(" (default {})", defaults.join(", ")));
    }
    text
}
