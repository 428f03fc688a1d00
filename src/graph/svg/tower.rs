//! One tower: its folded Domain Experts, and one that is drawn whole.

use super::canvas::{Anchor, Area, Canvas, Style};
use super::{expanded, quantity};
use crate::graph::{DomainExpert, Graph, Group, NodeKind, TowerGraph};
use crate::sema::spec::{Axis, Tower};

pub(super) const PANEL_WIDTH: f64 = 560.0;
const PADDING: f64 = 16.0;
/// What is inside the card of the whole expert.
const INNER: f64 = PANEL_WIDTH - 4.0 * PADDING;
const HEADING: f64 = 48.0;
const FOLD: f64 = 40.0;
const CARD_HEADING: f64 = 50.0;
const CHIP: f64 = 22.0;
const CHIP_GAP: f64 = 6.0;

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
/// From one task's output to the next.
pub(super) const ROW: f64 = 44.0;

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

/// A tower with the places of its chips.
pub(super) struct Frame<'a> {
    graph: &'a Graph,
    tower: &'a TowerGraph,
    expanded: usize,
    chips: Vec<Chip<'a>>,
    chips_height: f64,
}

struct Chip<'a> {
    /// Relative to the area of the chips.
    area: Area,
    name: &'a str,
    width: String,
    shallow: bool,
}

impl<'a> Frame<'a> {
    pub(super) fn new(graph: &'a Graph, tower: &'a TowerGraph) -> Self {
        let expanded = expanded(tower);
        let (chips, chips_height) = tower
            .experts
            .get(expanded)
            .map_or((vec![], 0.0), |expert| chips(tower, expert));
        Self {
            graph,
            tower,
            expanded,
            chips,
            chips_height,
        }
    }

