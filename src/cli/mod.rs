//! The command line: the only room that reads and writes files.

mod build;
mod files;
mod launch;
mod report;
mod workspace;

use crate::diagnostics::{self, Code};
use crate::driver;
use crate::source::Source;
use clap::{Parser, Subcommand, ValueEnum};
use report::{Exit, Failure, Reporter};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Compiles a declarative spec to a multi-task multi-domain ranking model.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 fine; 1 something is wrong with the spec, the data \
    or the weights, or is stale; 2 misuse of the command line; 3 the environment or the run failed."
)]
struct Cli {
    /// How diagnostics are printed: `text` on stderr, `json` as JSON lines on stdout
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        default_value = "text"
    )]
    message_format: MessageFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MessageFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum GraphFormat {
    Yaml,
    Svg,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks specs and reports every mistake
    Check {
        /// Specs
        #[arg(required = true, value_name = "SPEC")]
        specs: Vec<PathBuf>,
    },
    /// Writes the graph and the crate of specs
    Build {
        /// Specs
        #[arg(required = true, value_name = "SPEC")]
        specs: Vec<PathBuf>,
        /// Folder in which each spec's crate is a folder of the model's name; the workspace's
        /// `generated` if not given
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Writes nothing; names what is stale or missing and exits with 1 if anything is
        #[arg(long)]
        check: bool,
    },
    /// Prints the Domain Expert graph of a spec
    Graph {
        /// Spec
        spec: PathBuf,
        /// `yaml` is the graph whole, `svg` a drawing of it
        #[arg(long, value_enum, default_value = "yaml")]
        format: GraphFormat,
        /// File to write in place of stdout
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Explains a diagnostic by its code or name
    Explain {
        /// Code, as `E0101`
        code: String,
    },
    /// Builds a spec's crate and trains its model
    Train(RunArguments),
    /// Builds a spec's crate and evaluates a trained model
    Eval(RunArguments),
    /// Builds a spec's crate and writes synthetic data for it
    Synth(RunArguments),
}

#[derive(Debug, clap::Args)]
struct RunArguments {
    /// Spec
    spec: PathBuf,
    /// What the model's own program takes; `-- --help` lists it
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGS"
    )]
    arguments: Vec<OsString>,
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let mut reporter = Reporter::new(cli.message_format == MessageFormat::Json);
    let result = match &cli.command {
        Command::Check { specs } => check(specs, &mut reporter),
        Command::Build { specs, out, check } => {
            build::build(specs, out.as_deref(), *check, &mut reporter)
        }
        Command::Graph {
            spec,
            format,
            output,
        } => graph(spec, *format, output.as_deref(), &mut reporter),
        Command::Explain { code } => explain(code),
        Command::Train(run) => launch::launch("train", &run.spec, &run.arguments, &mut reporter),
        Command::Eval(run) => launch::launch("eval", &run.spec, &run.arguments, &mut reporter),
        Command::Synth(run) => launch::launch("synth", &run.spec, &run.arguments, &mut reporter),
    };
    let exit = result.unwrap_or_else(|failure| reporter.failure(&failure));
    exit.code()
}

fn check(specs: &[PathBuf], reporter: &mut Reporter) -> Result<Exit, Failure> {
    let mut exit = Exit::Fine;
    for path in specs {
        let found = match files::read_spec(path) {
            Ok(source) => {
                let diagnostics = driver::check::check(&source).diagnostics;
                reporter.diagnostics(&source, &diagnostics);
                if diagnostics::has_errors(&diagnostics) {
                    Exit::Wrong
                } else {
                    Exit::Fine
                }
            }
            Err(failure) => reporter.failure(&failure),
        };
        exit = exit.max(found);
    }
    Ok(exit)
}

fn graph(
    path: &Path,
    format: GraphFormat,
    output: Option<&Path>,
    reporter: &mut Reporter,
) -> Result<Exit, Failure> {
    if output.is_none() {
        reporter.keep_stdout_free();
    }
    let source = files::read_spec(path)?;
    let Some(artefacts) = compile(&source, reporter)? else {
        return Ok(Exit::Wrong);
    };
    let text = match format {
        GraphFormat::Yaml => artefacts.graph.to_yaml(),
        GraphFormat::Svg => artefacts.graph.to_svg(),
    };
    match output {
        Some(path) => files::write(path, &text)?,
        None => report::print(&text)?,
    }
    Ok(Exit::Fine)
}

/// Compiles and reports; `None` if the spec has errors.
fn compile(
    source: &Source,
    reporter: &mut Reporter,
) -> Result<Option<driver::compile::Artefacts>, Failure> {
    let outcome = driver::compile::compile(source).map_err(|error| {
        let message = format!("internal error: {error}");
        let help = "this is a mistake of mtmdc, not of the spec: please report it with the spec";
        Failure::new(Exit::Environment, message).with_help(help)
    })?;
    reporter.diagnostics(source, &outcome.diagnostics);
    Ok(outcome.artefacts)
}

fn explain(code: &str) -> Result<Exit, Failure> {
    match Code::find(code) {
        Some(code) => {
            report::print(code.explanation())?;
            Ok(Exit::Fine)
        }
        None => {
            let message = format!("there is no diagnostic `{code}`");
            let help = "the code of a diagnostic stands in brackets before its message";
            Err(Failure::new(Exit::Misuse, message).with_help(help))
        }
    }
}
