//! `schema.rs`: the static data of the spec.

use super::architecture::ArchitectureView;
use super::variants::{Variants, domains, slice};
use crate::graph::Graph;
use crate::plan::Plan;
use crate::sema::spec::{
    Axis, BadRows, Course, Decay, Derive, Embeddings, Feature, FeatureKind, Index, Input, Label,
    Others, RawValue, Spec, Split, Standardise, Table, TableOptimiser, Task, Training,
};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct SchemaView {
    imports: String,
    spec_hash: String,
    weights_hash: String,
    graph_hash: String,
    axes: [AxisView; 2],
    tasks: Vec<TaskView>,
    tables: Vec<TableView>,
    towers: [TowerView; 2],
    architecture: ArchitectureView,
    split: String,
    bad_rows: &'static str,
    request: String,
    buckets: usize,
    training: TrainingView,
}

#[derive(Debug, Serialize)]
struct AxisView {
    field: &'static str,
    column: String,
    domains: Vec<DomainView>,
    others: &'static str,
    place: String,
}

#[derive(Debug, Serialize)]
struct DomainView {
    name: String,
    values: String,
}

#[derive(Debug, Serialize)]
struct TaskView {
    name: String,
    label: String,
    action: Vec<String>,
    given: String,
    weight: f64,
    sample_weight: String,
    mask: Vec<String>,
    embedding: usize,
    surfaces: String,
    products: String,
    place: String,
}

#[derive(Debug, Serialize)]
struct TableView {
    name: String,
    rows: usize,
    dim: usize,
    index: String,
    oov: usize,
    embeddings: String,
}

#[derive(Debug, Serialize)]
struct TowerView {
    name: &'static str,
    features: Vec<FeatureView>,
}

#[derive(Debug, Serialize)]
struct FeatureView {
    name: String,
    column: String,
    derive: String,
    kind: String,
    domains: String,
    place: String,
}

#[derive(Debug, Serialize)]
struct TrainingView {
    batch: usize,
    epochs: usize,
    seed: u64,
    shuffle: usize,
    dense_lr: f64,
    dense_decay: f64,
    embeddings: String,
    warmup: f64,
    decay: &'static str,
    clip: String,
    course: String,
}

impl SchemaView {
    pub(super) fn new(graph: &Graph, plan: &Plan) -> Self {
        let spec = &graph.spec;
        let surfaces = Variants::surfaces(plan);
        let products = Variants::products(plan);
        let task = |task| task_view(task, plan, surfaces, products);
        Self {
            imports: imports(spec),
            spec_hash: graph.spec_hash.clone(),
            weights_hash: graph.weights_hash.clone(),
            graph_hash: graph.hash(),
            axes: [
                axis("surfaces", &spec.surfaces),
                axis("products", &spec.products),
            ],
            tasks: spec.tasks.iter().map(task).collect(),
            tables: spec.tables.iter().map(table).collect(),
            towers: [
                tower("query", &spec.query, surfaces),
                tower("item", &spec.item, products),
            ],
            architecture: ArchitectureView::new(&spec.architecture, surfaces, products),
            split: spec.split.as_ref().map_or("Split::Hash".to_owned(), split),
            request: spec.request.as_ref().map_or("None".to_owned(), |request| {
                format!(
                    "Some(schema::Request {{ column: {:?}, place: {:?} }})",
                    request.column, request.place
                )
            }),
            bad_rows: match spec.bad_rows {
                BadRows::Stop => "Stop",
                BadRows::Skip => "Skip",
            },
            buckets: spec.buckets,
            training: training(&spec.training, surfaces, products),
        }
    }
}

