//! What a step has to compute, and what the machine could.

use std::time::{Duration, Instant};

use burn::tensor::{Device, Distribution, Tensor};

use crate::data::batch::{Batch, TowerBatch};
use crate::error::Result;
use crate::kernels::{is_host, linear_without_bias};
use crate::layers::Precision;
use crate::schema::{Axis, Schema};

use super::steps::{refused, wait};

/// Side of the square matrices whose product gives the peak.
pub const SIDE: usize = 2048;
/// Times that products are timed for the peak; the fastest counts.
const TIMES: usize = 10;
/// Products of one time on a device that works beside the host: so many hide what it takes to tell it and to hear of the end.
const QUEUED: usize = 50;

/// GFLOP/s of the fastest of some large square matrix products, as the layers make them in this precision.
pub fn peak(device: &Device, precision: Precision) -> Result<f64> {
    let matrix = || Tensor::<2>::random([SIDE, SIDE], Distribution::Default, device);
    let (left, right) = (matrix(), matrix());
    let products = if is_host(device) { 1 } else { QUEUED };
    let mut best = Duration::MAX;
    for _ in 0..TIMES {
        wait(device)?;
        let started = Instant::now();
        for _ in 0..products {
            linear_without_bias(left.clone(), right.clone(), precision);
        }
        wait(device)?;
        best = best.min(started.elapsed());
    }
    Ok(2.0 * (SIDE as f64).powi(3) * products as f64 / best.as_secs_f64() / 1e9)
}

/// Whether matrix products of this size round their float32 factors, as TF32 does to 11 bits.
pub fn rounds_factors(device: &Device) -> Result<bool> {
    let fine = 1.0 + 2.0_f32.powi(-12);
    let product = Tensor::<2>::full([SIDE, SIDE], fine, device).matmul(Tensor::eye(SIDE, device));
    let one = product.slice([0..1, 0..1]).try_into_data();
    let one = one.map_err(refused)?;
    Ok(one.iter::<f32>().any(|value| value != fine))
}

/// What a training step has to do, a row of the batch.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Floating-point operations of the matrix products. A weight [out, in] takes 2 · out · in a row in the forward pass, and the
    /// same for each of the two gradients.
    pub flops: f64,
    /// Columns that come out of linear maps.
    pub outputs: f64,
    /// Dense parameters, of the whole model.
    pub weights: usize,
}

impl Work {
    /// The mean over the rows of all `batches`.
    pub fn of(schema: &Schema, parameters: &[(String, Vec<usize>)], batches: &[Batch]) -> Self {
        let rows: usize = batches.iter().map(|batch| batch.rows).sum();
        let mean = |of: fn(&[usize]) -> usize| {
            total(schema, parameters, batches, of) as f64 / rows.max(1) as f64
        };
        Self {
            flops: 6.0 * mean(|shape| shape.iter().product()),
            outputs: mean(|shape| shape.first().copied().unwrap_or(0)),
            weights: parameters
                .iter()
                .map(|(_, shape)| shape.iter().product::<usize>())
                .sum(),
        }
    }
}

/// The sum, over all rows and the matrices that each goes through, of what a matrix of a shape counts.
fn total(
    schema: &Schema,
    parameters: &[(String, Vec<usize>)],
    batches: &[Batch],
    count: fn(&[usize]) -> usize,
) -> usize {
    let tower = |name: &str, axis: &Axis, of: fn(&Batch) -> &TowerBatch| -> usize {
        let counted = |prefix: String| -> usize {
            let matrices = parameters
                .iter()
                .filter(|(key, shape)| shape.len() == 2 && key.starts_with(&prefix));
            matrices.map(|(_, shape)| count(shape)).sum()
        };
        let shared = counted(format!("{name}.shared."));
        let domains = axis.domains.iter().enumerate().map(|(domain, declared)| {
            let places = batches
                .iter()
                .filter_map(|batch| of(batch).domains.get(domain));
            let rows: usize = places.map(|places| places.len()).sum();
            rows * (shared + counted(format!("{name}.{}.", declared.name)))
        });
        domains.sum()
    };
    let query = tower("query", &schema.surfaces, |batch| &batch.query);
    let item = tower("item", &schema.products, |batch| &batch.item);
    query + item
}
