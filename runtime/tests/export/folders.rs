//! The folder of an export.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mtmd::cli;
use mtmd::export::{Settings, export};
use mtmd::params::Reader;
use mtmd::score::Scorer;
use mtmd::training::checkpoint;
use serde_json::Value;

use crate::edges;
use crate::models::{Model, WHOLE, of_inputs};
use crate::weights::arrays;

fn model(root: &Path) -> Model {
    Model::new(root, of_inputs(), Some(edges::rows()))
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    entries
        .map(|entry| entry.file_name().into_string().expect("a name"))
        .collect()
}

#[test]
fn a_whole_export_is_a_model_with_the_same_weights() {
    let root = tempfile::tempdir().expect("a folder");
    let model = model(root.path());
    fs::write(model.model().join("golden.parquet"), "rows").expect("written");
    let folder = model.export("whole", WHOLE);
    for name in [
        "model.safetensors",
        "vocabulary.json",
        "graph.yaml",
        "golden.parquet",
    ] {
        let read = |folder: &Path| fs::read(folder.join(name)).expect("a file");
        assert!(read(&folder) == read(&model.model()), "{name} differs");
    }
    let schema = &model.compiled.schema;
    let (weights, _) = checkpoint::load_model(&folder, schema).expect("a model");
    Scorer::load(model.compiled, weights).expect("the weights of the model");

    let manifest = json(&folder.join("manifest.json"));
    let listed: BTreeSet<String> = manifest["files"]
        .as_object()
        .expect("files")
        .keys()
        .cloned()
        .collect();
    let mut found = names(&folder);
    assert!(found.remove("manifest.json"));
    assert_eq!(listed, found);
    assert_eq!(manifest["weights_hash"], schema.weights_hash);
    let pairs = manifest["onnx"]["pairs"].as_array().expect("pairs");
    let tasks: Vec<_> = pairs.iter().map(|pair| pair["tasks"].to_string()).collect();
    assert_eq!(tasks, [r#"["click"]"#, r#"["click","buy"]"#]);
}

#[test]
fn a_slice_has_its_own_parameters_and_tables_alone() {
    let root = tempfile::tempdir().expect("a folder");
    let model = model(root.path());
    let whole = arrays(&model.model().join("model.safetensors"));
    let slice = Settings {
        surface: Some("feed"),
        product: Some("video"),
        ..WHOLE
    };
    let folder = model.export("slice", slice);
    let onnx: BTreeSet<String> = names(&folder)
        .into_iter()
        .filter(|name| name.ends_with(".onnx"))
        .collect();
    let expected = ["item.video.onnx", "pair.onnx", "query.feed.onnx"].map(str::to_owned);
    assert_eq!(onnx, expected.into());
    let kept = arrays(&folder.join("model.safetensors"));
    for (key, values) in &whole {
        // `plain` is read on `search` alone, and `buy` is no task of `video`.
        let other = [
            "query.search.",
            "item.standard.",
            "heads.buy.",
            "tables.plain.",
        ];
        let other = other.iter().any(|start| key.starts_with(start)) || key.contains(".buy.");
        // The vectors of features that the other domains lack.
        match kept.get(key) {
            Some(found) => assert!(!other && found == values, "{key}"),
            None => assert!(other || key.contains(".shared.missing"), "{key} is gone"),
        }
    }
    let encoder = json(&folder.join("encoder.json"));
    let of = |tower: &str| {
        let features = encoder[tower].as_array().expect("features");
        features
            .iter()
            .map(|it| it["name"].as_str().expect("a name").to_owned())
            .collect::<BTreeSet<_>>()
    };
    assert!(!of("query").contains("plain") && of("query").contains("month"));
    assert_eq!(
        encoder["surfaces"]["domains"].as_array().map(Vec::len),
        Some(1)
    );
    let weights = Reader::open(&folder.join("model.safetensors")).expect("weights");
    assert!(weights.metadata["weights_hash"].starts_with("a part of "));
    let error = checkpoint::load_model(&folder, &model.compiled.schema).expect_err("a part");
    assert!(error.to_string().contains("a part of"), "{error}");
}

#[test]
fn a_folder_is_replaced_only_if_told_and_only_if_it_is_an_export() {
    let root = tempfile::tempdir().expect("a folder");
    let model = model(root.path());
    let folder = model.export("out", WHOLE);
    let again = |folder: &Path, replace| {
        let settings = Settings { replace, ..WHOLE };
        export(model.compiled, &model.model(), folder, settings)
    };
    let error = again(&folder, false).expect_err("it exists");
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("--force"), "{error}");
    fs::write(folder.join("left"), "over").expect("written");
    again(&folder, true).expect("replaced");
    assert!(!folder.join("left").exists());

    let mine = root.path().join("mine");
    fs::create_dir(&mine).expect("made");
    for replace in [false, true] {
        assert_eq!(
            again(&mine, replace)
                .expect_err("not an export")
                .exit_code(),
            2
        );
    }
    for (surface, product, said) in [
        (Some("feeed"), None, "choose one of feed, search"),
        (None, Some("x"), "choose one of standard, video"),
    ] {
        let settings = Settings {
            surface,
            product,
            ..WHOLE
        };
        let to = root.path().join("none");
        let error = export(model.compiled, &model.model(), &to, settings).expect_err("unknown");
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(said), "{error}");
        assert!(!to.exists());
    }
    fs::remove_file(model.model().join("vocabulary.json")).expect("removed");
    let to = root.path().join("none");
    let error = export(model.compiled, &model.model(), &to, WHOLE).expect_err("half a model");
    assert_eq!(error.exit_code(), 1);
    assert!(!to.exists());
}

#[test]
fn the_command_exports() {
    let root = tempfile::tempdir().expect("a folder");
    let model = model(root.path());
    let run = |options: &[&str]| {
        let [from, to] =
            [model.model(), root.path().join("out")].map(|path| path.display().to_string());
        let command = ["inputs", "export", "--model", &from, "--out", &to];
        let arguments = command
            .iter()
            .chain(options)
            .map(|argument| (*argument).into());
        cli::run(model.compiled, arguments.collect::<Vec<_>>())
    };
    assert_eq!(run(&["--surface", "none"]), 2);
    assert_eq!(run(&["--surface", "feed", "--tables", "outside"]), 0);
    let exported = || names(&root.path().join("out"));
    assert!(exported().contains("query.feed.onnx") && !exported().contains("query.search.onnx"));
    assert_eq!(run(&[]), 2);
    assert_eq!(run(&["--force", "--embed"]), 0);
    assert!(exported().contains("query.search.onnx"));
}
