//! Features: the inputs of the towers.

use serde::{Deserialize, Serialize};

use crate::{DomainSet, List, TableId, Text, Value, words::choices};

/// One input feature of a tower.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// Name.
    pub name: Text,
    /// What is derived from the column before anything else.
    pub derive: Option<Derive>,
    /// Column of the data.
    pub column: Text,
    /// How the column becomes a field.
    pub kind: FeatureKind,
    /// Domains of the tower that have the feature.
    pub domains: DomainSet,
    /// Doc comment.
    pub doc: Text,
    /// Where the spec declares it: `line 3`, or `line 3 of members.mtmd`.
    pub place: Text,
}

/// How a column becomes a field of x_d.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureKind {
    /// A row of a table, or the pooled rows of a list column.
    Embedded {
        /// Its table.
        table: TableId,
        /// How the rows are looked up.
        input: Input,
        /// Whether the shallow experts read it.
        shallow: bool,
    },
    /// A list column of floats.
    Vector {
        /// Width.
        width: usize,
    },
    /// A number, a field of width 1.
    Number(Transform),
}

/// How the rows of an embedded feature are looked up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// One raw value.
    One {
        /// The value that replaces a missing one; `None`: a missing one is row 0.
        default: Option<Value>,
    },
    /// A list of raw values.
    List {
        /// How the entries become one vector.
        pool: Pool,
        /// Column of the entries' weights, 0 or above.
        weights: Option<Text>,
        /// If set, only this many entries from the end are read.
        last: Option<usize>,
    },
    /// A number.
    Buckets {
        /// Strictly ascending.
        boundaries: List<f64>,
        /// The value that replaces a missing number; `None`: a missing one is row 0.
        default: Option<f64>,
    },
}

/// What is done to a number before BatchNorm, in this order: missing, clip, log, standardise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transform {
    /// The value that replaces a missing number.
    pub default: f64,
    /// Lower and upper bound.
    pub clip: Option<(f64, f64)>,
    /// sign(x) ln(1 + |x|).
    pub log: bool,
    /// (x - mean) / deviation.
    pub standardise: Option<Standardise>,
}

impl Transform {
    /// The default transform.
    pub const DEFAULT: Self = Self {
        default: 0.0,
        clip: None,
        log: false,
        standardise: None,
    };
}

/// Mean and deviation of a number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standardise {
    /// Those of the training rows that have the number, stored with the checkpoint.
    Learned,
    /// Those of the spec.
    Given {
        /// Mean.
        mean: f64,
        /// Deviation, above 0.
        std: f64,
    },
}

/// A value derived from a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Derive {
    /// A part of a time.
    Time {
        /// The part.
        part: TimePart,
        /// Unit of the column.
        unit: Unit,
    },
    /// Entries of a list, or characters of a string.
    Length,
}

choices! {
    /// Parts of a time, in UTC.
    pub enum TimePart {
        /// 0 to 23.
        Hour = "hour",
        /// 0 (Monday) to 6.
        Weekday = "weekday",
        /// Days since 1 January 1970.
        Day = "day",
        /// 1 to 12.
        Month = "month",
    }

    /// Unit of a whole number that is a time since 1 January 1970.
    pub enum Unit {
        /// Seconds.
        Seconds = "seconds",
        /// Thousandths of a second.
        Milliseconds = "milliseconds",
        /// Millionths of a second.
        Microseconds = "microseconds",
    }

    /// How the rows of a list become one vector. Entries that map to row 0 are ignored; a list
    /// without entries gives the zero vector.
    pub enum Pool {
        /// Mean over the entries that are not row 0.
        Mean = "mean",
        /// Sum over the entries.
        Sum = "sum",
    }
}

impl Unit {
    /// The default unit.
    pub const DEFAULT: Self = Self::Seconds;
}

impl Pool {
    /// The default pooling.
    pub const DEFAULT: Self = Self::Mean;
}
