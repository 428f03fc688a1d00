//! What a feature is: the settings of its kind.

use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::Context;
use crate::sema::declare::embeddings::GivenEmbeddings;
use crate::sema::declare::kinds::{
    BUCKETISE, CLIP, DEFAULT, DEFAULT_NUMBER, Kind, LAST, LOG, MEAN, POOL, SHALLOW, STANDARDISE,
    STD, TABLE, WEIGHTS,
};
use crate::sema::declare::tables::{
    DIM, Defaults, EMBEDDINGS, HASH, OOV, ROWS, Shape, Tables, VALUES, VOCABULARY, read_shape,
};
use crate::sema::literals::raw::Raw;
use crate::sema::settings::Settings;
use crate::sema::settings::forms::AnySetting;
use crate::sema::spec::{Index, Input, Standardise, Table, Transform, Value};
use crate::syntax::ast::Word;

/// What a feature is, by its settings.
#[derive(PartialEq)]
pub(in crate::sema) enum DeclaredKind {
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

pub(in crate::sema) fn read_number(
    context: &mut Context<'_>,
    settings: &Settings<'_>,
) -> DeclaredKind {
    let of_buckets: [&dyn AnySetting; 2] = [&DIM, &SHALLOW];
    for setting in of_buckets {
        if let Some(given) = settings.get(setting) {
            let name = setting.name();
            let message = format!("`{name}` belongs to a number that is cut into buckets");
            context.report(
                Diagnostic::new(Code::E0307, message, given.span, "there is no `bucketise`")
                    .help(format!("remove `{name}`, or add `bucketise [X, X]`")),
            );
        }
    }
    DeclaredKind::Number(Transform {
        default: settings.value(&DEFAULT_NUMBER),
        clip: settings.of(&CLIP),
        log: settings.flag(&LOG),
        standardise: read_standardise(context, settings),
    })
}

fn read_standardise(context: &mut Context<'_>, settings: &Settings<'_>) -> Option<Standardise> {
    let given = settings.get(&STANDARDISE)?;
    let Some(moments) = settings.inner(context, &STANDARDISE) else {
        return Some(Standardise::Learned);
    };
    if let (Some(mean), Some(std)) = (moments.of(&MEAN), moments.of(&STD)) {
        return Some(Standardise::Given { mean, std });
    }
    for setting in [&MEAN, &STD] {
        if moments.lacks(setting) {
            let name = setting.name();
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
pub(in crate::sema) fn read_buckets(
    context: &mut Context<'_>,
    name: &Word,
    settings: &Settings<'_>,
    tables: &mut Tables,
) -> DeclaredKind {
    let reason = "buckets are cut from the numbers as they stand in the data";
    settings.exclude(context, &BUCKETISE, &[&LOG, &CLIP, &STANDARDISE], reason);
    if settings.lacks(&DIM) {
        let message = format!("`{}` has no `dim`", name.text);
        context.report(
            Diagnostic::new(Code::E0302, message, name.span, "its buckets have no width")
                .note("each bucket is a row of a table; `dim` is the width of a row")
                .help("say it, as in `dim 4`"),
        );
    }
    let boundaries = settings.of(&BUCKETISE).unwrap_or_default().to_vec();
    let shape = Shape {
        rows: boundaries.len() + 2,
        dim: settings.of(&DIM).unwrap_or(1),
        index: Index::Buckets,
        oov: 0,
        embeddings: GivenEmbeddings::default(),
    };
    tables.add_own(context, name, shape);
    DeclaredKind::Embedded {
        table: name.text.clone(),
        input: Input::Buckets {
            boundaries: boundaries.into(),
            default: settings.of(&DEFAULT_NUMBER),
        },
        shallow: settings.flag(&SHALLOW),
    }
}

pub(in crate::sema) fn read_embedded(
    context: &mut Context<'_>,
    kind: Kind,
    name: &Word,
    settings: &Settings<'_>,
    damaged: bool,
    tables: &mut Tables,
) -> DeclaredKind {
    let default = settings.if_taken(&DEFAULT);
    let table = match settings.get(&TABLE) {
        Some(_) => {
            let reason = "rows, width, vocabulary and training are those of the shared table";
            let own: [&dyn AnySetting; 7] =
                [&ROWS, &DIM, &VOCABULARY, &HASH, &VALUES, &OOV, &EMBEDDINGS];
            settings.exclude(context, &TABLE, &own, reason);
            match settings.of(&TABLE) {
                Some(shared) => {
                    tables.use_shared(context, shared);
                    if let (Some(default), Some(index)) =
                        (default, tables.shared_index(&shared.text))
                    {
                        report_default_outside(context, default, index);
                    }
                    shared.text.clone()
                }
                None => String::new(),
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
            pool: settings.value(&POOL),
            weights: settings
                .of(&WEIGHTS)
                .map(|column| column.text.clone().into()),
            last: settings.of(&LAST),
        },
        Kind::Id | Kind::Category | Kind::Number | Kind::Vector => Input::One {
            default: default.map(|raw| raw.value.clone()),
        },
    };
    DeclaredKind::Embedded {
        table,
        input,
        shallow: settings.flag(&SHALLOW),
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
    if damaged && settings.of(&DIM).is_none() {
        return Shape::unknown();
    }
    let defaults = match kind {
        Kind::Category => Defaults {
            rows: Some(Table::CATEGORY_ROWS),
            index: Index::Vocabulary {
                min_count: Index::MIN_COUNT,
            },
        },
        Kind::Id | Kind::Ids | Kind::Number | Kind::Vector => Defaults {
            rows: None,
            index: Index::Hash,
        },
    };
    read_shape(context, settings, name, &defaults)
}
