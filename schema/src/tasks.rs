//! Prediction tasks.

use serde::{Deserialize, Serialize};

use crate::{DomainId, DomainSet, List, TaskId, Text, Tower};

/// A prediction task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Name.
    pub name: Text,
    /// Training label.
    pub label: Label,
    /// 0/1 columns whose conjunction is the action behind the label, for AUC and calibration;
    /// empty if none is declared.
    pub action: List<Text>,
    /// Parent: P(task) = sigmoid(z) · P(parent).
    pub given: Option<TaskId>,
    /// Weight of the loss; 0 for a task that is only measured.
    pub weight: f64,
    /// Column of the rows' weights in the task's mean, 0 or above.
    pub sample_weight: Option<Text>,
    /// 0/1 columns that must all be 1 for a row to have a label, sorted.
    pub mask: List<Text>,
    /// Size of emb_deep; the served vector is this plus the architecture's `shallow_width`.
    pub embedding: usize,
    /// Surfaces of its cells.
    pub surfaces: DomainSet,
    /// Products of its cells. Cells are surfaces × products.
    pub products: DomainSet,
    /// Doc comment.
    pub doc: Text,
    /// Where the spec declares it: `line 3`, or `line 3 of members.mtmd`.
    pub place: Text,
}

/// Training label of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// A column of the heavyweight ranker's scores, in [0, 1].
    Score(Text),
    /// The task's action itself, 0 or 1.
    Action,
}

impl Task {
    /// Default size of emb_deep.
    pub const EMBEDDING: usize = 64;
    /// Default weight of the loss.
    pub const WEIGHT: f64 = 1.0;

    /// The tower's domains on which the task exists.
    pub fn domains(&self, tower: Tower) -> &DomainSet {
        match tower {
            Tower::Query => &self.surfaces,
            Tower::Item => &self.products,
        }
    }

    /// Whether the task exists on any cell of a domain.
    pub fn is_on(&self, tower: Tower, domain: DomainId) -> bool {
        self.domains(tower).has(domain)
    }
}
