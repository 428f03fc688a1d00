//! The rows of one table.

#![expect(
    clippy::indexing_slicing,
    reason = "row numbers are bounded by the table, records have one stride"
)]

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::hash::{Random, hash_text};
use crate::schema::{self, Embeddings};
use crate::tables::clock::Clock;
use crate::tables::rule::Rule;
use crate::tables::{StateArray, TableState};

/// Rows that one task of a parallel pass takes.
const PASS_ROWS: usize = 1024;

/// One table: a record for each row, and how they are stepped.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub declared: &'static schema::Table,
    pub rule: Rule,
    /// Place of the clock of its learning rate and decay.
    pub clock: usize,
    /// `[rows, stride]`.
    pub records: Vec<f32>,
}

impl Table {
    pub(super) fn new(
        declared: &'static schema::Table,
        settings: &Embeddings,
        clock: usize,
        seed: u64,
    ) -> Self {
        let mut table = Self::empty(declared, settings, clock);
        let (name, std) = (hash_text(declared.name), settings.std);
        let (stride, weight) = (table.rule.stride(), table.rule.weight());
        let rows = table.records.par_chunks_mut(stride);
        rows.enumerate().skip(1).for_each(|(row, record)| {
            let mut random = Random::new(seed, &[name, row as u64]);
            for pair in record[weight.clone()].chunks_mut(2) {
                let (x, y) = random.normals();
                pair.iter_mut()
                    .zip([x, y])
                    .for_each(|(weight, draw)| *weight = (std * draw) as f32);
            }
        });
        table
    }

    fn empty(declared: &'static schema::Table, settings: &Embeddings, clock: usize) -> Self {
        let rule = Rule::new(settings, declared.dim);
        Self {
            declared,
            rule,
            clock,
            records: vec![0.0; declared.rows * rule.stride()],
        }
    }

    /// A table of the same shape with the rows of a state, up to date at this step.
    pub(super) fn restored(&self, state: &TableState, step: u32) -> Result<Self> {
        let declared = self.declared;
        let wrong = |cause: String| {
            let place = format!("tables.{}.weight", declared.name);
            Err(Error::weights(
                place,
                cause,
                "use the checkpoint of this spec, or train again",
            ))
        };
        if (state.rows, state.dim) != (declared.rows, declared.dim)
            || state.weight.len() != declared.rows * declared.dim
        {
            return wrong(format!(
                "shape [{}, {}] where the model has [{}, {}]",
                state.rows, state.dim, declared.rows, declared.dim
            ));
        }
        let weight = StateArray {
            name: "weight",
            width: declared.dim,
            flat: false,
            start: self.rule.weight().start,
        };
        let mut parts = vec![(weight, &state.weight)];
        for array in self.rule.arrays() {
            let found = state.optimiser.iter().find(|(name, _)| *name == array.name);
            match found {
                Some((_, values)) if values.len() == declared.rows * array.width => {
                    parts.push((array, values));
                }
                Some(_) => return wrong(format!("an array `{}` of another size", array.name)),
                // Weights alone: their optimiser begins anew.
                None if state.optimiser.is_empty() => {}
                None => {
                    return wrong(format!(
                        "no array `{}`, which its optimiser has",
                        array.name
                    ));
                }
            }
        }
        if parts
            .iter()
            .any(|(array, values)| values[..array.width].iter().any(|value| *value != 0.0))
        {
            return wrong("row 0 stands for missing values and must be zero".to_owned());
        }
        let mut table = Self {
            records: vec![0.0; self.records.len()],
            ..*self
        };
        let (stride, rule) = (table.rule.stride(), table.rule);
        let records = table.records.par_chunks_mut(stride).enumerate();
        records.for_each(|(row, record)| {
            rule.stamp(record, step);
            for (array, values) in &parts {
                let from = &values[row * array.width..(row + 1) * array.width];
                record[array.start..array.start + array.width].copy_from_slice(from);
            }
        });
        Ok(table)
    }

    /// The table as arrays; its rows are up to date.
    pub(super) fn state(&self) -> TableState {
        let column = |start: usize, width: usize| {
            let stride = self.rule.stride();
            let mut values = vec![0.0; self.declared.rows * width];
            values
                .par_chunks_mut((PASS_ROWS * width).max(1))
                .zip(self.records.par_chunks(PASS_ROWS * stride))
                .for_each(|(values, records)| {
                    let rows = values.chunks_mut(width.max(1)).zip(records.chunks(stride));
                    rows.for_each(|(to, record)| to.copy_from_slice(&record[start..start + width]));
                });
            values
        };
        let arrays = self.rule.arrays().into_iter();
        let weight = self.rule.weight();
        TableState {
            name: self.declared.name,
            rows: self.declared.rows,
            dim: self.declared.dim,
            weight: column(weight.start, weight.len()),
            optimiser: arrays
                .map(|array| (array.name, column(array.start, array.width)))
                .collect(),
        }
    }

    /// The record of a row.
    #[inline]
    pub(super) fn record(&self, row: usize) -> &[f32] {
        let stride = self.rule.stride();
        &self.records[row * stride..(row + 1) * stride]
    }

    pub(super) fn flush(&mut self, clock: &Clock) {
        if !self.rule.is_dense() {
            return;
        }
        let (stride, rule) = (self.rule.stride(), self.rule);
        let passes = self.records.par_chunks_mut(PASS_ROWS * stride);
        passes.for_each(|records| {
            for record in records.chunks_mut(stride) {
                rule.catch_up(record, clock);
            }
        });
    }
}
