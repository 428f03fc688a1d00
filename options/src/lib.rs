//! The options of the commands that run a model: `train`, `eval`, `predict`, `index`, `serve`, `export`, `synth` and
//! `bench`.
//!
//! `mtmdc` and the generated programs flatten the same structs, so the compiler shows every option and rejects a wrong one
//! before it builds anything. It passes them on as [`Given`] holds them.

mod given;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

pub use given::Given;
use mtmd_schema::{
    BadRows, ElementType, IndexFormat, Part, Precision, TableLookup, TablePlace, Tower,
};
pub use values::{Device, Shard, in_object_store};
use values::{
    bad_rows, choice, data_path, element_type, index_format, part, positive, precision,
    table_lookup, table_place, tower, whole,
};

/// Options of `train`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct Train {
    /// Parquet files or folders, or s3:// and gs:// URLs [default in mtmdc: the spec's `data`]
    #[arg(long, num_args = 1.., value_name = "PATH", value_parser = data_path())]
    pub data: Vec<PathBuf>,
    /// Bad rows.
    #[command(flatten)]
    pub bad_rows: RowOptions,
    /// Folder of the run [default: runs/NAME]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Device and threads.
    #[command(flatten)]
    pub machine: Machine,
    /// Start from the weights in the folder of a model, a checkpoint or a run, possibly of another spec
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub warm_start: Option<PathBuf>,
    /// Passes over the training rows [default: the spec's]; 0 saves and evaluates the initial model
    #[arg(long, value_name = "N", value_parser = whole, conflicts_with = "resume")]
    pub epochs: Option<usize>,
    /// Rows per step [default: the spec's]
    #[arg(long, value_name = "N", value_parser = positive, conflicts_with = "resume")]
    pub batch: Option<usize>,
    /// Seed of the initial weights and of the order of the rows [default: the spec's]
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    pub seed: Option<u64>,
    /// Train on the validation rows too, once the hyperparameters are chosen
    #[arg(long, conflicts_with_all = ["resume", "validate_every", "patience"])]
    pub refit: bool,
    /// Precision of the factors of matrix products in a step; weights stay float32 [default: float32]
    #[arg(long, value_parser = choice(precision), value_name = "TYPE", conflicts_with = "resume")]
    pub precision: Option<Precision>,
    /// Where embedding tables are while the model trains on a device
    #[arg(long, value_parser = choice(table_place), value_name = "PLACE", default_value_t = TablePlace::DEFAULT)]
    pub tables: TablePlace,
    /// Maximum number of rows per epoch, rounded up to whole batches
    #[arg(long, value_name = "N", value_parser = positive, conflicts_with = "resume")]
    pub max_rows: Option<usize>,
    /// Save a checkpoint every N steps, in addition to each epoch's [default: the spec's]
    #[arg(long, value_name = "N", value_parser = positive, conflicts_with = "resume")]
    pub checkpoint_every: Option<usize>,
    /// Number of recent checkpoints to keep, in addition to the best [default: the spec's]
    #[arg(long, value_name = "N", value_parser = positive, conflicts_with = "resume")]
    pub keep: Option<usize>,
    /// Validate every N steps, in addition to after each epoch [default: the spec's]
    #[arg(long, value_name = "N", value_parser = positive, conflicts_with = "resume")]
    pub validate_every: Option<usize>,
    /// Stop after N validations without an improvement [default: the spec's]
    #[arg(long, value_name = "N", value_parser = positive, conflicts_with = "resume")]
    pub patience: Option<usize>,
    /// Resume from the last whole checkpoint in the run's folder
    #[arg(long, conflicts_with = "force")]
    pub resume: bool,
    /// Resume even if the data files have changed, as long as they have the same number of rows
    #[arg(long, requires = "resume")]
    pub other_files: bool,
    /// Delete an earlier run in the folder
    #[arg(long)]
    pub force: bool,
    /// Show where the time of the steps goes, by node of the graph, and write the last 20 steps as a Chrome trace to
    /// profile.json in the run's folder (fewer if they have more than 200,000 events)
    #[arg(long)]
    pub profile: bool,
    /// Show no progress
    #[arg(long)]
    pub quiet: bool,
}

