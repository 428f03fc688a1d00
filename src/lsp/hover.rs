//! What is said of the word under the cursor: of a name, its documentation, shape and parameters;
//! of a word of the language, its help.

use super::analysis::View;
use super::cursor::{self, Ground, Step};
use super::help;
use super::hints::FLOAT;
use super::quantity;
use crate::diagnostics::{Code, counted};
use crate::graph::Graph;
use crate::sema::spec::{
    Axis, Domain, DomainId, Feature, FeatureKind, Index, Task, TaskId, Tower, Value,
};
use crate::sema::{self, Inside, NameKind, Symbol};
use crate::source::Span;
use crate::syntax::ast::AtomKind;
use gen_lsp_types::{Contents, Hover, MarkupContent, MarkupKind, Range};

/// What is said at an offset.
pub(super) fn hover(view: &View, offset: usize) -> Option<Hover> {
    let (span, text) = match view.symbol(offset) {
        Some((span, symbol)) => (span, name(view, symbol)),
        None => {
            let step = cursor::path(view, offset).pop()?;
            if let Some((span, code)) = lint(&step, offset) {
                return Some(markdown(code.explanation(), view.range(span)));
            }
            let span = step.statement.word.span;
            let at_word = span.start <= offset && offset <= span.end;
            (span, at_word.then(|| word(&step)).flatten()?)
        }
    };
    Some(markdown(&text, view.range(span)))
}

fn markdown(text: &str, range: Range) -> Hover {
    Hover {
        contents: Contents::MarkupContent(MarkupContent {
            kind: MarkupKind::Markdown,
            value: text.to_owned(),
        }),
        range: Some(range),
    }
}

/// The code of a diagnostic that an `allow` names at an offset.
fn lint(step: &Step<'_>, offset: usize) -> Option<(Span, Code)> {
    if step.statement.word.text != "allow" {
        return None;
    }
    let mut atoms = step
        .statement
        .atoms
        .iter()
        .flat_map(|atom| match &atom.kind {
            AtomKind::List(items) => items.as_slice(),
            _ => std::slice::from_ref(atom),
        });
    let atom = atoms.find(|atom| atom.span.start <= offset && offset <= atom.span.end)?;
    Some((atom.span, Code::find(&atom.as_word()?.text)?))
}

/// A word of the language.
fn word(step: &Step<'_>) -> Option<String> {
    let word = step.statement.word.text.as_str();
    match step.ground {
        Ground::File => {
            let mut statements = sema::statements().iter();
            let statement = statements.find(|statement| statement.word == word)?;
            Some(help::of_statement(statement))
        }
        Ground::Block(Inside::Settings(table)) => table.find(word).map(help::of_setting),
        Ground::Block(Inside::Features(_)) => {
            let kind = sema::kinds().find(|kind| kind.word == word)?;
            Some(help::of_kind(&kind))
        }
        Ground::Block(Inside::Domains(_) | Inside::Tasks) | Ground::Unknown => None,
    }
}

/// A name: what it is, its doc comment and, once the spec has been sound, its facts.
fn name(view: &View, symbol: &Symbol) -> String {
    let Symbol { kind, name } = symbol;
    let noun = match kind {
        NameKind::Feature(Tower::Query) => "feature of the query tower",
        NameKind::Feature(Tower::Item) => "feature of the item tower",
        other => other.noun(),
    };
    let mut parts = vec![format!("**{noun}** `{name}`")];
    if let Some((doc, facts)) = view.spec.graph().and_then(|graph| about(graph, symbol)) {
        if !doc.is_empty() {
            parts.push(doc);
        }
        let facts: Vec<String> = facts.iter().map(|fact| format!("- {fact}")).collect();
        parts.push(facts.join("\n"));
    }
    parts.join("\n\n")
}

/// Doc comment and facts of a name; `None` if the model does not have it yet.
fn about(graph: &Graph, symbol: &Symbol) -> Option<(String, Vec<String>)> {
    let spec = &graph.spec;
    let name = symbol.name.as_str();
    match symbol.kind {
        NameKind::Model => Some((spec.doc.to_string(), model(graph))),
        NameKind::Surface => domain(graph, Tower::Query, name),
        NameKind::Product => domain(graph, Tower::Item, name),
        NameKind::Task => {
            let mut tasks = spec.tasks.iter().enumerate();
            let (place, task) = tasks.find(|(_, task)| task.name == name)?;
            Some((task.doc.to_string(), task_facts(graph, place, task)))
        }
        NameKind::Table => {
            let table = spec.tables.iter().find(|table| table.name == name)?;
            let mut facts = table_facts(table);
            facts.push(format!("features: {}", users(graph, name)));
            Some((table.doc.to_string(), facts))
        }
        NameKind::Variant => None,
        NameKind::Feature(tower) => {
            let mut features = spec.features(tower).iter();
            let feature = features.find(|feature| feature.name == name)?;
            Some((
                feature.doc.to_string(),
                feature_facts(graph, tower, feature),
            ))
        }
    }
}

fn model(graph: &Graph) -> Vec<String> {
    let totals = &graph.totals;
    vec![
        format!("{} outside the tables", quantity::parameters(totals.dense)),
        format!(
            "{} in the tables ({})",
            quantity::parameters(totals.tables),
            quantity::bytes(totals.tables * FLOAT)
        ),
        format!("{} (surface, product, task)", counted(totals.cells, "cell")),
        format!(
            "{} FLOPs for the costliest query row, {} for the costliest item row",
            quantity::count(totals.query_flops),
            quantity::count(totals.item_flops)
        ),
    ]
}

