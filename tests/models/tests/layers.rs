//! Every layer against NumPy in float64 (`tests/parity/fixtures_layers.py`).

#![expect(clippy::expect_used, reason = "a broken fixture fails the test")]

use model_tests::{Fixture, assert_close, values};
use mtmd::layers::{
    Adaptation, BatchNorm, Cross, DomainInput, Ffn, Head, LayerNorm, Layout, Linear, Precision,
    Routing, Shallow, TaskEmbeddings, TowerInput, TowerOutput,
};
use mtmd::prelude::burn::module::{Module, Param};
use mtmd::prelude::burn::tensor::{Device, Tensor, TensorData};
use mtmd::prelude::*;
use mtmd::schema::{
    Architecture, Axis, Budget, Crossing, Domain, DomainSet, Evaluation, ExpertArchitecture,
    Feature, FeatureKind, Index, Input, Label, Norm, Others, Rows, Spec, Table, TableId, TaskId,
    Training, Value, list, text,
};
use std::sync::LazyLock;

/// Rounding of float32 through a few layers.
const TOLERANCE: f64 = 2e-6;

fn load<M: Module>(fixture: &Fixture, case: &str, layer: M) -> M {
    let mut loading = fixture.weights(case).into_loading();
    let layer = loading.module("layer", layer);
    loading
        .finish()
        .expect("the case's weights are the layer's");
    layer
}

#[test]
fn layers_agree_with_numpy() {
    let (fixture, device) = (Fixture::open("layers"), Device::flex());
    let x = |case: &str| fixture.matrix(&format!("{case}/x"), &device);
    let check = |case: &str, y: Tensor<2>| {
        assert_close(
            case,
            &values(y),
            fixture.floats(&format!("{case}/y")),
            TOLERANCE,
        );
    };

    let layer = load(&fixture, "linear", Linear::new(9, 5, &device));
    check("linear", layer.forward(x("linear"), Precision::Float32));
    let layer = load(&fixture, "layer_norm", LayerNorm::new(9, &device));
    check("layer_norm", layer.forward(x("layer_norm")));
    let layer = load(&fixture, "ffn", Ffn::new(9, &[8, 5], Norm::Pre, &device));
    check("ffn", layer.forward(x("ffn"), Precision::Float32));
    let layer = load(
        &fixture,
        "routing",
        Routing::new(9, &SCHEMA.architecture.expert, 3, &device),
    );
    check("routing", layer.forward(x("routing"), Precision::Float32));
    let layer = load(
        &fixture,
        "cross",
        Cross::new(12, &SCHEMA.architecture.expert, &device),
    );
    check("cross", layer.forward(x("cross"), Precision::Float32));
}

#[test]
fn batch_norm_agrees_with_numpy_in_training_and_in_evaluation() {
    let (fixture, device) = (Fixture::open("layers"), Device::flex());
    for (case, training) in [
        ("training", true),
        ("evaluation", false),
        ("single_row", true),
    ] {
        let case = format!("batch_norm_{case}");
        let layer = load(&fixture, &case, BatchNorm::new(4, &device));
        let y = layer.forward(
            fixture.matrix(&format!("{case}/x"), &device),
            None,
            training,
        );
        let expect = |what: &str| fixture.floats(&format!("{case}/{what}"));
        assert_close(&case, &values(y), expect("y"), TOLERANCE);
        let (mean, variance) = (layer.running_mean.value(), layer.running_var.value());
        assert_close(
            &case,
            &values(mean),
            expect("running_mean_after"),
            TOLERANCE,
        );
        assert_close(
            &case,
            &values(variance),
            expect("running_var_after"),
            TOLERANCE,
        );
    }
}

