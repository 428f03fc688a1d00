//! The reader's memory over a store that holds far more:
//! `cargo test --release -p mtmd --features cloud --test cloud memory -- --nocapture` prints the figures.

use std::process::Command;

use crate::held::held;
use crate::server::Server;
use crate::{at, wide};

/// Says to a process that it reads.
const READ: &str = "MTMD_TEST_CLOUD_MEMORY";
/// Bytes that the reader may need beyond those of the bare process: those for files on disk, the windows of two row
/// groups, which the first pass reads side by side, and what the allocator keeps of windows that are no more.
const LIMIT: u64 = (256 + 72 + 56) << 20;

/// Not a test: the process that reads, where [`memory_does_not_grow_with_the_objects`] started it.
#[test]
fn memory_of_a_process() {
    if std::env::var_os(READ).is_some() {
        wide::read("s3://bucket/data".into());
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn memory_does_not_grow_with_the_objects() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = wide::write(folder.path());
    assert!(bytes > 5 * LIMIT, "{bytes} bytes");
    let server = Server::start(folder.path());
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = at(&mut command, &server)
        .args(["--exact", "memory::memory_of_a_process", "--nocapture"])
        .env(READ, "yes")
        .env("RAYON_NUM_THREADS", "2")
        // As a model's program sets it.
        .env("MIMALLOC_PURGE_DELAY", "-1")
        .output()
        .unwrap();
    let [held] = held(&output);
    let mebibytes = |bytes: u64| bytes >> 20;
    println!(
        "{} MiB of objects in row groups of {} MiB, read twice in {} requests: the reader held at most {} MiB",
        mebibytes(bytes),
        mebibytes(bytes / wide::FILES as u64),
        server.ranges(),
        mebibytes(held),
    );
    assert!(held < LIMIT, "{} MiB", mebibytes(held));
}
