//! Ids of items, and the rows that they have.

use serde::{Deserialize, Serialize};

use super::slots::{Found, Slots};
use crate::bug::bug;
use crate::hash::{hash_int, hash_text};

/// What identifies an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ItemId<'a> {
    /// A whole number.
    Int(i64),
    /// A string.
    Text(&'a str),
}

/// What ids are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdKind {
    /// Whole numbers.
    Int,
    /// Strings.
    Text,
}

impl ItemId<'_> {
    /// The hash that finds its row.
    pub fn hash(&self) -> u64 {
        match self {
            Self::Int(id) => hash_int(*id),
            Self::Text(id) => hash_text(id),
        }
    }

    /// What it is.
    pub fn kind(&self) -> IdKind {
        match self {
            Self::Int(_) => IdKind::Int,
            Self::Text(_) => IdKind::Text,
        }
    }
}

impl std::fmt::Display for ItemId<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(id) => write!(f, "{id}"),
            Self::Text(id) => write!(f, "\"{}\"", id.escape_debug()),
        }
    }
}

/// Ids in the order in which they came.
#[derive(Debug)]
pub enum IdList {
    /// Whole numbers.
    Ints(Vec<i64>),
    /// Strings: where each ends among all.
    Texts {
        /// Ends, after a 0.
        offsets: Vec<u64>,
        /// All of them, one after another.
        bytes: Vec<u8>,
    },
}

/// Ids, and their rows.
#[derive(Debug)]
pub struct Ids {
    /// By row.
    pub list: IdList,
    /// Rows by hash.
    pub slots: Slots,
}

impl Ids {
    /// Of no row.
    pub fn new(kind: IdKind) -> Self {
        Self {
            list: match kind {
                IdKind::Int => IdList::Ints(Vec::new()),
                IdKind::Text => IdList::Texts {
                    offsets: vec![0],
                    bytes: Vec::new(),
                },
            },
            slots: Slots::default(),
        }
    }

    /// The row of an id, which is added if it has none.
    pub fn find_or_add(&mut self, id: ItemId<'_>) -> Found {
        let Self { list, slots } = self;
        let found = slots.find_or_add(
            id.hash(),
            |row| list.get(row) == id,
            |row| list.get(row).hash(),
        );
        if let Found::Added(_) = found {
            list.push(id);
        }
        found
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match &self.list {
            IdList::Ints(ids) => ids.len(),
            IdList::Texts { offsets, .. } => offsets.len() - 1,
        }
    }
}

impl IdList {
    /// The id of a row.
    fn get(&self, row: u32) -> ItemId<'_> {
        let id = match self {
            Self::Ints(ids) => ids.get(row as usize).copied().map(ItemId::Int),
            Self::Texts { offsets, bytes } => text_of(offsets, bytes, row).map(ItemId::Text),
        };
        let Some(id) = id else {
            bug!("the id of row {row} is not there");
        };
        id
    }

    fn push(&mut self, id: ItemId<'_>) {
        match (self, id) {
            (Self::Ints(ids), ItemId::Int(id)) => ids.push(id),
            (Self::Texts { offsets, bytes }, ItemId::Text(id)) => {
                bytes.extend_from_slice(id.as_bytes());
                offsets.push(bytes.len() as u64);
            }
            (Self::Ints(_) | Self::Texts { .. }, id) => bug!("{id} is an id of another kind"),
        }
    }
}

/// A string among all.
pub fn text_of<'a>(offsets: &[u64], bytes: &'a [u8], row: u32) -> Option<&'a str> {
    let row = row as usize;
    let start = usize::try_from(*offsets.get(row)?).ok()?;
    let end = usize::try_from(*offsets.get(row + 1)?).ok()?;
    std::str::from_utf8(bytes.get(start..end)?).ok()
}
