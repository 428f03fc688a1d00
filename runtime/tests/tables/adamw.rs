//! AdamW of the rows that a batch names, against dense AdamW in float64.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::fixture::{
    TRAINING, random_batch, random_gradients, scatter, schema, tables, uses, weights,
};

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

/// Trains both on the same gradients; the largest difference of a weight over the largest path that a weight
/// went, the sum of the learning rates.
fn difference(rows: usize, steps: usize, scale: f64, lrs: &[f64], flush: usize, seed: u64) -> f64 {
    let mut tables = tables(schema(rows), &TRAINING);
    let mut dense = Dense::new(&weights(&mut tables));
    let mut random = mtmd::hash::Random::new(seed, &[]);
    for step in 0..steps {
        let batch = random_batch(rows as u32, &mut random);
        let gradients = random_gradients(&batch, &mut random, scale);
        let lr = lrs[step % lrs.len()];
        dense.step(&scatter(rows, &batch, &gradients), lr);
        let uses = uses(&tables, &batch);
        // A step brings rows up to date by itself.
        if random.below(2) == 0 {
            tables.catch_up(&uses);
        }
        tables.step(&uses, [&gradients.query, &gradients.item], lr);
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
