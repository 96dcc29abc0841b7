//! The loader: from the manifest's sources to canonical rows that plans can read.
//!
//! Text files are read once: hashed, checked, typed and kept as Parquet in the working folder, with the file and line
//! of every row. Parquet files are checked once and then read in place by every plan. Either way the rows of a role
//! become one named table with all canonical columns.

mod origins;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::{cast, filter_record_batch, is_null};
use datafusion::arrow::datatypes::{DataType, Int64Type, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::prelude::{DataFrame, ParquetReadOptions};
use futures::StreamExt;

use super::columns::{Column, Dialect, Kind, LIST, NO_ZONE, Need, Role, clean, read};
use super::files::{self, DataFile, Hash};
use super::receipts::Terms;
use super::sample;
use super::table::{FILE, FileRead, Reject, Table};
use super::taxonomy::Taxonomy;
use super::text::{self, FAULT, LINE, TextFile};
use crate::engine::{Engine, literal, quoted};
use crate::error::{Error, Problem, Result};
use crate::manifest::{Format, Layout, Manifest, Source};
use crate::progress::Progress;
use crate::yaml::Document;

/// The column with why a row is rejected; null when it is not.
const REJECT: &str = "__reject";
/// Rejected rows that are remembered one by one.
const MAX_REJECTS: usize = 2_000_000;

/// Where a canonical column comes from.
enum Origin {
    /// A column of the file.
    Column(String),
    /// The same value in every row.
    Constant(String),
}

/// A file, and where each canonical column comes from in it.
struct Plan<'a> {
    source: &'a Source,
    file: DataFile,
    origins: BTreeMap<String, Origin>,
    schema: SchemaRef,
}

impl Plan<'_> {
    /// The names of the file's columns, and the canonical ones that it has.
    fn names(&self) -> impl Iterator<Item = &str> {
        let own = self.schema.fields().iter().map(|field| field.name().as_str());
        own.chain(self.origins.keys().map(String::as_str))
    }
}

/// Reads one role. `attributes` are further columns wanted as text; `optional` are mandatory columns that may be absent.
///
/// Registers `{role}_impressions` and/or `{role}_decisions` for recommendations, `{role}` for all others.
pub struct Loader<'a> {
    pub engine: &'a Engine,
    pub manifest: &'a Document<Manifest>,
    pub role: Role,
    pub attributes: BTreeSet<String>,
    pub optional: &'a [&'a str],
    /// Columns of the role that are left alone.
    pub unwanted: &'a [&'a str],
    pub progress: &'a Progress,
    /// What the texts of consent receipts may mean.
    pub taxonomy: &'a Taxonomy,
}

