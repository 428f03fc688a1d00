//! Squeeze-and-Excitation over fields.

use super::{Block, Entries, Entry, Tensor};

/// Squeeze-and-Excitation over fields. Its output is x_d.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqueezeExcitation {
    /// Fields.
    pub fields: usize,
    /// Hidden size.
    pub hidden: usize,
    /// Width of x_d.
    pub width: usize,
}

pub(super) const DEFINITION: &str = "\
squeeze_excitation:
  weights:
    { squeeze.weight: [hidden, fields], squeeze.bias: [hidden],
      excite.weight: [fields, hidden], excite.bias: [fields] }
  formula: >-
    z = mean of each field over its own columns; s = sigmoid(excite(relu(squeeze(z)))); every
    column of field f is multiplied by s[f]. A number is a field of one column.
";

impl Block for SqueezeExcitation {
    fn word(&self) -> &'static str {
        "squeeze_excitation"
    }

    fn output(&self) -> Entries {
        Entries::Columns(self.width)
    }

    fn tensors(&self) -> Vec<Tensor> {
        let fields = Entries::Fields(self.fields);
        let hidden = Entries::Units(self.hidden);
        [
            Tensor::linear("squeeze", fields, hidden),
            Tensor::linear("excite", hidden, fields),
        ]
        .concat()
    }

    fn entries(&self) -> Vec<(&'static str, Entry<'_>)> {
        vec![
            ("fields", Entry::Size(self.fields)),
            ("hidden", Entry::Size(self.hidden)),
            ("out", Entry::Size(self.width)),
        ]
    }

    fn caption(&self) -> String {
        let Self { fields, hidden, .. } = self;
        format!("Squeeze-and-Excitation {fields} → {hidden} → {fields}")
    }
}
