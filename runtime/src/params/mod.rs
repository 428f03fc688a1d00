//! The dense weights of a model: two flat arrays, laid out by the plan.
//!
//! Their metadata beyond their place (keys, shapes, first values) is in the [`ParameterIndex`]. The
//! files hold one array per key: safetensors with PyTorch's names and layouts.
//!
//! Invariant: padding between parameters is 0, and stays 0 through every operation of this room.

mod index;
mod initialise;
mod read;
pub mod transfer;
mod write;

use std::ops::Range;

use mtmd_schema::plan::Plan;

use crate::bug::check;

pub use index::{Array, Entry, ParameterIndex, Part};
pub use read::{Problem, Reader, require_fit};
pub use write::{Writer, write_atomically};

/// Dense parameters and running statistics.
#[derive(Debug, Clone, PartialEq)]
pub struct Params<E> {
    /// Parameters, which an optimiser steps: `[Plan::parameters]`.
    pub values: Vec<E>,
    /// Running statistics, which a training step sets: `[Plan::statistics]`.
    pub statistics: Vec<E>,
}

impl<E: Clone + Default> Params<E> {
    /// All 0.
    pub fn zeros(plan: &Plan) -> Self {
        Self {
            values: vec![E::default(); plan.parameters],
            statistics: vec![E::default(); plan.statistics],
        }
    }
}

#[expect(
    clippy::indexing_slicing,
    reason = "an index asserts that its entries are inside the arrays of its plan"
)]
impl<E> Params<E> {
    /// The elements of an entry, row-major.
    pub fn of(&self, entry: &Entry<'_>) -> &[E] {
        match entry.array {
            Array::Values => &self.values[entry.range.clone()],
            Array::Statistics => &self.statistics[entry.range.clone()],
        }
    }

    /// The same, to be written.
    pub fn of_mut(&mut self, entry: &Entry<'_>) -> &mut [E] {
        match entry.array {
            Array::Values => &mut self.values[entry.range.clone()],
            Array::Statistics => &mut self.statistics[entry.range.clone()],
        }
    }
}

impl Params<f32> {
    /// Fills in the arrays of a file. Those that do not fit are remembered by the reader, and keep
    /// their elements.
    pub fn read(&mut self, index: &ParameterIndex<'_>, reader: &mut Reader) {
        for entry in index.entries() {
            reader.read(&index.key(&entry), entry.shape, self.of_mut(&entry));
        }
    }

    /// Adds all arrays to a file that is to be written.
    pub fn write<'a>(&'a self, index: &ParameterIndex<'_>, writer: &mut Writer<'a>) {
        for entry in index.entries() {
            writer.insert(index.key(&entry), entry.shape.to_vec(), self.of(&entry));
        }
    }
}

/// Ranges of an array, which are disjoint and ascend, each to be written by itself.
pub fn disjoint<E>(
    mut array: &mut [E],
    ranges: impl IntoIterator<Item = Range<usize>>,
) -> impl Iterator<Item = &mut [E]> {
    let mut start = 0;
    ranges.into_iter().map(move |range| {
        check!(
            start <= range.start && range.end - start <= array.len(),
            "range {range:?} overlaps the one before it or leaves the array"
        );
        let (_, rest) = std::mem::take(&mut array).split_at_mut(range.start - start);
        let (here, rest) = rest.split_at_mut(range.len());
        (array, start) = (rest, range.end);
        here
    })
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
