//! Row by row: norms, activations, softmax, and what they send back.

use multiversion::multiversion;

use crate::kernels::buffer::Buffer;
use crate::kernels::composed::EPSILON;
use crate::kernels::real::{Real, add, dot, sum};

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
    for (x, &shift) in row.iter_mut().zip(shift) {
        *x += shift;
    }
    let mean = sum(row) * share;
    for x in row.iter_mut() {
        *x = *x - mean;
    }
    let scale = E::real(1.0) / (dot(row, row) * share + E::real(EPSILON)).root();
    for x in row.iter_mut() {
        *x = *x * scale;
    }
    scale
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
    let columns = normal.iter().zip(norm.weight.iter().zip(norm.bias));
    for (gradient, (&normal, (&weight, &bias))) in gradient.iter_mut().zip(columns) {
        let positive = normal * weight + bias > E::default();
        *gradient = *gradient * if positive { E::real(1.0) } else { norm.slope };
    }
    for (to, (&gradient, &normal)) in to.weight.iter_mut().zip(gradient.iter().zip(normal)) {
        *to += gradient * normal;
    }
    add(&mut to.bias, gradient);
    for (gradient, &weight) in gradient.iter_mut().zip(norm.weight) {
        *gradient = *gradient * weight;
    }
    let mean = sum(gradient) * share;
    let slant = dot(gradient, normal) * share;
    for (gradient, &normal) in gradient.iter_mut().zip(normal) {
        *gradient = scale * (*gradient - mean - normal * slant);
    }
    add(&mut to.shift, gradient);
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
