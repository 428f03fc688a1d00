//! Hyperparameters of training, and the fate of bad rows.

use crate::sema::context::Context;
use crate::sema::cursor::Cursor;
use crate::sema::declare::domains::Domains;
use crate::sema::declare::embeddings::{EMBEDDINGS_BLOCK, GivenEmbeddings};
use crate::sema::declare::run_policy;
use crate::sema::declare::tasks::Tasks;
use crate::sema::literals::Text;
use crate::sema::settings::Settings;
use crate::sema::settings::declaration::{Defaulted, OneOf, OrNone, Setting};
use crate::sema::settings::forms::{Bound, SettingsTable};
use crate::sema::spec::{AdamW, BadRows, Decay, Evaluation, Request, Rows, Training};
use crate::syntax::ast::{Block, Statement};

static BAD: Defaulted<OneOf<BadRows>> = Setting::choice("bad")
    .help(
        "`stop` stops at a row with a NaN or infinite number or a label outside [0, 1] and \
         reports file, row and column; `skip` leaves such rows out and counts them by column",
    )
    .default(Rows::DEFAULT.bad);
static REQUEST: Setting<Text> = Setting::column("request")
    .help(
        "the request that a row is of: neighbouring rows with the same whole number or string \
         here, the same surface and the same query features run the query tower once",
    )
    .without("none");
static SAMPLE_WEIGHT: Setting<Text> = Setting::column("sample_weight")
    .help("weights of the rows, for every task without its own")
    .without("none");

pub(in crate::sema) static ROWS: SettingsTable = SettingsTable {
    owner: "`rows`",
    empty_is_idle: true,
    settings: &[&BAD, &SAMPLE_WEIGHT, &REQUEST],
};

static BUCKETS: Defaulted<usize> = Setting::size("buckets", 5)
    .help(
        "number of buckets of equal size into which the report cuts the rows by the ranker's \
         score, for the LogMAE of the top five; at least 5",
    )
    .default(Evaluation::DEFAULT.buckets);

pub(in crate::sema) static EVALUATION: SettingsTable = SettingsTable {
    owner: "`evaluation`",
    empty_is_idle: true,
    settings: &[&BUCKETS],
};

static BATCH: Defaulted<usize> = Setting::size("batch", 1)
    .help("rows per step")
    .default(Training::DEFAULT.batch);
static EPOCHS: Defaulted<usize> = Setting::size("epochs", 1)
    .help("passes over the training rows")
    .default(Training::DEFAULT.epochs);
static SEED: Defaulted<u64> = Setting::whole("seed", 0)
    .help("seed of the initial weights and of the order of the rows")
    .default(Training::DEFAULT.seed);
static SHUFFLE: Defaulted<usize> = Setting::size("shuffle", 1)
    .help("rows of the shuffle buffer")
    .default(Training::DEFAULT.shuffle);
static DENSE: Setting<Block> = Setting::block("dense", &DENSE_BLOCK)
    .help("AdamW of everything but the tables")
    .without("see below");
static EMBEDDINGS: Setting<Block> = Setting::block("embeddings", &EMBEDDINGS_BLOCK)
    .help("how the rows of tables are trained; a table may have its own block")
    .without("see below");
static DECAY: Defaulted<OneOf<Decay>> = Setting::choice("decay")
    .help(
        "after the warm-up: to 0 at the run's end along a line or half a cosine; as 1 / \
         √step, which need not know the end; not at all",
    )
    .default(Training::DEFAULT.decay);
static CLIP: Defaulted<OrNone<f64>> = Setting::real_or_none("clip", Bound::Positive)
    .help("global norm that the dense gradients are clipped to")
    .default(Training::DEFAULT.clip);

pub(in crate::sema) static TRAINING: SettingsTable = SettingsTable {
    owner: "`training`",
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

static LR: Defaulted<f64> = Setting::real("lr", Bound::Positive)
    .help("learning rate")
    .default(Training::DEFAULT.dense.lr);
static WEIGHT_DECAY: Defaulted<f64> = Setting::real("weight_decay", Bound::NotNegative)
    .help("weight decay")
    .default(Training::DEFAULT.dense.weight_decay);

pub(in crate::sema) static DENSE_BLOCK: SettingsTable = SettingsTable {
    owner: "`dense`",
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
    training.embeddings =
        GivenEmbeddings::read(context, &settings, &EMBEDDINGS).over(training.embeddings);
    training.course = run_policy::read(context, &settings, tasks, domains, validated);
    training
}
