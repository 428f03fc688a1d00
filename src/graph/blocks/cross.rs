//! Composition of a task's experts, and crossing of the composed vector.

use super::ffn::norm_entry;
use super::tensor::join;
use super::{Block, Entries, Entry, Ffn, Tensor};
use crate::graph::node::NodeId;
use crate::sema::spec::{Composition, Crossing, Norm};

/// Composition of the experts' outputs, each scaled by its routing weight; LayerNorm; crossing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cross {
    /// Node of the routing weights; `None` with a single expert, which is not scaled.
    pub routing: Option<NodeId>,
    /// How the outputs become one vector.
    pub composition: Composition,
    /// Width of that vector.
    pub width: usize,
    /// What crosses it.
    pub crossing: Crossing,
    /// Place of LayerNorm: before the crossing, after it, or nowhere.
    pub norm: Norm,
}

pub(super) const DEFINITION: &str = "\
cross:
  weights:
    { norm.weight: [out], norm.bias: [out], I.down.weight: [rank, out], I.up.weight: [out, rank],
      I.up.bias: [out] }
  formula: >-
    input i is multiplied by element i of `scaled_by`; x0 = layer_norm of their concatenation;
    for each layer I below depth, x = x0 * up(down(x)) + x, starting from x = x0.
  composition: \"`sum`: the sum of the scaled inputs in place of their concatenation; without
    `scaled_by`, of one expert, its output as it is\"
  norm: \"`post`: the crosses on the unnormalised x0, then layer_norm; `none`: without layer_norm and its weights\"
compose:
  weights: { norm.weight: [out], norm.bias: [out] }
  formula: as `cross` without crosses
mlp:
  weights:
    { norm.weight: [in], norm.bias: [in], mlp.I.…: as in an ffn of `widths` }
  formula: >-
    as `cross`, with the ffn of the node's `norm` in place of the crosses; of norm `post` the
    layer_norm after the ffn, with weights of its width
";

impl Cross {
    /// The composed vector.
    fn composed(&self) -> Entries {
        match self.composition {
            Composition::Concat => Entries::Columns(self.width),
            Composition::Sum => Entries::Units(self.width),
        }
    }

    /// The FFN of these widths that crosses.
    pub fn ffn(&self, widths: &[usize]) -> Ffn {
        Ffn {
            input: self.width,
            widths: widths.to_vec(),
            norm: self.norm,
        }
    }

    /// What the LayerNorm normalises, if there is one.
    fn normed(&self) -> Option<Entries> {
        match self.norm {
            Norm::Pre => Some(self.composed()),
            Norm::Post => Some(self.output()),
            Norm::None => None,
        }
    }
}

impl Block for Cross {
    fn word(&self) -> &'static str {
        match self.crossing {
            Crossing::Dcn { .. } => "cross",
            Crossing::None => "compose",
            Crossing::Mlp(_) => "mlp",
        }
    }

    fn output(&self) -> Entries {
        match &self.crossing {
            Crossing::Dcn { .. } | Crossing::None => self.composed(),
            Crossing::Mlp(widths) => self.ffn(widths).last(self.composed()),
        }
    }

    fn tensors(&self) -> Vec<Tensor> {
        let composed = self.composed();
        let normed = self.normed().into_iter();
        let mut tensors: Vec<Tensor> = normed
            .flat_map(|units| Tensor::norm("norm", units))
            .collect();
        match &self.crossing {
            Crossing::None => {}
            Crossing::Mlp(widths) => tensors.extend(self.ffn(widths).layers("mlp", composed)),
            Crossing::Dcn { rank, depth } => {
                for layer in 0..*depth {
                    let path = layer.to_string();
                    let rank = Entries::Units(*rank);
                    tensors.push(Tensor::matrix(&join(&path, "down"), composed, rank));
                    tensors.extend(Tensor::linear(&join(&path, "up"), rank, composed));
                }
            }
        }
        tensors
    }

    fn entries(&self) -> Vec<(&'static str, Entry<'_>)> {
        let mut entries = vec![];
        if self.composition == Composition::Sum {
            entries.push(("composition", Entry::Word("sum")));
        }
        match &self.crossing {
            Crossing::Dcn { rank, depth } => entries.extend([
                ("out", Entry::Size(self.width)),
                ("rank", Entry::Size(*rank)),
                ("depth", Entry::Size(*depth)),
            ]),
            Crossing::None => entries.push(("out", Entry::Size(self.width))),
            Crossing::Mlp(widths) => entries.extend([
                ("in", Entry::Size(self.width)),
                ("widths", Entry::Widths(widths)),
            ]),
        }
        entries.extend(norm_entry(self.norm));
        entries
    }

    fn caption(&self) -> String {
        match &self.crossing {
            Crossing::Dcn { rank, depth: 1 } => format!("DCN V2 of rank {rank}"),
            Crossing::Dcn { rank, depth } => format!("DCN V2 of rank {rank}, {depth} layers"),
            Crossing::Mlp(widths) => format!("FFN {}", self.ffn(widths).widths_caption()),
            Crossing::None => "composition alone".to_owned(),
        }
    }
}
