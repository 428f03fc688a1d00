//! The loop learns, and stops where it must.

use std::fs;
use std::sync::Arc;

use arrow::array::{AsArray, Float64Array};
use arrow::datatypes::{Float64Type, Int64Type};
use burn::tensor::Device;
use mtmd::data::batch::Batch;
use mtmd::error::{Error, Result};
use mtmd::evaluation::TaskPredictions;
use mtmd::schema::{AdamW, Embeddings, Training};
use mtmd::training::{Exported, Learner, ModelLearner, StepError, StepReport, checkpoint};
use mtmd::weights::{Loading, Weights};
use serde_json::Value;

use crate::child::train;
use crate::rows;
use crate::sample::{SAMPLE, Sample};
use crate::setting::Setting;

#[test]
fn the_sample_learns_the_planted_signal() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (root.path().join("rows.parquet"), root.path().join("run"));
    rows::write(&data, 8_000);
    let shown = train(&data, &out, &[]);
    for part in [
        "4800 of 4800 rows used",
        "task buy:",
        "vocabularies: ad_id 30",
        "ctr: trained on hw_ctr",
    ] {
        assert!(shown.contains(part), "no {part:?} in\n{shown}");
    }

    let report: Value =
        serde_json::from_slice(&fs::read(out.join("evaluation.json")).unwrap()).unwrap();
    assert_eq!(report["part"], "test");
    assert_eq!(report["rows"], 1600);
    let [ctr, buy] = [&report["tasks"][0]["all"], &report["tasks"][1]["all"]];
    let figure = |value: &Value| value.as_f64().unwrap();
    // The scores themselves reach an AUC of about 0.80 on these rows.
    assert!(figure(&ctr["auc"]) > 0.76, "{ctr}");
    assert!(figure(&ctr["kl"]) < 0.03, "{ctr}");
    assert!((figure(&ctr["calibration"]) - 1.0).abs() < 0.1, "{ctr}");
    assert!(figure(&buy["auc"]) > 0.65, "{buy}");
    assert_eq!(buy["log_mae"], Value::Null);
    assert_eq!(report["tasks"][0]["cells"].as_array().unwrap().len(), 4);
    assert_eq!(report["tasks"][1]["cells"].as_array().unwrap().len(), 2);

    let metrics = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    let entries: Vec<Value> = metrics
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let kinds = |kind: &str| entries.iter().filter(|entry| entry["kind"] == kind).count();
    assert_eq!(kinds("validate"), 3);
    assert!(kinds("train") >= 225 / 20);
    let losses: Vec<f64> = entries
        .iter()
        .filter(|e| e["kind"] == "validate")
        .map(|e| figure(&e["loss"]))
        .collect();
    assert!(losses[2] < losses[0], "{losses:?}");
    for file in ["model.safetensors", "vocabulary.json", "graph.yaml"] {
        assert!(out.join("model").join(file).exists());
    }
}

#[test]
fn refit_trains_on_the_validation_rows_too() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (root.path().join("rows.parquet"), root.path().join("run"));
    rows::write(&data, 1_000);
    let shown = train(&data, &out, &["--refit", "--epochs", "1", "--quiet"]);
    assert!(
        shown.contains("800 of 800 rows used (train and validate)"),
        "{shown}"
    );
    assert!(
        !fs::read_to_string(out.join("metrics.jsonl"))
            .unwrap()
            .contains("\"validate\"")
    );
}

