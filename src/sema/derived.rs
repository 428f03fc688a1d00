//! Inputs that are made of a column: a part of a time, the length of a list.

use super::context::Context;
use super::head::{Head, Text};
use super::kinds::Kind;
use super::names::suggest;
use super::settings::Settings;
use super::spec::{Choice, Derive, TimePart, Unit};
use crate::diagnostics::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::Word;

/// What can be made of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    Time(TimePart),
    Length,
}

const LENGTH: &str = "length";

impl Made {
    fn from_word(word: &str) -> Option<Self> {
        match word {
            LENGTH => Some(Self::Length),
            _ => TimePart::from_word(word).map(Self::Time),
        }
    }

    fn words() -> impl Iterator<Item = &'static str> + Clone {
        TimePart::WORDS.iter().copied().chain([LENGTH])
    }
}

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
    let Some(made) = Made::from_word(&word.text) else {
        let message = format!("nothing called `{}` can be made of a column", word.text);
        let diagnostic = Diagnostic::new(Code::E0304, message, word.span, "unknown part");
        context.report(suggest(diagnostic, &word, Made::words(), "there are"));
        return None;
    };
    head.keyword(context, "of")?;
    Some(Part {
        made,
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
        Made::Time(part) => Derive::Time {
            part,
            unit: settings.choice("unit").unwrap_or(Unit::DEFAULT),
        },
    };
    (Some(derive), column)
}
