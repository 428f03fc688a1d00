//! Values of settings, by form: types and ranges.

use super::context::Context;
use super::forms::{Form, Setting};
use super::head::{Head, unquoted};
use super::literals::Text;
use super::number::{fits, large, real, too_large, whole, whole_of};
use super::raw::{Raw, RawRange, ranges, raw, raw_list, repeated};
use super::sentence::enumerate;
use super::spec::MAX_SIZE;
use super::spelling::{closest, suggest};
use crate::diagnostics::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{Atom, AtomKind, Block, Number, Statement, Word};

/// The value of a setting.
#[derive(Debug)]
pub(super) enum Value<'s> {
    Flag,
    None,
    Whole(u64),
    Real(f64),
    Interval(f64, f64),
    Sizes(Vec<usize>),
    Name(Word),
    Names(Vec<Word>),
    Columns(Vec<Text>),
    Text(Text),
    Choice(&'static str),
    Values(Vec<Raw>),
    Raw(Raw),
    Boundaries(Vec<f64>),
    Ranges(Vec<RawRange>),
    Block(&'s Block),
}

/// Reads a setting's value; `None` if it is not of the setting's form, which is or has been
/// reported.
pub(super) fn read<'s>(
    context: &mut Context<'_>,
    statement: &'s Statement,
    setting: &Setting,
) -> Option<Value<'s>> {
    if statement.damaged {
        return None;
    }
    let form = setting.written();
    let is_flag = matches!(setting.form, Form::Flag);
    let mut head = Head::new(statement, form.as_str()).flag(is_flag);
    let takes_block = matches!(
        setting.form,
        Form::Block | Form::Crossing | Form::OptionalBlock
    );
    let value = match setting.form {
        Form::Flag => Some(Value::Flag),
        Form::Whole(least) => whole(context, &mut head, setting.name, least).map(Value::Whole),
        Form::Large(least) => large(context, &mut head, setting.name, least).map(Value::Whole),
        Form::OptionalWhole(_) if head.peek().is_none() => Some(Value::Flag),
        Form::OptionalWhole(least) => {
            whole(context, &mut head, setting.name, least).map(Value::Whole)
        }
        Form::RealOrNone(_) | Form::WholeOrNone(_) | Form::Crossing if head.is_word("none") => {
            head.next();
            Some(Value::None)
        }
        Form::Crossing if head.is_word("mlp") => {
            head.next();
            sizes(context, &mut head, setting.name)
        }
        Form::WholeOrNone(least) => {
            whole(context, &mut head, setting.name, least).map(Value::Whole)
        }
        Form::Real(bound) | Form::RealOrNone(bound) => {
            real(context, &mut head, setting.name, bound).map(Value::Real)
        }
        Form::Interval => interval(context, &mut head),
        Form::Sizes => sizes(context, &mut head, setting.name),
        Form::Name => head.name(context, "a name").map(Value::Name),
        Form::Names => names(context, &mut head).map(Value::Names),
        Form::Columns => columns(context, &mut head).map(Value::Columns),
        Form::Text => head.text(context, "a column in quotes").map(Value::Text),
        Form::Choice(words) => choice(context, &mut head, words).map(Value::Choice),
        Form::Values if matches!(head.peek(), Some(AtomKind::Text(_))) => {
            head.text(context, "a path in quotes").map(Value::Text)
        }
        Form::Value => raw_value(context, &mut head).map(Value::Raw),
        Form::Boundaries => boundaries(context, &mut head).map(Value::Boundaries),
        Form::OptionalBlock if statement.block.is_none() => Some(Value::Flag),
        Form::OptionalBlock => statement.block.as_ref().map(Value::Block),
        Form::Values => raw_list(context, &mut head).map(Value::Values),
        Form::Ranges => ranges(context, &mut head).map(Value::Ranges),
        Form::Block | Form::Crossing => context.require_block(statement, &form).map(Value::Block),
    };
    if value.is_some() {
        head.end(context);
    }
    if !takes_block || matches!(value, Some(Value::None | Value::Sizes(_))) {
        context.refuse_block(statement, &form);
    }
    value.filter(|_| !head.failed())
}

fn interval<'s>(context: &mut Context<'_>, head: &mut Head<'s>) -> Option<Value<'s>> {
    let what = "`[LO, HI]`, two numbers";
    let (items, span) = head.list(context, what)?;
    let ends: Vec<&Number> = items
        .iter()
        .filter_map(|item| as_number(&item.kind))
        .collect();
    let ([low, high], 2) = (&ends[..], items.len()) else {
        context.report(Diagnostic::new(
            Code::E0304,
            "a range of numbers has two ends",
            span,
            format!("expected {what}"),
        ));
        return None;
    };
    if !(fits(low.real) && fits(high.real)) {
        context.report(too_large(span));
        return None;
    }
    if low.real >= high.real {
        let order = if low.real > high.real {
            "reversed"
        } else {
            "empty"
        };
        let diagnostic = Diagnostic::new(
            Code::E0311,
            format!("this range is {order}"),
            span,
            "the first end must be below the second",
        );
        let swapped = format!("[{}, {}]", high.text, low.text);
        context.report(match low.real > high.real {
            true => diagnostic.maybe("swap the ends", span, swapped),
            false => diagnostic,
        });
        return None;
    }
    Some(Value::Interval(low.real, high.real))
}

