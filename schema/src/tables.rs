//! Embedding tables.

use crate::bug;
use serde::{Deserialize, Serialize};

use crate::{Embeddings, List, Text, Value};

/// An embedding table: a feature's own, or one that features share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Name: the feature's, or that of the `table` declaration.
    pub name: Text,
    /// Whether a `table` declaration made it.
    pub shared: bool,
    /// Number of rows, including row 0, which is zero and stays zero.
    pub rows: usize,
    /// Width of a row.
    pub dim: usize,
    /// How a raw value maps to its row.
    pub index: Index,
    /// Number of rows at the end for values outside the vocabulary, which are hashed into them; 0: such values are row 0.
    pub oov: usize,
    /// How its rows are trained; `None`: as [`Training::embeddings`](crate::Training::embeddings).
    pub embeddings: Option<Embeddings>,
    /// Doc comment; empty for a feature's own table.
    pub doc: Text,
}

/// How a raw value maps to its row in a table. A missing value is always row 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Index {
    /// `1 + hash(value) % (rows - 1)`.
    Hash,
    /// A vocabulary learned from the training rows: the values that occur at least `min_count` times,
    /// the most frequent ones first, at most `rows - 1 - oov` of them; others are row 0. It is stored
    /// with the checkpoint.
    Vocabulary {
        /// Minimum count of a value.
        min_count: u32,
    },
    /// A vocabulary of the spec: row `1 + i` is the value at place `i`; others are row 0.
    Values(List<Value>),
    /// The same with the values as lines of a file.
    Lines {
        /// Path of the file, as the spec gives it.
        file: Text,
        /// Whether the values are whole numbers.
        whole: bool,
        /// One value a line.
        lines: Text,
    },
    /// Intervals of a number: row `1 + i` is a number with `i` boundaries at or below it.
    Buckets,
}

impl Table {
    /// Default number of rows of a category's table.
    pub const CATEGORY_ROWS: usize = 256;
}

impl Index {
    /// Default minimum count of a value.
    pub const MIN_COUNT: u32 = 1;

    /// Values of a vocabulary that the spec gives, in the order of their rows.
    ///
    /// # Panics
    ///
    /// If lines of whole numbers hold something else, which the compiler rules out.
    pub fn values(&self) -> List<Value> {
        match self {
            Self::Values(values) => values.clone(),
            Self::Lines { whole, lines, .. } => {
                let value = |line: &str| match whole {
                    true => match line.parse() {
                        Ok(number) => Value::Int(number),
                        Err(_) => bug!("`{line}` is not a whole number"),
                    },
                    false => Value::Text(Text::Owned(line.to_owned())),
                };
                lines.lines().map(value).collect()
            }
            Self::Hash | Self::Vocabulary { .. } | Self::Buckets => List::default(),
        }
    }

    /// Number of values of a vocabulary that the spec gives.
    pub fn given(&self) -> Option<usize> {
        match self {
            Self::Values(values) => Some(values.len()),
            Self::Lines { lines, .. } => Some(lines.lines().count()),
            Self::Hash | Self::Vocabulary { .. } | Self::Buckets => None,
        }
    }
}
