//! The operations of a plan.
//!
//! Each forward operation has its gradient rule in the compiler, which composes it from the
//! operations below the line. An executor implements all of them and nothing else.

use serde::{Deserialize, Serialize};

use crate::List;

/// Index into a program's buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BufferId(pub usize);

/// Columns `start..start + width` of every row of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// The buffer.
    pub buffer: BufferId,
    /// First column.
    pub start: usize,
    /// Columns.
    pub width: usize,
}

/// Whose parameters an address is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The domain's own: relative to its block.
    Own,
    /// The tower's: absolute.
    Tower,
}

/// First element of a parameter in the flat array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// What the offset is relative to.
    pub scope: Scope,
    /// Elements from there.
    pub offset: usize,
}

/// Whether an operation overwrites its output or adds to it.
///
/// A gradient of a parameter is summed over rows: there `Set` means that no operation before it in
/// the program has written it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Write {
    /// Overwrites.
    Set,
    /// Adds.
    Add,
}

/// An output of a gradient rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Where it goes.
    pub to: View,
    /// How it is written.
    pub write: Write,
}

impl Target {
    /// Overwrites a view.
    pub const fn set(to: View) -> Self {
        Self {
            to,
            write: Write::Set,
        }
    }
}

/// `batch` linear maps of one shape: map `i` reads the `inputs` columns that start
/// `i * from_step` columns into `from`, and writes the `outputs` columns that start
/// `i * outputs` columns into `to`. `from.width` is the columns of one map, `to.width` those of
/// all. Weights are `[batch, outputs, inputs]` from `weight` on, row-major.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// Input of the first map.
    pub from: View,
    /// Columns from one map's input to the next one's; 0: all read the same.
    pub from_step: usize,
    /// Outputs of all maps, side by side.
    pub to: View,
    /// Maps.
    pub batch: usize,
    /// Input columns of a map.
    pub inputs: usize,
    /// Output columns of a map.
    pub outputs: usize,
    /// Weights of all maps.
    pub weight: Address,
    /// Biases of all maps, `[batch, outputs]`, if they are added here.
    pub bias: Option<Address>,
}

/// Place of a LayerNorm in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormPlace {
    /// Before the activation.
    Pre,
    /// After it.
    Post,
}

/// LayerNorm with weight and bias, by group of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerNorm {
    /// Weights of all groups, side by side.
    pub weight: Address,
    /// Biases of all groups, side by side.
    pub bias: Address,
    /// Before or after the activation.
    pub place: NormPlace,
}

/// Bias, LayerNorm and leaky ReLU of groups of columns:
/// `to = act(norm(from + bias))`, or `norm(act(from + bias))` with [`NormPlace::Post`],
/// `act(x) = x` where `x >= 0`, else `slope * x`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activate {
    /// Input.
    pub from: View,
    /// Output, as wide.
    pub to: View,
    /// Columns of each group, which is normalised by itself.
    pub groups: List<usize>,
    /// Added first, if there is one.
    pub bias: Option<Address>,
    /// `None`: no norm.
    pub norm: Option<LayerNorm>,
    /// Slope below zero: 1 for no activation, 0 for ReLU.
    pub slope: f64,
}

/// Parts, each scaled by its weight in the row, side by side or summed: part `i` is multiplied by
/// column `i` of `by`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mix {
    /// Inputs.
    pub parts: List<View>,
    /// Weights, one column per part; `None`: all 1.
    pub by: Option<View>,
    /// Whether the parts, which are of one width, are summed.
    pub sum: bool,
    /// Output.
    pub to: View,
}

