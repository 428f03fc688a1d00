//! What rows become, and which are left out.

use std::sync::Arc;

use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{
    ArrayRef, Float32Array, Float64Array, Int8Array, Int32Array, Int64Array, ListArray, StringArray,
};
use mtmd::data::batch::{Batch, Column, TowerBatch};
use mtmd::data::{Parts, Scan};
use mtmd::error::Error;
use mtmd::hash::{hash_int, row};
use mtmd::schema::{BadRows, Others, Schema};

use crate::fixture::{Folder, Frame, frame, read, schema};

fn scores(values: [f32; 4]) -> ArrayRef {
    Arc::new(Float32Array::from(values.to_vec()))
}

pub fn ads(id: i64) -> u32 {
    row(hash_int(id), 100)
}

fn skipping() -> &'static Schema {
    schema(|schema| schema.spec.rows.bad = BadRows::Skip)
}

fn refusal(frame: &Frame) -> String {
    let folder = frame.folder();
    let error = read(&folder.open().unwrap(), 10).unwrap_err();
    assert_eq!(error.exit_code(), 1, "{error}");
    folder.text(&error)
}

pub fn same(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .all(|(a, b)| a == b || (a.is_nan() && b.is_nan()))
}

#[test]
fn a_batch_by_hand() {
    let (batches, report) = read(&frame().folder().open().unwrap(), 10).unwrap();
    let [batch] = &batches[..] else {
        panic!("{batches:?}")
    };
    assert_eq!((report.read, report.used, report.outside), (4, 4, 0));
    assert_eq!(batch.rows, 4);
    assert_eq!(batch.surface, [0, 1, 1, 0]);
    assert_eq!(batch.product, [0, 1, 0, 1]);
    // Feed has rows 0 and 3, search 1 and 2. `user_id` keeps what is seen twice: "ann" alone.
    let history = Column::Lists {
        offsets: vec![0, 2, 4, 4, 4],
        ids: vec![ads(5), ads(6), ads(7), 0],
        weights: vec![],
    };
    let query = TowerBatch {
        domains: vec![0..2, 2..4],
        order: vec![0, 3, 1, 2],
        shared: None,
        columns: vec![
            history,
            Column::Ids(vec![1, 0, 0, 1]),
            Column::Vectors {
                width: 2,
                values: vec![0.0, 0.0, 0.0, 0.0, 0.5, -0.5, 0.0, 0.0],
            },
            Column::Numbers(vec![20.0, 0.0, 30.0, 100.0]),
        ],
    };
    assert_eq!(batch.query, query);
    // Shop has rows 0 and 2, std 1 and 3, without a price.
    let item = TowerBatch {
        domains: vec![0..2, 2..4],
        order: vec![0, 2, 1, 3],
        shared: None,
        columns: vec![
            Column::Ids(vec![ads(11), 0, ads(12), ads(11)]),
            Column::Ids(vec![2, 0, 0, 1]),
            Column::Lists {
                offsets: vec![0, 1, 1, 3, 3],
                ids: vec![ads(1), ads(2), ads(3)],
                weights: vec![],
            },
            Column::Numbers(vec![0.0, -(8.0f32.ln()), 0.0, 0.0]),
        ],
    };
    assert_eq!(batch.item, item);
    let nan = f32::NAN;
    assert!(
        same(&batch.labels[0], &[0.25, 0.5, nan, 1.0]),
        "{:?}",
        batch.labels
    );
    assert!(
        same(&batch.actions[0], &[1.0, 0.0, 1.0, nan]),
        "{:?}",
        batch.actions
    );
    // `buy` is on shop alone.
    assert!(
        same(&batch.labels[1], &[1.0, nan, 0.0, nan]),
        "{:?}",
        batch.labels
    );
    assert!(
        same(&batch.actions[1], &[1.0, nan, 0.0, nan]),
        "{:?}",
        batch.actions
    );
}

#[test]
fn means_biases_and_cells() {
    let learned = frame()
        .folder()
        .open()
        .unwrap()
        .learn(Parts::TRAIN)
        .unwrap();
    let [ctr, buy] = &learned.statistics.tasks[..] else {
        panic!("two tasks")
    };
    assert_eq!((ctr.rows, ctr.mean()), (3, Some(1.75 / 3.0)));
    let odds = |p: f64| (p / (1.0 - p)).ln();
    assert!((ctr.bias() - odds(1.75 / 3.0)).abs() < 1e-12);
    // The parent's label is missing in row 2, so row 0 alone counts: 1 over 0.25, above 1.
    assert_eq!((buy.rows, buy.mean(), buy.joint_rows), (2, Some(0.5), 1));
    assert!((buy.bias() - odds(1.0 - 1e-6)).abs() < 1e-6);
    assert_eq!(learned.statistics.cells, [[1, 1], [1, 1]]);
    assert_eq!(learned.statistics.rows(), 4);
}

