//! Consent records as JSON documents: Kantara consent receipts v1.1, and records and receipts of ISO/IEC TS 27560:2023.
//!
//! A file holds one document, an array of them, or one a line. Each becomes rows of consent records, one per purpose
//! and event, on the line that it starts on. Purposes and categories of data are free texts in such documents: the
//! source maps them to keys of the taxonomy, and what nothing maps is rejected, never guessed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read};

use serde_json::{Map, Value};

mod iso27560;
mod kantara;
mod time;

use super::files::DataFile;
use super::taxonomy::Taxonomy;
use super::text::UNIT_SEPARATOR;
use crate::error::nearest;
use crate::manifest::{Format, Source};

/// The columns that documents fill. `contexts` is none of them: no such document knows where data was collected, so
/// that the source says it, under `values`.
pub const COLUMNS: [&str; 10] = [
    "subject_id",
    "timestamp",
    "status",
    "purpose",
    "categories",
    "explicit",
    "expires",
    "jurisdiction",
    "notice_version",
    "mechanism",
];

/// More of a text than this is not told.
const TOLD: usize = 60;
/// How much of a file shows what its documents are.
const HEAD: u64 = 1 << 16;

/// One row of consent records, or why there is none.
pub type Row = Result<BTreeMap<&'static str, String>, String>;

/// What free texts mean.
#[derive(Debug, Default)]
pub struct Terms {
    purposes: Meanings,
    categories: Meanings,
}

#[derive(Debug, Default)]
struct Meanings {
    mapped: BTreeMap<String, String>,
    keys: BTreeSet<String>,
}

impl Terms {
    /// The source's own mapping, and the keys of the taxonomy, which mean themselves.
    pub fn of(source: &Source, taxonomy: &Taxonomy) -> Self {
        let texts = |of: &BTreeMap<String, crate::yaml::At<String>>| {
            of.iter().map(|(text, key)| (plain(text), key.value.clone())).collect()
        };
        Self {
            purposes: Meanings { mapped: texts(&source.purposes), keys: taxonomy.data_uses.clone() },
            categories: Meanings { mapped: texts(&source.categories), keys: taxonomy.data_categories.clone() },
        }
    }

    /// The data use that the first of the texts with a meaning stands for.
    fn purpose(&self, texts: &[String]) -> Result<String, String> {
        self.purposes.of(texts, "purpose", "purposes")
    }

    fn category(&self, texts: &[String]) -> Result<String, String> {
        self.categories.of(texts, "category of data", "categories")
    }
}

impl Meanings {
    fn of(&self, texts: &[String], what: &str, key: &str) -> Result<String, String> {
        let meaning = |text: &String| self.mapped.get(&plain(text)).or_else(|| self.keys.get(text.trim())).cloned();
        if let Some(found) = texts.iter().find_map(meaning) {
            return Ok(found);
        }
        let Some(text) = texts.first() else { return Err(format!("a {what} has no name")) };
        let keys: Vec<&String> = self.keys.iter().collect();
        // A key is a path of words; the free text is likely near its last one.
        let words: Vec<String> =
            keys.iter().map(|key| key.rsplit('.').next().unwrap_or(key).replace('_', " ")).collect();
        let near = nearest(text, &keys).or_else(|| {
            let word = nearest(text, &words)?;
            words.iter().position(|known| known == word).map(|index| keys[index].as_str())
        });
        let near = near.map(|near| format!("; the nearest key is `{near}`")).unwrap_or_default();
        Err(format!("the {what} `{}` is not mapped under `{key}` of the source{near}", told(text)))
    }
}

/// The rows of the documents of a file, each with its line.
pub fn rows(format: Format, terms: &Terms, line: u64, bytes: &[u8]) -> Vec<(u64, Row)> {
    let rows = match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Object(document)) => match format {
            Format::Kantara => kantara::rows(&document, terms),
            _ => iso27560::rows(&document, terms),
        },
        Ok(_) => vec![Err("not a JSON object".to_owned())],
        Err(error) => {
            let at = line + error.line() as u64 - 1;
            return vec![(at, Err(format!("not JSON from column {} on", error.column())))];
        }
    };
    rows.into_iter().map(|row| (line, row)).collect()
}

