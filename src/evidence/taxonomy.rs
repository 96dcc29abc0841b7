//! The taxonomy of data categories and data uses: fideslang's, plus what a data map adds to it.
//!
//! Keys are hierarchical: `user.contact` is the parent of `user.contact.email` and covers it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use crate::error::{Problem, Result};
use crate::yaml::Document;

/// Known keys, and which categories GDPR Art. 9 protects.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taxonomy {
    /// The version of fideslang it was taken from.
    pub version: String,
    pub data_categories: BTreeSet<String>,
    pub data_uses: BTreeSet<String>,
    pub special_categories: BTreeSet<String>,
    /// Keys of earlier versions, and what they are called now.
    pub renamed: BTreeMap<String, String>,
}

impl Taxonomy {
    /// fideslang's default taxonomy, compiled in.
    pub fn fideslang() -> Result<Self> {
        let text = include_str!("../../policies/fideslang.yaml");
        Ok(Document::parse(Path::new("policies/fideslang.yaml"), text)?.value)
    }

    /// Adds to a problem with an unknown key what it is called now: its new name, or the one known key with its last
    /// word, else the nearest.
    pub fn suggest(&self, problem: Problem, written: &str, known: &BTreeSet<String>) -> Problem {
        if let Some(new) = self.renamed.get(written).filter(|new| known.contains(*new)) {
            return problem.help(format!("it was renamed: write `{new}`"));
        }
        let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
        let mut alike = known.iter().filter(|key| last(key) == last(written));
        match (alike.next(), alike.next()) {
            (Some(only), None) => problem.help(format!("did you mean `{only}`?")),
            _ => problem.suggest(written, known),
        }
    }

    /// Whether `category` is one of GDPR Art. 9's, or below one.
    pub fn is_special(&self, category: &str) -> bool {
        self.special_categories.iter().any(|special| covers(special, category))
    }
}

/// Whether `general` is `specific` or an ancestor of it.
pub fn covers(general: &str, specific: &str) -> bool {
    specific.strip_prefix(general).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether a category is data about a person. fideslang's `system` branch is not.
pub fn is_personal(category: &str) -> bool {
    !covers("system", category)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_covers_its_children_and_no_sibling() {
        assert!(covers("user.contact", "user.contact.email"));
        assert!(covers("user.contact", "user.contact"));
        assert!(!covers("user.contact", "user.contacts"));
        assert!(!covers("user.contact.email", "user.contact"));
    }

    #[test]
    fn the_compiled_taxonomy_knows_what_it_should() {
        let taxonomy = Taxonomy::fideslang().unwrap();
        assert!(taxonomy.data_categories.contains("user.behavior.purchase_history"));
        assert!(taxonomy.data_uses.contains("personalize.content"));
        assert!(taxonomy.is_special("user.health_and_medical.genetic"));
        assert!(!taxonomy.is_special("user.behavior"));
        assert!(taxonomy.special_categories.is_subset(&taxonomy.data_categories));
    }
}
