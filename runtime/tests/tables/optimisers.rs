//! Optimisers of the rows that a batch names, and the learning rate by frequency: against a plain
//! implementation in float64 that keeps the table dense.

use std::collections::BTreeSet;

use mtmd::data::batch::{Batch, Column};
use mtmd::hash::Random;
use mtmd::schema::{Embeddings, TableOptimiser, Training};
use mtmd::tables::Tables;

use crate::fixture::{
    self, TRAINING, arrays, copied, random_batch, random_gradients, read_only, scatter, schema,
    schema_with, tables, weights,
};

const ROWS: usize = 40;

fn training(optimiser: TableOptimiser, frequency: Option<f64>) -> Training {
    Training {
        embeddings: Embeddings {
            optimiser,
            frequency,
            ..TRAINING.embeddings
        },
        ..TRAINING
    }
}

/// All of the choices.
pub fn choices() -> Vec<Training> {
    [
        TableOptimiser::Adamw,
        TableOptimiser::LazyAdam,
        TableOptimiser::RowwiseAdagrad,
    ]
    .into_iter()
    .flat_map(|optimiser| [None, Some(3.0)].map(|frequency| training(optimiser, frequency)))
    .collect()
}

/// The rows that the query tower names.
fn named(batch: &Batch) -> BTreeSet<usize> {
    let ids = batch.query.columns.iter().flat_map(|column| match column {
        Column::Ids(ids) | Column::Lists { ids, .. } => ids.clone(),
        Column::Vectors { .. } | Column::Numbers(_) => vec![],
    });
    ids.filter(|id| *id != 0).map(|id| id as usize).collect()
}

/// A row of the plain implementation.
#[derive(Clone, Default)]
struct Row {
    weight: [f64; 2],
    first: [f64; 2],
    second: [f64; 2],
    sum: f64,
    seen: f64,
}

struct Plain {
    settings: Embeddings,
    rows: Vec<Row>,
    step: i32,
}

impl Plain {
    fn new(settings: Embeddings, weights: &[f32]) -> Self {
        let rows = weights.chunks(2).map(|weight| Row {
            weight: [f64::from(weight[0]), f64::from(weight[1])],
            ..Row::default()
        });
        Self {
            settings,
            rows: rows.collect(),
            step: 0,
        }
    }

    fn step(&mut self, named: &BTreeSet<usize>, gradient: &[f64], lr: f64) {
        self.step += 1;
        let dense = self.settings.optimiser == TableOptimiser::Adamw;
        for (index, row) in self.rows.iter_mut().enumerate().skip(1) {
            let gradient = [gradient[2 * index], gradient[2 * index + 1]];
            if !named.contains(&index) && !dense {
                continue;
            }
            row.seen += f64::from(u8::from(named.contains(&index)));
            let share = self.settings.frequency.map_or(1.0, |half| {
                if row.seen > 0.0 {
                    row.seen / (row.seen + half)
                } else {
                    0.0
                }
            });
            row.sum += (gradient[0].powi(2) + gradient[1].powi(2)) / 2.0;
            for (i, gradient) in gradient.into_iter().enumerate() {
                row.first[i] = 0.9 * row.first[i] + 0.1 * gradient;
                row.second[i] = 0.999 * row.second[i] + 0.001 * gradient.powi(2);
                let first = row.first[i] / (1.0 - 0.9f64.powi(self.step));
                let second = row.second[i] / (1.0 - 0.999f64.powi(self.step));
                let change = match self.settings.optimiser {
                    TableOptimiser::RowwiseAdagrad => gradient / (row.sum.sqrt() + 1e-8),
                    TableOptimiser::Adamw | TableOptimiser::LazyAdam => {
                        first / (second.sqrt() + 1e-8)
                    }
                };
                row.weight[i] *= 1.0 - lr * self.settings.weight_decay;
                row.weight[i] -= share * lr * change;
            }
        }
    }
}

fn step(tables: &mut Tables, seed: u64) -> (Batch, Vec<f64>) {
    let mut random = Random::new(seed, &[]);
    let batch = random_batch(ROWS as u32, &mut random);
    let gradients = random_gradients(&batch, &mut random, 0.1);
    fixture::step(tables, &batch, &gradients, 0.02);
    let scattered = scatter(ROWS, &batch, &gradients);
    (batch, scattered)
}

