//! The data map: fideslang YAML as Fides writes it, with our additions under `meta` and `fides_meta`.
//!
//! fideslang ignores keys that it does not know, and so does this reader, so that a file of Fides loads unchanged. Our
//! own keys are `meta.context` (dataset), `fides_meta.context`, `derived_from`, `breaker`, `special`, `collected_for`
//! and `identifiability` (field); a key that is nearly one of them is an error, for a misspelt one would be ignored.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::taxonomy::{Taxonomy, is_personal};
use crate::error::{Problem, Result, all_clear, nearest};
use crate::yaml::{At, Document};

/// Every field that the organisation mapped, by `dataset.collection.field`.
#[derive(Debug, Clone, Default)]
pub struct DataMap {
    pub fields: BTreeMap<String, MappedField>,
    /// The privacy declarations of the mapped systems.
    pub declarations: Vec<Declaration>,
    /// Whether any file maps a system.
    pub has_systems: bool,
}

/// A mapped field, as the map states it.
#[derive(Debug, Clone)]
pub struct MappedField {
    pub categories: BTreeSet<String>,
    pub context: String,
    /// Whether the map names the context; else the dataset's key stands for it.
    pub context_declared: bool,
    pub special: bool,
    pub identifiability: Option<String>,
    pub collected_for: Vec<String>,
    pub retention: Option<String>,
    /// The namespace of the identifier it holds, e.g. `email_sha256`.
    pub identity: Option<String>,
    pub derived_from: Vec<String>,
    pub breaker: Option<Breaker>,
    /// The file, as the manifest names it, and the line.
    pub path: String,
    pub line: u64,
}

/// Why a derived field is no longer data about one person.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    /// Every value stands for at least this many people.
    pub minimum_group_size: u64,
    /// Where that can be checked.
    pub evidence: String,
}

/// What a system declares that it does with which categories.
#[derive(Debug, Clone)]
pub struct Declaration {
    pub data_use: String,
    pub data_categories: Vec<String>,
}

/// A field with all that it stands for: itself and its ancestors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Personal data: category and the context it was collected in, and whether it is special. A field without a
    /// category has `""`.
    pub parts: BTreeMap<(String, String), bool>,
    /// All categories, those that are not personal included.
    pub categories: BTreeSet<String>,
    pub special: bool,
    /// Ancestors, to any depth.
    pub sources: BTreeSet<String>,
}

impl Resolved {
    fn part(&mut self, category: &str, context: &str, special: bool) {
        *self.parts.entry((category.to_owned(), context.to_owned())).or_default() |= special;
    }

    /// Adds what another field stands for.
    pub fn merge(&mut self, other: Self) {
        for ((category, context), special) in other.parts {
            self.part(&category, &context, special);
        }
        self.categories.extend(other.categories);
        self.special |= other.special;
        self.sources.extend(other.sources);
    }

    /// The contexts that personal data in it was collected in.
    pub fn contexts(&self) -> BTreeSet<String> {
        self.parts.keys().map(|(_, context)| context.clone()).collect()
    }
}

impl DataMap {
    /// Reads files, in order, and checks them against each other and the taxonomy (which they may extend).
    ///
    /// `files` are the paths to read and what to call them.
    pub fn read(files: &[(std::path::PathBuf, String)], taxonomy: &mut Taxonomy) -> Result<Self> {
        let mut documents = Vec::new();
        for (path, name) in files {
            documents.push((Document::<File>::read(path)?, name.clone()));
        }
        for (document, _) in &documents {
            let file = &document.value;
            taxonomy.data_categories.extend(file.data_category.iter().flatten().map(|key| key.fides_key.clone()));
            taxonomy.data_uses.extend(file.data_use.iter().flatten().map(|key| key.fides_key.clone()));
        }
        let mut map = Self::default();
        let mut problems = Vec::new();
        for (document, name) in &documents {
            Reader { document, name, taxonomy, map: &mut map, problems: &mut problems }.file();
        }
        all_clear(problems)?;
        map.check_derivations(&documents)?;
        Ok(map)
    }

    /// The contexts that the map knows.
    pub fn contexts(&self) -> BTreeSet<&str> {
        self.fields.values().map(|field| field.context.as_str()).collect()
    }

    /// What `field` stands for; None when the map does not know it.
    pub fn resolve(&self, field: &str) -> Option<Resolved> {
        let mut resolved = Resolved::default();
        self.collect(field, &mut resolved)?;
        resolved.sources.remove(field);
        Some(resolved)
    }

