//! Where a name is declared and used.

use super::analysis::View;
use super::documents::Documents;
use crate::driver::load::Read;
use gen_lsp_types::{DocumentHighlight, DocumentHighlightKind, Location};

/// Where the name at an offset is declared.
pub(super) fn definition(view: &View, offset: usize, documents: &Documents) -> Option<Location> {
    let (_, symbol) = view.symbol(offset)?;
    let span = view.spec.index.definition(symbol)?;
    Some(documents.location(&view.spec.source, span))
}

/// Every place of all open specs that names what the name at an offset names.
pub(super) fn references(
    view: &View,
    offset: usize,
    with_definition: bool,
    documents: &mut Documents,
    read: &Read<'_>,
) -> Option<Vec<Location>> {
    let (_, symbol) = view.symbol(offset)?;
    let mut found = Vec::new();
    for spec in documents.naming(view, symbol, read) {
        let definition = spec.index.definition(symbol);
        for span in spec.index.occurrences(symbol) {
            let place = documents.location(&spec.source, span);
            if (with_definition || Some(span) != definition) && !found.contains(&place) {
                found.push(place);
            }
        }
    }
    Some(found)
}

/// The same, of this file alone.
pub(super) fn highlights(view: &View, offset: usize) -> Option<Vec<DocumentHighlight>> {
    let (_, symbol) = view.symbol(offset)?;
    let index = &view.spec.index;
    let definition = index.definition(symbol);
    let highlight = |span| DocumentHighlight {
        range: view.range(span),
        kind: Some(match Some(span) == definition {
            true => DocumentHighlightKind::Write,
            false => DocumentHighlightKind::Read,
        }),
    };
    let places = index.occurrences(symbol).into_iter();
    Some(
        places
            .filter(|span| view.holds(*span))
            .map(highlight)
            .collect(),
    )
}
