//! A model, its tables and their optimisers, stepped together.
//!
//! [`Learner`] is what the loop, evaluation and the benchmark see: it erases the model's type, so
//! that they are compiled once, in this crate, and not again for every generated model.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor, TensorData};

use crate::data::batch::Batch;
use crate::error::{Error, Result};
use crate::evaluation::TaskPredictions;
use crate::layers::{DomainInput, TowerInput};
use crate::model::{Model, TaskScores, forward, loss};
use crate::optimiser::Optimiser;
use crate::schema::{Schema, Tower, Training};
use crate::tables::{DomainRows, Gradients, TableState, Tables};
use crate::weights::{Array, Problem, Weights, list};

/// First part of the tables' keys.
const TABLES: &str = "tables.";
/// Header of the optimisers' state: steps of the tables' AdamW.
const TABLE_STEPS: &str = "tables.step";

/// What trains and scores.
pub trait Learner {
    /// Makes one step on a batch, at this factor of the peak learning rates.
    ///
    /// # Errors
    /// A loss or a gradient that is not finite; nothing has been stepped then.
    fn step(&mut self, batch: &Batch, factor: f64) -> std::result::Result<StepReport, StepError>;

    /// Scores a batch: one entry a task, in the schema's order.
    ///
    /// # Errors
    /// What the device refuses.
    fn score(&self, batch: &Batch) -> Result<Vec<TaskPredictions>>;

    /// Sets the biases of the logits, one a task, in the schema's order.
    ///
    /// # Errors
    /// A model without such a bias.
    fn set_biases(&mut self, biases: &[f64]) -> Result<()>;

    /// The weights of model and tables under graph paths, and the optimisers' state.
    ///
    /// Table rows that lie behind are brought up to date first, which rounds: a run and a resumed
    /// one are equal to the bit if both export at the same steps.
    ///
    /// # Errors
    /// A model that an earlier error lost.
    fn export(&mut self) -> Result<Exported>;

    /// Takes weights back, and the optimisers' state if the training goes on.
    ///
    /// # Errors
    /// All arrays that do not fit.
    fn import(&mut self, model: Weights, optimiser: Option<Weights>) -> Result<()>;

    /// Key and shape of every dense parameter and buffer.
    fn parameters(&self) -> Vec<(String, Vec<usize>)>;
}

/// All that a checkpoint needs of a learner.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exported {
    /// Model and tables.
    pub model: Weights,
    /// Moments of both.
    pub optimiser: Weights,
}

/// What a step says.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// By task: valid rows and mean KL over them; `None` for a task without a valid row.
    pub tasks: Vec<Option<(usize, f64)>>,
    /// Global norm of the dense gradients before clipping.
    pub norm: f64,
    /// Where the time went.
    pub times: Times,
}

/// Time of a step by part. On a device that works beside the host, a part ends when the host has
/// what it needs of it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Times {
    /// Table rows and numbers into the towers' inputs.
    pub gather: Duration,
    /// Towers, heads, loss.
    pub forward: Duration,
    /// Gradients, those of the tables' leaves in host memory.
    pub backward: Duration,
    /// AdamW of the dense parameters.
    pub optimiser: Duration,
    /// AdamW of the tables.
    pub tables: Duration,
}

impl Times {
    /// Adds those of another step.
    pub fn add(&mut self, other: &Self) {
        self.gather += other.gather;
        self.forward += other.forward;
        self.backward += other.backward;
        self.optimiser += other.optimiser;
        self.tables += other.tables;
    }

    /// The mean of `count` steps whose sum this is.
    pub fn over(&self, count: u32) -> Self {
        let count = count.max(1);
        Self {
            gather: self.gather / count,
            forward: self.forward / count,
            backward: self.backward / count,
            optimiser: self.optimiser / count,
            tables: self.tables / count,
        }
    }
}

/// Why a step was not made.
#[derive(Debug)]
pub enum StepError {
    /// The loss of a task is not finite.
    Loss {
        /// Index of the task.
        task: usize,
        /// Its loss.
        value: f64,
    },
    /// The losses are finite, the dense gradients are not.
    Gradient {
        /// Their norm.
        norm: f64,
    },
    /// The tables refused the gradients.
    Other(Error),
}

/// A model of one type as a [`Learner`].
pub struct ModelLearner<M: Model> {
    /// Always there between two calls; a step takes it out and puts the next one in.
    model: Option<M>,
    optimiser: Optimiser,
    common: Common,
}

/// What does not depend on the model's type.
struct Common {
    schema: &'static Schema,
    tables: Tables,
    training: Training,
    device: Device,
}

impl<M: Model> ModelLearner<M> {
    /// A model with weights drawn from the training's seed. The device is a plain one.
    pub fn new(training: &Training, device: &Device) -> Self {
        let schema = M::schema();
        let device = device.clone().autodiff();
        Self {
            model: Some(M::seeded(&device, training.seed)),
            optimiser: Optimiser::new(&training.dense, training.clip),
            common: Common {
                schema,
                tables: Tables::new(schema, training),
                training: training.clone(),
                device,
            },
        }
    }

