//! What tells nodes apart: ids, roles, and what a node reads. Paths follow from roles.

use crate::sema::spec::{Spec, TaskId};
use mtmd_schema::FeatureId;

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
pub enum NodeInput {
    /// The fields of a group that the Domain Expert has.
    Group(Group),
    /// A field as it comes from its table.
    Field(FeatureId),
    /// The output of an earlier node of the same Domain Expert.
    Node(NodeId),
    /// The tower's learned vectors of missing fields.
    SharedMissing,
}

/// Groups of fields, in canonical order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// From a table.
    Embedded,
    /// A vector of the data.
    Vectors,
    /// A number.
    Numbers,
}

impl Group {
    /// All, in canonical order.
    pub const ALL: [Self; 3] = [Self::Embedded, Self::Vectors, Self::Numbers];

    /// Name, as inputs of nodes have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Vectors => "vectors",
            Self::Numbers => "numbers",
        }
    }
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
pub(super) fn task_name(spec: &Spec, id: TaskId) -> &str {
    &spec.task(id).name
}

/// Name of one of several nodes of a kind. The first has no number, so that a second one leaves the
/// keys of its weights as they are.
fn numbered(name: &str, index: usize) -> String {
    match index {
        0 => name.to_owned(),
        _ => format!("{name}{}", index + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::Role;
    use crate::sema::{NameKind, objection};
    use mtmd_schema::key::SHARED;

    /// The checks of names are on a floor below, which does not know roles.
    #[test]
    fn no_name_is_the_path_of_something_else() {
        let shared = (0..12).flat_map(|index| [Role::TaskShared(index), Role::DomainShared(index)]);
        for role in [Role::AdaptNorm, Role::Adapt].into_iter().chain(shared) {
            let path = role.local();
            let name = path.split('.').next().unwrap();
            assert!(objection(NameKind::Task, name).is_some(), "{path}");
        }
        for kind in [NameKind::Surface, NameKind::Product] {
            assert!(objection(kind, SHARED).is_some(), "{kind:?}");
        }
    }
}
