//! Names that are unknown because their declaration is misspelt.
//!
//! If several places say a name that nobody declares, and the nearest declared name is said
//! nowhere, then the one declaration is wrong and not all of its uses: one mistake is one message,
//! where it was made. And a name that cannot be one is changed wherever it is said.

use std::collections::BTreeMap;

use crate::diagnostics::{Code, Diagnostic, Edit};
use crate::sema::context::Context;
use crate::sema::name_kind::NameKind;
use crate::sema::symbols::{Symbol, SymbolIndex};
use crate::source::Span;

/// Names that other statements may say.
const KINDS: [NameKind; 4] = [
    NameKind::Surface,
    NameKind::Product,
    NameKind::Task,
    NameKind::Table,
];

/// Replaces the messages about uses of a name by one about its declaration, where that is what is
/// misspelt.
pub(in crate::sema) fn blame_declarations(
    context: &Context<'_>,
    index: &SymbolIndex,
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
fn unused(index: &SymbolIndex, name: &str) -> Option<Span> {
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

/// Lets the fix of a name that cannot be one rename its uses too. A fix whose name is taken is
/// none.
pub(in crate::sema) fn rename_uses(
    context: &Context<'_>,
    index: &SymbolIndex,
    diagnostics: Vec<Diagnostic>,
) -> Vec<Diagnostic> {
    let renamed = |found: Diagnostic| match renaming(index, &found) {
        Some((symbol, new)) if is_taken(index, symbol, &new) => Diagnostic {
            fix: None,
            ..found.help(format!("choose another name: `{new}` is taken"))
        },
        Some((symbol, new)) => with_uses(context, index, found, symbol, &new),
        None => found,
    };
    diagnostics.into_iter().map(renamed).collect()
}

/// The declared name that a fix changes, and its new one.
fn renaming<'i>(index: &'i SymbolIndex, found: &Diagnostic) -> Option<(&'i Symbol, String)> {
    let [edit] = found.fix.as_ref()?.edits.as_slice() else {
        return None;
    };
    let of_name = matches!(found.code, Code::E0206 | Code::E0207);
    let (span, symbol) = index.at(edit.span.start)?;
    let declares = span == edit.span && index.definition(symbol) == Some(span);
    (of_name && declares).then(|| (symbol, edit.replacement.clone()))
}

/// Whether a name is declared already. Surfaces and products share their names.
fn is_taken(index: &SymbolIndex, symbol: &Symbol, name: &str) -> bool {
    let kinds = match symbol.kind {
        NameKind::Surface | NameKind::Product => vec![NameKind::Surface, NameKind::Product],
        kind => vec![kind],
    };
    let declared = |kind| {
        let name = name.to_owned();
        index.definition(&Symbol { kind, name }).is_some()
    };
    kinds.into_iter().any(declared)
}

fn with_uses(
    context: &Context<'_>,
    index: &SymbolIndex,
    mut found: Diagnostic,
    symbol: &Symbol,
    new: &str,
) -> Diagnostic {
    let rename = |span| Edit {
        span,
        replacement: new.to_owned(),
    };
    let places = index.occurrences(symbol).into_iter();
    let mut edits: Vec<Edit> = places.map(rename).collect();
    if let NameKind::Feature(_) = symbol.kind {
        edits.extend(keep_column(context, found.primary.span, &symbol.name));
    }
    edits.sort_by_key(|edit| edit.span);
    if let Some(fix) = &mut found.fix {
        fix.edits = edits;
    }
    found
}

/// A feature without `from` reads the column of its name: it must say that column from now on.
fn keep_column(context: &Context<'_>, name: Span, column: &str) -> Option<Edit> {
    let line = context.rest_of_line(name.end);
    let line = line.split("//").next().unwrap_or("");
    let cursor = line.split(['{', ',', '}']).next().unwrap_or("").trim_end();
    let says_column = cursor.split_whitespace().any(|word| word == "from");
    (!says_column).then(|| Edit {
        span: Span::at(name.end + cursor.len()),
        replacement: format!(" from \"{column}\""),
    })
}

fn misnamed(said: &str, declared: &str, declaration: Span, uses: &[Span]) -> Diagnostic {
    let message = format!("nothing says `{declared}`, and `{said}` is declared nowhere");
    let diagnostic = Diagnostic::new(Code::E0203, message, declaration, "perhaps misspelt here");
    let diagnostic = uses.iter().fold(diagnostic, |diagnostic, place| {
        diagnostic.label(*place, format!("`{said}` here"))
    });
    diagnostic.maybe(format!("declare `{said}`"), declaration, said)
}
