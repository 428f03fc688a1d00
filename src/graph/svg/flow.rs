//! What happens to the fields of one Domain Expert, down to its tasks' embeddings.

use super::canvas::{Anchor, Area, Canvas, Style};
use super::sizes::{GAP, INNER, PADDING, ROW};
use crate::diagnostics::counted;
use crate::graph::blocks::{Cross, DomainShared, NodeKind, Shallow};
use crate::graph::{DomainExpert, Role, TowerGraph};
use crate::sema::spec::{Composition, Crossing, Norm, Spec};

// The flow, downward from the adaptation's top.
const ADAPT: f64 = 42.0;
const EXPERTS: f64 = ADAPT + 44.0;
const EXPERT: f64 = 66.0;
const CROSS: f64 = EXPERTS + EXPERT + 30.0;
const CROSS_HEIGHT: f64 = 42.0;
const EMBEDDING: f64 = CROSS + CROSS_HEIGHT + 34.0;
const EMBEDDING_HEIGHT: f64 = 40.0;
const SHALLOW: f64 = EMBEDDING + EMBEDDING_HEIGHT + 24.0;
/// From the adaptation's top to the middle of the first task's output.
pub(super) const TO_OUTPUTS: f64 = EMBEDDING + EMBEDDING_HEIGHT / 2.0;

// Columns of the flow, from the outer side inward.
const SHALLOW_COLUMN: [f64; 2] = [0.0, 90.0];
const ROUTING_COLUMN: [f64; 2] = [104.0, 182.0];
const DEEP_COLUMN: [f64; 2] = [196.0, 276.0];
const TASK_SHARED_COLUMN: [f64; 2] = [289.0, 377.0];
const DOMAIN_SHARED_COLUMN: [f64; 2] = [389.0, INNER];
const EMBEDDING_COLUMN: [f64; 2] = [196.0, 316.0];
const OUTPUT_COLUMN: [f64; 2] = [394.0, INNER];
const BUS: f64 = 352.0;

/// Height from the middle of the first output to the end of the panel.
pub(super) fn outputs_height(tasks: usize) -> f64 {
    let shallow = SHALLOW + EMBEDDING_HEIGHT - TO_OUTPUTS;
    (ROW * tasks.saturating_sub(1) as f64 + 20.0).max(shallow) + 2.0 * PADDING
}

/// Roles that are looked for.
type Wanted = fn(Role) -> bool;

/// The flow of one Domain Expert.
pub(super) struct Flow<'a> {
    pub(super) spec: &'a Spec,
    pub(super) tower: &'a TowerGraph,
    pub(super) expert: &'a DomainExpert,
    /// Outer side.
    pub(super) left: f64,
    /// Where the chips end.
    pub(super) chips: f64,
    /// Top of the adaptation.
    pub(super) top: f64,
}

