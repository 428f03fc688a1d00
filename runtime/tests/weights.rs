//! Weights files, and what the optimiser does and remembers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

mod common;

use std::fs;
use std::path::Path;

use burn::module::Module;
use burn::tensor::DType;
use common::model::{SCHEMA, Tiny};
use common::{Draws, batch, device, inputs};
use mtmd::layers::{Linear, Precision};
use mtmd::model::{Model, forward, initialise, loss};
use mtmd::optimiser::Optimiser;
use mtmd::schema::{AdamW, Tower};
use mtmd::weights::{Array, Loading, Problem, Weights, WeightsError, write_atomically};

fn weights(model: &Tiny) -> Weights {
    let mut weights = Weights::default();
    weights.insert_module("", model);
    weights
        .metadata
        .insert("spec_hash".to_owned(), "a".to_owned());
    weights
        .metadata
        .insert("graph_hash".to_owned(), "b".to_owned());
    weights
}

#[test]
fn a_file_holds_the_weights_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let saved = weights(&Tiny::seeded(&device(), 1));
    saved.save(&path).unwrap();
    assert_eq!(Weights::open(&path).unwrap(), saved);
    let bytes = fs::read(&path).unwrap();
    saved.save(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    let mut loading = saved.clone().into_loading();
    let loaded = loading.module("", Tiny::seeded(&device(), 2));
    loading.finish().unwrap();
    assert_eq!(weights(&loaded), saved);
}

#[test]
fn every_mismatch_is_listed() {
    let mut saved = weights(&Tiny::seeded(&device(), 1));
    let bias = saved.arrays.remove("heads.buy.bias").unwrap();
    saved.arrays.insert("heads.sell.bias".to_owned(), bias);
    let wrong = Array {
        shape: vec![2],
        values: vec![0.0; 2],
    };
    saved.arrays.insert("heads.click.bias".to_owned(), wrong);
    let mut loading = saved.into_loading();
    loading.module("", Tiny::new(&device()));
    let key = |key: &str| key.to_owned();
    assert_eq!(
        loading.finish().unwrap_err(),
        [
            Problem::Shape {
                key: key("heads.click.bias"),
                model: vec![1],
                file: vec![2]
            },
            Problem::Missing {
                key: key("heads.buy.bias"),
                shape: vec![1]
            },
            Problem::Unexpected {
                key: key("heads.sell.bias"),
                shape: vec![1]
            },
        ]
    );
}

#[test]
fn a_damaged_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    weights(&Tiny::seeded(&device(), 1)).save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    for length in [0, 4, 20, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).unwrap();
        assert!(
            matches!(Weights::open(&path), Err(WeightsError::Damaged { .. })),
            "{length}"
        );
    }
    assert!(matches!(
        Weights::open(Path::new("nowhere/model.safetensors")),
        Err(WeightsError::File { action: "read", .. })
    ));
}

#[test]
fn a_failed_write_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    write_atomically(&path, |file| file.write_all(b"old")).unwrap();
    let full = |_: &mut dyn std::io::Write| Err(std::io::ErrorKind::StorageFull.into());
    assert!(write_atomically(&path, full).is_err());
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

const SETTINGS: AdamW = AdamW {
    lr: 0.1,
    weight_decay: 0.01,
};

/// One linear map, stepped twice, against AdamW by hand.
#[test]
fn steps_are_those_of_adamw() {
    for clip in [None, Some(0.5)] {
        let mut module = initialise(Linear::new(3, 2, &device()), 1);
        let mut optimiser = Optimiser::new(&SETTINGS, clip);
        let read = |module: &Linear| {
            let weight = module.weight.to_data().iter::<f64>().collect::<Vec<_>>();
            let bias = module
                .bias
                .as_ref()
                .unwrap()
                .to_data()
                .iter::<f64>()
                .collect();
            [weight, bias].concat()
        };
        let mut expected = read(&module);
        let (mut first, mut second) = (vec![0.0; 8], vec![0.0; 8]);
        for step in 1..=3 {
            let x = Draws::new(step).tensor([4, 3], DType::F32);
            let mut gradients = module
                .forward(x, Precision::Float32)
                .square()
                .sum()
                .backward();
            let weight = module.weight.grad(&gradients).unwrap().into_data();
            let bias = module
                .bias
                .as_ref()
                .unwrap()
                .grad(&gradients)
                .unwrap()
                .into_data();
            let gradient: Vec<f64> = weight.iter().chain(bias.iter()).collect();
            let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            let scale = clip.map_or(1.0, |clip: f64| (clip / norm).min(1.0));
            for at in 0..8 {
                let gradient = gradient[at] * scale;
                first[at] = 0.9 * first[at] + 0.1 * gradient;
                second[at] = 0.999 * second[at] + 0.001 * gradient * gradient;
                let first = first[at] / (1.0 - 0.9_f64.powf(step as f64));
                let second = second[at] / (1.0 - 0.999_f64.powf(step as f64));
                expected[at] *= 1.0 - 0.1 * 0.01;
                expected[at] -= 0.1 * first / (second.sqrt() + 1e-8);
            }
            let found;
            (module, found) = optimiser.step(module, &mut gradients, 0.1);
            assert!((found - norm).abs() < 1e-5 * norm);
            for (found, expected) in read(&module).iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
            }
        }
    }
}

