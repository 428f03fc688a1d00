//! Ids: positions in the lists of a spec, which are in canonical order.

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub usize);
    )*};
}

ids! {
    /// Index into an axis's domains: a surface in the query tower, a product in the item tower.
    DomainId,
    /// Index into the tasks.
    TaskId,
    /// Index into the embedding tables.
    TableId,
    /// Index into the features of a tower, which are its fields in canonical order.
    FeatureId,
}

/// The two towers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tower {
    /// One Domain Expert per surface.
    Query,
    /// One Domain Expert per product.
    Item,
}

impl Tower {
    /// Both, in canonical order.
    pub const ALL: [Self; 2] = [Self::Query, Self::Item];

    /// Name of the tower in keys of weights and paths of nodes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Item => "item",
        }
    }
}
