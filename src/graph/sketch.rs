//! The graph as boxes and arrows for tools that lay out by themselves: DOT and Mermaid. It is
//! folded as the drawing is: of each tower one Domain Expert is drawn whole, its tasks as one.

use super::node::{NodeInput, Role};
use super::svg::{expanded, quantity};
use super::{DomainExpert, Graph, Node, TowerGraph};
use crate::diagnostics::{counted, nouns};
use crate::sema::spec::Tower;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Names of domains that are written out before they are counted.
const LISTED: usize = 4;

/// Domain Experts that have a line of their own; the others are counted.
const FOLDS: usize = 14;

/// Boxes in groups, and arrows.
struct Sketch {
    groups: Vec<Group>,
    arrows: Vec<Arrow>,
}

struct Group {
    id: String,
    title: String,
    boxes: Vec<Box>,
    /// The group that this one lies in.
    inside: Option<String>,
}

struct Box {
    id: String,
    lines: Vec<String>,
    class: Class,
}

struct Arrow {
    from: String,
    to: String,
    label: String,
    dashed: bool,
}

/// How many there are of what a box stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// One for each domain.
    Own,
    /// One for each domain and task.
    Task,
    /// One for the tower.
    Shared,
    /// Domain Experts that are folded.
    Folded,
}

impl Class {
    const ALL: [Self; 4] = [Self::Own, Self::Task, Self::Shared, Self::Folded];

    fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Task => "task",
            Self::Shared => "shared",
            Self::Folded => "folded",
        }
    }

    /// Fill and stroke, those of the drawing.
    fn colours(self) -> [&'static str; 2] {
        match self {
            Self::Own => ["#eef3fd", "#9db8ea"],
            Self::Task => ["#f4effc", "#b9a3e3"],
            Self::Shared => ["#e9f6f0", "#8fcbb0"],
            Self::Folded => ["#ffffff", "#d5dbe3"],
        }
    }
}

/// As DOT, for graphviz.
pub(super) fn dot(graph: &Graph) -> String {
    let sketch = sketch(graph);
    let mut text = format!("digraph {} {{\n", quoted(&graph.spec.name));
    text += "  graph [rankdir=TB, compound=true, fontname=\"Helvetica\", bgcolor=\"white\", nodesep=0.3, ranksep=0.45]\n";
    text += "  node [shape=box, style=\"rounded,filled\", fontname=\"Helvetica\", fontsize=11, margin=\"0.14,0.07\"]\n";
    text += "  edge [color=\"#8a94a3\", fontcolor=\"#66717f\", fontname=\"Helvetica\", fontsize=9, arrowsize=0.7]\n";
    for group in sketch.groups.iter().filter(|group| group.inside.is_none()) {
        dot_group(&mut text, &sketch, group, 1);
    }
    for arrow in &sketch.arrows {
        let style = if arrow.dashed { ", style=dashed" } else { "" };
        let label = quoted(&arrow.label);
        let _ = writeln!(
            text,
            "  {} -> {} [label={label}{style}]",
            arrow.from, arrow.to
        );
    }
    text + "}\n"
}

