//! `evidence.lineage`: how data was joined, as SQL files, dbt manifests, logs of queries and OpenLineage events.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::Deserializer;
use serde::{Deserialize, Serialize};

use crate::yaml::{At, elements};

/// Lineage: one file, a glob, or a folder of `.sql` files, dbt manifests and OpenLineage events (`.json`, `.jsonl`).
#[derive(Debug, Clone, PartialEq)]
pub struct LineageSource {
    pub path: At<String>,
    /// Default: by the file's extension and what it holds.
    pub format: Option<LineageFormat>,
    /// How its SQL is read, where the file does not say.
    pub dialect: Dialect,
    /// Of a log of queries: `query`, `id`, `job` or `dialect` to the file's own name for it.
    pub columns: BTreeMap<String, At<String>>,
    /// A table's name in the lineage to the `dataset.collection` of the data map that it is.
    pub names: BTreeMap<String, At<String>>,
}

/// A dialect of SQL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    #[default]
    Postgres,
    Snowflake,
    Bigquery,
    Spark,
    Hive,
}

impl Dialect {
    /// The dialect of a database, by the name that tools give it; None when it is none of these.
    pub fn of_database(name: &str) -> Option<Self> {
        Some(match name.trim().to_lowercase().as_str() {
            "postgres" | "postgresql" | "redshift" | "duckdb" | "greenplum" | "ansi" => Self::Postgres,
            "snowflake" => Self::Snowflake,
            "bigquery" => Self::Bigquery,
            "spark" | "sparksql" | "databricks" => Self::Spark,
            "hive" | "impala" => Self::Hive,
            _ => return None,
        })
    }
}

/// What a file of lineage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineageFormat {
    /// Statements, each ended by a semicolon.
    Sql,
    /// Events, as JSON or JSON Lines.
    Openlineage,
    /// The `manifest.json` that dbt writes.
    Dbt,
    /// Executed statements, a row each: CSV or JSON Lines, also compressed.
    QueryLog,
}

impl LineageFormat {
    pub fn id(self) -> &'static str {
        match self {
            Self::Sql => "sql",
            Self::Openlineage => "openlineage",
            Self::Dbt => "dbt",
            Self::QueryLog => "query_log",
        }
    }
}

/// The long form.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Full {
    /// One file, a glob, or a folder of `.sql` files, dbt manifests and OpenLineage events (`.json`, `.jsonl`).
    path: At<String>,
    /// Default: by the file's extension and what it holds. A log of queries must be named as one.
    format: Option<LineageFormat>,
    /// How its SQL is read, where the file does not say.
    #[serde(default)]
    dialect: Dialect,
    /// Of a log of queries: `query`, `id`, `job` or `dialect` to the file's own name for it.
    #[serde(default)]
    columns: BTreeMap<String, At<String>>,
    /// A table's name in the lineage to the `dataset.collection` of the data map that it is.
    #[serde(default)]
    names: BTreeMap<String, At<String>>,
}

/// For the published schema only.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "it describes a shape; values are read by `lineage`")]
pub(super) enum Shape {
    Path(String),
    Full(Full),
    Many(Vec<One>),
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "it describes a shape; values are read by `lineage`")]
pub(super) enum One {
    Path(String),
    Full(Full),
}

/// What stands there, before its place is known.
enum Written {
    Path(String),
    Full(Full),
    Many(Vec<LineageSource>),
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Written;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a path, a mapping with `path`, or a list of them")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Written, E> {
                Ok(Written::Path(text.to_owned()))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, seq: A) -> Result<Written, A::Error> {
                let each: Vec<At<Written>> = elements(seq)?;
                Ok(Written::Many(each.into_iter().flat_map(flat).collect()))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Written, A::Error> {
                Full::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Written::Full)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

fn flat(at: At<Written>) -> Vec<LineageSource> {
    let At { value, line, column } = at;
    match value {
        Written::Path(value) => vec![LineageSource {
            path: At { value, line, column },
            format: None,
            dialect: Dialect::default(),
            columns: BTreeMap::new(),
            names: BTreeMap::new(),
        }],
        Written::Full(Full { path, format, dialect, columns, names }) => {
            vec![LineageSource { path, format, dialect, columns, names }]
        }
        Written::Many(many) => many,
    }
}

/// Reads one path, one mapping, or a list of either.
pub(super) fn lineage<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<LineageSource>, D::Error> {
    At::<Written>::deserialize(deserializer).map(flat)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::yaml::Document;

    #[derive(Debug, Deserialize)]
    struct Evidence {
        #[serde(deserialize_with = "lineage")]
        lineage: Vec<LineageSource>,
    }

    fn read(yaml: &str) -> crate::error::Result<Vec<LineageSource>> {
        Ok(Document::<Evidence>::parse(Path::new("audit.yaml"), yaml)?.value.lineage)
    }

    #[test]
    fn a_path_a_mapping_and_lists_of_them_are_read_with_their_places() {
        let one = read("\nlineage: sql/*.sql\n").unwrap();
        assert_eq!((one[0].path.as_str(), one[0].path.line, one[0].dialect), ("sql/*.sql", 2, Dialect::Postgres));
        let one = read("lineage: {path: etl, dialect: snowflake, names: {raw.t: web.events}}").unwrap();
        assert_eq!((one[0].dialect, one[0].names["raw.t"].as_str()), (Dialect::Snowflake, "web.events"));
        let two = read("lineage:\n  - a.sql\n  - {path: runs.jsonl, dialect: bigquery}\n").unwrap();
        assert_eq!((two[0].path.line, two[1].path.as_str(), two[1].path.line), (2, "runs.jsonl", 3));
    }

    #[test]
    fn a_misspelt_key_and_an_unknown_dialect_name_the_nearest() {
        let error = read("lineage:\n  - {path: a.sql, dialct: hive}\n").unwrap_err().to_string();
        assert!(error.contains("audit.yaml:2") && error.contains("did you mean `dialect`"), "{error}");
        let error = read("lineage: {path: a.sql, dialect: postgers}").unwrap_err().to_string();
        assert!(error.contains("did you mean `postgres`"), "{error}");
        let error = read("lineage:\n  - {path: a.csv, format: querylog}\n").unwrap_err().to_string();
        assert!(error.contains("audit.yaml:2") && error.contains("did you mean `query_log`"), "{error}");
    }
}
