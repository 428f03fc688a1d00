//! The server: right answers or clear refusals, by whatever client and under whatever load.

#![cfg(unix)]
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by a panic"
)]

mod answers;
#[path = "../run/child.rs"]
#[expect(dead_code, reason = "shared with the tests of runs")]
mod child;
mod client;
mod clients;
mod load;
#[path = "../common/lowered.rs"]
mod lowered;
mod process;
#[path = "../run/rows.rs"]
#[expect(dead_code, reason = "shared with the tests of runs")]
mod rows;
#[path = "../run/sample.rs"]
#[expect(dead_code, reason = "shared with the tests of runs")]
mod sample;
mod setting;
mod swap;
