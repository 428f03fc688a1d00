//! Inputs that are made of a column: a part of a time, the length of a list.

use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::Context;
use crate::sema::cursor::Cursor;
use crate::sema::declare::kinds::{Kind, UNIT};
use crate::sema::literals::Text;
use crate::sema::settings::Settings;
use crate::sema::spec::{Choice, Derive, TimePart};
use crate::sema::spelling::suggest;
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
pub(in crate::sema) struct Part {
    made: Made,
    span: Span,
}

/// Where a feature comes from.
pub(in crate::sema) struct ColumnSource {
    pub part: Option<Part>,
    pub column: Text,
}

/// `PART of`, before the column.
pub(in crate::sema) fn part(context: &mut Context<'_>, cursor: &mut Cursor<'_>) -> Option<Part> {
    let word: Word = cursor.name(context, "a column in quotes")?;
    let Some(made) = Made::from_word(&word.text) else {
        let message = format!("nothing called `{}` can be made of a column", word.text);
        let diagnostic = Diagnostic::new(Code::E0304, message, word.span, "unknown part");
        context.report(suggest(diagnostic, &word, Made::words(), "there are"));
        return None;
    };
    cursor.keyword(context, "of")?;
    Some(Part {
        made,
        span: word.span,
    })
}

/// What is made of the column, and the column itself, if the feature names one.
pub(in crate::sema) fn read(
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
    if settings.takes(&UNIT)
        && let (Some(given), false) = (settings.get(&UNIT), is_time)
    {
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
            unit: settings.value(&UNIT),
        },
    };
    (Some(derive), column)
}
