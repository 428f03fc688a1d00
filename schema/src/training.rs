//! Hyperparameters of training.

use serde::{Deserialize, Serialize};

use crate::{DomainSet, TaskId, words::choices};

/// Hyperparameters of training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Rows per step.
    pub batch: usize,
    /// Passes over the training rows.
    pub epochs: usize,
    /// Seed of weights and order.
    pub seed: u64,
    /// Rows of the shuffle buffer.
    pub shuffle: usize,
    /// AdamW on the dense parameters.
    pub dense: AdamW,
    /// How the rows of tables are trained, unless a table declares its own.
    pub embeddings: Embeddings,
    /// Fraction of all steps in which the learning rate rises linearly from 0.
    pub warmup: f64,
    /// What the learning rate does after the warm-up.
    pub decay: Decay,
    /// Bound of the gradient's global norm over the dense parameters.
    pub clip: Option<f64>,
    /// What is measured, chosen and kept during a run.
    pub course: Course,
}

/// What a training run measures, chooses and keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Course {
    /// Steps in which the learning rate rises, instead of a fraction of them.
    pub warmup_steps: Option<u64>,
    /// Steps between two validations, in addition to those at the ends of epochs.
    pub validate_every: Option<u64>,
    /// Validations without an improvement after which the run ends.
    pub patience: Option<u64>,
    /// Minimum change that counts as an improvement; an improvement must exceed it.
    pub min_delta: f64,
    /// The metric that chooses the model; `None`: the loss.
    pub select: Option<Select>,
    /// Steps between two checkpoints, in addition to those at the ends of epochs.
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
    /// The task that it measures.
    pub task: TaskId,
    /// Surfaces of the cells whose rows it covers.
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
    /// Their optimiser.
    pub optimiser: TableOptimiser,
    /// Peak learning rate.
    pub lr: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Standard deviation of the first values.
    pub std: f64,
    /// With K, a row that n steps have used learns at n / (n + K) of the rate; `None`: always at
    /// the full rate.
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
        /// Area under the ROC curve of the action; the only metric for which higher is better.
        Auc = "auc",
    }

    /// Optimiser of the rows of a table, with the betas and epsilon of [`crate::constants`].
    pub enum TableOptimiser {
        /// AdamW of the whole table; the rows that a batch does not use catch up when they are next
        /// read.
        Adamw = "adamw",
        /// AdamW of the rows that a batch uses; the others do not change.
        LazyAdam = "lazy_adam",
        /// Adagrad of the rows that a batch uses, with the sum of a row's mean squared gradients as
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
        /// It stays constant.
        Constant = "constant",
    }
}

impl Training {
    /// The default hyperparameters.
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
    /// The default run policy.
    pub const DEFAULT: Self = Self {
        warmup_steps: None,
        validate_every: None,
        patience: None,
        min_delta: 0.0,
        select: None,
        checkpoint_every: None,
        keep: 2,
    };
    /// Default number of validations that an early stop waits for.
    pub const PATIENCE: u64 = 3;
}
