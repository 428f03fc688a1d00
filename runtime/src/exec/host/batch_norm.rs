//! BatchNorm over a domain's rows, with PyTorch's semantics.

#![expect(
    clippy::indexing_slicing,
    reason = "columns of a view are within the input, statistics within the block"
)]

use mtmd_schema::plan::{BatchNormOp, Program, View};

use super::memory::{RowsMut, RowsRef};
use super::real::Real;
use crate::bug::zip_equal;

/// What a BatchNorm normalises a domain's rows by.
#[derive(Debug)]
pub struct Moments<E> {
    /// Where its running means are in the domain's block of statistics.
    pub at: usize,
    /// By column.
    pub mean: Vec<E>,
    /// 1/√(variance + ε) by column.
    pub scale: Vec<E>,
}

/// A domain's rows, as BatchNorm reads them.
#[derive(Debug, Clone, Copy)]
pub struct DomainRows<'a, E> {
    /// `[rows, width of the program's input]`.
    pub fields: &'a [E],
    /// Rows of the batch that each row stands for; `None`: one each.
    pub repeats: Option<&'a [u32]>,
}

/// How running statistics move.
#[derive(Debug, Clone, Copy)]
pub struct Running {
    /// How far they move towards a batch's.
    pub momentum: f64,
    /// Added to a variance before its root is taken.
    pub eps: f64,
}

/// The moments of every BatchNorm of a program on a domain's rows, in training: those of the rows
/// themselves, towards which the running ones in `statistics`, the domain's block, move. A single row has
/// no variance: it uses the running ones and leaves them.
pub fn batch_moments<E: Real>(
    program: &Program,
    rows: DomainRows<'_, E>,
    running: Running,
    statistics: &mut [E],
) -> Vec<Moments<E>> {
    let width = program.buffers[program.input.0].width;
    let of = |norm: BatchNormOp| {
        let Some(batch) = rows.moments(width, norm.from) else {
            return Moments::running(norm, running.eps, statistics);
        };
        let mut advance = |at: usize, values: &[f64], factor: f64| {
            let running_ones = &mut statistics[at..at + values.len()];
            for (to, value) in zip_equal(running_ones, values) {
                let moved =
                    to.float64() * (1.0 - running.momentum) + value * factor * running.momentum;
                *to = E::real(moved);
            }
        };
        advance(norm.mean, &batch.mean, 1.0);
        advance(norm.variance, &batch.variance, batch.unbiased);
        let (means, variances) = (batch.mean.into_iter(), batch.variance.into_iter());
        Moments::new(norm, running.eps, means, variances)
    };
    program.batch_norms().map(of).collect()
}

/// The same in scoring: the running ones.
pub fn running_moments<E: Real>(program: &Program, eps: f64, statistics: &[E]) -> Vec<Moments<E>> {
    let of = |norm| Moments::running(norm, eps, statistics);
    program.batch_norms().map(of).collect()
}

impl<E: Real> Moments<E> {
    fn new(
        norm: BatchNormOp,
        eps: f64,
        means: impl Iterator<Item = f64>,
        variances: impl Iterator<Item = f64>,
    ) -> Self {
        let scale = |variance: f64| E::real(1.0 / (variance + eps).sqrt());
        Self {
            at: norm.mean,
            mean: means.map(E::real).collect(),
            scale: variances.map(scale).collect(),
        }
    }

    fn running(norm: BatchNormOp, eps: f64, statistics: &[E]) -> Self {
        let values = |at: usize| {
            let values = &statistics[at..at + norm.from.width];
            values.iter().map(|value| value.float64())
        };
        Self::new(norm, eps, values(norm.mean), values(norm.variance))
    }
}

/// Mean and variance of some columns over rows.
struct BatchMoments {
    mean: Vec<f64>,
    /// Biased.
    variance: Vec<f64>,
    /// What makes it unbiased.
    unbiased: f64,
}

impl<E: Real> DomainRows<'_, E> {
    /// `None` for fewer than two rows of the batch.
    fn moments(self, width: usize, columns: View) -> Option<BatchMoments> {
        let rows = self.fields.len() / width;
        let counts = |row: usize| self.repeats.map_or(1.0, |repeats| f64::from(repeats[row]));
        let count: f64 = (0..rows).map(counts).sum();
        if count < 2.0 {
            return None;
        }
        let mean_of = |of: &dyn Fn(usize, f64) -> f64| {
            let mut sums = vec![0.0; columns.width];
            for (row, fields) in self.fields.chunks_exact(width).enumerate() {
                let fields = &fields[columns.start..columns.start + columns.width];
                for (column, (sum, x)) in sums.iter_mut().zip(fields).enumerate() {
                    *sum += counts(row) * of(column, x.float64());
                }
            }
            sums.iter().map(|sum| sum / count).collect::<Vec<f64>>()
        };
        let mean = mean_of(&|_, x| x);
        let variance = mean_of(&|column, x| (x - mean[column]).powi(2));
        Some(BatchMoments {
            mean,
            variance,
            unbiased: count / (count - 1.0),
        })
    }
}

/// `to = (from - mean) · scale · weight + bias`.
#[inline(always)]
pub fn forward<E: Real>(
    (from, mut to): (RowsRef<'_, E>, RowsMut<'_, E>),
    moments: &Moments<E>,
    [weight, bias]: [&[E]; 2],
) {
    for (row, from) in from.iter().enumerate() {
        let statistics = moments.mean.iter().zip(&moments.scale);
        let parameters = weight.iter().zip(bias);
        let columns = from.iter().zip(statistics.zip(parameters));
        for (to, (&x, ((&mean, &scale), (&weight, &bias)))) in to.row(row).iter_mut().zip(columns) {
            *to = (x - mean) * scale * weight + bias;
        }
    }
}

/// Gradients of weight and bias over these rows.
#[inline(always)]
pub fn backward<E: Real>(
    gradient: &RowsRef<'_, E>,
    from: &RowsRef<'_, E>,
    moments: &Moments<E>,
) -> [Vec<E>; 2] {
    let [mut weight, mut bias] = [(); 2].map(|()| vec![E::default(); from.width()]);
    for (from, gradient) in from.iter().zip(gradient.iter()) {
        let statistics = moments.mean.iter().zip(&moments.scale);
        let columns = from.iter().zip(gradient).zip(statistics);
        let to = weight.iter_mut().zip(&mut bias);
        for ((weight, bias), ((&x, &gradient), (&mean, &scale))) in to.zip(columns) {
            *weight += gradient * (x - mean) * scale;
            *bias += gradient;
        }
    }
    [weight, bias]
}
