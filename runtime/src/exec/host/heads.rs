//! From the towers' embeddings to each task's probability and loss, in log space, and back.

#![expect(
    clippy::indexing_slicing,
    reason = "pairs are rows of the two matrices and of the parent's: they were made for this batch and plan"
)]

use std::f64::consts::LN_2;

use mtmd_schema::Tower;
use mtmd_schema::plan::{HeadPlan, Output};
use multiversion::multiversion;
use rayon::prelude::*;

use super::real::{Real, add_scaled, dot};
use crate::bug::zip_equal;
use crate::exec::heads::{HeadRows, Labels, Pairs};

/// A task's scores, by its rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores {
    /// ln P, at most 0 and finite.
    pub lp: Vec<f64>,
    /// ln(1 - P), at most 0 and finite.
    pub lq: Vec<f64>,
}

/// A task's loss on a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TaskLoss {
    /// Valid rows: the cell exists and the label is present.
    pub rows: usize,
    /// Mean KL(label ‖ P) over them, by their shares.
    pub mean: f64,
}

/// Outputs of a tower, `[places, width]`.
#[derive(Debug, Clone, Copy)]
pub struct RowEmbeddings<'a, E> {
    /// Row-major.
    pub values: &'a [E],
    /// Columns.
    pub width: usize,
}

impl<E> RowEmbeddings<'_, E> {
    /// The embedding of a task at a place.
    #[inline(always)]
    fn of(&self, place: u32, column: usize, width: usize) -> &[E] {
        let start = place as usize * self.width + column;
        &self.values[start..start + width]
    }
}

/// Pairs that one thread takes at a time.
const PIECE: usize = 512;

