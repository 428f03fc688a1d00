//! Three surfaces, two products, a chain of three tasks and one beside it. Features that only some
//! domains have, a domain without shallow features, a task that is absent on a product.

use burn::module::Module;
use burn::tensor::Device;
use mtmd::layers::{
    Adaptation, DomainInput, DomainRows, DomainShared, Experts, Head, Layout, SharedExperts,
    TaskEmbeddings, TaskExpert, TowerInput, TowerOutput, task_embeddings,
};
use mtmd::model::Model;
use mtmd::schema::{
    Architecture, Axis, Budget, Crossing, Decay, Domain, DomainId, DomainSet, Evaluation,
    ExpertArchitecture, Feature, FeatureKind, Index, Input, Label, Others, Rows, Schema, Spec,
    Table, TableId, Task, TaskId, Tower, Training, Transform, Value, list, text,
};
use std::sync::LazyLock;

const NUMBER: FeatureKind = FeatureKind::Number(Transform::DEFAULT);

const fn embedded(table: usize, shallow: bool) -> FeatureKind {
    FeatureKind::Embedded {
        table: TableId(table),
        input: Input::One { default: None },
        shallow,
    }
}

const fn feature(name: &'static str, kind: FeatureKind, domains: DomainSet) -> Feature {
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

const fn table(name: &'static str, dim: usize) -> Table {
    Table {
        name: text(name),
        rows: 10,
        dim,
        index: Index::Hash,
        oov: 0,
        embeddings: None,
        shared: false,
        doc: text(""),
    }
}

const fn domain(name: &'static str, values: &'static [Value]) -> Domain {
    Domain {
        name: text(name),
        values: list(values),
        like: None,
        doc: text(""),
    }
}

const fn task(name: &'static str, given: Option<TaskId>, products: DomainSet) -> Task {
    Task {
        name: text(name),
        label: Label::Score(text(name)),
        action: list(&[]),
        given,
        weight: 1.0,
        sample_weight: None,
        mask: list(&[]),
        embedding: 3,
        surfaces: DomainSet::first::<3>(),
        products,
        doc: text(""),
        place: text("line 1"),
    }
}

/// A small spec: three surfaces, two products, four tasks.
pub fn plain() -> Schema {
    Schema {
        spec: spec(),
        spec_hash: "spec",
        weights_hash: "weights",
        graph_hash: "graph",
        graph: "",
    }
}

fn spec() -> Spec {
    Spec {
        name: text("tiny"),
        doc: text(""),
        data: None,
        surfaces: Axis {
            column: text("surface"),
            domains: vec![
                domain("feed", &[Value::Int(0)]),
                domain("related", &[Value::Int(1)]),
                domain("search", &[Value::Int(2)]),
            ]
            .into(),
            others: Others::Error,
            place: text("line 1"),
        },
        products: Axis {
            column: text("product"),
            domains: vec![
                domain("shop", &[Value::Int(0)]),
                domain("web", &[Value::Int(1)]),
            ]
            .into(),
            others: Others::Error,
            place: text("line 1"),
        },
        tasks: vec![
            Task {
                weight: 2.0,
                ..task("click", None, DomainSet::first::<2>())
            },
            Task {
                embedding: 2,
                ..task("long", Some(TaskId(0)), DomainSet::first::<2>())
            },
            task("buy", Some(TaskId(1)), DomainSet::first::<1>()),
            Task {
                surfaces: DomainSet(list(&[DomainId(0), DomainId(2)])),
                ..task("hide", None, DomainSet::first::<2>())
            },
        ]
        .into(),
        tables: vec![
            table("user", 3),
            table("country", 2),
            table("word", 2),
            table("ad", 3),
        ]
        .into(),
        query: vec![
            feature("country", embedded(1, true), DomainSet::first::<3>()),
            feature("user", embedded(0, false), DomainSet::first::<3>()),
            feature("word", embedded(2, true), DomainSet(list(&[DomainId(2)]))),
            feature(
                "pin",
                FeatureKind::Vector { width: 2 },
                DomainSet(list(&[DomainId(1)])),
            ),
            feature("age", NUMBER, DomainSet::first::<3>()),
            feature(
                "length",
                NUMBER,
                DomainSet(list(&[DomainId(0), DomainId(2)])),
            ),
        ]
        .into(),
        item: vec![
            feature("ad", embedded(3, false), DomainSet::first::<2>()),
            feature("kind", embedded(1, true), DomainSet(list(&[DomainId(1)]))),
            feature(
                "image",
                FeatureKind::Vector { width: 3 },
                DomainSet::first::<2>(),
            ),
            feature("price", NUMBER, DomainSet::first::<1>()),
        ]
        .into(),
        architecture: Architecture {
            expert: ExpertArchitecture {
                deep: list(&[6, 4]),
                routing: list(&[5]),
                shallow: list(&[3]),
                crossing: Crossing::Dcn { rank: 2, depth: 2 },
                se_reduction: Some(2),
                ..ExpertArchitecture::PAPER
            },
            shallow_width: 2,
            shared_deep: list(&[6, 4]),
            ..Architecture::PAPER
        },
        rows: Rows::DEFAULT,
        evaluation: Evaluation::DEFAULT,
        budget: Budget::DEFAULT,
        training: Training {
            batch: 8,
            epochs: 1,
            shuffle: 8,
            warmup: 0.0,
            decay: Decay::Constant,
            ..Training::DEFAULT
        },
    }
}

/// The same, in one place.
pub static SCHEMA: LazyLock<Schema> = LazyLock::new(plain);

#[derive(Module, Debug)]
pub struct Tiny {
    pub query: QueryTower,
    pub item: ItemTower,
    pub heads: Heads,
}

impl Model for Tiny {
    fn schema() -> &'static Schema {
        &SCHEMA
    }

    fn new(device: &Device) -> Self {
        Self {
            query: QueryTower::new(device),
            item: ItemTower::new(device),
            heads: Heads::new(device),
        }
    }

    fn query(&self, input: TowerInput) -> TowerOutput {
        self.query.forward(input)
    }

    fn item(&self, input: TowerInput) -> TowerOutput {
        self.item.forward(input)
    }

    fn heads(&self) -> Vec<&Head> {
        vec![
            &self.heads.click,
            &self.heads.long,
            &self.heads.buy,
            &self.heads.hide,
        ]
    }
}

