//! The Domain Expert graph: *what* the model is. It is what users read in review, snapshot and
//! diff; `plan` says how it runs.
//!
//! A node is a block of the paper (§2.1), not a single layer: an FFN of four layers is one node.
//! Paths name weights: a weight's key in a checkpoint is tower, domain, path of the node and
//! PyTorch's name of the tensor, joined by dots.

mod build;
pub mod diff;
mod hash;
mod node;
mod page;
mod read;
mod report;
mod sketch;
mod svg;
mod weights;
mod yaml;

pub use build::build;
pub use node::{Cost, Node, NodeKind};
pub use read::VocabularyFiles;
pub use weights::{Dim, Part, Weight};

use crate::sema::spec::{DomainId, Feature, FeatureKind, Spec, TaskId, Tower};

/// The Domain Expert graph of a spec.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// The declarations that the graph was built from.
    pub spec: Spec,
    /// First 16 hex digits of the SHA-256 of the spec's meaning: everything but line numbers, doc
    /// comments and the place of the data. Training hyperparameters are part of it.
    pub spec_hash: String,
    /// First 16 hex digits of the SHA-256 of what the weights mean: domains and their raw values,
    /// tasks but for their weights, tables, features, architecture. Weights fit every spec of this
    /// hash.
    pub weights_hash: String,
    /// Query tower.
    pub query: TowerGraph,
    /// Item tower.
    pub item: TowerGraph,
    /// One for each task, in the spec's order.
    pub heads: Vec<Head>,
    /// Sums over the whole model.
    pub totals: Totals,
}

/// Index into the features of a tower, which are its fields in canonical order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldId(pub usize);

/// One tower.
#[derive(Debug, Clone, PartialEq)]
pub struct TowerGraph {
    /// Which one.
    pub tower: Tower,
    /// One for each feature of the tower, in the spec's order.
    pub fields: Vec<Field>,
    /// Width of all fields together: what the domain-shared expert reads.
    pub width: usize,
    /// Fields that some domain lacks: the learned vectors that stand in for them.
    pub missing: Vec<FieldId>,
    /// Nodes that all Domain Experts share, by path relative to the tower's `shared`.
    pub shared: Vec<Node>,
    /// Domain Experts, those that are alike folded, ordered by first domain.
    pub experts: Vec<DomainExpert>,
}

/// A field of the adapted input.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Name of the feature.
    pub name: String,
    /// Group that it belongs to.
    pub group: Group,
    /// Width.
    pub width: usize,
    /// Whether the shallow experts read it.
    pub shallow: bool,
}

/// Groups of fields, in canonical order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// From a table.
    Embedded,
    /// A vector of the data.
    Vectors,
    /// A number.
    Numbers,
}

/// The Domain Experts of one or more domains that have the same fields, tasks and architecture.
/// Each domain has weights of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct DomainExpert {
    /// Domains, ascending.
    pub domains: Vec<DomainId>,
    /// Tasks that exist on them.
    pub tasks: Vec<TaskId>,
    /// Fields that they have.
    pub fields: Vec<FieldId>,
    /// Width of the fields together.
    pub width: usize,
    /// Nodes in the order of computation, by path relative to the domain.
    pub nodes: Vec<Node>,
    /// Parameters of one of the domains, and operations of one row, the domain-shared expert's
    /// among them.
    pub cost: Cost,
}

/// What makes a probability of a task's two embeddings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Task.
    pub task: TaskId,
    /// Width of the served embedding: emb_deep and emb_shallow.
    pub width: usize,
    /// One bias, unless the spec has none; the operations of one dot product.
    pub cost: Cost,
}

/// Sums over the whole model. Parameters count row 0 of a table, but not running statistics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// (surface, product, task) that exist.
    pub cells: usize,
    /// Parameters outside the tables.
    pub dense: u128,
    /// Parameters of the tables.
    pub tables: u128,
    /// Operations of the costliest query row.
    pub query_flops: u128,
    /// Operations of the costliest item row.
    pub item_flops: u128,
    /// Operations of the dot products of one query row and one item, over all tasks.
    pub dot_flops: u128,
    /// Bytes of the embeddings that are served for an item, by product.
    pub item_bytes: Vec<u128>,
}

