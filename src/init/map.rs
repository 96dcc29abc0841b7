//! The proposed `data-map.yaml`: the columns of the tables as a dataset of fideslang.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::names::{category, category_of_canonical};
use super::profile::Profile;
use super::roles::Guess;
use super::yaml::{escaped, scalar};
use crate::evidence::columns::Role;

const HEAD: &str = "\
# The data map: what is kept about people, where it came from and what for, in the format of fideslang. `probity init`
# made it of the columns that it saw; the data that your models read (profiles, features) is rarely among these.
#   guess:  a category that a name or a sample of values suggests
#   TODO:   what only a person can know: until then the audit says that it is missing
# The categories are those of https://ethyca.github.io/fideslang; data about no person is `system.operations`.

dataset:
";

/// The map, and every category about people in it.
pub fn text(guesses: &[Guess]) -> (String, Vec<&'static str>) {
    let mut out = HEAD.to_owned();
    let mut categories = Vec::new();
    let mut keys: BTreeMap<String, usize> = BTreeMap::new();
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
