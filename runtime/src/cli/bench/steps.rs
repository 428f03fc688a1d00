//! Training steps in a circle of batches.

use std::time::{Duration, Instant};

use crate::data::batch::Batch;
use crate::error::{Error, Result};
use crate::evaluation::TaskPredictions;
use crate::score::ScoringBatch;
use crate::training::{Begun, StepReport, Times, Trainer, TrainingBatch};

/// Factor of the peak learning rates: low, since no step warms up. Speed does not depend on it.
pub const FACTOR: f64 = 0.01;

/// A model and the batches that it is stepped on, made ready as the loader's threads do.
pub struct Steps {
    trainer: Trainer,
    batches: Vec<TrainingBatch>,
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
    /// Steps on one batch at least.
    ///
    /// # Errors
    /// Data without a training row.
    pub fn new(trainer: Trainer, batches: Vec<Batch>) -> Result<Self> {
        if batches.is_empty() {
            return Err(Error::data(
                "the benchmark",
                "there is no batch of training rows",
                "give it data that has some",
            ));
        }
        let preparation = trainer.preparation();
        let batches = batches.into_iter();
        let batches = batches.map(|batch| preparation.prepare(batch));
        Ok(Self {
            batches: batches.collect(),
            trainer,
            next: 0,
        })
    }

    pub fn batches(&self) -> impl ExactSizeIterator<Item = &Batch> + Clone {
        self.batches.iter().map(|ready| &ready.batch)
    }

    pub fn trainer(&mut self) -> &mut Trainer {
        &mut self.trainer
    }

    /// Scores the first batch.
    pub fn score(&mut self) -> Vec<TaskPredictions> {
        self.trainer.bring_home();
        let first = self.batches().take(1).cloned();
        let plan = self.trainer.scorer().plan();
        let scored =
            first.map(|batch| self.trainer.scorer().score(&ScoringBatch::new(plan, batch)));
        scored.flatten().collect()
    }

    /// Makes a step on the next batch, at this factor of the peak learning rates.
    pub fn step(&mut self, factor: f64) -> Result<StepReport> {
        let (begun, batch) = self.begin(factor);
        self.finish(begun, batch)
    }

    /// Begins the next step, as training does; and the place of its batch.
    #[expect(
        clippy::indexing_slicing,
        reason = "a remainder by the length, which is not 0"
    )]
    fn begin(&mut self, factor: f64) -> (Begun, usize) {
        let at = self.next % self.batches.len();
        self.next += 1;
        (self.trainer.begin(&self.batches[at], factor), at)
    }

    #[expect(clippy::indexing_slicing, reason = "a place that `begin` gave")]
    fn finish(&self, begun: Begun, batch: usize) -> Result<StepReport> {
        begun.finish(&self.batches[batch]).map_err(|error| {
            Error::run(
                "the benchmark",
                format!("a step failed: {error:?}"),
                "lower the spec's learning rates",
            )
        })
    }

    /// Makes `count` steps.
    pub fn run(&mut self, count: usize) -> Result<Round> {
        let started = Instant::now();
        let (mut rows, mut times) = (0, Times::default());
        let mut underway = None;
        for _ in 0..count {
            let (begun, batch) = self.begin(FACTOR);
            rows += self.batches().nth(batch).map_or(0, |batch| batch.rows);
            if let Some((begun, batch)) = underway.replace((begun, batch)) {
                times.add(&self.finish(begun, batch)?.times);
            }
        }
        if let Some((begun, batch)) = underway {
            times.add(&self.finish(begun, batch)?.times);
        }
        Ok(Round {
            rows,
            times,
            elapsed: started.elapsed(),
        })
    }
}
