//! Domain adaptation (paper §2.1.2): BatchNorm of the numbers, Squeeze-and-Excitation over fields.

use burn::module::Module;
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device, Tensor};

use super::{BatchNorm, DomainInput, Layout, Linear, beside};
use crate::kernels::{self, Fields, Precision};
use crate::schema::{self, ExpertArchitecture};

/// Adapts the fields of one domain.
#[derive(Module, Debug)]
pub struct Adaptation {
    /// BatchNorm of the numbers; `None` if the domain has none, or if they go in as they are.
    pub norm: Option<BatchNorm>,
    /// W1 `[hidden, fields]`, with hidden = max(1, fields / reduction); `None`: fields are not
    /// scaled.
    pub squeeze: Option<Linear>,
    /// W2 `[fields, hidden]`; `None` without W1.
    pub excite: Option<Linear>,
    #[module(skip)]
    fields: Fields,
    #[module(skip)]
    domain: usize,
}

/// The adapted fields of one domain's rows.
#[derive(Debug, Clone)]
pub struct Adapted {
    x: Tensor<2>,
    embedded: Option<Tensor<2>>,
    domain: usize,
    precision: Precision,
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

    /// Of the products that these rows go through.
    pub fn precision(&self) -> Precision {
        self.precision
    }
}

impl Adaptation {
    /// The adaptation of a domain with this layout.
    pub fn new(layout: &Layout, architecture: &ExpertArchitecture, device: &Device) -> Self {
        let fields = layout.fields().len();
        let hidden = architecture
            .se_reduction
            .map(|reduction| (fields / reduction.max(1)).max(1));
        let normalised =
            architecture.batch_norm == schema::BatchNorm::Domain && layout.numbers() > 0;
        Self {
            norm: normalised.then(|| BatchNorm::new(layout.numbers(), device)),
            squeeze: hidden.map(|hidden| Linear::new(fields, hidden, device)),
            excite: hidden.map(|hidden| Linear::new(hidden, fields, device)),
            fields: layout.fields().iter().map(|f| f.columns.clone()).collect(),
            domain: layout.domain().0,
        }
    }

    /// Adapts the rows of the domain.
    pub fn forward(&self, input: DomainInput) -> Adapted {
        let numbers = match (&self.norm, input.numbers) {
            (Some(norm), Some(numbers)) => {
                Some(norm.forward(numbers, input.repeats.as_ref(), input.training))
            }
            (_, numbers) => numbers,
        };
        let precision = input.precision;
        let parts = [input.embedded.clone(), input.vectors, numbers];
        let fields = beside(parts.into_iter().flatten().collect());
        Adapted {
            x: self.scale(fields, precision),
            embedded: input.embedded,
            domain: self.domain,
            precision,
        }
    }

    /// Squeeze-and-Excitation: scales every field by sigmoid(W2 relu(W1 z)), z the fields' means.
    fn scale(&self, x: Tensor<2>, precision: Precision) -> Tensor<2> {
        let (Some(squeeze), Some(excite)) = (&self.squeeze, &self.excite) else {
            return x;
        };
        let means = kernels::squeeze(x.clone(), &self.fields);
        let hidden = relu(squeeze.forward(means, precision));
        let weights = sigmoid(excite.forward(hidden, precision));
        kernels::excite(x, weights, &self.fields)
    }
}
