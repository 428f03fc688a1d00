//! Between byte offsets of a source and the editor's positions: lines from 0, columns in UTF-16
//! code units. For the protocol, `\r` alone ends a line, too; for the compiler it does not.

use crate::source::{Source, Span};
use gen_lsp_types::{Position, Range};

/// Position of an offset within its file.
pub(super) fn position(source: &Source, offset: usize) -> Position {
    let (_, file) = source.file(offset);
    let returns = source.lone_returns(Span::new(file.start, offset));
    let line = source.line(offset).saturating_sub(1);
    Position {
        line: line.saturating_add(u32::try_from(returns.len()).unwrap_or(u32::MAX)),
        character: width(source.slice(Span::new(line_start(source, offset), offset))),
    }
}

/// The start of the editor's line that an offset lies in.
fn line_start(source: &Source, offset: usize) -> usize {
    let start = source.lines_of(Span::at(offset)).start;
    let returns = source.lone_returns(Span::new(start, offset));
    returns.last().map_or(start, |last| last + 1)
}

/// Range of a span within the file of its start.
pub(super) fn range(source: &Source, span: Span) -> Range {
    Range {
        start: position(source, span.start),
        end: position(source, span.end),
    }
}

/// Offset of a position in the file that lies at `file`. One beyond the end of its line or of the
/// file is at that end; one within a character is before it.
pub(super) fn offset(source: &Source, file: Span, position: Position) -> usize {
    if !source.lone_returns(file).is_empty() {
        return file.start + offset_in(source.slice(file), position);
    }
    let Some(line) = source.line_span(file, position.line) else {
        return file.end;
    };
    line.start + units(source.slice(line), position.character)
}

/// Offset of a position in a text, by the same rules.
pub(super) fn offset_in(text: &str, position: Position) -> usize {
    let mut lines = lines(text);
    let mut start = 0;
    for _ in 0..position.line {
        match lines.next() {
            Some(line) => start += line.len(),
            None => return text.len(),
        }
    }
    start + units(lines.next().unwrap_or(""), position.character)
}

/// The editor's lines of a text with their ends. No line follows a last end.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.find(['\n', '\r']).map_or(rest.len(), |end| {
            let crlf = rest.get(end..).is_some_and(|rest| rest.starts_with("\r\n"));
            end + if crlf { 2 } else { 1 }
        });
        let (line, behind) = rest.split_at_checked(end)?;
        rest = behind;
        (!line.is_empty()).then_some(line)
    })
}

/// Bytes of the first so many UTF-16 code units of a line.
fn units(line: &str, mut units: u32) -> usize {
    let line = line.trim_end_matches(['\n', '\r']);
    for (at, character) in line.char_indices() {
        let width = if character.len_utf16() == 1 { 1 } else { 2 };
        if units < width {
            return at;
        }
        units -= width;
    }
    line.len()
}

/// UTF-16 code units of a text.
pub(super) fn width(text: &str) -> u32 {
    u32::try_from(text.encode_utf16().count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Position, offset, offset_in, position};
    use crate::source::{Source, Span};

    /// Two bytes and one unit (`é`), four bytes and two units (`𝄞`), and a line end of two bytes.
    const TEXT: &str = "é𝄞a\r\nb𝄞\n";

    #[test]
    fn columns_are_utf_16() {
        let source = Source::new("a", TEXT);
        let all = Span::new(0, TEXT.len());
        for (line, character, byte) in [
            (0, 0, 0),
            (0, 1, 2),
            (0, 3, 6),
            (0, 4, 7),
            (1, 0, 9),
            (1, 3, 14),
            (2, 0, 15),
        ] {
            let place = Position { line, character };
            assert_eq!(position(&source, byte), place, "byte {byte}");
            assert_eq!(offset(&source, all, place), byte, "{line}:{character}");
            assert_eq!(offset_in(TEXT, place), byte, "{line}:{character}");
        }
    }

    #[test]
    fn a_lone_return_ends_a_line() {
        let text = "a\rbc\r\n\r\r\nd\r";
        let mut source = Source::new("a", text);
        let root = Span::new(0, text.len());
        let part = source.add("b", text);
        for (line, character, byte) in [
            (0, 0, 0),
            (0, 1, 1),
            (1, 0, 2),
            (1, 2, 4),
            (2, 0, 6),
            (3, 0, 7),
            (4, 0, 9),
            (4, 1, 10),
            (5, 0, 11),
        ] {
            let place = Position { line, character };
            assert_eq!(offset_in(text, place), byte, "{line}:{character}");
            for file in [root, part] {
                let byte = file.start + byte;
                assert_eq!(position(&source, byte), place, "byte {byte}");
                assert_eq!(offset(&source, file, place), byte, "{line}:{character}");
            }
        }
    }

    #[test]
    fn what_is_beyond_is_at_the_end() {
        let source = Source::new("a", TEXT);
        let all = Span::new(0, TEXT.len());
        for (line, character, byte) in [(0, 2, 2), (0, 99, 7), (1, 99, 14), (9, 9, 15)] {
            let place = Position { line, character };
            assert_eq!(offset(&source, all, place), byte, "{line}:{character}");
            assert_eq!(offset_in(TEXT, place), byte, "{line}:{character}");
        }
    }

    #[test]
    fn files_have_positions_of_their_own() {
        let mut source = Source::new("a", "one\ntwo");
        let part = source.add("b", "three\nfour");
        let place = Position {
            line: 1,
            character: 2,
        };
        assert_eq!(offset(&source, part, place), part.start + 8);
        assert_eq!(position(&source, part.start + 8), place);
    }
}