/// What a rare domain's BatchNorm would need hundreds of batches for.
#[test]
fn running_statistics_start_from_the_training_rows() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (root.path().join("rows.parquet"), root.path().join("run"));
    rows::write(&data, 1_000);
    let mut seen: Vec<f64> = Vec::new();
    rows::replace(&data, "age", |batch| {
        let ints = |name| batch[name].as_primitive::<Int64Type>();
        let (day, surface) = (ints("day"), ints("surface"));
        let ages = batch["age"].as_primitive::<Float64Type>();
        let ages: Float64Array = ages.unary(|age| 1_000.0 + age);
        let trains = |row: &usize| surface.value(*row) == 1 && day.value(*row) <= 3;
        seen = (0..ages.len())
            .filter(trains)
            .map(|row| ages.value(row))
            .collect();
        Arc::new(ages)
    });
    train(&data, &out, &["--epochs", "0", "--quiet"]);
    let weights = Weights::open(&out.join("model/model.safetensors")).unwrap();
    let statistic = |name: &str| {
        let key = format!("query.search.adapt.norm.running_{name}");
        f64::from(weights.arrays[&key].values[0])
    };
    let mean = seen.iter().sum::<f64>() / seen.len() as f64;
    let squares: f64 = seen.iter().map(|age| (age - mean).powi(2)).sum();
    let variance = squares / (seen.len() - 1) as f64;
    assert!(
        (statistic("mean") - mean).abs() < 1e-3,
        "{} {mean}",
        statistic("mean")
    );
    assert!(
        (statistic("var") - variance).abs() < 1e-5,
        "{} {variance}",
        statistic("var")
    );
}

#[test]
fn max_rows_cuts_an_epoch() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (root.path().join("rows.parquet"), root.path().join("run"));
    rows::write(&data, 2_000);
    train(&data, &out, &["--max-rows", "100", "--epochs", "2"]);
    // Two epochs of two batches.
    assert!(out.join("checkpoints/step-0000000004/state.json").exists());
}

/// The sample's learner, with a fault at one step.
pub struct Faulty {
    inner: ModelLearner<Sample>,
    steps: u64,
    at: u64,
    fault: fn() -> StepError,
    /// Whether it can score.
    scores: bool,
}

impl Faulty {
    pub fn new(training: &Training, at: u64, fault: fn() -> StepError) -> Self {
        Self {
            inner: ModelLearner::new(training, &Device::flex()),
            steps: 0,
            at,
            fault,
            scores: true,
        }
    }
}

impl Learner for Faulty {
    fn step(&mut self, batch: &Batch, factor: f64) -> std::result::Result<StepReport, StepError> {
        self.steps += 1;
        if self.steps == self.at {
            Err((self.fault)())
        } else {
            self.inner.step(batch, factor)
        }
    }
    fn score(&self, batch: &Batch) -> Result<Vec<TaskPredictions>> {
        match self.scores {
            true => self.inner.score(batch),
            false => Err(Error::run("the test", "no scores", "go on")),
        }
    }
    fn set(&mut self, values: Weights) -> Result<()> {
        self.inner.set(values)
    }
    fn export(&mut self) -> Result<Exported<'_>> {
        self.inner.export()
    }
    fn import(&mut self, model: Loading, optimiser: Option<Loading>) -> Result<()> {
        self.inner.import(model, optimiser)
    }
    fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        self.inner.parameters()
    }
}

#[test]
fn a_loss_that_is_not_finite_stops_the_run_and_leaves_the_last_checkpoint() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("rows.parquet");
    rows::write(&data, 2_000);
    let setting = Setting::new(&SAMPLE, &data, &root.path().join("run"));
    let mut state = setting.state();
    state.training.course.checkpoint_every = Some(5);
    let (fit, folder) = (setting.fit(false), &setting.folder);
    let mut learner = Faulty::new(&state.training, 24, || StepError::Loss {
        task: 1,
        value: f64::NAN,
    });
    let error = fit
        .run(&mut learner, &mut state)
        .expect_err("the loss is NaN");
    assert_eq!(error.exit_code(), 3);
    let message = error.to_string();
    // 1,200 rows are 19 batches of 64: step 24 is batch 5 of the second epoch.
    for part in [
        "step 24",
        "epoch 2",
        "batch 5",
        "the batch is rows ",
        "rows.parquet",
        "task `buy` is NaN",
        "step-0000000020",
    ] {
        assert!(message.contains(part), "no {part:?} in\n{message}");
    }
    assert_eq!(folder.latest().unwrap(), Some(folder.checkpoint(20)));
}

