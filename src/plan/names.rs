//! How the model is written as Rust: which Domain Experts share one struct, and what types and
//! variants are called. Tasks are fields of the names of the spec, and so are domains to what visits
//! the model, so that weights are named by graph paths, whatever the plan does.

use crate::graph::{Graph, TowerGraph};
use crate::sema::pascal_case;
use crate::sema::spec::{Axis, DomainId, TaskId, Tower};

/// Names of the generated code's items, and what it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Struct of the model.
    pub model: String,
    /// Variants of the enum `Surface`, by domain.
    pub surfaces: Vec<String>,
    /// Variants of the enum `Product`, by domain.
    pub products: Vec<String>,
    /// Variants of the enum `Task`, by task.
    pub tasks: Vec<String>,
    /// Structs of the query tower's Domain Experts, by first domain.
    pub query: Vec<ExpertPlan>,
    /// Structs of the item tower's Domain Experts, by first domain.
    pub item: Vec<ExpertPlan>,
}

/// One struct for all Domain Experts of a tower that have the same tasks; the fields are the layout's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpertPlan {
    /// Name of the struct.
    pub name: String,
    /// Field of the tower that holds the Domain Experts.
    pub field: String,
    /// Domains that it serves, ascending.
    pub domains: Vec<DomainId>,
    /// Its task experts.
    pub tasks: Vec<TaskId>,
}

/// Plans the Rust code of a graph.
pub fn plan(graph: &Graph) -> Plan {
    let spec = &graph.spec;
    let query = experts(&graph.query, &spec.surfaces);
    let item = experts(&graph.item, &spec.products);
    let variants = |axis: &Axis| {
        axis.domains
            .iter()
            .map(|domain| pascal_case(&domain.name))
            .collect()
    };
    // The spec keeps all types apart but this: a model `a_expert` of a domain `a`.
    let mut model = pascal_case(&spec.name);
    if query.iter().chain(&item).any(|expert| expert.name == model) {
        model.push_str("Model");
    }
    Plan {
        model,
        surfaces: variants(&spec.surfaces),
        products: variants(&spec.products),
        tasks: spec
            .tasks
            .iter()
            .map(|task| pascal_case(&task.name))
            .collect(),
        query,
        item,
    }
}

fn experts(tower: &TowerGraph, axis: &Axis) -> Vec<ExpertPlan> {
    let mut groups: Vec<(Vec<DomainId>, &[TaskId])> = vec![];
    for expert in &tower.experts {
        match groups.iter_mut().find(|(_, tasks)| *tasks == expert.tasks) {
            Some((domains, _)) => domains.extend(&expert.domains),
            None => groups.push((expert.domains.clone(), &expert.tasks)),
        }
    }
    let plan = |(mut domains, tasks): (Vec<DomainId>, &[TaskId])| {
        domains.sort();
        ExpertPlan {
            name: format!("{}Expert", pascal_case(served(tower.tower, axis, &domains))),
            field: format!("{}_experts", served(tower.tower, axis, &domains)),
            domains,
            tasks: tasks.to_vec(),
        }
    };
    let mut plans: Vec<ExpertPlan> = groups.into_iter().map(plan).collect();
    plans.sort_by(|one, other| one.domains.cmp(&other.domains));
    plans
}

/// `surface` or `product` if they are the whole tower, else the name of the first domain; the spec's names are neither.
fn served<'a>(tower: Tower, axis: &'a Axis, domains: &[DomainId]) -> &'a str {
    let first = domains.first().and_then(|first| axis.domains.get(first.0));
    match (first, tower) {
        (Some(first), _) if domains.len() < axis.domains.len() => &first.name,
        (_, Tower::Query) => "surface",
        (_, Tower::Item) => "product",
    }
}
