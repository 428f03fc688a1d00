//! Runtime of `mtmdc`.
pub mod data;
pub mod error;
pub mod evaluation;
pub mod hash;
pub mod layers;
pub mod model;
pub mod schema;
pub mod tables;
pub mod training;
pub mod weights;