#[test]
fn an_unknown_value_stops_where_the_spec_says_so() {
    let frame = frame().with(
        "surface",
        Arc::new(Int32Array::from(vec![0, 2, 7, 8])) as ArrayRef,
    );
    let text = refusal(&frame);
    assert!(
        text.starts_with("a.parquet, row 2, column `surface`: 7 is the value of no domain (line 3"),
        "{text}"
    );
    let missing = frame.with(
        "surface",
        Arc::new(Int32Array::from(vec![Some(0), None, Some(0), Some(0)])) as ArrayRef,
    );
    assert!(
        refusal(&missing)
            .starts_with("a.parquet, row 1, column `surface`: null is the value of no domain")
    );
}

#[test]
fn unknown_values_are_counted_where_the_spec_skips_them() {
    let products = StringArray::from(vec![Some("new"), None, Some("new"), Some("std")]);
    let folder = frame()
        .with("product", Arc::new(products) as ArrayRef)
        .folder();
    let (batches, report) = read(&folder.open().unwrap(), 10).unwrap();
    assert_eq!(batches[0].rows, 1);
    assert_eq!((report.read, report.used, report.products.rows), (4, 1, 3));
    let text = report.to_string();
    let text = text.replace(&format!("{}/", folder.0.path().display()), "");
    assert_eq!(
        text,
        "1 of 4 rows used (train)\n  3 skipped: `product` is \"new\" (2), null (1), the first in a.parquet, row 0"
    );
}

#[test]
fn a_bad_row_stops_the_run_and_is_named() {
    let list = |rows: Vec<Option<Vec<Option<f32>>>>| -> ArrayRef {
        Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows))
    };
    let vector = |entries: Vec<Option<f32>>| list(vec![None, None, Some(entries), None]);
    let ids = |rows: Vec<Option<Vec<Option<f64>>>>| -> ArrayRef {
        Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(rows))
    };
    let doubles = |values: [f64; 4]| -> ArrayRef { Arc::new(Float64Array::from(values.to_vec())) };
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let cases: Vec<(&str, ArrayRef, &str)> = vec![
        (
            "hw_ctr",
            scores([0.5, f32::NAN, 0.5, 7.0]),
            "row 1, column `hw_ctr`: a label must lie in [0, 1], this is NaN",
        ),
        (
            "hw_ctr",
            scores([0.5, 1.0, 0.5, -0.25]),
            "row 3, column `hw_ctr`: a label must lie in [0, 1], this is -0.25",
        ),
        (
            "hw_ctr",
            doubles([0.5, 1.0, 1.0 + 1e-9, 0.0]),
            "row 2, column `hw_ctr`: a label must lie in [0, 1], this is 1.000000001",
        ),
        (
            "is_click",
            doubles([0.0, 1.0, 0.5, 0.0]),
            "row 2, column `is_click`: an action must be 0 or 1, this is 0.5",
        ),
        (
            "age",
            doubles([1.0, 2.0, nan, 3.0]),
            "row 2, column `age`: a number must be finite, this is NaN",
        ),
        (
            "age",
            doubles([inf, 2.0, nan, 3.0]),
            "row 0, column `age`: a number must be finite, this is inf",
        ),
        (
            "price",
            doubles([1.0, 2.0, nan, 3.0]),
            "row 2, column `price`: a number must be finite, this is NaN",
        ),
        (
            "ad_id",
            doubles([1.0, 2.0, 3.5, 3.0]),
            "row 2, column `ad_id`: an id must be a whole number or a string, this is 3.5",
        ),
        (
            "tags",
            ids(vec![None, Some(vec![Some(1.0), Some(0.1)]), None, None]),
            "row 1, column `tags`: an id must be",
        ),
        (
            "text",
            vector(vec![Some(1.0)]),
            "row 2, column `text`: a vector of 2 entries is needed, this has 1",
        ),
        (
            "text",
            vector(vec![Some(1.0), None]),
            "row 2, column `text`: a vector's entries must be present",
        ),
        (
            "text",
            vector(vec![Some(1.0), Some(f32::NAN)]),
            "row 2, column `text`: a vector's entries must be finite, one is NaN",
        ),
    ];
    for (column, array, expected) in cases {
        let text = refusal(&frame().with(column, array));
        assert!(
            text.starts_with(&format!("a.parquet, {expected}")),
            "{text}"
        );
        assert!(
            text.contains("\nhelp: repair the data, or write `rows { bad skip }`"),
            "{text}"
        );
    }
}

#[test]
fn bad_rows_are_skipped_and_counted_where_the_spec_says_so() {
    let bad = frame()
        .with("hw_ctr", scores([0.5, f32::NAN, 0.5, 7.0]))
        .with(
            "age",
            Arc::new(Float64Array::from(vec![1.0, f64::NAN, f64::INFINITY, 3.0])) as ArrayRef,
        );
    let folder = Folder::new(&[("a.parquet", &frame()), ("b.parquet", &bad)]);
    let (batches, report) = read(&folder.open_as(skipping()).unwrap(), 10).unwrap();
    assert_eq!((report.read, report.used, batches[0].rows), (8, 5, 5));
    let text = folder.text(&Error::data("", report.to_string(), ""));
    assert!(text.contains(
        "5 of 8 rows used (train)\n  \
         1 skipped: bad `age`, the first in b.parquet, row 2, column `age`: a number must be finite, this is inf\n  \
         2 skipped: bad `hw_ctr`, the first in b.parquet, row 1, column `hw_ctr`: a label must lie in [0, 1], this is NaN"
    ), "{text}");
    assert_eq!(batches[0].labels[0][4], 0.5);
}

