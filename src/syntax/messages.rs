//! What syntax errors say. No word of the grammar reaches the user from here.

use crate::diagnostics::{Applicability, Code, Diagnostic, Edit};
use crate::source::{Source, Span};

/// What the statement or list expected in place of what it found.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expected {
    /// At the start of a statement.
    Statement,
    /// After the first word of a statement.
    Continuation,
    /// After the name of a surface or product.
    Equals,
    /// In a list, where a value belongs.
    Value,
    /// In a list, after a value.
    Comma,
}

impl Expected {
    fn describe(self) -> &'static str {
        match self {
            Self::Statement => "expected a word that starts a statement",
            Self::Equals => "expected `=` and a value",
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
    if found.starts_with("..") {
        return diagnostic.help(
            "a range stands alone, not in a list and not after another value: `train 1 .. 20`",
        );
    }
    match expected {
        Expected::Equals if found.starts_with(':') => {
            let marks = found.chars().take_while(|c| matches!(c, ':' | '='));
            let place = Span::new(span.start, span.start + marks.count());
            let before = source.slice(Span::new(0, span.start));
            let mark = if before.ends_with([' ', '\t']) {
                "="
            } else {
                " ="
            };
            diagnostic.fix("write `=` before the value", place, mark)
        }
        Expected::Comma if found.starts_with(';') => {
            let mark = Span::new(span.start, span.start + 1);
            diagnostic.fix("write `,`", mark, ",")
        }
        Expected::Comma if !found.starts_with(is_quote) && !found.contains(is_unseen) => diagnostic,
        _ => known_mistake(diagnostic, source, span),
    }
}

/// Quotes of other languages and of word processors.
fn is_quote(character: char) -> bool {
    matches!(character, '\'' | '‘' | '’' | '“' | '”' | '„' | '«' | '»')
}

/// A mark that is written twice, as in `a == 0`.
pub(super) fn doubled(mark: &str, span: Span) -> Diagnostic {
    let message = format!("unexpected `{mark}{mark}`");
    Diagnostic::new(Code::E0101, message, span, "one is enough").fix(
        format!("write `{mark}`"),
        span,
        mark,
    )
}

/// A number with commas between its thousands.
pub(super) fn thousands(source: &Source, span: Span) -> Diagnostic {
    let message = "a number has no commas in it";
    Diagnostic::new(Code::E0101, message, span, "this would be several values").fix(
        "write `_` between thousands",
        span,
        source.slice(span).replace(',', "_"),
    )
}

/// The whole of a number such as `20,000,000`, of which `part` is a group after a comma.
pub(super) fn number_with_commas(source: &Source, part: Span) -> Option<Span> {
    /// No number is longer; looking further would take long in a file of nothing else.
    const LONGEST: usize = 32;
    let is_part = |c: &char| c.is_ascii_digit() || matches!(c, ',' | '_');
    let count =
        |text: &mut dyn Iterator<Item = char>| text.take(LONGEST).take_while(is_part).count();
    let before = source.slice(Span::new(0, part.start));
    let rest = source.slice(Span::new(part.start, source.text().len()));
    let start = part.start - count(&mut before.chars().rev());
    let end = part.start + count(&mut rest.chars());
    let whole = source.slice(Span::new(start, end)).trim_end_matches(',');
    let (first, groups) = whole.split_once(',')?;
    let sound = (1..4).contains(&first.len())
        && groups.split(',').all(|group| group.len() == 3)
        && !whole.contains('_');
    sound.then(|| Span::new(start, start + whole.len()))
}

/// Habits of other languages, each with the way it is written here.
fn known_mistake(diagnostic: Diagnostic, source: &Source, span: Span) -> Diagnostic {
    let found = source.slice(span);
    let first = Span::new(
        span.start,
        span.start + found.chars().next().map_or(0, char::len_utf8),
    );
    if found.starts_with(';') || found.ends_with(';') {
        return semicolon(diagnostic, source, span);
    }
    if let Some(character) = found.chars().find(|c| is_unseen(*c)) {
        return unseen(diagnostic, source, span, character);
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
        Some(quote) if is_quote(quote) => other_quotes(diagnostic, source, first, quote),
        Some('-') => in_name(diagnostic, source, span),
        Some('.') if !is_fraction(found) => in_name(diagnostic, source, span),
        Some('.') => diagnostic.help("a fraction has a digit on both sides of its point: `0.5`"),
        Some('0'..='9') => diagnostic
            .help("a number is written with digits alone, `_` between them if you like: `10_000`"),
        _ => diagnostic,
    }
}

/// A `-` or `.` that goes on with a name, as in `user-id`.
fn in_name(diagnostic: Diagnostic, source: &Source, span: Span) -> Diagnostic {
    let rule = "a name is made of letters, digits and `_`";
    let joined = source.slice(span).replace(['-', '.'], "_");
    let before = source.slice(Span::new(0, span.start)).chars().next_back();
    let goes_on = before.is_some_and(char::is_alphanumeric) && !joined.ends_with('_');
    let is_name = joined.chars().all(|c| c.is_alphanumeric() || c == '_');
    match goes_on && is_name {
        true => diagnostic.maybe(rule, span, joined),
        false => diagnostic.help(rule),
    }
}

/// Whether a text goes on with a digit after its point.
fn is_fraction(text: &str) -> bool {
    text.chars().nth(1).is_some_and(|c| c.is_ascii_digit())
}

/// A `;` that ends a statement: `,` if another one follows on the line, else nothing.
fn semicolon(diagnostic: Diagnostic, source: &Source, span: Span) -> Diagnostic {
    let found = source.slice(span);
    let place = match found.starts_with(';') {
        true => {
            let rest = found.trim_start_matches(';');
            Span::new(span.start, span.end - rest.len())
        }
        false => Span::new(found.trim_end_matches(';').len() + span.start, span.end),
    };
    let after = source.slice(Span::new(place.end, source.text().len()));
    let next = after.trim_start_matches([' ', '\t', '\r']);
    let ends = next.is_empty() || next.starts_with(['\n', ',', '}']) || next.starts_with("//");
    let (message, mark) = match ends {
        true => ("remove the `;`", ""),
        false => ("write `,`", ","),
    };
    diagnostic
        .help("a statement ends with its line or with `,`")
        .fix(message, place, mark)
}

/// What a character is that nobody sees, and what it should be instead.
fn invisible(character: char) -> Option<(&'static str, &'static str)> {
    match character {
        '\u{A0}' | '\u{202F}' => Some(("a no-break space", " ")),
        '\u{2000}'..='\u{200A}' | '\u{3000}' => Some(("a space of a special width", " ")),
        '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{AD}' => Some(("an invisible character", "")),
        _ => None,
    }
}

fn is_unseen(character: char) -> bool {
    invisible(character).is_some()
}

/// The code point of a character: U+00A0.
fn code_point(character: char) -> String {
    format!("U+{:04X}", u32::from(character))
}

/// Characters that nobody sees, all those of the text that was found.
fn unseen(diagnostic: Diagnostic, source: &Source, span: Span, first: char) -> Diagnostic {
    let what = invisible(first).map_or("", |(what, _)| what);
    let edits = source.slice(span).char_indices().filter_map(|(offset, c)| {
        let (_, replacement) = invisible(c)?;
        let start = span.start + offset;
        Some(Edit {
            span: Span::new(start, start + c.len_utf8()),
            replacement: replacement.to_owned(),
        })
    });
    diagnostic
        .note(format!("the character {} is {what}", code_point(first)))
        .fix_all(
            Applicability::MachineApplicable,
            "write what is seen",
            edits.collect(),
        )
}

/// A string in quotes of another kind, which `open` starts; its end is sought on its line.
fn other_quotes(diagnostic: Diagnostic, source: &Source, open: Span, quote: char) -> Diagnostic {
    let diagnostic = match quote {
        '\'' => diagnostic,
        _ => diagnostic.note(format!("`{quote}` is {}", code_point(quote))),
    };
    let rule = "a string stands in straight double quotes: `\"…\"`";
    let closing: &[char] = match quote {
        '\'' => &['\''],
        '‘' | '’' => &['‘', '’'],
        '«' | '»' => &['«', '»'],
        _ => &['“', '”'],
    };
    let after = source.slice(Span::new(open.end, source.text().len()));
    let ends = |c: char| closing.contains(&c) || matches!(c, '"' | '\\' | '\n');
    let found = after.char_indices().find(|(_, c)| ends(*c));
    let Some((end, close)) = found.filter(|(_, c)| !matches!(c, '\\' | '\n')) else {
        return diagnostic.help(rule);
    };
    let end = open.end + end;
    let straight = |span| Edit {
        span,
        replacement: "\"".to_owned(),
    };
    diagnostic.fix_all(
        Applicability::MachineApplicable,
        rule,
        vec![
            straight(open),
            straight(Span::new(end, end + close.len_utf8())),
        ],
    )
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

/// Characters that are not seen by their number; so a message never moves the terminal's cursor.
fn visible(character: char) -> Vec<char> {
    if character.is_control() || is_unseen(character) {
        character.escape_unicode().collect()
    } else {
        vec![character]
    }
}
