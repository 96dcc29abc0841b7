//! The engine: a DataFusion session, a folder for what it works with, and the small tables that come back.
//!
//! Everything that grows with the log is a plan over stock functions, run here. Only small results are collected.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{DataFrame, ParquetReadOptions, SessionConfig, SessionContext};

use crate::error::{Error, Result};

/// Rows that a plan may bring back. A result past it is a fault of the plan: results are small by design.
const MAX_COLLECTED: usize = 5_000_000;

/// A session and its working folder, which disappears with it.
pub struct Engine {
    pub session: SessionContext,
    folder: tempfile::TempDir,
}

impl Engine {
    /// A session on this machine, with at most `memory` bytes for its plans (past that they spill to disk).
    pub fn embedded(memory: usize) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("probity-")
            .tempdir()
            .map_err(|e| Error::io(std::env::temp_dir(), "make a working folder in", &e))?;
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(memory)))
            .with_temp_file_path(folder.path())
            .build_arc()?;
        let mut config = SessionConfig::new().with_information_schema(false);
        let options = config.options_mut();
        // Names are the user's: `Age_Band` is not `age_band`.
        options.sql_parser.enable_ident_normalization = false;
        options.execution.parquet.pushdown_filters = true;
        options.execution.parquet.schema_force_view_types = true;
        Ok(Self { session: SessionContext::new_with_config_rt(config, runtime), folder })
    }

    /// A new path in the working folder.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A plan, from SQL.
    pub async fn plan(&self, sql: &str) -> Result<DataFrame> {
        self.session.sql(sql).await.map_err(|error| with_sql(error, sql))
    }

    /// Names a plan, so that other plans can read from it.
    pub async fn view(&self, name: &str, sql: &str) -> Result<()> {
        let plan = self.plan(sql).await?;
        self.session.deregister_table(name)?;
        self.session.register_table(name, plan.into_view())?;
        Ok(())
    }

    /// Runs a plan once, keeps its rows on disk, and names them: for what several plans read.
    pub async fn stage(&self, name: &str, sql: &str) -> Result<()> {
        let path = self.scratch(&format!("{name}.parquet"));
        self.stage_plan(name, &path, self.plan(sql).await?).await.map_err(|error| match error {
            Error::Internal(message) => Error::Internal(format!("{message}\nin the plan of `{name}`: {sql}")),
            other => other,
        })
    }

    async fn stage_plan(&self, name: &str, path: &Path, plan: DataFrame) -> Result<()> {
        let schema = plan.schema().as_arrow().clone();
        let text = path.to_string_lossy().into_owned();
        plan.write_parquet(&text, DataFrameWriteOptions::new(), None).await?;
        if !path.exists() {
            // Nothing was written because there was no row.
            let empty = RecordBatch::new_empty(Arc::new(schema));
            return self.small_table(name, empty);
        }
        self.parquet(name, &text).await
    }

    /// Names a Parquet file or a folder of them.
    pub async fn parquet(&self, name: &str, path: &str) -> Result<()> {
        self.session.deregister_table(name)?;
        Ok(self.session.register_parquet(name, path, ParquetReadOptions::default()).await?)
    }

    /// Names a small table made here.
    pub fn small_table(&self, name: &str, batch: RecordBatch) -> Result<()> {
        self.session.deregister_table(name)?;
        let table = datafusion::datasource::MemTable::try_new(batch.schema(), vec![vec![batch]])?;
        self.session.register_table(name, Arc::new(table))?;
        Ok(())
    }

    /// Runs a plan whose result is small and brings it back.
    pub async fn rows(&self, sql: &str) -> Result<Rows> {
        self.rows_or(sql, |error| with_sql(error, sql)).await
    }

    /// As [`Engine::rows`]; `told` puts what fails while it runs into words.
    pub async fn rows_or(&self, sql: &str, told: impl FnOnce(DataFusionError) -> Error) -> Result<Rows> {
        let batches = self.plan(sql).await?.collect().await.map_err(told)?;
        if batches.iter().map(RecordBatch::num_rows).sum::<usize>() > MAX_COLLECTED {
            return Err(Error::Internal(format!("a result that must be small has over {MAX_COLLECTED} rows: {sql}")));
        }
        Rows::of(&batches)
    }
}

