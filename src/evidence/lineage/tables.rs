//! Names of tables: which of them mean the same, and which collection of the data map they are.

use std::collections::{BTreeMap, BTreeSet};

use super::Lineage;

/// One name for each table.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// Collections, by their name in lower case.
    collections: BTreeMap<String, String>,
    /// The manifest's own mapping, by the lineage's name in lower case.
    names: BTreeMap<String, String>,
    /// Every name that some lineage gives a table with its schema: last two parts, by the last.
    by_last: BTreeMap<String, BTreeSet<String>>,
    aliases: BTreeMap<String, BTreeSet<String>>,
}

impl Tables {
    /// `collections` are the data map's; `names` say which of them a name of the lineage means.
    pub fn new(lineage: &Lineage, collections: &BTreeSet<&str>, names: &BTreeMap<String, String>) -> Self {
        let mut tables = Self {
            collections: collections.iter().map(|name| (name.to_lowercase(), (*name).to_owned())).collect(),
            names: names.iter().map(|(name, means)| (name.to_lowercase(), means.clone())).collect(),
            ..Self::default()
        };
        for (one, other) in &lineage.aliases {
            tables.aliases.entry(one.clone()).or_default().insert(other.clone());
            tables.aliases.entry(other.clone()).or_default().insert(one.clone());
        }
        let flows = lineage.flows.iter().flat_map(|flow| flow.sources.iter().chain(&flow.target));
        for name in flows.map(String::as_str).chain(collections.iter().copied()) {
            let short = last_two(name);
            if let Some((_, last)) = short.rsplit_once('.') {
                tables.by_last.entry(last.to_owned()).or_default().insert(short.clone());
            }
        }
        tables
    }

    /// The collection that a name means, else its last two parts.
    pub fn of(&self, name: &str) -> String {
        let own = self.one(name);
        let Some(others) = self.aliases.get(name).filter(|_| !self.is_mapped(&own)) else { return own };
        let all: BTreeSet<String> = others.iter().map(|other| self.one(other)).chain([own.clone()]).collect();
        all.iter().find(|name| self.is_mapped(name)).or(all.first()).cloned().unwrap_or(own)
    }

    fn one(&self, name: &str) -> String {
        let written = name.to_lowercase();
        if let Some(named) = self.names.get(&written) {
            return named.clone();
        }
        // A dataset's key may itself have parts: the longest collection that the name ends with.
        let dotted = written.replace('/', ".");
        let ends = dotted.match_indices('.').map(|(dot, _)| &dotted[dot + 1..]);
        if let Some(known) = std::iter::once(dotted.as_str()).chain(ends).find_map(|end| self.collections.get(end)) {
            return known.clone();
        }
        let short = last_two(name);
        if short.contains('.') {
            return short;
        }
        // A bare name is the table of that name, when there is but one.
        match self.by_last.get(&short).map(|full| full.iter().collect::<Vec<_>>()).as_deref() {
            Some([one]) => self.collections.get(*one).unwrap_or(one).clone(),
            _ => short,
        }
    }

    pub fn is_mapped(&self, table: &str) -> bool {
        self.collections.contains_key(&table.to_lowercase())
    }
}

/// The last two parts of a name, in lower case.
fn last_two(name: &str) -> String {
    let parts: Vec<String> = name.split(['.', '/']).filter(|p| !p.is_empty()).map(str::to_lowercase).collect();
    parts[parts.len().saturating_sub(2)..].join(".")
}
