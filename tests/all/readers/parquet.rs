//! The log as Parquet, with the types that warehouses write.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, BooleanBuilder, Decimal128Array, Float64Array, Float64Builder, Int32Array, Int64Array,
    LargeStringArray, ListBuilder, RecordBatch, StringArray, StringBuilder, StringDictionaryBuilder,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
};
use datafusion::arrow::datatypes::Int32Type;
use datafusion::parquet::arrow::ArrowWriter;

use super::{measured, plain, same, whoever};
use crate::support::{Audit, Impression, PEOPLE, decisions, log, rfc3339, subject};

type Columns = Vec<(&'static str, ArrayRef)>;

fn write(columns: Columns) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
    bytes
}

fn texts<'a>(rows: &'a [Impression], of: impl Fn(&'a Impression) -> &'a str) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(rows.iter().map(of)))
}

fn columns(rows: &[Impression]) -> Columns {
    let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.at)).with_timezone("UTC");
    vec![
        ("request_id", texts(rows, |row| &row.request)),
        ("timestamp", Arc::new(times)),
        ("subject_id", texts(rows, |row| &row.subject)),
        ("item_id", texts(rows, |row| &row.item)),
        ("position", Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.position as i32)))),
        ("strategy", texts(rows, |row| row.strategy)),
        ("clicked", Arc::new(BooleanArray::from_iter(rows.iter().map(|row| Some(row.clicked))))),
        ("revenue", Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.revenue as f64 / 100.0)))),
    ]
}

/// A row per impression.
pub fn impressions(rows: &[Impression]) -> Vec<u8> {
    write(columns(rows))
}

/// The log with one column as another array.
fn with(name: &str, array: impl Fn(&[Impression]) -> ArrayRef) -> Vec<u8> {
    let rows = log();
    let mut columns = columns(&rows);
    let column = columns.iter_mut().find(|(column, _)| *column == name).expect("the column");
    column.1 = array(&rows);
    write(columns)
}

#[track_caller]
fn reads_the_same(bytes: &[u8]) {
    same(&[("log.parquet", bytes)], "path: log.parquet");
}

#[test]
fn typed_columns_read_the_same() {
    reads_the_same(&impressions(&log()));
    reads_the_same(&with("clicked", |rows| {
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| i64::from(row.clicked))))
    }));
    reads_the_same(&with("clicked", |rows| {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| if row.clicked { "Yes" } else { "No" })))
    }));
    reads_the_same(&with("revenue", |rows| {
        let cents = Decimal128Array::from_iter_values(rows.iter().map(|row| i128::from(row.revenue)));
        Arc::new(cents.with_precision_and_scale(12, 2).expect("a decimal"))
    }));
    reads_the_same(&with("subject_id", |rows| {
        Arc::new(LargeStringArray::from_iter_values(rows.iter().map(|row| &row.subject)))
    }));
    reads_the_same(&with("strategy", |rows| {
        let mut words = StringDictionaryBuilder::<Int32Type>::new();
        rows.iter().for_each(|row| words.append_value(row.strategy));
        Arc::new(words.finish())
    }));
}

#[test]
fn times_of_every_unit_and_zone_are_the_same_instants() {
    let at =
        |factor: fn(i64) -> i64| move |rows: &[Impression]| rows.iter().map(|row| factor(row.at)).collect::<Vec<_>>();
    let (milliseconds, nanoseconds) = (at(|t| t / 1000), at(|t| t * 1000));
    reads_the_same(&with("timestamp", |rows| {
        Arc::new(TimestampMillisecondArray::from(milliseconds(rows)).with_timezone("Europe/Berlin"))
    }));
    reads_the_same(&with("timestamp", |rows| {
        Arc::new(TimestampNanosecondArray::from(nanoseconds(rows)).with_timezone("-05:00"))
    }));
    reads_the_same(&with("timestamp", |rows| {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| rfc3339(row.at))))
    }));
}

#[test]
fn times_without_zone_need_one() {
    // Berlin's wall clock goes from +01:00 to +02:00 on 29 March 2026 at 01:00 UTC.
    let wall = |at: i64| at + if at < 1_774_746_000_000_000 { 3_600_000_000 } else { 7_200_000_000 };
    let local = with("timestamp", |rows| {
        Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| wall(row.at))))
    });
    let audit = Audit::new().with("log.parquet", &local).source("path: log.parquet");
    audit.run().refused(&["log.parquet:1: timestamp has no time zone", "state `time_zone:`"]);
    same(&[("log.parquet", &local)], "path: log.parquet\n    time_zone: Europe/Berlin");
    let number = with("timestamp", |rows| Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.at))));
    let audit = Audit::new().with("log.parquet", number).source("path: log.parquet");
    audit.run().refused(&["log.parquet:1: timestamp is not a time like 2026-03-01T10:00:00Z"]);
}

