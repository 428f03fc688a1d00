//! The checked spec: every name resolved, every default filled in, everything in canonical order.

use serde::{Deserialize, Serialize};

use crate::{
    Architecture, Axis, Feature, List, Rows, Table, Task, TaskId, Text, Tower, Training, bug,
};

/// A checked spec.
///
/// Canonical order makes the order of declarations meaningless: domains, tables and features are
/// sorted by name (features by kind first: embedded, vector, number), tasks by name with every
/// parent before its children. A position is an id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Name of the model.
    pub name: Text,
    /// Doc comment of the model.
    pub doc: Text,
    /// Folder or file of the data, relative to the spec's own folder.
    pub data: Option<Text>,
    /// Domains of the query tower.
    pub surfaces: Axis,
    /// Domains of the item tower.
    pub products: Axis,
    /// Prediction tasks, every parent before its children.
    pub tasks: List<Task>,
    /// Embedding tables: shared ones, and one for each embedded feature without a shared one.
    pub tables: List<Table>,
    /// Features of the query tower.
    pub query: List<Feature>,
    /// Features of the item tower.
    pub item: List<Feature>,
    /// Architecture of the Domain Experts and heads.
    pub architecture: Architecture,
    /// Settings of the rows: which are used, and for what.
    pub rows: Rows,
    /// Contents of the evaluation report.
    pub evaluation: Evaluation,
    /// Hyperparameters of training.
    pub training: Training,
    /// Limits on the cost of the model.
    pub budget: Budget,
}

/// Contents of an evaluation report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Buckets of equal size by the label's rank, the top ones of which are reported.
    pub buckets: usize,
}

impl Evaluation {
    /// The default report.
    pub const DEFAULT: Self = Self { buckets: 20 };
}

/// Limits on the cost of a model; `None`: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Parameters of tables and layers.
    pub parameters: Option<u64>,
    /// Operations of one request: the costliest query row, and a dot product for each candidate
    /// and task.
    pub flops_per_request: Option<u64>,
    /// Bytes of the embeddings that are served for an item of the costliest product.
    pub bytes_per_item: Option<u64>,
    /// Items that a request scores.
    pub candidates: u64,
}

impl Budget {
    /// The default budget.
    pub const DEFAULT: Self = Self {
        parameters: None,
        flops_per_request: None,
        bytes_per_item: None,
        candidates: 1_000,
    };
}

impl Spec {
    /// A task by its id; stops at an id that the spec lacks.
    pub fn task(&self, id: TaskId) -> &Task {
        match self.tasks.get(id.0) {
            Some(task) => task,
            None => bug!("task {} of {}", id.0, self.tasks.len()),
        }
    }

    /// The axis whose domains are the tower's Domain Experts.
    pub fn axis(&self, tower: Tower) -> &Axis {
        match tower {
            Tower::Query => &self.surfaces,
            Tower::Item => &self.products,
        }
    }

    /// The tower's features, in canonical order.
    pub fn features(&self, tower: Tower) -> &[Feature] {
        match tower {
            Tower::Query => &self.query,
            Tower::Item => &self.item,
        }
    }
}
