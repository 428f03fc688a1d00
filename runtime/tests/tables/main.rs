//! The tables room: pooling, and optimisers that touch only what a batch touches.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod optimisers;

use std::time::Instant;

use mtmd::data::batch::{Batch, Column, TowerBatch};
use mtmd::schema::{
    AdamW, Architecture, Axis, BadRows, Course, Crossing, Decay, Domain, Embeddings,
    ExpertArchitecture, Feature, Index, Input, Kind, Label, Others, Pool, Schema, Split, Table,
    TableOptimiser, Task, Tower, Training, Transform, Value,
};
use mtmd::tables::{DomainRows, Gradients, TableState, Tables};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const TRAINING: Training = Training {
    batch: 4,
    epochs: 1,
    seed: 3,
    shuffle: 16,
    dense: AdamW {
        lr: 1e-3,
        weight_decay: 0.01,
    },
    embeddings: Embeddings {
        optimiser: TableOptimiser::AdamW,
        // Steps are given by the rate itself.
        lr: 1.0,
        weight_decay: 0.1,
        std: 0.05,
        frequency: None,
    },
    warmup: 0.05,
    decay: Decay::Linear,
    clip: None,
    course: Course::DEFAULT,
};

/// One table of `rows` rows and width 2, read three ways by the query tower; none by the item tower.
fn schema(rows: usize) -> &'static Schema {
    schema_with(rows, None)
}

/// The same with an optimiser of the table's own.
fn schema_with(rows: usize, embeddings: Option<Embeddings>) -> &'static Schema {
    let table = Box::leak(Box::new([Table {
        name: "things",
        rows,
        dim: 2,
        index: Index::Hash,
        oov: 0,
        embeddings,
    }]));
    let list = |pool| Input::List {
        pool,
        weights: None,
        last: None,
    };
    let embedded = |name, input| Feature {
        name,
        column: name,
        derive: None,
        kind: Kind::Embedded {
            table: 0,
            input,
            shallow: false,
        },
        domains: &[0, 1],
        place: "line 1",
    };
    let number = |name, domains| Feature {
        name,
        column: name,
        derive: None,
        kind: Kind::Number(Transform {
            default: 0.0,
            clip: None,
            log: false,
            standardise: None,
        }),
        domains,
        place: "line 1",
    };
    let vector = Feature {
        name: "text",
        column: "text",
        derive: None,
        kind: Kind::Vector { width: 2 },
        domains: &[1],
        place: "line 1",
    };
    Box::leak(Box::new(Schema {
        name: "tables",
        spec_hash: "",
        weights_hash: "",
        graph_hash: "",
        graph: "",
        surfaces: Axis {
            column: "surface",
            domains: &[
                Domain {
                    name: "feed",
                    values: &[Value::Int(0)],
                },
                Domain {
                    name: "search",
                    values: &[Value::Int(1)],
                },
            ],
            others: Others::Error,
            place: "line 1",
        },
        products: Axis {
            column: "product",
            domains: &[Domain {
                name: "std",
                values: &[Value::Int(0)],
            }],
            others: Others::Error,
            place: "line 1",
        },
        tasks: &[Task {
            name: "ctr",
            label: Label::Action,
            action: &["click"],
            given: None,
            weight: 1.0,
            sample_weight: None,
            mask: &[],
            embedding: 4,
            surfaces: &[0, 1],
            products: &[0],
            place: "line 1",
        }],
        tables: table,
        query: Box::leak(Box::new([
            embedded("id", Input::One { default: None }),
            embedded("mean", list(Pool::Mean)),
            embedded("sum", list(Pool::Sum)),
            vector,
            number("age", &[0, 1]),
            number("clicks", &[1]),
        ])),
        item: Box::leak(Box::new([number("price", &[0])])),
        architecture: Architecture {
            expert: ExpertArchitecture {
                deep: &[4],
                routing: &[4],
                shallow: &[4],
                crossing: Crossing::Dcn { rank: 2, depth: 1 },
                se_reduction: Some(2),
                ..ExpertArchitecture::PAPER
            },
            shallow_width: 4,
            shared_deep: &[4],
            ..Architecture::PAPER
        },
        split: Split::Hash,
        bad_rows: BadRows::Stop,
        request: None,
        buckets: 20,
        training: TRAINING,
    }))
}

/// Surface, `id`, `mean` and `sum`.
type Row = (u16, u32, Vec<u32>, Vec<u32>);

