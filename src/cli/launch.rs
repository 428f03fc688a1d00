//! `train`, `eval`, `predict`, `index`, `serve`, `export`, `synth` and `bench`: builds a spec's crate and runs its program.

use super::report::{self, Exit, Failure, Reporter};
use super::{Aim, Which, build, cargo, compile, warm_start, workspace};
use crate::driver::compile::Artefacts;
use mtmd_options::{
    Bench, Device, Eval, Export, Given, Index, Machine, Predict, Serve, Synth, Train,
    in_object_store,
};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The model to run.
#[derive(Debug, clap::Args)]
pub(super) struct Model {
    /// Spec
    spec: PathBuf,
    #[command(flatten)]
    which: Which,
}

/// What the commands but `train` take.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments<O: clap::Args> {
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    given: Given<O>,
}

/// What `train` takes.
#[derive(Debug, clap::Args)]
pub(super) struct TrainArguments {
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    given: Given<Train>,
    /// Show how the weights of the warm start transfer, and train nothing
    #[arg(long, requires = "warm_start")]
    dry_run: bool,
}

pub(super) fn train(arguments: TrainArguments, reporter: &Reporter) -> Result<Exit, Failure> {
    let TrainArguments {
        model,
        given: Given { options, arguments },
        dry_run,
    } = arguments;
    let Some(artefacts) = model.compile(reporter)? else {
        return Ok(Exit::Wrong);
    };
    let warm_start = options.warm_start.as_deref();
    let plan = warm_start
        .map(|folder| warm_start::plan(folder, &artefacts.graph))
        .transpose()?;
    if let (Some(plan), true) = (&plan, dry_run) {
        report::print(&plan.to_text())?;
        return Ok(Exit::Fine);
    }
    let mut run = Run::new("train", arguments);
    run.read_data_or_the_specs((&model.spec, &artefacts), options.data)?;
    run.use_machine(&options.machine);
    run.plan = plan.map(|plan| plan.to_json());
    run.launch(&model.spec, &artefacts, reporter)
}

pub(super) fn eval(arguments: Arguments<Eval>, reporter: &Reporter) -> Result<Exit, Failure> {
    launch("eval", arguments, reporter, |run, model, options| {
        require_path("--model", &options.model)?;
        run.read_data_or_the_specs(model, options.data)?;
        run.use_machine(&options.machine);
        Ok(())
    })
}

pub(super) fn predict(arguments: Arguments<Predict>, reporter: &Reporter) -> Result<Exit, Failure> {
    launch("predict", arguments, reporter, |run, model, options| {
        require_path("--model", &options.model)?;
        run.read_data_or_the_specs(model, options.data)?;
        run.use_machine(&options.machine);
        Ok(())
    })
}

pub(super) fn index(arguments: Arguments<Index>, reporter: &Reporter) -> Result<Exit, Failure> {
    launch("index", arguments, reporter, |run, model, options| {
        require_path("--model", &options.model)?;
        if let Some(earlier) = &options.since {
            require_path("--since", earlier)?;
        }
        run.read_data_or_the_specs(model, options.data)
    })
}

pub(super) fn serve(arguments: Arguments<Serve>, reporter: &Reporter) -> Result<Exit, Failure> {
    launch("serve", arguments, reporter, |run, _, options| {
        require_path("--model", &options.model)?;
        if let Some(index) = &options.index {
            require_path("--index", index)?;
        }
        run.features.push("serve");
        Ok(())
    })
}

pub(super) fn export(arguments: Arguments<Export>, reporter: &Reporter) -> Result<Exit, Failure> {
    launch("export", arguments, reporter, |_, _, options| {
        require_path("--model", &options.model)
    })
}

pub(super) fn synth(arguments: Arguments<Synth>, reporter: &Reporter) -> Result<Exit, Failure> {
    launch("synth", arguments, reporter, |_, _, _| Ok(()))
}

pub(super) fn bench(arguments: Arguments<Bench>, reporter: &Reporter) -> Result<Exit, Failure> {
    launch("bench", arguments, reporter, |run, _, options| {
        run.read_data(&options.data)?;
        run.use_machine(&options.machine);
        Ok(())
    })
}

