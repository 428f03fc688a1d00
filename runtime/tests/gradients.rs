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
    Adaptation, BatchNorm, Cross, DomainInput, DomainShared, Ffn, LayerNorm, Layout, Linear,
    Precision, Routing, TaskEmbeddings, task_embeddings,
};
use mtmd::model::{Model, forward, loss};
use mtmd::schema::{Crossing, ExpertArchitecture, Norm, Tower, list};

const ROWS: usize = 5;

fn expert() -> ExpertArchitecture {
    ExpertArchitecture {
        routing: list(&[6]),
        ..ExpertArchitecture::PAPER
    }
}

/// Checks a layer by a loss that weighs its outputs at random.
fn check_layer<M: Module>(
    module: M,
    width: usize,
    forward: impl Fn(&M, Tensor<2>, Precision) -> Tensor<2>,
) {
    let module = in_f64(module, 1);
    let x = Draws::new(2).tensor([ROWS, width], DType::F64);
    finite::check(&module, &[x], |module, inputs| {
        let y = forward(module, inputs[0].clone(), Precision::Float32);
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
    check_layer(LayerNorm::new(4, &device()), 4, |norm, x, _| {
        norm.forward(x)
    });
}

#[test]
fn batch_norm() {
    check_layer(BatchNorm::new(3, &device()), 3, |norm, x, _| {
        norm.forward(x, None, true)
    });
    check_layer(BatchNorm::new(3, &device()), 3, |norm, x, _| {
        norm.forward(x, None, false)
    });
}

#[test]
fn ffn() {
    check_layer(Ffn::new(4, &[7, 5], Norm::Pre, &device()), 4, Ffn::forward);
}

#[test]
fn routing() {
    check_layer(
        Routing::new(4, &expert(), 3, &device()),
        4,
        Routing::forward,
    );
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
            Crossing::Mlp(list(&[6, 3])),
        ] {
            let expert = ExpertArchitecture {
                crossing,
                norm,
                ..expert()
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

/// A Domain Expert and its rows.
type Rows = (Expert, DomainInput);

/// By one operation.
fn at_once(experts: &[Rows], shared: &DomainShared) -> Vec<TaskEmbeddings> {
    let rows = experts.iter().enumerate();
    let rows = rows.map(|(at, (expert, rows))| (at, expert.adapt(rows.clone(), shared)));
    let output = task_embeddings(experts.len(), 4, rows.collect());
    (0..experts.len())
        .map(|at| output.get(at).unwrap().clone())
        .collect()
}

/// One by one, layer by layer.
fn by_layers(experts: &[Rows], shared: &DomainShared) -> Vec<TaskEmbeddings> {
    let experts = experts.iter();
    experts
        .map(|(expert, rows)| expert.forward_by_layers(rows.clone(), shared))
        .collect()
}

/// What Domain Experts give and the gradients of all that they read, by the tests' parameters' order.
fn results(
    experts: &[Rows],
    shared: &DomainShared,
    forward: fn(&[Rows], &DomainShared) -> Vec<TaskEmbeddings>,
) -> Vec<(String, Vec<f64>)> {
    let mut results = Vec::new();
    let mut total: Option<Tensor<1>> = None;
    for (domain, output) in forward(experts, shared).iter().enumerate() {
        for (task, embedding) in (0..4).filter_map(|task| Some((task, output.get(task)?))) {
            let values = embedding.to_data().iter::<f64>().collect();
            results.push((format!("domain {domain}, task {task}"), values));
            // The last task takes no part in the loss, as one without labels.
            if task < 3 {
                let mut draws = Draws::new((task + 9 * domain) as u64);
                let weights = draws.tensor(embedding.dims(), embedding.dtype());
                let part = (embedding.clone() * weights).sum();
                total = Some(total.map_or(part.clone(), |total| total + part));
            }
        }
    }
    let gradients = total.unwrap().backward();
    for (expert, rows) in experts {
        let leaf = rows
            .embedded
            .as_ref()
            .and_then(|leaf| leaf.grad(&gradients));
        let leaf = leaf.map(|leaf| leaf.to_data().iter::<f64>().collect());
        results.push(("leaf".to_owned(), leaf.unwrap_or_default()));
        results.extend(finite::by_key(expert, &gradients));
    }
    results.extend(finite::by_key(shared, &gradients));
    results
}

/// The Domain Expert of a domain and rows for it. `learned`: whether something that comes before the experts learns.
fn expert_rows(domain: usize, rows: usize, dtype: DType, learned: bool) -> Rows {
    let layout = Layout::new(&SCHEMA, Tower::Query, domain);
    let mut draws = Draws::new(rows as u64);
    let mut input = |width: usize| (width > 0).then(|| draws.tensor([rows, width], dtype));
    let input = DomainInput {
        embedded: input(layout.embedded_width()),
        vectors: input(layout.vector_width()),
        numbers: input(layout.numbers()),
        repeats: None,
        training: true,
        precision: Precision::Float32,
    };
    let mut expert = Expert::new(Tower::Query, domain, &device());
    if learned {
        let embedded = input.embedded.map(Tensor::require_grad);
        return (redrawn(expert, 3, dtype), DomainInput { embedded, ..input });
    }
    let plain = ExpertArchitecture {
        se_reduction: None,
        batch_norm: mtmd::schema::BatchNorm::None,
        ..SCHEMA.architecture.expert.clone()
    };
    expert.adapt = Adaptation::new(&layout, &plain, &device());
    (redrawn(expert, 3, dtype), input)
}

/// Outputs and gradients of Domain Experts whose products are in bfloat16 are near those of float32, and are not those. A few are
/// not that near: rounding turns the slope of an activation at its kink, and norms of a few columns enlarge it.
#[test]
fn bfloat16_is_near_float32_and_not_the_same() {
    for rows in [40, 300] {
        let shared = redrawn(
            DomainShared::new(&SCHEMA, Tower::Query, &device()),
            4,
            DType::F32,
        );
        let in_precision = |precision| {
            let experts = [2, 0, 1].map(|domain| {
                let (expert, input) = expert_rows(domain, rows, DType::F32, true);
                (expert, DomainInput { precision, ..input })
            });
            [at_once, by_layers].map(|forward| results(&experts, &shared, forward))
        };
        let [single, _] = in_precision(Precision::Float32);
        for half in in_precision(Precision::Bfloat16) {
            assert_eq!(single.len(), half.len());
            let mut distances = Vec::with_capacity(single.len());
            for ((_, expected), (_, found)) in single.iter().zip(&half) {
                let norm = |values: &mut dyn Iterator<Item = f64>| {
                    values.map(|x| x * x).sum::<f64>().sqrt()
                };
                let size = norm(&mut expected.iter().copied());
                let far = norm(&mut expected.iter().zip(found).map(|(x, y)| x - y));
                distances.push(far / size.max(f64::MIN_POSITIVE));
            }
            distances.sort_by(f64::total_cmp);
            let [median, most] = [5, 9].map(|tenths| distances[distances.len() * tenths / 10]);
            assert!((1e-3..0.05).contains(&median), "{rows} rows: {median}");
            assert!(most < 0.2, "{rows} rows: {most}");
        }
    }
}

/// Rows of one chunk, of several chunks, and of several lanes, the last chunk not full; of one domain and of several; and of
/// several where nothing learns before the experts do.
#[test]
fn one_operation_is_the_layers_one_by_one() {
    let cases: [(&[usize], usize, bool); 6] = [
        (&[0], 1, true),
        (&[1], 40, true),
        (&[2], 300, true),
        (&[1], 1_300, true),
        (&[2, 0, 1], 70, true),
        (&[0, 1], 50, false),
    ];
    for (domains, rows, learned) in cases {
        for (dtype, tolerance) in [(DType::F64, 1e-11), (DType::F32, 2e-4)] {
            let shared = DomainShared::new(&SCHEMA, Tower::Query, &device());
            let shared = redrawn(shared, 4, dtype);
            let experts = domains.iter();
            let experts =
                experts.map(|&domain| expert_rows(domain, rows + 3 * domain, dtype, learned));
            let experts: Vec<Rows> = experts.collect();
            let one = results(&experts, &shared, at_once);
            let layers = results(&experts, &shared, by_layers);
            assert_eq!(one.len(), layers.len());
            for ((name, found), (other, expected)) in one.iter().zip(&layers) {
                assert_eq!((name, found.len()), (other, expected.len()));
                let size = expected.iter().fold(1e-3_f64, |size, x| size.max(x.abs()));
                for (found, expected) in found.iter().zip(expected) {
                    assert!(
                        (found - expected).abs() <= tolerance * size,
                        "{domains:?}, {rows} rows, {name}: {found} is not {expected}"
                    );
                }
            }
        }
    }
}
