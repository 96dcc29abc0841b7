//! Consent strings become plain consent records.
//!
//! A log repeats few distinct strings often. Each distinct one is streamed out of the engine, decoded and translated
//! once for each version of the policy, and what it says becomes a table; a join with that table then makes the records,
//! each by the version that held when it was recorded.

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
use crate::evidence::consent_policy::Policies;
use crate::evidence::consent_policy::strings::Translator;
use crate::evidence::table::{FILE, Reject, Table};
use crate::evidence::taxonomy::Taxonomy;
use crate::evidence::text::LINE;

/// Columns of the table of what strings say. A string is there once per statement, or once with a `fault` when it cannot
/// be read, and once more with what was `unread` of it; for each version of the policy, from `since` until `until`.
const TEXTS: [&str; 9] =
    ["string", "purpose", "status", "contexts", "categories", "jurisdiction", "mechanism", "fault", "unread"];
const NUMBERS: [&str; 3] = ["explicit", "since", "until"];

/// Which row of that table speaks for a record.
const SAYS: &str = "r.consent_string = s.string AND r.timestamp >= s.since AND r.timestamp < s.until";

/// Replaces the rows of `consent_records` that hold a string by what the string says. Rows whose string cannot be read
/// are rejected; rows of whose string a part is unread are listed with them, but what was read counts.
pub async fn expand(
    engine: &Engine,
    table: &mut Table,
    policies: Option<&Policies>,
    taxonomy: &Taxonomy,
) -> Result<()> {
    translate(engine, &versions(policies, taxonomy)).await?;
    let found = engine
        .rows(&format!(
            "SELECT r.{FILE} AS {FILE}, r.{LINE} AS {LINE}, \
             CASE WHEN s.string IS NOT NULL THEN coalesce(s.fault, s.unread) ELSE \
             'status and purpose belong together, and one of them is empty' END AS reason FROM consent_records r \
             LEFT JOIN (SELECT * FROM consent_strings WHERE fault IS NOT NULL OR unread IS NOT NULL) s ON {SAYS} \
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
    let rows = format!(
        "(SELECT r.* FROM consent_records r LEFT ANTI JOIN \
         (SELECT string, since, until FROM consent_strings WHERE fault IS NOT NULL) s ON {SAYS} \
         WHERE (r.status IS NULL) = (r.purpose IS NULL))"
    );
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
         SELECT {} FROM {rows} r JOIN consent_strings s ON {SAYS} WHERE s.status IS NOT NULL",
        plain.join(", "),
        said.join(", ")
    )
}

/// A translator, and the times of the records it is for.
struct Version<'a> {
    translator: Translator<'a>,
    since: i64,
    until: i64,
}

/// The first version also speaks for the records before it. Without a policy nothing says what strings mean.
fn versions<'a>(policies: Option<&'a Policies>, taxonomy: &Taxonomy) -> Vec<Version<'a>> {
    let Some(policies) = policies else {
        let translator = Translator::new(None, Vec::new(), taxonomy);
        return vec![Version { translator, since: i64::MIN, until: i64::MAX }];
    };
    let all: Vec<_> = policies.versions().iter().map(|version| version.policy()).collect();
    let version = |index: usize| Version {
        translator: Translator::new(Some(all[index]), all.clone(), taxonomy),
        since: policies.since(index).filter(|_| index > 0).unwrap_or(i64::MIN),
        until: policies.until(index).unwrap_or(i64::MAX),
    };
    (0..all.len()).map(version).collect()
}

/// Makes the table `consent_strings`, one batch of distinct strings at a time.
async fn translate(engine: &Engine, versions: &[Version<'_>]) -> Result<()> {
    let path = engine.scratch("consent_strings.parquet");
    let file = File::create(&path).map_err(|e| Error::io(&path, "write", &e))?;
    let mut writer = ArrowWriter::try_new(file, schema(), None).map_err(parquet_error)?;
    let distinct = "SELECT DISTINCT consent_string FROM consent_records WHERE consent_string IS NOT NULL";
    let mut stream = engine.plan(distinct).await?.execute_stream().await?;
    while let Some(batch) = stream.next().await {
        let strings = cast(batch?.column(0), &DataType::Utf8)?;
        for version in versions {
            let mut rows = Rows::default();
            for string in strings.as_string::<i32>().iter().flatten() {
                rows.string(version, string);
            }
            writer.write(&rows.finish()?).map_err(parquet_error)?;
        }
    }
    writer.close().map_err(parquet_error)?;
    engine.parquet("consent_strings", &path.to_string_lossy()).await
}

fn schema() -> SchemaRef {
    let texts = TEXTS.iter().map(|name| Field::new(*name, DataType::Utf8, true));
    let numbers = NUMBERS.iter().map(|name| Field::new(*name, DataType::Int64, true));
    Arc::new(Schema::new(texts.chain(numbers).collect::<Vec<_>>()))
}

/// Where rows of the table gather.
#[derive(Default)]
struct Rows {
    texts: [StringBuilder; TEXTS.len()],
    numbers: [Int64Builder; NUMBERS.len()],
}

impl Rows {
    /// Adds what a string says by one version of the policy.
    fn string(&mut self, version: &Version<'_>, string: &str) {
        let translation = match version.translator.translate(string) {
            Err(fault) => {
                let texts = [Some(string), None, None, None, None, None, None, Some(fault.as_str()), None];
                return self.row(version, texts, false);
            }
            Ok(translation) => translation,
        };
        let filled = |text: String| Some(text).filter(|text| !text.is_empty());
        let contexts = filled(version.translator.contexts().collect::<Vec<_>>().join(LIST));
        for said in &translation.said {
            let categories = filled(said.categories.join(LIST));
            let texts = [
                Some(string),
                Some(said.purpose.as_str()),
                Some(said.status),
                contexts.as_deref(),
                categories.as_deref(),
                Some(said.jurisdiction.as_str()),
                Some(said.mechanism),
                None,
                None,
            ];
            self.row(version, texts, said.explicit);
        }
        if let Some(unread) = &translation.unread {
            self.row(version, [Some(string), None, None, None, None, None, None, None, Some(unread)], false);
        }
    }

    fn row(&mut self, version: &Version<'_>, texts: [Option<&str>; TEXTS.len()], explicit: bool) {
        for (column, text) in self.texts.iter_mut().zip(texts) {
            column.append_option(text);
        }
        let numbers = [explicit.then_some(1), Some(version.since), Some(version.until)];
        for (column, number) in self.numbers.iter_mut().zip(numbers) {
            column.append_option(number);
        }
    }

    fn finish(mut self) -> Result<RecordBatch> {
        let texts = self.texts.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef);
        let numbers = self.numbers.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef);
        Ok(RecordBatch::try_new(schema(), texts.chain(numbers).collect())?)
    }
}

fn parquet_error(error: ParquetError) -> Error {
    Error::Internal(error.to_string())
}
