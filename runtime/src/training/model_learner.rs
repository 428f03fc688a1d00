//! A model of one type, its tables and their optimisers, stepped together.

use std::time::{Duration, Instant};

use burn::tensor::Device;

use super::inputs::{Inputs, host_gradients, misfit, values};
use super::learner::{Exported, Learner, StepError, StepReport, Times};
use crate::data::batch::Batch;
use crate::error::{Error, Result};
use crate::evaluation::TaskPredictions;
use crate::kernels::is_host;
use crate::layers::Precision;
use crate::model::{Model, TaskScores, forward, loss};
use crate::optimiser::Optimiser;
use crate::schema::{LogitBias, Tower, Training};
use crate::tables::Gradients;
use crate::weights::{Array, Loading, Problem, Weights, list};

/// A model of one type as a [`Learner`].
pub struct ModelLearner<M: Model> {
    /// Always there between two calls; a step takes it out and puts the next one in.
    model: Option<M>,
    optimiser: Optimiser,
    inputs: Inputs,
    training: Training,
    precision: Precision,
    /// Whether the model is in host memory.
    on_host: bool,
}

impl<M: Model> ModelLearner<M> {
    /// A model with weights drawn from the training's seed. The device is a plain one.
    pub fn new(training: &Training, device: &Device) -> Self {
        let on_host = is_host(device);
        let device = device.clone().autodiff();
        Self {
            model: Some(M::seeded(&device, training.seed)),
            optimiser: Optimiser::new(&training.dense, training.clip),
            inputs: Inputs::new(M::schema(), training, device),
            training: training.clone(),
            precision: Precision::default(),
            on_host,
        }
    }

    /// Makes the products of its steps in this precision. Scores are float32 in any.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    fn step_there(
        &mut self,
        batch: &Batch,
        factor: f64,
    ) -> std::result::Result<StepReport, StepError> {
        let mut clock = Clock::start();
        let model = self
            .model
            .take()
            .ok_or_else(|| StepError::Other(lost_model()))?;
        let (query, query_leaves) = self.inputs.of(Tower::Query, batch, Some(self.precision));
        let (item, item_leaves) = self.inputs.of(Tower::Item, batch, Some(self.precision));
        let gather = clock.lap();
        let scores = forward(&model, query, item, batch);
        let loss = loss(self.inputs.schema(), &scores, batch);
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
                let times = Times {
                    gather,
                    forward,
                    ..Times::default()
                };
                return Ok(StepReport {
                    tasks,
                    norm: 0.0,
                    times,
                });
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
        if !leaves.are_finite() {
            self.model = Some(model);
            return Err(StepError::Gradient {
                norm: f64::INFINITY,
            });
        }
        let dense_lr = self.training.dense.lr * factor;
        let (model, norm) = self.optimiser.step(model, &mut gradients, dense_lr);
        self.model = Some(model);
        if !norm.is_finite() {
            return Err(StepError::Gradient { norm });
        }
        let optimiser = clock.lap();
        self.inputs
            .step(batch, &leaves, factor)
            .map_err(StepError::Other)?;
        let tables = clock.lap();
        Ok(StepReport {
            tasks,
            norm,
            times: Times {
                gather,
                forward,
                backward,
                optimiser,
                tables,
            },
        })
    }

    fn model(&self) -> Result<&M> {
        self.model.as_ref().ok_or_else(lost_model)
    }
}

impl<M: Model> Learner for ModelLearner<M> {
    fn step(&mut self, batch: &Batch, factor: f64) -> std::result::Result<StepReport, StepError> {
        match self.on_host {
            true => on_pool(|| self.step_there(batch, factor)),
            // A card has a queue and memory of its own for every thread that tells it something.
            false => self.step_there(batch, factor),
        }
    }

    fn score(&self, batch: &Batch) -> Result<Vec<TaskPredictions>> {
        // The plain view of the model: nothing is recorded for a backward pass.
        let model = self.model()?.valid();
        let (query, _) = self.inputs.of(Tower::Query, batch, None);
        let (item, _) = self.inputs.of(Tower::Item, batch, None);
        let scores = forward(&model, query, item, batch);
        Ok(scores.tasks.into_iter().map(predictions).collect())
    }

    fn set_biases(&mut self, biases: &[f64]) -> Result<()> {
        if self.inputs.schema().architecture.logit_bias == LogitBias::None {
            return Ok(());
        }
        let mut weights = Weights::default();
        for (task, &bias) in self.inputs.schema().tasks.iter().zip(biases) {
            let array = Array {
                shape: vec![1],
                values: vec![bias as f32],
            };
            weights
                .arrays
                .insert(format!("heads.{}.bias", task.name), array);
        }
        let mut loading = weights.into_loading();
        let model = self.model.take().ok_or_else(lost_model)?;
        self.model = Some(loading.module("", model));
        let left = loading.finish().err().unwrap_or_default();
        let misfit = left
            .into_iter()
            .find(|problem| !matches!(problem, Problem::Missing { .. }));
        misfit.map_or(Ok(()), |problem| {
            Err(Error::run(
                "the logits' biases",
                problem.to_string(),
                "build the model again with `mtmdc build`",
            ))
        })
    }

    fn export(&mut self) -> Result<Exported<'_>> {
        let mut dense = Weights::default();
        dense.insert_module("", self.model()?);
        let mut exported = Exported {
            model: dense.into(),
            optimiser: self.optimiser.state().into(),
        };
        self.inputs.export_tables(&mut exported);
        Ok(exported)
    }

    fn import(&mut self, mut model: Loading, mut optimiser: Option<Loading>) -> Result<()> {
        self.inputs.import_tables(&mut model, optimiser.as_mut())?;
        let loaded = model.module("", self.model.take().ok_or_else(lost_model)?);
        let mut problems = model.finish().err().unwrap_or_default();
        if let Some(optimiser) = optimiser {
            let restored = self.optimiser.restore(&loaded, optimiser);
            problems.extend(restored.err().unwrap_or_default());
        }
        self.model = Some(loaded);
        if problems.is_empty() {
            Ok(())
        } else {
            Err(misfit(problems))
        }
    }

    fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        self.model.as_ref().map(list).unwrap_or_default()
    }
}

/// Runs `work` on a thread of the pool that its parallel parts use: the thread takes part in each of them at once, where one from
/// outside would hand it over and sleep.
fn on_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
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
    Error::run(
        "the model",
        "an earlier error left no model",
        "start the run again",
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
