//! Constrained heads and the loss: properties, and the edges of a batch.

use std::f64::consts::LN_2;

use mtmd_schema::plan::Plan;
use proptest::prelude::*;

use super::super::heads::scores;
use super::super::{Executor, Scores, Step};
use super::model::{ITEM, QUERY, plan};
use super::rows::{RandomRows, params};
use crate::data::batch::Batch;
use crate::exec::heads::{Pairs, pairs, training};
use crate::params::Params;
use crate::schema::Precision;

fn single(values: &[f64]) -> Vec<f32> {
    values.iter().map(|x| *x as f32).collect()
}

/// Scores and a step of training, in float32 as a run makes them.
fn run(plan: &Plan, rows: &RandomRows) -> (Vec<Pairs>, Vec<Scores>, Step<f32>) {
    let exact = params(plan, 1);
    let params = Params {
        values: single(&exact.values),
        statistics: single(&exact.statistics),
    };
    let fields = rows.fields.each_ref().map(|fields| {
        let domains = fields.iter().map(|fields| single(fields));
        domains.collect::<Vec<_>>()
    });
    let executor = Executor::new(plan);
    let (towers, pairs) = (rows.towers(&fields), pairs(plan, &rows.batch));
    let scores = executor.score(&params, towers, &pairs, Precision::Float32);
    let mut step = Step::default();
    let heads = training(plan, &rows.batch);
    executor.step(&params, towers, &heads, Precision::Float32, &mut step);
    (pairs, scores, step)
}

