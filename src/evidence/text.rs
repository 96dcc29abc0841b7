//! CSV and JSON Lines as text columns with their line numbers, one file after another through a bounded channel.
//!
//! Stock readers stop at the first bad row, or swallow it without a word, and know no line numbers; these give every
//! row its line, and a row that cannot be read its fault. Values stay text: types are the business of a plan.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
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
use crate::error::{Error, Problem, Result};
use crate::manifest::Format;

/// The column with the line a row starts on, from 1.
pub const LINE: &str = "__line";
/// The column with what is wrong with the row as a whole; null when nothing is.
pub const FAULT: &str = "__fault";
/// Separates the elements of a JSON array turned into text.
pub const UNIT_SEPARATOR: char = '\u{1f}';

const BATCH: usize = 8192;
/// Lines of JSON read to learn which keys there are.
const JSON_HEADER_LINES: usize = 200;

/// A text file as a stream of batches: the wanted columns, then [`LINE`] and [`FAULT`].
#[derive(Clone)]
pub struct TextFile {
    pub file: DataFile,
    pub delimiter: u8,
    pub columns: Vec<String>,
    pub schema: SchemaRef,
    /// Gets the file's bytes as they are read.
    pub hash: Hash,
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
        Self { file, delimiter, columns, schema: Arc::new(Schema::new(fields)), hash }
    }

    fn run(&self, to: &Sender<Result<RecordBatch, DataFusionError>>) -> Result<()> {
        let reader = self.file.open(self.hash.clone())?;
        let mut batch =
            Batch { text: self, to, columns: Vec::new(), lines: Int64Builder::new(), faults: StringBuilder::new() };
        batch.columns.resize_with(self.columns.len(), StringBuilder::new);
        match self.file.format {
            Format::Csv => self.csv(reader, &mut batch)?,
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
            let more = reader.read_byte_record(&mut record).map_err(|e| self.csv_error(&e))?;
            if !more {
                return Ok(());
            }
            let line = record.position().map_or(0, csv::Position::line);
            let fault = if record.len() == header.len() {
                indices.iter().flatten().find_map(|&i| {
                    std::str::from_utf8(&record[i]).err().map(|_| format!("`{}` is not UTF-8 text", header[i]))
                })
            } else {
                let spanned = reader.position().line().saturating_sub(line);
                let swallowed =
                    if spanned > 1 { format!(", over {spanned} lines: is a quote left open?") } else { String::new() };
                Some(format!("expected {} fields, found {}{swallowed}", header.len(), record.len()))
            };
            let cell = |index: &Option<usize>| index.and_then(|i| std::str::from_utf8(&record[i]).ok());
            if !batch.row(line, fault, indices.iter().map(cell))? {
                return Ok(());
            }
        }
    }

    fn csv_error(&self, error: &csv::Error) -> Error {
        let line = error.position().map_or(0, csv::Position::line);
        let message = match error.kind() {
            csv::ErrorKind::Io(io) => format!("cannot read on: {io}"),
            _ => error.to_string(),
        };
        Problem::new(message).at(&self.file.path, line, 0).into()
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
            if bytes.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let more = match serde_json::from_slice::<Value>(&bytes) {
                Ok(Value::Object(object)) => {
                    let cells: Vec<Option<String>> = self.columns.iter().map(|name| json_cell(&object, name)).collect();
                    batch.row(line, None, cells.iter().map(Option::as_deref))?
                }
                Ok(_) => batch.row(line, Some("not a JSON object".to_owned()), std::iter::empty())?,
                Err(error) => {
                    let fault = match std::str::from_utf8(&bytes) {
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
    let reader = file.open(Hash::default())?;
    if file.format == Format::Csv {
        return csv_header(file, &mut csv_reader(reader, delimiter));
    }
    let mut keys = BTreeSet::new();
    for line in BufReader::new(reader).split(b'\n').take(JSON_HEADER_LINES) {
        let line = line.map_err(|e| Error::io(&file.path, "read", &e))?;
        if let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(&line) {
            json_keys(&object, "", &mut keys);
        }
    }
    if keys.is_empty() {
        return Err(Problem::new("the file is empty; expected one JSON object a line").at(&file.path, 1, 0).into());
    }
    Ok(keys.into_iter().collect())
}

fn csv_reader(reader: Box<dyn Read + Send>, delimiter: u8) -> csv::Reader<Box<dyn Read + Send>> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .buffer_capacity(1 << 16)
        .from_reader(reader)
}

fn csv_header(file: &DataFile, reader: &mut csv::Reader<Box<dyn Read + Send>>) -> Result<Vec<String>> {
    let problem = |message: &str| Error::from(Problem::new(message).at(&file.path, 1, 0));
    let mut record = csv::ByteRecord::new();
    let some = reader.read_byte_record(&mut record).map_err(|e| problem(&e.to_string()))?;
    if !some {
        return Err(problem("the file is empty; expected a header line with the names of the columns"));
    }
    let mut names = Vec::new();
    for (index, field) in record.iter().enumerate() {
        let field = if index == 0 { field.strip_prefix(b"\xef\xbb\xbf").unwrap_or(field) } else { field };
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
        (None, Some((outer, inner))) => return json_cell(object.get(outer)?.as_object()?, inner),
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
            _ => {
                into.insert(name);
            }
        }
    }
}
