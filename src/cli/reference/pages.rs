//! Which pages there are.

use std::fmt::Write;
use std::path::Path;

use schemars::schema_for;

use super::{cell, command_line, schema};
use crate::evidence::columns::{Kind, Need, Role};
use crate::facts::KINDS;
use crate::outputs::FORMATS;
use crate::playbook::Step;
use crate::rules::builtin::BUILTIN;
use crate::rules::load;

/// Every page with its file name.
pub fn all() -> Vec<(&'static str, String)> {
    let pages = [
        ("command-line.md", command_line::page()),
        ("manifest.md", of_schema("The manifest", "audit.yaml", "manifest", &schema_for!(crate::manifest::Manifest))),
        (
            "consent-policy.md",
            of_schema(
                "The consent policy",
                "consent-policy.yaml",
                "policy",
                &schema_for!(crate::evidence::consent_policy::ConsentPolicy),
            ),
        ),
        (
            "decisions.md",
            of_schema("Decisions", "decisions.yaml", "decisions", &schema_for!(crate::decisions::waivers::Decisions)),
        ),
        ("rule-pack.md", of_schema("A rule pack", "pack.yaml", "pack", &schema_for!(crate::rules::pack::PackFile))),
        ("data-map.md", of_schema("The data map", "data-map.yaml", "data-map", &crate::evidence::data_map::schema())),
        ("columns.md", columns()),
        ("rules.md", rules()),
        ("facts.md", facts()),
        ("outputs.md", outputs()),
    ];
    let note =
        "<!-- Written by `probity reference --out docs/reference`. Do not edit: change the code it comes from. -->\n";
    pages.map(|(name, text)| (name, format!("{note}\n{}\n", text.trim_end()))).to_vec()
}

fn of_schema(title: &str, file: &str, name: &str, schema: &schemars::Schema) -> String {
    format!(
        "# {title}\n\nEvery key of `{file}`. For editors: `probity schema {name}`.\n\n{}",
        schema::tables(schema, file)
    )
}

/// The canonical columns of each table of evidence.
fn columns() -> String {
    let mut out = "# Columns of evidence\n\nThe canonical columns of each table. A column of another name is mapped under \
                   `columns:` of its source, one that the file lacks and that is the same in all rows stands under \
                   `values:`. Ids are texts and never numbers: `007` is not `7`. What is absent makes facts not evidenced. Columns marked * are lists in a log with a row per \
                   decision (`layout: decisions`).\n\n"
        .to_owned();
    for role in Role::ALL {
        let _ = writeln!(out, "## {}\n\n| column | holds | |\n| --- | --- | --- |", role.id());
        for column in role.columns() {
            let list = if column.per_item && role == Role::Recommendations { "*" } else { "" };
            let need = match column.need {
                Need::Mandatory => "**mandatory**".to_owned(),
                Need::Unless(other) => format!("**mandatory**, unless `{other}` is filled"),
                Need::Optional => String::new(),
            };
            let _ = writeln!(out, "| `{}`{list} | {} | {need} |", column.name, holds(column.kind));
        }
        if role.has_attributes() {
            out.push_str("| any other | text | an attribute to compare or group by |\n");
        }
        out.push('\n');
    }
    out
}

fn holds(kind: Kind) -> String {
    match kind {
        Kind::Text => "text".into(),
        Kind::Time => {
            "a time with a zone, like `2026-03-01T10:00:00Z` (without: `time_zone`; a number: `epoch`)".into()
        }
        Kind::Date => "a day like `2010-02-28`".into(),
        Kind::Flag => "0 or 1, true or false, yes or no".into(),
        Kind::Number => "a number".into(),
        Kind::Probability => "a number from 0 to 1".into(),
        Kind::Points(most) => format!("a whole number from 0 to {most}"),
        Kind::Money => "an amount in the log's currency, to four decimals".into(),
        Kind::Count => "a whole number from 0".into(),
        Kind::List => "texts, separated by `list_separator` (default `|`) in CSV".replace('|', "\\|"),
        Kind::Choice(words) => {
            format!("one of {}", words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", "))
        }
    }
}

fn rules() -> String {
    let mut out =
        "# Rules\n\nThe built-in packs, chosen in the manifest under `rules: packs:`. `probity explain RULE` has the \
                   whole documentation of a rule; `params` of a rule may be changed under `rules: params:`.\n\n"
            .to_owned();
    for builtin in BUILTIN {
        // A pack that does not load fails the tests of packs, which say why.
        let Ok(pack) = load::parse(Path::new(builtin.path), builtin.yaml) else { continue };
        let _ = writeln!(out, "## {}\n\n{}\n", builtin.id, pack.title);
        out.push_str(
            "| rule | passes when | judges | step | severity | params |\n| --- | --- | --- | --- | --- | --- |\n",
        );
        for rule in pack.rules.iter().map(|loaded| &loaded.rule) {
            let judges = rule.on.as_ref().map_or("a person".to_owned(), |on| format!("`{}`", **on));
            let params: Vec<String> =
                rule.params.iter().map(|(name, value)| format!("`{name}: {}`", **value)).collect();
            let waivable = if rule.waivable { "" } else { ", cannot be waived" };
            let _ = writeln!(
                out,
                "| `{}` | {} | {judges} | {} | {}{waivable} | {} |",
                *rule.id,
                cell(&rule.title),
                rule.step.id(),
                rule.severity.label(),
                cell(&params.join(", "))
            );
        }
        out.push('\n');
    }
    out
}

fn facts() -> String {
    let mut out =
        "# Facts\n\nWhat an audit measures, by kind: these are the fields that a rule's conditions may use, and what \
                   stands in `audit.json` under `facts`. A fact knows no bound; rules judge.\n\n"
            .to_owned();
    for kind in KINDS {
        let _ = writeln!(out, "## {}\n", kind.name);
        // Headings of the documentation go below those of this page.
        for line in kind.doc.trim().lines() {
            let _ = writeln!(out, "{}{line}", if line.starts_with('#') { "##" } else { "" });
        }
        let log = if kind.needs_log { "Measured from the log." } else { "Measured with or without a log." };
        let _ = writeln!(out, "\n{log}\n\n{}", crate::cli::explain::fields(kind));
    }
    out
}

fn outputs() -> String {
    let mut out = "# Outputs\n\nWhat `--format` takes, and the file that each becomes. All are made from the record, \
                   `audit.json`, which is always written; `probity report audit.json` makes the others again without the \
                   logs.\n\n| format | file |\n| --- | --- |\n"
        .to_owned();
    for format in FORMATS {
        let _ = writeln!(out, "| `{}` | `{}` |", format.name, format.file_name);
    }
    out.push_str(
        "\nBeside them stands `rejected.csv`: file, line and reason of every row of evidence that could not be read.\n\n\
         `probity schema record` is the JSON Schema of the record, `probity schema facts` that of the facts in it, \
         and `probity schema power` that of what `probity power --format json` prints.\n\n\
         ## Steps\n\nThe seven steps that the record lists under `steps`:\n\n| step | question |\n| --- | --- |\n",
    );
    for step in Step::ALL {
        let _ = writeln!(out, "| `{}` | {} |", step.id(), cell(step.question()));
    }
    out
}
