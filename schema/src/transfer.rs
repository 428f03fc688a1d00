//! The plan of a warm start: which weights of an old model a new one takes over, and which of their
//! elements go where. `mtmdc diff --format json` writes it, `train --warm-start` reads it.

use serde::{Deserialize, Serialize};

use crate::words::choices;

/// Version of the plan's layout. Fields may be added under the same version; none changes its meaning.
pub const LAYOUT: u32 = 1;

/// Where every weight of a new model comes from, and every old one goes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Transfer {
    /// [`LAYOUT`].
    pub schema: u32,
    /// The model that the weights are of.
    pub old: ModelRef,
    /// The model that takes them over.
    pub new: ModelRef,
    /// The new model's weights.
    pub weights: Vec<Planned>,
    /// The old model's weights that no new one continues.
    pub dropped: Vec<Dropped>,
    /// Numbers whose mean and deviation carry over.
    pub moments: Vec<Carried>,
}

/// One of the two models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRef {
    /// Its name.
    pub model: String,
    /// Hash of what its weights mean.
    pub weights_hash: String,
}

/// A weight of the new model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Key.
    pub key: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// Where it comes from.
    pub fate: Fate,
    /// Key of the old weight; `None` for a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What is copied, by dimension; empty for a new one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dims: Vec<Dimension>,
    /// How the two differ, in words.
    #[serde(default)]
    pub note: String,
}

/// What of an old dimension is copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dimension {
    /// What the dimension is.
    pub axis: WeightAxis,
    /// What is copied, unless the values of a vocabulary decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pieces: Option<Vec<Slice>>,
    /// What the rows are found by, if not by `pieces`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// With `by`, the rows of values outside the vocabulary, if they are as many as they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others: Option<Slice>,
}

/// Neighbouring entries of a dimension that are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// First entry in the new dimension.
    pub to: usize,
    /// First entry in the old dimension.
    pub from: usize,
    /// Number of entries.
    pub width: usize,
}

/// A weight of the old model that goes nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Key.
    pub key: String,
    /// Shape.
    pub shape: Vec<usize>,
}

/// A number of the new model that is standardised as the old model learned to. Both are named by tower and
/// feature, as `query.age`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// In the new model.
    pub to: String,
    /// In the old model.
    pub from: String,
}

choices! {
    /// Where a weight comes from, in the order of reports.
    pub enum Fate {
        /// Copied as it is.
        Kept = "kept",
        /// Copied as it is, under another key.
        Renamed = "renamed",
        /// All of it is copied, with more elements next to it.
        Grown = "grown",
        /// Copied in part.
        Narrowed = "narrowed",
        /// Copied in part, with more elements next to it; or all of it in another order.
        Refitted = "refitted",
        /// A new domain's, copied from that of the domain that it is `like`.
        Seeded = "seeded",
        /// As in a new model.
        New = "new",
    }

    /// What a dimension is.
    pub enum WeightAxis {
        /// The weight's outputs.
        Units = "units",
        /// The weight's inputs.
        Inputs = "inputs",
        /// Rows of a table.
        Rows = "rows",
    }

    /// What rows are found by.
    pub enum By {
        /// The values of a learned vocabulary.
        Value = "value",
    }
}

impl Transfer {
    /// The tables whose rows follow the values of a learned vocabulary: the new weight's key and
    /// the old one's.
    pub fn by_value(&self) -> impl Iterator<Item = (&str, &str)> {
        self.weights.iter().filter_map(|planned| {
            let by_value = planned.dims.iter().any(|dimension| dimension.by.is_some());
            let from = planned.from.as_deref()?;
            by_value.then_some((&*planned.key, from))
        })
    }
}

impl Slice {
    /// The entries of a whole dimension.
    pub const fn whole(width: usize) -> Self {
        Self {
            to: 0,
            from: 0,
            width,
        }
    }

    /// Each entry's place in the new dimension and in the old one.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        (self.to..self.to + self.width).zip(self.from..self.from + self.width)
    }
}
