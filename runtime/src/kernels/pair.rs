//! Dot products of rows that are paired by index.

#![expect(
    clippy::indexing_slicing,
    reason = "pairs name rows of the two matrices"
)]

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::composed;
use super::op::{HostOp, Operand, apply};
use super::real::{Real, dims, dot, for_type, piece_rows, tensor, vectorised};

/// `scale · left[left_rows[k]] · right[right_rows[k]]` for each k: two times `[_, width]` →
/// `[pairs]`.
pub fn pair_dot(
    left: Tensor<2>,
    right: Tensor<2>,
    left_rows: &[u32],
    right_rows: &[u32],
    scale: f64,
) -> Tensor<1> {
    let op = PairDot {
        pairs: left_rows
            .iter()
            .copied()
            .zip(right_rows.iter().copied())
            .collect(),
        scale,
    };
    apply(op, [Operand::new(&left), Operand::new(&right)])
        .unwrap_or_else(|| composed::pair_dot(left, right, left_rows, right_rows, scale))
}

#[derive(Debug, Clone)]
struct PairDot {
    pairs: Arc<[(u32, u32)]>,
    scale: f64,
}

impl HostOp<2> for PairDot {
    type Saved = [FlexTensor; 2];

    fn forward(&self, [left, right]: [FlexTensor; 2]) -> (FlexTensor, Self::Saved) {
        let output = for_type!(left, E => self.dots::<E>(&left, &right));
        (output, [left, right])
    }

    fn backward(
        &self,
        [left, right]: Self::Saved,
        gradient: FlexTensor,
        _wanted: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        for_type!(gradient, E => self.scattered::<E>(&left, &right, &gradient)).map(Some)
    }
}

impl PairDot {
    fn dots<E: Real>(&self, left: &FlexTensor, right: &FlexTensor) -> FlexTensor {
        let (_, width) = dims(left);
        let (left, right) = (E::slice(left), E::slice(right));
        let scale = E::real(self.scale);
        let mut dots = vec![E::default(); self.pairs.len()];
        let piece = piece_rows(width);
        let pieces = dots.par_chunks_mut(piece).zip(self.pairs.par_chunks(piece));
        pieces.for_each(|(dots, pairs)| {
            vectorised(|| {
                for (found, &(at, other)) in dots.iter_mut().zip(pairs) {
                    *found = scale * dot(&left[row(at, width)], &right[row(other, width)]);
                }
            });
        });
        tensor(dots, [self.pairs.len()])
    }

    fn scattered<E: Real>(
        &self,
        left: &FlexTensor,
        right: &FlexTensor,
        gradient: &FlexTensor,
    ) -> [FlexTensor; 2] {
        let gradient = E::slice(gradient);
        let (to_left, to_right) = rayon::join(
            || {
                let pairs = self.pairs.iter().copied();
                self.scattered_to::<E>(left, pairs, right, gradient)
            },
            || {
                let pairs = self.pairs.iter().map(|&(at, other)| (other, at));
                self.scattered_to::<E>(right, pairs, left, gradient)
            },
        );
        [to_left, to_right]
    }

    /// The gradient of one side: `pairs` have its rows first, those of the `other` side second.
    fn scattered_to<E: Real>(
        &self,
        side: &FlexTensor,
        pairs: impl Iterator<Item = (u32, u32)>,
        other: &FlexTensor,
        gradient: &[E],
    ) -> FlexTensor {
        let (rows, width) = dims(side);
        let (mut to, from) = (vec![E::default(); rows * width], E::slice(other));
        vectorised(|| {
            for ((at, other), &gradient) in pairs.zip(gradient) {
                let factor = gradient * E::real(self.scale);
                axpy(&mut to[row(at, width)], factor, &from[row(other, width)]);
            }
        });
        tensor(to, [rows, width])
    }
}

fn row(at: u32, width: usize) -> std::ops::Range<usize> {
    let start = at as usize * width;
    start..start + width
}

/// `to += factor · from`.
#[inline(always)]
fn axpy<E: Real>(to: &mut [E], factor: E, from: &[E]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to += factor * from;
    }
}
