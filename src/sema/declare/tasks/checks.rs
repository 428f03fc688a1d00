//! What tasks must agree on: parents without cycles, cells within the parent's, a task for every domain.

use super::{TaskDeclaration, Tasks};
use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::Context;
use crate::sema::cycles::cycles;
use crate::sema::declare::domains::{Domains, noun};
use crate::sema::literals::Text;
use crate::sema::sentence::enumerate;
use crate::sema::spec::{DomainId, Tower};
use crate::source::Span;

impl Tasks {
    /// Reports each cycle once, at its first edge in the file, and cuts it there.
    pub(super) fn report_cycles(&mut self, context: &mut Context<'_>) {
        let parents: Vec<Option<usize>> = self.declared.iter().map(|task| task.parent).collect();
        for cycle in cycles(&parents) {
            let mut edges: Vec<(Span, usize)> = cycle
                .iter()
                .filter_map(|place| Some((self.get(*place)?.given.as_ref()?.span, *place)))
                .collect();
            edges.sort();
            let label = |place: usize| {
                let parent = self
                    .get(place)
                    .and_then(|task| task.parent)
                    .unwrap_or(place);
                format!("`{}` is given `{}`", self.name(place), self.name(parent))
            };
            let Some(((span, first), rest)) = edges.split_first() else {
                continue;
            };
            let message = match rest {
                [] => format!("task `{}` is given itself", self.name(*first)),
                _ => format!(
                    "tasks {} are given each other in a cycle",
                    enumerate(edges.iter().map(|(_, place)| self.name(*place)), 12)
                ),
            };
            let mut diagnostic = Diagnostic::new(Code::E0401, message, *span, label(*first));
            for (span, place) in rest {
                diagnostic = diagnostic.label(*span, label(*place));
            }
            context.report(
                diagnostic
                    .note("P(task) = sigmoid(z) · P(parent) needs a task that is given nothing at its root")
                    .help("remove one `given`"),
            );
            for place in cycle {
                if let Some(task) = self.declared.get_mut(place) {
                    task.parent = None;
                }
            }
        }
    }

    pub(super) fn report_children_outside(&self, context: &mut Context<'_>, domains: &Domains) {
        for task in &self.declared {
            let parent = task.parent.and_then(|place| self.get(place));
            let (Some(parent), Some(given)) = (parent, &task.given) else {
                continue;
            };
            let (Some(cells), Some(outer)) = (&task.cells, &parent.cells) else {
                continue;
            };
            let Some(outside) = cells.outside(outer, domains) else {
                continue;
            };
            let (child, parent_name) = (&task.name.text, &parent.name.text);
            let message =
                format!("task `{child}` has cells outside those of its parent `{parent_name}`");
            let place = task.on.unwrap_or(task.name.span);
            let label = format!("`{parent_name}` is not on {outside}");
            let mut diagnostic = Diagnostic::new(Code::E0402, message, place, label).label(
                given.span,
                format!("`{child}` is given `{parent_name}` here"),
            );
            if let Some(on) = parent.on {
                diagnostic = diagnostic.label(on, format!("cells of `{parent_name}`"));
            }
            let help = match cells.within(outer, domains) {
                Some(on) => format!("write `{on}` for `{child}`, or widen `{parent_name}`"),
                None => format!("no cell of `{child}` is left: widen `{parent_name}`"),
            };
            context.report(diagnostic.help(help));
        }
    }

    pub(super) fn report_domains_without_task(&self, context: &mut Context<'_>, domains: &Domains) {
        if !self.complete || self.declared.iter().any(|task| task.cells.is_none()) {
            return;
        }
        for tower in Tower::ALL {
            for (place, (name, span)) in domains.axis(tower).named_places().enumerate() {
                let has = |task: &TaskDeclaration| {
                    task.cells
                        .as_ref()
                        .is_some_and(|cells| cells.has(tower, DomainId(place)))
                };
                if !self.declared.iter().any(has) {
                    context.report(
                        Diagnostic::new(
                            Code::E0403,
                            format!("{} `{name}` has no task", noun(tower)),
                            span,
                            "no task's `on` names it",
                        )
                        .help(format!(
                            "add `{name}` to a task's `on`, or remove the {}",
                            noun(tower)
                        )),
                    );
                }
            }
        }
    }

    /// Warns of tasks that learn the same thing twice.
    pub(in crate::sema) fn report_twins(&self, context: &mut Context<'_>) {
        let same = |one: &TaskDeclaration, other: &TaskDeclaration| {
            let texts = |columns: &[Text]| {
                let mut texts: Vec<String> =
                    columns.iter().map(|column| column.text.clone()).collect();
                texts.sort();
                texts
            };
            one.label.is_some()
                && one.label == other.label
                && one.parent == other.parent
                && (one.score.is_some() || texts(&one.action) == texts(&other.action))
                && texts(&one.mask) == texts(&other.mask)
                && match (&one.cells, &other.cells) {
                    (Some(one), Some(other)) => one.meets(other),
                    _ => false,
                }
        };
        for (place, task) in self.declared.iter().enumerate() {
            let earlier = self.declared.iter().take(place);
            if let Some(twin) = earlier.clone().find(|other| same(task, other)) {
                let (name, other) = (&task.name.text, &twin.name.text);
                context.report(
                    Diagnostic::new(
                        Code::W0511,
                        format!("tasks `{other}` and `{name}` learn the same label"),
                        task.name.span,
                        "on cells of the other one, too",
                    )
                    .label(twin.name.span, "the other one")
                    .help("remove one of them, or let it read another column"),
                );
            }
        }
    }
}
