//! Requests: rows that share a query row train as they do apart.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use mtmd::data::batch::Batch;
use mtmd::data::{Dataset, Parts, RowReader, Scan, Shuffle, synth};
use mtmd::schema::Precision;
use mtmd::schema::{Request, Schema};
use mtmd::score::ScoringBatch;
use mtmd::training::{StepReport, Trainer, TrainingBatch};

use crate::sample::{SAMPLE, changed, model};
use crate::weights::arrays;

/// The sample whose requests this column identifies.
fn by(column: &'static str) -> &'static Schema {
    let request = Request {
        column: column.into(),
        place: "line 1".into(),
    };
    &changed(|schema| schema.spec.rows.request = Some(request)).schema
}

static REQUESTS: LazyLock<&'static Schema> = LazyLock::new(|| by("page"));

/// A day is no request.
static LIES: LazyLock<&'static Schema> = LazyLock::new(|| by("day"));

fn batches(schema: &'static Schema, data: &Path, shuffle: Option<Shuffle>) -> Vec<Batch> {
    let dataset = RowReader::new(Dataset::open(schema, &[data.to_owned()]).unwrap());
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

fn trainer() -> Trainer {
    Trainer::new(model(), &SAMPLE.training, Precision::Float32)
}

fn step(trainer: &mut Trainer, batch: &Batch) -> StepReport {
    let scorer = trainer.scorer();
    let batch = TrainingBatch::new(scorer.plan(), scorer.layout(), batch.clone());
    trainer.step(&batch, 0.1).unwrap()
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
    let (mut one, mut other) = (trainer(), trainer());
    for (apart, together) in apart.iter().zip(&together) {
        // A label that is absent is NaN.
        let bits = |batch: &Batch| {
            let labels = batch.labels.iter().flatten();
            labels.map(|label| label.to_bits()).collect::<Vec<_>>()
        };
        assert_eq!(bits(apart), bits(together));
        assert_eq!(apart.item, together.item);
        let ready = |batch: &Batch| ScoringBatch::new(&model().plan, batch.clone());
        let before = one.scorer().score(&ready(apart));
        for (a, b) in before.iter().zip(other.scorer().score(&ready(together))) {
            assert_eq!(a.rows, b.rows);
            near(&a.lp, &b.lp, 1e-3, 0.0);
        }
        let (a, b) = (step(&mut one, apart), step(&mut other, together));
        assert!(
            (a.norm - b.norm).abs() < 1e-3 * a.norm,
            "{} {}",
            a.norm,
            b.norm
        );
        for (a, b) in a.tasks.iter().zip(&b.tasks) {
            let (a, b) = (a.unwrap(), b.unwrap());
            assert_eq!(a.rows, b.rows);
            assert!((a.mean - b.mean).abs() < 1e-4, "{} {}", a.mean, b.mean);
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
        let (mut one, mut other) = (trainer(), trainer());
        step(&mut one, apart);
        step(&mut other, together);
        let [one, other] = [&mut one, &mut other].map(|trainer| {
            let [model, optimiser] =
                ["model", "optimiser"].map(|name| folder.path().join(format!("{name}.saved")));
            let exported = trainer.export();
            exported.model.save(&model).unwrap();
            exported.optimiser.save(&optimiser).unwrap();
            (arrays(&model), arrays(&optimiser))
        });
        let mut compared = 0;
        // A gradient in which large terms cancel is rounded as these are.
        let gradients = one.1.iter().filter(|(key, _)| key.ends_with("exp_avg"));
        let terms = gradients
            .map(|(_, (_, values))| largest(values))
            .fold(0.0, f32::max);
        for (key, (_, values)) in &one.1 {
            if key.ends_with("exp_avg") {
                near(values, &other.1[key].1, 1e-5, 0.1 * terms);
                compared += 1;
            }
        }
        for (key, (_, values)) in &one.0 {
            if key.contains("running_") {
                near(values, &other.0[key].1, 3e-6, 0.0);
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
