//! Rows for `inputs.mtmd` with every edge of the encoding.

use std::sync::Arc;

use arrow_array::builder::{Float32Builder, Int64Builder, ListBuilder, StringBuilder};
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float32Array, Float64Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray, UInt64Array,
};

/// Rows of the batch.
const ROWS: usize = 240;

/// Goes through values again and again; each column by a step of its own, so that the edges meet.
fn cycle<T: Clone, A: FromIterator<T> + 'static>(step: usize, values: &[T]) -> A {
    let place = |row: usize| (row * step + row / values.len()) % values.len();
    (0..ROWS).map(|row| values[place(row)].clone()).collect()
}

/// All rows.
pub fn rows() -> RecordBatch {
    let texts = ["", "a", "é", "日本語", "a", "rare one", "naïve"].map(Some);
    let texts: Vec<_> = texts.into_iter().chain([None]).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        // 5 and a missing value belong to no surface.
        (
            "surface",
            Arc::new(cycle::<_, Int64Array>(
                1,
                &[Some(0), Some(1), Some(7), Some(5), None],
            )),
        ),
        (
            "product",
            Arc::new(cycle::<_, StringArray>(
                1,
                &[Some("std"), Some("vid"), Some(""), Some("x")],
            )),
        ),
        (
            "clicked",
            Arc::new(cycle::<_, Int64Array>(1, &[Some(1), Some(0)])),
        ),
        (
            "bought",
            Arc::new(cycle::<_, Int64Array>(1, &[Some(0), Some(1), None])),
        ),
        (
            "big",
            Arc::new(cycle::<_, UInt64Array>(
                1,
                &[
                    Some(7),
                    Some(u64::MAX),
                    Some(1 << 63),
                    None,
                    Some(0),
                    Some(u64::MAX - 6),
                ],
            )),
        ),
        (
            "floated",
            Arc::new(cycle::<_, Float64Array>(
                1,
                &[
                    Some(3.0),
                    Some(-0.0),
                    Some(f64::NAN),
                    None,
                    Some(-17.0),
                    Some(9_007_199_254_740_991.0),
                ],
            )),
        ),
        (
            "flag",
            Arc::new(cycle::<_, BooleanArray>(
                1,
                &[Some(true), Some(false), None],
            )),
        ),
        ("word", Arc::new(cycle::<_, StringArray>(1, &texts))),
        (
            "age",
            Arc::new(cycle::<_, Float64Array>(
                1,
                &[Some(31.5), Some(3.0), None, Some(1e12), Some(-4.0)],
            )),
        ),
        (
            "signed",
            Arc::new(cycle::<_, Float32Array>(
                1,
                &[
                    Some(-1.0),
                    Some(0.0),
                    Some(2.5),
                    None,
                    Some(-0.0),
                    Some(2.499_999),
                    Some(-1e9),
                    Some(1e9),
                ],
            )),
        ),
        (
            "stamp",
            Arc::new(cycle::<_, TimestampMicrosecondArray>(
                1,
                &[Some(1_650_895_199_999_999), Some(-1), None, Some(0)],
            )),
        ),
        (
            "date",
            Arc::new(cycle::<_, Date32Array>(
                1,
                &[
                    Some(0),
                    Some(19_107),
                    Some(-1),
                    None,
                    Some(-719_162),
                    Some(2_932_896),
                ],
            )),
        ),
        (
            "counted",
            Arc::new(cycle::<_, Int64Array>(
                1,
                &[Some(1_650_895_199_999), None, Some(-1)],
            )),
        ),
        (
            "late",
            Arc::new(cycle::<_, Float64Array>(
                1,
                &[Some(1.7e9), Some(-0.5), Some(f64::NAN), None],
            )),
        ),
        (
            "ad",
            Arc::new(cycle::<_, Int64Array>(
                7,
                &(0..40).map(|ad| Some(ad % 23)).collect::<Vec<_>>(),
            )),
        ),
        (
            "price",
            Arc::new(cycle::<_, Int64Array>(
                1,
                &[Some(10), None, Some(0), Some(-3)],
            )),
        ),
    ];
    let lists = lists().into_iter();
    RecordBatch::try_from_iter_with_nullable(
        columns
            .into_iter()
            .chain(lists)
            .map(|(name, array)| (name, array, true)),
    )
    .expect("columns of one length")
}

/// The columns that are lists.
fn lists() -> Vec<(&'static str, ArrayRef)> {
    let floats = || ListBuilder::new(Float32Builder::new());
    let (mut seen_for, mut picture) = (floats(), floats());
    let mut seen = ListBuilder::new(StringBuilder::new());
    let mut terms = ListBuilder::new(Int64Builder::new());
    // A list that is missing has no weight either; weights of 0 alone, and tiny ones; entries that are missing or unseen.
    let pairs: Vec<(Vec<Option<&str>>, Vec<f32>)> = vec![
        (
            vec![Some("a"), Some("é"), None, Some("a")],
            vec![1.0, 2.0, 3.0, 0.25],
        ),
        (vec![], vec![]),
        (vec![Some("a"), Some("")], vec![0.0, 0.0]),
        (vec![Some("é")], vec![1e-40]),
        (vec![None, None], vec![1.0, 1.0]),
        (
            vec![
                Some("a"),
                Some("日本語"),
                Some("never"),
                Some("é"),
                Some("a"),
            ],
            vec![0.0, 5.0, 0.5, 0.0, 1e6],
        ),
    ];
    let ids: [Option<&[Option<i64>]>; 5] = [
        Some(&[Some(1), Some(2), None]),
        None,
        Some(&[]),
        Some(&[Some(-5), Some(i64::MIN), Some(i64::MAX)]),
        Some(&[None]),
    ];
    for row in 0..ROWS {
        match pairs.get(row % (pairs.len() + 1)) {
            None => {
                seen.append(false);
                seen_for.append(false);
            }
            Some((entries, weights)) => {
                seen.append_value(entries.iter().copied());
                seen_for.append_value(weights.iter().copied().map(Some));
            }
        }
        match ids[row % ids.len()] {
            None => terms.append(false),
            Some(entries) => terms.append_value(entries.iter().copied()),
        }
        match row % 4 {
            0 => picture.append(false),
            other => picture.append_value([0.5, -1.0, other as f32].map(Some)),
        }
    }
    vec![
        ("seen", Arc::new(seen.finish())),
        ("seen_for", Arc::new(seen_for.finish())),
        ("terms", Arc::new(terms.finish())),
        ("picture", Arc::new(picture.finish())),
    ]
}
