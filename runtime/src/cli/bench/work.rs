//! What a step has to compute, and what the machine could.

use std::time::{Duration, Instant};

use burn::tensor::{Device, Distribution, Tensor};

use crate::data::batch::{Batch, TowerBatch};
use crate::error::{Error, Result};
use crate::schema::{Axis, Schema};

/// Side of the square matrices whose product gives the peak.
pub const SIDE: usize = 2048;
/// Products that are timed for the peak; the fastest counts.
const PRODUCTS: usize = 10;

/// GFLOP/s of the fastest of some large square matrix products.
pub fn peak(device: &Device) -> Result<f64> {
    let matrix = || Tensor::<2>::random([SIDE, SIDE], Distribution::Default, device);
    let (left, right) = (matrix(), matrix());
    let mut best = Duration::MAX;
    for _ in 0..PRODUCTS {
        let wait = || {
            device.sync().map_err(|error| {
                Error::run(
                    "the device",
                    error.to_string(),
                    "check the device, or use `--device cpu`",
                )
            })
        };
        wait()?;
        let started = Instant::now();
        let product = left.clone().matmul(right.clone());
        wait()?;
        best = best.min(started.elapsed());
        drop(product);
    }
    Ok(2.0 * (SIDE as f64).powi(3) / best.as_secs_f64() / 1e9)
}

/// Whether matrix products of this size round their float32 factors, as TF32 does to 11 bits.
pub fn rounds_factors(device: &Device) -> Result<bool> {
    let fine = 1.0 + 2.0_f32.powi(-12);
    let product = Tensor::<2>::full([SIDE, SIDE], fine, device).matmul(Tensor::eye(SIDE, device));
    let one = product.slice([0..1, 0..1]).try_into_data();
    let one = one.map_err(|error| {
        Error::run(
            "the device",
            error.to_string(),
            "check the device, or use `--device cpu`",
        )
    })?;
    Ok(one.iter::<f32>().any(|value| value != fine))
}

/// Floating-point operations of the matrix products in a training step on each of `batches`, all
/// together. A weight [out, in] takes 2 · out · in a row in the forward pass, and the same for each
/// of the two gradients.
pub fn flops(schema: &Schema, parameters: &[(String, Vec<usize>)], batches: &[Batch]) -> f64 {
    let tower = |name: &str, axis: &Axis, of: fn(&Batch) -> &TowerBatch| -> f64 {
        let forward = |prefix: String| -> f64 {
            let matrices = parameters
                .iter()
                .filter(|(key, shape)| shape.len() == 2 && key.starts_with(&prefix));
            matrices
                .map(|(_, shape)| 2.0 * shape.iter().product::<usize>() as f64)
                .sum()
        };
        let shared = forward(format!("{name}.shared."));
        let domains = axis.domains.iter().enumerate().map(|(domain, declared)| {
            let places = batches
                .iter()
                .filter_map(|batch| of(batch).domains.get(domain));
            let rows: usize = places.map(|places| places.len()).sum();
            rows as f64 * (shared + forward(format!("{name}.{}.", declared.name)))
        });
        domains.sum()
    };
    let query = tower("query", &schema.surfaces, |batch| &batch.query);
    let item = tower("item", &schema.products, |batch| &batch.item);
    3.0 * (query + item)
}