fn dot_group(text: &mut String, sketch: &Sketch, group: &Group, depth: usize) {
    let indent = "  ".repeat(depth);
    let title = quoted(&group.title);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{indent}subgraph cluster_{} {{", group.id);
    let _ = writeln!(
        text,
        "{indent}  graph [label={title}, labeljust=l, style=\"rounded,filled\", color=\"#d5dbe3\", fillcolor={}]",
        quoted(if depth == 1 { "#f1f4f8" } else { "#ffffff" })
    );
    for block in &group.boxes {
        let [fill, stroke] = block.class.colours().map(quoted);
        let label = quoted(&block.lines.join("\n"));
        let id = &block.id;
        let _ = writeln!(
            text,
            "{indent}  {id} [label={label}, fillcolor={fill}, color={stroke}]"
        );
    }
    let inner = sketch.groups.iter();
    for inner in inner.filter(|inner| inner.inside.as_deref() == Some(&*group.id)) {
        dot_group(text, sketch, inner, depth + 1);
    }
    let _ = writeln!(text, "{indent}}}");
}

fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", text.replace('\n', "\\n"))
}

/// As Mermaid, which GitHub shows in Markdown.
pub(super) fn mermaid(graph: &Graph) -> String {
    let sketch = sketch(graph);
    let mut text = "flowchart TB\n".to_owned();
    for group in sketch.groups.iter().filter(|group| group.inside.is_none()) {
        mermaid_group(&mut text, &sketch, group, 1);
    }
    for Arrow {
        from,
        to,
        label,
        dashed,
    } in &sketch.arrows
    {
        let line = if *dashed { "-.->" } else { "-->" };
        let label = match &**label {
            "" => String::new(),
            label => format!("|{}|", entity(label)),
        };
        let _ = writeln!(text, "  {from} {line}{label} {to}");
    }
    for group in &sketch.groups {
        let fill = match group.inside {
            Some(_) => "#ffffff",
            None => "#f1f4f8",
        };
        let _ = writeln!(
            text,
            "  style {} fill:{fill},stroke:#d5dbe3,color:#1f2a37",
            group.id
        );
    }
    for class in Class::ALL {
        let ([fill, stroke], name) = (class.colours(), class.name());
        let _ = writeln!(
            text,
            "  classDef {name} fill:{fill},stroke:{stroke},color:#1f2a37"
        );
    }
    text
}

fn mermaid_group(text: &mut String, sketch: &Sketch, group: &Group, depth: usize) {
    let indent = "  ".repeat(depth);
    let _ = writeln!(
        text,
        "{indent}subgraph {}[{}]",
        group.id,
        entity(&group.title)
    );
    for block in &group.boxes {
        let lines: Vec<String> = block.lines.iter().map(|line| bare_entity(line)).collect();
        let (id, class) = (&block.id, block.class.name());
        let _ = writeln!(
            text,
            "{indent}  {id}[\"{}\"]:::{class}",
            lines.join("<br/>")
        );
    }
    let inner = sketch.groups.iter();
    for inner in inner.filter(|inner| inner.inside.as_deref() == Some(&*group.id)) {
        mermaid_group(text, sketch, inner, depth + 1);
    }
    let _ = writeln!(text, "{indent}end");
}

fn entity(text: &str) -> String {
    format!("\"{}\"", bare_entity(text))
}

fn bare_entity(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\n', "<br/>")
}

fn sketch(graph: &Graph) -> Sketch {
    let mut sketch = Sketch {
        groups: vec![],
        arrows: vec![],
    };
    for tower in [&graph.query, &graph.item] {
        add_tower(&mut sketch, graph, tower);
    }
    let spec = &graph.spec;
    let mut boxes = vec![Box {
        id: "z".to_owned(),
        lines: dot_products(graph),
        class: Class::Task,
    }];
    boxes.extend(spec.tasks.iter().map(|task| {
        let given = task.given.map(|parent| spec.task(parent));
        let formula = match given {
            Some(parent) => format!("σ(z) · P({})", parent.name),
            None => "σ(z)".to_owned(),
        };
        Box {
            id: format!("head_{}", task.name),
            lines: vec![task.name.to_string(), formula],
            class: Class::Task,
        }
    }));
    sketch.groups.push(Group {
        id: "heads".to_owned(),
        title: "Tasks".to_owned(),
        boxes,
        inside: None,
    });
    for task in spec.tasks.iter() {
        if let Some(parent) = task.given.map(|parent| spec.task(parent)) {
            sketch.arrows.push(Arrow {
                from: format!("head_{}", parent.name),
                to: format!("head_{}", task.name),
                label: "given".to_owned(),
                dashed: true,
            });
        } else {
            sketch.arrows.push(Arrow {
                from: "z".to_owned(),
                to: format!("head_{}", task.name),
                label: String::new(),
                dashed: false,
            });
        }
    }
    sketch
}

/// One line for the tasks of each width.
fn dot_products(graph: &Graph) -> Vec<String> {
    let mut widths: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for (task, head) in graph.spec.tasks.iter().zip(&graph.heads) {
        widths.entry(head.width).or_default().push(&task.name);
    }
    let mut lines = vec!["z: a dot product a task".to_owned()];
    for (width, tasks) in widths.into_iter().rev() {
        let rows: Vec<String> = tasks.chunks(LISTED).map(|row| row.join(", ")).collect();
        lines.push(format!("{width} wide: {}", rows.join(",\n")));
    }
    lines
}

fn add_tower(sketch: &mut Sketch, graph: &Graph, tower: &TowerGraph) {
    let name = tower.name();
    let axis = graph.spec.axis(tower.tower);
    let title = match tower.tower {
        Tower::Query => "Query tower: a Domain Expert per surface",
        Tower::Item => "Item tower: a Domain Expert per product",
    };
    let whole = expanded(tower);
    let domains = |expert: &DomainExpert| {
        let domains = expert.domains.iter();
        let names = domains.map(|id| axis.domain(*id));
        let names: Vec<&str> = names.map(|domain| &*domain.name).collect();
        match names.split_at_checked(LISTED) {
            Some((first, more)) if !more.is_empty() => {
                format!("{} and {} more", first.join(", "), more.len())
            }
            _ => names.join(", "),
        }
    };
    let folded = tower.experts.iter().enumerate();
    let folded = folded.filter(|(index, _)| *index != whole);
    let mut lines: Vec<String> = folded
        .map(|(_, expert)| format!("{}: {}", domains(expert), facts(expert)))
        .collect();
    if let Some(more) = lines.len().checked_sub(FOLDS).filter(|more| *more > 0) {
        lines.truncate(FOLDS);
        lines.push(format!("and {more} more"));
    }
    let others = (!lines.is_empty()).then(|| Box {
        id: format!("{name}_others"),
        lines,
        class: Class::Folded,
    });
    sketch.groups.push(Group {
        id: name.to_owned(),
        title: title.to_owned(),
        boxes: others.into_iter().collect(),
        inside: None,
    });
    if let Some(expert) = tower.experts.get(whole) {
        let title = format!("{}: {}", domains(expert), facts(expert));
        add_expert(sketch, tower, expert, title);
    }
}

fn facts(expert: &DomainExpert) -> String {
    let parameters = expert.cost.parameters;
    format!(
        "{}, {}, {} {}",
        counted(expert.fields.len(), "field"),
        counted(expert.tasks.len(), "task"),
        quantity(parameters).trim_end(),
        nouns(parameters, "parameter"),
    )
}

/// A Domain Expert: the nodes of the domain, and those of its first task for all tasks.
fn add_expert(sketch: &mut Sketch, tower: &TowerGraph, expert: &DomainExpert, title: String) {
    let first = expert.tasks.first().copied();
    let id = |role| format!("{}_{}", tower.name(), name(role).replace('.', "_"));
    let fields = format!("{}_fields", tower.name());
    let mut boxes = vec![Box {
        id: fields.clone(),
        lines: vec![
            counted(expert.fields.len(), "field"),
            format!("width {}", expert.width),
        ],
        class: Class::Own,
    }];
    let drawn = |node: &&Node| node.role.task().is_none() || node.role.task() == first;
    for node in expert.nodes.iter().filter(drawn) {
        boxes.push(Box {
            id: id(node.role),
            lines: vec![name(node.role), node.kind.caption()],
            class: class(node.role),
        });
        let mut from_fields = false;
        let read = node.inputs.iter().copied();
        for input in read.chain(node.kind.scaled_by().map(NodeInput::Node)) {
            match input {
                NodeInput::Node(from) => {
                    let from = expert.node(from);
                    sketch.arrows.push(Arrow {
                        from: id(from.role),
                        to: id(node.role),
                        label: from.kind.output().to_string(),
                        dashed: false,
                    });
                }
                NodeInput::Group(_) | NodeInput::Field(_) => from_fields = true,
                // The tower's own, not drawn.
                NodeInput::SharedMissing => {}
            }
        }
        if from_fields {
            sketch.arrows.push(Arrow {
                from: fields.clone(),
                to: id(node.role),
                label: String::new(),
                dashed: false,
            });
        }
    }
    if let Some(task) = first {
        sketch.arrows.push(Arrow {
            from: id(Role::Task(task)),
            to: "z".to_owned(),
            label: "one a task".to_owned(),
            dashed: false,
        });
    }
    sketch.groups.push(Group {
        id: format!("{}_expert", tower.name()),
        title,
        boxes,
        inside: Some(tower.name().to_owned()),
    });
}

/// What a node is called, whatever its task.
fn name(role: Role) -> String {
    match role {
        Role::Task(_) => "output".to_owned(),
        role => role.local(),
    }
}

fn class(role: Role) -> Class {
    match role {
        Role::DomainShared(_) | Role::Expert(_) | Role::Missing => Class::Shared,
        Role::AdaptNorm | Role::Adapt | Role::TaskShared(_) => Class::Own,
        Role::Deep(_)
        | Role::Routing(_)
        | Role::Cross(_)
        | Role::Embedding(_)
        | Role::Shallow(_)
        | Role::Task(_) => Class::Task,
    }
}
