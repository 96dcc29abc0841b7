//! Names of tables: which of them mean the same, and which collection of the data map they are.

use std::collections::{BTreeMap, BTreeSet};

use crate::evidence::data_map::DataMap;
use crate::evidence::lineage::Lineage;
use crate::manifest::Manifest;

/// One name for each table.
pub(super) struct Tables<'a> {
    map: &'a DataMap,
    /// Collections, by their name in lower case.
    collections: BTreeMap<String, String>,
    /// The manifest's own mapping, by the lineage's name in lower case.
    names: BTreeMap<String, String>,
    /// Every name that some lineage gives a table with its schema: last two parts, by the last.
    by_last: BTreeMap<String, BTreeSet<String>>,
    aliases: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Tables<'a> {
    pub fn new(lineage: &'a Lineage, map: &'a DataMap, manifest: &Manifest) -> Self {
        let collections = map.fields.values().map(|field| (field.collection.to_lowercase(), field.collection.clone()));
        let written = manifest.evidence.lineage.iter().flat_map(|source| &source.names);
        let mut tables = Self {
            map,
            collections: collections.collect(),
            names: written.map(|(name, at)| (name.to_lowercase(), at.value.clone())).collect(),
            by_last: BTreeMap::new(),
            aliases: BTreeMap::new(),
        };
        for (one, other) in &lineage.aliases {
            tables.aliases.entry(one).or_default().insert(other);
            tables.aliases.entry(other).or_default().insert(one);
        }
        let flows = lineage.flows.iter().flat_map(|flow| flow.sources.iter().chain(&flow.target));
        for name in flows.map(String::as_str).chain(map.fields.values().map(|field| field.collection.as_str())) {
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
        let ends = |known: &&String| dotted == **known || dotted.ends_with(&format!(".{known}"));
        if let Some(known) = self.collections.keys().filter(ends).max_by_key(|known| known.len()) {
            return self.collections[known].clone();
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

    /// The table that a field lies in.
    pub fn of_field(&self, field: &str) -> String {
        match self.map.fields.get(field) {
            Some(mapped) => mapped.collection.clone(),
            None => self.of(field.rsplit_once('.').map_or(field, |(table, _)| table)),
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
