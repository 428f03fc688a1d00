//! Runtime of `mtmdc`.
pub mod data;
pub mod layers;
pub mod model;
pub mod schema;
pub mod weights;
