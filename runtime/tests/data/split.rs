//! Which part a row is of, and rows of none.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, Date32Array, Float64Array, Int64Array, StringArray, UInt64Array, new_null_array,
};
use arrow_schema::DataType;
use mtmd::data::batch::Batch;
use mtmd::data::{Parts, RowReader, Scan};
use mtmd::hash::{hash_int, mix};
use mtmd::schema::{self, Request, Schema, Split, Value};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::fixture::{Folder, frame, numbered, read, schema, write_as};

/// Days as text: two that train, one that validates and one that tests.
const TEXTS: Split = Split::Column {
    column: schema::text("day"),
    train: schema::list(&[(
        Value::Text(schema::text("2026-01-01")),
        Value::Text(schema::text("2026-01-02")),
    )]),
    validate: schema::list(&[(
        Value::Text(schema::text("2026-01-03")),
        Value::Text(schema::text("2026-01-03")),
    )]),
    test: schema::list(&[(
        Value::Text(schema::text("2026-01-04")),
        Value::Text(schema::text("2026-01-04")),
    )]),
    place: schema::text("line 1"),
};

fn by_text() -> &'static Schema {
    schema(|schema| schema.spec.rows.split = TEXTS)
}

/// Rows of these days, in row groups of three.
fn days(days: ArrayRef) -> Folder {
    let folder = Folder::new(&[]);
    let rows = days.len();
    numbered(0, rows)
        .with("day", days)
        .write_groups(&folder.file("a.parquet"), 3);
    folder
}

fn told(dataset: &RowReader, folder: &Folder) -> String {
    let found = dataset.unassigned().unwrap();
    let text = found.map_or(String::new(), |found| found.to_string());
    text.replace(&format!("{}/", folder.0.path().display()), "")
}

#[test]
fn rows_of_no_part_are_counted_by_their_value() {
    let some = |day: usize| Some(format!("2026-01-0{day}"));
    // The first and last row groups are of one part each, by their statistics.
    let all = [1, 1, 2, 0, 9, 0, 3, 5, 9, 4, 4, 4].map(|day| match day {
        0 => None,
        day => some(day),
    });
    let folder = days(Arc::new(StringArray::from(all.to_vec())));
    let dataset = folder.open_as(by_text()).unwrap();
    let expected = "5 of 12 rows are of no part of the split: \
        `day` is \"2026-01-09\" (2), null (2), \"2026-01-05\" (1), the first in a.parquet, row 3\n\
        help: they are left out; name their values in the spec's `split` if they belong to a part";
    assert_eq!(told(&dataset, &folder), expected);
    let learned = dataset.learn(Parts::TRAIN).unwrap();
    assert_eq!((learned.report.used, learned.report.outside), (3, 9));
    assert_eq!(learned.warnings().len(), 1);
    // The same without statistics.
    let properties = WriterProperties::builder()
        .set_statistics_enabled(EnabledStatistics::None)
        .set_max_row_group_row_count(Some(3));
    let frame = numbered(0, 12).with("day", Arc::new(StringArray::from(all.to_vec())) as ArrayRef);
    write_as(
        &frame.batch(),
        &folder.file("a.parquet"),
        properties.build(),
    );
    assert_eq!(told(&folder.open_as(by_text()).unwrap(), &folder), expected);
}

#[test]
fn where_every_row_has_a_part_nothing_is_said() {
    let all = [1, 2, 3, 4, 4, 1, 2].map(|day| format!("2026-01-0{day}"));
    let folder = days(Arc::new(StringArray::from(all.to_vec())));
    let dataset = folder.open_as(by_text()).unwrap();
    assert_eq!(dataset.unassigned().unwrap(), None);
    // Whole numbers from several ranges, one right after another.
    let folder = days(Arc::new(Int64Array::from(vec![5, 6, 7, 8, 8, 8])));
    assert_eq!(folder.open().unwrap().unassigned().unwrap(), None);
    let hashed = folder.open_as(schema(|schema| schema.spec.rows.split = Split::Hash));
    assert_eq!(hashed.unwrap().unassigned().unwrap(), None);
}

#[test]
fn a_time_of_day_behind_the_day_is_named() {
    let all = [1, 2, 2].map(|day| format!("2026-01-0{day} 10:00:00"));
    let folder = days(Arc::new(StringArray::from(all.to_vec())));
    let dataset = folder.open_as(by_text()).unwrap();
    assert_eq!(
        told(&dataset, &folder),
        "2 of 3 rows are of no part of the split: `day` is \"2026-01-02 10:00:00\" (2), the first in a.parquet, row 1\n\
         help: \"2026-01-02 10:00:00\" comes after \"2026-01-02\", the last value of a range: \
         write the day alone into the column, as a string or a date"
    );
    // Nothing trains at all.
    let all = [2, 3].map(|day| format!("2026-01-0{day} 10:00:00"));
    let folder = days(Arc::new(StringArray::from(all.to_vec())));
    let error = folder
        .open_as(by_text())
        .unwrap()
        .learn(Parts::TRAIN)
        .unwrap_err();
    let text = folder.text(&error);
    assert!(
        text.starts_with("the data to train: no row is of this part; 2 of 2 rows are of no part of the split: `day` is"),
        "{text}"
    );
    assert!(text.contains("write the day alone"), "{text}");
}

