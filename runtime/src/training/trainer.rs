//! A model in training: its weights, and the optimisers that step them.

#![expect(
    clippy::indexing_slicing,
    reason = "tasks and domains are those of the plan, whose batch the executor has checked"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mtmd_schema::plan::Plan;
use mtmd_schema::{DomainId, TaskId};

use super::clock::Clock;
use crate::data::batch::Batch;
use crate::error::Result;
use crate::exec::Backend;
use crate::exec::heads::{self, HeadRows};
use crate::exec::host::{Step, TaskLoss};
use crate::optimiser::Optimiser;
use crate::params::transfer::TransferTarget;
use crate::params::{Params, Part, Reader, Writer, require_fit};
use crate::profile::{Part as Spent, Recorder};
use crate::schema::Precision;
use crate::schema::{Compiled, Training};
use crate::score::{Scorer, index, on_pool, tower_rows};
use crate::tables::{self, Inputs, TableLayout, TableUses, Tables};

/// A model, its tables and their optimisers, stepped together.
#[derive(Debug)]
pub struct Trainer {
    scorer: Scorer,
    optimiser: Optimiser,
    training: Training,
    precision: Precision,
    /// Memory of a step, kept for the next one.
    step: Step<f32>,
    inputs: Inputs,
    /// Records where the time of steps goes.
    recorder: Option<Arc<Recorder>>,
}

/// A batch, with everything for a step that depends on it alone.
#[derive(Debug)]
pub struct TrainingBatch {
    /// The rows.
    pub batch: Batch,
    heads: Vec<HeadRows>,
    uses: Vec<TableUses>,
}

/// The two files of a checkpoint. Tables are copied as they are written: they may be larger than the
/// memory that is left.
#[derive(Default)]
pub struct Exported<'a> {
    /// Weights of model and tables.
    pub model: Writer<'a>,
    /// The optimisers' state for both.
    pub optimiser: Writer<'a>,
}

/// The report of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// By task: valid rows and mean KL over them; `None` for a task without a valid row.
    pub tasks: Vec<Option<TaskLoss>>,
    /// Global norm of the dense gradient before clipping.
    pub norm: f64,
    /// Where the time went.
    pub times: Times,
}

/// Time of a step by part.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Times {
    /// Table rows and data into the inputs.
    pub gather: Duration,
    /// Towers, heads and loss, forward and backward.
    pub passes: Duration,
    /// AdamW of the dense parameters.
    pub optimiser: Duration,
    /// The optimisers of the tables.
    pub tables: Duration,
}

/// Why a step was not made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StepError {
    /// The loss of a task is not finite.
    Loss {
        /// The task.
        task: TaskId,
        /// Its loss.
        value: f64,
    },
    /// The losses are finite, the gradient is not.
    Gradient {
        /// Its norm.
        norm: f64,
    },
}

impl TrainingBatch {
    /// Finds the rows that each task scores and learns from, and those of the tables.
    pub fn new(plan: &Plan, layout: &TableLayout, batch: Batch) -> Self {
        Self {
            heads: heads::training(plan, &batch),
            uses: layout.uses(&batch),
            batch,
        }
    }
}

impl Trainer {
    /// A model with weights drawn from the training's seed, whose steps make their products in this
    /// precision.
    pub fn new(model: &'static Compiled, training: &Training, precision: Precision) -> Self {
        let params = Params::initialised(&index(model), training.seed);
        let tables = Tables::new(&model.schema, &model.plan, training);
        Self::with(Scorer::new(model, params, tables), training, precision)
    }

    /// A model with the weights and optimisers of a checkpoint.
    ///
    /// # Errors
    /// Arrays that do not fit this model, all of them at once, or cannot be read.
    pub fn resume(
        model: &'static Compiled,
        training: &Training,
        precision: Precision,
        mut weights: Reader,
        mut optimiser: Reader,
    ) -> Result<Self> {
        let params = Params::zeros(&model.plan);
        let tables = Tables::to_resume(&model.schema, &model.plan, training);
        let mut trainer = Self::with(Scorer::new(model, params, tables), training, precision);
        let Scorer { index, tables, .. } = &mut trainer.scorer;
        tables.read_state(&mut optimiser)?;
        trainer.optimiser.read(index, &mut optimiser);
        trainer.scorer.read(&mut weights)?;
        let mut problems = weights.finish();
        problems.extend(optimiser.finish());
        require_fit(&problems)?;
        Ok(trainer)
    }

    fn with(scorer: Scorer, training: &Training, precision: Precision) -> Self {
        Self {
            optimiser: Optimiser::new(&scorer.index, &training.dense, training.clip),
            scorer,
            training: training.clone(),
            precision,
            step: Step::default(),
            inputs: Inputs::default(),
            recorder: None,
        }
    }

    /// Moves the plan to this device; until then it runs in host memory.
    pub fn run_on(&mut self, backend: &Backend) {
        self.scorer.run_on(backend);
    }

    /// Records where the time of steps goes, from the next one on. Comes after [`Self::run_on`].
    pub fn record(&mut self, recorder: &Arc<Recorder>) {
        self.scorer.engine.record(recorder);
        self.recorder = Some(Arc::clone(recorder));
    }

    /// The model with its current weights, for scoring.
    pub fn scorer(&self) -> &Scorer {
        &self.scorer
    }

