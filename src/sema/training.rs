//! Hyperparameters of training, and the fate of bad rows.

use super::context::Context;
use super::course;
use super::domains::Domains;
use super::embeddings::Given;
use super::forms::{Bound, Form, Section, Table as SettingsTable, setting};
use super::head::Head;
use super::literals::Text;
use super::settings::Settings;
use super::spec::{AdamW, BadRows, Decay, Embeddings, Request, TableOptimiser, Training};
use super::tasks::Tasks;
use super::value::Value;
use crate::syntax::ast::Statement;

pub(super) static ROWS: SettingsTable = SettingsTable {
    owner: "`rows`",
    section: Section::Rows,
    empty_is_idle: true,
    settings: &[
        setting("bad", Form::Choice(&["stop", "skip"])),
        setting("sample_weight", Form::Text),
        setting("request", Form::Text),
    ],
};

pub(super) static EVALUATION: SettingsTable = SettingsTable {
    owner: "`evaluation`",
    section: Section::Evaluation,
    empty_is_idle: true,
    settings: &[setting("buckets", Form::Whole(5))],
};

pub(super) static TRAINING: SettingsTable = SettingsTable {
    owner: "`training`",
    section: Section::Training,
    empty_is_idle: true,
    settings: &[
        setting("batch", Form::Whole(1)),
        setting("epochs", Form::Whole(1)),
        setting("seed", Form::Whole(0)),
        setting("shuffle", Form::Whole(1)),
        setting("dense", Form::Block),
        setting("embeddings", Form::Block),
        setting("warmup", Form::Real(Bound::Fraction)),
        setting("warmup_steps", Form::Whole(0)),
        setting(
            "decay",
            Form::Choice(&["linear", "cosine", "inverse_sqrt", "constant"]),
        ),
        setting("clip", Form::RealOrNone(Bound::Positive)),
        setting("validate_every", Form::Whole(1)),
        setting("select", Form::Block),
        setting("early_stop", Form::Block),
        setting("checkpoints", Form::Block),
    ],
};

pub(super) static DENSE: SettingsTable = SettingsTable {
    owner: "`dense`",
    section: Section::Training,
    empty_is_idle: true,
    settings: &[
        setting("lr", Form::Real(Bound::Positive)),
        setting("weight_decay", Form::Real(Bound::NotNegative)),
    ],
};

/// What the spec says of all rows.
pub(super) struct Rows {
    /// The fate of bad ones; they stop a run unless the spec says otherwise.
    pub bad: BadRows,
    /// The column of their weights, for tasks that have none of their own.
    pub sample_weight: Option<Text>,
    /// What tells the request that a row belongs to.
    pub request: Option<Request>,
}

pub(super) fn read_rows(context: &mut Context<'_>, statement: Option<&Statement>) -> Rows {
    let Some(statement) = statement else {
        return Rows {
            bad: BadRows::Stop,
            sample_weight: None,
            request: None,
        };
    };
    let form = "rows { bad skip }";
    context.refuse_doc(statement);
    Head::new(statement, form).end(context);
    let block = context.require_block(statement, form);
    let settings = Settings::read(context, block, &ROWS);
    let bad = match settings.choice("bad") {
        Some("skip") => BadRows::Skip,
        _ => BadRows::Stop,
    };
    let request = settings.text("request").map(|column| Request {
        column: column.text.clone(),
        place: context.place(column.span),
    });
    Rows {
        bad,
        sample_weight: settings.text("sample_weight").cloned(),
        request,
    }
}

/// Buckets of the report's LogMAE by rank; 20 unless the spec says otherwise.
pub(super) fn read_buckets(context: &mut Context<'_>, statement: Option<&Statement>) -> usize {
    const BUCKETS: usize = 20;
    let Some(statement) = statement else {
        return BUCKETS;
    };
    let form = "evaluation { buckets N }";
    context.refuse_doc(statement);
    Head::new(statement, form).end(context);
    let block = context.require_block(statement, form);
    let settings = Settings::read(context, block, &EVALUATION);
    settings.size("buckets").unwrap_or(BUCKETS)
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
    let mut training = defaults();
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
    training.decay = match settings.choice("decay") {
        Some("constant") => Decay::Constant,
        Some("cosine") => Decay::Cosine,
        Some("inverse_sqrt") => Decay::InverseSqrt,
        _ => training.decay,
    };
    match settings.value("clip") {
        Some(Value::Real(norm)) => training.clip = Some(*norm),
        Some(Value::None) => training.clip = None,
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

fn defaults() -> Training {
    Training {
        batch: 512,
        epochs: 2,
        seed: 1,
        shuffle: 262_144,
        dense: AdamW {
            lr: 1e-3,
            weight_decay: 0.01,
        },
        embeddings: Embeddings {
            optimiser: TableOptimiser::AdamW,
            lr: 3e-2,
            weight_decay: 0.1,
            std: 0.05,
            frequency: None,
        },
        warmup: 0.05,
        decay: Decay::Linear,
        clip: Some(5.0),
        course: course::defaults(),
    }
}
