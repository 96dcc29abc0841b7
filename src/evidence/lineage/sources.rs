//! From the manifest's lineage to flows: which files there are, and what each of them is.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Lineage, Parsed, Unparsed, dbt, openlineage, query_log, sql};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::evidence::dbt as artifacts;
use crate::evidence::files::{self, Compression, DataFile, Hash};
use crate::evidence::table::{FileRead, Reject};
use crate::manifest::{Format, LineageFormat, LineageSource, Manifest};
use crate::yaml::Document;

impl Lineage {
    /// Reads all of the manifest's lineage; None when it names none.
    pub async fn read(manifest: &Document<Manifest>, engine: &Engine) -> Result<Option<Self>> {
        let sources = &manifest.value.evidence.lineage;
        if sources.is_empty() {
            return Ok(None);
        }
        let mut reader = Reader { manifest, engine, lineage: Self::default(), seen: BTreeSet::new() };
        for source in sources {
            reader.source(source).await?;
        }
        Ok(Some(reader.lineage))
    }
}

struct Reader<'a> {
    manifest: &'a Document<Manifest>,
    engine: &'a Engine,
    lineage: Lineage,
    seen: BTreeSet<PathBuf>,
}

impl Reader<'_> {
    async fn source(&mut self, source: &LineageSource) -> Result<()> {
        if let (Some((_, at)), false) =
            (source.columns.first_key_value(), source.format == Some(LineageFormat::QueryLog))
        {
            let problem = self.manifest.problem(at, "only a log of queries has `columns`");
            return Err(problem.help("state `format: query_log` beside it").into());
        }
        // A folder may hold other things; a file that was named may not be skipped.
        let folder = self.manifest.resolve(&source.path).is_dir();
        let before = self.seen.len();
        let mut found = false;
        for path in files::paths(self.manifest, &source.path)? {
            found |= self.seen.contains(&path);
            match File::of(self.manifest, source, &path, folder)? {
                Some(file) if self.seen.insert(path) => self.file(source, file).await?,
                _ => {}
            }
        }
        if self.seen.len() == before && !found {
            let kinds = match source.format {
                Some(LineageFormat::QueryLog) => ".csv or .jsonl file",
                Some(LineageFormat::Sql) => ".sql file",
                Some(LineageFormat::Dbt) => "dbt manifest",
                Some(LineageFormat::Openlineage) => ".json or .jsonl file",
                None => ".sql, .json or .jsonl file",
            };
            let message = format!("the folder `{}` holds no {kinds}", *source.path);
            return Err(self.manifest.problem(&source.path, message).into());
        }
        Ok(())
    }

    async fn file(&mut self, source: &LineageSource, file: File) -> Result<()> {
        let File { data, format, content } = file;
        let parsed = match (format, content) {
            (LineageFormat::QueryLog, _) => {
                let table = format!("query_log_{}", self.lineage.table.files.len());
                query_log::read(self.engine, self.manifest, source, &data, &table).await?
            }
            (_, Content::Broken(line)) => {
                let reason = "the file is not UTF-8 text from here on".to_owned();
                let unparsed = vec![Unparsed { path: data.name.clone(), line, reason }];
                Parsed { statements: 1, unparsed, ..Parsed::default() }
            }
            (LineageFormat::Dbt, Content::Text(text)) => {
                let manifest = artifacts::Manifest::read(&data.path, &text)?;
                let parsed = dbt::parse(&manifest, &data.name, source.dialect);
                let places = parsed.flows.iter().map(|f| &f.path).chain(parsed.unparsed.iter().map(|u| &u.path));
                self.lineage.within.extend(places.map(|place| (place.clone(), data.name.clone())));
                parsed
            }
            (LineageFormat::Sql, Content::Text(text)) => sql::parse(&text, &data.name, source.dialect),
            (LineageFormat::Openlineage, Content::Text(text)) => {
                let parsed = openlineage::read(&text, &data.name, source.dialect);
                let first = parsed.unparsed.first().filter(|_| parsed.unparsed.len() as u64 == parsed.statements);
                if let (Some(first), None, true) = (first, source.format, self.manifest.resolve(&source.path).is_file())
                {
                    let message = format!("`{}` holds neither OpenLineage events nor a dbt manifest", data.name);
                    let help = format!("line {}: {}", first.line, first.reason);
                    return Err(self.manifest.problem(&source.path, message).help(help).into());
                }
                parsed
            }
        };
        let lineage = &mut self.lineage;
        lineage.table.files.push(FileRead {
            format: format.id().into(),
            rows: parsed.statements,
            rejected: parsed.unparsed.len() as u64,
            sha256: files::sha256(&data.path)?,
            name: data.name,
        });
        lineage.flows.extend(parsed.flows);
        lineage.aliases.extend(parsed.aliases);
        let rejects = parsed.unparsed.into_iter();
        lineage.table.rejects.extend(rejects.map(|u| Reject { file: u.path, line: u.line, reason: u.reason }));
        Ok(())
    }
}

