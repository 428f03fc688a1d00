//! Time of a training step by its parts, without data and tables:
//! `cargo bench -p mtmd --bench step [-- BATCH…]`.
//!
//! The model has the form and the widths of `kuairand.mtmd`: five surfaces, three products, three
//! tasks in a tree. Rows spread over the domains as they do there: most are of one surface.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark fails by a panic"
)]

use std::time::{Duration, Instant};

use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor};
use mtmd::data::batch::{Batch, TowerBatch};
use mtmd::layers::{
    Adaptation, DomainInput, DomainRows, DomainShared, Experts, Head, Layout, Precision,
    TaskExpert, TowerInput, TowerOutput, task_embeddings,
};
use mtmd::model::{Model, loss, scores};
use mtmd::optimiser::Optimiser;
use mtmd::schema::{
    Architecture, Axis, Budget, Decay, Domain, DomainSet, Evaluation, Feature, FeatureKind, Index,
    Input, Label, Others, Rows, Schema, Spec, Table, TableId, Task, TaskId, Tower, Training,
    Transform, list, text,
};
use std::sync::LazyLock;

/// That of a model's program.
#[global_allocator]
static MEMORY: mtmd::Memory = mtmd::Memory;

/// Share of the rows, by domain.
const SURFACES: [f64; 5] = [0.05, 0.78, 0.08, 0.06, 0.03];
const PRODUCTS: [f64; 3] = [0.6, 0.3, 0.1];

const STEPS: usize = 20;

fn main() {
    let batches: Vec<usize> = std::env::args()
        .filter_map(|word| word.parse().ok())
        .collect();
    let batches = if batches.is_empty() {
        vec![512, 3072]
    } else {
        batches
    };
    for rows in batches {
        measure(rows);
    }
    product_peak();
}

fn measure(rows: usize) {
    let device = Device::flex().autodiff();
    let mut model = Wide::seeded(&device, 1);
    let mut optimiser = Optimiser::new(&SCHEMA.training.dense, SCHEMA.training.clip);
    let batch = batch(rows);
    let mut times: Vec<[Duration; 4]> = Vec::new();
    for step in 0..STEPS {
        let query = inputs(Tower::Query, &batch.query, &device);
        let item = inputs(Tower::Item, &batch.item, &device);
        let start = Instant::now();
        let outputs = (model.query(query), model.item(item));
        let towers = start.elapsed();
        let scored = scores(&model, &outputs.0, &outputs.1, &batch);
        let total = loss(&SCHEMA, &scored, &batch).total.expect("labels");
        drop((outputs, scored));
        let forward = start.elapsed();
        let mut gradients = total.backward();
        let backward = start.elapsed();
        (model, _) = optimiser.step(model, &mut gradients, 1e-3);
        let all = start.elapsed();
        if step > 2 {
            times.push([towers, forward - towers, backward - forward, all - backward]);
        }
    }
    let median = |of: &dyn Fn(&[Duration; 4]) -> Duration| {
        let mut values: Vec<Duration> = times.iter().map(of).collect();
        values.sort();
        values[values.len() / 2].as_secs_f64() * 1e3
    };
    let best = times
        .iter()
        .map(|t| t.iter().sum::<Duration>())
        .min()
        .expect("steps");
    let whole = median(&|t| t.iter().sum());
    println!(
        "batch {rows}: {whole:.1} ms a step (best {:.1}): towers {:.1}, heads and loss {:.1}, \
         backward {:.1}, optimiser {:.1}; {:.0} rows/s, {:.1} M parameters",
        best.as_secs_f64() * 1e3,
        median(&|t| t[0]),
        median(&|t| t[1]),
        median(&|t| t[2]),
        median(&|t| t[3]),
        rows as f64 / whole * 1e3,
        model.num_params() as f64 / 1e6,
    );
}

/// What the machine's matrix products can do.
fn product_peak() {
    let size = 1024;
    let random = || Tensor::<2>::random([size, size], Distribution::Default, &Device::flex());
    let (a, b) = (random(), random());
    let times = (0..20).map(|_| {
        let start = Instant::now();
        drop(a.clone().matmul(b.clone()));
        start.elapsed()
    });
    let best = times.min().expect("times").as_secs_f64();
    println!(
        "matrix products: {:.0} GFLOP/s",
        2.0 * (size as f64).powi(3) / best / 1e9
    );
}

