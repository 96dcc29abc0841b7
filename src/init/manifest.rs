//! The proposed `audit.yaml`.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::find::Found;
use super::roles::Guess;
use super::yaml::{escaped, scalar};
use super::{CONSENT_POLICY, DATA_MAP, Purposes};
use crate::evidence::columns::Role;
use crate::evidence::taxonomy::covers;

/// The strategy where no log names one.
const UNNAMED: &str = "unnamed";

const HEAD: &str = "\
# The manifest of an audit, as `probity init` proposes it from the files that it looked at. Two marks stand in it:
#   guess:  what names and a sample of values suggest. Look at it, and take the mark away.
#   TODO:   what only a person can know. Until it is filled in, the audit says that it is missing; it never passes.
# `probity check audit.yaml` reads this file without any log, `probity audit audit.yaml` the log too.
# `probity schema manifest > audit.schema.json` is for editors; then this line helps many of them:
#   yaml-language-server: $schema=audit.schema.json

probity: 1
";

const TAIL: &str = "
rules:
  packs: [playbook] # also: fairness; for a legal review gdpr, dsa, cpra, ll144

gate:
  fail_on: high
";

/// What goes into it.
pub struct Proposal<'a> {
    pub name: &'a str,
    pub guesses: &'a [Guess],
    pub found: &'a Found,
    pub purposes: &'a Purposes,
    /// Whether a data map and a policy are written beside it.
    pub own_map: bool,
    pub own_policy: bool,
}

