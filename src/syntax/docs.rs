//! Doc comments: each belongs to the statement that follows it in its block.

use super::ast::{Comment, Doc, File, Statement};
use crate::source::{Source, Span};

/// Gives every statement its doc comment; what no statement follows becomes a stray doc.
pub(super) fn attach(source: &Source, file: &mut File) {
    let docs: Vec<Comment> = file
        .comments
        .iter()
        .filter(|comment| comment.doc)
        .copied()
        .collect();
    let mut cursor = Cursor {
        source,
        docs: &docs,
        stray: Vec::new(),
    };
    cursor.statements(&mut file.statements, source.text().len());
    file.stray_docs = cursor.stray;
}

/// Doc comments that have not been passed yet.
struct Cursor<'a> {
    source: &'a Source,
    docs: &'a [Comment],
    stray: Vec<Doc>,
}

impl<'a> Cursor<'a> {
    /// `end` is where the statements' block ends.
    fn statements(&mut self, statements: &mut [Statement], end: usize) {
        for statement in statements {
            statement.doc = self.before(statement.head.start);
            if let Some(block) = &mut statement.block {
                self.drop_before(block.span.start);
                self.statements(&mut block.statements, block.span.end);
            } else {
                self.drop_before(statement.head.end);
            }
        }
        self.drop_before(end);
    }

    /// Takes the doc comment before `offset`. Only whole lines are one: a doc comment at the end
    /// of a statement's line would document the wrong statement.
    fn before(&mut self, offset: usize) -> Option<Doc> {
        let taken = self.take(offset);
        let (own, trailing): (Vec<Comment>, Vec<Comment>) =
            taken.iter().partition(|comment| comment.own_line);
        self.stray(&trailing);
        self.join(&own)
    }

    fn drop_before(&mut self, offset: usize) {
        let taken = self.take(offset);
        self.stray(taken);
    }

    /// Comments at the end of a line stand alone; those on lines of their own are one.
    fn stray(&mut self, comments: &[Comment]) {
        for group in comments.chunk_by(|a, b| a.own_line && b.own_line) {
            self.stray.extend(self.join(group));
        }
    }

    fn take(&mut self, offset: usize) -> &'a [Comment] {
        let count = self
            .docs
            .iter()
            .take_while(|comment| comment.span.start < offset)
            .count();
        let (taken, rest) = self
            .docs
            .split_at_checked(count)
            .unwrap_or((self.docs, &[]));
        self.docs = rest;
        taken
    }

    fn join(&self, comments: &[Comment]) -> Option<Doc> {
        let spans: Vec<Span> = comments.iter().map(|comment| comment.span).collect();
        if spans.is_empty() {
            return None;
        }
        let line = |comment: &Comment| {
            let text = self.source.slice(comment.span);
            let text = text.strip_prefix("///").unwrap_or(text);
            text.strip_prefix(' ').unwrap_or(text).to_owned()
        };
        let lines: Vec<String> = comments.iter().map(line).collect();
        Some(Doc {
            text: lines.join("\n").trim().to_owned(),
            lines: spans,
        })
    }
}
