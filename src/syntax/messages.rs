//! What syntax errors say. No word of the grammar reaches the user from here.

use crate::diagnostics::{Code, Diagnostic};
use crate::source::{Source, Span};

/// What the statement or list expected in place of what it found.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expected {
    /// At the start of a statement.
    Statement,
    /// After the first word of a statement.
    Continuation,
    /// In a list, where a value belongs.
    Value,
    /// In a list, after a value.
    Comma,
}

impl Expected {
    fn describe(self) -> &'static str {
        match self {
            Self::Statement => "expected a word that starts a statement",
            Self::Continuation => "expected a value, a block or the end of the statement",
            Self::Value => "expected a name, a number, a string or `]`",
            Self::Comma => "expected `,` or `]`",
        }
    }
}

/// An error at text that does not belong where it stands.
pub(super) fn unexpected(source: &Source, span: Span, expected: Expected) -> Diagnostic {
    let found = source.slice(span);
    let diagnostic = Diagnostic::new(
        Code::E0101,
        format!("unexpected {}", quote(found)),
        span,
        expected.describe(),
    );
    match expected {
        Expected::Comma => diagnostic,
        Expected::Statement | Expected::Continuation | Expected::Value => {
            known_mistake(diagnostic, source, span)
        }
    }
}

/// Habits of other languages, each with the way it is written here.
fn known_mistake(diagnostic: Diagnostic, source: &Source, span: Span) -> Diagnostic {
    let found = source.slice(span);
    let first = Span::new(
        span.start,
        span.start + found.chars().next().map_or(0, char::len_utf8),
    );
    if found.ends_with(';') {
        let last = Span::new(span.end - 1, span.end);
        return diagnostic
            .help("a statement ends with its line or with `,`")
            .fix("remove the `;`", last, "");
    }
    if found.starts_with("/*") {
        return diagnostic.help("a comment starts with `//` and ends with its line");
    }
    match found.chars().next() {
        Some(':') => {
            let next = source.slice(Span::new(first.end, first.end + 1));
            let space = if matches!(next, " " | "\t") { "" } else { " " };
            diagnostic
                .help("a setting and its value stand side by side: `rows 10`")
                .fix("remove the `:`", first, space)
        }
        Some('#') => diagnostic
            .help("a comment starts with `//`")
            .fix("write `//`", first, "//"),
        Some('\'' | '‘' | '’' | '“' | '”' | '«' | '»') => {
            diagnostic.help("a string stands in straight double quotes: `\"…\"`")
        }
        Some('-') => diagnostic.help("a name is made of letters, digits and `_`"),
        Some('.') => diagnostic.help("a fraction has a digit on both sides of its point: `0.5`"),
        Some('0'..='9') => diagnostic
            .help("a number is written with digits alone, `_` between them if you like: `10_000`"),
        _ => diagnostic,
    }
}

/// Text in backticks, short and on one line.
pub(super) fn quote(text: &str) -> String {
    const LONGEST: usize = 24;
    let line = text.lines().next().unwrap_or("");
    let shown: String = line.chars().take(LONGEST).flat_map(visible).collect();
    let more = if line.chars().count() > LONGEST || text.len() > line.len() {
        "…"
    } else {
        ""
    };
    format!("`{shown}{more}`")
}

/// Control characters by their number, so that a message never moves the terminal's cursor.
fn visible(character: char) -> Vec<char> {
    if character.is_control() {
        character.escape_unicode().collect()
    } else {
        vec![character]
    }
}
