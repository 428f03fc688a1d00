//! Running a plan in host memory, in float32 or float64.
//!
//! Rows of a domain are cut into chunks, small enough that what the operations of a program hand on
//! stays near the core (`lanes.rs`). Every chunk goes through all operations; chunks run in parallel,
//! and in the backward pass lanes of chunks do, each of which sums the gradients of its parameters.
//! How rows are cut depends on their number alone and all sums are made in a fixed order, so results
//! do not depend on the number of threads.

mod activate;
mod backward;
mod batch_norm;
mod buffer;
mod executor;
mod forward;
mod heads;
mod intervals;
mod job;
mod lanes;
mod linear;
mod memory;
mod mix;
mod ops;
mod parameters;
mod pointwise;
mod probe;
mod product;
mod real;
mod rows;
mod scan;
mod spare;
mod split;
#[cfg(test)]
mod tests;
mod unit;
mod verify;
mod widths;

pub use executor::{Executor, Step};
pub use heads::{Scores, TaskLoss, bias, chain, logit};
pub(crate) use product::without_amx;
pub use real::Real;
pub use rows::TowerRows;
pub use scan::{StoredRows, TaskQuery, gather, scan};
#[cfg(feature = "device")]
pub(super) use {heads::RowEmbeddings, linear::is_narrow, rows::check_places};

use crate::schema::Precision;

/// The product of two square matrices, made by all threads as those of large batches are.
pub(crate) fn product_by_all<E: Real>(
    left: &[E],
    right: &[E],
    side: usize,
    precision: Precision,
) -> Vec<E> {
    let way = product::Way::of::<E>(side, precision);
    let matrix = |values| product::Matrix::new(values, side);
    product::product(matrix(left), matrix(right), way)
}