fn batch(rows: usize) -> Batch {
    let domain_of = |shares: &[f64], salt: usize| -> Vec<u16> {
        let draw = |row: usize| ((row * 7919 + salt) % 9973) as f64 / 9973.0;
        let domain = |row: usize| {
            let mut left = draw(row);
            let found = shares.iter().position(|share| {
                left -= share;
                left < 0.0
            });
            found.unwrap_or(0) as u16
        };
        (0..rows).map(domain).collect()
    };
    let (surface, product) = (domain_of(&SURFACES, 1), domain_of(&PRODUCTS, 5000));
    Batch {
        rows,
        query: grouped(&surface, SURFACES.len()),
        item: grouped(&product, PRODUCTS.len()),
        labels: vec![vec![0.3; rows]; SCHEMA.tasks.len()],
        weights: vec![],
        actions: Vec::new(),
        surface,
        product,
        ..Batch::default()
    }
}

fn grouped(domain_of: &[u16], domains: usize) -> TowerBatch {
    let mut batch = TowerBatch::default();
    for domain in 0..domains {
        let start = batch.order.len();
        let rows = (0_u32..).zip(domain_of);
        let rows = rows.filter(|(_, of)| usize::from(**of) == domain);
        batch.order.extend(rows.map(|(row, _)| row));
        batch.domains.push(start..batch.order.len());
    }
    batch
}

fn inputs(tower: Tower, batch: &TowerBatch, device: &Device) -> TowerInput {
    let domains = batch.domains.iter().enumerate().map(|(domain, places)| {
        let layout = Layout::new(&SCHEMA, tower, domain);
        let part = |width: usize| {
            let shape = [places.len(), width];
            (width > 0).then(|| Tensor::random(shape, Distribution::Normal(0.0, 1.0), device))
        };
        Some(DomainInput {
            repeats: None,
            embedded: part(layout.embedded_width()).map(Tensor::require_grad),
            vectors: part(layout.vector_width()),
            numbers: part(layout.numbers()),
            training: true,
            precision: Precision::Float32,
        })
    });
    TowerInput::new(domains.collect())
}

#[derive(Module, Debug)]
struct Wide {
    query: WideTower,
    item: WideTower,
    heads: Vec<Head>,
}

#[derive(Module, Debug)]
struct WideTower {
    shared: DomainShared,
    experts: Vec<Expert>,
}

#[derive(Module, Debug)]
struct Expert {
    adapt: Adaptation,
    task_shared: Experts,
    tasks: Vec<TaskExpert>,
}

impl Model for Wide {
    fn schema() -> &'static Schema {
        &SCHEMA
    }

    fn new(device: &Device) -> Self {
        Self {
            query: WideTower::new(Tower::Query, device),
            item: WideTower::new(Tower::Item, device),
            heads: SCHEMA
                .tasks
                .iter()
                .map(|_| Head::new(&SCHEMA.architecture, device))
                .collect(),
        }
    }

    fn query(&self, input: TowerInput) -> TowerOutput {
        self.query.forward(input)
    }

    fn item(&self, input: TowerInput) -> TowerOutput {
        self.item.forward(input)
    }

    fn heads(&self) -> Vec<&Head> {
        self.heads.iter().collect()
    }
}

impl WideTower {
    fn new(tower: Tower, device: &Device) -> Self {
        let domains = SCHEMA.axis(tower).domains.len();
        Self {
            shared: DomainShared::new(&SCHEMA, tower, device),
            experts: (0..domains)
                .map(|domain| Expert::new(tower, domain, device))
                .collect(),
        }
    }

    fn forward(&self, mut input: TowerInput) -> TowerOutput {
        let mut all = Vec::new();
        for (domain, expert) in self.experts.iter().enumerate() {
            if let Some(rows) = input.take(domain) {
                all.push((domain, expert.adapt(rows, &self.shared)));
            }
        }
        task_embeddings(self.experts.len(), SCHEMA.tasks.len(), all)
    }
}

impl Expert {
    fn new(tower: Tower, domain: usize, device: &Device) -> Self {
        let layout = Layout::new(&SCHEMA, tower, domain);
        let tasks = 0..SCHEMA.tasks.len();
        Self {
            adapt: Adaptation::new(&layout, &SCHEMA.architecture.expert, device),
            task_shared: Experts::task_shared(&layout, &SCHEMA.architecture.expert, device),
            tasks: tasks
                .map(|task| TaskExpert::new(&SCHEMA, &layout, task, device))
                .collect(),
        }
    }

    fn adapt<'a>(&'a self, rows: DomainInput, shared: &'a DomainShared) -> DomainRows<'a> {
        let x = self.adapt.forward(rows);
        let experts = self.tasks.iter().enumerate().collect();
        DomainRows::new(x, &self.task_shared, shared, experts)
    }
}

