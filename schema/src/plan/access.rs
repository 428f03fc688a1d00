//! What operations read and write.

use std::ops::Range;

use super::Program;
use super::op::{Activate, Address, LayerNorm, Linear, Op, Target, View, Write};

/// Elements of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elements {
    /// The first one.
    pub first: Address,
    /// How many.
    pub count: usize,
}

impl Elements {
    /// Their offsets, in the scope of the address.
    pub const fn range(&self) -> Range<usize> {
        self.first.offset..self.first.offset + self.count
    }
}

/// The input of a BatchNorm, and the places of its running statistics in a domain's block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchNormOp {
    /// Columns of the program's input.
    pub from: View,
    /// Offset of the running means.
    pub mean: usize,
    /// Offset of the running variances.
    pub variance: usize,
}

impl Program {
    /// The BatchNorms, in the order of the forward pass.
    pub fn batch_norms(&self) -> impl Iterator<Item = BatchNormOp> {
        self.forward.iter().filter_map(|op| match op {
            Op::BatchNorm {
                from,
                mean,
                variance,
                ..
            } => Some(BatchNormOp {
                from: *from,
                mean: *mean,
                variance: *variance,
            }),
            _ => None,
        })
    }
}

impl View {
    /// Columns `start..start + width` of this view.
    pub const fn columns(self, start: usize, width: usize) -> Self {
        Self {
            start: self.start + start,
            width,
            ..self
        }
    }
}

impl Linear {
    /// The same maps, as one where all read the same columns.
    pub const fn merged(self) -> Self {
        match self.from_step {
            0 => Self {
                outputs: self.batch * self.outputs,
                batch: 1,
                ..self
            },
            _ => self,
        }
    }

    /// Columns that a map reads.
    pub const fn input(&self, map: usize) -> View {
        View {
            start: self.from.start + map * self.from_step,
            width: self.inputs,
            ..self.from
        }
    }

    /// Columns that a map writes.
    pub const fn output(&self, map: usize) -> View {
        self.to.columns(map * self.outputs, self.outputs)
    }

    /// The weight of a map.
    pub const fn weight_of(&self, map: usize) -> Elements {
        let count = self.outputs * self.inputs;
        Elements {
            first: Address {
                offset: self.weight.offset + map * count,
                ..self.weight
            },
            count,
        }
    }

    /// Weights of all maps.
    pub const fn weights(&self) -> Elements {
        Elements {
            first: self.weight,
            count: self.batch * self.outputs * self.inputs,
        }
    }

    /// Columns of all maps' inputs.
    pub fn read(&self) -> View {
        View {
            width: self.from_step * (self.batch - 1) + self.inputs,
            ..self.from
        }
    }
}

