//! What a checkpoint knows beside weights.

use serde::{Deserialize, Serialize};

use crate::data::{Dataset, Parts, Statistics};
use crate::schema::Precision;
use crate::schema::{Metric, Schema, Select, Training};

/// Version of the checkpoint's layout.
pub const FORMAT: u32 = 5;

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
    /// Whether the validation after `step` is still to come.
    pub validation_due: bool,
    /// Validations so far.
    pub validations: u64,
    /// Validations in a row that were no improvement.
    pub stale: u64,
    /// Whether an early stop ended the run.
    pub stopped: bool,
    /// The best validation so far.
    pub best: Option<Best>,
    /// The files that it trains on.
    pub files: Files,
    /// Hyperparameters in force: the spec's, with what the command line changed.
    pub training: Training,
    /// Of the products of a step.
    pub precision: Precision,
    /// Counts and means of the training rows.
    pub statistics: Statistics,
}

impl State {
    /// The state before the first step, without limits, in float32.
    pub fn new(
        schema: &Schema,
        training: Training,
        refit: bool,
        files: Files,
        statistics: Statistics,
    ) -> Self {
        Self {
            format: FORMAT,
            model: schema.name.to_string(),
            step: 0,
            epoch: 0,
            epoch_step: 0,
            refit,
            max_rows: None,
            validation_due: false,
            validations: 0,
            stale: 0,
            stopped: false,
            best: None,
            files,
            training,
            precision: Precision::DEFAULT,
            statistics,
        }
    }

    /// Parts of the data that train.
    pub fn parts(&self) -> Parts {
        if self.refit {
            Parts::TRAIN | Parts::VALIDATE
        } else {
            Parts::TRAIN
        }
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

    /// Whether every epoch is done, or an early stop ended the run.
    pub fn is_done(&self) -> bool {
        self.stopped || self.epoch >= self.training.epochs as u64
    }

    /// The epoch of the last step, from 1.
    pub fn epoch_now(&self) -> u64 {
        self.epoch + u64::from(self.epoch_step > 0)
    }

    /// Counts a step.
    pub fn advance(&mut self) {
        self.step += 1;
        self.epoch_step += 1;
        if self.epoch_step == self.epoch_steps() {
            self.epoch += 1;
            self.epoch_step = 0;
        }
    }

    /// Takes note of a validation: of the figure that chooses the model, the loss without a `select`. Returns whether
    /// it is the best so far. One without the figure, or with one that is not finite, is no improvement;
    /// as long as none had the figure, an early stop has nothing to go by, and counts nothing.
    pub fn judge(&mut self, figure: Option<f64>, select: Option<&Select>) -> bool {
        let rises = select.is_some_and(|select| select.metric == Metric::Auc);
        let gain = |new: f64, old: f64| if rises { new - old } else { old - new };
        self.validations += 1;
        if figure.is_none() && self.best.is_none() {
            return false;
        }
        self.stale += 1;
        let Some(value) = figure.filter(|value| value.is_finite()) else {
            self.stop_if_stale();
            return false;
        };
        let min_delta = self.training.course.min_delta;
        let best = self.best.as_ref();
        let improves = best.is_none_or(|best| gain(value, best.mark) > min_delta);
        let is_best = best.is_none_or(|best| gain(value, best.value) > 0.0);
        let mark = best.filter(|_| !improves).map_or(value, |best| best.mark);
        if improves {
            self.stale = 0;
        }
        if is_best {
            self.best = Some(Best {
                step: self.step,
                epoch: self.epoch_now(),
                value,
                mark,
            });
        }
        self.stop_if_stale();
        is_best
    }

    fn stop_if_stale(&mut self) {
        let patience = self.training.course.patience;
        self.stopped = patience.is_some_and(|patience| self.stale >= patience);
    }
}

/// What is known of the files of a data set, wherever they lie.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// Rows of all, usable or not.
    pub rows: u64,
    /// A fingerprint of each, in their order.
    pub fingerprints: Vec<String>,
}

