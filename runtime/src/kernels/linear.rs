//! Linear map with the weight as `[out, in]`.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::composed;
use super::op::{HostOp, Operand, apply};
use super::real::{ALONE, Real, add, column_sums, dims, for_type, piece_rows, tensor, vectorised};
use crate::exec::Precision;
use crate::exec::host::product::{Matrix, Way, product};

/// `x Wᵀ`: `[rows, in]`, `[out, in]` → `[rows, out]`.
pub fn linear_without_bias(x: Tensor<2>, weight: Tensor<2>, precision: Precision) -> Tensor<2> {
    let operands = [Operand::new(&x), Operand::new(&weight)];
    apply(Product(precision), operands)
        .unwrap_or_else(|| composed::linear_without_bias(x, weight, precision))
}

/// `x Wᵀ + b`: `[rows, in]`, `[out, in]`, `[out]` → `[rows, out]`.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>, precision: Precision) -> Tensor<2> {
    let operands = [Operand::new(&x), Operand::new(&weight), Operand::new(&bias)];
    apply(Linear(precision), operands)
        .unwrap_or_else(|| composed::linear(x, weight, bias, precision))
}

/// The matrix product reads any strides, so a transposed view is not copied. Unlike autodiff's own
/// backward pass of a transposition, this one makes the weight's gradient contiguous.
#[derive(Debug, Clone)]
struct Product(Precision);

impl Product {
    /// `left · right`, each as it is or transposed, of a map of so many rows.
    fn multiply(&self, left: Factor<'_>, right: Factor<'_>, rows: usize) -> FlexTensor {
        match self.0 {
            Precision::Float32 => Flex::float_matmul(left.tensor(), right.tensor()),
            Precision::Bfloat16 => for_type!(left.of, E => {
                let (left, right) = (left.view::<E>(), right.view::<E>());
                let [(m, _), (_, n)] = [left.dims(), right.dims()];
                tensor(product(left, right, Way::of::<E>(rows, self.0)), [m, n])
            }),
        }
    }
}

/// A side of a product.
struct Factor<'a> {
    of: &'a FlexTensor,
    transposed: bool,
}

impl<'a> Factor<'a> {
    fn plain(of: &'a FlexTensor) -> Self {
        let transposed = false;
        Self { of, transposed }
    }

    fn transposed(of: &'a FlexTensor) -> Self {
        let transposed = true;
        Self { of, transposed }
    }

    fn tensor(&self) -> FlexTensor {
        match self.transposed {
            false => self.of.clone(),
            true => Flex::float_swap_dims(self.of.clone(), 0, 1),
        }
    }

    fn view<E: Real>(&self) -> Matrix<'a, E> {
        let (_, columns) = dims(self.of);
        let view = Matrix::new(E::slice(self.of), columns);
        match self.transposed {
            false => view,
            true => view.transpose(),
        }
    }
}

impl HostOp<2> for Product {
    type Saved = [FlexTensor; 2];

    fn forward(&self, [x, weight]: [FlexTensor; 2]) -> (FlexTensor, Self::Saved) {
        let (rows, _) = dims(&x);
        let y = self.multiply(Factor::plain(&x), Factor::transposed(&weight), rows);
        (y, [x, weight])
    }

    fn backward(
        &self,
        [x, weight]: Self::Saved,
        gradient: FlexTensor,
        [for_x, for_weight]: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let (rows, _) = dims(&x);
        let (left, right) = (Factor::plain(&gradient), Factor::plain(&weight));
        let x_gradient = for_x.then(|| self.multiply(left, right, rows));
        let (left, right) = (Factor::transposed(&gradient), Factor::plain(&x));
        let weight_gradient = for_weight.then(|| self.multiply(left, right, rows));
        [x_gradient, weight_gradient]
    }
}

#[derive(Debug, Clone)]
struct Linear(Precision);

impl HostOp<3> for Linear {
    type Saved = [FlexTensor; 2];

    fn forward(&self, [x, weight, bias]: [FlexTensor; 3]) -> (FlexTensor, Self::Saved) {
        let (mut y, saved) = Product(self.0).forward([x, weight]);
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
        let [x, weight] = Product(self.0).backward(saved, gradient, [for_x, for_weight]);
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
