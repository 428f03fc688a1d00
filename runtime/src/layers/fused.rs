//! The embeddings of a Domain Expert's tasks: by one operation on the CPU, layer by layer elsewhere.

use burn::tensor::Tensor;

use super::ffn::{FfnLayer, NEGATIVE_SLOPE};
use super::{
    Adapted, DomainShared, Experts, Linear, Shallow, SharedExperts, TaskEmbeddings, TaskExpert,
};
use crate::kernels::experts::plan::{
    Cross, Dense, Head, Input, Layer, Plan, Shallow as ShallowPlan, Source, Stack,
};
use crate::kernels::experts::{Parameters, experts};
use crate::schema::{Composition, Norm};

/// Embeddings of the rows of one domain by its task experts, each with the index of its task among `tasks` tasks (paper §2.1).
pub fn task_embeddings(
    tasks: usize,
    adapted: &Adapted,
    task_shared: &Experts,
    domain_shared: &DomainShared,
    experts: &[(usize, &TaskExpert)],
) -> TaskEmbeddings {
    let mut output = TaskEmbeddings::new(tasks);
    match fused(adapted, task_shared, domain_shared, experts) {
        Some(embeddings) => {
            for ((task, _), embedding) in experts.iter().zip(embeddings) {
                output.set(*task, embedding);
            }
        }
        None => {
            let shared = SharedExperts {
                task: task_shared.forward(&adapted.x()),
                domain: domain_shared.forward(adapted),
            };
            for (task, expert) in experts {
                output.set(*task, expert.forward(adapted, &shared));
            }
        }
    }
    output
}

/// `None` for layers that the operation does not know, or that lie elsewhere than on the CPU.
fn fused(
    adapted: &Adapted,
    task_shared: &Experts,
    domain_shared: &DomainShared,
    experts_of: &[(usize, &TaskExpert)],
) -> Option<Vec<Tensor<2>>> {
    let canonical = domain_shared.rearranged(adapted);
    let mut planner = Planner::default();
    let own = planner.source(Input::Adapted, None);
    let tower = match canonical {
        Some(_) => planner.source(Input::Canonical, None),
        None => own,
    };
    let mut shared = Vec::new();
    for (experts, source) in [(task_shared, own), (&domain_shared.expert, tower)] {
        for expert in &experts.copies {
            shared.push(planner.stack(&expert.layers, source)?);
        }
    }
    for (_, expert) in experts_of {
        let head = planner.head(expert, own, &shared)?;
        planner.plan.heads.push(head);
    }
    let x = adapted.x();
    let canonical = canonical.unwrap_or_else(|| x.clone());
    let embedded = adapted.embedded().unwrap_or_else(|| x.clone());
    experts(
        planner.plan,
        [&x, &canonical, &embedded],
        planner.parameters,
        NEGATIVE_SLOPE,
    )
}

/// Layers as a plan and its parameters.
#[derive(Debug, Default)]
struct Planner {
    plan: Plan,
    parameters: Parameters,
}

impl Planner {
    /// The place of a source.
    fn source(&mut self, input: Input, columns: Option<Vec<std::ops::Range<usize>>>) -> usize {
        let source = Source { input, columns };
        let sources = &mut self.plan.sources;
        sources
            .iter()
            .position(|known| *known == source)
            .unwrap_or_else(|| {
                sources.push(source);
                sources.len() - 1
            })
    }

    fn dense(&mut self, linear: &Linear) -> Option<Dense> {
        let weight = linear.weight.val();
        let [output, input] = weight.dims();
        Some(Dense {
            weight: self.parameters.add(&weight),
            bias: self.parameters.add(&linear.bias.as_ref()?.val()),
            input,
            output,
        })
    }

    /// The place of a stack of these layers.
    fn stack(&mut self, layers: &[FfnLayer], source: usize) -> Option<usize> {
        if layers.is_empty() {
            return None;
        }
        let mut stack = Stack {
            source,
            layers: Vec::with_capacity(layers.len()),
        };
        for layer in layers {
            let norm = layer.norm.as_ref().filter(|_| layer.place() == Norm::Pre)?;
            stack.layers.push(Layer {
                dense: self.dense(&layer.linear)?,
                norm_weight: self.parameters.add(&norm.weight.val()),
                norm_bias: self.parameters.add(&norm.bias.val()),
            });
        }
        self.plan.stacks.push(stack);
        Some(self.plan.stacks.len() - 1)
    }

    fn head(&mut self, expert: &TaskExpert, own: usize, shared: &[usize]) -> Option<Head> {
        let mut experts = vec![self.stack(&expert.deep.layers, own)?];
        experts.extend_from_slice(shared);
        let stacks = &self.plan.stacks;
        let widths: Vec<usize> = experts
            .iter()
            .filter_map(|at| stacks.get(*at))
            .map(Stack::output)
            .collect();
        let sum = match (expert.composition(), expert.routing.is_some()) {
            (Composition::Sum, true) => true,
            (Composition::Sum, false) | (Composition::Concat, _) => false,
        };
        let width = match sum {
            true => widths.first().copied()?,
            false => widths.iter().sum(),
        };
        let routing = match &expert.routing {
            Some(routing) => Some((
                self.stack(&routing.layers, own)?,
                self.dense(&routing.output)?,
            )),
            None => None,
        };
        let cross = &expert.cross;
        let norm = match (&cross.norm, cross.place()) {
            (Some(norm), Norm::Pre) => {
                let weight = self.parameters.add(&norm.weight.val());
                Some((weight, self.parameters.add(&norm.bias.val())))
            }
            (None, Norm::None) => None,
            _ => return None,
        };
        if !cross.mlp.is_empty() {
            return None;
        }
        let mut crosses = Vec::with_capacity(cross.layers.len());
        for layer in &cross.layers {
            crosses.push(Cross {
                down: self.parameters.add(&layer.down.weight.val()),
                up: self.dense(&layer.up)?,
            });
        }
        Some(Head {
            experts,
            routing,
            sum,
            width,
            norm,
            crosses,
            embedding: self.dense(&expert.embedding)?,
            shallow: self.shallow(&expert.shallow)?,
        })
    }

    fn shallow(&mut self, shallow: &Shallow) -> Option<ShallowPlan> {
        if let Some(vector) = &shallow.vector {
            let vector = vector.val();
            let [width] = vector.dims();
            return Some(ShallowPlan::Vector(self.parameters.add(&vector), width));
        }
        let source = self.source(Input::Embedded, Some(shallow.columns().to_vec()));
        Some(ShallowPlan::Dense {
            stack: self.stack(&shallow.layers, source)?,
            output: self.dense(shallow.output.as_ref()?)?,
        })
    }
}