#[test]
fn every_optimiser_does_what_a_plain_implementation_does() {
    for training in choices() {
        for seed in 0..20 {
            let mut tables = tables(schema(ROWS), &training);
            let mut plain = Plain::new(training.embeddings, &weights(&mut tables));
            for index in 0..200 {
                let (batch, gradient) = step(&mut tables, 1000 * seed + index);
                plain.step(&named(&batch), &gradient, 0.02);
            }
            let sparse = weights(&mut tables);
            let expected = plain.rows.iter().flat_map(|row| row.weight);
            let difference = sparse
                .iter()
                .zip(expected)
                .map(|(a, b)| (f64::from(*a) - b).abs())
                .fold(0.0, f64::max);
            // A share of the way that a weight may go: 200 steps of 0.02.
            assert!(difference < 4.0 * 3e-6, "{training:?}: {difference:e}");
        }
    }
}

#[test]
fn what_the_lazy_ones_do_not_name_stays_as_it_is() {
    for training in choices() {
        let mut tables = tables(schema(ROWS), &training);
        (0..5).for_each(|seed| {
            step(&mut tables, seed);
        });
        let before = weights(&mut tables);
        let (batch, _) = step(&mut tables, 5);
        let after = weights(&mut tables);
        let named = named(&batch);
        let moved = (1..ROWS).filter(|row| before[2 * row..][..2] != after[2 * row..][..2]);
        let moved: BTreeSet<usize> = moved.collect();
        if training.embeddings.optimiser == TableOptimiser::Adamw {
            assert_eq!(moved.len(), ROWS - 1, "decay moves all");
        } else {
            assert_eq!(moved, named, "{training:?}");
        }
    }
}

#[test]
fn a_table_keeps_what_its_optimiser_needs_and_nothing_else() {
    let kept = |training: &Training| {
        let mut tables = tables(schema(ROWS), training);
        step(&mut tables, 1);
        let kept = arrays(&mut tables).into_iter();
        let sizes = kept.filter_map(|(key, (shape, _))| {
            let name = key.strip_prefix("tables.things.weight.")?;
            Some((name.to_owned(), shape))
        });
        (sizes.collect::<Vec<_>>(), tables.bytes())
    };
    let moments = [("exp_avg", vec![ROWS, 2]), ("exp_avg_sq", vec![ROWS, 2])];
    let of_row = |name| (name, vec![ROWS]);
    let with = |more: &[(&'static str, Vec<usize>)]| [&moments[..], more].concat();
    let expected = [
        (with(&[]), 7),
        (with(&[of_row("seen")]), 8),
        (with(&[]), 6),
        (with(&[of_row("seen")]), 7),
        (vec![of_row("sum")], 3),
        (vec![of_row("seen"), of_row("sum")], 4),
    ];
    for (training, (arrays, numbers)) in choices().iter().zip(expected) {
        let arrays = arrays.into_iter();
        let arrays: Vec<_> = arrays
            .map(|(name, shape)| (name.to_owned(), shape))
            .collect();
        assert_eq!(kept(training), (arrays, ROWS * numbers * 4), "{training:?}");
    }
    assert_eq!(read_only(schema(ROWS)).bytes(), ROWS * 2 * 4);
}

#[test]
fn every_optimiser_goes_on_from_its_state() {
    for training in choices() {
        let mut tables = tables(schema(ROWS), &training);
        (0..20).for_each(|seed| {
            step(&mut tables, seed);
        });
        let mut restored = copied(&mut tables, ROWS, &training);
        (20..40).for_each(|seed| {
            step(&mut tables, seed);
            step(&mut restored, seed);
        });
        assert!(arrays(&mut tables) == arrays(&mut restored), "{training:?}");
    }
}

#[test]
fn a_table_may_have_an_optimiser_of_its_own() {
    let own = Embeddings {
        optimiser: TableOptimiser::RowwiseAdagrad,
        lr: 0.5,
        weight_decay: 0.0,
        ..TRAINING.embeddings
    };
    let mut one = tables(schema_with(ROWS, Some(own)), &TRAINING);
    let mut all = tables(
        schema(ROWS),
        &Training {
            embeddings: own,
            ..TRAINING
        },
    );
    for seed in 0..10 {
        step(&mut one, seed);
        step(&mut all, seed);
    }
    assert_eq!(weights(&mut one), weights(&mut all));
    let mut default = tables(schema(ROWS), &TRAINING);
    (0..10).for_each(|seed| {
        step(&mut default, seed);
    });
    assert_ne!(weights(&mut one), weights(&mut default));
}
