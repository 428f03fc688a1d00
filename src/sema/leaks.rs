//! Leaks: a column that tells the outcome, or in which part of the split a row lies, is no input.

use std::collections::BTreeMap;

use super::context::Context;
use super::features::Features;
use super::head::Text;
use super::tasks::Tasks;
use crate::diagnostics::{Code, Diagnostic};
use crate::source::Span;

/// Reports features that read a label, an action or the split.
pub(super) fn report(
    context: &mut Context<'_>,
    tasks: &Tasks,
    split: Option<&Text>,
    towers: [&Features; 2],
) {
    let outcomes = outcomes(tasks, split);
    for feature in towers.iter().flat_map(|features| &features.declared) {
        let Some((role, place)) = outcomes.get(feature.column.text.as_str()) else {
            continue;
        };
        let message = format!(
            "feature `{}` reads column `{}`, {role}",
            feature.name.text, feature.column.text
        );
        context.report(
            Diagnostic::new(Code::E0407, message, feature.column.span, "not an input")
                .label(*place, format!("{role}, here"))
                .note("a model that sees it learns nothing that holds when it serves")
                .help("remove the feature"),
        );
    }
}

/// Columns that are no inputs, with what they are and the first place that says so.
fn outcomes<'t>(tasks: &'t Tasks, split: Option<&'t Text>) -> BTreeMap<&'t str, (String, Span)> {
    let mut outcomes = BTreeMap::new();
    for task in &tasks.declared {
        if let Some(column) = &task.score {
            outcomes.entry(column.text.as_str()).or_insert((
                format!("the label of task `{}`", task.name.text),
                column.span,
            ));
        }
        for column in &task.action {
            outcomes.entry(column.text.as_str()).or_insert((
                format!("an action of task `{}`", task.name.text),
                column.span,
            ));
        }
    }
    if let Some(column) = split {
        outcomes
            .entry(column.text.as_str())
            .or_insert(("the column of the split".to_owned(), column.span));
    }
    outcomes
}