impl Flow<'_> {
    /// Draws it all.
    pub(super) fn draw(&self, canvas: &mut Canvas) {
        self.adaptation(canvas);
        self.experts(canvas);
        self.composition(canvas);
        self.shallow(canvas);
        self.outputs(canvas);
    }

    fn area(&self, [start, end]: [f64; 2], y: f64, height: f64) -> Area {
        Area::new(self.left + start, self.top + y, end - start, height)
    }

    /// The kind of a node of the first task, or of all tasks.
    fn kind(&self, matches: impl Fn(&NodeKind) -> bool) -> Option<&NodeKind> {
        self.expert
            .nodes
            .iter()
            .map(|node| &node.kind)
            .find(|kind| matches(kind))
    }

    /// The first expert of these roles, and how many there are; of the deep ones, each of another
    /// task, the first alone counts.
    fn expert_of(&self, wanted: Wanted) -> Option<(&NodeKind, usize)> {
        let mut nodes = self.expert.nodes.iter().filter(|node| wanted(node.role));
        let first = nodes.next()?;
        let more = nodes.filter(|node| node.role.task().is_none());
        Some((&first.kind, 1 + more.count()))
    }

    fn adaptation(&self, canvas: &mut Canvas) {
        let area = self.area([ROUTING_COLUMN[0], INNER], 0.0, ADAPT);
        let norm = self.kind(|kind| matches!(kind, NodeKind::BatchNorm(_)));
        let numbers = norm.map_or(String::new(), |norm| {
            format!("BatchNorm of {}", counted(norm.output(), "number"))
        });
        let excitation = self.kind(|kind| matches!(kind, NodeKind::SqueezeExcitation(_)));
        let excitation = match excitation {
            Some(excitation) => {
                let then = if numbers.is_empty() { "" } else { ", then " };
                format!("{numbers}{then}{}", excitation.caption())
            }
            None if numbers.is_empty() => "the fields side by side".to_owned(),
            None => numbers,
        };
        block(canvas, area, "own", "Adaptation", &[excitation]);
        canvas.line(
            &[(area.middle(), self.chips + 6.0), (area.middle(), area.y)],
            "edge",
        );
        let total = self.expert.width.to_string();
        sum(
            canvas,
            area.middle() + 8.0,
            (self.chips + area.y) / 2.0 + 6.0,
            &total,
        );
    }

    fn experts(&self, canvas: &mut Canvas) {
        let widths = |wanted| {
            let (kind, count) = self.expert_of(wanted)?;
            let (NodeKind::Ffn(ffn) | NodeKind::DomainShared(DomainShared { expert: ffn })) = kind
            else {
                return None;
            };
            Some((pairs(&ffn.widths), count))
        };
        let routing = match self.kind(|kind| matches!(kind, NodeKind::Routing(_))) {
            Some(NodeKind::Routing(routing)) => {
                let mut lines = pairs(&routing.hidden.widths);
                lines.push("softmax".to_owned());
                Some((lines, 1))
            }
            _ => None,
        };
        let columns = [
            (ROUTING_COLUMN, "task", "Routing", routing),
            (DEEP_COLUMN, "task", "Deep", widths(deep)),
            (
                TASK_SHARED_COLUMN,
                "own",
                "Task-shared",
                widths(task_shared),
            ),
            (
                DOMAIN_SHARED_COLUMN,
                "shared",
                "Domain-shared",
                widths(domain_shared),
            ),
        ];
        let bus = self.top + ADAPT + 22.0;
        let middle = self.area([ROUTING_COLUMN[0], INNER], 0.0, ADAPT).middle();
        canvas.line(&[(middle, self.top + ADAPT), (middle, bus)], "wire");
        for (column, class, name, expert) in columns {
            let Some((mut lines, count)) = expert else {
                continue;
            };
            if count > 1 {
                lines.push(format!("{count} of these"));
            }
            let area = self.area(column, EXPERTS, EXPERT);
            canvas.line(
                &[(middle, bus), (area.middle(), bus), (area.middle(), area.y)],
                "edge",
            );
            block(canvas, area, class, name, &lines);
        }
        sum(
            canvas,
            middle + 8.0,
            self.top + ADAPT + 14.0,
            &self.expert.width.to_string(),
        );
        let shares = self.expert_of(domain_shared).is_some();
        if shares && self.expert.width != self.tower.width {
            let area = self.area(DOMAIN_SHARED_COLUMN, EXPERTS, EXPERT);
            let total = self.tower.width.to_string();
            sum(canvas, area.middle() + 8.0, area.y - 9.0, &total);
        }
    }

    /// Composition, crossing and the deep embedding.
    fn composition(&self, canvas: &mut Canvas) {
        let area = self.area([DEEP_COLUMN[0], INNER], CROSS, CROSS_HEIGHT);
        let cross = self.kind(|kind| matches!(kind, NodeKind::Cross(_)));
        let text = cross.map_or_else(String::new, crossing);
        let width = cross.map_or(0, NodeKind::output);
        block(canvas, area, "task", "Crossing", &[text]);
        let columns: [(_, Wanted); 3] = [
            (DEEP_COLUMN, deep),
            (TASK_SHARED_COLUMN, task_shared),
            (DOMAIN_SHARED_COLUMN, domain_shared),
        ];
        for (column, wanted) in columns {
            let Some((expert, _)) = self.expert_of(wanted) else {
                continue;
            };
            let output = expert.output().to_string();
            let expert = self.area(column, EXPERTS, EXPERT);
            canvas.line(
                &[
                    (expert.middle(), expert.bottom() + 3.0),
                    (expert.middle(), area.y),
                ],
                "edge",
            );
            sum(
                canvas,
                expert.middle() + 8.0,
                expert.bottom() + 18.0,
                &output,
            );
        }
        if let Some(kind) = self.kind(|kind| matches!(kind, NodeKind::Routing(_))) {
            let routing = self.area(ROUTING_COLUMN, EXPERTS, EXPERT);
            let (x, y) = (routing.middle(), area.centre());
            canvas.line(&[(x, routing.bottom() + 3.0), (x, y), (area.x, y)], "edge");
            sum(canvas, x + 8.0, y - 6.0, &kind.output().to_string());
        }
        let embedding = self.area(EMBEDDING_COLUMN, EMBEDDING, EMBEDDING_HEIGHT);
        block(
            canvas,
            embedding,
            "task",
            "Embedding",
            &["Linear".to_owned()],
        );
        let x = embedding.middle();
        canvas.line(&[(x, area.bottom() + 3.0), (x, embedding.y)], "edge");
        sum(canvas, x + 8.0, area.bottom() + 20.0, &width.to_string());
    }

    fn shallow(&self, canvas: &mut Canvas) {
        let expert = self.area(SHALLOW_COLUMN, SHALLOW, EMBEDDING_HEIGHT);
        let (input, text) = match self.kind(|kind| matches!(kind, NodeKind::Shallow(_))) {
            Some(NodeKind::Shallow(Shallow { hidden, .. })) => {
                (Some(hidden.input), layers(&hidden.widths))
            }
            _ => (None, "learned vector".to_owned()),
        };
        block(canvas, expert, "shallow", "Shallow", &[text]);
        if let Some(input) = input {
            let x = expert.middle();
            canvas.line(&[(x, self.chips + 6.0), (x, expert.y)], "edge");
            sum(canvas, x + 8.0, self.top + ADAPT / 2.0, &input.to_string());
        }
    }

    /// The concatenated embeddings, one for each task, in the lines of all tasks.
    fn outputs(&self, canvas: &mut Canvas) {
        let embedding = self.area(EMBEDDING_COLUMN, EMBEDDING, EMBEDDING_HEIGHT);
        let shallow = self.area(SHALLOW_COLUMN, SHALLOW, EMBEDDING_HEIGHT);
        let bus = self.left + BUS;
        canvas.line(
            &[
                (embedding.right() + 3.0, embedding.centre()),
                (bus, embedding.centre()),
            ],
            "wire",
        );
        canvas.line(
            &[
                (shallow.right() + 3.0, shallow.centre()),
                (bus, shallow.centre()),
                (bus, embedding.centre()),
            ],
            "wire",
        );
        let spec = self.spec;
        let width = spec.architecture.shallow_width;
        sum(
            canvas,
            shallow.right() + 16.0,
            shallow.centre() - 6.0,
            &width.to_string(),
        );
        for id in &self.expert.tasks {
            let task = spec.task(*id);
            let y = EMBEDDING + EMBEDDING_HEIGHT / 2.0 + ROW * id.0 as f64 - 14.0;
            let area = self.area(OUTPUT_COLUMN, y, 28.0);
            canvas.line(
                &[
                    (bus, embedding.centre()),
                    (bus, area.centre()),
                    (area.x, area.centre()),
                ],
                "edge",
            );
            canvas.rectangle(area, 14.0, "task");
            let text = format!("{} + {width}", task.embedding);
            canvas.text(
                area.middle(),
                area.centre() + 4.0,
                area.width - 12.0,
                Anchor::Middle,
                Style::Body,
                &text,
            );
            let panel = self.left + INNER + 2.0 * PADDING;
            canvas.line(
                &[(area.right(), area.centre()), (panel + GAP, area.centre())],
                "edge",
            );
        }
    }
}

