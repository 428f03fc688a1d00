//! Renaming. The renamed spec is checked before the editor sees an edit: what would not compile is
//! refused with the message that it would get.

use super::analysis::{Analysis, View};
use super::cursor::has_word;
use super::documents::Documents;
use super::meaning::meaning;
use crate::diagnostics::{Diagnostic, Edit, Severity};
use crate::driver::load::Read;
use crate::sema::spec::{Spec, Tower};
use crate::sema::{self, NameKind, Symbol};
use crate::source::{Source, Span};
use crate::syntax::ast::Statement;
use gen_lsp_types::{PrepareRenamePlaceholder, WorkspaceEdit};
use std::collections::BTreeMap;

/// The name at an offset that can be renamed.
pub(super) fn prepare(view: &View, offset: usize) -> Option<PrepareRenamePlaceholder> {
    let (span, symbol) = view.symbol(offset)?;
    Some(PrepareRenamePlaceholder {
        range: view.range(span),
        placeholder: symbol.name.clone(),
    })
}

/// The edits that rename what the name at an offset names, in all files of all open specs; why
/// not, if the new name cannot be one.
pub(super) fn rename(
    view: &View,
    offset: usize,
    new: &str,
    documents: &mut Documents,
    read: &Read<'_>,
) -> Result<WorkspaceEdit, String> {
    let Some((_, symbol)) = view.symbol(offset) else {
        return Err("there is no name of the spec here".to_owned());
    };
    if let Some(objection) = sema::objection(symbol.kind, new) {
        return Err(objection);
    }
    let specs = documents.naming(view, symbol, read);
    if specs.iter().any(|spec| spec.part) {
        return Err(
            "this file is a part: open the spec that uses it, so that its names are known"
                .to_owned(),
        );
    }
    let mut edits = Vec::new();
    for spec in &specs {
        let own = edits_of(spec, symbol, new);
        let others = |path: &str| documents.read(path, read);
        let after = renamed(spec, &own, &others);
        let objection = || new_error(spec, &after).or_else(|| change(spec, &after, symbol, new));
        if let Some(why) = (new != symbol.name).then(objection).flatten() {
            return Err(why);
        }
        edits.push((&spec.source, own));
    }
    let all = edits
        .iter()
        .flat_map(|(source, own)| own.iter().map(move |edit| (*source, edit)));
    Ok(documents.edit(all))
}

/// The edits that rename a symbol in one spec, ascending.
fn edits_of(spec: &Analysis, symbol: &Symbol, new: &str) -> Vec<Edit> {
    let rewrite = |span| Edit {
        span,
        replacement: new.to_owned(),
    };
    let places = spec.index.occurrences(symbol).into_iter();
    let mut edits: Vec<Edit> = places.map(rewrite).collect();
    if let NameKind::Feature(tower) = symbol.kind {
        let places = spec.index.occurrences(symbol).into_iter();
        edits.extend(places.filter_map(|place| keep_column(spec, symbol, tower, place)));
    }
    edits.sort_by_key(|edit| edit.span);
    edits
}

/// A declaration without `from` reads the column of the feature's name: that column must be said
/// from now on.
fn keep_column(spec: &Analysis, symbol: &Symbol, tower: Tower, name: Span) -> Option<Edit> {
    let path = path(spec, name)?;
    let statement = path.last()?;
    let declares = statement.atoms.first()?.span == name && statement.word.text != "without";
    if !declares || has_word(statement, "from") || builds_on_base(spec, symbol, &path) {
        return None;
    }
    let said = match variant_of(spec, &path) {
        Some(variant) => variant.as_ref(),
        None => spec.checked(),
    };
    // The column of a variant's feature may be that which its spec says.
    let column = said.and_then(|said| column(said, tower, &symbol.name));
    let reads_name = column.is_none_or(|column| column == symbol.name);
    reads_name.then(|| Edit {
        span: Span::at(statement.head.end),
        replacement: format!(" from \"{}\"", symbol.name),
    })
}

/// Whether a declaration, the last of the statements around it, is one of a variant that says
/// nothing but a name and a block: whatever else it is, its spec says.
fn builds_on_base(spec: &Analysis, symbol: &Symbol, path: &[&Statement]) -> bool {
    let [variant, .., section, statement] = path else {
        return false;
    };
    let bare = statement.block.is_some() && statement.atoms.len() <= 1;
    let inner = section.block.iter().flat_map(|block| &block.statements);
    let removed = inner
        .filter(|inner| inner.word.text == "without")
        .any(|without| {
            let mut named = spec.index.occurrences(symbol).into_iter();
            named.any(|place| holds(without.head, place))
        });
    let base = spec.index.definition(symbol);
    let in_base = base.is_some_and(|place| {
        let path = self::path(spec, place).unwrap_or_default();
        path.first().is_some_and(|outer| !is_variant(outer))
    });
    is_variant(variant) && bare && in_base && !removed
}

