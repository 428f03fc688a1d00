//! Runtime of `mtmdc`.
pub mod schema;
pub mod data;
pub mod evaluation;
