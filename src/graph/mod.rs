//! The Domain Expert graph: *what* the model is. It is what users read in review, snapshot and
//! diff; `plan` says how it runs.
//!
//! A node is a block of the paper (§2.1), not a single layer: an FFN of four layers is one node.
//! Paths name weights: a weight's key in a checkpoint is tower, domain, path of the node and
//! PyTorch's name of the tensor, joined by dots.

pub mod blocks;
mod build;
pub mod diff;
mod hash;
mod node;
mod page;
mod read;
mod report;
mod sketch;
mod svg;
mod weight;
mod weights;
mod yaml;

pub use blocks::{Cost, NodeKind};
pub use build::build;
pub use mtmd_schema::FeatureId;
pub use node::{Group, NodeId, NodeInput, Role};
pub use read::VocabularyFiles;
pub use weight::{Dim, DimensionPart, Key, Weight};

use crate::sema::spec::{DomainId, Feature, FeatureKind, Spec, TaskId, Tower};
use mtmd_schema::check;

/// The Domain Expert graph of a spec.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// The declarations that the graph was built from.
    pub spec: Spec,
    /// First 16 hex digits of the SHA-256 of the spec's meaning: everything but line numbers, doc
    /// comments and the place of the data. Training hyperparameters are part of it, and so is the
    /// version of the blocks.
    pub spec_hash: String,
    /// First 16 hex digits of the SHA-256 of what the weights mean: domains and their raw values,
    /// tasks but for their weights, tables, features, architecture, the version of the blocks.
    /// Weights fit every spec of this hash.
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
    pub missing: Vec<FeatureId>,
    /// Nodes that all Domain Experts share.
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

/// A block of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is for. No two nodes of one holder have the same role.
    pub role: Role,
    /// What it is, with its shapes.
    pub kind: NodeKind,
    /// What it reads, in the order in which it is concatenated.
    pub inputs: Vec<NodeInput>,
    /// Parameters, and operations of one row.
    pub cost: Cost,
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
    pub fields: Vec<FeatureId>,
    /// Width of the fields together.
    pub width: usize,
    /// Nodes in the order of computation: a node reads only those before it.
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
    of_this_version(&spec.meaning())
}

/// First 16 hex digits of the SHA-256 of what the weights of a spec mean, as
/// [`Graph::weights_hash`] has them.
pub fn weights_hash(spec: &Spec) -> String {
    of_this_version(&spec.weights())
}

/// A hash of a projection of a spec and of the version of the blocks.
fn of_this_version(projection: &Spec) -> String {
    hash::of(blocks::VERSION, projection)
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

    /// Products with the bytes of the embeddings that are served for an item of theirs.
    fn bytes_per_item(&self) -> impl Iterator<Item = (&str, u128)> {
        let (products, bytes) = (&self.spec.products.domains, &self.totals.item_bytes);
        check!(
            products.len() == bytes.len(),
            "bytes of an item of {} products",
            bytes.len()
        );
        let names = products.iter().map(|product| &*product.name);
        names.zip(bytes.iter().copied())
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
    /// The fields of these ids.
    pub fn select<'a>(&'a self, ids: &'a [FeatureId]) -> impl Iterator<Item = &'a Field> {
        ids.iter().map(|id| self.field(*id))
    }

    /// The field of an id.
    #[expect(
        clippy::indexing_slicing,
        reason = "a tower's ids are those of its fields"
    )]
    pub fn field(&self, id: FeatureId) -> &Field {
        &self.fields[id.0]
    }

    /// Name of the tower, as paths have it.
    pub fn name(&self) -> &'static str {
        self.tower.name()
    }
}

impl DomainExpert {
    /// The node of an id.
    #[expect(
        clippy::indexing_slicing,
        reason = "ids in an expert are those of its nodes"
    )]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The first node whose role is among those looked for.
    pub fn find(&self, wanted: impl Fn(Role) -> bool) -> Option<&Node> {
        self.nodes.iter().find(|node| wanted(node.role))
    }
}

impl Field {
    fn new(feature: &Feature, spec: &Spec) -> Self {
        let (group, width, shallow) = match feature.kind {
            FeatureKind::Embedded { table, shallow, .. } => {
                (Group::Embedded, spec.table(table).dim, shallow)
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