#[test]
fn fractions_are_of_no_part_whatever_the_statistics() {
    let values = vec![1.0, 2.5, f64::NAN, 4.0, 9e15, 5.0];
    let folder = days(Arc::new(Float64Array::from(values)));
    let dataset = folder.open().unwrap();
    let text = told(&dataset, &folder);
    assert!(
        text.starts_with(
            "3 of 6 rows are of no part of the split: `day` is 2.5 (1), 9000000000000000 (1), null (1), \
             the first in a.parquet, row 1\n"
        ),
        "{text}"
    );
    assert_eq!(read(&dataset, 10).unwrap().1.used, 3);
}

/// As signed numbers, 2^63 and more are below zero.
#[test]
fn row_groups_of_large_unsigned_numbers_are_read() {
    let most = u64::MAX;
    let folder = days(Arc::new(UInt64Array::from(vec![
        2, most, 1, most, most, most,
    ])));
    let dataset = folder.open().unwrap();
    let (_, report) = read(&dataset, 10).unwrap();
    assert_eq!((report.used, report.outside), (2, 4));
    let text = told(&dataset, &folder);
    assert!(
        text.contains("4 of 6 rows are of no part of the split: `day` is 18446744073709551615 (4)"),
        "{text}"
    );
}

#[test]
fn dates_of_any_year_have_no_other_part() {
    let dates = Date32Array::from(vec![Some(i32::MAX), Some(20_454), Some(i32::MIN), None]);
    let folder = days(Arc::new(dates));
    let dataset = folder.open_as(by_text()).unwrap();
    let text = told(&dataset, &folder);
    // 2026-01-01 is day 20,454.
    assert!(text.starts_with("3 of 4 rows"), "{text}");
    assert!(
        text.contains("null (1)") && text.contains("+5881580-07-11 (1)"),
        "{text}"
    );
}

#[test]
fn a_column_without_any_value_has_no_part() {
    let folder = days(new_null_array(&DataType::Null, 5));
    let error = folder.open().unwrap().learn(Parts::TRAIN).unwrap_err();
    let text = folder.text(&error);
    assert!(
        text.contains("5 of 5 rows are of no part of the split: `day` is null (5)"),
        "{text}"
    );
}

const REQUEST: Request = Request {
    column: schema::text("asked"),
    place: schema::text("line 40"),
};

/// The rows of each part, by file and row.
fn parts(dataset: &RowReader) -> BTreeMap<(u32, u64), usize> {
    let vocabularies = Arc::new(dataset.learn(Parts::TRAIN).unwrap().vocabularies);
    let all = [Parts::TRAIN, Parts::VALIDATE, Parts::TEST];
    let parts = all.into_iter().enumerate().flat_map(|(index, parts)| {
        let scan = Scan {
            parts,
            batch: 64,
            shuffle: None,
            skip: 0,
        };
        let batches = dataset.batches(&vocabularies, scan).unwrap();
        let batches: Vec<Batch> = batches.map(Result::unwrap).collect();
        let origins = batches.into_iter().flat_map(|batch| batch.origins);
        origins.map(move |origin| ((origin.file, origin.row), index))
    });
    parts.collect()
}

/// Rows of one request share surface, user and time: a request in two parts would be known before it is tested.
#[test]
fn a_request_is_of_one_part() {
    const ROWS: usize = 3000;
    let asked = |row: usize| (!row.is_multiple_of(7)).then_some((row / 10) as i64);
    let requests: Int64Array = (0..ROWS).map(asked).collect();
    let numbered = numbered(0, ROWS).with("asked", Arc::new(requests) as ArrayRef);
    let folder = Folder::new(&[("a.parquet", &numbered), ("b.parquet", &numbered)]);
    let schema = schema(|schema| {
        schema.spec.rows.request = Some(REQUEST);
        schema.spec.rows.split = Split::Hash;
    });
    let found = parts(&folder.open_as(schema).unwrap());
    assert_eq!(found.len(), 2 * ROWS);
    let mut counts = [0; 3];
    for ((file, row), part) in &found {
        counts[*part] += 1;
        let hash = match asked(*row as usize) {
            // The same in both files.
            Some(request) => hash_int(request),
            // A row of no request is of a part by its place.
            None => mix(u64::from(*file) + 1).wrapping_add(*row),
        };
        let expected = match mix(hash) % 10 {
            8 => 1,
            9 => 2,
            _ => 0,
        };
        assert_eq!(*part, expected, "{file} {row}");
    }
    let share = |count: usize| count as f64 / (2 * ROWS) as f64;
    assert!((share(counts[0]) - 0.8).abs() < 0.05, "{counts:?}");
    assert!((share(counts[1]) - 0.1).abs() < 0.05, "{counts:?}");
}

#[test]
fn the_small_data_has_no_row_of_no_part() {
    let folder = frame().folder();
    let learned = folder.open().unwrap().learn(Parts::TRAIN).unwrap();
    assert_eq!(learned.warnings(), Vec::<String>::new());
}
