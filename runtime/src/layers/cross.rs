//! Feature crossing (paper §2.1.5): LayerNorm and low-rank DCN V2.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::{LayerNorm, Linear};
use crate::kernels;
use crate::schema::Architecture;

/// One cross: `x' = x0 ∘ (U (V x) + b) + x`.
#[derive(Module, Debug)]
pub struct CrossLayer {
    /// V, `[rank, width]`, without a bias.
    pub down: Linear,
    /// U, `[width, rank]`, and b.
    pub up: Linear,
}

impl CrossLayer {
    fn forward(&self, first: Tensor<2>, x: Tensor<2>) -> Tensor<2> {
        let down = self.down.forward(x.clone());
        match &self.up.bias {
            // The cross adds the bias on its way.
            Some(bias) => {
                let up = kernels::linear_without_bias(down, self.up.weight.val());
                kernels::cross(first, up, bias.val(), x)
            }
            None => first * self.up.forward(down) + x,
        }
    }
}

/// LayerNorm, then the crosses. With a depth of 0 the norm stands alone.
#[derive(Module, Debug)]
pub struct Cross {
    /// Norm of the composition.
    pub norm: LayerNorm,
    /// Crosses, first to last.
    pub layers: Vec<CrossLayer>,
}

impl Cross {
    /// Crosses of `width` columns.
    pub fn new(width: usize, architecture: &Architecture, device: &Device) -> Self {
        let rank = architecture.cross_rank;
        let layer = |_| CrossLayer {
            down: Linear::without_bias(width, rank, device),
            up: Linear::new(rank, width, device),
        };
        Self {
            norm: LayerNorm::new(width, device),
            layers: (0..architecture.cross_depth).map(layer).collect(),
        }
    }

    /// `[rows, width]` → `[rows, width]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let first = self.norm.forward(x);
        self.layers
            .iter()
            .fold(first.clone(), |x, layer| layer.forward(first.clone(), x))
    }
}
