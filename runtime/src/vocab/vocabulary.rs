//! The values of a learned vocabulary.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::hash::{hash_int, hash_text, hash_unsigned};
use crate::schema::Table;

/// The values of a learned vocabulary, in the order of their rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vocabulary {
    /// Table.
    pub table: String,
    /// The value of row `i + 1` at place `i`.
    pub values: Vec<RawValue>,
    /// Values that were seen often enough and found no room.
    pub unfit: u64,
    /// Values that were seen too seldom.
    pub rare: u64,
    /// By how much a count may be too low, since there were more values than are counted at a time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub short: u64,
}

/// A raw value: whole numbers before strings, ascending.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RawValue {
    /// A whole number.
    Int(i64),
    /// An unsigned one from 2^63 on; less is an `Int`.
    Unsigned(u64),
    /// A string.
    Text(Box<str>),
}

impl RawValue {
    /// Its hash as an id.
    pub(crate) fn hash(&self) -> u64 {
        match self {
            Self::Int(value) => hash_int(*value),
            Self::Unsigned(value) => hash_unsigned(*value),
            Self::Text(value) => hash_text(value),
        }
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// How many values a vocabulary of a table may have.
pub(crate) fn room(table: &Table) -> usize {
    table.rows.saturating_sub(1 + table.oov)
}

pub(crate) fn mismatch(table: &str, cause: impl ToString) -> Error {
    let place = if table.is_empty() {
        "the vocabularies".to_owned()
    } else {
        format!("the vocabulary of table `{table}`")
    };
    Error::weights(
        place,
        cause.to_string(),
        "use the checkpoint of this spec, or train again",
    )
}

/// What tests of this and of what uses it share.
#[cfg(test)]
pub(crate) mod fixture {
    use crate::schema::{Index, Table, text};

    /// A table that learns its vocabulary.
    pub fn table(rows: usize) -> Table {
        Table {
            name: text("t"),
            shared: false,
            rows,
            dim: 1,
            index: Index::Vocabulary { min_count: 2 },
            oov: 0,
            embeddings: None,
            doc: text(""),
        }
    }
}