    fn model(&self) -> Result<&M> {
        self.model.as_ref().ok_or_else(lost_model)
    }
}

impl<M: Model> Learner for ModelLearner<M> {
    fn step(&mut self, batch: &Batch, factor: f64) -> std::result::Result<StepReport, StepError> {
        let mut clock = Clock::start();
        let model = self.model.take().ok_or_else(|| StepError::Other(lost_model()))?;
        let (query, query_leaves) = self.common.input(Tower::Query, batch, true);
        let (item, item_leaves) = self.common.input(Tower::Item, batch, true);
        let gather = clock.lap();
        let scores = forward(&model, query, item, batch);
        let loss = loss(self.common.schema, &scores, batch);
        let tasks: Vec<Option<(usize, f64)>> = loss
            .tasks
            .iter()
            .map(|task| task.as_ref().map(|task| (task.rows, task.value())))
            .collect();
        let forward = clock.lap();
        let total = match (loss.total, require_finite(&tasks)) {
            (Some(total), Ok(())) => total,
            // A batch without any label teaches nothing.
            (None, Ok(())) => {
                self.model = Some(model);
                let times = Times { gather, forward, ..Times::default() };
                return Ok(StepReport { tasks, norm: 0.0, times });
            }
            (_, Err(error)) => {
                self.model = Some(model);
                return Err(error);
            }
        };
        let mut gradients = total.backward();
        let leaves = Gradients {
            query: host_gradients(&query_leaves, &mut gradients),
            item: host_gradients(&item_leaves, &mut gradients),
        };
        let backward = clock.lap();
        let dense_lr = self.common.training.dense.lr * factor;
        let (model, norm) = self.optimiser.step(model, &mut gradients, dense_lr);
        self.model = Some(model);
        if !norm.is_finite() {
            return Err(StepError::Gradient { norm });
        }
        let optimiser = clock.lap();
        let lr = self.common.training.embeddings.lr * factor;
        self.common.tables.step(batch, &leaves, lr).map_err(StepError::Other)?;
        let tables = clock.lap();
        Ok(StepReport { tasks, norm, times: Times { gather, forward, backward, optimiser, tables } })
    }

    fn score(&self, batch: &Batch) -> Result<Vec<TaskPredictions>> {
        // The plain view of the model: nothing is recorded for a backward pass.
        let model = self.model()?.valid();
        let (query, _) = self.common.input(Tower::Query, batch, false);
        let (item, _) = self.common.input(Tower::Item, batch, false);
        let scores = forward(&model, query, item, batch);
        Ok(scores.tasks.into_iter().map(predictions).collect())
    }

    fn set_biases(&mut self, biases: &[f64]) -> Result<()> {
        let mut weights = Weights::default();
        for (task, &bias) in self.common.schema.tasks.iter().zip(biases) {
            let array = Array { shape: vec![1], values: vec![bias as f32] };
            weights.arrays.insert(format!("heads.{}.bias", task.name), array);
        }
        let mut loading = weights.into_loading();
        let model = self.model.take().ok_or_else(lost_model)?;
        self.model = Some(loading.module("", model));
        let left = loading.finish().err().unwrap_or_default();
        let misfit = left.into_iter().find(|problem| !matches!(problem, Problem::Missing { .. }));
        misfit.map_or(Ok(()), |problem| {
            Err(Error::run("the logits' biases", problem.to_string(), "build the model again with `mtmdc build`"))
        })
    }

    fn export(&mut self) -> Result<Exported> {
        let mut exported =
            Exported { model: Weights::default(), optimiser: self.optimiser.state() };
        exported.model.insert_module("", self.model()?);
        self.common.export_tables(&mut exported);
        Ok(exported)
    }

    fn import(&mut self, model: Weights, optimiser: Option<Weights>) -> Result<()> {
        let (model, optimiser) = self.common.import_tables(model, optimiser)?;
        let mut loading = model.into_loading();
        let loaded = loading.module("", self.model.take().ok_or_else(lost_model)?);
        let mut problems = loading.finish().err().unwrap_or_default();
        if let Some(optimiser) = optimiser {
            problems.extend(self.optimiser.restore(&loaded, optimiser).err().unwrap_or_default());
        }
        self.model = Some(loaded);
        if problems.is_empty() { Ok(()) } else { Err(misfit(problems)) }
    }

    fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        self.model.as_ref().map(list).unwrap_or_default()
    }
}

