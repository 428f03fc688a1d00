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

/// A spec's text: the file that was named and those that it uses, one after the other in one space
/// of positions, so that a span says which file it lies in.
#[derive(Debug, Clone)]
pub struct Source {
    /// By position; the first is the root, the file that was named. Never empty.
    files: Vec<FileRange>,
    /// The texts of all files, each but the first after a line end that belongs to none.
    text: String,
    /// Byte offset of each line's first character; never empty.
    lines: Vec<usize>,
    /// Byte offset of each `\r` that no `\n` of its file follows: for an editor, it ends a line.
    lone_returns: Vec<usize>,
}

#[derive(Debug, Clone)]
struct FileRange {
    name: String,
    span: Span,
}

impl Source {
    /// A source of one file, which diagnostics call `name`, usually the path as the user gave it.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let span = Span::new(0, text.len());
        let name = name.into();
        Self {
            files: vec![FileRange { name, span }],
            lines: std::iter::once(0).chain(line_starts(&text, 0)).collect(),
            lone_returns: lone_returns(&text, 0).collect(),
            text,
        }
    }

    /// Adds a file that is used; the place of its text.
    pub fn add(&mut self, name: impl Into<String>, text: &str) -> Span {
        let name = name.into();
        self.text.push('\n');
        let start = self.text.len();
        self.lines.push(start);
        self.lines.extend(line_starts(text, start));
        self.lone_returns.extend(lone_returns(text, start));
        self.text.push_str(text);
        let span = Span::new(start, self.text.len());
        self.files.push(FileRange { name, span });
        span
    }

    /// What diagnostics call the root file.
    pub fn name(&self) -> &str {
        self.files.first().map_or("", |file| &file.name)
    }

    /// The whole text of the root file.
    pub fn text(&self) -> &str {
        self.files.first().map_or("", |file| self.slice(file.span))
    }

    /// Names and texts of all files, the root's first.
    pub fn files(&self) -> impl Iterator<Item = (&str, Span)> {
        self.files.iter().map(|file| (&*file.name, file.span))
    }

    /// Name and place of the file that an offset lies in.
    pub fn file(&self, offset: usize) -> (&str, Span) {
        let after = self.files.partition_point(|file| file.span.start <= offset);
        let file = after.checked_sub(1).and_then(|last| self.files.get(last));
        file.map_or(("", Span::default()), |file| (&file.name, file.span))
    }

    /// The text of a span; empty if the span does not lie on character boundaries of the text.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or("")
    }

    /// Line and column of an offset in its file, both from 1, the column in characters. An offset
    /// beyond the end is at the end.
    pub fn line_column(&self, offset: usize) -> (u32, u32) {
        let start = self.line_start(self.line_index(offset));
        let end = offset.min(self.text.len());
        let before = self.text.get(start..end).unwrap_or("");
        (self.line(offset), saturate(before.chars().count() + 1))
    }

    /// Line of an offset in its file, from 1.
    pub fn line(&self, offset: usize) -> u32 {
        let first = self.line_index(self.file(offset).1.start);
        saturate(self.line_index(offset) - first + 1)
    }

    /// The span of whole lines, line ends included, that hold `span`, within the file of its start.
    pub fn lines_of(&self, span: Span) -> Span {
        let file = self.file(span.start).1;
        let first = self.line_index(span.start);
        let last = self.line_index(span.end.clamp(span.start, file.end.max(span.start)));
        let end = self.lines.get(last + 1).copied().unwrap_or(self.text.len());
        Span::new(self.line_start(first), end.min(file.end))
    }

    /// The span of a line of the file that lies at `file`, counted from 0, its end included; `None`
    /// if the file has no such line.
    pub fn line_span(&self, file: Span, line: u32) -> Option<Span> {
        let index = self.line_index(file.start) + usize::try_from(line).ok()?;
        let start = *self.lines.get(index)?;
        let end = self.lines.get(index + 1).copied().unwrap_or(file.end);
        (start <= file.end).then(|| Span::new(start, end.min(file.end)))
    }

    /// Offsets within a span of each `\r` that no `\n` of its file follows.
    pub fn lone_returns(&self, span: Span) -> &[usize] {
        let before = |offset| self.lone_returns.partition_point(|place| *place < offset);
        let within = before(span.start)..before(span.end);
        self.lone_returns.get(within).unwrap_or(&[])
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

/// Offsets, shifted by `base`, of the lines after the first.
fn line_starts(text: &str, base: usize) -> impl Iterator<Item = usize> {
    let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
    ends.map(move |(offset, _)| base + offset + 1)
}

/// Offsets, shifted by `base`, of each `\r` that no `\n` follows.
fn lone_returns(text: &str, base: usize) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    let returns = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\r');
    let lone = returns.filter(|(offset, _)| bytes.get(offset + 1) != Some(&b'\n'));
    lone.map(move |(offset, _)| base + offset)
}

