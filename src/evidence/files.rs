//! From a path in the manifest to files: one file, a glob, or a folder (whose `key=value` parts become columns).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use super::receipts::{self, Terms};
use crate::error::{Error, Problem, Result};
use crate::manifest::{Format, Manifest, Source};
use crate::progress::Progress;
use crate::yaml::{At, Document};

/// One file of a table of evidence.
#[derive(Debug, Clone)]
pub struct DataFile {
    pub path: PathBuf,
    /// Relative to the manifest, with `/`: the name in the record and in errors.
    pub name: String,
    pub format: Format,
    pub compression: Compression,
    /// Columns from `key=value` parts of the path.
    pub partition: BTreeMap<String, String>,
    /// What the free texts of consent receipts mean.
    pub terms: Arc<Terms>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// How a file is compressed, and its name without the extension that says so.
    pub fn of(name: &str) -> (&str, Self) {
        match (name.strip_suffix(".gz"), name.strip_suffix(".zst")) {
            (Some(stem), _) => (stem, Self::Gzip),
            (_, Some(stem)) => (stem, Self::Zstd),
            _ => (name, Self::None),
        }
    }
}

impl DataFile {
    /// As the record writes it: `csv.gz`, `parquet`, …
    pub fn format_name(&self) -> String {
        let format = match self.format {
            Format::Csv => "csv",
            Format::Jsonl => "jsonl",
            Format::Parquet => "parquet",
            Format::Kantara => "kantara",
            Format::Iso27560 => "iso27560",
        };
        let compression = match self.compression {
            Compression::None => "",
            Compression::Gzip => ".gz",
            Compression::Zstd => ".zst",
        };
        format!("{format}{compression}")
    }

    /// Opens the file for reading text, decompressed; `hash` gets its raw bytes as they pass.
    pub fn open(&self, hash: Hash) -> Result<Box<dyn Read + Send>> {
        let file = File::open(&self.path).map_err(|e| Error::io(&self.path, "open", &e))?;
        let raw = HashingReader { inner: file, hash };
        Ok(match self.compression {
            Compression::None => Box::new(raw),
            Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(raw)),
            Compression::Zstd => {
                Box::new(zstd::Decoder::new(raw).map_err(|e| Error::io(&self.path, "decompress", &e))?)
            }
        })
    }
}

/// A SHA-256 in the making, shared by the reader that feeds it and whoever wants the result.
#[derive(Clone, Default)]
pub struct Hash(Arc<Mutex<Sha256>>, Option<Progress>);

impl Hash {
    /// A hash whose bytes also move `progress` on.
    pub fn watched(progress: &Progress) -> Self {
        Self(Arc::default(), Some(progress.clone()))
    }

    /// The digest of all bytes so far, in hex.
    pub fn hex(&self) -> String {
        let hasher = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        crate::hex(&hasher.finalize())
    }

    fn update(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).update(bytes);
        if let Some(progress) = &self.1 {
            progress.read(bytes.len() as u64);
        }
    }
}

