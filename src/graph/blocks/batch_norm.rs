//! BatchNorm of the domain's own over its numbers.

use super::{Block, Entries, Entry, Tensor};
use mtmd_schema::plan::Init;

/// BatchNorm of the domain's own over its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchNorm {
    /// Numbers.
    pub width: usize,
}

pub(super) const DEFINITION: &str = "\
batch_norm:
  weights: { weight: [out], bias: [out], running_mean: [out], running_var: [out] }
  formula: weight * (x - mean) / sqrt(var + norm_eps) + bias
  evaluation: mean and var are running_mean and running_var
  training: >-
    mean and var (biased) are those of the domain's rows in the batch; running statistics move
    by batch_norm_momentum towards the mean and the unbiased var. A single row uses the running
    statistics and leaves them. They start from the mean and the unbiased var of the domain's
    training rows, as the batch norm reads them; 0 and 1 without rows, var 1 with one row.
";

impl Block for BatchNorm {
    fn word(&self) -> &'static str {
        "batch_norm"
    }

    fn output(&self) -> Entries {
        Entries::Columns(self.width)
    }

    fn tensors(&self) -> Vec<Tensor> {
        let columns = Entries::Columns(self.width);
        let mut tensors = Tensor::norm("", columns).to_vec();
        tensors.push(Tensor::running("running_mean", columns, Init::Zeros));
        tensors.push(Tensor::running("running_var", columns, Init::Ones));
        tensors
    }

    fn entries(&self) -> Vec<(&'static str, Entry<'_>)> {
        vec![("out", Entry::Size(self.width))]
    }

    fn caption(&self) -> String {
        format!("BatchNorm of {}", self.width)
    }
}
