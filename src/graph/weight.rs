//! A weight: its key, and its dimensions. A dimension knows what its entries stand for, so that a weight of another graph
//! can be fitted to it part by part.

use super::blocks::join;
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;

/// A weight, as it stands in a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weight {
    /// Its key.
    pub key: Key,
    /// Dimensions, outermost first.
    pub dims: Rc<[Dim]>,
    /// Whether training moves it by a gradient: running statistics are not parameters.
    pub trained: bool,
}

/// Key of a weight: tower, domain, path of the node and PyTorch's name for the tensor, joined by dots.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    text: String,
    /// What holds the weight: the text starts with it.
    holder: Rc<str>,
    /// Path of the node, or name of the table or of the head's task: it follows.
    node: Rc<str>,
}

impl Key {
    /// A key in what holds the weight.
    pub(super) fn new(node: &str, tensor: &str) -> Self {
        Self {
            text: join(node, tensor),
            holder: "".into(),
            node: node.into(),
        }
    }

    /// The whole key of one in a holder.
    pub(super) fn of(&self, holder: &str) -> Self {
        Self {
            text: join(holder, &self.text),
            holder: holder.into(),
            node: Rc::clone(&self.node),
        }
    }

    /// What holds the weight: the tables, what a tower's domains share, a domain, the heads.
    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// The node in its holder.
    pub fn node(&self) -> &str {
        &self.node
    }
}

impl Deref for Key {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl PartialEq<str> for Key {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Key {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

/// A dimension of a weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// What the weight puts out.
    Units(Rc<[DimensionPart]>),
    /// What the weight reads.
    Inputs(Rc<[DimensionPart]>),
    /// Rows of a table that values are hashed into, row 0 among them.
    Hashed(usize),
    /// Rows of a table with a learned vocabulary.
    Learned {
        /// All rows, row 0 among them.
        rows: usize,
        /// The last of them, for values outside the vocabulary.
        oov: usize,
    },
}

/// Entries of a dimension that belong together, as the columns of one feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DimensionPart {
    /// What they stand for; empty if the dimension has no parts.
    pub name: Rc<str>,
    /// How many they are.
    pub width: usize,
}

impl Weight {
    /// A weight that is trained.
    pub(super) fn trained(key: Key, dims: Vec<Dim>) -> Self {
        Self {
            key,
            dims: dims.into(),
            trained: true,
        }
    }

    /// The weight of a holder's list with its whole key.
    pub(super) fn of(&self, holder: &str) -> Self {
        Self {
            key: self.key.of(holder),
            ..self.clone()
        }
    }

    /// Size of each dimension.
    pub fn shape(&self) -> Vec<usize> {
        self.dims.iter().map(Dim::size).collect()
    }

    /// Entries.
    pub fn size(&self) -> u128 {
        self.dims.iter().map(|dim| dim.size() as u128).product()
    }
}

impl Dim {
    /// Entries along the dimension.
    pub fn size(&self) -> usize {
        match self {
            Self::Units(parts) | Self::Inputs(parts) => parts.iter().map(|part| part.width).sum(),
            Self::Hashed(rows) | Self::Learned { rows, .. } => *rows,
        }
    }
}

impl DimensionPart {
    pub(super) fn new(name: impl Into<Rc<str>>, width: usize) -> Self {
        Self {
            name: name.into(),
            width,
        }
    }

    /// A dimension whose entries are all alike.
    pub(super) fn plain(width: usize) -> Rc<[Self]> {
        [Self::new("", width)].into()
    }
}
