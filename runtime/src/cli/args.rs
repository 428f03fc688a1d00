//! What the command line takes.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::device::DeviceChoice;
use crate::data::{Dataset, Parts, Quarantine};
use crate::error::{Error, Result};
use crate::exec::Precision;
use crate::schema::BadRows;
use crate::training::Existing;

/// Trains, evaluates and measures this model.
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
    Eval(EvalArgs),
    /// Write made-up rows, with something in them to learn
    Synth(SynthArgs),
    /// Measure the training throughput
    Bench(BenchArgs),
}

#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Parquet files, or folders of them; s3:// and gs:// URLs too
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub data: Vec<PathBuf>,
    #[command(flatten)]
    pub rows: RowArgs,
    /// Folder of the run [default: runs/NAME]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    pub device: DeviceChoice,
    /// Start from the weights in this folder of a model, a checkpoint or a run, which may be another
    /// spec's; `mtmdc train SPEC --warm-start DIR --dry-run` shows what is taken over
    #[arg(long, value_name = "DIR", requires = "plan", conflicts_with = "resume")]
    pub warm_start: Option<PathBuf>,
    /// What is taken over, as `mtmdc` says it; `-` for standard input
    #[arg(long, value_name = "FILE", requires = "warm_start")]
    pub plan: Option<PathBuf>,
    /// Passes over the training rows, instead of the spec's; 0 writes and evaluates the model as it
    /// starts
    #[arg(long, value_name = "N", value_parser = whole, conflicts_with = "resume")]
    pub epochs: Option<usize>,
    /// Rows a step, instead of the spec's
    #[arg(long, value_name = "N", value_parser = positive, conflicts_with = "resume")]
    pub batch: Option<usize>,
    /// Seed of weights and order, instead of the spec's
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    pub seed: Option<u64>,
    /// Train on the validation rows too, when the hyperparameters are chosen
    #[arg(long, conflicts_with_all = ["resume", "validate_every", "patience"])]
    pub refit: bool,
    /// Matrix products of a step in float32 or bfloat16, over weights of float32 [default: float32]
    #[arg(long, value_name = "TYPE", conflicts_with = "resume")]
    pub precision: Option<Precision>,
    /// Rows of an epoch at most, rounded up to whole batches
    #[arg(long, value_name = "N", value_parser = positive, conflicts_with = "resume")]
    pub max_rows: Option<usize>,
    /// Steps between two checkpoints, beside those after every epoch, instead of the spec's
    #[arg(long, value_name = "N", value_parser = positive, conflicts_with = "resume")]
    pub checkpoint_every: Option<usize>,
    /// How many of the last checkpoints are kept, beside the best, instead of the spec's
    #[arg(long, value_name = "N", value_parser = positive, conflicts_with = "resume")]
    pub keep: Option<usize>,
    /// Steps between two validations, beside those after every epoch, instead of the spec's
    #[arg(long, value_name = "N", value_parser = positive, conflicts_with = "resume")]
    pub validate_every: Option<usize>,
    /// Validations without an improvement after which the run ends, instead of the spec's
    #[arg(long, value_name = "N", value_parser = positive, conflicts_with = "resume")]
    pub patience: Option<usize>,
    /// Go on from the last whole checkpoint in the run's folder
    #[arg(long, conflicts_with = "force")]
    pub resume: bool,
    /// Go on although files are not those that the run began with, if they have as many rows
    #[arg(long, requires = "resume")]
    pub other_files: bool,
    /// Delete a run that stands in the folder
    #[arg(long)]
    pub force: bool,
    /// Threads [default: one a core]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub threads: Option<usize>,
    /// Show no progress
    #[arg(long)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct EvalArgs {
    /// Folder of a model, a checkpoint or a run
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Parquet files, or folders of them; s3:// and gs:// URLs too
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub data: Vec<PathBuf>,
    #[command(flatten)]
    pub rows: RowArgs,
    /// Rows to evaluate
    #[arg(long, value_enum, default_value_t = Part::Test)]
    pub part: Part,
    /// Write every figure to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    pub device: DeviceChoice,
    /// Threads [default: one a core]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub threads: Option<usize>,
}