#[test]
fn squeeze_excitation_agrees_with_numpy() {
    let (fixture, device) = (Fixture::open("layers"), Device::flex());
    let layout = Layout::new(&SCHEMA, Tower::Query, 0);
    let layer = Adaptation::new(&layout, &SCHEMA.architecture.expert, &device);
    let layer = load(&fixture, "squeeze_excitation", layer);
    let vectors = Some(fixture.matrix("squeeze_excitation/x", &device));
    let input = DomainInput {
        repeats: None,
        embedded: None,
        vectors,
        numbers: None,
        training: false,
        precision: Precision::Float32,
    };
    let y = layer.forward(input).x();
    let expected = fixture.floats("squeeze_excitation/y");
    assert_close("squeeze_excitation", &values(y), expected, TOLERANCE);
}

#[test]
fn shallow_expert_agrees_with_numpy() {
    let (fixture, device) = (Fixture::open("layers"), Device::flex());
    let layout = Layout::new(&SCHEMA, Tower::Item, 0);
    let embedded = Some(fixture.matrix("shallow/x", &device));
    let input = DomainInput {
        repeats: None,
        embedded,
        vectors: None,
        numbers: None,
        training: false,
        precision: Precision::Float32,
    };
    let adapted = Adaptation::new(&layout, &SCHEMA.architecture.expert, &device).forward(input);
    let layer = Shallow::new(&layout, &SCHEMA.architecture, &device);
    let y = load(&fixture, "shallow", layer)
        .forward(&adapted)
        .expect("shallow features");
    assert_close(
        "shallow",
        &values(y),
        fixture.floats("shallow/y"),
        TOLERANCE,
    );
}

/// Heads alone: the towers' outputs are given.
#[derive(Module, Debug)]
struct HeadsOnly {
    heads: Vec<Head>,
}

impl Model for HeadsOnly {
    fn schema() -> &'static Schema {
        &SCHEMA
    }

    fn new(device: &Device) -> Self {
        let head = || Head {
            bias: Some(Param::from_tensor(Tensor::zeros([1], device))),
        };
        Self {
            heads: (0..4).map(|_| head()).collect(),
        }
    }

    fn query(&self, _: TowerInput) -> TowerOutput {
        TowerOutput::new(1)
    }

    fn item(&self, _: TowerInput) -> TowerOutput {
        TowerOutput::new(1)
    }

    fn heads(&self) -> Vec<&Head> {
        self.heads.iter().collect()
    }
}

/// A chain and a branch of tasks with ordinary and extreme logits, and the loss on them.
#[test]
fn constrained_heads_and_loss_agree_with_numpy() {
    let (fixture, device) = (Fixture::open("layers"), Device::flex());
    let z = fixture.f32s("heads/z");
    let rows = z.len() / 4;
    let tower = |embedding: &dyn Fn(&[f32]) -> Vec<f32>| {
        let mut tasks = TaskEmbeddings::new(4);
        for (task, z) in z.chunks(rows).enumerate() {
            let data = TensorData::new(embedding(z), [rows, 1]);
            tasks.set(task, Tensor::from_data(data, &device));
        }
        let mut output = TowerOutput::new(1);
        output.set(0, tasks);
        output
    };
    let grouped = || mtmd::data::batch::TowerBatch {
        domains: std::iter::once(0..rows).collect(),
        order: (0..rows as u32).collect(),
        shared: None,
        columns: vec![],
    };
    let batch = mtmd::data::batch::Batch {
        rows,
        surface: vec![0; rows],
        product: vec![0; rows],
        query: grouped(),
        item: grouped(),
        labels: fixture
            .f32s("heads/label")
            .chunks(rows)
            .map(<[f32]>::to_vec)
            .collect(),
        weights: vec![],
        actions: vec![],
        origins: vec![],
    };
    let model = HeadsOnly::new(&device);
    let query = tower(&|z| z.to_vec());
    let item = tower(&|z| vec![1.0; z.len()]);
    let scores = mtmd::model::scores(&model, &query, &item, &batch);
    let loss = mtmd::model::loss(&SCHEMA, &scores, &batch);
    for (task, scores) in scores.tasks.iter().enumerate() {
        let scores = scores.as_ref().expect("every task has rows");
        let part = |key: &str| &fixture.floats(key)[task * rows..(task + 1) * rows];
        assert_close(
            "lp",
            &values(scores.lp.clone()),
            part("heads/lp"),
            TOLERANCE,
        );
        assert_close(
            "lq",
            &values(scores.lq.clone()),
            part("heads/lq"),
            TOLERANCE,
        );
        let mean = part("heads/kl").iter().sum::<f64>() / rows as f64;
        let actual = loss.tasks[task].as_ref().expect("labels").value();
        assert!(
            (actual - mean).abs() <= 1e-5 * mean.max(1.0),
            "{actual} instead of {mean}"
        );
    }
}

