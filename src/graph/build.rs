//! Spec → graph.

use super::blocks::{
    self, Concat, Cost, Cross, DomainShared, Ffn, Linear, Missing, NodeKind, Routing, Shallow,
    SqueezeExcitation, Vector,
};
use super::node::{Group, NodeId, NodeInput, Role};
use super::{DomainExpert, FeatureId, Field, Graph, Head, Node, Totals, TowerGraph};
use super::{meaning_hash, weights_hash};
use crate::sema::spec::{
    Architecture, BatchNorm, Composition, DomainId, ExpertArchitecture, Feature, LogitBias, Spec,
    TaskId, Tower,
};

/// Builds the graph of a checked spec.
pub fn build(spec: &Spec) -> Graph {
    let query = tower(spec, Tower::Query);
    let item = tower(spec, Tower::Item);
    let heads = heads(spec);
    let totals = totals(spec, &query, &item, &heads);
    let (spec_hash, weights_hash) = (meaning_hash(spec), weights_hash(spec));
    Graph {
        spec: spec.clone(),
        spec_hash,
        weights_hash,
        query,
        item,
        heads,
        totals,
    }
}

fn tower(spec: &Spec, tower: Tower) -> TowerGraph {
    let (axis, features) = (spec.axis(tower), spec.features(tower));
    let fields: Vec<Field> = features
        .iter()
        .map(|feature| Field::new(feature, spec))
        .collect();
    let width = fields.iter().map(|field| field.width).sum();
    // What only the domain-shared experts read.
    let missing: Vec<FeatureId> = ids(features, |feature| {
        spec.architecture.domain_shared > 0 && feature.domains.len() < axis.domains.len()
    });
    let mut graph = TowerGraph {
        tower,
        fields,
        width,
        missing,
        shared: vec![],
        experts: vec![],
    };
    graph.shared = shared(spec, &graph);
    for domain in (0..axis.domains.len()).map(DomainId) {
        let fields = ids(features, |feature| {
            feature.domains.binary_search(&domain).is_ok()
        });
        let tasks = tasks(spec, tower, domain);
        let architecture = spec.architecture.expert(tower, domain);
        let built_as = |other: &DomainExpert| {
            let first = other.domains.first();
            first.is_some_and(|first| spec.architecture.expert(tower, *first) == architecture)
        };
        let same = |expert: &&mut DomainExpert| {
            expert.fields == fields && expert.tasks == tasks && built_as(expert)
        };
        match graph.experts.iter_mut().find(same) {
            Some(expert) => expert.domains.push(domain),
            None => {
                let expert = expert(spec, &graph, domain, fields, tasks);
                graph.experts.push(expert);
            }
        }
    }
    graph
}

fn ids(features: &[Feature], keep: impl Fn(&Feature) -> bool) -> Vec<FeatureId> {
    let kept = features
        .iter()
        .enumerate()
        .filter(|(_, feature)| keep(feature));
    kept.map(|(index, _)| FeatureId(index)).collect()
}

fn tasks(spec: &Spec, tower: Tower, domain: DomainId) -> Vec<TaskId> {
    let tasks = spec
        .tasks
        .iter()
        .enumerate()
        .filter(|(_, task)| task.is_on(tower, domain));
    tasks.map(|(index, _)| TaskId(index)).collect()
}

/// The domain-shared experts and the vectors that replace missing fields.
fn shared(spec: &Spec, tower: &TowerGraph) -> Vec<Node> {
    let architecture = &spec.architecture;
    let mut nodes = Nodes::default();
    for index in 0..architecture.domain_shared {
        let expert = NodeKind::Ffn(domain_shared(architecture, tower));
        nodes.add(Role::Expert(index), expert, []);
    }
    if !tower.missing.is_empty() {
        let width = tower.select(&tower.missing).map(|field| field.width).sum();
        nodes.add(Role::Missing, NodeKind::Missing(Missing { width }), []);
    }
    nodes.list
}

/// A domain-shared expert.
fn domain_shared(architecture: &Architecture, tower: &TowerGraph) -> Ffn {
    Ffn {
        input: tower.width,
        widths: architecture.shared_deep.to_vec(),
        norm: architecture.expert.norm,
    }
}

