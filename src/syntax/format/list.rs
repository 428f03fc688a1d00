//! Lists over several lines: items stay on the lines that they share.

use super::super::ast::Atom;
use super::{INDENT, Printer};
use crate::source::Span;

impl Printer<'_> {
    /// A list that is broken over lines, from its bracket to its bracket.
    pub(super) fn broken_list(&mut self, items: &[Atom], place: Span, indent: usize) -> String {
        let inside = Span::new(place.start + 1, place.end.saturating_sub(1));
        let inner = format!("\n{:1$}", "", indent + INDENT);
        let mut text = "[".to_owned();
        // Whether a comment has ended the line: nothing else can follow on it.
        let mut ended = false;
        if let Some(comment) = self.trailing(inside.start, inside.end) {
            text += &format!(" {}", self.text(&comment));
        }
        let mut last = inside.start;
        for item in items {
            let mut breaks = last == inside.start || ended || self.breaks(last, item.span.start);
            while let Some(comment) = self
                .comments
                .next_if(|next| next.span.start < item.span.start)
            {
                text += &inner;
                text += &self.text(comment);
                breaks = true;
            }
            text += if breaks { &inner } else { " " };
            text += &self.atom(item);
            text.push(',');
            last = item.span.end;
            let comment = self.trailing(last, inside.end);
            ended = comment.is_some();
            if let Some(comment) = comment {
                text += &format!(" {}", self.text(&comment));
                last = comment.span.end;
            }
        }
        while let Some(comment) = self.comments.next_if(|next| next.span.start < inside.end) {
            text += &inner;
            text += &self.text(comment);
        }
        text + &format!("\n{:indent$}]", "")
    }

    fn breaks(&self, last: usize, start: usize) -> bool {
        self.source.slice(Span::new(last, start)).contains('\n')
    }
}
