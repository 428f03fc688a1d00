//! Tasks: labels, parents and cells.

use super::cells::Cells;
use super::context::{Context, doc, enumerate};
use super::cycles::cycles;
use super::domains::{Domains, noun};
use super::head::{Head, Text};
use super::index::Inside;
use super::names::{Kind, Namespace, suggest};
use super::settings::{Settings, Table as SettingsTable, setting};
use super::spec::{DomainId, Label, List, Task, TaskId, Text as SpecText, Tower};
use super::value::{self, Bound, Form, SettingValue};
use crate::diagnostics::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{Statement, Word};

pub(super) static TASK: SettingsTable = SettingsTable {
    owner: "a task",
    settings: &[
        setting("embedding", Form::Whole(1)),
        setting("weight", Form::Real(Bound::NotNegative)),
        setting("given", Form::Name),
        setting("on", Form::Names),
        setting("action", Form::Columns),
        setting("mask", Form::Columns),
        setting("sample_weight", Form::Text),
    ],
};

/// How a task is written, for help.
const FORM: &str = "NAME from \"COLUMN\" { … }` or `NAME from action \"COLUMN\" { … }";

/// A declared task. Its parent is a place in the list of declarations.
pub(super) struct TaskDeclaration {
    pub name: Word,
    doc: String,
    /// `None` if it has been complained about.
    label: Option<Label>,
    /// Column of the label, if it is a score.
    pub score: Option<Text>,
    /// Columns of the action.
    pub action: Vec<Text>,
    /// Columns that must be 1 for a label.
    pub mask: Vec<Text>,
    /// Column of the rows' weights.
    pub sample_weight: Option<Text>,
    given: Option<Word>,
    parent: Option<usize>,
    weight: f64,
    /// Place of the weight, or else of the name.
    weight_place: Span,
    embedding: usize,
    /// `None` if the names of `on` could not all be resolved.
    pub cells: Option<Cells>,
    on: Option<Span>,
    place: String,
}

/// The tasks of a spec, sorted by name.
pub(super) struct Tasks {
    pub declared: Vec<TaskDeclaration>,
    complete: bool,
}

impl Tasks {
    pub fn read(
        context: &mut Context<'_>,
        statement: Option<&Statement>,
        domains: &Domains,
    ) -> Self {
        let mut tasks = Self {
            declared: Vec::new(),
            complete: false,
        };
        let Some(statement) = statement else {
            return tasks;
        };
        let form = "tasks { … }";
        context.refuse_doc(statement);
        Head::new(statement, form).end(context);
        let Some(block) = context.require_block(statement, form) else {
            return tasks;
        };
        tasks.complete = !block.damaged;
        context.index.block(block.span, Inside::Tasks);
        let mut names = Namespace::new();
        for inner in &block.statements {
            if inner.word.text == "from" {
                report_nameless(context, &inner.word);
                tasks.complete = false;
                continue;
            }
            let task = read_task(context, inner, domains);
            if names.declare(context, &task.name, Kind::Task) {
                names.declare_type(context, &task.name);
                tasks.declared.push(task);
            }
        }
        if tasks.declared.is_empty() && tasks.complete {
            tasks.complete = false;
            context.report(
                Diagnostic::new(Code::E0308, "`tasks` declares no task", statement.head, "")
                    .help("declare at least one: `ctr from action \"is_click\"`"),
            );
        }
        tasks.declared.sort_by(|a, b| a.name.text.cmp(&b.name.text));
        tasks.resolve_parents(context);
        tasks.report_cycles(context);
        tasks.report_children_outside(context, domains);
        tasks.report_domains_without_task(context, domains);
        tasks
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.declared
            .binary_search_by(|task| task.name.text.as_str().cmp(name))
            .ok()
    }

    fn get(&self, place: usize) -> Option<&TaskDeclaration> {
        self.declared.get(place)
    }

    fn name(&self, place: usize) -> &str {
        self.get(place).map_or("", |task| task.name.text.as_str())
    }