    fn axis(&self) -> &'a Axis {
        match self.tower.tower {
            Tower::Query => &self.graph.spec.surfaces,
            Tower::Item => &self.graph.spec.products,
        }
    }

    /// Top of the whole expert's card, from the panel's top.
    fn card(&self) -> f64 {
        HEADING + FOLD * self.tower.experts.len().saturating_sub(1) as f64 + 4.0
    }

    /// Where the fields end and the flow may begin, from the panel's top.
    pub(super) fn fields_end(&self) -> f64 {
        self.card() + CARD_HEADING + self.chips_height + 34.0
    }

    /// Draws the tower into its panel, the flow from `flow` below the panel's top.
    pub(super) fn draw(&self, canvas: &mut Canvas, panel: Area, flow: f64, mirror: Option<f64>) {
        canvas.rectangle(panel, 14.0, "tower");
        let (title, noun) = match self.tower.tower {
            Tower::Query => ("Query tower", "surface"),
            Tower::Item => ("Item tower", "product"),
        };
        let x = panel.x + PADDING;
        canvas.text(
            x + 2.0,
            panel.y + 30.0,
            INNER,
            Anchor::Start,
            Style::Heading,
            title,
        );
        let note = format!("one Domain Expert per {noun}");
        let end = panel.right() - PADDING - 2.0;
        canvas.text(
            end,
            panel.y + 30.0,
            INNER / 2.0,
            Anchor::End,
            Style::Small,
            &note,
        );
        let folded = self.tower.experts.iter().enumerate();
        let folded = folded.filter(|(index, _)| *index != self.expanded);
        for (place, (_, expert)) in folded.enumerate() {
            let y = panel.y + HEADING + FOLD * place as f64;
            self.fold(
                canvas,
                Area::new(x, y, PANEL_WIDTH - 2.0 * PADDING, FOLD - 8.0),
                expert,
            );
        }
        let Some(expert) = self.tower.experts.get(self.expanded) else {
            return;
        };
        let top = panel.y + self.card();
        let card = Area::new(
            x,
            top,
            PANEL_WIDTH - 2.0 * PADDING,
            panel.bottom() - top - PADDING,
        );
        self.fields(canvas, card, expert);
        canvas.mirror(mirror);
        let left = mirror.map_or(card.x, |mirror| mirror - card.right()) + PADDING;
        let chips = top + CARD_HEADING + self.chips_height;
        self.flow(canvas, expert, left, chips, panel.y + flow);
        canvas.mirror(None);
    }

    fn names(&self, expert: &DomainExpert) -> String {
        let domains = expert
            .domains
            .iter()
            .filter_map(|id| self.axis().domains.get(id.0));
        domains
            .map(|domain| domain.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// A Domain Expert on one line.
    fn fold(&self, canvas: &mut Canvas, area: Area, expert: &DomainExpert) {
        canvas.rectangle(area, 8.0, "fold");
        let facts = facts(expert);
        let room = area.width - Style::Small.width(&facts) - 36.0;
        let y = area.centre() + 4.0;
        canvas.text(
            area.x + 12.0,
            y,
            room,
            Anchor::Start,
            Style::Name,
            &self.names(expert),
        );
        canvas.text(
            area.right() - 12.0,
            y,
            area.width,
            Anchor::End,
            Style::Small,
            &facts,
        );
    }

    /// The card of the whole expert, and its fields.
    fn fields(&self, canvas: &mut Canvas, card: Area, expert: &DomainExpert) {
        canvas.rectangle(card, 10.0, "card");
        let (x, facts) = (card.x + PADDING, facts(expert));
        let room = INNER - Style::Small.width(&facts) - 12.0;
        canvas.text(
            x,
            card.y + 26.0,
            room,
            Anchor::Start,
            Style::Name,
            &self.names(expert),
        );
        let end = card.right() - PADDING;
        canvas.text(end, card.y + 26.0, INNER, Anchor::End, Style::Small, &facts);
        for chip in &self.chips {
            let area = Area {
                x: x + chip.area.x,
                y: card.y + CARD_HEADING + chip.area.y,
                ..chip.area
            };
            let class = if chip.shallow { "chip-shallow" } else { "chip" };
            canvas.rectangle(area, CHIP / 2.0, class);
            let y = area.centre() + 4.0;
            let width = Style::Small.width(&chip.width);
            let room = area.width - width - 24.0;
            canvas.text(
                area.x + 10.0,
                y,
                room,
                Anchor::Start,
                Style::Body,
                chip.name,
            );
            canvas.text(
                area.right() - 9.0,
                y,
                width + 1.0,
                Anchor::End,
                Style::Small,
                &chip.width,
            );
        }
    }

    /// What happens to the fields, from `top` down.
    fn flow(&self, canvas: &mut Canvas, expert: &DomainExpert, left: f64, chips: f64, top: f64) {
        let flow = Flow {
            frame: self,
            expert,
            left,
            chips,
            top,
        };
        flow.adaptation(canvas);
        flow.experts(canvas);
        flow.composition(canvas);
        flow.shallow(canvas);
        flow.outputs(canvas);
    }
}

fn facts(expert: &DomainExpert) -> String {
    let (fields, tasks) = (expert.fields.len(), expert.tasks.len());
    format!(
        "{fields} field{}  ·  width {}  ·  {tasks} task{}  ·  {} parameters",
        plural(fields),
        expert.width,
        plural(tasks),
        quantity(expert.cost.parameters).trim_end(),
    )
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// The chips of an expert's fields in rows, group by group, and the height of all.
fn chips<'a>(tower: &'a TowerGraph, expert: &'a DomainExpert) -> (Vec<Chip<'a>>, f64) {
    let mut chips = vec![];
    let mut y = 0.0;
    for group in [Group::Embedded, Group::Vectors, Group::Numbers] {
        let fields = tower
            .select(&expert.fields)
            .filter(|field| field.group == group);
        let mut x = 0.0;
        let mut any = false;
        for field in fields {
            let size = field.width.to_string();
            let width = Style::Body.width(&field.name) + Style::Small.width(&size) + 28.0;
            let width = width.min(INNER);
            if any && x + width > INNER {
                x = 0.0;
                y += CHIP + CHIP_GAP;
            }
            let area = Area::new(x, y, width, CHIP);
            chips.push(Chip {
                area,
                name: &field.name,
                width: size,
                shallow: field.shallow,
            });
            x += width + CHIP_GAP;
            any = true;
        }
        if any {
            y += CHIP + CHIP_GAP + 4.0;
        }
    }
    (chips, y - CHIP_GAP - 4.0)
}

/// The flow of one Domain Expert.
struct Flow<'a> {
    frame: &'a Frame<'a>,
    expert: &'a DomainExpert,
    left: f64,
    /// Where the chips end.
    chips: f64,
    /// Top of the adaptation.
    top: f64,
}

