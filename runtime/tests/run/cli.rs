//! Exit codes and what stands beside them.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use safetensors::SafeTensors;

use crate::child::{program, run, run_well, stderr, text, train};
use crate::rows;
use crate::weights::arrays;

#[test]
fn help_is_no_error_and_misuse_is_two() {
    assert_eq!(run(&["--help"]).status.code(), Some(0));
    assert_eq!(run(&["--version"]).status.code(), Some(0));
    for args in [
        &["nonsense"][..],
        &["train"],
        &["train", "--data", "x", "--device", "tpu"],
        &["eval", "--data", "x"],
        &["train", "--data", "x", "--refit", "--patience", "1"],
        &["train", "--data", "x", "--other-files"],
        &["train", "--data", "x", "--warm-start", "x"],
    ] {
        assert_eq!(run(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn a_run_is_evaluated_again_with_the_same_figures() {
    let root = tempfile::tempdir().unwrap();
    let (data, out, json) = (
        root.path().join("rows.parquet"),
        root.path().join("run"),
        root.path().join("again.json"),
    );
    rows::write(&data, 1_500);
    let trained = train(&data, &out, &["--epochs", "1", "--quiet"]);
    // The run's folder, the model's and a checkpoint's all hold the model.
    for model in [
        out.clone(),
        out.join("model"),
        out.join("checkpoints/step-0000000015"),
    ] {
        let shown = run_well(&[
            "eval",
            "--model",
            text(&model),
            "--data",
            text(&data),
            "--json",
            text(&json),
        ]);
        assert_eq!(
            fs::read(&json).unwrap(),
            fs::read(out.join("evaluation.json")).unwrap()
        );
        let table = shown.split_once("ctr: trained on").expect("a table").1;
        assert!(trained.contains(table.trim_end()), "{trained}\n{shown}");
    }
    let all = run_well(&[
        "eval",
        "--model",
        text(&out),
        "--data",
        text(&data),
        "--part",
        "all",
    ]);
    assert!(all.contains("1,500 rows (all)"), "{all}");
}

#[test]
fn a_run_is_not_overwritten_in_silence() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (root.path().join("rows.parquet"), root.path().join("run"));
    rows::write(&data, 1_000);
    let args = [
        "train",
        "--data",
        text(&data),
        "--out",
        text(&out),
        "--epochs",
        "1",
        "--quiet",
    ];
    run_well(&args);
    let again = run(&args);
    assert_eq!(again.status.code(), Some(2));
    assert!(
        stderr(&again).contains("--resume") && stderr(&again).contains("--force"),
        "{}",
        stderr(&again)
    );
    run_well(&[&args[..], &["--force"]].concat());
}

#[test]
fn a_missing_device_is_told() {
    let output = run(&[
        "train", "--data", "nowhere", "--out", "nowhere", "--device", "cuda",
    ]);
    assert_eq!(output.status.code(), Some(3));
    let message = stderr(&output);
    assert!(message.contains("CUDA"), "{message}");
    assert!(message.contains("use `--device cpu`"), "{message}");
}

#[test]
fn errors_have_a_cause_and_a_fix() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (root.path().join("rows.parquet"), root.path().join("run"));
    fs::write(&data, "no Parquet").unwrap();
    let output = run(&["train", "--data", text(&data), "--out", text(&out)]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let message = stderr(&output);
    assert!(
        message.starts_with("error: ") && message.contains("help: "),
        "{message}"
    );
}

#[test]
fn made_up_rows_are_trained_on() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (root.path().join("rows"), root.path().join("run"));
    let shown = run_well(&["synth", "--out", text(&data), "--rows", "3000"]);
    assert!(shown.contains("3,000 rows in 1 file"), "{shown}");
    let shown = train(&data, &out, &["--quiet"]);
    assert!(shown.contains("sample on 300 rows (test)"), "{shown}");
}

#[test]
fn the_benchmark_says_how_fast_and_of_what() {
    let shown = run_well(&["bench", "--batch", "64", "--steps", "2", "--repeats", "2"]);
    for part in [
        "examples/s  median",
        "gather",
        "backward",
        "tables",
        "% of the peak",
    ] {
        assert!(shown.contains(part), "no {part:?} in\n{shown}");
    }
}

#[test]
fn the_benchmark_hands_over_what_another_implementation_needs() {
    let root = tempfile::tempdir().unwrap();
    let dump = root.path().join("dump");
    run_well(&[
        "bench",
        "--batch",
        "64",
        "--batches",
        "2",
        "--steps",
        "3",
        "--dump",
        text(&dump),
        "--oracle",
    ]);
    let open = |name: &str| arrays(&dump.join(name));
    let (before, first, last) = (
        open("weights.safetensors"),
        open("weights.1.safetensors"),
        open("weights.last.safetensors"),
    );
    assert!(before.keys().eq(last.keys()) && before != first && first != last);
    assert!(!open("optimiser.1.safetensors").is_empty());
    let batch = fs::read(dump.join("batch.1.safetensors")).unwrap();
    let batch = SafeTensors::deserialize(&batch).unwrap();
    assert_eq!(batch.tensor("surface").unwrap().shape(), [64]);
    assert_eq!(batch.tensor("query/order").unwrap().shape(), [64]);
    assert!(!dump.join("batch.2.safetensors").exists());
    let oracle = fs::read(dump.join("oracle.json")).unwrap();
    let oracle: serde_json::Value = serde_json::from_slice(&oracle).unwrap();
    assert_eq!(oracle["steps"].as_array().unwrap().len(), 3);
    assert!(dump.join("graph.yaml").exists() && dump.join("scores.last.safetensors").exists());
    // Without a folder there is nowhere to write to.
    assert_eq!(run(&["bench", "--oracle"]).status.code(), Some(2));
}

#[test]
fn the_benchmark_makes_steps_when_asked() {
    let mut child = program(&["bench", "--batch", "64", "--batches", "2", "--serve"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = child.stdin.take().unwrap().write_all(b"run 2\nrun 1\n");
    asked.unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let shown = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<serde_json::Value> = shown
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    assert_eq!(answers.len(), 3, "{shown}");
    assert_eq!(answers[0]["batches"], 2);
    assert_eq!(answers[1]["rows"], 128);
    assert_eq!(answers[2]["steps"], 1);
    assert!(answers[2]["seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_folder_without_a_model_is_told() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("rows.parquet");
    rows::write(&data, 100);
    let output = run(&["eval", "--model", text(root.path()), "--data", text(&data)]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("no `model.safetensors` lies there"));
}
