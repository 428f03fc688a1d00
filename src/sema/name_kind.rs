//! What a name is of.

use crate::sema::spec::Tower;

/// What a name is of; each has names of its own that it must not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NameKind {
    /// The model.
    Model,
    /// A surface.
    Surface,
    /// A product.
    Product,
    /// A task.
    Task,
    /// A table that features share.
    Table,
    /// A feature of a tower; features of two towers may have one name.
    Feature(Tower),
    /// A variant.
    Variant,
}

impl NameKind {
    /// The domains of a tower.
    pub(super) fn domain(tower: Tower) -> Self {
        match tower {
            Tower::Query => Self::Surface,
            Tower::Item => Self::Product,
        }
    }

    /// The word for it: `surface`.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Surface => "surface",
            Self::Product => "product",
            Self::Task => "task",
            Self::Table => "table",
            Self::Feature(_) => "feature",
            Self::Variant => "variant",
        }
    }
}
