//! The towers' inputs, and the embedding tables that they come from.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};

use super::learner::Exported;
use crate::data::batch::Batch;
use crate::error::{Error, Result};
use crate::layers::{DomainInput, Precision, Repeats, TowerInput};
use crate::schema::{Schema, Tower, Training};
use crate::tables::{DomainRows, Gradients, StateArray, TableState, Tables};
use crate::weights::{Array, Problem, Weights};

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
    pub fn export_tables(&mut self, exported: &mut Exported) {
        let steps = self.tables.steps();
        exported
            .optimiser
            .metadata
            .insert(TABLE_STEPS.to_owned(), steps.to_string());
        let arrays: Vec<Vec<StateArray>> = self.tables.arrays().collect();
        for (table, arrays) in self.tables.state().zip(arrays) {
            let key = table_key(table.name);
            for ((name, values), array) in table.optimiser.into_iter().zip(arrays) {
                let shape = array.shape(table.rows);
                let array = Array { shape, values };
                let key = format!("{key}.{name}");
                exported.optimiser.arrays.insert(key, array);
            }
            let array = Array {
                shape: vec![table.rows, table.dim],
                values: table.weight,
            };
            exported.model.arrays.insert(key, array);
        }
    }

    /// Takes the tables' arrays out of both and leaves the dense ones.
    pub fn import_tables(
        &mut self,
        model: Weights,
        optimiser: Option<Weights>,
    ) -> Result<(Weights, Option<Weights>)> {
        let (tables, model) = split_tables(model);
        let (moments, optimiser) = match optimiser {
            Some(optimiser) => {
                let (moments, optimiser) = split_tables(optimiser);
                (Some(moments), Some(optimiser))
            }
            None => (None, None),
        };
        let steps = moments
            .as_ref()
            .and_then(|moments| moments.metadata.get(TABLE_STEPS))
            .and_then(|steps| steps.parse().ok())
            .unwrap_or(0);
        let mut weights = tables.into_loading();
        let mut moments = moments.map(Weights::into_loading);
        let mut states = Vec::new();
        for (table, arrays) in self.schema.tables.iter().zip(self.tables.arrays()) {
            let key = table_key(table.name);
            let mut optimiser = Vec::new();
            let arrays = if moments.is_some() { arrays } else { vec![] };
            for array in arrays {
                let found = moments.as_mut().and_then(|moments| {
                    moments.take(&format!("{key}.{}", array.name), &array.shape(table.rows))
                });
                optimiser.push((array.name, found.unwrap_or_default()));
            }
            states.push(TableState {
                name: table.name,
                rows: table.rows,
                dim: table.dim,
                weight: weights
                    .take(&key, &[table.rows, table.dim])
                    .unwrap_or_default(),
                optimiser,
            });
        }
        let mut problems = weights.finish().err().unwrap_or_default();
        problems.extend(
            moments
                .and_then(|moments| moments.finish().err())
                .unwrap_or_default(),
        );
        if !problems.is_empty() {
            return Err(misfit(problems));
        }
        self.tables.restore(steps, &states)?;
        Ok((model, optimiser))
    }
}

fn table_key(name: &str) -> String {
    format!("{TABLES}{name}.weight")
}

/// The arrays of the tables and the others. Both keep the header.
fn split_tables(weights: Weights) -> (Weights, Weights) {
    let Weights { metadata, arrays } = weights;
    let (tables, others): (BTreeMap<_, _>, BTreeMap<_, _>) = arrays
        .into_iter()
        .partition(|(key, _)| key.starts_with(TABLES));
    (
        Weights {
            metadata: metadata.clone(),
            arrays: tables,
        },
        Weights {
            metadata,
            arrays: others,
        },
    )
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

/// The error of arrays that do not fit.
pub fn misfit(problems: Vec<Problem>) -> Error {
    let list: Vec<String> = problems
        .iter()
        .map(|problem| format!("\n  {problem}"))
        .collect();
    Error::weights(
        "the weights",
        format!("they do not fit this model:{}", list.concat()),
        "use the spec that the weights were trained with, or train again",
    )
}
