//! What each kernel computes, as tensor operations: for backends other than the CPU's, and for
//! tests.

use burn::tensor::activation::leaky_relu;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use super::excite::Fields;
use crate::exec::Precision;

/// Added to the variance by every norm.
pub const EPSILON: f64 = 1e-5;

/// `x Wᵀ`. Of bfloat16 is what comes out, too, before it takes x's type again; and so it is with the gradients.
pub fn linear_without_bias(x: Tensor<2>, weight: Tensor<2>, precision: Precision) -> Tensor<2> {
    match precision {
        Precision::Float32 => x.matmul(weight.transpose()),
        Precision::Bfloat16 => {
            let dtype = x.dtype();
            let [x, weight] = [x, weight].map(|side| side.cast(DType::BF16));
            x.matmul(weight.transpose()).cast(dtype)
        }
    }
}

/// `x Wᵀ + b`.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>, precision: Precision) -> Tensor<2> {
    linear_without_bias(x, weight, precision) + bias.unsqueeze()
}

/// `leaky(LayerNorm(x + shift) ∘ weight + bias)`.
pub fn norm_activate(
    x: Tensor<2>,
    shift: Tensor<1>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    slope: f64,
) -> Tensor<2> {
    let x = x + shift.unsqueeze();
    let centred = x.clone() - x.mean_dim(1);
    let variance = centred.clone().square().mean_dim(1);
    let normal = centred / (variance + EPSILON).sqrt();
    leaky_relu(normal * weight.unsqueeze() + bias.unsqueeze(), slope)
}

/// The experts' outputs side by side, each times its column of `weights`.
pub fn route(weights: Tensor<2>, experts: Vec<Tensor<2>>) -> Tensor<2> {
    Tensor::cat(weighted(weights, experts).collect(), 1)
}

/// The sum of the experts' outputs, each times its column of `weights`. All have one width.
pub fn route_sum(weights: Tensor<2>, experts: Vec<Tensor<2>>) -> Tensor<2> {
    let rows = weights.dims()[0];
    let nothing = Tensor::zeros([rows, 1], (&weights.device(), weights.dtype()));
    weighted(weights, experts)
        .reduce(|sum, expert| sum + expert)
        .unwrap_or(nothing)
}

fn weighted(weights: Tensor<2>, experts: Vec<Tensor<2>>) -> impl Iterator<Item = Tensor<2>> {
    experts
        .into_iter()
        .enumerate()
        .map(move |(at, expert)| expert * weights.clone().narrow(1, at, 1))
}

/// `first ∘ (up + bias) + x`.
pub fn cross(first: Tensor<2>, up: Tensor<2>, bias: Tensor<1>, x: Tensor<2>) -> Tensor<2> {
    first * (up + bias.unsqueeze()) + x
}

/// Mean of each field.
pub fn squeeze(x: Tensor<2>, fields: &Fields) -> Tensor<2> {
    let mean = |width: usize| 1.0 / width as f64;
    let (device, dtype) = (x.device(), x.dtype());
    x.matmul(field_matrix(fields, mean, &device, dtype))
}

/// Every field times its weight.
pub fn excite(x: Tensor<2>, weights: Tensor<2>, fields: &Fields) -> Tensor<2> {
    let spread = field_matrix(fields, |_| 1.0, &x.device(), x.dtype());
    x * weights.matmul(spread.transpose())
}

/// `scale · left[left_rows[k]] · right[right_rows[k]]` for each k.
pub fn pair_dot(
    left: Tensor<2>,
    right: Tensor<2>,
    left_rows: &[u32],
    right_rows: &[u32],
    scale: f64,
) -> Tensor<1> {
    let product = rows_of(left, left_rows) * rows_of(right, right_rows);
    product.sum_dim(1).squeeze_dim(1) * scale
}

/// Some rows of a matrix. Not by `select`, whose gradient on a device goes through all rows in each of a few threads.
fn rows_of(matrix: Tensor<2>, at: &[u32]) -> Tensor<2> {
    let [_, width] = matrix.dims();
    let at: Tensor<2, Int> = rows(at, &matrix.device()).unsqueeze_dim(1);
    let at = at.expand([-1, width as i64]);
    matrix.gather(0, at)
}

/// `[columns, fields]`: `value(width)` where the field holds the column, else 0.
fn field_matrix(
    fields: &Fields,
    value: impl Fn(usize) -> f64,
    device: &Device,
    dtype: DType,
) -> Tensor<2> {
    let columns = fields.iter().map(|field| field.len()).sum();
    let values: Vec<f64> = (0..columns)
        .flat_map(|column| fields.iter().map(move |field| (field, column)))
        .map(|(field, column)| {
            if field.contains(&column) {
                value(field.len())
            } else {
                0.0
            }
        })
        .collect();
    Tensor::from_data(
        TensorData::new(values, [columns, fields.len()]),
        (device, dtype),
    )
}

/// Rows as a tensor of indices.
pub fn rows(at: &[u32], device: &Device) -> Tensor<1, Int> {
    let at: Vec<i32> = at.iter().map(|&at| at as i32).collect();
    let length = at.len();
    Tensor::from_data(TensorData::new(at, [length]), device)
}
