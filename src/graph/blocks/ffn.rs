//! FFN: Linear, LayerNorm and LeakyReLU for each width, or in the order of another `norm`.

use super::tensor::join;
use super::{Block, Entries, Entry, Tensor};
use crate::sema::spec::Norm;

/// Linear, LayerNorm and LeakyReLU for each width, or in the order of another `norm`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ffn {
    /// Input width.
    pub input: usize,
    /// Output width of each layer.
    pub widths: Vec<usize>,
    /// Place of LayerNorm in a layer.
    pub norm: Norm,
}

pub(super) const DEFINITION: &str = "\
ffn:
  weights:
    { I.linear.weight: [\"widths[I]\", \"I == 0 ? in : widths[I - 1]\"], I.linear.bias: [\"widths[I]\"],
      I.norm.weight: [\"widths[I]\"], I.norm.bias: [\"widths[I]\"] }
  formula: for each layer I, leaky_relu(layer_norm(linear(x)))
  norm: \"`post`: layer_norm(leaky_relu(linear(x))); `none`: leaky_relu(linear(x)), without the weights of norm\"
layer_norm: weight * (x - mean) / sqrt(var + norm_eps) + bias, mean and biased var of the row
leaky_relu: x where x >= 0, else leaky_relu_slope * x
";

impl Ffn {
    /// Width of the last layer.
    pub fn width(&self) -> usize {
        self.widths.last().copied().unwrap_or(self.input)
    }

    /// Tensors of the layers under a path, of an FFN that reads these entries.
    pub(super) fn layers(&self, path: &str, mut inputs: Entries) -> Vec<Tensor> {
        let mut tensors = vec![];
        for (layer, width) in self.widths.iter().enumerate() {
            let path = join(path, &layer.to_string());
            let units = Entries::Units(*width);
            tensors.extend(Tensor::linear(&join(&path, "linear"), inputs, units));
            if is_normed(self.norm) {
                tensors.extend(Tensor::norm(&join(&path, "norm"), units));
            }
            inputs = units;
        }
        tensors
    }

    /// What the last layer puts out, of an FFN that reads these entries.
    pub(super) fn last(&self, inputs: Entries) -> Entries {
        self.widths
            .last()
            .map_or(inputs, |width| Entries::Units(*width))
    }

    /// Tensors of the layers and of a linear map after them, `output`.
    pub(super) fn layers_and_output(&self, units: Entries) -> Vec<Tensor> {
        let inputs = Entries::Columns(self.input);
        let mut tensors = self.layers("", inputs);
        tensors.extend(Tensor::linear("output", self.last(inputs), units));
        tensors
    }

    pub(super) fn widths_caption(&self) -> String {
        let widths: Vec<String> = self.widths.iter().map(ToString::to_string).collect();
        widths.join(" · ")
    }
}

impl Block for Ffn {
    fn word(&self) -> &'static str {
        "ffn"
    }

    fn output(&self) -> Entries {
        Entries::Units(self.width())
    }

    fn tensors(&self) -> Vec<Tensor> {
        self.layers("", Entries::Columns(self.input))
    }

    fn entries(&self) -> Vec<(&'static str, Entry<'_>)> {
        let mut entries = vec![
            ("in", Entry::Size(self.input)),
            ("widths", Entry::Widths(&self.widths)),
        ];
        entries.extend(norm_entry(self.norm));
        entries
    }

    fn caption(&self) -> String {
        self.widths_caption()
    }
}

/// Whether there is a LayerNorm.
pub(super) fn is_normed(norm: Norm) -> bool {
    match norm {
        Norm::Pre | Norm::Post => true,
        Norm::None => false,
    }
}

/// The place of LayerNorm, unless it is the default.
pub(super) fn norm_entry(norm: Norm) -> Option<(&'static str, Entry<'static>)> {
    match norm {
        Norm::Pre => None,
        Norm::Post => Some(("norm", Entry::Word("post"))),
        Norm::None => Some(("norm", Entry::Word("none"))),
    }
}
