//! The program, run in folders of a test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub const MINIMAL: &str = include_str!("../../specs/minimal.mtmd");

/// An empty folder of a test's own.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("cli")
        .join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mtmdc"));
    command.current_dir(folder).args(arguments);
    command
}

pub fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    outcome(command(folder, arguments).output().unwrap())
}

pub fn outcome(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// A folder with `minimal.mtmd` in it.
pub fn with_spec(name: &str) -> PathBuf {
    let folder = folder(name);
    fs::write(folder.join("minimal.mtmd"), MINIMAL).unwrap();
    folder
}
