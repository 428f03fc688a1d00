//! The formatter: one way to lay out a spec.
//!
//! A statement that stands on one line stays there if it fits; any other has its block's
//! statements on lines of their own. Statements on neighbouring lines are aligned. Comments, blank
//! lines (one at most) and the order of everything stay; the tree of the text stays the same.

mod align;
mod list;

use align::Line;

use super::ast::{Atom, AtomKind, Block, Comment, File, Statement};
use super::parse;
use crate::diagnostics::{Diagnostic, has_errors};
use crate::source::{Source, Span};

/// Widest line on which a statement with its block stays whole, before alignment.
const WIDTH: usize = 120;

/// Columns of a level.
const INDENT: usize = 2;

/// The formatted text of a source's root file.
///
/// # Errors
///
/// The syntax errors of the text: what cannot be read is not touched.
pub fn format(source: &Source) -> Result<String, Vec<Diagnostic>> {
    let parsed = parse(source);
    if has_errors(&parsed.diagnostics) {
        return Err(parsed.diagnostics);
    }
    let mut printer = Printer::new(source, &parsed.file);
    let end = source.text().len();
    printer.members(&parsed.file.statements, Span::new(0, end), 0);
    Ok(printer.output)
}

struct Printer<'a> {
    source: &'a Source,
    /// Comments that have not been printed, by place.
    comments: std::iter::Peekable<std::slice::Iter<'a, Comment>>,
    output: String,
}

impl<'a> Printer<'a> {
    fn new(source: &'a Source, file: &'a File) -> Self {
        Self {
            source,
            comments: file.comments.iter().peekable(),
            output: String::new(),
        }
    }

    /// The statements and comments of a place, each on a line of its own.
    fn members(&mut self, statements: &[Statement], place: Span, indent: usize) {
        let mut lines: Vec<Line> = vec![];
        let mut last = place.start;
        for statement in statements {
            let span = statement.span();
            self.comment_lines(&mut lines, &mut last, span.start);
            let blank = self.is_blank_before(last, span.start) && !lines.is_empty();
            let line = match self.flat(statement, indent) {
                Some(line) => line,
                None => Line::whole(self.broken(statement, indent)),
            };
            lines.push(Line { blank, ..line });
            last = span.end;
            if let Some(comment) = self.trailing(last, place.end) {
                last = comment.span.end;
                let text = self.text(&comment);
                if let Some(line) = lines.last_mut() {
                    line.comment = Some(text);
                }
            }
        }
        self.comment_lines(&mut lines, &mut last, place.end);
        align::write(&mut self.output, &lines, indent);
    }

    /// The comments before an offset that have lines of their own.
    fn comment_lines(&mut self, lines: &mut Vec<Line>, last: &mut usize, before: usize) {
        while let Some(comment) = self.comments.next_if(|next| next.span.start < before) {
            let blank = self.is_blank_before(*last, comment.span.start) && !lines.is_empty();
            let text = self.text(comment);
            lines.push(Line {
                blank,
                ..Line::comment(text)
            });
            *last = comment.span.end;
        }
    }

    /// The comment that follows `offset` on its line.
    fn trailing(&mut self, offset: usize, end: usize) -> Option<Comment> {
        let source = self.source;
        let follows = |next: &&Comment| {
            next.span.start >= offset
                && next.span.start < end
                && !source
                    .slice(Span::new(offset, next.span.start))
                    .contains('\n')
        };
        // Only a separator may stand between: what comes after another statement is that one's.
        let only_separator = |next: &&Comment| {
            let gap = source.slice(Span::new(offset, next.span.start));
            gap.chars().all(|c| c.is_whitespace() || c == ',')
        };
        self.comments
            .next_if(|next| follows(next) && only_separator(next))
            .copied()
    }

    fn text(&self, comment: &Comment) -> String {
        self.source.slice(comment.span).trim_end().to_owned()
    }

    fn is_blank_before(&self, last: usize, start: usize) -> bool {
        let gap = self.source.slice(Span::new(last, start));
        gap.bytes().filter(|byte| *byte == b'\n').count() > 1
    }

    /// A statement on one line, if it stands on one and fits.
    fn flat(&mut self, statement: &Statement, indent: usize) -> Option<Line> {
        let empty = statement
            .block
            .as_ref()
            .is_some_and(|block| self.is_empty(block));
        let place = if empty {
            statement.head
        } else {
            statement.span()
        };
        if self.source.slice(place).contains('\n') {
            return None;
        }
        let line = Line {
            word: statement.word.text.clone(),
            rest: self.atoms(&statement.atoms),
            block: statement.block.as_ref().map(|block| self.inline(block)),
            ..Line::default()
        };
        (line.width() + indent <= WIDTH || statement.block.is_none()).then_some(line)
    }

    /// A block on one line.
    fn inline(&self, block: &Block) -> String {
        let statements: Vec<String> = block
            .statements
            .iter()
            .map(|statement| {
                let inner = statement.block.iter().map(|inner| self.inline(inner));
                let rest = Some(self.atoms(&statement.atoms)).filter(|rest| !rest.is_empty());
                let parts = std::iter::once(statement.word.text.clone()).chain(rest);
                parts.chain(inner).collect::<Vec<_>>().join(" ")
            })
            .collect();
        match statements.is_empty() {
            true => "{ }".to_owned(),
            false => format!("{{ {} }}", statements.join(", ")),
        }
    }

    fn atoms(&self, atoms: &[Atom]) -> String {
        let texts: Vec<String> = atoms.iter().map(|atom| self.atom(atom)).collect();
        texts.join(" ")
    }

    fn atom(&self, atom: &Atom) -> String {
        match &atom.kind {
            AtomKind::List(items) => {
                let items: Vec<String> = items.iter().map(|item| self.atom(item)).collect();
                format!("[{}]", items.join(", "))
            }
            _ => self.source.slice(atom.span).to_owned(),
        }
    }

    /// A statement over several lines, the first one without its indentation.
    fn broken(&mut self, statement: &Statement, indent: usize) -> String {
        let mut text = statement.word.text.clone();
        for atom in &statement.atoms {
            text.push(' ');
            match &atom.kind {
                AtomKind::List(items) if self.source.slice(atom.span).contains('\n') => {
                    text += &self.broken_list(items, atom.span, indent);
                }
                _ => text += &self.atom(atom),
            }
        }
        let Some(block) = &statement.block else {
            return text;
        };
        if self.is_empty(block) {
            return text + " { }";
        }
        let inside = inside(block);
        text += " {";
        if let Some(comment) = self.trailing(inside.start, inside.end) {
            text = format!("{text} {}", self.text(&comment));
        }
        text.push('\n');
        let before = std::mem::take(&mut self.output);
        self.members(&block.statements, inside, indent + INDENT);
        text += &std::mem::replace(&mut self.output, before);
        text + &format!("{:indent$}}}", "")
    }

    /// Whether a block holds neither statements nor comments; all before it has been printed.
    fn is_empty(&mut self, block: &Block) -> bool {
        let end = inside(block).end;
        let comment = self.comments.peek();
        block.statements.is_empty() && comment.is_none_or(|next| next.span.start >= end)
    }
}

/// What stands between the braces.
fn inside(block: &Block) -> Span {
    Span::new(block.span.start + 1, block.span.end.saturating_sub(1))
}
