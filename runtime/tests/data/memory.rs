//! The reader's memory over data that is far larger:
//! `cargo test --release -p mtmd --test data memory -- --nocapture` prints the figures.

use std::path::PathBuf;
use std::process::Command;

use crate::held::held;
use crate::wide::{self, FILES};

/// Names the folder to a process that reads.
const FOLDER: &str = "MTMD_TEST_MEMORY";
/// Bytes that the reader may need beyond those of the bare process.
const LIMIT: u64 = 256 << 20;

/// Not a test: the process that reads, where [`memory_does_not_grow_with_the_data`] started it.
#[test]
fn memory_of_a_process() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        wide::read(PathBuf::from(folder));
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn memory_does_not_grow_with_the_data() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = wide::write(folder.path());
    assert!(bytes > 10 * LIMIT, "{bytes} bytes");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "memory::memory_of_a_process", "--nocapture"])
        .env(FOLDER, folder.path())
        .env("RAYON_NUM_THREADS", "2")
        // As a model's program sets it.
        .env("MIMALLOC_PURGE_DELAY", "-1")
        .output()
        .unwrap();
    let [held] = held(&output);
    let mebibytes = |bytes: u64| bytes >> 20;
    println!(
        "{} MiB of Parquet in row groups of {} MiB: the reader held at most {} MiB",
        mebibytes(bytes),
        mebibytes(bytes / FILES as u64),
        mebibytes(held),
    );
    assert!(held < LIMIT, "{} MiB", mebibytes(held));
}