fn domain(graph: &Graph, tower: Tower, name: &str) -> Option<(String, Vec<String>)> {
    let axis = graph.spec.axis(tower);
    let mut domains = axis.domains.iter().enumerate();
    let (place, domain) = domains.find(|(_, domain)| domain.name == name)?;
    let Domain { doc, values, .. } = domain;
    let mut experts = graph.tower(tower).experts.iter();
    let expert = experts.find(|expert| expert.domains.contains(&DomainId(place)))?;
    let tasks = expert.tasks.iter().map(|id| graph.spec.task(*id));
    let facts = vec![
        format!("rows with `{}` = {}", axis.column, raw_values(values)),
        format!(
            "input: {}, width {}",
            counted(expert.fields.len(), "field"),
            expert.width
        ),
        format!("tasks: {}", list(tasks.map(|task| &*task.name))),
        format!(
            "Domain Expert: {}, {} FLOPs a row",
            quantity::parameters(expert.cost.parameters),
            quantity::count(expert.cost.flops)
        ),
    ];
    Some((doc.to_string(), facts))
}

fn task_facts(graph: &Graph, place: usize, task: &Task) -> Vec<String> {
    let spec = &graph.spec;
    let parent = task.given.map(|id| spec.task(id));
    let mut facts = vec![match parent {
        Some(parent) => format!("P({}) = sigmoid(z) · P({})", task.name, parent.name),
        None => format!("P({}) = sigmoid(z)", task.name),
    }];
    if let sema::spec::Label::Score(column) = &task.label {
        facts.push(format!("score: `{column}`"));
    }
    if !task.action.is_empty() {
        facts.push(format!(
            "action: {}",
            list(task.action.iter().map(|column| &**column))
        ));
    }
    facts.push(format!(
        "surfaces: {}",
        names(&spec.surfaces, &task.surfaces)
    ));
    facts.push(format!(
        "products: {}",
        names(&spec.products, &task.products)
    ));
    if let Some(head) = graph.heads.iter().find(|head| head.task.0 == place) {
        facts.push(format!(
            "served embedding: {}",
            counted(head.width, "float")
        ));
    }
    facts.push(format!(
        "experts: {} in all domains",
        quantity::parameters(of_task(graph, TaskId(place)))
    ));
    facts
}

/// Parameters of a task's own nodes, in all Domain Experts.
fn of_task(graph: &Graph, task: TaskId) -> u128 {
    let towers = Tower::ALL.map(|tower| graph.tower(tower));
    let experts = towers.into_iter().flat_map(|tower| &tower.experts);
    let sizes = experts.map(|expert| {
        let nodes = expert.nodes.iter();
        let own = nodes.filter(|node| node.role.task() == Some(task));
        let one: u128 = own.map(|node| node.cost.parameters).sum();
        one * expert.domains.len() as u128
    });
    sizes.sum()
}

fn table_facts(table: &sema::spec::Table) -> Vec<String> {
    let floats = table.rows as u128 * table.dim as u128;
    let index = match &table.index {
        Index::Hash => "hashed".to_owned(),
        Index::Vocabulary { min_count } => {
            format!("vocabulary of the values seen {min_count} times or more")
        }
        Index::Values(_) | Index::Lines { .. } => {
            format!("values: {}", raw_values(&table.index.values()))
        }
        Index::Buckets => "buckets of a number".to_owned(),
    };
    vec![
        format!(
            "table: {} × {}, {} ({})",
            table.rows,
            table.dim,
            quantity::parameters(floats),
            quantity::bytes(floats * FLOAT)
        ),
        index,
    ]
}

fn users(graph: &Graph, table: &str) -> String {
    let spec = &graph.spec;
    let towers = Tower::ALL.into_iter();
    let all = towers.flat_map(|tower| spec.features(tower));
    let uses = |feature: &&Feature| match &feature.kind {
        FeatureKind::Embedded { table: id, .. } => spec.table(*id).name == table,
        FeatureKind::Vector { .. } | FeatureKind::Number(_) => false,
    };
    list(all.filter(uses).map(|feature| &*feature.name))
}

fn feature_facts(graph: &Graph, tower: Tower, feature: &Feature) -> Vec<String> {
    let spec = &graph.spec;
    let mut facts = vec![format!("column: `{}`", feature.column)];
    let fields = &graph.tower(tower).fields;
    if let Some(field) = fields.iter().find(|field| field.name == feature.name) {
        facts.push(format!("field of width {}", field.width));
    }
    if let FeatureKind::Embedded { table, .. } = &feature.kind {
        let table = spec.table(*table);
        if table.shared {
            facts.push(format!("shared table `{}`", table.name));
        }
        facts.extend(table_facts(table));
    }
    let axis = spec.axis(tower);
    if feature.domains.len() < axis.domains.len() {
        facts.push(format!("on {}", names(axis, &feature.domains)));
    }
    facts
}

fn names(axis: &Axis, ids: &[DomainId]) -> String {
    list(ids.iter().map(|id| &*axis.domain(*id).name))
}

fn raw_values(values: &[Value]) -> String {
    let shown: Vec<String> = values
        .iter()
        .map(|value| match value {
            Value::Int(number) => format!("`{number}`"),
            Value::Text(text) => format!("`\"{text}\"`"),
        })
        .collect();
    cut(shown)
}

fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    cut(names.map(|name| format!("`{name}`")).collect())
}

/// At most a dozen of what is shown.
fn cut(mut shown: Vec<String>) -> String {
    const MOST: usize = 12;
    if shown.len() > MOST {
        let more = shown.len() - MOST;
        shown.truncate(MOST);
        shown.push(format!("{more} more"));
    }
    shown.join(", ")
}
