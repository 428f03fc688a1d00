//! The experts of one task on one domain, composed into its embedding.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::{Adapted, Cross, Ffn, Layout, Linear, Routing, Shallow, SharedExperts};
use crate::kernels;
use crate::schema::Schema;

/// Deep expert, task-shared expert, domain-shared expert.
const EXPERTS: usize = 3;

/// A task on a domain: its deep and shallow experts, its routing over {deep, task-shared,
/// domain-shared}, the crossing of the weighted outputs, and its embedding.
#[derive(Module, Debug)]
pub struct TaskExpert {
    /// Deep expert, on x_d.
    pub deep: Ffn,
    /// Weights of the three experts, from x_d.
    pub routing: Routing,
    /// LayerNorm and DCN V2 over the weighted outputs.
    pub cross: Cross,
    /// emb_deep: `[N, 3 · deep]`.
    pub embedding: Linear,
    /// emb_shallow.
    pub shallow: Shallow,
}

impl TaskExpert {
    /// The experts of task `task` on the domain of `layout`.
    pub fn new(schema: &Schema, layout: &Layout, task: usize, device: &Device) -> Self {
        let architecture = &schema.architecture;
        let input = layout.width();
        let width = EXPERTS * architecture.deep.last().copied().unwrap_or(input);
        let embedding = schema.tasks.get(task).map_or(0, |task| task.embedding);
        Self {
            deep: Ffn::new(input, architecture.deep, device),
            routing: Routing::new(input, architecture.routing, EXPERTS, device),
            cross: Cross::new(width, architecture, device),
            embedding: Linear::new(width, embedding, device),
            shallow: Shallow::new(layout, architecture, device),
        }
    }

    /// `[rows, N + shallow_width]`: emb_deep, then emb_shallow.
    pub fn forward(&self, adapted: &Adapted, shared: &SharedExperts) -> Tensor<2> {
        let weights = self.routing.forward(adapted.x());
        let experts = [
            self.deep.forward(adapted.x()),
            shared.task.clone(),
            shared.domain.clone(),
        ];
        let deep = self
            .embedding
            .forward(self.cross.forward(kernels::route(weights, experts)));
        match self.shallow.forward(adapted) {
            Some(shallow) => Tensor::cat(vec![deep, shallow], 1),
            None => deep,
        }
    }
}