    /// Resolves the name of a task, with its place in canonical order. Reports one that is unknown, unless a
    /// declaration that could not be read may have declared it.
    pub fn resolve(
        &self,
        context: &mut Context<'_>,
        name: &Word,
    ) -> Option<(TaskId, &TaskDeclaration)> {
        let Some(place) = self.find(&name.text) else {
            if self.complete {
                let names = self.declared.iter().map(|task| task.name.text.as_str());
                let message = format!("there is no task `{}`", name.text);
                let diagnostic = Diagnostic::new(Code::E0203, message, name.span, "unknown task");
                context.report(suggest(diagnostic, name, names, "the tasks are"));
            }
            return None;
        };
        context.index.refer(Kind::Task, name);
        let id = self.order().iter().position(|other| *other == place)?;
        Some((TaskId(id), self.get(place)?))
    }

    fn resolve_parents(&mut self, context: &mut Context<'_>) {
        let parents: Vec<Option<usize>> = self
            .declared
            .iter()
            .map(|task| self.find(&task.given.as_ref()?.text))
            .collect();
        for (task, parent) in self.declared.iter().zip(&parents) {
            if let (Some(given), Some(_)) = (&task.given, parent) {
                context.index.refer(Kind::Task, given);
            }
            if let (Some(given), None, true) = (&task.given, parent, self.complete) {
                let names = self
                    .declared
                    .iter()
                    .map(|task| task.name.text.as_str())
                    .filter(|name| *name != task.name.text);
                let diagnostic = Diagnostic::new(
                    Code::E0203,
                    format!("there is no task `{}`", given.text),
                    given.span,
                    "unknown task",
                );
                context.report(suggest(diagnostic, given, names, "the tasks are"));
            }
        }
        for (task, parent) in self.declared.iter_mut().zip(parents) {
            task.parent = parent;
        }
    }

    /// Tasks that no loss reaches, each with the place that says so: neither they nor a task below
    /// them have a weight.
    pub fn unweighted(&self) -> Vec<(&Word, Span)> {
        let mut reached: Vec<bool> = vec![false; self.declared.len()];
        for (start, task) in self.declared.iter().enumerate() {
            let mut next = (task.weight > 0.0).then_some(start);
            while let Some(place) = next {
                match reached.get_mut(place) {
                    Some(seen @ false) => *seen = true,
                    _ => break,
                }
                next = self.get(place).and_then(|task| task.parent);
            }
        }
        let tasks = self.declared.iter().zip(reached);
        let unreached = tasks.filter(|(_, reached)| !reached);
        unreached
            .map(|(task, _)| (&task.name, task.weight_place))
            .collect()
    }

    /// Whether a column is a label or an action.
    pub fn reads(&self, column: &str) -> bool {
        self.declared.iter().any(|task| {
            let mut columns = task.score.iter().chain(&task.action).chain(&task.mask);
            columns.any(|read| read.text == column)
        })
    }

