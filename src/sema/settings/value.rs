//! Values of settings, by form: types and ranges.

use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::Context;
use crate::sema::cursor::{Cursor, unquoted};
use crate::sema::literals::Text;
use crate::sema::literals::number::{MAX_SIZE, fits, large, real, too_large, whole, whole_of};
use crate::sema::literals::raw::{Raw, RawRange, ranges, raw, raw_list, repeated};
use crate::sema::sentence::enumerate;
use crate::sema::settings::forms::{AnySetting, Form, MLP, NONE};
use crate::sema::spec::Choice;
use crate::sema::spelling::{closest, suggest};
use crate::source::Span;
use crate::syntax::ast::{Atom, AtomKind, Block, Number, Statement, Word};
use mtmd_schema::check;

/// The value of a setting.
#[derive(Debug)]
pub(in crate::sema) enum SettingValue<'s> {
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
pub(in crate::sema) fn read<'s>(
    context: &mut Context<'_>,
    statement: &'s Statement,
    setting: &dyn AnySetting,
) -> Option<SettingValue<'s>> {
    if statement.damaged {
        return None;
    }
    let form = setting.written();
    let name = setting.name();
    let is_flag = matches!(setting.form(), Form::Flag);
    let mut cursor = Cursor::new(statement, form.as_str()).flag(is_flag);
    let takes_block = setting.form().table().is_some();
    let value = match setting.form() {
        Form::Flag => Some(SettingValue::Flag),
        Form::Whole(least) => whole(context, &mut cursor, name, least).map(SettingValue::Whole),
        Form::Large(least) => large(context, &mut cursor, name, least).map(SettingValue::Whole),
        Form::OptionalWhole(_) if cursor.peek().is_none() => Some(SettingValue::Flag),
        Form::OptionalWhole(least) => {
            whole(context, &mut cursor, name, least).map(SettingValue::Whole)
        }
        Form::RealOrNone(_) | Form::WholeOrNone(_) | Form::Crossing(_) if cursor.is_word(NONE) => {
            cursor.next();
            Some(SettingValue::None)
        }
        Form::Crossing(_) if cursor.is_word(MLP) => {
            cursor.next();
            sizes(context, &mut cursor, name)
        }
        Form::WholeOrNone(least) => {
            whole(context, &mut cursor, name, least).map(SettingValue::Whole)
        }
        Form::Real(bound) | Form::RealOrNone(bound) => {
            real(context, &mut cursor, name, bound).map(SettingValue::Real)
        }
        Form::Interval => interval(context, &mut cursor),
        Form::Sizes => sizes(context, &mut cursor, name),
        Form::Name(_) => cursor.name(context, "a name").map(SettingValue::Name),
        Form::Names(_) => names(context, &mut cursor).map(SettingValue::Names),
        Form::Columns => columns(context, &mut cursor).map(SettingValue::Columns),
        Form::Text => cursor
            .text(context, "a column in quotes")
            .map(SettingValue::Text),
        Form::Choice(words) => word_of(context, &mut cursor, words).map(SettingValue::Choice),
        Form::Values if matches!(cursor.peek(), Some(AtomKind::Text(_))) => cursor
            .text(context, "a path in quotes")
            .map(SettingValue::Text),
        Form::Value => raw_value(context, &mut cursor).map(SettingValue::Raw),
        Form::Boundaries => boundaries(context, &mut cursor).map(SettingValue::Boundaries),
        Form::OptionalBlock(_) if statement.block.is_none() => Some(SettingValue::Flag),
        Form::OptionalBlock(_) => statement.block.as_ref().map(SettingValue::Block),
        Form::Values => raw_list(context, &mut cursor).map(SettingValue::Values),
        Form::Ranges => ranges(context, &mut cursor).map(SettingValue::Ranges),
        Form::Block(_) | Form::Crossing(_) => context
            .require_block(statement, &form)
            .map(SettingValue::Block),
    };
    if value.is_some() {
        cursor.end(context);
    }
    if !takes_block || matches!(value, Some(SettingValue::None | SettingValue::Sizes(_))) {
        context.refuse_block(statement, &form);
    }
    value.filter(|_| !cursor.failed())
}