#[derive(Debug, Args)]
pub struct SynthArgs {
    /// Folder to write to, without Parquet files so far
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Rows
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = positive)]
    pub rows: usize,
    /// Rows of a request, if the spec has requests
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = positive)]
    pub per_request: usize,
    /// Seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Parquet files, or folders of them, instead of synthetic rows
    #[arg(long, num_args = 1.., value_name = "PATH")]
    pub data: Vec<PathBuf>,
    /// Rows a step, instead of the spec's
    #[arg(long, value_name = "N", value_parser = positive)]
    pub batch: Option<usize>,
    /// Steps of a repeat
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = positive)]
    pub steps: usize,
    /// Repeats
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = positive)]
    pub repeats: usize,
    /// Batches that the steps cycle through
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = positive)]
    pub batches: usize,
    /// Matrix products of a step in float32 or bfloat16
    #[arg(long, value_name = "TYPE", default_value_t)]
    pub precision: Precision,
    /// Multiply as a processor without AMX does
    #[arg(long)]
    pub no_amx: bool,
    /// Write the graph and the batches to this folder, for another implementation
    #[arg(long, value_name = "DIR")]
    pub dump: Option<PathBuf>,
    /// Write weights too, the scores of the first batch, and what `--steps` steps make of both; measure nothing
    #[arg(long, requires = "dump", conflicts_with = "serve")]
    pub oracle: bool,
    /// Measure when asked: lines `run N` and `peak` on standard input, a line of JSON for each
    #[arg(long)]
    pub serve: bool,
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    pub device: DeviceChoice,
    /// Threads [default: one a core]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub threads: Option<usize>,
}

/// What becomes of rows that cannot be used.
#[derive(Debug, Args)]
pub struct RowArgs {
    /// Stop at rows that cannot be used, or skip and count them, instead of as the spec says
    #[arg(long, value_enum, value_name = "FATE")]
    pub on_bad_row: Option<OnBadRow>,
    /// Write the rows that are skipped to this file, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub quarantine: Option<PathBuf>,
}

/// Fate of rows that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnBadRow {
    /// The run stops and names the first
    Stop,
    /// They are left out and counted by column
    Skip,
}

impl RowArgs {
    /// The data set under these settings. `existing` says what becomes of a quarantine file that is there.
    pub fn apply(&self, dataset: Dataset, existing: Existing) -> Result<Dataset> {
        let bad_rows = match self.on_bad_row {
            Some(OnBadRow::Stop) => BadRows::Stop,
            Some(OnBadRow::Skip) => BadRows::Skip,
            None => dataset.bad_rows(),
        };
        let dataset = dataset.with_bad_rows(bad_rows);
        let Some(path) = &self.quarantine else {
            return Ok(dataset);
        };
        if bad_rows == BadRows::Stop {
            return Err(Error::usage(
                "--quarantine",
                "no row is skipped: the run stops at the first that cannot be used",
                "give `--on-bad-row skip` too, or write `rows { bad skip }` in the spec",
            ));
        }
        let quarantine = match existing {
            Existing::Resume => Quarantine::resume(path, &dataset)?,
            Existing::Replace => Quarantine::create(path, true)?,
            Existing::Refuse => Quarantine::create(path, false)?,
        };
        Ok(dataset.with_quarantine(Some(Arc::new(quarantine))))
    }
}

/// Parts of the data by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Rows that train
    Train,
    /// Rows that choose hyperparameters
    Validate,
    /// Rows that judge the model
    Test,
    /// All three
    All,
}

impl Part {
    pub fn parts(self) -> Parts {
        match self {
            Self::Train => Parts::TRAIN,
            Self::Validate => Parts::VALIDATE,
            Self::Test => Parts::TEST,
            Self::All => Parts::TRAIN | Parts::VALIDATE | Parts::TEST,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validate => "validate",
            Self::Test => "test",
            Self::All => "all",
        }
    }
}

fn whole(text: &str) -> std::result::Result<usize, String> {
    text.replace('_', "")
        .parse()
        .map_err(|error: std::num::ParseIntError| error.to_string())
}

fn positive(text: &str) -> std::result::Result<usize, String> {
    match whole(text)? {
        0 => Err("it must be at least 1".to_owned()),
        number => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
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
    fn a_warm_start_has_a_plan() {
        let parse =
            |args: &[&str]| Cli::try_parse_from([&["m", "train", "--data", "d"], args].concat());
        let whole = ["--warm-start", "w", "--plan", "-"];
        assert!(parse(&whole).is_ok());
        assert!(parse(&whole[..2]).is_err());
        assert!(parse(&whole[2..]).is_err());
        assert!(parse(&[&whole[..], &["--resume"]].concat()).is_err());
    }
}
