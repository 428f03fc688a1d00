//! Every generated model at full size against NumPy in float64, which is built from `graph.yaml` alone
//! (`tests/parity/fixtures_specs.py`): keys and shapes of the weights, scores, the loss, BatchNorm's running statistics,
//! and the slope of the loss along fixed directions. Gradients by key are held to finite differences in float64 by the
//! compiler's tests of its plans.

#![expect(clippy::indexing_slicing, reason = "a broken fixture fails the test")]

use std::collections::BTreeMap;

use model_tests::{Fixture, assert_close, set_weights, uniform};
use mtmd::data::batch::{Batch, Column, TowerBatch};
use mtmd::exec::host::{Executor, Step, TowerRows};
use mtmd::exec::{Precision, heads};
use mtmd::params::Params;
use mtmd::schema::{Axis, Compiled, FeatureKind, Input, Schema, Tower};
use mtmd::score::{self, ScoringBatch};
use mtmd::tables::{Inputs, Tables};
use mtmd::training::Trainer;

/// Rounding of float32 through the whole model, relative to the largest |ln p| (at least 1).
const TOLERANCE: f64 = 2e-5;

#[test]
fn kuairand_agrees_with_numpy() {
    agrees_with_numpy(&kuairand::MODEL);
}

#[test]
fn marketplace_agrees_with_numpy() {
    agrees_with_numpy(&marketplace::MODEL);
}

#[test]
fn minimal_agrees_with_numpy() {
    agrees_with_numpy(&minimal::MODEL);
}

#[test]
fn network_agrees_with_numpy() {
    agrees_with_numpy(&network::MODEL);
}

#[test]
fn pinterest_agrees_with_numpy() {
    agrees_with_numpy(&pinterest::MODEL);
}

#[test]
fn travel_agrees_with_numpy() {
    agrees_with_numpy(&travel::MODEL);
}

#[test]
fn video_agrees_with_numpy() {
    agrees_with_numpy(&video::MODEL);
}

fn agrees_with_numpy(model: &'static Compiled) {
    let fixture = Fixture::open(&model.schema.name);
    scores_agree(model, &fixture);
    steps_agree(model, &fixture);
}

/// The scores of evaluation, through tables and executor.
fn scores_agree(model: &'static Compiled, fixture: &Fixture) {
    let Compiled { schema, plan } = model;
    let mut trainer = Trainer::new(model, &schema.training, Precision::Float32);
    set_weights(&mut trainer.targets());
    let batch = ScoringBatch::new(plan, batch(schema, fixture));
    for (task, scores) in schema.tasks.iter().zip(trainer.scorer().score(&batch)) {
        let key = |part: &str| format!("evaluation/{}/{part}", task.name);
        assert_eq!(
            scores.rows,
            fixture.indices(&key("rows")),
            "{}",
            key("rows")
        );
        for (part, actual) in [("lp", scores.lp), ("lq", scores.lq)] {
            assert_close(&key(part), &actual, fixture.floats(&key(part)), TOLERANCE);
        }
    }
}

/// The loss of a training step, the running statistics after it, and the slopes along its gradient.
fn steps_agree(model: &'static Compiled, fixture: &Fixture) {
    let Compiled { schema, plan } = model;
    let batch = batch(schema, fixture);
    let mut tables = Tables::read_only(schema, plan);
    set_weights(&mut tables.targets());
    let mut inputs = Inputs::default();
    tables.gather(&batch, &mut inputs);
    let index = score::index(model);
    let mut params = Params::zeros(plan);
    set_weights(&mut params.targets(&index));

    let rows = Tower::ALL.map(|tower| TowerRows {
        domains: &batch.tower(tower).domains,
        fields: inputs.of(tower),
        repeats: None,
    });
    let mut step = Step::default();
    let heads = heads::training(plan, &batch);
    Executor::new(plan).step(&params, rows, &heads, Precision::Float32, &mut step);

    let expected = fixture.floats("training/loss");
    assert_close("training/loss", &[step.loss as f32], expected, TOLERANCE);
    let after = Params {
        values: step.gradient,
        statistics: step.statistics,
    };
    let mut gradients = BTreeMap::new();
    for entry in index.entries() {
        let key = index.key(&entry);
        if !key.contains(".running_") {
            gradients.insert(key, after.of(&entry).to_vec());
        } else if fixture.has(&format!("running/{key}")) {
            let expected = fixture.floats(&format!("running/{key}"));
            assert_close(&key, after.of(&entry), expected, TOLERANCE);
        }
    }
    check_slopes(fixture, &gradients);
}

/// The gradient times a fixed direction, by part of the model, against NumPy's central difference along it.
fn check_slopes(fixture: &Fixture, gradients: &BTreeMap<String, Vec<f32>>) {
    // By first segment of the key: the sum of gradient · direction, and of its terms' sizes.
    let mut parts: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (key, gradient) in gradients {
        let direction = uniform(&format!("direction.{key}"), gradient.len());
        let sums = parts
            .entry(key.split('.').next().unwrap_or_default())
            .or_default();
        for (gradient, direction) in gradient.iter().zip(direction) {
            sums.0 += f64::from(*gradient) * direction;
            sums.1 += (f64::from(*gradient) * direction).abs();
        }
    }
    for (part, (slope, size)) in parts {
        let expected = fixture.floats(&format!("slope/{part}."))[0];
        // The terms of the sum nearly cancel, so rounding is relative to their size, not to the sum.
        let error = (slope - expected).abs();
        assert!(
            error <= 1e-5 * size.max(1.0),
            "{part}: slope {slope} instead of {expected}"
        );
    }
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
            &FeatureKind::Vector { width } => {
                let all = fixture.f32s(&key);
                let row = |&row: &u32| all[row as usize * width..][..width].to_vec();
                Column::Vectors {
                    width,
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