fn deep(role: Role) -> bool {
    matches!(role, Role::Deep(_))
}

fn task_shared(role: Role) -> bool {
    matches!(role, Role::TaskShared(_))
}

fn domain_shared(role: Role) -> bool {
    matches!(role, Role::DomainShared(_))
}

/// What a crossing does, in its order.
fn crossing(kind: &NodeKind) -> String {
    let NodeKind::Cross(Cross {
        routing,
        composition,
        crossing,
        norm,
        ..
    }) = kind
    else {
        return String::new();
    };
    let composition = match (routing, composition) {
        (None, _) => None,
        (Some(_), Composition::Concat) => Some("concatenation".to_owned()),
        (Some(_), Composition::Sum) => Some("sum".to_owned()),
    };
    let crossing = match crossing {
        Crossing::None => None,
        Crossing::Dcn { rank, depth: 1 } => Some(format!("DCN V2 of rank {rank}")),
        Crossing::Dcn { rank, depth } => Some(format!("DCN V2 of rank {rank} × {depth}")),
        Crossing::Mlp(widths) => Some(format!("FFN {}", layers(widths))),
    };
    let layer_norm = || Some("LayerNorm".to_owned());
    let steps = match norm {
        Norm::Pre => [composition, layer_norm(), crossing],
        Norm::Post => [composition, crossing, layer_norm()],
        Norm::None => [composition, crossing, None],
    };
    let steps: Vec<String> = steps.into_iter().flatten().collect();
    match steps.is_empty() {
        true => "as it is".to_owned(),
        false => steps.join(", "),
    }
}

/// A box with a name and lines under it; one that exists for each task has others behind it.
fn block(canvas: &mut Canvas, area: Area, class: &str, name: &str, lines: &[String]) {
    let behind = match class {
        "task" => Some("behind"),
        "shallow" => Some("shallow-behind"),
        _ => None,
    };
    if let Some(behind) = behind {
        let shifted = Area {
            x: area.x + 3.0,
            y: area.y + 3.0,
            ..area
        };
        canvas.rectangle(shifted, 7.0, behind);
    }
    canvas.rectangle(area, 7.0, class);
    let room = area.width - 8.0;
    let height = 15.0 * lines.len() as f64;
    let mut y = area.centre() - height / 2.0 + 4.0;
    canvas.text(area.middle(), y, room, Anchor::Middle, Style::Name, name);
    for line in lines {
        y += 15.0;
        canvas.text(area.middle(), y, room, Anchor::Middle, Style::Small, line);
    }
}

/// The width of an edge.
fn sum(canvas: &mut Canvas, x: f64, y: f64, text: &str) {
    canvas.text(x, y, 90.0, Anchor::Start, Style::Sum, text);
}

fn layers(widths: &[usize]) -> String {
    widths
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" · ")
}

/// Widths of an FFN on at most two lines.
fn pairs(widths: &[usize]) -> Vec<String> {
    widths
        .chunks(widths.len().div_ceil(2).max(2))
        .map(layers)
        .collect()
}
