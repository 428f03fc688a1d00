//! What the first pass measures of numbers and vectors.

use std::sync::Arc;

use arrow_array::types::Float32Type;
use arrow_array::{ArrayRef, Float64Array, Int32Array, ListArray, new_null_array};
use arrow_schema::DataType;
use mtmd::data::{Learned, Parts};
use mtmd::schema::{FeatureKind, Schema, Standardise, Tower};
use mtmd::vocab::StartingStatistics;

use crate::fixture::{Frame, frame, numbered, schema};

fn learned(frame: &Frame, schema: &'static Schema) -> Learned {
    let folder = frame.folder();
    folder.open_as(schema).unwrap().learn(Parts::TRAIN).unwrap()
}

fn starting(learned: &Learned, schema: &Schema, tower: Tower, domain: usize) -> StartingStatistics {
    let numbers = &learned.statistics.numbers;
    numbers.starting_statistics(schema, &learned.vocabularies, tower, domain)
}

fn close(found: &[f64], expected: &[f64]) -> bool {
    let mut pairs = found.iter().zip(expected);
    found.len() == expected.len() && pairs.all(|(a, b)| (a - b).abs() < 1e-12)
}

fn mean_and_variance(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, squares / (count - 1.0))
}

/// Ages 20, none, 200 and -3 on feed, search, search and feed; 30 is the default, and ages are clipped to 0 and 100.
#[test]
fn each_domain_starts_from_what_it_reads() {
    let small = schema(|_| {});
    let found = learned(&frame(), small);
    for (domain, ages) in [(0, [20.0, 0.0]), (1, [30.0, 100.0])] {
        let (mean, variance) = mean_and_variance(&ages);
        let found = starting(&found, small, Tower::Query, domain);
        assert!(close(&found.mean, &[mean]), "{found:?}");
        assert!(close(&found.variance, &[variance]), "{found:?}");
    }
    // The price is of `shop` alone: 0 and -7, the latter as -ln 8.
    let (mean, variance) = mean_and_variance(&[0.0, -(8.0f64.ln())]);
    let shop = starting(&found, small, Tower::Item, 0);
    assert!(
        close(&shop.mean, &[mean]) && close(&shop.variance, &[variance]),
        "{shop:?}"
    );
    assert_eq!(
        starting(&found, small, Tower::Item, 1),
        StartingStatistics::default()
    );
}

#[test]
fn a_domain_without_rows_keeps_0_and_1_and_one_row_has_no_variance() {
    let small = schema(|_| {});
    let one = frame()
        .with(
            "surface",
            Arc::new(Int32Array::from(vec![0, 0, 0, 2])) as ArrayRef,
        )
        .with("text", new_null_array(&DataType::Null, 4));
    let search = starting(&learned(&one, small), small, Tower::Query, 1);
    assert_eq!((search.mean, search.variance), (vec![0.0], vec![1.0]));
    let none = frame().with(
        "surface",
        Arc::new(Int32Array::from(vec![0; 4])) as ArrayRef,
    );
    let search = starting(&learned(&none, small), small, Tower::Query, 1);
    assert_eq!((search.mean, search.variance), (vec![0.0], vec![1.0]));
    // Its one age is -3, which is clipped to 0; that of another may be told from 0.
    let older = one.with(
        "age",
        Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0, 44.0])) as ArrayRef,
    );
    let search = starting(&learned(&older, small), small, Tower::Query, 1);
    assert_eq!((search.mean, search.variance), (vec![44.0], vec![1.0]));
}

fn standardised(standardise: Standardise) -> &'static Schema {
    schema(|schema| {
        for feature in schema.spec.query.to_mut() {
            if let FeatureKind::Number(transform) = &mut feature.kind {
                transform.standardise = Some(standardise);
            }
        }
    })
}

/// After standardising, what BatchNorm reads is near 0 and 1, whatever the data.
#[test]
fn numbers_are_measured_as_they_are_after_all_transforms() {
    // Those that are there are 20, 100 and 0: the default is none of them.
    let (mean, std) = (40.0, (5600.0f64 / 3.0).sqrt());
    let given = Standardise::Given {
        mean: 30.0,
        std: 10.0,
    };
    for (standardise, mean, std) in [(Standardise::Learned, mean, std), (given, 30.0, 10.0)] {
        let schema = standardised(standardise);
        let found = learned(&frame(), schema);
        for (domain, ages) in [(0, [20.0, 0.0]), (1, [30.0, 100.0])] {
            let ages = ages.map(|age: f64| (age - mean) / std);
            let (mean, variance) = mean_and_variance(&ages);
            let found = starting(&found, schema, Tower::Query, domain);
            assert!(close(&found.mean, &[mean]), "{found:?}");
            assert!(close(&found.variance, &[variance]), "{found:?}");
        }
    }
}

/// In however many row groups and files the rows stand.
#[test]
fn row_groups_add_up() {
    let unclipped = schema(|schema| {
        for feature in schema.spec.query.to_mut() {
            if let FeatureKind::Number(transform) = &mut feature.kind {
                transform.clip = None;
            }
        }
    });
    let folder = crate::fixture::Folder::new(&[]);
    numbered(0, 1000).write_groups(&folder.file("a.parquet"), 70);
    numbered(1000, 500).write_groups(&folder.file("b.parquet"), 1 << 20);
    let found = folder
        .open_as(unclipped)
        .unwrap()
        .learn(Parts::TRAIN)
        .unwrap();
    let rows = |file: std::ops::Range<usize>, surface: &[usize]| -> Vec<f64> {
        let first = file.start;
        let rows = file.filter(|row| surface.contains(&((row - first) % 3)));
        rows.map(|row| row as f64).collect()
    };
    for (domain, surface) in [(0, &[0][..]), (1, &[1, 2])] {
        let ages = [rows(0..1000, surface), rows(1000..1500, surface)].concat();
        let (mean, variance) = mean_and_variance(&ages);
        let found = starting(&found, unclipped, Tower::Query, domain);
        assert!((found.mean[0] - mean).abs() < 1e-9 * mean, "{found:?}");
        assert!(
            (found.variance[0] - variance).abs() < 1e-9 * variance,
            "{found:?}"
        );
    }
}

#[test]
fn vectors_far_from_the_size_of_other_inputs_are_named() {
    let small = schema(|_| {});
    let vectors = |size: f32| {
        // Rows 1 and 2 are of the surface that has the feature; one of them has no vector.
        let vector = |a: f32, b: f32| Some(vec![Some(a * size), Some(b * size)]);
        let vectors = vec![vector(9e9, 9e9), vector(3.0, -4.0), None, None];
        let vectors = ListArray::from_iter_primitive::<Float32Type, _, _>(vectors);
        frame().with("text", Arc::new(vectors) as ArrayRef)
    };
    for size in [0.01, 1.0, 2.8, 0.0] {
        assert_eq!(
            learned(&vectors(size), small).warnings(),
            Vec::<String>::new(),
            "{size}"
        );
    }
    for (size, shown) in [
        (1e3, "3540"),
        (1e6, "3540000"),
        (2e-3, "0.00707"),
        (2.9, "10.3"),
    ] {
        let found = learned(&vectors(size), small);
        assert_eq!(
            found.warnings(),
            [format!(
                "line 13: the entries of query feature `text` have a root mean square of {shown}, and the model reads \
                 vectors as they are, beside numbers and embeddings near 1\n\
                 help: divide the column by {shown}, in the data that trains and where the model is served"
            )]
        );
        let rms = found.vectors[0].root_mean_square();
        assert!((rms - f64::from(size) * 12.5f64.sqrt()).abs() < 1e-3 * rms);
    }
}