    /// The same, whose weights are set before the first step.
    pub(super) fn scorer_mut(&mut self) -> &mut Scorer {
        &mut self.scorer
    }

    /// The model at the end of a training, with all rows of tables up to date. The dense parameters'
    /// moments are dropped.
    pub fn into_scorer(mut self) -> Scorer {
        self.scorer.tables.flush();
        self.scorer
    }

    /// All weights by key, to be written in place before the first step.
    pub fn targets(&mut self) -> BTreeMap<String, TransferTarget<'_>> {
        let Scorer {
            index,
            params,
            tables,
            ..
        } = &mut self.scorer;
        let mut targets = params.targets(index);
        targets.append(&mut tables.targets());
        targets
    }

    /// The weights and the optimisers' state.
    ///
    /// Rows of tables that are behind are brought up to date first, which rounds: a run and a resumed
    /// one are equal to the bit if both export at the same steps.
    pub fn export(&mut self) -> Exported<'_> {
        self.scorer.tables.flush();
        let mut exported = Exported::default();
        self.scorer.write(&mut exported.model);
        let optimiser = &mut exported.optimiser;
        self.optimiser.write(&self.scorer.index, optimiser);
        self.scorer.tables.write_state(optimiser);
        exported
    }

    /// Makes one step on a batch, at this factor of the peak learning rates.
    ///
    /// # Errors
    /// A loss or a gradient that is not finite; nothing has been stepped then.
    pub fn step(
        &mut self,
        batch: &TrainingBatch,
        factor: f64,
    ) -> std::result::Result<StepReport, StepError> {
        on_pool(|| self.step_here(batch, factor))
    }

    fn step_here(
        &mut self,
        ready: &TrainingBatch,
        factor: f64,
    ) -> std::result::Result<StepReport, StepError> {
        let TrainingBatch { batch, heads, uses } = ready;
        let Scorer {
            model,
            engine,
            params,
            tables,
            ..
        } = &mut self.scorer;
        let mut clock = Clock::start(self.recorder.as_deref());
        let mut times = Times::default();
        tables.catch_up(uses);
        tables.gather(batch, &mut self.inputs);
        times.gather = clock.lap(Spent::Gather);
        let rows = tower_rows(batch, &self.inputs);
        engine.step(params, rows, heads, self.precision, &mut self.step);
        times.passes = match engine.part() {
            Some(part) => clock.lap(part),
            None => clock.skip(),
        };
        let tasks = self.step.tasks.clone();
        require_finite(&tasks)?;
        let mut report = StepReport {
            tasks,
            norm: 0.0,
            times,
        };
        if report.tasks.iter().all(Option::is_none) {
            // A batch without any label teaches nothing.
            return Ok(report);
        }
        let fields = [&*self.step.fields[0], &*self.step.fields[1]];
        if !tables::are_finite(fields) {
            let norm = f64::INFINITY;
            return Err(StepError::Gradient { norm });
        }
        let reached = reached(model, &report.tasks);
        let has_gradient = |part: Part| match part {
            Part::Shared(tower) => !batch.tower(tower).order.is_empty(),
            Part::Domain(tower, DomainId(domain)) => !batch.tower(tower).domains[domain].is_empty(),
            Part::Head(TaskId(task)) => reached[task],
        };
        let lr = self.training.dense.lr * factor;
        let gradient = &self.step.gradient;
        report.norm = self
            .optimiser
            .step(&mut params.values, gradient, has_gradient, lr);
        if !report.norm.is_finite() {
            let norm = report.norm;
            return Err(StepError::Gradient { norm });
        }
        std::mem::swap(&mut params.statistics, &mut self.step.statistics);
        report.times.optimiser = clock.lap(Spent::Dense);
        tables.step(uses, fields, factor);
        report.times.tables = clock.lap(Spent::Tables);
        Ok(report)
    }
}

/// By task: whether its logits have a gradient, as it or a descendant has a valid row.
fn reached(model: &Compiled, tasks: &[Option<TaskLoss>]) -> Vec<bool> {
    let mut reached: Vec<bool> = tasks.iter().map(Option::is_some).collect();
    // Parents come before their children.
    for (task, head) in model.plan.heads.iter().enumerate().rev() {
        if let Some(TaskId(parent)) = head.given {
            reached[parent] |= reached[task];
        }
    }
    reached
}

fn require_finite(tasks: &[Option<TaskLoss>]) -> std::result::Result<(), StepError> {
    for (task, loss) in tasks.iter().enumerate() {
        if let Some(loss) = loss.filter(|loss| !loss.mean.is_finite()) {
            return Err(StepError::Loss {
                task: TaskId(task),
                value: loss.mean,
            });
        }
    }
    Ok(())
}

impl Times {
    /// Adds those of another step.
    pub fn add(&mut self, other: &Self) {
        self.gather += other.gather;
        self.passes += other.passes;
        self.optimiser += other.optimiser;
        self.tables += other.tables;
    }

    /// The mean of `count` steps whose sum this is.
    pub fn over(&self, count: u32) -> Self {
        let count = count.max(1);
        Self {
            gather: self.gather / count,
            passes: self.passes / count,
            optimiser: self.optimiser / count,
            tables: self.tables / count,
        }
    }
}
