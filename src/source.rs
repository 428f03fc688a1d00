//! Files, spans and the line index.

/// A range of byte offsets of a source, `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The span `start..end`; an end before the start gives the empty span at `start`.
    pub fn new(start: usize, end: usize) -> Self {
        Self {
            start,
            end: end.max(start),
        }
    }

    /// The empty span at `offset`.
    pub fn at(offset: usize) -> Self {
        Self::new(offset, offset)
    }

    /// The smallest span that holds both.
    pub fn to(self, other: Span) -> Self {
        Self::new(self.start.min(other.start), self.end.max(other.end))
    }
}

/// A spec's text, with an index of its lines.
#[derive(Debug, Clone)]
pub struct Source {
    name: String,
    text: String,
    /// Byte offset of each line's first character; never empty.
    lines: Vec<usize>,
}

impl Source {
    /// A source that diagnostics call `name`, usually the path as the user gave it.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0)
            .chain(starts.map(|(offset, _)| offset + 1))
            .collect();
        Self {
            name: name.into(),
            text,
            lines,
        }
    }

    /// What diagnostics call the source.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text of a span; empty if the span does not lie on character boundaries of the text.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or("")
    }

    /// Line and column of an offset, both from 1, the column in characters. An offset beyond the
    /// end is at the end.
    pub fn line_column(&self, offset: usize) -> (u32, u32) {
        let line = self.line_index(offset);
        let start = self.line_start(line);
        let before = self
            .text
            .get(start..offset.min(self.text.len()))
            .unwrap_or("");
        (saturate(line + 1), saturate(before.chars().count() + 1))
    }

    /// Line of an offset, from 1.
    pub fn line(&self, offset: usize) -> u32 {
        saturate(self.line_index(offset) + 1)
    }

    /// The span of whole lines, line ends included, that hold `span`.
    pub fn lines_of(&self, span: Span) -> Span {
        let first = self.line_index(span.start);
        let last = self.line_index(span.end.max(span.start));
        let end = self.lines.get(last + 1).copied().unwrap_or(self.text.len());
        Span::new(self.line_start(first), end)
    }

    fn line_index(&self, offset: usize) -> usize {
        self.lines
            .partition_point(|start| *start <= offset)
            .saturating_sub(1)
    }

    fn line_start(&self, line: usize) -> usize {
        self.lines.get(line).copied().unwrap_or(0)
    }
}

fn saturate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Source, Span};

    #[test]
    fn columns_count_characters() {
        let source = Source::new("a", "é = 1\n\tβγ");
        assert_eq!(source.line_column(0), (1, 1));
        assert_eq!(source.line_column(3), (1, 3));
        assert_eq!(source.line_column(source.text().len()), (2, 4));
        assert_eq!(source.line_column(999), (2, 4));
    }

    #[test]
    fn the_end_of_an_empty_source_is_its_start() {
        assert_eq!(Source::new("a", "").line_column(0), (1, 1));
    }

    #[test]
    fn lines_of_a_span_are_whole() {
        let source = Source::new("a", "one\ntwo\nthree");
        assert_eq!(source.lines_of(Span::new(5, 9)), Span::new(4, 13));
        assert_eq!(source.lines_of(Span::at(1)), Span::new(0, 4));
    }
}
