//! Dot products of rows that are paired by index.

#![expect(
    clippy::indexing_slicing,
    reason = "pairs name rows of the two matrices"
)]

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;

use super::composed;
use super::op::{HostOp, Operand, apply};
use super::real::{Real, dims, dot, for_type, tensor, vectorised, zeros};

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
        let pair = |&(at, other): &(u32, u32)| {
            scale * dot(&left[row(at, width)], &right[row(other, width)])
        };
        let dots = vectorised(|| self.pairs.iter().map(pair).collect());
        tensor(dots, [self.pairs.len()])
    }

    fn scattered<E: Real>(
        &self,
        left: &FlexTensor,
        right: &FlexTensor,
        gradient: &FlexTensor,
    ) -> [FlexTensor; 2] {
        let ((left_rows, width), (right_rows, _)) = (dims(left), dims(right));
        let mut to_left = zeros([left_rows, width], left.dtype());
        let mut to_right = zeros([right_rows, width], right.dtype());
        let (left, right) = (E::slice(left), E::slice(right));
        let (left_gradient, right_gradient) =
            (E::slice_mut(&mut to_left), E::slice_mut(&mut to_right));
        vectorised(|| {
            for (&(at, other), &gradient) in self.pairs.iter().zip(E::slice(gradient)) {
                let gradient = gradient * E::real(self.scale);
                let (at, other) = (row(at, width), row(other, width));
                axpy(
                    &mut left_gradient[at.clone()],
                    gradient,
                    &right[other.clone()],
                );
                axpy(&mut right_gradient[other], gradient, &left[at]);
            }
        });
        [to_left, to_right]
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