/// A batch of rows that are sorted by surface.
fn batch(rows: &[Row]) -> Batch {
    let n = rows.len();
    let first = rows.iter().filter(|row| row.0 == 0).count();
    let lists = |of: fn(&Row) -> &Vec<u32>| {
        let mut offsets = vec![0];
        rows.iter()
            .for_each(|row| offsets.push(offsets[offsets.len() - 1] + of(row).len() as u32));
        Column::Lists {
            offsets,
            ids: rows.iter().flat_map(|row| of(row).clone()).collect(),
            weights: vec![],
        }
    };
    let numbers = |scale: f32| Column::Numbers((0..n).map(|row| row as f32 * scale).collect());
    Batch {
        rows: n,
        surface: rows.iter().map(|row| row.0).collect(),
        product: vec![0; n],
        query: TowerBatch {
            domains: vec![0..first, first..n],
            order: (0..n as u32).collect(),
            shared: None,
            columns: vec![
                Column::Ids(rows.iter().map(|row| row.1).collect()),
                lists(|row| &row.2),
                lists(|row| &row.3),
                Column::Vectors {
                    width: 2,
                    values: (0..2 * n).map(|value| value as f32).collect(),
                },
                numbers(1.0),
                numbers(10.0),
            ],
        },
        item: TowerBatch {
            domains: std::iter::once(0..n).collect(),
            order: (0..n as u32).collect(),
            shared: None,
            columns: vec![numbers(100.0)],
        },
        labels: vec![vec![0.0; n]],
        weights: vec![],
        actions: vec![vec![0.0; n]],
        origins: vec![],
    }
}

fn weights(tables: &mut Tables) -> Vec<f32> {
    tables.state().next().unwrap().weight
}

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

/// Dense AdamW in f64 (Loshchilov and Hutter 2019, as PyTorch writes it).
struct Dense {
    weight: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
    steps: i32,
}

impl Dense {
    fn new(weight: &[f32]) -> Self {
        let zeros = vec![0.0; weight.len()];
        Self {
            weight: weight.iter().map(|x| f64::from(*x)).collect(),
            first: zeros.clone(),
            second: zeros,
            steps: 0,
        }
    }

    fn step(&mut self, gradient: &[f64], lr: f64) {
        self.steps += 1;
        let moments = self.first.iter_mut().zip(&mut self.second);
        let entries = self.weight.iter_mut().zip(moments).zip(gradient);
        for ((weight, (first, second)), gradient) in entries.skip(2) {
            *weight *= 1.0 - lr * TRAINING.embeddings.weight_decay;
            *first = 0.9 * *first + 0.1 * gradient;
            *second = 0.999 * *second + 0.001 * gradient * gradient;
            let mean = *first / (1.0 - 0.9f64.powi(self.steps));
            let square = *second / (1.0 - 0.999f64.powi(self.steps));
            *weight -= lr * mean / (square.sqrt() + 1e-8);
        }
    }
}

/// The gradient of every row of the table, from those of the leaves.
fn scatter(rows: usize, batch: &Batch, gradients: &Gradients) -> Vec<f64> {
    let mut dense = vec![0.0; 2 * rows];
    for (places, gradient) in batch.query.domains.iter().zip(&gradients.query) {
        let Some(gradient) = gradient else { continue };
        for (gradient, place) in gradient.chunks(6).zip(places.clone()) {
            for (column, gradient) in batch.query.columns.iter().zip(gradient.chunks(2)) {
                let (ids, mean) = match column {
                    Column::Ids(ids) => (&ids[place..=place], false),
                    Column::Lists { offsets, ids, .. } => {
                        let ids = &ids[offsets[place] as usize..offsets[place + 1] as usize];
                        (ids, std::ptr::eq(column, &batch.query.columns[1]))
                    }
                    Column::Vectors { .. } | Column::Numbers(_) => continue,
                };
                let used = ids.iter().filter(|id| **id != 0);
                let factor = if mean {
                    1.0 / used.clone().count().max(1) as f64
                } else {
                    1.0
                };
                for id in used {
                    for i in 0..2 {
                        dense[2 * *id as usize + i] += factor * f64::from(gradient[i]);
                    }
                }
            }
        }
    }
    dense
}

/// Gradients between a half and three halves of `scale`, all of one sign, so that a row's sum is of that
/// size as well.
fn random_gradients(batch: &Batch, random: &mut mtmd::hash::Random, scale: f64) -> Gradients {
    let scale = if random.below(2) == 0 { scale } else { -scale };
    let mut of = |places: &std::ops::Range<usize>| {
        let size = places.len() * 6;
        (size > 0).then(|| {
            (0..size)
                .map(|_| (scale * (0.5 + random.uniform())) as f32)
                .collect()
        })
    };
    Gradients {
        query: batch.query.domains.iter().map(&mut of).collect(),
        item: vec![None],
    }
}

