//! The training loop.

use std::sync::Arc;
use std::time::Instant;

use mtmd_schema::TaskId;

use super::batch::TrainingBatch;
use super::begun::Begun;
use super::checkpoint;
use super::interrupt::Interrupt;
use super::monitor::Monitor;
use super::run_folder::RunFolder;
use super::schedule::Schedule;
use super::state::State;
use super::step::StepError;
use super::trainer::Trainer;
use super::window::Window;
use crate::bug::{bug, zip_equal};
use crate::data::{Batches, Origin, RowReader, Scan, Shuffle};
use crate::error::{Error, Result};
use crate::evaluation::grouped;
use crate::profile::{Counter, Part, Recorder, Timeline};
use crate::schema::Select;
use crate::score::{Scorer, ScoringBatch, validate};
use crate::vocab::Vocabularies;

/// Steps between two lines of the metrics.
const LOG_EVERY: u64 = 20;

/// What a training run works on.
pub struct Fit<'a> {
    /// The data, checked.
    pub reader: &'a RowReader,
    /// How raw values find their rows.
    pub vocabularies: &'a Arc<Vocabularies>,
    /// Where checkpoints and metrics go.
    pub folder: &'a RunFolder,
    /// Whether there are rows that validate.
    pub validate: bool,
    /// Shows no progress.
    pub quiet: bool,
    /// Records where the time of steps goes.
    pub recorder: Option<&'a Recorder>,
    /// What may ask the run to stop.
    pub interrupt: &'a Interrupt,
}

/// A step that was begun and not looked at yet.
struct Underway {
    begun: Begun,
    place: Place,
    batch: TrainingBatch,
}

/// Steps, epochs and steps of the epoch before a step.
#[derive(Clone, Copy)]
struct Place {
    step: u64,
    epoch: u64,
    batch: u64,
}

impl Place {
    fn of(state: &State) -> Self {
        Self {
            step: state.step,
            epoch: state.epoch,
            batch: state.epoch_step,
        }
    }

    fn restore(self, state: &mut State) {
        (state.step, state.epoch, state.epoch_step) = (self.step, self.epoch, self.batch);
    }
}

