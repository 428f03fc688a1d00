//! Concatenation.

use super::{Block, Entries, Entry, Tensor};

/// Concatenation of the inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concat {
    /// Width.
    pub width: usize,
}

pub(super) const DEFINITION: &str = "\
concat: the inputs side by side; node TASK is the embedding of the task
";

impl Block for Concat {
    fn word(&self) -> &'static str {
        "concat"
    }

    fn output(&self) -> Entries {
        Entries::Columns(self.width)
    }

    fn tensors(&self) -> Vec<Tensor> {
        vec![]
    }

    fn entries(&self) -> Vec<(&'static str, Entry<'_>)> {
        vec![("out", Entry::Size(self.width))]
    }

    fn caption(&self) -> String {
        "concatenation".to_owned()
    }
}
