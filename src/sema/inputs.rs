//! What a feature is: the settings of its kind.

use super::context::Context;
use super::embeddings::Given;
use super::kinds::{Kind, STANDARDISE};
use super::raw::Raw;
use super::settings::Settings;
use super::spec::{Index, Input, Pool, Standardise, Table, Transform, Value};
use super::tables::{Defaults, Shape, Tables, read_shape};
use super::value::SettingValue;
use crate::diagnostics::{Code, Diagnostic};
use crate::syntax::ast::Word;

/// What a feature is, by its settings.
#[derive(PartialEq)]
pub(super) enum DeclaredKind {
    Embedded {
        table: String,
        input: Input,
        shallow: bool,
    },
    Vector {
        width: usize,
    },
    Number(Transform),
}

pub(super) fn read_number(context: &mut Context<'_>, settings: &Settings<'_>) -> DeclaredKind {
    for name in ["dim", "shallow"] {
        if let Some(given) = settings.get(name) {
            let message = format!("`{name}` belongs to a number that is cut into buckets");
            context.report(
                Diagnostic::new(Code::E0307, message, given.span, "there is no `bucketise`")
                    .help(format!("remove `{name}`, or add `bucketise [X, X]`")),
            );
        }
    }
    let clip = match settings.value("clip") {
        Some(SettingValue::Interval(low, high)) => Some((*low, *high)),
        _ => None,
    };
    DeclaredKind::Number(Transform {
        default: settings
            .real("default")
            .unwrap_or(Transform::DEFAULT.default),
        clip,
        log: settings.flag("log"),
        standardise: read_standardise(context, settings),
    })
}

fn read_standardise(context: &mut Context<'_>, settings: &Settings<'_>) -> Option<Standardise> {
    let given = settings.get("standardise")?;
    let Some(SettingValue::Block(block)) = &given.value else {
        return Some(Standardise::Learned);
    };
    let moments = Settings::read(context, Some(block), &STANDARDISE);
    if let (Some(mean), Some(std)) = (moments.real("mean"), moments.real("std")) {
        return Some(Standardise::Given { mean, std });
    }
    for name in ["mean", "std"] {
        if moments.lacks(name) {
            let message = format!("this `standardise` has no `{name}`");
            context.report(
                Diagnostic::new(
                    Code::E0302,
                    message,
                    given.span,
                    format!("`{name}` is missing"),
                )
                .help(
                    "give both, or neither: `standardise` alone learns them from the training rows",
                ),
            );
        }
    }
    Some(Standardise::Learned)
}

/// A number that is cut into buckets, each a row of a table of its own.
pub(super) fn read_buckets(
    context: &mut Context<'_>,
    name: &Word,
    settings: &Settings<'_>,
    tables: &mut Tables,
) -> DeclaredKind {
    let reason = "buckets are cut from the numbers as they stand in the data";
    settings.exclude(
        context,
        "bucketise",
        &["log", "clip", "standardise"],
        reason,
    );
    if settings.lacks("dim") {
        let message = format!("`{}` has no `dim`", name.text);
        context.report(
            Diagnostic::new(Code::E0302, message, name.span, "its buckets have no width")
                .note("each bucket is a row of a table; `dim` is the width of a row")
                .help("say it, as in `dim 4`"),
        );
    }
    let boundaries = match settings.value("bucketise") {
        Some(SettingValue::Boundaries(boundaries)) => boundaries.clone(),
        _ => Vec::new(),
    };
    let shape = Shape {
        rows: boundaries.len() + 2,
        dim: settings.size("dim").unwrap_or(1),
        index: Index::Buckets,
        oov: 0,
        embeddings: Given::default(),
    };
    tables.add_own(context, name, shape);
    DeclaredKind::Embedded {
        table: name.text.clone(),
        input: Input::Buckets {
            boundaries: boundaries.into(),
            default: settings.real("default"),
        },
        shallow: settings.flag("shallow"),
    }
}

pub(super) fn read_embedded(
    context: &mut Context<'_>,
    kind: Kind,
    name: &Word,
    settings: &Settings<'_>,
    damaged: bool,
    tables: &mut Tables,
) -> DeclaredKind {
    let pool = settings.choice("pool").unwrap_or(Pool::DEFAULT);
    let default = match settings.value("default") {
        Some(SettingValue::Raw(raw)) => Some(raw),
        _ => None,
    };
    let table = match settings.get("table") {
        Some(given) => {
            let reason = "rows, width, vocabulary and training are those of the shared table";
            let own = [
                "rows",
                "dim",
                "vocabulary",
                "hash",
                "values",
                "oov",
                "embeddings",
            ];
            settings.exclude(context, "table", &own, reason);
            match &given.value {
                Some(SettingValue::Name(shared)) => {
                    tables.use_shared(context, shared);
                    if let (Some(default), Some(index)) =
                        (default, tables.shared_index(&shared.text))
                    {
                        report_default_outside(context, default, index);
                    }
                    shared.text.clone()
                }
                _ => String::new(),
            }
        }
        None => {
            let shape = read_own_shape(context, kind, name, settings, damaged);
            if let Some(default) = default {
                report_default_outside(context, default, &shape.index);
            }
            tables.add_own(context, name, shape);
            name.text.clone()
        }
    };
    let input = match kind {
        Kind::Ids => Input::List {
            pool,
            weights: settings
                .text("weights")
                .map(|column| column.text.clone().into()),
            last: settings.size("last"),
        },
        _ => Input::One {
            default: default.map(|raw| raw.value.clone()),
        },
    };
    DeclaredKind::Embedded {
        table,
        input,
        shallow: settings.flag("shallow"),
    }
}

fn report_default_outside(context: &mut Context<'_>, default: &Raw, index: &Index) {
    // A vocabulary that could not be read is empty.
    let outside = match index {
        Index::Values(values) => !values.is_empty() && !values.contains(&default.value),
        Index::Lines { whole, lines, .. } => {
            let wanted = match &default.value {
                Value::Int(number) => whole.then(|| number.to_string()),
                Value::Text(text) => (!whole).then(|| text.to_string()),
            };
            !lines.is_empty() && !lines.lines().any(|line| Some(line) == wanted.as_deref())
        }
        Index::Hash | Index::Vocabulary { .. } | Index::Buckets => false,
    };
    if !outside {
        return;
    }
    let shown = context.text(default.span);
    let message = format!("the default `{shown}` is not in the vocabulary");
    context.report(
        Diagnostic::new(Code::E0510, message, default.span, "not among the `values`")
            .note("a missing value would become one that no row has")
            .help("take one of the values, or add it to them; without `default` a missing value is the zero vector"),
    );
}

fn read_own_shape(
    context: &mut Context<'_>,
    kind: Kind,
    name: &Word,
    settings: &Settings<'_>,
    damaged: bool,
) -> Shape {
    if damaged && settings.value("dim").is_none() {
        return Shape::unknown();
    }
    let defaults = match kind {
        Kind::Category => Defaults {
            rows: Some(Table::CATEGORY_ROWS),
            index: Index::Vocabulary {
                min_count: Index::MIN_COUNT,
            },
        },
        _ => Defaults {
            rows: None,
            index: Index::Hash,
        },
    };
    read_shape(context, settings, name, &defaults)
}
