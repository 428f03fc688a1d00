//! Hyperparameters of training.

use serde::{Deserialize, Serialize};

use crate::{DomainSet, TaskId, words::choices};

/// Hyperparameters of training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Rows a step.
    pub batch: usize,
    /// Passes over the training rows.
    pub epochs: usize,
    /// Seed of weights and order.
    pub seed: u64,
    /// Rows of the shuffle buffer.
    pub shuffle: usize,
    /// AdamW on the dense parameters.
    pub dense: AdamW,
    /// How the rows of tables are trained that do not say otherwise.
    pub embeddings: Embeddings,
    /// Fraction of all steps in which the learning rate rises linearly from 0.
    pub warmup: f64,
    /// What the learning rate does after the warm-up.
    pub decay: Decay,
    /// Bound of the gradient's global norm over the dense parameters.
    pub clip: Option<f64>,
    /// What is measured, chosen and kept on the way.
    pub course: Course,
}

/// What a training run measures, chooses and keeps on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Course {
    /// Steps in which the learning rate rises, instead of a fraction of them.
    pub warmup_steps: Option<u64>,
    /// Steps between two validations, beside those at the epochs' ends.
    pub validate_every: Option<u64>,
    /// Validations without an improvement after which the run ends.
    pub patience: Option<u64>,
    /// What counts as an improvement must exceed this.
    pub min_delta: f64,
    /// The metric that chooses the model; `None`: the loss.
    pub select: Option<Select>,
    /// Steps between two checkpoints, beside those at the epochs' ends.
    pub checkpoint_every: Option<u64>,
    /// How many of the last checkpoints are kept.
    pub keep: usize,
}

/// A metric of the validation that chooses a run's model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Select {
    /// The metric.
    pub metric: Metric,
    /// The task that it is of.
    pub task: TaskId,
    /// Surfaces of the cells whose rows it is taken over.
    pub surfaces: DomainSet,
    /// Products of these cells.
    pub products: DomainSet,
}

/// AdamW, with the betas and epsilon of [`crate::constants`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamW {
    /// Peak learning rate.
    pub lr: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

/// How the rows of a table are trained.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embeddings {
    /// What moves them.
    pub optimiser: TableOptimiser,
    /// Peak learning rate.
    pub lr: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Standard deviation of the first values.
    pub std: f64,
    /// With K, a row that n steps have named learns at n / (n + K) of the rate; `None`: always at
    /// the whole rate.
    pub frequency: Option<f64>,
}

choices! {
    /// Metrics that can choose a model.
    pub enum Metric {
        /// Mean |ln p - ln label|.
        LogMae = "log_mae",
        /// Mean |p - label|.
        Mae = "mae",
        /// Mean divergence, the task's loss.
        Kl = "kl",
        /// Area under the ROC curve of the action; the only one where more is better.
        Auc = "auc",
    }

    /// What moves the rows of a table, with the betas and epsilon of [`crate::constants`].
    pub enum TableOptimiser {
        /// AdamW of the whole table; the rows that a batch does not name catch up when they are next
        /// read.
        Adamw = "adamw",
        /// AdamW of the rows that a batch names; the others stay as they are.
        LazyAdam = "lazy_adam",
        /// Adagrad of the rows that a batch names, with the sum of a row's mean squared gradients as
        /// its only state.
        RowwiseAdagrad = "rowwise_adagrad",
    }

    /// Course of the learning rate after the warm-up.
    pub enum Decay {
        /// It falls linearly to 0 at the last step.
        Linear = "linear",
        /// It falls to 0 at the last step along half a cosine.
        Cosine = "cosine",
        /// It falls as 1 / sqrt(step), whatever the number of steps.
        InverseSqrt = "inverse_sqrt",
        /// It stays.
        Constant = "constant",
    }
}

impl Training {
    /// The hyperparameters unless the spec says otherwise.
    pub const DEFAULT: Self = Self {
        batch: 512,
        epochs: 2,
        seed: 1,
        shuffle: 262_144,
        dense: AdamW {
            lr: 1e-3,
            weight_decay: 0.01,
        },
        embeddings: Embeddings {
            optimiser: TableOptimiser::Adamw,
            lr: 3e-2,
            weight_decay: 0.1,
            std: 0.05,
            frequency: None,
        },
        warmup: 0.05,
        decay: Decay::Linear,
        clip: Some(5.0),
        course: Course::DEFAULT,
    };
}

impl Course {
    /// What a run does unless the spec says otherwise.
    pub const DEFAULT: Self = Self {
        warmup_steps: None,
        validate_every: None,
        patience: None,
        min_delta: 0.0,
        select: None,
        checkpoint_every: None,
        keep: 2,
    };
    /// Validations that an early stop waits for unless it says otherwise.
    pub const PATIENCE: u64 = 3;
}
