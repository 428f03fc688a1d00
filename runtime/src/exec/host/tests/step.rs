//! Whole steps of a small model: gradients against differences of the loss, and what does not depend on
//! how rows are spread over threads and chunks.

use mtmd_schema::Tower;
use mtmd_schema::plan::Plan;

use super::super::{Executor, Step};
use super::model::{EMBEDDED, plan};
use super::rows::{RandomRows, params};
use crate::exec::heads::{pairs, training};
use crate::hash::Random;
use crate::params::Params;
use crate::schema::Precision;

fn step(
    plan: &Plan,
    params: &Params<f64>,
    rows: &RandomRows,
    fields: &[Vec<Vec<f64>>; 2],
) -> Step<f64> {
    let heads = training(plan, &rows.batch);
    let mut step = Step::default();
    let towers = rows.towers(fields);
    Executor::new(plan).step(params, towers, &heads, Precision::Float32, &mut step);
    step
}

fn near(what: &str, found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance * (1e-3 + expected.abs()),
        "{what}: {found}, expected {expected}"
    );
}

/// Parameters and fields are moved one by one. Some domains have several lanes, or one row, or none.
#[test]
fn gradients_are_differences_of_the_loss() {
    for (count, together) in [(9, 1), (40, 4), (1500, 1), (700, 3)] {
        let plan = plan();
        let params = params(&plan, 1);
        let rows = RandomRows::random(&plan, count, together, count as u64);
        let found = step(&plan, &params, &rows, &rows.fields);
        assert!(found.loss.is_finite() && found.tasks.iter().all(Option::is_some));
        let mut random = Random::new(3, &[count as u64]);
        let size = 1e-5;
        let every = if count < 100 { 1 } else { 17 };
        for at in (0..plan.parameters).step_by(every) {
            let loss = |by: f64| {
                let mut params = params.clone();
                params.values[at] += by;
                step(&plan, &params, &rows, &rows.fields).loss
            };
            let expected = (loss(size) - loss(-size)) / (2.0 * size);
            near(
                &format!("parameter {at}"),
                found.gradient[at],
                expected,
                1e-4,
            );
        }
        for tower in Tower::ALL {
            let tower = tower as usize;
            for (domain, gradient) in found.fields[tower].iter().enumerate() {
                for _ in 0..6.min(gradient.len()) {
                    let at = random.below(gradient.len());
                    let width = rows.fields[tower][domain].len() / (gradient.len() / EMBEDDED);
                    let loss = |by: f64| {
                        let mut fields = rows.fields.clone();
                        fields[tower][domain][at / EMBEDDED * width + at % EMBEDDED] += by;
                        step(&plan, &params, &rows, &fields).loss
                    };
                    let expected = (loss(size) - loss(-size)) / (2.0 * size);
                    near(&format!("field {at}"), gradient[at], expected, 1e-4);
                }
            }
        }
    }
}

/// KL(label ‖ P) by the scores: its mean over the rows with a label, by their weights.
#[test]
fn losses_are_the_divergence_of_the_scores() {
    let plan = plan();
    let mut params = params(&plan, 2);
    let rows = RandomRows::random(&plan, 60, 1, 4);
    let executor = Executor::new(&plan);
    let towers = rows.towers(&rows.fields);
    // One step on the same rows with a momentum of 1 leaves their own statistics, but for n / (n - 1).
    let found = step(
        &Plan {
            batch_norm_momentum: 1.0,
            ..plan.clone()
        },
        &params,
        &rows,
        &rows.fields,
    );
    params.statistics = found.statistics.clone();
    for (tower, domains) in [
        (&plan.query, &rows.batch.query),
        (&plan.item, &rows.batch.item),
    ] {
        for (domain, place) in tower.domains.iter().enumerate() {
            let program = &tower.programs[place.program];
            let rows = domains.domains[domain].len() as f64;
            assert!(rows > 1.0);
            let block = program.statistics.at(place.block);
            let variances = program.statistics.stride / 2;
            for variance in &mut params.statistics[block + variances..block + 2 * variances] {
                *variance *= (rows - 1.0) / rows;
            }
        }
    }
    let pairs = pairs(&plan, &rows.batch);
    let scores = executor.score(&params, towers, &pairs, Precision::Float32);
    let mut total = 0.0;
    for (task, (scores, pairs)) in scores.iter().zip(&pairs).enumerate() {
        let (mut sum, mut weights, mut valid) = (0.0, 0.0, 0);
        for (at, &row) in pairs.rows.iter().enumerate() {
            let label = f64::from(rows.batch.labels[task][row as usize]);
            near(
                "P + Q",
                scores.lp[at].exp() + scores.lq[at].exp(),
                1.0,
                1e-12,
            );
            if label.is_nan() {
                continue;
            }
            let (p, q) = (scores.lp[at].exp(), scores.lq[at].exp());
            let weight = if task == 1 { f64::from(row % 3) } else { 1.0 };
            let kl = label * (label / p).ln() + (1.0 - label) * ((1.0 - label) / q).ln();
            sum += weight * kl;
            weights += weight;
            valid += 1;
        }
        let loss = found.tasks[task].unwrap();
        assert_eq!(loss.rows, valid);
        near("mean", loss.mean, sum / weights, 1e-9);
        total += plan.heads[task].weight * loss.mean;
    }
    near("loss", found.loss, total, 1e-12);
    let child = &scores[1];
    let parents = pairs[1].parent.iter().map(|&at| scores[0].lp[at as usize]);
    assert!(
        child
            .lp
            .iter()
            .zip(parents)
            .all(|(child, parent)| *child <= parent)
    );
}

