//! Raw values: what stands in the data, and ranges of it.

use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::Context;
use crate::sema::cursor::{Cursor, holds_number};
use crate::sema::spec::Value;
use crate::source::Span;
use crate::syntax::ast::{Atom, AtomKind, Number};

/// A range of raw values, both ends in it, with its place.
#[derive(Debug, Clone)]
pub(in crate::sema) struct RawRange {
    pub first: Value,
    pub last: Value,
    pub span: Span,
}

/// A raw value with its place.
#[derive(Debug, Clone)]
pub(in crate::sema) struct Raw {
    pub value: Value,
    pub span: Span,
}

/// A value that stands in a list twice.
pub(in crate::sema) fn repeated(value: &str, span: Span, first: Span) -> Diagnostic {
    Diagnostic::new(
        Code::E0309,
        format!("{value} is listed twice"),
        span,
        "listed again here",
    )
    .label(first, "first listed here")
    .help("remove one of them")
}

/// The raw value of an atom: a whole number or a string.
pub(in crate::sema) fn raw(context: &mut Context<'_>, item: &Atom) -> Option<Raw> {
    raw_beside(context, item, false)
}

/// The same for a value beside others, which may be `numbers`: a string would not fit those.
pub(in crate::sema) fn raw_beside(
    context: &mut Context<'_>,
    item: &Atom,
    numbers: bool,
) -> Option<Raw> {
    let value = match &item.kind {
        AtomKind::Text(text) => Some(Value::Text(text.clone().into())),
        AtomKind::Number(Number {
            whole: Some(whole), ..
        }) => Some(Value::Int(*whole)),
        AtomKind::Number(number) if number.is_written_whole() => {
            context.report(Diagnostic::new(
                Code::E0305,
                "this number is too large",
                item.span,
                "whole numbers have at most 64 bits",
            ));
            return None;
        }
        _ => None,
    };
    match value {
        Some(value) => Some(Raw {
            value,
            span: item.span,
        }),
        None => {
            let message = format!(
                "a raw value is a whole number or a string, not {}",
                item.kind.describe()
            );
            let diagnostic = Diagnostic::new(
                Code::E0304,
                message,
                item.span,
                "expected a whole number or a string",
            );
            context.report(match &item.kind {
                AtomKind::Word(_) if numbers => {
                    diagnostic.help("write the number that stands in the data, as beside it")
                }
                AtomKind::Word(word) => diagnostic.fix(
                    "what stands in the data is written in quotes",
                    item.span,
                    format!("\"{word}\""),
                ),
                _ => diagnostic,
            });
            None
        }
    }
}

pub(in crate::sema) fn raw_list(
    context: &mut Context<'_>,
    cursor: &mut Cursor<'_>,
) -> Option<Vec<Raw>> {
    let (items, _) = cursor.list(context, "a list of values")?;
    let numbers = holds_number(items);
    let all = items.iter().map(|item| raw_beside(context, item, numbers));
    let all: Vec<Option<Raw>> = all.collect();
    let values = all.into_iter().collect::<Option<Vec<Raw>>>()?;
    let mixed = report_mixed(context, values.iter());
    (!report_repeated(context, &values) && !mixed).then_some(values)
}

/// Reports values of two kinds, at the first one that differs.
pub(in crate::sema) fn report_mixed<'r>(
    context: &mut Context<'_>,
    values: impl Iterator<Item = &'r Raw>,
) -> bool {
    let mut values = values.peekable();
    let Some(first) = values.peek().copied() else {
        return false;
    };
    let is_text = |raw: &Raw| matches!(raw.value, Value::Text(_));
    let Some(other) = values.find(|raw| is_text(raw) != is_text(first)) else {
        return false;
    };
    let kind = |raw: &Raw| {
        if is_text(raw) {
            "a string"
        } else {
            "a whole number"
        }
    };
    context.report(
        Diagnostic::new(
            Code::E0310,
            "values of one column are of one kind",
            other.span,
            kind(other),
        )
        .label(first.span, kind(first))
        .help("write all of them as strings, or all as whole numbers, as they stand in the data"),
    );
    true
}

fn report_repeated(context: &mut Context<'_>, values: &[Raw]) -> bool {
    let mut seen = std::collections::BTreeMap::new();
    let mut any = false;
    for raw in values {
        if let Some(first) = seen.insert(&raw.value, raw.span) {
            let shown = format!("value `{}`", context.text(raw.span));
            context.report(repeated(&shown, raw.span, first));
            any = true;
        }
    }
    any
}

pub(in crate::sema) fn ranges(
    context: &mut Context<'_>,
    cursor: &mut Cursor<'_>,
) -> Option<Vec<RawRange>> {
    if matches!(cursor.peek(), Some(AtomKind::List(_))) {
        let values = raw_list(context, cursor)?;
        return Some(
            values
                .into_iter()
                .map(|Raw { value, span }| RawRange {
                    first: value.clone(),
                    last: value,
                    span,
                })
                .collect(),
        );
    }
    let numbers = cursor.holds_number();
    let first = one_raw(context, cursor, numbers)?;
    if cursor.peek() != Some(&AtomKind::Range) {
        return Some(vec![RawRange {
            first: first.value.clone(),
            last: first.value,
            span: first.span,
        }]);
    }
    cursor.next();
    let last = one_raw(context, cursor, numbers)?;
    let span = first.span.to(last.span);
    if report_mixed(context, [&first, &last].into_iter()) {
        return None;
    }
    if first.value > last.value {
        let swapped = format!(
            "{} .. {}",
            context.text(last.span),
            context.text(first.span)
        );
        context.report(
            Diagnostic::new(
                Code::E0311,
                "this range is reversed",
                span,
                "the first end must not be after the last",
            )
            .maybe("swap the ends", span, swapped),
        );
        return None;
    }
    Some(vec![RawRange {
        first: first.value,
        last: last.value,
        span,
    }])
}

fn one_raw(context: &mut Context<'_>, cursor: &mut Cursor<'_>, numbers: bool) -> Option<Raw> {
    match cursor.peek() {
        Some(AtomKind::Text(_) | AtomKind::Number(_) | AtomKind::Word(_)) => {
            let atom = cursor.next()?;
            raw_beside(context, atom, numbers)
        }
        _ => {
            cursor.fail(context, "a value, a range or a list of values", None);
            None
        }
    }
}
