//! The command line of a generated crate.
//!
//! Everything here is compiled once: what depends on the model's type is one closure that makes a
//! [`Learner`].

mod args;
mod bench;
mod device;
mod eval;
mod memory;
mod panics;
mod synth;
mod train;
mod warm_start;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use burn::tensor::Device;
use clap::{CommandFactory as _, FromArgMatches as _};

use crate::error::{Error, Result};
use crate::layers::Precision;
use crate::model::Model;
use crate::schema::{Schema, Training};
use crate::training::{Learner, ModelLearner};
use args::{Cli, Command};

pub use memory::Memory;

/// Makes a model with weights drawn from the training's seed, whose steps are of this precision, on a device.
type NewLearner<'a> = dyn Fn(&Training, Precision, &Device) -> Box<dyn Learner> + 'a;

/// Runs the command line of a model's program: `train`, `eval`, `synth` and `bench`.
///
/// The exit code is 0 if all went well, 1 if something is wrong with the data or the weights, 2 for
/// a misused command line, 3 if the environment or the run failed, and 130 or 143 if SIGINT or SIGTERM stopped a
/// training after a checkpoint.
pub fn main<M: Model>() -> ExitCode {
    memory::keep();
    ExitCode::from(run::<M>(std::env::args_os()))
}

/// [`main`] with these arguments (the first is the program's name); returns the exit code.
pub fn run<M: Model>(args: impl IntoIterator<Item = OsString>) -> u8 {
    let new_learner = |training: &Training, precision, device: &Device| -> Box<dyn Learner> {
        Box::new(ModelLearner::<M>::new(training, device).with_precision(precision))
    };
    run_model(
        M::schema(),
        &args.into_iter().collect::<Vec<_>>(),
        &new_learner,
    )
}

fn run_model(schema: &'static Schema, args: &[OsString], new_learner: &NewLearner<'_>) -> u8 {
    let command = Cli::command().name(&*schema.name).bin_name(&*schema.name);
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
    let outcome =
        panics::catch(|| dispatch(schema, &cli.command, new_learner)).unwrap_or_else(|panic| {
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

fn dispatch(
    schema: &'static Schema,
    command: &Command,
    new_learner: &NewLearner<'_>,
) -> Result<()> {
    match command {
        Command::Train(args) => train::train(schema, args, new_learner),
        Command::Eval(args) => eval::eval(schema, args, new_learner),
        Command::Synth(args) => synth::synth(schema, args),
        Command::Bench(args) => bench::bench(schema, args, new_learner),
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