/// Each task's logits (paper §2.3): `scale · q·i + bias`.
pub fn logits<E: Real>(
    head: &HeadPlan,
    pairs: &Pairs,
    [query, item]: [RowEmbeddings<'_, E>; 2],
    parameters: &[E],
) -> Vec<f64> {
    let bias = bias(head, parameters);
    let mut logits = vec![0.0; pairs.rows.len()];
    let places = pairs
        .query
        .par_chunks(PIECE)
        .zip(pairs.item.par_chunks(PIECE));
    let pieces = logits.par_chunks_mut(PIECE).zip(places);
    pieces.for_each(|(to, places)| dots(to, head, places, [query, item], bias));
    logits
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi1+bmi2",
    "x86_64+avx2+fma+bmi1+bmi2"
))]
fn dots<E: Real>(
    to: &mut [f64],
    head: &HeadPlan,
    (queries, items): (&[u32], &[u32]),
    [query, item]: [RowEmbeddings<'_, E>; 2],
    bias: f64,
) {
    for (to, (&q, &i)) in zip_equal(to, zip_equal(queries, items)) {
        let query = query.of(q, head.column, head.width);
        let item = item.of(i, head.column, head.width);
        *to = head.scale * dot(query, item).float64() + bias;
    }
}

/// The logit of two embeddings: the same, to the bit, as that of a pair of rows.
pub fn logit<E: Real>(head: &HeadPlan, query: &[E], item: &[E], parameters: &[E]) -> f64 {
    head.scale * dot(query, item).float64() + bias(head, parameters)
}

/// ln P of one pair's tasks by their logits, parents before their children; `parents` are positions among the tasks. The
/// same, to the bit, as `scores` has.
pub fn chain(logits: &[f64], parents: &[Option<usize>]) -> Vec<f64> {
    let mut lp: Vec<f64> = Vec::with_capacity(logits.len());
    for (z, parent) in zip_equal(logits, parents) {
        let own = log_sigmoid(*z);
        lp.push(parent.map_or(own, |parent| lp[parent] + own));
    }
    lp
}

/// What is added to a task's logit.
pub fn bias<E: Real>(head: &HeadPlan, parameters: &[E]) -> f64 {
    head.bias.map_or(0.0, |at| parameters[at].float64())
}

/// A task's probabilities by its logits, and its parent's where it has one (paper §2.3).
pub fn scores(logits: &[f64], pairs: &Pairs, parent: Option<&Scores>) -> Scores {
    let Some(parent) = parent else {
        return Scores {
            lp: logits.iter().map(|&z| log_sigmoid(z)).collect(),
            lq: logits.iter().map(|&z| log_sigmoid(-z)).collect(),
        };
    };
    let of = |(&z, &at): (&f64, &u32)| {
        let (above, beside) = (parent.lp[at as usize], parent.lq[at as usize]);
        let lp = above + log_sigmoid(z);
        // Each formula is used where it is exact: the sum of two parts near 1 would round to more than 1,
        // and 1 minus a P that has rounded to 1 leaves nothing.
        let lq = if lp < -LN_2 {
            (-lp.exp()).ln_1p()
        } else {
            log_add_exp(beside, above + log_sigmoid(-z))
        };
        (lp, lq)
    };
    let (lp, lq) = zip_equal(logits, &pairs.parent).map(of).unzip();
    Scores { lp, lq }
}

/// Derivatives of the loss by a task's scores.
#[derive(Debug, Clone, Default)]
pub struct ScoreGradients {
    lp: Vec<f64>,
    lq: Vec<f64>,
}

impl ScoreGradients {
    /// Zeros for so many rows.
    pub fn zeros(rows: usize) -> Self {
        Self {
            lp: vec![0.0; rows],
            lq: vec![0.0; rows],
        }
    }
}

/// KL(label ‖ P) of a task's valid rows, `None` without any; adds `weight` times its derivatives to
/// `gradient`.
pub fn loss(
    scores: &Scores,
    labels: &Labels,
    weight: f64,
    gradient: &mut ScoreGradients,
) -> Option<TaskLoss> {
    let mut cross = 0.0;
    let rows = zip_equal(&labels.at, zip_equal(&labels.labels, &labels.shares));
    for (&at, (&label, &share)) in rows {
        let at = at as usize;
        cross -= share * (label * scores.lp[at] + (1.0 - label) * scores.lq[at]);
        gradient.lp[at] -= weight * share * label;
        gradient.lq[at] -= weight * share * (1.0 - label);
    }
    (!labels.at.is_empty()).then_some(TaskLoss {
        rows: labels.at.len(),
        mean: cross - labels.entropy,
    })
}

/// From the derivatives by a task's scores to those by its logits; adds those by its parent's scores.
pub fn back(
    logits: &[f64],
    scores: &Scores,
    gradient: &ScoreGradients,
    pairs: &Pairs,
    parent: Option<(&Scores, &mut ScoreGradients)>,
) -> Vec<f64> {
    let Some((parent, to_parent)) = parent else {
        let of = |(row, &z): (usize, &f64)| {
            gradient.lp[row] * sigmoid(-z) - gradient.lq[row] * sigmoid(z)
        };
        return logits.iter().enumerate().map(of).collect();
    };
    let of = |(row, (&z, &at)): (usize, (&f64, &u32))| {
        let at = at as usize;
        let (by_lp, by_lq) = (gradient.lp[row], gradient.lq[row]);
        // lq = ln(eᵃ + eᵇ): its derivatives are the parts of the sum.
        let by_parent = by_lq * (parent.lq[at] - scores.lq[row]).exp();
        let by_down = by_lq * (parent.lp[at] + log_sigmoid(-z) - scores.lq[row]).exp();
        to_parent.lp[at] += by_lp + by_down;
        to_parent.lq[at] += by_parent;
        by_lp * sigmoid(-z) - by_down * sigmoid(z)
    };
    let rows = zip_equal(logits, &pairs.parent).enumerate();
    rows.map(of).collect()
}

/// ln sigmoid(z).
fn log_sigmoid(z: f64) -> f64 {
    z.min(0.0) - (-z.abs()).exp().ln_1p()
}

fn sigmoid(z: f64) -> f64 {
    log_sigmoid(z).exp()
}

/// ln(eᵃ + eᵇ), exact where either is far below the other.
fn log_add_exp(a: f64, b: f64) -> f64 {
    a.max(b) + (-(a - b).abs()).exp().ln_1p()
}

/// Derivatives of the loss by the logits of each task; none for a task that nothing came of.
#[derive(Debug, Clone, Copy)]
pub struct LogitGradients<'a> {
    /// By task, in the plan's order.
    pub heads: &'a [HeadPlan],
    /// The rows that they are of.
    pub rows: &'a [HeadRows],
    /// By task, then by its rows.
    pub logits: &'a [Vec<f64>],
}

/// Gradients of a program's output, `[places, width]`, at the places from `first` on of a tower; `other`
/// is the output of the other tower.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi1+bmi2",
    "x86_64+avx2+fma+bmi1+bmi2"
))]
pub fn of_places<E: Real>(
    gradients: LogitGradients<'_>,
    outputs: &[Output],
    (tower, first): (Tower, usize),
    other: RowEmbeddings<'_, E>,
    (to, width): (&mut [E], usize),
) {
    for (place, to) in (first..).zip(to.chunks_exact_mut(width)) {
        for output in outputs {
            let task = output.task.0;
            let to = &mut to[output.start..output.start + output.width];
            to.fill(E::default());
            let (logits, rows) = (&gradients.logits[task], &gradients.rows[task]);
            if logits.is_empty() {
                continue;
            }
            let others = rows.pairs.places(tower.other());
            for &pair in rows.by_place(tower).of(place) {
                let pair = pair as usize;
                let factor = E::real(logits[pair] * gradients.heads[task].scale);
                add_scaled(
                    to,
                    factor,
                    other.of(others[pair], output.column, output.width),
                );
            }
        }
    }
}
