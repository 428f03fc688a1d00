//! Values of settings, by form: types and ranges.

use super::context::{Context, enumerate};
use super::head::{Head, Text, unquoted};
use super::names::{closest, suggest};
use super::number::{MAX_SIZE, fits, large, real, too_large, whole, whole_of};
use super::raw::{Raw, RawRange, ranges, raw, raw_list, repeated};
use super::settings::Setting;
use crate::diagnostics::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{Atom, AtomKind, Block, Number, Statement, Word};

/// How a setting is written.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// Nothing after the word.
    Flag,
    /// A whole number, at least this.
    Whole(u64),
    /// A whole number, at least this, that counts what may be more than [`MAX_SIZE`].
    Large(u64),
    /// A whole number, at least this, or nothing.
    OptionalWhole(u64),
    /// A number.
    Real(Bound),
    /// A number or `none`.
    RealOrNone(Bound),
    /// `[LO, HI]`, LO below HI.
    Interval,
    /// A list of whole numbers above 0, at least one.
    Sizes,
    /// A name.
    Name,
    /// A name or a list of names, at least one.
    Names,
    /// Strings with `&` between them.
    Columns,
    /// A string.
    Text,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// A list of strings or of whole numbers, at least one, or the path of a file of them.
    Values,
    /// A string or a whole number.
    Value,
    /// A list of finite numbers, each above the one before it, at least one.
    Boundaries,
    /// A value, a range or a list of values.
    Ranges,
    /// A block.
    Block,
    /// A block or nothing.
    OptionalBlock,
    /// A whole number, at least this, or `none`.
    WholeOrNone(u64),
    /// A block, `none`, or `mlp` and a list of sizes.
    Crossing,
}

/// Which numbers a setting takes.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    /// Any that is finite.
    Finite,
    /// Above 0.
    Positive,
    /// 0 or above.
    NotNegative,
    /// From 0, below 1.
    Fraction,
}

impl Bound {
    pub(super) fn holds(self, value: f64) -> bool {
        fits(value)
            && match self {
                Self::Finite => true,
                Self::Positive => value > 0.0,
                Self::NotNegative => value >= 0.0,
                Self::Fraction => (0.0..1.0).contains(&value),
            }
    }

    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Finite => "finite",
            Self::Positive => "above 0",
            Self::NotNegative => "0 or above",
            Self::Fraction => "from 0 to below 1",
        }
    }
}

/// The value of a setting.
#[derive(Debug)]
pub(super) enum SettingValue<'s> {
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
) -> Option<SettingValue<'s>> {
    if statement.damaged {
        return None;
    }
    let form = written(setting);
    let mut head = Head::new(statement, form.as_str());
    let takes_block = matches!(
        setting.form,
        Form::Block | Form::Crossing | Form::OptionalBlock
    );
    let value = match setting.form {
        Form::Flag => Some(SettingValue::Flag),
        Form::Whole(least) => {
            whole(context, &mut head, setting.name, least).map(SettingValue::Whole)
        }
        Form::Large(least) => {
            large(context, &mut head, setting.name, least).map(SettingValue::Whole)
        }
        Form::OptionalWhole(_) if head.peek().is_none() => Some(SettingValue::Flag),
        Form::OptionalWhole(least) => {
            whole(context, &mut head, setting.name, least).map(SettingValue::Whole)
        }
        Form::RealOrNone(_) | Form::WholeOrNone(_) | Form::Crossing if head.is_word("none") => {
            head.next();
            Some(SettingValue::None)
        }
        Form::Crossing if head.is_word("mlp") => {
            head.next();
            sizes(context, &mut head, setting.name)
        }
        Form::WholeOrNone(least) => {
            whole(context, &mut head, setting.name, least).map(SettingValue::Whole)
        }
        Form::Real(bound) | Form::RealOrNone(bound) => {
            real(context, &mut head, setting.name, bound).map(SettingValue::Real)
        }
        Form::Interval => interval(context, &mut head),
        Form::Sizes => sizes(context, &mut head, setting.name),
        Form::Name => head.name(context, "a name").map(SettingValue::Name),
        Form::Names => names(context, &mut head).map(SettingValue::Names),
        Form::Columns => columns(context, &mut head).map(SettingValue::Columns),
        Form::Text => head
            .text(context, "a column in quotes")
            .map(SettingValue::Text),
        Form::Choice(words) => choice(context, &mut head, words).map(SettingValue::Choice),
        Form::Values if matches!(head.peek(), Some(AtomKind::Text(_))) => head
            .text(context, "a path in quotes")
            .map(SettingValue::Text),
        Form::Value => raw_value(context, &mut head).map(SettingValue::Raw),
        Form::Boundaries => boundaries(context, &mut head).map(SettingValue::Boundaries),
        Form::OptionalBlock if statement.block.is_none() => Some(SettingValue::Flag),
        Form::OptionalBlock => statement.block.as_ref().map(SettingValue::Block),
        Form::Values => raw_list(context, &mut head).map(SettingValue::Values),
        Form::Ranges => ranges(context, &mut head).map(SettingValue::Ranges),
        Form::Block | Form::Crossing => context
            .require_block(statement, &form)
            .map(SettingValue::Block),
    };
    if value.is_some() {
        head.end(context);
    }
    if !takes_block || matches!(value, Some(SettingValue::None | SettingValue::Sizes(_))) {
        context.refuse_block(statement, &form);
    }
    value.filter(|_| !head.failed())
}

