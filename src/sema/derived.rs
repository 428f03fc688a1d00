//! Inputs that are made of a column: a part of a time, the length of a list.

use super::context::Context;
use super::head::Head;
use super::kinds::Kind;
use super::literals::Text;
use super::settings::Settings;
use super::spec::{Derive, TimePart, Unit};
use super::spelling::suggest;
use crate::diagnostics::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::Word;

/// What can be made of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    Time(TimePart),
    Length,
}

const PARTS: [(&str, Made); 5] = [
    ("hour", Made::Time(TimePart::Hour)),
    ("weekday", Made::Time(TimePart::Weekday)),
    ("day", Made::Time(TimePart::Day)),
    ("month", Made::Time(TimePart::Month)),
    ("length", Made::Length),
];

/// The part of a column that a feature reads, with its place.
pub(super) struct Part {
    made: Made,
    span: Span,
}

/// Where a feature comes from.
pub(super) struct ColumnSource {
    pub part: Option<Part>,
    pub column: Text,
}

/// `PART of`, before the column.
pub(super) fn part(context: &mut Context<'_>, head: &mut Head<'_>) -> Option<Part> {
    let word: Word = head.name(context, "a column in quotes")?;
    let named = PARTS.iter().find(|(name, _)| *name == word.text);
    let Some((_, made)) = named else {
        let message = format!("nothing called `{}` can be made of a column", word.text);
        let diagnostic = Diagnostic::new(Code::E0304, message, word.span, "unknown part");
        let names = PARTS.iter().map(|(name, _)| *name);
        context.report(suggest(diagnostic, &word, names, "there are"));
        return None;
    };
    head.keyword(context, "of")?;
    Some(Part {
        made: *made,
        span: word.span,
    })
}

/// What is made of the column, and the column itself, if the feature names one.
pub(super) fn read(
    context: &mut Context<'_>,
    kind: Kind,
    source: Option<ColumnSource>,
    settings: &Settings<'_>,
) -> (Option<Derive>, Option<Text>) {
    let (part, column) = match source {
        Some(ColumnSource { part, column }) => (part, Some(column)),
        None => (None, None),
    };
    let is_time = matches!(&part, Some(part) if matches!(part.made, Made::Time(_)));
    if let (Some(given), false) = (settings.get("unit"), is_time) {
        context.report(
            Diagnostic::new(
                Code::E0307,
                "`unit` belongs to a part of a time",
                given.span,
                "there is no time here",
            )
            .help("remove it, or read a part of a time: `from hour of \"COLUMN\"`"),
        );
    }
    let Some(part) = part else {
        return (None, column);
    };
    if matches!(kind, Kind::Ids | Kind::Vector) {
        context.report(
            Diagnostic::new(
                Code::E0306,
                "a list is read as it is",
                part.span,
                "this makes one value",
            )
            .help("let a `category` or a `number` read it"),
        );
        return (None, column);
    }
    let derive = match part.made {
        Made::Length => Derive::Length,
        Made::Time(time) => Derive::Time(
            time,
            match settings.choice("unit") {
                Some("milliseconds") => Unit::Milliseconds,
                Some("microseconds") => Unit::Microseconds,
                _ => Unit::Seconds,
            },
        ),
    };
    (Some(derive), column)
}