/// Options of `eval`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct Eval {
    /// Folder of a model, a checkpoint or a run
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Parquet files or folders, or s3:// and gs:// URLs [default in mtmdc: the spec's `data`]
    #[arg(long, num_args = 1.., value_name = "PATH", value_parser = data_path())]
    pub data: Vec<PathBuf>,
    /// Bad rows.
    #[command(flatten)]
    pub bad_rows: RowOptions,
    /// Part of the data to evaluate
    #[arg(long, value_parser = choice(part), default_value_t = Part::Test)]
    pub part: Part,
    /// Write all metrics to this file as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Device and threads.
    #[command(flatten)]
    pub machine: Machine,
}

/// Options of `predict`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct Predict {
    /// Folder of a model, a checkpoint or a run
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Parquet files or folders, or s3:// and gs:// URLs; labels are not needed [default in mtmdc: the spec's `data`]
    #[arg(long, num_args = 1.., value_name = "PATH", value_parser = data_path())]
    pub data: Vec<PathBuf>,
    /// Folder to write to: Parquet files with as many rows as the data has, in the same order
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Columns of the data to write beside the scores
    #[arg(long, num_args = 1.., value_name = "COLUMN")]
    pub keep: Vec<String>,
    /// Write the logit ln(P / (1 - P)) of each task, as TASK_logit, beside its probability
    #[arg(long)]
    pub logits: bool,
    /// Score this share of the rows alone, such as 1/8 to 8/8; the shares may write to one folder at the same time
    #[arg(long, value_name = "I/N", default_value_t = Shard::WHOLE)]
    pub shard: Shard,
    /// Bad rows.
    #[command(flatten)]
    pub bad_rows: RowOptions,
    /// Replace files in the folder that are of another model or of other rows
    #[arg(long)]
    pub force: bool,
    /// Device and threads.
    #[command(flatten)]
    pub machine: Machine,
}

/// Options of `index`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct Index {
    /// Folder of a model, a checkpoint or a run
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Parquet files or folders of items, or s3:// and gs:// URLs [default in mtmdc: the spec's `data`]
    #[arg(long, num_args = 1.., value_name = "PATH", value_parser = data_path())]
    pub data: Vec<PathBuf>,
    /// Column that identifies an item among those of its product: whole numbers or strings
    #[arg(long, value_name = "COLUMN")]
    pub id: String,
    /// Folder to write to
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Tower whose embeddings are written
    #[arg(long, value_parser = choice(tower), value_name = "TOWER", default_value_t = Tower::Item)]
    pub side: Tower,
    /// Format of the folder
    #[arg(long, value_parser = choice(index_format), value_name = "FORMAT", default_value_t = IndexFormat::DEFAULT)]
    pub format: IndexFormat,
    /// Type of the numbers
    #[arg(long = "type", value_parser = choice(element_type), value_name = "TYPE", default_value_t = ElementType::DEFAULT)]
    pub element: ElementType,
    /// Earlier index: items whose features and model have not changed are taken from it
    #[arg(long, value_name = "DIR")]
    pub since: Option<PathBuf>,
    /// Keep the last of several rows of one item, instead of stopping
    #[arg(long)]
    pub last_wins: bool,
    /// Bad rows.
    #[command(flatten)]
    pub bad_rows: RowOptions,
    /// Replace an index that is in the folder
    #[arg(long)]
    pub force: bool,
    /// Number of threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub threads: Option<usize>,
}

