//! Tasks: labels, parents and cells.

mod checks;

use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::{Context, doc};
use crate::sema::cursor::Cursor;
use crate::sema::declare::cells::Cells;
use crate::sema::declare::domains::Domains;
use crate::sema::literals::Text;
use crate::sema::name_kind::NameKind;
use crate::sema::namespace::Namespace;
use crate::sema::settings::Settings;
use crate::sema::settings::declaration::{Defaulted, Setting};
use crate::sema::settings::forms::{Bound, NameOf, SettingsTable};
use crate::sema::settings::value;
use crate::sema::spec::{Label, List, Task, TaskId, Text as SpecText};
use crate::sema::spelling::suggest;
use crate::sema::symbols::Inside;
use crate::source::Span;
use crate::syntax::ast::{Statement, Word};

static EMBEDDING: Defaulted<usize> = Setting::size("embedding", 1)
    .help("size of emb_deep; the served vector is `N` plus `shallow_width`")
    .default(Task::EMBEDDING);
static WEIGHT: Defaulted<f64> = Setting::real("weight", Bound::NotNegative)
    .help(
        "weight of the task's loss, 0 or above. A task of weight 0 is measured; it is trained \
         only by way of a child",
    )
    .default(Task::WEIGHT);
static GIVEN: Setting<Word> = Setting::name("given", NameOf::Task)
    .help("P(task) = sigmoid(z) · P(TASK); no cycles")
    .without("none");
static ACTION: Setting<Vec<Text>> = Setting::columns("action")
    .help(
        "for a task trained on a score: the action behind it, for AUC and calibration; \
         several columns are a conjunction",
    )
    .without("none");
static MASK: Setting<Vec<Text>> = Setting::columns("mask")
    .help("0/1 columns: only rows where all are 1 have a label")
    .without("none");
static SAMPLE_WEIGHT: Setting<Text> = Setting::column("sample_weight")
    .help(
        "weights of the rows, numbers of 0 or above: the task's mean is sum(w · KL) / sum(w). \
         A row that has a label and no sound weight is a bad row. Metrics are not weighted",
    )
    .without("that of `rows`");
static ON: Setting<Vec<Word>> = Setting::names("on", NameOf::Domain)
    .help(
        "the surfaces or products of its cells: of an axis that is not named, all. A child's \
         cells are within its parent's",
    )
    .without("everywhere");

pub(in crate::sema) static TASK: SettingsTable = SettingsTable {
    owner: "a task",
    empty_is_idle: false,
    settings: &[
        &EMBEDDING,
        &WEIGHT,
        &GIVEN,
        &ON,
        &ACTION,
        &MASK,
        &SAMPLE_WEIGHT,
    ],
};

/// How a task is written, for help.
const FORM: &str = "NAME from \"COLUMN\" { … }` or `NAME from action \"COLUMN\" { … }";

/// A declared task. Its parent is a place in the list of declarations.
pub(in crate::sema) struct TaskDeclaration {
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
pub(in crate::sema) struct Tasks {
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
        Cursor::new(statement, form).end(context);
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
            if names.declare(context, &task.name, NameKind::Task) {
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
        context.index.refer(NameKind::Task, name);
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
                context.index.refer(NameKind::Task, given);
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

    /// Gives the rows' weights to every task that has none of its own.
    pub fn weigh_rows(&mut self, column: &Text) {
        for task in &mut self.declared {
            task.sample_weight.get_or_insert_with(|| column.clone());
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
    let mut cursor = Cursor::new(statement, FORM);
    let source = read_label(context, &mut cursor);
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
    if let Some(given) = settings.get(&ACTION) {
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
        } else if let Some(columns) = settings.of(&ACTION) {
            action = columns.to_vec();
        }
    }
    let on = settings.get(&ON).map(|given| given.span);
    TaskDeclaration {
        name: statement.word.clone(),
        doc: doc(statement),
        label,
        score,
        action,
        mask: settings.of(&MASK).unwrap_or_default().to_vec(),
        sample_weight: settings.of(&SAMPLE_WEIGHT).cloned(),
        given: settings.of(&GIVEN).cloned(),
        parent: None,
        weight: settings.value(&WEIGHT),
        weight_place: settings
            .get(&WEIGHT)
            .map_or(statement.word.span, |given| given.span),
        embedding: settings.value(&EMBEDDING),
        cells: Cells::read(context, &settings, &ON, domains),
        on,
        place: context.place(statement.head),
    }
}

enum Source {
    Score(Text),
    Action(Vec<Text>),
}

fn read_label(context: &mut Context<'_>, cursor: &mut Cursor<'_>) -> Option<Source> {
    cursor.keyword(context, "from")?;
    let source = if cursor.is_word("action") {
        cursor.next();
        Source::Action(value::columns(context, cursor)?)
    } else {
        Source::Score(cursor.text(context, "a column in quotes or `action`")?)
    };
    cursor.end(context);
    Some(source)
}
