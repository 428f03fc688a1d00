//! The graph as a drawing: two towers side by side, between them a dot product for each task and
//! the tree of the tasks. Of each tower one Domain Expert is drawn whole, one with the
//! most tasks and fields; the others are folded to a line.

mod canvas;
mod flow;
mod heads;
mod sizes;
mod tower;

use super::{DomainExpert, Graph, TowerGraph};
use crate::diagnostics::counted;
use canvas::{Anchor, Area, Canvas, Style};
use sizes::{GAP, PANEL_WIDTH};
use tower::Frame;

const MARGIN: f64 = 36.0;
/// Height of the header, without the line of a doc comment.
const HEADER: f64 = 84.0;
const DOC: f64 = 20.0;
const LEGEND: f64 = 52.0;

/// The drawing.
pub(super) fn draw(graph: &Graph) -> String {
    let tree = heads::Tree::new(&graph.spec);
    let middle = tree.width().max(heads::LOGIT_WIDTH) + 2.0 * GAP;
    let frames = [&graph.query, &graph.item].map(|tower| Frame::new(graph, tower));
    let [query, item] = &frames;
    // Both towers keep to the same lines from the adaptation down.
    let flow = query
        .fields_end()
        .max(item.fields_end())
        .max(tree.height() - flow::TO_OUTPUTS);
    let height = flow + flow::TO_OUTPUTS + flow::outputs_height(graph.spec.tasks.len());
    let width = 2.0 * (MARGIN + PANEL_WIDTH) + middle;

    let mut canvas = Canvas::new();
    let top = header(&mut canvas, graph, width);
    let left = Area::new(MARGIN, top, PANEL_WIDTH, height);
    let right = Area::new(MARGIN + PANEL_WIDTH + middle, top, PANEL_WIDTH, height);
    query.draw(&mut canvas, left, flow, None);
    item.draw(&mut canvas, right, flow, Some(2.0 * right.middle()));
    let between = Area::new(left.right(), top, middle, height);
    tree.draw(&mut canvas, graph, between);
    let outputs = top + flow + flow::TO_OUTPUTS;
    tree.feed(&mut canvas, between, outputs);
    heads::logits(&mut canvas, graph, between, outputs);
    legend(&mut canvas, top + height + 30.0);
    canvas.finish(width, top + height + LEGEND, &graph.spec.name)
}

/// Draws the header; where it ends.
fn header(canvas: &mut Canvas, graph: &Graph, width: f64) -> f64 {
    let mut line = |y: f64, style: Style, text: &str| {
        canvas.text(MARGIN, y, width - 2.0 * MARGIN, Anchor::Start, style, text);
    };
    line(42.0, Style::Title, &graph.spec.name);
    let doc: Vec<&str> = graph.spec.doc.split_whitespace().collect();
    line(64.0, Style::Body, &doc.join(" "));
    let top = if doc.is_empty() { HEADER } else { HEADER + DOC };
    let totals = &graph.totals;
    let bytes = totals.item_bytes.iter().max().copied().unwrap_or_default();
    let facts = format!(
        "{} parameters: {} dense, {} in tables  ·  at most {}FLOP a query row, {}FLOP an item row  \
         ·  at most {} an item  ·  {}",
        quantity(totals.dense + totals.tables),
        quantity(totals.dense),
        quantity(totals.tables),
        quantity(totals.query_flops),
        quantity(totals.item_flops),
        counted(bytes, "byte"),
        counted(totals.cells, "cell"),
    );
    line(top - 20.0, Style::Small, &facts);
    top
}

fn legend(canvas: &mut Canvas, y: f64) {
    let entries = [
        ("own", "one for each domain"),
        ("task", "one for each domain and task"),
        ("shared", "one for the tower"),
        ("shallow", "high-level categories and the shallow experts"),
    ];
    let mut x = MARGIN;
    for (class, text) in entries {
        canvas.rectangle(Area::new(x, y - 10.0, 18.0, 12.0), 3.0, class);
        canvas.text(
            x + 25.0,
            y,
            f64::INFINITY,
            Anchor::Start,
            Style::Small,
            text,
        );
        x += 25.0 + Style::Small.width(text) + 22.0;
    }
    let note = "numbers on edges are widths";
    canvas.text(x, y, f64::INFINITY, Anchor::Start, Style::Small, note);
}

/// The Domain Expert that is drawn whole: of those with the most tasks and then fields, the first.
pub(super) fn expanded(tower: &TowerGraph) -> usize {
    let experts = tower.experts.iter().enumerate();
    let size = |(index, expert): &(usize, &DomainExpert)| {
        (expert.tasks.len(), expert.fields.len(), usize::MAX - index)
    };
    experts.max_by_key(size).map_or(0, |(index, _)| index)
}

/// A number to three digits: `4.19 M`.
pub(super) fn quantity(number: u128) -> String {
    let mut value = number as f64;
    let mut unit = "";
    for larger in ["k", "M", "G", "T", "P"] {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    match unit {
        "" => format!("{number} "),
        _ if value < 9.995 => format!("{value:.2} {unit}"),
        _ if value < 99.95 => format!("{value:.1} {unit}"),
        _ => format!("{value:.0} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn quantities_have_three_digits() {
        for (number, text) in [
            (0, "0 "),
            (999, "999 "),
            (1000, "1.00 k"),
            (9_996, "10.0 k"),
            (4_186_366, "4.19 M"),
        ] {
            assert_eq!(super::quantity(number), text);
        }
    }
}
