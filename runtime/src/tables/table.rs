//! The rows of one table.

#![expect(
    clippy::indexing_slicing,
    reason = "row numbers are bounded by the table, records have one stride"
)]

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::hash::{Random, hash_text};
use crate::schema::{self, Embeddings};
use crate::tables::clock::RateHistory;
use crate::tables::rule::{Rule, StateArray};

/// Rows that one task of a parallel pass takes.
const PASS_ROWS: usize = 1024;
/// Rows of an array that are copied out at a time.
const PIECE_ROWS: usize = 1 << 15;

/// One table: a record for each row, and how they are stepped.
#[derive(Debug, Clone)]
pub(super) struct TableStore {
    pub declared: &'static schema::Table,
    pub rule: Rule,
    /// Place of the clock of its learning rate and decay.
    pub clock: usize,
    /// `[rows, stride]`.
    pub records: Vec<f32>,
}

impl TableStore {
    pub(super) fn new(
        declared: &'static schema::Table,
        settings: &Embeddings,
        clock: usize,
        seed: u64,
    ) -> Self {
        let mut table = Self::zeros(declared, Rule::new(settings, declared.dim), clock);
        let (name, std) = (hash_text(&declared.name), settings.std);
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

    /// All rows zero, as of step 0, with empty optimiser state.
    pub(super) fn zeros(declared: &'static schema::Table, rule: Rule, clock: usize) -> Self {
        Self {
            declared,
            rule,
            clock,
            records: vec![0.0; declared.rows * rule.stride()],
        }
    }

    /// Marks all rows as up to date at a step.
    pub(super) fn stamp(&mut self, step: u32) {
        let (stride, rule) = (self.rule.stride(), self.rule);
        if rule.is_dense() {
            let records = self.records.par_chunks_mut(stride);
            records.for_each(|record| rule.stamp(record, step));
        }
    }

    /// Puts whole rows of an array in their place, from a row on.
    pub(super) fn put(&mut self, array: StateArray, row: usize, values: &[f32]) {
        let (stride, columns) = (self.rule.stride(), array.columns());
        let records = self.records[row * stride..].par_chunks_mut(stride);
        let rows = records.zip(values.par_chunks_exact(array.width));
        rows.for_each(|(record, values)| record[columns.clone()].copy_from_slice(values));
    }

    /// Requires that row 0 of an array is zero: it stands for missing values, and no step may move it.
    ///
    /// # Errors
    /// An array whose row 0 is not.
    pub(super) fn require_zero_row(&self, array: StateArray, key: String) -> Result<()> {
        let row = &self.record(0)[array.columns()];
        if row.iter().all(|value| *value == 0.0) {
            return Ok(());
        }
        Err(Error::weights(
            key,
            "row 0 stands for missing values and must be zero",
            "use the checkpoint of this spec, or train again",
        ))
    }

    /// The values of an array, some rows at a time; they are up to date if all rows are.
    pub(super) fn pieces(&self, array: StateArray) -> impl Iterator<Item = Vec<f32>> {
        let (stride, columns) = (self.rule.stride(), array.columns());
        self.records
            .chunks(PIECE_ROWS * stride)
            .map(move |records| {
                let mut values = vec![0.0; records.len() / stride * array.width];
                let rows = values.par_chunks_mut(array.width);
                let rows = rows.zip(records.par_chunks(stride));
                rows.for_each(|(to, record)| to.copy_from_slice(&record[columns.clone()]));
                values
            })
    }

    /// The record of a row.
    #[inline]
    pub(super) fn record(&self, row: usize) -> &[f32] {
        let stride = self.rule.stride();
        &self.records[row * stride..(row + 1) * stride]
    }

    pub(super) fn flush(&mut self, clock: &RateHistory) {
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
