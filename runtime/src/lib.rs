//! Runtime of `mtmdc`.
pub mod data;
pub mod error;
pub mod hash;
pub mod schema;
pub mod tables;
