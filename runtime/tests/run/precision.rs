//! Runs whose products are in bfloat16.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::child::{run, run_well, stderr, text};
use crate::rows;

fn train(data: &Path, out: &Path, more: &[&str]) -> Vec<u8> {
    let args = ["train", "--data", text(data), "--out", text(out), "--quiet"];
    run_well(&[&args[..], more].concat());
    fs::read(out.join("model/model.safetensors")).unwrap()
}

fn losses(out: &Path) -> Vec<f64> {
    let metrics = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    let entries = metrics
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let trained = entries.filter(|entry| entry["kind"] == "train");
    trained
        .map(|entry| {
            assert_eq!(entry["precision"], "bfloat16");
            entry["loss"].as_f64().unwrap()
        })
        .collect()
}

#[test]
fn a_run_in_bfloat16_learns_keeps_its_precision_and_is_another() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| -> PathBuf { root.path().join(name) };
    let data = at("rows.parquet");
    rows::write(&data, 2_000);
    let every = ["--checkpoint-every", "7", "--keep", "99"];
    let args = [&["--precision", "bfloat16"], &every[..]].concat();
    let whole = train(&data, &at("whole"), &args);
    let losses = losses(&at("whole"));
    let (first, last) = (losses[0], losses[losses.len() - 1]);
    assert!(last < 0.7 * first, "{losses:?}");
    assert_ne!(whole, train(&data, &at("single"), &[]));

    // The same run, of which only the first fourteen steps are left, is gone on with in the precision that it began with.
    let resumed = at("resumed");
    train(&data, &resumed, &args);
    for entry in fs::read_dir(resumed.join("checkpoints")).unwrap() {
        let path = entry.unwrap().path();
        let state = fs::read_to_string(path.join("state.json")).unwrap();
        let state: Value = serde_json::from_str(&state).unwrap();
        assert_eq!(state["precision"], "bfloat16");
        if state["step"].as_u64().unwrap() > 14 {
            fs::remove_dir_all(path).unwrap();
        }
    }
    assert_eq!(whole, train(&data, &resumed, &["--resume"]));
}

#[test]
fn an_unknown_precision_and_another_one_on_resuming_are_refused() {
    let data = ["train", "--data", "nowhere"];
    for (more, parts) in [
        (
            &["--precision", "bf16"][..],
            ["--precision", "float32, tf32, bfloat16"],
        ),
        (
            &["--precision", "bfloat16", "--resume"],
            ["--precision", "--resume"],
        ),
    ] {
        let output = run(&[&data[..], more].concat());
        assert_eq!(output.status.code(), Some(2));
        let message = stderr(&output);
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
}

#[test]
fn the_benchmark_makes_steps_in_bfloat16() {
    let args = ["bench", "--batch", "64", "--steps", "1", "--repeats", "1"];
    let shown = run_well(&[&args[..], &["--precision", "bfloat16"]].concat());
    assert!(shown.contains("bfloat16, same run"), "{shown}");
}
