//! What comes of a step.

use std::time::Duration;

use mtmd_schema::TaskId;

use crate::exec::host::TaskLoss;

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

/// What is to be said of a step, and whether it may be made: by the loss of each task, whether the gradients of all
/// fields are finite, and the norm of all others.
pub(super) fn judge(
    tasks: Vec<Option<TaskLoss>>,
    fields_are_finite: bool,
    norm: f64,
) -> Result<StepReport, StepError> {
    for (task, loss) in tasks.iter().enumerate() {
        if let Some(loss) = loss.filter(|loss| !loss.mean.is_finite()) {
            return Err(StepError::Loss {
                task: TaskId(task),
                value: loss.mean,
            });
        }
    }
    if !fields_are_finite {
        let norm = f64::INFINITY;
        return Err(StepError::Gradient { norm });
    }
    if !norm.is_finite() {
        return Err(StepError::Gradient { norm });
    }
    let times = Times::default();
    Ok(StepReport { tasks, norm, times })
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
