//! What rows become, and which are left out.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float32Array, Float64Array, Int8Array, Int32Array, Int64Array, ListArray, StringArray,
};
use arrow::datatypes::{Float32Type, Float64Type};
use mtmd::data::batch::{Batch, Column, TowerBatch};
use mtmd::data::{Dataset, Parts, Raw, Scan, Vocabularies, Vocabulary};
use mtmd::error::Error;
use mtmd::hash::{hash_int, hash_text, row};
use mtmd::schema::{
    BadRows, Derive, Feature, Index, Input, Kind, Label, Others, Pool, Schema, Standardise, Table,
    Task, Tower, Transform, Value,
};

use crate::fixture::{Folder, Frame, SMALL_STATIC, frame, read, schema};

fn scores(values: [f32; 4]) -> ArrayRef {
    Arc::new(Float32Array::from(values.to_vec()))
}

fn ads(id: i64) -> u32 {
    row(hash_int(id), 100)
}

fn skipping() -> &'static Schema {
    schema(|schema| schema.bad_rows = BadRows::Skip)
}

fn refusal(frame: &Frame) -> String {
    let folder = frame.folder();
    let error = read(&folder.open().unwrap(), 10).unwrap_err();
    assert_eq!(error.exit_code(), 1, "{error}");
    folder.text(&error)
}