fn random_batch(rows: u32, random: &mut mtmd::hash::Random) -> Batch {
    let mut list = Vec::new();
    for index in 0..3 {
        // Half of the uses go to few rows, so that some rows wait for long.
        let mut id = || {
            let bound = if random.below(2) == 0 {
                3
            } else {
                rows as usize
            };
            random.below(bound) as u32
        };
        list.push((u16::from(index > 0), id(), vec![id(), id()], vec![id()]));
    }
    batch(&list)
}

/// Trains both on the same gradients; the largest difference of a weight over the largest path that a weight
/// went, the sum of the learning rates.
fn difference(rows: usize, steps: usize, scale: f64, lrs: &[f64], flush: usize, seed: u64) -> f64 {
    let mut tables = Tables::new(schema(rows), &TRAINING);
    let mut dense = Dense::new(&weights(&mut tables));
    let mut random = mtmd::hash::Random::new(seed, &[]);
    for step in 0..steps {
        let batch = random_batch(rows as u32, &mut random);
        let gradients = random_gradients(&batch, &mut random, scale);
        let lr = lrs[step % lrs.len()];
        dense.step(&scatter(rows, &batch, &gradients), lr);
        tables.step(&batch, &gradients, lr).unwrap();
        if flush > 0 && step % flush == 0 {
            tables.flush();
        }
    }
    let path: f64 = (0..steps).map(|step| lrs[step % lrs.len()]).sum();
    let sparse = weights(&mut tables);
    assert_eq!(sparse[..2], [0.0; 2]);
    let differences = sparse
        .iter()
        .zip(&dense.weight)
        .map(|(a, b)| (f64::from(*a) - b).abs());
    // A shorter path than this is lost in the rounding of the weight itself.
    differences.fold(0.0, f64::max) / path.max(1e-2)
}

fn any_training() -> impl Strategy<Value = (usize, usize, Vec<f64>, usize, u64)> {
    // 300 rows and 500 steps: rows wait for hundreds of steps. Flushes come often, seldom, never.
    let lrs = prop::collection::vec(0.0f64..0.05, 1..20);
    (
        4usize..300,
        1usize..500,
        lrs,
        prop_oneof![Just(0usize), 1usize..100],
        any::<u64>(),
    )
}

proptest! {
    // Seeded: how far rounding goes is not the same in every draw.
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    /// Gradients far above epsilon: nothing is left but the rounding of float32.
    #[test]
    fn sparse_steps_are_those_of_dense_adamw(
        (rows, steps, lrs, flush, seed) in any_training(),
        exponent in -2f64..1.0,
    ) {
        let difference = difference(rows, steps, 10f64.powf(exponent), &lrs, flush, seed);
        prop_assert!(difference < 3e-6, "{difference:e}");
    }

    /// Gradients of any size, near epsilon as well.
    #[test]
    fn sparse_steps_are_near_those_of_dense_adamw_where_epsilon_matters(
        (rows, steps, lrs, flush, seed) in any_training(),
        exponent in -12f64..-2.0,
    ) {
        let difference = difference(rows, steps, 10f64.powf(exponent), &lrs, flush, seed);
        prop_assert!(difference < 6e-3, "{difference:e}");
    }
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
    let steps = tables.steps();
    let mut restored = Tables::new(
        schema(30),
        &Training {
            seed: 99,
            ..TRAINING
        },
    );
    restored
        .restore(steps, &tables.state().collect::<Vec<_>>())
        .unwrap();
    (20..40).for_each(|seed| {
        step(&mut tables, seed);
        step(&mut restored, seed);
    });
    assert_eq!(restored.steps(), 40);
    assert_eq!(weights(&mut tables), weights(&mut restored));
}

#[test]
fn state_of_another_shape_is_refused() {
    let mut tables = Tables::new(schema(4), &TRAINING);
    let good = TableState {
        name: "things",
        rows: 4,
        dim: 2,
        weight: vec![0.0; 8],
        optimiser: vec![("exp_avg", vec![0.0; 8]), ("exp_avg_sq", vec![0.0; 8])],
    };
    tables.restore(1, std::slice::from_ref(&good)).unwrap();
    let error = tables
        .restore(
            1,
            &[TableState {
                rows: 2,
                dim: 4,
                ..good.clone()
            }],
        )
        .unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(
        error
            .to_string()
            .starts_with("tables.things.weight: shape [2, 4] where the model has [4, 2]"),
        "{error}"
    );
    let error = tables
        .restore(
            1,
            &[TableState {
                weight: vec![1.0; 8],
                ..good.clone()
            }],
        )
        .unwrap_err();
    assert!(error.to_string().contains("row 0"), "{error}");
    let error = tables
        .restore(
            1,
            &[TableState {
                optimiser: vec![("sum", vec![0.0; 4])],
                ..good
            }],
        )
        .unwrap_err();
    assert!(error.to_string().contains("no array `exp_avg`"), "{error}");
    assert!(tables.restore(1, &[]).is_err());
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
