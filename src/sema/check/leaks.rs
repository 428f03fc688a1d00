//! Leaks: a column that tells the outcome, or in which part of the split a row lies, is no input.

use std::collections::BTreeMap;

use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::Context;
use crate::sema::declare::domains::Domains;
use crate::sema::declare::features::Features;
use crate::sema::declare::tasks::Tasks;
use crate::sema::literals::Text;
use crate::sema::spec::Tower;
use crate::source::Span;

/// Reports features that read a label, an action, a mask or the split, and domains that are told by an outcome.
pub(in crate::sema) fn report(
    context: &mut Context<'_>,
    tasks: &Tasks,
    split: Option<&Text>,
    domains: &Domains,
    towers: [&Features; 2],
) {
    let roles = roles(tasks, split);
    for feature in towers.iter().flat_map(|features| &features.declared) {
        for column in std::iter::once(&feature.column).chain(&feature.weights) {
            let reader = format!("feature `{}` reads", feature.name.text);
            let help = "remove the feature, or let it read another column";
            report_column(context, &roles, column, &reader, help);
        }
    }
    // Rows may be split by their domain.
    let roles = self::roles(tasks, None);
    for (tower, words) in [(Tower::Query, "surfaces"), (Tower::Item, "products")] {
        if let Some(column) = &domains.axis(tower).column {
            let reader = format!("the {words} are told by");
            let help = "tell them by a column that is known when the model serves";
            report_column(context, &roles, column, &reader, help);
        }
    }
}

fn report_column(
    context: &mut Context<'_>,
    roles: &BTreeMap<&str, Role>,
    column: &Text,
    reader: &str,
    help: &str,
) {
    if let Some(role) = roles.get(column.text.as_str()) {
        let text = &column.text;
        let message = format!("{reader} column `{text}`, {}", role.name);
        context.report(
            Diagnostic::new(Code::E0407, message, column.span, "this is no input")
                .label(role.place, format!("`{text}` is {}", role.name))
                .note(role.reason)
                .help(help),
        );
    }
}

/// What a column is that is no input.
struct Role {
    name: String,
    /// The first place that says so.
    place: Span,
    reason: &'static str,
}

fn roles<'t>(tasks: &'t Tasks, split: Option<&'t Text>) -> BTreeMap<&'t str, Role> {
    let mut roles = BTreeMap::new();
    let mut add = |column: &'t Text, name: String, reason| {
        roles.entry(column.text.as_str()).or_insert(Role {
            name,
            place: column.span,
            reason,
        });
    };
    let outcome = "the outcome is not known yet when the model serves";
    for task in &tasks.declared {
        if let Some(column) = &task.score {
            add(
                column,
                format!("the label of task `{}`", task.name.text),
                outcome,
            );
        }
        for column in &task.action {
            add(
                column,
                format!("an action of task `{}`", task.name.text),
                outcome,
            );
        }
    }
    for task in &tasks.declared {
        for column in &task.mask {
            let name = format!("a mask of task `{}`", task.name.text);
            add(
                column,
                name,
                "it tells which rows have a label, and is known only then",
            );
        }
    }
    if let Some(column) = split {
        let reason = "rows of another part have other values, which training never sees";
        add(column, "the column of the split".to_owned(), reason);
    }
    roles
}
