//! Tables among the files: those of one folder with the same columns are one, and what a sample says of them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use chrono::Utc;
use datafusion::arrow::compute::kernels::cast_utils::string_to_datetime;

use super::find::Found;
use super::profile::Profile;
use crate::error::Result;
use crate::evidence::files::{Compression, DataFile, Hash};
use crate::evidence::sample::sample;
use crate::evidence::text;
use crate::manifest::{Format, Source};
use crate::scan;
use crate::yaml::At;

/// Rows of each file that are looked at, and of how many files of a table.
const ROWS: usize = 2000;
const FILES: usize = 12;
/// A header longer than this is none, in bytes.
const LONGEST_HEADER: u64 = 1 << 20;

/// A table of the user's.
pub struct Table {
    /// As the manifest writes it: a file, a glob or a folder.
    pub path: String,
    pub format: Option<Format>,
    pub delimiter: Option<char>,
    /// Whether its rows are documents of consent.
    pub receipts: bool,
    pub columns: Vec<Profile>,
    /// Columns whose name is itself personal data, and which are not looked at.
    pub unnamed: usize,
    /// Rows looked at.
    pub rows: u64,
    /// The names of the folders that its files lie in, where the same table lies in several.
    pub within: Option<String>,
}

impl Table {
    /// What to call it: the name of its file, or of its folder where it has several.
    pub fn name(&self) -> String {
        let parts: Vec<&str> = self.path.split('/').collect();
        let last = parts.last().copied().unwrap_or_default();
        let named = match last.contains('*') {
            true => parts.iter().rev().nth(1).copied().unwrap_or("table"),
            false => last.split('.').next().unwrap_or(last),
        };
        let plain: String =
            named.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
        let plain = plain.trim_matches('_');
        if plain.is_empty() { "table".to_owned() } else { plain.to_owned() }
    }

    pub fn column(&self, name: &str) -> Option<&Profile> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// A file with its header.
struct Headed {
    file: DataFile,
    stated: Option<Format>,
    written: String,
    delimiter: Option<char>,
    header: Vec<String>,
    /// Columns out of `key=value` folders.
    partition: Vec<(String, String)>,
}

/// What files must share to be one table.
type Key = (String, Vec<String>, Option<char>, String);

/// Puts files with the same columns in the same folder together, and looks at them.
pub async fn group(files: Vec<(DataFile, Option<Format>, String)>, found: &mut Found) -> Result<()> {
    let mut groups: BTreeMap<Key, Vec<Headed>> = BTreeMap::new();
    for (file, stated, written) in files {
        match headed(file, stated, written.clone()).await {
            Ok(headed) => groups.entry(headed.key()).or_default().push(headed),
            Err(why) => found.unused.push((written, why)),
        }
    }
    let mut alike: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for (_, header, ..) in groups.keys() {
        *alike.entry(header.clone()).or_default() += 1;
    }
    for ((folder, header, ..), files) in groups {
        let within = (alike[&header] > 1).then(|| folder.rsplit('/').next().unwrap_or_default().to_owned());
        match path_of(&folder, &files) {
            Some(path) => found.tables.push(table(path, files, within).await?),
            None => {
                for file in files {
                    found.tables.push(table(file.written.clone(), vec![file], within.clone()).await?);
                }
            }
        }
    }
    found.tables.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(())
}

impl Headed {
    fn key(&self) -> Key {
        (folder(&self.written).0, self.header.clone(), self.delimiter, self.file.format_name())
    }

