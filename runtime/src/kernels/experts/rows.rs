//! Row by row: norms, activations, softmax, and what they send back.

use multiversion::multiversion;

use crate::kernels::buffer::Buffer;
use crate::kernels::composed::EPSILON;
use crate::kernels::real::{LANES, Real, add, dot, sum, total};

/// Normalised rows, as a norm's backward pass needs them.
#[derive(Debug)]
pub struct Normal<E: Real> {
    /// `[rows, width]`: of mean 0 and variance 1 in each row.
    pub values: Buffer<E>,
    /// 1/√(variance + ε) of each row.
    pub scale: Vec<E>,
}

/// Scale and shift of a norm, and the slope of the LeakyReLU after it; 1 for none.
#[derive(Debug, Clone, Copy)]
pub struct Norm<'a, E> {
    pub weight: &'a [E],
    pub bias: &'a [E],
    pub slope: E,
}

impl<E: Real> Norm<'_, E> {
    /// `leaky(LayerNorm(z + shift) ∘ weight + bias)` of rows `z`, and what the backward pass needs; an empty shift is zero.
    pub fn forward(&self, mut z: Buffer<E>, shift: &[E]) -> (Buffer<E>, Normal<E>) {
        let mut scale = Vec::with_capacity(z.len() / self.weight.len().max(1));
        let mut output = Buffer::new(z.len());
        forward_rows(&mut z, shift, *self, &mut scale, &mut output);
        (output, Normal { values: z, scale })
    }

    /// What came out of [`Self::forward`].
    pub fn again(&self, normal: &Normal<E>) -> Buffer<E> {
        let mut output = Buffer::new(normal.values.len());
        finish_rows(&normal.values, *self, &mut output);
        output
    }

    /// Turns the gradient of the rows that came out into that of the rows that went in, and adds to the gradients of weight,
    /// bias and shift; an empty one of the shift is not wanted.
    pub fn backward(&self, gradient: &mut [E], normal: &Normal<E>, to: &mut NormGradient<E>) {
        backward_rows(gradient, normal, *self, to);
    }
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi1+bmi2",
    "x86_64+avx2+fma+bmi1+bmi2"
))]
fn forward_rows<E: Real>(
    z: &mut [E],
    shift: &[E],
    norm: Norm<'_, E>,
    scale: &mut Vec<E>,
    output: &mut [E],
) {
    let width = norm.weight.len().max(1);
    for (row, output) in z
        .chunks_exact_mut(width)
        .zip(output.chunks_exact_mut(width))
    {
        scale.push(normalise(row, shift));
        finish(row, norm, output);
    }
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi1+bmi2",
    "x86_64+avx2+fma+bmi1+bmi2"
))]
fn finish_rows<E: Real>(rows: &[E], norm: Norm<'_, E>, output: &mut [E]) {
    let width = norm.weight.len().max(1);
    for (row, output) in rows.chunks_exact(width).zip(output.chunks_exact_mut(width)) {
        finish(row, norm, output);
    }
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi1+bmi2",
    "x86_64+avx2+fma+bmi1+bmi2"
))]
fn backward_rows<E: Real>(
    gradient: &mut [E],
    normal: &Normal<E>,
    norm: Norm<'_, E>,
    to: &mut NormGradient<E>,
) {
    let width = norm.weight.len().max(1);
    let normals = normal.values.chunks_exact(width).zip(&normal.scale);
    for (gradient, (normal, &scale)) in gradient.chunks_exact_mut(width).zip(normals) {
        backward_row(gradient, normal, scale, norm, to);
    }
}

/// Makes a row's mean 0 and its variance 1, after adding the shift; returns 1/√(variance + ε).
#[inline(always)]
fn normalise<E: Real>(row: &mut [E], shift: &[E]) -> E {
    let share = E::real(1.0 / row.len() as f64);
    let (blocks, rest) = row.as_chunks_mut::<LANES>();
    let sum = match shift.is_empty() {
        true => sum(blocks.as_flattened()) + sum(rest),
        false => {
            let (shifts, shift) = shift.as_chunks::<LANES>();
            let whole = add_shift(blocks, shifts);
            whole + add_shift(rest.as_chunks_mut::<1>().0, shift.as_chunks::<1>().0)
        }
    };
    let mean = sum * share;
    let squares = squares(blocks, mean) + squares(rest.as_chunks::<1>().0, mean);
    let scale = E::real(1.0) / (squares * share + E::real(EPSILON)).root();
    for x in row.iter_mut() {
        *x = (*x - mean) * scale;
    }
    scale
}

/// Adds the shift; the sum.
#[inline(always)]
fn add_shift<E: Real, const N: usize>(row: &mut [[E; N]], shift: &[[E; N]]) -> E {
    let mut sums = [E::default(); N];
    for (row, shift) in row.iter_mut().zip(shift) {
        for (sum, (x, &shift)) in sums.iter_mut().zip(row.iter_mut().zip(shift)) {
            *x += shift;
            *sum += *x;
        }
    }
    total(sums)
}

/// The sum of the squares of the differences from the mean.
#[inline(always)]
fn squares<E: Real, const N: usize>(row: &[[E; N]], mean: E) -> E {
    let mut sums = [E::default(); N];
    for row in row {
        for (sum, &x) in sums.iter_mut().zip(row) {
            *sum += (x - mean) * (x - mean);
        }
    }
    total(sums)
}