fn vector(width: usize) -> Feature {
    Feature {
        name: text("v"),
        column: text("v"),
        derive: None,
        kind: FeatureKind::Vector { width },
        domains: DomainSet::first::<1>(),
        doc: text(""),
        place: text("line 1"),
    }
}

fn task(name: &'static str, given: Option<TaskId>) -> mtmd::schema::Task {
    mtmd::schema::Task {
        name: text(name),
        label: Label::Score(text("label")),
        action: list(&[]),
        given,
        weight: 1.0,
        sample_weight: None,
        mask: list(&[]),
        embedding: 1,
        surfaces: DomainSet::first::<1>(),
        products: DomainSet::first::<1>(),
        doc: text(""),
        place: text("line 1"),
    }
}

fn axis(column: &'static str) -> Axis {
    Axis {
        column: text(column),
        domains: vec![Domain {
            name: text("only"),
            values: list(&[Value::Int(0)]),
            like: None,
            doc: text(""),
        }]
        .into(),
        others: Others::Error,
        place: text("line 1"),
    }
}

fn fixtures() -> Schema {
    Schema {
        spec: fixtures_spec(),
        spec_hash: "",
        weights_hash: "",
        graph_hash: "",
        graph: "",
    }
}

fn fixtures_spec() -> Spec {
    Spec {
        name: text("fixtures"),
        doc: text(""),
        data: None,
        surfaces: axis("surface"),
        products: axis("product"),
        tasks: vec![
            task("a", None),
            task("b", Some(TaskId(0))),
            task("c", Some(TaskId(1))),
            task("d", Some(TaskId(0))),
        ]
        .into(),
        tables: vec![Table {
            name: text("t"),
            rows: 2,
            dim: 5,
            index: Index::Hash,
            oov: 0,
            embeddings: None,
            shared: false,
            doc: text(""),
        }]
        .into(),
        query: vec![vector(3), vector(4), vector(5), vector(1), vector(1)].into(),
        item: vec![Feature {
            name: text("category"),
            column: text("category"),
            derive: None,
            kind: FeatureKind::Embedded {
                table: TableId(0),
                input: Input::One { default: None },
                shallow: true,
            },
            domains: DomainSet::first::<1>(),
            doc: text(""),
            place: text("line 1"),
        }]
        .into(),
        architecture: Architecture {
            expert: ExpertArchitecture {
                deep: list(&[8, 5]),
                routing: list(&[8, 4]),
                shallow: list(&[7]),
                crossing: Crossing::Dcn { rank: 3, depth: 2 },
                se_reduction: Some(2),
                ..ExpertArchitecture::PAPER
            },
            shallow_width: 4,
            shared_deep: list(&[8, 5]),
            ..Architecture::PAPER
        },
        rows: Rows::DEFAULT,
        evaluation: Evaluation::DEFAULT,
        budget: Budget::DEFAULT,
        training: Training::DEFAULT,
    }
}

/// The fixtures' sizes: five vector fields in the query tower, one shallow embedding in the item tower.
static SCHEMA: LazyLock<Schema> = LazyLock::new(fixtures);
