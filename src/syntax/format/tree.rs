//! What is printed: statements with their comments, and the author's line ends as far as they
//! count.

use super::super::ast::{Atom, AtomKind, Block, Comment, File, Statement};
use crate::source::{Source, Span};

/// Contents of a file or block.
#[derive(Default)]
pub(super) struct Body<'a> {
    /// Comment behind the opening brace.
    pub opening: Option<&'a str>,
    pub items: Vec<Item<'a>>,
}

/// A statement, or a comment on a line of its own.
pub(super) struct Item<'a> {
    /// Whether a blank line stands before it, and it is not the first.
    pub blank: bool,
    pub kind: ItemKind<'a>,
    /// Comment behind it.
    pub trailing: Option<&'a str>,
}

pub(super) enum ItemKind<'a> {
    Statement(Node<'a>),
    Comment(&'a str),
    /// A comma alone on its line with a comment behind it. The comma is kept: without it a doc
    /// comment would become the next statement's.
    LoneComma,
}

/// A statement.
pub(super) struct Node<'a> {
    pub word: &'a str,
    pub pieces: Vec<Piece<'a>>,
    pub block: Option<Braces<'a>>,
}

/// A block.
pub(super) struct Braces<'a> {
    pub body: Body<'a>,
    /// Whether it must be on several lines: the author began its first line there, it has comments, or
    /// groups set apart by blank lines.
    pub tall: bool,
}

/// A part of a head.
pub(super) enum Piece<'a> {
    Token(&'a str),
    List(List<'a>),
}

/// A list.
pub(super) struct List<'a> {
    /// Comment behind the opening bracket.
    pub opening: Option<&'a str>,
    pub entries: Vec<Entry<'a>>,
    /// As of [`Braces`].
    pub tall: bool,
}

/// A value, or a comment on a line of its own.
pub(super) struct Entry<'a> {
    pub text: &'a str,
    pub is_comment: bool,
    /// Whether the author began a line with it.
    pub starts_line: bool,
    /// As of [`Item`].
    pub blank: bool,
    /// Comment behind it.
    pub trailing: Option<&'a str>,
}

/// Reads a file that has no syntax errors.
pub(super) fn read<'a>(source: &'a Source, file: &'a File) -> Body<'a> {
    let mut reader = Reader {
        source,
        comments: &file.comments,
    };
    let text = Span::new(0, source.text().len());
    reader.body(&file.statements, text, Opening::Nothing)
}

/// Whether a body starts behind a brace, where a comment may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opening {
    Brace,
    Nothing,
}

struct Reader<'a> {
    source: &'a Source,
    /// Those not passed yet, by place.
    comments: &'a [Comment],
}

