//! Masks and weights of labels, and every way to read an input.

use std::sync::Arc;

use arrow_array::types::Float32Type;
use arrow_array::{ArrayRef, Float64Array, Int8Array, ListArray};
use mtmd::data::batch::Column;
use mtmd::data::{Parts, RowReader};
use mtmd::hash::hash_text;
use mtmd::schema::{
    Derive, DomainSet, Feature, FeatureKind, Index, Input, Label, Pool, Standardise, Table,
    TableId, Task, Tower, Transform, Value, list, text,
};
use mtmd::vocab::Vocabularies;

use crate::fixture::{Folder, frame, read, schema};
use crate::rows::{ads, same};

/// `ctr` of the small schema, on rows whose `is_seen` is 1, weighted by `share`.
fn weighed_task() -> Task {
    Task {
        name: text("ctr"),
        label: Label::Score(text("hw_ctr")),
        action: list(&[text("is_click")]),
        given: None,
        weight: 1.0,
        sample_weight: Some(text("share")),
        mask: list(&[text("is_seen")]),
        embedding: 8,
        surfaces: DomainSet::first::<2>(),
        products: DomainSet::first::<2>(),
        doc: text(""),
        place: text("line 7"),
    }
}

fn weighed(seen: [Option<i8>; 4], share: [Option<f64>; 4]) -> Folder {
    let seen: ArrayRef = Arc::new(Int8Array::from(seen.to_vec()));
    let share: ArrayRef = Arc::new(Float64Array::from(share.to_vec()));
    frame().with("is_seen", seen).with("share", share).folder()
}

fn open_weighed(folder: &Folder) -> RowReader {
    let schema = schema(|schema| schema.spec.tasks = vec![weighed_task()].into());
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

fn read_as(name: &'static str, column: &'static str, kind: FeatureKind) -> Feature {
    Feature {
        name: text(name),
        column: text(column),
        derive: None,
        kind,
        domains: DomainSet::first::<2>(),
        doc: text(""),
        place: text("line 30"),
    }
}

fn of_table(table: usize, input: Input) -> FeatureKind {
    FeatureKind::Embedded {
        table: TableId(table),
        input,
        shallow: false,
    }
}

/// Every way to read an input that the small schema does without.
fn every_feature() -> Vec<Feature> {
    vec![
        read_as(
            "age_group",
            "age",
            of_table(
                0,
                Input::Buckets {
                    boundaries: list(&[0.0, 20.0, 100.0]),
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
                    weights: Some(text("seconds")),
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
                    default: Some(Value::Text(text("b"))),
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
            FeatureKind::Number(Transform {
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
                FeatureKind::Number(Transform {
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
    ]
}

fn indexed(name: &'static str, rows: usize, index: Index, oov: usize) -> Table {
    Table {
        name: text(name),
        rows,
        dim: 2,
        index,
        oov,
        embeddings: None,
        shared: false,
        doc: text(""),
    }
}

fn every_table() -> Vec<Table> {
    vec![
        indexed("age_group", 5, Index::Buckets, 0),
        indexed("history", 100, Index::Hash, 0),
        indexed(
            "kind",
            5,
            Index::Lines {
                file: text("kinds.txt"),
                whole: false,
                lines: text("a\nb\n"),
            },
            2,
        ),
        indexed("user_id", 4, Index::Vocabulary { min_count: 2 }, 2),
    ]
}

fn every_input(seconds: Vec<Option<Vec<Option<f32>>>>) -> (Folder, RowReader) {
    let seconds = ListArray::from_iter_primitive::<Float32Type, _, _>(seconds);
    let folder = frame()
        .with("seconds", Arc::new(seconds) as ArrayRef)
        .folder();
    let schema = schema(|schema| {
        schema.spec.tables = every_table().into();
        schema.spec.query = every_feature().into();
        schema.spec.item = vec![read_as("price", "price", PRICE)].into();
    });
    let data = folder.open_as(schema).unwrap();
    (folder, data)
}

const PRICE: FeatureKind = FeatureKind::Number(Transform::DEFAULT);

#[test]
fn every_kind_of_input_by_hand() {
    let weights = |given: &[f32]| Some(given.iter().copied().map(Some).collect());
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
