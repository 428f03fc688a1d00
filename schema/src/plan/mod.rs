//! The plan: how a model runs, forward and backward.
//!
//! The compiler lowers the Domain Expert graph to a plan and differentiates it; an executor runs
//! it. Nothing is derived from the spec again at run time.
//!
//! All dense parameters are elements of one flat array, all running statistics of another. Distinct
//! Domain Experts (other fields, tasks or architecture) have a [`Program`] each; the domains that
//! share a program differ in where their block of parameters starts.
//!
//! A program works on rows: every operation but [`Op::BatchNorm`]'s statistics maps each row of
//! its inputs to the same row of its output, so an executor may run any number of rows at once.

mod access;
mod op;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::bug::zip_equal;
use crate::{DomainId, FeatureId, List, TaskId, Text, Tower, bug};

pub use access::{BatchNormOp, Elements};
pub use op::{
    Activate, Address, BufferId, LayerNorm, Linear, Mix, NormPlace, Op, Scope, Target, View, Write,
};

/// How a model runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Elements of the flat array of dense parameters, padding included.
    pub parameters: usize,
    /// Elements of the flat array of running statistics.
    pub statistics: usize,
    /// Added to a variance before its root is taken, in every norm.
    pub norm_eps: f64,
    /// How far BatchNorm's running statistics move towards a batch's.
    pub batch_norm_momentum: f64,
    /// Query tower: one domain per surface.
    pub query: TowerPlan,
    /// Item tower: one domain per product.
    pub item: TowerPlan,
    /// One per task, in the spec's order: parents before their children.
    pub heads: List<HeadPlan>,
}

impl Plan {
    /// How a tower runs.
    pub fn tower(&self, tower: Tower) -> &TowerPlan {
        match tower {
            Tower::Query => &self.query,
            Tower::Item => &self.item,
        }
    }
}

/// How one tower runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TowerPlan {
    /// Columns of the tower's output: the embeddings of all tasks, side by side.
    pub width: usize,
    /// The nodes of the Domain Expert graph that the programs are lowered from, each path once.
    pub nodes: List<GraphNode>,
    /// Parameters that all domains share; offsets are absolute. Keys: `TOWER.shared.NAME`.
    pub shared: List<Parameter>,
    /// One per distinct Domain Expert, ordered by first domain.
    pub programs: List<Program>,
    /// By domain: where it runs.
    pub domains: List<Place>,
}

/// Index into the nodes of a tower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub usize);

/// A node of the Domain Expert graph, in all domains of a tower that have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphNode {
    /// Path of the node in what has it, as in `graph.yaml`.
    pub path: Text,
    /// What has it: each domain its own, or the tower.
    pub scope: Scope,
}

/// The part of an operation that is lowered from one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The node.
    pub node: NodeId,
    /// Columns of the operation's output that are the node's.
    pub columns: usize,
}

/// Where a domain runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Index into the tower's programs.
    pub program: usize,
    /// Index into the program's domains, and so into its blocks of parameters.
    pub block: usize,
}

/// The Domain Experts of one or more domains that are alike, each with its own parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Domains, ascending.
    pub domains: List<DomainId>,
    /// Blocks of the flat parameters, one per domain.
    pub parameters: Blocks,
    /// Blocks of the running statistics, one per domain.
    pub statistics: Blocks,
    /// Parameters of a block; offsets are relative to it. Keys: `TOWER.DOMAIN.NAME`.
    pub own: List<Parameter>,
    /// Running statistics of a block; offsets are relative to it.
    pub running: List<Parameter>,
    /// Columns of the input: the domain's fields as they come from tables and data, embedded ones
    /// first, then vectors, then numbers.
    pub fields: List<Field>,
    /// Columns of the input that come from tables, and so need a gradient. They come first.
    pub embedded: usize,
    /// Buffers, each `[rows, width]`.
    pub buffers: List<Buffer>,
    /// Columns of all saved buffers: memory of a row between its forward and backward passes.
    pub saved: usize,
    /// Columns of scratch memory that a row needs in either pass.
    pub scratch: usize,
    /// Buffer that the executor fills: the fields, `[rows, width]`.
    pub input: BufferId,
    /// Gradient of the input's first [`Self::embedded`] columns, if there are any.
    pub input_gradient: Option<BufferId>,
    /// Buffer of the tasks' embeddings.
    pub output: BufferId,
    /// Gradient of the output, which the executor fills before the backward pass.
    pub output_gradient: BufferId,
    /// The tasks' embeddings, as columns of the output.
    pub outputs: List<Output>,
    /// From the input to the output.
    pub forward: List<Op>,
    /// From the output's gradient to those of the input and the parameters. It may read every
    /// saved buffer, and recomputes what was not saved.
    pub backward: List<Op>,
    /// By forward operation: the nodes that it is lowered from. Operations of several nodes run as one.
    pub sources: List<List<Source>>,
    /// By backward operation: index of the forward operation whose gradient it computes, or whose output
    /// it recomputes.
    pub backward_of: List<usize>,
}

