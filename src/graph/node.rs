//! Nodes, and what each kind costs.

use super::Group;
use crate::sema::spec::{Composition, Crossing, Norm, Spec, TaskId};
use mtmd_schema::FeatureId;

/// A block of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is for. No two nodes of one holder have the same role.
    pub role: Role,
    /// What it is, with its shapes.
    pub kind: NodeKind,
    /// What it reads, in the order in which it is concatenated.
    pub inputs: Vec<Input>,
    /// Parameters, and operations of one row.
    pub cost: Cost,
}

/// Index into the nodes of a Domain Expert, or into the nodes that the domains of a tower share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// What a node is for. Its path follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// BatchNorm of the numbers.
    AdaptNorm,
    /// The adapted fields, x_d.
    Adapt,
    /// A task-shared expert of the domain.
    TaskShared(usize),
    /// A domain-shared expert, as the domain runs it.
    DomainShared(usize),
    /// Deep expert of a task.
    Deep(TaskId),
    /// Routing weights of a task.
    Routing(TaskId),
    /// Composition and crossing of a task.
    Cross(TaskId),
    /// emb_deep of a task.
    Embedding(TaskId),
    /// emb_shallow of a task.
    Shallow(TaskId),
    /// Embedding of a task: emb_deep, then emb_shallow.
    Task(TaskId),
    /// A domain-shared expert with its weights. The tower has it, all other roles up to here are a
    /// Domain Expert's.
    Expert(usize),
    /// The learned vectors that replace missing fields. The tower has it.
    Missing,
}

/// What a node reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Input {
    /// The fields of a group that the Domain Expert has.
    Group(Group),
    /// A field as it comes from its table.
    Field(FeatureId),
    /// The output of an earlier node of the same Domain Expert.
    Node(NodeId),
    /// The tower's learned vectors of missing fields.
    SharedMissing,
}

impl Role {
    /// The task whose own the node is.
    pub fn task(self) -> Option<TaskId> {
        match self {
            Self::Deep(task)
            | Self::Routing(task)
            | Self::Cross(task)
            | Self::Embedding(task)
            | Self::Shallow(task)
            | Self::Task(task) => Some(task),
            Self::AdaptNorm
            | Self::Adapt
            | Self::TaskShared(_)
            | Self::DomainShared(_)
            | Self::Expert(_)
            | Self::Missing => None,
        }
    }

    /// The path without the task's name. It is empty for [`Self::Task`].
    pub fn local(self) -> String {
        match self {
            Self::AdaptNorm => "adapt.norm".to_owned(),
            Self::Adapt => "adapt".to_owned(),
            Self::TaskShared(index) => numbered("task_shared", index),
            Self::DomainShared(index) => numbered("domain_shared", index),
            Self::Deep(_) => "deep".to_owned(),
            Self::Routing(_) => "routing".to_owned(),
            Self::Cross(_) => "cross".to_owned(),
            Self::Embedding(_) => "embedding".to_owned(),
            Self::Shallow(_) => "shallow".to_owned(),
            Self::Task(_) => String::new(),
            Self::Expert(index) => numbered("expert", index),
            Self::Missing => "missing".to_owned(),
        }
    }

    /// Path of the node, relative to what has it: `ctr.deep`, `adapt.norm`, `ctr`.
    pub fn path(self, spec: &Spec) -> String {
        self.path_with(|task| task_name(spec, task))
    }

    /// The path with other names of tasks.
    pub(super) fn path_with<'a>(self, name: impl Fn(TaskId) -> &'a str) -> String {
        match (self.task().map(name), self.local()) {
            (None, local) => local,
            (Some(task), local) if local.is_empty() => task.to_owned(),
            (Some(task), local) => format!("{task}.{local}"),
        }
    }
}

/// Name of a task.
#[expect(
    clippy::indexing_slicing,
    reason = "a graph's ids are those of its spec"
)]
pub(super) fn task_name(spec: &Spec, task: TaskId) -> &str {
    &spec.tasks[task.0].name
}

