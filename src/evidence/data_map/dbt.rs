//! A dbt manifest as a data map: what is noted under `meta` of its models, seeds, snapshots, sources and their columns.
//!
//! The keys are those of a fideslang file, under `meta.probity` or `meta.fides`; `data_categories` may also stand under
//! `meta` itself. A node's schema is the dataset, its table the collection. A column that the project does not describe
//! is not mapped.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::read::{Collection, Dataset, FieldEntry, File, Meta};
use crate::error::{Error, Problem, Result};
use crate::evidence::dbt::{self, Manifest, Place};
use crate::yaml::{At, Document};

/// Our own part of `meta`, the nearer one first.
const OURS: [&str; 2] = ["probity", "fides"];
/// The key that is ours wherever it stands.
const CATEGORIES: &str = "data_categories";

/// Reads a dbt manifest; None when the file is something else.
pub(super) fn document(path: &Path) -> Result<Option<Document<File>>> {
    if path.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("json")) {
        return Ok(None);
    }
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, "read", &e))?;
    let Ok(text) = String::from_utf8(bytes) else { return Ok(None) };
    match dbt::artifact(&text).as_deref() {
        None => Ok(None),
        Some("manifest") => {
            let value = file(path, &Manifest::read(path, &text)?)?;
            // A manifest is often one line, which is nothing to show.
            Ok(Some(Document { path: path.to_owned(), text: Arc::from(""), value }))
        }
        Some(other) => {
            let problem = Problem::in_file(path, format!("this is dbt's `{other}`, which has no `meta`"));
            Err(problem.help("dbt writes `manifest.json` beside it").into())
        }
    }
}

fn file(path: &Path, manifest: &Manifest) -> Result<File> {
    let mut datasets = Vec::new();
    let mut problems = Vec::new();
    for (id, node) in &manifest.nodes {
        if !matches!(node.resource_type.as_str(), "model" | "seed" | "snapshot" | "source") || node.columns.is_empty() {
            continue;
        }
        let Some((schema, table)) = node.collection() else { continue };
        let place = manifest.place(id);
        let mut noted = |metas, of: &str, place| {
            notes(metas, place).map_err(|key| {
                let message = format!("`{id}`: `meta.{key}` of {of} must be a mapping");
                problems.push(Problem::new(message).at(path, place.line, place.column));
            })
        };
        let mut fields = Vec::new();
        for (name, column) in &node.columns {
            let place = manifest.column_place(id, name);
            let mut meta = noted(column.metas(), &format!("column `{name}`"), place).unwrap_or_default();
            fields.push(FieldEntry {
                data_categories: categories(&mut meta),
                data_qualifier: text(&mut meta, "data_qualifier"),
                retention: text(&mut meta, "retention"),
                name: at(name.clone(), place),
                meta: Some(meta),
                fides_meta: None,
                fields: None,
            });
        }
        let mut meta = noted(node.metas(), "the node", place).unwrap_or_default();
        datasets.push(Dataset {
            of: Some(id.clone()),
            data_categories: categories(&mut meta),
            data_qualifier: text(&mut meta, "data_qualifier"),
            retention: text(&mut meta, "retention"),
            fides_key: at(schema, place),
            meta: Some(meta),
            fides_meta: None,
            collections: vec![Collection { name: table, data_categories: None, fields }],
        });
    }
    crate::error::all_clear(problems)?;
    Ok(File { dataset: Some(datasets), ..File::default() })
}

/// What is ours of a `meta`. An error names the key that should be a mapping.
fn notes(metas: [&Map<String, Value>; 2], place: Place) -> Result<Meta, &'static str> {
    let mut notes = Meta::new();
    for ours in OURS {
        for meta in metas {
            match meta.get(ours) {
                None | Some(Value::Null) => {}
                Some(Value::Object(object)) => {
                    for (key, value) in object {
                        notes.entry(key.clone()).or_insert_with(|| at(value.clone(), place));
                    }
                }
                Some(_) => return Err(ours),
            }
        }
    }
    for categories in metas.iter().filter_map(|meta| meta.get(CATEGORIES)) {
        notes.entry(CATEGORIES.to_owned()).or_insert_with(|| at(categories.clone(), place));
    }
    Ok(notes)
}

/// Taken out, since a fideslang file has it beside its notes and not among them.
fn categories(meta: &mut Meta) -> Option<Vec<At<String>>> {
    let written = meta.remove(CATEGORIES)?;
    let place = Place { line: written.line, column: written.column };
    let texts = match written.value {
        Value::Array(many) => many,
        Value::Null => Vec::new(),
        one => vec![one],
    };
    // What is no text is no category either, and is told as that.
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Some(texts.iter().map(|value| at(text(value), place)).collect())
}

fn text(meta: &mut Meta, key: &str) -> Option<String> {
    match meta.remove(key)?.value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

fn at<T>(value: T, place: Place) -> At<T> {
    At { value, line: place.line, column: place.column }
}

#[cfg(test)]
mod tests;
