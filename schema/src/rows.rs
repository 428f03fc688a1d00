//! Rows: the training, validation and test rows, and settings of all rows.

use serde::{Deserialize, Serialize};

use crate::{List, Text, Value, words::choices};

/// Settings of all rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    /// Fate of rows that cannot be used.
    pub bad: BadRows,
    /// What identifies the request of a row, if the rows of one request repeat its query
    /// features.
    pub request: Option<Request>,
    /// How rows are divided into training, validation and test rows.
    pub split: Split,
}

impl Rows {
    /// The default settings.
    pub const DEFAULT: Self = Self {
        bad: BadRows::Stop,
        request: None,
        split: Split::Hash,
    };
}

choices! {
    /// Fate of rows that cannot be used (a NaN, or a label outside [0, 1]).
    pub enum BadRows {
        /// The run stops and reports the first such row.
        Stop = "stop",
        /// Left out and counted.
        Skip = "skip",
    }
}

/// The request that a row belongs to. Rows of one request are neighbours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Column of the data.
    pub column: Text,
    /// Where the spec declares it: `line 3`, or `line 3 of members.mtmd`.
    pub place: Text,
}

/// How rows are divided into training, validation and test rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// By a hash of the row's request, or else of its place in the data: 80 % train, 10 % validate,
    /// 10 % test.
    Hash,
    /// By the value of a column. Ranges are inclusive, sorted and disjoint; rows in none are left
    /// out.
    Column {
        /// Column of the data.
        column: Text,
        /// Training rows.
        train: List<(Value, Value)>,
        /// Validation rows; may be empty.
        validate: List<(Value, Value)>,
        /// Test rows; may be empty.
        test: List<(Value, Value)>,
        /// Where the spec declares it: `line 3`, or `line 3 of members.mtmd`.
        place: Text,
    },
}
