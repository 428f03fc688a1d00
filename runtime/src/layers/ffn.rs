//! Feed-forward network (paper §2.1.3).

use burn::module::Module;
use burn::tensor::activation::leaky_relu;
use burn::tensor::{Device, Tensor};

use super::{LayerNorm, Linear};
use crate::kernels;

/// Slope of LeakyReLU below zero.
pub const NEGATIVE_SLOPE: f64 = 0.2;

/// One layer: Linear, LayerNorm, LeakyReLU.
#[derive(Module, Debug)]
pub struct FfnLayer {
    /// Linear map.
    pub linear: Linear,
    /// Norm before the activation.
    pub norm: LayerNorm,
}

impl FfnLayer {
    /// A layer from `input` to `output` columns.
    pub fn new(input: usize, output: usize, device: &Device) -> Self {
        Self {
            linear: Linear::new(input, output, device),
            norm: LayerNorm::new(output, device),
        }
    }

    /// `[rows, in]` → `[rows, out]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.linear.bias {
            // The norm adds the bias on its way.
            Some(bias) => {
                let product = kernels::linear_without_bias(x, self.linear.weight.val());
                self.norm.activate(product, bias.val(), NEGATIVE_SLOPE)
            }
            None => leaky_relu(self.norm.forward(self.linear.forward(x)), NEGATIVE_SLOPE),
        }
    }
}

/// A sequence of layers.
#[derive(Module, Debug)]
pub struct Ffn {
    /// Layers, first to last.
    pub layers: Vec<FfnLayer>,
}

impl Ffn {
    /// Layers of these widths on an input of `input` columns.
    pub fn new(input: usize, widths: &[usize], device: &Device) -> Self {
        let mut from = input;
        let mut layers = Vec::with_capacity(widths.len());
        for &width in widths {
            layers.push(FfnLayer::new(from, width, device));
            from = width;
        }
        Self { layers }
    }

    /// `[rows, in]` → `[rows, last width]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.layers.iter().fold(x, |x, layer| layer.forward(x))
    }
}
