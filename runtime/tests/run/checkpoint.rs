//! Checkpoints: resumed to the bit, refused where they do not fit, whole whatever happens.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::time::Duration;

use mtmd::params::Writer;
use mtmd::training::{Existing, RunFolder, State, Trainer, checkpoint};

use crate::child::{
    program, program_on_a_small_disk, resumable, run, run_well, stderr, text, trained,
};
use crate::rows;
use crate::sample::{SAMPLE, changed, model};
use crate::setting::Setting;

/// Trains to the end; returns the weights' bytes.
fn weights_at_the_end(setting: &Setting, mut trainer: Trainer, state: &mut State) -> Vec<u8> {
    setting.fit(true).run(&mut trainer, state).unwrap();
    let (path, scorer) = (setting.folder.model(), trainer.into_scorer());
    let mut weights = Writer::default();
    scorer.write(&mut weights);
    checkpoint::save_model(&path, &SAMPLE, &setting.vocabularies, weights, |_| Ok(())).unwrap();
    fs::read(path.join("model.safetensors")).unwrap()
}

#[test]
fn a_resumed_run_ends_with_the_same_bytes() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("rows.parquet");
    rows::write(&data, 1_500);
    let setting = |name: &str| Setting::new(&SAMPLE, &data, &root.path().join(name));
    // 900 rows are 15 steps an epoch, with checkpoints after 7, 14, 15, 21, 28, 30, 35, 42 and 45.
    let whole = setting("whole");
    let mut state = whole.state();
    state.training.course.checkpoint_every = Some(7);
    state.training.course.keep = 99;
    let trainer = Trainer::new(model(), &state.training, state.precision);
    let expected = weights_at_the_end(&whole, trainer, &mut state);
    // Within an epoch, at its end, and in a later epoch.
    for step in [7, 15, 42] {
        let path = whole.folder.checkpoint(step);
        let (weights, _) = checkpoint::load_model(&path, &SAMPLE).unwrap();
        let (optimiser, mut state) = checkpoint::load_progress(&path, &SAMPLE).unwrap();
        assert_eq!(state.step, step);
        let (training, precision) = (&state.training, state.precision);
        let trainer = Trainer::resume(model(), training, precision, weights, optimiser).unwrap();
        let resumed = setting(&format!("from-{step}"));
        assert!(
            weights_at_the_end(&resumed, trainer, &mut state) == expected,
            "a run resumed after step {step} ends otherwise"
        );
    }
}

/// Kind and step of each line of a run's log.
fn places(run: &Path) -> BTreeSet<(String, u64)> {
    let log = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let place = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let kind = line["kind"].as_str().unwrap().to_owned();
        (kind, line["step"].as_u64().unwrap())
    };
    log.lines().map(place).collect()
}

/// Starts the program, and kills it once it has written a checkpoint. A program that ends before the kill
/// reaches it is started again.
fn kill_after_a_checkpoint(args: &[&str], out: &Path) {
    for _ in 0..10 {
        let mut child = program(args).spawn().unwrap();
        while !resumable(out) && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        if child.wait().unwrap().signal() == Some(9) {
            return;
        }
        fs::remove_dir_all(out).unwrap();
    }
    panic!("no kill met a run under way");
}

#[test]
fn a_killed_program_goes_on_from_its_last_checkpoint() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("rows.parquet");
    rows::write(&data, 3_000);
    let (whole, killed) = (root.path().join("whole"), root.path().join("killed"));
    let train = |out| {
        let out = text(out);
        [
            "train",
            "--data",
            text(&data),
            "--quiet",
            "--checkpoint-every",
            "3",
            "--out",
            out,
        ]
    };
    run_well(&train(&whole));
    kill_after_a_checkpoint(&train(&killed), &killed);
    let folder = RunFolder::open(&killed, Existing::Resume).unwrap();
    let (last, _) = folder.resume_from().unwrap();
    drop(folder);
    checkpoint::load_model(&last, &SAMPLE).expect("the last checkpoint is whole");
    checkpoint::load_progress(&last, &SAMPLE).expect("the last checkpoint is whole");

    // A disk without room: the run fails, and the checkpoint stays.
    let resume = [
        "train",
        "--data",
        text(&data),
        "--quiet",
        "--resume",
        "--out",
        text(&killed),
    ];
    let full = program_on_a_small_disk(64, &resume).output().unwrap();
    assert_eq!(full.status.code(), Some(3), "{}", stderr(&full));
    assert!(
        stderr(&full).contains("cannot write the weights"),
        "{}",
        stderr(&full)
    );
    let folder = RunFolder::open(&killed, Existing::Resume).unwrap();
    assert_eq!(folder.resume_from().unwrap().0, last);
    drop(folder);
    checkpoint::load_model(&last, &SAMPLE).expect("the last checkpoint is still whole");

    run_well(&resume);
    let weights = |run: &Path| fs::read(run.join("model/model.safetensors")).unwrap();
    assert!(
        weights(&whole) == weights(&killed),
        "the killed run ends otherwise"
    );
    assert_eq!(places(&killed), places(&whole));
}