fn embedded(name: &'static str, dim: usize, domains: DomainSet) -> Feature {
    let table = match dim {
        4 => 0,
        8 => 1,
        _ => 2,
    };
    let shallow = dim == 4 && domains.len() < 4;
    feature(
        name,
        FeatureKind::Embedded {
            table: TableId(table),
            input: Input::One { default: None },
            shallow,
        },
        domains,
    )
}

fn number(name: &'static str, domains: DomainSet) -> Feature {
    feature(name, FeatureKind::Number(Transform::DEFAULT), domains)
}

fn feature(name: &'static str, kind: FeatureKind, domains: DomainSet) -> Feature {
    Feature {
        name: text(name),
        column: text(name),
        derive: None,
        kind,
        domains,
        doc: text(""),
        place: text("line 1"),
    }
}

fn task(name: &'static str, embedding: usize, given: Option<TaskId>) -> Task {
    Task {
        name: text(name),
        label: Label::Score(text(name)),
        action: list(&[]),
        given,
        weight: 1.0,
        sample_weight: None,
        mask: list(&[]),
        embedding,
        surfaces: DomainSet::first::<5>(),
        products: DomainSet::first::<3>(),
        doc: text(""),
        place: text("line 1"),
    }
}

fn table(name: &'static str, dim: usize) -> Table {
    Table {
        name: text(name),
        rows: 1000,
        dim,
        index: Index::Hash,
        oov: 0,
        embeddings: None,
        shared: false,
        doc: text(""),
    }
}

fn domain(name: &'static str) -> Domain {
    Domain {
        name: text(name),
        values: list(&[]),
        like: None,
        doc: text(""),
    }
}

const ALL_SURFACES: DomainSet = DomainSet::first::<5>();
const ALL_PRODUCTS: DomainSet = DomainSet::first::<3>();

fn wide() -> Schema {
    Schema {
        spec: wide_spec(),
        spec_hash: "",
        weights_hash: "",
        graph_hash: "",
        graph: "",
    }
}

fn wide_spec() -> Spec {
    Spec {
        name: text("wide"),
        doc: text(""),
        data: None,
        surfaces: Axis {
            column: text("surface"),
            domains: vec![
                domain("a"),
                domain("b"),
                domain("c"),
                domain("d"),
                domain("e"),
            ]
            .into(),
            others: Others::Error,
            place: text("line 1"),
        },
        products: Axis {
            column: text("product"),
            domains: vec![domain("x"), domain("y"), domain("z")].into(),
            others: Others::Error,
            place: text("line 1"),
        },
        tasks: vec![
            task("click", 128, None),
            task("long", 32, Some(TaskId(0))),
            task("enter", 32, Some(TaskId(0))),
        ]
        .into(),
        tables: vec![table("small", 4), table("middle", 8), table("large", 16)].into(),
        query: vec![
            embedded("user", 16, ALL_SURFACES),
            embedded("watched", 16, ALL_SURFACES),
            embedded("liked", 16, ALL_SURFACES),
            embedded("active", 4, ALL_SURFACES),
            embedded("hour", 4, ALL_SURFACES),
            embedded("follows", 4, ALL_SURFACES),
            embedded("fans", 4, ALL_SURFACES),
            embedded("friends", 4, ALL_SURFACES),
            embedded("registered", 4, ALL_SURFACES),
            embedded("one", 4, ALL_SURFACES),
            embedded("two", 4, ALL_SURFACES),
            embedded("three", 8, ALL_SURFACES),
            embedded("seven", 4, ALL_SURFACES),
            embedded("eight", 4, ALL_SURFACES),
            number("days", ALL_SURFACES),
            number("followed", ALL_SURFACES),
            number("fan", ALL_SURFACES),
        ]
        .into(),
        item: vec![
            embedded("video", 16, ALL_PRODUCTS),
            embedded("author", 16, ALL_PRODUCTS),
            embedded("music", 8, ALL_PRODUCTS),
            embedded("tag", 8, ALL_PRODUCTS),
            embedded("upload", 4, ALL_PRODUCTS),
            embedded("kind", 4, ALL_PRODUCTS),
            embedded("tune", 4, ALL_PRODUCTS),
            number("duration", ALL_PRODUCTS),
            number("fresh", ALL_PRODUCTS),
            number("width", ALL_PRODUCTS),
            number("height", ALL_PRODUCTS),
        ]
        .into(),
        architecture: Architecture::PAPER,
        rows: Rows::DEFAULT,
        evaluation: Evaluation::DEFAULT,
        budget: Budget::DEFAULT,
        training: Training {
            epochs: 1,
            shuffle: 1,
            warmup: 0.0,
            decay: Decay::Constant,
            ..Training::DEFAULT
        },
    }
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(wide);
