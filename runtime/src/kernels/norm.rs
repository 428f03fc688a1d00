//! LayerNorm with the bias before it and the activation after it.

use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::composed;
use super::composed::EPSILON;
use super::op::{HostOp, Operand, apply};
use super::real::{
    ALONE, Real, add_pieces, dims, dot, for_type, piece_rows, sum, tensor, vectorised,
};

/// `leaky(LayerNorm(x + shift) ∘ weight + bias)`, `[rows, width]` and three times `[width]` →
/// `[rows, width]`. With a slope of 1 there is no activation.
pub fn norm_activate(
    x: Tensor<2>,
    shift: Tensor<1>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    slope: f64,
) -> Tensor<2> {
    let operands = [
        Operand::new(&x),
        Operand::new(&shift),
        Operand::new(&weight),
        Operand::new(&bias),
    ];
    apply(NormActivate { slope }, operands)
        .unwrap_or_else(|| composed::norm_activate(x, shift, weight, bias, slope))
}

#[derive(Debug, Clone)]
struct NormActivate {
    slope: f64,
}

#[derive(Debug, Clone)]
struct Saved {
    x: FlexTensor,
    shift: FlexTensor,
    weight: FlexTensor,
    /// The output; where it is positive, the activation was the identity.
    y: FlexTensor,
    /// `[rows, 2]`: mean and 1/√(variance + ε) of each row.
    moments: FlexTensor,
}

impl HostOp<4> for NormActivate {
    type Saved = Saved;

    fn forward(&self, [x, shift, weight, bias]: [FlexTensor; 4]) -> (FlexTensor, Saved) {
        let (y, moments) =
            for_type!(x, E => forward::<E>([&x, &shift, &weight, &bias], self.slope));
        let saved = Saved {
            x,
            shift,
            weight,
            y: y.clone(),
            moments,
        };
        (y, saved)
    }

    fn backward(
        &self,
        saved: Saved,
        gradient: FlexTensor,
        _wanted: [bool; 4],
    ) -> [Option<FlexTensor>; 4] {
        for_type!(gradient, E => backward::<E>(&saved, gradient, self.slope)).map(Some)
    }
}

fn forward<E: Real>(
    [x, shift, weight, bias]: [&FlexTensor; 4],
    slope: f64,
) -> (FlexTensor, FlexTensor) {
    let (rows, width) = dims(x);
    let parameters = [shift, weight, bias].map(E::slice);
    let mut y = vec![E::default(); rows * width];
    let mut moments = vec![E::default(); rows * 2];
    let piece = |((y, x), moments): ((&mut [E], &[E]), &mut [E])| {
        let (moments, _) = moments.as_chunks_mut::<2>();
        let rows = y.chunks_mut(width).zip(x.chunks(width));
        vectorised(|| {
            for ((y, x), moments) in rows.zip(moments) {
                *moments = forward_row(x, parameters, E::real(slope), y);
            }
        });
    };
    let x = E::slice(x);
    if x.len() <= ALONE {
        piece(((&mut y, x), &mut moments));
    } else {
        let step = piece_rows(width);
        y.par_chunks_mut(step * width)
            .zip(x.par_chunks(step * width))
            .zip(moments.par_chunks_mut(step * 2))
            .for_each(piece);
    }
    (tensor(y, [rows, width]), tensor(moments, [rows, 2]))
}

/// Returns mean and 1/√(variance + ε).
#[inline(always)]
fn forward_row<E: Real>(
    x: &[E],
    [shift, weight, bias]: [&[E]; 3],
    slope: E,
    y: &mut [E],
) -> [E; 2] {
    let share = E::real(1.0 / x.len() as f64);
    for (y, (&x, &shift)) in y.iter_mut().zip(x.iter().zip(shift)) {
        *y = x + shift;
    }
    let mean = sum(y) * share;
    for y in y.iter_mut() {
        *y = *y - mean;
    }
    let scale = E::real(1.0) / (dot(y, y) * share + E::real(EPSILON)).root();
    for (y, (&weight, &bias)) in y.iter_mut().zip(weight.iter().zip(bias)) {
        let value = *y * scale * weight + bias;
        *y = if value > E::default() {
            value
        } else {
            value * slope
        };
    }
    [mean, scale]
}