impl Fit<'_> {
    /// Trains from where `state` stands to the last epoch's end or an early stop, with a validation and a checkpoint
    /// after every epoch and where the course says so.
    ///
    /// # Errors
    /// A loss or gradient that is not finite, errors of the data, what the system refuses, and a signal, after a
    /// checkpoint. The checkpoints written so far are whole in every case.
    pub fn run(&self, trainer: &mut Trainer, state: &mut State) -> Result<()> {
        let mut monitor = Monitor::open(self.folder, state, self.quiet)?;
        if state.validation_due {
            self.pause(trainer, state, &mut monitor, true)?;
        }
        while !state.is_done() {
            self.epoch(trainer, state, &mut monitor)?;
        }
        monitor.finish();
        Ok(())
    }

    /// The rest of an epoch.
    fn epoch(&self, trainer: &mut Trainer, state: &mut State, monitor: &mut Monitor) -> Result<()> {
        let schema = self.reader.schema();
        let schedule = Schedule::new(&state.training, state.total_steps());
        let mut window = Window::new(schema);
        let mut batches = self.batches(trainer, state)?;
        let mut underway: Option<Underway> = None;
        let mut lap = Instant::now();
        loop {
            let mut timeline = self.recorder.map(Recorder::timeline);
            let batch = batches.next().unwrap_or_else(|| Err(too_few_rows()));
            if let Some(timeline) = &mut timeline {
                let loader = timeline.recorder().part(Part::Loader);
                timeline.lap(loader, 0);
            }
            if batch.is_err()
                && let Some(last) = underway.take()
            {
                self.finished(trainer, state, last, (&mut window, &mut lap))?;
            }
            let batch = self.rescued(trainer, state, monitor, batch)?;
            let rows = batch.batch.rows;
            let factor = schedule.factor(state.step);
            let this = Underway {
                begun: trainer.begin(&batch, factor),
                place: Place::of(state),
                batch,
            };
            state.advance();
            // A device is asked how a step went when the next one is on its way.
            if let Some(last) = underway.take() {
                self.finished(trainer, state, last, (&mut window, &mut lap))?;
            }
            let ended = state.epoch_step == 0;
            let course = &state.training.course;
            let due =
                |every: Option<u64>| every.is_some_and(|every| state.step.is_multiple_of(every));
            let (validates, saves) = (due(course.validate_every), due(course.checkpoint_every));
            state.validation_due = self.validate && (ended || validates);
            let pauses =
                ended || state.validation_due || saves || self.interrupt.signal().is_some();
            // A run that goes on from a checkpoint knows nothing of the steps before it.
            let logs = pauses || state.step.is_multiple_of(LOG_EVERY);
            if logs || this.begun.is_made() {
                self.finished(trainer, state, this, (&mut window, &mut lap))?;
            } else {
                underway = Some(this);
            }
            monitor.tick(state, rows, &window);
            if logs {
                monitor.trained(state, &window, factor)?;
                window = Window::new(schema);
            }
            if let Some(timeline) = timeline {
                end_step(timeline, rows);
            }
            if pauses {
                self.pause(trainer, state, monitor, ended || saves)?;
                lap = Instant::now();
            }
            if ended || state.is_done() {
                return Ok(());
            }
        }
    }

    /// Waits for a step, and adds what it found.
    fn finished(
        &self,
        trainer: &mut Trainer,
        state: &mut State,
        step: Underway,
        (window, lap): (&mut Window, &mut Instant),
    ) -> Result<()> {
        let Underway {
            begun,
            place,
            batch,
        } = step;
        match begun.finish(&batch) {
            Ok(report) => {
                window.add(&batch.batch, &report, lap.elapsed());
                *lap = Instant::now();
                Ok(())
            }
            Err(error) => {
                // Neither this step was made nor one that was begun after it.
                place.restore(state);
                Err(self.stopped(trainer, place, batch, error))
            }
        }
    }

    /// The rest of an epoch's batches, made ready for their steps.
    fn batches(&self, trainer: &Trainer, state: &State) -> Result<Batches<TrainingBatch>> {
        let preparation = trainer.preparation();
        self.reader
            .prepared(self.vocabularies, scan(state), move |batch| {
                preparation.prepare(batch)
            })
    }

    /// What happens between two steps: a validation that is due, and a checkpoint, if `save` says so, the model is
    /// the best so far, or the run ends here.
    fn pause(
        &self,
        trainer: &mut Trainer,
        state: &mut State,
        monitor: &mut Monitor,
        save: bool,
    ) -> Result<()> {
        trainer.bring_home();
        monitor.rest(|monitor| {
            let improved = state.validation_due && {
                let validated = self.validated(trainer, state, monitor);
                self.rescued(trainer, state, monitor, validated)?
            };
            let signal = self.interrupt.signal();
            if save || improved || state.is_done() || signal.is_some() {
                self.save(trainer, state)?;
            }
            let Some(signal) = signal else { return Ok(()) };
            Err(Error::interrupted(
                signal.name(),
                signal.exit_code(),
                format!(
                    "stopped after step {}, which {} holds",
                    grouped(state.step),
                    self.folder.checkpoint(state.step).display(),
                ),
            ))
        })
    }

    /// Scores the rows that validate; whether the model is the best so far. A signal leaves the validation due.
    fn validated(
        &self,
        trainer: &Trainer,
        state: &mut State,
        monitor: &mut Monitor,
    ) -> Result<bool> {
        let select = self.reader.schema().training.course.select.clone();
        let scored = validate(
            trainer.scorer(),
            self.reader,
            self.vocabularies,
            select.as_ref(),
            || self.interrupt.signal().is_some(),
        )?;
        let Some((report, figure)) = scored else {
            return Ok(false);
        };
        let improved = state.judge(figure, select.as_ref());
        if figure.is_none() && state.validations == 1 {
            monitor.warn(&self.without_figure(select.as_ref()));
        }
        state.validation_due = false;
        monitor.validated(state, &report)?;
        Ok(improved)
    }

    /// What a run without a figure to choose its model by is told.
    fn without_figure(&self, select: Option<&Select>) -> String {
        let lack = match select {
            None => "loss: none has a label of a task whose weight is above 0".to_owned(),
            Some(select) => {
                let task = &self.reader.schema().task(select.task).name;
                format!("figure of task `{task}` as `select` asks for it")
            }
        };
        format!(
            "the rows that validate give no {lack}; until they do, nothing chooses the model, which is that of the \
             last step, and nothing ends the training early"
        )
    }

    /// What fails beside the model leaves it as good as it was: it is saved before the error is told.
    fn rescued<T>(
        &self,
        trainer: &mut Trainer,
        state: &State,
        monitor: &Monitor,
        result: Result<T>,
    ) -> Result<T> {
        let path = self.folder.checkpoint(state.step);
        if result.is_err() && state.step > 0 && !path.exists() {
            // The first error is the one to tell.
            if self.save(trainer, state).is_ok() {
                monitor.warn(&format!(
                    "the run ends here; {} holds all of its {} steps, for `--resume`",
                    path.display(),
                    grouped(state.step),
                ));
            }
        }
        result
    }

    fn save(&self, trainer: &mut Trainer, state: &State) -> Result<()> {
        let exported = trainer.export();
        checkpoint::save_checkpoint(
            &self.folder.checkpoint(state.step),
            self.reader.schema(),
            self.vocabularies,
            exported,
            state,
        )?;
        let best = state.best.as_ref().map(|best| best.step);
        self.folder.prune(state.training.course.keep, best)
    }

    /// The error of a run whose step failed.
    fn stopped(
        &self,
        trainer: &mut Trainer,
        place: Place,
        batch: TrainingBatch,
        error: StepError,
    ) -> Error {
        trainer.bring_home();
        let (task, cause) = match error {
            StepError::Loss { task, value } => {
                let name = &self.reader.schema().task(task).name;
                (Some(task), format!("the loss of task `{name}` is {value}"))
            }
            StepError::Gradient { norm } => (None, format!("the norm of the gradients is {norm}")),
        };
        let place = format!(
            "step {} (epoch {}, batch {})",
            grouped(place.step + 1),
            place.epoch + 1,
            grouped(place.batch + 1),
        );
        let batch = ScoringBatch::new(trainer.scorer().plan(), batch.batch);
        let suspects = suspects(trainer.scorer(), &batch, task);
        let rows = match suspects.as_slice() {
            [] => format!(
                "the batch is {}",
                self.reader.describe(&batch.batch.origins)
            ),
            suspects => format!(
                "the model has no finite score for {}",
                self.reader.describe(suspects)
            ),
        };
        let (checkpoint, resume) = match self.folder.latest() {
            Ok(Some(path)) => (
                format!("the last good checkpoint is {}", path.display()),
                ", and go on by `--resume`",
            ),
            Ok(None) | Err(_) => ("there is no checkpoint yet".to_owned(), ""),
        };
        Error::run(
            place,
            format!("{cause}; {rows}; {checkpoint}"),
            format!(
                "mend these rows if they are wrong{resume}; or lower the learning rates or the clip in the spec's \
                 `training`, and train again"
            ),
        )
    }
}

