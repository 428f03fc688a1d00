//! A run that starts from another model's weights: what is taken over to the bit, and what is refused.

use std::fs;
use std::path::{Path, PathBuf};

use crate::child::{self, run, run_well, stderr, text};
use crate::rows;
use crate::weights::{Arrays, arrays};

/// A trained model of one short epoch, and the plan that takes all of it over.
fn trained(root: &Path) -> (PathBuf, PathBuf, PathBuf) {
    let (data, out) = child::trained(root);
    let plan = root.join("plan.json");
    fs::write(&plan, kept(&out)).unwrap();
    (data, out, plan)
}

fn weights(run: &Path) -> Arrays {
    arrays(&run.join("model/model.safetensors"))
}

/// The plan in which every weight is kept; the rows of `ad_id` follow their values.
fn kept(run: &Path) -> String {
    let planned = |(key, (shape, _)): (&String, &(Vec<usize>, Vec<f32>))| {
        let dims = shape.iter().enumerate().map(|(place, width)| {
            let axis = if place == 0 { "units" } else { "inputs" };
            if (key.as_str(), place) == ("tables.ad_id.weight", 0) {
                return r#"{"axis":"rows","by":"value","others":null}"#.to_owned();
            }
            format!(r#"{{"axis":"{axis}","pieces":[{{"to":0,"from":0,"width":{width}}}]}}"#)
        });
        let dims = dims.collect::<Vec<_>>().join(",");
        format!(
            r#"{{"key":"{key}","shape":{shape:?},"fate":"kept","from":"{key}","dims":[{dims}]}}"#
        )
    };
    let list: Vec<String> = weights(run).iter().map(planned).collect();
    let side = r#"{"model":"sample","weights_hash":"weights-1"}"#;
    format!(
        r#"{{"schema":1,"old":{side},"new":{side},"moments":[],"dropped":[],"weights":[{}]}}"#,
        list.join(",")
    )
}

fn start<'a>(data: &'a Path, from: &'a Path, plan: &'a Path, out: &'a Path) -> [&'a str; 12] {
    [
        "train",
        "--data",
        text(data),
        "--warm-start",
        text(from),
        "--plan",
        text(plan),
        "--out",
        text(out),
        "--epochs",
        "0",
        "--quiet",
    ]
}

#[test]
fn kept_weights_are_the_same_to_the_bit() {
    let root = tempfile::tempdir().unwrap();
    let (data, out, plan) = trained(root.path());
    let again = root.path().join("again");
    let said = run_well(&start(&data, &out, &plan, &again));
    for part in ["starts from", "kept", "start at zero"] {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
    assert_eq!(weights(&again), weights(&out));
    let report = |run: &Path| fs::read_to_string(run.join("evaluation.json")).unwrap();
    assert_eq!(report(&again), report(&out));
    assert_eq!(
        fs::read(again.join("warm_start.json")).unwrap(),
        fs::read(&plan).unwrap()
    );
}

/// What the new rows do not have keeps its row, and training goes on from there.
#[test]
fn few_rows_do_not_cost_a_vocabulary() {
    let root = tempfile::tempdir().unwrap();
    let (_, out, plan) = trained(root.path());
    let (few, next) = (root.path().join("few.parquet"), root.path().join("next"));
    rows::write(&few, 20);
    let mut args = start(&few, &out, &plan, &next).to_vec();
    args.retain(|arg| !["--epochs", "0"].contains(arg));
    run_well(&args);
    let vocabulary = |run: &Path| fs::read_to_string(run.join("model/vocabulary.json")).unwrap();
    assert_eq!(vocabulary(&next), vocabulary(&out));
    assert_ne!(weights(&next), weights(&out));
}

#[test]
fn what_cannot_be_started_from_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let (data, out, plan) = trained(root.path());
    let next = root.path().join("next");
    let refused = |from: &Path, plan: &Path, part: &str| {
        let output = run(&start(&data, from, plan, &next));
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(part), "no {part:?} in {said}");
        assert!(!next.join("model").exists());
    };
    refused(root.path(), &plan, "no `model.safetensors` lies there");
    let sound = fs::read_to_string(&plan).unwrap();
    let other = |name: &str, text: &str| {
        let path = root.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let cut = sound.get(..sound.len() / 2).unwrap();
    refused(&out, &other("cut.json", cut), "the plan of a warm start");
    let hash = sound.replacen("weights-1", "weights-0", 1);
    refused(&out, &other("hash.json", &hash), "is for weights-0");
    let key = sound.replace("heads.ctr.bias", "heads.cvr.bias");
    refused(
        &out,
        &other("key.json", &key),
        "`heads.cvr.bias` is in the plan",
    );

    let model = out.join("model/model.safetensors");
    let bytes = fs::read(&model).unwrap();
    fs::write(&model, &bytes[..bytes.len() / 2]).unwrap();
    refused(&out, &plan, "model.safetensors");
}

/// A run of other hyperparameters is another run; its weights can be evaluated and started from.
#[test]
fn only_the_same_settings_are_resumed() {
    let root = tempfile::tempdir().unwrap();
    let (_, out, _) = trained(root.path());
    let other = crate::sample::changed(|schema| {
        (schema.spec_hash, schema.graph_hash) = ("spec-2", "graph-2");
    });
    let other = &other.schema;
    let model = out.join("model");
    let (weights, _) = mtmd::training::checkpoint::load_model(&model, other).unwrap();
    let error = mtmd::training::checkpoint::require_spec(&model, other, &weights).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("spec-1, now spec-2"), "{error}");
}