#[test]
fn a_norm_that_is_not_finite_steps_nothing() {
    let module = initialise(Linear::new(3, 2, &device()), 1);
    let before = module.weight.to_data();
    let x = Draws::new(1).tensor([4, 3], DType::F32) * f32::MAX;
    let mut gradients = module
        .forward(x, Precision::Float32)
        .square()
        .sum()
        .backward();
    let (module, norm) = Optimiser::new(&SETTINGS, None).step(module, &mut gradients, 0.1);
    assert!(!norm.is_finite());
    before.assert_eq(&module.weight.to_data(), true);
}

fn train(model: Tiny, optimiser: &mut Optimiser, steps: std::ops::Range<u64>) -> Tiny {
    steps.fold(model, |model, step| {
        // Surface 1 has no rows: its parameters have no gradients.
        let batch = batch(&SCHEMA, &[(0, 0), (2, 1), (0, 1), (2, 0)], step);
        let query = inputs(
            &SCHEMA,
            Tower::Query,
            &batch.query,
            DType::F32,
            true,
            step + 1,
        );
        let item = inputs(
            &SCHEMA,
            Tower::Item,
            &batch.item,
            DType::F32,
            true,
            step + 2,
        );
        let loss = loss(&SCHEMA, &forward(&model, query, item, &batch), &batch);
        let mut gradients = loss.total.expect("labels").backward();
        optimiser.step(model, &mut gradients, 0.01).0
    })
}

#[test]
fn a_parameter_without_a_gradient_is_left_alone() {
    let before = weights(&Tiny::seeded(&device(), 1));
    let mut optimiser = Optimiser::new(&SETTINGS, Some(5.0));
    let after = weights(&train(Tiny::seeded(&device(), 1), &mut optimiser, 0..2));
    for (key, array) in &before.arrays {
        let trained = !key.starts_with("query.related.") && !key.contains("running");
        if !trained && key.starts_with("query.related.") {
            assert_eq!(array, &after.arrays[key], "{key}");
            assert!(
                !optimiser
                    .state()
                    .arrays
                    .contains_key(&format!("{key}.exp_avg"))
            );
        }
        if trained {
            assert_ne!(array, &after.arrays[key], "{key}");
        }
    }
}

/// Four steps at once, and two and two with everything saved between them, end in the same bits.
#[test]
fn a_resumed_training_is_the_uninterrupted_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut optimiser = Optimiser::new(&SETTINGS, Some(0.1));
    let whole = weights(&train(Tiny::seeded(&device(), 1), &mut optimiser, 0..4));

    let mut optimiser = Optimiser::new(&SETTINGS, Some(0.1));
    let model = train(Tiny::seeded(&device(), 1), &mut optimiser, 0..2);
    let [model_path, state_path] = ["model", "state"].map(|name| folder.path().join(name));
    weights(&model).save(&model_path).unwrap();
    optimiser.state().save(&state_path).unwrap();

    let mut loading = Loading::open(&model_path).unwrap();
    let model = loading.module("", Tiny::new(&device()));
    loading.finish().unwrap();
    let mut optimiser = Optimiser::new(&SETTINGS, Some(0.1));
    optimiser
        .restore(&model, Loading::open(&state_path).unwrap())
        .unwrap();
    let resumed = weights(&train(model, &mut optimiser, 2..4));
    assert_eq!(resumed, whole);
    assert!(Tiny::new(&device()).num_params() > 0);
}

#[test]
fn a_state_of_another_module_is_refused() {
    let mut optimiser = Optimiser::new(&SETTINGS, None);
    train(Tiny::seeded(&device(), 1), &mut optimiser, 0..1);
    let state = optimiser.state();
    let other = initialise(Linear::new(3, 2, &device()), 1);
    let problems = Optimiser::new(&SETTINGS, None)
        .restore(&other, state.clone().into_loading())
        .unwrap_err();
    assert_eq!(problems.len(), state.arrays.len());
}