/// The spec of the variant that a statement stands in; the inner `None` if that has an error.
fn variant_of<'a>(spec: &'a Analysis, path: &[&Statement]) -> Option<&'a Option<Spec>> {
    let outer = path.first().filter(|outer| is_variant(outer))?;
    let name = outer.atoms.first()?.as_word()?;
    let mut variants = spec.variants().iter();
    let variant = variants.find(|variant| variant.name == name.text)?;
    Some(&variant.spec)
}

fn is_variant(statement: &Statement) -> bool {
    statement.word.text == "variant"
}

/// The column that a feature reads.
fn column<'s>(spec: &'s Spec, tower: Tower, name: &str) -> Option<&'s str> {
    let features = match tower {
        Tower::Query => &spec.query,
        Tower::Item => &spec.item,
    };
    let feature = features.iter().find(|feature| feature.name == name)?;
    Some(&feature.column)
}

/// The statements around a name, from the outermost to the one that holds it in its head.
fn path(spec: &Analysis, name: Span) -> Option<Vec<&Statement>> {
    let (_, file) = spec.source.file(name.start);
    let mut statements = &spec.tree(file)?.statements;
    let mut path = Vec::new();
    while let Some(outer) = statements.iter().find(|outer| holds(outer.span(), name)) {
        path.push(outer);
        match &outer.block {
            Some(block) if !holds(outer.head, name) => statements = &block.statements,
            _ => break,
        }
    }
    Some(path)
}

fn holds(outer: Span, inner: Span) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// What the spec would be after some edits. `others` reads the files that hold no names.
fn renamed(spec: &Analysis, edits: &[Edit], others: &Read<'_>) -> Analysis {
    let texts: BTreeMap<String, String> = spec
        .source
        .files()
        .map(|(path, file)| (path.to_owned(), apply(&spec.source, file, edits)))
        .collect();
    let root = spec.source.name();
    let read = |path: &str| match texts.get(path) {
        Some(text) => Ok(text.clone()),
        None => others(path),
    };
    let text = texts.get(root).cloned().unwrap_or_default();
    Analysis::new(root, text, &read, None)
}

/// The message of an error of a code of which there would be more than now.
fn new_error(before: &Analysis, after: &Analysis) -> Option<String> {
    let errors = |spec: &Analysis| -> Vec<Diagnostic> {
        let all = spec.diagnostics.iter();
        all.filter(|found| found.severity == Severity::Error)
            .cloned()
            .collect()
    };
    let (before, now) = (errors(before), errors(after));
    let count = |all: &[Diagnostic], code| all.iter().filter(|found| found.code == code).count();
    let mut more = now
        .iter()
        .filter(|found| count(&now, found.code) > count(&before, found.code));
    more.next().map(|found| found.message.clone())
}

/// Why a new name is more than that, for the spec or a variant of it. What has an error now means
/// nothing that could change.
fn change(before: &Analysis, after: &Analysis, symbol: &Symbol, new: &str) -> Option<String> {
    let now = Symbol {
        kind: symbol.kind,
        name: new.to_owned(),
    };
    let differs = |old: Option<&Spec>, new: Option<&Spec>| {
        let old = old.map(|spec| meaning(spec, symbol));
        old.is_some() && old != new.map(|spec| meaning(spec, &now))
    };
    let refusal = |what: &str| {
        let name = &symbol.name;
        format!("with `{new}` for `{name}`, {what} would not mean what it does now")
    };
    if differs(before.checked(), after.checked()) {
        return Some(refusal("the spec"));
    }
    let mut pairs = before.variants().iter().zip(after.variants());
    let (variant, _) = pairs.find(|(old, new)| differs(old.spec.as_ref(), new.spec.as_ref()))?;
    Some(refusal(&format!("variant `{}`", variant.name)))
}

/// The text of a file after the edits that lie in it; they are sorted.
fn apply(source: &Source, file: Span, edits: &[Edit]) -> String {
    let mut text = String::new();
    let mut at = file.start;
    for edit in edits {
        if file.start <= edit.span.start && edit.span.end <= file.end {
            text.push_str(source.slice(Span::new(at, edit.span.start)));
            text.push_str(&edit.replacement);
            at = edit.span.end;
        }
    }
    text.push_str(source.slice(Span::new(at, file.end)));
    text
}
