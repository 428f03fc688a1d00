//! Exit codes and what stands beside them.

use std::fs;

use crate::child::{run, run_well, stderr, text};
use crate::rows;

#[test]
fn help_is_no_error_and_misuse_is_two() {
    assert_eq!(run(&["--help"]).status.code(), Some(0));
    assert_eq!(run(&["--version"]).status.code(), Some(0));
    for args in [&["nonsense"][..], &["train"], &["train", "--data", "x", "--device", "tpu"], &["eval", "--data", "x"]] {
        assert_eq!(run(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn a_run_is_evaluated_again_with_the_same_figures() {
    let root = tempfile::tempdir().unwrap();
    let (data, out, json) = (root.path().join("rows.parquet"), root.path().join("run"), root.path().join("again.json"));
    rows::write(&data, 1_500);
    let trained = run_well(&["train", "--data", text(&data), "--out", text(&out), "--epochs", "1", "--quiet"]);
    // The run's folder, the model's and a checkpoint's all hold the model.
    for model in [out.clone(), out.join("model"), out.join("checkpoints/step-0000000015")] {
        let shown = run_well(&["eval", "--model", text(&model), "--data", text(&data), "--json", text(&json)]);
        assert_eq!(fs::read(&json).unwrap(), fs::read(out.join("evaluation.json")).unwrap());
        let table = shown.split_once("ctr: trained on").expect("a table").1;
        assert!(trained.contains(table.trim_end()), "{trained}\n{shown}");
    }
    let all = run_well(&["eval", "--model", text(&out), "--data", text(&data), "--part", "all"]);
    assert!(all.contains("1,500 rows (all)"), "{all}");
}

#[test]
fn a_run_is_not_overwritten_in_silence() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (root.path().join("rows.parquet"), root.path().join("run"));
    rows::write(&data, 1_000);
    let args = ["train", "--data", text(&data), "--out", text(&out), "--epochs", "1", "--quiet"];
    run_well(&args);
    let again = run(&args);
    assert_eq!(again.status.code(), Some(2));
    assert!(stderr(&again).contains("--resume") && stderr(&again).contains("--force"), "{}", stderr(&again));
    run_well(&[&args[..], &["--force"]].concat());
}

#[test]
fn a_missing_device_is_told() {
    let output = run(&["train", "--data", "nowhere", "--out", "nowhere", "--device", "cuda"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("CUDA"), "{}", stderr(&output));
}

#[test]
fn errors_have_a_cause_and_a_fix() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (root.path().join("rows.parquet"), root.path().join("run"));
    fs::write(&data, "no Parquet").unwrap();
    let output = run(&["train", "--data", text(&data), "--out", text(&out)]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let message = stderr(&output);
    assert!(message.starts_with("error: ") && message.contains("help: "), "{message}");
}
