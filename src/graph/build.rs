//! Spec → graph.

use super::node::{Cost, Node, NodeKind};
use super::{DomainExpert, Field, FieldId, Graph, Group, Head, Totals, TowerGraph};
use super::{meaning_hash, numbered, tower_name, weights_hash};
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
    let (axis, features) = match tower {
        Tower::Query => (&spec.surfaces, &spec.query),
        Tower::Item => (&spec.products, &spec.item),
    };
    let fields: Vec<Field> = features
        .iter()
        .map(|feature| Field::new(feature, spec))
        .collect();
    let width = fields.iter().map(|field| field.width).sum();
    // What only the domain-shared experts read.
    let missing: Vec<FieldId> = ids(features, |feature| {
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

fn ids(features: &[Feature], keep: impl Fn(&Feature) -> bool) -> Vec<FieldId> {
    let kept = features
        .iter()
        .enumerate()
        .filter(|(_, feature)| keep(feature));
    kept.map(|(index, _)| FieldId(index)).collect()
}

fn tasks(spec: &Spec, tower: Tower, domain: DomainId) -> Vec<TaskId> {
    let tasks = spec
        .tasks
        .iter()
        .enumerate()
        .filter(|(_, task)| match tower {
            Tower::Query => task.surfaces.binary_search(&domain).is_ok(),
            Tower::Item => task.products.binary_search(&domain).is_ok(),
        });
    tasks.map(|(index, _)| TaskId(index)).collect()
}

/// The domain-shared experts and the vectors that stand in for missing fields.
fn shared(spec: &Spec, tower: &TowerGraph) -> Vec<Node> {
    let none = Vec::<String>::new;
    let architecture = &spec.architecture;
    let mut nodes: Vec<Node> = (0..architecture.domain_shared)
        .map(|index| {
            let expert = NodeKind::Ffn {
                input: tower.width,
                widths: architecture.shared_deep.to_vec(),
                norm: architecture.expert.norm,
            };
            node(numbered("expert", index), expert, none())
        })
        .collect();
    if !tower.missing.is_empty() {
        let width = tower.select(&tower.missing).map(|field| field.width).sum();
        nodes.push(node("missing", NodeKind::Vector { width }, none()));
    }
    nodes
}

fn expert(
    spec: &Spec,
    tower: &TowerGraph,
    domain: DomainId,
    fields: Vec<FieldId>,
    tasks: Vec<TaskId>,
) -> DomainExpert {
    let width = tower.select(&fields).map(|field| field.width).sum();
    let architecture = spec.architecture.expert(tower.tower, domain);
    let mut nodes = adaptation(architecture, tower, &fields, width);
    nodes.extend(shared_experts(
        &spec.architecture,
        architecture,
        tower,
        width,
    ));
    let shallow: Vec<&Field> = tower
        .select(&fields)
        .filter(|field| field.shallow)
        .collect();
    let experts = TaskExperts {
        architecture: &spec.architecture,
        expert: architecture,
        width,
        shallow: &shallow,
    };
    for task in tasks.iter().filter_map(|task| spec.tasks.get(task.0)) {
        nodes.extend(experts.of(&task.name, task.embedding));
    }
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

/// Step 1 of a Domain Expert: BatchNorm of the numbers, Squeeze-and-Excitation over the fields.
fn adaptation(
    architecture: &ExpertArchitecture,
    tower: &TowerGraph,
    fields: &[FieldId],
    width: usize,
) -> Vec<Node> {
    let mut nodes = vec![];
    let mut inputs = vec![];
    for group in [Group::Embedded, Group::Vectors, Group::Numbers] {
        let count = tower
            .select(fields)
            .filter(|field| field.group == group)
            .count();
        match group {
            _ if count == 0 => {}
            Group::Numbers if architecture.batch_norm == BatchNorm::Domain => {
                let kind = NodeKind::BatchNorm { width: count };
                nodes.push(node("adapt.norm", kind, vec![group.name()]));
                inputs.push("adapt.norm");
            }
            Group::Embedded | Group::Vectors | Group::Numbers => inputs.push(group.name()),
        }
    }
    let kind = match architecture.se_reduction {
        Some(reduction) => NodeKind::SqueezeExcitation {
            fields: fields.len(),
            hidden: (fields.len() / reduction.max(1)).max(1),
            output: width,
        },
        None => NodeKind::Concat { width },
    };
    nodes.push(node("adapt", kind, inputs));
    nodes
}

/// Step 3: the experts that tasks and domains share.
fn shared_experts(
    architecture: &Architecture,
    expert: &ExpertArchitecture,
    tower: &TowerGraph,
    width: usize,
) -> Vec<Node> {
    let missing = format!("{}.shared.missing", tower_name(tower.tower));
    let mut inputs = vec!["adapt"];
    if !tower.missing.is_empty() {
        inputs.push(&missing);
    }
    let task_shared = (0..expert.task_shared).map(|index| {
        let ffn = NodeKind::Ffn {
            input: width,
            widths: expert.deep.to_vec(),
            norm: expert.norm,
        };
        node(numbered("task_shared", index), ffn, vec!["adapt"])
    });
    let domain_shared = (0..architecture.domain_shared).map(|index| {
        let ffn = NodeKind::DomainShared {
            input: tower.width,
            widths: architecture.shared_deep.to_vec(),
            norm: architecture.expert.norm,
        };
        node(numbered("domain_shared", index), ffn, inputs.clone())
    });
    task_shared.chain(domain_shared).collect()
}

/// What the experts of a domain's tasks have in common.
struct TaskExperts<'a> {
    architecture: &'a Architecture,
    expert: &'a ExpertArchitecture,
    /// Width of x_d.
    width: usize,
    shallow: &'a [&'a Field],
}

impl TaskExperts<'_> {
    /// Steps 2, 4, 5 and 6, for one task.
    fn of(&self, task: &str, embedding: usize) -> Vec<Node> {
        let path = |name: &str| format!("{task}.{name}");
        let deep = NodeKind::Ffn {
            input: self.width,
            widths: self.expert.deep.to_vec(),
            norm: self.expert.norm,
        };
        let mut nodes = vec![node(path("deep"), deep, vec!["adapt"])];
        let experts = self.experts(task);
        let routing = (experts.len() > 1).then(|| path("routing"));
        if let Some(routing) = &routing {
            let kind = NodeKind::Routing {
                input: self.width,
                hidden: self.expert.routing.to_vec(),
                experts: experts.len(),
                norm: self.expert.norm,
            };
            nodes.push(node(routing, kind, vec!["adapt"]));
        }
        let cross = self.cross(routing);
        let linear = NodeKind::Linear {
            input: cross.output(),
            output: embedding,
        };
        let concat = NodeKind::Concat {
            width: embedding + self.architecture.shallow_width,
        };
        nodes.extend([
            node(path("cross"), cross, experts),
            node(path("embedding"), linear, vec![path("cross")]),
            self.shallow(path("shallow")),
            node(task, concat, vec![path("embedding"), path("shallow")]),
        ]);
        nodes
    }

    /// Paths of the experts of a task, as the routing weighs them.
    fn experts(&self, task: &str) -> Vec<String> {
        let copies = |name, count| (0..count).map(move |index| numbered(name, index));
        let mut experts = vec![format!("{task}.deep")];
        experts.extend(copies("task_shared", self.expert.task_shared));
        experts.extend(copies("domain_shared", self.architecture.domain_shared));
        experts
    }

    fn cross(&self, routing: Option<String>) -> NodeKind {
        let last = |widths: &[usize]| widths.last().copied().unwrap_or(self.width);
        let own = last(&self.expert.deep);
        let width = match self.expert.composition {
            Composition::Sum => own,
            Composition::Concat => {
                own * (1 + self.expert.task_shared)
                    + last(&self.architecture.shared_deep) * self.architecture.domain_shared
            }
        };
        NodeKind::Cross {
            routing,
            composition: self.expert.composition,
            width,
            crossing: self.expert.crossing.clone(),
            norm: self.expert.norm,
        }
    }

    fn shallow(&self, path: String) -> Node {
        let output = self.architecture.shallow_width;
        let kind = if self.shallow.is_empty() {
            NodeKind::Vector { width: output }
        } else {
            NodeKind::Shallow {
                input: self.shallow.iter().map(|field| field.width).sum(),
                hidden: self.expert.shallow.to_vec(),
                output,
                norm: self.expert.norm,
            }
        };
        let inputs = self.shallow.iter().map(|field| field.name.clone());
        node(path, kind, inputs.collect())
    }
}

fn node<T: Into<String>>(path: impl Into<String>, kind: NodeKind, inputs: Vec<T>) -> Node {
    let cost = kind.cost();
    Node {
        path: path.into(),
        kind,
        inputs: inputs.into_iter().map(Into::into).collect(),
        cost,
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
        let served =
            tasks.filter(|(task, _)| task.products.binary_search(&DomainId(product)).is_ok());
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
