//! The tower's domain-shared expert, as a domain runs it.

use super::{Block, Cost, Entries, Entry, Ffn, Tensor};

/// The tower's domain-shared expert, on all fields of the tower. Its weights are those of the
/// tower's node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainShared {
    /// The tower's expert.
    pub expert: Ffn,
}

pub(super) const DEFINITION: &str = "\
domain_shared:
  weights: those of the tower's expert, an ffn, that `shared` names first
  formula: >-
    the tower's fields in the order of its features: the domain's own as `adapt` puts them out,
    the others as their part of the learned vectors `missing`, the same for every row; then the ffn.
";

impl Block for DomainShared {
    fn word(&self) -> &'static str {
        "domain_shared"
    }

    fn output(&self) -> Entries {
        self.expert.output()
    }

    fn tensors(&self) -> Vec<Tensor> {
        vec![]
    }

    fn entries(&self) -> Vec<(&'static str, Entry<'_>)> {
        self.expert.entries()
    }

    fn caption(&self) -> String {
        self.expert.caption()
    }

    fn cost(&self) -> Cost {
        Cost {
            parameters: 0,
            ..self.expert.cost()
        }
    }
}
