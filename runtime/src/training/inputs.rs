//! The towers' inputs, and the embedding tables that they come from.

use std::borrow::Cow;

use burn::tensor::{Device, Tensor, TensorData};

use super::learner::Exported;
use crate::data::batch::Batch;
use crate::error::{Error, Result};
use crate::layers::{DomainInput, Precision, Repeats, TowerInput};
use crate::schema::{Schema, Tower, Training};
use crate::tables::{DomainRows, Gradients, StateArray, Tables};
use crate::weights::{Loading, Problem};

/// First part of the tables' keys.
const TABLES: &str = "tables.";
/// Header of the optimisers' state: steps of the tables.
const TABLE_STEPS: &str = "tables.step";

/// Makes tensors of batches, and steps, saves and loads the tables behind them.
pub struct Inputs {
    schema: &'static Schema,
    tables: Tables,
    device: Device,
}

impl Inputs {
    /// Tables drawn from the training's seed, and inputs on this device, an autodiff one.
    pub fn new(schema: &'static Schema, training: &Training, device: Device) -> Self {
        Self {
            schema,
            tables: Tables::new(schema, training),
            device,
        }
    }

    /// The schema of tables and inputs.
    pub fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// Steps the tables, at this factor of their peak learning rates.
    ///
    /// # Errors
    /// Gradients of another shape than the batch's leaves.
    pub fn step(&mut self, batch: &Batch, gradients: &Gradients, factor: f64) -> Result<()> {
        self.tables.step(batch, gradients, factor)
    }

    /// A tower's inputs for a batch, and the leaves whose gradients belong to the tables: for a training step in a precision,
    /// or for scores.
    pub fn of(
        &self,
        tower: Tower,
        batch: &Batch,
        training: Option<Precision>,
    ) -> (TowerInput, Vec<Option<Tensor<2>>>) {
        let rows = match tower {
            Tower::Query => &batch.query,
            Tower::Item => &batch.item,
        };
        let device = match training {
            Some(_) => self.device.clone(),
            None => self.device.clone().inner(),
        };
        let mut leaves = Vec::new();
        let mut domains = Vec::new();
        for gathered in self.tables.gather(tower, rows) {
            let input = gathered.map(|rows| domain_input(rows, &device, training));
            leaves.push(input.as_ref().and_then(|input| input.embedded.clone()));
            domains.push(input);
        }
        (TowerInput::new(domains), leaves)
    }

    /// Adds the tables' weights and what their optimisers know, up to date.
    pub fn export_tables<'a>(&'a mut self, exported: &mut Exported<'a>) {
        let steps = self.tables.steps();
        let Exported { model, optimiser } = exported;
        optimiser
            .metadata
            .insert(TABLE_STEPS.to_owned(), steps.to_string());
        for table in self.tables.columns() {
            let key = table_key(table.name);
            for column in table.state {
                let key = format!("{key}.{}", column.array().name);
                optimiser.insert(key, column.shape(), column.pieces().map(Cow::Owned));
            }
            let pieces = table.weight.pieces().map(Cow::Owned);
            model.insert(key, table.weight.shape(), pieces);
        }
    }

    /// Takes the tables' arrays out of both; without an optimiser's they begin anew. Arrays that do not fit are remembered there.
    ///
    /// # Errors
    /// A row 0 that is not zero.
    pub fn import_tables(
        &mut self,
        model: &mut Loading,
        mut optimiser: Option<&mut Loading>,
    ) -> Result<()> {
        let steps = optimiser
            .as_ref()
            .and_then(|optimiser| optimiser.metadata.get(TABLE_STEPS))
            .and_then(|steps| steps.parse().ok())
            .unwrap_or(0);
        self.tables.restart(steps);
        for (index, table) in self.schema.tables.iter().enumerate() {
            let Some((weight, state)) = self.tables.arrays(index) else {
                continue;
            };
            let key = table_key(&table.name);
            let mut take = |from: &mut Loading, key: &str, array: StateArray| {
                let (mut row, mut put) = (0, Ok(()));
                from.pieces(key, &array.shape(table.rows), |values| {
                    if put.is_ok() {
                        put = self.tables.put(index, array, row, values);
                        row += values.len() / array.width.max(1);
                    }
                });
                put
            };
            take(model, &key, weight)?;
            if let Some(optimiser) = optimiser.as_deref_mut() {
                for array in state {
                    take(optimiser, &format!("{key}.{}", array.name), array)?;
                }
            }
        }
        Ok(())
    }
}

fn table_key(name: &str) -> String {
    format!("{TABLES}{name}.weight")
}

fn domain_input(rows: DomainRows, device: &Device, training: Option<Precision>) -> DomainInput {
    let matrix = |values: Vec<f32>| -> Option<Tensor<2>> {
        let width = values.len() / rows.rows.max(1);
        let data = TensorData::new(values, [rows.rows, width]);
        (width > 0).then(|| Tensor::from_data(data, device))
    };
    let embedded = matrix(rows.embedded);
    let repeats = rows.repeats.iter().sum::<u32>();
    let share = |count: &u32| *count as f32 / repeats as f32;
    let repeats = (repeats > 0).then(|| Repeats {
        rows: repeats as usize,
        share: Tensor::from_data(
            TensorData::new(rows.repeats.iter().map(share).collect(), [rows.rows, 1]),
            device,
        ),
    });
    DomainInput {
        repeats,
        embedded: match training {
            Some(_) => embedded.map(Tensor::require_grad),
            None => embedded,
        },
        vectors: matrix(rows.vectors),
        numbers: matrix(rows.numbers),
        training: training.is_some(),
        precision: training.unwrap_or_default(),
    }
}

/// The leaves' gradients in host memory; zeros for a leaf that no valid row depends on.
pub fn host_gradients(
    leaves: &[Option<Tensor<2>>],
    gradients: &mut burn::tensor::Gradients,
) -> Vec<Option<Vec<f32>>> {
    let host = |leaf: &Tensor<2>, gradients: &mut burn::tensor::Gradients| {
        let gradient = leaf.grad_remove(gradients);
        gradient.map_or_else(
            || vec![0.0; leaf.shape().num_elements()],
            |gradient| values(&gradient),
        )
    };
    leaves
        .iter()
        .map(|leaf| leaf.as_ref().map(|leaf| host(leaf, gradients)))
        .collect()
}

/// A tensor's values in host memory.
pub fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().iter::<f32>().collect()
}

/// The error of arrays that do not fit, or cannot be read.
pub fn misfit(problems: Vec<Problem>) -> Error {
    let unread = |problem: &Problem| matches!(problem, Problem::Unread { .. });
    let (cause, fix) = match problems.iter().any(unread) {
        true => ("they were not read", "check the disk, and try again"),
        false => (
            "they do not fit this model",
            "use the spec that the weights were trained with, or train again",
        ),
    };
    let list: Vec<String> = problems
        .iter()
        .map(|problem| format!("\n  {problem}"))
        .collect();
    Error::weights("the weights", format!("{cause}:{}", list.concat()), fix)
}