#[test]
fn an_error_in_a_validation_keeps_what_was_trained() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("rows.parquet");
    rows::write(&data, 1_500);
    let setting = Setting::new(&SAMPLE, &data, &root.path().join("run"));
    let mut state = setting.state();
    let (fit, folder) = (setting.fit(true), &setting.folder);
    let never = || StepError::Gradient { norm: f64::NAN };
    let mut learner = Faulty::new(&state.training, 0, never);
    learner.scores = false;
    let error = fit.run(&mut learner, &mut state).expect_err("no scores");
    assert!(error.to_string().contains("no scores"), "{error}");
    let (last, _) = folder.resume_from().expect("a checkpoint");
    assert_eq!(last, folder.checkpoint(state.epoch_steps()));

    // It goes on with the validation.
    let (_, mut state) = checkpoint::load_progress(&last, &SAMPLE).unwrap();
    assert!(state.validation_due && state.validations == 0);
    learner.scores = true;
    fit.run(&mut learner, &mut state).unwrap();
    assert_eq!(state.validations, SAMPLE.training.epochs as u64);
}

#[test]
fn a_learning_rate_beyond_reason_is_told_and_not_trained_on() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("rows.parquet");
    rows::write(&data, 2_000);
    let setting = Setting::new(&SAMPLE, &data, &root.path().join("run"));
    let beyond = AdamW {
        lr: 1e30,
        weight_decay: 0.0,
    };
    let training = Training {
        dense: beyond,
        embeddings: Embeddings {
            lr: beyond.lr,
            weight_decay: beyond.weight_decay,
            ..SAMPLE.training.embeddings
        },
        warmup: 0.0,
        ..SAMPLE.training.clone()
    };
    let mut state = setting.state();
    state.training = training;
    let fit = setting.fit(false);
    let mut learner = ModelLearner::<Sample>::new(&state.training, &Device::flex());
    let error = fit
        .run(&mut learner, &mut state)
        .expect_err("it cannot stay finite");
    assert_eq!(error.exit_code(), 3);
    assert!(
        error.to_string().contains("there is no checkpoint yet"),
        "{error}"
    );
}

/// A learner whose step fails, and which has no finite score for one row.
struct Blind {
    inner: Faulty,
    row: u64,
}

impl Learner for Blind {
    fn step(&mut self, batch: &Batch, factor: f64) -> std::result::Result<StepReport, StepError> {
        // The batch with the row is the one that fails.
        if batch.origins.iter().any(|origin| origin.row == self.row) {
            self.inner.at = self.inner.steps + 1;
        }
        self.inner.step(batch, factor)
    }
    fn score(&self, batch: &Batch) -> Result<Vec<TaskPredictions>> {
        let mut scores = self.inner.score(batch)?;
        let blind = |row: &u32| batch.origins[*row as usize].row == self.row;
        for task in &mut scores {
            if let Some(place) = task.rows.iter().position(blind) {
                task.lp[place] = f32::NAN;
            }
        }
        Ok(scores)
    }
    fn set(&mut self, values: Weights) -> Result<()> {
        self.inner.set(values)
    }
    fn export(&mut self) -> Result<Exported<'_>> {
        self.inner.export()
    }
    fn import(&mut self, model: Loading, optimiser: Option<Loading>) -> Result<()> {
        self.inner.import(model, optimiser)
    }
    fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        self.inner.parameters()
    }
}

#[test]
fn a_row_that_has_no_finite_score_is_named() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("rows.parquet");
    rows::write(&data, 2_000);
    let setting = Setting::new(&SAMPLE, &data, &root.path().join("run"));
    let mut state = setting.state();
    let fit = setting.fit(false);
    let fault = || StepError::Gradient { norm: f64::NAN };
    let mut learner = Blind {
        inner: Faulty::new(&state.training, u64::MAX, fault),
        row: 301,
    };
    let error = fit.run(&mut learner, &mut state).expect_err("it is NaN");
    let message = error.to_string();
    for part in [
        "the norm of the gradients is NaN",
        "the model has no finite score for row 301 of ",
        "rows.parquet",
        "there is no checkpoint yet",
        "mend these rows if they are wrong",
    ] {
        assert!(message.contains(part), "no {part:?} in\n{message}");
    }
}