/// What the documents of a `.json` file are, by the keys at its beginning.
pub fn recognise(file: &DataFile) -> Option<Format> {
    let name = file.name.to_lowercase();
    let stem = name.strip_suffix(".gz").or(name.strip_suffix(".zst")).unwrap_or(&name);
    if !stem.ends_with(".json") && !stem.ends_with(".jsonld") {
        return None;
    }
    let reader = file.open(super::files::Hash::default()).ok()?;
    let mut head = Vec::new();
    reader.take(HEAD).read_to_end(&mut head).ok()?;
    let head = String::from_utf8_lossy(&head);
    let any = |keys: &[&str]| keys.iter().any(|key| head.contains(&format!("\"{key}\"")));
    if any(&["consentReceiptID", "consentTimestamp"]) {
        Some(Format::Kantara)
    } else {
        let own = ["pii_principal_id", "event_state", "eventState", "hasConsentStatus", "dpv:hasConsentStatus"];
        any(&own).then_some(Format::Iso27560)
    }
}

/// Splits text into its outermost JSON objects, wherever they stand, and gives each with its line.
pub struct Documents<R> {
    reader: BufReader<R>,
    line: u64,
    /// Whether a document ends with its line, whole or not: then a broken one takes no other with it.
    by_line: bool,
}

impl<R: Read> Documents<R> {
    pub fn new(reader: R, by_line: bool) -> Self {
        Self { reader: BufReader::with_capacity(1 << 16, reader), line: 1, by_line }
    }

    /// The next object, or what stands where one was expected. None at the end.
    pub fn read(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        let (mut start, mut depth, mut found) = (self.line, 0_usize, Vec::new());
        let (mut quoted, mut escaped) = (false, false);
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok((!found.is_empty()).then_some((start, found)));
            }
            let (mut used, mut whole) = (0, false);
            for &byte in buffer {
                used += 1;
                let between = found.is_empty() && (byte.is_ascii_whitespace() || b",[]\xef\xbb\xbf".contains(&byte));
                if found.is_empty() && !between {
                    start = self.line;
                }
                if byte == b'\n' {
                    self.line += 1;
                    // What is no object ends with its line.
                    whole = (depth == 0 || self.by_line) && !found.is_empty();
                }
                if between {
                    continue;
                }
                if !whole {
                    found.push(byte);
                }
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if quoted => escaped = true,
                    b'"' => quoted = !quoted,
                    b'{' if !quoted => depth += 1,
                    b'}' if !quoted => {
                        depth = depth.saturating_sub(1);
                        whole = depth == 0;
                    }
                    _ => {}
                }
                if whole {
                    break;
                }
            }
            self.reader.consume(used);
            if whole {
                return Ok(Some((start, found)));
            }
        }
    }
}

/// A row of a grant or its end.
struct Event<'a> {
    subject: Option<String>,
    at: Option<String>,
    status: &'a str,
    purpose: String,
    categories: Vec<String>,
    explicit: bool,
    expires: Option<String>,
    jurisdiction: Option<String>,
    notice_version: Option<String>,
    mechanism: Option<String>,
}

impl Event<'_> {
    fn row(self) -> BTreeMap<&'static str, String> {
        let separator = UNIT_SEPARATOR.to_string();
        let values = [
            self.subject,
            self.at,
            Some(self.status.to_owned()),
            Some(self.purpose),
            Some(self.categories.join(&separator)),
            Some(self.explicit.to_string()),
            self.expires,
            self.jurisdiction,
            self.notice_version,
            self.mechanism,
        ];
        COLUMNS.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// The value of the first of `names` that an object has. Keys are compared without prefix (`dpv:`), `has`, case and
/// separators, so that `dpv:hasDataSubject`, `data_subject` and `dataSubject` are one.
fn get<'v>(object: &'v Map<String, Value>, names: &[&str]) -> Option<&'v Value> {
    let find = |name: &&str| object.iter().find(|(key, value)| plain_key(key) == *name && !value.is_null());
    names.iter().find_map(find).map(|(_, value)| value)
}

/// One value, or all of a list.
fn each(value: Option<&Value>) -> Vec<&Value> {
    match value {
        None => Vec::new(),
        Some(Value::Array(all)) => all.iter().collect(),
        Some(one) => vec![one],
    }
}

/// A text or number as text; of an object its `@id`, `@value` or value.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(object) => text(get(object, &["value", "id", "identifier"])?),
        Value::Array(all) => text(all.first()?),
        _ => None,
    }
}

/// A free text without what differs by accident.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn plain_key(key: &str) -> String {
    let own = key.rsplit([':', '#', '/']).next().unwrap_or(key);
    let own = own.strip_prefix("has").filter(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase())).unwrap_or(own);
    own.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn told(text: &str) -> String {
    let short: String = text.chars().filter(|c| !c.is_control()).take(TOLD).collect();
    if text.chars().count() > TOLD { format!("{short}…") } else { short }
}

#[cfg(test)]
mod tests;
