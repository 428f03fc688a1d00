//! The policy of a training run: what is measured, chosen and kept.

use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::Context;
use crate::sema::declare::cells::Cells;
use crate::sema::declare::domains::Domains;
use crate::sema::declare::tasks::{TaskDeclaration, Tasks};
use crate::sema::settings::declaration::{Defaulted, OneOf, Setting};
use crate::sema::settings::forms::{AnySetting, Bound, NameOf, SettingsTable};
use crate::sema::settings::{GivenSetting, Settings};
use crate::sema::spec::{Course, Metric, Select, Tower, Training};
use crate::source::Span;
use crate::syntax::ast::{Block, Word};

/// Settings of `training`.
pub(in crate::sema) static WARMUP: Defaulted<f64> = Setting::real("warmup", Bound::Fraction)
    .help("fraction of the steps in which the learning rate rises from 0")
    .default(Training::DEFAULT.warmup);
pub(in crate::sema) static WARMUP_STEPS: Setting<u64> = Setting::whole("warmup_steps", 0)
    .help("the same as a number of steps, instead of `warmup`")
    .without("as `warmup`");
pub(in crate::sema) static VALIDATE_EVERY: Setting<u64> = Setting::whole("validate_every", 1)
    .help("steps between two validations, in addition to those at the epochs' ends")
    .without("none");
pub(in crate::sema) static SELECT: Setting<Block> = Setting::block("select", &SELECT_BLOCK)
    .help("the validation metric that chooses the model")
    .without("the loss");
pub(in crate::sema) static EARLY_STOP: Setting<Block> =
    Setting::block("early_stop", &EARLY_STOP_BLOCK)
        .help("ends the run when that metric no longer improves")
        .without("none");
pub(in crate::sema) static CHECKPOINTS: Setting<Block> =
    Setting::block("checkpoints", &CHECKPOINTS_BLOCK)
        .help("how often to write one, and how many to keep")
        .without("see below");

static METRIC: Setting<OneOf<Metric>> = Setting::choice("metric")
    .help("of `auc` the highest, of the others the lowest")
    .required();
static TASK: Setting<Word> = Setting::name("task", NameOf::Task)
    .help("the task whose metric it is")
    .required();
static ON: Setting<Vec<Word>> = Setting::names("on", NameOf::Domain)
    .help("surfaces and products, as in a task; one metric over all their rows")
    .without("all of the task's cells");

pub(in crate::sema) static SELECT_BLOCK: SettingsTable = SettingsTable {
    owner: "`select`",
    empty_is_idle: true,
    settings: &[&METRIC, &TASK, &ON],
};

static PATIENCE: Defaulted<u64> = Setting::whole("patience", 1)
    .help(
        "consecutive validations without an improvement that end the run, from the first one \
         that gives the metric",
    )
    .default(Course::PATIENCE);
static MIN_DELTA: Defaulted<f64> = Setting::real("min_delta", Bound::NotNegative)
    .help("how much better a metric must be to be an improvement")
    .default(Course::DEFAULT.min_delta);

pub(in crate::sema) static EARLY_STOP_BLOCK: SettingsTable = SettingsTable {
    owner: "`early_stop`",
    empty_is_idle: true,
    settings: &[&PATIENCE, &MIN_DELTA],
};

static EVERY: Setting<u64> = Setting::whole("every", 1)
    .help("steps between two checkpoints, in addition to those at the epochs' ends")
    .without("none");
static KEEP: Defaulted<usize> = Setting::size("keep", 1)
    .help("how many of the last ones are kept, in addition to the best one")
    .default(Course::DEFAULT.keep);

pub(in crate::sema) static CHECKPOINTS_BLOCK: SettingsTable = SettingsTable {
    owner: "`checkpoints`",
    empty_is_idle: true,
    settings: &[&EVERY, &KEEP],
};

/// Reads the run policy in `training`. `validated`: whether there are validation rows.
pub(in crate::sema) fn read(
    context: &mut Context<'_>,
    training: &Settings<'_>,
    tasks: &Tasks,
    domains: &Domains,
    validated: bool,
) -> Course {
    let mut course = Course::DEFAULT;
    let reason = "a warm-up is a fraction of the steps or a number of them";
    training.exclude(context, &WARMUP, &[&WARMUP_STEPS], reason);
    course.warmup_steps = training.of(&WARMUP_STEPS);
    course.validate_every = training.of(&VALIDATE_EVERY);
    if let Some(stop) = training.inner(context, &EARLY_STOP) {
        course.patience = Some(stop.value(&PATIENCE));
        course.min_delta = stop.value(&MIN_DELTA);
    }
    if let Some(checkpoints) = training.inner(context, &CHECKPOINTS) {
        course.checkpoint_every = checkpoints.of(&EVERY);
        course.keep = checkpoints.value(&KEEP);
    }
    let block = training.of(&SELECT);
    if let (Some(block), Some(settings)) = (block, training.inner(context, &SELECT)) {
        course.select = read_select(context, &settings, block.span, tasks, domains);
    }
    if !validated {
        report_idle(context, training);
    }
    course
}

