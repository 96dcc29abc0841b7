//! YAML files read into typed values that remember where they stand.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Problem, Result};

/// A value with its line and column, both from 1. It compares, prints and serialises as the value alone.
#[derive(Debug, Clone)]
pub struct At<T> {
    pub value: T,
    pub line: u64,
    pub column: u64,
}

impl<T> Deref for At<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = serde_saphyr::Spanned::<T>::deserialize(deserializer)?;
        Ok(Self { value: spanned.value, line: spanned.referenced.line(), column: spanned.referenced.column() })
    }
}

impl<T: Serialize> Serialize for At<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A YAML file and what it says.
#[derive(Debug, Clone)]
pub struct Document<T> {
    pub path: PathBuf,
    pub text: Arc<str>,
    pub value: T,
}

impl<T: DeserializeOwned> Document<T> {
    /// Reads `path`. Errors name file, line, column, what was expected and the nearest known key.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, "read", &e))?;
        let text = String::from_utf8(bytes).map_err(|e| {
            let line = 1 + e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
            Problem::new("the file is not UTF-8 text from here on").at(path, line as u64, 0)
        })?;
        Self::parse(path, text)
    }

    /// As [`Document::read`], of a text already at hand; `path` is what errors call it.
    pub fn parse(path: &Path, text: impl Into<Arc<str>>) -> Result<Self> {
        let text: Arc<str> = text.into();
        let options = serde_saphyr::options! { with_snippet: false };
        match serde_saphyr::from_str_with_options::<T>(&text, options) {
            Ok(value) => Ok(Self { path: path.to_owned(), text, value }),
            Err(error) => Err(problem(path, &text, &error).into()),
        }
    }
}

impl<T> Document<T> {
    /// A problem for every value that says of itself that it is still to be filled in: `owner: TODO`.
    pub fn unfilled(&self) -> Vec<Problem> {
        let key = |line: &str| {
            let (key, value) = line.split_once(": ")?;
            let key = key.trim_start().trim_start_matches("- ").trim();
            let value = value.trim_start().trim_start_matches(['"', '\'']);
            let is_key = !key.is_empty() && !key.contains([' ', '#', '"']);
            (is_key && value.starts_with("TODO")).then(|| key.to_owned())
        };
        let found = self.text.lines().enumerate().filter_map(|(index, line)| Some((index as u64 + 1, key(line)?)));
        let problem = |(line, key): (u64, String)| {
            self.problem(&At { value: (), line, column: 0 }, format!("`{key}` is still to be filled in"))
        };
        found
            .map(problem)
            .map(|problem| problem.help("leave it out as long as nobody knows it; it then counts as missing"))
            .collect()
    }

    /// A problem at the place of `at`.
    pub fn problem<V>(&self, at: &At<V>, message: impl Into<String>) -> Problem {
        Problem::new(message).at(&self.path, at.line, at.column).with_text(self.text.clone())
    }
}

fn problem(path: &Path, text: &Arc<str>, error: &serde_saphyr::Error) -> Problem {
    use serde_saphyr::Error as Yaml;
    let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
    let place = |p: Problem| p.at(path, line, column).with_text(text.clone());
    match error.without_snippet() {
        Yaml::SerdeUnknownField { field, expected, .. } => {
            place(Problem::new(format!("unknown key `{field}`"))).suggest(field, expected.iter())
        }
        Yaml::SerdeUnknownVariant { variant, expected, .. } => {
            place(Problem::new(format!("unknown value `{variant}`"))).suggest(variant, expected.iter())
        }
        Yaml::DuplicateMappingKey { key: Some(key), .. } => {
            place(Problem::new(format!("the key `{key}` is here a second time, a duplicate")))
        }
        Yaml::InvalidScalar { ty, .. } => place(Problem::new(format!("expected {}", in_words(ty)))),
        Yaml::SerdeMissingField { field, .. } => place(Problem::new(format!("the key `{field}` is missing here"))),
        other => {
            let message = other.to_string();
            // The place is told apart from the message; the parser appends it as " at line L, column C".
            let message = message.split(" at line ").next().unwrap_or(&message).trim_end_matches([':', '.', ' ']);
            place(Problem::new(message.to_owned()))
        }
    }
}

/// A type of Rust's, for people.
fn in_words(ty: &str) -> &str {
    match ty {
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "a whole number from 0",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "bool" | "boolean" => "true or false",
        other => other,
    }
}

/// Reads one mapping or a list of mappings as a list.
pub fn one_or_many<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Visitor<T>(std::marker::PhantomData<T>);
    impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Visitor<T> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
            f.write_str("a mapping with `path`, or a list of such mappings")
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, seq: A) -> Result<Vec<T>, A::Error> {
            elements(seq)
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Vec<T>, A::Error> {
            T::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(|one| vec![one])
        }
    }
    deserializer.deserialize_any(Visitor(std::marker::PhantomData))
}

/// Reads one text or a list of texts as a list, each with its place.
pub fn text_or_texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<At<String>>, D::Error> {
    // A value's place is known to whoever asks before its shape is known: so the whole is read with a place, and that
    // place is the text's own when the whole turns out to be one text.
    enum Shape {
        One(String),
        Many(Vec<At<String>>),
    }
    struct Visitor;
    impl<'de> serde::de::Visitor<'de> for Visitor {
        type Value = Shape;
        fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
            f.write_str("a text or a list of texts")
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, seq: A) -> Result<Shape, A::Error> {
            elements(seq).map(Shape::Many)
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Shape, E> {
            Ok(Shape::One(text.to_owned()))
        }
    }
    impl<'de> Deserialize<'de> for Shape {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(Visitor)
        }
    }
    let At { value, line, column } = At::<Shape>::deserialize(deserializer)?;
    Ok(match value {
        Shape::One(value) => vec![At { value, line, column }],
        Shape::Many(all) => all,
    })
}

/// Every element of a sequence.
pub fn elements<'de, T: Deserialize<'de>, A: serde::de::SeqAccess<'de>>(mut seq: A) -> Result<Vec<T>, A::Error> {
    let mut all = Vec::new();
    while let Some(one) = seq.next_element()? {
        all.push(one);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Paths {
        #[serde(deserialize_with = "text_or_texts")]
        path: Vec<At<String>>,
    }

    fn places(yaml: &str) -> Vec<(String, u64, u64)> {
        let paths = Document::<Paths>::parse(Path::new("a.yaml"), yaml).unwrap().value.path;
        paths.into_iter().map(|at| (at.value, at.line, at.column)).collect()
    }

    #[test]
    fn one_text_and_a_list_of_texts_keep_their_places() {
        assert_eq!(places("\npath: map.yaml\n"), [("map.yaml".to_owned(), 2, 7)]);
        assert_eq!(
            places("path:\n  - one.yaml\n  - two.yaml\n"),
            [("one.yaml".to_owned(), 2, 5), ("two.yaml".to_owned(), 3, 5)]
        );
        let error = Document::<Paths>::parse(Path::new("a.yaml"), "path: {a: b}").unwrap_err().to_string();
        assert!(error.starts_with("a.yaml:1:") && error.contains("a text or a list of texts"), "{error}");
    }
}