fn with_sql(error: DataFusionError, sql: &str) -> Error {
    match Error::from(error) {
        Error::Internal(message) => Error::Internal(format!("{message}\nin the plan: {sql}")),
        invalid => invalid,
    }
}

/// A text as a SQL literal.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name as a SQL identifier.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The small result of a plan, by column name. Integers, floats and texts, each possibly null.
pub struct Rows {
    columns: Vec<(String, Column)>,
    len: usize,
}

enum Column {
    Integer(Vec<Option<i64>>),
    Float(Vec<Option<f64>>),
    Text(Vec<Option<String>>),
}

impl Rows {
    fn of(batches: &[RecordBatch]) -> Result<Self> {
        let len = batches.iter().map(RecordBatch::num_rows).sum();
        let Some(first) = batches.first() else { return Ok(Self { columns: Vec::new(), len }) };
        let mut columns = Vec::new();
        for (index, field) in first.schema().fields().iter().enumerate() {
            let arrays: Vec<&ArrayRef> = batches.iter().map(|batch| batch.column(index)).collect();
            columns.push((field.name().clone(), Column::of(field.data_type(), &arrays)?));
        }
        Ok(Self { columns, len })
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// An integer or boolean (0, 1) cell; None when null or when there is no such column.
    pub fn integer(&self, column: &str, row: usize) -> Option<i64> {
        match self.column(column)? {
            Column::Integer(values) => values.get(row).copied().flatten(),
            _ => None,
        }
    }

    /// An integer cell that counts something.
    pub fn count(&self, column: &str, row: usize) -> u64 {
        self.integer(column, row).and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
    }

    pub fn float(&self, column: &str, row: usize) -> Option<f64> {
        match self.column(column)? {
            Column::Float(values) => values.get(row).copied().flatten(),
            Column::Integer(values) => values.get(row).copied().flatten().map(|n| n as f64),
            Column::Text(_) => None,
        }
    }

    pub fn text(&self, column: &str, row: usize) -> Option<&str> {
        match self.column(column)? {
            Column::Text(values) => values.get(row)?.as_deref(),
            _ => None,
        }
    }

    fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|(column, _)| column == name).map(|(_, column)| column)
    }
}

impl Column {
    fn of(data_type: &DataType, arrays: &[&ArrayRef]) -> Result<Self> {
        let target = match data_type {
            t if t.is_integer() || matches!(t, DataType::Boolean) => DataType::Int64,
            t if t.is_numeric() => DataType::Float64,
            _ => DataType::Utf8,
        };
        let arrays = arrays.iter().map(|array| cast(array, &target)).collect::<Result<Vec<_>, _>>()?;
        let arrays = arrays.iter();
        Ok(match target {
            DataType::Int64 => Self::Integer(arrays.flat_map(|a| a.as_primitive::<Int64Type>().iter()).collect()),
            DataType::Float64 => Self::Float(arrays.flat_map(|a| a.as_primitive::<Float64Type>().iter()).collect()),
            _ => Self::Text(arrays.flat_map(|a| a.as_string::<i32>().iter().map(|v| v.map(str::to_owned))).collect()),
        })
    }
}

/// Times inside plans are microseconds since 1970, UTC; in facts they are RFC 3339 texts to the microsecond.
pub fn rfc3339(microseconds: i64) -> String {
    chrono::DateTime::from_timestamp_micros(microseconds)
        .map_or_else(|| microseconds.to_string(), |t| t.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
}

/// Half of the machine's memory, in bytes; 2 GiB where that cannot be known. The process uses about twice the pool, so
/// the pool gets half of that again.
pub fn default_memory() -> usize {
    const FALLBACK: usize = 2 << 30;
    let total = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?.to_owned();
        line.split_whitespace().nth(1)?.parse::<usize>().ok()
    });
    total.map_or(FALLBACK, |kibibytes| kibibytes / 4 * 1024)
}
