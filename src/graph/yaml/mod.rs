//! `graph.yaml`: laid out for review. A node, task, table or feature stands on one line, Domain
//! Experts that are alike are written once, and what is everywhere the default is left out, so
//! that a new surface or product changes a few lines.

mod declarations;
mod flow;

use super::node::{Node, NodeKind};
use super::{DomainExpert, Graph, Group, TowerGraph};
use crate::sema::spec::{Axis, DomainId, Spec, Tower};
use flow::{Flow, float, string};
use std::fmt::Display;

/// Formulas, constants and the names and shapes of weights, the same for every model.
const DEFINITIONS: &str = include_str!("definitions.yaml");

/// The whole file.
pub(super) fn write(graph: &Graph) -> String {
    let mut out = Writer { text: String::new(), docs: true };
    let spec = &graph.spec;
    out.line(0, &format!("# Domain Expert graph of {}, written by mtmdc.", spec.name));
    out.line(0, "# Edit the spec, not this file. The kinds of nodes are defined at its end.");
    out.line(0, "mtmd: 1");
    out.line(0, &format!("model: {}", string(&spec.name)));
    if let Some(doc) = out.doc(&spec.doc) {
        out.line(0, &format!("doc: {doc}"));
    }
    out.line(0, &format!("spec_hash: \"{}\"", graph.spec_hash));
    totals(&mut out, graph);
    declarations::write(&mut out, spec);
    for tower in [&graph.query, &graph.item] {
        write_tower(&mut out, spec, tower);
    }
    heads(&mut out, graph);
    out.text.push('\n');
    out.text + DEFINITIONS
}

/// What the spec means: the declarations without their docs.
pub(super) fn meaning(spec: &Spec) -> String {
    let mut out = Writer { text: format!("model: {}\n", string(&spec.name)), docs: false };
    declarations::write(&mut out, spec);
    for tower in [Tower::Query, Tower::Item] {
        declarations::features(&mut out, spec, tower);
    }
    out.text
}

struct Writer {
    text: String,
    /// Whether doc comments are written.
    docs: bool,
}

impl Writer {
    fn line(&mut self, indent: usize, text: &str) {
        self.text += &format!("{:indent$}{text}\n", "");
    }

    /// Starts a block at the top level.
    fn block(&mut self, key: &str, comment: &str) {
        let comment =
            if comment.is_empty() { String::new() } else { format!("  # {comment}") };
        self.text += &format!("\n{key}:{comment}\n");
    }

    fn entry(&mut self, indent: usize, key: &str, value: impl Display) {
        self.line(indent, &format!("{}: {value}", string(key)));
    }

    fn flow(&mut self, indent: usize, key: &str, value: &Flow) {
        self.text += &value.wrap(indent, &format!("{}: ", string(key)));
    }

    fn item(&mut self, indent: usize, value: &Flow) {
        self.text += &value.wrap(indent, "- ");
    }

    /// A doc comment on one line, if it is short.
    fn doc(&self, doc: &str) -> Option<String> {
        const LONGEST: usize = 160;
        let words: Vec<&str> = doc.split_whitespace().collect();
        let line = words.join(" ");
        (self.docs && !line.is_empty() && line.chars().count() <= LONGEST).then(|| string(&line))
    }
}

fn totals(out: &mut Writer, graph: &Graph) {
    let totals = &graph.totals;
    out.block("totals", "");
    out.entry(2, "cells", totals.cells);
    let parameters = Flow::map()
        .with("all", totals.dense + totals.tables)
        .with("dense", totals.dense)
        .with("tables", totals.tables);
    out.flow(2, "parameters", &parameters);
    let flops =
        Flow::map().with("query_row", totals.query_flops).with("item_row", totals.item_flops);
    out.flow(2, "flops", &flops);
    let products = graph.spec.products.domains.iter().zip(&totals.item_bytes);
    let bytes = products.fold(Flow::map(), |map, (product, bytes)| map.with(&product.name, bytes));
    out.flow(2, "bytes_per_item", &bytes);
}

fn write_tower(out: &mut Writer, spec: &Spec, tower: &TowerGraph) {
    declarations::features(out, spec, tower.tower);
    out.line(2, "shared:");
    for node in &tower.shared {
        let missing = tower.select(&tower.missing).map(|field| &field.name);
        let features = (node.path == "missing").then(|| Flow::names(missing));
        let map = Flow::map().text("kind", kind_name(&node.kind)).maybe("features", features);
        out.flow(4, &node.path, &costs(shapes(map, &node.kind), node));
    }
    out.line(2, "experts:");
    let axis = axis(spec, tower.tower);
    for expert in &tower.experts {
        write_expert(out, spec, axis, tower, expert);
    }
}

