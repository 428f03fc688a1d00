//! `train`, `eval` and `synth`: builds a spec's crate and runs its program.

use super::report::{self, Exit, Failure, Reporter};
use super::{Aim, RunArguments, Which, build, compile, warm_start, workspace};
use crate::driver::compile::Artefacts;
use crate::graph::diff::Diff;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek, Write};
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
    let plan = match command {
        "train" => plan(&artefacts, arguments)?,
        _ => None,
    };
    if command == "train" && gives(arguments, DRY_RUN) {
        let plan = plan.ok_or_else(nothing_to_show)?;
        report::print(&plan.to_text())?;
        return Ok(Exit::Fine);
    }
    let workspace = workspace::find(path)?;
    let spec = artefacts.spec();
    let folder = workspace::shorten(&workspace.join("generated").join(&*spec.name));
    if build::apply(&build::changes(&folder, &artefacts)?)? {
        reporter.note(&format!("built: {}", folder.display()));
    }
    let data = match &spec.data {
        Some(data) if command != "synth" && !gives(arguments, "--data") => Some(place(path, data)),
        _ => None,
    };
    let mut features = vec![];
    if wants_cuda(arguments) {
        features.push("cuda");
    }
    let data_in_spec = data.iter().map(|data| data.as_os_str());
    if data_in_spec
        .chain(arguments.iter().map(OsString::as_os_str))
        .any(is_in_a_store)
    {
        features.push("cloud");
    }
    let program = build_program(&workspace, &spec.name, &features)?;
    let mut run = Command::new(&program);
    run.arg(command);
    if let Some(data) = data {
        run.arg("--data").arg(data);
    }
    run.args(arguments);
    if let Some(plan) = plan {
        let input = input(&plan.to_json()).map_err(|error| {
            let message = format!("cannot hand the plan to `{}`: {error}", program.display());
            Failure::new(Exit::Environment, message)
                .with_help("the folder for temporary files must have room for it")
        })?;
        run.args(["--plan", "-"]).stdin(input);
    }
    become_program(&mut run, &program)
}

/// Where a spec's data lies: a URL as it is, a path from the spec's folder.
fn place(spec: &Path, data: &str) -> PathBuf {
    if data.contains("://") {
        return data.into();
    }
    spec.parent().unwrap_or(Path::new("")).join(data)
}

fn cannot_run(program: &Path, error: &io::Error) -> Failure {
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

/// Folder of the weights that a model starts from.
const WARM_START: &str = "--warm-start";
/// Shows what a warm start would do, and trains nothing.
const DRY_RUN: &str = "--dry-run";

/// What the model takes over from the one in the folder of `--warm-start`, if that is given.
fn plan(artefacts: &Artefacts, arguments: &[OsString]) -> Result<Option<Diff>, Failure> {
    let folder = value_of(arguments, WARM_START);
    folder
        .map(|folder| warm_start::plan(Path::new(&folder), &artefacts.graph))
        .transpose()
}

fn nothing_to_show() -> Failure {
    let message = format!("`{DRY_RUN}` shows the plan of a warm start, and there is none");
    Failure::new(Exit::Misuse, message).with_help(format!(
        "give the folder of the weights to start from by `{WARM_START} DIR`"
    ))
}

/// A text as the standard input of a program that takes this process's place: a file that has no name any more.
fn input(text: &str) -> io::Result<File> {
    let name = format!("mtmdc-plan-{}.json", std::process::id());
    let path = std::env::temp_dir().join(name);
    let mut options = File::options();
    let mut file = options
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    // Where an open file keeps its name, it stays until the system clears the folder.
    let _ = fs::remove_file(&path);
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

/// Builds the program of a generated crate. The whole workspace takes part, so that its crates
/// share one build of the runtime and its dependencies.
fn build_program(workspace: &Path, name: &str, features: &[&str]) -> Result<PathBuf, Failure> {
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

/// Whether an argument, or the value in it, is the URL of an object store.
fn is_in_a_store(argument: &OsStr) -> bool {
    let text = argument.to_string_lossy();
    let value = match text.split_once('=') {
        Some((option, value)) if option.starts_with("--") => value,
        _ => &text,
    };
    value.starts_with("s3://") || value.starts_with("gs://")
}

/// Whether an option is among the arguments, as `--option value` or `--option=value`.
fn gives(arguments: &[OsString], option: &str) -> bool {
    arguments.iter().any(|argument| {
        let rest = argument.as_encoded_bytes().strip_prefix(option.as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"="))
    })
}

/// The value of an option among the arguments, in either form.
fn value_of(arguments: &[OsString], option: &str) -> Option<OsString> {
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == option {
            return rest.next().cloned();
        }
        let value = argument.to_str().and_then(|text| {
            let rest = text.strip_prefix(option)?;
            rest.strip_prefix('=')
        });
        if let Some(value) = value {
            return Some(value.into());
        }
    }
    None
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
    fn object_stores_are_known_by_their_urls() {
        for argument in [
            "s3://bucket/folder",
            "gs://bucket",
            "--data=s3://bucket/a=b",
        ] {
            assert!(is_in_a_store(OsStr::new(argument)), "{argument}");
        }
        for argument in [
            "folder/a=b.parquet",
            "ftp://host",
            "--data",
            "--data=folder",
        ] {
            assert!(!is_in_a_store(OsStr::new(argument)), "{argument}");
        }
    }

    #[test]
    fn data_lies_beside_the_spec_or_at_its_url() {
        let spec = Path::new("specs/a.mtmd");
        assert_eq!(place(spec, "rows"), Path::new("specs/rows"));
        assert_eq!(
            place(spec, "s3://bucket/rows").to_str(),
            Some("s3://bucket/rows")
        );
    }

    #[test]
    fn options_are_found_in_both_forms() {
        assert!(gives(&os(&["--data", "x"]), "--data"));
        assert!(gives(&os(&["--data=x"]), "--data"));
        assert!(!gives(&os(&["--database", "x"]), "--data"));
        for given in [
            &["--out", "o", "--warm-start", "x"][..],
            &["--warm-start=x"],
        ] {
            assert_eq!(value_of(&os(given), WARM_START), Some("x".into()));
        }
        assert_eq!(value_of(&os(&["--out", "x"]), WARM_START), None);
    }
}
