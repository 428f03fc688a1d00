//! Tests of the executor: every operation by itself, and whole steps.

mod fixture;
mod gradients;
mod kernels;
mod model;
mod step;
mod verified;
