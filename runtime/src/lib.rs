//! Runtime of `mtmdc`: data, tables, training and evaluation of multi-task multi-domain (MTMD)
//! ranking models.
//!
//! A generated crate passes its [`schema::Compiled`] model to [`main`]; everything else is in this crate.
//! The rooms import downward only: `bug`, `error` and `schema`, then `hash`, `params`, `profile`, `store`, `arrays`,
//! `parquet`, `vocab`, `data`, `exec`, `tables` and `optimiser`, then `evaluation`, `score`, `training`, `index`,
//! `serve` and `export`, then `cli`.

// Unit tests share files with the tests in `tests/`, which name the crate.
#[cfg(test)]
extern crate self as mtmd;

mod arrays;
mod bug;
pub mod cli;
pub mod data;
pub mod error;
pub mod evaluation;
pub mod exec;
pub mod export;
pub mod hash;
pub mod index;
pub mod optimiser;
pub mod params;
mod parquet;
pub mod profile;
pub mod schema;
pub mod score;
#[cfg(feature = "serve")]
pub mod serve;
mod store;
pub mod tables;
pub mod training;
pub mod vocab;

pub use cli::{Memory, main};

/// What generated code of this version names, so that a runtime of another version does not compile
/// with it: build the spec again with the `mtmdc` of the runtime's version.
#[expect(
    non_camel_case_types,
    reason = "the name is what the compiler's error shows"
)]
#[derive(Debug, Clone, Copy)]
pub struct Version_0_1_0;