impl Proposal<'_> {
    pub fn text(&self) -> String {
        let mut out = HEAD.to_owned();
        let _ = write!(
            out,
            "\nsystem:\n  name: {} # guess: the name of the folder\n  owner: \"\" # TODO: the person or team that answers for \
             the system\n  # description:   # TODO: what it recommends, to whom and where\n  # jurisdiction:  # TODO: where \
             decisions are made whose row names no jurisdiction, e.g. DE or US-CA\n",
            scalar(self.name)
        );
        self.purposes(&mut out);
        self.strategies(&mut out);
        self.evidence(&mut out);
        self.measure(&mut out);
        out + TAIL
    }

    fn purposes(&self, out: &mut String) {
        out.push_str("\n# Why personal data is used. The ids are data uses of fideslang.\npurposes:\n");
        for id in &self.purposes.ids {
            let _ = write!(
                out,
                "  - id: {} # guess: {}\n    # benefit:      # TODO: what the people concerned gain, in words they would agree \
                 with\n    # legal_basis:  # TODO: consent, explicit_consent, contract, legitimate_interests, …\n    # \
                 review_date:  # TODO: the day by which the purpose is looked at again\n",
                scalar(id),
                self.purposes.why
            );
        }
    }

    /// The names of what decided, and where they were seen.
    fn seen(&self) -> (BTreeSet<String>, String) {
        let logs = || self.guesses.iter().filter(|guess| guess.role == Role::Recommendations);
        let columns: BTreeSet<String> =
            logs().filter_map(|guess| guess.columns.get("strategy")).map(|mapped| escaped(&mapped.own)).collect();
        let mut seen: BTreeSet<String> = logs()
            .filter_map(|guess| guess.own("strategy"))
            .flat_map(|column| column.few().unwrap_or_default())
            .map(str::to_owned)
            .collect();
        seen.extend(logs().filter(|guess| !guess.columns.contains_key("strategy")).map(constant));
        if seen.is_empty() {
            seen.insert(UNNAMED.to_owned()); // So that what is to be said of it is asked for.
        }
        let columns: Vec<String> = columns.into_iter().map(|name| format!("`{name}`")).collect();
        (seen, columns.join(", "))
    }

    fn strategies(&self, out: &mut String) {
        let (seen, columns) = self.seen();
        out.push_str("\n# The models and rules that decide, under the names that the log uses.\n");
        let _ = match columns.is_empty() {
            true => writeln!(out, "strategies: # TODO: name what decides; nothing that was found says it"),
            false => {
                writeln!(out, "strategies: # guess: the values of {columns} in the rows looked at; there may be more")
            }
        };
        let personal = self.purposes.ids.iter().filter(|id| covers("personalize", id)).max_by_key(|id| id.len());
        let purpose = personal.or(self.purposes.ids.first());
        let purpose = purpose.map_or("personalize.content", String::as_str);
        for id in seen {
            let _ = write!(
                out,
                "  - id: {}\n    purpose: {} # guess\n    # objective:     # TODO: what it is tuned for, in plain words\n    # \
                 horizon:       # TODO: short_term, long_term or both: when that objective pays\n    # logic:         # TODO: \
                 which signals count and how, in plain words\n    # profiling: false # TODO: only if it uses no data about the \
                 person\n    # inputs: []     # TODO: the data it reads, as dataset.collection.field of the data map\n",
                scalar(&id),
                scalar(purpose)
            );
        }
    }

    fn evidence(&self, out: &mut String) {
        out.push_str("\n# Where the evidence is. Paths are relative to this file.\nevidence:\n");
        let maps: Vec<String> = self.found.data_maps.iter().map(|path| scalar(path)).collect();
        let _ = match self.own_map {
            true => writeln!(out, "  data_map: {DATA_MAP} # guess: made of the columns; see its own marks"),
            false => writeln!(out, "  data_map: [{}]", maps.join(", ")),
        };
        match (self.own_policy, &self.found.policies[..]) {
            (true, _) => {
                let _ = writeln!(out, "  consent_policy: {CONSENT_POLICY} # TODO: a skeleton, which allows nothing");
            }
            (false, policies) => {
                let paths: Vec<String> = policies.iter().map(|(path, _)| scalar(path)).collect();
                let _ = writeln!(out, "  consent_policy: [{}]", paths.join(", "));
            }
        }
        for role in [Role::ConsentRecords, Role::Recommendations, Role::Uses, Role::Links, Role::Subjects, Role::Items]
        {
            self.role(out, role);
        }
        self.role(out, Role::Prompts);
        self.role(out, Role::History);
        if !self.found.lineage.is_empty() {
            let paths: Vec<String> = self.found.lineage.iter().map(|path| scalar(path)).collect();
            let _ = writeln!(
                out,
                "  lineage: [{}] # guess: SQL is read as postgres; `dialect` says otherwise",
                paths.join(", ")
            );
        }
        let _ = self
            .found
            .unused
            .iter()
            .try_for_each(|(path, why)| writeln!(out, "  # not used: {}: {}", escaped(path), escaped(why)));
    }

    fn role(&self, out: &mut String, role: Role) {
        let mut of_role = self.guesses.iter().filter(|guess| guess.role == role).peekable();
        if of_role.peek().is_none() {
            let asked = match role {
                Role::Recommendations => "the log of what was recommended: people, times, items, and what decided",
                Role::ConsentRecords => "who agreed to what, and when: without it nobody can tell",
                Role::Subjects => "attributes of people, such as an age band: without them nobody is compared",
                _ => return,
            };
            let _ = writeln!(out, "  # {}:  # TODO: {asked}", role.id());
            return;
        }
        let _ = writeln!(out, "  {}:", role.id());
        of_role.for_each(|guess| source(out, guess));
    }

    fn measure(&self, out: &mut String) {
        out.push_str("\n# What is compared: every value of an attribute with the largest one, or with a `reference`.\nmeasure:\n");
        let logs: Vec<&Guess> = self.guesses.iter().filter(|guess| guess.role == Role::Recommendations).collect();
        if !logs.is_empty() && logs.iter().all(|guess| !guess.columns.contains_key("subject_id")) {
            out.push_str(
                "  unit: impression # guess: no column of the log names people. TODO: map `subject_id` if one does, for rows \
                 of one person are not independent\n",
            );
        }
        let (attributes, from) = self.attributes();
        if attributes.is_empty() {
            out.push_str("  segments: [] # TODO: attributes of people to compare by; none with few values was found\n");
            return;
        }
        let _ = writeln!(out, "  segments: # guess: columns of {from} with few values, each of several people");
        for name in attributes {
            let _ = writeln!(out, "    - attribute: {name}");
        }
    }

    /// Attributes to compare people by: those of subjects; without any, columns of the log that are about people.
    fn attributes(&self) -> (BTreeSet<&str>, &'static str) {
        let of = |role: Role, about_people: bool| -> BTreeSet<&str> {
            let guesses = self.guesses.iter().filter(|guess| guess.role == role);
            let columns = guesses.flat_map(|guess| guess.others().filter(|column| column.is_attribute()));
            let names = columns.map(|column| column.name.as_str());
            names.filter(|name| is_plain(name) && (!about_people || is_about_people(name))).collect()
        };
        let own = of(Role::Subjects, false);
        if own.is_empty() { (of(Role::Recommendations, true), "the log") } else { (own, "subjects") }
    }
}

