//! Hyperparameters of training, and the fate of bad rows.

use super::context::Context;
use super::course;
use super::domains::Domains;
use super::embeddings::Given;
use super::head::{Head, Text};
use super::settings::{Settings, Table as SettingsTable, setting};
use super::spec::{AdamW, BadRows, Choice, Decay, Evaluation, Request, Rows, Training};
use super::tasks::Tasks;
use super::value::{Bound, Form, SettingValue};
use crate::syntax::ast::Statement;

pub(super) static ROWS: SettingsTable = SettingsTable {
    owner: "`rows`",
    settings: &[
        setting("bad", Form::Choice(BadRows::WORDS)),
        setting("sample_weight", Form::Text),
        setting("request", Form::Text),
    ],
};

pub(super) static EVALUATION: SettingsTable = SettingsTable {
    owner: "`evaluation`",
    settings: &[setting("buckets", Form::Whole(5))],
};

pub(super) static TRAINING: SettingsTable = SettingsTable {
    owner: "`training`",
    settings: &[
        setting("batch", Form::Whole(1)),
        setting("epochs", Form::Whole(1)),
        setting("seed", Form::Whole(0)),
        setting("shuffle", Form::Whole(1)),
        setting("dense", Form::Block),
        setting("embeddings", Form::Block),
        setting("warmup", Form::Real(Bound::Fraction)),
        setting("warmup_steps", Form::Whole(0)),
        setting("decay", Form::Choice(Decay::WORDS)),
        setting("clip", Form::RealOrNone(Bound::Positive)),
        setting("validate_every", Form::Whole(1)),
        setting("select", Form::Block),
        setting("early_stop", Form::Block),
        setting("checkpoints", Form::Block),
    ],
};

pub(super) static DENSE: SettingsTable = SettingsTable {
    owner: "`dense`",
    settings: &[
        setting("lr", Form::Real(Bound::Positive)),
        setting("weight_decay", Form::Real(Bound::NotNegative)),
    ],
};

/// The settings of all rows, and the column of their weights, for tasks that have none of their own.
pub(super) fn read_rows(
    context: &mut Context<'_>,
    statement: Option<&Statement>,
) -> (Rows, Option<Text>) {
    let mut rows = Rows::DEFAULT;
    let Some(statement) = statement else {
        return (rows, None);
    };
    let form = "rows { bad skip }";
    context.refuse_doc(statement);
    Head::new(statement, form).end(context);
    let block = context.require_block(statement, form);
    let settings = Settings::read(context, block, &ROWS);
    rows.bad = settings.choice("bad").unwrap_or(rows.bad);
    rows.request = settings.text("request").map(|column| Request {
        column: column.text.clone().into(),
        place: context.place(column.span).into(),
    });
    (rows, settings.text("sample_weight").cloned())
}

/// What the report shows.
pub(super) fn read_evaluation(
    context: &mut Context<'_>,
    statement: Option<&Statement>,
) -> Evaluation {
    let mut evaluation = Evaluation::DEFAULT;
    let Some(statement) = statement else {
        return evaluation;
    };
    let form = "evaluation { buckets N }";
    context.refuse_doc(statement);
    Head::new(statement, form).end(context);
    let block = context.require_block(statement, form);
    let settings = Settings::read(context, block, &EVALUATION);
    evaluation.buckets = settings.size("buckets").unwrap_or(evaluation.buckets);
    evaluation
}

/// The hyperparameters, with the defaults of the language for what the spec does not say. `validated`: whether any
/// row validates.
pub(super) fn read(
    context: &mut Context<'_>,
    statement: Option<&Statement>,
    tasks: &Tasks,
    domains: &Domains,
    validated: bool,
) -> Training {
    let mut training = Training::DEFAULT;
    let Some(statement) = statement else {
        return training;
    };
    let form = "training { … }";
    context.refuse_doc(statement);
    Head::new(statement, form).end(context);
    let block = context.require_block(statement, form);
    let settings = Settings::read(context, block, &TRAINING);
    training.batch = settings.size("batch").unwrap_or(training.batch);
    training.epochs = settings.size("epochs").unwrap_or(training.epochs);
    training.seed = settings
        .size("seed")
        .and_then(|seed| u64::try_from(seed).ok())
        .unwrap_or(training.seed);
    training.shuffle = settings.size("shuffle").unwrap_or(training.shuffle);
    training.warmup = settings.real("warmup").unwrap_or(training.warmup);
    training.decay = settings.choice("decay").unwrap_or(training.decay);
    match settings.value("clip") {
        Some(SettingValue::Real(norm)) => training.clip = Some(*norm),
        Some(SettingValue::None) => training.clip = None,
        _ => {}
    }
    if let Some(block) = settings.block("dense") {
        let dense = Settings::read(context, Some(block), &DENSE);
        training.dense = read_adamw(&dense, training.dense);
    }
    training.embeddings = Given::read(context, &settings).over(training.embeddings);
    training.course = course::read(context, &settings, tasks, domains, validated);
    training
}

fn read_adamw(settings: &Settings<'_>, default: AdamW) -> AdamW {
    AdamW {
        lr: settings.real("lr").unwrap_or(default.lr),
        weight_decay: settings
            .real("weight_decay")
            .unwrap_or(default.weight_decay),
    }
}
