//! A draft of a Domain Expert's program: operations on values, each written once. Blocks of the
//! graph are lowered to it; the plan fuses it, places it in memory and differentiates it.
//!
//! A draft knows nothing of memory: values become columns of buffers and parameters become
//! elements of the flat array only when the plan is laid out.

use mtmd_schema::bug;
use mtmd_schema::plan::{Init, NodeId, NormPlace, Scope};

/// Index into a draft's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub usize);

/// Index into a draft's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParameterId(pub usize);

/// Index into a draft's running statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatisticId(pub usize);

/// Columns of a value, `[rows, width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueSlice {
    /// The value.
    pub value: ValueId,
    /// First column.
    pub start: usize,
    /// Columns.
    pub width: usize,
}

/// A tensor of the weights, before it has a place in the flat array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftTensor {
    /// Whose it is.
    pub scope: Scope,
    /// Path of the node and PyTorch's name of the tensor, joined by dots.
    pub name: String,
    /// Shape, row-major.
    pub shape: Vec<usize>,
    /// First values.
    pub init: Init,
    /// The node that declares it.
    pub node: NodeId,
}

impl DraftTensor {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

/// LayerNorm's parameters and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DraftLayerNorm {
    /// Weight.
    pub weight: ParameterId,
    /// Bias.
    pub bias: ParameterId,
    /// Before or after the activation.
    pub place: NormPlace,
}

/// A part of a concatenation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConcatPart {
    /// Columns of a value.
    Slice(ValueSlice),
    /// Elements of a learned vector, the same in every row.
    Vector {
        /// The vector.
        parameter: ParameterId,
        /// First element.
        start: usize,
        /// Elements.
        width: usize,
    },
}

/// An operation; the plan's [`mtmd_schema::plan::Op`] of the same name says what it computes.
#[derive(Debug, Clone, PartialEq)]
pub enum DraftOp {
    /// Parts side by side.
    Concat { parts: Vec<ConcatPart>, to: ValueId },
    /// BatchNorm of columns of the input.
    BatchNorm {
        from: ValueSlice,
        to: ValueId,
        weight: ParameterId,
        bias: ParameterId,
        mean: StatisticId,
        variance: StatisticId,
    },
    /// `from Wᵀ`, and a bias unless the operation that follows adds it.
    Linear {
        from: ValueSlice,
        to: ValueId,
        weight: ParameterId,
        bias: Option<ParameterId>,
    },
    /// Bias, LayerNorm, leaky ReLU.
    Activate {
        from: ValueId,
        to: ValueId,
        bias: Option<ParameterId>,
        norm: Option<DraftLayerNorm>,
        slope: f64,
    },
    /// Logistic function.
    Sigmoid { from: ValueId, to: ValueId },
    /// Softmax over all columns.
    Softmax { from: ValueId, to: ValueId },
    /// Mean of each part.
    Means { parts: Vec<ValueSlice>, to: ValueId },
    /// Scaled parts, side by side or summed.
    Mix {
        parts: Vec<ValueSlice>,
        by: Option<ValueId>,
        sum: bool,
        to: ValueId,
    },
    /// `first * by + x`.
    Cross {
        first: ValueId,
        by: ValueId,
        x: ValueId,
        to: ValueId,
    },
}

impl DraftOp {
    /// The value that it writes.
    pub fn output(&self) -> ValueId {
        match self {
            Self::Concat { to, .. }
            | Self::BatchNorm { to, .. }
            | Self::Linear { to, .. }
            | Self::Activate { to, .. }
            | Self::Sigmoid { to, .. }
            | Self::Softmax { to, .. }
            | Self::Means { to, .. }
            | Self::Mix { to, .. }
            | Self::Cross { to, .. } => *to,
        }
    }

    /// The values that it reads.
    pub fn inputs(&self) -> Vec<ValueId> {
        let values =
            |slices: &[ValueSlice]| slices.iter().map(|slice| slice.value).collect::<Vec<_>>();
        match self {
            Self::Concat { parts, .. } => parts
                .iter()
                .filter_map(|part| match part {
                    ConcatPart::Slice(slice) => Some(slice.value),
                    ConcatPart::Vector { .. } => None,
                })
                .collect(),
            Self::BatchNorm { from, .. } | Self::Linear { from, .. } => vec![from.value],
            Self::Activate { from, .. }
            | Self::Sigmoid { from, .. }
            | Self::Softmax { from, .. } => vec![*from],
            Self::Means { parts, .. } => values(parts),
            Self::Mix { parts, by, .. } => {
                let mut read = values(parts);
                read.extend(by);
                read
            }
            Self::Cross { first, by, x, .. } => vec![*first, *by, *x],
        }
    }
}

