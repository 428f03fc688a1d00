//! Between byte offsets of a source and the editor's positions: lines from 0, columns in UTF-16
//! code units.

use crate::source::{Source, Span};
use gen_lsp_types::{Position, Range};

/// Position of an offset within its file.
pub(super) fn position(source: &Source, offset: usize) -> Position {
    let start = source.lines_of(Span::at(offset)).start;
    let before = source.slice(Span::new(start, offset));
    Position {
        line: source.line(offset).saturating_sub(1),
        character: width(before),
    }
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
    let Some(line) = source.line_span(file, position.line) else {
        return file.end;
    };
    line.start + units(source.slice(line), position.character)
}

/// Offset of a position in a text, by the same rules.
pub(super) fn offset_in(text: &str, position: Position) -> usize {
    let mut start = 0;
    for _ in 0..position.line {
        match text.get(start..).and_then(|rest| rest.find('\n')) {
            Some(end) => start += end + 1,
            None => return text.len(),
        }
    }
    let line = text.get(start..).unwrap_or("").lines().next();
    start + units(line.unwrap_or(""), position.character)
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
