//! Sizes beside what has them: parameters of a Domain Expert, bytes of a table, the width that a
//! task serves.

use super::analysis::View;
use super::{place, quantity};
use crate::diagnostics::counted;
use crate::graph::Graph;
use crate::sema::spec::{FeatureKind, Tower};
use crate::sema::{Inside, NameKind};
use crate::source::Span;
use crate::syntax::ast::Statement;
use gen_lsp_types::{InlayHint, Label, Range, Tooltip};

/// Bytes of a parameter.
pub(super) const FLOAT: u128 = 4;

/// The hints of the lines of a range.
pub(super) fn hints(view: &View, range: Range) -> Vec<InlayHint> {
    let Some(graph) = view.spec.graph() else {
        return Vec::new();
    };
    let mut hints = Vec::new();
    for statement in view.statements() {
        hints.extend(hint(view, graph, statement));
        for inner in statement.block.iter().flat_map(|block| &block.statements) {
            match view.inside(statement) {
                Some(Inside::Domains(_) | Inside::Tasks | Inside::Features(_)) => {
                    hints.extend(hint(view, graph, inner));
                }
                Some(Inside::Settings(_)) | None => {}
            }
        }
    }
    let lines = range.start.line..=range.end.line;
    hints.retain(|hint| lines.contains(&hint.position.line));
    hints
}

/// The hint of a declaration, at the end of its first line.
fn hint(view: &View, graph: &Graph, statement: &Statement) -> Option<InlayHint> {
    let name = statement.atoms.first().map(|atom| atom.span);
    let named = |span: &Span| {
        let found = view.spec.index.at(span.start);
        found.filter(|(place, symbol)| {
            place == span && view.spec.index.definition(symbol) == Some(*span)
        })
    };
    let places = [Some(statement.word.span), name];
    let (_, symbol) = places.iter().flatten().find_map(named)?;
    let (label, tooltip) = size(graph, symbol.kind, &symbol.name)?;
    let source = &view.spec.source;
    let first_line = source.lines_of(Span::at(statement.head.start));
    let end = match &statement.block {
        Some(block) if block.span.end > first_line.end => block.span.start + 1,
        _ => statement.span().end,
    };
    Some(InlayHint {
        position: place::position(source, end),
        label: Label::String(label),
        kind: None,
        text_edits: None,
        tooltip: Some(Tooltip::String(tooltip)),
        padding_left: Some(true),
        padding_right: None,
        data: None,
    })
}

/// What is said of a declaration, and what that is.
fn size(graph: &Graph, kind: NameKind, name: &str) -> Option<(String, String)> {
    match kind {
        NameKind::Model => {
            let all = graph.totals.dense + graph.totals.tables;
            let dense = quantity::count(graph.totals.dense);
            let about = format!("parameters of the model, {dense} of them outside the tables");
            Some((quantity::parameters(all), about))
        }
        NameKind::Surface => domain_size(graph, Tower::Query, name),
        NameKind::Product => domain_size(graph, Tower::Item, name),
        NameKind::Task => {
            let place = graph.spec.tasks.iter().position(|task| task.name == name)?;
            let width = graph.heads.iter().find(|head| head.task.0 == place)?.width;
            let about = "width of the embedding that is served for the task".to_owned();
            Some((format!("serves {width}"), about))
        }
        NameKind::Table => table_size(graph, name),
        NameKind::Variant => None,
        NameKind::Feature(tower) => {
            let features = graph.spec.features(tower);
            let feature = features.iter().find(|feature| feature.name == name)?;
            match &feature.kind {
                FeatureKind::Embedded { table, .. } => {
                    let table = graph.spec.table(*table);
                    // The size of a shared table stands at the table.
                    (!table.shared).then(|| table_size(graph, &table.name))?
                }
                FeatureKind::Vector { .. } | FeatureKind::Number { .. } => None,
            }
        }
    }
}

fn table_size(graph: &Graph, name: &str) -> Option<(String, String)> {
    let table = graph.spec.tables.iter().find(|table| table.name == name)?;
    let floats = table.rows as u128 * table.dim as u128;
    let about = format!(
        "{} of {}",
        counted(table.rows, "row"),
        counted(table.dim, "float")
    );
    Some((quantity::bytes(floats * FLOAT), about))
}

fn domain_size(graph: &Graph, tower: Tower, name: &str) -> Option<(String, String)> {
    let axis = graph.spec.axis(tower);
    let place = axis.domains.iter().position(|domain| domain.name == name)?;
    let mut experts = graph.tower(tower).experts.iter();
    let expert = experts.find(|expert| expert.domains.iter().any(|id| id.0 == place))?;
    let about = format!(
        "parameters of this Domain Expert, without tables; {} FLOPs a row",
        quantity::count(expert.cost.flops)
    );
    Some((quantity::parameters(expert.cost.parameters), about))
}