/// First 16 hex digits of the SHA-256 of a spec's meaning, as [`Graph::spec_hash`] has them.
pub fn meaning_hash(spec: &Spec) -> String {
    hash::of(&spec.meaning())
}

/// First 16 hex digits of the SHA-256 of what the weights of a spec mean, as
/// [`Graph::weights_hash`] has them.
pub fn weights_hash(spec: &Spec) -> String {
    hash::of(&spec.weights())
}

impl Totals {
    /// Operations of one request that scores so many items: the costliest query row, and the dot
    /// products of the tasks' embeddings.
    pub fn request_flops(&self, candidates: u64) -> u128 {
        self.query_flops + u128::from(candidates) * self.dot_flops
    }
}

impl Graph {
    /// The graph of one tower.
    pub fn tower(&self, tower: Tower) -> &TowerGraph {
        match tower {
            Tower::Query => &self.query,
            Tower::Item => &self.item,
        }
    }

    /// `graph.yaml`.
    pub fn to_yaml(&self) -> String {
        yaml::write(self)
    }

    /// Every weight, by key and shape.
    pub fn weights(&self) -> Vec<Weight> {
        weights::weights(self)
    }

    /// A drawing of the graph.
    pub fn to_svg(&self) -> String {
        svg::draw(self)
    }

    /// Boxes and arrows for graphviz.
    pub fn to_dot(&self) -> String {
        sketch::dot(self)
    }

    /// Boxes and arrows for Mermaid.
    pub fn to_mermaid(&self) -> String {
        sketch::mermaid(self)
    }

    /// A page on what the model is and takes, as Markdown.
    pub fn report_markdown(&self) -> String {
        report::page(self, false).to_markdown()
    }

    /// The same for a terminal.
    pub fn report_text(&self) -> String {
        report::page(self, false).to_text()
    }

    /// The same with the drawing, as HTML that needs no other file.
    pub fn report_html(&self) -> String {
        report::page(self, true).to_html()
    }

    /// First 16 hex digits of the SHA-256 of [`Self::to_yaml`].
    pub fn hash(&self) -> String {
        hash::short(&self.to_yaml())
    }
}

impl TowerGraph {
    /// The fields of these ids; every id that a tower holds is one of its fields.
    pub fn select<'a>(&'a self, ids: &'a [FieldId]) -> impl Iterator<Item = &'a Field> {
        ids.iter().filter_map(|id| self.fields.get(id.0))
    }

    /// Name of the tower, as paths have it.
    pub fn name(&self) -> &'static str {
        tower_name(self.tower)
    }
}

/// Name of a tower, as paths have it.
pub fn tower_name(tower: Tower) -> &'static str {
    tower.name()
}

/// Name of one of several modules of a kind: the first has no number, so that a second one leaves
/// its weights where they are.
pub fn numbered(name: &str, index: usize) -> String {
    match index {
        0 => name.to_owned(),
        _ => format!("{name}{}", index + 1),
    }
}

impl Field {
    fn new(feature: &Feature, spec: &Spec) -> Self {
        let (group, width, shallow) = match feature.kind {
            FeatureKind::Embedded { table, shallow, .. } => {
                let width = spec.tables.get(table.0).map_or(0, |table| table.dim);
                (Group::Embedded, width, shallow)
            }
            FeatureKind::Vector { width } => (Group::Vectors, width, false),
            FeatureKind::Number(_) => (Group::Numbers, 1, false),
        };
        Self {
            name: feature.name.to_string(),
            group,
            width,
            shallow,
        }
    }
}

impl Group {
    /// Name, as inputs of nodes have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Vectors => "vectors",
            Self::Numbers => "numbers",
        }
    }
}
