//! Routing weights: FFN, then Linear to one logit for each expert, softmax.

use super::ffn::norm_entry;
use super::{Block, Entries, Entry, Ffn, Tensor};

/// FFN, then Linear to one logit for each expert, softmax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routing {
    /// Hidden layers.
    pub hidden: Ffn,
    /// Experts.
    pub experts: usize,
}

pub(super) const DEFINITION: &str = "\
routing:
  weights: { I.…: as in an ffn of `hidden`, output.weight: [out, \"last of hidden, or in\"], output.bias: [out] }
  formula: softmax(output(ffn(x))), the ffn with the node's `norm`
";

impl Block for Routing {
    fn word(&self) -> &'static str {
        "routing"
    }

    fn output(&self) -> Entries {
        Entries::Units(self.experts)
    }

    fn tensors(&self) -> Vec<Tensor> {
        self.hidden
            .layers_and_output(Entries::Experts(self.experts))
    }

    fn entries(&self) -> Vec<(&'static str, Entry<'_>)> {
        let mut entries = vec![
            ("in", Entry::Size(self.hidden.input)),
            ("hidden", Entry::Widths(&self.hidden.widths)),
            ("out", Entry::Size(self.experts)),
        ];
        entries.extend(norm_entry(self.hidden.norm));
        entries
    }

    fn caption(&self) -> String {
        format!(
            "{} · {}, softmax",
            self.hidden.widths_caption(),
            self.experts
        )
    }
}
