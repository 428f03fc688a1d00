//! The command line in a process of its own: this very test binary, told by an environment
//! variable to be the program.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::rows;
use crate::sample::model;

const ARGS: &str = "MTMD_TEST_ARGS";

/// Not a test: the program, where [`program`] started this process.
#[test]
fn program_of_the_sample() {
    if let Ok(args) = std::env::var(ARGS) {
        let args = std::iter::once("sample")
            .chain(args.lines())
            .map(OsString::from);
        std::process::exit(i32::from(mtmd::cli::run(model(), args)));
    }
}

/// The program with these arguments, to be started.
pub fn program(args: &[&str]) -> Command {
    let binary = std::env::current_exe().expect("this binary");
    prepared(Command::new(binary), args)
}

/// The same, where no file may grow beyond `blocks` of 512 bytes: a write fails as on a full disk.
pub fn program_on_a_small_disk(blocks: u32, args: &[&str]) -> Command {
    let binary = std::env::current_exe().expect("this binary");
    let mut shell = Command::new("sh");
    let limit = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    shell.arg("-c").arg(limit).arg(binary);
    prepared(shell, args)
}

fn prepared(mut command: Command, args: &[&str]) -> Command {
    command.args(["--exact", "child::program_of_the_sample", "--nocapture"]);
    command.env(ARGS, args.join("\n"));
    command
}

/// Runs the program to its end.
pub fn run(args: &[&str]) -> Output {
    program(args).output().expect("the program starts")
}

/// Runs the program, which must succeed; returns its standard output.
pub fn run_well(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    String::from_utf8(output.stdout).expect("text")
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Trains the program on this data into this folder, with further options, which must succeed; returns its standard output.
pub fn train(data: &Path, out: &Path, options: &[&str]) -> String {
    run_well(
        &[
            &["train", "--data", text(data), "--out", text(out)],
            options,
        ]
        .concat(),
    )
}

/// Whether a run's folder has a whole checkpoint.
pub fn resumable(out: &Path) -> bool {
    let checkpoints = std::fs::read_dir(out.join("checkpoints"));
    let mut names = checkpoints
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name());
    names.any(|name| !text(Path::new(&name)).contains('.'))
}

/// Rows, and the run of one short epoch on them.
pub fn trained(root: &Path) -> (PathBuf, PathBuf) {
    let (data, out) = (root.join("rows.parquet"), root.join("run"));
    rows::write(&data, 1_000);
    train(&data, &out, &["--epochs", "1", "--quiet"]);
    (data, out)
}
