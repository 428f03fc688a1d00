//! The syntax tree: statements of words and atoms, some with a block. What the words mean is
//! sema's business.

use crate::source::Span;

/// A file.
#[derive(Debug, Clone, Default)]
pub struct File {
    /// Statements of the file, in its order.
    pub statements: Vec<Statement>,
    /// All comments, by place; doc comments too. For the formatter.
    pub comments: Vec<Comment>,
    /// Doc comments that no statement follows.
    pub stray_docs: Vec<Doc>,
    /// Whether something that may have been a statement could not be read.
    pub damaged: bool,
}

/// A comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comment {
    /// From the first slash to the end of the line.
    pub span: Span,
    /// `///`, not `//` and not `////`.
    pub doc: bool,
    /// Whether nothing but white space stands before it on its line.
    pub own_line: bool,
}

/// The doc comment of a statement: the lines, joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doc {
    /// The text, without slashes.
    pub text: String,
    /// Each line, from its slashes; at least one.
    pub lines: Vec<Span>,
}

/// A word, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The word.
    pub text: String,
    /// Its place.
    pub span: Span,
}

/// A statement: a word, atoms, perhaps a block.
#[derive(Debug, Clone)]
pub struct Statement {
    /// The doc comment before it.
    pub doc: Option<Doc>,
    /// The first word.
    pub word: Word,
    /// What stands between the first word and the block.
    pub atoms: Vec<Atom>,
    /// The block.
    pub block: Option<Block>,
    /// From the first word to the end of the last atom.
    pub head: Span,
    /// Whether its head has been complained about: what it lacks is then no news.
    pub damaged: bool,
}

/// A block of statements.
#[derive(Debug, Clone)]
pub struct Block {
    /// Statements, in order.
    pub statements: Vec<Statement>,
    /// With its braces.
    pub span: Span,
    /// Whether something in it, or its end, could not be read: what it lacks is then no news.
    pub damaged: bool,
}

/// A part of a statement's head.
#[derive(Debug, Clone, PartialEq)]
pub struct Atom {
    /// What it is.
    pub kind: AtomKind,
    /// Its place.
    pub span: Span,
}

/// What an atom is.
#[derive(Debug, Clone, PartialEq)]
pub enum AtomKind {
    /// A word.
    Word(String),
    /// A number.
    Number(Number),
    /// A string, its escapes resolved.
    Text(String),
    /// A list of words, numbers and strings.
    List(Vec<Atom>),
    /// `=`
    Equals,
    /// `&`
    And,
    /// `..`
    Range,
}

/// A number as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    /// As it stands in the file, underscores and all.
    pub text: String,
    /// Its value if it is written as a whole number and fits.
    pub whole: Option<i64>,
    /// Its value to double precision; infinite if it is too large.
    pub real: f64,
}

impl Number {
    /// Whether it is written without fraction and exponent.
    pub fn is_written_whole(&self) -> bool {
        !self.text.contains(['.', 'e', 'E'])
    }
}

impl Statement {
    /// From the first word to the end of the block, if it has one.
    pub fn span(&self) -> Span {
        self.block
            .as_ref()
            .map_or(self.head, |block| self.head.to(block.span))
    }
}

impl Atom {
    /// The word that it is, if it is one.
    pub fn as_word(&self) -> Option<Word> {
        match &self.kind {
            AtomKind::Word(text) => Some(Word {
                text: text.clone(),
                span: self.span,
            }),
            _ => None,
        }
    }
}

impl AtomKind {
    /// What people call it, with its article.
    pub fn describe(&self) -> &'static str {
        match self {
            Self::Word(_) => "a name",
            Self::Number(number) if number.is_written_whole() => "a whole number",
            Self::Number(_) => "a number with a fraction",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Equals => "`=`",
            Self::And => "`&`",
            Self::Range => "`..`",
        }
    }
}
