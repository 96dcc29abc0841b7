//! A JSON Schema as tables: one for each object, with what every key is.

use std::collections::BTreeSet;
use std::fmt::Write;

use schemars::Schema;
use serde_json::{Map, Value};

use super::cell;

/// The tables of a schema, the outermost object first, then what it refers to, in the order of mention.
pub fn tables(schema: &Schema, title: &str) -> String {
    let Some(root) = schema.as_value().as_object() else { return String::new() };
    let definitions = root.get("$defs").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut out = String::new();
    let mut waiting = vec![(title.to_owned(), root.clone())];
    let mut seen: BTreeSet<String> = BTreeSet::new();
    while !waiting.is_empty() {
        let (name, object) = waiting.remove(0);
        let mut mentioned = Mentioned { definitions: &definitions, names: Vec::new(), within: Vec::new() };
        section(&mut out, &name, &object, &mut mentioned);
        for name in mentioned.names {
            if let (true, Some(Value::Object(object))) = (seen.insert(name.clone()), definitions.get(&name)) {
                waiting.push((name, object.clone()));
            }
        }
    }
    out
}

/// What a table refers to.
struct Mentioned<'a> {
    definitions: &'a Map<String, Value>,
    names: Vec<String>,
    /// Definitions that are being told: one of them again is not taken apart again.
    within: Vec<String>,
}

impl Mentioned<'_> {
    fn definition(&self, object: &Map<String, Value>) -> Option<(String, Map<String, Value>)> {
        let name = object.get("$ref")?.as_str()?.rsplit('/').next()?;
        Some((name.to_owned(), self.definitions.get(name)?.as_object()?.clone()))
    }
}

fn section(out: &mut String, name: &str, object: &Map<String, Value>, mentioned: &mut Mentioned<'_>) {
    let _ = writeln!(out, "## {name}\n");
    if let Some(text) = description(object) {
        let _ = writeln!(out, "{}\n", text.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    let Some(properties) = object.get("properties").and_then(Value::as_object) else {
        let _ = writeln!(out, "{}\n", alternatives(object, mentioned));
        return;
    };
    let required: Vec<&str> =
        object.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    out.push_str("| key | holds | default | what it is |\n| --- | --- | --- | --- |\n");
    for (key, property) in properties {
        let Some(property) = property.as_object() else { continue };
        let default = match property.get("default") {
            _ if required.contains(&key.as_str()) => "**mandatory**".to_owned(),
            Some(Value::Null) | None => String::new(),
            Some(Value::Array(list)) if list.is_empty() => String::new(),
            Some(Value::Object(_)) => String::new(),
            Some(Value::String(text)) if text.is_empty() => String::new(),
            Some(value) => format!("`{value}`"),
        };
        let holds = holds(property, mentioned);
        let of_what_it_holds = || mentioned.definition(property).and_then(|(_, object)| description(&object));
        let what = description(property).or_else(of_what_it_holds).map(|text| cell(&text)).unwrap_or_default();
        let _ = writeln!(out, "| `{key}` | {holds} | {} | {what} |", cell(&default));
    }
    out.push('\n');
}

fn description(object: &Map<String, Value>) -> Option<String> {
    let text = object.get("description").and_then(Value::as_str)?;
    (!text.starts_with("For the published schema only")).then(|| text.to_owned())
}

/// What is not an object with keys: words to choose from, or several shapes.
fn alternatives(object: &Map<String, Value>, mentioned: &mut Mentioned<'_>) -> String {
    let shapes = ["oneOf", "anyOf"].iter().find_map(|key| object.get(*key)).and_then(Value::as_array);
    let Some(shapes) = shapes else { return holds(object, mentioned) };
    let line = |shape: &Value| {
        let shape = shape.as_object()?;
        let what = description(shape).map(|text| format!(": {}", cell(&text))).unwrap_or_default();
        Some(format!("- {}{what}", holds(shape, mentioned).replace("\\|", "|")))
    };
    shapes.iter().filter_map(line).collect::<Vec<_>>().join("\n")
}

/// What a key holds, in a phrase.
fn holds(object: &Map<String, Value>, mentioned: &mut Mentioned<'_>) -> String {
    if let Some((name, definition)) = mentioned.definition(object) {
        // Several shapes of the same thing are told where they are meant.
        if definition.contains_key("anyOf") {
            if mentioned.within.contains(&name) {
                return "these".to_owned();
            }
            mentioned.within.push(name);
            let told = holds(&definition, mentioned);
            mentioned.within.pop();
            return told;
        }
        let link = format!("[{name}](#{})", name.to_lowercase());
        mentioned.names.push(name);
        return link;
    }
    if let Some(constant) = object.get("const") {
        return format!("`{}`", plain(constant));
    }
    if let Some(words) = object.get("enum").and_then(Value::as_array) {
        return words.iter().map(|word| format!("`{}`", plain(word))).collect::<Vec<_>>().join(", ");
    }
    if let Some(shapes) = ["anyOf", "oneOf", "allOf"].iter().find_map(|key| object.get(*key)).and_then(Value::as_array)
    {
        let shapes: Vec<String> = shapes
            .iter()
            .filter_map(Value::as_object)
            .filter(|shape| shape.get("type").and_then(Value::as_str) != Some("null"))
            .map(|shape| holds(shape, mentioned))
            .collect();
        return shapes.join(" or ");
    }
    let of = |key: &str| object.get(key).and_then(Value::as_object);
    let kinds: Vec<&str> = match object.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect(),
        _ => Vec::new(),
    };
    let phrase = |kind: &str, mentioned: &mut Mentioned<'_>| match kind {
        "array" => match of("items") {
            Some(items) => format!("list of {}", holds(items, mentioned)),
            None => "list".to_owned(),
        },
        "object" if of("properties").is_some() => {
            let keys = of("properties").into_iter().flat_map(|properties| properties.iter());
            let keys = keys.map(|(key, of)| (key, of.as_object().map(|of| holds(of, mentioned)).unwrap_or_default()));
            keys.map(|(key, of)| format!("`{key}:` {of}")).collect::<Vec<_>>().join(", ")
        }
        "object" => match of("additionalProperties") {
            Some(values) => format!("map of name to {}", holds(values, mentioned)),
            None => "map".to_owned(),
        },
        "string" => match object.get("format").and_then(Value::as_str) {
            Some("date") => "day".to_owned(),
            Some("date-time") => "time".to_owned(),
            _ => "text".to_owned(),
        },
        "integer" => "whole number".to_owned(),
        "boolean" => "true or false".to_owned(),
        other => other.to_owned(),
    };
    if kinds.is_empty() {
        return "any value".to_owned();
    }
    kinds.into_iter().map(|kind| phrase(kind, mentioned)).collect::<Vec<_>>().join(" or ")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_manifest_has_a_row_and_every_object_its_table() {
        let text = tables(&schemars::schema_for!(crate::manifest::Manifest), "audit.yaml");
        for key in ["probity", "system", "strategies", "time_zone", "epoch", "fail_on", "min_cell", "profiling"] {
            assert!(text.contains(&format!("\n| `{key}` | ")), "{key}");
        }
        assert!(text.contains("| `owner` | text | **mandatory** |"), "{text}");
        assert!(text.contains("\n## Strategy\n") && text.contains("\n## Source\n"));
        for link in text.split("](#").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(text.lines().any(|line| line.to_lowercase() == format!("## {link}")), "{link} leads nowhere");
        }
    }
}
