//! The elementwise part of a cross.

use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::composed;
use super::op::{HostOp, Operand, apply};
use super::real::{ALONE, Real, add_pieces, dims, for_type, piece_rows, tensor, vectorised};

/// `first ∘ (up + bias) + x`: `[rows, width]`, with `bias` `[width]`.
pub fn cross(first: Tensor<2>, up: Tensor<2>, bias: Tensor<1>, x: Tensor<2>) -> Tensor<2> {
    let operands = [
        Operand::new(&first),
        Operand::new(&up),
        Operand::new(&bias),
        Operand::new(&x),
    ];
    apply(Cross, operands).unwrap_or_else(|| composed::cross(first, up, bias, x))
}

#[derive(Debug, Clone)]
struct Cross;

impl HostOp<4> for Cross {
    /// first, up, bias.
    type Saved = [FlexTensor; 3];

    fn forward(&self, inputs: [FlexTensor; 4]) -> (FlexTensor, Self::Saved) {
        let output = for_type!(inputs[0], E => forward::<E>(&inputs));
        let [first, up, bias, _] = inputs;
        (output, [first, up, bias])
    }

    fn backward(
        &self,
        saved: Self::Saved,
        gradient: FlexTensor,
        _wanted: [bool; 4],
    ) -> [Option<FlexTensor>; 4] {
        let [first, up, bias] = for_type!(gradient, E => backward::<E>(&saved, &gradient));
        [Some(first), Some(up), Some(bias), Some(gradient)]
    }
}

fn forward<E: Real>([first, up, bias, x]: &[FlexTensor; 4]) -> FlexTensor {
    let (rows, width) = dims(first);
    let bias = E::slice(bias);
    let mut output = E::slice(x).to_vec();
    let piece = |((output, first), up): ((&mut [E], &[E]), &[E])| {
        let rows = output.chunks_mut(width).zip(first.chunks(width));
        vectorised(|| {
            for ((output, first), up) in rows.zip(up.chunks(width)) {
                let inputs = first.iter().zip(up).zip(bias);
                for (output, ((&first, &up), &bias)) in output.iter_mut().zip(inputs) {
                    *output += first * (up + bias);
                }
            }
        });
    };
    let (first, up) = (E::slice(first), E::slice(up));
    if output.len() <= ALONE {
        piece(((&mut output, first), up));
    } else {
        let step = piece_rows(width) * width;
        let pieces = output.par_chunks_mut(step).zip(first.par_chunks(step));
        pieces.zip(up.par_chunks(step)).for_each(piece);
    }
    tensor(output, [rows, width])
}

/// Gradients of first, up and bias.
fn backward<E: Real>(
    [first, up, bias]: &[FlexTensor; 3],
    gradient: &FlexTensor,
) -> [FlexTensor; 3] {
    let (rows, width) = dims(first);
    let bias = E::slice(bias);
    let mut to_first = E::slice(up).to_vec();
    let mut to_up = E::slice(first).to_vec();
    let piece = |((to_first, to_up), gradient): ((&mut [E], &mut [E]), &[E])| {
        let mut to_bias = vec![E::default(); width];
        let rows = to_first.chunks_mut(width).zip(to_up.chunks_mut(width));
        vectorised(|| {
            for ((to_first, to_up), gradient) in rows.zip(gradient.chunks(width)) {
                let outputs = to_first.iter_mut().zip(to_up).zip(&mut to_bias);
                let inputs = gradient.iter().zip(bias);
                for (((to_first, to_up), to_bias), (&gradient, &bias)) in outputs.zip(inputs) {
                    *to_first = gradient * (*to_first + bias);
                    *to_up = gradient * *to_up;
                    *to_bias += *to_up;
                }
            }
        });
        to_bias
    };
    let gradient = E::slice(gradient);
    let to_bias = if gradient.len() <= ALONE {
        piece(((&mut to_first, &mut to_up), gradient))
    } else {
        let step = piece_rows(width) * width;
        let outputs = to_first
            .par_chunks_mut(step)
            .zip(to_up.par_chunks_mut(step));
        add_pieces(outputs.zip(gradient.par_chunks(step)).map(piece).collect())
    };
    [
        tensor(to_first, [rows, width]),
        tensor(to_up, [rows, width]),
        tensor(to_bias, [width]),
    ]
}