/// From a normalised row to the activated one.
#[inline(always)]
fn finish<E: Real>(row: &[E], norm: Norm<'_, E>, output: &mut [E]) {
    let columns = row.iter().zip(norm.weight.iter().zip(norm.bias));
    for (y, (&x, (&weight, &bias))) in output.iter_mut().zip(columns) {
        *y = leaky(x * weight + bias, norm.slope);
    }
}

/// The steeper of the two lines; slopes are at most 1.
#[inline(always)]
fn leaky<E: Real>(x: E, slope: E) -> E {
    x.larger(x * slope)
}

/// From the gradient of a row that came out to that of the one that went in.
#[inline(always)]
fn backward_row<E: Real>(
    gradient: &mut [E],
    normal: &[E],
    scale: E,
    norm: Norm<'_, E>,
    to: &mut NormGradient<E>,
) {
    let share = E::real(1.0 / gradient.len() as f64);
    let whole = gradient.len() / LANES * LANES;
    let (mut mean, mut slant) = (E::default(), E::default());
    {
        let (mine, rest) = gradient.split_at_mut(whole);
        let (normals, normal_rest) = normal.split_at(whole);
        let (weights, weight_rest) = norm.weight.split_at(whole);
        let (biases, bias_rest) = norm.bias.split_at(whole);
        let (to_weights, to_weight_rest) = to.weight.split_at_mut(whole);
        let (to_biases, to_bias_rest) = to.bias.split_at_mut(whole);
        for part in [
            before_norm::<E, LANES>(
                mine,
                normals,
                [weights, biases],
                [to_weights, to_biases],
                norm.slope,
            ),
            before_norm::<E, 1>(
                rest,
                normal_rest,
                [weight_rest, bias_rest],
                [to_weight_rest, to_bias_rest],
                norm.slope,
            ),
        ] {
            mean += part.0;
            slant += part.1;
        }
    }
    let (mean, slant) = (mean * share, slant * share);
    for (gradient, &normal) in gradient.iter_mut().zip(normal) {
        *gradient = scale * (*gradient - mean - normal * slant);
    }
    add(&mut to.shift, gradient);
}

/// Takes the gradient of a part of a row back to the normalised row, and adds to those of weight and bias. Returns its sum, and
/// that of its products with the normalised row.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "arrays of N, and at is below it")]
fn before_norm<E: Real, const N: usize>(
    gradient: &mut [E],
    normal: &[E],
    [weight, bias]: [&[E]; 2],
    [to_weight, to_bias]: [&mut [E]; 2],
    slope: E,
) -> (E, E) {
    let (mut sums, mut products) = ([E::default(); N], [E::default(); N]);
    let columns = weight
        .as_chunks::<N>()
        .0
        .iter()
        .zip(bias.as_chunks::<N>().0);
    let to = to_weight
        .as_chunks_mut::<N>()
        .0
        .iter_mut()
        .zip(to_bias.as_chunks_mut::<N>().0);
    let rows = gradient
        .as_chunks_mut::<N>()
        .0
        .iter_mut()
        .zip(normal.as_chunks::<N>().0);
    for ((gradient, normal), ((weight, bias), (to_weight, to_bias))) in rows.zip(columns.zip(to)) {
        for at in 0..N {
            let x = normal[at];
            let positive = x * weight[at] + bias[at] > E::default();
            let activated = gradient[at] * if positive { E::real(1.0) } else { slope };
            to_weight[at] += activated * x;
            to_bias[at] += activated;
            let before = activated * weight[at];
            sums[at] += before;
            products[at] += before * x;
            gradient[at] = before;
        }
    }
    (total(sums), total(products))
}

/// Gradients of a norm's parameters.
#[derive(Debug, Clone)]
pub struct NormGradient<E> {
    pub weight: Vec<E>,
    pub bias: Vec<E>,
    /// Of what is added before the norm; empty if nothing is.
    pub shift: Vec<E>,
}

impl<E: Real> NormGradient<E> {
    pub fn new(width: usize, shifted: bool) -> Self {
        let zeros = |width| vec![E::default(); width];
        Self {
            weight: zeros(width),
            bias: zeros(width),
            shift: zeros(if shifted { width } else { 0 }),
        }
    }
}

/// Turns each row of `width` into its softmax.
pub fn softmax<E: Real>(rows: &mut [E], width: usize) {
    for row in rows.chunks_exact_mut(width.max(1)) {
        let top =
            row.iter().copied().fold(
                E::real(f64::NEG_INFINITY),
                |top, x| {
                    if x > top { x } else { top }
                },
            );
        let mut total = E::default();
        for x in row.iter_mut() {
            *x = (*x - top).exponential();
            total += *x;
        }
        for x in row {
            *x = *x / total;
        }
    }
}

/// Turns the gradient of softmaxes into that of what went in.
pub fn softmax_backward<E: Real>(gradient: &mut [E], softmax: &[E], width: usize) {
    let width = width.max(1);
    for (gradient, row) in gradient
        .chunks_exact_mut(width)
        .zip(softmax.chunks_exact(width))
    {
        let mean = dot(gradient, row);
        for (gradient, &weight) in gradient.iter_mut().zip(row) {
            *gradient = weight * (*gradient - mean);
        }
    }
}
