//! The outline of a file.

use super::analysis::View;
use crate::sema::Inside;
use crate::syntax::ast::{Atom, Statement, Word};
use gen_lsp_types::{DocumentSymbol, SymbolKind};

/// The statements of a file and, of those that declare several things, what they declare.
pub(super) fn symbols(view: &View) -> Vec<DocumentSymbol> {
    let statements = view.statements().iter();
    statements.map(|statement| top(view, statement)).collect()
}

fn top(view: &View, statement: &Statement) -> DocumentSymbol {
    let inside = view.inside(statement);
    let word = statement.word.text.as_str();
    let kind = match (word, inside) {
        ("model", _) => SymbolKind::Module,
        ("table", _) => SymbolKind::Array,
        (_, Some(Inside::Domains(_))) => SymbolKind::Enum,
        (_, Some(Inside::Tasks | Inside::Features(_))) => SymbolKind::Namespace,
        _ => SymbolKind::Object,
    };
    let inner = statement.block.iter().flat_map(|block| &block.statements);
    let children = match inside {
        Some(inside) => inner
            .map(|statement| child(view, statement, inside))
            .collect(),
        None => Vec::new(),
    };
    let named = matches!(word, "model" | "table" | "variant");
    let name = if named {
        statement.atoms.first().and_then(Atom::as_word)
    } else {
        None
    };
    DocumentSymbol {
        children: Some(children),
        ..symbol(view, statement, kind, name)
    }
}

fn child(view: &View, statement: &Statement, inside: Inside) -> DocumentSymbol {
    match inside {
        Inside::Domains(_) => symbol(view, statement, SymbolKind::EnumMember, None),
        Inside::Tasks => symbol(view, statement, SymbolKind::Function, None),
        Inside::Features(_) => symbol(
            view,
            statement,
            SymbolKind::Field,
            statement.atoms.first().and_then(Atom::as_word),
        ),
        Inside::Settings(_) => symbol(view, statement, SymbolKind::Property, None),
    }
}

/// A symbol called `name`, with the statement's word for a detail, or else by that word.
fn symbol(
    view: &View,
    statement: &Statement,
    kind: SymbolKind,
    name: Option<Word>,
) -> DocumentSymbol {
    let detail = name.is_some().then(|| statement.word.text.clone());
    let name = name.unwrap_or_else(|| statement.word.clone());
    #[expect(deprecated, reason = "the protocol's structure has the field")]
    DocumentSymbol {
        name: name.text,
        detail,
        kind,
        tags: None,
        deprecated: None,
        range: view.range(statement.span()),
        selection_range: view.range(name.span),
        children: None,
    }
}