fn expert(
    spec: &Spec,
    tower: &TowerGraph,
    domain: DomainId,
    fields: Vec<FeatureId>,
    tasks: Vec<TaskId>,
) -> DomainExpert {
    let width = tower.select(&fields).map(|field| field.width).sum();
    let architecture = spec.architecture.expert(tower.tower, domain);
    let mut nodes = Nodes::default();
    let adapted = adaptation(&mut nodes, architecture, tower, &fields, width);
    let shared = SharedExperts {
        architecture: &spec.architecture,
        expert: architecture,
        tower,
        width,
        adapted,
    };
    let shallow = fields.iter().copied();
    let shallow: Vec<FeatureId> = shallow.filter(|id| tower.field(*id).shallow).collect();
    let experts = TaskExperts {
        architecture: &spec.architecture,
        expert: architecture,
        width,
        adapted,
        shared: shared.add(&mut nodes),
        shallow_width: tower.select(&shallow).map(|field| field.width).sum(),
        shallow: &shallow,
    };
    for id in &tasks {
        experts.add(&mut nodes, *id, spec.task(*id).embedding);
    }
    let nodes = nodes.list;
    let cost = Cost::sum(nodes.iter().map(|node| node.cost));
    DomainExpert {
        domains: vec![domain],
        tasks,
        fields,
        width,
        nodes,
        cost,
    }
}

/// Nodes in the order of computation.
#[derive(Default)]
struct Nodes {
    list: Vec<Node>,
}

impl Nodes {
    fn add(
        &mut self,
        role: Role,
        kind: NodeKind,
        inputs: impl IntoIterator<Item = NodeInput>,
    ) -> NodeId {
        let cost = kind.cost();
        self.list.push(Node {
            role,
            kind,
            inputs: inputs.into_iter().collect(),
            cost,
        });
        NodeId(self.list.len() - 1)
    }
}

/// Step 1 of a Domain Expert: BatchNorm of the numbers, Squeeze-and-Excitation over the fields.
/// The node of x_d.
fn adaptation(
    nodes: &mut Nodes,
    architecture: &ExpertArchitecture,
    tower: &TowerGraph,
    fields: &[FeatureId],
    width: usize,
) -> NodeId {
    let mut inputs = vec![];
    for group in Group::ALL {
        let own = tower.select(fields).filter(|field| field.group == group);
        let count = own.count();
        match group {
            _ if count == 0 => {}
            Group::Numbers if architecture.batch_norm == BatchNorm::Domain => {
                let kind = NodeKind::BatchNorm(blocks::BatchNorm { width: count });
                let norm = nodes.add(Role::AdaptNorm, kind, [NodeInput::Group(group)]);
                inputs.push(NodeInput::Node(norm));
            }
            Group::Embedded | Group::Vectors | Group::Numbers => {
                inputs.push(NodeInput::Group(group))
            }
        }
    }
    let kind = match architecture.se_reduction {
        Some(reduction) => NodeKind::SqueezeExcitation(SqueezeExcitation {
            fields: fields.len(),
            hidden: (fields.len() / reduction.max(1)).max(1),
            width,
        }),
        None => NodeKind::Concat(Concat { width }),
    };
    nodes.add(Role::Adapt, kind, inputs)
}

/// Step 3: the experts that tasks and domains share.
struct SharedExperts<'a> {
    architecture: &'a Architecture,
    expert: &'a ExpertArchitecture,
    tower: &'a TowerGraph,
    /// Width of x_d.
    width: usize,
    /// Node of x_d.
    adapted: NodeId,
}

impl SharedExperts<'_> {
    /// The nodes of the experts, the task-shared ones first.
    fn add(&self, nodes: &mut Nodes) -> Vec<NodeId> {
        let adapted = NodeInput::Node(self.adapted);
        let mut experts = vec![];
        for index in 0..self.expert.task_shared {
            let ffn = NodeKind::Ffn(Ffn {
                input: self.width,
                widths: self.expert.deep.to_vec(),
                norm: self.expert.norm,
            });
            experts.push(nodes.add(Role::TaskShared(index), ffn, [adapted]));
        }
        let missing = (!self.tower.missing.is_empty()).then_some(NodeInput::SharedMissing);
        for index in 0..self.architecture.domain_shared {
            let ffn = NodeKind::DomainShared(DomainShared {
                expert: domain_shared(self.architecture, self.tower),
            });
            let inputs = [adapted].into_iter().chain(missing);
            experts.push(nodes.add(Role::DomainShared(index), ffn, inputs));
        }
        experts
    }
}

/// What the experts of a domain's tasks have in common.
struct TaskExperts<'a> {
    architecture: &'a Architecture,
    expert: &'a ExpertArchitecture,
    /// Width of x_d.
    width: usize,
    /// Node of x_d.
    adapted: NodeId,
    /// Experts that the tasks share, in the order in which the routing weighs them.
    shared: Vec<NodeId>,
    /// Fields that the shallow experts read.
    shallow: &'a [FeatureId],
    shallow_width: usize,
}

