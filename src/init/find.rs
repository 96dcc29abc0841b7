//! Which files there are, and what each of them is.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;

use super::table::{self, Table};
use crate::error::{Error, Problem, Result};
use crate::evidence::consent_policy::ConsentPolicy;
use crate::evidence::data_map::DataMap;
use crate::evidence::dbt;
use crate::evidence::files::{self, Compression, DataFile, Hash};
use crate::evidence::taxonomy::Taxonomy;
use crate::manifest::Format;
use crate::yaml::Document;

/// Files that are looked at; a folder with more is rather a warehouse.
const MOST_FILES: usize = 1000;
/// Folders below the one that was named.
const DEEPEST: usize = 8;
/// How much of a file shows what it is, in bytes.
const HEAD: u64 = 1 << 16;
/// Larger JSON documents are not read whole, in bytes.
const LARGEST: u64 = 64 << 20;
/// What is looked for, for whoever has none of it.
pub const LOOKED_FOR: &str = "looked for .csv, .tsv, .jsonl, .ndjson and .parquet (also .gz and .zst), consent \
                              receipts, OpenLineage and dbt manifests (.json), .sql, and fideslang data maps and \
                              consent policies (.yaml)";

/// What was found, by what it is. Paths are as the manifest writes them.
#[derive(Default)]
pub struct Found {
    pub tables: Vec<Table>,
    pub data_maps: Vec<String>,
    pub policies: Vec<(String, ConsentPolicy)>,
    pub lineage: Vec<String>,
    /// What nothing reads, and why.
    pub unused: Vec<(String, String)>,
}

/// What a document is.
enum Kind {
    DataMap,
    Policy(Box<ConsentPolicy>),
    Lineage,
    /// A dbt manifest, and whether it has categories of data.
    Dbt(bool),
    Table(DataFile, Option<Format>),
    Unused(String),
    /// Nothing that concerns an audit.
    Other,
}

/// Looks at `paths`, files or folders. Paths are told as seen from `from`.
pub async fn find(paths: &[PathBuf], from: &Path) -> Result<Found> {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    for path in paths {
        if path.is_dir() {
            walk(path, 0, &mut files)?;
        } else if path.is_file() {
            files.push((path.clone(), true));
        } else {
            problems.push(Problem::in_file(path, "there is no such file or folder"));
        }
    }
    crate::error::all_clear(problems)?;
    files.sort();
    files.dedup_by(|a, b| a.0 == b.0);
    let mut found = Found::default();
    if files.len() > MOST_FILES {
        found.unused.push(("…".into(), format!("there are more files: only {MOST_FILES} were looked at")));
        files.truncate(MOST_FILES);
    }
    let mut tables = Vec::new();
    let mut sql: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, named) in files {
        let written = relative(from, &path);
        match kind(&path) {
            Kind::DataMap => found.data_maps.push(written),
            Kind::Policy(policy) => found.policies.push((written, *policy)),
            Kind::Lineage if written.ends_with(".sql") => {
                let folder = written.rsplit_once('/').map_or("", |(folder, _)| folder);
                sql.entry(folder.to_owned()).or_default().push(written);
            }
            Kind::Lineage => found.lineage.push(written),
            Kind::Dbt(mapped) => {
                found.lineage.push(written.clone());
                if mapped {
                    found.data_maps.push(written);
                }
            }
            Kind::Table(file, stated) => tables.push((file, stated, written)),
            Kind::Unused(why) => found.unused.push((written, why)),
            Kind::Other if named => found.unused.push((written, format!("no known format; {LOOKED_FOR}"))),
            Kind::Other => {}
        }
    }
    for (folder, files) in sql {
        let all = if folder.is_empty() { "*.sql".to_owned() } else { format!("{folder}/*.sql") };
        found.lineage.extend(if files.len() > 1 { vec![all] } else { files });
    }
    table::group(tables, &mut found).await?;
    if found.tables.is_empty() && found.data_maps.is_empty() && found.policies.is_empty() {
        return Err(nothing(paths, &found));
    }
    Ok(found)
}

fn nothing(paths: &[PathBuf], found: &Found) -> Error {
    let named = paths.first().map_or(Path::new("."), PathBuf::as_path);
    let problem = Problem::in_file(named, "nothing here can be audited").help(LOOKED_FOR);
    let unused = found.unused.iter().map(|(path, why)| Problem::in_file(path, format!("cannot be used: {why}")));
    Error::Invalid(std::iter::once(problem).chain(unused).collect())
}

