//! Spec → graph.

use super::node::{Cost, Node, NodeKind};
use super::{DomainExpert, Field, FieldId, Graph, Group, Head, Totals, TowerGraph};
use super::{meaning_hash, tower_name};
use crate::sema::spec::{Architecture, DomainId, Feature, Spec, TaskId, Tower};

/// Builds the graph of a checked spec.
pub fn build(spec: &Spec) -> Graph {
    let query = tower(spec, Tower::Query);
    let item = tower(spec, Tower::Item);
    let heads = heads(spec);
    let totals = totals(spec, &query, &item, &heads);
    let spec_hash = meaning_hash(spec);
    Graph {
        spec: spec.clone(),
        spec_hash,
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
    let missing: Vec<FieldId> = ids(features, |feature| {
        feature.domains.len() < axis.domains.len()
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
        let same = |expert: &&mut DomainExpert| expert.fields == fields && expert.tasks == tasks;
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

/// The domain-shared expert and the vectors that stand in for missing fields.
fn shared(spec: &Spec, tower: &TowerGraph) -> Vec<Node> {
    let widths = spec.architecture.deep.clone();
    let expert = NodeKind::Ffn {
        input: tower.width,
        widths,
    };
    let mut nodes = vec![node("expert", expert, Vec::<String>::new())];
    if !tower.missing.is_empty() {
        let width = tower.select(&tower.missing).map(|field| field.width).sum();
        nodes.push(node(
            "missing",
            NodeKind::Vector { width },
            Vec::<String>::new(),
        ));
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
    let mut nodes = adaptation(&spec.architecture, tower, &fields, width);
    nodes.extend(shared_experts(&spec.architecture, tower, width));
    let shallow: Vec<&Field> = tower
        .select(&fields)
        .filter(|field| field.shallow)
        .collect();
    for task in tasks.iter().filter_map(|task| spec.tasks.get(task.0)) {
        nodes.extend(task_expert(
            &spec.architecture,
            &task.name,
            task.embedding,
            width,
            &shallow,
        ));
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
    architecture: &Architecture,
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
            Group::Embedded | Group::Vectors => inputs.push(group.name()),
            Group::Numbers => {
                let kind = NodeKind::BatchNorm { width: count };
                nodes.push(node("adapt.norm", kind, vec![group.name()]));
                inputs.push("adapt.norm");
            }
        }
    }
    let hidden = (fields.len() / architecture.se_reduction.max(1)).max(1);
    let kind = NodeKind::SqueezeExcitation {
        fields: fields.len(),
        hidden,
        output: width,
    };
    nodes.push(node("adapt", kind, inputs));
    nodes
}

/// Step 3: the experts that tasks and domains share.
fn shared_experts(architecture: &Architecture, tower: &TowerGraph, width: usize) -> [Node; 2] {
    let widths = architecture.deep.clone();
    let ffn = NodeKind::Ffn {
        input: width,
        widths: widths.clone(),
    };
    let missing = format!("{}.shared.missing", tower_name(tower.tower));
    let mut inputs = vec!["adapt"];
    if !tower.missing.is_empty() {
        inputs.push(&missing);
    }
    let domain_shared = NodeKind::DomainShared {
        input: tower.width,
        widths,
    };
    [
        node("task_shared", ffn, vec!["adapt"]),
        node("domain_shared", domain_shared, inputs),
    ]
}

/// Steps 2, 4, 5 and 6, for one task.
fn task_expert(
    architecture: &Architecture,
    task: &str,
    embedding: usize,
    width: usize,
    shallow: &[&Field],
) -> Vec<Node> {
    let path = |name: &str| format!("{task}.{name}");
    let deep = NodeKind::Ffn {
        input: width,
        widths: architecture.deep.clone(),
    };
    let experts = [
        path("deep"),
        "task_shared".to_owned(),
        "domain_shared".to_owned(),
    ];
    let composed = experts.len() * deep.output();
    let routing = NodeKind::Routing {
        input: width,
        hidden: architecture.routing.clone(),
        experts: experts.len(),
    };
    let cross = NodeKind::Cross {
        routing: path("routing"),
        width: composed,
        rank: architecture.cross_rank,
        depth: architecture.cross_depth,
    };
    let linear = NodeKind::Linear {
        input: composed,
        output: embedding,
    };
    let concat = NodeKind::Concat {
        width: embedding + architecture.shallow_width,
    };
    vec![
        node(path("deep"), deep, vec!["adapt"]),
        node(path("routing"), routing, vec!["adapt"]),
        node(path("cross"), cross, experts.into()),
        node(path("embedding"), linear, vec![path("cross")]),
        shallow_expert(architecture, path("shallow"), shallow),
        node(task, concat, vec![path("embedding"), path("shallow")]),
    ]
}

fn shallow_expert(architecture: &Architecture, path: String, fields: &[&Field]) -> Node {
    let output = architecture.shallow_width;
    let kind = if fields.is_empty() {
        NodeKind::Vector { width: output }
    } else {
        let input = fields.iter().map(|field| field.width).sum();
        NodeKind::Shallow {
            input,
            hidden: architecture.shallow.clone(),
            output,
        }
    };
    node(
        path,
        kind,
        fields.iter().map(|field| field.name.clone()).collect(),
    )
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
                parameters: 1,
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
