//! Runtime of `mtmdc`: layers, tables, data, training and evaluation of multi-task multi-domain
//! (MTMD) ranking models on burn.
//!
//! A generated crate implements [`model::Model`] for its model and calls [`main`]; everything else
//! stands here once. The rooms import downward only: `error` and `schema`, then `hash`, `params`,
//! `data` and `layers`, then `tables`, `model`, `weights` and `optimiser`, then `evaluation` and
//! `training`, then `cli`.

mod bug;
pub mod cli;
pub mod data;
pub mod error;
pub mod evaluation;
pub mod exec;
pub mod hash;
pub mod optimiser;
pub mod params;
pub mod schema;
pub mod score;
pub mod tables;
pub mod training;

pub use cli::{Memory, main};

/// What generated code of this version names, so that a runtime of another version does not compile
/// with it: build the spec again with the `mtmdc` of the runtime's version.
#[expect(
    non_camel_case_types,
    reason = "the name is what the compiler's error shows"
)]
#[derive(Debug, Clone, Copy)]
pub struct Version_0_1_0;
