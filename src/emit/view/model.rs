//! `model.rs`: the structs of the model.

use super::{TaskView, docs, or};
use crate::graph::{DomainExpert, Graph, NodeKind, TowerGraph};
use crate::plan::{ExpertPlan, Plan};
use crate::sema::spec::Axis;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct ModelView {
    summary: String,
    towers: Vec<TowerView>,
}

#[derive(Debug, Serialize)]
struct TowerView {
    /// `Query`.
    title: &'static str,
    /// Name of the enum.
    axis: &'static str,
    /// `surface`.
    noun: &'static str,
    /// Doc of its domain-shared experts.
    shared: String,
    domains: Vec<DomainView>,
    experts: Vec<ExpertView>,
}

#[derive(Debug, Serialize)]
struct DomainView {
    name: String,
    variant: String,
    /// Struct of its Domain Expert.
    expert: String,
    doc: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ExpertView {
    name: String,
    doc: Vec<String>,
    /// Doc of its adaptation.
    adapt: &'static str,
    /// Doc of its task-shared experts.
    task_shared: &'static str,
    tasks: Vec<TaskView>,
}

impl ModelView {
    pub(super) fn new(graph: &Graph, plan: &Plan, tasks: &[TaskView]) -> Self {
        let spec = &graph.spec;
        let summary = format!(
            "Scores {} on {} for {}.",
            count(spec.tasks.len(), "task"),
            count(spec.surfaces.domains.len(), "surface"),
            count(spec.products.domains.len(), "product"),
        );
        let query = TowerView {
            title: "Query",
            axis: "Surface",
            noun: "surface",
            shared: shared(spec.architecture.domain_shared, "surface"),
            domains: domains(&spec.surfaces, &plan.surfaces, &plan.query),
            experts: experts(&graph.query, &spec.surfaces, &plan.query, tasks),
        };
        let item = TowerView {
            title: "Item",
            axis: "Product",
            noun: "product",
            shared: shared(spec.architecture.domain_shared, "product"),
            domains: domains(&spec.products, &plan.products, &plan.item),
            experts: experts(&graph.item, &spec.products, &plan.item, tasks),
        };
        Self {
            summary,
            towers: vec![query, item],
        }
    }
}

/// Doc of a tower's domain-shared experts.
fn shared(count: usize, noun: &str) -> String {
    match count {
        0 => format!("No expert is shared by the {noun}s."),
        1 => format!("The expert that every {noun} shares."),
        _ => format!("The {count} experts that every {noun} shares."),
    }
}

fn domains(axis: &Axis, variants: &[String], experts: &[ExpertPlan]) -> Vec<DomainView> {
    let domains = axis.domains.iter().zip(variants).enumerate();
    let views = domains.map(|(index, (domain, variant))| {
        let serves = |expert: &&ExpertPlan| expert.domains.iter().any(|id| id.0 == index);
        DomainView {
            name: domain.name.clone(),
            variant: variant.clone(),
            expert: experts
                .iter()
                .find(serves)
                .map(|expert| expert.name.clone())
                .unwrap_or_default(),
            doc: or(&domain.doc, || {
                format!("Domain Expert of `{}`.", domain.name)
            }),
        }
    });
    views.collect()
}

fn experts(
    tower: &TowerGraph,
    axis: &Axis,
    plans: &[ExpertPlan],
    tasks: &[TaskView],
) -> Vec<ExpertView> {
    let views = plans.iter().map(|plan| {
        let names = plan.domains.iter().filter_map(|id| axis.domains.get(id.0));
        let domains = list(names.map(|domain| format!("`{}`", domain.name)).collect());
        let tasks: Vec<TaskView> = plan
            .tasks
            .iter()
            .filter_map(|id| tasks.get(id.0))
            .cloned()
            .collect();
        let names = list(
            tasks
                .iter()
                .map(|task| format!("`{}`", task.name))
                .collect(),
        );
        let noun = if tasks.len() == 1 { "task" } else { "tasks" };
        let doc = format!("Domain Expert of {domains}: {noun} {names}.");
        let served: Vec<&DomainExpert> = tower
            .experts
            .iter()
            .filter(|expert| {
                let mut domains = expert.domains.iter();
                domains.any(|domain| plan.domains.contains(domain))
            })
            .collect();
        let any = |kind: fn(&NodeKind) -> bool| {
            let mut nodes = served.iter().flat_map(|expert| &expert.nodes);
            nodes.any(|node| kind(&node.kind))
        };
        let numbers = any(|kind| matches!(kind, NodeKind::BatchNorm { .. }));
        let scaled = any(|kind| matches!(kind, NodeKind::SqueezeExcitation { .. }));
        let one_shared = served.iter().all(|expert| {
            let mut paths = expert.nodes.iter().map(|node| node.path.as_str());
            paths.clone().any(|path| path == "task_shared")
                && paths.all(|path| path != "task_shared2")
        });
        ExpertView {
            name: plan.name.clone(),
            doc: docs::lines(&doc),
            adapt: match (numbers, scaled) {
                (true, true) => {
                    "BatchNorm of the numbers and Squeeze-and-Excitation over the fields."
                }
                (true, false) => "BatchNorm of the numbers.",
                (false, true) => "Squeeze-and-Excitation over the fields.",
                (false, false) => "The fields side by side.",
            },
            task_shared: match one_shared {
                true => "The expert that the tasks share.",
                false => "The experts that the tasks share, on some domains perhaps none.",
            },
            tasks,
        }
    });
    views.collect()
}

/// `a, b and c`.
fn list(mut names: Vec<String>) -> String {
    match names.pop() {
        Some(last) if names.is_empty() => last,
        Some(last) => format!("{} and {last}", names.join(", ")),
        None => String::new(),
    }
}

/// `three tasks`.
fn count(count: usize, noun: &str) -> String {
    const WORDS: [&str; 13] = [
        "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "eleven", "twelve",
    ];
    let number = WORDS
        .get(count)
        .map_or_else(|| count.to_string(), ToString::to_string);
    let plural = if count == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}
