//! Runtime of `mtmdc`.
pub mod data;
mod kernels;
pub mod layers;
pub mod model;
pub mod optimiser;
pub mod schema;
pub mod weights;
