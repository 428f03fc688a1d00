//! Writes bodies, statements and lists.

use super::layout::{self, Line, columns, pad, width};
use super::tree::{Body, Braces, Entry, Item, ItemKind, List, Node, Piece};
use super::{INDENT, WIDTH};

/// The text of a file.
pub(super) fn print(body: &Body<'_>) -> String {
    let mut printer = Printer {
        output: String::new(),
        line: String::new(),
    };
    printer.body(body, 0);
    printer.output
}

struct Printer {
    output: String,
    /// The line that is being written.
    line: String,
}

/// An item, its statement on one line if that may be.
struct Row<'a, 'b> {
    item: &'b Item<'a>,
    line: Option<Line<'a>>,
}

impl Row<'_, '_> {
    /// Whether lines before and after it share no columns.
    fn parts(&self) -> bool {
        matches!(self.item.kind, ItemKind::Statement(_)) && self.line.is_none()
    }
}

impl Printer {
    fn body(&mut self, body: &Body<'_>, indent: usize) {
        let rows: Vec<Row<'_, '_>> = body
            .items
            .iter()
            .map(|item| Row {
                item,
                line: match &item.kind {
                    ItemKind::Statement(node) => Line::of(node, indent),
                    ItemKind::Comment(_) | ItemKind::LoneComma => None,
                },
            })
            .collect();
        let together = |a: &Row<'_, '_>, b: &Row<'_, '_>| !b.item.blank && !a.parts() && !b.parts();
        for group in rows.chunk_by(together) {
            self.group(group, indent);
        }
    }

    /// Rows that share columns.
    fn group(&mut self, rows: &[Row<'_, '_>], indent: usize) {
        let lines = || rows.iter().filter_map(|row| row.line.as_ref());
        // `others skip` has no part in the column of the `=` above it.
        let (equations, settings): (Vec<_>, Vec<_>) = lines().partition(|line| line.is_equation());
        let (equations, settings) = (columns(&equations, indent), columns(&settings, indent));
        let columns_of = |line: &Line<'_>| match line.is_equation() {
            true => equations,
            false => settings,
        };
        let commented = rows.iter().filter(|row| row.item.trailing.is_some());
        let comment_column = commented
            .filter_map(|row| row.line.as_ref())
            .map(|line| indent + width(&line.text(columns_of(line))))
            .max()
            .unwrap_or(0);
        for row in rows {
            if row.item.blank {
                self.output.push('\n');
            }
            self.start(indent);
            match (&row.item.kind, &row.line) {
                (_, Some(line)) => self.line.push_str(&line.text(columns_of(line))),
                (ItemKind::Statement(node), None) => self.tall(node, indent),
                (ItemKind::Comment(text), None) => self.line.push_str(text),
                (ItemKind::LoneComma, None) => self.line.push(','),
            }
            if let Some(comment) = row.item.trailing {
                if row.line.is_some() {
                    pad(&mut self.line, comment_column);
                }
                self.comment(comment);
            }
            self.end();
        }
    }

    /// A statement on several lines, or too wide for one.
    fn tall(&mut self, node: &Node<'_>, indent: usize) {
        self.line.push_str(node.word);
        let head = layout::rest(node);
        // The brace of a block is part of the head's line.
        let brace = if node.block.is_some() { 2 } else { 0 };
        let fits = |rest: &String| width(&self.line) + 1 + width(rest) + brace <= WIDTH;
        // With no list that its author broke, the width breaks all of them or none.
        let break_all = head.as_ref().is_some_and(|rest| !fits(rest));
        for piece in &node.pieces {
            self.line.push(' ');
            match piece {
                Piece::Token(token) => self.line.push_str(token),
                Piece::List(list) if list.tall || break_all => self.list(list, indent),
                Piece::List(list) => {
                    let values: Vec<&str> = list.entries.iter().map(|entry| entry.text).collect();
                    self.line.push_str(&format!("[{}]", values.join(", ")));
                }
            }
        }
        if let Some(block) = &node.block {
            self.line.push(' ');
            self.block(block, indent);
        }
    }

    fn block(&mut self, block: &Braces<'_>, indent: usize) {
        let flat = layout::braces(block);
        if let Some(flat) = flat.filter(|flat| width(&self.line) + width(flat) <= WIDTH) {
            self.line.push_str(&flat);
            return;
        }
        self.line.push('{');
        if let Some(comment) = block.body.opening {
            self.comment(comment);
        }
        self.end();
        self.body(&block.body, indent + INDENT);
        self.start(indent);
        self.line.push('}');
    }

    /// A list on several lines: the author's, and more where they are too wide.
    fn list(&mut self, list: &List<'_>, indent: usize) {
        if list.entries.is_empty() && list.opening.is_none() {
            self.line.push_str("[]");
            return;
        }
        self.line.push('[');
        if let Some(comment) = list.opening {
            self.comment(comment);
        }
        let mut alone = true;
        for entry in &list.entries {
            let too_wide = width(&self.line) + 1 + width(entry.text) + 1 > WIDTH;
            if alone || entry.starts_line || entry.is_comment || too_wide {
                self.end();
                if entry.blank {
                    self.output.push('\n');
                }
                self.start(indent + INDENT);
            } else {
                self.line.push(' ');
            }
            self.entry(entry);
            alone = entry.is_comment || entry.trailing.is_some();
        }
        self.end();
        self.start(indent);
        self.line.push(']');
    }

    fn entry(&mut self, entry: &Entry<'_>) {
        self.line.push_str(entry.text);
        if !entry.is_comment {
            self.line.push(',');
        }
        if let Some(comment) = entry.trailing {
            self.comment(comment);
        }
    }

    fn comment(&mut self, text: &str) {
        self.line.push(' ');
        self.line.push_str(text);
    }

    fn start(&mut self, indent: usize) {
        pad(&mut self.line, indent);
    }

    fn end(&mut self) {
        self.output.push_str(&self.line);
        self.output.push('\n');
        self.line.clear();
    }
}
