//! Composition of a task's experts and feature crossing (paper §2.1.5).

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::{FfnLayer, LayerNorm, Linear, ffn};
use crate::kernels::{self, Precision};
use crate::schema::{Composition, Crossing, ExpertArchitecture, Norm};

/// The experts' outputs as one vector, each times its column of `weights` (`[rows, experts]`;
/// `None` for a single expert, which is not scaled).
pub fn compose(
    composition: Composition,
    weights: Option<Tensor<2>>,
    experts: Vec<Tensor<2>>,
) -> Tensor<2> {
    let Some(weights) = weights else {
        return Tensor::cat(experts, 1);
    };
    match composition {
        Composition::Concat => match <[Tensor<2>; 3]>::try_from(experts) {
            Ok(experts) if same_width(&experts) => kernels::route(weights, experts),
            Ok(experts) => kernels::composed::route(weights, experts.into()),
            Err(experts) => kernels::composed::route(weights, experts),
        },
        Composition::Sum => kernels::composed::route_sum(weights, experts),
    }
}

fn same_width(experts: &[Tensor<2>]) -> bool {
    let width = |expert: &Tensor<2>| expert.dims()[1];
    experts.windows(2).all(|pair| match pair {
        [one, other] => width(one) == width(other),
        _ => true,
    })
}

/// One cross: `x' = x0 ∘ (U (V x) + b) + x`.
#[derive(Module, Debug)]
pub struct CrossLayer {
    /// V, `[rank, width]`, without a bias.
    pub down: Linear,
    /// U, `[width, rank]`, and b.
    pub up: Linear,
}

impl CrossLayer {
    fn forward(&self, first: Tensor<2>, x: Tensor<2>, precision: Precision) -> Tensor<2> {
        let down = self.down.forward(x.clone(), precision);
        match &self.up.bias {
            // The cross adds the bias on its way.
            Some(bias) => {
                let up = kernels::linear_without_bias(down, self.up.weight.val(), precision);
                kernels::cross(first, up, bias.val(), x)
            }
            None => first * self.up.forward(down, precision) + x,
        }
    }
}

/// LayerNorm, then low-rank DCN V2 or an FFN, or the norm after it, or neither.
#[derive(Module, Debug)]
pub struct Cross {
    /// Norm of the composition; `None` without norms.
    pub norm: Option<LayerNorm>,
    /// Crosses, first to last; empty unless the crossing is a DCN.
    pub layers: Vec<CrossLayer>,
    /// Layers of the FFN; empty unless it is the crossing.
    pub mlp: Vec<FfnLayer>,
    #[module(skip)]
    place: Norm,
}

impl Cross {
    /// The crossing of `width` columns.
    pub fn new(width: usize, architecture: &ExpertArchitecture, device: &Device) -> Self {
        let place = architecture.norm;
        let layers = match architecture.crossing {
            Crossing::Dcn { rank, depth } => (0..depth)
                .map(|_| CrossLayer {
                    down: Linear::without_bias(width, rank, device),
                    up: Linear::new(rank, width, device),
                })
                .collect(),
            Crossing::None | Crossing::Mlp(_) => Vec::new(),
        };
        let mlp = match &architecture.crossing {
            Crossing::Mlp(widths) => ffn::layers(width, widths, place, device),
            Crossing::Dcn { .. } | Crossing::None => Vec::new(),
        };
        let normalised = match place {
            Norm::Pre | Norm::None => width,
            Norm::Post => Self::output(width, architecture),
        };
        Self {
            norm: (place != Norm::None).then(|| LayerNorm::new(normalised, device)),
            layers,
            mlp,
            place,
        }
    }

    /// Where the norm stands.
    pub(super) fn place(&self) -> Norm {
        self.place
    }

    /// Columns that come out of `width`.
    pub fn output(width: usize, architecture: &ExpertArchitecture) -> usize {
        match &architecture.crossing {
            Crossing::Dcn { .. } | Crossing::None => width,
            Crossing::Mlp(widths) => widths.last().copied().unwrap_or(width),
        }
    }

    /// `[rows, width]` → `[rows, output]`.
    pub fn forward(&self, x: Tensor<2>, precision: Precision) -> Tensor<2> {
        match (&self.norm, self.place) {
            (Some(norm), Norm::Pre) => self.cross(norm.forward(x), precision),
            (Some(norm), Norm::Post) => norm.forward(self.cross(x, precision)),
            (_, Norm::None) | (None, _) => self.cross(x, precision),
        }
    }

    fn cross(&self, first: Tensor<2>, precision: Precision) -> Tensor<2> {
        let x = self.layers.iter().fold(first.clone(), |x, layer| {
            layer.forward(first.clone(), x, precision)
        });
        ffn::run(&self.mlp, x, precision)
    }
}
