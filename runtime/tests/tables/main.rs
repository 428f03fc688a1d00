//! The tables room: pooling, and optimisers that touch only what a batch touches.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod adamw;
mod fixture;
#[path = "../common/lowered.rs"]
mod lowered;
mod optimisers;
#[path = "../common/weights.rs"]
mod weights;

use std::borrow::Cow;
use std::time::Instant;

use mtmd::data::batch::{Batch, Column};
use mtmd::params::{Reader, Writer};
use mtmd::schema::Training;
use mtmd::tables::{Inputs, Tables};
use mtmd_schema::Tower;

use fixture::{
    Gradients, TRAINING, arrays, batch, copied, random_batch, random_gradients, read_only, save,
    schema, to_resume, uses, weights as weights_of,
};

fn gathered(tables: &Tables, batch: &Batch) -> Inputs {
    let mut inputs = Inputs::default();
    tables.gather(batch, &mut inputs);
    inputs
}

#[test]
fn fields_are_pooled_and_stand_side_by_side() {
    let mut tables = fixture::tables(schema(8), &TRAINING);
    let weights = weights_of(&mut tables);
    let row = |row: usize| [weights[2 * row], weights[2 * row + 1]];
    let batch = batch(&[
        (0, 3, vec![1, 0, 2], vec![4, 4]),
        (0, 0, vec![], vec![0]),
        (1, 5, vec![0], vec![1, 2, 3]),
    ]);
    let inputs = gathered(&tables, &batch);
    let mean = [0, 1].map(|i| 0.5 * row(1)[i] + 0.5 * row(2)[i]);
    let twice = row(4).map(|x| x + x);
    let sum = [0, 1].map(|i| row(1)[i] + row(2)[i] + row(3)[i]);
    // Of every row the embedded fields, then vectors, then numbers.
    let feed = [row(3), mean, twice].concat().into_iter();
    let feed = feed.chain([0.0]).chain([0.0; 6]).chain([1.0]);
    let search = [row(5), [0.0; 2], sum, [4.0, 5.0], [2.0, 20.0]].concat();
    assert_eq!(inputs.of(Tower::Query), [feed.collect(), search]);
    assert_eq!(inputs.of(Tower::Item), [[0.0, 100.0, 200.0]]);
}

/// The memory of inputs serves the next batch again.
#[test]
fn inputs_hold_nothing_of_the_batch_before() {
    let tables = fixture::tables(schema(8), &TRAINING);
    let large = batch(&[
        (0, 3, vec![1], vec![4]),
        (0, 2, vec![2], vec![3]),
        (1, 5, vec![6], vec![7]),
    ]);
    let small = batch(&[(1, 1, vec![], vec![])]);
    let mut inputs = Inputs::default();
    for batch in [&large, &small, &large] {
        tables.gather(batch, &mut inputs);
        assert_eq!(inputs, gathered(&tables, batch));
    }
}

/// However small the weights: their inverse may be beyond what a float holds.
#[test]
fn a_mean_is_that_of_the_weights_however_small() {
    let mut tables = fixture::tables(schema(8), &TRAINING);
    let rows = weights_of(&mut tables);
    let mean = |given: [f32; 2]| {
        let mut batch = batch(&[(0, 0, vec![1, 2], vec![])]);
        let Column::Lists { weights, .. } = &mut batch.query.columns[1] else {
            return vec![];
        };
        *weights = given.to_vec();
        gathered(&tables, &batch).of(Tower::Query)[0][2..4].to_vec()
    };
    let expected = [0, 1].map(|i| 0.25 * rows[2 + i] + 0.75 * rows[4 + i]);
    for size in [1.0, 1e15, 1e-39, 1e-42] {
        for (found, expected) in mean([size, 3.0 * size]).into_iter().zip(expected) {
            let off = (found - expected).abs();
            assert!(
                off < 1e-3 * expected.abs(),
                "{size}: {found}, not {expected}"
            );
        }
    }
    assert_eq!(mean([0.0; 2]), [0.0; 2]);
}

