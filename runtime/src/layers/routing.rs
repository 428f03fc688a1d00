//! Expert routing (paper §2.1.5).

use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use super::{FfnLayer, Linear, Precision, ffn};
use crate::schema::ExpertArchitecture;

/// Weights of a task's experts: an FFN, a Linear, softmax.
#[derive(Module, Debug)]
pub struct Routing {
    /// Hidden layers.
    pub layers: Vec<FfnLayer>,
    /// `[experts, hidden]`.
    pub output: Linear,
}

impl Routing {
    /// Routing over `experts` experts by an input of `input` columns.
    pub fn new(
        input: usize,
        architecture: &ExpertArchitecture,
        experts: usize,
        device: &Device,
    ) -> Self {
        let hidden = &architecture.routing;
        let last = hidden.last().copied().unwrap_or(input);
        Self {
            layers: ffn::layers(input, hidden, architecture.norm, device),
            output: Linear::new(last, experts, device),
        }
    }

    /// `[rows, in]` → `[rows, experts]`, rows that sum to one.
    pub fn forward(&self, x: Tensor<2>, precision: Precision) -> Tensor<2> {
        let hidden = ffn::run(&self.layers, x, precision);
        softmax(self.output.forward(hidden, precision), 1)
    }
}
