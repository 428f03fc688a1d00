//! The plan of a warm start, as `mtmdc diff --format json` writes it: which weights of an old model
//! a new one takes over, and which of their elements go where.

mod apply;

use serde::Deserialize;

pub use apply::TransferTarget;

/// Version of the plan's layout.
const SCHEMA: u32 = 1;

/// Where every weight of a new model comes from, and every old one goes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Transfer {
    schema: u32,
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
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ModelRef {
    /// Its name.
    pub model: String,
    /// Hash of what its weights mean.
    pub weights_hash: String,
}

/// A weight of the new model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Planned {
    /// Key.
    pub key: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// Where it comes from.
    pub fate: Fate,
    /// Key of the old weight; `None` for a new one.
    pub from: Option<String>,
    /// What is copied, by dimension; empty for a new one.
    #[serde(default)]
    pub dims: Vec<Dimension>,
    /// How the two differ, in words.
    #[serde(default)]
    pub note: String,
}

/// Where a weight comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Copied as it is.
    Kept,
    /// Copied under another key.
    Renamed,
    /// Copied whole, with more elements next to it.
    Grown,
    /// Copied in part.
    Narrowed,
    /// Copied in part, with more elements next to it.
    Refitted,
    /// Copied from the domain that its domain is like.
    Seeded,
    /// As in a new model.
    New,
}

/// What of an old dimension is copied.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Dimension {
    /// What the dimension is.
    pub axis: WeightAxis,
    /// What is copied, unless the values of a vocabulary decide.
    pub pieces: Option<Vec<Slice>>,
    /// What the rows are found by, if not by `pieces`.
    pub by: Option<By>,
    /// With `by`, the rows of values outside the vocabulary.
    pub others: Option<Slice>,
}

/// What a dimension is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightAxis {
    /// The weight's outputs.
    Units,
    /// The weight's inputs.
    Inputs,
    /// Rows of a table.
    Rows,
}

/// What rows are found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The values of a learned vocabulary.
    Value,
}

/// Neighbouring entries of a dimension that are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Slice {
    /// First entry in the new dimension.
    pub to: usize,
    /// First entry in the old dimension.
    pub from: usize,
    /// Number of entries.
    pub width: usize,
}

/// A weight of the old model that goes nowhere.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Dropped {
    /// Key.
    pub key: String,
    /// Shape.
    pub shape: Vec<usize>,
}

/// What carries over, under another name or the same.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Carried {
    /// In the new model.
    pub to: String,
    /// In the old model.
    pub from: String,
}

impl Transfer {
    /// Reads a plan.
    ///
    /// # Errors
    /// Why the text is not one, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let plan: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match plan.schema {
            SCHEMA => Ok(plan),
            other => Err(format!(
                "its layout is {other}; this version reads {SCHEMA}"
            )),
        }
    }

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

impl Fate {
    /// All, in the order in which they are reported.
    pub const ALL: [Self; 7] = [
        Self::Kept,
        Self::Renamed,
        Self::Grown,
        Self::Narrowed,
        Self::Refitted,
        Self::Seeded,
        Self::New,
    ];

    /// Its name in `mtmdc diff`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Renamed => "renamed",
            Self::Grown => "grown",
            Self::Narrowed => "narrowed",
            Self::Refitted => "refitted",
            Self::Seeded => "seeded",
            Self::New => "new",
        }
    }
}

#[cfg(test)]
mod tests;
