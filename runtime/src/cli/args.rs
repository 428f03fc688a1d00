//! The command line of a model's program: the options that it shares with `mtmdc`, and what they mean to the runtime.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use mtmd_options::{Bench, Eval, Export, Index, Predict, RowOptions, Serve, Synth, Train};

use crate::data::{Dataset, Parts, Quarantine, RowReader};
use crate::error::{Error, Result};
use crate::schema::{BadRows, Part};
use crate::training::Existing;

/// Trains, evaluates, serves and measures this model.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train the model and evaluate it per cell
    Train(TrainArgs),
    /// Evaluate a trained model per cell
    Eval(Eval),
    /// Write the scores of rows
    Predict(Predict),
    /// Write the embeddings of items, to be served
    Index(Index),
    /// Answer requests for scores over HTTP
    Serve(Serve),
    /// Write a trained model for other programs: ONNX files, weights and the encoding of its inputs
    Export(Export),
    /// Write synthetic rows that a model can learn from
    Synth(Synth),
    /// Measure the training throughput
    Bench(Bench),
}

#[derive(Debug, Args)]
pub struct TrainArgs {
    #[command(flatten)]
    pub options: Train,
    /// Warm-start plan (from `mtmdc diff --format json`); `-` reads standard input
    #[arg(long, value_name = "FILE", requires = "warm_start")]
    pub plan: Option<PathBuf>,
}

/// The command line. A program has no `data` of a spec to fall back on, so each command that reads any requires it.
pub fn command() -> clap::Command {
    let with_data = |command: clap::Command| command.mut_arg("data", |data| data.required(true));
    Cli::command()
        .mut_subcommand("train", with_data)
        .mut_subcommand("eval", with_data)
        .mut_subcommand("predict", with_data)
        .mut_subcommand("index", with_data)
}

/// Reads the data set with these options. `existing` is what to do with an existing quarantine file.
pub fn apply_rows(options: &RowOptions, dataset: Dataset, existing: Existing) -> Result<RowReader> {
    let reader = RowReader::new(dataset);
    let bad_rows = options.on_bad_row.unwrap_or(reader.bad_rows());
    let reader = reader.with_bad_rows(bad_rows);
    let Some(path) = &options.quarantine else {
        return Ok(reader);
    };
    if bad_rows == BadRows::Stop {
        return Err(Error::usage(
            "--quarantine",
            "no row is skipped: the run stops at the first that cannot be used",
            "give `--on-bad-row skip` too, or write `rows { bad skip }` in the spec",
        ));
    }
    let quarantine = match existing {
        Existing::Resume => Quarantine::resume(path, &reader)?,
        Existing::Replace => Quarantine::create(path, true)?,
        Existing::Refuse => Quarantine::create(path, false)?,
    };
    Ok(reader.with_quarantine(Some(Arc::new(quarantine))))
}

/// The parts of the data that a part of the options is.
pub fn parts(part: Part) -> Parts {
    match part {
        Part::Train => Parts::TRAIN,
        Part::Validate => Parts::VALIDATE,
        Part::Test => Parts::TEST,
        Part::All => Parts::ALL,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    /// The other half is a test of the compiler: both take all options of `mtmd-options`.
    #[test]
    fn the_program_has_the_shared_options() {
        fn shared<O: Args>() -> BTreeSet<String> {
            ids(&O::augment_args(clap::Command::new("shared")))
        }
        fn ids(command: &clap::Command) -> BTreeSet<String> {
            let ids = command.get_arguments().map(|option| option.get_id());
            ids.map(ToString::to_string).collect()
        }
        let commands = [
            ("train", shared::<Train>(), &["plan"][..]),
            ("eval", shared::<Eval>(), &[]),
            ("predict", shared::<Predict>(), &[]),
            ("index", shared::<Index>(), &[]),
            ("serve", shared::<Serve>(), &[]),
            ("export", shared::<Export>(), &[]),
            ("synth", shared::<Synth>(), &[]),
            ("bench", shared::<Bench>(), &[]),
        ];
        let program = command();
        assert_eq!(program.get_subcommands().count(), commands.len());
        for (name, mut expected, own) in commands {
            expected.extend(own.iter().map(ToString::to_string));
            let found = program.find_subcommand(name).map(ids);
            assert_eq!(found, Some(expected), "{name}");
        }
    }

    #[test]
    fn a_resumed_run_keeps_its_hyperparameters() {
        let parse =
            |args: &[&str]| Cli::try_parse_from([&["m", "train", "--data", "d"], args].concat());
        assert!(parse(&["--resume"]).is_ok());
        for option in [
            ["--epochs", "3"],
            ["--batch", "3"],
            ["--seed", "3"],
            ["--max-rows", "3"],
            ["--checkpoint-every", "3"],
            ["--keep", "3"],
            ["--validate-every", "3"],
            ["--patience", "3"],
            ["--precision", "bfloat16"],
        ] {
            assert!(parse(&option).is_ok());
            assert!(parse(&[&["--resume"], &option[..]].concat()).is_err());
        }
        assert!(parse(&["--resume", "--force"]).is_err());
        assert!(parse(&["--batch", "0"]).is_err());
        assert!(parse(&["--precision", "bf16"]).is_err());
        assert!(parse(&["--epochs", "0"]).is_ok());
    }

    #[test]
    fn a_plan_is_that_of_a_warm_start() {
        let parse =
            |args: &[&str]| Cli::try_parse_from([&["m", "train", "--data", "d"], args].concat());
        let whole = ["--warm-start", "w", "--plan", "-"];
        assert!(parse(&whole).is_ok());
        assert!(parse(&whole[2..]).is_err());
        assert!(parse(&[&whole[..], &["--resume"]].concat()).is_err());
    }
}
