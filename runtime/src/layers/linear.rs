//! Linear map.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use crate::kernels::{self, Precision};

/// `y = x Wᵀ + b`, with W as `[out, in]`, PyTorch's layout.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Param<Tensor<2>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// A map from `input` to `output` columns with a bias.
    pub fn new(input: usize, output: usize, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::zeros([output, input], device)),
            bias: Some(Param::from_tensor(Tensor::zeros([output], device))),
        }
    }

    /// A map from `input` to `output` columns without a bias.
    pub fn without_bias(input: usize, output: usize, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::zeros([output, input], device)),
            bias: None,
        }
    }

    /// `[rows, in]` → `[rows, out]`.
    pub fn forward(&self, x: Tensor<2>, precision: Precision) -> Tensor<2> {
        match &self.bias {
            Some(bias) => kernels::linear(x, self.weight.val(), bias.val(), precision),
            None => kernels::linear_without_bias(x, self.weight.val(), precision),
        }
    }
}
