//! A stack of layers on some rows, forward and backward.

use super::plan::{Dense, Layer, Stack};
use super::rows::{Norm, NormGradient, Normal};
use super::weights::{Gradients, Weights};
use mtmd_schema::plan::Write;

use crate::exec::host::product::{Matrix, MatrixMut, Side, multiply};
use crate::kernels::buffer::Buffer;
use crate::kernels::real::Real;

/// What the backward pass needs of a stack's forward pass on some rows.
#[derive(Debug)]
pub struct StackRows<E: Real> {
    /// By layer.
    normals: Vec<Normal<E>>,
    /// `[rows, out]`.
    pub output: Buffer<E>,
}

impl Stack {
    /// Runs the layers on `rows` rows of its source.
    pub(super) fn forward<E: Real>(
        &self,
        input: &Side<'_, E>,
        rows: usize,
        weights: &Weights<'_, E>,
    ) -> StackRows<E> {
        let mut normals = Vec::with_capacity(self.layers.len());
        let mut output = Buffer::new(0);
        for (place, layer) in self.layers.iter().enumerate() {
            let mut z = Buffer::new(rows * layer.dense.output);
            let right = weights.right(&layer.dense);
            match place {
                0 => multiply(
                    input,
                    right,
                    MatrixMut::new(&mut z, layer.dense.output),
                    Write::Set,
                ),
                _ => {
                    let left = Side::left(Matrix::new(&output, layer.dense.input), weights.way);
                    multiply(
                        &left,
                        right,
                        MatrixMut::new(&mut z, layer.dense.output),
                        Write::Set,
                    );
                }
            }
            let shift = weights.values(layer.dense.bias);
            let (activated, normal) = layer.norm(weights).forward(z, shift);
            normals.push(normal);
            output = activated;
        }
        StackRows { normals, output }
    }

    /// Turns the gradient of the rows' output into that of their input, adds those of the parameters to `to`. `input` is the
    /// source as a right side, `[k = rows, n = in]`.
    pub(super) fn backward<E: Real>(
        &self,
        saved: &StackRows<E>,
        mut gradient: Buffer<E>,
        input: &Side<'_, E>,
        weights: &Weights<'_, E>,
        to: &mut Gradients<E>,
    ) -> Buffer<E> {
        for (place, (layer, normal)) in self.layers.iter().zip(&saved.normals).enumerate().rev() {
            layer.norm_backward(&mut gradient, normal, weights, to);
            let before = match place
                .checked_sub(1)
                .and_then(|at| self.layers.get(at).zip(saved.normals.get(at)))
            {
                Some((layer, normal)) => layer.norm(weights).again(normal),
                None => Buffer::new(0),
            };
            gradient = match place {
                0 => layer.dense.backward(&gradient, input, weights, to),
                _ => {
                    let input = Side::passing(Matrix::new(&before, layer.dense.input), weights.way);
                    layer.dense.backward(&gradient, &input, weights, to)
                }
            };
        }
        gradient
    }
}

impl Layer {
    fn norm<'a, E: Real>(&self, weights: &Weights<'a, E>) -> Norm<'a, E> {
        Norm {
            weight: weights.values(self.norm_weight),
            bias: weights.values(self.norm_bias),
            slope: weights.slope,
        }
    }

    fn norm_backward<E: Real>(
        &self,
        gradient: &mut [E],
        normal: &Normal<E>,
        weights: &Weights<'_, E>,
        to: &mut Gradients<E>,
    ) {
        let mut sums = NormGradient::new(self.dense.output, true);
        self.norm(weights).backward(gradient, normal, &mut sums);
        to.add(self.norm_weight, &sums.weight);
        to.add(self.norm_bias, &sums.bias);
        to.add(self.dense.bias, &sums.shift);
    }
}

impl Dense {
    /// `x Wᵀ` of the rows of a left side, without the bias.
    pub(super) fn forward<E: Real>(&self, rows: &[E], weights: &Weights<'_, E>) -> Buffer<E> {
        let mut output = Buffer::new(rows.len() / self.input.max(1) * self.output);
        let left = Side::left(Matrix::new(rows, self.input), weights.way);
        multiply(
            &left,
            weights.right(self),
            MatrixMut::new(&mut output, self.output),
            Write::Set,
        );
        output
    }

    /// The gradient of the rows that went in by that of those that came out; adds the weight's to `to`. `input` is what went
    /// in, as a right side.
    pub(super) fn backward<E: Real>(
        &self,
        gradient: &[E],
        input: &Side<'_, E>,
        weights: &Weights<'_, E>,
        to: &mut Gradients<E>,
    ) -> Buffer<E> {
        let view = Matrix::new(gradient, self.output);
        let left = Side::left(view.transpose(), weights.way);
        let (weight, target) = to.slot(self.weight, self.input * self.output);
        multiply(&left, input, MatrixMut::new(weight, self.input), target);
        drop(left);
        let rows = gradient.len() / self.output.max(1);
        let mut before = Buffer::new(rows * self.input);
        let left = Side::left(view, weights.way);
        multiply(
            &left,
            weights.right(self),
            MatrixMut::new(&mut before, self.input),
            Write::Set,
        );
        before
    }
}
