//! The checked spec: every name resolved, every default filled in, everything in canonical order.
//! What stands here is valid; the floors above never check again.
//!
//! Canonical order makes the order of declarations meaningless: domains, tables and features are
//! sorted by name (features by kind first: embedded, vector, number), tasks by name with every
//! parent before its children.

mod architecture;

pub use architecture::{
    Architecture, Composition, Crossing, ExpertArchitecture, LogitScale, Norm, Override,
};

use crate::source::Span;

/// A checked spec.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Name of the model.
    pub name: String,
    /// Doc comment of the model.
    pub doc: String,
    /// Folder or file of the data, relative to the spec's own folder.
    pub data: Option<String>,
    /// Domains of the query tower.
    pub surfaces: Axis,
    /// Domains of the item tower.
    pub products: Axis,
    /// Prediction tasks.
    pub tasks: Vec<Task>,
    /// Embedding tables, one for each embedded feature without a shared one.
    pub tables: Vec<Table>,
    /// Features of the query tower.
    pub query: Vec<Feature>,
    /// Features of the item tower.
    pub item: Vec<Feature>,
    /// What the Domain Experts and heads are made of.
    pub architecture: Architecture,
    /// Which rows train, validate and test; `None`: by a hash of the row's request or place.
    pub split: Option<Split>,
    /// Fate of rows that cannot be used.
    pub bad_rows: BadRows,
    /// What tells the request that a row belongs to, if rows of one request repeat its query features.
    pub request: Option<Request>,
    /// Hyperparameters of training.
    pub training: Training,
    /// Buckets of the report's LogMAE by rank: 20.
    pub buckets: usize,
    /// What the model may cost at most.
    pub budget: Budget,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub usize);
    )*};
}
ids! {
    /// Index into an axis's `domains`: a surface in the query tower, a product in the item tower.
    DomainId,
    /// Index into `Spec::tasks`.
    TaskId,
    /// Index into `Spec::tables`.
    TableId
}

/// The two towers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tower {
    /// One Domain Expert per surface.
    Query,
    /// One Domain Expert per product.
    Item,
}

/// A domain key.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Column of the data.
    pub column: String,
    /// Domains, sorted by name.
    pub domains: Vec<Domain>,
    /// Fate of rows whose value is no domain's.
    pub others: Others,
    /// Where it is declared: `line 3`, or `line 3 of members.mtmd`.
    pub place: String,
}

/// One surface or product.
#[derive(Debug, Clone, PartialEq)]
pub struct Domain {
    /// Name.
    pub name: String,
    /// Doc comment.
    pub doc: String,
    /// Raw values that mean it, sorted.
    pub values: Vec<RawValue>,
    /// The domain of the axis whose weights would seed it in a warm start.
    pub like: Option<DomainId>,
}

/// A value as it stands in the data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RawValue {
    /// A whole number.
    Int(i64),
    /// A string.
    Text(String),
}

/// Fate of rows of no declared domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// Left out and counted.
    Skip,
    /// The run stops (the default).
    Error,
}

/// Fate of rows that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadRows {
    /// The run stops (the default).
    Stop,
    /// Left out and counted.
    Skip,
}

/// A prediction task.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Name.
    pub name: String,
    /// Doc comment.
    pub doc: String,
    /// Training label.
    pub label: Label,
    /// Columns whose conjunction is the action; empty if none is declared.
    pub action: Vec<String>,
    /// Parent.
    pub given: Option<TaskId>,
    /// Weight of the loss; a task of weight 0 is measured only.
    pub weight: f64,
    /// Column of the rows' weights in the task's mean.
    pub sample_weight: Option<String>,
    /// Columns that must all be 1 for a row to have a label, sorted.
    pub mask: Vec<String>,
    /// Size of emb_deep.
    pub embedding: usize,
    /// Surfaces of its cells, ascending.
    pub surfaces: Vec<DomainId>,
    /// Products of its cells, ascending. Cells are surfaces × products.
    pub products: Vec<DomainId>,
    /// Where it is declared: `line 3`, or `line 3 of members.mtmd`.
    pub place: String,
}

