//! A model in training: its weights, and the optimisers that step them.

#![expect(
    clippy::indexing_slicing,
    reason = "tasks and domains are those of the plan, whose batch the executor has checked"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use mtmd_schema::{DomainId, TablePlace, TaskId};

use super::batch::{Preparation, TrainingBatch};
use super::begun::Begun;
use super::clock::Clock;
#[cfg(feature = "device")]
use super::device::{DeviceTraining, HostCopies, Pace};
use super::step::{StepError, StepReport, Times, judge};
#[cfg(feature = "device")]
use crate::bug::{bug, check};
use crate::data::batch::Batch;
use crate::error;
#[cfg(feature = "device")]
use crate::exec::device::Traffic;
use crate::exec::host::Step;
use crate::exec::{Backend, Engine, rows};
use crate::optimiser::Optimiser;
use crate::params::transfer::TransferTarget;
use crate::params::{Params, Part, Reader, Writer, require_fit};
use crate::profile::{Part as Spent, Recorder};
use crate::schema::Precision;
use crate::schema::{Compiled, Training};
use crate::score::{Scorer, index, on_pool};
use crate::tables::{self, Inputs, Tables};

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
    /// The device that the model trains on, if it is not the host.
    #[cfg(feature = "device")]
    device: Option<DeviceTraining>,
    /// Records where the time of steps goes.
    recorder: Option<Arc<Recorder>>,
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
    ) -> error::Result<Self> {
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
            #[cfg(feature = "device")]
            device: None,
            recorder: None,
        }
    }

    /// Moves the plan to this device, and tables too unless they are to stay in host memory; until then everything is in
    /// host memory.
    pub fn run_on(&mut self, backend: &Backend) {
        self.bring_home();
        self.scorer.run_on(backend);
        #[cfg(feature = "device")]
        {
            self.device = match (&self.scorer.engine, backend) {
                (Engine::Device(executor), Backend::Device { tables, .. }) => {
                    let executor = Arc::clone(executor);
                    Some(DeviceTraining::new(executor, &self.scorer.tables, *tables))
                }
                _ => None,
            };
        }
    }

    /// Records where the time of steps goes, from the next one on. Comes after [`Self::run_on`].
    pub fn record(&mut self, recorder: &Arc<Recorder>) {
        self.scorer.engine.record(recorder);
        self.recorder = Some(Arc::clone(recorder));
    }

    /// Where its tables are while it trains.
    pub fn table_place(&self) -> TablePlace {
        #[cfg(feature = "device")]
        if self
            .device
            .as_ref()
            .is_some_and(|device| device.layout().is_some())
        {
            return TablePlace::Device;
        }
        TablePlace::Host
    }

    /// What makes batches ready for its steps.
    pub fn preparation(&self) -> Preparation {
        let scorer = &self.scorer;
        Preparation::new(
            scorer.plan(),
            scorer.layout(),
            #[cfg(feature = "device")]
            self.device.as_ref().map(|device| device.layout().cloned()),
        )
    }

    /// Brings the weights to the host, if a device has stepped them: what comes next reads them.
    pub fn bring_home(&mut self) {
        #[cfg(feature = "device")]
        if let Some(device) = &mut self.device {
            let Scorer { params, tables, .. } = &mut self.scorer;
            device.bring_home(HostCopies {
                params,
                optimiser: &mut self.optimiser,
                tables,
            });
        }
    }

    /// What went between the device that it trains on and the host so far; `None` on the host.
    #[cfg(feature = "device")]
    pub fn traffic(&self) -> Option<Traffic> {
        self.device.as_ref().map(DeviceTraining::traffic)
    }

    /// The model with its current weights, for scoring. They must have been brought home.
    pub fn scorer(&self) -> &Scorer {
        #[cfg(feature = "device")]
        check!(
            !self
                .device
                .as_ref()
                .is_some_and(DeviceTraining::is_resident),
            "weights are read that a device has stepped"
        );
        &self.scorer
    }

    /// The same, whose weights are set before the first step.
    pub(super) fn scorer_mut(&mut self) -> &mut Scorer {
        &mut self.scorer
    }

    /// The model at the end of a training, with all rows of tables up to date. The dense parameters'
    /// moments are dropped.
    pub fn into_scorer(mut self) -> Scorer {
        self.bring_home();
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
        self.bring_home();
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
    pub fn step(&mut self, batch: &TrainingBatch, factor: f64) -> Result<StepReport, StepError> {
        self.begin(batch, factor).finish(batch)
    }

    /// Begins a step: on the host it is made at once, a device may still be at it.
    pub fn begin(&mut self, batch: &TrainingBatch, factor: f64) -> Begun {
        #[cfg(feature = "device")]
        if self.device.is_some() {
            return on_pool(|| self.begin_on_device(batch, factor));
        }
        Begun::Made(on_pool(|| self.step_here(batch, factor)))
    }

    #[cfg(feature = "device")]
    fn begin_on_device(&mut self, ready: &TrainingBatch, factor: f64) -> Begun {
        let Some(device) = &mut self.device else {
            bug!("a step on no device");
        };
        let labelled = ready.heads.iter().map(|rows| !rows.labels.at.is_empty());
        let labelled: Vec<bool> = labelled.collect();
        if !labelled.contains(&true) {
            // A batch without any label teaches nothing.
            return Begun::Made(judge(vec![None; labelled.len()], true, 0.0));
        }
        let Scorer {
            model,
            params,
            tables,
            ..
        } = &mut self.scorer;
        let host = HostCopies {
            params,
            optimiser: &mut self.optimiser,
            tables,
        };
        let pace = Pace {
            precision: self.precision,
            learning_rate: self.training.dense.lr * factor,
            factor,
        };
        device.step(
            host,
            ready,
            has_gradient(model, &ready.batch, &labelled),
            pace,
        )
    }

    fn step_here(&mut self, ready: &TrainingBatch, factor: f64) -> Result<StepReport, StepError> {
        let TrainingBatch {
            batch, heads, uses, ..
        } = ready;
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
        let rows = rows(batch, self.inputs.both());
        match engine {
            Engine::Host(host) => host.step(params, rows, heads, self.precision, &mut self.step),
            #[cfg(feature = "device")]
            Engine::Device(_) => bug!("a step of the host on a device"),
        }
        times.passes = clock.skip();
        let tasks = self.step.tasks.clone();
        let labelled: Vec<bool> = tasks.iter().map(Option::is_some).collect();
        let fields = [&*self.step.fields[0], &*self.step.fields[1]];
        let mut report = judge(tasks, tables::are_finite(fields), 0.0)?;
        if labelled.contains(&true) {
            let norm = self.optimiser.step(
                &mut params.values,
                &self.step.gradient,
                has_gradient(model, batch, &labelled),
                self.training.dense.lr * factor,
            );
            report = judge(report.tasks, true, norm)?;
            std::mem::swap(&mut params.statistics, &mut self.step.statistics);
            times.optimiser = clock.lap(Spent::Dense);
            tables.step(uses, fields, factor);
            times.tables = clock.lap(Spent::Tables);
        }
        report.times = times;
        Ok(report)
    }
}

/// Whether a part of the parameters has a gradient from a batch. By task: whether it has a label in it.
fn has_gradient(model: &Compiled, batch: &Batch, labelled: &[bool]) -> impl Fn(Part) -> bool {
    let reached = reached(model, labelled);
    move |part: Part| match part {
        Part::Shared(tower) => !batch.tower(tower).order.is_empty(),
        Part::Domain(tower, DomainId(domain)) => !batch.tower(tower).domains[domain].is_empty(),
        Part::Head(TaskId(task)) => reached[task],
    }
}

/// By task: whether its logits have a gradient, as it or a descendant has a label.
fn reached(model: &Compiled, labelled: &[bool]) -> Vec<bool> {
    let mut reached = labelled.to_vec();
    // Parents come before their children.
    for (task, head) in model.plan.heads.iter().enumerate().rev() {
        if let Some(TaskId(parent)) = head.given {
            reached[parent] |= reached[task];
        }
    }
    reached
}
