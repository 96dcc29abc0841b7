//! The ledger: every audit and every decision about one, a line each, in JSON Lines. Each line carries the SHA-256 of
//! the line before, so that a line that was changed, taken out, put in or moved shows; that the end was cut shows to
//! whoever kept the hash of the last line, which every report prints.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use chrono::{NaiveDate, SecondsFormat, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::baseline::Earlier;
use super::snapshot::Snapshot;
use crate::error::{Error, Problem, Result, all_clear};

/// What the first line carries in place of a hash.
pub const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// From 1, without gaps.
    pub sequence: u64,
    /// SHA-256 of the line before without its line end, in hex; 64 zeros in the first.
    pub previous: String,
    /// When it was written, RFC 3339, UTC.
    pub recorded: String,
    pub entry: Entry,
}

/// What a line tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    Audit(Box<Snapshot>),
    Decision(Decision),
}

/// What somebody decided about an audit, or signed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// In which capacity, e.g. `data protection`.
    pub role: String,
    pub name: String,
    pub decision: Verb,
    pub reason: String,
    /// What must be so for it to hold.
    #[serde(default)]
    pub conditions: Vec<String>,
    /// The last day on which it holds, `YYYY-MM-DD`; null when it has no end.
    pub expires: Option<NaiveDate>,
    /// The audit it is about: SHA-256 of its record, and the day it speaks for.
    pub record: String,
    pub as_of: Option<String>,
    /// Fingerprints of the findings it is about; none when it is about the audit as a whole.
    #[serde(default)]
    pub findings: Vec<String>,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// The report was read, and what remains is accepted.
    Accept,
    /// Accepted as long as the conditions hold.
    AcceptWithConditions,
    /// What was found must be mended first.
    Reject,
}

impl Verb {
    pub fn words(self) -> &'static str {
        match self {
            Self::Accept => "accepted",
            Self::AcceptWithConditions => "accepted with conditions",
            Self::Reject => "rejected",
        }
    }
}

/// A ledger whose chain holds.
pub struct Ledger {
    /// What the record calls the file.
    pub name: String,
    pub lines: Vec<Line>,
    /// The hash of each line.
    pub hashes: Vec<String>,
}

/// The ledger that an audit was made on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerResult {
    /// As the manifest names it.
    pub path: String,
    /// Hash of its last line; 64 zeros when it was empty.
    pub head: String,
    /// Its lines.
    pub count: u64,
    /// The last audit in it, beside this one; null when there is none.
    pub last_audit: Option<Earlier>,
    pub decisions: Vec<DecisionResult>,
}

/// A decision of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DecisionResult {
    /// Its line.
    pub sequence: u64,
    pub recorded: String,
    #[serde(flatten)]
    pub decision: Decision,
    /// Whether its last day was before the day that this audit speaks for.
    pub expired: bool,
}

impl Ledger {
    /// Reads a ledger and checks its chain. A file that is not there is a ledger without lines.
    ///
    /// # Errors
    /// Every line that is no line of a ledger or does not follow the line before, with its number and what that means.
    pub fn read(path: &Path, name: &str) -> Result<Self> {
        let mut text = String::new();
        match File::open(path) {
            Ok(mut file) => {
                file.read_to_string(&mut text).map_err(|error| Error::io(path, "read the ledger", &error))?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io(path, "read the ledger", &error)),
        }
        Self::parse(path, name, &text)
    }

    fn parse(path: &Path, name: &str, text: &str) -> Result<Self> {
        let mut ledger = Self { name: name.to_owned(), lines: Vec::new(), hashes: Vec::new() };
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut problems = Vec::new();
        for (index, raw) in text.lines().enumerate() {
            let number = index + 1;
            let mut wrong = |message: String, help: &str| {
                problems.push(Problem::new(message).at(path, number as u64, 0).help(help));
            };
            let line: Line = match serde_json::from_str(raw) {
                Ok(line) => line,
                Err(error) => {
                    let (message, help) =
                        unreadable(raw, &error, number == text.lines().count() && !text.ends_with('\n'));
                    wrong(message, help);
                    break;
                }
            };
            let last = ledger.hashes.last().map_or(NOTHING, String::as_str);
            if line.previous != last {
                let (message, help) = match numbers.get(&line.previous) {
                    Some(before) => (
                        format!("lines {} and {number} both follow line {before}: the ledger forked here", before + 1),
                        "two branches appended to it and were merged; keep the lines of one, and append the records of \
                         the other again",
                    ),
                    None if index == 0 => (
                        "the first line follows one that is not here: the beginning was cut".to_owned(),
                        "restore the ledger from where it was kept",
                    ),
                    None if line.sequence != number as u64 => (
                        format!(
                            "line {number} calls itself {}: lines were taken out or put in before it",
                            line.sequence
                        ),
                        "restore the ledger from where it was kept",
                    ),
                    None => (
                        format!("line {number} does not follow line {index} as it is: line {index} was changed"),
                        "restore the ledger from where it was kept",
                    ),
                };
                wrong(message, help);
            } else if line.sequence != number as u64 {
                let message = format!("line {number} calls itself {}", line.sequence);
                wrong(message, "restore the ledger from where it was kept");
            }
            let hash = hash(raw);
            numbers.insert(hash.clone(), number);
            ledger.hashes.push(hash);
            ledger.lines.push(line);
        }
        all_clear(problems)?;
        Ok(ledger)
    }

    /// The hash of the last line; 64 zeros without one.
    pub fn head(&self) -> &str {
        self.hashes.last().map_or(NOTHING, String::as_str)
    }