/// What the schema names of `mtmd::schema`. `Task` is named by its module, since the crate has an
/// enum of that name.
fn imports(spec: &Spec) -> String {
    let features = || {
        spec.query
            .iter()
            .chain(&spec.item)
            .map(|feature| &feature.kind)
    };
    let embedded = features().any(|kind| matches!(kind, FeatureKind::Embedded { .. }));
    let pooled = features().any(|kind| {
        let FeatureKind::Embedded { input, .. } = kind else {
            return false;
        };
        matches!(input, Input::List { .. })
    });
    let standardised = features().any(|kind| {
        let FeatureKind::Number { standardise, .. } = kind else {
            return false;
        };
        standardise.is_some()
    });
    let mut derives = spec
        .query
        .iter()
        .chain(&spec.item)
        .filter_map(|feature| feature.derive);
    let timed = derives
        .clone()
        .any(|derive| matches!(derive, Derive::Time(..)));
    let derived = derives.next().is_some();
    let numbers = features().any(|kind| matches!(kind, FeatureKind::Number { .. }));
    let tables = !spec.tables.is_empty();
    let overrides = !spec.architecture.overrides.is_empty();
    let selected = spec.training.course.select.is_some();
    let names = [
        ("self", true),
        ("AdamW", true),
        ("Architecture", true),
        ("Axis", true),
        ("BadRows", true),
        ("Composition", true),
        ("Course", true),
        ("Crossing", true),
        ("Decay", true),
        ("Derive", derived),
        ("Domain", true),
        ("Embeddings", true),
        ("ExpertArchitecture", true),
        ("Feature", true),
        ("Figure", selected),
        ("Index", tables),
        ("Input", embedded),
        ("Kind", true),
        ("Label", true),
        ("LogitScale", true),
        ("Norm", true),
        ("Others", true),
        ("Override", overrides),
        ("Pool", pooled),
        ("Schema", true),
        ("Select", selected),
        ("Split", true),
        ("Standardise", standardised),
        ("Table", tables),
        ("TableOptimiser", true),
        ("TimePart", timed),
        ("Tower", overrides),
        ("Training", true),
        ("Transform", numbers),
        ("Unit", timed),
        ("Value", true),
    ];
    let used: Vec<&str> = names
        .iter()
        .filter(|(_, used)| *used)
        .map(|(name, _)| *name)
        .collect();
    used.join(", ")
}

fn axis(field: &'static str, axis: &Axis) -> AxisView {
    let domains = axis.domains.iter().map(|domain| DomainView {
        name: domain.name.clone(),
        values: slice(domain.values.iter().map(value)),
    });
    AxisView {
        field,
        column: axis.column.clone(),
        domains: domains.collect(),
        others: match axis.others {
            Others::Skip => "Skip",
            Others::Error => "Error",
        },
        place: axis.place.clone(),
    }
}

fn task_view(task: &Task, plan: &Plan, surfaces: Variants, products: Variants) -> TaskView {
    let parent = task.given.and_then(|parent| plan.tasks.get(parent.0));
    TaskView {
        name: task.name.clone(),
        label: match &task.label {
            Label::Score(column) => format!("Label::Score({column:?})"),
            Label::Action => "Label::Action".to_owned(),
        },
        action: task.action.clone(),
        given: parent.map_or("None".to_owned(), |parent| {
            format!("Some(Task::{parent}.index())")
        }),
        weight: task.weight,
        sample_weight: option(task.sample_weight.as_deref()),
        mask: task.mask.clone(),
        embedding: task.embedding,
        surfaces: domains(&task.surfaces, surfaces),
        products: domains(&task.products, products),
        place: task.place.clone(),
    }
}

/// An optional string as Rust.
fn option(text: Option<&str>) -> String {
    text.map_or("None".to_owned(), |text| format!("Some({text:?})"))
}

fn table(table: &Table) -> TableView {
    TableView {
        name: table.name.clone(),
        rows: table.rows,
        dim: table.dim,
        index: match &table.index {
            Index::Hash => "Index::Hash".to_owned(),
            Index::Vocabulary { min_count } => {
                format!("Index::Vocabulary {{ min_count: {min_count} }}")
            }
            Index::Values(values) if table.file.is_some() => {
                let whole = matches!(values.first(), Some(RawValue::Int(_)));
                let path = format!("vocabularies/{}.txt", table.name);
                format!("Index::Lines {{ text: include_str!({path:?}), whole: {whole} }}")
            }
            Index::Values(values) => {
                format!("Index::Values({})", slice(values.iter().map(value)))
            }
            Index::Buckets => "Index::Buckets".to_owned(),
        },
        oov: table.oov,
        embeddings: table.embeddings.map_or("None".to_owned(), |own| {
            format!("Some({})", embeddings(&own))
        }),
    }
}

fn embeddings(embeddings: &Embeddings) -> String {
    let optimiser = match embeddings.optimiser {
        TableOptimiser::AdamW => "AdamW",
        TableOptimiser::LazyAdam => "LazyAdam",
        TableOptimiser::RowwiseAdagrad => "RowwiseAdagrad",
    };
    format!(
        "Embeddings {{ optimiser: TableOptimiser::{optimiser}, lr: {:?}, weight_decay: {:?}, std: {:?}, frequency: {:?} }}",
        embeddings.lr, embeddings.weight_decay, embeddings.std, embeddings.frequency,
    )
}

fn tower(name: &'static str, features: &[Feature], variants: Variants) -> TowerView {
    let features = features.iter().map(|feature| FeatureView {
        name: feature.name.clone(),
        column: feature.column.clone(),
        derive: feature.derive.map_or("None".to_owned(), derive),
        kind: kind(&feature.kind),
        domains: domains(&feature.domains, variants),
        place: feature.place.clone(),
    });
    TowerView {
        name,
        features: features.collect(),
    }
}

