//! The experts' outputs side by side, each scaled by its weight.

#![expect(
    clippy::indexing_slicing,
    reason = "rows, experts and columns are bounded by the shapes"
)]

use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::composed;
use super::op::{HostOp, Operand, apply};
use super::real::{ALONE, Real, dims, dot, for_type, piece_rows, tensor, vectorised};

/// `[rows, 3]` and three times `[rows, width]` → `[rows, 3 · width]`.
pub fn route(weights: Tensor<2>, experts: [Tensor<2>; 3]) -> Tensor<2> {
    let [first, second, third] = experts.each_ref().map(Operand::new);
    apply(Route, [Operand::new(&weights), first, second, third])
        .unwrap_or_else(|| composed::route(weights, experts.into()))
}

#[derive(Debug, Clone)]
struct Route;

impl HostOp<4> for Route {
    type Saved = [FlexTensor; 4];

    fn forward(&self, inputs: [FlexTensor; 4]) -> (FlexTensor, Self::Saved) {
        let output = for_type!(inputs[0], E => forward::<E>(&inputs));
        (output, inputs)
    }

    fn backward(
        &self,
        saved: Self::Saved,
        gradient: FlexTensor,
        _wanted: [bool; 4],
    ) -> [Option<FlexTensor>; 4] {
        for_type!(gradient, E => backward::<E>(&saved, &gradient)).map(Some)
    }
}

fn forward<E: Real>([weights, experts @ ..]: &[FlexTensor; 4]) -> FlexTensor {
    let (rows, width) = dims(&experts[0]);
    let weights = E::slice(weights);
    let experts = experts.each_ref().map(E::slice);
    let mut output = vec![E::default(); rows * 3 * width];
    let row = |at: usize, output: &mut [E]| {
        vectorised(|| {
            for (place, output) in output.chunks_mut(width).enumerate() {
                let weight = weights[at * 3 + place];
                let expert = &experts[place][at * width..(at + 1) * width];
                for (output, &value) in output.iter_mut().zip(expert) {
                    *output = value * weight;
                }
            }
        });
    };
    if output.len() <= ALONE {
        for (at, output) in output.chunks_mut(3 * width).enumerate() {
            row(at, output);
        }
    } else {
        let least = piece_rows(3 * width);
        let rows = output.par_chunks_mut(3 * width).enumerate();
        rows.with_min_len(least)
            .for_each(|(at, output)| row(at, output));
    }
    tensor(output, [rows, 3 * width])
}

fn backward<E: Real>(
    [weights, experts @ ..]: &[FlexTensor; 4],
    gradient: &FlexTensor,
) -> [FlexTensor; 4] {
    let (rows, width) = dims(&experts[0]);
    let weights = E::slice(weights);
    let experts = experts.each_ref().map(E::slice);
    let gradient = E::slice(gradient);
    let mut to_weights = vec![E::default(); rows * 3];
    let mut to_experts = [(); 3].map(|()| vec![E::default(); rows * width]);
    let [first, second, third] = &mut to_experts;
    let row = |at: usize, to_weights: &mut [E], to_experts: [&mut [E]; 3]| {
        vectorised(|| {
            for (place, to_expert) in to_experts.into_iter().enumerate() {
                let start = (at * 3 + place) * width;
                let gradient = &gradient[start..start + width];
                let expert = &experts[place][at * width..(at + 1) * width];
                to_weights[place] = dot(gradient, expert);
                let weight = weights[at * 3 + place];
                for (to_expert, &gradient) in to_expert.iter_mut().zip(gradient) {
                    *to_expert = gradient * weight;
                }
            }
        });
    };
    if gradient.len() <= ALONE {
        let experts = first.chunks_mut(width).zip(second.chunks_mut(width));
        let experts = experts.zip(third.chunks_mut(width));
        for (at, (to, ((a, b), c))) in to_weights.chunks_mut(3).zip(experts).enumerate() {
            row(at, to, [a, b, c]);
        }
    } else {
        let experts = first
            .par_chunks_mut(width)
            .zip(second.par_chunks_mut(width));
        let experts = experts.zip(third.par_chunks_mut(width));
        let rows = to_weights.par_chunks_mut(3).zip(experts).enumerate();
        rows.with_min_len(piece_rows(3 * width))
            .for_each(|(at, (to, ((a, b), c)))| row(at, to, [a, b, c]));
    }
    let [first, second, third] = to_experts.map(|values| tensor(values, [rows, width]));
    [tensor(to_weights, [rows, 3]), first, second, third]
}
