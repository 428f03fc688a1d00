//! The experts of one task on one domain, composed into its embedding.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::cross::compose;
use super::{Adapted, Cross, Ffn, Layout, Linear, Routing, Shallow, SharedExperts};
use crate::schema::{Architecture, Composition, ExpertArchitecture, Schema};

/// A task on a domain: its deep and shallow experts, its routing over {deep, task-shared,
/// domain-shared}, the crossing of the weighted outputs, and its embedding.
#[derive(Module, Debug)]
pub struct TaskExpert {
    /// Deep expert, on x_d.
    pub deep: Ffn,
    /// Weights of the experts, from x_d; `None` if the deep expert is the only one.
    pub routing: Option<Routing>,
    /// LayerNorm and DCN V2 over the weighted outputs.
    pub cross: Cross,
    /// emb_deep: `[N, width of the crossing]`.
    pub embedding: Linear,
    /// emb_shallow.
    pub shallow: Shallow,
    #[module(skip)]
    composition: Composition,
}

impl TaskExpert {
    /// The experts of task `task` on the domain of `layout`.
    pub fn new(schema: &Schema, layout: &Layout, task: usize, device: &Device) -> Self {
        let architecture = &schema.architecture;
        let expert = architecture.expert(layout.tower(), layout.domain());
        let input = layout.width();
        let width = composed_width(architecture, expert, input);
        let embedding = schema.tasks.get(task).map_or(0, |task| task.embedding);
        let experts = 1 + expert.task_shared + architecture.domain_shared;
        Self {
            deep: Ffn::new(input, &expert.deep, expert.norm, device),
            routing: (experts > 1).then(|| Routing::new(input, expert, experts, device)),
            cross: Cross::new(width, expert, device),
            embedding: Linear::new(Cross::output(width, expert), embedding, device),
            shallow: Shallow::new(layout, architecture, device),
            composition: expert.composition,
        }
    }

    /// How the experts become one vector.
    pub(super) fn composition(&self) -> Composition {
        self.composition
    }

    /// `[rows, N + shallow_width]`: emb_deep, then emb_shallow.
    pub fn forward(&self, adapted: &Adapted, shared: &SharedExperts) -> Tensor<2> {
        let precision = adapted.precision();
        let routing = self.routing.as_ref();
        let weights = routing.map(|routing| routing.forward(adapted.x(), precision));
        let mut experts = vec![self.deep.forward(adapted.x(), precision)];
        experts.extend_from_slice(&shared.task);
        experts.extend_from_slice(&shared.domain);
        let composed = compose(self.composition, weights, experts);
        let crossed = self.cross.forward(composed, precision);
        let deep = self.embedding.forward(crossed, precision);
        match self.shallow.forward(adapted) {
            Some(shallow) => Tensor::cat(vec![deep, shallow], 1),
            None => deep,
        }
    }
}

/// Width of the experts' outputs together, on an x_d of `input` columns.
fn composed_width(architecture: &Architecture, expert: &ExpertArchitecture, input: usize) -> usize {
    let last = |widths: &[usize]| widths.last().copied().unwrap_or(input);
    let own = last(&expert.deep);
    match expert.composition {
        Composition::Sum => own,
        Composition::Concat => {
            own * (1 + expert.task_shared)
                + last(&architecture.shared_deep) * architecture.domain_shared
        }
    }
}