/// Options of `serve`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct Serve {
    /// Folder of a run that has ended, or of its model
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Folder of an index of the same model; without one, rows can be scored and embedded, and nothing ranked
    #[arg(long, value_name = "DIR")]
    pub index: Option<PathBuf>,
    /// Address and port to listen on; port 0 takes one that is free, which is logged
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub bind: SocketAddr,
    /// Requests that are answered at the same time; more are refused at once with 503 [default: 4 per thread]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub in_flight: Option<usize>,
    /// Bytes of a request's body at most
    #[arg(long, value_name = "N", default_value_t = 4 << 20, value_parser = positive)]
    pub max_body: usize,
    /// Ids, rows and returned items of a request at most
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = positive)]
    pub max_items: usize,
    /// Milliseconds that a request may take
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = positive)]
    pub deadline: usize,
    /// Seconds that requests may go on after SIGTERM
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = whole)]
    pub drain: usize,
    /// File with the token that `Authorization: Bearer` must give [default: none is asked for]
    #[arg(long, value_name = "FILE")]
    pub token: Option<PathBuf>,
    /// Log every request, and not only what failed
    #[arg(long)]
    pub log_requests: bool,
    /// Number of threads that score [default: one per core]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub threads: Option<usize>,
}

/// Options of `export`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct Export {
    /// Folder of a model, a checkpoint or a run
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Folder to write to
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Export this surface alone, with only the parameters and tables that it uses
    #[arg(long, value_name = "NAME")]
    pub surface: Option<String>,
    /// Export this product alone, with only the parameters and tables that it uses
    #[arg(long, value_name = "NAME")]
    pub product: Option<String>,
    /// Where embeddings are looked up
    #[arg(long, value_parser = choice(table_lookup), value_name = "PLACE", default_value_t = TableLookup::DEFAULT)]
    pub tables: TableLookup,
    /// Store a copy of the weights in each ONNX file, instead of references to model.safetensors
    #[arg(long)]
    pub embed: bool,
    /// Replace an earlier export in the folder
    #[arg(long)]
    pub force: bool,
}

/// Options of `synth`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct Synth {
    /// Folder to write to; it must not contain Parquet files
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Number of rows
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = positive)]
    pub rows: usize,
    /// Rows per request, if the spec has requests
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = positive)]
    pub per_request: usize,
    /// Seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// Options of `bench`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct Bench {
    /// Parquet files or folders, or s3:// and gs:// URLs [default: synthetic rows]
    #[arg(long, num_args = 1.., value_name = "PATH", value_parser = data_path())]
    pub data: Vec<PathBuf>,
    /// Rows per step [default: the spec's]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub batch: Option<usize>,
    /// Steps per repeat
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = positive)]
    pub steps: usize,
    /// Number of repeats
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = positive)]
    pub repeats: usize,
    /// Number of different batches
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = positive)]
    pub batches: usize,
    /// Precision of the factors of matrix products in a step; weights stay float32
    #[arg(long, value_parser = choice(precision), value_name = "TYPE", default_value_t = Precision::DEFAULT)]
    pub precision: Precision,
    /// Where embedding tables are while the model trains on a device
    #[arg(long, value_parser = choice(table_place), value_name = "PLACE", default_value_t = TablePlace::DEFAULT)]
    pub tables: TablePlace,
    /// Multiply without the AMX instructions
    #[arg(long)]
    pub no_amx: bool,
    /// Write the graph and the batches to this folder, for another implementation
    #[arg(long, value_name = "DIR")]
    pub dump: Option<PathBuf>,
    /// Write the weights, the scores of the first batch and the results of `--steps` steps too; measure nothing
    #[arg(long, requires = "dump", conflicts_with = "serve")]
    pub oracle: bool,
    /// Measure on request: read `run N` and `peak` from standard input, answer each by a line of JSON
    #[arg(long)]
    pub serve: bool,
    /// Device and threads.
    #[command(flatten)]
    pub machine: Machine,
}

/// Treatment of rows that cannot be used.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct RowOptions {
    /// Stop at rows that cannot be used, or skip and count them [default: the spec's]
    #[arg(long, value_parser = choice(bad_rows), value_name = "ACTION")]
    pub on_bad_row: Option<BadRows>,
    /// Write skipped rows to this file, one JSON object per line
    #[arg(long, value_name = "FILE")]
    pub quarantine: Option<PathBuf>,
}

/// Where a command runs.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct Machine {
    /// Device: cpu, cuda, cuda:N or wgpu (Vulkan, Metal, DirectX)
    #[arg(long, default_value_t = Device::Cpu)]
    pub device: Device,
    /// Number of threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub threads: Option<usize>,
}