impl Setting {
    /// How it is written, for help.
    pub fn written(&self) -> String {
        written(self)
    }
}

fn written(setting: &Setting) -> String {
    let form = match setting.form {
        Form::Flag => "WORD",
        Form::Whole(_) | Form::Large(_) | Form::OptionalWhole(_) => "WORD N",
        Form::Real(_) => "WORD X",
        Form::RealOrNone(_) => "WORD X` or `WORD none",
        Form::Interval => "WORD [LO, HI]",
        Form::Sizes => "WORD [N, N]",
        Form::Name => "WORD NAME",
        Form::Names => "WORD NAME` or `WORD [NAME, NAME]",
        Form::Columns => "WORD \"COLUMN\" & \"COLUMN\"",
        Form::Text => "WORD \"COLUMN\"",
        Form::Choice(_) => "WORD CHOICE",
        Form::Values => "WORD [VALUE, VALUE]` or `WORD \"FILE\"",
        Form::Value => "WORD VALUE",
        Form::Boundaries => "WORD [X, X]",
        Form::OptionalBlock => "WORD` or `WORD { … }",
        Form::Ranges => "WORD VALUE`, `WORD FIRST .. LAST` or `WORD [VALUE, VALUE]",
        Form::Block => "WORD { … }",
        Form::WholeOrNone(_) => "WORD N` or `WORD none",
        Form::Crossing => "WORD { … }`, `WORD mlp [N, N]` or `WORD none",
    };
    form.replace("WORD", setting.name)
}

/// The list that must come next.
pub(super) fn list<'s>(
    context: &mut Context<'_>,
    head: &mut Head<'s>,
    what: &str,
) -> Option<(&'s [Atom], Span)> {
    if let Some(AtomKind::List(items)) = head.peek() {
        let span = head.next()?.span;
        if items.is_empty() {
            context.report(Diagnostic::new(
                Code::E0308,
                "this list is empty",
                span,
                format!("expected {what}"),
            ));
            return None;
        }
        return Some((items, span));
    }
    head.fail(context, what, None);
    None
}

fn interval<'s>(context: &mut Context<'_>, head: &mut Head<'s>) -> Option<SettingValue<'s>> {
    let what = "`[LO, HI]`, two numbers";
    let (items, span) = list(context, head, what)?;
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
    head: &mut Head<'s>,
    name: &str,
) -> Option<SettingValue<'s>> {
    let (items, _) = list(context, head, "a list of whole numbers")?;
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
    let diagnostic = Diagnostic::new(Code::E0304, message, item.span, format!("expected {wants}"));
    match &item.kind {
        AtomKind::Text(text) if wants == "a name" => unquoted(diagnostic, text, item.span),
        AtomKind::Word(word) if wants.contains("string") => diagnostic.fix(
            "what stands in the data is written in quotes",
            item.span,
            format!("\"{word}\""),
        ),
        _ => diagnostic,
    }
}

/// A name or a list of names, at least one; none twice.
pub(super) fn names(context: &mut Context<'_>, head: &mut Head<'_>) -> Option<Vec<Word>> {
    if !matches!(head.peek(), Some(AtomKind::List(_))) {
        return head
            .name(context, "a name or a list of names")
            .map(|name| vec![name]);
    }
    let (items, _) = list(context, head, "a name or a list of names")?;
    let mut names: Vec<Word> = Vec::new();
    let mut sound = true;
    for item in items {
        let AtomKind::Word(text) = &item.kind else {
            context.report(wrong_item(item, "a name"));
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
    let (items, _) = list(context, head, "a list of numbers")?;
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
