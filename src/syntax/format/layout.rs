//! Which statements fit on a line, and which columns lines that stand together share.

use super::tree::{Body, Braces, ItemKind, List, Node, Piece};
use super::{LONGEST, WIDTH};
use unicode_width::UnicodeWidthStr;

/// A statement on one line: its columns.
pub(super) struct Line<'a> {
    pub word: &'a str,
    /// The rest of its head; may be empty.
    pub rest: String,
    /// Its block; empty if there is none.
    pub block: String,
}

/// Columns that lines share: the least widths of their words and of the rests of their heads.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Columns {
    word: usize,
    rest: usize,
}

/// Columns of a terminal that a text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

impl<'a> Line<'a> {
    /// The statement on one line, if its author, its comments and the width allow it.
    pub fn of(node: &Node<'a>, indent: usize) -> Option<Self> {
        let line = Self::unbounded(node)?;
        (indent + line.width(Columns::default()) <= WIDTH).then_some(line)
    }

    fn unbounded(node: &Node<'a>) -> Option<Self> {
        Some(Self {
            word: node.word,
            rest: rest(node)?,
            block: match &node.block {
                Some(block) => braces(block)?,
                None => String::new(),
            },
        })
    }

    /// The line, with columns at least as wide as asked for.
    pub fn text(&self, columns: Columns) -> String {
        let mut text = self.word.to_owned();
        let mut column = columns.word;
        if !self.rest.is_empty() {
            pad(&mut text, column);
            column = width(&text) + 1 + columns.rest;
            text.push(' ');
            text.push_str(&self.rest);
        }
        if !self.block.is_empty() {
            pad(&mut text, column);
            text.push(' ');
            text.push_str(&self.block);
        }
        text
    }

    /// Whether it says `NAME = …`.
    pub fn is_equation(&self) -> bool {
        self.rest.starts_with('=')
    }

    fn width(&self, columns: Columns) -> usize {
        width(&self.text(columns))
    }
}

/// The columns of lines that stand together: as many as keep all of them within the width.
pub(super) fn columns(lines: &[&Line<'_>], indent: usize) -> Columns {
    let has_more = |line: &&&Line<'_>| !line.rest.is_empty() || !line.block.is_empty();
    let has_all = |line: &&&Line<'_>| !line.rest.is_empty() && !line.block.is_empty();
    let words = lines.iter().filter(has_more).map(|line| width(line.word));
    let rests = lines.iter().filter(has_all).map(|line| width(&line.rest));
    let rests = rests.filter(|width| *width <= LONGEST);
    let (word, rest) = (words.max().unwrap_or(0), rests.max().unwrap_or(0));
    let fit = |columns: &Columns| {
        let widest = lines.iter().map(|line| line.width(*columns)).max();
        indent + widest.unwrap_or(0) <= WIDTH
    };
    [Columns { word, rest }, Columns { word, rest: 0 }]
        .into_iter()
        .find(fit)
        .unwrap_or_default()
}

/// What follows the first word of a head, if no list in it must be on several lines.
pub(super) fn rest(node: &Node<'_>) -> Option<String> {
    let pieces = node.pieces.iter().map(|piece| match piece {
        Piece::Token(token) => Some((*token).to_owned()),
        Piece::List(list) => brackets(list),
    });
    Some(pieces.collect::<Option<Vec<String>>>()?.join(" "))
}

/// A block on one line.
pub(super) fn braces(block: &Braces<'_>) -> Option<String> {
    if block.tall {
        return None;
    }
    let inside = statements(&block.body)?;
    Some(if inside.is_empty() {
        "{ }".to_owned()
    } else {
        format!("{{ {inside} }}")
    })
}

fn statements(body: &Body<'_>) -> Option<String> {
    let lines = body.items.iter().map(|item| match &item.kind {
        ItemKind::Statement(node) => Some(Line::unbounded(node)?.text(Columns::default())),
        ItemKind::Comment(_) | ItemKind::LoneComma => None,
    });
    Some(lines.collect::<Option<Vec<String>>>()?.join(", "))
}

fn brackets(list: &List<'_>) -> Option<String> {
    let values: Vec<&str> = list.entries.iter().map(|entry| entry.text).collect();
    (!list.tall).then(|| format!("[{}]", values.join(", ")))
}

/// Fills up with spaces.
pub(super) fn pad(text: &mut String, column: usize) {
    let missing = column.saturating_sub(width(text));
    text.extend(std::iter::repeat_n(' ', missing));
}
