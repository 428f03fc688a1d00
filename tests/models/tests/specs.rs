//! Every generated model at full size against NumPy in float64, which is built from `graph.yaml` alone
//! (`tests/parity/fixtures_specs.py`): keys and shapes of the weights, scores in training and in evaluation, the loss,
//! BatchNorm's running statistics, and the slope of the loss along fixed directions.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken fixture fails the test"
)]

use std::collections::BTreeMap;

use model_tests::{Fixture, assert_close, uniform, values, weight};
use mtmd::data::batch::{Batch, Column, TowerBatch};
use mtmd::layers::{DomainInput, Precision, TowerInput};
use mtmd::model::{Scores, forward, loss};
use mtmd::prelude::burn::module::{ModuleVisitor, Param};
use mtmd::prelude::burn::tensor::{Device, Gradients, Tensor, TensorData};
use mtmd::prelude::*;
use mtmd::schema::{Axis, FeatureKind, Input};
use mtmd::tables::{DomainRows, Tables};
use mtmd::weights::{Array, Path, Weights};

/// Rounding of float32 through the whole model, relative to the largest |ln p| (at least 1).
const TOLERANCE: f64 = 2e-5;

#[test]
fn kuairand_agrees_with_numpy() {
    agrees_with_numpy::<kuairand::Kuairand>();
}

#[test]
fn marketplace_agrees_with_numpy() {
    agrees_with_numpy::<marketplace::Marketplace>();
}

#[test]
fn minimal_agrees_with_numpy() {
    agrees_with_numpy::<minimal::Minimal>();
}

#[test]
fn network_agrees_with_numpy() {
    agrees_with_numpy::<network::Network>();
}

#[test]
fn pinterest_agrees_with_numpy() {
    agrees_with_numpy::<pinterest::Pinterest>();
}

#[test]
fn travel_agrees_with_numpy() {
    agrees_with_numpy::<travel::Travel>();
}

#[test]
fn video_agrees_with_numpy() {
    agrees_with_numpy::<video::Video>();
}

fn agrees_with_numpy<M: Model>() {
    let schema = M::schema();
    let fixture = Fixture::open(&schema.name);
    let batch = batch(schema, &fixture);
    let tables = tables(schema);

    let device = Device::flex();
    let model = loaded::<M>(&device);
    let [query, item] =
        [Tower::Query, Tower::Item].map(|t| input(&tables, t, &batch, &device, false));
    let scores = forward(&model, query, item, &batch);
    check_scores(&fixture, "evaluation", schema, &scores, &batch);

    let device = device.autodiff();
    let model = loaded::<M>(&device);
    let [query, item] =
        [Tower::Query, Tower::Item].map(|t| input(&tables, t, &batch, &device, true));
    let scores = forward(&model, query, item, &batch);
    let total = check_scores(&fixture, "training", schema, &scores, &batch);
    check_running_statistics(&fixture, &model);
    check_slopes(&fixture, &model, total.backward());
}

/// Checks ln p, ln (1 - p) and the loss; returns the loss.
fn check_scores(
    fixture: &Fixture,
    mode: &str,
    schema: &Schema,
    scores: &Scores,
    batch: &Batch,
) -> Tensor<1> {
    for (task, scores) in schema.tasks.iter().zip(&scores.tasks) {
        let key = |part: &str| format!("{mode}/{}/{part}", task.name);
        let scores = scores.as_ref().expect("every task has rows in the fixture");
        assert_eq!(
            scores.rows,
            fixture.indices(&key("rows")),
            "{}",
            key("rows")
        );
        for (part, actual) in [("lp", &scores.lp), ("lq", &scores.lq)] {
            assert_close(
                &key(part),
                &values(actual.clone()),
                fixture.floats(&key(part)),
                TOLERANCE,
            );
        }
    }
    let total = loss(schema, scores, batch).total.expect("labels");
    let expected = fixture.floats(&format!("{mode}/loss"));
    assert_close(
        &format!("{mode}/loss"),
        &values(total.clone()),
        expected,
        TOLERANCE,
    );
    total
}

fn check_running_statistics<M: Model>(fixture: &Fixture, model: &M) {
    let mut weights = Weights::default();
    weights.insert_module("", model);
    for (key, array) in &weights.arrays {
        if key.contains(".running_") && fixture.has(&format!("running/{key}")) {
            assert_close(
                key,
                &array.values,
                fixture.floats(&format!("running/{key}")),
                TOLERANCE,
            );
        }
    }
}

/// The gradient times a fixed direction, against NumPy's central difference along it.
fn check_slopes<M: Model>(fixture: &Fixture, model: &M, gradients: Gradients) {
    let mut slopes = Slopes {
        path: Path::default(),
        gradients,
        parts: BTreeMap::new(),
    };
    model.visit(&mut slopes);
    for (part, (slope, size)) in slopes.parts {
        let expected = fixture.floats(&format!("slope/{part}."))[0];
        // The terms of the sum nearly cancel, so rounding is relative to their size, not to the sum.
        let error = (slope - expected).abs();
        assert!(
            error <= 1e-5 * size.max(1.0),
            "{part}: slope {slope} instead of {expected}"
        );
    }
}

struct Slopes {
    path: Path,
    gradients: Gradients,
    /// By first segment of the key: the sum of gradient · direction, and of its terms' sizes.
    parts: BTreeMap<String, (f64, f64)>,
}

impl ModuleVisitor for Slopes {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = param.val().grad(&self.gradients) else {
            return;
        };
        let key = self.path.key();
        let gradient = values(gradient);
        let direction = uniform(&format!("direction.{key}"), gradient.len());
        let part = key.split('.').next().unwrap_or_default().to_owned();
        let sums = self.parts.entry(part).or_default();
        for (gradient, direction) in gradient.iter().zip(direction) {
            sums.0 += f64::from(*gradient) * direction;
            sums.1 += (f64::from(*gradient) * direction).abs();
        }
    }
}

