//! dbt's `manifest.json`: what each node makes, from which others, by which SQL, and what is noted about it.
//!
//! Versions 1 to 12 of the artifact and what has come since: older ones call the compiled SQL `compiled_sql`, newer
//! ones keep `meta` under `config` too. Keys that are not needed are not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{Problem, Result, all_clear};

mod places;
#[cfg(test)]
mod tests;

pub use places::Place;
use places::Places;

/// A manifest: its nodes, sources and exposures, by their unique ids.
#[derive(Debug)]
pub struct Manifest {
    /// The database it is for, e.g. `snowflake`.
    pub adapter: Option<String>,
    pub project: Option<String>,
    pub nodes: BTreeMap<String, Node>,
    /// Nodes that dbt passes over.
    disabled: BTreeSet<String>,
    places: Places,
}

/// A node, source or exposure.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Node {
    /// `model`, `snapshot`, `seed`, `source`, `test`, `operation`, `exposure`, …
    #[serde(deserialize_with = "or_default")]
    pub resource_type: String,
    pub package_name: Option<String>,
    /// Relative to its package.
    pub original_file_path: Option<String>,
    database: Option<String>,
    schema: Option<String>,
    alias: Option<String>,
    identifier: Option<String>,
    name: Option<String>,
    relation_name: Option<String>,
    /// `sql` or `python`; old manifests know only the former.
    language: Option<String>,
    compiled_code: Option<String>,
    compiled_sql: Option<String>,
    #[serde(deserialize_with = "or_default")]
    depends_on: DependsOn,
    #[serde(deserialize_with = "or_default")]
    pub columns: BTreeMap<String, Column>,
    #[serde(deserialize_with = "or_default")]
    meta: Map<String, Value>,
    #[serde(deserialize_with = "or_default")]
    config: Config,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DependsOn {
    #[serde(deserialize_with = "or_default")]
    nodes: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    materialized: Option<String>,
    #[serde(deserialize_with = "or_default")]
    meta: Map<String, Value>,
    /// Texts, or mappings with `sql`.
    #[serde(rename = "pre-hook")]
    before: Value,
    #[serde(rename = "post-hook")]
    after: Value,
}

/// A column that somebody described.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Column {
    #[serde(deserialize_with = "or_default")]
    meta: Map<String, Value>,
    #[serde(deserialize_with = "or_default")]
    config: Config,
}

/// dbt writes null where it has nothing.
fn or_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    metadata: Map<String, Value>,
    #[serde(default, deserialize_with = "or_default")]
    nodes: BTreeMap<String, Value>,
    #[serde(default, deserialize_with = "or_default")]
    sources: BTreeMap<String, Value>,
    #[serde(default, deserialize_with = "or_default")]
    exposures: BTreeMap<String, Value>,
    #[serde(default, deserialize_with = "or_default")]
    disabled: Value,
}

/// What dbt writes: which of its artifacts a text is, e.g. `manifest` or `run-results`; None when it is not dbt's.
pub fn artifact(text: &str) -> Option<String> {
    const KEY: &str = "dbt_schema_version";
    #[derive(Deserialize)]
    struct Top {
        metadata: Option<Metadata>,
    }
    #[derive(Deserialize)]
    struct Metadata {
        dbt_schema_version: Option<String>,
    }
    if !text.contains(KEY) {
        return None;
    }
    let version = match serde_json::from_str::<Top>(text) {
        Ok(top) => top.metadata?.dbt_schema_version?,
        // Broken JSON; dbt writes the version first.
        Err(_) => {
            let head = &text.as_bytes()[..text.len().min(1024)];
            let head = String::from_utf8_lossy(head);
            head.split_once(KEY)?.1.split('"').nth(2)?.to_owned()
        }
    };
    // https://schemas.getdbt.com/dbt/manifest/v12.json
    version.rsplit('/').nth(1).map(str::to_owned)
}

impl Manifest {
    /// Reads a manifest's text; `path` is what errors call it.
    pub fn read(path: &Path, text: &str) -> Result<Self> {
        let written: Written = serde_json::from_str(text).map_err(|error| {
            let message = match error.classify() {
                serde_json::error::Category::Data => "no dbt manifest: this is not of the shape dbt writes",
                _ => "the file is no JSON from here on",
            };
            Problem::new(message).at(path, error.line() as u64, error.column() as u64)
        })?;
        let places = Places::of(text);
        let mut nodes = BTreeMap::new();
        let mut problems = Vec::new();
        for (id, value) in written.nodes.into_iter().chain(written.sources).chain(written.exposures) {
            match Node::deserialize(value) {
                Ok(node) => {
                    nodes.insert(id, node);
                }
                Err(error) => {
                    let Place { line, column } = places.node(&id);
                    let message = format!("`{id}` is not of the shape dbt writes: {error}");
                    problems.push(Problem::new(message).at(path, line, column));
                }
            }
        }
        all_clear(problems)?;
        // Versions before 4 list them without their ids.
        let disabled = written.disabled.as_object().into_iter().flat_map(|ids| ids.keys().cloned()).collect();
        let text = |key: &str| written.metadata.get(key).and_then(Value::as_str).map(str::to_owned);
        Ok(Self { adapter: text("adapter_type"), project: text("project_name"), nodes, disabled, places })
    }

