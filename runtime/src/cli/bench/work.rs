//! What a step has to compute, and what the machine could.

use std::time::{Duration, Instant};

use mtmd_schema::Tower;
use mtmd_schema::plan::{Linear, Op, Plan, Program};

use crate::bug::zip_equal;
use crate::data::batch::Batch;
use crate::exec::host::product_by_all;
use crate::hash::Random;
use crate::schema::Precision;

/// Side of the square matrices whose product gives the peak.
pub const SIDE: usize = 2048;
/// Times that products are timed for the peak; the fastest counts.
const TIMES: usize = 10;

/// GFLOP/s of the fastest of some large square matrix products, as a step makes them in this
/// precision.
pub fn peak(precision: Precision) -> f64 {
    let mut random = Random::new(1, &[]);
    let mut matrix = || -> Vec<f32> {
        let draws = (0..SIDE * SIDE).map(|_| random.uniform() as f32 - 0.5);
        draws.collect()
    };
    let (left, right) = (matrix(), matrix());
    let mut best = Duration::MAX;
    for _ in 0..TIMES {
        let started = Instant::now();
        std::hint::black_box(product_by_all(&left, &right, SIDE, precision));
        best = best.min(started.elapsed());
    }
    2.0 * (SIDE as f64).powi(3) / best.as_secs_f64() / 1e9
}

/// What a training step has to do, a row of the batch.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Floating-point operations of the matrix products. A weight [out, in] takes 2 · out · in a row
    /// in the forward pass, and the same for each of the two gradients.
    pub flops: f64,
    /// Columns that come out of linear maps.
    pub outputs: f64,
    /// Dense parameters, of the whole model.
    pub weights: usize,
}

impl Work {
    /// The mean over the rows of all `batches`, for a model with this many dense parameters.
    pub fn of<'a>(
        plan: &Plan,
        weights: usize,
        batches: impl Iterator<Item = &'a Batch> + Clone,
    ) -> Self {
        let rows: usize = batches.clone().map(|batch| batch.rows).sum();
        let mean = |count: fn(&Linear) -> usize| {
            let totals = batches.clone().map(|batch| total(plan, batch, count));
            totals.sum::<usize>() as f64 / rows.max(1) as f64
        };
        Self {
            flops: 6.0 * mean(|linear| linear.batch * linear.outputs * linear.inputs),
            outputs: mean(|linear| linear.batch * linear.outputs),
            weights,
        }
    }
}

/// The sum, over all places and the linear maps that each goes through, of what a map counts.
fn total(plan: &Plan, batch: &Batch, count: fn(&Linear) -> usize) -> usize {
    let towers = Tower::ALL.into_iter().map(|tower| {
        let plan = plan.tower(tower);
        let domains = zip_equal(&*plan.domains, &batch.tower(tower).domains);
        let of = |program: &Program| -> usize {
            let linear = program.forward.iter().map(|op| match op {
                Op::Linear(linear) => count(linear),
                _ => 0,
            });
            linear.sum()
        };
        let of_domain = |index: usize| plan.programs.get(index).map_or(0, of);
        let totals = domains.map(|(place, places)| places.len() * of_domain(place.program));
        totals.sum::<usize>()
    });
    towers.sum()
}
