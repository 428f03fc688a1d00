//! Learned vectors, the same for every row.

use super::{Block, Entries, Entry, Tensor};
use mtmd_schema::plan::Init;

/// One learned vector in place of a shallow expert's embedding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vector {
    /// Width.
    pub width: usize,
}

/// The learned vectors in place of missing fields, side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Width of the fields together.
    pub width: usize,
}

pub(super) const DEFINITION: &str = "\
vector:
  weights: { vector: [out] }
  formula: the learned vector, the same for every row; initially ±1/sqrt(out) uniform
missing:
  weights: the node's path is the key of its tensor, of [out]
  formula: >-
    for each of `features` a learned vector of the field's width, side by side, the same for every
    row; initially zero
";

impl Block for Vector {
    fn word(&self) -> &'static str {
        "vector"
    }

    fn output(&self) -> Entries {
        Entries::Units(self.width)
    }

    fn tensors(&self) -> Vec<Tensor> {
        let init = Init::Uniform(self.width);
        vec![Tensor::vector("", "vector", self.output(), init)]
    }

    fn entries(&self) -> Vec<(&'static str, Entry<'_>)> {
        vec![("out", Entry::Size(self.width))]
    }

    fn caption(&self) -> String {
        format!("learned vector of {}", self.width)
    }
}

impl Block for Missing {
    fn word(&self) -> &'static str {
        "missing"
    }

    fn output(&self) -> Entries {
        Entries::Columns(self.width)
    }

    fn tensors(&self) -> Vec<Tensor> {
        vec![Tensor::vector("", "", self.output(), Init::Zeros)]
    }

    fn entries(&self) -> Vec<(&'static str, Entry<'_>)> {
        vec![("out", Entry::Size(self.width))]
    }

    fn caption(&self) -> String {
        format!("learned vectors of {}", self.width)
    }
}
