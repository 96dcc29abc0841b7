//! The proposed `data-map.yaml`: the columns of the tables as a dataset of fideslang.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::Words;
use super::names::{category, category_of_canonical};
use super::profile::Profile;
use super::roles::Guess;
use super::yaml::{escaped, scalar};
use crate::evidence::columns::Role;
use crate::evidence::taxonomy::Taxonomy;

const HEAD: &str = "\
# The data map: what is kept about people, where it came from and what for, in the format of fideslang. `probity init`
# made it of the columns that it saw; the data that your models read (profiles, features) is rarely among these.
#   guess:  a category that a name or a sample of values suggests
#   TODO:   what only a person can know: until then the audit says that it is missing
# The categories are those of https://ethyca.github.io/fideslang; data about no person is `system.operations`.

";

/// The map, and every category about people in it.
pub fn text(guesses: &[Guess], words: &Words, taxonomy: &Taxonomy) -> (String, Vec<&'static str>) {
    let mut out = HEAD.to_owned();
    keys(&mut out, "data_use", &words.purposes, &taxonomy.data_uses);
    keys(&mut out, "data_category", &words.categories, &taxonomy.data_categories);
    out.push_str("dataset:\n");
    for context in &words.contexts {
        let name = scalar(context);
        let _ = write!(
            out,
            "  # guess: consent records speak of a context by this name. TODO: what is kept of what was collected there\n  - \
             fides_key: {name}\n    meta: {{ context: {name} }}\n    collections:\n      - name: to_fill_in\n        fields:\n          \
             - name: to_fill_in\n"
        );
    }
    let mut categories = Vec::new();
    let mut keys: BTreeMap<String, usize> = words.contexts.iter().map(|context| (context.clone(), 1)).collect();
    for guess in guesses.iter().filter(|guess| !guess.table.columns.is_empty()) {
        let mut key = guess.table.name();
        let before = keys.entry(key.clone()).or_default();
        *before += 1;
        if *before > 1 {
            key = format!("{key}_{before}");
        }
        let _ = write!(
            out,
            "  - fides_key: {key}\n    name: {}\n    # retention:     # TODO: how long it is kept\n    # data_qualifier: # TODO: \
             identified, pseudonymized, …\n    # meta:          # TODO: where it was collected, and for what people were told\n    \
             #   context: web\n    #   collected_for: [personalize.content]\n    collections:\n      - name: {}\n        fields:\n",
            scalar(&guess.table.path),
            guess.role.id()
        );
        for column in &guess.table.columns {
            if let Some(category) = field(&mut out, guess, column) {
                categories.push(category);
            }
        }
    }
    (out, categories)
}

/// Keys that records use and fideslang does not know.
fn keys(out: &mut String, list: &str, used: &BTreeSet<String>, known: &BTreeSet<String>) {
    let unknown: Vec<&String> = used.difference(known).collect();
    if unknown.is_empty() {
        return;
    }
    let _ = writeln!(out, "{list}: # guess: keys of your own, which consent records use and fideslang does not have");
    for key in unknown {
        let _ = writeln!(out, "  - fides_key: {}", scalar(key));
    }
    out.push('\n');
}

/// One field; the category guessed for it.
fn field(out: &mut String, guess: &Guess, column: &Profile) -> Option<&'static str> {
    let canonical = guess.columns.iter().find(|(_, mapped)| mapped.own == column.name).map(|(canonical, _)| *canonical);
    let of_items = matches!(guess.role, Role::Items).then_some(("system.operations", "about an item, not a person"));
    let values = column.personal.first().map(|found| (found.class.category(), "its values"));
    let of_canonical = canonical.and_then(category_of_canonical).map(|category| (category, "what it stands for"));
    let by_name = category(&column.name).map(|category| (category, "its name"));
    let _ = writeln!(out, "          - name: {}", scalar(&column.name));
    match values.or(of_canonical).or(of_items).or(by_name) {
        Some((category, why)) => {
            let _ = writeln!(out, "            data_categories: [{category}] # guess: {why}");
            Some(category)
        }
        None => {
            let _ = writeln!(out, "            # data_categories: # TODO: what `{}` is", escaped(&column.name));
            None
        }
    }
}
