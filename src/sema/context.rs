//! What every check needs: the source, and a place to report to.

use crate::diagnostics::{Applicability, Code, Diagnostic, Edit};
use crate::sema::literals::Text;
use crate::sema::symbols::SymbolIndex;
use crate::source::{Read, Source, Span, beside};
use crate::syntax::ast::{Block, Doc, Statement};

/// Collects diagnostics. Checks never stop at one.
pub(super) struct Context<'a> {
    source: &'a Source,
    read: &'a Read<'a>,
    pub diagnostics: Vec<Diagnostic>,
    pub index: SymbolIndex,
}

impl<'a> Context<'a> {
    pub fn new(source: &'a Source, read: &'a Read<'a>) -> Self {
        Self {
            source,
            read,
            diagnostics: Vec::new(),
            index: SymbolIndex::default(),
        }
    }

    pub fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Reads something that has been complained about: what else is wrong with it is no news.
    pub fn silently<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let reported = self.diagnostics.len();
        let result = read(self);
        self.diagnostics.truncate(reported);
        result
    }

    /// Name and text of a file that the spec names; else its name and why it cannot be read.
    pub fn read_file(&self, path: &Text) -> Result<(String, String), (String, String)> {
        let (from, _) = self.source.file(path.span.start);
        let name = beside(from, &path.text);
        match (self.read)(&name) {
            Ok(text) => Ok((name, text)),
            Err(reason) => Err((name, reason)),
        }
    }

    /// A place for the runtime's messages: the line, and the file unless it is the spec's own.
    /// The same whatever folder the compiler runs in.
    pub fn place(&self, span: Span) -> String {
        let line = self.source.line(span.start);
        let (file, _) = self.source.file(span.start);
        let root = self.source.name();
        if file == root {
            return format!("line {line}");
        }
        let folder = root
            .rfind('/')
            .map_or("", |end| root.get(..=end).unwrap_or(""));
        let inside = file
            .strip_prefix(folder)
            .filter(|rest| !rest.starts_with(['/', '.']));
        let name = file.rsplit('/').next().unwrap_or(file);
        format!("line {line} of {}", inside.unwrap_or(name))
    }

    /// Text of a place.
    pub fn text(&self, span: Span) -> &'a str {
        self.source.slice(span)
    }

    /// The rest of the line after an offset.
    pub fn rest_of_line(&self, offset: usize) -> &'a str {
        let rest = self
            .source
            .slice(Span::new(offset, self.source.text().len()));
        rest.lines().next().unwrap_or("")
    }

    /// Reports a statement that lacks its block, unless it has been complained about.
    pub fn require_block<'s>(&mut self, statement: &'s Statement, form: &str) -> Option<&'s Block> {
        if statement.block.is_none() && !statement.damaged {
            let message = format!("`{}` has no block", statement.word.text);
            self.report(
                Diagnostic::new(
                    Code::E0303,
                    message,
                    statement.head,
                    "expected `{` after this",
                )
                .help(format!("write it as `{form}`")),
            );
        }
        statement.block.as_ref()
    }

    /// Reports a block where none belongs.
    pub fn refuse_block(&mut self, statement: &Statement, form: &str) {
        if let Some(block) = &statement.block {
            let message = format!("`{}` takes no block", statement.word.text);
            let brace = Span::new(block.span.start, block.span.start + 1);
            self.report(
                Diagnostic::new(
                    Code::E0303,
                    message,
                    brace,
                    "this block does not belong here",
                )
                .label(statement.word.span, "to this statement")
                .help(format!("write it as `{form}`")),
            );
        }
    }

    /// Warns of a doc comment before something that is shown nowhere.
    pub fn refuse_doc(&mut self, statement: &Statement) {
        if let Some(doc) = &statement.doc {
            let owner = format!(
                "a doc comment of `{}` is shown nowhere",
                statement.word.text
            );
            self.unused_doc(doc, owner);
        }
    }

    /// Warns of a doc comment that nothing follows.
    pub fn stray_doc(&mut self, doc: &Doc) {
        self.unused_doc(doc, "this doc comment documents nothing".to_owned());
    }

    fn unused_doc(&mut self, doc: &Doc, message: String) {
        let Some(first) = doc.lines.first() else {
            return;
        };
        let slashes = |line: &Span| Span::new(line.start, line.start + 3);
        let edit = |line| Edit {
            span: slashes(line),
            replacement: "//".to_owned(),
        };
        self.report(
            Diagnostic::new(Code::W0502, message, *first, "")
                .note("doc comments stand on lines of their own before `model`, a surface, a product, a task, a table, a feature or a variant")
                .fix_all(
                    Applicability::MaybeIncorrect,
                    "make it an ordinary comment",
                    doc.lines.iter().map(edit).collect(),
                ),
        );
    }
}

/// The text of a statement's doc comment; empty without one.
pub(super) fn doc(statement: &Statement) -> String {
    statement
        .doc
        .as_ref()
        .map(|doc| doc.text.clone())
        .unwrap_or_default()
}