    fn collect(&self, key: &str, into: &mut Resolved) -> Option<()> {
        let field = self.fields.get(key)?;
        if !into.sources.insert(key.to_owned()) {
            return Some(());
        }
        into.categories.extend(field.categories.iter().cloned());
        if field.breaker.is_some() {
            return Some(());
        }
        into.special |= field.special;
        if field.categories.is_empty() && field.derived_from.is_empty() {
            into.part("", &field.context, field.special);
        }
        for category in field.categories.iter().filter(|category| is_personal(category)) {
            // What is derived was collected where its sources were, not where it happens to be kept.
            if field.derived_from.is_empty() {
                into.part(category, &field.context, field.special);
            } else {
                for source in &field.derived_from {
                    for context in self.resolve(source).map(|r| r.contexts()).unwrap_or_default() {
                        into.part(category, &context, field.special);
                    }
                }
            }
        }
        for source in &field.derived_from {
            self.collect(source, into)?;
        }
        Some(())
    }

    fn check_derivations(&self, documents: &[(Document<File>, String)]) -> Result<()> {
        let place =
            |field: &MappedField| documents.iter().find(|(_, name)| *name == field.path).map(|(document, _)| document);
        let mut problems = Vec::new();
        for (key, field) in &self.fields {
            let problem = |message: String| match place(field) {
                Some(document) => {
                    Problem::new(message).at(&document.path, field.line, 0).with_text(document.text.clone())
                }
                None => Problem::new(message),
            };
            for source in &field.derived_from {
                if !self.fields.contains_key(source) {
                    let message = format!("`{key}` is derived from `{source}`, which the data map does not have");
                    problems.push(problem(message).suggest(source, self.fields.keys()));
                }
            }
            if let Some(cycle) = self.cycle(key, key, &mut BTreeSet::new()) {
                problems.push(problem(format!("`{key}` is derived from itself, by way of `{cycle}`")));
            }
        }
        all_clear(problems)
    }

    /// The last step of a derivation that leads from `key` back to `start`.
    fn cycle(&self, start: &str, key: &str, seen: &mut BTreeSet<String>) -> Option<String> {
        for source in &self.fields.get(key)?.derived_from {
            if source == start {
                return Some(key.to_owned());
            }
            if seen.insert(source.clone())
                && let Some(found) = self.cycle(start, source, seen)
            {
                return Some(found);
            }
        }
        None
    }
}

/// Our keys of a dataset's `meta`.
const DATASET_KEYS: [&str; 2] = ["context", "collected_for"];
/// Our keys of a field's `fides_meta`.
const FIELD_KEYS: [&str; 6] = ["context", "derived_from", "breaker", "special", "collected_for", "identifiability"];

#[derive(Debug, Clone, Deserialize)]
struct File {
    dataset: Option<Vec<Dataset>>,
    system: Option<Vec<SystemEntry>>,
    data_category: Option<Vec<TaxonomyKey>>,
    data_use: Option<Vec<TaxonomyKey>>,
}

#[derive(Debug, Clone, Deserialize)]
struct TaxonomyKey {
    fides_key: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Dataset {
    fides_key: At<String>,
    data_categories: Option<Vec<At<String>>>,
    data_qualifier: Option<String>,
    retention: Option<String>,
    meta: Option<BTreeMap<String, At<Value>>>,
    fides_meta: Option<BTreeMap<String, At<Value>>>,
    collections: Vec<Collection>,
}

#[derive(Debug, Clone, Deserialize)]
struct Collection {
    name: String,
    data_categories: Option<Vec<At<String>>>,
    #[serde(default)]
    fields: Vec<FieldEntry>,
}

#[derive(Debug, Clone, Deserialize)]
struct FieldEntry {
    name: At<String>,
    data_categories: Option<Vec<At<String>>>,
    data_qualifier: Option<String>,
    retention: Option<String>,
    fides_meta: Option<BTreeMap<String, At<Value>>>,
    meta: Option<BTreeMap<String, At<Value>>>,
    fields: Option<Vec<FieldEntry>>,
}

#[derive(Debug, Clone, Deserialize)]
struct SystemEntry {
    privacy_declarations: Option<Vec<DeclarationEntry>>,
}

#[derive(Debug, Clone, Deserialize)]
struct DeclarationEntry {
    data_use: At<String>,
    #[serde(default)]
    data_categories: Vec<At<String>>,
}

/// One file on its way into the map.
struct Reader<'a> {
    document: &'a Document<File>,
    name: &'a str,
    taxonomy: &'a Taxonomy,
    map: &'a mut DataMap,
    problems: &'a mut Vec<Problem>,
}

/// What a dataset and collection hand down to their fields.
struct Inherited<'a> {
    context: String,
    context_declared: bool,
    categories: Option<&'a Vec<At<String>>>,
    collected_for: Vec<String>,
    qualifier: Option<&'a String>,
    retention: Option<&'a String>,
}

