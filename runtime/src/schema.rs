//! What a spec makes concrete, as plain static data: the only thing that generated code hands to
//! the data reader, the tables, the training loop and the evaluation.
//!
//! Positions are ids: a surface, product, task, table or feature is named by its index in the
//! slice that declares it. Slices are in canonical order (the compiler sorts them), so an index
//! means the same on every machine.

mod architecture;

use serde::{Deserialize, Serialize};

pub use mtmd_schema::Tower;
use mtmd_schema::plan::Plan;

pub use architecture::{
    Architecture, Composition, Crossing, ExpertArchitecture, LogitScale, Norm, Override,
};

/// A compiled model: all that generated code hands to the runtime.
#[derive(Debug)]
pub struct Compiled {
    /// What the model is.
    pub schema: Schema,
    /// How it runs.
    pub plan: Plan,
}

/// A compiled spec.
#[derive(Debug)]
pub struct Schema {
    /// Name of the model, as in the spec.
    pub name: &'static str,
    /// Hash of the spec's meaning: equal for two specs that differ only in order and comments.
    pub spec_hash: &'static str,
    /// Hash of what the weights mean: equal for two specs whose models take one another's weights as they
    /// are.
    pub weights_hash: &'static str,
    /// Hash of `graph`.
    pub graph_hash: &'static str,
    /// The Domain Expert graph, `graph.yaml` whole.
    pub graph: &'static str,
    /// Domains of the query tower.
    pub surfaces: Axis,
    /// Domains of the item tower.
    pub products: Axis,
    /// Prediction tasks, every parent before its children.
    pub tasks: &'static [Task],
    /// Embedding tables.
    pub tables: &'static [Table],
    /// Features of the query tower: embedded ones first, then vectors, then numbers.
    pub query: &'static [Feature],
    /// Features of the item tower, in the same order of kinds.
    pub item: &'static [Feature],
    /// What the Domain Experts and heads are made of.
    pub architecture: Architecture,
    /// Which rows train, validate and test.
    pub split: Split,
    /// What happens to a row that cannot be used.
    pub bad_rows: BadRows,
    /// What tells the request that a row belongs to.
    pub request: Option<Request>,
    /// Buckets of equal size by the label's rank, the top ones of which are reported.
    pub buckets: usize,
    /// Hyperparameters of training.
    pub training: Training,
}

/// A domain key: a column whose values say which domain a row belongs to.
#[derive(Debug)]
pub struct Axis {
    /// Column of the data.
    pub column: &'static str,
    /// The domains, each with the raw values that mean it.
    pub domains: &'static [Domain],
    /// What happens to a row whose value is no domain's.
    pub others: Others,
    /// Where the spec says so: `line 3`, or `line 3 of members.mtmd`.
    pub place: &'static str,
}

/// One surface or product.
#[derive(Debug)]
pub struct Domain {
    /// Name, as in the spec.
    pub name: &'static str,
    /// Raw values of the column that mean this domain.
    pub values: &'static [Value],
}

/// A raw value of a key column, an inline vocabulary or a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// A string.
    Text(&'static str),
}

/// Fate of rows of no declared domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// Left out and counted.
    Skip,
    /// The run stops and names the first such row.
    Error,
}

/// Fate of rows that cannot be used (a NaN or a label outside [0, 1]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadRows {
    /// The run stops and names the first such row.
    Stop,
    /// Left out and counted.
    Skip,
}

/// The request that a row belongs to. Rows of one request are neighbours.
#[derive(Debug)]
pub struct Request {
    /// Column of the data.
    pub column: &'static str,
    /// Where the spec says so: `line 3`, or `line 3 of members.mtmd`.
    pub place: &'static str,
}

/// A prediction task.
#[derive(Debug)]
pub struct Task {
    /// Name, as in the spec.
    pub name: &'static str,
    /// What the task is trained on.
    pub label: Label,
    /// 0/1 columns whose conjunction is the action behind the label, for AUC and calibration;
    /// empty if none is declared.
    pub action: &'static [&'static str],
    /// Index of the parent: P(task) = sigmoid(z) * P(parent).
    pub given: Option<usize>,
    /// Weight of the task's loss; 0 for a task that is measured only.
    pub weight: f64,
    /// Column of the rows' weights in the task's mean, 0 or above.
    pub sample_weight: Option<&'static str>,
    /// 0/1 columns that must all be 1 for a row to have a label.
    pub mask: &'static [&'static str],
    /// Size of emb_deep; the served vector is this plus the architecture's `shallow_width`.
    pub embedding: usize,
    /// Indices of the surfaces on which the task exists.
    pub surfaces: &'static [usize],
    /// Indices of the products for which the task exists. Cells are surfaces × products.
    pub products: &'static [usize],
    /// Where the spec says so: `line 3`, or `line 3 of members.mtmd`.
    pub place: &'static str,
}