/// Training label of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Label {
    /// A column of scores in [0, 1].
    Score(String),
    /// The action itself.
    Action,
}

/// An embedding table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Name.
    pub name: String,
    /// Doc comment; empty for a feature's own table.
    pub doc: String,
    /// Whether a `table` declaration made it.
    pub shared: bool,
    /// Rows, with row 0.
    pub rows: usize,
    /// Width.
    pub dim: usize,
    /// How a raw value finds its row.
    pub index: Index,
    /// The last rows, into which values outside the vocabulary are hashed; 0: they are row 0.
    pub oov: usize,
    /// The file that holds the values of an inline vocabulary, as the spec names it.
    pub file: Option<String>,
    /// How its rows are trained, if not as those of the others.
    pub embeddings: Option<Embeddings>,
}

/// How a raw value finds its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Index {
    /// Hashed into `rows - 1` rows.
    Hash,
    /// A vocabulary learned from the training rows.
    Vocabulary {
        /// Times that a value must be seen.
        min_count: u32,
    },
    /// An inline vocabulary, in the order of the spec or the file (which decides the rows).
    Values(Vec<RawValue>),
    /// Intervals of a number: row 1 below the first boundary, one more from each boundary on.
    Buckets,
}

/// One input feature.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// Name.
    pub name: String,
    /// Doc comment.
    pub doc: String,
    /// Column of the data.
    pub column: String,
    /// What is made of the column before anything else.
    pub derive: Option<Derive>,
    /// How the column becomes a field.
    pub kind: FeatureKind,
    /// Domains that have it, ascending; all of the tower's unless the spec says `on`.
    pub domains: Vec<DomainId>,
    /// Where it is declared: `line 3`, or `line 3 of members.mtmd`.
    pub place: String,
}

/// How a column becomes a field.
#[derive(Debug, Clone, PartialEq)]
pub enum FeatureKind {
    /// `id`, `ids`, `category`, a bucketised `number`: a row of a table, or pooled rows.
    Embedded {
        /// Its table.
        table: TableId,
        /// What the rows are found by.
        input: Input,
        /// Whether the shallow experts read it.
        shallow: bool,
    },
    /// `vector`: a list column of floats.
    Vector {
        /// Width.
        width: usize,
    },
    /// `number`.
    Number {
        /// Value of a missing number.
        default: f64,
        /// Lower and upper bound.
        clip: Option<(f64, f64)>,
        /// sign(x) ln(1 + |x|).
        log: bool,
        /// (x - mean) / deviation, after `clip` and `log`.
        standardise: Option<Standardise>,
    },
}

/// What the rows of an embedded feature are found by.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// One raw value.
    One {
        /// The value that stands for a missing one; `None`: that is row 0.
        default: Option<RawValue>,
    },
    /// A list of raw values.
    List {
        /// How the entries become one vector.
        pool: Pool,
        /// Column of the entries' weights.
        weights: Option<String>,
        /// Only so many entries from the end are read.
        last: Option<usize>,
    },
    /// A number.
    Buckets {
        /// Strictly ascending.
        boundaries: Vec<f64>,
        /// Value of a missing number; `None`: that is row 0.
        default: Option<f64>,
    },
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

/// Unit of a whole number that is a time since 1 January 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds (the default).
    Seconds,
    /// Thousandths of a second.
    Milliseconds,
    /// Millionths of a second.
    Microseconds,
}

/// Pooling of a list feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// Mean over the entries (the default).
    Mean,
    /// Sum over the entries.
    Sum,
}

/// A split by the value of a column. Ranges are inclusive and do not overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Column of the data.
    pub column: String,
    /// Rows that train.
    pub train: Vec<(RawValue, RawValue)>,
    /// Rows that validate.
    pub validate: Vec<(RawValue, RawValue)>,
    /// Rows that test.
    pub test: Vec<(RawValue, RawValue)>,
    /// Where it is declared: `line 3`, or `line 3 of members.mtmd`.
    pub place: String,
}

