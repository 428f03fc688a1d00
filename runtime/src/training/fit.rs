//! The training loop.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::checkpoint;
use super::evaluate::evaluate;
use super::learner::{Learner, StepError, StepReport};
use super::log::MetricsLog;
use super::progress::{Progress, Tick};
use super::run_folder::RunFolder;
use super::schedule::Schedule;
use super::state::State;
use crate::data::batch::Batch;
use crate::data::{Dataset, Parts, Scan, Shuffle, Vocabularies};
use crate::error::{Error, Result};
use crate::evaluation::{Report, grouped};
use crate::schema::Schema;

/// Steps between two lines of the metrics.
const LOG_EVERY: u64 = 20;

/// What a training run works on.
pub struct Fit<'a> {
    /// The data, checked.
    pub dataset: &'a Dataset,
    /// How raw values find their rows.
    pub vocabularies: &'a Arc<Vocabularies>,
    /// Where checkpoints and metrics go.
    pub folder: &'a RunFolder,
    /// Whether the validation rows are scored after every epoch.
    pub validate: bool,
    /// Shows no progress.
    pub quiet: bool,
}

impl Fit<'_> {
    /// Trains from where `state` stands to the last epoch's end, with a checkpoint after every
    /// epoch. Returns the last validation, if this call made one.
    ///
    /// # Errors
    /// A loss or gradient that is not finite, errors of the data, and what the system refuses. The
    /// checkpoints written so far are whole in every case.
    pub fn run(&self, learner: &mut dyn Learner, state: &mut State) -> Result<Option<Report>> {
        let mut log = MetricsLog::open(&self.folder.metrics(), state.step)?;
        let mut progress = Progress::start(state.total_steps(), state.step, self.quiet);
        let mut validation = None;
        while !state.is_done() {
            self.epoch(learner, state, &mut log, &mut progress)?;
            if self.validate {
                let report =
                    evaluate(learner, self.dataset, self.vocabularies, Parts::VALIDATE, "validate")?;
                progress.print(&format!(
                    "epoch {} of {}, validation:\n{}",
                    state.epoch,
                    state.training.epochs,
                    report.summary().trim_end(),
                ));
                log.write(&json!({
                    "kind": "validate", "step": state.step, "epoch": state.epoch,
                    "loss": report.loss, "tasks": overall(&report),
                }))?;
                validation = Some(report);
            }
        }
        progress.finish();
        Ok(validation)
    }

    /// The rest of an epoch, and a checkpoint at its end.
    fn epoch(
        &self,
        learner: &mut dyn Learner,
        state: &mut State,
        log: &mut MetricsLog,
        progress: &mut Progress,
    ) -> Result<()> {
        let schema = self.dataset.schema();
        let schedule = Schedule::new(&state.training, state.total_steps());
        let mut window = Window::new(schema);
        let left = state.epoch_steps().saturating_sub(state.epoch_step);
        let batches = self.dataset.batches(self.vocabularies, scan(state))?;
        for batch in batches.take(usize::try_from(left).unwrap_or(usize::MAX)) {
            let batch = batch?;
            let factor = schedule.factor(state.step);
            let report = learner
                .step(&batch, factor)
                .map_err(|error| self.stopped(state, &batch, error))?;
            state.step += 1;
            state.epoch_step += 1;
            window.add(&batch, &report);
            progress.tick(Tick {
                step: state.step,
                epoch: state.epoch + 1,
                epochs: state.training.epochs as u64,
                rows: batch.rows as u64,
                losses: &|| window.text(schema),
            });
            let last = state.epoch_step == state.epoch_steps();
            if last || state.step.is_multiple_of(LOG_EVERY) {
                log.write(&window.entry(schema, state, factor))?;
                window = Window::new(schema);
            }
            let due = state.checkpoint_every.is_some_and(|every| state.step.is_multiple_of(every));
            if due && !last {
                self.save(learner, state)?;
            }
        }
        if state.epoch_step < state.epoch_steps() {
            return Err(Error::data(
                "the data",
                "it holds fewer rows than the first pass over it found",
                "let the files alone while a run reads them, then start again",
            ));
        }
        state.epoch += 1;
        state.epoch_step = 0;
        self.save(learner, state)
    }

    fn save(&self, learner: &mut dyn Learner, state: &State) -> Result<()> {
        let exported = learner.export()?;
        checkpoint::save_checkpoint(
            &self.folder.checkpoint(state.step),
            self.dataset.schema(),
            self.vocabularies,
            exported.model,
            &exported.optimiser,
            state,
        )?;
        self.folder.prune()
    }

    /// The error of a run whose step failed.
    fn stopped(&self, state: &State, batch: &Batch, error: StepError) -> Error {
        let cause = match error {
            StepError::Other(error) => return error,
            StepError::Loss { task, value } => {
                let name = self.dataset.schema().tasks.get(task).map_or("?", |task| task.name);
                format!("the loss of task `{name}` is {value}")
            }
            StepError::Gradient { norm } => format!("the norm of the gradients is {norm}"),
        };
        let first = state.epoch_step * state.training.batch as u64 + 1;
        let place = format!(
            "step {} (epoch {}, batch {}, rows {} to {} in the epoch's order)",
            grouped(state.step + 1),
            state.epoch + 1,
            grouped(state.epoch_step + 1),
            grouped(first),
            grouped(first + batch.rows.saturating_sub(1) as u64),
        );
        let checkpoint = match self.folder.latest() {
            Ok(Some(path)) => format!("the last good checkpoint is {}", shown(&path)),
            Ok(None) | Err(_) => "there is no checkpoint yet".to_owned(),
        };
        Error::run(
            place,
            format!("{cause}; {checkpoint}"),
            "lower the learning rates or the clip in the spec's `training`, and look at the inputs' range",
        )
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn scan(state: &State) -> Scan {
    let training = &state.training;
    Scan {
        parts: state.parts(),
        batch: training.batch,
        shuffle: Some(Shuffle {
            seed: training.seed,
            epoch: state.epoch,
            buffer: training.shuffle,
        }),
        skip: state.epoch_step * training.batch as u64,
    }
}

/// Losses since the last line of the metrics.
struct Window {
    rows: u64,
    /// By task: rows and the sum of their KL.
    tasks: Vec<(f64, f64)>,
    norm: f64,
}

impl Window {
    fn new(schema: &Schema) -> Self {
        Self { rows: 0, tasks: vec![(0.0, 0.0); schema.tasks.len()], norm: 0.0 }
    }

    fn add(&mut self, batch: &Batch, report: &StepReport) {
        self.rows += batch.rows as u64;
        self.norm = report.norm;
        for ((rows, sum), task) in self.tasks.iter_mut().zip(&report.tasks) {
            if let Some((count, mean)) = task {
                *rows += *count as f64;
                *sum += *count as f64 * mean;
            }
        }
    }

    /// Mean KL by task; `None` without a valid row.
    fn means(&self) -> impl Iterator<Item = Option<f64>> {
        self.tasks.iter().map(|&(rows, sum)| (rows > 0.0).then(|| sum / rows))
    }

    fn loss(&self, schema: &Schema) -> f64 {
        let means = schema.tasks.iter().zip(self.means());
        means.map(|(task, mean)| task.weight * mean.unwrap_or(0.0)).sum()
    }

    fn text(&self, schema: &Schema) -> String {
        let tasks = schema.tasks.iter().zip(self.means());
        let tasks: Vec<String> = tasks
            .filter_map(|(task, mean)| Some(format!("{} {:.4}", task.name, mean?)))
            .collect();
        format!("loss {:.4} ({})", self.loss(schema), tasks.join(", "))
    }

    fn entry(&self, schema: &Schema, state: &State, factor: f64) -> Value {
        let tasks = schema.tasks.iter().zip(self.means());
        let tasks: Map<String, Value> =
            tasks.map(|(task, mean)| (task.name.to_owned(), json!(mean))).collect();
        json!({
            "kind": "train", "step": state.step, "epoch": state.epoch + 1, "rows": self.rows,
            "loss": self.loss(schema), "tasks": tasks, "rate": factor, "gradient_norm": self.norm,
        })
    }
}

/// The figures over all cells, by task.
fn overall(report: &Report) -> Map<String, Value> {
    report.tasks.iter().map(|task| (task.task.clone(), json!(task.all))).collect()
}
