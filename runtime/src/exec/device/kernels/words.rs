//! What the words of the tables mean. Kernels read them; `../lower.rs`, `../layers.rs`,
//! `../launches.rs`, `../frame.rs` and `../rows.rs` write them.

/// A word in place of an address or a column that an operation lacks.
pub const NONE: u32 = u32::MAX;

/// Added to an address within a domain's own block of parameters; one without it is absolute.
pub const OWN: u32 = 1 << 31;

/// Rows of a tile.
pub const TILE: usize = 64;

/// A tile: some rows of one domain.
pub mod tile {
    /// Its words.
    pub const WORDS: usize = 11;
    /// Its first row, among those of both towers.
    pub const ROW: usize = 0;
    /// Number of rows.
    pub const ROWS: usize = 1;
    /// The program of its domain.
    pub const PROGRAM: usize = 2;
    /// Where the block of its domain's parameters starts.
    pub const OWN_BLOCK: usize = 3;
    /// Where the moments of its domain's BatchNorms start.
    pub const MOMENTS: usize = 4;
    /// Where the fields of its first row start.
    pub const FIELDS: usize = 5;
    /// Where the outputs of its first row start.
    pub const OUTPUTS: usize = 6;
    /// Where the gradients of the embedded fields of its first row start.
    pub const EMBEDDED: usize = 7;
    /// Rows of the batch that its rows stand for.
    pub const COUNT: usize = 8;
    /// Where the data of its first row starts: the fields that come from no table.
    pub const DATA: usize = 9;
    /// The first slot of its first row: a slot is a field that comes from a table.
    pub const SLOT: usize = 10;
}

/// A domain's rows.
pub mod domain {
    /// Its words.
    pub const WORDS: usize = 4;
    /// Its first row, among those of both towers.
    pub const ROW: usize = 0;
    /// Number of rows.
    pub const ROWS: usize = 1;
    /// Its first tile.
    pub const TILE: usize = 2;
    /// Number of tiles.
    pub const TILES: usize = 3;
}

/// Columns that go between a row's memory and an array of their own.
pub mod transfer {
    /// Words of an item.
    pub const WORDS: usize = 3;
    /// First column of the memory.
    pub const COLUMN: usize = 0;
    /// Columns.
    pub const WIDTH: usize = 1;
    /// Which word of a tile says where its rows start in the array.
    pub const START: usize = 2;
}

/// A field that comes from a table.
pub mod gather {
    /// Words of an item.
    pub const WORDS: usize = 4;
    /// First column of a row's memory.
    pub const COLUMN: usize = 0;
    /// Columns.
    pub const WIDTH: usize = 1;
    /// Its place among such fields of the program.
    pub const FIELD: usize = 2;
    /// How many there are.
    pub const FIELDS: usize = 3;
}

/// What a device remembers from step to step.
pub mod state {
    /// What clipping multiplies the gradient of the step by.
    pub const SCALE: usize = 0;
    /// 1 as soon as a step was not finite; it and all after it leave the weights as they are.
    pub const FAILED: usize = 1;
    /// Steps that were made.
    pub const MADE: usize = 2;
    /// How many numbers it is.
    pub const NUMBERS: usize = 3;
}

/// The columns of a BatchNorm's input, of which each tile finds mean and squared distances.
pub mod moment {
    /// Words of an item.
    pub const WORDS: usize = 3;
    /// First column of a row's memory.
    pub const COLUMN: usize = 0;
    /// Columns.
    pub const WIDTH: usize = 1;
    /// First column of the tile's means; those of the squared distances come after the means.
    pub const INTO: usize = 2;

    /// Words of an item that puts tiles together: some columns of a BatchNorm of one domain.
    pub const JOIN_WORDS: usize = 6;
    /// The domain.
    pub const DOMAIN: usize = 0;
    /// How many columns there are, at most [`WIDTH_LIMIT`].
    pub const COLUMNS: usize = 1;
    /// First column of the tiles' means.
    pub const MEANS: usize = 2;
    /// First column of the tiles' squared distances.
    pub const SQUARES: usize = 3;
    /// Where the running mean is among all statistics.
    pub const MEAN: usize = 4;
    /// Where the running variance is.
    pub const VARIANCE: usize = 5;

    /// The most columns of an item that puts tiles together: a unit each.
    pub const WIDTH_LIMIT: usize = 256;
}