fn interval<'s>(context: &mut Context<'_>, cursor: &mut Cursor<'s>) -> Option<SettingValue<'s>> {
    let what = "`[LO, HI]`, two numbers";
    let (items, span) = cursor.list(context, what)?;
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
    Some(SettingValue::Interval(low.real, high.real))
}

fn as_number(kind: &AtomKind) -> Option<&Number> {
    match kind {
        AtomKind::Number(number) => Some(number),
        _ => None,
    }
}

fn sizes<'s>(
    context: &mut Context<'_>,
    cursor: &mut Cursor<'s>,
    name: &str,
) -> Option<SettingValue<'s>> {
    let (items, _) = cursor.list(context, "a list of whole numbers")?;
    let mut sizes = Vec::new();
    for item in items {
        let AtomKind::Number(number) = &item.kind else {
            context.report(wrong_item(item, "a whole number"));
            return None;
        };
        sizes.push(usize::try_from(whole_of(context, number, item.span, name, 1, MAX_SIZE)?).ok()?);
    }
    Some(SettingValue::Sizes(sizes))
}

fn wrong_item(item: &Atom, wants: &str) -> Diagnostic {
    let message = format!(
        "expected {wants} in this list, not {}",
        item.kind.describe()
    );
    Diagnostic::new(Code::E0304, message, item.span, format!("expected {wants}"))
}

/// A name or a list of names, at least one; none twice.
pub(in crate::sema) fn names(
    context: &mut Context<'_>,
    cursor: &mut Cursor<'_>,
) -> Option<Vec<Word>> {
    if !matches!(cursor.peek(), Some(AtomKind::List(_))) {
        return cursor
            .name(context, "a name or a list of names")
            .map(|name| vec![name]);
    }
    let (items, _) = cursor.list(context, "a name or a list of names")?;
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
fn raw_value(context: &mut Context<'_>, cursor: &mut Cursor<'_>) -> Option<Raw> {
    match cursor.peek() {
        Some(AtomKind::Text(_) | AtomKind::Number(_)) => {
            let atom = cursor.next()?;
            raw(context, atom)
        }
        _ => {
            cursor.fail(context, "a string or a whole number", None);
            None
        }
    }
}

/// Boundaries of buckets.
fn boundaries(context: &mut Context<'_>, cursor: &mut Cursor<'_>) -> Option<Vec<f64>> {
    let (items, _) = cursor.list(context, "a list of numbers")?;
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
pub(in crate::sema) fn columns(
    context: &mut Context<'_>,
    cursor: &mut Cursor<'_>,
) -> Option<Vec<Text>> {
    let mut columns: Vec<Text> = Vec::new();
    loop {
        let column = cursor.text(context, "a column in quotes")?;
        match columns.iter().find(|other| other.text == column.text) {
            Some(first) => context.report(repeated(
                &format!("column `{}`", column.text),
                column.span,
                first.span,
            )),
            None => columns.push(column),
        }
        if cursor.is_word("and") {
            let joined = ("columns stand with `&` between them", "&".to_owned());
            cursor.fail(context, "`&`", Some(joined));
            return None;
        }
        if cursor.peek() != Some(&AtomKind::And) {
            return Some(columns);
        }
        cursor.next();
    }
}

/// One of a choice's words, as its value.
pub(in crate::sema) fn choice<C: Choice>(
    context: &mut Context<'_>,
    cursor: &mut Cursor<'_>,
) -> Option<C> {
    of_word(word_of(context, cursor, C::WORDS)?)
}

/// The value of a choice's own word.
pub(in crate::sema) fn of_word<C: Choice>(word: &str) -> Option<C> {
    let value = C::from_word(word);
    check!(value.is_some(), "`{word}` is not one of {:?}", C::WORDS);
    value
}

/// One of some words. A misspelt one counts as what it was meant to be.
fn word_of(
    context: &mut Context<'_>,
    cursor: &mut Cursor<'_>,
    words: &'static [&'static str],
) -> Option<&'static str> {
    let word = cursor.name(
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