/// The rows of a batch that the model, as it was before the step, has no finite score for; none if that is all of them:
/// then the rows are not what is wrong.
fn suspects(scorer: &Scorer, batch: &ScoringBatch, task: Option<TaskId>) -> Vec<Origin> {
    let scores = scorer.score(batch);
    let batch = &batch.batch;
    let chosen = scores
        .iter()
        .enumerate()
        .filter(|(index, _)| task.is_none_or(|task| task == TaskId(*index)));
    let mut rows: Vec<usize> = chosen
        .flat_map(|(_, scores)| zip_equal(&scores.rows, zip_equal(&scores.lp, &scores.lq)))
        .filter(|(_, (lp, lq))| !(lp.is_finite() && lq.is_finite()))
        .map(|(row, _)| *row as usize)
        .collect();
    rows.sort_unstable();
    rows.dedup();
    if rows.len() == batch.rows {
        return Vec::new();
    }
    let origin = |row: usize| match batch.origins.get(row) {
        Some(origin) => *origin,
        None => bug!("row {row} of {} that come from files", batch.origins.len()),
    };
    rows.into_iter().map(origin).collect()
}

/// Ends the step that a timeline began with.
fn end_step(timeline: Timeline<'_>, rows: usize) {
    let recorder = timeline.recorder();
    timeline.enclose(recorder.step(), rows);
    recorder.count(Counter::Rows, rows as u64);
    recorder.end_step();
}

fn too_few_rows() -> Error {
    Error::data(
        "the data",
        "it holds fewer rows than the first pass over it found",
        "let the files alone while a run reads them, then start again",
    )
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
