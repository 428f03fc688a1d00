//! Rows of a record batch that may be used, and their labels.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use arrow::error::ArrowError;

use crate::data::arrays::{number, numbers};
use crate::data::decode::Usable;
use crate::data::features::Values;
use crate::schema::Task;

/// Candidates for use in a record batch; bad ones are marked as columns are read.
pub(super) struct Candidates {
    pub rows: Vec<u32>,
    pub surface: Vec<u16>,
    pub product: Vec<u16>,
    /// First fault of each bad row, by its place in the record batch.
    pub faults: BTreeMap<u32, (&'static str, String)>,
}

/// Label and action columns in plain form, each read once.
#[derive(Default)]
pub(super) struct Numbers(HashMap<&'static str, Float64Array>);

impl Numbers {
    fn get(
        &mut self,
        batch: &RecordBatch,
        column: &'static str,
    ) -> Result<Float64Array, ArrowError> {
        if let Some(found) = self.0.get(column) {
            return Ok(found.clone());
        }
        let read = numbers(&column_of(batch, column)?)?;
        self.0.insert(column, read.clone());
        Ok(read)
    }
}

impl Task {
    /// Whether the task exists on a cell.
    pub(super) fn on(&self, (surface, product): (u16, u16)) -> bool {
        self.surfaces.contains(&usize::from(surface))
            && self.products.contains(&usize::from(product))
    }
}

impl Candidates {
    fn places(&self) -> impl Iterator<Item = (u32, (u16, u16))> {
        self.rows.iter().copied().zip(
            self.surface
                .iter()
                .copied()
                .zip(self.product.iter().copied()),
        )
    }

    pub(super) fn fault(&mut self, row: u32, column: &'static str, cause: impl FnOnce() -> String) {
        self.faults.entry(row).or_insert_with(|| (column, cause()));
    }

    /// Scores of the candidates: NaN where missing or where the cell does not exist.
    pub(super) fn score(
        &mut self,
        column: &'static str,
        on: impl Fn((u16, u16)) -> bool,
        batch: &RecordBatch,
        columns: &mut Numbers,
    ) -> Result<Vec<f32>, ArrowError> {
        let values = columns.get(batch, column)?;
        let (mut labels, mut bad) = (Vec::with_capacity(self.rows.len()), Vec::new());
        for (row, cell) in self.places() {
            let value = if on(cell) {
                number(&values, row as usize)
            } else {
                None
            };
            labels.push(value.map_or(f32::NAN, |value| value as f32));
            if let Some(value) = value
                && !(0.0..=1.0).contains(&value)
            {
                bad.push((row, value));
            }
        }
        for (row, value) in bad {
            self.fault(row, column, || {
                format!("a label must lie in [0, 1], this is {value}")
            });
        }
        Ok(labels)
    }

    /// The conjunction of 0/1 columns: 0 if any is 0, else NaN if any is missing. NaN, too, where the
    /// cell does not exist and where the task has no action.
    pub(super) fn action(
        &mut self,
        action: &[&'static str],
        on: impl Fn((u16, u16)) -> bool,
        batch: &RecordBatch,
        columns: &mut Numbers,
    ) -> Result<Vec<f32>, ArrowError> {
        let first = if action.is_empty() { f32::NAN } else { 1.0 };
        let mut result: Vec<f32> = self
            .places()
            .map(|(_, cell)| if on(cell) { first } else { f32::NAN })
            .collect();
        for &column in action {
            let values = columns.get(batch, column)?;
            let mut bad = Vec::new();
            for ((row, cell), result) in self.places().zip(&mut result) {
                if !on(cell) {
                    continue;
                }
                match number(&values, row as usize) {
                    None if *result == 1.0 => *result = f32::NAN,
                    Some(0.0) => *result = 0.0,
                    None | Some(1.0) => {}
                    Some(value) => bad.push((row, value)),
                }
            }
            for (row, value) in bad {
                self.fault(row, column, || {
                    format!("an action must be 0 or 1, this is {value}")
                });
            }
        }
        Ok(result)
    }

    /// Leaves the bad rows out.
    pub(super) fn finish(
        self,
        labels: Vec<Vec<f32>>,
        actions: Vec<Vec<f32>>,
        query: Vec<Values>,
        item: Vec<Values>,
    ) -> Usable {
        let Self {
            rows,
            surface,
            product,
            faults,
        } = self;
        if faults.is_empty() {
            return Usable {
                rows,
                surface,
                product,
                labels,
                actions,
                query,
                item,
            };
        }
        let good: Vec<bool> = rows.iter().map(|row| !faults.contains_key(row)).collect();
        let keep = |values: Vec<Vec<f32>>| {
            values
                .into_iter()
                .map(|values| kept(values, &good))
                .collect()
        };
        Usable {
            surface: kept(surface, &good),
            product: kept(product, &good),
            labels: keep(labels),
            actions: keep(actions),
            query,
            item,
            rows: kept(rows, &good),
        }
    }
}

fn kept<T>(values: Vec<T>, good: &[bool]) -> Vec<T> {
    values
        .into_iter()
        .zip(good)
        .filter_map(|(value, good)| good.then_some(value))
        .collect()
}

/// A column of a record batch.
pub(super) fn column_of(batch: &RecordBatch, column: &str) -> Result<ArrayRef, ArrowError> {
    let found = batch.column_by_name(column).cloned();
    found.ok_or_else(|| ArrowError::SchemaError(format!("column `{column}` is gone")))
}
