//! The engine: a DataFusion session, a folder for what it works with, and the small tables that come back.
//!
//! Everything that grows with the log is a plan over stock functions, run here. Only small results are collected.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::{DataFrame, ParquetReadOptions, SessionConfig, SessionContext};
use futures::{StreamExt, TryStreamExt};

use crate::error::{Error, Result};

/// Rows that a plan may bring back. A result past it is a fault of the plan: results are small by design.
const MAX_COLLECTED: usize = 5_000_000;

/// What a stage may hold in memory, in bytes, over all its partitions; past it, it is kept on disk. The pool knows nothing
/// of it, and an audit has some forty stages: of little memory each may have a small part only.
const SMALL_STAGE: usize = 32 << 20;
const STAGES: usize = 128;

/// An environment variable: when it is set, every plan tells on stderr what it took.
const TIMINGS: &str = "PROBITY_TIMINGS";

/// A session and its working folder, which disappears with it.
pub struct Engine {
    pub session: SessionContext,
    folder: tempfile::TempDir,
    small_stage: usize,
    timed: bool,
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
        // Stages are written once, read a few times and thrown away: to compress them well would cost more than it saves.
        options.execution.parquet.compression = Some("lz4_raw".into());
        options.execution.parquet.statistics_enabled = Some("chunk".into());
        let timed = std::env::var_os(TIMINGS).is_some();
        let small_stage = SMALL_STAGE.min(memory / STAGES);
        Ok(Self { session: SessionContext::new_with_config_rt(config, runtime), folder, small_stage, timed })
    }

    /// From now on plans are not spread over processors: for few rows, that takes longer than it saves.
    pub fn expect_few_rows(&self) {
        self.session.state_ref().write().config_mut().options_mut().execution.target_partitions = 1;
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

    /// Runs a plan once, keeps its rows, and names them: for what several plans read. Few rows stay in memory, many go to
    /// disk.
    pub async fn stage(&self, name: &str, sql: &str) -> Result<()> {
        self.stage_plan(name, sql).await.map_err(|error| match error {
            Error::Internal(message) => Error::Internal(format!("{message}\nin the plan of `{name}`: {sql}")),
            other => other,
        })
    }

    async fn stage_plan(&self, name: &str, sql: &str) -> Result<()> {
        let clock = Instant::now();
        let plan = self.plan(sql).await?;
        let streams = plan.execute_stream_partitioned().await?;
        let planned = clock.elapsed();
        let Some(first) = streams.first() else { return Err(Error::Internal(format!("`{name}` has no partition"))) };
        // What is known of nulls differs from plan to batch, and says nothing that would be needed.
        let fields = first.schema().fields().clone();
        let fields: Vec<Field> = fields.iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let room = self.small_stage / streams.len().max(1);
        let heads = futures::future::try_join_all(streams.into_iter().map(|stream| {
            let head = tokio::spawn(head(relabelled(stream, schema.clone()), room));
            async move { head.await.map_err(|error| Error::Internal(error.to_string()))? }
        }));
        let heads = heads.await?;
        self.session.deregister_table(name)?;
        if heads.iter().all(|head| head.rest.is_none()) {
            let partitions = heads.into_iter().map(|head| head.batches).collect();
            self.session.register_table(name, Arc::new(MemTable::try_new(schema, partitions)?))?;
        } else {
            let part = |head| -> Arc<dyn PartitionStream> {
                Arc::new(Part { schema: schema.clone(), head: Mutex::new(Some(head)) })
            };
            let parts = heads.into_iter().map(part).collect();
            let rows = StreamingTable::try_new(schema.clone(), parts)?;
            let path = self.scratch(&format!("{name}.parquet")).to_string_lossy().into_owned();
            self.session.read_table(Arc::new(rows))?.write_parquet(&path, DataFrameWriteOptions::new(), None).await?;
            self.parquet(name, &path).await?;
        }
        self.tell(planned, clock.elapsed(), name);
        Ok(())
    }

    /// Says what a plan took, to whoever asked.
    fn tell(&self, planned: Duration, all: Duration, what: &str) {
        if self.timed {
            let (plan, all) = (planned.as_secs_f64() * 1e3, all.as_secs_f64() * 1e3);
            let what: String = what.chars().take(160).collect();
            anstream::eprintln!("{all:9.1} ms, {plan:5.1} of them planning: {what}");
        }
    }

    /// Names a Parquet file or a folder of them.
    pub async fn parquet(&self, name: &str, path: &str) -> Result<()> {
        self.session.deregister_table(name)?;
        Ok(self.session.register_parquet(name, path, ParquetReadOptions::default()).await?)
    }

    /// Names a small table made here.
    pub fn small_table(&self, name: &str, batch: RecordBatch) -> Result<()> {
        self.session.deregister_table(name)?;
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
        self.session.register_table(name, Arc::new(table))?;
        Ok(())
    }

    /// Runs a plan whose result is small and brings it back.
    pub async fn rows(&self, sql: &str) -> Result<Rows> {
        self.rows_or(sql, |error| with_sql(error, sql)).await
    }

    /// As [`Engine::rows`]; `told` puts what fails while it runs into words.
    pub async fn rows_or(&self, sql: &str, told: impl FnOnce(DataFusionError) -> Error) -> Result<Rows> {
        let clock = Instant::now();
        let (state, plan) = self.plan(sql).await?.into_parts();
        let plan = state.create_physical_plan(&plan).await.map_err(|error| with_sql(error, sql))?;
        let planned = clock.elapsed();
        let batches = datafusion::physical_plan::collect(plan, state.task_ctx()).await.map_err(told)?;
        self.tell(planned, clock.elapsed(), sql);
        if batches.iter().map(RecordBatch::num_rows).sum::<usize>() > MAX_COLLECTED {
            return Err(Error::Internal(format!("a result that must be small has over {MAX_COLLECTED} rows: {sql}")));
        }
        Rows::of(&batches)
    }
}

/// The first rows of one partition of a stage, and what did not fit.
struct Head {
    batches: Vec<RecordBatch>,
    rest: Option<SendableRecordBatchStream>,
}

fn relabelled(stream: SendableRecordBatchStream, schema: SchemaRef) -> SendableRecordBatchStream {
    let own = schema.clone();
    let batches = stream.map(move |batch| {
        let batch = batch?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(own.clone(), batch.columns().to_vec(), &options)?)
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}

/// Reads until there is no more, or no more room.
async fn head(mut stream: SendableRecordBatchStream, room: usize) -> Result<Head> {
    let (mut batches, mut bytes) = (Vec::new(), 0);
    while let Some(batch) = stream.try_next().await? {
        bytes += batch.get_array_memory_size();
        batches.push(batch);
        if bytes > room {
            return Ok(Head { batches, rest: Some(stream) });
        }
    }
    Ok(Head { batches, rest: None })
}

/// One partition of a stage on its way to disk. It is read once.
struct Part {
    schema: SchemaRef,
    head: Mutex<Option<Head>>,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Part")
    }
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let head = self.head.lock().ok().and_then(|mut head| head.take());
        let Head { batches, rest } = head.unwrap_or(Head { batches: Vec::new(), rest: None });
        let rest = futures::stream::iter(rest).flatten();
        let rows = futures::stream::iter(batches.into_iter().map(Ok)).chain(rest);
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), rows))
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