#[test]
fn a_domain_without_rows_has_no_input() {
    let tables = fixture::tables(schema(8), &TRAINING);
    let inputs = gathered(&tables, &batch(&[(1, 1, vec![], vec![])]));
    let sizes = inputs.of(Tower::Query).iter().map(Vec::len);
    assert_eq!(sizes.collect::<Vec<_>>(), [0, 10]);
}

#[test]
fn first_values_depend_on_seed_name_and_row_alone() {
    let of = |rows, seed| {
        weights_of(&mut fixture::tables(
            schema(rows),
            &Training { seed, ..TRAINING },
        ))
    };
    let (small, large) = (of(100, 3), of(20_000, 3));
    assert_eq!(small[..], large[..200]);
    assert_eq!(small[..2], [0.0; 2]);
    assert_ne!(small, of(100, 4));
    let deviation =
        (large.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / large.len() as f64).sqrt();
    assert!((deviation - 0.05).abs() < 1e-3, "{deviation}");
}

#[test]
fn a_gather_sees_the_rows_as_of_the_last_step() {
    let mut tables = fixture::tables(schema(30), &TRAINING);
    let mut random = mtmd::hash::Random::new(1, &[]);
    for _ in 0..40 {
        let batch = random_batch(30, &mut random);
        let gradients = random_gradients(&batch, &mut random, 0.1);
        fixture::step(&mut tables, &batch, &gradients, 0.02);
    }
    let batch = random_batch(30, &mut random);
    let behind = gathered(&tables, &batch);
    let mut caught_up = tables.clone();
    caught_up.catch_up(&uses(&tables, &batch));
    assert_eq!(behind, gathered(&caught_up, &batch));
    tables.flush();
    assert_eq!(behind, gathered(&tables, &batch));
}

fn train(threads: usize, training: &Training) -> Vec<u32> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    pool.install(|| {
        let mut tables = fixture::tables(schema(5000), training);
        let mut random = mtmd::hash::Random::new(5, &[]);
        for _ in 0..5 {
            let rows: Vec<_> = (0..600u16)
                .map(|row| {
                    let mut ids = |n| {
                        (0..n)
                            .map(|_| random.below(5000) as u32)
                            .collect::<Vec<u32>>()
                    };
                    (u16::from(row >= 200), ids(1)[0], ids(7), ids(3))
                })
                .collect();
            let batch = batch(&rows);
            let gradients = random_gradients(&batch, &mut random, 0.1);
            fixture::step(&mut tables, &batch, &gradients, 0.02);
        }
        weights_of(&mut tables)
            .into_iter()
            .map(f32::to_bits)
            .collect()
    })
}

#[test]
fn the_number_of_threads_changes_nothing() {
    for training in optimisers::choices() {
        let one = train(1, &training);
        assert_eq!(one, train(2, &training));
        assert_eq!(one, train(7, &training));
    }
}

#[test]
fn a_restored_run_goes_on_as_if_it_had_not_stopped() {
    let step = |tables: &mut Tables, seed: u64| {
        let mut random = mtmd::hash::Random::new(seed, &[]);
        let batch = random_batch(30, &mut random);
        let gradients = random_gradients(&batch, &mut random, 0.1);
        fixture::step(tables, &batch, &gradients, 0.02);
    };
    let mut tables = fixture::tables(schema(30), &TRAINING);
    (0..20).for_each(|seed| step(&mut tables, seed));
    let other = Training {
        seed: 99,
        ..TRAINING
    };
    let mut restored = copied(&mut tables, 30, &other);
    (20..40).for_each(|seed| {
        step(&mut tables, seed);
        step(&mut restored, seed);
    });
    assert_eq!(restored.steps(), 40);
    assert_eq!(weights_of(&mut tables), weights_of(&mut restored));
}