/// The running statistics move towards mean and unbiased variance of the rows of the batch; of a request's
/// row as often as it stands for one.
#[test]
fn running_statistics_count_every_row_of_the_batch() {
    let plan = plan();
    let params = params(&plan, 5);
    let rows = RandomRows::random(&plan, 50, 4, 6);
    let found = step(&plan, &params, &rows, &rows.fields);
    let counts = &rows.batch.query.shared.as_ref().unwrap().count;
    for (domain, place) in plan.query.domains.iter().enumerate() {
        let program = &plan.query.programs[place.program];
        let block = program.statistics.at(place.block);
        let places = rows.batch.query.domains[domain].clone();
        let width = program.buffers[program.input.0].width;
        for column in 0..program.statistics.stride / 2 {
            let value = |row: usize| rows.fields[0][domain][row * width + EMBEDDED + column];
            let repeated: Vec<f64> = places
                .clone()
                .enumerate()
                .flat_map(|(row, place)| vec![value(row); counts[place] as usize])
                .collect();
            let n = repeated.len() as f64;
            let mean = repeated.iter().sum::<f64>() / n;
            let variance = repeated.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
            for (at, batch) in [(block + column, mean), (block + 2 + column, variance)] {
                let expected = 0.9 * params.statistics[at] + 0.1 * batch;
                near("statistic", found.statistics[at], expected, 1e-9);
            }
        }
    }
}

/// A domain with one row uses the running statistics and leaves them; one without rows has a gradient of 0.
#[test]
fn single_rows_and_domains_without_rows() {
    let plan = plan();
    let params = params(&plan, 7);
    let seed = (0..).find(|&seed| {
        let batch = RandomRows::random(&plan, 3, 1, seed).batch;
        batch.query.domains[0].len() == 1 && batch.query.domains[1].is_empty()
    });
    let rows = RandomRows::random(&plan, 3, 1, seed.unwrap());
    let mut found = step(&plan, &params, &rows, &rows.fields);
    let program = &plan.query.programs[0];
    let block = |block: usize| program.parameters.range(block);
    let statistics = 0..2 * program.statistics.stride;
    assert_eq!(
        found.statistics[statistics.clone()],
        params.statistics[statistics]
    );
    assert!(found.gradient[block(0)].iter().any(|x| *x != 0.0));
    assert!(found.gradient[block(1)].iter().all(|x| *x == 0.0));
    // What an earlier step has found is gone.
    found.gradient.fill(1.0);
    let heads = training(&plan, &rows.batch);
    let towers = rows.towers(&rows.fields);
    Executor::new(&plan).step(&params, towers, &heads, Precision::Float32, &mut found);
    assert!(found.gradient[block(1)].iter().all(|x| *x == 0.0));
}

/// Results are the same bits whatever the number of threads, and near those in float64.
#[test]
fn threads_change_nothing() {
    let plan = plan();
    let double = params(&plan, 8);
    let single = |values: &[f64]| -> Vec<f32> { values.iter().map(|x| *x as f32).collect() };
    let params = Params {
        values: single(&double.values),
        statistics: single(&double.statistics),
    };
    let rows = RandomRows::random(&plan, 2500, 2, 9);
    let fields = rows.fields.each_ref().map(|fields| {
        let domains = fields.iter().map(|fields| single(fields));
        domains.collect::<Vec<_>>()
    });
    let heads = training(&plan, &rows.batch);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let mut step = Step::default();
        let (executor, towers) = (Executor::new(&plan), rows.towers(&fields));
        pool.install(|| executor.step(&params, towers, &heads, Precision::Float32, &mut step));
        step
    };
    let one = run(1);
    assert_eq!(one, run(3));
    let exact = step(&plan, &double, &rows, &rows.fields);
    let size = exact
        .gradient
        .iter()
        .fold(0.0_f64, |size, x| size.max(x.abs()));
    for (found, expected) in one.gradient.iter().zip(&exact.gradient) {
        assert!((f64::from(*found) - expected).abs() < 1e-4 * size);
    }
}

/// The outputs of one tower are those that scores are made of.
#[test]
fn scores_are_products_of_embeddings() {
    let plan = plan();
    let params = params(&plan, 10);
    let rows = RandomRows::random(&plan, 30, 2, 11);
    let [query, item] = rows.towers(&rows.fields);
    let executor = Executor::new(&plan);
    let queries = executor.embed(&params, Tower::Query, query, Precision::Float32);
    let items = executor.embed(&params, Tower::Item, item, Precision::Float32);
    let pairs = pairs(&plan, &rows.batch);
    let scores = executor.score(&params, [query, item], &pairs, Precision::Float32);
    for task in [0, 2] {
        let head = &plan.heads[task];
        let embedding = |of: &[f64], width: usize, place: u32| {
            let start = place as usize * width + head.column;
            of[start..start + head.width].to_vec()
        };
        for (at, (&q, &i)) in pairs[task].query.iter().zip(&pairs[task].item).enumerate() {
            let q = embedding(&queries, plan.query.width, q);
            let i = embedding(&items, plan.item.width, i);
            let dot: f64 = q.iter().zip(&i).map(|(q, i)| q * i).sum();
            let z = head.scale * dot + head.bias.map_or(0.0, |at| params.values[at]);
            near("ln P", scores[task].lp[at], -(1.0 + (-z).exp()).ln(), 1e-9);
        }
    }
    // A surface without task 1 has zeros for it.
    let without = rows.batch.query.domains[2].start * plan.query.width + plan.heads[1].column;
    assert!(
        queries[without..without + plan.heads[1].width]
            .iter()
            .all(|x| *x == 0.0)
    );
}
