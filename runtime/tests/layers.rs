//! What the layers compute where their definition has an edge.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

mod common;

use burn::module::Module;
use burn::tensor::{DType, Tensor, TensorData};
use common::model::{Expert, SCHEMA, Tiny, plain};
use common::{Draws, device, in_f64};
use mtmd::layers::{
    Adaptation, BatchNorm, DomainInput, DomainShared, Layout, Precision, Routing, SharedExperts,
    TaskExpert,
};
use mtmd::model::{Model, initialise};
use mtmd::schema::{Architecture, Crossing, DomainId, ExpertArchitecture, Norm, Tower};
use mtmd::weights::{Weights, list};

fn matrix<const R: usize, const C: usize>(rows: [[f64; C]; R]) -> Tensor<2> {
    let values: Vec<f64> = rows.into_iter().flatten().collect();
    Tensor::from_data(TensorData::new(values, [R, C]), (&device(), DType::F32))
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    }
}

#[test]
fn batch_norm_in_training_uses_the_batch_and_moves_the_running_statistics() {
    let norm = BatchNorm::new(1, &device());
    let y = norm.forward(matrix([[1.0], [3.0], [5.0]]), None, true);
    // Mean 3, biased variance 8/3, unbiased 4.
    let scale = 1.0 / (8.0_f64 / 3.0 + 1e-5).sqrt();
    close(&numbers(y), &[-2.0 * scale, 0.0, 2.0 * scale]);
    close(&numbers(norm.running_mean.value()), &[0.3]);
    close(&numbers(norm.running_var.value()), &[0.9 + 0.4]);
}

#[test]
fn batch_norm_of_one_row_or_in_evaluation_uses_the_running_statistics() {
    let norm = BatchNorm::new(1, &device());
    norm.forward(matrix([[1.0], [3.0], [5.0]]), None, true);
    let expected = (7.0 - 0.3) / (1.3_f64 + 1e-5).sqrt();
    for training in [true, false] {
        close(
            &numbers(norm.forward(matrix([[7.0]]), None, training)),
            &[expected],
        );
    }
    let y = norm.forward(matrix([[7.0], [7.0]]), None, false);
    close(&numbers(y), &[expected, expected]);
    close(&numbers(norm.running_mean.value()), &[0.3]);
    close(&numbers(norm.valid().running_var.value()), &[1.3]);
}

#[test]
fn excitation_scales_every_field_by_one_weight() {
    // search: country 2, user 3, word 2, age 1, length 1.
    let layout = Layout::new(&SCHEMA, Tower::Query, 2);
    assert_eq!(layout.width(), 9);
    let adapt = in_f64(
        Adaptation::new(&layout, &SCHEMA.architecture.expert, &device()),
        1,
    );
    let mut draws = Draws::new(2);
    let embedded = draws.tensor([4, 7], DType::F64);
    let adapted = adapt.forward(DomainInput {
        repeats: None,
        embedded: Some(embedded.clone()),
        vectors: None,
        numbers: Some(draws.tensor([4, 2], DType::F64)),
        training: false,
        precision: Precision::Float32,
    });
    let ratio = numbers(adapted.x().narrow(1, 0, 7) / embedded.clone());
    for row in ratio.chunks(7) {
        assert!(row.iter().all(|weight| (0.0..1.0).contains(weight)));
        close(
            &[row[1], row[3], row[4], row[6]],
            &[row[0], row[2], row[2], row[5]],
        );
    }
    assert_eq!(
        numbers(adapted.embedded().expect("embedded")),
        numbers(embedded)
    );
}

#[test]
fn routing_weights_sum_to_one() {
    let routing = initialise(
        Routing::new(4, &SCHEMA.architecture.expert, 3, &device()),
        1,
    );
    let x = Draws::new(1).tensor([5, 4], DType::F32) * 100.0;
    let weights = routing.forward(x, Precision::Float32);
    close(&numbers(weights.sum_dim(1)), &[1.0; 5]);
}

/// What a domain lacks is zero at first, and is not scaled when it is not.
#[test]
fn a_missing_feature_is_its_learned_vector() {
    let shared = DomainShared::new(&SCHEMA, Tower::Query, &device());
    // word 2, pin 2, length 1; country, user and age are everywhere.
    assert_eq!(
        shared.missing.as_ref().expect("some are missing").dims(),
        [5]
    );
    assert_eq!(
        shared.expert.copies[0].layers[0].linear.weight.dims(),
        [6, 11]
    );

    let mut shared = in_f64(shared, 3);
    let layout = Layout::new(&SCHEMA, Tower::Query, 1);
    let adapt = in_f64(
        Adaptation::new(&layout, &SCHEMA.architecture.expert, &device()),
        4,
    );
    let mut draws = Draws::new(5);
    let adapted = adapt.forward(DomainInput {
        repeats: None,
        embedded: Some(draws.tensor([2, 5], DType::F64)),
        vectors: Some(draws.tensor([2, 2], DType::F64)),
        numbers: Some(draws.tensor([2, 1], DType::F64)),
        training: false,
        precision: Precision::Float32,
    });
    let found = numbers(shared.forward(&adapted).remove(0));
    // The tower: country, user | word | pin | age | length. The domain: country, user, pin, age.
    let missing: Tensor<2> = shared.missing.take().expect("some").val().unsqueeze();
    let missing = missing.expand([2, 5]);
    let x = adapted.x();
    let parts = vec![
        x.clone().narrow(1, 0, 5),
        missing.clone().narrow(1, 0, 2),
        x.narrow(1, 5, 3),
        missing.narrow(1, 4, 1),
    ];
    close(
        &found,
        &numbers(shared.expert.copies[0].forward(Tensor::cat(parts, 1), Precision::Float32)),
    );
}