fn as_number(kind: &AtomKind) -> Option<&Number> {
    match kind {
        AtomKind::Number(number) => Some(number),
        _ => None,
    }
}

fn sizes<'s>(context: &mut Context<'_>, head: &mut Head<'s>, name: &str) -> Option<Value<'s>> {
    let (items, _) = head.list(context, "a list of whole numbers")?;
    let mut sizes = Vec::new();
    for item in items {
        let AtomKind::Number(number) = &item.kind else {
            context.report(wrong_item(item, "a whole number"));
            return None;
        };
        sizes.push(usize::try_from(whole_of(context, number, item.span, name, 1, MAX_SIZE)?).ok()?);
    }
    Some(Value::Sizes(sizes))
}

fn wrong_item(item: &Atom, wants: &str) -> Diagnostic {
    let message = format!(
        "expected {wants} in this list, not {}",
        item.kind.describe()
    );
    Diagnostic::new(Code::E0304, message, item.span, format!("expected {wants}"))
}

/// A name or a list of names, at least one; none twice.
pub(super) fn names(context: &mut Context<'_>, head: &mut Head<'_>) -> Option<Vec<Word>> {
    if !matches!(head.peek(), Some(AtomKind::List(_))) {
        return head
            .name(context, "a name or a list of names")
            .map(|name| vec![name]);
    }
    let (items, _) = head.list(context, "a name or a list of names")?;
    let mut names: Vec<Word> = Vec::new();
    let mut sound = true;
    for item in items {
        let AtomKind::Word(text) = &item.kind else {
            let wrong = wrong_item(item, "a name");
            context.report(match &item.kind {
                AtomKind::Text(text) => unquoted(wrong, text, item.span),
                _ => wrong,
            });
            sound = false;
            continue;
        };
        if let Some(first) = names.iter().find(|name| name.text == *text) {
            context.report(repeated(&format!("`{text}`"), item.span, first.span));
        } else {
            names.push(Word {
                text: text.clone(),
                span: item.span,
            });
        }
    }
    sound.then_some(names)
}

/// A string or a whole number.
fn raw_value(context: &mut Context<'_>, head: &mut Head<'_>) -> Option<Raw> {
    match head.peek() {
        Some(AtomKind::Text(_) | AtomKind::Number(_)) => {
            let atom = head.next()?;
            raw(context, atom)
        }
        _ => {
            head.fail(context, "a string or a whole number", None);
            None
        }
    }
}

/// Boundaries of buckets.
fn boundaries(context: &mut Context<'_>, head: &mut Head<'_>) -> Option<Vec<f64>> {
    let (items, _) = head.list(context, "a list of numbers")?;
    let mut found: Vec<(f64, Span)> = Vec::new();
    for item in items {
        let Some(number) = as_number(&item.kind) else {
            context.report(wrong_item(item, "a number"));
            return None;
        };
        if !fits(number.real) {
            context.report(too_large(item.span));
            return None;
        }
        if let Some((last, span)) = found.last()
            && *last >= number.real
        {
            context.report(
                Diagnostic::new(
                    Code::E0511,
                    "the boundaries of buckets ascend",
                    item.span,
                    "not above the one before it",
                )
                .label(*span, "the one before it")
                .help("sort the boundaries, each once"),
            );
            return None;
        }
        found.push((number.real, item.span));
    }
    Some(found.into_iter().map(|(boundary, _)| boundary).collect())
}

/// `"A" & "B" …`; no column twice.
pub(super) fn columns(context: &mut Context<'_>, head: &mut Head<'_>) -> Option<Vec<Text>> {
    let mut columns: Vec<Text> = Vec::new();
    loop {
        let column = head.text(context, "a column in quotes")?;
        match columns.iter().find(|other| other.text == column.text) {
            Some(first) => context.report(repeated(
                &format!("column `{}`", column.text),
                column.span,
                first.span,
            )),
            None => columns.push(column),
        }
        if head.is_word("and") {
            let joined = ("columns stand with `&` between them", "&".to_owned());
            head.fail(context, "`&`", Some(joined));
            return None;
        }
        if head.peek() != Some(&AtomKind::And) {
            return Some(columns);
        }
        head.next();
    }
}

/// One of some words. A misspelt one counts as what it was meant to be.
pub(super) fn choice(
    context: &mut Context<'_>,
    head: &mut Head<'_>,
    words: &'static [&'static str],
) -> Option<&'static str> {
    let word = head.name(
        context,
        &enumerate(words.iter().copied(), 4).replace(" and ", " or "),
    )?;
    let same = |text: &str| words.iter().copied().find(|choice| *choice == text);
    if let Some(choice) = same(&word.text) {
        return Some(choice);
    }
    let message = format!("`{}` is no choice here", word.text);
    let diagnostic = Diagnostic::new(Code::E0304, message, word.span, "unknown choice");
    context.report(suggest(
        diagnostic,
        &word,
        words.iter().copied(),
        "the choices are",
    ));
    closest(&word.text, words.iter().copied()).and_then(same)
}
