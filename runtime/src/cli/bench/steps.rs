//! Training steps in a circle of batches.

use std::time::{Duration, Instant};

use burn::tensor::Device;

use crate::data::batch::Batch;
use crate::error::{Error, Result};
use crate::evaluation::TaskPredictions;
use crate::training::{Learner, StepReport, Times};

/// Factor of the peak learning rates: low, since no step warms up. Speed does not depend on it.
pub const FACTOR: f64 = 0.01;

/// A model and the batches that it is stepped on.
pub struct Steps {
    learner: Box<dyn Learner>,
    batches: Vec<Batch>,
    device: Device,
    next: usize,
}

/// Some steps.
pub struct Round {
    pub rows: usize,
    /// The sum over the steps.
    pub times: Times,
    pub elapsed: Duration,
}

impl Steps {
    pub fn new(learner: Box<dyn Learner>, batches: Vec<Batch>, device: Device) -> Self {
        Self {
            learner,
            batches,
            device,
            next: 0,
        }
    }

    pub fn batches(&self) -> &[Batch] {
        &self.batches
    }

    pub fn learner(&mut self) -> &mut dyn Learner {
        self.learner.as_mut()
    }

    /// Scores the first batch.
    pub fn score(&self) -> Result<Vec<TaskPredictions>> {
        self.learner.score(pick(&self.batches, 0)?)
    }

    /// Makes a step on the next batch, at this factor of the peak learning rates.
    pub fn step(&mut self, factor: f64) -> Result<(usize, StepReport)> {
        let index = self.next;
        self.next += 1;
        let batch = pick(&self.batches, index)?;
        let report = self.learner.step(batch, factor).map_err(|error| {
            Error::run(
                "the benchmark",
                format!("a step failed: {error:?}"),
                "lower the spec's learning rates",
            )
        })?;
        Ok((batch.rows, report))
    }

    /// Makes `count` steps, to the end of all that the device does for them.
    pub fn run(&mut self, count: usize) -> Result<Round> {
        wait(&self.device)?;
        let started = Instant::now();
        let (mut rows, mut times) = (0, Times::default());
        for _ in 0..count {
            let (stepped, report) = self.step(FACTOR)?;
            rows += stepped;
            times.add(&report.times);
        }
        wait(&self.device)?;
        Ok(Round {
            rows,
            times,
            elapsed: started.elapsed(),
        })
    }
}

/// Waits for all that the device was told to do.
pub fn wait(device: &Device) -> Result<()> {
    device.sync().map_err(refused)
}

/// What a device did not do.
pub fn refused(cause: impl ToString) -> Error {
    Error::run(
        "the device",
        cause.to_string(),
        "check the device, or use `--device cpu`",
    )
}

/// The batch at a place of the circle.
fn pick(batches: &[Batch], index: usize) -> Result<&Batch> {
    let batch = batches.get(index % batches.len().max(1));
    batch.ok_or_else(|| {
        Error::data(
            "the benchmark",
            "there is no batch of training rows",
            "give it data that has some",
        )
    })
}