#[derive(Module, Debug)]
pub struct QueryTower {
    pub shared: DomainShared,
    pub feed: Expert,
    pub related: Expert,
    pub search: Expert,
}

impl QueryTower {
    fn new(device: &Device) -> Self {
        let expert = |domain| Expert::new(Tower::Query, domain, device);
        Self {
            shared: DomainShared::new(&SCHEMA, Tower::Query, device),
            feed: expert(0),
            related: expert(1),
            search: expert(2),
        }
    }

    fn forward(&self, mut input: TowerInput) -> TowerOutput {
        let mut all = Vec::new();
        for (domain, expert) in [&self.feed, &self.related, &self.search]
            .into_iter()
            .enumerate()
        {
            if let Some(rows) = input.take(domain) {
                all.push((domain, expert.adapt(rows, &self.shared)));
            }
        }
        task_embeddings(3, 4, all)
    }
}

#[derive(Module, Debug)]
pub struct ItemTower {
    pub shared: DomainShared,
    pub shop: Expert,
    pub web: Expert,
}

impl ItemTower {
    fn new(device: &Device) -> Self {
        Self {
            shared: DomainShared::new(&SCHEMA, Tower::Item, device),
            shop: Expert::new(Tower::Item, 0, device),
            web: Expert::new(Tower::Item, 1, device),
        }
    }

    fn forward(&self, mut input: TowerInput) -> TowerOutput {
        let mut all = Vec::new();
        if let Some(rows) = input.take(0) {
            all.push((0, self.shop.adapt(rows, &self.shared)));
        }
        if let Some(rows) = input.take(1) {
            all.push((1, self.web.adapt(rows, &self.shared)));
        }
        task_embeddings(2, 4, all)
    }
}

/// A Domain Expert. Generated code has a field for each of its tasks instead of options.
#[derive(Module, Debug)]
pub struct Expert {
    pub adapt: Adaptation,
    pub task_shared: Experts,
    pub click: Option<TaskExpert>,
    pub long: Option<TaskExpert>,
    pub buy: Option<TaskExpert>,
    pub hide: Option<TaskExpert>,
}

impl Expert {
    pub fn new(tower: Tower, domain: usize, device: &Device) -> Self {
        let layout = Layout::new(&SCHEMA, tower, domain);
        let task = |task: usize| {
            SCHEMA.tasks[task]
                .is_on(tower, DomainId(domain))
                .then(|| TaskExpert::new(&SCHEMA, &layout, task, device))
        };
        Self {
            adapt: Adaptation::new(&layout, &SCHEMA.architecture.expert, device),
            task_shared: Experts::task_shared(&layout, &SCHEMA.architecture.expert, device),
            click: task(0),
            long: task(1),
            buy: task(2),
            hide: task(3),
        }
    }

    pub fn adapt<'a>(&'a self, rows: DomainInput, shared: &'a DomainShared) -> DomainRows<'a> {
        let x = self.adapt.forward(rows);
        DomainRows::new(x, &self.task_shared, shared, self.tasks())
    }

    fn tasks(&self) -> Vec<(usize, &TaskExpert)> {
        let experts = [&self.click, &self.long, &self.buy, &self.hide];
        let experts = experts.into_iter().enumerate();
        experts
            .filter_map(|(task, expert)| Some((task, expert.as_ref()?)))
            .collect()
    }

    /// The same layer by layer.
    pub fn forward_by_layers(&self, rows: DomainInput, shared: &DomainShared) -> TaskEmbeddings {
        let x = self.adapt.forward(rows);
        let common = SharedExperts {
            task: self.task_shared.forward(&x.x(), x.precision()),
            domain: shared.forward(&x),
        };
        let mut output = TaskEmbeddings::new(4);
        for (task, expert) in self.tasks() {
            output.set(task, expert.forward(&x, &common));
        }
        output
    }
}

#[derive(Module, Debug)]
pub struct Heads {
    pub click: Head,
    pub long: Head,
    pub buy: Head,
    pub hide: Head,
}

impl Heads {
    fn new(device: &Device) -> Self {
        Self {
            click: Head::new(&SCHEMA.architecture, device),
            long: Head::new(&SCHEMA.architecture, device),
            buy: Head::new(&SCHEMA.architecture, device),
            hide: Head::new(&SCHEMA.architecture, device),
        }
    }
}
