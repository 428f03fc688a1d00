//! The loop learns, and stops where it must.

use std::fs;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{ArrayRef, Float64Array, Int64Array};
use mtmd::data::batch::{Batch, Column};
use mtmd::data::{Parts, Scan, Shuffle};
use mtmd::schema::{AdamW, Embeddings, Training};
use mtmd::training::{State, Trainer, checkpoint};
use serde_json::Value;

use crate::child::train;
use crate::rows;
use crate::sample::{SAMPLE, model};
use crate::setting::Setting;
use crate::weights::arrays;

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
    let weights = arrays(&out.join("model/model.safetensors"));
    let statistic = |name: &str| {
        let key = format!("query.search.adapt.norm.running_{name}");
        f64::from(weights[&key].1[0])
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
fn the_number_of_threads_changes_no_weight() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("rows.parquet");
    rows::write(&data, 2_000);
    let weights = |threads: &str| {
        let out = root.path().join(threads);
        train(
            &data,
            &out,
            &["--threads", threads, "--epochs", "1", "--quiet"],
        );
        fs::read(out.join("model/model.safetensors")).unwrap()
    };
    let one = weights("1");
    for threads in ["2", "5"] {
        assert!(weights(threads) == one, "{threads} threads");
    }
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

/// The batches of the first epoch.
fn first_epoch(setting: &Setting, state: &State) -> Vec<Batch> {
    setting.batches(Scan {
        parts: Parts::TRAIN,
        batch: state.training.batch,
        shuffle: Some(Shuffle {
            seed: state.training.seed,
            epoch: 0,
            buffer: state.training.shuffle,
        }),
        skip: 0,
    })
}

/// By place of the query tower: the user's row of the table, and the number of the row in its file.
fn users(batch: &Batch) -> impl Iterator<Item = (u32, u64)> {
    let Column::Ids(users) = &batch.query.columns[1] else {
        panic!("users are ids, not {:?}", batch.query.columns[1]);
    };
    let origin = |row: &u32| batch.origins[*row as usize].row;
    users
        .iter()
        .copied()
        .zip(batch.query.order.iter().map(origin))
}

/// A new trainer, whose table has a row for this user that is not a number.
fn poisoned(state: &State, user: u32) -> Trainer {
    let mut trainer = Trainer::new(model(), &state.training, state.precision);
    let mut targets = trainer.targets();
    let table = targets.get_mut("tables.user_id.weight").expect("a table");
    table.values[table.start + user as usize * table.stride] = f32::NAN;
    trainer
}

fn assert_names(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "no {part:?} in\n{message}");
    }
}

#[test]
fn a_loss_that_is_not_finite_stops_the_run_and_names_its_rows() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("rows.parquet");
    rows::write_users(&data, 2_000, 400);
    let setting = Setting::new(&SAMPLE, &data, &root.path().join("run"));
    let mut state = setting.state();
    state.training.course.checkpoint_every = Some(2);
    let (fit, folder) = (setting.fit(false), &setting.folder);
    let batches = first_epoch(&setting, &state);
    let before: Vec<u32> = batches[..3]
        .iter()
        .flat_map(users)
        .map(|(user, _)| user)
        .collect();
    let (user, row) = users(&batches[3])
        .find(|(user, _)| !before.contains(user))
        .expect("a user whom no batch before has");
    let mut trainer = poisoned(&state, user);
    let error = fit
        .run(&mut trainer, &mut state)
        .expect_err("the loss is NaN");
    assert_eq!(error.exit_code(), 3);
    let parts = [
        "step 4",
        "epoch 1",
        "batch 4",
        "the loss of task `ctr` is NaN",
        "the model has no finite score for row",
        &row.to_string(),
        "rows.parquet",
        "step-0000000002",
        "mend these rows if they are wrong",
    ];
    assert_names(&error.to_string(), &parts);
    assert_eq!(folder.latest().unwrap(), Some(folder.checkpoint(2)));
    assert_eq!(state.step, 3, "the step was not made");
}

/// A row without labels has no part in the loss, so that its score shows in the gradient alone.
#[test]
fn a_gradient_that_is_not_finite_stops_the_run_and_names_its_row() {
    const ROW: usize = 301;
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("rows.parquet");
    rows::write(&data, 2_000);
    for column in ["hw_ctr", "is_click", "is_buy"] {
        rows::replace(&data, column, |batch| {
            let absent = (0..batch.num_rows()).map(|row| Some(row == ROW));
            let absent = arrow_array::BooleanArray::from_iter(absent);
            arrow_select::nullif::nullif(&batch[column], &absent).unwrap()
        });
    }
    // Users are hashed: one that shares its row of the table with nobody.
    let found = (1_000..1_100).find_map(|id| {
        rows::replace(&data, "user_id", |batch| {
            let users = batch["user_id"].as_primitive::<Int64Type>();
            let users = (0..users.len()).map(|row| if row == ROW { id } else { users.value(row) });
            Arc::new(Int64Array::from_iter_values(users)) as ArrayRef
        });
        let out = root.path().join(format!("run-{id}"));
        let setting = Setting::new(&SAMPLE, &data, &out);
        let batches = first_epoch(&setting, &setting.state());
        let all: Vec<(u32, u64)> = batches.iter().flat_map(users).collect();
        let (user, _) = *all.iter().find(|(_, row)| *row == ROW as u64)?;
        let alone = all.iter().filter(|(other, _)| *other == user).count() == 1;
        alone.then_some((setting, user))
    });
    let (setting, user) = found.expect("a user with a row of the table alone");
    let mut state = setting.state();
    let mut trainer = poisoned(&state, user);
    let error = setting
        .fit(false)
        .run(&mut trainer, &mut state)
        .expect_err("the gradient is NaN");
    assert_eq!(error.exit_code(), 3);
    let parts = [
        "the norm of the gradients is ",
        "the model has no finite score for row 301 of ",
        "rows.parquet",
        "there is no checkpoint yet",
        "mend these rows if they are wrong",
    ];
    assert_names(&error.to_string(), &parts);
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

    // A run that opens the data again continues with the validation.
    fs::write(&later, sound).unwrap();
    let again = Setting::new(&SAMPLE, &data, &root.path().join("again"));
    let (optimiser, mut state) = checkpoint::load_progress(&last, &SAMPLE).unwrap();
    let (weights, _) = checkpoint::load_model(&last, &SAMPLE).unwrap();
    assert!(state.validation_due && state.validations == 0);
    let (training, precision) = (&state.training, state.precision);
    let mut trainer = Trainer::resume(model(), training, precision, weights, optimiser).unwrap();
    again.fit(true).run(&mut trainer, &mut state).unwrap();
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
