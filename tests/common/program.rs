//! The program, and folders to run it in.

use std::fs;
use std::path::{Path, PathBuf};

use support::run::Program;

pub const MINIMAL: &str = include_str!("../../specs/minimal.mtmd");

/// An empty folder in the target folder, for one test.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("cli")
        .join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

pub const MTMDC: Program = Program {
    exe: env!("CARGO_BIN_EXE_mtmdc"),
};

/// A folder with `minimal.mtmd` in it.
pub fn with_spec(name: &str) -> PathBuf {
    let folder = folder(name);
    fs::write(folder.join("minimal.mtmd"), MINIMAL).unwrap();
    folder
}