/// An operation of a program, on every row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// `to = from`, or `to += from`. Its gradient is another copy.
    Copy {
        /// Input.
        from: View,
        /// Output, as wide.
        into: Target,
    },
    /// A learned vector, the same in every row.
    Repeat {
        /// The vector.
        parameter: Address,
        /// Output, as wide as the vector.
        to: View,
    },
    /// BatchNorm over the domain's rows: `weight * (x - mean) / sqrt(var + eps) + bias` by column.
    /// In training, mean and biased variance are those of the domain's rows in the batch, and the
    /// running ones move towards the mean and the unbiased variance; a single row uses the running
    /// ones and leaves them. Its input is data: no gradient passes.
    BatchNorm {
        /// Input, columns of the program's input.
        from: View,
        /// Output, as wide.
        to: View,
        /// Weights by column.
        weight: Address,
        /// Biases by column.
        bias: Address,
        /// Running means in the domain's block of statistics.
        mean: usize,
        /// Running variances in the domain's block of statistics.
        variance: usize,
    },
    /// Linear maps.
    Linear(Linear),
    /// Bias, LayerNorm, activation.
    Activate(Activate),
    /// `to = 1 / (1 + exp(-from))`.
    Sigmoid {
        /// Input.
        from: View,
        /// Output, as wide.
        to: View,
    },
    /// Softmax of each group of `width` columns.
    Softmax {
        /// Input.
        from: View,
        /// Output, as wide.
        to: View,
        /// Columns of a group.
        width: usize,
    },
    /// Mean of each part, a column each: the squeeze of Squeeze-and-Excitation.
    Means {
        /// Inputs.
        parts: List<View>,
        /// Output, one column per part.
        to: View,
    },
    /// Scaled parts, side by side or summed.
    Mix(Mix),
    /// `to = first * by + x`: the elementwise half of a DCN V2 cross layer.
    Cross {
        /// x0.
        first: View,
        /// U(V x) + b.
        by: View,
        /// x.
        x: View,
        /// x'.
        to: View,
    },

    // Below the line: what gradients are composed of, beside copies and recomputed forward operations.
    /// `to = 0`.
    Clear {
        /// Output.
        to: View,
    },
    /// Sum over rows, into a parameter's gradient.
    SumRows {
        /// Input.
        from: View,
        /// The parameter, as wide.
        to: Address,
        /// How its gradient is written.
        write: Write,
    },
    /// Gradients of BatchNorm's weight and bias.
    BatchNormBack {
        /// Gradient of the output.
        gradient: View,
        /// Input.
        from: View,
        /// The parameters whose gradients are set.
        weight: Address,
        /// The parameters whose gradients are set.
        bias: Address,
        /// Running means in the domain's block of statistics.
        mean: usize,
        /// Running variances in the domain's block of statistics.
        variance: usize,
    },
    /// Gradient of the input of linear maps: by map `dY W`. With `from_step` 0 it is the sum over
    /// the maps. `linear.from` and `linear.to` are views of the gradients.
    LinearInput {
        /// The maps, `from` the gradient that is written and `to` the one that is read.
        linear: Linear,
        /// How the gradient is written.
        write: Write,
    },
    /// Gradient of the weights of linear maps: by map `dYᵀ X`.
    LinearWeight {
        /// The maps, `from` their input and `to` the gradient of their output.
        linear: Linear,
        /// How the weights' gradient is written.
        write: Write,
    },
    /// Gradients of bias, norm and input of [`Activate`]; those of the parameters are set.
    ActivateBack {
        /// The operation: `from` is its input; `to` is not read.
        activate: Activate,
        /// Gradient of the output.
        gradient: View,
        /// Gradient of the input. It may be where `gradient` is.
        into: Target,
    },
    /// `into = gradient * output * (1 - output)`.
    SigmoidBack {
        /// Output of the operation.
        output: View,
        /// Its gradient.
        gradient: View,
        /// Gradient of the input.
        into: Target,
    },
    /// By group, `into = output * (gradient - sum(gradient * output))`.
    SoftmaxBack {
        /// Output of the operation.
        output: View,
        /// Its gradient.
        gradient: View,
        /// Columns of a group.
        width: usize,
        /// Gradient of the input.
        into: Target,
    },
    /// Each column of a part gets the gradient of the part's mean, divided by its columns.
    MeansBack {
        /// Gradient of the means, one column per part.
        gradient: View,
        /// Gradients of the parts; `None` where none is needed.
        into: List<Option<Target>>,
    },
    /// Gradients of the parts of [`Mix`], and of their weights.
    MixBack {
        /// The operation; `to` is not read.
        mix: Mix,
        /// Gradient of the output.
        gradient: View,
        /// Gradients of the parts; `None` where none is needed.
        into: List<Option<Target>>,
        /// Gradient of the weights, if the operation has any.
        into_by: Option<Target>,
    },
    /// Gradients of [`Op::Cross`]: of `first` `gradient * by`, of `by` `gradient * first`, of `x`
    /// `gradient`, in this order: where x is x0, the last one adds to the first. One of them may be
    /// where `gradient` is.
    CrossBack {
        /// x0.
        first: View,
        /// U(V x) + b.
        by: View,
        /// Gradient of the output.
        gradient: View,
        /// Gradient of x0.
        into_first: Target,
        /// Gradient of `by`.
        into_by: Target,
        /// Gradient of x; `None` where it is where `gradient` is.
        into_x: Option<Target>,
    },
}