fn walk(folder: &Path, depth: usize, into: &mut Vec<(PathBuf, bool)>) -> Result<()> {
    // What an audit wrote is no evidence, and what tools keep is not the user's.
    if depth > DEEPEST || folder.join("audit.json").is_file() {
        return Ok(());
    }
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, "list", &e))?;
    for entry in entries {
        let path = entry.map_err(|e| Error::io(folder, "list", &e))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with(['.', '_']) || ["node_modules", "target", "venv"].contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            walk(&path, depth + 1, into)?;
        } else if into.len() <= MOST_FILES {
            into.push((path, false));
        }
    }
    Ok(())
}

fn kind(path: &Path) -> Kind {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let (stem, _) = Compression::of(&name);
    match stem.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "sql" => Kind::Lineage,
        "yaml" | "yml" => yaml(path),
        "json" | "jsonld" => json(path),
        "tsv" | "tab" => Kind::Table(files::as_format(path, Format::Csv), Some(Format::Csv)),
        "csv" | "parquet" => files::file(path).map_or(Kind::Other, |file| Kind::Table(file, None)),
        "jsonl" | "ndjson" => match files::file(path) {
            Some(file) if is_openlineage(&head(&file)) => Kind::Lineage,
            Some(file) => Kind::Table(file, None),
            None => Kind::Other,
        },
        _ => Kind::Other,
    }
}

fn yaml(path: &Path) -> Kind {
    let Ok(document) = Document::<BTreeMap<String, IgnoredAny>>::read(path) else { return Kind::Other };
    let has = |key: &str| document.value.contains_key(key);
    if has("probity") {
        return Kind::Unused("it is a manifest of an audit itself".into());
    }
    if has("dataset") || has("system") {
        return match DataMap::read(&[(path.to_owned(), String::new())], &mut fideslang()) {
            Ok(_) => Kind::DataMap,
            Err(error) => Kind::Unused(format!("it looks like a data map, and cannot be read as one: {error}")),
        };
    }
    if has("purposes") && has("version") {
        return match Document::<ConsentPolicy>::read(path) {
            Ok(policy) => Kind::Policy(Box::new(policy.value)),
            Err(error) => Kind::Unused(format!("it looks like a consent policy, and cannot be read as one: {error}")),
        };
    }
    Kind::Other
}

fn fideslang() -> Taxonomy {
    // It is compiled in; without it every key would be unknown, and told as that.
    Taxonomy::fideslang().unwrap_or_else(|_| Taxonomy {
        version: String::new(),
        data_categories: Default::default(),
        data_uses: Default::default(),
        special_categories: Default::default(),
        renamed: BTreeMap::new(),
    })
}

fn json(path: &Path) -> Kind {
    if let Some(file) = files::file(path) {
        return Kind::Table(file, None);
    }
    let file = files::as_format(path, Format::Jsonl);
    let head = head(&file);
    if is_openlineage(&head) {
        return Kind::Lineage;
    }
    let small = std::fs::metadata(path).is_ok_and(|meta| meta.len() <= LARGEST);
    if head.contains("schemas.getdbt.com") && small {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        return match dbt::artifact(&text).as_deref() {
            Some("manifest") => Kind::Dbt(
                text.contains("data_categories")
                    && DataMap::read(&[(path.to_owned(), String::new())], &mut fideslang()).is_ok(),
            ),
            Some(other) => {
                Kind::Unused(format!("it is dbt's `{other}`; what is made from what stands in `manifest.json`"))
            }
            None => Kind::Other,
        };
    }
    let first = head.lines().next().unwrap_or_default();
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(first) {
        Ok(_) => Kind::Table(file, Some(Format::Jsonl)),
        Err(_) => Kind::Other,
    }
}

fn is_openlineage(head: &str) -> bool {
    let has = |key: &str| head.contains(&format!("\"{key}\""));
    has("eventTime") && has("producer") && (has("job") || has("dataset"))
}

/// The beginning of a file, decompressed.
fn head(file: &DataFile) -> String {
    let mut head = Vec::new();
    if let Ok(reader) = file.open(Hash::default()) {
        let _ = reader.take(HEAD).read_to_end(&mut head); // What cannot be read is told when it is read whole.
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// `path` as seen from the folder `from`, with `/`.
pub fn relative(from: &Path, path: &Path) -> String {
    let absolute = |path: &Path| {
        let known = path.canonicalize().or_else(|_| std::path::absolute(path));
        known.unwrap_or_else(|_| path.to_owned())
    };
    let (from, path) = (absolute(from), absolute(path));
    let common = from.components().zip(path.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(common).map(|_| "..".to_owned());
    let down = path.components().skip(common).map(|part| part.as_os_str().to_string_lossy().into_owned());
    up.chain(down).collect::<Vec<_>>().join("/")
}