    /// Reports each cycle once, at its first edge in the file, and cuts it there.
    fn report_cycles(&mut self, context: &mut Context<'_>) {
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

    fn report_children_outside(&self, context: &mut Context<'_>, domains: &Domains) {
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

    fn report_domains_without_task(&self, context: &mut Context<'_>, domains: &Domains) {
        if !self.complete || self.declared.iter().any(|task| task.cells.is_none()) {
            return;
        }
        for tower in [Tower::Query, Tower::Item] {
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

    /// Gives the rows' weights to every task that has none of its own.
    pub fn weigh_rows(&mut self, column: &Text) {
        for task in &mut self.declared {
            task.sample_weight.get_or_insert_with(|| column.clone());
        }
    }

    /// Warns of tasks that learn the same thing twice.
    pub fn report_twins(&self, context: &mut Context<'_>) {
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

    /// The checked tasks: by name, every parent before its children.
    pub fn canonical(self) -> Vec<Task> {
        let order = self.order();
        let mut id_of = vec![TaskId(0); order.len()];
        for (id, place) in order.iter().enumerate() {
            if let Some(slot) = id_of.get_mut(*place) {
                *slot = TaskId(id);
            }
        }
        let mut tasks: Vec<(TaskId, Task)> = self
            .declared
            .into_iter()
            .zip(&id_of)
            .map(|(task, id)| (*id, task.checked(&id_of)))
            .collect();
        tasks.sort_by_key(|(id, _)| *id);
        tasks.into_iter().map(|(_, task)| task).collect()
    }

    /// Places of the declarations in canonical order: of the tasks whose parent has been placed,
    /// the one that comes first by name.
    fn order(&self) -> Vec<usize> {
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); self.declared.len()];
        let mut ready = std::collections::BTreeSet::new();
        for (place, task) in self.declared.iter().enumerate() {
            match task.parent.and_then(|parent| children.get_mut(parent)) {
                Some(siblings) => siblings.push(place),
                None => {
                    ready.insert(place);
                }
            }
        }
        let mut order = Vec::new();
        while let Some(place) = ready.pop_first() {
            order.push(place);
            ready.extend(children.get(place).into_iter().flatten());
        }
        order
    }
}

impl TaskDeclaration {
    fn checked(self, id_of: &[TaskId]) -> Task {
        let sorted = |columns: Vec<Text>| {
            let names = columns
                .into_iter()
                .map(|column| SpecText::from(column.text));
            let mut names: Vec<SpecText> = names.collect();
            names.sort();
            List::from(names)
        };
        let (surfaces, products) = self
            .cells
            .map(|cells| (cells.surfaces, cells.products))
            .unwrap_or_default();
        Task {
            name: self.name.text.into(),
            doc: self.doc.into(),
            label: self.label.unwrap_or(Label::Action),
            action: sorted(self.action),
            mask: sorted(self.mask),
            sample_weight: self.sample_weight.map(|column| column.text.into()),
            given: self.parent.and_then(|place| id_of.get(place)).copied(),
            weight: self.weight,
            embedding: self.embedding,
            surfaces: surfaces.into_iter().collect(),
            products: products.into_iter().collect(),
            place: self.place.into(),
        }
    }
}

fn report_nameless(context: &mut Context<'_>, from: &Word) {
    let message = "this task has no name";
    context.report(
        Diagnostic::new(
            Code::E0303,
            message,
            from.span,
            "expected a name before this",
        )
        .help(format!("write it as `{FORM}`")),
    );
}

fn read_task(
    context: &mut Context<'_>,
    statement: &Statement,
    domains: &Domains,
) -> TaskDeclaration {
    let mut head = Head::new(statement, FORM);
    let source = read_label(context, &mut head);
    let settings = Settings::read(context, statement.block.as_ref(), &TASK);
    let (label, score, mut action) = match source {
        Some(Source::Score(column)) => (
            Some(Label::Score(column.text.clone().into())),
            Some(column),
            Vec::new(),
        ),
        Some(Source::Action(columns)) => (Some(Label::Action), None, columns),
        None => (None, None, Vec::new()),
    };
    if let Some(given) = settings.get("action") {
        if label == Some(Label::Action) {
            context.report(
                Diagnostic::new(
                    Code::E0306,
                    format!("task `{}` has two actions", statement.word.text),
                    given.span,
                    "a second action",
                )
                .label(statement.head, "trained on an action already")
                .help("remove this, or train on a score: `NAME from \"COLUMN\"`"),
            );
        } else if let Some(SettingValue::Columns(columns)) = &given.value {
            action.clone_from(columns);
        }
    }
    let on = settings.get("on").map(|given| given.span);
    let given = match settings.value("given") {
        Some(SettingValue::Name(name)) => Some(name.clone()),
        _ => None,
    };
    let mask = match settings.value("mask") {
        Some(SettingValue::Columns(columns)) => columns.clone(),
        _ => Vec::new(),
    };
    TaskDeclaration {
        name: statement.word.clone(),
        doc: doc(statement),
        label,
        score,
        action,
        mask,
        sample_weight: settings.text("sample_weight").cloned(),
        given,
        parent: None,
        weight: settings.real("weight").unwrap_or(Task::WEIGHT),
        weight_place: settings
            .get("weight")
            .map_or(statement.word.span, |given| given.span),
        embedding: settings.size("embedding").unwrap_or(Task::EMBEDDING),
        cells: Cells::read(context, &settings, domains),
        on,
        place: context.place(statement.head),
    }
}

enum Source {
    Score(Text),
    Action(Vec<Text>),
}

fn read_label(context: &mut Context<'_>, head: &mut Head<'_>) -> Option<Source> {
    head.keyword(context, "from")?;
    let source = if head.is_word("action") {
        head.next();
        Source::Action(value::columns(context, head)?)
    } else {
        Source::Score(head.text(context, "a column in quotes or `action`")?)
    };
    head.end(context);
    Some(source)
}