/// A single expert needs no routing and is not scaled.
#[test]
fn one_expert_goes_on_as_it_is() {
    let mut schema = plain();
    schema.spec.architecture = Architecture {
        expert: ExpertArchitecture {
            task_shared: 0,
            norm: Norm::None,
            crossing: Crossing::None,
            se_reduction: None,
            batch_norm: mtmd::schema::BatchNorm::None,
            ..SCHEMA.architecture.expert.clone()
        },
        domain_shared: 0,
        ..Architecture::PAPER
    };
    let layout = Layout::new(&schema, Tower::Query, 2);
    let expert = schema.architecture.expert(Tower::Query, DomainId(2));
    let task = initialise(TaskExpert::new(&schema, &layout, 0, &device()), 1);
    assert!(task.routing.is_none() && list(&task.cross).is_empty());
    let shared = DomainShared::new(&schema, Tower::Query, &device());
    assert!(list(&shared).is_empty());

    let adapt = Adaptation::new(&layout, expert, &device());
    assert!(list(&adapt).is_empty());
    let mut draws = Draws::new(3);
    let (embedded, numbers_in) = (
        draws.tensor([4, 7], DType::F32),
        draws.tensor([4, 2], DType::F32),
    );
    let adapted = adapt.forward(DomainInput {
        repeats: None,
        embedded: Some(embedded.clone()),
        vectors: None,
        numbers: Some(numbers_in.clone()),
        training: true,
        precision: Precision::Float32,
    });
    let x = Tensor::cat(vec![embedded, numbers_in], 1);
    close(&numbers(adapted.x()), &numbers(x.clone()));
    let none = SharedExperts {
        task: vec![],
        domain: shared.forward(&adapted),
    };
    let found = task.forward(&adapted, &none);
    let deep = task.deep.forward(x, Precision::Float32);
    let deep = task.embedding.forward(deep, Precision::Float32);
    let [_, width] = deep.dims();
    close(&numbers(found.narrow(1, 0, width)), &numbers(deep));
}

/// Without high-level categories the shallow part is one vector for every row.
#[test]
fn a_domain_without_categories_has_a_shallow_vector() {
    let expert = initialise(Expert::new(Tower::Item, 0, &device()), 1);
    let shallow = &expert.click.as_ref().expect("click is everywhere").shallow;
    assert!(shallow.output.is_none() && shallow.layers.is_empty());
    let vector = shallow.vector.as_ref().expect("a vector").val();
    assert!(
        numbers(vector)
            .iter()
            .all(|value| value.abs() < 1.0 && *value != 0.0)
    );
}

#[test]
fn keys_are_those_of_the_graph() {
    let keys: Vec<(String, Vec<usize>)> = list(&Tiny::new(&device()));
    let shape = |key: &str| {
        let found = keys.iter().find(|(found, _)| found == key);
        found.unwrap_or_else(|| panic!("no `{key}`")).1.clone()
    };
    assert_eq!(shape("query.shared.expert.0.linear.weight"), [6, 11]);
    assert_eq!(shape("query.shared.missing"), [5]);
    assert_eq!(shape("query.search.adapt.norm.running_mean"), [2]);
    assert_eq!(shape("query.search.adapt.squeeze.weight"), [2, 5]);
    assert_eq!(shape("query.search.adapt.excite.bias"), [5]);
    assert_eq!(shape("query.search.task_shared.1.norm.bias"), [4]);
    assert_eq!(shape("query.search.click.deep.0.linear.bias"), [6]);
    assert_eq!(shape("query.search.click.routing.0.linear.weight"), [5, 9]);
    assert_eq!(shape("query.search.click.routing.output.weight"), [3, 5]);
    assert_eq!(shape("query.search.click.cross.norm.weight"), [12]);
    assert_eq!(shape("query.search.click.cross.1.down.weight"), [2, 12]);
    assert_eq!(shape("query.search.click.cross.1.up.bias"), [12]);
    assert_eq!(shape("query.search.long.embedding.weight"), [2, 12]);
    assert_eq!(shape("query.search.click.shallow.0.linear.weight"), [3, 4]);
    assert_eq!(shape("query.search.click.shallow.output.weight"), [2, 3]);
    assert_eq!(shape("item.shop.click.shallow.vector"), [2]);
    assert_eq!(shape("heads.buy.bias"), [1]);
    assert!(
        keys.iter()
            .all(|(key, _)| !key.contains("cross.0.down.bias"))
    );
}

#[test]
fn first_weights_depend_on_seed_and_key_alone() {
    let weights = |model: Tiny| {
        let mut weights = Weights::default();
        weights.insert_module("", &model);
        weights.arrays
    };
    let first = weights(Tiny::seeded(&device(), 1));
    assert_eq!(first, weights(Tiny::seeded(&device(), 1)));
    assert_ne!(first, weights(Tiny::seeded(&device(), 2)));

    let linear = &first["query.feed.click.deep.0.linear.weight"];
    let bound = 1.0 / (linear.shape[1] as f32).sqrt();
    assert!(linear.values.iter().all(|value| value.abs() <= bound));
    assert!(linear.values.iter().any(|value| value.abs() > bound * 0.8));
    assert_ne!(
        linear.values,
        first["query.search.click.deep.0.linear.weight"].values
    );

    let mut alone = Weights::default();
    let expert = Expert::new(Tower::Query, 0, &device());
    alone.insert_module("query.feed", &expert);
    assert!(alone.arrays.keys().all(|key| first.contains_key(key)));
}
