//! Gradients of every layer and of a whole model, against finite differences in float64.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

mod common;

use burn::module::Module;
use burn::tensor::{DType, Tensor};
use common::model::{Expert, SCHEMA, Tiny};
use common::{Draws, batch, device, finite, in_f64, inputs, redrawn};
use mtmd::layers::{
    BatchNorm, Cross, DomainInput, DomainShared, Ffn, LayerNorm, Layout, Linear, Routing,
    TaskEmbeddings,
};
use mtmd::model::{Model, forward, loss};
use mtmd::schema::{Crossing, ExpertArchitecture, Norm, Tower};

const ROWS: usize = 5;

const EXPERT: ExpertArchitecture = ExpertArchitecture {
    routing: &[6],
    ..ExpertArchitecture::PAPER
};

/// Checks a layer by a loss that weighs its outputs at random.
fn check_layer<M: Module>(module: M, width: usize, forward: impl Fn(&M, Tensor<2>) -> Tensor<2>) {
    let module = in_f64(module, 1);
    let x = Draws::new(2).tensor([ROWS, width], DType::F64);
    finite::check(&module, &[x], |module, inputs| {
        let y = forward(module, inputs[0].clone());
        let weights = Draws::new(3).tensor(y.dims(), DType::F64);
        (y * weights).sum()
    });
}

#[test]
fn linear() {
    check_layer(Linear::new(4, 3, &device()), 4, Linear::forward);
    check_layer(Linear::without_bias(4, 3, &device()), 4, Linear::forward);
}

#[test]
fn layer_norm() {
    check_layer(LayerNorm::new(4, &device()), 4, LayerNorm::forward);
}

#[test]
fn batch_norm() {
    check_layer(BatchNorm::new(3, &device()), 3, |norm, x| {
        norm.forward(x, None, true)
    });
    check_layer(BatchNorm::new(3, &device()), 3, |norm, x| {
        norm.forward(x, None, false)
    });
}

#[test]
fn ffn() {
    check_layer(Ffn::new(4, &[7, 5], Norm::Pre, &device()), 4, Ffn::forward);
}

#[test]
fn routing() {
    check_layer(Routing::new(4, &EXPERT, 3, &device()), 4, Routing::forward);
}

#[test]
fn cross() {
    check_layer(
        Cross::new(5, &SCHEMA.architecture.expert, &device()),
        5,
        Cross::forward,
    );
}

/// Of every place of the norm.
#[test]
fn ffn_and_crossings_of_every_norm() {
    for norm in [Norm::Pre, Norm::Post, Norm::None] {
        check_layer(Ffn::new(4, &[7, 5], norm, &device()), 4, Ffn::forward);
        for crossing in [
            Crossing::None,
            Crossing::Dcn { rank: 3, depth: 2 },
            Crossing::Mlp(&[6, 3]),
        ] {
            let expert = ExpertArchitecture {
                crossing,
                norm,
                ..EXPERT
            };
            check_layer(Cross::new(5, &expert, &device()), 5, Cross::forward);
        }
    }
}

#[test]
fn whole_model_in_training() {
    check_model(true);
}

#[test]
fn whole_model_in_evaluation() {
    check_model(false);
}

/// Surface 1 and product 1 have several rows, surface 0 has one, in training with its running
/// statistics.
fn check_model(training: bool) {
    let cells = [(1, 0), (2, 1), (1, 1), (2, 0), (0, 1), (2, 0), (1, 0)];
    let mut batch = batch(&SCHEMA, &cells, 5);
    batch.labels[0][0] = f32::NAN;
    batch.labels[1][1] = 0.0;
    batch.labels[0][2] = 1.0;
    let model = in_f64(Tiny::new(&device()), 4);
    finite::check(&model, &[], |model, _| {
        let query = inputs(&SCHEMA, Tower::Query, &batch.query, DType::F64, training, 6);
        let item = inputs(&SCHEMA, Tower::Item, &batch.item, DType::F64, training, 7);
        loss(&SCHEMA, &forward(model, query, item, &batch), &batch)
            .total
            .expect("the batch has labels")
    });
}

/// What a Domain Expert gives and the gradients of all that it read, by the tests' parameters' order.
fn expert_results(
    expert: &Expert,
    shared: &DomainShared,
    rows: &DomainInput,
    forward: impl Fn(&Expert, DomainInput, &DomainShared) -> TaskEmbeddings,
) -> Vec<(String, Vec<f64>)> {
    let leaf = rows.embedded.clone().unwrap().require_grad();
    let rows = DomainInput {
        embedded: Some(leaf.clone()),
        ..rows.clone()
    };
    let output = forward(expert, rows, shared);
    let mut results = Vec::new();
    let mut total: Option<Tensor<1>> = None;
    for task in 0..4 {
        let Some(embedding) = output.get(task) else {
            continue;
        };
        let values = embedding.to_data().iter::<f64>().collect();
        results.push((format!("task {task}"), values));
        // The last task takes no part in the loss, as one without labels.
        if task < 3 {
            let weights = Draws::new(task as u64 + 9).tensor(embedding.dims(), embedding.dtype());
            let part = (embedding.clone() * weights).sum();
            total = Some(total.map_or(part.clone(), |total| total + part));
        }
    }
    let gradients = total.unwrap().backward();
    let leaf = leaf.grad(&gradients).unwrap().to_data();
    results.push(("leaf".to_owned(), leaf.iter::<f64>().collect()));
    results.extend(finite::by_key(expert, &gradients));
    results.extend(finite::by_key(shared, &gradients));
    results
}

/// Rows of one chunk, of several chunks, and of several lanes, the last chunk not full.
#[test]
fn one_operation_is_the_layers_one_by_one() {
    for (rows, domain) in [(1, 0), (40, 1), (300, 2), (1_300, 1)] {
        for (dtype, tolerance) in [(DType::F64, 1e-11), (DType::F32, 2e-4)] {
            let layout = Layout::new(&SCHEMA, Tower::Query, domain);
            let mut draws = Draws::new(rows as u64);
            let mut input = |width: usize| (width > 0).then(|| draws.tensor([rows, width], dtype));
            let input = DomainInput {
                embedded: input(layout.embedded_width()),
                vectors: input(layout.vector_width()),
                numbers: input(layout.numbers()),
                repeats: None,
                training: true,
            };
            let expert = redrawn(Expert::new(Tower::Query, domain, &device()), 3, dtype);
            let shared = redrawn(
                DomainShared::new(&SCHEMA, Tower::Query, &device()),
                4,
                dtype,
            );
            let one = expert_results(&expert, &shared, &input, Expert::forward);
            let layers = expert_results(&expert, &shared, &input, Expert::forward_by_layers);
            assert_eq!(one.len(), layers.len());
            for ((name, found), (other, expected)) in one.iter().zip(&layers) {
                assert_eq!((name, found.len()), (other, expected.len()));
                let size = expected.iter().fold(1e-3_f64, |size, x| size.max(x.abs()));
                for (found, expected) in found.iter().zip(expected) {
                    assert!(
                        (found - expected).abs() <= tolerance * size,
                        "{rows} rows, {name}: {found} is not {expected}"
                    );
                }
            }
        }
    }
}
