//! What turns a dot product into a logit.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

/// The bias of one task's logit.
#[derive(Module, Debug)]
pub struct Head {
    /// `[1]`, initially zero; training starts it at the log-odds of the task's mean label.
    pub bias: Param<Tensor<1>>,
}

impl Head {
    /// A head with a bias of zero.
    pub fn new(device: &Device) -> Self {
        Self {
            bias: Param::from_tensor(Tensor::zeros([1], device)),
        }
    }
}