/// Name of one of several nodes of a kind. The first has no number, so that a second one leaves the
/// keys of its weights as they are.
fn numbered(name: &str, index: usize) -> String {
    match index {
        0 => name.to_owned(),
        _ => format!("{name}{}", index + 1),
    }
}

/// Kind of a node. Formulas and the names and shapes of the weights: `definitions.yaml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// BatchNorm of the domain's own over its numbers.
    BatchNorm {
        /// Numbers.
        width: usize,
    },
    /// Squeeze-and-Excitation over fields; its output is x_d.
    SqueezeExcitation {
        /// Fields.
        fields: usize,
        /// Hidden size.
        hidden: usize,
        /// Width of x_d.
        output: usize,
    },
    /// Linear, LayerNorm and LeakyReLU for each width, or in the order of another `norm`.
    Ffn {
        /// Input width.
        input: usize,
        /// Output width of each layer.
        widths: Vec<usize>,
        /// Place of LayerNorm in a layer.
        norm: Norm,
    },
    /// The tower's domain-shared expert, on all fields of the tower. Its weights are the tower's.
    DomainShared {
        /// Width of all fields of the tower.
        input: usize,
        /// Output width of each layer.
        widths: Vec<usize>,
        /// Place of LayerNorm in a layer.
        norm: Norm,
    },
    /// FFN, then Linear to one weight for each expert, softmax.
    Routing {
        /// Input width.
        input: usize,
        /// Hidden layers.
        hidden: Vec<usize>,
        /// Experts.
        experts: usize,
        /// Place of LayerNorm in a hidden layer.
        norm: Norm,
    },
    /// Composition of the experts' outputs, each scaled by its routing weight; LayerNorm; crossing.
    Cross {
        /// Node of the routing weights; `None` with a single expert, which is not scaled.
        routing: Option<NodeId>,
        /// How the outputs become one vector.
        composition: Composition,
        /// Width of that vector.
        width: usize,
        /// What crosses it.
        crossing: Crossing,
        /// Where LayerNorm stands: before the crossing, after it, or nowhere.
        norm: Norm,
    },
    /// Linear.
    Linear {
        /// Input width.
        input: usize,
        /// Output width.
        output: usize,
    },
    /// FFN, then Linear: an embedding.
    Shallow {
        /// Input width.
        input: usize,
        /// Hidden layers.
        hidden: Vec<usize>,
        /// Output width.
        output: usize,
        /// Place of LayerNorm in a hidden layer.
        norm: Norm,
    },
    /// One learned vector, whatever the row.
    Vector {
        /// Width.
        width: usize,
    },
    /// Concatenation.
    Concat {
        /// Width.
        width: usize,
    },
}

/// What a node takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Parameters; running statistics are none.
    pub parameters: u128,
    /// Floating-point operations of one row: two for each multiply-add of a matrix product.
    /// Elementwise work (normalisation, activations, scaling, pooling) is not counted.
    pub flops: u128,
}

impl Cost {
    /// The sum of costs.
    pub fn sum(costs: impl IntoIterator<Item = Self>) -> Self {
        costs.into_iter().fold(Self::default(), |sum, cost| Self {
            parameters: sum.parameters + cost.parameters,
            flops: sum.flops + cost.flops,
        })
    }

    /// Linear with a bias.
    fn linear(input: usize, output: usize) -> Self {
        let (input, output) = (input as u128, output as u128);
        Self {
            parameters: input * output + output,
            flops: 2 * input * output,
        }
    }

    /// LayerNorm or BatchNorm.
    fn normalised(width: usize) -> Self {
        Self {
            parameters: 2 * width as u128,
            flops: 0,
        }
    }

