//! Kinds of blocks. Each file defines one kind: shape, output, tensors, entries and definition in
//! `graph.yaml`, caption in pictures. Its computation is in `plan/blocks.rs`, whose operations
//! take the tensors that are declared here.

mod batch_norm;
mod concat;
mod cross;
mod domain_shared;
mod ffn;
mod linear;
mod routing;
mod shallow;
mod squeeze_excitation;
mod tensor;
mod vector;

pub use batch_norm::BatchNorm;
pub use concat::Concat;
pub use cross::Cross;
pub use domain_shared::DomainShared;
pub use ffn::Ffn;
pub use linear::Linear;
pub use routing::Routing;
pub use shallow::Shallow;
pub use squeeze_excitation::SqueezeExcitation;
pub use tensor::{Cost, Entries, Shape, Tensor, join};
pub use vector::{Missing, Vector};

use super::node::NodeId;

/// Version of what the blocks mean. It is part of both hashes of a spec, so that weights of another
/// version are refused.
///
/// Raise it with every change after which the same declarations and weights give other outputs, or
/// weights have other keys or shapes: another formula, constant, order of inputs, or rule that
/// builds the graph from a spec. A faster way to the same result is no such change.
pub const VERSION: u32 = 1;

/// Kind of a node, with its shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// BatchNorm of the domain's own over its numbers.
    BatchNorm(BatchNorm),
    /// Squeeze-and-Excitation over fields. Its output is x_d.
    SqueezeExcitation(SqueezeExcitation),
    /// FFN.
    Ffn(Ffn),
    /// The tower's domain-shared expert, as a domain runs it.
    DomainShared(DomainShared),
    /// Routing weights.
    Routing(Routing),
    /// Composition and crossing.
    Cross(Cross),
    /// Linear map.
    Linear(Linear),
    /// FFN, then a linear map: an embedding.
    Shallow(Shallow),
    /// A learned vector in place of an embedding.
    Vector(Vector),
    /// Learned vectors in place of missing fields.
    Missing(Missing),
    /// Concatenation.
    Concat(Concat),
}

/// What is known of every kind of block.
trait Block {
    /// Word of the kind in `graph.yaml`.
    fn word(&self) -> &'static str;

    /// What the output consists of: the columns of the input, or units of the block.
    fn output(&self) -> Entries;

    /// Its own tensors, in the order of computation.
    fn tensors(&self) -> Vec<Tensor>;

    /// Entries in `graph.yaml`, without `kind`, `inputs` and costs.
    fn entries(&self) -> Vec<(&'static str, Entry<'_>)>;

    /// A line in a picture.
    fn caption(&self) -> String;

    /// Parameters, and operations of one row.
    fn cost(&self) -> Cost {
        Cost::of(&self.tensors())
    }
}

/// An entry of a block in `graph.yaml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A size.
    Size(usize),
    /// Widths of layers.
    Widths(&'a [usize]),
    /// A choice.
    Word(&'static str),
}

/// Entries of `definitions.kinds` in `graph.yaml`.
pub(super) const DEFINITIONS: [&str; 10] = [
    batch_norm::DEFINITION,
    squeeze_excitation::DEFINITION,
    ffn::DEFINITION,
    domain_shared::DEFINITION,
    routing::DEFINITION,
    cross::DEFINITION,
    linear::DEFINITION,
    shallow::DEFINITION,
    vector::DEFINITION,
    concat::DEFINITION,
];

impl NodeKind {
    fn block(&self) -> &dyn Block {
        match self {
            Self::BatchNorm(block) => block,
            Self::SqueezeExcitation(block) => block,
            Self::Ffn(block) => block,
            Self::DomainShared(block) => block,
            Self::Routing(block) => block,
            Self::Cross(block) => block,
            Self::Linear(block) => block,
            Self::Shallow(block) => block,
            Self::Vector(block) => block,
            Self::Missing(block) => block,
            Self::Concat(block) => block,
        }
    }

    /// Word of the kind in `graph.yaml`.
    pub fn word(&self) -> &'static str {
        self.block().word()
    }

    /// Width of the output.
    pub fn output(&self) -> usize {
        self.block().output().len()
    }

    /// What the output consists of: the columns of the input, or units of the block.
    pub fn output_entries(&self) -> Entries {
        self.block().output()
    }

    /// Its own tensors, in the order of computation. A domain-shared expert has none: its weights
    /// are those of the tower's node.
    pub fn tensors(&self) -> Vec<Tensor> {
        self.block().tensors()
    }

    /// Parameters of the node, and operations of one row.
    pub fn cost(&self) -> Cost {
        self.block().cost()
    }

    /// Entries in `graph.yaml`, without `kind`, `inputs` and costs.
    pub fn entries(&self) -> Vec<(&'static str, Entry<'_>)> {
        self.block().entries()
    }

    /// A line in a picture.
    pub fn caption(&self) -> String {
        self.block().caption()
    }

    /// Node whose output scales the inputs.
    pub fn scaled_by(&self) -> Option<NodeId> {
        match self {
            Self::Cross(cross) => cross.routing,
            Self::BatchNorm(_)
            | Self::SqueezeExcitation(_)
            | Self::Ffn(_)
            | Self::DomainShared(_)
            | Self::Routing(_)
            | Self::Linear(_)
            | Self::Shallow(_)
            | Self::Vector(_)
            | Self::Missing(_)
            | Self::Concat(_) => None,
        }
    }
}