fn write_expert(
    out: &mut Writer,
    spec: &Spec,
    axis: &Axis,
    tower: &TowerGraph,
    expert: &DomainExpert,
) {
    out.text += &Flow::names(names(axis, &expert.domains)).wrap(4, "- domains: ");
    let tasks = expert.tasks.iter().filter_map(|task| spec.tasks.get(task.0));
    out.flow(6, "tasks", &Flow::names(tasks.map(|task| &task.name)));
    for group in [Group::Embedded, Group::Vectors, Group::Numbers] {
        let fields = tower.select(&expert.fields).filter(|field| field.group == group);
        out.flow(6, group.name(), &Flow::names(fields.map(|field| &field.name)));
    }
    out.entry(6, "width", expert.width);
    out.entry(6, "parameters", expert.cost.parameters);
    out.entry(6, "flops", expert.cost.flops);
    out.line(6, "nodes:");
    for node in &expert.nodes {
        let map = Flow::map().text("kind", kind_name(&node.kind));
        let inputs = (!node.inputs.is_empty()).then(|| Flow::names(&node.inputs));
        let map = shapes(map.maybe("inputs", inputs), &node.kind);
        out.flow(8, &node.path, &costs(map, node));
    }
}

fn kind_name(kind: &NodeKind) -> &'static str {
    match kind {
        NodeKind::BatchNorm { .. } => "batch_norm",
        NodeKind::SqueezeExcitation { .. } => "squeeze_excitation",
        NodeKind::Ffn { .. } => "ffn",
        NodeKind::DomainShared { .. } => "domain_shared",
        NodeKind::Routing { .. } => "routing",
        NodeKind::Cross { .. } => "cross",
        NodeKind::Linear { .. } => "linear",
        NodeKind::Shallow { .. } => "shallow",
        NodeKind::Vector { .. } => "vector",
        NodeKind::Concat { .. } => "concat",
    }
}

fn shapes(map: Flow, kind: &NodeKind) -> Flow {
    match kind {
        NodeKind::BatchNorm { width }
        | NodeKind::Vector { width }
        | NodeKind::Concat { width } => map.with("out", width),
        NodeKind::SqueezeExcitation { fields, hidden, output } => {
            map.with("fields", fields).with("hidden", hidden).with("out", output)
        }
        NodeKind::Ffn { input, widths } | NodeKind::DomainShared { input, widths } => {
            map.with("in", input).with("widths", Flow::list(widths))
        }
        NodeKind::Routing { input, hidden, experts } => {
            map.with("in", input).with("hidden", Flow::list(hidden)).with("out", experts)
        }
        NodeKind::Cross { routing, width, rank, depth } => map
            .text("scaled_by", routing)
            .with("out", width)
            .with("rank", rank)
            .with("depth", depth),
        NodeKind::Linear { input, output } => map.with("in", input).with("out", output),
        NodeKind::Shallow { input, hidden, output } => {
            map.with("in", input).with("hidden", Flow::list(hidden)).with("out", output)
        }
    }
}

fn costs(map: Flow, node: &Node) -> Flow {
    let some = |count: u128| (count > 0).then_some(count);
    map.maybe("parameters", some(node.cost.parameters)).maybe("flops", some(node.cost.flops))
}

fn heads(out: &mut Writer, graph: &Graph) {
    out.block("heads", "one probability a task, from the two towers' embeddings of it");
    for (task, head) in graph.spec.tasks.iter().zip(&graph.heads) {
        let given = task.given.and_then(|parent| graph.spec.tasks.get(parent.0));
        let map = Flow::map()
            .maybe("given", given.map(|parent| string(&parent.name)))
            .with("in", head.width)
            .with("parameters", head.cost.parameters)
            .with("flops", head.cost.flops);
        out.flow(2, &task.name, &map);
    }
}

fn axis(spec: &Spec, tower: Tower) -> &Axis {
    match tower {
        Tower::Query => &spec.surfaces,
        Tower::Item => &spec.products,
    }
}

fn names<'a>(axis: &'a Axis, domains: &'a [DomainId]) -> impl Iterator<Item = &'a str> {
    domains.iter().filter_map(|id| axis.domains.get(id.0)).map(|domain| domain.name.as_str())
}

/// The names of the domains, unless they are all of the axis.
fn restricted(axis: &Axis, domains: &[DomainId]) -> Option<Flow> {
    (domains.len() < axis.domains.len()).then(|| Flow::names(names(axis, domains)))
}
