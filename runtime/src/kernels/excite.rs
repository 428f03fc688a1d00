//! Squeeze-and-Excitation's reduction to fields and its scaling of them.

#![expect(
    clippy::indexing_slicing,
    reason = "rows and fields are bounded by the shapes"
)]

use std::ops::Range;
use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::composed;
use super::op::{HostOp, Operand, apply};
use super::real::{ALONE, Real, dims, dot, for_type, piece_rows, sum, tensor, vectorised};
use crate::exec::host::Real as _;

/// Columns of each field; together they are all columns, in order.
pub type Fields = Arc<[Range<usize>]>;

/// Mean of each field: `[rows, columns]` → `[rows, fields]`.
pub fn squeeze(x: Tensor<2>, fields: &Fields) -> Tensor<2> {
    apply(Squeeze(fields.clone()), [Operand::new(&x)])
        .unwrap_or_else(|| composed::squeeze(x, fields))
}

/// Every field times its weight: `[rows, columns]`, `[rows, fields]` → `[rows, columns]`.
pub fn excite(x: Tensor<2>, weights: Tensor<2>, fields: &Fields) -> Tensor<2> {
    apply(
        Excite(fields.clone()),
        [Operand::new(&x), Operand::new(&weights)],
    )
    .unwrap_or_else(|| composed::excite(x, weights, fields))
}

#[derive(Debug, Clone)]
struct Squeeze(Fields);

impl HostOp<1> for Squeeze {
    /// Columns.
    type Saved = usize;

    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, usize) {
        let (_, columns) = dims(&x);
        let means = for_type!(x, E => {
            let x = E::slice(&x);
            by_row::<E>(x.len() / columns, self.0.len(), columns, |at, means| {
                let x = &x[at * columns..(at + 1) * columns];
                for (mean, field) in means.iter_mut().zip(self.0.iter()) {
                    *mean = sum(&x[field.clone()]) * E::real(1.0 / field.len() as f64);
                }
            })
        });
        (means, columns)
    }

    fn backward(
        &self,
        columns: usize,
        gradient: FlexTensor,
        _wanted: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        let (rows, fields) = dims(&gradient);
        [Some(for_type!(gradient, E => {
            let gradient = E::slice(&gradient);
            by_row::<E>(rows, columns, columns, |at, to| {
                let gradient = &gradient[at * fields..(at + 1) * fields];
                for (&gradient, field) in gradient.iter().zip(self.0.iter()) {
                    to[field.clone()].fill(gradient * E::real(1.0 / field.len() as f64));
                }
            })
        }))]
    }
}

#[derive(Debug, Clone)]
struct Excite(Fields);

impl HostOp<2> for Excite {
    type Saved = [FlexTensor; 2];

    fn forward(&self, [x, weights]: [FlexTensor; 2]) -> (FlexTensor, Self::Saved) {
        let output = for_type!(x, E => scaled::<E>(&x, &weights, &self.0));
        (output, [x, weights])
    }

    fn backward(
        &self,
        [x, weights]: Self::Saved,
        gradient: FlexTensor,
        _wanted: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let (rows, columns) = dims(&x);
        for_type!(gradient, E => {
            let to_x = scaled::<E>(&gradient, &weights, &self.0);
            let (x, gradient) = (E::slice(&x), E::slice(&gradient));
            let to_weights = by_row::<E>(rows, self.0.len(), columns, |at, to| {
                let row = at * columns..(at + 1) * columns;
                let (x, gradient) = (&x[row.clone()], &gradient[row]);
                for (to, field) in to.iter_mut().zip(self.0.iter()) {
                    *to = dot(&x[field.clone()], &gradient[field.clone()]);
                }
            });
            [Some(to_x), Some(to_weights)]
        })
    }
}

/// Every field of x times its weight.
fn scaled<E: Real>(x: &FlexTensor, weights: &FlexTensor, fields: &Fields) -> FlexTensor {
    let (rows, columns) = dims(x);
    let (x, weights) = (E::slice(x), E::slice(weights));
    by_row::<E>(rows, columns, columns, |at, output| {
        let x = &x[at * columns..(at + 1) * columns];
        let weights = &weights[at * fields.len()..(at + 1) * fields.len()];
        for (field, &weight) in fields.iter().zip(weights) {
            let values = x[field.clone()].iter();
            for (output, &value) in output[field.clone()].iter_mut().zip(values) {
                *output = value * weight;
            }
        }
    })
}

/// `[rows, width]`, filled row by row; `work` elements are touched for each.
fn by_row<E: Real>(
    rows: usize,
    width: usize,
    work: usize,
    fill: impl Fn(usize, &mut [E]) + Sync,
) -> FlexTensor {
    let mut output = vec![E::default(); rows * width];
    if rows * work <= ALONE {
        for (at, output) in output.chunks_mut(width).enumerate() {
            vectorised(|| fill(at, output));
        }
    } else {
        let rows = output.par_chunks_mut(width).enumerate();
        rows.with_min_len(piece_rows(work))
            .for_each(|(at, output)| vectorised(|| fill(at, output)));
    }
    tensor(output, [rows, width])
}
