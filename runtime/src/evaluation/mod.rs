//! Evaluation: what a model's predictions are worth, per cell, per task and by rank.
//!
//! Architecture invariant: nothing here knows tensors or models. Predictions arrive as plain
//! streams of ln P and ln(1 - P), batch by batch, and every figure is computed from them in f64.

mod metrics;
mod rank;
mod report;
mod rows;
mod table;

pub use metrics::{Accumulator, Metrics};
pub use rank::{TOP_BUCKETS, auc};
pub use report::{CellReport, Evaluator, Report, TaskPredictions, TaskReport};
pub(crate) use table::{grouped, write_aligned};
