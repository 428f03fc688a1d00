//! One tower: its folded Domain Experts, and one that is drawn whole.

use super::canvas::{Anchor, Area, Canvas, Style};
use super::flow::Flow;
use super::sizes::{INNER, PADDING, PANEL_WIDTH};
use super::{expanded, quantity};
use crate::diagnostics::{counted, nouns};
use crate::graph::{DomainExpert, Field, Graph, Group, TowerGraph};
use crate::sema::spec::{Axis, Tower};

const HEADING: f64 = 48.0;
const FOLD: f64 = 40.0;
/// Domain Experts that have a line of their own; the others share one.
const FOLDS: usize = 14;
const CARD_HEADING: f64 = 50.0;
const CHIP: f64 = 22.0;
const CHIP_GAP: f64 = 6.0;
/// Rows of chips that a group of fields has at most; in the last one, the other fields are one chip.
const ROWS: usize = 7;

/// A tower with the places of its chips.
pub(super) struct Frame<'a> {
    graph: &'a Graph,
    tower: &'a TowerGraph,
    expanded: usize,
    chips: Vec<Chip>,
    chips_height: f64,
}

struct Chip {
    /// Relative to the area of the chips.
    area: Area,
    name: String,
    width: String,
    shallow: bool,
}

impl Chip {
    fn new(name: String, width: usize, shallow: bool) -> Self {
        let size = width.to_string();
        let width = Style::Body.width(&name) + Style::Small.width(&size) + 28.0;
        Self {
            area: Area::new(0.0, 0.0, width.min(INNER), CHIP),
            name,
            width: size,
            shallow,
        }
    }
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
        self.graph.spec.axis(self.tower.tower)
    }

    /// Top of the whole expert's card, from the panel's top.
    fn card(&self) -> f64 {
        let folded = self.tower.experts.len().saturating_sub(1);
        HEADING + FOLD * folded.min(FOLDS + 1) as f64 + 4.0
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
        let folded: Vec<&DomainExpert> = folded.map(|(_, expert)| expert).collect();
        let line = |place: usize| {
            let y = panel.y + HEADING + FOLD * place as f64;
            Area::new(x, y, PANEL_WIDTH - 2.0 * PADDING, FOLD - 8.0)
        };
        for (place, expert) in folded.iter().take(FOLDS).enumerate() {
            Self::fold(canvas, line(place), &self.names(expert), &facts(expert));
        }
        let more = folded.len().saturating_sub(FOLDS);
        if more > 0 {
            let name = counted(more, "more Domain Expert");
            Self::fold(canvas, line(FOLDS), &name, "of other fields or tasks");
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
        let flow = Flow {
            spec: &self.graph.spec,
            tower: self.tower,
            expert,
            left,
            chips,
            top: panel.y + flow,
        };
        flow.draw(canvas);
        canvas.mirror(None);
    }

    fn names(&self, expert: &DomainExpert) -> String {
        let domains = expert.domains.iter().map(|id| self.axis().domain(*id));
        domains
            .map(|domain| &*domain.name)
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// A Domain Expert on one line.
    fn fold(canvas: &mut Canvas, area: Area, name: &str, facts: &str) {
        canvas.rectangle(area, 8.0, "fold");
        let room = area.width - Style::Small.width(facts) - 36.0;
        let y = area.centre() + 4.0;
        let (left, right) = (area.x + 12.0, area.right() - 12.0);
        canvas.text(left, y, room, Anchor::Start, Style::Name, name);
        canvas.text(right, y, area.width, Anchor::End, Style::Small, facts);
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
                &chip.name,
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
}

fn facts(expert: &DomainExpert) -> String {
    let parameters = expert.cost.parameters;
    format!(
        "{}  ·  width {}  ·  {}  ·  {} {}",
        counted(expert.fields.len(), "field"),
        expert.width,
        counted(expert.tasks.len(), "task"),
        quantity(parameters).trim_end(),
        nouns(parameters, "parameter"),
    )
}

/// The chips of an expert's fields in rows, group by group, and the height of all.
fn chips(tower: &TowerGraph, expert: &DomainExpert) -> (Vec<Chip>, f64) {
    let mut chips = vec![];
    let mut y = 0.0;
    for group in Group::ALL {
        let fields = tower
            .select(&expert.fields)
            .filter(|field| field.group == group);
        let fields: Vec<&Field> = fields.collect();
        let (mut x, mut row) = (0.0, 1);
        for (index, field) in fields.iter().enumerate() {
            let mut chip = Chip::new(field.name.clone(), field.width, field.shallow);
            if x > 0.0 && x + chip.area.width > INNER {
                x = 0.0;
                y += CHIP + CHIP_GAP;
                row += 1;
            }
            let rest = fields.get(index..).unwrap_or_default();
            let folded = row == ROWS && rest.len() > 1;
            if folded {
                let width = rest.iter().map(|field| field.width).sum();
                chip = Chip::new(format!("and {} more", rest.len()), width, false);
            }
            (chip.area.x, chip.area.y) = (x, y);
            x += chip.area.width + CHIP_GAP;
            chips.push(chip);
            if folded {
                break;
            }
        }
        if !fields.is_empty() {
            y += CHIP + CHIP_GAP + 4.0;
        }
    }
    (chips, y - CHIP_GAP - 4.0)
}