/// Compiles the model and runs a command of its program, made ready by what `prepare` makes of the options.
fn launch<O: clap::Args>(
    command: &'static str,
    arguments: Arguments<O>,
    reporter: &Reporter,
    prepare: impl FnOnce(&mut Run, (&Path, &Artefacts), O) -> Result<(), Failure>,
) -> Result<Exit, Failure> {
    let Arguments {
        model,
        given: Given { options, arguments },
    } = arguments;
    let Some(artefacts) = model.compile(reporter)? else {
        return Ok(Exit::Wrong);
    };
    let mut run = Run::new(command, arguments);
    prepare(&mut run, (&model.spec, &artefacts), options)?;
    run.launch(&model.spec, &artefacts, reporter)
}

impl Model {
    fn compile(&self, reporter: &Reporter) -> Result<Option<Artefacts>, Failure> {
        compile(&self.spec, &self.which, Aim::Build, reporter)
    }
}

/// A run of a spec's program.
struct Run {
    /// The program's command.
    command: &'static str,
    arguments: Vec<OsString>,
    /// Cargo features that the options need.
    features: Vec<&'static str>,
    /// The plan of a warm start.
    plan: Option<String>,
}

impl Run {
    fn new(command: &'static str, arguments: Vec<OsString>) -> Self {
        Self {
            command,
            arguments,
            features: vec![],
            plan: None,
        }
    }

    fn use_machine(&mut self, machine: &Machine) {
        match machine.device {
            Device::Cpu => {}
            Device::Cuda(_) => self.features.push("cuda"),
            Device::Wgpu => self.features.push("wgpu"),
        }
    }

    /// Prepares for reading data; local paths must exist.
    fn read_data(&mut self, paths: &[PathBuf]) -> Result<(), Failure> {
        let (remote, local): (Vec<_>, Vec<_>) =
            paths.iter().partition(|path| in_object_store(path));
        if !remote.is_empty() {
            self.features.push("cloud");
        }
        local
            .into_iter()
            .try_for_each(|path| require_path("--data", path))
    }

    /// As [`Self::read_data`], with the spec's data as the default.
    fn read_data_or_the_specs(
        &mut self,
        (spec, artefacts): (&Path, &Artefacts),
        mut given: Vec<PathBuf>,
    ) -> Result<(), Failure> {
        if given.is_empty() {
            let Some(data) = &artefacts.spec().data else {
                let message = "no data: the spec declares none, and `--data` is not given";
                return Err(Failure::new(Exit::Misuse, message)
                    .with_help("add `--data PATH`, or declare `data \"PATH\"` in the spec"));
            };
            let data = place(spec, data);
            let mut argument = OsString::from("--data=");
            argument.push(&data);
            self.arguments.push(argument);
            given.push(data);
        }
        self.read_data(&given)
    }

    /// Builds the program if need be, and runs it.
    fn launch(
        self,
        spec: &Path,
        artefacts: &Artefacts,
        reporter: &Reporter,
    ) -> Result<Exit, Failure> {
        let workspace = workspace::find(spec)?;
        let name: &str = &artefacts.spec().name;
        let folder = workspace::shorten(&workspace.join("generated").join(name));
        if build::apply(&build::changes(&folder, artefacts)?)? {
            reporter.note(&format!("built: {}", folder.display()));
        }
        let program = cargo::build_program(&workspace, name, &self.features)?;
        let mut run = Command::new(&program);
        run.arg(self.command).args(self.arguments);
        if let Some(plan) = self.plan {
            let input = input(&plan).map_err(|error| {
                let message = format!("cannot hand the plan to `{}`: {error}", program.display());
                Failure::new(Exit::Environment, message)
                    .with_help("the folder for temporary files must have room for it")
            })?;
            run.args(["--plan", "-"]).stdin(input);
        }
        become_program(&mut run, &program)
    }
}

/// Refuses the path of an option where nothing exists: the program would only after it is built.
fn require_path(option: &str, path: &Path) -> Result<(), Failure> {
    match path.try_exists() {
        Ok(true) => Ok(()),
        found => {
            let reason = match found {
                Err(error) => error.to_string(),
                Ok(_) => "it does not exist".to_owned(),
            };
            let message = format!("{option}: cannot read `{}`: {reason}", path.display());
            Err(Failure::new(Exit::Misuse, message).with_help("give an existing file or folder"))
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_lies_beside_the_spec_or_at_its_url() {
        let spec = Path::new("specs/a.mtmd");
        assert_eq!(place(spec, "rows"), Path::new("specs/rows"));
        assert_eq!(
            place(spec, "s3://bucket/rows").to_str(),
            Some("s3://bucket/rows")
        );
    }
}
