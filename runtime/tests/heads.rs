//! Constrained heads and the loss: properties, and the edges of a batch.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

mod common;

use burn::tensor::{DType, Tensor};
use common::model::{SCHEMA, Tiny};
use common::{Draws, batch, device, in_f64, inputs};
use mtmd::data::batch::Batch;
use mtmd::layers::{TaskEmbeddings, TowerOutput};
use mtmd::model::{Loss, Model, Scores, forward, loss, scores};
use mtmd::schema::{DomainId, Tower};
use proptest::prelude::*;

fn numbers(tensor: &Tensor<1>) -> Vec<f64> {
    tensor.to_data().iter::<f64>().collect()
}

/// Outputs of a tower whose embeddings are `scale` times random values.
fn embeddings(tower: Tower, batch: &Batch, scale: f64, seed: u64) -> TowerOutput {
    let grouped = match tower {
        Tower::Query => &batch.query,
        Tower::Item => &batch.item,
    };
    let mut draws = Draws::new(seed);
    let mut output = TowerOutput::new(grouped.domains.len());
    for (domain, places) in grouped.domains.iter().enumerate() {
        if places.is_empty() {
            continue;
        }
        let mut tasks = TaskEmbeddings::new(SCHEMA.tasks.len());
        for (id, task) in SCHEMA.tasks.iter().enumerate() {
            if task.is_on(tower, DomainId(domain)) {
                let width = task.embedding + SCHEMA.architecture.shallow_width;
                let values = draws.tensor([places.len(), width], DType::F32) * scale;
                tasks.set(id, values.detach().require_grad());
            }
        }
        output.set(domain, tasks);
    }
    output
}

