//! A batch: raw inputs of some rows, grouped by domain once per tower.

pub(crate) mod chunk;
mod gather;
mod record;
pub(crate) mod requests;
pub(crate) mod shuffle_buffer;

use std::ops::Range;

use mtmd_schema::Tower;

use crate::bug::check;
use crate::data::origin::Origin;

/// Rows that are trained or scored together. Row `r` of the batch is the same impression in both
/// towers, in `labels` and in `actions`; the towers hold it at a place of their own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// Number of rows.
    pub rows: usize,
    /// Surface of each row (index into `Schema::surfaces`).
    pub surface: Vec<u16>,
    /// Product of each row.
    pub product: Vec<u16>,
    /// Inputs of the query tower, grouped by surface.
    pub query: TowerBatch,
    /// Inputs of the item tower, grouped by product.
    pub item: TowerBatch,
    /// Training labels, `[task][row]`; NaN where the label is absent or the cell does not exist.
    pub labels: Vec<Vec<f32>>,
    /// Weights of the rows in the tasks' means, `[task][row]`, 0 or above where there is a label; empty
    /// for a task whose rows count alike.
    pub weights: Vec<Vec<f32>>,
    /// Actions (0 or 1), `[task][row]`; NaN where absent, where the cell does not exist, or where
    /// the task declares none.
    pub actions: Vec<Vec<f32>>,
    /// Where each row comes from, for messages: `Dataset::describe`. Empty for rows that come from no file.
    pub origins: Vec<Origin>,
}

impl Batch {
    /// Inputs of a tower.
    pub fn tower(&self, tower: Tower) -> &TowerBatch {
        match tower {
            Tower::Query => &self.query,
            Tower::Item => &self.item,
        }
    }
}

/// One tower's inputs, with the rows of a domain side by side.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TowerBatch {
    /// Places `range` hold the rows of each domain, ascending by domain; empty if it has none.
    pub domains: Vec<Range<usize>>,
    /// Batch row at each place, the first if several share it. The rows of a domain keep the order of the
    /// batch.
    pub order: Vec<u32>,
    /// Which rows share a place; `None` if each has one of its own.
    pub shared: Option<SharedRows>,
    /// One column for each feature of the tower, in the schema's order, over all places; what
    /// stands at places of a domain without the feature is never read.
    pub columns: Vec<Column>,
}

/// Rows of one request that are one row of the query tower.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SharedRows {
    /// Place of each batch row.
    pub place: Vec<u32>,
    /// Batch rows of each place, 1 or more.
    pub count: Vec<u32>,
}

/// One feature's values, by place.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Table row of each place.
    Ids(Vec<u32>),
    /// Table rows of list features: those of place `p` are `ids[offsets[p]..offsets[p + 1]]`.
    Lists {
        /// `places + 1` offsets, the first 0.
        offsets: Vec<u32>,
        /// Table rows.
        ids: Vec<u32>,
        /// Weight of each, 0 or above; empty if they count alike.
        weights: Vec<f32>,
    },
    /// Row-major `[places, width]`.
    Vectors {
        /// Width.
        width: usize,
        /// Values.
        values: Vec<f32>,
    },
    /// Transformed numbers, before BatchNorm.
    Numbers(Vec<f32>),
}

impl Column {
    /// Number of places. Stops if the column's parts contradict each other.
    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::Ids(ids) => ids.len(),
            Self::Numbers(numbers) => numbers.len(),
            Self::Vectors { width, values } => {
                check!(
                    values.len().is_multiple_of(*width),
                    "{} values in vectors of {width}",
                    values.len()
                );
                values.len() / width
            }
            Self::Lists {
                offsets,
                ids,
                weights,
            } => {
                check!(
                    offsets.last().is_some_and(|end| *end as usize == ids.len()),
                    "{} entries of lists that end at {:?}",
                    ids.len(),
                    offsets.last()
                );
                check!(
                    weights.is_empty() || weights.len() == ids.len(),
                    "{} weights of {} entries of lists",
                    weights.len(),
                    ids.len()
                );
                offsets.len() - 1
            }
        }
    }
}