/// A program in the making.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Width of each value; the first is the program's input.
    pub widths: Vec<usize>,
    /// Parameters, in the order in which nodes declare them. Operations take them by name.
    pub parameters: Vec<DraftTensor>,
    /// Running statistics.
    pub statistics: Vec<DraftTensor>,
    /// Operations; each reads values that operations before it write.
    pub ops: Vec<DraftOp>,
    /// By operation: the node that it is lowered from.
    pub nodes: Vec<NodeId>,
    /// The node that the next operation is lowered from.
    pub node: NodeId,
}

impl Draft {
    /// The program's input.
    pub const INPUT: ValueId = ValueId(0);

    /// A draft whose input has so many columns.
    pub fn new(width: usize) -> Self {
        Self {
            widths: vec![width],
            parameters: vec![],
            statistics: vec![],
            ops: vec![],
            nodes: vec![],
            node: NodeId(0),
        }
    }

    /// Columns of a value.
    pub fn width(&self, value: ValueId) -> usize {
        match self.widths.get(value.0) {
            Some(width) => *width,
            None => bug!("value {} is of another draft", value.0),
        }
    }

    /// All columns of a value.
    pub fn whole(&self, value: ValueId) -> ValueSlice {
        ValueSlice {
            value,
            start: 0,
            width: self.width(value),
        }
    }

    /// A parameter of the draft.
    pub fn parameter(&self, id: ParameterId) -> &DraftTensor {
        match self.parameters.get(id.0) {
            Some(tensor) => tensor,
            None => bug!("parameter {} is of another draft", id.0),
        }
    }

    /// The parameter of a name, which a node has declared with the shape that an operation needs.
    pub fn named(&self, name: &str, shape: &[usize]) -> ParameterId {
        ParameterId(find(&self.parameters, name, shape))
    }

    fn named_statistic(&self, name: &str, shape: &[usize]) -> StatisticId {
        StatisticId(find(&self.statistics, name, shape))
    }

    fn value(&mut self, width: usize) -> ValueId {
        self.widths.push(width);
        ValueId(self.widths.len() - 1)
    }

    fn push(&mut self, width: usize, op: impl FnOnce(ValueId) -> DraftOp) -> ValueId {
        let to = self.value(width);
        self.ops.push(op(to));
        self.nodes.push(self.node);
        to
    }

    /// Parts side by side; a single whole value stays what it is.
    pub fn concat(&mut self, parts: Vec<ConcatPart>) -> ValueId {
        if let [ConcatPart::Slice(slice)] = parts[..]
            && slice == self.whole(slice.value)
        {
            return slice.value;
        }
        let width = parts.iter().map(ConcatPart::width).sum();
        self.push(width, |to| DraftOp::Concat { parts, to })
    }

    /// Parts side by side, as the last operation: the program's output, a value of its own whatever
    /// the parts are.
    pub fn output(&mut self, parts: Vec<ConcatPart>) {
        let width = parts.iter().map(ConcatPart::width).sum();
        self.push(width, |to| DraftOp::Concat { parts, to });
    }

    /// BatchNorm with weights and running statistics under `path`.
    pub fn batch_norm(&mut self, path: &str, from: ValueSlice) -> ValueId {
        let shape = [from.width];
        let (weight, bias) = self.affine(path, from.width, &[]);
        let mean = self.named_statistic(&format!("{path}.running_mean"), &shape);
        let variance = self.named_statistic(&format!("{path}.running_var"), &shape);
        self.push(from.width, |to| DraftOp::BatchNorm {
            from,
            to,
            weight,
            bias,
            mean,
            variance,
        })
    }

    /// Weight and bias under `path`: of a norm, or of a linear map of `inputs`.
    fn affine(&self, path: &str, units: usize, inputs: &[usize]) -> (ParameterId, ParameterId) {
        let weight = [&[units], inputs].concat();
        (
            self.named(&format!("{path}.weight"), &weight),
            self.named(&format!("{path}.bias"), &[units]),
        )
    }