impl Program {
    /// Each operation of the forward pass with the nodes that it is lowered from.
    pub fn forward_sources(&self) -> impl Iterator<Item = (&Op, &[Source])> {
        let sources = self.sources.iter().map(|sources| &**sources);
        zip_equal(&*self.forward, sources)
    }

    /// Each operation of the backward pass with the nodes that it is lowered from.
    pub fn backward_sources(&self) -> impl Iterator<Item = (&Op, &[Source])> {
        let sources = self
            .backward_of
            .iter()
            .map(|of| match self.sources.get(*of) {
                Some(sources) => &**sources,
                None => bug!("forward operation {of} of {}", self.sources.len()),
            });
        zip_equal(&*self.backward, sources)
    }
}

/// Equal parts of a flat array: block `k` starts at `start + k * stride`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blocks {
    /// First element of the first block.
    pub start: usize,
    /// Elements of a block, padding included.
    pub stride: usize,
}

impl Blocks {
    /// First element of a block.
    pub const fn at(&self, block: usize) -> usize {
        self.start + block * self.stride
    }

    /// Elements of a block, padding included.
    pub const fn range(&self, block: usize) -> Range<usize> {
        self.at(block)..self.at(block + 1)
    }
}

/// A tensor of the flat array, as a checkpoint names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Path of the node and PyTorch's name of the tensor, joined by dots.
    pub name: Text,
    /// Shape, row-major: PyTorch's layout.
    pub shape: List<usize>,
    /// First element.
    pub offset: usize,
    /// First values.
    pub init: Init,
}

impl Parameter {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Offsets of its elements.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.len()
    }

    /// Offsets from the first element of some parameters to the last one, padding included.
    pub fn span(parameters: &[Self]) -> Range<usize> {
        let ranges = parameters.iter().map(Self::range);
        let all = ranges.reduce(|all, other| all.start.min(other.start)..all.end.max(other.end));
        all.unwrap_or(0..0)
    }
}

/// First values of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// All 0.
    Zeros,
    /// All 1.
    Ones,
    /// Uniform in ±1/√n, PyTorch's default for linear maps; the fan-in n is given.
    Uniform(usize),
}

/// A field of a program's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// The feature that fills it.
    pub feature: FeatureId,
    /// First column.
    pub start: usize,
    /// Columns.
    pub width: usize,
}

/// Memory of a program, `[rows, width]`, row-major with no gap between rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Buffer {
    /// Columns.
    pub width: usize,
    /// Where it is.
    pub storage: Storage,
}

/// Where a buffer is: for `n` rows it starts `n * column` elements into its region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Storage {
    /// In the rows' own memory, which lives from the forward to the backward pass.
    Saved(usize),
    /// In memory that other buffers and other rows use too. Buffers that are alive at the same
    /// time do not overlap.
    Scratch(usize),
}

/// A task's embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The task.
    pub task: TaskId,
    /// First column of the program's output.
    pub start: usize,
    /// First column of the tower's output.
    pub column: usize,
    /// Columns of both: emb_deep, then emb_shallow.
    pub width: usize,
}

/// How a task's logit follows from the towers' outputs (paper §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadPlan {
    /// First column of the task's embedding in both towers' outputs.
    pub column: usize,
    /// Columns of the embedding.
    pub width: usize,
    /// What the dot product is multiplied with.
    pub scale: f64,
    /// Element of the flat parameters that is added. Key: `heads.TASK.bias`.
    pub bias: Option<usize>,
    /// Parent: P(task) = sigmoid(z) · P(parent).
    pub given: Option<TaskId>,
    /// Weight of the task's mean in the loss; 0 for a task that is measured only.
    pub weight: f64,
}
