//! The split of the rows into training, validation and test.

use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::Context;
use crate::sema::cursor::Cursor;
use crate::sema::literals::Text;
use crate::sema::literals::raw::{Raw, RawRange, report_mixed};
use crate::sema::settings::Settings;
use crate::sema::settings::declaration::Setting;
use crate::sema::settings::forms::{AnySetting, SettingsTable};
use crate::sema::spec::{List, Split, Value};
use crate::syntax::ast::Statement;

static TRAIN: Setting<Vec<RawRange>> = Setting::ranges("train").help("training rows").required();
static VALIDATE: Setting<Vec<RawRange>> = Setting::ranges("validate")
    .help("validation rows: each epoch is measured on them")
    .without("none");
static TEST: Setting<Vec<RawRange>> = Setting::ranges("test")
    .help("test rows: the trained model is measured on them")
    .without("none");

pub(in crate::sema) static SPLIT: SettingsTable = SettingsTable {
    owner: "a split",
    empty_is_idle: false,
    settings: &[&TRAIN, &VALIDATE, &TEST],
};

/// A declared split, with the place of its column.
pub(in crate::sema) struct SplitDeclaration {
    pub split: Split,
    pub column: Option<Text>,
    /// Whether a range holds validation rows.
    pub validates: bool,
    /// Whether some part may be missing only because it could not be read.
    pub damaged: bool,
}

pub(in crate::sema) fn read(context: &mut Context<'_>, statement: &Statement) -> SplitDeclaration {
    let form = "split by \"COLUMN\" { train FIRST .. LAST, test VALUE }";
    context.refuse_doc(statement);
    let mut cursor = Cursor::new(statement, form);
    let column = cursor
        .keyword(context, "by")
        .and_then(|()| cursor.text(context, "a column in quotes"));
    if column.is_some() {
        cursor.end(context);
    }
    let block = context.require_block(statement, form);
    let settings = Settings::read(context, block, &SPLIT);
    if block.is_some() && settings.lacks(&TRAIN) {
        context.report(
            Diagnostic::new(
                Code::E0302,
                "this split has no `train`",
                statement.head,
                "`train` is required",
            )
            .help("say which rows train: `train FIRST .. LAST`"),
        );
    }
    let part = |setting| settings.of(setting).unwrap_or_default();
    let [train, validate, test] = [&TRAIN, &VALIDATE, &TEST].map(part);
    let parts = [
        (TRAIN.name(), train),
        (VALIDATE.name(), validate),
        (TEST.name(), test),
    ];
    report_mixed_parts(context, &parts);
    report_overlaps(context, &parts);
    let split = Split::Column {
        column: column
            .as_ref()
            .map(|column| column.text.clone().into())
            .unwrap_or_default(),
        train: canonical(train),
        validate: canonical(validate),
        test: canonical(test),
        place: context.place(statement.head).into(),
    };
    let damaged = block.is_none() || (validate.is_empty() && !settings.lacks(&VALIDATE));
    SplitDeclaration {
        split,
        column,
        validates: !validate.is_empty(),
        damaged,
    }
}

type Parts<'p> = [(&'static str, &'p [RawRange]); 3];

fn report_mixed_parts(context: &mut Context<'_>, parts: &Parts<'_>) {
    let raw = |range: &RawRange| Raw {
        value: range.first.clone(),
        span: range.span,
    };
    let mut all: Vec<Raw> = parts
        .iter()
        .flat_map(|(_, ranges)| ranges.iter().map(raw))
        .collect();
    all.sort_by_key(|raw| raw.span);
    report_mixed(context, all.iter());
}

/// Sorted by their first value, ranges overlap if and only if two neighbours do, as long as the
/// one that reaches furthest is kept.
fn report_overlaps(context: &mut Context<'_>, parts: &Parts<'_>) {
    let mut all: Vec<(&str, &RawRange)> = parts
        .iter()
        .flat_map(|(name, ranges)| ranges.iter().map(move |range| (*name, range)))
        .collect();
    all.sort_by(|(_, a), (_, b)| (&a.first, &a.last, a.span).cmp(&(&b.first, &b.last, b.span)));
    let mut furthest: Option<(&str, &RawRange)> = None;
    for (name, range) in all {
        if let Some((other, reach)) = furthest
            && range.first <= reach.last
        {
            let (first, second) = if range.span < reach.span {
                ((name, range), (other, reach))
            } else {
                ((other, reach), (name, range))
            };
            let message = if name == other {
                format!("`{name}` takes some rows twice")
            } else {
                format!("`{}` and `{}` overlap", first.0, second.0)
            };
            context.report(
                Diagnostic::new(
                    Code::E0408,
                    message,
                    second.1.span,
                    format!("`{}` takes these", second.0),
                )
                .label(
                    first.1.span,
                    format!("`{}` takes some of them too", first.0),
                )
                .note("both ends of a range belong to it")
                .help("let every value belong to one part"),
            );
        }
        if furthest.is_none_or(|(_, reach)| range.last > reach.last) {
            furthest = Some((name, range));
        }
    }
}

/// Sorted, with ranges of whole numbers joined where one starts right after another: `1, 2` and
/// `1 .. 2` mean the same.
fn canonical(ranges: &[RawRange]) -> List<(Value, Value)> {
    let mut sorted: Vec<(Value, Value)> = ranges
        .iter()
        .map(|range| (range.first.clone(), range.last.clone()))
        .collect();
    sorted.sort();
    let mut joined: Vec<(Value, Value)> = Vec::new();
    for (first, last) in sorted {
        match (joined.last_mut(), &first) {
            (Some((_, Value::Int(end))), Value::Int(start))
                if end.checked_add(1) == Some(*start) =>
            {
                if let Value::Int(new) = last {
                    *end = new;
                }
            }
            _ => joined.push((first, last)),
        }
    }
    joined.into()
}
