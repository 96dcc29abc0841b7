//! CSV, JSON Lines and consent receipts as text columns with their line numbers, one file after another through a bounded channel.
//!
//! Stock readers stop at the first bad row, or swallow it without a word, and know no line numbers; these give every
//! row its line, and a row that cannot be read its fault. Values stay text: types are the business of a plan.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Builder, RecordBatch, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::PartitionStream;
use serde_json::Value;
use tokio::sync::mpsc::Sender;

use super::files::{DataFile, Hash};
use super::receipts::{self, Documents};
use crate::error::{Error, Problem, Result};
use crate::manifest::Format;

/// The column with the line a row starts on, from 1.
pub const LINE: &str = "__line";
/// The column with what is wrong with the row as a whole; null when nothing is.
pub const FAULT: &str = "__fault";
/// Separates the elements of a JSON array turned into text.
pub const UNIT_SEPARATOR: char = '\u{1f}';

const BATCH: usize = 8192;
/// A row put after a CSV's last one: when it does not come out as a row of its own, a quote was left open.
const END: &[u8] = b"\x1e\x1e\x1e";
/// Lines of JSON read to learn which keys there are.
const JSON_HEADER_LINES: u64 = 20_000;

/// A text file as a stream of batches: the wanted columns, then [`LINE`] and [`FAULT`].
#[derive(Clone)]
pub struct TextFile {
    pub file: DataFile,
    pub delimiter: u8,
    pub columns: Vec<String>,
    pub schema: SchemaRef,
    /// Gets the file's bytes as they are read.
    pub hash: Hash,
    /// Whether a cell may be any text: with line breaks in it, and null where it is not UTF-8.
    pub any_text: bool,
}

impl std::fmt::Debug for TextFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TextFile({})", self.file.name)
    }
}

impl TextFile {
    pub fn new(file: DataFile, delimiter: u8, columns: Vec<String>, hash: Hash) -> Self {
        let mut fields: Vec<Field> = columns.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect();
        fields.push(Field::new(LINE, DataType::Int64, false));
        fields.push(Field::new(FAULT, DataType::Utf8, true));
        Self { file, delimiter, columns, schema: Arc::new(Schema::new(fields)), hash, any_text: false }
    }

    fn run(&self, to: &Sender<Result<RecordBatch, DataFusionError>>) -> Result<()> {
        let reader = self.file.open(self.hash.clone())?;
        let mut batch =
            Batch { text: self, to, columns: Vec::new(), lines: Int64Builder::new(), faults: StringBuilder::new() };
        batch.columns.resize_with(self.columns.len(), StringBuilder::new);
        match self.file.format {
            Format::Csv => self.csv(reader, &mut batch)?,
            Format::Kantara | Format::Iso27560 => self.documents(reader, &mut batch)?,
            _ => self.json_lines(reader, &mut batch)?,
        }
        batch.send().map(|_| ())
    }

    fn csv(&self, reader: Box<dyn Read + Send>, batch: &mut Batch) -> Result<()> {
        let mut reader = csv_reader(reader, self.delimiter);
        let header = csv_header(&self.file, &mut reader)?;
        let indices: Vec<Option<usize>> =
            self.columns.iter().map(|name| header.iter().position(|column| column == name)).collect();
        let mut record = csv::ByteRecord::new();
        loop {
            let more = reader.read_byte_record(&mut record).map_err(|e| csv_error(&self.file, &e))?;
            if !more || is_end(&record) {
                return Ok(());
            }
            let lines = lines_of(&reader, &record);
            if open_to_the_end(&record) {
                return Err(self.open_quote(lines.start + 1).into()); // No line feed ended this row.
            }
            let cells: Vec<&[u8]> = record.iter().enumerate().map(|(i, cell)| trimmed(&record, i, cell)).collect();
            if cells == [b""] {
                continue; // A line with nothing but its end.
            }
            // What is read here never has a line break in it: more likely a stray quote swallowed the lines between.
            let broken = indices
                .iter()
                .filter(|_| !self.any_text)
                .flatten()
                .find(|&&i| cells.get(i).is_some_and(|cell| cell.contains(&b'\n')));
            let fault = match broken {
                _ if cells.len() != header.len() => {
                    Some(format!("expected {} fields, found {}", header.len(), cells.len()))
                }
                Some(&i) => Some(format!("`{}` has a line break in it", header[i])),
                None => None,
            };
            if let Some(mut fault) = fault {
                if lines.end - lines.start > 1 {
                    let (first, last) = (lines.start, lines.end - 1);
                    fault += &format!(", in a row over lines {first} to {last}: is a quote left open?");
                }
                // Every line that was swallowed is a row lost, and counts as one.
                for line in lines {
                    if !batch.row(line, Some(fault.clone()), std::iter::empty())? {
                        return Ok(());
                    }
                }
                continue;
            }
            let text = |index: usize| std::str::from_utf8(cells[index]);
            let fault = indices.iter().filter(|_| !self.any_text).flatten().find(|&&i| text(i).is_err());
            let fault = fault.map(|&i| format!("`{}` is not UTF-8 text", header[i]));
            let cells = indices.iter().map(|index| index.and_then(|i| text(i).ok()));
            if !batch.row(lines.start, fault, cells)? {
                return Ok(());
            }
        }
    }

