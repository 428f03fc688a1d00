//! The program of a spec's crate, built by cargo.

use super::report::{Exit, Failure};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Builds the program of a generated crate. The whole workspace takes part, so that its crates
/// share one build of the runtime and its dependencies.
pub(super) fn build_program(
    workspace: &Path,
    name: &str,
    features: &[&str],
) -> Result<PathBuf, Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(&cargo);
    build
        .current_dir(workspace)
        .args(["build", "--release", "--workspace", "--bin", name])
        .arg("--message-format=json-render-diagnostics")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    for feature in features {
        build.arg("--features").arg(format!("{name}/{feature}"));
    }
    let mut child = build.spawn().map_err(|error| {
        let message = format!("cannot run `{}`: {error}", cargo.display());
        Failure::new(Exit::Environment, message)
            .with_help("training needs Rust's cargo: https://rustup.rs")
    })?;
    let program = executable(&mut child, name);
    let ended = child.wait();
    match (ended.is_ok_and(|status| status.success()), program) {
        (true, Some(program)) => Ok(program),
        (true, None) => {
            let message = format!("cargo built no program `{name}`");
            let help = "the workspace's Cargo.toml must have `generated/*` among its members";
            Err(Failure::new(Exit::Environment, message).with_help(help))
        }
        (false, _) => {
            let message = format!("the crate of `{name}` was not built: see cargo's message above");
            Err(Failure::new(Exit::Environment, message))
        }
    }
}

/// The path of the program that cargo says it built.
fn executable(cargo: &mut Child, name: &str) -> Option<PathBuf> {
    let lines = BufReader::new(cargo.stdout.take()?).lines();
    let mut program = None;
    for line in lines.map_while(Result::ok) {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(&line) else {
            continue;
        };
        let is_it = message
            .pointer("/target/name")
            .is_some_and(|target| target == name);
        let path = message
            .get("executable")
            .and_then(serde_json::Value::as_str);
        if let (true, Some(path)) = (is_it, path) {
            program = Some(PathBuf::from(path));
        }
    }
    program
}
