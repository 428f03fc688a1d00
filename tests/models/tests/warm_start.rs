//! The compiler's plans of warm starts, applied to generated models at full size: the keys and shapes of the one are
//! those of the other, and what is kept is kept to the bit.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

use std::collections::BTreeMap;
use std::path::Path;

use mtmd::model::Model;
use mtmd::prelude::burn::tensor::Device;
use mtmd::training::{Learner as _, ModelLearner};
use mtmd::weights::plan::{Fate, Piece, Plan};
use mtmd::weights::{Array, Weights};
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

/// Weights such as a training of the graph would leave.
fn trained(graph: &Graph) -> Weights {
    let arrays = graph.weights().into_iter().map(|weight| {
        let shape = weight.shape();
        let values = model_tests::weight(&weight.key, &shape);
        (weight.key, Array { shape, values })
    });
    Weights {
        metadata: BTreeMap::new(),
        arrays: arrays.collect(),
    }
}

/// A new model, and what it is after the warm start from old weights.
fn started<M: Model>(old: &Graph, new: &Graph, weights: &Weights) -> (Plan, Weights, Weights) {
    let plan = Plan::parse(&diff(old, new).to_json()).expect("a plan");
    let rows = plan.by_value().map(|(to, from)| {
        let width = weights.arrays[from].shape[0];
        let rows = plan
            .weights
            .iter()
            .find(|it| it.key == to)
            .map_or(0, |it| it.shape[0]);
        let all = Piece {
            to: 0,
            from: 0,
            width: width.min(rows),
        };
        (to.to_owned(), vec![all])
    });
    let rows = rows.collect();
    let mut learner = ModelLearner::<M>::new(&M::schema().training, &Device::flex());
    let fresh = learner.export().expect("weights").model.collect();
    let started = plan
        .apply(weights, fresh.clone(), &rows)
        .expect("a plan that fits");
    (plan, fresh, started)
}

/// Old and new models that have little in common: every weight of both is told of, in its shape.
fn fits<M: Model>() {
    let new = graph(&spec(&M::schema().name));
    assert_eq!(new.weights_hash, M::schema().weights_hash);
    for name in ["video", "marketplace"] {
        let old = graph(&spec(name));
        let weights = trained(&old);
        let (plan, fresh, started) = started::<M>(&old, &new, &weights);
        for planned in &plan.weights {
            let found = &started.arrays[&planned.key];
            match (planned.fate, &planned.from) {
                (Fate::New, _) => assert_eq!(found, &fresh.arrays[&planned.key]),
                (Fate::Kept | Fate::Renamed, Some(from)) => {
                    assert_eq!(found, &weights.arrays[from])
                }
                _ => assert_ne!(found, &fresh.arrays[&planned.key], "{}", planned.key),
            }
        }
    }
}

#[test]
fn plans_fit_the_generated_models() {
    fits::<kuairand::Kuairand>();
    fits::<marketplace::Marketplace>();
    fits::<minimal::Minimal>();
    fits::<travel::Travel>();
    fits::<video::Video>();
}

/// A surface more, seeded by the one that it is like: nothing of the old model is lost or moved.
#[test]
fn a_new_surface_starts_like_another() {
    let text = spec("kuairand");
    let old = graph(&text.replace("  tab0 = 0\n", ""));
    let new = graph(&text.replace("tab0 = 0", "tab0 = 0 like tab1"));
    assert_eq!(
        new.weights_hash,
        kuairand::Kuairand::schema().weights_hash,
        "`like` is no part of it"
    );
    let weights = trained(&old);
    let (plan, _, started) = started::<kuairand::Kuairand>(&old, &new, &weights);
    assert_eq!(plan.dropped, []);
    for (key, array) in &weights.arrays {
        assert_eq!(&started.arrays[key], array, "{key}");
    }
    let seeded = started
        .arrays
        .iter()
        .filter(|(key, _)| !weights.arrays.contains_key(*key));
    let mut count = 0;
    for (key, array) in seeded {
        let from = key.replacen("query.tab0", "query.tab1", 1);
        assert_eq!(array, &weights.arrays[&from], "{key}");
        count += 1;
    }
    let statistics = "query.tab0.adapt.norm.running_mean";
    assert!(
        started.arrays.contains_key(statistics) && count > 100,
        "{count}"
    );

    let training = &kuairand::Kuairand::schema().training;
    let mut learner = ModelLearner::<kuairand::Kuairand>::new(training, &Device::flex());
    learner
        .import(started.clone().into_loading(), None)
        .expect("it fits the model");
    assert_eq!(
        learner.export().expect("weights").model.collect().arrays,
        started.arrays
    );
}