impl Loader<'_> {
    /// Whether the columns of the sources are those of the role, of which nothing is read but the headers.
    pub async fn look(&self, sources: &[Source]) -> Result<()> {
        self.plans(sources).await.map(|_| ())
    }

    async fn plans<'s>(&self, sources: &'s [Source]) -> Result<Vec<Plan<'s>>> {
        let mut plans = Vec::new();
        let mut problems = Vec::new();
        for source in sources {
            self.check_source(source, &mut problems);
            let (first, wrong) = (plans.len(), problems.len());
            let terms = Arc::new(Terms::of(source, self.taxonomy));
            for mut file in files::files(self.manifest, source)? {
                file.terms = terms.clone();
                plans.push(self.origins(source, file, &mut problems).await?);
            }
            // Where columns are missing, the header may be a row about a person, and is not to be told.
            if problems.len() == wrong {
                let names = plans[first..].iter().flat_map(Plan::names).collect();
                problems.extend(sample::unknown_declared(self.manifest, source, &names));
            }
        }
        crate::error::all_clear(problems)?;
        Ok(plans)
    }

    pub async fn load(&self, sources: &[Source]) -> Result<Table> {
        let plans = self.plans(sources).await?;
        let bytes = plans.iter().filter_map(|p| std::fs::metadata(&p.file.path).ok()).map(|m| m.len()).sum();
        self.progress.start(&format!("reading {}", self.role.id()), bytes);
        let mut table = Table::default();
        let mut parts: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        for (index, plan) in plans.iter().enumerate() {
            table.present.extend(plan.origins.keys().cloned());
            table.header.extend(plan.schema.fields().iter().map(|field| field.name().clone()));
            let (name, layout) = (self.table_name(plan.source.layout), plan.source.layout);
            table.layouts.insert(if layout == Layout::Decisions { "decisions" } else { "impressions" });
            let part = format!("{name}_{index}");
            let sql = match plan.file.format {
                Format::Parquet => self.parquet(plan, &part, &mut table).await?,
                _ => self.text(plan, &part, &mut table).await?,
            };
            parts.entry(name).or_default().push(sql);
        }
        table.rejects.sort();
        for (name, parts) in parts {
            self.engine.view(name, &parts.join("\nUNION ALL ")).await?;
        }
        Ok(table)
    }

    /// The canonical columns that are wanted.
    fn columns(&self) -> impl Iterator<Item = Column<'static>> {
        self.role.columns().iter().copied().filter(|column| !self.unwanted.contains(&column.name))
    }

    fn table_name(&self, layout: Layout) -> &'static str {
        match (self.role, layout) {
            (Role::Recommendations, Layout::Impressions) => "recommendations_impressions",
            (Role::Recommendations, Layout::Decisions) => "recommendations_decisions",
            (role, _) => role.id(),
        }
    }

    async fn schema(&self, source: &Source, file: &DataFile) -> Result<SchemaRef> {
        if file.format == Format::Parquet {
            let plan = self.read_parquet(file).await?;
            return Ok(Arc::new(plan.schema().as_arrow().clone()));
        }
        let header = text::header(file, delimiter(source))?;
        Ok(TextFile::new(file.clone(), b',', header, Hash::default()).schema)
    }

    async fn read_parquet(&self, file: &DataFile) -> Result<DataFrame> {
        let options = ParquetReadOptions { file_extension: "", ..ParquetReadOptions::default() };
        let url = files::url(&file.path)?;
        self.engine.session.read_parquet(url, options).await.map_err(|error| no_parquet(file, &error))
    }

    /// Stages a text file and returns the SQL of its rows.
    async fn text(&self, plan: &Plan<'_>, part: &str, table: &mut Table) -> Result<String> {
        let columns: BTreeSet<String> = plan
            .origins
            .values()
            .filter_map(|origin| match origin {
                Origin::Column(name) => Some(name.clone()),
                Origin::Constant(_) => None,
            })
            .collect();
        let hash = Hash::watched(self.progress);
        let stream =
            TextFile::new(plan.file.clone(), delimiter(plan.source), columns.into_iter().collect(), hash.clone());
        let raw = format!("{part}_raw");
        let source = StreamingTable::try_new(stream.schema.clone(), vec![Arc::new(stream)])?;
        self.engine.session.register_table(raw.as_str(), Arc::new(source))?;
        let sql = self.rows_sql(plan, &raw, LINE, FAULT);
        let frame = self.engine.plan(&sql).await?;
        let path = self.engine.scratch(&format!("{part}.parquet"));
        let mut read = FileRead {
            name: plan.file.name.clone(),
            format: plan.file.format_name(),
            rows: 0,
            rejected: 0,
            sha256: String::new(),
        };
        self.write(frame, &path, &mut read, &mut table.rejects).await?;
        read.sha256 = hash.hex();
        self.engine.session.deregister_table(raw.as_str())?;
        table.files.push(read);
        self.engine.parquet(part, &path.to_string_lossy()).await?;
        Ok(format!("SELECT * FROM {part}"))
    }

    /// Splits a stream of rows into those kept, as Parquet, and those rejected, as a list.
    async fn write(
        &self,
        frame: DataFrame,
        path: &std::path::Path,
        read: &mut FileRead,
        rejects: &mut Vec<Reject>,
    ) -> Result<()> {
        let mut stream = frame.execute_stream().await?;
        let file = File::create(path).map_err(|e| Error::io(path, "write", &e))?;
        let schema = stream.schema();
        let reject = schema.index_of(REJECT)?;
        let kept: Vec<usize> = (0..schema.fields().len()).filter(|&i| i != reject).collect();
        let mut writer = ArrowWriter::try_new(file, Arc::new(schema.project(&kept)?), None).map_err(parquet_error)?;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            read.rows += batch.num_rows() as u64;
            let good = is_null(batch.column(reject))?;
            let rejected = batch.num_rows() - good.true_count();
            if rejected > 0 {
                read.rejected += rejected as u64;
                self.note(&batch, &read.name, rejects)?;
            }
            writer.write(&filter_record_batch(&batch.project(&kept)?, &good)?).map_err(parquet_error)?;
        }
        writer.close().map_err(parquet_error)?;
        Ok(())
    }

    /// Remembers the rejected rows of a batch that has [`LINE`] and [`REJECT`].
    fn note(&self, batch: &RecordBatch, file: &str, rejects: &mut Vec<Reject>) -> Result<()> {
        let column =
            |name: &str, to: &DataType| -> Result<_> { Ok(cast(batch.column(batch.schema().index_of(name)?), to)?) };
        let (lines, reasons) = (column(LINE, &DataType::Int64)?, column(REJECT, &DataType::Utf8)?);
        let pairs = lines.as_primitive::<Int64Type>().iter().zip(reasons.as_string::<i32>().iter());
        for (line, reason) in pairs {
            let Some(reason) = reason else { continue };
            let line = line.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
            if reason.ends_with(NO_ZONE) {
                let problem = Problem::new(reason).at(self.manifest.resolve(file), line, 0);
                return Err(problem
                    .help("write times like 2026-03-01T10:00:00Z, or state `time_zone:` for this source")
                    .into());
            }
            rejects.push(Reject { file: file.to_owned(), line, reason: reason.to_owned() });
        }
        if rejects.len() > MAX_REJECTS {
            let message = format!("more than {MAX_REJECTS} rows of `{}` cannot be read", self.role.id());
            return Err(Problem::new(message).at(self.manifest.resolve(file), 0, 0).into());
        }
        Ok(())
    }

    /// Checks a Parquet file in place and returns the SQL of its rows.
    async fn parquet(&self, plan: &Plan<'_>, part: &str, table: &mut Table) -> Result<String> {
        let raw = format!("{part}_raw");
        let view = self.read_parquet(&plan.file).await?.into_view();
        self.engine.session.register_table(raw.as_str(), view)?;
        let fault = "CAST(NULL AS VARCHAR)";
        let mut rows = self.rows_sql(plan, &raw, "file_row_index() + 1", fault);
        // Every column is counted so that damage anywhere shows here, where the file is known.
        let counted: String = self.canonical().map(|name| format!(", count({name})")).collect();
        let sql = format!("SELECT count(*) AS n, count({REJECT}) AS bad{counted} FROM ({rows})");
        let damaged = |error: DataFusionError| match error.find_root() {
            DataFusionError::ParquetError(_)
            | DataFusionError::ArrowError(..)
            | DataFusionError::IoError(_)
            | DataFusionError::ObjectStore(_) => no_parquet(&plan.file, &error),
            _ => error.into(),
        };
        let counts = self.engine.rows_or(&sql, damaged).await?;
        let read = FileRead {
            name: plan.file.name.clone(),
            format: plan.file.format_name(),
            rows: counts.count("n", 0),
            rejected: counts.count("bad", 0),
            sha256: files::sha256(&plan.file.path)?,
        };
        if read.rejected > 0 {
            // The reader knows the number of a row only where nothing stands between; so it is kept as a column.
            let numbered = format!("{part}_numbered");
            let sql = format!("SELECT *, file_row_index() + 1 AS {LINE} FROM {raw}");
            self.engine.stage(&numbered, &sql).await?;
            rows = self.rows_sql(plan, &numbered, LINE, fault);
            let bad = format!("SELECT {LINE}, {REJECT} FROM ({rows}) WHERE {REJECT} IS NOT NULL");
            let mut stream = self.engine.plan(&bad).await?.execute_stream().await?;
            while let Some(batch) = stream.next().await {
                self.note(&batch?, &read.name, &mut table.rejects)?;
            }
        }
        let good = if read.rejected > 0 { format!(" WHERE {REJECT} IS NULL") } else { String::new() };
        table.files.push(read);
        Ok(format!("SELECT {} FROM ({rows}){good}", self.output_columns().join(", ")))
    }

    fn output_columns(&self) -> Vec<String> {
        self.canonical().chain([FILE.into(), LINE.into()]).collect()
    }

    /// All columns of the role and its attributes, as SQL names them.
    fn canonical(&self) -> impl Iterator<Item = String> {
        let canonical = self.columns().map(|c| quoted(c.name));
        canonical.chain(self.attributes.iter().map(|a| quoted(a)))
    }

    /// The canonical rows of a raw table: every column typed, and why the row is rejected if it is.
    fn rows_sql(&self, plan: &Plan<'_>, raw: &str, line: &str, fault: &str) -> String {
        let dialect = Dialect {
            time_zone: plan.source.time_zone.as_ref().map(|zone| zone.value.clone()),
            epoch: plan.source.epoch,
            list_separator: match plan.file.format {
                Format::Csv => plan.source.list_separator.clone().unwrap_or_else(|| "|".into()),
                _ => LIST.into(),
            },
        };
        let listed = self.role == Role::Recommendations && plan.source.layout == Layout::Decisions;
        let (mut inner, mut outer, mut rejections) = (Vec::new(), Vec::new(), Vec::new());
        let attributes =
            self.attributes.iter().map(|name| Column { name, kind: Kind::Text, need: Need::Optional, per_item: false });
        let canonical = self.role.columns().iter().copied().filter(|column| !self.unwanted.contains(&column.name));
        for (index, column) in canonical.chain(attributes).enumerate() {
            let alias = quoted(column.name);
            rejections.extend(self.unfilled(plan, &column));
            let (cell, from) = match plan.origins.get(column.name) {
                None => {
                    // A list stays text until it is taken apart.
                    let of = if listed && column.per_item { "VARCHAR" } else { column.kind.sql_type() };
                    outer.push(format!("CAST(NULL AS {of}) AS {alias}"));
                    continue;
                }
                // The manifest writes a list as text whatever the file does.
                Some(Origin::Constant(value)) if column.kind == Kind::List => {
                    let written = plan.source.list_separator.as_deref().unwrap_or("|");
                    (literal(&value.replace(written, &dialect.list_separator)), DataType::Utf8)
                }
                Some(Origin::Constant(value)) => (literal(value), DataType::Utf8),
                Some(Origin::Column(name)) => {
                    let from = plan.schema.field_with_name(name).map_or(DataType::Utf8, |f| f.data_type().clone());
                    (clean(name, &from), from)
                }
            };
            inner.push(format!("{cell} AS r{index}"));
            let is_list = listed && column.per_item;
            let reading = read(&column, &format!("r{index}"), &from, is_list, &dialect);
            outer.push(format!("{} AS {alias}", reading.value));
            rejections.extend(reading.rejections);
            if is_list && column.name != "item_id" && plan.origins.contains_key("item_id") {
                rejections.push((
                    self.uneven(index, &dialect),
                    format!("{} and item_id are lists of different lengths", column.name),
                ));
            }
        }
        let cases: String =
            rejections.iter().map(|(when, reason)| format!(" WHEN {when} THEN {}", literal(reason))).collect();
        let file = literal(&plan.file.name);
        format!(
            "SELECT {}, {file} AS {FILE}, {LINE}, CASE WHEN {FAULT} IS NOT NULL THEN {FAULT}{cases} END AS {REJECT} \
             FROM (SELECT {}, {line} AS {LINE}, {fault} AS {FAULT} FROM {raw})",
            outer.join(", "),
            inner.join(", "),
        )
    }

    /// When a row lacks a value that another column may stand in for, and what to say then.
    fn unfilled(&self, plan: &Plan<'_>, column: &Column<'_>) -> Option<(String, String)> {
        let Need::Unless(other) = column.need else { return None };
        let cell = |name: &str| {
            let index = self.columns().position(|c| c.name == name)?;
            plan.origins.contains_key(name).then(|| format!("r{index} IS NULL"))
        };
        let (own, other_cell) = (cell(column.name), cell(other));
        let reason = match (&own, &other_cell) {
            (_, None) => format!("{} is empty", column.name),
            _ => format!("both {} and {other} are empty", column.name),
        };
        let empty: Vec<String> = own.into_iter().chain(other_cell).collect();
        Some((empty.join(" AND "), reason)).filter(|(when, _)| !when.is_empty())
    }

    /// Whether the list in column `index` has another length than the list of items.
    fn uneven(&self, index: usize, dialect: &Dialect) -> String {
        let items = self.columns().position(|c| c.name == "item_id").unwrap_or(0);
        let separator = literal(&dialect.list_separator);
        let length = |column: usize| {
            format!("character_length(r{column}) - character_length(replace(r{column}, {separator}, ''))")
        };
        format!("r{index} IS NOT NULL AND {} <> {}", length(index), length(items))
    }
}

pub(super) fn delimiter(source: &Source) -> u8 {
    source.delimiter.as_ref().and_then(|d| d.bytes().next()).unwrap_or(b',')
}

fn no_parquet(file: &DataFile, error: &DataFusionError) -> Error {
    Problem::in_file(&file.path, format!("cannot read this as Parquet: {}", error.strip_backtrace())).into()
}

fn parquet_error(error: datafusion::parquet::errors::ParquetError) -> Error {
    Error::Internal(error.to_string())
}
