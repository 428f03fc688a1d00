//! Names that are unknown because their declaration is misspelt.
//!
//! If several places say a name that nobody declares, and the nearest declared name is said
//! nowhere, then the one declaration is wrong and not all of its uses: one mistake is one message,
//! where it was made.

use std::collections::BTreeMap;

use super::context::Context;
use super::index::{Index, Symbol};
use super::names::Kind;
use crate::diagnostics::{Code, Diagnostic};
use crate::source::Span;

/// Names that other statements may say.
const KINDS: [Kind; 4] = [Kind::Surface, Kind::Product, Kind::Task, Kind::Table];

/// Replaces the messages about uses of a name by one about its declaration, where that is what is
/// misspelt.
pub(super) fn blame_declarations(
    context: &Context<'_>,
    index: &Index,
    diagnostics: Vec<Diagnostic>,
) -> Vec<Diagnostic> {
    let mut uses: BTreeMap<(&str, String), Vec<Span>> = BTreeMap::new();
    for found in &diagnostics {
        if let Some(meant) = suggestion(found) {
            let said = context.text(found.primary.span);
            let places = uses.entry((said, meant)).or_default();
            places.push(found.primary.span);
        }
    }
    let misspelt: Vec<Diagnostic> = uses
        .iter()
        .filter(|(_, places)| places.len() > 1)
        .filter_map(|((said, declared), places)| {
            let declaration = unused(index, declared)?;
            Some(misnamed(said, declared, declaration, places))
        })
        .collect();
    let explained = |found: &Diagnostic| {
        let labels = misspelt.iter().flat_map(|one| &one.secondary);
        found.code == Code::E0203
            && labels
                .map(|label| label.span)
                .any(|span| span == found.primary.span)
    };
    let rest = diagnostics.into_iter().filter(|found| !explained(found));
    let rest: Vec<Diagnostic> = rest.collect();
    rest.into_iter().chain(misspelt).collect()
}

/// The name that was probably meant by an unknown one.
fn suggestion(found: &Diagnostic) -> Option<String> {
    let [edit] = found.fix.as_ref()?.edits.as_slice() else {
        return None;
    };
    let is_name = found.code == Code::E0203 && edit.span == found.primary.span;
    is_name.then(|| edit.replacement.clone())
}

/// The declaration of a name that nothing says.
fn unused(index: &Index, name: &str) -> Option<Span> {
    let symbols = KINDS.map(|kind| Symbol {
        kind,
        name: name.to_owned(),
    });
    let mut declared = symbols
        .iter()
        .filter_map(|symbol| Some((index.definition(symbol)?, index.occurrences(symbol))));
    match (declared.next(), declared.next()) {
        (Some((place, said)), None) if said == [place] => Some(place),
        _ => None,
    }
}

fn misnamed(said: &str, declared: &str, declaration: Span, uses: &[Span]) -> Diagnostic {
    let message = format!("nothing says `{declared}`, and `{said}` is declared nowhere");
    let diagnostic = Diagnostic::new(Code::E0203, message, declaration, "perhaps misspelt here");
    let diagnostic = uses.iter().fold(diagnostic, |diagnostic, place| {
        diagnostic.label(*place, format!("`{said}` here"))
    });
    diagnostic.maybe(format!("declare `{said}`"), declaration, said)
}
