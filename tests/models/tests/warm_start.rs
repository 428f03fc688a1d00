//! The compiler's plans of warm starts, applied to generated models at full size: the keys and shapes of the one are
//! those of the other, and what is kept is kept to the bit.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use model_tests::MODELS;
use mtmd::params::transfer;
use mtmd::params::{Reader, Writer};
use mtmd::schema::Compiled;
use mtmd::schema::Precision;
use mtmd::schema::transfer::{Fate, Slice, Transfer};
use mtmd::score::Scorer;
use mtmd::training::Trainer;
use mtmdc::diagnostics::Levels;
use mtmdc::driver::compile::compile_files;
use mtmdc::graph::Graph;
use mtmdc::graph::diff::diff;
use mtmdc::source::Source;

/// The text of a spec of the repository.
fn spec(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../specs/{name}.mtmd"));
    std::fs::read_to_string(path).expect("a spec")
}

fn graph(text: &str) -> Graph {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs");
    let read =
        |path: &str| std::fs::read_to_string(folder.join(path)).map_err(|error| error.to_string());
    let compiled = compile_files(Source::new("a.mtmd", text), &read, &Levels::default(), None);
    compiled.artefacts.expect("a sound spec").graph
}

/// Shape and elements of every array, by key.
type Arrays = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Weights such as a training of the graph would leave.
fn trained(graph: &Graph) -> Arrays {
    let arrays = graph.weights().into_iter().map(|weight| {
        let shape = weight.shape();
        let values = model_tests::weight(&weight.key, &shape);
        (weight.key.to_string(), (shape, values))
    });
    arrays.collect()
}

/// All weights of a trainer.
fn arrays(trainer: &mut Trainer) -> Arrays {
    let targets = trainer.targets().into_iter().map(|(key, target)| {
        let width = target.shape.iter().skip(1).product::<usize>().max(1);
        let rows = target.values.chunks(target.stride.max(1));
        let values = rows.flat_map(|row| &row[target.start..target.start + width]);
        (key, (target.shape, values.copied().collect()))
    });
    targets.collect()
}

fn trainer(model: &'static Compiled) -> Trainer {
    Trainer::new(model, &model.schema.training, Precision::Float32)
}

/// A file of these weights.
fn file(weights: &Arrays, folder: &Path) -> PathBuf {
    let path = folder.join("old.safetensors");
    let mut writer = Writer::default();
    for (key, (shape, values)) in weights {
        writer.insert(key.clone(), shape.clone(), values);
    }
    writer.save(&path).expect("a file");
    path
}

/// A new model, and what it is after the warm start from old weights.
fn started(
    model: &'static Compiled,
    (old, new): (&Graph, &Graph),
    weights: &Arrays,
) -> (Transfer, Arrays, Arrays) {
    let plan = transfer::parse(&diff(old, new).to_json()).expect("a plan");
    let rows = plan.by_value().map(|(to, from)| {
        let width = weights[from].0[0];
        let planned = plan.weights.iter().find(|it| it.key == to);
        let rows = planned.map_or(0, |it| it.shape[0]);
        let all = Slice {
            to: 0,
            from: 0,
            width: width.min(rows),
        };
        (to.to_owned(), vec![all])
    });
    let rows = rows.collect();
    let mut trainer = trainer(model);
    let fresh = arrays(&mut trainer);
    let folder = tempfile::tempdir().expect("a folder");
    let reader = Reader::open(&file(weights, folder.path())).expect("weights");
    transfer::apply(&plan, reader, &mut trainer.targets(), &rows).expect("a plan that fits");
    (plan, fresh, arrays(&mut trainer))
}

/// Old and new models that have little in common: every weight of both is told of, in its shape.
fn fits(model: &'static Compiled) {
    let schema = &model.schema;
    let new = graph(&spec(&schema.name));
    assert_eq!(new.weights_hash, schema.weights_hash);
    for name in ["video", "marketplace"] {
        let old = graph(&spec(name));
        let weights = trained(&old);
        let (plan, fresh, started) = started(model, (&old, &new), &weights);
        for planned in &plan.weights {
            let found = &started[&planned.key];
            match (planned.fate, &planned.from) {
                (Fate::New, _) => assert_eq!(found, &fresh[&planned.key]),
                (Fate::Kept | Fate::Renamed, Some(from)) => assert_eq!(found, &weights[from]),
                _ => assert_ne!(found, &fresh[&planned.key], "{}", planned.key),
            }
        }
    }
}

#[test]
fn plans_fit_the_generated_models() {
    for model in MODELS {
        fits(model);
    }
}

/// A surface more, seeded by the one that it is like: nothing of the old model is lost or moved.
#[test]
fn a_new_surface_starts_like_another() {
    let text = spec("kuairand");
    let old = graph(&text.replace("  tab0 = 0\n", ""));
    let new = graph(&text.replace("tab0 = 0", "tab0 = 0 like tab1"));
    let model = &kuairand::MODEL;
    assert_eq!(
        new.weights_hash, model.schema.weights_hash,
        "`like` is no part of it"
    );
    let weights = trained(&old);
    let (plan, _, started) = started(model, (&old, &new), &weights);
    assert_eq!(plan.dropped, []);
    for (key, array) in &weights {
        assert_eq!(&started[key], array, "{key}");
    }
    let seeded = started
        .iter()
        .filter(|(key, _)| !weights.contains_key(*key));
    let mut count = 0;
    for (key, array) in seeded {
        let from = key.replacen("query.tab0", "query.tab1", 1);
        assert_eq!(array, &weights[&from], "{key}");
        count += 1;
    }
    let statistics = "query.tab0.adapt.norm.running_mean";
    assert!(started.contains_key(statistics) && count > 100, "{count}");

    let folder = tempfile::tempdir().expect("a folder");
    let reader = Reader::open(&file(&started, folder.path())).expect("weights");
    let scorer = Scorer::load(model, reader).expect("it fits the model");
    let mut writer = Writer::default();
    scorer.write(&mut writer);
    let path = folder.path().join("new.safetensors");
    writer.save(&path).expect("a file");
    let read = |path: &Path| std::fs::read(path).expect("a file");
    assert_eq!(read(&path), read(&folder.path().join("old.safetensors")));
}
