//! Surfaces and products: the domains of the two towers.

use serde::{Deserialize, Serialize};

use crate::{DomainId, List, Text, ids::entry, words::choices};

/// A domain key: a column whose values determine which domain a row belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// Column of the data.
    pub column: Text,
    /// Fate of a row whose value does not belong to any domain.
    pub others: Others,
    /// Domains, sorted by name.
    pub domains: List<Domain>,
    /// Where the spec declares it: `line 3`, or `line 3 of members.mtmd`.
    pub place: Text,
}

/// One surface or product.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// Name.
    pub name: Text,
    /// Raw values of the column that map to this domain, sorted.
    pub values: List<Value>,
    /// The domain of the axis whose weights seed it in a warm start.
    pub like: Option<DomainId>,
    /// Doc comment.
    pub doc: Text,
}

/// A raw value, as stored in a column of the data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// A string.
    Text(Text),
}

impl Axis {
    /// The most domains that an axis can have: a row holds the id of its domain in 16 bits.
    pub const MAX_DOMAINS: usize = 1 << u16::BITS;

    /// The domain of an id, which must be one of this axis.
    #[track_caller]
    pub fn domain(&self, id: DomainId) -> &Domain {
        entry(&self.domains, id.0)
    }
}

impl Value {
    /// Name of the type, as serde has it.
    pub const TYPE: &'static str = "Value";
}

choices! {
    /// Fate of rows without a declared domain.
    pub enum Others {
        /// Left out and counted.
        Skip = "skip",
        /// The run stops and reports the first such row.
        Error = "error",
    }
}

impl Others {
    /// The default fate.
    pub const DEFAULT: Self = Self::Error;
}
