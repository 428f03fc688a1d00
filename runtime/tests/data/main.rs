//! The data room, from files on disk to batches.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by a panic"
)]

/// That of a model's program.
#[global_allocator]
static MEMORY: mtmd::Memory = mtmd::Memory;

mod damage;
mod files;
mod fixture;
#[path = "../common/held.rs"]
mod held;
mod inputs;
mod made_up;
mod memory;
mod order;
mod quarantine;
mod rows;
mod schemas;
mod split;
mod starting;
mod throughput;
mod types;
mod vocabularies;
mod wide;