    /// Linear with the weight `[output, columns]` under `path` and a bias, nothing after it.
    pub fn linear(&mut self, path: &str, from: ValueSlice, output: usize) -> ValueId {
        let (weight, bias) = self.affine(path, output, &[from.width]);
        self.push(output, |to| DraftOp::Linear {
            from,
            to,
            weight,
            bias: Some(bias),
        })
    }

    /// Linear without a bias.
    pub fn linear_without_bias(&mut self, path: &str, from: ValueSlice, output: usize) -> ValueId {
        let weight = self.named(&format!("{path}.weight"), &[output, from.width]);
        self.push(output, |to| DraftOp::Linear {
            from,
            to,
            weight,
            bias: None,
        })
    }

    /// Linear, then what follows it in a layer: LayerNorm under `norm`'s path, leaky ReLU.
    pub fn layer(
        &mut self,
        linear: &str,
        norm: Option<(&str, NormPlace)>,
        from: ValueSlice,
        output: usize,
        slope: f64,
    ) -> ValueId {
        let (weight, bias) = self.affine(linear, output, &[from.width]);
        let z = self.push(output, |to| DraftOp::Linear {
            from,
            to,
            weight,
            bias: None,
        });
        let norm = norm.map(|(path, place)| self.norm(path, output, place));
        self.push(output, |to| DraftOp::Activate {
            from: z,
            to,
            bias: Some(bias),
            norm,
            slope,
        })
    }

    fn norm(&self, path: &str, width: usize, place: NormPlace) -> DraftLayerNorm {
        let (weight, bias) = self.affine(path, width, &[]);
        DraftLayerNorm {
            weight,
            bias,
            place,
        }
    }

    /// LayerNorm alone.
    pub fn layer_norm(&mut self, path: &str, from: ValueId) -> ValueId {
        let width = self.width(from);
        let norm = self.norm(path, width, NormPlace::Pre);
        self.push(width, |to| DraftOp::Activate {
            from,
            to,
            bias: None,
            norm: Some(norm),
            slope: 1.0,
        })
    }

    /// Logistic function.
    pub fn sigmoid(&mut self, from: ValueId) -> ValueId {
        let width = self.width(from);
        self.push(width, |to| DraftOp::Sigmoid { from, to })
    }

    /// Softmax over all columns.
    pub fn softmax(&mut self, from: ValueId) -> ValueId {
        let width = self.width(from);
        self.push(width, |to| DraftOp::Softmax { from, to })
    }

    /// Mean of each part, a column each.
    pub fn means(&mut self, parts: Vec<ValueSlice>) -> ValueId {
        self.push(parts.len(), |to| DraftOp::Means { parts, to })
    }

    /// Parts scaled by the columns of `by`, side by side or summed; a single part without a scale
    /// stays what it is.
    pub fn mix(&mut self, parts: Vec<ValueSlice>, by: Option<ValueId>, sum: bool) -> ValueId {
        if let ([part], None) = (&parts[..], by)
            && *part == self.whole(part.value)
        {
            return part.value;
        }
        let width = match (sum, &parts[..]) {
            (true, [first, ..]) => first.width,
            _ => parts.iter().map(|part| part.width).sum(),
        };
        self.push(width, |to| DraftOp::Mix { parts, by, sum, to })
    }

    /// `first * by + x`.
    pub fn cross(&mut self, first: ValueId, by: ValueId, x: ValueId) -> ValueId {
        let width = self.width(first);
        self.push(width, |to| DraftOp::Cross { first, by, x, to })
    }
}

impl ConcatPart {
    /// Columns.
    pub fn width(&self) -> usize {
        match self {
            Self::Slice(slice) => slice.width,
            Self::Vector { width, .. } => *width,
        }
    }
}

/// Index of the tensor of a name and shape. The last one belongs to the node whose operations are made.
fn find(tensors: &[DraftTensor], name: &str, shape: &[usize]) -> usize {
    let Some(found) = tensors.iter().rposition(|tensor| tensor.name == name) else {
        bug!("no node declares the tensor {name}");
    };
    let declared = tensors.get(found).map(|tensor| &*tensor.shape);
    if declared != Some(shape) {
        bug!("{name} is declared with shape {declared:?}, and used with {shape:?}");
    }
    found
}
