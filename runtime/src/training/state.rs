//! What a checkpoint knows beside weights.

use serde::{Deserialize, Serialize};

use crate::data::{Parts, Statistics};
use crate::schema::{Schema, Training};

/// Version of the checkpoint's layout.
pub const FORMAT: u32 = 1;

/// Where a training run stands, and all that decides how it goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Version of the layout.
    pub format: u32,
    /// Name of the model.
    pub model: String,
    /// Steps done.
    pub step: u64,
    /// Whole epochs done.
    pub epoch: u64,
    /// Steps done in the epoch under way.
    pub epoch_step: u64,
    /// Whether the validation rows train too.
    pub refit: bool,
    /// Rows of an epoch at most, rounded up to whole batches.
    pub max_rows: Option<u64>,
    /// Steps between two checkpoints, beside those after every epoch.
    pub checkpoint_every: Option<u64>,
    /// Rows of all files, usable or not: other data is not gone on with.
    pub data_rows: u64,
    /// Hyperparameters in force: the spec's, with what the command line changed.
    pub training: Training,
    /// Counts and means of the training rows.
    pub statistics: Statistics,
}

impl State {
    /// The state before the first step, without limits and with checkpoints after epochs only.
    pub fn new(
        schema: &Schema,
        training: Training,
        refit: bool,
        data_rows: u64,
        statistics: Statistics,
    ) -> Self {
        Self {
            format: FORMAT,
            model: schema.name.to_owned(),
            step: 0,
            epoch: 0,
            epoch_step: 0,
            refit,
            max_rows: None,
            checkpoint_every: None,
            data_rows,
            training,
            statistics,
        }
    }

    /// Parts of the data that train.
    pub fn parts(&self) -> Parts {
        if self.refit { Parts::TRAIN | Parts::VALIDATE } else { Parts::TRAIN }
    }

    /// Steps of an epoch. The last one may have fewer rows.
    pub fn epoch_steps(&self) -> u64 {
        let rows = self.statistics.rows();
        let rows = self.max_rows.map_or(rows, |max| rows.min(max));
        rows.div_ceil(self.training.batch.max(1) as u64)
    }

    /// Steps of the whole run.
    pub fn total_steps(&self) -> u64 {
        self.epoch_steps() * self.training.epochs as u64
    }

    /// Whether every epoch is done.
    pub fn is_done(&self) -> bool {
        self.epoch >= self.training.epochs as u64
    }
}