/// Training label of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// A column of the heavyweight ranker's scores, in [0, 1].
    Score(&'static str),
    /// The task's action itself, 0 or 1.
    Action,
}

/// An embedding table.
#[derive(Debug)]
pub struct Table {
    /// Name: the feature's, or that of a `table` declaration.
    pub name: &'static str,
    /// Rows, with row 0, which is zero and stays zero.
    pub rows: usize,
    /// Width of a row.
    pub dim: usize,
    /// How a raw value finds its row.
    pub index: Index,
    /// The last rows, into which values outside the vocabulary are hashed; 0: they are row 0.
    pub oov: usize,
    /// How its rows are trained; `None`: as [`Training::embeddings`] says.
    pub embeddings: Option<Embeddings>,
}

/// How a raw value finds its row in a table. A missing value is row 0 in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Index {
    /// `1 + hash(value) % (rows - 1)`.
    Hash,
    /// The values seen at least `min_count` times in training, the most frequent ones first, at
    /// most `rows - 1 - oov` of them; others are row 0. Stored with the checkpoint.
    Vocabulary {
        /// Times that a value must be seen.
        min_count: u32,
    },
    /// Row `1 + i` is the value at place `i`; others are row 0.
    Values(&'static [Value]),
    /// The same with the values as lines of a text.
    Lines {
        /// One value a line.
        text: &'static str,
        /// Whether the values are whole numbers.
        whole: bool,
    },
    /// Row `1 + i` is a number with `i` boundaries at or below it.
    Buckets,
}

/// One input feature of a tower.
#[derive(Debug)]
pub struct Feature {
    /// Name, as in the spec.
    pub name: &'static str,
    /// Column of the data.
    pub column: &'static str,
    /// What is made of the column before anything else.
    pub derive: Option<Derive>,
    /// How the column becomes a field.
    pub kind: Kind,
    /// Indices of the tower's domains that have the feature, ascending.
    pub domains: &'static [usize],
    /// Where the spec says so: `line 3`, or `line 3 of members.mtmd`.
    pub place: &'static str,
}

/// How a column becomes a field of x_d.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A row of a table, or the pooled rows of a list column.
    Embedded {
        /// Index of the table.
        table: usize,
        /// What the rows are found by.
        input: Input,
        /// Whether the shallow experts read it.
        shallow: bool,
    },
    /// A list column of this many floats.
    Vector {
        /// Width.
        width: usize,
    },
    /// A number, a field of width 1.
    Number(Transform),
}

/// What the rows of an embedded feature are found by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Input {
    /// One raw value.
    One {
        /// The value that stands for a missing one; `None`: that is row 0.
        default: Option<Value>,
    },
    /// A list of raw values.
    List {
        /// How the entries become one vector.
        pool: Pool,
        /// Column of the entries' weights, 0 or above.
        weights: Option<&'static str>,
        /// Only so many entries from the end are read.
        last: Option<usize>,
    },
    /// A number.
    Buckets {
        /// Strictly ascending.
        boundaries: &'static [f64],
        /// Value of a missing number; `None`: that is row 0.
        default: Option<f64>,
    },
}

/// What is made of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Derive {
    /// A part of a time.
    Time(TimePart, Unit),
    /// Entries of a list, or characters of a string.
    Length,
}

/// Parts of a time, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimePart {
    /// 0 to 23.
    Hour,
    /// 0 (Monday) to 6.
    Weekday,
    /// Days since 1 January 1970.
    Day,
    /// 1 to 12.
    Month,
}

/// Unit of a number that is a time since 1 January 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Thousandths of a second.
    Milliseconds,
    /// Millionths of a second.
    Microseconds,
}

/// How the rows of a list become one vector. Entries that map to row 0 count for nothing; a list
/// without entries gives the zero vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// Mean over the entries that are not row 0.
    Mean,
    /// Sum over the entries.
    Sum,
}

/// What is done to a number before BatchNorm, in this order: missing, clip, log, standardise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transform {
    /// Value of a missing number.
    pub default: f64,
    /// Lower and upper bound.
    pub clip: Option<(f64, f64)>,
    /// sign(x) ln(1 + |x|).
    pub log: bool,
    /// (x - mean) / deviation.
    pub standardise: Option<Standardise>,
}

/// Mean and deviation of a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Standardise {
    /// Those of the training rows that have the number, stored with the checkpoint.
    Learned,
    /// Those of the spec.
    Given {
        /// Mean.
        mean: f64,
        /// Deviation, above 0.
        std: f64,
    },
}

