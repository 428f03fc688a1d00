//! Data in an object store: a small S3 of the test's own, read by a process whose environment names it.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by a panic"
)]

/// That of a model's program.
#[global_allocator]
static MEMORY: mtmd::Memory = mtmd::Memory;

mod faults;
#[path = "../common/held.rs"]
mod held;
#[path = "../common/lowered.rs"]
mod lowered;
mod memory;
mod reading;
mod server;
mod training;

#[expect(dead_code, reason = "shared with the tests of runs")]
#[path = "../run/child.rs"]
mod child;
#[expect(dead_code, reason = "shared with the tests of the data room")]
#[path = "../data/fixture.rs"]
mod fixture;
#[expect(dead_code, reason = "shared with the tests of runs")]
#[path = "../run/rows.rs"]
mod rows;
#[expect(dead_code, reason = "shared with the tests of runs")]
#[path = "../run/sample.rs"]
mod sample;
#[expect(dead_code, reason = "shared with the tests of the data room")]
#[path = "../data/schemas.rs"]
mod schemas;
#[path = "../data/wide.rs"]
mod wide;

use std::process::Command;

use server::Server;

/// Clears a process's environment of stores, and names the server as the only one.
fn at<'a>(command: &'a mut Command, server: &Server) -> &'a mut Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("AWS_") || text.starts_with("GOOGLE_") {
            command.env_remove(name);
        }
    }
    command
        .env("AWS_ENDPOINT", server.url())
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_ACCESS_KEY_ID", "someone")
        .env("AWS_SECRET_ACCESS_KEY", "something")
        .env("GOOGLE_BASE_URL", server.url())
        .env("GOOGLE_SKIP_SIGNATURE", "true")
        .env("GOOGLE_ALLOW_HTTP", "true")
        .env("NO_PROXY", "127.0.0.1")
}