impl Op {
    /// Name of the operation, for people.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Copy { .. } => "copy",
            Self::Repeat { .. } => "repeat",
            Self::BatchNorm { .. } => "batch norm",
            Self::Linear(_) => "linear",
            Self::Activate(_) => "activate",
            Self::Sigmoid { .. } => "sigmoid",
            Self::Softmax { .. } => "softmax",
            Self::Means { .. } => "means",
            Self::Mix(_) => "mix",
            Self::Cross { .. } => "cross",
            Self::Clear { .. } => "clear",
            Self::SumRows { .. } => "sum rows",
            Self::BatchNormBack { .. } => "batch norm back",
            Self::LinearInput { .. } => "linear input",
            Self::LinearWeight { .. } => "linear weight",
            Self::ActivateBack { .. } => "activate back",
            Self::SigmoidBack { .. } => "sigmoid back",
            Self::SoftmaxBack { .. } => "softmax back",
            Self::MeansBack { .. } => "means back",
            Self::MixBack { .. } => "mix back",
            Self::CrossBack { .. } => "cross back",
        }
    }

    /// The columns that the operation reads. What it adds to is read too, but only written here.
    pub fn reads(&self) -> Vec<View> {
        match self {
            Self::Copy { from, .. }
            | Self::BatchNorm { from, .. }
            | Self::Sigmoid { from, .. }
            | Self::Softmax { from, .. }
            | Self::SumRows { from, .. } => vec![*from],
            Self::Repeat { .. } | Self::Clear { .. } => vec![],
            Self::Linear(linear) => vec![linear.read()],
            Self::Activate(activate) => vec![activate.from],
            Self::Means { parts, .. } => parts.to_vec(),
            Self::Mix(mix) => mix.parts.iter().copied().chain(mix.by).collect(),
            Self::Cross { first, by, x, .. } => vec![*first, *by, *x],
            Self::BatchNormBack { gradient, from, .. } => vec![*gradient, *from],
            Self::LinearInput { linear, .. } => vec![linear.to],
            Self::LinearWeight { linear, .. } => vec![linear.to, linear.read()],
            Self::ActivateBack {
                activate, gradient, ..
            } => vec![*gradient, activate.from],
            Self::SigmoidBack {
                output, gradient, ..
            }
            | Self::SoftmaxBack {
                output, gradient, ..
            } => vec![*gradient, *output],
            Self::MeansBack { gradient, .. } => vec![*gradient],
            Self::MixBack { mix, gradient, .. } => {
                let parts = mix.parts.iter().copied();
                std::iter::once(*gradient)
                    .chain(parts)
                    .chain(mix.by)
                    .collect()
            }
            Self::CrossBack {
                first,
                by,
                gradient,
                ..
            } => vec![*gradient, *first, *by],
        }
    }

    /// The columns that the operation writes or adds to, in the order in which it does.
    pub fn writes(&self) -> Vec<Target> {
        let set = |to: &View| vec![Target::set(*to)];
        match self {
            Self::Copy { into, .. }
            | Self::ActivateBack { into, .. }
            | Self::SigmoidBack { into, .. }
            | Self::SoftmaxBack { into, .. } => vec![*into],
            Self::Repeat { to, .. }
            | Self::BatchNorm { to, .. }
            | Self::Sigmoid { to, .. }
            | Self::Softmax { to, .. }
            | Self::Means { to, .. }
            | Self::Cross { to, .. }
            | Self::Clear { to } => set(to),
            Self::Linear(linear) => set(&linear.to),
            Self::Activate(activate) => set(&activate.to),
            Self::Mix(mix) => set(&mix.to),
            Self::SumRows { .. } | Self::BatchNormBack { .. } | Self::LinearWeight { .. } => vec![],
            Self::LinearInput { linear, write } => vec![Target {
                to: linear.read(),
                write: *write,
            }],
            Self::MeansBack { into, .. } => into.iter().copied().flatten().collect(),
            Self::MixBack { into, into_by, .. } => {
                into.iter().chain([into_by]).copied().flatten().collect()
            }
            Self::CrossBack {
                into_first,
                into_by,
                into_x,
                ..
            } => {
                let first = [*into_first, *into_by].into_iter();
                first.chain(*into_x).collect()
            }
        }
    }

    /// A view among those that it reads, which one that it writes may be equal to. All others that it
    /// writes are disjoint from what it reads; and from one another, or a later one adds to an equal
    /// earlier one.
    pub const fn in_place(&self) -> Option<View> {
        match self {
            Self::ActivateBack { gradient, .. }
            | Self::SigmoidBack { gradient, .. }
            | Self::SoftmaxBack { gradient, .. }
            | Self::CrossBack { gradient, .. } => Some(*gradient),
            Self::Copy { .. }
            | Self::Repeat { .. }
            | Self::BatchNorm { .. }
            | Self::Linear(_)
            | Self::Activate(_)
            | Self::Sigmoid { .. }
            | Self::Softmax { .. }
            | Self::Means { .. }
            | Self::Mix(_)
            | Self::Cross { .. }
            | Self::Clear { .. }
            | Self::SumRows { .. }
            | Self::BatchNormBack { .. }
            | Self::LinearInput { .. }
            | Self::LinearWeight { .. }
            | Self::MeansBack { .. }
            | Self::MixBack { .. } => None,
        }
    }

    /// The parameters that the operation reads.
    pub fn parameters(&self) -> Vec<Elements> {
        let all = |first: &[Address], count| {
            let elements = first.iter().map(|&first| Elements { first, count });
            elements.collect()
        };
        match self {
            Self::Repeat { parameter, to } => all(&[*parameter], to.width),
            Self::BatchNorm {
                from, weight, bias, ..
            } => all(&[*weight, *bias], from.width),
            Self::Linear(linear) => {
                let count = linear.batch * linear.outputs;
                let bias = linear.bias.map(|first| Elements { first, count });
                [linear.weights()].into_iter().chain(bias).collect()
            }
            Self::LinearInput { linear, .. } => vec![linear.weights()],
            Self::Activate(activate) | Self::ActivateBack { activate, .. } => activate.parameters(),
            Self::Copy { .. }
            | Self::Sigmoid { .. }
            | Self::Softmax { .. }
            | Self::Means { .. }
            | Self::Mix(_)
            | Self::Cross { .. }
            | Self::Clear { .. }
            | Self::SumRows { .. }
            | Self::BatchNormBack { .. }
            | Self::LinearWeight { .. }
            | Self::SigmoidBack { .. }
            | Self::SoftmaxBack { .. }
            | Self::MeansBack { .. }
            | Self::MixBack { .. }
            | Self::CrossBack { .. } => vec![],
        }
    }

    /// The parameters whose gradients the operation writes, and how.
    pub fn gradients(&self) -> Vec<(Elements, Write)> {
        match self {
            Self::SumRows { from, to, write } => {
                let (first, count) = (*to, from.width);
                vec![(Elements { first, count }, *write)]
            }
            Self::BatchNormBack {
                from, weight, bias, ..
            } => {
                let count = from.width;
                let set = |first: &Address| {
                    (
                        Elements {
                            first: *first,
                            count,
                        },
                        Write::Set,
                    )
                };
                [weight, bias].map(set).to_vec()
            }
            Self::LinearWeight { linear, write } => vec![(linear.weights(), *write)],
            Self::ActivateBack { activate, .. } => {
                let parameters = activate.parameters().into_iter();
                parameters.map(|elements| (elements, Write::Set)).collect()
            }
            Self::Copy { .. }
            | Self::Repeat { .. }
            | Self::BatchNorm { .. }
            | Self::Linear(_)
            | Self::Activate(_)
            | Self::Sigmoid { .. }
            | Self::Softmax { .. }
            | Self::Means { .. }
            | Self::Mix(_)
            | Self::Cross { .. }
            | Self::Clear { .. }
            | Self::LinearInput { .. }
            | Self::SigmoidBack { .. }
            | Self::SoftmaxBack { .. }
            | Self::MeansBack { .. }
            | Self::MixBack { .. }
            | Self::CrossBack { .. } => vec![],
        }
    }
}

impl Activate {
    /// Bias, and weight and bias of the norm.
    fn parameters(&self) -> Vec<Elements> {
        let norm = self.norm.iter();
        let norm = norm.flat_map(|LayerNorm { weight, bias, .. }| [*weight, *bias]);
        let count = self.from.width;
        let all = self.bias.into_iter().chain(norm);
        all.map(|first| Elements { first, count }).collect()
    }
}