impl Flow<'_> {
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

    fn adaptation(&self, canvas: &mut Canvas) {
        let area = self.area([ROUTING_COLUMN[0], INNER], 0.0, ADAPT);
        let norm = self.kind(|kind| matches!(kind, NodeKind::BatchNorm { .. }));
        let numbers = norm.map_or(String::new(), |norm| {
            let count = norm.output();
            format!("BatchNorm of {count} number{}, then ", plural(count))
        });
        let excitation = self.kind(|kind| matches!(kind, NodeKind::SqueezeExcitation { .. }));
        let excitation = match excitation {
            Some(NodeKind::SqueezeExcitation { fields, hidden, .. }) => {
                format!("{numbers}Squeeze-and-Excitation {fields} → {hidden} → {fields}")
            }
            _ => numbers,
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
        let deep = self.kind(|kind| matches!(kind, NodeKind::Ffn { .. }));
        let widths = match deep {
            Some(NodeKind::Ffn { widths, .. }) => pairs(widths),
            _ => vec![],
        };
        let routing = match self.kind(|kind| matches!(kind, NodeKind::Routing { .. })) {
            Some(NodeKind::Routing { hidden, .. }) => {
                let mut lines = pairs(hidden);
                lines.push("softmax".to_owned());
                lines
            }
            _ => vec![],
        };
        let columns = [
            (ROUTING_COLUMN, "task", "Routing", routing),
            (DEEP_COLUMN, "task", "Deep", widths.clone()),
            (TASK_SHARED_COLUMN, "own", "Task-shared", widths.clone()),
            (DOMAIN_SHARED_COLUMN, "shared", "Domain-shared", widths),
        ];
        let bus = self.top + ADAPT + 22.0;
        let middle = self.area([ROUTING_COLUMN[0], INNER], 0.0, ADAPT).middle();
        canvas.line(&[(middle, self.top + ADAPT), (middle, bus)], "wire");
        for (column, class, name, lines) in columns {
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
        if self.expert.width != self.frame.tower.width {
            let area = self.area(DOMAIN_SHARED_COLUMN, EXPERTS, EXPERT);
            let total = self.frame.tower.width.to_string();
            sum(canvas, area.middle() + 8.0, area.y - 9.0, &total);
        }
    }

    /// Composition, crossing and the deep embedding.
    fn composition(&self, canvas: &mut Canvas) {
        let area = self.area([DEEP_COLUMN[0], INNER], CROSS, CROSS_HEIGHT);
        let (text, width) = match self.kind(|kind| matches!(kind, NodeKind::Cross { .. })) {
            Some(NodeKind::Cross {
                width, depth: 0, ..
            }) => ("concatenation, LayerNorm".to_owned(), *width),
            Some(NodeKind::Cross {
                width, rank, depth, ..
            }) => {
                let times = if *depth == 1 {
                    String::new()
                } else {
                    format!(" × {depth}")
                };
                (
                    format!("concatenation, LayerNorm, DCN V2 of rank {rank}{times}"),
                    *width,
                )
            }
            _ => (String::new(), 0),
        };
        block(canvas, area, "task", "Crossing", &[text]);
        let output = self.kind(|kind| matches!(kind, NodeKind::Ffn { .. }));
        let output = output.map_or(0, NodeKind::output).to_string();
        for column in [DEEP_COLUMN, TASK_SHARED_COLUMN, DOMAIN_SHARED_COLUMN] {
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
        let routing = self.area(ROUTING_COLUMN, EXPERTS, EXPERT);
        let (x, y) = (routing.middle(), area.centre());
        canvas.line(&[(x, routing.bottom() + 3.0), (x, y), (area.x, y)], "edge");
        sum(canvas, x + 8.0, y - 6.0, "3");
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
        let (input, text) = match self.kind(|kind| matches!(kind, NodeKind::Shallow { .. })) {
            Some(NodeKind::Shallow { input, hidden, .. }) => (Some(*input), layers(hidden)),
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
        let spec = &self.frame.graph.spec;
        let width = spec.architecture.shallow_width;
        sum(
            canvas,
            shallow.right() + 16.0,
            shallow.centre() - 6.0,
            &width.to_string(),
        );
        for id in &self.expert.tasks {
            let Some(task) = spec.tasks.get(id.0) else {
                continue;
            };
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
                &[
                    (area.right(), area.centre()),
                    (panel + super::heads::GAP, area.centre()),
                ],
                "edge",
            );
        }
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
