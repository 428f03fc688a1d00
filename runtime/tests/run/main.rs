//! Training, evaluation and the command line, with a small model on small data.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by a panic"
)]

mod bad_rows;
mod checkpoint;
mod child;
mod cli;
mod evaluation;
mod events;
mod golden;
#[path = "../common/held.rs"]
mod held;
mod index;
#[cfg(unix)]
mod kills;
#[path = "../common/lowered.rs"]
mod lowered;
mod memory;
mod precision;
mod predict;
mod profile;
mod requests;
mod rows;
mod sample;
mod selection;
mod setting;
mod training;
mod warm_start;
#[path = "../common/weights.rs"]
mod weights;
