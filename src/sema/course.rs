//! The course of a training run: what is measured, chosen and kept on the way.

use super::cells::Cells;
use super::context::Context;
use super::domains::Domains;
use super::settings::{Given, Settings, Table as SettingsTable, setting};
use super::spec::{Choice, Course, Metric, Select, Tower};
use super::tasks::{TaskDeclaration, Tasks};
use super::value::{Bound, Form, SettingValue};
use crate::diagnostics::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::Word;

pub(super) static SELECT: SettingsTable = SettingsTable {
    owner: "`select`",
    settings: &[
        setting("metric", Form::Choice(Metric::WORDS)),
        setting("task", Form::Name),
        setting("on", Form::Names),
    ],
};

pub(super) static EARLY_STOP: SettingsTable = SettingsTable {
    owner: "`early_stop`",
    settings: &[
        setting("patience", Form::Whole(1)),
        setting("min_delta", Form::Real(Bound::NotNegative)),
    ],
};

pub(super) static CHECKPOINTS: SettingsTable = SettingsTable {
    owner: "`checkpoints`",
    settings: &[
        setting("every", Form::Whole(1)),
        setting("keep", Form::Whole(1)),
    ],
};

/// Reads what `training` says of its course. `validated`: whether any row validates.
pub(super) fn read(
    context: &mut Context<'_>,
    training: &Settings<'_>,
    tasks: &Tasks,
    domains: &Domains,
    validated: bool,
) -> Course {
    let mut course = Course::DEFAULT;
    let reason = "a warm-up is a fraction of the steps or a number of them";
    training.exclude(context, "warmup", &["warmup_steps"], reason);
    course.warmup_steps = training.whole("warmup_steps");
    course.validate_every = training.whole("validate_every");
    if let Some(block) = training.block("early_stop") {
        let stop = Settings::read(context, Some(block), &EARLY_STOP);
        course.patience = Some(stop.whole("patience").unwrap_or(Course::PATIENCE));
        course.min_delta = stop.real("min_delta").unwrap_or(course.min_delta);
    }
    if let Some(block) = training.block("checkpoints") {
        let checkpoints = Settings::read(context, Some(block), &CHECKPOINTS);
        course.checkpoint_every = checkpoints.whole("every");
        course.keep = checkpoints.size("keep").unwrap_or(course.keep);
    }
    if let Some(block) = training.block("select") {
        let settings = Settings::read(context, Some(block), &SELECT);
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
    for (name, help) in [
        (
            "metric",
            "add `metric log_mae`, or remove `select`: the loss of all tasks decides then",
        ),
        ("task", "add `task NAME`"),
    ] {
        if settings.lacks(name) {
            let message = format!("this `select` has no `{name}`");
            let place = settings.all().first().map_or(block, |given| given.span);
            let diagnostic = Diagnostic::new(Code::E0302, message, place, "which figure is it?");
            context.report(diagnostic.help(help));
        }
    }
    let name = match settings.value("task") {
        Some(SettingValue::Name(name)) => Some(name),
        _ => None,
    };
    let task = name.and_then(|name| tasks.resolve(context, name));
    let cells = Cells::read(context, settings, domains);
    let given = settings.get("metric")?;
    let metric = settings.choice("metric")?;
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
    given: &Given<'_>,
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
    let Some(SettingValue::Names(names)) = settings.value("on") else {
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

/// Without rows that validate, nothing is measured on the way.
fn report_idle(context: &mut Context<'_>, training: &Settings<'_>) {
    let idle = |given: &&Given<'_>| {
        ["validate_every", "select", "early_stop"].contains(&given.name) && given.value.is_some()
    };
    let spans: Vec<(&str, Span)> = training
        .all()
        .iter()
        .filter(idle)
        .map(|given| (given.name, given.span))
        .collect();
    for (name, span) in spans {
        let message = format!("`{name}` changes nothing here");
        context.report(
            Diagnostic::new(Code::W0530, message, span, "without effect")
                .note("the split has no rows that validate")
                .help("add `validate VALUES` to the split, or remove this"),
        );
    }
}
