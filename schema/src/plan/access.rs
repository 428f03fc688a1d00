//! What operations read and write.

use super::op::{Linear, Op, Target, View};

impl Linear {
    /// Columns of all maps' inputs.
    pub fn read(&self) -> View {
        View {
            width: self.from_step * (self.batch - 1) + self.inputs,
            ..self.from
        }
    }
}

impl Op {
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
}