#[test]
fn weights_of_another_spec_are_refused_with_the_difference() {
    let root = tempfile::tempdir().unwrap();
    let (_, out) = trained(root.path());
    let other = changed(|schema| {
        schema.spec.name = "wider".into();
        schema.weights_hash = "weights-2";
        schema.graph_hash = "graph-2";
        schema.graph =
            "model: wider\nquery.feed.ctr.deep: FFN 48, 12\nitem.shop.ctr.deep: FFN 24, 12\n";
    });
    let error =
        checkpoint::load_model(&out.join("model"), &other.schema).expect_err("another graph");
    assert_eq!(error.exit_code(), 1);
    let message = error.to_string();
    for part in [
        "`sample`",
        "`wider`",
        "-query.feed.ctr.deep: FFN 24, 12",
        "+query.feed.ctr.deep: FFN 48, 12",
    ] {
        assert!(message.contains(part), "no {part:?} in\n{message}");
    }
}

#[test]
fn damaged_files_are_named() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = trained(root.path());
    let model = out.join("model");
    let eval = |file: &str| {
        let output = run(&["eval", "--model", text(&model), "--data", text(&data)]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(
            stderr(&output).contains(file),
            "no {file} in {}",
            stderr(&output)
        );
    };
    let weights = model.join("model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    for length in [0, 5, 100, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&weights, &bytes[..length]).unwrap();
        eval("model.safetensors");
    }
    fs::write(&weights, &bytes).unwrap();
    fs::write(model.join("vocabulary.json"), "[{\"table\": \"ad_id\"").unwrap();
    eval("vocabular");

    let state = RunFolder::open(&out, Existing::Resume)
        .unwrap()
        .resume_from()
        .unwrap()
        .0
        .join("state.json");
    fs::write(&state, "{\"format\": 1}").unwrap();
    let output = run(&[
        "train",
        "--data",
        text(&data),
        "--out",
        text(&out),
        "--resume",
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("state.json"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn other_data_is_not_gone_on_with() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = trained(root.path());
    rows::write(&data, 1_100);
    let output = run(&[
        "train",
        "--data",
        text(&data),
        "--out",
        text(&out),
        "--resume",
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("1,100 rows, where the run began with 1,000"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn other_files_of_as_many_rows_are_not_gone_on_with_unless_told() {
    let root = tempfile::tempdir().unwrap();
    let [one, two, out] = ["one.parquet", "two.parquet", "run"].map(|name| root.path().join(name));
    rows::write(&one, 500);
    rows::write(&two, 700);
    let train = |first: &Path, second: &Path, more: &[&str]| {
        let data = ["train", "--data", text(first), text(second)];
        run(&[&data[..], &["--out", text(&out), "--quiet"], more].concat())
    };
    let output = train(&one, &two, &["--epochs", "1"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let output = train(&two, &one, &["--resume"]);
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    for part in [text(&two), "began with", "--other-files"] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
    let moved = root.path().join("moved.parquet");
    fs::copy(&one, &moved).unwrap();
    for (first, second, more) in [
        (&moved, &two, &["--resume"][..]),
        (&two, &one, &["--resume", "--other-files"]),
    ] {
        let output = train(first, second, more);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
}

#[test]
fn a_damaged_checkpoint_is_set_aside_for_the_one_before_it() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (root.path().join("rows.parquet"), root.path().join("run"));
    rows::write(&data, 1_000);
    let train = [
        "train",
        "--data",
        text(&data),
        "--out",
        text(&out),
        "--quiet",
    ];
    run_well(&[&train[..], &["--checkpoint-every", "4", "--epochs", "2"]].concat());
    let weights = || fs::read(out.join("model/model.safetensors")).unwrap();
    let whole = weights();
    let resume = [&train[..], &["--resume"]].concat();
    // The newest of the two that are kept, in each file in turn: one bit of it, or all of it.
    let newest = out.join("checkpoints/step-0000000020");
    for file in [
        "optimiser.safetensors",
        "model.safetensors",
        "state.json",
        "vocabulary.json",
    ] {
        let path = newest.join(file);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
        let output = run(&resume);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let told = stderr(&output);
        for part in [
            "warning: set aside, damaged: ",
            text(&path),
            "its checksum was",
        ] {
            assert!(told.contains(part), "no {part:?} in {told}");
        }
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(shown.contains("going on from "), "{shown}");
        assert!(newest.with_extension("damaged").exists());
        assert!(
            weights() == whole,
            "a run that goes on from the checkpoint before ends otherwise"
        );
        assert!(newest.exists(), "the run has come to its step again");
    }
    fs::remove_file(newest.join("optimiser.safetensors")).unwrap();
    let output = run(&resume);
    assert!(
        stderr(&output).contains("this file is missing"),
        "{}",
        stderr(&output)
    );

    // Nothing whole is left.
    for entry in fs::read_dir(out.join("checkpoints")).unwrap() {
        fs::write(entry.unwrap().path().join("graph.yaml"), "other").unwrap();
    }
    let output = run(&resume);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("graph.yaml: this file is damaged"),
        "{}",
        stderr(&output)
    );
}
