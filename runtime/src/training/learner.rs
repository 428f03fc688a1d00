//! What the loop, evaluation and the benchmark see of a model: a [`Learner`], which erases the
//! model's type, so that they are compiled once, in this crate, and not again for every generated
//! model.

use std::time::Duration;

use crate::data::batch::Batch;
use crate::error::{Error, Result};
use crate::evaluation::TaskPredictions;
use crate::weights::{Loading, Outgoing, Weights};

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

    /// Sets some of the dense weights and statistics; the others stay as they are.
    ///
    /// # Errors
    /// Arrays that the model does not have.
    fn set(&mut self, values: Weights) -> Result<()>;

    /// The weights of model and tables under graph paths, and the optimisers' state.
    ///
    /// Table rows that lie behind are brought up to date first, which rounds: a run and a resumed
    /// one are equal to the bit if both export at the same steps.
    ///
    /// # Errors
    /// A model that an earlier error lost.
    fn export(&mut self) -> Result<Exported<'_>>;

    /// Takes weights back, and the optimisers' state if the training goes on.
    ///
    /// # Errors
    /// All arrays that do not fit; the weights are of no use then.
    fn import(&mut self, model: Loading, optimiser: Option<Loading>) -> Result<()>;

    /// Key and shape of every dense parameter and buffer.
    fn parameters(&self) -> Vec<(String, Vec<usize>)>;
}

/// All that a checkpoint needs of a learner. Tables are copied as they are written: they may be larger than the memory that is left.
#[derive(Default)]
pub struct Exported<'a> {
    /// Model and tables.
    pub model: Outgoing<'a>,
    /// Moments of both.
    pub optimiser: Outgoing<'a>,
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