/// A task's head.
pub mod head {
    /// Its words. After those of all heads, the first column of each task's embedding in a row's memory, by program and
    /// task; [`NONE`](super::NONE) where the program has it not.
    pub const WORDS: usize = 5;
    /// Columns of the embedding.
    pub const WIDTH: usize = 0;
    /// What the dot product is multiplied with, the bits of a float32.
    pub const SCALE: usize = 1;
    /// Where the bias is in the flat array, or [`NONE`](super::NONE).
    pub const BIAS: usize = 2;
    /// The parent, or [`NONE`](super::NONE).
    pub const GIVEN: usize = 3;
    /// Weight of the task in the loss, the bits of a float32.
    pub const WEIGHT: usize = 4;
}

/// A row of the batch.
pub mod pair {
    /// Its words.
    pub const WORDS: usize = 4;
    /// Its row of the query tower, among those of both towers.
    pub const QUERY: usize = 0;
    /// The program of that row.
    pub const QUERY_PROGRAM: usize = 1;
    /// Its row of the item tower.
    pub const ITEM: usize = 2;
    /// The program of that row.
    pub const ITEM_PROGRAM: usize = 3;
}

/// The gradient of a task's embedding.
pub mod output {
    /// Words of an item.
    pub const WORDS: usize = 4;
    /// The task.
    pub const TASK: usize = 0;
    /// First column of the gradient among the outputs of a row.
    pub const INTO: usize = 1;
    /// Whether it is of the query tower: 1, or 0.
    pub const OF_QUERY: usize = 2;
    /// Columns of the outputs of a row.
    pub const ALL: usize = 3;
}

/// An operation on columns of a row by themselves, or on few of them.
pub mod light {
    /// Words of an item.
    pub const WORDS: usize = 10;
    /// Which one.
    pub const OP: usize = 0;
    /// Columns, of `FROM` if the operation changes their number.
    pub const WIDTH: usize = 1;
    /// The first input.
    pub const FROM: usize = 2;
    /// The second input.
    pub const BY: usize = 3;
    /// The third one, or where a second or third result goes.
    pub const THIRD: usize = 4;
    /// Where the result goes.
    pub const INTO: usize = 5;
    /// 1: it is added, by bits: of the first, second and third result.
    pub const ADD: usize = 6;
    /// What else the operation needs.
    pub const MORE: usize = 7;
    /// Where the third result of [`CROSS_BACK`] goes.
    pub const INTO_X: usize = 8;

    /// `into = from`, times the column `by` if there is one.
    pub const SCALE: u32 = 0;
    /// `into =` the parameters from the address `by` on, or 0.
    pub const REPEAT: u32 = 1;
    /// `into = (from - mean) scale · weight + bias`; the parameters at `by` and `third`, the mean at `more`, the scale
    /// at `add` of the domain's moments.
    pub const BATCH_NORM: u32 = 2;
    /// `into = 1 / (1 + exp(-from))`.
    pub const SIGMOID: u32 = 3;
    /// Softmax of groups of `more` columns.
    pub const SOFTMAX: u32 = 4;
    /// The mean of `from`, one column.
    pub const MEAN: u32 = 5;
    /// `into = from · by + third`.
    pub const CROSS: u32 = 6;
    /// The sum of `from` over the tile's rows, into the sums from `into` on.
    pub const SUM_ROWS: u32 = 7;
    /// The sums of `from · normal` and of `from` over the tile's rows, into those from `into` and `third` on; `by` is
    /// the input of the norm, its mean at `more` and its scale at `add`.
    pub const BATCH_NORM_BACK: u32 = 8;
    /// `into = from · by · (1 - by)`.
    pub const SIGMOID_BACK: u32 = 9;
    /// By group of `more` columns, `into = by · (from - sum(from · by))`.
    pub const SOFTMAX_BACK: u32 = 10;
    /// The column `from`, divided by `width`, to all columns of `into`.
    pub const MEAN_BACK: u32 = 11;
    /// `sum(from · by)`, one column.
    pub const DOT: u32 = 12;
    /// Gradients of `CROSS` from that of its output, `more`: of `from` to `into`, of `by` to `third`, of its third input to
    /// `into_x`, if that is one.
    pub const CROSS_BACK: u32 = 13;
}

