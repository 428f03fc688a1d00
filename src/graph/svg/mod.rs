//! The graph as a drawing: two towers side by side, between them a dot product for each task and
//! the tree of the tasks. Of each tower one Domain Expert is drawn whole, the one with the most
//! fields; the others are folded to a line.

mod canvas;
mod heads;
mod tower;

use super::{Graph, TowerGraph};
use canvas::{Anchor, Area, Canvas, Style};
use tower::{Frame, PANEL_WIDTH};

const MARGIN: f64 = 36.0;
const HEADER: f64 = 104.0;
const LEGEND: f64 = 52.0;

/// The drawing.
pub(super) fn draw(graph: &Graph) -> String {
    let tree = heads::Tree::new(&graph.spec);
    let middle = tree.width().max(heads::LOGIT_WIDTH) + 2.0 * heads::GAP;
    let frames = [&graph.query, &graph.item].map(|tower| Frame::new(graph, tower));
    let [query, item] = &frames;
    // Both towers keep to the same lines from the adaptation down.
    let flow = query.fields_end().max(item.fields_end()).max(tree.height() - tower::TO_OUTPUTS);
    let height = flow + tower::TO_OUTPUTS + tower::outputs_height(graph.spec.tasks.len());
    let width = 2.0 * (MARGIN + PANEL_WIDTH) + middle;

    let mut canvas = Canvas::new();
    header(&mut canvas, graph, width);
    let left = Area::new(MARGIN, HEADER, PANEL_WIDTH, height);
    let right = Area::new(MARGIN + PANEL_WIDTH + middle, HEADER, PANEL_WIDTH, height);
    query.draw(&mut canvas, left, flow, None);
    item.draw(&mut canvas, right, flow, Some(2.0 * right.middle()));
    let between = Area::new(left.right(), HEADER, middle, height);
    tree.draw(&mut canvas, graph, between);
    heads::logits(&mut canvas, graph, between, HEADER + flow + tower::TO_OUTPUTS);
    legend(&mut canvas, HEADER + height + 30.0);
    canvas.finish(width, HEADER + height + LEGEND, &graph.spec.name)
}

fn header(canvas: &mut Canvas, graph: &Graph, width: f64) {
    let room = width - 2.0 * MARGIN;
    let totals = &graph.totals;
    canvas.text(MARGIN, 42.0, room, Anchor::Start, Style::Title, &graph.spec.name);
    let doc: Vec<&str> = graph.spec.doc.split_whitespace().collect();
    canvas.text(MARGIN, 64.0, room, Anchor::Start, Style::Body, &doc.join(" "));
    let bytes = totals.item_bytes.iter().max().copied().unwrap_or_default();
    let facts = format!(
        "{} parameters: {} dense, {} in tables  ·  at most {}FLOP a query row, {}FLOP an item row  \
         ·  at most {bytes} bytes an item  ·  {} cells",
        quantity(totals.dense + totals.tables),
        quantity(totals.dense),
        quantity(totals.tables),
        quantity(totals.query_flops),
        quantity(totals.item_flops),
        totals.cells,
    );
    canvas.text(MARGIN, 84.0, room, Anchor::Start, Style::Small, &facts);
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
        canvas.text(x + 25.0, y, f64::INFINITY, Anchor::Start, Style::Small, text);
        x += 25.0 + Style::Small.width(text) + 22.0;
    }
    let note = "numbers on edges are widths";
    canvas.text(x, y, f64::INFINITY, Anchor::Start, Style::Small, note);
}

/// The Domain Expert that is drawn whole: the one with the most fields, of these the first.
fn expanded(tower: &TowerGraph) -> usize {
    let experts = tower.experts.iter().enumerate();
    experts.max_by_key(|(index, expert)| (expert.fields.len(), usize::MAX - index)).map_or(0, |(index, _)| index)
}

/// A number to three digits: `4.19 M`.
fn quantity(number: u128) -> String {
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
        for (number, text) in
            [(0, "0 "), (999, "999 "), (1000, "1.00 k"), (9_996, "10.0 k"), (4_186_366, "4.19 M")]
        {
            assert_eq!(super::quantity(number), text);
        }
    }
}