impl<'a> Reader<'a> {
    /// `inside` is what lies between the braces.
    fn body(&mut self, statements: &'a [Statement], inside: Span, opening: Opening) -> Body<'a> {
        let mut body = Body::default();
        let mut end = inside.start;
        for statement in statements {
            end = self.comments(&mut body, end, statement.head.start, opening);
            let item = Item {
                blank: !body.items.is_empty() && self.is_blank(end, statement.head.start),
                kind: ItemKind::Statement(self.statement(statement)),
                trailing: None,
            };
            body.items.push(item);
            end = statement.span().end;
        }
        self.comments(&mut body, end, inside.end, opening);
        body
    }

    /// Adds the comments between the last item's end and the next item; the end of the last one.
    fn comments(
        &mut self,
        body: &mut Body<'a>,
        mut end: usize,
        until: usize,
        opening: Opening,
    ) -> usize {
        while let Some(comment) = self.next_comment(until) {
            let text = self.source.slice(comment.span);
            let blank = !body.items.is_empty() && self.is_blank(end, comment.span.start);
            let same_line = !comment.own_line && !self.has_line_end(end, comment.span.start);
            let item = |kind, trailing| Item {
                blank,
                kind,
                trailing,
            };
            match (body.items.last_mut(), same_line) {
                (Some(last), true) => last.trailing = Some(text),
                (None, true) if opening == Opening::Brace => body.opening = Some(text),
                _ if comment.own_line => body.items.push(item(ItemKind::Comment(text), None)),
                _ => body.items.push(item(ItemKind::LoneComma, Some(text))),
            }
            end = comment.span.end;
        }
        end
    }

    fn statement(&mut self, statement: &'a Statement) -> Node<'a> {
        Node {
            word: self.source.slice(statement.word.span),
            pieces: statement
                .atoms
                .iter()
                .map(|atom| self.piece(atom))
                .collect(),
            block: statement.block.as_ref().map(|block| self.block(block)),
        }
    }

    fn piece(&mut self, atom: &'a Atom) -> Piece<'a> {
        match &atom.kind {
            AtomKind::List(values) => Piece::List(self.list(values, atom.span)),
            AtomKind::Word(_)
            | AtomKind::Number(_)
            | AtomKind::Text(_)
            | AtomKind::Equals
            | AtomKind::And
            | AtomKind::Range => Piece::Token(self.source.slice(atom.span)),
        }
    }

    fn block(&mut self, block: &'a Block) -> Braces<'a> {
        let inside = within(block.span);
        let has_comments = self.has_comment(inside.end);
        let first = block.statements.first();
        let begins_line =
            first.is_some_and(|first| self.has_line_end(inside.start, first.head.start));
        let body = self.body(&block.statements, inside, Opening::Brace);
        let has_groups = body.items.iter().any(|item| item.blank);
        Braces {
            body,
            tall: has_comments || begins_line || has_groups,
        }
    }

    fn list(&mut self, values: &'a [Atom], span: Span) -> List<'a> {
        let inside = within(span);
        let has_comments = self.has_comment(inside.end);
        let first = values.first();
        let begins_line =
            first.is_some_and(|first| self.has_line_end(inside.start, first.span.start));
        let mut list = List {
            opening: None,
            entries: Vec::new(),
            tall: has_comments || begins_line,
        };
        let mut end = inside.start;
        for value in values {
            end = self.list_comments(&mut list, end, value.span.start);
            let entry = self.entry(value.span, end, &list);
            list.entries.push(entry);
            end = value.span.end;
        }
        self.list_comments(&mut list, end, inside.end);
        list.tall |= list.entries.iter().any(|entry| entry.blank);
        list
    }

    /// As `comments`, for a list: in it no comment documents anything, so that one behind a comma
    /// alone may stand on a line of its own.
    fn list_comments(&mut self, list: &mut List<'a>, mut end: usize, until: usize) -> usize {
        while let Some(comment) = self.next_comment(until) {
            let text = self.source.slice(comment.span);
            let free = !comment.own_line;
            match list.entries.last_mut() {
                Some(last) if free && !last.is_comment && last.trailing.is_none() => {
                    last.trailing = Some(text);
                }
                None if free && list.opening.is_none() => list.opening = Some(text),
                _ => {
                    let entry = Entry {
                        is_comment: true,
                        ..self.entry(comment.span, end, list)
                    };
                    list.entries.push(entry);
                }
            }
            end = comment.span.end;
        }
        end
    }

    fn entry(&self, span: Span, end: usize, list: &List<'a>) -> Entry<'a> {
        Entry {
            text: self.source.slice(span),
            is_comment: false,
            starts_line: self.has_line_end(end, span.start),
            blank: !list.entries.is_empty() && self.is_blank(end, span.start),
            trailing: None,
        }
    }

    fn next_comment(&mut self, until: usize) -> Option<Comment> {
        let (first, rest) = self.comments.split_first()?;
        (first.span.start < until).then(|| {
            self.comments = rest;
            *first
        })
    }

    fn has_comment(&self, until: usize) -> bool {
        let next = self.comments.first();
        next.is_some_and(|comment| comment.span.start < until)
    }

    fn has_line_end(&self, start: usize, end: usize) -> bool {
        self.source.slice(Span::new(start, end)).contains('\n')
    }

    /// Whether a whole line between two places has nothing on it.
    fn is_blank(&self, start: usize, end: usize) -> bool {
        let gap = self.source.slice(Span::new(start, end));
        let mut lines = gap.split('\n').skip(1).peekable();
        std::iter::from_fn(|| lines.next().filter(|_| lines.peek().is_some()))
            .any(|line| line.trim_matches(['\u{FEFF}', ' ', '\t', '\r']).is_empty())
    }
}

/// A block or list without its braces or brackets.
fn within(span: Span) -> Span {
    Span::new(span.start + 1, span.end.saturating_sub(1))
}