fn same(a: &[f32], b: &[f32]) -> bool {
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
fn a_vocabulary_holds_the_most_frequent_values() {
    // Room for 5; "e" twice, "a" to "d" three times, "f" twice, "g" once.
    let users = "abcdabcdabcdeeffg".chars().map(|user| user.to_string());
    let users: Vec<Option<String>> = users.map(Some).chain([None, None, None]).collect();
    let repeat = |name: &str| {
        let arrays: Vec<ArrayRef> = (0..5).map(|_| Arc::clone(&frame().0[name])).collect();
        arrow::compute::concat(&arrays.iter().map(AsRef::as_ref).collect::<Vec<_>>()).unwrap()
    };
    let names: Vec<&'static str> = frame().0.keys().copied().collect();
    let long = names
        .into_iter()
        .fold(frame(), |frame, name| frame.with(name, repeat(name)));
    let long = long.with("user_id", Arc::new(StringArray::from(users)) as ArrayRef);
    let folder = long.folder();
    let learned = folder.open().unwrap().learn(Parts::TRAIN).unwrap();
    let vocabulary = learned.vocabularies.learned().next().unwrap();
    let expected: Vec<Raw> = ["a", "b", "c", "d", "e"]
        .map(|user| Raw::Text(user.into()))
        .to_vec();
    assert_eq!(
        vocabulary,
        &Vocabulary {
            table: "users".to_owned(),
            values: expected,
            unfit: 1,
            rare: 1,
            short: 0
        }
    );
    assert_eq!(learned.vocabularies.row(2, Value::Text("e")), 5);
    assert_eq!(learned.vocabularies.row(2, Value::Text("f")), 0);
}

#[test]
fn vocabularies_survive_json() {
    let learned = frame()
        .folder()
        .open()
        .unwrap()
        .learn(Parts::TRAIN)
        .unwrap();
    let json = learned.vocabularies.to_json().unwrap();
    assert_eq!(
        json,
        r#"{"vocabularies":[{"table":"users","values":["ann"],"unfit":0,"rare":1}],"moments":{}}"#
    );
    assert_eq!(
        Vocabularies::from_json(&SMALL_STATIC, &json).unwrap(),
        learned.vocabularies
    );
}

#[test]
fn vocabularies_of_another_model_are_refused() {
    for (json, cause) in [
        ("[]", "the vocabulary of table `users`: it is missing"),
        ("{", "the vocabularies: "),
        (
            r#"[{"table":"ads","values":[],"unfit":0,"rare":0}]"#,
            "table `ads`: the model's table learns none",
        ),
        (
            r#"[{"table":"users","values":[],"unfit":0,"rare":0},{"table":"x","values":[],"unfit":0,"rare":0}]"#,
            "table `x`",
        ),
        (
            r#"[{"table":"users","values":[1,2,3,4,5,6],"unfit":0,"rare":0}]"#,
            "6 values for a table with room for 5",
        ),
        (
            r#"[{"table":"users","values":[1,1],"unfit":0,"rare":0}]"#,
            "twice",
        ),
    ] {
        let stored = format!(r#"{{"vocabularies":{json},"moments":{{}}}}"#);
        let error = Vocabularies::from_json(&SMALL_STATIC, &stored).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().contains(cause), "{error}");
    }
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
    let schema = schema(|schema| schema.surfaces.others = Others::Skip);
    let (_, report) = read(&unknown.folder().open_as(schema).unwrap(), 10).unwrap();
    assert_eq!(
        (report.surfaces.rows, report.products.rows, report.used),
        (3, 0, 1)
    );
}

/// `ctr` of the small schema, on rows whose `is_seen` is 1, weighted by `share`.
const WEIGHED: [Task; 1] = [Task {
    name: "ctr",
    label: Label::Score("hw_ctr"),
    action: &["is_click"],
    given: None,
    weight: 1.0,
    sample_weight: Some("share"),
    mask: &["is_seen"],
    embedding: 8,
    surfaces: &[0, 1],
    products: &[0, 1],
    place: "line 7",
}];

fn weighed(seen: [Option<i8>; 4], share: [Option<f64>; 4]) -> Folder {
    let seen: ArrayRef = Arc::new(Int8Array::from(seen.to_vec()));
    let share: ArrayRef = Arc::new(Float64Array::from(share.to_vec()));
    frame().with("is_seen", seen).with("share", share).folder()
}

fn open_weighed(folder: &Folder) -> Dataset {
    let schema = schema(|schema| schema.tasks = &WEIGHED);
    folder.open_as(schema).unwrap()
}

#[test]
fn a_mask_hides_labels_and_weights_follow_their_rows() {
    // Row 1 is masked, row 2 has no label: neither needs a weight.
    let folder = weighed(
        [Some(1), Some(0), Some(1), Some(1)],
        [Some(0.5), None, None, Some(3.0)],
    );
    let data = open_weighed(&folder);
    let (batches, report) = read(&data, 10).unwrap();
    assert_eq!((batches.len(), report.used), (1, 4));
    let nan = f32::NAN;
    assert!(same(&batches[0].labels[0], &[0.25, nan, nan, 1.0]));
    assert!(same(&batches[0].actions[0], &[1.0, nan, 1.0, nan]));
    assert!(same(&batches[0].weights[0], &[0.5, 0.0, 0.0, 3.0]));
    let learned = data.learn(Parts::TRAIN).unwrap();
    let ctr = learned.statistics.tasks[0];
    assert_eq!((ctr.rows, ctr.sum), (2, 1.25));
    // (0.5 · 0.25 + 3 · 1) / 3.5
    let p: f64 = 3.125 / 3.5;
    assert!((ctr.bias() - (p / (1.0 - p)).ln()).abs() < 1e-12);
}

#[test]
fn a_label_without_a_sound_weight_is_a_bad_row() {
    let sound = Some(1.0);
    for (share, cause) in [
        (None, "a row with a label must have a weight"),
        (Some(-1.0), "a number from 0 to 1e15, this is -1"),
        (Some(f64::NAN), "this is NaN"),
        (Some(f64::INFINITY), "this is inf"),
    ] {
        let folder = weighed([Some(1); 4], [sound, share, None, sound]);
        let error = read(&open_weighed(&folder), 10).unwrap_err().to_string();
        assert!(
            error.contains("row 1, column `share`") && error.contains(cause),
            "{error}"
        );
    }
    let folder = weighed([Some(1), Some(2), None, Some(1)], [sound; 4]);
    let error = read(&open_weighed(&folder), 10).unwrap_err().to_string();
    assert!(
        error.contains("a mask must be 0 or 1, this is 2"),
        "{error}"
    );
}

const fn read_as(name: &'static str, column: &'static str, kind: Kind) -> Feature {
    Feature {
        name,
        column,
        derive: None,
        kind,
        domains: &[0, 1],
        place: "line 30",
    }
}

const fn of_table(table: usize, input: Input) -> Kind {
    Kind::Embedded {
        table,
        input,
        shallow: false,
    }
}

/// Every way to read an input that the small schema does without.
const INPUTS: [Feature; 6] = [
    read_as(
        "age_group",
        "age",
        of_table(
            0,
            Input::Buckets {
                boundaries: &[0.0, 20.0, 100.0],
                default: None,
            },
        ),
    ),
    read_as(
        "history",
        "history",
        of_table(
            1,
            Input::List {
                pool: Pool::Mean,
                weights: Some("seconds"),
                last: Some(1),
            },
        ),
    ),
    read_as(
        "kind",
        "kind",
        of_table(
            2,
            Input::One {
                default: Some(Value::Text("b")),
            },
        ),
    ),
    read_as(
        "user_id",
        "user_id",
        of_table(3, Input::One { default: None }),
    ),
    read_as(
        "age",
        "age",
        Kind::Number(Transform {
            default: 10.0,
            clip: Some((0.0, 100.0)),
            log: false,
            standardise: Some(Standardise::Learned),
        }),
    ),
    Feature {
        derive: Some(Derive::Length),
        ..read_as(
            "visits",
            "history",
            Kind::Number(Transform {
                default: 0.0,
                clip: None,
                log: false,
                standardise: Some(Standardise::Given {
                    mean: 1.0,
                    std: 2.0,
                }),
            }),
        )
    },
];

const fn indexed(name: &'static str, rows: usize, index: Index, oov: usize) -> Table {
    Table {
        name,
        rows,
        dim: 2,
        index,
        oov,
        embeddings: None,
    }
}

const TABLES: [Table; 4] = [
    indexed("age_group", 5, Index::Buckets, 0),
    indexed("history", 100, Index::Hash, 0),
    indexed(
        "kind",
        5,
        Index::Lines {
            text: "a\nb\n",
            whole: false,
        },
        2,
    ),
    indexed("user_id", 4, Index::Vocabulary { min_count: 2 }, 2),
];

fn every_input(seconds: Vec<Option<Vec<Option<f32>>>>) -> (Folder, Dataset) {
    let seconds = ListArray::from_iter_primitive::<Float32Type, _, _>(seconds);
    let folder = frame()
        .with("seconds", Arc::new(seconds) as ArrayRef)
        .folder();
    let schema = schema(|schema| {
        schema.tables = &TABLES;
        schema.query = &INPUTS;
        schema.item = const { &[read_as("price", "price", PRICE)] };
    });
    let data = folder.open_as(schema).unwrap();
    (folder, data)
}

const PRICE: Kind = Kind::Number(Transform {
    default: 0.0,
    clip: None,
    log: false,
    standardise: None,
});

#[test]
fn every_kind_of_input_by_hand() {
    let weights = |list: &[f32]| Some(list.iter().copied().map(Some).collect());
    let (_folder, data) = every_input(vec![weights(&[1.0, 3.0]), None, None, weights(&[0.0, 2.0])]);
    let (batches, _) = read(&data, 10).unwrap();
    // Feed has rows 0 and 3, search 1 and 2; ages are 20, -3, none and 200.
    let columns = &batches[0].query.columns;
    assert_eq!(columns[0], Column::Ids(vec![3, 1, 0, 4]));
    // The last of two entries; row 3's is missing, and so row 0 of the table.
    let history = Column::Lists {
        offsets: vec![0, 1, 2, 2, 2],
        ids: vec![ads(6), 0],
        weights: vec![3.0, 2.0],
    };
    assert_eq!(columns[1], history);
    // b, a, the unseen z in the last two rows, and the default b.
    let unseen = 3 + (hash_text("z") % 2) as u32;
    assert_eq!(columns[2], Column::Ids(vec![2, 1, unseen, 2]));
    // ann is seen twice and has room, bob is not.
    let unseen = 2 + (hash_text("bob") % 2) as u32;
    assert_eq!(columns[3], Column::Ids(vec![1, 0, unseen, 1]));
    // 20, 0 and 100 are there: mean 40, deviation sqrt(5600 / 3). The missing one is 10.
    let std = (5600.0f64 / 3.0).sqrt();
    let age = [20.0, 0.0, 10.0, 100.0].map(|age: f64| ((age - 40.0) / std) as f32);
    assert_eq!(columns[4], Column::Numbers(age.to_vec()));
    // Lists of 2, 2, none and 0 entries.
    assert_eq!(columns[5], Column::Numbers(vec![0.5, 0.5, -0.5, -0.5]));
    let learned = data.learn(Parts::TRAIN).unwrap().vocabularies;
    let again = Vocabularies::from_json(data.schema(), &learned.to_json().unwrap()).unwrap();
    assert_eq!(again, learned);
    let moments = learned.moments(Tower::Query, "age").unwrap();
    assert_eq!((moments.mean, moments.std), (40.0, std));
    let without =
        r#"{"vocabularies":[{"table":"user_id","values":[],"unfit":0,"rare":0}],"moments":{}}"#;
    let error = Vocabularies::from_json(data.schema(), without).unwrap_err();
    assert!(error.to_string().contains("`query.age`"), "{error}");
}

#[test]
fn weights_that_do_not_fit_their_list_are_bad_rows() {
    let sound = || Some(vec![Some(1.0), Some(1.0)]);
    for (first, cause) in [
        (Some(vec![Some(1.0)]), "1 weights for a list of 2 entries"),
        (None, "0 weights for a list of 2 entries"),
        (Some(vec![Some(1.0), Some(-1.0)]), "this is -1"),
        (Some(vec![Some(f32::NAN), Some(1.0)]), "this is NaN"),
        (Some(vec![None, Some(1.0)]), "a weight is missing"),
    ] {
        let (_folder, data) = every_input(vec![first, None, None, sound()]);
        let error = read(&data, 10).unwrap_err().to_string();
        assert!(
            error.contains("row 0, column `seconds`") && error.contains(cause),
            "{error}"
        );
    }
}
