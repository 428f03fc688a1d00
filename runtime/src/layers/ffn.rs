//! Feed-forward network (paper §2.1.3).

use burn::module::Module;
use burn::tensor::activation::leaky_relu;
use burn::tensor::{Device, Tensor};

use super::{LayerNorm, Layout, Linear};
use crate::kernels::{self, Precision};
use crate::schema::{ExpertArchitecture, Norm};

/// Slope of LeakyReLU below zero.
pub const NEGATIVE_SLOPE: f64 = 0.2;

/// One layer: Linear, LayerNorm, LeakyReLU; or the norm last, or no norm.
#[derive(Module, Debug)]
pub struct FfnLayer {
    /// Linear map.
    pub linear: Linear,
    /// Norm; `None` without one.
    pub norm: Option<LayerNorm>,
    #[module(skip)]
    place: Norm,
}

impl FfnLayer {
    /// A layer from `input` to `output` columns.
    pub fn new(input: usize, output: usize, place: Norm, device: &Device) -> Self {
        Self {
            linear: Linear::new(input, output, device),
            norm: (place != Norm::None).then(|| LayerNorm::new(output, device)),
            place,
        }
    }

    /// Where the norm stands.
    pub(super) fn place(&self) -> Norm {
        self.place
    }

    /// `[rows, in]` → `[rows, out]`.
    pub fn forward(&self, x: Tensor<2>, precision: Precision) -> Tensor<2> {
        match (&self.norm, self.place, &self.linear.bias) {
            // The norm adds the bias on its way.
            (Some(norm), Norm::Pre, Some(bias)) => {
                let product = kernels::linear_without_bias(x, self.linear.weight.val(), precision);
                norm.activate(product, bias.val(), NEGATIVE_SLOPE)
            }
            (Some(norm), Norm::Pre, None) => leaky_relu(
                norm.forward(self.linear.forward(x, precision)),
                NEGATIVE_SLOPE,
            ),
            (Some(norm), Norm::Post, _) => norm.forward(leaky_relu(
                self.linear.forward(x, precision),
                NEGATIVE_SLOPE,
            )),
            (_, Norm::None, _) | (None, ..) => {
                leaky_relu(self.linear.forward(x, precision), NEGATIVE_SLOPE)
            }
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
    pub fn new(input: usize, widths: &[usize], norm: Norm, device: &Device) -> Self {
        Self {
            layers: layers(input, widths, norm, device),
        }
    }

    /// `[rows, in]` → `[rows, last width]`.
    pub fn forward(&self, x: Tensor<2>, precision: Precision) -> Tensor<2> {
        run(&self.layers, x, precision)
    }
}

/// Layers of these widths, one on the other.
pub(super) fn layers(input: usize, widths: &[usize], norm: Norm, device: &Device) -> Vec<FfnLayer> {
    let inputs = std::iter::once(&input).chain(widths);
    inputs
        .zip(widths)
        .map(|(&input, &output)| FfnLayer::new(input, output, norm, device))
        .collect()
}

/// Runs layers one on the other.
pub(super) fn run(layers: &[FfnLayer], x: Tensor<2>, precision: Precision) -> Tensor<2> {
    layers
        .iter()
        .fold(x, |x, layer| layer.forward(x, precision))
}

/// Experts of one shape on one input. The first one's weights have the path of the field that
/// holds them, the others' that path and a number from 2 (see [`crate::weights::Path`]).
#[derive(Module, Debug)]
pub struct Experts {
    /// The experts.
    pub copies: Vec<Ffn>,
}

impl Experts {
    /// So many experts.
    pub fn new(count: usize, input: usize, widths: &[usize], norm: Norm, device: &Device) -> Self {
        Self {
            copies: (0..count)
                .map(|_| Ffn::new(input, widths, norm, device))
                .collect(),
        }
    }

    /// The experts that the tasks of a domain share, on x_d.
    pub fn task_shared(
        layout: &Layout,
        architecture: &ExpertArchitecture,
        device: &Device,
    ) -> Self {
        Self::new(
            architecture.task_shared,
            layout.width(),
            &architecture.deep,
            architecture.norm,
            device,
        )
    }

    /// `[rows, in]` → `[rows, last width]` of each.
    pub fn forward(&self, x: &Tensor<2>, precision: Precision) -> Vec<Tensor<2>> {
        self.copies
            .iter()
            .map(|expert| expert.forward(x.clone(), precision))
            .collect()
    }
}
