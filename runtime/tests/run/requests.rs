//! Requests: rows that share a query row train as they do apart.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use mtmd::data::batch::Batch;
use mtmd::data::{Dataset, Parts, Scan, Shuffle, synth};
use mtmd::schema::{Request, Schema, text};
use mtmd::training::{Learner, ModelLearner};
use std::sync::LazyLock;

use crate::sample::{SAMPLE, Sample, sample};

static REQUESTS: LazyLock<Schema> = LazyLock::new(|| by_request("page"));

/// A day is no request.
static LIES: LazyLock<Schema> = LazyLock::new(|| by_request("day"));

/// The sample with requests of a column.
fn by_request(column: &'static str) -> Schema {
    let mut schema = sample();
    schema.spec.rows.request = Some(Request {
        column: text(column),
        place: text("line 1"),
    });
    schema
}

fn batches(schema: &'static Schema, data: &Path, shuffle: Option<Shuffle>) -> Vec<Batch> {
    let dataset = Dataset::open(schema, &[data.to_owned()]).unwrap();
    let vocabularies = Arc::new(dataset.learn(Parts::TRAIN).unwrap().vocabularies);
    let scan = Scan {
        parts: Parts::TRAIN,
        batch: 64,
        shuffle,
        skip: 0,
    };
    let batches = dataset.batches(&vocabularies, scan).unwrap();
    batches.collect::<Result<_, _>>().unwrap()
}

fn data() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    synth(&REQUESTS, 1_000, 7, 3, folder.path()).unwrap();
    folder
}

fn query_rows(batches: &[Batch]) -> usize {
    batches.iter().map(|batch| batch.query.order.len()).sum()
}

#[test]
fn a_step_is_that_of_the_rows_apart() {
    let folder = data();
    let apart = batches(&SAMPLE, folder.path(), None);
    let together = batches(&REQUESTS, folder.path(), None);
    let rows: usize = apart.iter().map(|batch| batch.rows).sum();
    assert_eq!(query_rows(&apart), rows);
    // Seven rows a request, and a batch cuts one.
    assert!(
        query_rows(&together) * 5 < rows,
        "{}",
        query_rows(&together)
    );
    let learner = || ModelLearner::<Sample>::new(&SAMPLE.training, &Device::flex());
    let (mut one, mut other) = (learner(), learner());
    for (apart, together) in apart.iter().zip(&together) {
        // A label that is absent is NaN.
        let bits = |batch: &Batch| {
            let labels = batch.labels.iter().flatten();
            labels.map(|label| label.to_bits()).collect::<Vec<_>>()
        };
        assert_eq!(bits(apart), bits(together));
        assert_eq!(apart.item, together.item);
        let before = one.score(apart).unwrap();
        for (a, b) in before.iter().zip(other.score(together).unwrap()) {
            assert_eq!(a.rows, b.rows);
            near(&a.lp, &b.lp, 1e-3, 0.0);
        }
        let (a, b) = (
            one.step(apart, 0.1).unwrap(),
            other.step(together, 0.1).unwrap(),
        );
        assert!(
            (a.norm - b.norm).abs() < 1e-3 * a.norm,
            "{} {}",
            a.norm,
            b.norm
        );
        for (a, b) in a.tasks.iter().zip(&b.tasks) {
            let (a, b) = (a.unwrap(), b.unwrap());
            assert_eq!(a.0, b.0);
            assert!((a.1 - b.1).abs() < 1e-4, "{} {}", a.1, b.1);
        }
    }
}

/// Adam divides by the size of a gradient and so enlarges rounding: what is compared up to rounding is one step's, with the running statistics and the first moments, which are the gradients.
#[test]
fn gradients_and_statistics_are_those_of_the_rows_apart() {
    let folder = data();
    let apart = batches(&SAMPLE, folder.path(), None);
    let together = batches(&REQUESTS, folder.path(), None);
    for (apart, together) in apart.iter().zip(&together) {
        let learner = || ModelLearner::<Sample>::new(&SAMPLE.training, &Device::flex());
        let (mut one, mut other) = (learner(), learner());
        one.step(apart, 0.1).unwrap();
        other.step(together, 0.1).unwrap();
        let [one, other] = [&mut one, &mut other].map(|learner| {
            let exported = learner.export().unwrap();
            (exported.model.collect(), exported.optimiser.collect())
        });
        let mut compared = 0;
        // A gradient in which large terms cancel is rounded as these are.
        let gradients = one
            .1
            .arrays
            .iter()
            .filter(|(key, _)| key.ends_with("exp_avg"));
        let terms = gradients
            .map(|(_, array)| largest(&array.values))
            .fold(0.0, f32::max);
        for (key, array) in &one.1.arrays {
            if key.ends_with("exp_avg") {
                near(
                    &array.values,
                    &other.1.arrays[key].values,
                    1e-5,
                    0.1 * terms,
                );
                compared += 1;
            }
        }
        for (key, array) in &one.0.arrays {
            if key.contains("running_") {
                near(&array.values, &other.0.arrays[key].values, 3e-6, 0.0);
                compared += 1;
            }
        }
        assert!(compared > 20, "{compared}");
    }
}

#[test]
fn shuffling_keeps_requests_together_and_loses_no_row() {
    let folder = data();
    let shuffle = |epoch| {
        Some(Shuffle {
            seed: 1,
            epoch,
            buffer: 10_000,
        })
    };
    let in_order = batches(&REQUESTS, folder.path(), None);
    let shuffled = batches(&REQUESTS, folder.path(), shuffle(0));
    // A batch cuts a request at most at its two ends.
    assert!(query_rows(&shuffled) <= query_rows(&in_order) + 2 * shuffled.len());
    let origins = |batches: &[Batch]| {
        let all = batches.iter().flat_map(|batch| batch.origins.clone());
        let mut rows: Vec<u64> = all.map(|origin| origin.row).collect();
        let order = rows.clone();
        rows.sort_unstable();
        (order, rows)
    };
    let (order, rows) = origins(&in_order);
    let (other_order, other_rows) = origins(&shuffled);
    assert_eq!(rows, other_rows);
    assert_ne!(order, other_order);
    let again = |epoch| origins(&batches(&REQUESTS, folder.path(), shuffle(epoch))).0;
    assert_eq!(other_order, again(0));
    assert_ne!(other_order, again(1));
}

#[test]
fn rows_that_differ_have_query_rows_of_their_own() {
    let folder = data();
    let honest = batches(&REQUESTS, folder.path(), None);
    let lies = batches(&LIES, folder.path(), None);
    // All rows of a day are said to be of one request; surface and features tell its requests apart.
    for (honest, lies) in honest.iter().zip(&lies) {
        let found: BTreeSet<u32> = lies.query.order.iter().copied().collect();
        let wanted: BTreeSet<u32> = honest.query.order.iter().copied().collect();
        assert!(wanted.is_subset(&found), "{wanted:?} {found:?}");
    }
    assert!(query_rows(&lies) < query_rows(&honest) * 2);
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most, value| most.max(value.abs()))
}

/// Equal up to a share of the largest value, or of `least` if that is more.
fn near(one: &[f32], other: &[f32], share: f32, least: f32) {
    assert_eq!(one.len(), other.len());
    let largest = largest(one).max(least);
    for (a, b) in one.iter().zip(other) {
        assert!((a - b).abs() <= share * largest, "{a} {b} {largest}");
    }
}
