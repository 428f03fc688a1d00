//! The plan of a warm start, as `mtmdc diff --format json` writes it: which weights of another model a new one takes
//! over, and which part of them goes where.

use serde::Deserialize;

/// Version of the plan's layout.
const SCHEMA: u32 = 1;

/// Where every weight of a new model comes from, and what becomes of every old one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Plan {
    schema: u32,
    /// The model that the weights are of.
    pub old: Side,
    /// The model that takes them.
    pub new: Side,
    /// The new model's weights.
    pub weights: Vec<Planned>,
    /// The old model's weights that no new one continues.
    pub dropped: Vec<Dropped>,
    /// Numbers that go on to be standardised as they were.
    pub moments: Vec<Carried>,
}

/// One of the two models.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Side {
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
    /// What goes where, by dimension; empty for a new one.
    #[serde(default)]
    pub dims: Vec<Fit>,
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
    /// Copied whole, and there is more.
    Grown,
    /// Copied in part.
    Narrowed,
    /// Copied in part, and there is more.
    Refitted,
    /// Copied from the domain that its domain is like.
    Seeded,
    /// As in a new model.
    New,
}

/// What of an old dimension goes where.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Fit {
    /// What the dimension is.
    pub axis: Axis,
    /// Entries to copy, unless that is told by the values of a vocabulary.
    pub pieces: Option<Vec<Piece>>,
    /// By which the rows are found, if not by `pieces`.
    pub by: Option<By>,
    /// With `by`, the rows of values outside the vocabulary.
    pub others: Option<Piece>,
}

/// What a dimension is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// What the weight puts out.
    Units,
    /// What it reads.
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

/// Entries that are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Piece {
    /// First entry in the new dimension.
    pub to: usize,
    /// First entry in the old dimension.
    pub from: usize,
    /// How many.
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

/// Something that goes on under another name, or the same.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Carried {
    /// In the new model.
    pub to: String,
    /// In the old model.
    pub from: String,
}

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// Why the text is none, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let plan: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match plan.schema {
            SCHEMA => Ok(plan),
            other => Err(format!(
                "its layout is {other}; this version reads {SCHEMA}"
            )),
        }
    }

    /// The tables whose rows follow the values of a learned vocabulary: the new weight's key and the old one's.
    pub fn by_value(&self) -> impl Iterator<Item = (&str, &str)> {
        self.weights.iter().filter_map(|planned| {
            let by_value = planned.dims.iter().any(|fit| fit.by.is_some());
            let from = planned.from.as_deref()?;
            by_value.then_some((&*planned.key, from))
        })
    }
}

impl Fate {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 7] = [
        Self::Kept,
        Self::Renamed,
        Self::Grown,
        Self::Narrowed,
        Self::Refitted,
        Self::Seeded,
        Self::New,
    ];

    /// Its name, as `mtmdc diff` has it.
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
mod tests {
    use super::*;

    #[test]
    fn another_layout_is_refused() {
        assert!(Plan::parse("{}").is_err());
        let text = r#"{ "schema": 2, "moments": [], "dropped": [], "weights": [],
            "old": { "model": "a", "weights_hash": "1" }, "new": { "model": "b", "weights_hash": "2" } }"#;
        assert!(
            Plan::parse(text)
                .expect_err("of the future")
                .contains("layout is 2")
        );
    }
}
