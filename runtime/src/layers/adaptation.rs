//! Domain adaptation (paper §2.1.2): BatchNorm of the numbers, Squeeze-and-Excitation over fields.

use burn::module::Module;
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{DType, Device, Tensor, TensorData};

use super::{BatchNorm, DomainInput, Layout, Linear};
use crate::schema::Architecture;

/// Adapts the fields of one domain.
#[derive(Module, Debug)]
pub struct Adaptation {
    /// BatchNorm of the numbers; `None` if the domain has none.
    pub norm: Option<BatchNorm>,
    /// W1 `[hidden, fields]`, with hidden = max(1, fields / reduction).
    pub squeeze: Linear,
    /// W2 `[fields, hidden]`.
    pub excite: Linear,
    #[module(skip)]
    layout: Layout,
}

/// The adapted fields of one domain's rows.
#[derive(Debug, Clone)]
pub struct Adapted {
    x: Tensor<2>,
    embedded: Option<Tensor<2>>,
    domain: usize,
}

impl Adapted {
    /// x_d, `[rows, width]`: every field scaled by its weight.
    pub fn x(&self) -> Tensor<2> {
        self.x.clone()
    }

    /// The embeddings as they came from the tables, `[rows, embedded_width]`.
    pub fn embedded(&self) -> Option<Tensor<2>> {
        self.embedded.clone()
    }

    /// Index of the domain.
    pub fn domain(&self) -> usize {
        self.domain
    }
}

impl Adaptation {
    /// The adaptation of a domain with this layout.
    pub fn new(layout: &Layout, architecture: &Architecture, device: &Device) -> Self {
        let fields = layout.fields().len();
        let hidden = (fields / architecture.se_reduction.max(1)).max(1);
        Self {
            norm: (layout.numbers() > 0).then(|| BatchNorm::new(layout.numbers(), device)),
            squeeze: Linear::new(fields, hidden, device),
            excite: Linear::new(hidden, fields, device),
            layout: layout.clone(),
        }
    }

    /// Adapts the rows of the domain.
    pub fn forward(&self, input: DomainInput) -> Adapted {
        let numbers = match (&self.norm, input.numbers) {
            (Some(norm), Some(numbers)) => Some(norm.forward(numbers, input.training)),
            (_, numbers) => numbers,
        };
        let parts: Vec<Tensor<2>> = [input.embedded.clone(), input.vectors, numbers]
            .into_iter()
            .flatten()
            .collect();
        Adapted {
            x: self.scale(Tensor::cat(parts, 1)),
            embedded: input.embedded,
            domain: self.layout.domain(),
        }
    }

    /// Squeeze-and-Excitation: scales every field by sigmoid(W2 relu(W1 z)), z the fields' means.
    fn scale(&self, x: Tensor<2>) -> Tensor<2> {
        let (means, spread) = self.field_matrices(&x.device(), x.dtype());
        let squeezed = x.clone().matmul(means);
        let hidden = relu(self.squeeze.forward(squeezed));
        let weights = sigmoid(self.excite.forward(hidden));
        x * weights.matmul(spread)
    }

    /// `[width, fields]` that takes each field's mean, and `[fields, width]` that repeats a field's
    /// weight over its columns.
    fn field_matrices(&self, device: &Device, dtype: DType) -> (Tensor<2>, Tensor<2>) {
        let fields = self.layout.fields();
        let width = self.layout.width();
        let mut means = vec![0.0; width * fields.len()];
        let mut spread = vec![0.0; width * fields.len()];
        for (at, field) in fields.iter().enumerate() {
            for column in field.columns.clone() {
                if let Some(mean) = means.get_mut(column * fields.len() + at) {
                    *mean = 1.0 / field.columns.len() as f64;
                }
                if let Some(one) = spread.get_mut(at * width + column) {
                    *one = 1.0;
                }
            }
        }
        let means = TensorData::new(means, [width, fields.len()]);
        let spread = TensorData::new(spread, [fields.len(), width]);
        (
            Tensor::from_data(means, (device, dtype)),
            Tensor::from_data(spread, (device, dtype)),
        )
    }
}
