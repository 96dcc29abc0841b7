//! fideslang files on their way into the map.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{Breaker, DataMap, Declaration, MappedField};
use crate::error::{Problem, Result, nearest};
use crate::evidence::taxonomy::Taxonomy;
use crate::yaml::{At, Document};

/// Our keys of a dataset's `meta`.
const DATASET_KEYS: [&str; 2] = ["context", "collected_for"];
/// Our keys of a field's `fides_meta`.
const FIELD_KEYS: [&str; 7] =
    ["context", "derived_from", "breaker", "special", "collected_for", "identifiability", "quasi_identifier"];

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct File {
    pub dataset: Option<Vec<Dataset>>,
    pub system: Option<Vec<SystemEntry>>,
    pub data_category: Option<Vec<TaxonomyKey>>,
    pub data_use: Option<Vec<TaxonomyKey>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct TaxonomyKey {
    pub fides_key: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Dataset {
    pub fides_key: At<String>,
    pub data_categories: Option<Vec<At<String>>>,
    pub data_qualifier: Option<String>,
    pub retention: Option<String>,
    pub meta: Option<Meta>,
    pub fides_meta: Option<Meta>,
    pub collections: Vec<Collection>,
    /// What problems say they are in, where a line alone says little.
    #[serde(skip)]
    pub of: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Collection {
    pub name: String,
    pub data_categories: Option<Vec<At<String>>>,
    #[serde(default)]
    pub fields: Vec<FieldEntry>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct FieldEntry {
    pub name: At<String>,
    pub data_categories: Option<Vec<At<String>>>,
    pub data_qualifier: Option<String>,
    pub retention: Option<String>,
    pub fides_meta: Option<Meta>,
    pub meta: Option<Meta>,
    pub fields: Option<Vec<FieldEntry>>,
}

/// Notes by their keys.
pub(super) type Meta = BTreeMap<String, At<Value>>;

#[derive(Debug, Clone, Deserialize)]
pub(super) struct SystemEntry {
    privacy_declarations: Option<Vec<DeclarationEntry>>,
}

#[derive(Debug, Clone, Deserialize)]
struct DeclarationEntry {
    data_use: At<String>,
    #[serde(default)]
    data_categories: Vec<At<String>>,
}

/// The top keys of fideslang, and those that Fides has beside them.
const TOP: [&str; 7] = ["dataset", "system", "policy", "data_category", "data_use", "data_subject", "organization"];
const OF_FIDES: [&str; 5] = ["registry", "data_qualifier", "data_purpose", "data_consumer", "evaluation"];

/// What is wrong with the top keys of a file: it is no fideslang file at all, or one is misspelt and would be ignored.
pub(super) fn check_keys(document: &Document<File>) -> Result<()> {
    let keys = Document::<BTreeMap<String, IgnoredAny>>::parse(&document.path, document.text.clone())?.value;
    let known = |key: &String| TOP.contains(&key.as_str()) || OF_FIDES.contains(&key.as_str());
    let misspelt = keys.keys().filter(|key| !known(key)).find_map(|key| {
        let near = nearest(key, &TOP).filter(|near| strsim::levenshtein(key, near) <= 2)?;
        let line = document.text.lines().position(|line| line.starts_with(key.as_str())).map_or(0, |line| line + 1);
        let at = At { value: (), line: line as u64, column: 1 };
        let problem = document.problem(&at, format!("`{key}` is not a key that anything reads"));
        Some(problem.help(format!("did you mean `{near}`?")))
    });
    match misspelt {
        Some(problem) => Err(problem.into()),
        None if keys.keys().any(known) => Ok(()),
        None => {
            let problem = Problem::in_file(&document.path, "this is no data map: it has none of fideslang's keys");
            Err(problem.help(format!("known: {}", TOP.map(|key| format!("`{key}`")).join(", "))).into())
        }
    }
}

/// One file on its way into the map.
pub(super) struct Reader<'a> {
    pub document: &'a Document<File>,
    pub name: &'a str,
    pub taxonomy: &'a Taxonomy,
    pub map: &'a mut DataMap,
    pub problems: &'a mut Vec<Problem>,
}

/// What a dataset and collection hand down to their fields.
struct Inherited<'a> {
    collection: String,
    context: String,
    context_declared: bool,
    categories: Option<&'a Vec<At<String>>>,
    collected_for: Vec<String>,
    qualifier: Option<&'a String>,
    retention: Option<&'a String>,
}

impl Reader<'_> {
    pub fn file(&mut self) {
        let document = self.document;
        let file = &document.value;
        for dataset in file.dataset.iter().flatten() {
            let before = self.problems.len();
            self.dataset(dataset);
            for problem in self.problems[before..].iter_mut() {
                problem.message = dataset.of.iter().fold(problem.message.clone(), |m, of| format!("`{of}`: {m}"));
            }
        }
        self.map.has_systems |= file.system.is_some();
        for entry in file.system.iter().flatten().flat_map(|s| s.privacy_declarations.iter().flatten()) {
            if !self.taxonomy.data_uses.contains(&entry.data_use.value) {
                let message = format!("data use `{}` is not in the taxonomy", *entry.data_use);
                let problem = document.problem(&entry.data_use, message);
                self.problems.push(self.taxonomy.suggest(problem, &entry.data_use, &self.taxonomy.data_uses));
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
        self.categories(dataset.data_categories.as_ref());
        for collection in &dataset.collections {
            self.categories(collection.data_categories.as_ref());
            let prefix = format!("{}.{}", *dataset.fides_key, collection.name);
            let inherited = Inherited {
                collection: prefix.clone(),
                context: context.clone().unwrap_or_else(|| dataset.fides_key.value.clone()),
                context_declared: context.is_some(),
                categories: collection.data_categories.as_ref().or(dataset.data_categories.as_ref()),
                collected_for: self.texts(&both, "collected_for"),
                qualifier: dataset.data_qualifier.as_ref(),
                retention: dataset.retention.as_ref(),
            };
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
        // What a field inherits was checked where it stands.
        let categories = match &field.data_categories {
            Some(own) => self.categories(Some(own)),
            None => self.known(inherited.categories),
        };
        let marked = self.flag(&both, "special");
        let mut collected_for = self.texts(&both, "collected_for");
        if collected_for.is_empty() {
            collected_for.clone_from(&inherited.collected_for);
        }
        let mapped = MappedField {
            collection: inherited.collection.clone(),
            special: marked || categories.iter().any(|category| self.taxonomy.is_special(category)),
            categories,
            context_declared: own_context.is_some() || inherited.context_declared,
            context: own_context.unwrap_or_else(|| inherited.context.clone()),
            quasi_identifier: self.flag(&both, "quasi_identifier"),
            data_type: self.value(&both, "data_type").and_then(|at| at.value.as_str()).map(str::to_owned),
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

    fn known(&self, written: Option<&Vec<At<String>>>) -> BTreeSet<String> {
        let texts = written.into_iter().flatten().map(|category| category.value.clone());
        texts.filter(|category| self.taxonomy.data_categories.contains(category)).collect()
    }

    /// The categories that the taxonomy knows; a problem for each that it does not.
    fn categories(&mut self, written: Option<&Vec<At<String>>>) -> BTreeSet<String> {
        for category in written.into_iter().flatten() {
            if !self.taxonomy.data_categories.contains(&category.value) {
                let message = format!("data category `{}` is not in the taxonomy", category.value);
                let problem = self.document.problem(category, message);
                self.problems.push(self.taxonomy.suggest(problem, category, &self.taxonomy.data_categories));
            }
        }
        self.known(written)
    }

    fn misspelt(&mut self, meta: Option<&Meta>, ours: &[&str]) {
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

    fn value<'v>(&self, metas: &[Option<&'v Meta>], key: &str) -> Option<&'v At<Value>> {
        metas.iter().flatten().find_map(|meta| meta.get(key))
    }

    fn flag(&mut self, metas: &[Option<&Meta>], key: &str) -> bool {
        let Some(value) = self.value(metas, key) else { return false };
        value.value.as_bool().unwrap_or_else(|| {
            self.problems.push(self.document.problem(value, format!("`{key}` must be true or false")));
            false
        })
    }

    fn text(&mut self, metas: &[Option<&Meta>], key: &str) -> Option<String> {
        let value = self.value(metas, key)?;
        match value.value.as_str() {
            Some(text) if !text.trim().is_empty() => Some(text.to_owned()),
            _ => {
                self.problems.push(self.document.problem(value, format!("`{key}` must be a text")));
                None
            }
        }
    }

    fn texts(&mut self, metas: &[Option<&Meta>], key: &str) -> Vec<String> {
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

    fn breaker(&mut self, metas: &[Option<&Meta>]) -> Option<Breaker> {
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
