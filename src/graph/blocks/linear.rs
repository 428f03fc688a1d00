//! Linear map with a bias.

use super::{Block, Entries, Entry, Tensor};

/// Linear map with a bias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linear {
    /// Input width.
    pub input: usize,
    /// Output width.
    pub width: usize,
}

pub(super) const DEFINITION: &str = "\
linear: { weights: { weight: [out, in], bias: [out] } }
";

impl Block for Linear {
    fn word(&self) -> &'static str {
        "linear"
    }

    fn output(&self) -> Entries {
        Entries::Units(self.width)
    }

    fn tensors(&self) -> Vec<Tensor> {
        Tensor::linear("", Entries::Columns(self.input), self.output()).into()
    }

    fn entries(&self) -> Vec<(&'static str, Entry<'_>)> {
        vec![
            ("in", Entry::Size(self.input)),
            ("out", Entry::Size(self.width)),
        ]
    }

    fn caption(&self) -> String {
        format!("Linear to {}", self.width)
    }
}
