//! `model.rs`: the structs of the model.

use super::{TaskView, docs, or};
use crate::graph::{Graph, Group, TowerGraph};
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
            domains: domains(&spec.surfaces, &plan.surfaces, &plan.query),
            experts: experts(&graph.query, &spec.surfaces, &plan.query, tasks),
        };
        let item = TowerView {
            title: "Item",
            axis: "Product",
            noun: "product",
            domains: domains(&spec.products, &plan.products, &plan.item),
            experts: experts(&graph.item, &spec.products, &plan.item, tasks),
        };
        Self {
            summary,
            towers: vec![query, item],
        }
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
        let mut served = tower.experts.iter().filter(|expert| {
            let mut domains = expert.domains.iter();
            domains.any(|domain| plan.domains.contains(domain))
        });
        let numbers = served.any(|expert| {
            let mut fields = tower.select(&expert.fields);
            fields.any(|field| field.group == Group::Numbers)
        });
        ExpertView {
            name: plan.name.clone(),
            doc: docs::lines(&doc),
            adapt: if numbers {
                "BatchNorm of the numbers and Squeeze-and-Excitation over the fields."
            } else {
                "Squeeze-and-Excitation over the fields."
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