/// A price of a product without that feature, a label of a cell without that task, a row of another part.
#[test]
fn what_a_row_does_not_use_cannot_be_bad() {
    let ignored = frame()
        .with(
            "price",
            Arc::new(Float64Array::from(vec![1.0, f64::NAN, 1.0, f64::INFINITY])) as ArrayRef,
        )
        .with(
            "is_buy",
            Arc::new(Int8Array::from(vec![0, 9, 0, -1])) as ArrayRef,
        );
    assert_eq!(
        read(&ignored.folder().open().unwrap(), 10).unwrap().1.used,
        4
    );
    let tests = frame()
        .with("hw_ctr", scores([9.0, 0.5, 0.5, 0.5]))
        .with(
            "surface",
            Arc::new(Int32Array::from(vec![77, 0, 0, 0])) as ArrayRef,
        )
        .with(
            "day",
            Arc::new(Int64Array::from(vec![7, 1, 1, 1])) as ArrayRef,
        );
    let (_, report) = read(&tests.folder().open().unwrap(), 10).unwrap();
    assert_eq!((report.used, report.outside), (3, 1));
}

#[test]
fn a_conjunction_knows_what_missing_columns_cannot_change() {
    let actions = frame()
        .with(
            "product",
            Arc::new(StringArray::from(vec!["shop"; 4])) as ArrayRef,
        )
        .with(
            "is_click",
            Arc::new(Int8Array::from(vec![Some(0), None, None, Some(1)])) as ArrayRef,
        )
        .with(
            "is_buy",
            Arc::new(Int8Array::from(vec![None, Some(0), Some(1), None])) as ArrayRef,
        );
    let (batches, _) = read(&actions.folder().open().unwrap(), 10).unwrap();
    assert!(
        same(&batches[0].labels[1], &[0.0, 0.0, f32::NAN, f32::NAN]),
        "{:?}",
        batches[0].labels
    );
}

#[test]
fn no_usable_row_is_an_error_that_says_why() {
    let days = |day: i64| frame().with("day", Arc::new(Int64Array::from(vec![day; 4])) as ArrayRef);
    let text = refusal(&days(99));
    assert!(
        text.starts_with(
            "the data to train: no row is of this part; 4 of 4 rows are of no part of the split: `day` is 99 (4), "
        ),
        "{text}"
    );
    let text = refusal(&days(7));
    assert!(
        text.starts_with("the data to train: no row is of this part; 4 rows are of others"),
        "{text}"
    );
    let products = Arc::new(StringArray::from(vec!["new"; 4])) as ArrayRef;
    let text = refusal(&frame().with("product", products));
    assert!(
        text.contains("no row can be used: 0 of 4 rows used"),
        "{text}"
    );
    assert!(text.contains("`product` is \"new\" (4)"), "{text}");
    // The same at the end of a pass.
    let folder = frame().folder();
    let dataset = folder.open().unwrap();
    let vocabularies = Arc::new(dataset.learn(Parts::TRAIN).unwrap().vocabularies);
    let scan = Scan {
        parts: Parts::TEST,
        batch: 2,
        shuffle: None,
        skip: 0,
    };
    let results: Vec<Result<Batch, Error>> =
        dataset.batches(&vocabularies, scan).unwrap().collect();
    assert!(
        matches!(&results[..], [Err(error)] if error.exit_code() == 1),
        "{results:?}"
    );
}

#[test]
fn an_error_in_the_middle_ends_the_pass() {
    let folder = Folder::new(&[("a.parquet", &frame()), ("b.parquet", &frame())]);
    let good = folder.open().unwrap();
    let vocabularies = Arc::new(good.learn(Parts::TRAIN).unwrap().vocabularies);
    frame()
        .with("hw_ctr", scores([0.5, 2.0, 0.5, 0.5]))
        .write(&folder.file("b.parquet"));
    let scan = Scan {
        parts: Parts::TRAIN,
        batch: 2,
        shuffle: None,
        skip: 0,
    };
    let results: Vec<_> = folder
        .open()
        .unwrap()
        .batches(&vocabularies, scan)
        .unwrap()
        .collect();
    assert!(results.last().unwrap().is_err());
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
}

#[test]
fn skipped_surfaces_are_counted_before_products() {
    let unknown = frame()
        .with(
            "surface",
            Arc::new(Int32Array::from(vec![9, 9, 9, 0])) as ArrayRef,
        )
        .with(
            "product",
            Arc::new(StringArray::from(vec!["new", "std", "std", "std"])) as ArrayRef,
        );
    let schema = schema(|schema| schema.spec.surfaces.others = Others::Skip);
    let (_, report) = read(&unknown.folder().open_as(schema).unwrap(), 10).unwrap();
    assert_eq!(
        (report.surfaces.rows, report.products.rows, report.used),
        (3, 0, 1)
    );
}