fn read_select(
    context: &mut Context<'_>,
    settings: &Settings<'_>,
    block: Span,
    tasks: &Tasks,
    domains: &Domains,
) -> Option<Select> {
    let required: [(&dyn AnySetting, &str); 2] = [
        (
            &METRIC,
            "add `metric log_mae`, or remove `select`: the loss of all tasks decides then",
        ),
        (&TASK, "add `task NAME`"),
    ];
    for (setting, help) in required {
        if settings.lacks(setting) {
            let message = format!("this `select` has no `{}`", setting.name());
            let place = settings.all().first().map_or(block, |given| given.span);
            let diagnostic = Diagnostic::new(Code::E0302, message, place, "which figure is it?");
            context.report(diagnostic.help(help));
        }
    }
    let name = settings.of(&TASK);
    let task = name.and_then(|name| tasks.resolve(context, name));
    let cells = Cells::read(context, settings, &ON, domains);
    let given = settings.get(&METRIC)?;
    let metric = settings.of(&METRIC)?;
    let (id, task) = task?;
    report_without_metric(context, metric, given, task);
    let (cells, of_task) = (cells?, task.cells.as_ref()?);
    report_outside(context, settings, domains, task, of_task);
    let common = |tower: Tower| {
        let ids = cells.of(tower).iter().copied();
        ids.filter(|id| of_task.has(tower, *id)).collect()
    };
    Some(Select {
        metric,
        task: id,
        surfaces: common(Tower::Query),
        products: common(Tower::Item),
    })
}

/// A task trained on an action has no LogMAE, and one without an action has no AUC.
fn report_without_metric(
    context: &mut Context<'_>,
    metric: Metric,
    given: &GivenSetting<'_>,
    task: &TaskDeclaration,
) {
    let (name, reason, help) = match metric {
        Metric::LogMae if task.score.is_none() => (
            "LogMAE",
            "it is trained on an action, whose logarithm is not finite",
            "choose `kl` or `auc`",
        ),
        Metric::Auc if task.action.is_empty() => (
            "AUC",
            "it declares no `action` to rank by",
            "give the task an `action`, or choose `log_mae` or `kl`",
        ),
        Metric::LogMae | Metric::Mae | Metric::Kl | Metric::Auc => return,
    };
    let message = format!("task `{}` has no {name}", task.name.text);
    context.report(
        Diagnostic::new(Code::E0306, message, given.span, "chosen here")
            .label(task.name.span, reason)
            .help(help),
    );
}

/// Names of `on` that the task is not on.
fn report_outside(
    context: &mut Context<'_>,
    settings: &Settings<'_>,
    domains: &Domains,
    task: &TaskDeclaration,
    cells: &Cells,
) {
    let Some(names) = settings.of(&ON) else {
        return;
    };
    let outside = |name: &&Word| {
        let found = domains.find(&name.text);
        found.is_some_and(|(tower, id)| !cells.has(tower, id))
    };
    for name in names.iter().filter(outside) {
        let message = format!("task `{}` is not on `{}`", task.name.text, name.text);
        context.report(
            Diagnostic::new(Code::E0306, message, name.span, "no cell of the task")
                .label(task.name.span, "declared here")
                .help(format!("remove `{}`, or widen the task's `on`", name.text)),
        );
    }
}

/// Without validation rows, nothing is measured during the run.
fn report_idle(context: &mut Context<'_>, training: &Settings<'_>) {
    let of_validation: [&dyn AnySetting; 3] = [&VALIDATE_EVERY, &SELECT, &EARLY_STOP];
    let idle = |given: &&GivenSetting<'_>| {
        given.is_sound() && of_validation.iter().any(|setting| given.is(*setting))
    };
    for given in training.all().iter().filter(idle) {
        let message = format!("`{}` changes nothing here", given.name());
        context.report(
            Diagnostic::new(Code::W0530, message, given.span, "without effect")
                .note("the split has no rows that validate")
                .help("add `validate VALUES` to the split, or remove this"),
        );
    }
}