/// RandomRows whose batch is as wanted.
fn rows(plan: &Plan, count: usize, wanted: impl Fn(&Batch) -> bool) -> RandomRows {
    let mut all = (0..).map(|seed| RandomRows::random(plan, count, 1, seed));
    all.find(|rows| wanted(&rows.batch)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// P(child) ≤ P(parent) on every row, P + Q = 1, rows are exactly those whose cell exists, and
    /// loss and gradients are finite, for logits up to 1e4 and more in size.
    #[test]
    fn scores_are_probabilities_below_their_parents(
        count in 1_usize..20,
        together in 1_usize..4,
        seed in 0_u64..10_000,
        power in 0.0_f64..4.5,
    ) {
        let mut plan = plan();
        for head in plan.heads.to_mut() {
            head.scale *= 10_f64.powf(power);
        }
        let rows = RandomRows::random(&plan, count, together, seed);
        let (pairs, scores, step) = run(&plan, &rows);
        check_scores(&plan, &rows.batch, &pairs, &scores)?;
        prop_assert!(step.loss.is_finite());
        prop_assert!(step.gradient.iter().all(|x| x.is_finite()));
        prop_assert!(step.fields.iter().flatten().flatten().all(|x| x.is_finite()));
    }
}

/// A parent's logit, a child's, and the child's ln P and ln(1 - P).
const EXACT: [(f64, f64, f64, f64); 11] = [
    (-700.0, -600.0, -1300.0, 0.0),
    (-40.0, -30.0, -70.0000000000001, -3.975449735908275e-31),
    (-36.5, 1.0, -36.81326168751822, -1.0284983238298547e-16),
    (-36.0, 40.0, -36.0, -2.319522830243569e-16),
    (0.25, -0.5, -1.5500164040589501, -0.23856750646443645),
    (0.0, 0.0, -1.3862943611198906, -0.2876820724517809),
    (0.0, 745.0, -LN_2, -LN_2),
    (30.0, -0.001, -0.6936473055600336, -0.6926473055598467),
    (3.0, 4.0, -0.0667372794915518, -2.7401746382240812),
    (40.0, 42.0, -4.823306481720945e-18, -39.87307198895703),
    (800.0, 900.0, 0.0, -800.0),
];

/// ln P and ln(1 - P) of a child whose P is far below 1, at 1/2 and far above it, against values computed
/// with 400 digits.
#[test]
fn scores_of_a_child_are_exact() {
    let of = |parent: f64, child: f64| {
        let pairs = Pairs {
            parent: vec![0],
            ..Pairs::default()
        };
        let root = scores(&[parent], &pairs, None);
        let found = scores(&[child], &pairs, Some(&root));
        (found.lp[0], found.lq[0])
    };
    for (parent, child, lp, lq) in EXACT {
        let found = of(parent, child);
        for (found, exact) in [(found.0, lp), (found.1, lq)] {
            let off = (found - exact).abs();
            assert!(
                off <= 1e-14 * exact.abs(),
                "{parent} {child}: {found} {exact}"
            );
        }
    }
}

fn check_scores(
    plan: &Plan,
    batch: &Batch,
    pairs: &[Pairs],
    scores: &[Scores],
) -> Result<(), TestCaseError> {
    for (task, (pairs, found)) in pairs.iter().zip(scores).enumerate() {
        let exists = |row: &u32| {
            let row = *row as usize;
            let (surface, product) = (batch.surface[row], batch.product[row]);
            let tasks = [QUERY[usize::from(surface)], ITEM[usize::from(product)]];
            tasks.iter().all(|tasks| tasks.contains(&task))
        };
        let expected: Vec<u32> = (0..batch.rows as u32).filter(exists).collect();
        prop_assert_eq!(&pairs.rows, &expected);
        prop_assert_eq!(found.lp.len(), expected.len());
        for (lp, lq) in found.lp.iter().zip(&found.lq) {
            prop_assert!(lp.is_finite() && lq.is_finite() && *lp <= 0.0 && *lq <= 0.0);
            prop_assert!((lp.exp() + lq.exp() - 1.0).abs() < 1e-12);
        }
        let Some(parent) = plan.heads[task].given else {
            continue;
        };
        for (lp, at) in found.lp.iter().zip(&pairs.parent) {
            prop_assert!(*lp <= scores[parent.0].lp[*at as usize]);
        }
    }
    Ok(())
}

#[test]
fn a_label_may_be_zero_or_one() {
    let plan = plan();
    let mut rows = rows(&plan, 8, |batch| {
        batch.query.domains.iter().all(|rows| !rows.is_empty())
    });
    rows.batch.labels[0] = vec![0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0];
    let (_, _, step) = run(&plan, &rows);
    let loss = step.tasks[0].unwrap();
    assert_eq!(loss.rows, 8);
    assert!(loss.mean.is_finite() && loss.mean > 0.0);
    assert!(step.gradient.iter().all(|x| x.is_finite()));
}

#[test]
fn a_task_without_labels_contributes_nothing() {
    let plan = plan();
    let mut rows = RandomRows::random(&plan, 40, 1, 3);
    rows.batch.labels[0].fill(f32::NAN);
    let (_, _, step) = run(&plan, &rows);
    assert!(step.tasks[0].is_none());
    let tasks = plan.heads.iter().zip(&step.tasks);
    let others = tasks.filter_map(|(head, loss)| Some(head.weight * loss.as_ref()?.mean));
    assert!((step.loss - others.sum::<f64>()).abs() < 1e-12);
    assert!(step.loss > 0.0);

    rows.batch
        .labels
        .iter_mut()
        .for_each(|labels| labels.fill(f32::NAN));
    let (_, _, step) = run(&plan, &rows);
    assert!(step.loss == 0.0 && step.tasks.iter().all(Option::is_none));
    assert!(step.gradient.iter().all(|x| *x == 0.0));
}

/// Task 1 is not on surface 2, task 2 not on product 1.
#[test]
fn a_task_without_cells_in_the_batch_has_no_scores() {
    let plan = plan();
    let rows = rows(&plan, 2, |batch| {
        batch.surface == [2, 2] && batch.product == [1, 1]
    });
    let (pairs, scores, step) = run(&plan, &rows);
    let sizes: Vec<usize> = scores.iter().map(|scores| scores.lp.len()).collect();
    assert_eq!(sizes, [2, 0, 0]);
    assert!(pairs[1].rows.is_empty() && pairs[2].rows.is_empty());
    assert!(step.tasks[1].is_none() && step.tasks[2].is_none());
}

/// The order of the rows changes nothing but the order of the scores.
#[test]
fn scores_follow_their_rows() {
    // Each row is alone in its domains, so that both orders give it the same inputs.
    let plan = plan();
    let mut rows = rows(&plan, 2, |batch| {
        batch.surface[0] != batch.surface[1] && batch.product[0] != batch.product[1]
    });
    let forth = run(&plan, &rows).1[0].lp.clone();
    rows.batch.surface.reverse();
    rows.batch.product.reverse();
    for tower in [&mut rows.batch.query, &mut rows.batch.item] {
        tower.order.iter_mut().for_each(|row| *row = 1 - *row);
    }
    let back = run(&plan, &rows).1[0].lp.clone();
    assert_ne!(forth[0], forth[1]);
    assert_eq!(forth, [back[1], back[0]]);
}
