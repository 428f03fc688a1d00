//! The data room, from files on disk to batches.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by a panic"
)]

mod files;
mod fixture;
mod made_up;
mod order;
mod rows;
mod schemas;
mod throughput;