/// Which rows train, validate and test.
#[derive(Debug)]
pub enum Split {
    /// By the value of a column; rows in no range are left out.
    Column {
        /// Column of the data.
        column: &'static str,
        /// Inclusive ranges.
        train: &'static [(Value, Value)],
        /// Inclusive ranges; may be empty.
        validate: &'static [(Value, Value)],
        /// Inclusive ranges; may be empty.
        test: &'static [(Value, Value)],
        /// Where the spec says so: `line 3`, or `line 3 of members.mtmd`.
        place: &'static str,
    },
    /// By a hash of the row's place in the data: 80 % train, 10 % validate, 10 % test.
    Hash,
}

/// Hyperparameters of training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Rows a step.
    pub batch: usize,
    /// Passes over the training rows.
    pub epochs: usize,
    /// Seed of weights and order.
    pub seed: u64,
    /// Rows of the shuffle buffer.
    pub shuffle: usize,
    /// AdamW on the dense parts.
    pub dense: AdamW,
    /// How the rows of tables are trained that do not say otherwise.
    pub embeddings: Embeddings,
    /// Fraction of all steps in which the learning rate rises linearly from 0.
    pub warmup: f64,
    /// What the learning rate does after the warm-up.
    pub decay: Decay,
    /// Bound of the gradient's global norm over the dense parameters.
    pub clip: Option<f64>,
    /// What is measured, chosen and kept on the way.
    pub course: Course,
}

/// What a training run measures, chooses and keeps on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Course {
    /// Steps in which the learning rate rises, instead of a fraction of them.
    pub warmup_steps: Option<u64>,
    /// Steps between two validations, beside those at the epochs' ends.
    pub validate_every: Option<u64>,
    /// Validations without an improvement after which the run ends.
    pub patience: Option<u64>,
    /// What counts as an improvement must exceed this.
    pub min_delta: f64,
    /// The figure that chooses the model; `None`: the loss. It is the spec's, and in no checkpoint.
    #[serde(skip)]
    pub select: Option<Select>,
    /// Steps between two checkpoints, beside those at the epochs' ends.
    pub checkpoint_every: Option<u64>,
    /// How many of the last checkpoints are kept.
    pub keep: usize,
}

impl Course {
    /// What the language's defaults are.
    pub const DEFAULT: Self = Self {
        warmup_steps: None,
        validate_every: None,
        patience: None,
        min_delta: 0.0,
        select: None,
        checkpoint_every: None,
        keep: 2,
    };
}

/// A figure of the validation that chooses a run's model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Select {
    /// The figure.
    pub figure: Figure,
    /// Index of the task that it is of.
    pub task: usize,
    /// Indices of the surfaces of the cells whose rows it is taken over.
    pub surfaces: &'static [usize],
    /// Indices of these cells' products.
    pub products: &'static [usize],
}

/// Figures that can choose a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// Mean |ln p - ln label|.
    LogMae,
    /// Mean |p - label|.
    Mae,
    /// Mean divergence, the task's loss.
    Kl,
    /// Area under the ROC curve of the action; the only one where more is better.
    Auc,
}

/// AdamW, with betas 0.9 and 0.999 and epsilon 1e-8.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AdamW {
    /// Peak learning rate.
    pub lr: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

/// How the rows of a table are trained.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Embeddings {
    /// What moves them.
    pub optimiser: TableOptimiser,
    /// Peak learning rate.
    pub lr: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Standard deviation of the first values.
    pub std: f64,
    /// With K, a row that n steps have named learns at n / (n + K) of the rate.
    pub frequency: Option<f64>,
}

/// What moves the rows of a table. Betas are 0.9 and 0.999, epsilon is 1e-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableOptimiser {
    /// AdamW of the whole table; the rows that a batch does not name catch up when they are next read.
    #[serde(rename = "adamw")]
    AdamW,
    /// AdamW of the rows that a batch names; the others stay as they are.
    LazyAdam,
    /// Adagrad of the rows that a batch names, with the sum of a row's mean squared gradients as its
    /// only state.
    RowwiseAdagrad,
}

/// Course of the learning rate after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// It stays.
    Constant,
    /// It falls linearly to 0 at the last step.
    Linear,
    /// It falls to 0 at the last step along half a cosine.
    Cosine,
    /// It falls as 1 / sqrt(step), whatever the number of steps.
    InverseSqrt,
}

impl Schema {
    /// The axis whose domains are the tower's Domain Experts.
    pub fn axis(&self, tower: Tower) -> &Axis {
        match tower {
            Tower::Query => &self.surfaces,
            Tower::Item => &self.products,
        }
    }

    /// The tower's features, in canonical order.
    pub fn features(&self, tower: Tower) -> &'static [Feature] {
        match tower {
            Tower::Query => self.query,
            Tower::Item => self.item,
        }
    }
}

impl Task {
    /// Whether the task exists on any cell of this domain.
    pub fn is_on(&self, tower: Tower, domain: usize) -> bool {
        match tower {
            Tower::Query => self.surfaces.contains(&domain),
            Tower::Item => self.products.contains(&domain),
        }
    }
}
