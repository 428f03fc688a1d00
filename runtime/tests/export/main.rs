//! Exports: what the files hold, read by readers that share nothing with their writers, and the scores that they give.

#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod edges;
mod folders;
mod graphs;
mod models;
mod python;
#[path = "../common/weights.rs"]
mod weights;