    fn source(&self) -> Source {
        let mut source = Source::of(self.written.clone());
        source.delimiter = self.delimiter.map(|c| At { value: c.to_string(), line: 0, column: 0 });
        source
    }
}

/// The folder of a file without its `key=value` parts, and those.
fn folder(written: &str) -> (String, Vec<(String, String)>) {
    let parts: Vec<&str> = written.split('/').collect();
    let folders = &parts[..parts.len().saturating_sub(1)];
    let first = folders.iter().position(|part| part.contains('=')).unwrap_or(folders.len());
    let keys = folders[first..].iter().filter_map(|part| part.split_once('='));
    (folders[..first].join("/"), keys.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

/// The path that means all these files and no other: a folder with partitions, or a pattern of names.
fn path_of(folder: &str, files: &[Headed]) -> Option<String> {
    let [first, rest @ ..] = files else { return None };
    if !first.partition.is_empty() {
        return Some(if folder.is_empty() { ".".to_owned() } else { folder.to_owned() });
    }
    if rest.is_empty() {
        return Some(first.written.clone());
    }
    let name = |file: &Headed| file.written.rsplit('/').next().unwrap_or_default().to_owned();
    let names: Vec<String> = files.iter().map(name).collect();
    let on_disk = first.file.path.parent().map(listed).unwrap_or_default();
    let extension = {
        let (stem, compression) = Compression::of(&names[0]);
        let extension = stem.rsplit_once('.')?.1;
        let packed = match compression {
            Compression::None => "",
            Compression::Gzip => ".gz",
            Compression::Zstd => ".zst",
        };
        format!(".{extension}{packed}")
    };
    let common = names.iter().fold(names[0].as_str(), |common, name| {
        let same = common.char_indices().zip(name.chars()).take_while(|((_, a), b)| a == b).last();
        same.map_or("", |((at, c), _)| &common[..at + c.len_utf8()])
    });
    let special = |text: &str| text.contains(['*', '?', '[', ']']);
    let all = |start: &str| {
        let matching = on_disk.iter().filter(|name| name.starts_with(start) && name.ends_with(&extension));
        matching.count() == names.len() && names.iter().all(|name| name.ends_with(&extension))
    };
    let start = ["", common].into_iter().find(|start| all(start))?;
    let pattern = format!("{start}*{extension}");
    let between = if folder.is_empty() { "" } else { "/" };
    (!special(folder) && !special(start)).then(|| format!("{folder}{between}{pattern}"))
}

fn listed(folder: &Path) -> Vec<String> {
    let folder: PathBuf = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Reads the header of a file, or says why it has none.
async fn headed(file: DataFile, stated: Option<Format>, written: String) -> Result<Headed, String> {
    let (_, partition) = folder(&written);
    let delimiter = if file.format == Format::Csv { delimiter(&file)? } else { None };
    let mut headed = Headed { file, stated, written, delimiter, header: Vec::new(), partition };
    if headed.file.format == Format::Parquet {
        let sample = sample(&headed.source(), &headed.file, 1).await;
        let sample = sample.map_err(|_| "it cannot be read as Parquet".to_owned())?;
        headed.header = sample.columns.into_iter().map(|(name, _)| name).collect();
        return Ok(headed);
    }
    let read = text::header(&headed.file, headed.delimiter.map_or(b',', |c| c as u8));
    // The error might tell a cell, and without a header a cell may be about a person.
    headed.header = read.map_err(|_| match headed.file.format {
        Format::Csv => "its header cannot be read: a name stands in it twice, a quote is left open, or it is not UTF-8",
        _ => "it has no line that is a JSON object",
    })?;
    if headed.file.format == Format::Csv && is_data(&headed.header) {
        return Err("its first line is a row and not the names of its columns: put them there".into());
    }
    Ok(headed)
}

/// Whether what should be names of columns are values.
fn is_data(header: &[String]) -> bool {
    let filled: Vec<&String> = header.iter().filter(|name| !name.is_empty()).collect();
    let value = |name: &&&String| {
        let time = name.len() >= 10 && string_to_datetime(&Utc, name).is_ok();
        time || scan::told_name(name, 0) != name.as_str()
    };
    let numbers = filled.iter().filter(|name| name.parse::<f64>().is_ok()).count();
    filled.is_empty() || filled.iter().any(|name| value(&name)) || numbers * 2 >= filled.len()
}

/// What parts the cells of the first line; None: a comma.
fn delimiter(file: &DataFile) -> Result<Option<char>, String> {
    let unread = |_| "it cannot be read".to_owned();
    let reader = file.open(Hash::default()).map_err(unread)?;
    let mut line = Vec::new();
    BufReader::new(reader.take(LONGEST_HEADER))
        .read_until(b'\n', &mut line)
        .map_err(|_| "it cannot be read, or not decompressed".to_owned())?;
    if line.trim_ascii().is_empty() {
        return Err("it is empty: expected a line with the names of the columns".into());
    }
    let mut quoted = false;
    let mut counts = [(',', 0), ('\t', 0), (';', 0), ('|', 0)];
    for byte in line {
        quoted ^= byte == b'"';
        for (delimiter, count) in &mut counts {
            *count += usize::from(!quoted && byte == *delimiter as u8);
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or_default();
    let found = counts.iter().find(|(_, count)| *count == most).map(|(delimiter, _)| *delimiter);
    Ok(found.filter(|delimiter| *delimiter != ',' && most > 0))
}

/// Looks at rows of the files.
async fn table(path: String, files: Vec<Headed>, within: Option<String>) -> Result<Table> {
    let Some(first) = files.first() else {
        return Err(crate::error::Error::Internal("a table without a file".into()));
    };
    let mut values: Vec<(String, Vec<String>)> = first.header.iter().map(|name| (name.clone(), Vec::new())).collect();
    let mut rows = 0;
    let step = files.len().div_ceil(FILES).max(1);
    for file in files.iter().step_by(step) {
        let sample = sample(&file.source(), &file.file, ROWS).await?;
        rows += sample.rows;
        for (name, column) in sample.columns {
            if let Some((_, known)) = values.iter_mut().find(|(known, _)| *known == name) {
                known.extend(column);
            }
        }
    }
    for (key, _) in &first.partition {
        let of_files = files.iter().flat_map(|file| &file.partition).filter(|(known, _)| known == key);
        values.push((key.clone(), of_files.map(|(_, value)| value.clone()).collect()));
    }
    let own_lists = first.file.format != Format::Csv;
    let named = values.iter().enumerate().filter(|(index, (name, _))| scan::told_name(name, *index) == name.as_str());
    let columns: Vec<Profile> = named.map(|(_, (name, column))| Profile::of(name, column, own_lists)).collect();
    Ok(Table {
        path,
        format: first.stated,
        delimiter: first.delimiter,
        receipts: matches!(first.file.format, Format::Kantara | Format::Iso27560),
        unnamed: values.len() - columns.len(),
        columns,
        rows,
        within,
    })
}
