//! Between the towers: a dot product for each task, and the tree in which the tasks are given.

use super::canvas::{Anchor, Area, Canvas, Style};
use super::sizes::{GAP, ROW};
use crate::graph::Graph;
use crate::sema::spec::{LogitBias, LogitScale, Spec, Task};

pub(super) const LOGIT_WIDTH: f64 = 190.0;
const NODE: f64 = 46.0;
const LEVEL: f64 = NODE + 34.0;
const TOP: f64 = 52.0;

/// The tasks as a forest, roots above.
pub(super) struct Tree {
    nodes: Vec<TreeNode>,
    width: f64,
}

struct TreeNode {
    parent: Option<usize>,
    formula: String,
    depth: usize,
    /// Width of the node alone.
    own: f64,
    /// Left end and width of the node with all below it.
    left: f64,
    width: f64,
}

impl Tree {
    pub(super) fn new(spec: &Spec) -> Self {
        let mut nodes: Vec<TreeNode> = vec![];
        for task in spec.tasks.iter() {
            let parent = task.given.map(|parent| parent.0);
            let depth = parent
                .and_then(|id| nodes.get(id))
                .map_or(0, |parent| parent.depth + 1);
            let formula = formula(spec, task);
            let own = Style::Name
                .width(&task.name)
                .max(Style::Small.width(&formula))
                + 24.0;
            nodes.push(TreeNode {
                parent,
                formula,
                depth,
                own,
                left: 0.0,
                width: 0.0,
            });
        }
        let width = place(&mut nodes);
        Self { nodes, width }
    }

    pub(super) fn width(&self) -> f64 {
        self.width
    }

    /// Height that the tree needs above the dot products.
    pub(super) fn height(&self) -> f64 {
        let levels = self
            .nodes
            .iter()
            .map(|node| node.depth + 1)
            .max()
            .unwrap_or(0);
        TOP + LEVEL * levels as f64 + 70.0
    }

    fn area(&self, node: &TreeNode, between: Area) -> Area {
        let x = between.middle() - self.width / 2.0 + node.left + (node.width - node.own) / 2.0;
        Area::new(
            x,
            between.y + TOP + LEVEL * node.depth as f64,
            node.own,
            NODE,
        )
    }

    pub(super) fn draw(&self, canvas: &mut Canvas, graph: &Graph, between: Area) {
        let room = between.width - 20.0;
        canvas.text(
            between.middle(),
            between.y + 30.0,
            room,
            Anchor::Middle,
            Style::Heading,
            "Tasks",
        );
        for (node, task) in self.nodes.iter().zip(graph.spec.tasks.iter()) {
            let area = self.area(node, between);
            if let Some(parent) = node.parent.and_then(|id| self.nodes.get(id)) {
                let parent = self.area(parent, between);
                let turn = area.y - 17.0;
                let points = [
                    (parent.middle(), parent.bottom()),
                    (parent.middle(), turn),
                    (area.middle(), turn),
                    (area.middle(), area.y),
                ];
                canvas.line(&points, "given");
            }
            canvas.rectangle(area, 8.0, "task");
            let room = area.width - 8.0;
            canvas.text(
                area.middle(),
                area.y + 20.0,
                room,
                Anchor::Middle,
                Style::Name,
                &task.name,
            );
            canvas.text(
                area.middle(),
                area.y + 35.0,
                room,
                Anchor::Middle,
                Style::Small,
                &node.formula,
            );
        }
    }

    /// An arrow from the dot products, the first at `top`, to the tree.
    pub(super) fn feed(&self, canvas: &mut Canvas, between: Area, top: f64) {
        let x = between.middle();
        let bottom = between.y + self.height() - 90.0;
        canvas.line(&[(x, top - 24.0), (x, bottom)], "edge");
        let y = f64::midpoint(top, bottom);
        canvas.text(
            x + 8.0,
            y,
            between.width / 2.0,
            Anchor::Start,
            Style::Sum,
            "one z a task",
        );
    }
}

fn formula(spec: &Spec, task: &Task) -> String {
    match task.given.map(|parent| spec.task(parent)) {
        Some(parent) => format!("σ(z) · P({})", parent.name),
        None => "P = σ(z)".to_owned(),
    }
}

/// Gives every node its place, children side by side below their parent; the width of all.
fn place(nodes: &mut [TreeNode]) -> f64 {
    const BESIDE: f64 = 12.0;
    let count = nodes.len();
    // Children come after their parents, so that going backwards all below a node is known.
    let mut below = vec![0.0; count];
    for (index, node) in nodes.iter_mut().enumerate().rev() {
        node.width = below
            .get(index)
            .map_or(node.own, |below: &f64| below.max(node.own));
        if let Some(sum) = node.parent.and_then(|parent| below.get_mut(parent)) {
            *sum += node.width + if *sum > 0.0 { BESIDE } else { 0.0 };
        }
    }
    let mut next: Vec<f64> = vec![0.0; count];
    let mut end = 0.0;
    for index in 0..count {
        let Some(node) = nodes.get_mut(index) else {
            continue;
        };
        let slot = match node.parent {
            Some(parent) => next.get_mut(parent),
            None => Some(&mut end),
        };
        if let Some(slot) = slot {
            node.left = *slot;
            *slot += node.width + BESIDE;
        }
        let (left, slack) = (
            node.left,
            node.width - below.get(index).copied().unwrap_or_default(),
        );
        if let Some(first) = next.get_mut(index) {
            *first = left + slack / 2.0;
        }
    }
    f64::max(end - BESIDE, 0.0)
}

/// The dot products, the first at `top`.
pub(super) fn logits(canvas: &mut Canvas, graph: &Graph, between: Area, top: f64) {
    for (index, (task, head)) in graph.spec.tasks.iter().zip(&graph.heads).enumerate() {
        let y = top + ROW * index as f64;
        let left = between.x + GAP;
        let area = Area::new(left, y - 18.0, between.width - 2.0 * GAP, 36.0);
        canvas.rectangle(area, 18.0, "task");
        let scale = match graph.spec.architecture.logit_scale {
            LogitScale::Dimension => format!(" / √{}", head.width),
            LogitScale::None => String::new(),
        };
        let bias = match graph.spec.architecture.logit_bias {
            LogitBias::Learned => " + b",
            LogitBias::None => "",
        };
        let text = format!("q · i{scale}{bias}");
        let half = area.width / 2.0 - 14.0;
        canvas.text(
            area.x + 14.0,
            y + 4.0,
            half,
            Anchor::Start,
            Style::Name,
            &task.name,
        );
        canvas.text(
            area.right() - 14.0,
            y + 4.0,
            half,
            Anchor::End,
            Style::Small,
            &text,
        );
    }
}
