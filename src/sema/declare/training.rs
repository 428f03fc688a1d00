//! Hyperparameters of training, and the fate of bad rows.

use crate::sema::context::Context;
use crate::sema::cursor::Cursor;
use crate::sema::declare::domains::Domains;
use crate::sema::declare::embeddings::{EMBEDDINGS, Given};
use crate::sema::declare::run_policy;
use crate::sema::declare::tasks::{SAMPLE_WEIGHT, Tasks};
use crate::sema::literals::Text;
use crate::sema::settings::Settings;
use crate::sema::settings::declaration::{Defaulted, OneOf, OrNone, Setting};
use crate::sema::settings::forms::{Bound, Section, Table as SettingsTable};
use crate::sema::spec::{AdamW, BadRows, Decay, Evaluation, Request, Rows, Training};
use crate::syntax::ast::{Block, Statement};

static BAD: Defaulted<OneOf<BadRows>> = Setting::choice("bad").default(Rows::DEFAULT.bad);
static REQUEST: Setting<Text> = Setting::column("request");

pub(in crate::sema) static ROWS: SettingsTable = SettingsTable {
    owner: "`rows`",
    section: Section::Rows,
    empty_is_idle: true,
    settings: &[&BAD, &SAMPLE_WEIGHT, &REQUEST],
};

static BUCKETS: Defaulted<usize> = Setting::size("buckets", 5).default(Evaluation::DEFAULT.buckets);

pub(in crate::sema) static EVALUATION: SettingsTable = SettingsTable {
    owner: "`evaluation`",
    section: Section::Evaluation,
    empty_is_idle: true,
    settings: &[&BUCKETS],
};

static BATCH: Defaulted<usize> = Setting::size("batch", 1).default(Training::DEFAULT.batch);
static EPOCHS: Defaulted<usize> = Setting::size("epochs", 1).default(Training::DEFAULT.epochs);
static SEED: Defaulted<u64> = Setting::whole("seed", 0).default(Training::DEFAULT.seed);
static SHUFFLE: Defaulted<usize> = Setting::size("shuffle", 1).default(Training::DEFAULT.shuffle);
static DENSE: Setting<Block> = Setting::block("dense", &DENSE_BLOCK);
static DECAY: Defaulted<OneOf<Decay>> = Setting::choice("decay").default(Training::DEFAULT.decay);
static CLIP: Defaulted<OrNone<f64>> =
    Setting::real_or_none("clip", Bound::Positive).default(Training::DEFAULT.clip);

pub(in crate::sema) static TRAINING: SettingsTable = SettingsTable {
    owner: "`training`",
    section: Section::Training,
    empty_is_idle: true,
    settings: &[
        &BATCH,
        &EPOCHS,
        &SEED,
        &SHUFFLE,
        &DENSE,
        &EMBEDDINGS,
        &run_policy::WARMUP,
        &run_policy::WARMUP_STEPS,
        &DECAY,
        &CLIP,
        &run_policy::VALIDATE_EVERY,
        &run_policy::SELECT,
        &run_policy::EARLY_STOP,
        &run_policy::CHECKPOINTS,
    ],
};

static LR: Defaulted<f64> =
    Setting::real("lr", Bound::Positive).default(Training::DEFAULT.dense.lr);
static WEIGHT_DECAY: Defaulted<f64> =
    Setting::real("weight_decay", Bound::NotNegative).default(Training::DEFAULT.dense.weight_decay);

pub(in crate::sema) static DENSE_BLOCK: SettingsTable = SettingsTable {
    owner: "`dense`",
    section: Section::Training,
    empty_is_idle: true,
    settings: &[&LR, &WEIGHT_DECAY],
};

/// The settings of all rows, and the column of their weights, for tasks that do not declare their own.
pub(in crate::sema) fn read_rows(
    context: &mut Context<'_>,
    statement: Option<&Statement>,
) -> (Rows, Option<Text>) {
    let mut rows = Rows::DEFAULT;
    let Some(statement) = statement else {
        return (rows, None);
    };
    let form = "rows { bad skip }";
    context.refuse_doc(statement);
    Cursor::new(statement, form).end(context);
    let block = context.require_block(statement, form);
    let settings = Settings::read(context, block, &ROWS);
    rows.bad = settings.value(&BAD);
    rows.request = settings.of(&REQUEST).map(|column| Request {
        column: column.text.clone().into(),
        place: context.place(column.span).into(),
    });
    (rows, settings.of(&SAMPLE_WEIGHT).cloned())
}

/// The contents of the report.
pub(in crate::sema) fn read_evaluation(
    context: &mut Context<'_>,
    statement: Option<&Statement>,
) -> Evaluation {
    let mut evaluation = Evaluation::DEFAULT;
    let Some(statement) = statement else {
        return evaluation;
    };
    let form = "evaluation { buckets N }";
    context.refuse_doc(statement);
    Cursor::new(statement, form).end(context);
    let block = context.require_block(statement, form);
    let settings = Settings::read(context, block, &EVALUATION);
    evaluation.buckets = settings.value(&BUCKETS);
    evaluation
}

/// The hyperparameters, with the language's defaults for those that the spec does not set. `validated`: whether
/// there are validation rows.
pub(in crate::sema) fn read(
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
    Cursor::new(statement, form).end(context);
    let block = context.require_block(statement, form);
    let settings = Settings::read(context, block, &TRAINING);
    training.batch = settings.value(&BATCH);
    training.epochs = settings.value(&EPOCHS);
    training.seed = settings.value(&SEED);
    training.shuffle = settings.value(&SHUFFLE);
    training.warmup = settings.value(&run_policy::WARMUP);
    training.decay = settings.value(&DECAY);
    training.clip = settings.value(&CLIP);
    if let Some(dense) = settings.inner(context, &DENSE) {
        training.dense = AdamW {
            lr: dense.value(&LR),
            weight_decay: dense.value(&WEIGHT_DECAY),
        };
    }
    training.embeddings = Given::read(context, &settings).over(training.embeddings);
    training.course = run_policy::read(context, &settings, tasks, domains, validated);
    training
}
