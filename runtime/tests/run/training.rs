//! The loop learns, and stops where it must.

use std::fs;

use mtmd::data::batch::{Batch, Column};
use mtmd::data::{Parts, Scan, Shuffle};
use mtmd::schema::{AdamW, Embeddings, Training};
use mtmd::training::{State, Trainer, checkpoint};
use serde_json::Value;

use crate::child::train;
use crate::rows;
use crate::sample::{SAMPLE, model};
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

#[test]
fn max_rows_cuts_an_epoch() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (root.path().join("rows.parquet"), root.path().join("run"));
    rows::write(&data, 2_000);
    train(&data, &out, &["--max-rows", "100", "--epochs", "2"]);
    // Two epochs of two batches.
    assert!(out.join("checkpoints/step-0000000004/state.json").exists());
}

/// A new trainer whose table row of a user, the first of the rows in the order of the first epoch, is
/// not a number; with it the step that comes to this row first, and the rows of its batch that have it.
fn poisoned(setting: &Setting, state: &State, batch: usize) -> (Trainer, Vec<u64>) {
    let scan = Scan {
        parts: Parts::TRAIN,
        batch: state.training.batch,
        shuffle: Some(Shuffle {
            seed: state.training.seed,
            epoch: 0,
            buffer: state.training.shuffle,
        }),
        skip: 0,
    };
    let batches = setting.batches(scan);
    let users = |batch: &Batch| match &batch.query.columns[1] {
        Column::Ids(ids) => ids.clone(),
        other => panic!("users are ids, not {other:?}"),
    };
    let before: Vec<u32> = batches[..batch].iter().flat_map(users).collect();
    let here = users(&batches[batch]);
    let user = *here
        .iter()
        .find(|user| !before.contains(user))
        .expect("a user whom no batch before has");
    let places = here.iter().zip(&batches[batch].query.order);
    let rows = places.filter(|(other, _)| **other == user);
    let mut rows: Vec<u64> = rows
        .map(|(_, row)| batches[batch].origins[*row as usize].row)
        .collect();
    rows.sort_unstable();
    let mut trainer = Trainer::new(model(), &state.training, state.precision);
    let mut targets = trainer.targets();
    let table = targets.get_mut("tables.user_id.weight").expect("a table");
    table.values[table.start + user as usize * table.stride] = f32::NAN;
    drop(targets);
    (trainer, rows)
}

#[test]
fn a_loss_that_is_not_finite_stops_the_run_and_names_its_rows() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("rows.parquet");
    rows::write_users(&data, 2_000, 400);
    let setting = Setting::new(&SAMPLE, &data, &root.path().join("run"));
    let mut state = setting.state();
    state.training.course.checkpoint_every = Some(5);
    let (fit, folder) = (setting.fit(false), &setting.folder);
    let (mut trainer, rows) = poisoned(&setting, &state, 7);
    let error = fit
        .run(&mut trainer, &mut state)
        .expect_err("the loss is NaN");
    assert_eq!(error.exit_code(), 3);
    let message = error.to_string();
    for part in [
        "step 8",
        "epoch 1",
        "batch 8",
        "the loss of task `ctr` is NaN",
        "the model has no finite score for row",
        &rows[0].to_string(),
        "rows.parquet",
        "step-0000000005",
        "mend these rows if they are wrong",
    ] {
        assert!(message.contains(part), "no {part:?} in\n{message}");
    }
    assert_eq!(folder.latest().unwrap(), Some(folder.checkpoint(5)));
    assert_eq!(state.step, 7, "the step was not made");
}

/// Days 1 to 3 are in one file, 4 and 5 in another, whose pages are damaged for a while.
#[test]
fn an_error_in_a_validation_keeps_what_was_trained() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    fs::create_dir(&data).unwrap();
    rows::write(&data.join("all.parquet"), 1_500);
    let later = data.join("later.parquet");
    rows::split(&data.join("all.parquet"), &later, 900);
    let setting = Setting::new(&SAMPLE, &data, &root.path().join("run"));
    let sound = fs::read(&later).unwrap();
    let mut damaged = sound.clone();
    // Behind the magic number, before the footer.
    damaged[4..sound.len() / 2].fill(0xFF);
    fs::write(&later, damaged).unwrap();
    let mut state = setting.state();
    let (fit, folder) = (setting.fit(true), &setting.folder);
    let mut trainer = Trainer::new(model(), &state.training, state.precision);
    let error = fit.run(&mut trainer, &mut state).expect_err("damaged");
    assert!(error.to_string().contains("later.parquet"), "{error}");
    let (last, _) = folder.resume_from().expect("a checkpoint");
    assert_eq!(last, folder.checkpoint(state.epoch_steps()));

    // It continues with the validation.
    fs::write(&later, sound).unwrap();
    let (optimiser, mut state) = checkpoint::load_progress(&last, &SAMPLE).unwrap();
    let (weights, _) = checkpoint::load_model(&last, &SAMPLE).unwrap();
    assert!(state.validation_due && state.validations == 0);
    let (training, precision) = (&state.training, state.precision);
    let mut trainer = Trainer::resume(model(), training, precision, weights, optimiser).unwrap();
    fit.run(&mut trainer, &mut state).unwrap();
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
    let mut trainer = Trainer::new(model(), &state.training, state.precision);
    let error = fit
        .run(&mut trainer, &mut state)
        .expect_err("it cannot stay finite");
    assert_eq!(error.exit_code(), 3);
    assert!(
        error.to_string().contains("there is no checkpoint yet"),
        "{error}"
    );
}
