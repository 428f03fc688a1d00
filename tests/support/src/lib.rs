//! Helpers that several test targets share.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this crate is test code: what it cannot do fails the test"
)]

pub mod rng;
pub mod run;
pub mod shuffle;
pub mod specs;
pub mod time;
