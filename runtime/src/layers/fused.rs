//! The embeddings of the tasks of a tower's Domain Experts: by one operation on the CPU, layer by layer elsewhere.

use burn::tensor::Tensor;

use super::ffn::{FfnLayer, NEGATIVE_SLOPE};
use super::{
    Adapted, DomainShared, Experts, Linear, Shallow, SharedExperts, TaskEmbeddings, TaskExpert,
    TowerOutput,
};
use crate::kernels::experts::plan::{
    Cross, Dense, Head, Input, Layer, Plan, Shallow as ShallowPlan, Source, Stack,
};
use crate::kernels::experts::{Parameters, Work, experts};
use crate::schema::{Composition, Norm};

/// The adapted rows of one domain, and the experts of its Domain Expert that run on them.
#[derive(Debug)]
pub struct DomainRows<'a> {
    adapted: Adapted,
    task_shared: &'a Experts,
    domain_shared: &'a DomainShared,
    experts: Vec<(usize, &'a TaskExpert)>,
}

impl<'a> DomainRows<'a> {
    /// Rows of a domain; every task expert with the index of its task.
    pub fn new(
        adapted: Adapted,
        task_shared: &'a Experts,
        domain_shared: &'a DomainShared,
        experts: Vec<(usize, &'a TaskExpert)>,
    ) -> Self {
        Self {
            adapted,
            task_shared,
            domain_shared,
            experts,
        }
    }

    /// Layer by layer.
    fn embeddings(&self) -> Vec<Tensor<2>> {
        let shared = SharedExperts {
            task: self
                .task_shared
                .forward(&self.adapted.x(), self.adapted.precision()),
            domain: self.domain_shared.forward(&self.adapted),
        };
        let experts = self.experts.iter();
        experts
            .map(|(_, expert)| expert.forward(&self.adapted, &shared))
            .collect()
    }

    /// The same as work for the operation; `None` for layers that it does not know.
    fn work(&self) -> Option<Work> {
        let canonical = self.domain_shared.rearranged(&self.adapted);
        let mut planner = Planner::default();
        let own = planner.source(Input::Adapted, None);
        let tower = match canonical {
            Some(_) => planner.source(Input::Canonical, None),
            None => own,
        };
        let mut shared = Vec::new();
        for (experts, source) in [(self.task_shared, own), (&self.domain_shared.expert, tower)] {
            for expert in &experts.copies {
                shared.push(planner.stack(&expert.layers, source)?);
            }
        }
        for (_, expert) in &self.experts {
            let head = planner.head(expert, own, &shared)?;
            planner.plan.heads.push(head);
        }
        let x = self.adapted.x();
        let embedded = self.adapted.embedded();
        Some(Work {
            plan: planner.plan,
            inputs: [
                x.clone(),
                canonical.unwrap_or_else(|| x.clone()),
                embedded.unwrap_or(x),
            ],
            parameters: planner.parameters,
            precision: self.adapted.precision(),
        })
    }
}

/// Embeddings of the rows of a tower by the task experts of its Domain Experts (paper §2.1), each domain with its index among
/// `domains`, for some of `tasks` tasks.
pub fn task_embeddings(
    domains: usize,
    tasks: usize,
    rows: Vec<(usize, DomainRows<'_>)>,
) -> TowerOutput {
    let works: Vec<Option<Work>> = rows.iter().map(|(_, rows)| rows.work()).collect();
    let known: Vec<bool> = works.iter().map(Option::is_some).collect();
    let by_operation = experts(works.into_iter().flatten().collect(), NEGATIVE_SLOPE);
    let mut by_operation = by_operation.into_iter().flatten();
    let mut output = TowerOutput::new(domains);
    for ((domain, rows), known) in rows.iter().zip(known) {
        let found = known.then(|| by_operation.next()).flatten();
        let found = found.unwrap_or_else(|| rows.embeddings());
        let mut embeddings = TaskEmbeddings::new(tasks);
        for ((task, _), embedding) in rows.experts.iter().zip(found) {
            embeddings.set(*task, embedding);
        }
        output.set(*domain, embeddings);
    }
    output
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
