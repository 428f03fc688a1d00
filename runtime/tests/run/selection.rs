//! The model that a run leaves is that of its best validation, and a run ends when there is no better one.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int64Type};
use arrow_array::{ArrayRef, Float32Array, Int64Array};
use mtmd::schema::{Course, DomainId, DomainSet, Metric, Select, TaskId};
use mtmd::training::{Existing, RunFolder, Trainer};
use serde_json::Value;

use crate::child::{run, stderr, text, train};
use crate::rows;
use crate::sample::changed;
use crate::setting::Setting;
use crate::weights::arrays;

/// The lines of a kind in a run's metrics.
fn entries(run: &Path, kind: &str) -> Vec<Value> {
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let entries = metrics
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    entries
        .filter(|entry: &Value| entry["kind"] == kind)
        .collect()
}

#[test]
fn a_run_that_grows_worse_ends_early_with_its_best_model() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (root.path().join("rows.parquet"), root.path().join("run"));
    rows::write(&data, 1_000);
    let shown = train(
        &data,
        &out,
        &[
            "--quiet",
            "--epochs",
            "60",
            "--patience",
            "3",
            "--keep",
            "1",
        ],
    );
    assert!(shown.contains("; the training ended early"), "{shown}");
    let validations = entries(&out, "validate");
    assert!(
        (4..60).contains(&validations.len()),
        "{}",
        validations.len()
    );
    let loss = |entry: &Value| entry["loss"].as_f64().unwrap();
    let best = validations
        .iter()
        .min_by(|a, b| loss(a).total_cmp(&loss(b)))
        .unwrap();
    let (step, epoch) = (best["step"].as_u64().unwrap(), &best["epoch"]);
    let said = format!("the model is that of step {step} (epoch {epoch}): loss ");
    assert!(shown.contains(&said), "no {said:?} in\n{shown}");
    let last = &validations[validations.len() - 1];
    assert_eq!(last["step"].as_u64().unwrap(), step + 3 * 10);

    // One checkpoint and the best are kept, and the best is the model.
    let folder = RunFolder::open(&out, Existing::Resume).unwrap();
    assert_eq!(fs::read_dir(out.join("checkpoints")).unwrap().count(), 2);
    let weights = |folder: &Path| arrays(&folder.join("model.safetensors"));
    assert_eq!(weights(&folder.checkpoint(step)), weights(&folder.model()));
    drop(folder);
    // A run that has ended is gone on with to the same end.
    let evaluation = fs::read(out.join("evaluation.json")).unwrap();
    train(&data, &out, &["--quiet", "--resume"]);
    assert_eq!(fs::read(out.join("evaluation.json")).unwrap(), evaluation);
}

#[test]
fn a_cell_and_a_metric_choose_the_model() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (root.path().join("rows.parquet"), root.path().join("run"));
    rows::write(&data, 1_500);
    let model = changed(|schema| {
        schema.spec.training.course = Course {
            validate_every: Some(6),
            select: Some(Select {
                metric: Metric::Auc,
                task: TaskId(0),
                surfaces: DomainSet::from_iter([DomainId(1)]),
                products: DomainSet::from_iter([DomainId(0)]),
            }),
            ..Course::DEFAULT
        };
    });
    let setting = Setting::new(&model.schema, &data, &out);
    let (fit, folder) = (setting.fit(true), &setting.folder);
    let mut state = setting.state();
    let mut trainer = Trainer::new(model, &state.training, state.precision);
    fit.run(&mut trainer, &mut state).unwrap();
    let validations = entries(&out, "validate");
    // 15 steps an epoch: 6, 12, 15, 18, 24, 30, 36, 42, 45.
    assert_eq!(validations.len(), 9);
    assert_eq!(state.validations, 9);
    let auc = |entry: &Value| {
        let cells = entry["cells"]["ctr"].as_array().unwrap();
        let is_it = |cell: &&Value| cell["surface"] == "search" && cell["product"] == "shop";
        cells.iter().find(is_it).unwrap()["auc"].as_f64().unwrap()
    };
    let highest = validations.iter().map(auc).fold(0.0, f64::max);
    let first = validations
        .iter()
        .find(|entry| auc(entry) == highest)
        .unwrap();
    let best = state.best.unwrap();
    assert_eq!(
        (best.value, Some(best.step)),
        (highest, first["step"].as_u64())
    );
    assert!(folder.checkpoint(best.step).exists());
}

/// Rows whose labels of the fourth day, which validates, are absent.
fn write_without_validation_labels(path: &Path) {
    rows::write(path, 1_000);
    let validates = |row: usize| row / 200 == 3;
    rows::replace(path, "hw_ctr", |rows| {
        let scores = rows["hw_ctr"].as_primitive::<Float32Type>();
        let kept = scores.values().iter().enumerate();
        let kept = kept.map(|(row, score)| (!validates(row)).then_some(*score));
        Arc::new(Float32Array::from_iter(kept)) as ArrayRef
    });
    for column in ["is_click", "is_buy"] {
        rows::replace(path, column, |rows| {
            let actions = rows[column].as_primitive::<Int64Type>();
            let kept = actions.values().iter().enumerate();
            let kept = kept.map(|(row, action)| (!validates(row)).then_some(*action));
            Arc::new(Int64Array::from_iter(kept)) as ArrayRef
        });
    }
}

#[test]
fn without_a_label_that_validates_nothing_chooses_the_model() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (root.path().join("rows.parquet"), root.path().join("run"));
    write_without_validation_labels(&data);
    let paths = ["train", "--data", text(&data), "--out", text(&out)];
    let options = ["--quiet", "--epochs", "3", "--patience", "1"];
    let output = run(&[&paths[..], &options].concat());
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let warning = "warning: the rows that validate give no loss: none has a label";
    assert_eq!(told.matches(warning).count(), 1, "{told}");
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(!shown.contains("the model is that of step"), "{shown}");

    // All three epochs, and the model of the last step.
    let validations = entries(&out, "validate");
    let losses: Vec<_> = validations.iter().map(|entry| entry.get("loss")).collect();
    assert_eq!(losses, [Some(&Value::Null); 3]);
    let folder = RunFolder::open(&out, Existing::Resume).unwrap();
    let weights = |folder: &Path| arrays(&folder.join("model.safetensors"));
    assert_eq!(weights(&folder.checkpoint(30)), weights(&folder.model()));
}
