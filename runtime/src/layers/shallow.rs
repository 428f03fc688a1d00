//! Shallow expert (paper §2.1.3).

use std::ops::Range;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::{Adapted, FfnLayer, Layout, Linear, beside, ffn};
use crate::schema::Architecture;

/// emb_shallow of one task on one domain: an FFN and a Linear on the domain's high-level
/// categories, or one learned vector if it has none.
#[derive(Module, Debug)]
pub struct Shallow {
    /// Hidden layers; empty without categories.
    pub layers: Vec<FfnLayer>,
    /// `[shallow_width, hidden]`; `None` without categories.
    pub output: Option<Linear>,
    /// `[shallow_width]`, in place of the layers; `None` with categories.
    pub vector: Option<Param<Tensor<1>>>,
    #[module(skip)]
    columns: Vec<Range<usize>>,
}

impl Shallow {
    /// The shallow expert of a task on the domain of this layout.
    pub fn new(layout: &Layout, architecture: &Architecture, device: &Device) -> Self {
        let columns = layout.shallow();
        let width = architecture.shallow_width;
        if columns.is_empty() {
            return Self {
                layers: Vec::new(),
                output: None,
                vector: Some(Param::from_tensor(Tensor::zeros([width], device))),
                columns,
            };
        }
        let input = columns.iter().map(Range::len).sum();
        let expert = architecture.expert(layout.tower(), layout.domain());
        let hidden = expert.shallow.last().copied().unwrap_or(input);
        Self {
            layers: ffn::layers(input, &expert.shallow, expert.norm, device),
            output: Some(Linear::new(hidden, width, device)),
            vector: None,
            columns,
        }
    }

    /// Columns of the embeddings that it reads.
    pub(super) fn columns(&self) -> &[Range<usize>] {
        &self.columns
    }

    /// `[rows, shallow_width]`. Reads the embeddings as they come from the tables.
    pub fn forward(&self, adapted: &Adapted) -> Option<Tensor<2>> {
        if let Some(vector) = &self.vector {
            let [rows, _] = adapted.x().dims();
            let vector: Tensor<2> = vector.val().unsqueeze();
            let [_, width] = vector.dims();
            return Some(vector.expand([rows, width]));
        }
        let embedded = adapted.embedded()?;
        let parts: Vec<Tensor<2>> = self
            .columns
            .iter()
            .map(|columns| embedded.clone().narrow(1, columns.start, columns.len()))
            .collect();
        let precision = adapted.precision();
        let x = ffn::run(&self.layers, beside(parts), precision);
        let output = self.output.as_ref();
        output.map(|output| output.forward(x, precision))
    }
}