/// A file of lineage.
struct File {
    data: DataFile,
    format: LineageFormat,
    content: Content,
}

enum Content {
    /// Empty for a log of queries, which the engine reads.
    Text(String),
    /// Not UTF-8 from this line on.
    Broken(u64),
}

impl File {
    /// What a file is, by what the manifest states, its name and what it holds; None for one that a folder holds
    /// besides.
    fn of(manifest: &Document<Manifest>, source: &LineageSource, path: &Path, folder: bool) -> Result<Option<Self>> {
        let name = files::name_of(manifest, path);
        let lower = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        let (stem, compression) = Compression::of(&lower);
        let extension = stem.rsplit_once('.').map_or("", |(_, extension)| extension);
        let refused = |message: String, help: &str| -> Result<Option<Self>> {
            if folder { Ok(None) } else { Err(manifest.problem(&source.path, message).help(help).into()) }
        };
        let rows = query_log::rows_of(extension);
        let is_json = ["json", "jsonl", "ndjson"].contains(&extension);
        let data = DataFile {
            path: path.to_owned(),
            name: name.clone(),
            format: rows.unwrap_or(Format::Jsonl),
            compression,
            partition: Default::default(),
        };
        let text = |format| Content::of(&data).map(|content| Some(Self { data: data.clone(), format, content }));
        match source.format {
            Some(LineageFormat::QueryLog) if rows.is_some() => {
                Ok(Some(Self { data, format: LineageFormat::QueryLog, content: Content::Text(String::new()) }))
            }
            Some(LineageFormat::QueryLog) => {
                let message = format!("how the rows of `{name}` are written cannot be told from its name");
                refused(
                    message,
                    "expected a file named .csv, .jsonl or .ndjson, or such a one with .gz or .zst after it",
                )
            }
            Some(LineageFormat::Sql) if !folder || extension == "sql" => text(LineageFormat::Sql),
            Some(LineageFormat::Openlineage) if !folder || is_json => text(LineageFormat::Openlineage),
            None if extension == "sql" => text(LineageFormat::Sql),
            None | Some(LineageFormat::Dbt) if is_json || (!folder && source.format.is_some()) => {
                let content = Content::of(&data)?;
                let artifact = match &content {
                    Content::Text(text) => artifacts::artifact(text),
                    Content::Broken(_) => None,
                };
                match artifact.as_deref() {
                    Some("manifest") => Ok(Some(Self { data, format: LineageFormat::Dbt, content })),
                    Some(other) => {
                        let message =
                            format!("`{name}` is dbt's `{other}`, which says nothing of what is made from what");
                        refused(message, "dbt writes `manifest.json` beside it")
                    }
                    None if source.format.is_none() => {
                        Ok(Some(Self { data, format: LineageFormat::Openlineage, content }))
                    }
                    None => {
                        refused(format!("`{name}` is no dbt manifest"), "expected the `manifest.json` that dbt writes")
                    }
                }
            }
            None if extension == "csv" => {
                let help = "state `format: query_log` if it is a log of executed statements";
                refused(format!("what `{name}` holds cannot be told from its name"), help)
            }
            _ => refused(
                format!("`{name}` is neither SQL nor OpenLineage nor a dbt manifest, by its name"),
                "expected a file named .sql, .json, .jsonl or .ndjson, or a `format`",
            ),
        }
    }
}

impl Content {
    fn of(file: &DataFile) -> Result<Self> {
        let mut bytes = Vec::new();
        let mut reader = file.open(Hash::default())?;
        reader.read_to_end(&mut bytes).map_err(|e| Error::io(&file.path, "read", &e))?;
        Ok(String::from_utf8(bytes).map_or_else(
            |error| {
                let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                Self::Broken(1 + valid.iter().filter(|byte| **byte == b'\n').count() as u64)
            },
            Self::Text,
        ))
    }
}