    fn open_quote(&self, line: u64) -> Problem {
        let message = "a quote is opened in this row and never closed, so that the rest of the file is lost";
        Problem::new(message).at(&self.file.path, line, 0).help("close the quote, or double it if it is a text's")
    }

    fn documents(&self, reader: Box<dyn Read + Send>, batch: &mut Batch) -> Result<()> {
        let name = self.file.name.to_lowercase();
        let by_line = name.contains(".jsonl") || name.contains(".ndjson");
        let mut documents = Documents::new(reader, by_line);
        while let Some((line, bytes)) = documents.read().map_err(|e| Error::io(&self.file.path, "read", &e))? {
            for (line, row) in receipts::rows(self.file.format, &self.file.terms, line, &bytes) {
                let more = match row {
                    Ok(cells) => {
                        let cells = self.columns.iter().map(|name| cells.get(name.as_str()).map(String::as_str));
                        batch.row(line, None, cells)?
                    }
                    Err(fault) => batch.row(line, Some(fault), std::iter::empty())?,
                };
                if !more {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn json_lines(&self, reader: Box<dyn Read + Send>, batch: &mut Batch) -> Result<()> {
        let mut reader = BufReader::with_capacity(1 << 16, reader);
        let mut bytes = Vec::new();
        let mut line = 0;
        loop {
            bytes.clear();
            let read = reader.read_until(b'\n', &mut bytes).map_err(|e| Error::io(&self.file.path, "read", &e))?;
            if read == 0 {
                return Ok(());
            }
            line += 1;
            let bytes = without_mark(bytes.trim_ascii_end(), line);
            if bytes.is_empty() {
                continue;
            }
            let more = match serde_json::from_slice::<Value>(bytes) {
                Ok(Value::Object(object)) => {
                    let cells: Vec<Option<String>> = self.columns.iter().map(|name| json_cell(&object, name)).collect();
                    batch.row(line, None, cells.iter().map(Option::as_deref))?
                }
                Ok(_) => batch.row(line, Some("not a JSON object".to_owned()), std::iter::empty())?,
                Err(error) => {
                    let fault = match std::str::from_utf8(bytes) {
                        Ok(_) => format!("not JSON from column {} on", error.column()),
                        Err(_) => "not UTF-8 text".to_owned(),
                    };
                    batch.row(line, Some(fault), std::iter::empty())?
                }
            };
            if !more {
                return Ok(());
            }
        }
    }
}

impl PartitionStream for TextFile {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStreamBuilder::new(self.schema.clone(), 4);
        let to = builder.tx();
        let text = self.clone();
        builder.spawn_blocking(move || text.run(&to).map_err(|error| DataFusionError::External(Box::new(error))));
        builder.build()
    }
}

/// The columns of a file: a CSV's header, or the keys of the first JSON lines (nested ones with dots).
pub fn header(file: &DataFile, delimiter: u8) -> Result<Vec<String>> {
    if matches!(file.format, Format::Kantara | Format::Iso27560) {
        return Ok(receipts::COLUMNS.map(str::to_owned).to_vec());
    }
    let reader = file.open(Hash::default())?;
    if file.format == Format::Csv {
        return csv_header(file, &mut csv_reader(reader, delimiter));
    }
    let mut keys = BTreeSet::new();
    for (line, number) in BufReader::new(reader).split(b'\n').zip(1..=JSON_HEADER_LINES) {
        let line = line.map_err(|e| Error::io(&file.path, "read", &e))?;
        if let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(without_mark(&line, number)) {
            json_keys(&object, "", &mut keys);
        }
    }
    if keys.is_empty() {
        return Err(Problem::new("the file is empty; expected one JSON object a line").at(&file.path, 1, 0).into());
    }
    Ok(keys.into_iter().collect())
}

fn csv_error(file: &DataFile, error: &csv::Error) -> Error {
    let line = error.position().map_or(0, csv::Position::line);
    let message = match error.kind() {
        csv::ErrorKind::Io(io) => format!("cannot read on: {io}"),
        _ => error.to_string(),
    };
    Problem::new(message).at(&file.path, line, 0).into()
}

type CsvReader = csv::Reader<Box<dyn Read + Send>>;

fn csv_reader(reader: Box<dyn Read + Send>, delimiter: u8) -> CsvReader {
    let end = [b"\n", END, b"\n"].concat();
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        // Rows end with a line feed and nothing else, so that the reader's count of lines is exact; see `trimmed`.
        .terminator(csv::Terminator::Any(b'\n'))
        .buffer_capacity(1 << 16)
        .from_reader(Box::new(reader.chain(std::io::Cursor::new(end))))
}

/// A cell without the carriage return that belongs to the end of its line.
fn trimmed<'r>(record: &'r csv::ByteRecord, index: usize, cell: &'r [u8]) -> &'r [u8] {
    let last = index + 1 == record.len();
    if last { cell.strip_suffix(b"\r").unwrap_or(cell) } else { cell }
}

/// The lines of the record just read, counted from its end: blank lines may come before it.
fn lines_of(reader: &CsvReader, record: &csv::ByteRecord) -> Range<u64> {
    let end = reader.position().line();
    let inside = record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
    end.saturating_sub(inside + 1)..end
}

fn is_end(record: &csv::ByteRecord) -> bool {
    record.len() == 1 && record.as_slice() == END
}

fn open_to_the_end(record: &csv::ByteRecord) -> bool {
    let last = record.iter().next_back().unwrap_or_default();
    last.strip_suffix(b"\n").is_some_and(|rest| rest.ends_with(END))
}

/// The first line or cell without the byte order mark that some programs put before it.
fn without_mark(bytes: &[u8], number: u64) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").filter(|_| number == 1).unwrap_or(bytes)
}

fn csv_header(file: &DataFile, reader: &mut CsvReader) -> Result<Vec<String>> {
    let problem = |message: &str| Error::from(Problem::new(message).at(&file.path, 1, 0));
    let mut record = csv::ByteRecord::new();
    let some = reader.read_byte_record(&mut record).map_err(|e| csv_error(file, &e))?;
    if !some || is_end(&record) {
        return Err(problem("the file is empty; expected a header line with the names of the columns"));
    }
    if open_to_the_end(&record) {
        return Err(problem("a quote in the header is never closed"));
    }
    let mut names = Vec::new();
    for (index, field) in record.iter().enumerate() {
        let field = trimmed(&record, index, field);
        if field.contains(&b'\r') {
            return Err(problem("lines end with a bare carriage return; expected a line feed"));
        }
        let field = without_mark(field, index as u64 + 1);
        let name = std::str::from_utf8(field).map_err(|_| problem("the header is not UTF-8 text"))?.trim().to_owned();
        if !name.is_empty() && names.contains(&name) {
            return Err(problem(&format!("the header names column `{name}` twice")));
        }
        names.push(name);
    }
    Ok(names)
}

/// Where the rows of one batch gather.
struct Batch<'a> {
    text: &'a TextFile,
    to: &'a Sender<Result<RecordBatch, DataFusionError>>,
    columns: Vec<StringBuilder>,
    lines: Int64Builder,
    faults: StringBuilder,
}

impl Batch<'_> {
    /// Adds a row; false when nobody listens any more.
    fn row<'c>(
        &mut self,
        line: u64,
        fault: Option<String>,
        mut cells: impl Iterator<Item = Option<&'c str>>,
    ) -> Result<bool> {
        for column in &mut self.columns {
            let cell = cells.next().flatten();
            column.append_option(if fault.is_some() { None } else { cell });
        }
        self.lines.append_value(i64::try_from(line).unwrap_or(i64::MAX));
        self.faults.append_option(fault);
        if self.lines.values_slice().len() < BATCH { Ok(true) } else { self.send() }
    }

    fn send(&mut self) -> Result<bool> {
        let mut arrays: Vec<ArrayRef> = self.columns.iter_mut().map(|c| Arc::new(c.finish()) as ArrayRef).collect();
        arrays.push(Arc::new(self.lines.finish()));
        arrays.push(Arc::new(self.faults.finish()));
        let batch = RecordBatch::try_new(self.text.schema.clone(), arrays)?;
        Ok(self.to.blocking_send(Ok(batch)).is_ok())
    }
}

