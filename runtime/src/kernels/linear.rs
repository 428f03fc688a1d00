//! Linear map with the weight as `[out, in]`.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::composed;
use super::op::{HostOp, Operand, apply};
use super::real::{ALONE, Real, add, column_sums, dims, for_type, piece_rows, vectorised};

/// `x Wᵀ`: `[rows, in]`, `[out, in]` → `[rows, out]`.
pub fn linear_without_bias(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    apply(Product, [Operand::new(&x), Operand::new(&weight)])
        .unwrap_or_else(|| composed::linear_without_bias(x, weight))
}

/// `x Wᵀ + b`: `[rows, in]`, `[out, in]`, `[out]` → `[rows, out]`.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
    let operands = [Operand::new(&x), Operand::new(&weight), Operand::new(&bias)];
    apply(Linear, operands).unwrap_or_else(|| composed::linear(x, weight, bias))
}

/// The matrix product reads any strides, so a transposed view is not copied. Unlike autodiff's own
/// backward pass of a transposition, this one makes the weight's gradient contiguous.
#[derive(Debug, Clone)]
struct Product;

impl HostOp<2> for Product {
    type Saved = [FlexTensor; 2];

    fn forward(&self, [x, weight]: [FlexTensor; 2]) -> (FlexTensor, Self::Saved) {
        let transposed = Flex::float_swap_dims(weight.clone(), 0, 1);
        (Flex::float_matmul(x.clone(), transposed), [x, weight])
    }

    fn backward(
        &self,
        [x, weight]: Self::Saved,
        gradient: FlexTensor,
        [for_x, for_weight]: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let x_gradient = for_x.then(|| Flex::float_matmul(gradient.clone(), weight));
        let weight_gradient =
            for_weight.then(|| Flex::float_matmul(Flex::float_swap_dims(gradient, 0, 1), x));
        [x_gradient, weight_gradient]
    }
}

#[derive(Debug, Clone)]
struct Linear;

impl HostOp<3> for Linear {
    type Saved = [FlexTensor; 2];

    fn forward(&self, [x, weight, bias]: [FlexTensor; 3]) -> (FlexTensor, Self::Saved) {
        let (mut y, saved) = Product.forward([x, weight]);
        for_type!(y, E => add_rows::<E>(&mut y, &bias));
        (y, saved)
    }

    fn backward(
        &self,
        saved: Self::Saved,
        gradient: FlexTensor,
        [for_x, for_weight, for_bias]: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let bias = for_bias.then(|| for_type!(gradient, E => column_sums::<E>(&gradient)));
        let [x, weight] = Product.backward(saved, gradient, [for_x, for_weight]);
        [x, weight, bias]
    }
}

/// Adds the same row to every row of a matrix.
fn add_rows<E: Real>(matrix: &mut FlexTensor, row: &FlexTensor) {
    let (_, columns) = dims(matrix);
    let row = E::slice(row);
    let piece = |values: &mut [E]| {
        vectorised(|| {
            for to in values.chunks_mut(columns.max(1)) {
                add(to, row);
            }
        });
    };
    let values = E::slice_mut(matrix);
    if values.len() <= ALONE {
        piece(values);
    } else {
        values
            .par_chunks_mut(piece_rows(columns) * columns)
            .for_each(piece);
    }
}