    /// The audits, the oldest first.
    pub fn audits(&self) -> impl DoubleEndedIterator<Item = &Snapshot> {
        self.lines.iter().filter_map(|line| if let Entry::Audit(audit) = &line.entry { Some(&**audit) } else { None })
    }

    /// The number of the line with a hash, 0 for the empty beginning; None when no line has it.
    pub fn place(&self, hash: &str) -> Option<usize> {
        let found = self.hashes.iter().position(|known| known.eq_ignore_ascii_case(hash)).map(|index| index + 1);
        if hash == NOTHING { Some(0) } else { found }
    }

    /// The ledger beside an audit of a day.
    pub fn result(&self, as_of: Option<NaiveDate>, last_audit: Option<Earlier>) -> LedgerResult {
        let decisions = self.lines.iter().filter_map(|line| match &line.entry {
            Entry::Decision(decision) => Some(DecisionResult {
                sequence: line.sequence,
                recorded: line.recorded.clone(),
                decision: decision.clone(),
                expired: decision.expires.zip(as_of).is_some_and(|(last, day)| last < day),
            }),
            Entry::Audit(_) => None,
        });
        LedgerResult {
            path: self.name.clone(),
            head: self.head().to_owned(),
            count: self.lines.len() as u64,
            last_audit,
            decisions: decisions.collect(),
        }
    }
}

/// Appends an entry that `make` makes of the ledger as it is, under a lock, so that two programs never append at once.
/// The line is there whole or not at all.
pub fn append(path: &Path, make: impl FnOnce(&Ledger) -> Result<Entry>) -> Result<Line> {
    let fault = |error: std::io::Error| Error::io(path, "write the ledger", &error);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, "make", &error))?;
    }
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(fault)?;
    file.lock().map_err(fault)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(fault)?;
    let ledger = Ledger::parse(path, &path.display().to_string(), &text)?;
    let line = Line {
        sequence: ledger.lines.len() as u64 + 1,
        previous: ledger.head().to_owned(),
        recorded: Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
        entry: make(&ledger)?,
    };
    let mut bytes = serde_json::to_vec(&line).map_err(|error| Error::Internal(error.to_string()))?;
    bytes.push(b'\n');
    // A last line that an editor left without its end.
    if !text.is_empty() && !text.ends_with('\n') {
        bytes.insert(0, b'\n');
    }
    let written = file.write_all(&bytes).and_then(|()| file.sync_all());
    if let Err(error) = written {
        let _ = file.set_len(text.len() as u64); // The first error is the one to tell.
        return Err(fault(error));
    }
    Ok(line)
}

/// Why a line is none of a ledger.
fn unreadable(raw: &str, error: &serde_json::Error, last_without_end: bool) -> (String, &'static str) {
    if ["<<<<<<<", "=======", ">>>>>>>", "|||||||"].iter().any(|mark| raw.starts_with(mark)) {
        return (
            "a merge left its marks here: two branches appended to the ledger".to_owned(),
            "keep the lines of one branch, and append the records of the other again",
        );
    }
    if last_without_end && error.is_eof() {
        return (
            "the last line is cut short: a program that appended it did not finish".to_owned(),
            "remove the line, and append again what it was about",
        );
    }
    let text = error.to_string();
    let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
    (format!("this is no line of a ledger: {reason}"), "`probity history append` writes them; nobody else may")
}

/// SHA-256 of a line without its end, in hex.
fn hash(line: &str) -> String {
    crate::hex(&Sha256::digest(line.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A ledger of so many decisions.
    fn ledger(lines: usize) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        for number in 0..lines {
            let decision = Decision {
                role: "audit".into(),
                name: format!("N. {number}"),
                decision: Verb::Accept,
                reason: "read".into(),
                conditions: Vec::new(),
                expires: None,
                record: NOTHING.into(),
                as_of: None,
                findings: Vec::new(),
            };
            append(&path, |_| Ok(Entry::Decision(decision))).unwrap();
        }
        std::fs::read_to_string(&path).unwrap()
    }

    fn read(text: &str) -> Result<Ledger> {
        Ledger::parse(Path::new("history.jsonl"), "history.jsonl", text)
    }

    #[test]
    fn line_ends_are_no_part_of_a_line() {
        let text = ledger(3);
        let windows = text.replace('\n', "\r\n");
        assert_eq!(read(&text).unwrap().head(), read(&windows).unwrap().head());
        assert_eq!(read("").unwrap().head(), NOTHING);
    }

    proptest! {
        /// Whatever byte is changed, and to what: the chain breaks, or, in the last line, the head is another.
        #[test]
        fn any_edit_shows(at in 0.0..1.0_f64, to in 32_u8..127) {
            let text = ledger(4);
            let known = read(&text).unwrap();
            let at = (at * text.len() as f64) as usize;
            let mut bytes = text.clone().into_bytes();
            prop_assume!(bytes[at] != to);
            bytes[at] = to;
            let edited = String::from_utf8(bytes).unwrap();
            match read(&edited) {
                Err(_) => {}
                Ok(ledger) => prop_assert!(ledger.place(known.head()).is_none(), "{edited}"),
            }
        }

        /// Whatever line is taken out: the chain breaks, or the head is not there any more.
        #[test]
        fn any_cut_shows(which in 0_usize..4) {
            let text = ledger(4);
            let known = read(&text).unwrap();
            let kept: String =
                text.lines().enumerate().filter(|(i, _)| *i != which).map(|(_, line)| format!("{line}\n")).collect();
            match read(&kept) {
                Err(_) => prop_assert!(which < 3),
                Ok(ledger) => prop_assert!(which == 3 && ledger.place(known.head()).is_none()),
            }
        }
    }
}
