//! What operations read and write: the ground of liveness, of verification and of the executors'
//! right to write through views.

use super::{Activate, Address, Linear, Mix, Norm, Op, Target, View, Write};

/// Columns and parameters that an operation reads and writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Columns that it reads. What it adds to is in [`Self::writes`] alone.
    pub reads: Vec<View>,
    /// Columns that it writes. They are disjoint from one another, and from those that it reads
    /// but for [`Self::in_place`].
    pub writes: Vec<Target>,
    /// A view among those that it reads, which a view that it writes may be equal to.
    pub in_place: Option<View>,
    /// Parameters that it reads.
    pub parameters: Vec<Elements>,
    /// Parameters whose gradients it writes.
    pub gradients: Vec<(Elements, Write)>,
}

/// Elements of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elements {
    /// The first one.
    pub first: Address,
    /// How many.
    pub count: usize,
}

impl Elements {
    fn new(first: Address, count: usize) -> Self {
        Self { first, count }
    }
}

impl View {
    /// Columns `start..start + width` of this view.
    pub fn columns(self, start: usize, width: usize) -> Self {
        Self {
            start: self.start + start,
            width,
            ..self
        }
    }
}

impl Target {
    /// Overwrites a view.
    pub fn set(to: View) -> Self {
        Self {
            to,
            write: Write::Set,
        }
    }
}

impl Linear {
    /// The same maps, as one where all read the same columns.
    pub fn merged(self) -> Self {
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
    pub fn input(&self, map: usize) -> View {
        View {
            start: self.from.start + map * self.from_step,
            width: self.inputs,
            ..self.from
        }
    }

    /// Columns that a map writes.
    pub fn output(&self, map: usize) -> View {
        self.to.columns(map * self.outputs, self.outputs)
    }

    /// The weight of a map.
    pub fn weight_of(&self, map: usize) -> Address {
        Address {
            offset: self.weight.offset + map * self.outputs * self.inputs,
            ..self.weight
        }
    }

    /// Weights of all maps.
    pub fn weights(&self) -> Elements {
        Elements::new(self.weight, self.batch * self.outputs * self.inputs)
    }

    fn all_inputs(&self) -> impl Iterator<Item = View> {
        let maps = self.merged();
        (0..maps.batch).map(move |map| maps.input(map))
    }
}

impl Activate {
    /// Bias, and weight and bias of the norm.
    fn parameters(&self) -> Vec<Elements> {
        let norm = self.norm.iter();
        let norm = norm.flat_map(|Norm { weight, bias, .. }| [*weight, *bias]);
        let all = self.bias.into_iter().chain(norm);
        all.map(|first| Elements::new(first, self.from.width))
            .collect()
    }
}

impl Op {
    /// What it reads and writes.
    pub fn access(&self) -> Access {
        let set = |to: &View| vec![Target::set(*to)];
        match self {
            Self::Copy { from, into } => Access {
                reads: vec![*from],
                writes: vec![*into],
                ..Access::default()
            },
            Self::Repeat { parameter, to } => Access {
                writes: set(to),
                parameters: vec![Elements::new(*parameter, to.width)],
                ..Access::default()
            },
            Self::BatchNorm {
                from,
                to,
                weight,
                bias,
                ..
            } => Access {
                reads: vec![*from],
                writes: set(to),
                parameters: [weight, bias].map(|&a| Elements::new(a, from.width)).into(),
                ..Access::default()
            },
            Self::Linear(linear) => linear.access(),
            Self::Activate(activate) => Access {
                reads: vec![activate.from],
                writes: set(&activate.to),
                parameters: activate.parameters(),
                ..Access::default()
            },
            Self::Sigmoid { from, to } | Self::Softmax { from, to, .. } => Access {
                reads: vec![*from],
                writes: set(to),
                ..Access::default()
            },
            Self::Means { parts, to } => Access {
                reads: parts.to_vec(),
                writes: set(to),
                ..Access::default()
            },
            Self::Mix(mix) => Access {
                reads: mix.parts.iter().copied().chain(mix.by).collect(),
                writes: set(&mix.to),
                ..Access::default()
            },
            Self::Cross { first, by, x, to } => Access {
                reads: vec![*first, *by, *x],
                writes: set(to),
                ..Access::default()
            },
            Self::Clear { to } => Access {
                writes: set(to),
                ..Access::default()
            },
            Self::SumRows { from, to, write } => Access {
                reads: vec![*from],
                gradients: vec![(Elements::new(*to, from.width), *write)],
                ..Access::default()
            },
            Self::BatchNormBack {
                gradient,
                from,
                weight,
                bias,
                ..
            } => Access {
                reads: vec![*gradient, *from],
                gradients: [weight, bias]
                    .map(|&a| (Elements::new(a, from.width), Write::Set))
                    .into(),
                ..Access::default()
            },
            Self::LinearInput { linear, write } => Access {
                reads: vec![linear.to],
                writes: linear
                    .all_inputs()
                    .map(|to| Target { to, write: *write })
                    .collect(),
                parameters: vec![linear.weights()],
                ..Access::default()
            },
            Self::LinearWeight { linear, write } => Access {
                reads: linear.all_inputs().chain([linear.to]).collect(),
                gradients: vec![(linear.weights(), *write)],
                ..Access::default()
            },
            Self::ActivateBack {
                activate,
                gradient,
                into,
            } => Access {
                reads: vec![activate.from, *gradient],
                writes: vec![*into],
                in_place: Some(*gradient),
                parameters: activate.parameters(),
                gradients: activate
                    .parameters()
                    .into_iter()
                    .map(|elements| (elements, Write::Set))
                    .collect(),
            },
            Self::SigmoidBack {
                output,
                gradient,
                into,
            }
            | Self::SoftmaxBack {
                output,
                gradient,
                into,
                ..
            } => Access {
                reads: vec![*output, *gradient],
                writes: vec![*into],
                in_place: Some(*gradient),
                ..Access::default()
            },
            Self::MeansBack { gradient, into } => Access {
                reads: vec![*gradient],
                writes: into.iter().flatten().copied().collect(),
                ..Access::default()
            },
            Self::MixBack {
                mix,
                gradient,
                into,
                into_by,
            } => mix.access_back(*gradient, into, *into_by),
            Self::CrossBack {
                first,
                by,
                gradient,
                into_first,
                into_by,
                into_x,
            } => Access {
                reads: vec![*first, *by, *gradient],
                writes: [*into_first, *into_by].into_iter().chain(*into_x).collect(),
                in_place: Some(*gradient),
                ..Access::default()
            },
        }
    }
}

impl Linear {
    fn access(&self) -> Access {
        let bias = self
            .bias
            .map(|first| Elements::new(first, self.batch * self.outputs));
        Access {
            reads: self.all_inputs().collect(),
            writes: vec![Target::set(self.to)],
            parameters: [self.weights()].into_iter().chain(bias).collect(),
            ..Access::default()
        }
    }
}

impl Mix {
    fn access_back(
        &self,
        gradient: View,
        into: &[Option<Target>],
        into_by: Option<Target>,
    ) -> Access {
        let parts = into_by.map_or(&[][..], |_| &self.parts);
        Access {
            reads: [gradient]
                .into_iter()
                .chain(parts.iter().copied())
                .chain(self.by)
                .collect(),
            writes: into.iter().flatten().copied().chain(into_by).collect(),
            ..Access::default()
        }
    }
}