/// Bias, LayerNorm and leaky ReLU of one group of columns.
pub mod activate {
    /// Words of an item.
    pub const WORDS: usize = 16;
    /// First column of the input.
    pub const FROM: usize = 0;
    /// Columns.
    pub const WIDTH: usize = 1;
    /// First column of the result: the output, or the gradient of the input.
    pub const INTO: usize = 2;
    /// Address of the bias.
    pub const BIAS: usize = 3;
    /// Address of the norm's weight.
    pub const WEIGHT: usize = 4;
    /// Address of the norm's bias.
    pub const SHIFT: usize = 5;
    /// Where the norm is.
    pub const PLACE: usize = 6;
    /// Slope below zero, the bits of a float32.
    pub const SLOPE: usize = 7;
    /// Gradient of the output.
    pub const GRADIENT: usize = 8;
    /// 1: the result is added.
    pub const ADD: usize = 9;
    /// Where the sums of the bias's gradient start.
    pub const BIAS_SUMS: usize = 10;
    /// Where the sums of the gradient of the norm's weight start.
    pub const WEIGHT_SUMS: usize = 11;
    /// Where the sums of the gradient of the norm's bias start.
    pub const SHIFT_SUMS: usize = 12;

    /// No norm.
    pub const PLAIN: u32 = 0;
    /// A norm before the activation.
    pub const PRE: u32 = 1;
    /// A norm after it.
    pub const POST: u32 = 2;
}

/// A product of rows with a matrix of parameters, [`SIDE`](super::SIDE) columns of it.
pub mod product {
    /// Words of an item.
    pub const WORDS: usize = 12;
    /// First column of the input.
    pub const FROM: usize = 0;
    /// Columns of the input.
    pub const INPUTS: usize = 1;
    /// First of these columns of the output.
    pub const INTO: usize = 2;
    /// How many there are.
    pub const OUTPUTS: usize = 3;
    /// Address of the matrix, of its first element for these columns.
    pub const WEIGHT: usize = 4;
    /// Elements from one output to the next.
    pub const BY_OUTPUT: usize = 5;
    /// Elements from one input to the next.
    pub const BY_INPUT: usize = 6;
    /// Address of the bias of the first of these columns.
    pub const BIAS: usize = 7;
    /// 1: the result is added.
    pub const ADD: usize = 8;
    /// 1: both sides are rounded, if the run asks for it.
    pub const WIDE: usize = 9;
}

/// A block of the gradient of a matrix of parameters.
pub mod weight {
    /// Words of an item.
    pub const WORDS: usize = 8;
    /// Where its first element is in the flat array.
    pub const AT: usize = 0;
    /// Elements from one output to the next.
    pub const BY_OUTPUT: usize = 1;
    /// Outputs.
    pub const OUTPUTS: usize = 2;
    /// Inputs.
    pub const INPUTS: usize = 3;
    /// 1: it is added.
    pub const ADD: usize = 4;
    /// 1: both sides are rounded, if the run asks for it.
    pub const WIDE: usize = 5;
    /// The first of its sources.
    pub const SOURCE: usize = 6;
    /// Number of sources.
    pub const SOURCES: usize = 7;

    /// Words of a source: rows of one domain.
    pub const SOURCE_WORDS: usize = 3;
    /// The domain.
    pub const DOMAIN: usize = 0;
    /// First column of the outputs' gradient.
    pub const GRADIENT: usize = 1;
    /// First column of the inputs.
    pub const INPUT: usize = 2;
}

/// Neighbouring elements of a gradient that is summed over tiles.
pub mod sum {
    /// Words of an item.
    pub const WORDS: usize = 4;
    /// Where the first is in the flat array.
    pub const AT: usize = 0;
    /// How many there are, at most [`WIDTH_LIMIT`].
    pub const WIDTH: usize = 1;
    /// The first source.
    pub const SOURCE: usize = 2;
    /// Number of sources.
    pub const SOURCES: usize = 3;

    /// Words of a source: the tiles of one domain.
    pub const SOURCE_WORDS: usize = 2;
    /// The domain.
    pub const DOMAIN: usize = 0;
    /// First column of the sums.
    pub const COLUMN: usize = 1;

    /// The most elements of an item: a column of units each.
    pub const WIDTH_LIMIT: usize = super::super::LANES;
}

/// Rows and columns of the block of a product that a cube makes.
pub const SIDE: usize = 64;