    fn ffn(input: usize, widths: &[usize], norm: Norm) -> Self {
        let inputs = [input].into_iter().chain(widths.iter().copied());
        Self::sum(inputs.zip(widths).map(|(input, &output)| {
            Self::sum([Self::linear(input, output), Self::layer_norm(output, norm)])
        }))
    }

    fn layer_norm(width: usize, norm: Norm) -> Self {
        match norm {
            Norm::Pre | Norm::Post => Self::normalised(width),
            Norm::None => Self::default(),
        }
    }

    fn crossing(width: usize, crossing: &Crossing, norm: Norm) -> Self {
        match crossing {
            Crossing::None => Self::default(),
            Crossing::Mlp(widths) => Self::ffn(width, widths, norm),
            Crossing::Dcn { rank, depth } => {
                let (width, rank, depth) = (width as u128, *rank as u128, *depth as u128);
                Self {
                    parameters: depth * (2 * width * rank + width),
                    flops: depth * 4 * width * rank,
                }
            }
        }
    }
}

impl NodeKind {
    /// Width of what the node puts out.
    pub fn output(&self) -> usize {
        match self {
            Self::BatchNorm { width } | Self::Vector { width } | Self::Concat { width } => *width,
            Self::SqueezeExcitation { output, .. }
            | Self::Linear { output, .. }
            | Self::Shallow { output, .. } => *output,
            Self::Routing { experts, .. } => *experts,
            Self::Ffn { input, widths, .. } | Self::DomainShared { input, widths, .. } => {
                last(*input, widths)
            }
            Self::Cross {
                width, crossing, ..
            } => match crossing {
                Crossing::Dcn { .. } | Crossing::None => *width,
                Crossing::Mlp(widths) => last(*width, widths),
            },
        }
    }

    /// Node whose output scales the inputs.
    pub fn scaled_by(&self) -> Option<NodeId> {
        match self {
            Self::Cross { routing, .. } => *routing,
            Self::BatchNorm { .. }
            | Self::SqueezeExcitation { .. }
            | Self::Ffn { .. }
            | Self::DomainShared { .. }
            | Self::Routing { .. }
            | Self::Linear { .. }
            | Self::Shallow { .. }
            | Self::Vector { .. }
            | Self::Concat { .. } => None,
        }
    }

    /// Parameters of the node, and operations of one row.
    pub fn cost(&self) -> Cost {
        match self {
            Self::BatchNorm { width } => Cost::normalised(*width),
            Self::SqueezeExcitation { fields, hidden, .. } => Cost::sum([
                Cost::linear(*fields, *hidden),
                Cost::linear(*hidden, *fields),
            ]),
            Self::Ffn {
                input,
                widths,
                norm,
            } => Cost::ffn(*input, widths, *norm),
            Self::DomainShared {
                input,
                widths,
                norm,
            } => Cost {
                parameters: 0,
                ..Cost::ffn(*input, widths, *norm)
            },
            Self::Routing {
                input,
                hidden,
                experts: output,
                norm,
            }
            | Self::Shallow {
                input,
                hidden,
                output,
                norm,
            } => Cost::sum([
                Cost::ffn(*input, hidden, *norm),
                Cost::linear(last(*input, hidden), *output),
            ]),
            Self::Cross {
                width,
                crossing,
                norm,
                ..
            } => {
                let normalised = match norm {
                    Norm::Pre | Norm::None => *width,
                    Norm::Post => self.output(),
                };
                Cost::sum([
                    Cost::layer_norm(normalised, *norm),
                    Cost::crossing(*width, crossing, *norm),
                ])
            }
            Self::Linear { input, output } => Cost::linear(*input, *output),
            Self::Vector { width } => Cost {
                parameters: *width as u128,
                flops: 0,
            },
            Self::Concat { .. } => Cost::default(),
        }
    }
}

/// Output width of an FFN.
fn last(input: usize, widths: &[usize]) -> usize {
    widths.last().copied().unwrap_or(input)
}