/// Gradients of x, shift, weight and bias; that of x takes the place of the output's.
fn backward<E: Real>(saved: &Saved, mut gradient: FlexTensor, slope: f64) -> [FlexTensor; 4] {
    let (_, width) = dims(&saved.x);
    let [shift, weight] = [&saved.shift, &saved.weight].map(E::slice);
    let piece = |gradient: &mut [E], x: &[E], y: &[E], moments: &[E]| {
        let mut sums = Sums::new(width);
        let (moments, _) = moments.as_chunks::<2>();
        let rows = gradient.chunks_mut(width).zip(x.chunks(width));
        vectorised(|| {
            for ((gradient, x), (y, &moments)) in rows.zip(y.chunks(width).zip(moments)) {
                sums.row(
                    gradient,
                    Row {
                        x,
                        y,
                        shift,
                        weight,
                        moments,
                    },
                    E::real(slope),
                );
            }
        });
        sums.finish()
    };
    let (x, y, moments) = (
        E::slice(&saved.x),
        E::slice(&saved.y),
        E::slice(&saved.moments),
    );
    let values = E::slice_mut(&mut gradient);
    let sums = if x.len() <= ALONE {
        piece(values, x, y, moments)
    } else {
        let step = piece_rows(width);
        let read = x.par_chunks(step * width).zip(y.par_chunks(step * width));
        let pieces = values
            .par_chunks_mut(step * width)
            .zip(read)
            .zip(moments.par_chunks(step * 2))
            .map(|((gradient, (x, y)), moments)| piece(gradient, x, y, moments))
            .collect();
        add_pieces(pieces)
    };
    let part = |at: usize| {
        let part = sums.get(at * width..(at + 1) * width).unwrap_or_default();
        tensor(part.to_vec(), [width])
    };
    [gradient, part(0), part(1), part(2)]
}

/// What the backward pass reads of one row.
struct Row<'a, E> {
    x: &'a [E],
    y: &'a [E],
    shift: &'a [E],
    weight: &'a [E],
    moments: [E; 2],
}

/// Gradients of the parameters over the rows of a piece.
struct Sums<E> {
    shift: Vec<E>,
    weight: Vec<E>,
    bias: Vec<E>,
    /// The normalised row.
    normal: Vec<E>,
}

impl<E: Real> Sums<E> {
    fn new(width: usize) -> Self {
        let zeros = || vec![E::default(); width];
        Self {
            shift: zeros(),
            weight: zeros(),
            bias: zeros(),
            normal: zeros(),
        }
    }

    /// Adds a row's share and turns the gradient of its output into that of its input.
    #[inline(always)]
    fn row(&mut self, gradient: &mut [E], row: Row<'_, E>, slope: E) {
        let [mean, scale] = row.moments;
        let share = E::real(1.0 / gradient.len() as f64);
        for (normal, (&x, &shift)) in self.normal.iter_mut().zip(row.x.iter().zip(row.shift)) {
            *normal = (x + shift - mean) * scale;
        }
        for (gradient, &y) in gradient.iter_mut().zip(row.y) {
            *gradient = if y > E::default() {
                *gradient
            } else {
                *gradient * slope
            };
        }
        let sums = self.weight.iter_mut().zip(&mut self.bias);
        for ((weight, bias), (&gradient, &normal)) in sums.zip(gradient.iter().zip(&self.normal)) {
            *weight += gradient * normal;
            *bias += gradient;
        }
        for (gradient, &weight) in gradient.iter_mut().zip(row.weight) {
            *gradient = *gradient * weight;
        }
        let mean = sum(gradient) * share;
        let slant = dot(gradient, &self.normal) * share;
        let outputs = gradient.iter_mut().zip(&mut self.shift);
        for ((gradient, shift), &normal) in outputs.zip(&self.normal) {
            *gradient = scale * (*gradient - mean - normal * slant);
            *shift += *gradient;
        }
    }

    fn finish(mut self) -> Vec<E> {
        self.shift.append(&mut self.weight);
        self.shift.append(&mut self.bias);
        self.shift
    }
}