/// Reads a file; the error says why that was not possible.
pub type Read<'a> = dyn Fn(&str) -> Result<String, String> + 'a;

/// A path beside a file, without `.` and without `..` where that can be told from the text.
pub fn beside(file: &str, path: &str) -> String {
    let folder = match file.rfind(['/', '\\']) {
        Some(end) if !path.starts_with('/') => file.get(..=end).unwrap_or(""),
        _ => "",
    };
    let joined = format!("{folder}{path}");
    let root = if joined.starts_with('/') { "/" } else { "" };
    let mut parts: Vec<&str> = vec![];
    for part in joined.split('/') {
        match (part, parts.last()) {
            ("" | ".", _) => {}
            ("..", Some(last)) if *last != ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    format!("{root}{}", parts.join("/"))
}

fn saturate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Source, Span, beside};

    #[test]
    fn paths_are_relative_to_the_file_that_says_them() {
        assert_eq!(beside("a.mtmd", "b.mtmd"), "b.mtmd");
        assert_eq!(beside("specs/a.mtmd", "./c/../b.mtmd"), "specs/b.mtmd");
        assert_eq!(beside("../a.mtmd", "../../b.mtmd"), "../../../b.mtmd");
        assert_eq!(beside("specs/a.mtmd", "/x/b.mtmd"), "/x/b.mtmd");
        assert_eq!(beside("/specs/a.mtmd", "b.mtmd"), "/specs/b.mtmd");
    }

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

    #[test]
    fn lines_are_found_by_number() {
        let mut source = Source::new("a", "one\ntwo");
        let b = source.add("b", "x\n");
        let a = Span::new(0, 7);
        assert_eq!(source.line_span(a, 0), Some(Span::new(0, 4)));
        assert_eq!(source.line_span(a, 1), Some(Span::new(4, 7)));
        assert_eq!(source.line_span(a, 2), None);
        assert_eq!(source.line_span(b, 0), Some(b));
        assert_eq!(source.line_span(b, 1), Some(Span::at(b.end)));
        assert_eq!(source.line_span(b, 2), None);
    }

    #[test]
    fn files_have_lines_of_their_own() {
        let mut source = Source::new("a", "one\ntwo");
        let b = source.add("b", "x\ny");
        assert_eq!((source.text(), source.slice(b)), ("one\ntwo", "x\ny"));
        assert_eq!(source.file(7), ("a", Span::new(0, 7)));
        assert_eq!(source.file(b.start), ("b", b));
        assert_eq!(source.file(b.end), ("b", b));
        assert_eq!(source.line_column(7), (2, 4));
        assert_eq!(source.line_column(b.start), (1, 1));
        assert_eq!(source.line_column(b.end), (2, 2));
        assert_eq!(source.lines_of(Span::new(5, 6)), Span::new(4, 7));
        assert_eq!(
            source.lines_of(Span::at(b.start)),
            Span::new(b.start, b.start + 2)
        );
    }
}
