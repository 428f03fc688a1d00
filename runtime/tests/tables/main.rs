//! The tables room: pooling, and optimisers that touch only what a batch touches.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod adamw;
mod fixture;
mod optimisers;

use std::time::Instant;

use mtmd::data::batch::Column;
use mtmd::schema::{Tower, Training};
use mtmd::tables::{DomainRows, Gradients, Tables};

use fixture::{TRAINING, batch, copied, random_batch, random_gradients, schema, weights};

#[test]
fn fields_are_pooled_and_stand_side_by_side() {
    let mut tables = Tables::new(schema(8), &TRAINING);
    let weights = weights(&mut tables);
    let row = |row: usize| [weights[2 * row], weights[2 * row + 1]];
    let batch = batch(&[
        (0, 3, vec![1, 0, 2], vec![4, 4]),
        (0, 0, vec![], vec![0]),
        (1, 5, vec![0], vec![1, 2, 3]),
    ]);
    let domains = tables.gather(Tower::Query, &batch.query);
    let feed = domains[0].as_ref().unwrap();
    let search = domains[1].as_ref().unwrap();
    let mean = [0, 1].map(|i| 0.5 * row(1)[i] + 0.5 * row(2)[i]);
    let twice = row(4).map(|x| x + x);
    let sum = [0, 1].map(|i| row(1)[i] + row(2)[i] + row(3)[i]);
    let expected: Vec<f32> = [row(3), mean, twice]
        .into_iter()
        .flatten()
        .chain([0.0; 6])
        .collect();
    assert_eq!(
        feed,
        &DomainRows {
            rows: 2,
            embedded: expected,
            vectors: vec![],
            numbers: vec![0.0, 1.0],
            repeats: vec![]
        }
    );
    let expected = [row(5), [0.0; 2], sum].into_iter().flatten().collect();
    let search_rows = DomainRows {
        rows: 1,
        embedded: expected,
        vectors: vec![4.0, 5.0],
        numbers: vec![2.0, 20.0],
        repeats: vec![],
    };
    assert_eq!(search, &search_rows);
    let item = tables.gather(Tower::Item, &batch.item);
    assert_eq!(item[0].as_ref().unwrap().numbers, [0.0, 100.0, 200.0]);
    assert!(item[0].as_ref().unwrap().embedded.is_empty());
}

/// However small the weights: their inverse may be beyond what a float holds.
#[test]
fn a_mean_is_that_of_the_weights_however_small() {
    let mut tables = Tables::new(schema(8), &TRAINING);
    let rows = weights(&mut tables);
    let mean = |given: [f32; 2]| {
        let mut batch = batch(&[(0, 0, vec![1, 2], vec![])]);
        let Column::Lists { weights, .. } = &mut batch.query.columns[1] else {
            return vec![];
        };
        *weights = given.to_vec();
        let domains = tables.gather(Tower::Query, &batch.query);
        domains[0].as_ref().unwrap().embedded[2..4].to_vec()
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
    let tables = Tables::new(schema(8), &TRAINING);
    let domains = tables.gather(Tower::Query, &batch(&[(1, 1, vec![], vec![])]).query);
    assert!(domains[0].is_none() && domains[1].is_some());
}

#[test]
fn first_values_depend_on_seed_name_and_row_alone() {
    let of = |rows, seed| {
        weights(&mut Tables::new(
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
    let mut tables = Tables::new(schema(30), &TRAINING);
    let mut random = mtmd::hash::Random::new(1, &[]);
    for _ in 0..40 {
        let batch = random_batch(30, &mut random);
        let gradients = random_gradients(&batch, &mut random, 0.1);
        tables.step(&batch, &gradients, 0.02).unwrap();
    }
    let batch = random_batch(30, &mut random);
    let behind = tables.gather(Tower::Query, &batch.query);
    tables.flush();
    assert_eq!(behind, tables.gather(Tower::Query, &batch.query));
}

fn train(threads: usize, training: &Training) -> Vec<u32> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    pool.install(|| {
        let mut tables = Tables::new(schema(5000), training);
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
            tables.step(&batch, &gradients, 0.02).unwrap();
        }
        weights(&mut tables).into_iter().map(f32::to_bits).collect()
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
        tables.step(&batch, &gradients, 0.02).unwrap();
    };
    let mut tables = Tables::new(schema(30), &TRAINING);
    (0..20).for_each(|seed| step(&mut tables, seed));
    let other = Training {
        seed: 99,
        ..TRAINING
    };
    let mut restored = copied(&mut tables, &other);
    (20..40).for_each(|seed| {
        step(&mut tables, seed);
        step(&mut restored, seed);
    });
    assert_eq!(restored.steps(), 40);
    assert_eq!(weights(&mut tables), weights(&mut restored));
}

#[test]
fn a_first_row_that_is_not_zero_is_refused() {
    let mut tables = Tables::new(schema(4), &TRAINING);
    let (weight, state) = tables.arrays(0).unwrap();
    for array in [weight].into_iter().chain(state) {
        tables.put(0, array, 0, &[0.0; 8]).unwrap();
        tables.put(0, array, 2, &[1.0; 4]).unwrap();
        let error = tables.put(0, array, 0, &[1.0; 2]).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().contains("row 0"), "{error}");
    }
    assert_eq!(
        weights(&mut tables),
        [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    );
}

/// More rows than one piece has.
#[test]
fn a_table_in_pieces_is_the_table() {
    let mut tables = Tables::new(schema(100_000), &TRAINING);
    let before = weights(&mut tables);
    let columns = tables.columns().next().unwrap();
    assert_eq!(columns.weight.shape(), [100_000, 2]);
    let pieces: Vec<Vec<f32>> = columns.weight.pieces().collect();
    assert!(pieces.len() > 3);
    let array = columns.weight.array();
    tables.restart(7);
    assert!(weights(&mut tables).iter().all(|weight| *weight == 0.0));
    let mut row = 0;
    for piece in pieces {
        tables.put(0, array, row, &piece).unwrap();
        row += piece.len() / 2;
    }
    assert_eq!((tables.steps(), weights(&mut tables)), (7, before));
}

#[test]
fn gradients_of_another_shape_are_refused() {
    let mut tables = Tables::new(schema(4), &TRAINING);
    let batch = batch(&[(0, 1, vec![], vec![])]);
    let gradients = Gradients {
        query: vec![Some(vec![0.0; 5]), None],
        item: vec![None],
    };
    assert_eq!(
        tables
            .step(&batch, &gradients, 0.1)
            .unwrap_err()
            .exit_code(),
        3
    );
}

/// Of two million rows a batch names a dozen: the step is far faster than one look at the table's weights and moments,
/// without which there is no dense step.
#[test]
fn a_step_costs_what_the_batch_touches() {
    let rows = 2_000_000;
    let mut tables = Tables::new(schema(rows), &TRAINING);
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
    let step = fastest(&mut || tables.step(&batch, &gradients, 0.02).unwrap());
    let mut dense = vec![1.0_f32; 3 * 2 * rows];
    let look = fastest(&mut || {
        let dense = std::hint::black_box(&mut dense);
        dense.iter_mut().for_each(|value| *value *= 0.5);
    });
    assert!(step * 10 < look, "{step:?} {look:?}");
}