impl Common {
    /// A tower's inputs for a batch, and the leaves whose gradients belong to the tables.
    fn input(
        &self,
        tower: Tower,
        batch: &Batch,
        training: bool,
    ) -> (TowerInput, Vec<Option<Tensor<2>>>) {
        let rows = match tower {
            Tower::Query => &batch.query,
            Tower::Item => &batch.item,
        };
        let device = if training { self.device.clone() } else { self.device.clone().inner() };
        let mut leaves = Vec::new();
        let mut domains = Vec::new();
        for gathered in self.tables.gather(tower, rows) {
            let input = gathered.map(|rows| domain_input(rows, &device, training));
            leaves.push(input.as_ref().and_then(|input| input.embedded.clone()));
            domains.push(input);
        }
        (TowerInput::new(domains), leaves)
    }

    fn export_tables(&mut self, exported: &mut Exported) {
        let steps = self.tables.steps();
        exported.optimiser.metadata.insert(TABLE_STEPS.to_owned(), steps.to_string());
        for table in self.tables.state() {
            let array = |values: &[f32]| Array {
                shape: vec![table.rows, table.dim],
                values: values.to_vec(),
            };
            let key = table_key(table.name);
            exported.optimiser.arrays.insert(format!("{key}.exp_avg"), array(table.first_moment));
            exported
                .optimiser
                .arrays
                .insert(format!("{key}.exp_avg_sq"), array(table.second_moment));
            exported.model.arrays.insert(key, array(table.weight));
        }
    }

    /// Takes the tables' arrays out of both and leaves the dense ones.
    fn import_tables(
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
        let mut arrays = Vec::new();
        for table in self.schema.tables {
            let (key, shape) = (table_key(table.name), [table.rows, table.dim]);
            let mut moment = |name: &str| match &mut moments {
                Some(moments) => moments.take(&format!("{key}.{name}"), &shape).unwrap_or_default(),
                None => vec![0.0; table.rows * table.dim],
            };
            let (first, second) = (moment("exp_avg"), moment("exp_avg_sq"));
            arrays.push((table, weights.take(&key, &shape).unwrap_or_default(), first, second));
        }
        let mut problems = weights.finish().err().unwrap_or_default();
        problems.extend(moments.and_then(|moments| moments.finish().err()).unwrap_or_default());
        if !problems.is_empty() {
            return Err(misfit(problems));
        }
        let states: Vec<TableState<'_>> = arrays
            .iter()
            .map(|(table, weight, first, second)| TableState {
                name: table.name,
                rows: table.rows,
                dim: table.dim,
                weight,
                first_moment: first,
                second_moment: second,
            })
            .collect();
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
    let (tables, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
        arrays.into_iter().partition(|(key, _)| key.starts_with(TABLES));
    (Weights { metadata: metadata.clone(), arrays: tables }, Weights { metadata, arrays: others })
}

fn domain_input(rows: DomainRows, device: &Device, training: bool) -> DomainInput {
    let matrix = |values: Vec<f32>| -> Option<Tensor<2>> {
        let width = values.len() / rows.rows.max(1);
        let data = TensorData::new(values, [rows.rows, width]);
        (width > 0).then(|| Tensor::from_data(data, device))
    };
    let embedded = matrix(rows.embedded);
    DomainInput {
        embedded: if training { embedded.map(Tensor::require_grad) } else { embedded },
        vectors: matrix(rows.vectors),
        numbers: matrix(rows.numbers),
        training,
    }
}

/// The leaves' gradients in host memory; zeros for a leaf that no valid row depends on.
fn host_gradients(
    leaves: &[Option<Tensor<2>>],
    gradients: &mut burn::tensor::Gradients,
) -> Vec<Option<Vec<f32>>> {
    let host = |leaf: &Tensor<2>, gradients: &mut burn::tensor::Gradients| {
        let gradient = leaf.grad_remove(gradients);
        gradient.map_or_else(|| vec![0.0; leaf.shape().num_elements()], |gradient| values(&gradient))
    };
    leaves.iter().map(|leaf| leaf.as_ref().map(|leaf| host(leaf, gradients))).collect()
}

fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().iter::<f32>().collect()
}

fn predictions(scores: Option<TaskScores>) -> TaskPredictions {
    scores.map_or_else(TaskPredictions::default, |scores| TaskPredictions {
        lp: values(&scores.lp),
        lq: values(&scores.lq),
        rows: scores.rows,
    })
}

fn require_finite(tasks: &[Option<(usize, f64)>]) -> std::result::Result<(), StepError> {
    for (task, loss) in tasks.iter().enumerate() {
        if let Some((_, value)) = loss.filter(|(_, value)| !value.is_finite()) {
            return Err(StepError::Loss { task, value });
        }
    }
    Ok(())
}

fn lost_model() -> Error {
    Error::run("the model", "an earlier error left no model", "start the run again")
}

fn misfit(problems: Vec<Problem>) -> Error {
    let list: Vec<String> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
    Error::weights(
        "the weights",
        format!("they do not fit this model:{}", list.concat()),
        "use the spec that the weights were trained with, or train again",
    )
}

/// Time since the last look.
struct Clock(Instant);

impl Clock {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now.duration_since(std::mem::replace(&mut self.0, now))
    }
}
