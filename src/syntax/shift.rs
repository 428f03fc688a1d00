//! Moves a parsed file to its place in the positions of a source of several files.

use super::Parsed;
use super::ast::{Atom, AtomKind, Block, Doc, File, Statement};
use crate::diagnostics::Diagnostic;
use crate::source::Span;

/// Moves every place by `base` bytes.
pub(super) fn shift(parsed: &mut Parsed, base: usize) {
    if base == 0 {
        return;
    }
    file(&mut parsed.file, base);
    for diagnostic in &mut parsed.diagnostics {
        message(diagnostic, base);
    }
}

fn span(span: &mut Span, base: usize) {
    *span = Span::new(span.start + base, span.end + base);
}

fn file(file: &mut File, base: usize) {
    statements(&mut file.statements, base);
    for comment in &mut file.comments {
        span(&mut comment.span, base);
    }
    for stray in &mut file.stray_docs {
        doc(stray, base);
    }
}

fn doc(doc: &mut Doc, base: usize) {
    for line in &mut doc.lines {
        span(line, base);
    }
}

fn statements(statements: &mut [Statement], base: usize) {
    for statement in statements {
        if let Some(comment) = &mut statement.doc {
            doc(comment, base);
        }
        span(&mut statement.word.span, base);
        span(&mut statement.head, base);
        atoms(&mut statement.atoms, base);
        if let Some(inner) = &mut statement.block {
            block(inner, base);
        }
    }
}

fn block(block: &mut Block, base: usize) {
    span(&mut block.span, base);
    statements(&mut block.statements, base);
}

fn atoms(list: &mut [Atom], base: usize) {
    for atom in list {
        span(&mut atom.span, base);
        if let AtomKind::List(items) = &mut atom.kind {
            atoms(items, base);
        }
    }
}

fn message(diagnostic: &mut Diagnostic, base: usize) {
    span(&mut diagnostic.primary.span, base);
    for label in &mut diagnostic.secondary {
        span(&mut label.span, base);
    }
    for edit in diagnostic.fix.iter_mut().flat_map(|fix| &mut fix.edits) {
        span(&mut edit.span, base);
    }
}
