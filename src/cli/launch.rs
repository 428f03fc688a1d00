//! `train`, `eval` and `synth`: builds a spec's crate and runs its program.

use super::report::{Exit, Failure, Reporter};
use super::{Aim, RunArguments, Which, build, compile, workspace};
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Runs a command of a spec's program, with the program built if need be.
pub(super) fn launch(
    command: &str,
    run: &RunArguments,
    reporter: &Reporter,
) -> Result<Exit, Failure> {
    let (path, arguments) = (&*run.spec, &*run.arguments);
    let which = Which {
        variant: run.variant.clone(),
        ..Which::default()
    };
    let Some(artefacts) = compile(path, &which, Aim::Build, reporter)? else {
        return Ok(Exit::Wrong);
    };
    let workspace = workspace::find(path)?;
    let spec = artefacts.spec();
    let folder = workspace::shorten(&workspace.join("generated").join(&spec.name));
    if build::apply(&build::changes(&folder, &artefacts)?)? {
        reporter.note(&format!("built: {}", folder.display()));
    }
    let program = build_program(&workspace, &spec.name, wants_cuda(arguments))?;
    let mut run = Command::new(&program);
    run.arg(command);
    if let Some(data) = &spec.data
        && command != "synth"
        && !gives(arguments, "--data")
    {
        run.arg("--data")
            .arg(path.parent().unwrap_or(Path::new("")).join(data));
    }
    become_program(run.args(arguments), &program)
}

fn cannot_run(program: &Path, error: &std::io::Error) -> Failure {
    let message = format!("cannot run `{}`: {error}", program.display());
    Failure::new(Exit::Environment, message)
}

/// The program takes this process's place, so that signals reach it and its exit code is the command's.
#[cfg(unix)]
fn become_program(command: &mut Command, program: &Path) -> Result<Exit, Failure> {
    use std::os::unix::process::CommandExt as _;
    Err(cannot_run(program, &command.exec()))
}

#[cfg(not(unix))]
fn become_program(command: &mut Command, program: &Path) -> Result<Exit, Failure> {
    let status = command
        .status()
        .map_err(|error| cannot_run(program, &error))?;
    match status.code() {
        Some(0) => Ok(Exit::Fine),
        Some(1) => Ok(Exit::Wrong),
        Some(2) => Ok(Exit::Misuse),
        Some(_) => Ok(Exit::Environment),
        None => {
            let message = format!("`{}` was ended: {status}", program.display());
            Err(Failure::new(Exit::Environment, message))
        }
    }
}

/// Builds the program of a generated crate. The whole workspace takes part, so that its crates
/// share one build of the runtime and its dependencies.
fn build_program(workspace: &Path, name: &str, cuda: bool) -> Result<PathBuf, Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(&cargo);
    build
        .current_dir(workspace)
        .args(["build", "--release", "--workspace", "--bin", name])
        .arg("--message-format=json-render-diagnostics")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if cuda {
        build.arg("--features").arg(format!("{name}/cuda"));
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

fn wants_cuda(arguments: &[OsString]) -> bool {
    let is_cuda = |device: &OsStr| device.as_encoded_bytes().starts_with(b"cuda");
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--device" {
            return rest.next().is_some_and(|device| is_cuda(device));
        }
        if argument.as_encoded_bytes().starts_with(b"--device=cuda") {
            return true;
        }
    }
    false
}

/// Whether an option is among the arguments, as `--option value` or `--option=value`.
fn gives(arguments: &[OsString], option: &str) -> bool {
    arguments.iter().any(|argument| {
        let rest = argument.as_encoded_bytes().strip_prefix(option.as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"="))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(arguments: &[&str]) -> Vec<OsString> {
        arguments.iter().map(OsString::from).collect()
    }

    #[test]
    fn cuda_is_asked_for_by_the_device() {
        assert!(wants_cuda(&os(&["--epochs", "2", "--device", "cuda:1"])));
        assert!(wants_cuda(&os(&["--device=cuda"])));
        assert!(!wants_cuda(&os(&["--device", "cpu", "--out", "cuda"])));
        assert!(!wants_cuda(&os(&["--device"])));
    }

    #[test]
    fn options_are_found_in_both_forms() {
        assert!(gives(&os(&["--data", "x"]), "--data"));
        assert!(gives(&os(&["--data=x"]), "--data"));
        assert!(!gives(&os(&["--database", "x"]), "--data"));
    }
}
