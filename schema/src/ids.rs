//! Ids: positions in the lists of a spec, which are in canonical order.

use std::borrow::Cow;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::{List, bug, words::choices};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub struct $name(pub usize);

        impl $name {
            /// Name of the type, as serde has it.
            pub const TYPE: &'static str = stringify!($name);
        }
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

/// The entry of a list at the position that an id is; stops if there is none.
#[track_caller]
pub(crate) fn entry<T>(list: &[T], id: usize) -> &T {
    match list.get(id) {
        Some(entry) => entry,
        None => bug!("id {id} in a list of {} entries", list.len()),
    }
}

/// Some domains of one axis, ascending.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DomainSet(pub List<DomainId>);

impl DomainSet {
    /// Name of the type, as serde has it.
    pub const TYPE: &'static str = "DomainSet";

    /// The first `N` domains of an axis; all of them if it has `N`.
    pub const fn first<const N: usize>() -> Self {
        Self(Cow::Borrowed(First::<N>::IDS))
    }

    /// The first `count` domains of an axis; all of them if it has `count`.
    pub fn all(count: usize) -> Self {
        (0..count).map(DomainId).collect()
    }

    /// Whether a domain is one of them.
    pub fn has(&self, domain: DomainId) -> bool {
        self.binary_search(&domain).is_ok()
    }
}

impl Deref for DomainSet {
    type Target = [DomainId];

    fn deref(&self) -> &[DomainId] {
        &self.0
    }
}

impl FromIterator<DomainId> for DomainSet {
    fn from_iter<I: IntoIterator<Item = DomainId>>(ids: I) -> Self {
        let mut ids: Vec<DomainId> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        Self(Cow::Owned(ids))
    }
}

impl<'a> IntoIterator for &'a DomainSet {
    type Item = &'a DomainId;
    type IntoIter = std::slice::Iter<'a, DomainId>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

struct First<const N: usize>;

impl<const N: usize> First<N> {
    #[expect(clippy::indexing_slicing, reason = "`place` is below `N`")]
    const IDS: &'static [DomainId] = &{
        let mut ids = [DomainId(0); N];
        let mut place = 0;
        while place < N {
            ids[place] = DomainId(place);
            place += 1;
        }
        ids
    };
}

choices! {
    /// The two towers.
    pub enum Tower {
        /// One Domain Expert per surface.
        Query = "query",
        /// One Domain Expert per product.
        Item = "item",
    }
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

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::Query => Self::Item,
            Self::Item => Self::Query,
        }
    }
}