struct HashingReader<R> {
    inner: R,
    hash: Hash,
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

/// SHA-256 of a whole file, in hex.
pub fn sha256(path: &Path) -> Result<String> {
    let hash = Hash::default();
    let file = File::open(path).map_err(|e| Error::io(path, "open", &e))?;
    let mut reader = HashingReader { inner: file, hash: hash.clone() };
    io::copy(&mut reader, &mut io::sink()).map_err(|e| Error::io(path, "read", &e))?;
    Ok(hash.hex())
}

/// A path as a URL: nothing in a file's name is then taken for a pattern.
pub fn url(path: &Path) -> Result<String> {
    let path = std::path::absolute(path).map_err(|e| Error::io(path, "find", &e))?;
    let text = path.to_string_lossy().replace('\\', "/");
    let mut url = if text.starts_with('/') { "file://".to_owned() } else { "file:///".to_owned() };
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' | b':' => url.push(byte as char),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    Ok(url)
}

/// A path as the record names it: relative to the manifest's folder where it lies below it, with `/`.
pub fn name_of(manifest: &Document<Manifest>, path: &Path) -> String {
    let folder = manifest.path.parent().unwrap_or(Path::new(""));
    path.strip_prefix(folder).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// All files that a written path means, in order of their names. None at all is an error at its line.
pub fn paths(manifest: &Document<Manifest>, written: &At<String>) -> Result<Vec<PathBuf>> {
    let root = manifest.resolve(written);
    let problem = |message: String| manifest.problem(written, message);
    let mut paths = Vec::new();
    if root.is_dir() {
        walk(&root, &mut paths)?;
    } else if root.is_file() {
        paths.push(root.clone());
    } else if written.contains(['*', '?', '[']) {
        let pattern = root.to_string_lossy();
        let matches = glob::glob(&pattern).map_err(|e| Error::from(problem(format!("not a pattern: {e}"))))?;
        for path in matches {
            let path = path.map_err(|e| Error::io(e.path(), "list", e.error()))?;
            if path.is_file() {
                paths.push(path);
            }
        }
        if paths.is_empty() {
            return Err(problem(format!("no file matches `{}`", **written)).into());
        }
    } else {
        return Err(missing(&root, problem(format!("there is no file `{}`", **written))).into());
    }
    paths.sort();
    Ok(paths)
}

/// All files of a source, in order of their names. None at all is an error at the source's line.
pub fn files(manifest: &Document<Manifest>, source: &Source) -> Result<Vec<DataFile>> {
    let written = &source.path;
    let root = manifest.resolve(written);
    let problem = |message: String| manifest.problem(written, message);
    let paths = paths(manifest, written)?;
    let mut files = Vec::new();
    for path in paths {
        let name = name_of(manifest, &path);
        let partition =
            if root.is_dir() { partition(path.strip_prefix(&root).unwrap_or(&path)) } else { BTreeMap::new() };
        let (compression, of_name) = detect(&path);
        let mut file = DataFile { path, name, format: Format::Jsonl, compression, partition, terms: Arc::default() };
        // JSON is told by what it holds: so far only documents of consent are read from it.
        let format = source.format.or(of_name).or_else(|| receipts::recognise(&file));
        match format {
            Some(format) => {
                file.format = format;
                files.push(file);
            }
            // A folder may hold other things; a file that was named may not be skipped.
            None if root.is_dir() => {}
            None => {
                let message = format!("the format of `{}` cannot be told from its name", file.name);
                return Err(problem(message).help("state `format: csv`, `jsonl` or `parquet`").into());
            }
        }
    }
    if files.is_empty() {
        return Err(problem(format!("the folder `{}` holds no csv, jsonl or parquet file", **written)).into());
    }
    Ok(files)
}

/// One file by itself; None when neither its name nor what it holds tells what it is.
pub fn file(path: &Path) -> Option<DataFile> {
    let file = as_format(path, Format::Jsonl);
    let format = detect(path).1.or_else(|| receipts::recognise(&file))?;
    Some(DataFile { format, ..file })
}

/// One file by itself, whatever its name says.
pub fn as_format(path: &Path, format: Format) -> DataFile {
    let (compression, _) = detect(path);
    let name = path.to_string_lossy().into_owned();
    DataFile { path: path.to_owned(), name, format, compression, partition: BTreeMap::new(), terms: Arc::default() }
}

fn missing(path: &Path, problem: Problem) -> Problem {
    let siblings: Vec<String> = path
        .parent()
        .and_then(|folder| std::fs::read_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder }).ok())
        .map(|entries| entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    let wanted = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    match crate::error::nearest(&wanted, &siblings) {
        Some(near) => problem.help(format!("there is a `{near}`")),
        None => problem,
    }
}

fn walk(folder: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, "list", &e))?;
    for entry in entries {
        let path = entry.map_err(|e| Error::io(folder, "list", &e))?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(['.', '_']));
        if hidden {
            continue;
        }
        if path.is_dir() { walk(&path, into)? } else { into.push(path) }
    }
    Ok(())
}

fn partition(relative: &Path) -> BTreeMap<String, String> {
    let parts = relative.parent().into_iter().flat_map(Path::components);
    parts
        .filter_map(|part| {
            let part = part.as_os_str().to_string_lossy();
            part.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()))
        })
        .collect()
}

/// How a file is compressed, and its format where its name tells it.
fn detect(path: &Path) -> (Compression, Option<Format>) {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let (stem, compression) = Compression::of(&name);
    let format = match stem.rsplit('.').next().unwrap_or_default() {
        "csv" => Some(Format::Csv),
        "jsonl" | "ndjson" => Some(Format::Jsonl),
        "parquet" => Some(Format::Parquet),
        _ => None,
    };
    (compression, format)
}