fn kind(kind: &FeatureKind) -> String {
    match kind {
        FeatureKind::Embedded {
            table,
            input,
            shallow,
        } => {
            let (table, input) = (table.0, embedded_input(input));
            format!("Kind::Embedded {{ table: {table}, input: {input}, shallow: {shallow} }}")
        }
        FeatureKind::Vector { width } => format!("Kind::Vector {{ width: {width} }}"),
        FeatureKind::Number {
            default,
            clip,
            log,
            standardise,
        } => {
            let standardise = standardise.map_or("None".to_owned(), |moments| match moments {
                Standardise::Learned => "Some(Standardise::Learned)".to_owned(),
                Standardise::Given { mean, std } => {
                    format!("Some(Standardise::Given {{ mean: {mean:?}, std: {std:?} }})")
                }
            });
            // `Some((0.0, 1.0))` and `0.0`: Debug writes Rust's own literals.
            format!(
                "Kind::Number(Transform {{ default: {default:?}, clip: {clip:?}, log: {log}, \
                 standardise: {standardise} }})"
            )
        }
    }
}

fn embedded_input(input: &Input) -> String {
    match input {
        Input::One { default } => {
            let default = default.as_ref().map(value);
            let default = default.map_or("None".to_owned(), |value| format!("Some({value})"));
            format!("Input::One {{ default: {default} }}")
        }
        Input::List {
            pool,
            weights,
            last,
        } => {
            let weights = option(weights.as_deref());
            format!("Input::List {{ pool: Pool::{pool:?}, weights: {weights}, last: {last:?} }}")
        }
        Input::Buckets {
            boundaries,
            default,
        } => {
            format!("Input::Buckets {{ boundaries: &{boundaries:?}, default: {default:?} }}")
        }
    }
}

fn derive(derive: Derive) -> String {
    match derive {
        Derive::Length => "Some(Derive::Length)".to_owned(),
        Derive::Time(part, unit) => {
            format!("Some(Derive::Time(TimePart::{part:?}, Unit::{unit:?}))")
        }
    }
}

fn split(split: &Split) -> String {
    let ranges = |ranges: &[(RawValue, RawValue)]| {
        slice(
            ranges
                .iter()
                .map(|(from, to)| format!("({}, {})", value(from), value(to))),
        )
    };
    format!(
        "Split::Column {{ column: {:?}, train: {}, validate: {}, test: {}, place: {:?} }}",
        split.column,
        ranges(&split.train),
        ranges(&split.validate),
        ranges(&split.test),
        split.place,
    )
}

fn training(training: &Training, surfaces: Variants<'_>, products: Variants<'_>) -> TrainingView {
    TrainingView {
        batch: training.batch,
        epochs: training.epochs,
        seed: training.seed,
        shuffle: training.shuffle,
        dense_lr: training.dense.lr,
        dense_decay: training.dense.weight_decay,
        embeddings: embeddings(&training.embeddings),
        warmup: training.warmup,
        decay: match training.decay {
            Decay::Constant => "Constant",
            Decay::Linear => "Linear",
            Decay::Cosine => "Cosine",
            Decay::InverseSqrt => "InverseSqrt",
        },
        clip: format!("{:?}", training.clip),
        course: course(&training.course, surfaces, products),
    }
}

/// What differs from the runtime's defaults, which are the language's.
fn course(course: &Course, surfaces: Variants<'_>, products: Variants<'_>) -> String {
    let mut fields: Vec<String> = Vec::new();
    let counts = [
        ("warmup_steps", course.warmup_steps),
        ("validate_every", course.validate_every),
        ("patience", course.patience),
        ("checkpoint_every", course.checkpoint_every),
    ];
    for (name, count) in counts {
        fields.extend(count.map(|count| format!("{name}: Some({count})")));
    }
    if course.min_delta > 0.0 {
        fields.push(format!("min_delta: {:?}", course.min_delta));
    }
    if course.keep != 2 {
        fields.push(format!("keep: {}", course.keep));
    }
    if let Some(select) = &course.select {
        fields.push(format!(
            "select: Some(Select {{ figure: Figure::{:?}, task: {}, surfaces: {}, products: {} }})",
            select.figure,
            select.task.0,
            domains(&select.surfaces, surfaces),
            domains(&select.products, products),
        ));
    }
    if fields.is_empty() {
        "Course::DEFAULT".to_owned()
    } else {
        format!("Course {{ {}, ..Course::DEFAULT }}", fields.join(", "))
    }
}

fn value(value: &RawValue) -> String {
    match value {
        RawValue::Int(number) => format!("Value::Int({number})"),
        RawValue::Text(text) => format!("Value::Text({text:?})"),
    }
}
