//! `model.rs`: the structs of the model.

use super::{TaskView, docs};
use crate::graph::{DomainExpert, Graph, NodeKind, TowerGraph};
use crate::plan::{ExpertPlan, Plan};
use crate::sema::spec::{Axis, DomainId};
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
    experts: Vec<ExpertView>,
}

#[derive(Debug, Serialize)]
struct ExpertView {
    name: String,
    doc: Vec<String>,
    /// Field of the tower that holds the Domain Experts of this struct.
    field: String,
    field_doc: Vec<String>,
    /// Indices of their domains, as Rust.
    domains: String,
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
        let query = Side {
            title: "Query",
            noun: "surface",
            graph: &graph.query,
            axis: &spec.surfaces,
            plans: &plan.query,
            variants: Variants {
                name: "Surface",
                names: &plan.surfaces,
            },
        };
        let item = Side {
            title: "Item",
            noun: "product",
            graph: &graph.item,
            axis: &spec.products,
            plans: &plan.item,
            variants: Variants {
                name: "Product",
                names: &plan.products,
            },
        };
        Self {
            summary,
            towers: [query, item]
                .map(|side| TowerView {
                    title: side.title,
                    axis: side.variants.name,
                    noun: side.noun,
                    shared: shared(spec.architecture.domain_shared, side.noun),
                    experts: side.experts(tasks),
                })
                .into(),
        }
    }
}

/// The enum of an axis and its variants.
#[derive(Clone, Copy)]
struct Variants<'a> {
    name: &'static str,
    names: &'a [String],
}

impl Variants<'_> {
    /// The indices of some domains, by name.
    fn indices(self, domains: &[DomainId]) -> String {
        let name = self.name;
        if domains.len() == self.names.len() {
            return format!("{name}::ALL");
        }
        let variants = domains.iter().filter_map(|id| self.names.get(id.0));
        let indices = variants.map(|variant| format!("{name}::{variant}.index()"));
        format!("&[{}]", indices.collect::<Vec<_>>().join(", "))
    }
}

/// A tower and its axis.
struct Side<'a> {
    title: &'static str,
    noun: &'static str,
    graph: &'a TowerGraph,
    axis: &'a Axis,
    plans: &'a [ExpertPlan],
    variants: Variants<'a>,
}

impl Side<'_> {
    fn experts(&self, tasks: &[TaskView]) -> Vec<ExpertView> {
        self.plans
            .iter()
            .map(|plan| self.expert(plan, tasks))
            .collect()
    }

    fn expert(&self, plan: &ExpertPlan, tasks: &[TaskView]) -> ExpertView {
        let tasks = plan.tasks.iter().filter_map(|id| tasks.get(id.0));
        let tasks: Vec<TaskView> = tasks.cloned().collect();
        let served = self.domains(plan);
        let what = match tasks.len() {
            1 => "task",
            _ => "tasks",
        };
        let names = list(tasks.iter().map(|task| format!("`{}`", task.name)));
        let doc = format!("Domain Expert of {served}: {what} {names}.");
        let experts = self.graph.experts.iter().filter(|expert| {
            let mut domains = expert.domains.iter();
            domains.any(|domain| plan.domains.binary_search(domain).is_ok())
        });
        let experts: Vec<&DomainExpert> = experts.collect();
        ExpertView {
            name: plan.name.clone(),
            doc: docs::lines(&doc),
            field: plan.field.clone(),
            field_doc: docs::lines(&format!("The Domain Experts of {served}.")),
            domains: self.variants.indices(&plan.domains),
            adapt: adapt(&experts),
            task_shared: task_shared(&experts),
            tasks,
        }
    }

    /// The names of the domains, as far as one reads them.
    fn domains(&self, plan: &ExpertPlan) -> String {
        let count = plan.domains.len();
        if count <= NAMED {
            let names = plan.domains.iter();
            let names = names.filter_map(|id| self.axis.domains.get(id.0));
            return list(names.map(|domain| format!("`{}`", domain.name)));
        }
        match count == self.axis.domains.len() {
            true => format!("all {count} {}s", self.noun),
            false => format!("{count} {}s", self.noun),
        }
    }
}

/// Most domains that a comment names one by one.
const NAMED: usize = 12;

/// Doc of a tower's domain-shared experts.
fn shared(count: usize, noun: &str) -> String {
    match count {
        0 => format!("No expert is shared by the {noun}s."),
        1 => format!("The expert that every {noun} shares."),
        _ => format!("The {count} experts that every {noun} shares."),
    }
}

/// Doc of what adapts the fields.
fn adapt(experts: &[&DomainExpert]) -> &'static str {
    let any = |kind: fn(&NodeKind) -> bool| {
        let mut nodes = experts.iter().flat_map(|expert| &expert.nodes);
        nodes.any(|node| kind(&node.kind))
    };
    let numbers = any(|kind| matches!(kind, NodeKind::BatchNorm { .. }));
    let scaled = any(|kind| matches!(kind, NodeKind::SqueezeExcitation { .. }));
    match (numbers, scaled) {
        (true, true) => "BatchNorm of the numbers and Squeeze-and-Excitation over the fields.",
        (true, false) => "BatchNorm of the numbers.",
        (false, true) => "Squeeze-and-Excitation over the fields.",
        (false, false) => "The fields side by side.",
    }
}

/// Doc of the task-shared experts.
fn task_shared(experts: &[&DomainExpert]) -> &'static str {
    let one = experts.iter().all(|expert| {
        let mut paths = expert.nodes.iter().map(|node| node.path.as_str());
        paths.clone().any(|path| path == "task_shared") && paths.all(|path| path != "task_shared2")
    });
    match one {
        true => "The expert that the tasks share.",
        false => "The experts that the tasks share, on some domains perhaps none.",
    }
}

/// `a, b and c`.
fn list(names: impl Iterator<Item = String>) -> String {
    let mut names: Vec<String> = names.collect();
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
