//! Renaming. The renamed spec is checked before the editor sees an edit: what would not compile is
//! refused with the message that it would get.

use super::analysis::{Analysis, View};
use super::cursor::has_word;
use super::documents::Documents;
use crate::diagnostics::{Diagnostic, Edit, Severity};
use crate::driver::load::Read;
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
        if let Some(error) = new_errors(spec, &own, &others)
            .first()
            .filter(|_| new != symbol.name)
        {
            return Err(error.message.clone());
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
    if let (NameKind::Feature(_), Some(place)) = (symbol.kind, spec.index.definition(symbol)) {
        edits.extend(keep_column(spec, place, &symbol.name));
    }
    edits.sort_by_key(|edit| edit.span);
    edits
}

/// A feature without `from` reads the column of its name: that column must be said from now on.
fn keep_column(spec: &Analysis, name: Span, column: &str) -> Option<Edit> {
    let (_, file) = spec.source.file(name.start);
    let statement = declaration(&spec.tree(file)?.statements, name)?;
    (!has_word(statement, "from")).then(|| Edit {
        span: Span::at(statement.head.end),
        replacement: format!(" from \"{column}\""),
    })
}

/// The statement that holds a name in its head.
fn declaration(statements: &[Statement], name: Span) -> Option<&Statement> {
    let holds = |span: Span| span.start <= name.start && name.end <= span.end;
    let outer = statements
        .iter()
        .find(|statement| holds(statement.span()))?;
    match &outer.block {
        Some(block) if !holds(outer.head) => declaration(&block.statements, name),
        _ => Some(outer),
    }
}

/// The errors that the spec would have after some edits, of the codes of which it would have more
/// than now. `others` reads the files that hold no names.
fn new_errors(spec: &Analysis, edits: &[Edit], others: &Read<'_>) -> Vec<Diagnostic> {
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
    let after = Analysis::new(root, text, &read, None);
    let errors = |spec: &Analysis| -> Vec<Diagnostic> {
        let all = spec.diagnostics.iter();
        all.filter(|found| found.severity == Severity::Error)
            .cloned()
            .collect()
    };
    let before = errors(spec);
    let mut now = errors(&after);
    let count = |all: &[Diagnostic], code| all.iter().filter(|found| found.code == code).count();
    let all = now.clone();
    now.retain(|found| count(&all, found.code) > count(&before, found.code));
    now
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