    /// Where a node stands in the manifest.
    pub fn place(&self, id: &str) -> Place {
        self.places.node(id)
    }

    /// Where a column of a node stands in the manifest.
    pub fn column_place(&self, id: &str, column: &str) -> Place {
        self.places.column(id, column)
    }

    /// The tables that a node is made from. An ephemeral model is no table: what it reads is read by whoever names it.
    /// An error names a node that the manifest lacks.
    pub fn upstream(&self, id: &str) -> Result<BTreeSet<String>, String> {
        let mut tables = BTreeSet::new();
        let mut seen = BTreeSet::from([id]);
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            for upstream in self.nodes.get(id).iter().flat_map(|node| &node.depends_on.nodes) {
                if !seen.insert(upstream) || self.disabled.contains(upstream) {
                    continue;
                }
                let node = self.nodes.get(upstream).ok_or_else(|| upstream.clone())?;
                match node.relation() {
                    Some(relation) if !node.is_ephemeral() => {
                        tables.insert(relation);
                    }
                    _ => open.push(upstream),
                }
            }
        }
        Ok(tables)
    }
}

impl Node {
    /// The table it is, without quotes.
    pub fn relation(&self) -> Option<String> {
        match self.relation_name.as_deref().filter(|name| !name.trim().is_empty()) {
            Some(name) => Some(parts(name).join(".")),
            None => self.full_name(),
        }
    }

    /// The table's name as dbt puts it together from database, schema and alias; some adapters leave out a part.
    pub fn full_name(&self) -> Option<String> {
        let parts = [self.database.as_deref(), self.schema.as_deref(), Some(self.table()?)];
        let parts: Vec<&str> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        Some(parts.join("."))
    }

    /// Schema and table, as the data map names a collection.
    pub fn collection(&self) -> Option<(String, String)> {
        Some((self.schema.clone()?, self.table()?.to_owned()))
    }

    fn table(&self) -> Option<&str> {
        self.alias.as_deref().or(self.identifier.as_deref()).or(self.name.as_deref())
    }

    /// The SQL that dbt sends, its templates filled in; None when it was never compiled, or is Python.
    pub fn sql(&self) -> Option<&str> {
        if self.language.as_deref().is_some_and(|language| language != "sql") {
            return None;
        }
        self.compiled_code.as_deref().or(self.compiled_sql.as_deref()).filter(|sql| !sql.trim().is_empty())
    }

    pub fn is_ephemeral(&self) -> bool {
        self.config.materialized.as_deref() == Some("ephemeral")
    }

    /// The SQL that runs before and after it, its templates not filled in.
    pub fn hooks(&self) -> Vec<&str> {
        fn each(hooks: &Value) -> &[Value] {
            hooks.as_array().map_or(std::slice::from_ref(hooks), Vec::as_slice)
        }
        let hooks = [&self.config.before, &self.config.after].into_iter().flat_map(each);
        hooks.filter_map(|hook| hook.as_str().or_else(|| hook.get("sql")?.as_str())).collect()
    }

    /// What is noted about it, in both places that dbt knows.
    pub fn metas(&self) -> [&Map<String, Value>; 2] {
        [&self.config.meta, &self.meta]
    }
}

impl Column {
    /// What is noted about it, in both places that dbt knows.
    pub fn metas(&self) -> [&Map<String, Value>; 2] {
        [&self.config.meta, &self.meta]
    }
}

/// The parts of a quoted name: double quotes, backticks (around a part or the whole) or brackets.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quote = None;
    for c in name.trim().chars() {
        match (quote, c) {
            // BigQuery may quote the whole name at once.
            (Some('"' | ']'), _) if quote != Some(c) => parts.last_mut().expect("there is a part").push(c),
            (Some(_), _) if quote == Some(c) => quote = None,
            (None, '"' | '`') => quote = Some(c),
            (None, '[') => quote = Some(']'),
            (_, '.') => parts.push(String::new()),
            _ => parts.last_mut().expect("there is a part").push(c),
        }
    }
    parts
}
