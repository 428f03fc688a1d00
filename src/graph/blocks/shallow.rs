//! Shallow expert: FFN, then Linear, on embeddings as they come from the tables.

use super::ffn::norm_entry;
use super::{Block, Entries, Entry, Ffn, Tensor};

/// FFN, then Linear: an embedding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shallow {
    /// Hidden layers.
    pub hidden: Ffn,
    /// Output width.
    pub width: usize,
}

pub(super) const DEFINITION: &str = "\
shallow:
  weights: { I.…: as in an ffn of `hidden`, output.weight: [out, \"last of hidden, or in\"], output.bias: [out] }
  formula: output(ffn(x)), the ffn with the node's `norm`, x the embeddings of `features` as they come from the tables, before `adapt`
";

impl Block for Shallow {
    fn word(&self) -> &'static str {
        "shallow"
    }

    fn output(&self) -> Entries {
        Entries::Units(self.width)
    }

    fn tensors(&self) -> Vec<Tensor> {
        self.hidden.layers_and_output(Entries::Units(self.width))
    }

    fn entries(&self) -> Vec<(&'static str, Entry<'_>)> {
        let mut entries = vec![
            ("in", Entry::Size(self.hidden.input)),
            ("hidden", Entry::Widths(&self.hidden.widths)),
            ("out", Entry::Size(self.width)),
        ];
        entries.extend(norm_entry(self.hidden.norm));
        entries
    }

    fn caption(&self) -> String {
        format!("{} · {}", self.hidden.widths_caption(), self.width)
    }
}