#[test]
fn a_first_row_that_is_not_zero_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for training in optimisers::choices() {
        let mut tables = fixture::tables(schema(4), &training);
        let sound = arrays(&mut tables);
        let path = folder.path().join("broken");
        for broken in sound.keys() {
            let mut writer = Writer::default();
            writer.metadata.insert("tables.step".into(), "0".into());
            for (key, (shape, values)) in &sound {
                let mut values = values.clone();
                values[0] = if key == broken { 1.0 } else { values[0] };
                let values = std::iter::once(Cow::Owned(values));
                writer.insert_pieces(key.clone(), shape.clone(), values);
            }
            writer.save(&path).unwrap();
            let mut to = to_resume(schema(4), &training);
            let mut reader = Reader::open(&path).unwrap();
            let read = to.read_state(&mut reader);
            let read = read.and_then(|()| to.read_weights(&mut reader));
            let error = read.expect_err(broken);
            assert_eq!(error.exit_code(), 1);
            let error = error.to_string();
            assert!(error.contains("row 0") && error.contains(broken), "{error}");
        }
    }
}

/// More rows than one piece has.
#[test]
fn a_table_in_pieces_is_the_table() {
    const ROWS: usize = 100_000;
    let mut tables = fixture::tables(schema(ROWS), &TRAINING);
    let mut random = mtmd::hash::Random::new(4, &[]);
    for _ in 0..7 {
        let batch = random_batch(ROWS as u32, &mut random);
        let gradients = random_gradients(&batch, &mut random, 0.1);
        fixture::step(&mut tables, &batch, &gradients, 0.02);
    }
    let before = arrays(&mut tables);
    assert_eq!(before["tables.things.weight"].0, [ROWS, 2]);
    let mut copy = copied(&mut tables, ROWS, &TRAINING);
    assert_eq!(copy.steps(), 7);
    assert!(arrays(&mut copy) == before);

    let folder = tempfile::tempdir().unwrap();
    let [path, _] = save(&mut tables, folder.path());
    let mut scored = read_only(schema(ROWS));
    let mut reader = Reader::open(&path).unwrap();
    scored.read_weights(&mut reader).unwrap();
    assert!(reader.finish().is_empty());
    assert!(weights_of(&mut scored) == before["tables.things.weight"].1);
}

fn step_with(gradients: &Gradients) {
    let mut tables = fixture::tables(schema(4), &TRAINING);
    let batch = batch(&[(0, 1, vec![], vec![])]);
    fixture::step(&mut tables, &batch, gradients, 0.1);
}

#[test]
#[should_panic(expected = "this is a bug of mtmdc: gradients of another query tower")]
fn gradients_of_another_tower_are_a_bug() {
    step_with(&Gradients {
        query: vec![vec![0.0; 6]],
        item: vec![vec![]],
    });
}

#[test]
#[should_panic(expected = "this is a bug of mtmdc: 5 gradients of rows with 6 embedded columns")]
fn gradients_of_another_shape_are_a_bug() {
    step_with(&Gradients {
        query: vec![vec![0.0; 5], vec![]],
        item: vec![vec![]],
    });
}

/// Of two million rows a batch names a dozen: the step is far faster than one look at the table's weights and moments,
/// without which there is no dense step.
#[test]
fn a_step_costs_what_the_batch_touches() {
    let rows = 2_000_000;
    let mut tables = fixture::tables(schema(rows), &TRAINING);
    let mut random = mtmd::hash::Random::new(2, &[]);
    let fastest = |act: &mut dyn FnMut()| {
        let times = (0..20).map(|_| {
            let start = Instant::now();
            act();
            start.elapsed()
        });
        times.min().unwrap_or_default()
    };
    let batch = random_batch(rows as u32, &mut random);
    let gradients = random_gradients(&batch, &mut random, 0.1);
    let uses = uses(&tables, &batch);
    let step = fastest(&mut || {
        tables.catch_up(&uses);
        tables.step(&uses, [&gradients.query, &gradients.item], 0.02);
    });
    let mut dense = vec![1.0_f32; 3 * 2 * rows];
    let look = fastest(&mut || {
        let dense = std::hint::black_box(&mut dense);
        dense.iter_mut().for_each(|value| *value *= 0.5);
    });
    assert!(step * 10 < look, "{step:?} {look:?}");
}
