//! How the model is written as Rust: which Domain Experts share one struct, and what everything
//! is called. Weights are named by graph paths, whatever the plan does.

mod names;

use crate::graph::{DomainExpert, Graph, TowerGraph};
use crate::sema::spec::{Axis, DomainId, Spec, TaskId, Tower};

use names::{Names, pascal};

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
    /// Structs of the query tower's Domain Experts.
    pub query: Vec<ExpertPlan>,
    /// Structs of the item tower's Domain Experts.
    pub item: Vec<ExpertPlan>,
}

/// One struct for all Domain Experts of a tower that have the same fields and tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpertPlan {
    /// Name of the struct.
    pub name: String,
    /// Domains that it serves, ascending.
    pub domains: Vec<DomainId>,
    /// Its task experts.
    pub tasks: Vec<TaskId>,
    /// Number of features that it reads.
    pub features: usize,
}

/// Plans the Rust code of a graph.
pub fn plan(graph: &Graph) -> Plan {
    let spec = &graph.spec;
    let mut types = Names::of_types();
    Plan {
        query: experts(spec, &graph.query, &mut types),
        item: experts(spec, &graph.item, &mut types),
        model: types.claim(pascal(&spec.name), "Model"),
        surfaces: variants(
            spec.surfaces
                .domains
                .iter()
                .map(|domain| domain.name.as_str()),
        ),
        products: variants(
            spec.products
                .domains
                .iter()
                .map(|domain| domain.name.as_str()),
        ),
        tasks: variants(spec.tasks.iter().map(|task| task.name.as_str())),
    }
}

fn experts(spec: &Spec, tower: &TowerGraph, types: &mut Names) -> Vec<ExpertPlan> {
    let (axis, all) = match tower.tower {
        Tower::Query => (&spec.surfaces, "Surface"),
        Tower::Item => (&spec.products, "Product"),
    };
    let plan = |expert: &DomainExpert| ExpertPlan {
        name: types.claim(expert_name(axis, all, expert), "DomainExpert"),
        domains: expert.domains.clone(),
        tasks: expert.tasks.clone(),
        features: expert.fields.len(),
    };
    tower.experts.iter().map(plan).collect()
}

/// `SurfaceExpert` if it serves the whole tower, else named after its first domain.
fn expert_name(axis: &Axis, all: &str, expert: &DomainExpert) -> String {
    let first = expert
        .domains
        .first()
        .and_then(|first| axis.domains.get(first.0));
    match first {
        Some(first) if expert.domains.len() < axis.domains.len() => {
            format!("{}Expert", pascal(&first.name))
        }
        _ => format!("{all}Expert"),
    }
}

fn variants<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut variants = Names::default();
    names.map(|name| variants.claim(pascal(name), "")).collect()
}
