//! All that tells of a run while it goes on: progress for people, `metrics.jsonl`, and events for TensorBoard.

use serde_json::{Map, Value, json};

use super::events::Events;
use super::log::MetricsLog;
use super::progress::{Progress, Tick};
use super::run_folder::RunFolder;
use super::state::State;
use super::window::Window;
use crate::error::Result;
use crate::evaluation::{Metrics, Report, grouped};

/// Tells of a run.
pub struct Monitor {
    log: MetricsLog,
    events: Events,
    progress: Progress,
}

impl Monitor {
    /// Goes on where the run stands.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn open(folder: &RunFolder, state: &State, quiet: bool) -> Result<Self> {
        Ok(Self {
            log: MetricsLog::open(&folder.metrics(), state.step)?,
            events: Events::open(&folder.tensorboard(), state.step)?,
            progress: Progress::start(state.total_steps(), state.step, quiet),
        })
    }

    /// A step is done, of so many rows, the last one of the window.
    pub fn tick(&mut self, state: &State, rows: usize, window: &Window) {
        self.progress.tick(Tick {
            step: state.step,
            epoch: state.epoch_now(),
            epochs: state.training.epochs as u64,
            rows: rows as u64,
            losses: &|| window.text(),
        });
    }

    /// A window of steps is full.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn trained(&mut self, state: &State, window: &Window, factor: f64) -> Result<()> {
        self.log.write(&window.entry(state, factor))?;
        self.events
            .scalars(state.step, &window.scalars(state, factor))
    }

    /// The rows that validate have been scored, and judged in `state`.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn validated(&mut self, state: &State, report: &Report) -> Result<()> {
        let verdict = match (&state.best, state.stopped) {
            (_, true) => format!(
                "no improvement in {} validations: the training ends",
                state.stale
            ),
            (Some(best), _) if best.step == state.step => "the best so far".to_owned(),
            (Some(best), _) => format!("the best so far is that of step {}", grouped(best.step)),
            (None, _) => "without the figure that chooses the model".to_owned(),
        };
        self.progress.print(&format!(
            "validation after step {} of {} (epoch {} of {}): {verdict}\n{}{}",
            grouped(state.step),
            grouped(state.total_steps()),
            state.epoch_now(),
            state.training.epochs,
            report.summary(),
            report.grid().trim_end(),
        ));
        self.log.write(&json!({
            "kind": "validate", "step": state.step, "epoch": state.epoch_now(), "loss": report.loss,
            "best_step": state.best.as_ref().map(|best| best.step), "tasks": tasks(report, |task| json!(task.all)), "cells": tasks(report, |task| json!(task.cells)),
        }))?;
        self.events.scalars(state.step, &scalars(report))
    }

    /// Says what is not as it should be, and ends nothing.
    pub fn warn(&self, text: &str) {
        self.progress.warn(text);
    }

    /// Time goes by that trains nothing.
    pub fn rest<T>(&mut self, action: impl FnOnce(&mut Self) -> T) -> T {
        let began = std::time::Instant::now();
        let outcome = action(self);
        self.progress.rested(began.elapsed());
        outcome
    }

    /// Takes the bar away.
    pub fn finish(self) {
        self.progress.finish();
    }
}

fn tasks(
    report: &Report,
    value: impl Fn(&crate::evaluation::TaskReport) -> Value,
) -> Map<String, Value> {
    report
        .tasks
        .iter()
        .map(|task| (task.task.clone(), value(task)))
        .collect()
}

fn scalars(report: &Report) -> Vec<(String, f64)> {
    let loss = report.loss.map(|loss| ("validate/loss".to_owned(), loss));
    let mut scalars = Vec::from_iter(loss);
    let mut add = |place: String, metrics: &Metrics| {
        let figures = [
            ("kl", metrics.kl),
            ("log_mae", metrics.log_mae),
            ("auc", metrics.auc),
            ("calibration", metrics.calibration),
        ];
        let given = figures
            .iter()
            .filter_map(|(name, value)| Some((format!("{place}/{name}"), (*value)?)));
        scalars.extend(given);
    };
    for task in &report.tasks {
        add(format!("validate/{}", task.task), &task.all);
        for cell in &task.cells {
            let place = format!("cells/{}/{}.{}", task.task, cell.surface, cell.product);
            add(place, &cell.metrics);
        }
    }
    scalars
}