impl TaskExperts<'_> {
    /// Steps 2, 4, 5 and 6, for one task.
    fn add(&self, nodes: &mut Nodes, task: TaskId, embedding: usize) {
        let adapted = NodeInput::Node(self.adapted);
        let deep = NodeKind::Ffn(self.ffn(self.width, &self.expert.deep));
        let deep = nodes.add(Role::Deep(task), deep, [adapted]);
        let experts = 1 + self.shared.len();
        let routing = (experts > 1).then(|| {
            let kind = NodeKind::Routing(Routing {
                hidden: self.ffn(self.width, &self.expert.routing),
                experts,
            });
            nodes.add(Role::Routing(task), kind, [adapted])
        });
        let cross = self.cross(routing);
        let linear = NodeKind::Linear(Linear {
            input: cross.output(),
            width: embedding,
        });
        let experts = [deep].into_iter().chain(self.shared.iter().copied());
        let cross = nodes.add(Role::Cross(task), cross, experts.map(NodeInput::Node));
        let deep = nodes.add(Role::Embedding(task), linear, [NodeInput::Node(cross)]);
        let fields = self.shallow.iter().copied().map(NodeInput::Field);
        let shallow = nodes.add(Role::Shallow(task), self.shallow(), fields);
        let concat = NodeKind::Concat(Concat {
            width: embedding + self.architecture.shallow_width,
        });
        let parts = [deep, shallow].map(NodeInput::Node);
        nodes.add(Role::Task(task), concat, parts);
    }

    fn cross(&self, routing: Option<NodeId>) -> NodeKind {
        let last = |widths: &[usize]| widths.last().copied().unwrap_or(self.width);
        let own = last(&self.expert.deep);
        let width = match self.expert.composition {
            Composition::Sum => own,
            Composition::Concat => {
                own * (1 + self.expert.task_shared)
                    + last(&self.architecture.shared_deep) * self.architecture.domain_shared
            }
        };
        NodeKind::Cross(Cross {
            routing,
            composition: self.expert.composition,
            width,
            crossing: self.expert.crossing.clone(),
            norm: self.expert.norm,
        })
    }

    fn shallow(&self) -> NodeKind {
        let width = self.architecture.shallow_width;
        match self.shallow.is_empty() {
            true => NodeKind::Vector(Vector { width }),
            false => NodeKind::Shallow(Shallow {
                hidden: self.ffn(self.shallow_width, &self.expert.shallow),
                width,
            }),
        }
    }

    fn ffn(&self, input: usize, widths: &[usize]) -> Ffn {
        Ffn {
            input,
            widths: widths.to_vec(),
            norm: self.expert.norm,
        }
    }
}

fn heads(spec: &Spec) -> Vec<Head> {
    let heads = spec.tasks.iter().enumerate().map(|(index, task)| {
        let width = task.embedding + spec.architecture.shallow_width;
        Head {
            task: TaskId(index),
            width,
            cost: Cost {
                parameters: u128::from(spec.architecture.logit_bias == LogitBias::Learned),
                flops: 2 * width as u128,
            },
        }
    });
    heads.collect()
}

fn totals(spec: &Spec, query: &TowerGraph, item: &TowerGraph, heads: &[Head]) -> Totals {
    let dense = |tower: &TowerGraph| {
        let experts = tower.experts.iter();
        let own = experts.map(|expert| expert.cost.parameters * expert.domains.len() as u128);
        own.sum::<u128>()
            + tower
                .shared
                .iter()
                .map(|node| node.cost.parameters)
                .sum::<u128>()
    };
    let worst = |tower: &TowerGraph| {
        tower
            .experts
            .iter()
            .map(|expert| expert.cost.flops)
            .max()
            .unwrap_or_default()
    };
    let bytes = |product: usize| {
        let tasks = spec.tasks.iter().zip(heads);
        let served = tasks.filter(|(task, _)| task.is_on(Tower::Item, DomainId(product)));
        4 * served.map(|(_, head)| head.width as u128).sum::<u128>()
    };
    Totals {
        cells: spec
            .tasks
            .iter()
            .map(|task| task.surfaces.len() * task.products.len())
            .sum(),
        dense: dense(query)
            + dense(item)
            + heads.iter().map(|head| head.cost.parameters).sum::<u128>(),
        tables: spec
            .tables
            .iter()
            .map(|table| table.rows as u128 * table.dim as u128)
            .sum(),
        query_flops: worst(query),
        item_flops: worst(item),
        dot_flops: heads.iter().map(|head| head.cost.flops).sum(),
        item_bytes: (0..spec.products.domains.len()).map(bytes).collect(),
    }
}