/// Hyperparameters of training. Defaults: batch 512, epochs 2, seed 1, shuffle 262,144,
/// dense AdamW 1e-3 with decay 0.01, embeddings AdamW 3e-2 with decay 0.1 and deviation 0.05,
/// warm-up 0.05, linear decay, clip 5, the defaults of [`Course`].
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// Rows a step.
    pub batch: usize,
    /// Passes over the training rows.
    pub epochs: usize,
    /// Seed.
    pub seed: u64,
    /// Rows of the shuffle buffer.
    pub shuffle: usize,
    /// AdamW on the dense parts.
    pub dense: AdamW,
    /// How the rows of tables are trained that do not say otherwise.
    pub embeddings: Embeddings,
    /// Fraction of the steps in which the learning rate rises.
    pub warmup: f64,
    /// Course of the learning rate after that.
    pub decay: Decay,
    /// Bound of the global norm of the dense gradients.
    pub clip: Option<f64>,
    /// What is measured, chosen and kept on the way.
    pub course: Course,
}

/// What a training run measures, chooses and keeps on its way. Defaults: the warm-up is a fraction, validation
/// at every epoch's end, no early stop, the model of the lowest validation loss, two checkpoints.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// Steps in which the learning rate rises, instead of a fraction of them.
    pub warmup_steps: Option<u64>,
    /// Steps between two validations, beside those at the epochs' ends.
    pub validate_every: Option<u64>,
    /// Validations without an improvement after which the run ends.
    pub patience: Option<u64>,
    /// What counts as an improvement must exceed this.
    pub min_delta: f64,
    /// The figure that chooses the model; `None`: the loss.
    pub select: Option<Select>,
    /// Steps between two checkpoints, beside those at the epochs' ends.
    pub checkpoint_every: Option<u64>,
    /// How many of the last checkpoints are kept.
    pub keep: usize,
}

/// A figure of the validation that chooses a run's model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Select {
    /// The figure.
    pub figure: Figure,
    /// The task that it is of.
    pub task: TaskId,
    /// Surfaces of the cells whose rows it is taken over, ascending.
    pub surfaces: Vec<DomainId>,
    /// Products of these cells, ascending.
    pub products: Vec<DomainId>,
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

/// The request that a row belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Column of the data.
    pub column: String,
    /// Where it is declared: `line 3`, or `line 3 of members.mtmd`.
    pub place: String,
}

/// How the rows of a table are trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Embeddings {
    /// What moves them.
    pub optimiser: TableOptimiser,
    /// Peak learning rate.
    pub lr: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Standard deviation of the first values.
    pub std: f64,
    /// Steps after which a row learns at half the rate; `None`: at the whole rate always.
    pub frequency: Option<f64>,
}

/// What moves the rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableOptimiser {
    /// AdamW, as if the table were dense (the default).
    AdamW,
    /// Adam of the rows that a batch names.
    LazyAdam,
    /// Adagrad of the rows that a batch names, with one number of state a row.
    RowwiseAdagrad,
}

/// AdamW.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// Peak learning rate.
    pub lr: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

/// Course of the learning rate after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decay {
    /// It stays.
    Constant,
    /// It falls linearly to 0.
    Linear,
    /// It falls to 0 along half a cosine.
    Cosine,
    /// It falls as 1 / sqrt(step), whatever the number of steps.
    InverseSqrt,
}

/// What a model may cost at most; `None` where the spec sets no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Parameters of tables and layers.
    pub parameters: Option<Limit>,
    /// Operations of one request: the costliest query row, and a dot product for each candidate
    /// and task.
    pub flops_per_request: Option<Limit>,
    /// Bytes of the embeddings that are served for an item of the costliest product.
    pub bytes_per_item: Option<Limit>,
    /// Items that a request scores: 1,000.
    pub candidates: u64,
}

/// A limit of the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// At most this.
    pub most: u64,
    /// Where the spec says so.
    pub span: Span,
}

/// Whole numbers in a spec must not exceed this, so that sizes and products of sizes fit in u64.
pub const MAX_SIZE: u64 = 1_000_000_000;
