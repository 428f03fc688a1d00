//! Rows of a record batch that may be used, and their labels.

use std::collections::{BTreeMap, HashMap};

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;

use crate::arrays::keys::column_of;
use crate::arrays::numbers::{MOST, Numbers};
use crate::bug::zip_equal;
use crate::data::decode::domains::mask;
use crate::data::decode::usable::Usable;
use crate::data::decode::values::Values;
use crate::data::fault::Fault;
use crate::schema::{Label, Task, Text};

/// Candidates for use in a record batch; bad ones are marked as columns are read.
pub(crate) struct Candidates {
    pub rows: Vec<u32>,
    pub surface: Vec<u16>,
    pub product: Vec<u16>,
    /// First fault of each bad row, by its place in the record batch.
    pub faults: BTreeMap<u32, Fault>,
}

/// What the tasks are trained and judged on, `[task][candidate]`.
#[derive(Default)]
pub(crate) struct Targets {
    pub labels: Vec<Vec<f32>>,
    /// Empty for a task whose rows count alike.
    pub weights: Vec<Vec<f32>>,
    pub actions: Vec<Vec<f32>>,
}

/// Label and action columns in plain form, each read once.
#[derive(Default)]
pub(crate) struct NumbersRead(HashMap<&'static str, Numbers>);

impl NumbersRead {
    fn get(&mut self, batch: &RecordBatch, column: &'static str) -> Result<Numbers, ArrowError> {
        if let Some(found) = self.0.get(column) {
            return Ok(found.clone());
        }
        let read = Numbers::read(&column_of(batch, column)?)?;
        self.0.insert(column, read.clone());
        Ok(read)
    }
}

/// For each row of a surface and a product, whether a task exists on its cell.
fn exists(task: &Task, surface: &[u16], product: &[u16]) -> Vec<bool> {
    let (surfaces, products) = (mask(&task.surfaces), mask(&task.products));
    let is = |mask: &[bool], domain: u16| mask.get(usize::from(domain)).copied() == Some(true);
    let cells = zip_equal(surface, product);
    cells
        .map(|(&surface, &product)| is(&surfaces, surface) && is(&products, product))
        .collect()
}

impl Candidates {
    pub(crate) fn fault(&mut self, row: u32, column: &'static str, cause: impl FnOnce() -> String) {
        let faults = self.faults.entry(row);
        faults.or_insert_with(|| Fault::bad(column, cause()));
    }

    /// Label, weights and action of a task, appended to `targets`.
    pub(crate) fn targets(
        &mut self,
        task: &'static Task,
        batch: &RecordBatch,
        columns: &mut NumbersRead,
        targets: &mut Targets,
    ) -> Result<(), ArrowError> {
        let cells = exists(task, &self.surface, &self.product);
        let mask = self.conjunction(&task.mask, "a mask", cells, batch, columns)?;
        let on: Vec<bool> = mask.iter().map(|value| *value == 1.0).collect();
        let action = if task.action.is_empty() {
            vec![f32::NAN; on.len()]
        } else {
            self.conjunction(&task.action, "an action", on.clone(), batch, columns)?
        };
        let label = match &task.label {
            Label::Action => action.clone(),
            Label::Score(column) => self.score(column, &on, batch, columns)?,
        };
        targets.weights.push(match &task.sample_weight {
            Some(column) => self.weights(column, &label, batch, columns)?,
            None => Vec::new(),
        });
        targets.labels.push(label);
        targets.actions.push(action);
        Ok(())
    }

    /// Scores of the candidates: NaN where missing and where not `on`.
    fn score(
        &mut self,
        column: &'static str,
        on: &[bool],
        batch: &RecordBatch,
        columns: &mut NumbersRead,
    ) -> Result<Vec<f32>, ArrowError> {
        let values = columns.get(batch, column)?;
        let (mut labels, mut bad) = (Vec::with_capacity(self.rows.len()), Vec::new());
        for (&row, &on) in zip_equal(&self.rows, on) {
            let value = on.then(|| values.get(row as usize)).flatten();
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

    /// Weights of the candidates that have a label; 0 for the others.
    fn weights(
        &mut self,
        column: &'static str,
        labels: &[f32],
        batch: &RecordBatch,
        columns: &mut NumbersRead,
    ) -> Result<Vec<f32>, ArrowError> {
        let values = columns.get(batch, column)?;
        let (mut weights, mut bad) = (Vec::with_capacity(self.rows.len()), Vec::new());
        for (&row, label) in zip_equal(&self.rows, labels) {
            if label.is_nan() {
                weights.push(0.0);
                continue;
            }
            let value = values.get(row as usize);
            let sound = value.filter(|value| (0.0..=MOST).contains(value));
            weights.push(sound.unwrap_or_default() as f32);
            if sound.is_none() {
                bad.push((row, value));
            }
        }
        for (row, value) in bad {
            self.fault(row, column, || match value {
                Some(value) => weight_fault(value),
                None => "a row with a label must have a weight, this is missing".to_owned(),
            });
        }
        Ok(weights)
    }

    /// The conjunction of 0/1 columns, 1 if there is none: 0 if any is 0, else NaN if any is missing.
    /// NaN, too, where not `on`.
    fn conjunction(
        &mut self,
        conjunction: &'static [Text],
        noun: &str,
        on: Vec<bool>,
        batch: &RecordBatch,
        columns: &mut NumbersRead,
    ) -> Result<Vec<f32>, ArrowError> {
        let start = |on: &bool| if *on { 1.0 } else { f32::NAN };
        let mut result: Vec<f32> = on.iter().map(start).collect();
        for column in conjunction {
            let values = columns.get(batch, column)?;
            let mut bad = Vec::new();
            for ((&row, on), result) in zip_equal(zip_equal(&self.rows, &on), &mut result) {
                if !on {
                    continue;
                }
                match values.get(row as usize) {
                    None if *result == 1.0 => *result = f32::NAN,
                    Some(0.0) => *result = 0.0,
                    None | Some(1.0) => {}
                    Some(value) => bad.push((row, value)),
                }
            }
            for (row, value) in bad {
                self.fault(row, column, || {
                    format!("{noun} must be 0 or 1, this is {value}")
                });
            }
        }
        Ok(result)
    }

    /// Leaves the bad rows out.
    pub(crate) fn finish(
        self,
        Targets {
            labels,
            weights,
            actions,
        }: Targets,
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
                weights,
                actions,
                query,
                item,
                request: Vec::new(),
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
            weights: keep(weights),
            actions: keep(actions),
            query,
            item,
            rows: kept(rows, &good),
            request: Vec::new(),
        }
    }
}

/// Why a number is not a weight.
pub(super) fn weight_fault(value: impl std::fmt::Display) -> String {
    format!("a weight must be a number from 0 to {MOST:e}, this is {value}")
}

/// The values of the good rows; none if there are none, as of weights that count alike.
fn kept<T>(values: Vec<T>, good: &[bool]) -> Vec<T> {
    values
        .into_iter()
        .zip(good)
        .filter_map(|(value, good)| good.then_some(value))
        .collect()
}