#[test]
fn whole_numbers_as_ids_are_texts_without_zeros() {
    let number = |row: &Impression| 1000 + row.subject[5..8].parse::<i64>().expect("a number");
    let bytes = with("subject_id", |rows| Arc::new(Int64Array::from_iter_values(rows.iter().map(number))));
    let numbered = |name: &str| {
        let rename = |text: String, person: u32| text.replace(&subject(person), &(1000 + person).to_string());
        (0..80).fold(Audit::new().text(name), rename)
    };
    assert!(!numbered("consent.csv").contains(PEOPLE));
    let audit =
        Audit::new().with("subjects.csv", numbered("subjects.csv")).with("consent.csv", numbered("consent.csv"));
    let record = audit.with("log.parquet", bytes).source("path: log.parquet").run().audited(0);
    assert_eq!(whoever(measured(&record)), whoever(plain()));
}

#[test]
fn rows_that_cannot_be_read_are_rejected_by_their_number() {
    let bytes = with("revenue", |rows| {
        let amount =
            |(index, row): (usize, &Impression)| if index == 6 { f64::NAN } else { row.revenue as f64 / 100.0 };
        Arc::new(Float64Array::from_iter_values(rows.iter().enumerate().map(amount)))
    });
    let audit = || Audit::new().with("log.parquet", &bytes).source("path: log.parquet");
    audit().run().refused(&["log.parquet:7: revenue is not a finite amount up to 1e12"]);
    let run = audit().max_rejected("0.01").run();
    run.audited(0);
    assert_eq!(run.rejected(), ["log.parquet:7: revenue is not a finite amount up to 1e12"]);
    let text = with("timestamp", |rows| {
        let time = |(index, row): (usize, &Impression)| if index == 2 { "soon".to_owned() } else { rfc3339(row.at) };
        Arc::new(StringArray::from_iter_values(rows.iter().enumerate().map(time)))
    });
    let run = Audit::new().with("log.parquet", text).source("path: log.parquet").max_rejected("0.01").run();
    run.audited(0);
    assert_eq!(run.rejected(), ["log.parquet:3: timestamp is not a time like 2026-03-01T10:00:00Z"]);
    let twice: Vec<Impression> = log().into_iter().chain([log()[3].clone()]).collect();
    let run =
        Audit::new().with("log.parquet", impressions(&twice)).source("path: log.parquet").max_rejected("0.01").run();
    run.audited(0);
    assert_eq!(run.rejected(), ["log.parquet:481: repeats an earlier row with the same item and position"]);
}

/// A plan that looks at some rows only must not lose the numbers by which rejected ones are left out.
#[test]
fn measures_of_some_rows_do_without_the_rejected_ones() {
    let measured = |rows: &[Impression]| {
        let audit = Audit::new().with("log.parquet", impressions(rows)).max_rejected("0.01");
        let audit = audit.source("path: log.parquet\n    columns: { relevant: clicked }");
        let metrics = "  min_cell: 10\n  metrics: [click, ndcg]\n  cutoff: 2\n";
        let run = audit.replacing("audit.yaml", "  min_cell: 10\n", metrics).run();
        let record = run.record();
        let facts = record["facts"].as_array().expect("facts").iter();
        (run.rejected().len(), facts.filter(|fact| fact["metric"] == "ndcg@2").cloned().collect())
    };
    let twice: Vec<Impression> = log().into_iter().chain([log()[3].clone()]).collect();
    let (none, expected): (usize, Vec<serde_json::Value>) = measured(&log());
    let (one, found) = measured(&twice);
    assert_eq!((none, one), (0, 1));
    assert!(expected.iter().any(|fact| fact["comparison"] == "compared"), "{expected:?}");
    assert_eq!(found, expected);
}

#[test]
fn list_columns_hold_the_items_of_a_decision() {
    let rows = log();
    let decisions = decisions(&rows);
    let of = |text: fn(&Impression) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(decisions.iter().map(|rows| text(&rows[0]))))
    };
    let mut items = ListBuilder::new(StringBuilder::new());
    let mut clicks = ListBuilder::new(BooleanBuilder::new());
    let mut revenue = ListBuilder::new(Float64Builder::new());
    for decision in &decisions {
        items.append_value(decision.iter().map(|row| Some(&row.item)));
        clicks.append_value(decision.iter().map(|row| Some(row.clicked)));
        revenue.append_value(decision.iter().map(|row| Some(row.revenue as f64 / 100.0)));
    }
    let times = TimestampMicrosecondArray::from_iter_values(decisions.iter().map(|rows| rows[0].at));
    let bytes = write(vec![
        ("request_id", of(|row| &row.request)),
        ("timestamp", Arc::new(times.with_timezone("UTC"))),
        ("subject_id", of(|row| &row.subject)),
        ("strategy", of(|row| row.strategy)),
        ("item_id", Arc::new(items.finish())),
        ("clicked", Arc::new(clicks.finish())),
        ("revenue", Arc::new(revenue.finish())),
    ]);
    same(&[("log.parquet", &bytes)], "path: log.parquet\n    layout: decisions");
}

#[test]
fn names_of_files_are_taken_as_they_are() {
    for name in ["a log.parquet", "log [1] 50%.parquet", "log#2?.parquet"] {
        same(&[(name, &impressions(&log()))], &format!("path: '{name}'"));
    }
    let rows = log();
    let files: [(&str, &[u8]); 2] = [
        ("log/year=2026/a.parquet", &impressions(&rows[..240])),
        ("log/year=2027/b.parquet", &impressions(&rows[240..])),
    ];
    same(&files, "path: log");
}