/// Whether a name can stand anywhere without being quoted.
fn is_plain(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether a column of the log, by its name, says what a person is like.
fn is_about_people(name: &str) -> bool {
    let words = super::names::words(name);
    let people = ["user", "customer", "subject", "member", "visitor", "person", "segment"];
    words.first().is_some_and(|first| people.contains(&first.as_str()))
        || super::names::category(name).is_some_and(|category| covers("user.demographic", category))
}

/// What decided where no column says it: the folder, where the same log lies in several.
fn constant(guess: &Guess) -> String {
    guess.table.within.clone().filter(|within| !within.is_empty()).unwrap_or_else(|| UNNAMED.to_owned())
}

fn source(out: &mut String, guess: &Guess) {
    let table = &guess.table;
    let _ = writeln!(out, "    - path: {} # guess: {}", scalar(&table.path), escaped(&guess.why));
    if let Some(format) = table.format {
        let format = if format == crate::manifest::Format::Csv { "csv" } else { "jsonl" };
        let _ = writeln!(out, "      format: {format}");
    }
    if let Some(delimiter) = table.delimiter {
        let _ = writeln!(out, "      delimiter: {}", scalar(&delimiter.to_string()));
    }
    if let Some(separator) = guess.listed {
        let _ = writeln!(
            out,
            "      layout: decisions # guess: the cells of items are lists, so that each row is a decision"
        );
        if separator != '|' && separator != '\u{1f}' {
            let _ = writeln!(out, "      list_separator: {}", scalar(&separator.to_string()));
        }
    }
    times(out, guess);
    let renamed = guess.columns.iter().filter(|(canonical, mapped)| **canonical != mapped.own);
    let renamed: Vec<_> = renamed.collect();
    if !renamed.is_empty() {
        out.push_str("      columns: # canonical name to the file's own\n");
    }
    for (canonical, mapped) in renamed {
        let rivals: Vec<String> = mapped.rivals.iter().map(|rival| format!("`{}`", escaped(rival))).collect();
        let rivals =
            if rivals.is_empty() { String::new() } else { format!("; it might be {}, too", rivals.join(" or ")) };
        let _ = writeln!(out, "        {canonical}: {} # guess: {}{rivals}", scalar(&mapped.own), mapped.why);
    }
    if guess.role == Role::Recommendations && !guess.columns.contains_key("strategy") {
        let strategy = constant(guess);
        let why =
            if strategy == UNNAMED { "TODO: name what decided; no column says it" } else { "guess: the folder's name" };
        let _ = writeln!(out, "      values: {{ strategy: {} }} # {why}", scalar(&strategy));
    }
    personal(out, guess);
    for doubt in &guess.doubts {
        let _ = writeln!(out, "      # TODO: {}", escaped(doubt));
    }
}

/// How times are written, where that has to be said.
fn times(out: &mut String, guess: &Guess) {
    let times = || ["timestamp", "expires"].into_iter().filter_map(|canonical| guess.own(canonical));
    if let Some(epoch) = times().find_map(|column| column.epoch()) {
        let _ = writeln!(out, "      epoch: {} # guess: times are numbers of this size", epoch.id());
    } else if times().any(|column| column.lacks_zone()) {
        let _ = writeln!(
            out,
            "      time_zone: UTC # guess. TODO: the zone of these times, which name none, e.g. Europe/Berlin"
        );
    }
}

/// Columns whose values are personal data: told, and never declared for the user.
fn personal(out: &mut String, guess: &Guess) {
    for column in &guess.table.columns {
        for found in &column.personal {
            let (name, category) = (scalar(&column.name), found.class.category());
            let _ = writeln!(
                out,
                "      # TODO: {} holds {}: take it out; or, if it has to be there: declares: {{ {name}: {category} }}",
                escaped(&column.name),
                found.class.id().replace('_', " ")
            );
        }
    }
    if guess.table.unnamed > 0 {
        let _ = writeln!(
            out,
            "      # columns without a name, or with a personal one, were left alone: {}",
            guess.table.unnamed
        );
    }
}
