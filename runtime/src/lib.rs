//! Runtime of `mtmdc`.
pub mod cli;
pub mod data;
pub mod error;
pub mod evaluation;
pub mod hash;
mod kernels;
pub mod layers;
pub mod model;
pub mod optimiser;
pub mod schema;
pub mod tables;
pub mod training;
pub mod weights;