impl Files {
    /// Those of a data set.
    pub fn of(dataset: &Dataset) -> Self {
        let fingerprints = dataset.fingerprints();
        Self {
            rows: dataset.rows(),
            fingerprints: fingerprints.map(|print| format!("{print:032x}")).collect(),
        }
    }
}

/// The best validation of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Steps done then; the checkpoint of that step is kept.
    pub step: u64,
    /// The epoch of that step, from 1.
    pub epoch: u64,
    /// The figure that chooses the model.
    #[serde(with = "crate::vocab::exact")]
    pub value: f64,
    /// The last figure that was better than the one before it by enough for an early stop to wait on.
    #[serde(with = "crate::vocab::exact")]
    pub mark: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Course, DomainSet, TaskId};
    use crate::vocab::NumberStatistics;

    fn state(course: Course) -> State {
        State {
            format: FORMAT,
            model: String::new(),
            step: 0,
            epoch: 0,
            epoch_step: 0,
            refit: false,
            max_rows: None,
            validation_due: false,
            validations: 0,
            stale: 0,
            stopped: false,
            best: None,
            files: Files::default(),
            training: Training {
                course,
                ..Training::DEFAULT
            },
            precision: Precision::DEFAULT,
            statistics: Statistics {
                cells: Vec::new(),
                tasks: Vec::new(),
                numbers: NumberStatistics::default(),
            },
        }
    }

    /// Judges figures; returns the places of those that were the best so far, and where the run stopped.
    fn judged(
        patience: u64,
        min_delta: f64,
        metric: Metric,
        figures: &[Option<f64>],
    ) -> (Vec<usize>, Option<usize>) {
        let select = Select {
            metric,
            task: TaskId(0),
            surfaces: DomainSet::all(0),
            products: DomainSet::all(0),
        };
        let mut state = state(Course {
            patience: Some(patience),
            min_delta,
            ..Course::DEFAULT
        });
        let mut best = Vec::new();
        for (place, value) in figures.iter().enumerate() {
            state.step += 1;
            if state.judge(*value, Some(&select)) {
                best.push(place);
                assert_eq!(state.best.as_ref().map(|best| best.step), Some(state.step));
            }
            if state.stopped {
                return (best, Some(place));
            }
        }
        (best, None)
    }

    #[test]
    fn the_best_is_the_lowest_or_of_auc_the_highest() {
        let figures = [3.0, 1.0, 2.0, 0.5].map(Some);
        assert_eq!(judged(9, 0.0, Metric::Kl, &figures), (vec![0, 1, 3], None));
        assert_eq!(judged(9, 0.0, Metric::Auc, &figures), (vec![0], None));
    }

    #[test]
    fn equal_figures_and_none_at_all_are_no_improvement() {
        let figures = [Some(1.0), Some(1.0), None, Some(f64::NAN)];
        assert_eq!(judged(3, 0.0, Metric::Kl, &figures), (vec![0], Some(3)));
    }

    #[test]
    fn a_run_without_a_figure_goes_on_to_its_end() {
        assert_eq!(judged(1, 0.0, Metric::Kl, &[None; 5]), (vec![], None));
        let figures = [None, None, Some(1.0), None, None];
        assert_eq!(judged(2, 0.0, Metric::Kl, &figures), (vec![2], Some(4)));
    }

    #[test]
    fn small_steps_add_up_to_an_improvement_and_each_is_the_best() {
        // From the mark 1.0: 0.95, 0.90 and 0.85 are better, but only the last one by more than 0.12.
        let figures = [1.0, 0.95, 0.90, 0.85, 0.84, 0.83, 0.82].map(Some);
        let (best, stopped) = judged(3, 0.12, Metric::Kl, &figures);
        assert_eq!((best.len(), stopped), (7, Some(6)));
    }

    #[test]
    fn the_best_goes_through_json_to_the_bit() {
        let mut before = state(Course::DEFAULT);
        before.judge(Some(0.1 + 0.2), None);
        before.judge(Some(f64::from_bits(0x3FB9_9999_9999_999B)), None);
        let text = serde_json::to_string(&before).expect("text");
        let after: State = serde_json::from_str(&text).expect("a state");
        assert_eq!(before, after);
    }
}