fn json_cell(object: &serde_json::Map<String, Value>, name: &str) -> Option<String> {
    let value = match (object.get(name), name.split_once('.')) {
        (Some(value), _) => value,
        (None, Some((outer, inner))) => return json_inner(object.get(outer)?, inner),
        (None, None) => return None,
    };
    match value {
        Value::Array(elements) => {
            let texts: Vec<String> = elements.iter().map(|e| json_text(e).unwrap_or_default()).collect();
            Some(texts.join(&UNIT_SEPARATOR.to_string()))
        }
        other => json_text(other),
    }
}

/// A key of an object, or of every object of a list: `items.id` is the list of the items' ids.
fn json_inner(outer: &Value, name: &str) -> Option<String> {
    match outer {
        Value::Object(object) => json_cell(object, name),
        Value::Array(elements) => {
            let cell = |element: &Value| json_cell(element.as_object()?, name);
            let cells: Vec<Option<String>> = elements.iter().map(cell).collect();
            let texts: Vec<String> = cells.into_iter().map(Option::unwrap_or_default).collect();
            Some(texts.join(&UNIT_SEPARATOR.to_string()))
        }
        _ => None,
    }
}

fn json_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn json_keys(object: &serde_json::Map<String, Value>, prefix: &str, into: &mut BTreeSet<String>) {
    for (key, value) in object {
        let name = format!("{prefix}{key}");
        match value {
            Value::Object(inner) => json_keys(inner, &format!("{name}."), into),
            Value::Array(elements) if elements.iter().any(Value::is_object) => {
                for inner in elements.iter().filter_map(Value::as_object) {
                    json_keys(inner, &format!("{name}."), into);
                }
            }
            _ => {
                into.insert(name);
            }
        }
    }
}
