//! A few rows of a file with all its columns, as text: for looking at what the columns hold. They live in memory only.

use std::collections::BTreeSet;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::execution::TaskContext;
use datafusion::parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection};
use datafusion::physical_plan::streaming::PartitionStream;
use futures::StreamExt;

use super::columns::LIST;
use super::files::{DataFile, Hash};
use super::loader::delimiter;
use super::text::{self, FAULT, TextFile};
use crate::error::{Error, Problem, Result};
use crate::manifest::{Format, Manifest, Source};
use crate::scan;
use crate::yaml::Document;

/// Where a Parquet file is looked at: this many stretches of rows, evenly over the file.
const STRETCHES: usize = 10;

/// Rows of a file, column by column.
pub struct Sample {
    pub columns: Vec<(String, Vec<String>)>,
    pub rows: u64,
    /// What parts the elements of a cell that is a list.
    pub separator: String,
}

/// At most `rows` rows: a text file's first, a Parquet file's spread over it (it can leave rows out without reading them).
pub async fn sample(source: &Source, file: &DataFile, rows: usize) -> Result<Sample> {
    match file.format {
        Format::Parquet => parquet(file, rows),
        _ => of_text(source, file, rows).await,
    }
}

async fn of_text(source: &Source, file: &DataFile, rows: usize) -> Result<Sample> {
    let mut header = text::header(file, delimiter(source))?;
    let mut seen = BTreeSet::new();
    header.retain(|name| seen.insert(name.clone()));
    let mut columns: Vec<(String, Vec<String>)> = header.iter().map(|name| (name.clone(), Vec::new())).collect();
    let mut text = TextFile::new(file.clone(), delimiter(source), header, Hash::default());
    text.any_text = true;
    let fault = text.schema.index_of(FAULT)?;
    let mut stream = text.execute(Arc::new(TaskContext::default()));
    let mut taken = 0;
    while taken < rows {
        let Some(batch) = stream.next().await else { break };
        let batch = batch?;
        for row in 0..batch.num_rows() {
            if taken == rows {
                break;
            }
            if batch.column(fault).is_valid(row) {
                continue; // It is rejected, and so told elsewhere.
            }
            taken += 1;
            for (index, (_, values)) in columns.iter_mut().enumerate() {
                let cells = batch.column(index).as_string::<i32>();
                if cells.is_valid(row) {
                    values.push(cells.value(row).to_owned());
                }
            }
        }
    }
    let separator = match file.format {
        Format::Csv => source.list_separator.clone().unwrap_or_else(|| "|".into()),
        _ => LIST.into(),
    };
    Ok(Sample { columns, rows: taken as u64, separator })
}

fn parquet(file: &DataFile, rows: usize) -> Result<Sample> {
    let told = |error: &dyn std::fmt::Display| -> Error {
        Problem::in_file(&file.path, format!("cannot read this as Parquet: {error}")).into()
    };
    let open = File::open(&file.path).map_err(|e| Error::io(&file.path, "open", &e))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(open).map_err(|e| told(&e))?;
    let total = usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
    let selection = RowSelection::from_consecutive_ranges(stretches(total, rows).into_iter(), total);
    let mut columns: Vec<(String, Vec<String>)> =
        builder.schema().fields().iter().map(|field| (field.name().clone(), Vec::new())).collect();
    let mut taken = 0;
    for batch in builder.with_row_selection(selection).build().map_err(|e| told(&e))? {
        let batch: RecordBatch = batch.map_err(|e| told(&e))?;
        taken += batch.num_rows() as u64;
        for (array, (_, values)) in batch.columns().iter().zip(&mut columns) {
            texts(array, values).map_err(|e| told(&e))?;
        }
    }
    Ok(Sample { columns, rows: taken, separator: LIST.into() })
}

/// Which rows of `total` to look at, at most `rows` of them.
fn stretches(total: usize, rows: usize) -> Vec<Range<usize>> {
    if total <= rows {
        return std::iter::once(0..total).collect();
    }
    let count = STRETCHES.min(rows.max(1));
    (0..count)
        .map(|i| {
            let length = rows / count + usize::from(i < rows % count);
            let start = (total as u128 * i as u128 / count as u128) as usize;
            start..start + length
        })
        .collect()
}

/// The cells that are not null, as text; the elements of a list parted by [`LIST`].
fn texts(array: &ArrayRef, into: &mut Vec<String>) -> Result<(), ArrowError> {
    let array = match array.data_type() {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            cast(array, &DataType::Utf8)?
        }
        _ => array.clone(),
    };
    let listed =
        matches!(array.data_type(), DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _));
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(&array, &options)?;
    for row in (0..array.len()).filter(|row| array.is_valid(*row)) {
        let text = formatter.value(row).try_to_string()?;
        into.push(if listed { text.trim_matches(['[', ']']).replace(", ", LIST) } else { text });
    }
    Ok(())
}

/// Columns under `declares` that no file of the source has; `known` are all its files' columns, canonical ones included.
pub(super) fn unknown_declared(manifest: &Document<Manifest>, source: &Source, known: &BTreeSet<&str>) -> Vec<Problem> {
    let unknown = source.declares.iter().filter(|(name, _)| !known.contains(name.as_str()));
    unknown
        .map(|(name, category)| {
            let message = format!("`declares` names `{name}`, which is no column of `{}`", *source.path);
            // What is itself a datum is no name to suggest.
            let names = known.iter().filter(|known| scan::told_name(known, 0) == **known);
            manifest.problem(category, message).suggest(name, names)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_lie_within_the_file_and_never_overlap() {
        for (total, rows) in [(0, 5), (5, 5), (6, 5), (100, 7), (101, 100), (1_000_003, 2000), (3, 1)] {
            let stretches = stretches(total, rows);
            assert_eq!(stretches.iter().map(Range::len).sum::<usize>(), total.min(rows), "{total} {rows}");
            assert!(stretches.windows(2).all(|two| two[0].end <= two[1].start), "{stretches:?}");
            assert!(stretches.iter().all(|stretch| stretch.end <= total), "{stretches:?}");
        }
    }
}
