//! What the steps since the last line of the metrics add up to.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::state::State;
use super::step::StepReport;
use crate::bug::zip_equal;
use crate::data::batch::Batch;
use crate::schema::Schema;

/// Losses, gradients and time of some steps.
#[derive(Debug)]
pub struct Window {
    schema: &'static Schema,
    steps: u64,
    rows: u64,
    /// By task: rows and the sum of their KL.
    tasks: Vec<(f64, f64)>,
    /// Sum of the gradients' norms.
    norm: f64,
    time: Duration,
}

impl Window {
    /// No steps.
    pub fn new(schema: &'static Schema) -> Self {
        Self {
            schema,
            steps: 0,
            rows: 0,
            tasks: vec![(0.0, 0.0); schema.tasks.len()],
            norm: 0.0,
            time: Duration::ZERO,
        }
    }

    /// Adds a step, which took so long with the wait for its batch.
    pub fn add(&mut self, batch: &Batch, report: &StepReport, time: Duration) {
        self.steps += 1;
        self.rows += batch.rows as u64;
        self.norm += report.norm;
        self.time += time;
        for ((rows, sum), task) in zip_equal(&mut self.tasks, &report.tasks) {
            if let Some(loss) = task {
                *rows += loss.rows as f64;
                *sum += loss.rows as f64 * loss.mean;
            }
        }
    }

    /// Mean KL by task; `None` without a valid row.
    fn means(&self) -> impl Iterator<Item = (&'static str, Option<f64>)> {
        let names = self.schema.tasks.iter().map(|task| &*task.name);
        let means = self.tasks.iter().map(mean);
        zip_equal(names, means)
    }

    fn loss(&self) -> f64 {
        let tasks = zip_equal(&*self.schema.tasks, &self.tasks);
        tasks
            .map(|(task, sums)| task.weight * mean(sums).unwrap_or(0.0))
            .sum()
    }

    fn gradient_norm(&self) -> f64 {
        self.norm / self.steps.max(1) as f64
    }

    fn rows_per_second(&self) -> f64 {
        self.rows as f64 / self.time.as_secs_f64().max(1e-9)
    }

    /// The losses for people.
    pub fn text(&self) -> String {
        let tasks: Vec<String> = self
            .means()
            .filter_map(|(task, mean)| Some(format!("{task} {:.4}", mean?)))
            .collect();
        format!("loss {:.4} ({})", self.loss(), tasks.join(", "))
    }

    /// A line of the metrics, at this factor of the peak learning rates.
    pub fn entry(&self, state: &State, factor: f64) -> Value {
        let tasks: Map<String, Value> = self
            .means()
            .map(|(task, mean)| (task.to_owned(), json!(mean)))
            .collect();
        let training = &state.training;
        json!({
            "kind": "train", "step": state.step, "epoch": state.epoch_now(), "rows": self.rows,
            "precision": state.precision,
            "loss": self.loss(), "tasks": tasks, "rate": factor,
            "dense_lr": training.dense.lr * factor, "embeddings_lr": training.embeddings.lr * factor,
            "gradient_norm": self.gradient_norm(), "rows_per_second": self.rows_per_second().round(),
        })
    }

    /// The same for TensorBoard.
    pub fn scalars(&self, state: &State, factor: f64) -> Vec<(String, f64)> {
        let training = &state.training;
        let mut scalars = vec![
            ("train/loss".to_owned(), self.loss()),
            ("train/gradient_norm".to_owned(), self.gradient_norm()),
            ("train/rows_per_second".to_owned(), self.rows_per_second()),
            ("train/lr/dense".to_owned(), training.dense.lr * factor),
            (
                "train/lr/embeddings".to_owned(),
                training.embeddings.lr * factor,
            ),
        ];
        scalars.extend(
            self.means()
                .filter_map(|(task, mean)| Some((format!("train/{task}/kl"), mean?))),
        );
        scalars
    }
}

fn mean(&(rows, sum): &(f64, f64)) -> Option<f64> {
    (rows > 0.0).then(|| sum / rows)
}
