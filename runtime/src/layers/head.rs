//! What turns a dot product into a logit.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use crate::schema::{Architecture, LogitBias};

/// The bias of one task's logit.
#[derive(Module, Debug)]
pub struct Head {
    /// `[1]`, initially zero; training starts it at the log-odds of the task's mean label. `None`
    /// if the spec has none.
    pub bias: Option<Param<Tensor<1>>>,
}

impl Head {
    /// A head with a bias of zero, or without one.
    pub fn new(architecture: &Architecture, device: &Device) -> Self {
        let bias = || Param::from_tensor(Tensor::zeros([1], device));
        Self {
            bias: (architecture.logit_bias == LogitBias::Learned).then(bias),
        }
    }
}
