//! Consent strings become plain consent records.
//!
//! A log repeats few distinct strings often. Each distinct one is streamed out of the engine, decoded and translated
//! once, and what it says becomes a table; a join with that table then makes the records.

use std::fs::File;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Int64Builder, RecordBatch, StringBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::errors::ParquetError;
use futures::StreamExt;

use crate::engine::{Engine, quoted};
use crate::error::{Error, Result};
use crate::evidence::columns::{LIST, Role};
use crate::evidence::consent_policy::ConsentPolicy;
use crate::evidence::consent_policy::strings::Translator;
use crate::evidence::table::{FILE, Reject, Table};
use crate::evidence::taxonomy::Taxonomy;
use crate::evidence::text::LINE;

/// Columns of the table of what strings say. A string is there once per statement, and once more with a `fault` when it
/// cannot be read, or with what was `unread` of it.
const TEXTS: [&str; 8] =
    ["string", "purpose", "status", "contexts", "categories", "jurisdiction", "mechanism", "fault"];
const UNREAD: &str = "unread";

/// Replaces the rows of `consent_records` that hold a string by what the string says. Rows whose string cannot be read
/// are rejected; rows of whose string a part is unread are listed with them, but what was read counts.
pub async fn expand(
    engine: &Engine,
    table: &mut Table,
    policy: Option<&ConsentPolicy>,
    taxonomy: &Taxonomy,
) -> Result<()> {
    let translator = Translator::new(policy, taxonomy);
    translate(engine, &translator).await?;
    let found = engine
        .rows(&format!(
            "SELECT r.{FILE} AS {FILE}, r.{LINE} AS {LINE}, \
             CASE WHEN s.string IS NOT NULL THEN coalesce(s.fault, s.{UNREAD}) ELSE \
             'status and purpose belong together, and one of them is empty' END AS reason FROM consent_records r \
             LEFT JOIN (SELECT * FROM consent_strings WHERE fault IS NOT NULL OR {UNREAD} IS NOT NULL) s \
             ON r.consent_string = s.string \
             WHERE s.string IS NOT NULL OR (r.status IS NULL) <> (r.purpose IS NULL) ORDER BY {FILE}, {LINE}"
        ))
        .await?;
    let reject = |row| Reject {
        file: found.text(FILE, row).unwrap_or_default().to_owned(),
        line: found.count(LINE, row),
        reason: found.text("reason", row).unwrap_or_default().to_owned(),
    };
    table.reject((0..found.len()).map(reject).collect());
    engine.view("consent_records", &records_sql()).await
}

/// The plain rows, and those that strings make.
fn records_sql() -> String {
    let rows = "(SELECT r.* FROM consent_records r LEFT ANTI JOIN \
                (SELECT string FROM consent_strings WHERE fault IS NOT NULL) f ON r.consent_string = f.string \
                WHERE (r.status IS NULL) = (r.purpose IS NULL))";
    let columns = Role::ConsentRecords.columns().iter().map(|column| quoted(column.name));
    let plain: Vec<String> = columns.chain([FILE.to_owned(), LINE.to_owned()]).collect();
    let said: Vec<String> = plain
        .iter()
        .map(|name| match name.trim_matches('"') {
            "purpose" | "status" | "mechanism" => format!("s.{name} AS {name}"),
            // What a record states beside its string about where and to what it applies is nearer than the policy.
            "contexts" | "jurisdiction" => format!("coalesce(r.{name}, s.{name}) AS {name}"),
            "categories" | "explicit" => format!("coalesce(s.{name}, r.{name}) AS {name}"),
            _ => format!("r.{name} AS {name}"),
        })
        .collect();
    format!(
        "SELECT {} FROM {rows} r WHERE r.status IS NOT NULL UNION ALL \
         SELECT {} FROM {rows} r JOIN consent_strings s ON r.consent_string = s.string WHERE s.status IS NOT NULL",
        plain.join(", "),
        said.join(", ")
    )
}

/// Makes the table `consent_strings`, one batch of distinct strings at a time.
async fn translate(engine: &Engine, translator: &Translator<'_>) -> Result<()> {
    let contexts = translator.contexts().collect::<Vec<_>>().join(LIST);
    let contexts = Some(contexts.as_str()).filter(|contexts| !contexts.is_empty());
    let path = engine.scratch("consent_strings.parquet");
    let file = File::create(&path).map_err(|e| Error::io(&path, "write", &e))?;
    let mut writer = ArrowWriter::try_new(file, schema(), None).map_err(parquet_error)?;
    let distinct = "SELECT DISTINCT consent_string FROM consent_records WHERE consent_string IS NOT NULL";
    let mut stream = engine.plan(distinct).await?.execute_stream().await?;
    while let Some(batch) = stream.next().await {
        let strings = cast(batch?.column(0), &DataType::Utf8)?;
        let mut rows = Rows::default();
        for string in strings.as_string::<i32>().iter().flatten() {
            match translator.translate(string) {
                Err(fault) => rows.add([Some(string), None, None, None, None, None, None, Some(&fault)], None, None),
                Ok(translation) => {
                    for said in &translation.said {
                        let categories = said.categories.join(LIST);
                        let texts = [
                            Some(string),
                            Some(&said.purpose),
                            Some(said.status),
                            contexts,
                            Some(categories.as_str()).filter(|text| !text.is_empty()),
                            Some(&said.jurisdiction),
                            Some(said.mechanism),
                            None,
                        ];
                        rows.add(texts, said.explicit.then_some(1), None);
                    }
                    if let Some(unread) = &translation.unread {
                        rows.add([Some(string), None, None, None, None, None, None, None], None, Some(unread));
                    }
                }
            }
        }
        writer.write(&rows.finish()?).map_err(parquet_error)?;
    }
    writer.close().map_err(parquet_error)?;
    engine.parquet("consent_strings", &path.to_string_lossy()).await
}

fn schema() -> SchemaRef {
    let texts = TEXTS.iter().map(|name| Field::new(*name, DataType::Utf8, true));
    let rest = [Field::new("explicit", DataType::Int64, true), Field::new(UNREAD, DataType::Utf8, true)];
    Arc::new(Schema::new(texts.chain(rest).collect::<Vec<_>>()))
}

#[derive(Default)]
struct Rows {
    texts: [StringBuilder; TEXTS.len()],
    explicit: Int64Builder,
    unread: StringBuilder,
}

impl Rows {
    fn add(&mut self, texts: [Option<&str>; TEXTS.len()], explicit: Option<i64>, unread: Option<&str>) {
        for (column, text) in self.texts.iter_mut().zip(texts) {
            column.append_option(text);
        }
        self.explicit.append_option(explicit);
        self.unread.append_option(unread);
    }

    fn finish(mut self) -> Result<RecordBatch> {
        let texts = self.texts.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef);
        let rest: [ArrayRef; 2] = [Arc::new(self.explicit.finish()), Arc::new(self.unread.finish())];
        Ok(RecordBatch::try_new(schema(), texts.chain(rest).collect())?)
    }
}

fn parquet_error(error: ParquetError) -> Error {
    Error::Internal(error.to_string())
}