impl Reader<'_> {
    fn file(&mut self) {
        let document = self.document;
        let file = &document.value;
        for dataset in file.dataset.iter().flatten() {
            self.dataset(dataset);
        }
        self.map.has_systems |= file.system.is_some();
        for entry in file.system.iter().flatten().flat_map(|s| s.privacy_declarations.iter().flatten()) {
            if !self.taxonomy.data_uses.contains(&entry.data_use.value) {
                let message = format!("data use `{}` is not in the taxonomy", *entry.data_use);
                self.problems.push(
                    document.problem(&entry.data_use, message).suggest(&entry.data_use, &self.taxonomy.data_uses),
                );
            }
            let data_categories = self.categories(Some(&entry.data_categories)).into_iter().collect();
            self.map.declarations.push(Declaration { data_use: entry.data_use.value.clone(), data_categories });
        }
    }

    fn dataset(&mut self, dataset: &Dataset) {
        self.misspelt(dataset.meta.as_ref(), &DATASET_KEYS);
        self.misspelt(dataset.fides_meta.as_ref(), &DATASET_KEYS);
        let both = [dataset.meta.as_ref(), dataset.fides_meta.as_ref()];
        let context = self.text(&both, "context");
        for collection in &dataset.collections {
            let inherited = Inherited {
                context: context.clone().unwrap_or_else(|| dataset.fides_key.value.clone()),
                context_declared: context.is_some(),
                categories: collection.data_categories.as_ref().or(dataset.data_categories.as_ref()),
                collected_for: self.texts(&both, "collected_for"),
                qualifier: dataset.data_qualifier.as_ref(),
                retention: dataset.retention.as_ref(),
            };
            let prefix = format!("{}.{}", *dataset.fides_key, collection.name);
            for field in &collection.fields {
                self.field(&prefix, field, &inherited);
            }
        }
    }

    fn field(&mut self, prefix: &str, field: &FieldEntry, inherited: &Inherited) {
        let key = format!("{prefix}.{}", *field.name);
        self.misspelt(field.fides_meta.as_ref(), &FIELD_KEYS);
        self.misspelt(field.meta.as_ref(), &FIELD_KEYS);
        for nested in field.fields.iter().flatten() {
            self.field(&key, nested, inherited);
        }
        let both = [field.fides_meta.as_ref(), field.meta.as_ref()];
        let own_context = self.text(&both, "context");
        let categories = self.categories(field.data_categories.as_ref().or(inherited.categories));
        let marked = self.value(&both, "special").and_then(|v| v.value.as_bool()).unwrap_or(false);
        let mut collected_for = self.texts(&both, "collected_for");
        if collected_for.is_empty() {
            collected_for.clone_from(&inherited.collected_for);
        }
        let mapped = MappedField {
            special: marked || categories.iter().any(|category| self.taxonomy.is_special(category)),
            categories,
            context_declared: own_context.is_some() || inherited.context_declared,
            context: own_context.unwrap_or_else(|| inherited.context.clone()),
            identifiability: self
                .text(&both, "identifiability")
                .or_else(|| field.data_qualifier.clone())
                .or_else(|| inherited.qualifier.cloned()),
            collected_for,
            retention: field.retention.clone().or_else(|| inherited.retention.cloned()),
            identity: self.text(&both, "identity"),
            derived_from: self.texts(&both, "derived_from"),
            breaker: self.breaker(&both),
            path: self.name.to_owned(),
            line: field.name.line,
        };
        if self.map.fields.insert(key.clone(), mapped).is_some() {
            let problem = self.document.problem(&field.name, format!("`{key}` is mapped twice"));
            self.problems.push(problem);
        }
    }

    fn categories(&mut self, written: Option<&Vec<At<String>>>) -> BTreeSet<String> {
        let mut known = BTreeSet::new();
        for category in written.into_iter().flatten() {
            if self.taxonomy.data_categories.contains(&category.value) {
                known.insert(category.value.clone());
            } else {
                let message = format!("data category `{}` is not in the taxonomy", category.value);
                let problem = self.document.problem(category, message);
                self.problems.push(problem.suggest(category, &self.taxonomy.data_categories));
            }
        }
        known
    }

    fn misspelt(&mut self, meta: Option<&BTreeMap<String, At<Value>>>, ours: &[&str]) {
        for (key, value) in meta.into_iter().flatten() {
            if !ours.contains(&key.as_str())
                && let Some(near) = nearest(key, ours)
                && strsim::levenshtein(key, near) <= 2
            {
                let problem = self.document.problem(value, format!("`{key}` is not a key that anything reads"));
                self.problems.push(problem.help(format!("did you mean `{near}`?")));
            }
        }
    }

    fn value<'v>(&self, metas: &[Option<&'v BTreeMap<String, At<Value>>>], key: &str) -> Option<&'v At<Value>> {
        metas.iter().flatten().find_map(|meta| meta.get(key))
    }

    fn text(&mut self, metas: &[Option<&BTreeMap<String, At<Value>>>], key: &str) -> Option<String> {
        let value = self.value(metas, key)?;
        match value.value.as_str() {
            Some(text) if !text.trim().is_empty() => Some(text.to_owned()),
            _ => {
                self.problems.push(self.document.problem(value, format!("`{key}` must be a text")));
                None
            }
        }
    }

    fn texts(&mut self, metas: &[Option<&BTreeMap<String, At<Value>>>], key: &str) -> Vec<String> {
        let Some(value) = self.value(metas, key) else { return Vec::new() };
        let texts: Option<Vec<String>> = match &value.value {
            Value::String(one) => Some(vec![one.clone()]),
            Value::Array(many) => many.iter().map(|v| v.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        texts.unwrap_or_else(|| {
            self.problems.push(self.document.problem(value, format!("`{key}` must be a text or a list of texts")));
            Vec::new()
        })
    }

    fn breaker(&mut self, metas: &[Option<&BTreeMap<String, At<Value>>>]) -> Option<Breaker> {
        let value = self.value(metas, "breaker")?;
        match serde_json::from_value::<Breaker>(value.value.clone()) {
            Ok(breaker) if breaker.minimum_group_size > 1 && !breaker.evidence.trim().is_empty() => Some(breaker),
            Ok(_) => {
                let message = "a breaker needs a `minimum_group_size` above 1 and its `evidence`";
                self.problems.push(self.document.problem(value, message));
                None
            }
            Err(error) => {
                self.problems.push(self.document.problem(value, format!("this breaker cannot be read: {error}")));
                None
            }
        }
    }
}

/// Reads a data map from texts, for tests.
#[cfg(test)]
pub fn parse(text: &str) -> Result<DataMap> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("map.yaml");
    std::fs::write(&path, text).expect("the map is written");
    DataMap::read(&[(path, "map.yaml".into())], &mut Taxonomy::fideslang()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "
dataset:
  - fides_key: web
    meta: {context: web}
    collections:
      - name: events
        fields:
          - name: views
            data_categories: [user.behavior.browsing_history]
          - name: device
            fields:
              - {name: id, data_categories: [user.device.device_id]}
  - fides_key: till
    meta: {context: store}
    collections:
      - name: receipts
        fields:
          - {name: basket, data_categories: [user.behavior.purchase_history]}
          - {name: remedies, data_categories: [user.health_and_medical]}
  - fides_key: features
    collections:
      - name: f
        fields:
          - name: both
            data_categories: [user.behavior]
            fides_meta: {derived_from: [features.f.hashed]}
          - name: hashed
            data_categories: [user.behavior]
            fides_meta: {derived_from: [web.events.views, till.receipts.basket]}
          - name: popularity
            data_categories: [user.behavior]
            fides_meta:
              derived_from: [till.receipts.basket]
              breaker: {minimum_group_size: 50, evidence: jobs/popularity.sql}
";

    #[test]
    fn nested_fields_and_contexts_are_read() {
        let map = parse(MAP).unwrap();
        let id = &map.fields["web.events.device.id"];
        assert_eq!((id.context.as_str(), id.context_declared), ("web", true));
        let own = &map.fields["features.f.both"];
        assert_eq!((own.context.as_str(), own.context_declared), ("features", false));
        assert!(map.fields["till.receipts.remedies"].special);
    }

    #[test]
    fn a_derived_field_stands_for_all_its_ancestors() {
        let both = parse(MAP).unwrap().resolve("features.f.both").unwrap();
        assert_eq!(both.contexts(), BTreeSet::from(["store".to_owned(), "web".to_owned()]));
        assert_eq!(both.sources.len(), 3);
    }

    #[test]
    fn only_a_declared_breaker_cuts_a_derivation() {
        let popularity = parse(MAP).unwrap().resolve("features.f.popularity").unwrap();
        assert!(popularity.contexts().is_empty());
        let bare = MAP.replace("breaker: {minimum_group_size: 50, evidence: jobs/popularity.sql}", "breaker: {}");
        assert!(parse(&bare).unwrap_err().to_string().contains("breaker"));
    }

    #[test]
    fn a_cycle_a_misspelt_key_and_an_unknown_category_are_errors_with_their_line() {
        let cycle = MAP.replace("[web.events.views, till", "[features.f.both, till");
        assert!(parse(&cycle).unwrap_err().to_string().contains("derived from itself"));
        let misspelt = MAP.replace("meta: {context: store}", "meta: {contxt: store}");
        let error = parse(&misspelt).unwrap_err().to_string();
        assert!(error.contains("map.yaml:14") && error.contains("did you mean `context`"), "{error}");
        let unknown = MAP.replace("user.behavior.purchase_history", "user.behavior.purchases");
        let error = parse(&unknown).unwrap_err().to_string();
        assert!(error.contains("map.yaml:18") && error.contains("`user.behavior.purchase_history`"), "{error}");
    }
}