/// The model with the weights that NumPy used. Fails if a key or a shape is not the graph's.
fn loaded<M: Model>(device: &Device) -> M {
    let model = M::new(device);
    let mut weights = Weights::default();
    for (key, shape) in mtmd::weights::list(&model) {
        weights.arrays.insert(
            key.clone(),
            Array {
                values: weight(&key, &shape),
                shape,
            },
        );
    }
    let mut loading = weights.into_loading();
    let model = loading.module("", model);
    loading.finish().expect("the weights are the model's own");
    model
}

fn tables(schema: &'static Schema) -> Tables {
    let mut tables = Tables::new(schema, &schema.training);
    let weights: Vec<Vec<f32>> = schema
        .tables
        .iter()
        .map(|table| {
            weight(
                &format!("tables.{}.weight", table.name),
                &[table.rows, table.dim],
            )
        })
        .collect();
    tables.restart(0);
    for (table, weight) in weights.iter().enumerate() {
        let (array, _) = tables.arrays(table).expect("a table of the schema");
        tables.put(table, array, 0, weight).expect("row 0 is zero");
    }
    tables
}

fn input(
    tables: &Tables,
    tower: Tower,
    batch: &Batch,
    device: &Device,
    training: bool,
) -> TowerInput {
    let rows = match tower {
        Tower::Query => &batch.query,
        Tower::Item => &batch.item,
    };
    let domain = |rows: DomainRows| {
        let matrix = |values: Vec<f32>| {
            let width = values.len() / rows.rows;
            let data = TensorData::new(values, [rows.rows, width]);
            (width > 0).then(|| Tensor::from_data(data, device))
        };
        DomainInput {
            repeats: None,
            embedded: matrix(rows.embedded),
            vectors: matrix(rows.vectors),
            numbers: matrix(rows.numbers),
            training,
            precision: Precision::Float32,
        }
    };
    TowerInput::new(
        tables
            .gather(tower, rows)
            .into_iter()
            .map(|rows| rows.map(domain))
            .collect(),
    )
}

/// The fixture's batch, grouped by domain.
fn batch(schema: &Schema, fixture: &Fixture) -> Batch {
    let surface = fixture.indices("surface");
    let product = fixture.indices("product");
    let labels = |task: &str| fixture.f32s(&format!("labels/{task}"));
    Batch {
        rows: surface.len(),
        query: tower(schema, Tower::Query, fixture, &surface),
        item: tower(schema, Tower::Item, fixture, &product),
        surface: surface.into_iter().map(|domain| domain as u16).collect(),
        product: product.into_iter().map(|domain| domain as u16).collect(),
        labels: schema.tasks.iter().map(|task| labels(&task.name)).collect(),
        weights: schema
            .tasks
            .iter()
            .map(|task| match task.sample_weight {
                Some(_) => fixture.f32s(&format!("weights/{}", task.name)),
                None => vec![],
            })
            .collect(),
        actions: schema.tasks.iter().map(|_| vec![]).collect(),
        origins: vec![],
    }
}

fn tower(schema: &Schema, tower: Tower, fixture: &Fixture, domains: &[u32]) -> TowerBatch {
    let Axis { domains: all, .. } = schema.axis(tower);
    let mut order: Vec<u32> = (0..domains.len() as u32).collect();
    order.sort_by_key(|&row| domains[row as usize]);
    let mut ranges = Vec::new();
    let mut start = 0;
    for domain in 0..all.len() as u32 {
        let end = start + domains.iter().filter(|&&of| of == domain).count();
        ranges.push(start..end);
        start = end;
    }
    let name = match tower {
        Tower::Query => "query",
        Tower::Item => "item",
    };
    let columns = schema.features(tower).iter().map(|feature| {
        let key = format!("{name}/{}", feature.name);
        match &feature.kind {
            FeatureKind::Embedded {
                input: Input::One { .. } | Input::Buckets { .. },
                ..
            } => {
                let ids = fixture.indices(&key);
                Column::Ids(order.iter().map(|&row| ids[row as usize]).collect())
            }
            FeatureKind::Embedded {
                input: Input::List { weights, .. },
                ..
            } => {
                let of_entries = weights
                    .as_ref()
                    .map(|_| fixture.f32s(&format!("{key}/weights")));
                let mut weights = vec![];
                let from = fixture.indices(&format!("{key}/offsets"));
                let all = fixture.indices(&format!("{key}/ids"));
                let (mut offsets, mut ids) = (vec![0], vec![]);
                for &row in &order {
                    let (start, end) = (from[row as usize], from[row as usize + 1]);
                    let span = start as usize..end as usize;
                    ids.extend_from_slice(&all[span.clone()]);
                    weights.extend(of_entries.iter().flat_map(|all| &all[span.clone()]));
                    offsets.push(ids.len() as u32);
                }
                Column::Lists {
                    offsets,
                    ids,
                    weights,
                }
            }
            FeatureKind::Vector { width } => {
                let all = fixture.f32s(&key);
                let row = |&row: &u32| all[row as usize * width..][..*width].to_vec();
                Column::Vectors {
                    width: *width,
                    values: order.iter().flat_map(row).collect(),
                }
            }
            FeatureKind::Number(_) => {
                let all = fixture.f32s(&key);
                Column::Numbers(order.iter().map(|&row| all[row as usize]).collect())
            }
        }
    });
    TowerBatch {
        domains: ranges,
        columns: columns.collect(),
        order,
        shared: None,
    }
}
