//! Tests of the executor: every operation by itself, and whole steps.

mod fixture;
mod gradients;
#[path = "../../../../tests/common/grouped.rs"]
mod grouped;
mod heads;
mod kernels;
mod model;
mod rows;
mod step;
mod verified;
