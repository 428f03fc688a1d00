//! The command line of a generated crate.
//!
//! A generated crate passes in its compiled model; everything else is here, compiled once.

mod args;
mod bench;
mod device;
mod eval;
mod export;
mod index;
mod memory;
mod panics;
mod predict;
mod serve;
mod synth;
mod train;
mod warm_start;
mod wrapped;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::FromArgMatches as _;

use crate::error::{Error, Result};
use crate::schema::Compiled;
use args::{Cli, Command, command};

pub use memory::Memory;

/// Runs the command line of a model's program: `train`, `eval`, `predict`, `index`, `serve`, `export`, `synth` and
/// `bench`.
///
/// The exit code is 0 if all went well, 1 if something is wrong with the data or the weights, 2 for
/// a misused command line, 3 if the environment or the run failed, and 130 or 143 if SIGINT or SIGTERM stopped a
/// training after a checkpoint.
pub fn main(model: &'static Compiled) -> ExitCode {
    memory::keep();
    ExitCode::from(run(model, std::env::args_os()))
}

/// [`main`] with these arguments (the first is the program's name); returns the exit code.
pub fn run(model: &'static Compiled, args: impl IntoIterator<Item = OsString>) -> u8 {
    run_model(model, &args.into_iter().collect::<Vec<_>>())
}

fn run_model(model: &'static Compiled, args: &[OsString]) -> u8 {
    let name: &str = &model.schema.name;
    let command = command().name(name).bin_name(name);
    let parsed = command
        .try_get_matches_from(args)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output and are no error. If nobody reads, so be it.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    let outcome = panics::catch(|| dispatch(model, &cli.command)).unwrap_or_else(|panic| {
        Err(Error::run(
            "the run",
            format!("it stopped unexpectedly: {panic}"),
            "report this as a bug",
        ))
    });
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            let kind = match error {
                Error::Interrupted { .. } => "stopped",
                _ => "error",
            };
            let _ = writeln!(std::io::stderr(), "{kind}: {error}");
            error.exit_code()
        }
    }
}

fn dispatch(model: &'static Compiled, command: &Command) -> Result<()> {
    match command {
        Command::Train(args) => train::train(model, &args.options, args.plan.as_deref()),
        Command::Eval(args) => eval::eval(model, args),
        Command::Predict(args) => predict::predict(model, args),
        Command::Index(args) => index::index(model, args),
        Command::Serve(args) => serve::serve(model, args),
        Command::Export(args) => export::export(model, args),
        Command::Synth(args) => synth::synth(&model.schema, args),
        Command::Bench(args) => bench::bench(model, args),
    }
}

/// Writes a line to standard output. A reader that went away is no error.
fn say(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stdout(), "{}", text.as_ref().trim_end());
}

/// Writes a line to standard error that is no error.
fn warn(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr(), "warning: {}", text.as_ref().trim_end());
}

/// Sets the number of threads of this process.
fn set_threads(threads: Option<usize>) -> Result<()> {
    let Some(threads) = threads else {
        return Ok(());
    };
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .map_err(|error| {
            Error::run(
                "--threads",
                format!("no pool of {threads} threads: {error}"),
                "ask for fewer",
            )
        })
}
