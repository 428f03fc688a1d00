//! What a Domain Expert is made of, as this room runs it. Parameters are named by their place in a list.

use std::ops::Range;

/// `x Wᵀ + b`, with W `[out, in]`.
#[derive(Debug, Clone)]
pub struct Dense {
    /// Place of W.
    pub weight: usize,
    /// Place of b.
    pub bias: usize,
    /// Columns that go in.
    pub input: usize,
    /// Columns that come out.
    pub output: usize,
}

/// A linear map, LayerNorm, LeakyReLU.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The map; the norm adds its bias.
    pub dense: Dense,
    /// Place of the norm's weight.
    pub norm_weight: usize,
    /// Place of the norm's bias.
    pub norm_bias: usize,
}

/// The op's inputs, each `[rows, width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// x_d.
    Adapted,
    /// The adapted fields in the tower's canonical order.
    Canonical,
    /// Embeddings as they come from the tables.
    Embedded,
}

impl Input {
    /// All of them, in the order of the op's inputs.
    pub const ALL: [Self; 3] = [Self::Adapted, Self::Canonical, Self::Embedded];
}

/// What a stack reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The input.
    pub input: Input,
    /// Its columns, in this order; `None`: all.
    pub columns: Option<Vec<Range<usize>>>,
}

/// Layers one on the other, at least one: an expert, or the hidden layers of a routing.
#[derive(Debug, Clone)]
pub struct Stack {
    /// Place of what it reads among the plan's sources.
    pub source: usize,
    /// First to last.
    pub layers: Vec<Layer>,
}

impl Stack {
    /// Columns that come out.
    pub fn output(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.dense.output)
    }
}

/// `x' = x0 ∘ (U(V x) + b) + x`.
#[derive(Debug, Clone)]
pub struct Cross {
    /// Place of V, `[rank, width]`.
    pub down: usize,
    /// U and b.
    pub up: Dense,
}

/// emb_shallow of a task.
#[derive(Debug, Clone)]
pub enum Shallow {
    /// A linear map on the output of a stack.
    Dense {
        /// Place of the stack.
        stack: usize,
        /// The map.
        output: Dense,
    },
    /// Place of a vector that stands for it in every row, and its width.
    Vector(usize, usize),
}

impl Shallow {
    /// Columns.
    pub fn width(&self) -> usize {
        match self {
            Self::Dense { output, .. } => output.output,
            Self::Vector(_, width) => *width,
        }
    }
}

/// From the experts' outputs to the embedding of one task: routing, composition, norm, crosses, linear map.
#[derive(Debug, Clone)]
pub struct Head {
    /// Places of the stacks that are its experts.
    pub experts: Vec<usize>,
    /// Place of the stack of the routing and the map on it; `None` for a single expert, which is not scaled.
    pub routing: Option<(usize, Dense)>,
    /// Whether the weighted experts are summed; else they stand side by side.
    pub sum: bool,
    /// Columns of the composition.
    pub width: usize,
    /// Places of weight and bias of the norm of the composition; `None` without one.
    pub norm: Option<(usize, usize)>,
    /// First to last.
    pub crosses: Vec<Cross>,
    /// emb_deep.
    pub embedding: Dense,
    /// emb_shallow, which follows it.
    pub shallow: Shallow,
}

impl Head {
    /// Columns that come out.
    pub fn output(&self) -> usize {
        self.embedding.output + self.shallow.width()
    }
}

/// A Domain Expert.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// What stacks read.
    pub sources: Vec<Source>,
    /// Stacks; none depends on another.
    pub stacks: Vec<Stack>,
    /// One a task.
    pub heads: Vec<Head>,
}

impl Plan {
    /// The linear maps whose weights are multiplied with, by the place of the weight: all but those of routings, which are too
    /// narrow to gain by it.
    pub fn weights(&self) -> Vec<Dense> {
        let stacks = self.stacks.iter().flat_map(|stack| &stack.layers);
        let mut weights: Vec<Dense> = stacks.map(|layer| layer.dense.clone()).collect();
        for head in &self.heads {
            for cross in &head.crosses {
                weights.push(Dense {
                    weight: cross.down,
                    bias: cross.down,
                    input: cross.up.output,
                    output: cross.up.input,
                });
                weights.push(cross.up.clone());
            }
            weights.push(head.embedding.clone());
            if let Shallow::Dense { output, .. } = &head.shallow {
                weights.push(output.clone());
            }
        }
        weights
    }
}