fn random_cells(rows: usize, seed: u64) -> Vec<(u16, u16)> {
    let mut draws = Draws::new(seed);
    let mut draw = |of: f64| (draws.next().abs() * of) as u16;
    (0..rows)
        .map(|_| (draw(3.0).min(2), draw(2.0).min(1)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// P(child) ≤ P(parent) on every row, P + Q = 1, rows are exactly those whose cell exists, and
    /// loss and gradients are finite, for logits up to 1e4 in size.
    #[test]
    fn scores_are_probabilities_below_their_parents(
        rows in 1_usize..20,
        seed in 0_u64..10_000,
        power in 0.0_f64..2.2,
    ) {
        let batch = batch(&SCHEMA, &random_cells(rows, seed), seed);
        let model = Tiny::seeded(&device(), 1);
        let query = embeddings(Tower::Query, &batch, 10_f64.powf(power), seed + 1);
        let item = embeddings(Tower::Item, &batch, 10_f64.powf(power), seed + 2);
        let scored = scores(&model, &query, &item, &batch);
        check_scores(&scored, &batch)?;

        let loss = loss(&SCHEMA, &scored, &batch);
        let total = loss.total.expect("some cell exists");
        prop_assert!(total.clone().into_scalar::<f64>().is_finite());
        let gradients = total.backward();
        for domain in 0..3 {
            for task in 0..4 {
                let embedding = query.get(domain).and_then(|tasks| tasks.get(task));
                if let Some(gradient) = embedding.and_then(|e| e.grad(&gradients)) {
                    prop_assert!(gradient.into_data().iter::<f64>().all(f64::is_finite));
                }
            }
        }
    }
}

fn check_scores(scored: &Scores, batch: &Batch) -> Result<(), TestCaseError> {
    for (task, found) in SCHEMA.tasks.iter().zip(&scored.tasks) {
        let exists = |row: &u32| {
            let domain = |domains: &[u16]| DomainId(usize::from(domains[*row as usize]));
            task.surfaces.has(domain(&batch.surface)) && task.products.has(domain(&batch.product))
        };
        let expected: Vec<u32> = (0..batch.rows as u32).filter(exists).collect();
        let Some(found) = found else {
            prop_assert!(expected.is_empty());
            continue;
        };
        prop_assert_eq!(&found.rows, &expected);
        let (lp, lq) = (numbers(&found.lp), numbers(&found.lq));
        for (lp, lq) in lp.iter().zip(&lq) {
            prop_assert!(lp.is_finite() && lq.is_finite() && *lp <= 0.0 && *lq <= 1e-6);
            prop_assert!((lp.exp() + lq.exp() - 1.0).abs() < 1e-5);
        }
        if let Some(parent) = task
            .given
            .and_then(|parent| scored.tasks[parent.0].as_ref())
        {
            let parents = numbers(&parent.lp);
            for (row, lp) in found.rows.iter().zip(lp) {
                let at = parent
                    .rows
                    .binary_search(row)
                    .expect("a child's cell is its parent's");
                prop_assert!(lp <= parents[at]);
            }
        }
    }
    Ok(())
}

/// Logits and losses by hand, in float64, for a row of a chain of three tasks.
#[test]
fn scores_follow_the_definition() {
    let batch = batch(&SCHEMA, &[(2, 0)], 1);
    let model = in_f64(Tiny::new(&device()), 3);
    let outputs = |tower| {
        let grouped = if tower == Tower::Query {
            &batch.query
        } else {
            &batch.item
        };
        inputs(&SCHEMA, tower, grouped, DType::F64, false, 4)
    };
    let query = model.query(outputs(Tower::Query));
    let item = model.item(outputs(Tower::Item));
    let scored = scores(&model, &query, &item, &batch);
    let mut p = Vec::new();
    for (id, task) in SCHEMA.tasks.iter().enumerate() {
        let [q, i] = [query.get(2), item.get(0)].map(|tasks| {
            let embedding = tasks
                .and_then(|tasks| tasks.get(id))
                .expect("the task exists");
            embedding.to_data().iter::<f64>().collect::<Vec<_>>()
        });
        let dot: f64 = q.iter().zip(&i).map(|(q, i)| q * i).sum();
        let bias = numbers(&model.heads()[id].bias.as_ref().unwrap().val())[0];
        let z = dot / ((task.embedding + 2) as f64).sqrt() + bias;
        let parent = task.given.map_or(1.0, |parent| p[parent.0]);
        p.push(parent / (1.0 + (-z).exp()));
    }
    let mut total = 0.0;
    let found = loss(&SCHEMA, &scored, &batch);
    for (id, (p, task)) in p.iter().zip(SCHEMA.tasks.iter()).enumerate() {
        let scores = scored.tasks[id]
            .as_ref()
            .expect("the row is on the task's cells");
        assert!((numbers(&scores.lp)[0] - p.ln()).abs() < 1e-12);
        // 1 - P loses digits where P is near one; the log-space value does not.
        assert!((numbers(&scores.lq)[0] - (1.0 - p).ln()).abs() < 1e-8);
        let y = f64::from(batch.labels[id][0]);
        let kl = y * (y / p).ln() + (1.0 - y) * ((1.0 - y) / (1.0 - p)).ln();
        let task_loss = found.tasks[id].as_ref().expect("the label is present");
        assert_eq!(task_loss.rows, 1);
        assert!((task_loss.value() - kl).abs() < 1e-8);
        total += task.weight * kl;
    }
    let found = found.total.expect("labels").into_scalar::<f64>();
    assert!((found - total).abs() < 1e-8);
}

fn losses(batch: &Batch) -> Loss {
    let model = Tiny::seeded(&device(), 1);
    let query = inputs(&SCHEMA, Tower::Query, &batch.query, DType::F32, true, 2);
    let item = inputs(&SCHEMA, Tower::Item, &batch.item, DType::F32, true, 3);
    loss(&SCHEMA, &forward(&model, query, item, batch), batch)
}

#[test]
fn a_label_may_be_zero_or_one() {
    let mut batch = batch(&SCHEMA, &[(0, 0), (0, 1)], 1);
    batch.labels[0] = vec![0.0, 1.0];
    let loss = losses(&batch);
    let click = loss.tasks[0].as_ref().expect("two labels");
    assert_eq!(click.rows, 2);
    assert!(click.value().is_finite() && click.value() > 0.0);
}

#[test]
fn a_task_without_labels_contributes_nothing() {
    let mut batch = batch(&SCHEMA, &[(0, 0), (0, 1), (2, 0)], 1);
    batch.labels[0].fill(f32::NAN);
    let loss = losses(&batch);
    assert!(loss.tasks[0].is_none());
    let others: f64 = loss.tasks.iter().flatten().map(|task| task.value()).sum();
    let total = loss
        .total
        .expect("other tasks have labels")
        .into_scalar::<f64>();
    assert!((total - others).abs() < 1e-6);

    batch
        .labels
        .iter_mut()
        .for_each(|labels| labels.fill(f32::NAN));
    let loss = losses(&batch);
    assert!(loss.total.is_none() && loss.tasks.iter().all(Option::is_none));
}

/// `hide` is not on surface 1, `buy` not on product 1.
#[test]
fn a_task_without_cells_in_the_batch_has_no_scores() {
    let batch = batch(&SCHEMA, &[(1, 1), (1, 1)], 1);
    let model = Tiny::seeded(&device(), 1);
    let query = inputs(&SCHEMA, Tower::Query, &batch.query, DType::F32, true, 2);
    let item = inputs(&SCHEMA, Tower::Item, &batch.item, DType::F32, true, 3);
    let scored = forward(&model, query, item, &batch);
    let present: Vec<bool> = scored.tasks.iter().map(Option::is_some).collect();
    assert_eq!(present, [true, true, false, false]);
}

/// The order of the rows changes nothing but the order of the scores.
#[test]
fn scores_follow_their_rows() {
    // Each row is alone in its domains, so that both orders give it the same inputs.
    let run = |cells: [(u16, u16); 2]| {
        let batch = batch(&SCHEMA, &cells, 1);
        let model = Tiny::seeded(&device(), 1);
        let query = inputs(&SCHEMA, Tower::Query, &batch.query, DType::F32, false, 2);
        let item = inputs(&SCHEMA, Tower::Item, &batch.item, DType::F32, false, 3);
        let scored = forward(&model, query, item, &batch);
        numbers(&scored.tasks[0].as_ref().expect("click is everywhere").lp)
    };
    let (forth, back) = (run([(0, 1), (1, 0)]), run([(1, 0), (0, 1)]));
    assert_ne!(forth[0], forth[1]);
    assert_eq!(forth, [back[1], back[0]]);
}
