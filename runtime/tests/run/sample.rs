//! A small model in the form of generated code: two surfaces, two products, a scored task and an
//! action that depends on it, on one product only.

use mtmd::prelude::*;
use mtmd::schema::{
    AdamW, Architecture, Axis, Budget, Crossing, Domain, DomainId, DomainSet, Embeddings,
    Evaluation, ExpertArchitecture, Feature, FeatureKind, Index, Input, Label, Others, Pool, Rows,
    Spec, Split, Table, TableId, Task, TaskId, Training, Transform, Value, list, text,
};
use std::sync::LazyLock;

const _: mtmd::Version_0_1_0 = mtmd::Version_0_1_0;

const ALL: DomainSet = DomainSet::first::<2>();

fn input(pool: Option<Pool>) -> Input {
    match pool {
        None => Input::One { default: None },
        Some(pool) => Input::List {
            pool,
            weights: None,
            last: None,
        },
    }
}

fn embedded(table: usize, pool: Option<Pool>, shallow: bool) -> FeatureKind {
    FeatureKind::Embedded {
        table: TableId(table),
        input: input(pool),
        shallow,
    }
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

fn day(day: i64) -> (Value, Value) {
    (Value::Int(day), Value::Int(day))
}

/// The schema of [`Sample`].
pub fn sample() -> Schema {
    Schema {
        spec: sample_spec(),
        spec_hash: "spec-1",
        weights_hash: "weights-1",
        graph_hash: "graph-1",
        graph: "model: sample\nquery.feed.ctr.deep: FFN 24, 12\nitem.shop.ctr.deep: FFN 24, 12\n",
    }
}

fn sample_spec() -> Spec {
    Spec {
        name: text("sample"),
        doc: text(""),
        data: None,
        surfaces: Axis {
            column: text("surface"),
            domains: vec![
                Domain {
                    name: text("feed"),
                    values: list(&[Value::Int(0)]),
                    like: None,
                    doc: text(""),
                },
                Domain {
                    name: text("search"),
                    values: list(&[Value::Int(1)]),
                    like: None,
                    doc: text(""),
                },
            ]
            .into(),
            others: Others::Error,
            place: text("line 1"),
        },
        products: Axis {
            column: text("product"),
            domains: vec![
                Domain {
                    name: text("shop"),
                    values: list(&[Value::Text(text("shop"))]),
                    like: None,
                    doc: text(""),
                },
                Domain {
                    name: text("standard"),
                    values: list(&[Value::Text(text("standard"))]),
                    like: None,
                    doc: text(""),
                },
            ]
            .into(),
            others: Others::Error,
            place: text("line 1"),
        },
        tasks: vec![
            Task {
                name: text("ctr"),
                label: Label::Score(text("hw_ctr")),
                action: list(&[text("is_click")]),
                given: None,
                weight: 1.0,
                sample_weight: None,
                mask: list(&[]),
                embedding: 8,
                surfaces: ALL,
                products: ALL,
                doc: text(""),
                place: text("line 1"),
            },
            Task {
                name: text("buy"),
                label: Label::Action,
                action: list(&[text("is_click"), text("is_buy")]),
                given: Some(TaskId(0)),
                weight: 0.5,
                sample_weight: None,
                mask: list(&[]),
                embedding: 4,
                surfaces: ALL,
                products: DomainSet::first::<1>(),
                doc: text(""),
                place: text("line 1"),
            },
        ]
        .into(),
        tables: vec![
            Table {
                name: text("ad_id"),
                rows: 64,
                dim: 8,
                index: Index::Vocabulary { min_count: 1 },
                oov: 0,
                embeddings: None,
                shared: false,
                doc: text(""),
            },
            Table {
                name: text("kind"),
                rows: 16,
                dim: 4,
                index: Index::Hash,
                oov: 0,
                embeddings: None,
                shared: false,
                doc: text(""),
            },
            Table {
                name: text("user_id"),
                rows: 101,
                dim: 8,
                index: Index::Hash,
                oov: 0,
                embeddings: None,
                shared: false,
                doc: text(""),
            },
        ]
        .into(),
        query: vec![
            feature("history", embedded(0, Some(Pool::Mean), false), ALL),
            feature("user_id", embedded(2, None, false), ALL),
            feature(
                "age",
                FeatureKind::Number(Transform::DEFAULT),
                DomainSet(list(&[DomainId(1)])),
            ),
        ]
        .into(),
        item: vec![
            feature("ad_id", embedded(0, None, false), ALL),
            feature("kind", embedded(1, None, true), ALL),
        ]
        .into(),
        architecture: Architecture {
            expert: ExpertArchitecture {
                deep: list(&[24, 12]),
                routing: list(&[8]),
                shallow: list(&[8]),
                crossing: Crossing::Dcn { rank: 4, depth: 1 },
                se_reduction: Some(2),
                ..ExpertArchitecture::PAPER
            },
            shallow_width: 4,
            shared_deep: list(&[24, 12]),
            ..Architecture::PAPER
        },
        rows: Rows {
            split: Split::Column {
                column: text("day"),
                train: list(&[(Value::Int(1), Value::Int(3))]),
                validate: vec![day(4)].into(),
                test: vec![day(5)].into(),
                place: text("line 1"),
            },
            ..Rows::DEFAULT
        },
        evaluation: Evaluation::DEFAULT,
        budget: Budget::DEFAULT,
        training: Training {
            batch: 64,
            epochs: 3,
            shuffle: 1_000,
            dense: AdamW {
                lr: 3e-3,
                weight_decay: 0.01,
            },
            embeddings: Embeddings {
                weight_decay: 0.01,
                ..Training::DEFAULT.embeddings
            },
            ..Training::DEFAULT
        },
    }
}

/// The same, for the model.
pub static SAMPLE: LazyLock<Schema> = LazyLock::new(sample);

/// The model of [`SAMPLE`].
#[derive(Module, Debug)]
pub struct Sample {
    pub query: QueryTower,
    pub item: ItemTower,
    pub heads: Heads,
}

impl Model for Sample {
    fn schema() -> &'static Schema {
        &SAMPLE
    }

    fn new(device: &Device) -> Self {
        Self {
            query: QueryTower::new(device),
            item: ItemTower::new(device),
            heads: Heads {
                ctr: Head::new(&SAMPLE.architecture, device),
                buy: Head::new(&SAMPLE.architecture, device),
            },
        }
    }

    fn query(&self, input: TowerInput) -> TowerOutput {
        self.query.forward(input)
    }

    fn item(&self, input: TowerInput) -> TowerOutput {
        self.item.forward(input)
    }

    fn heads(&self) -> Vec<&Head> {
        vec![&self.heads.ctr, &self.heads.buy]
    }
}

#[derive(Module, Debug)]
pub struct Heads {
    pub ctr: Head,
    pub buy: Head,
}

#[derive(Module, Debug)]
pub struct QueryTower {
    pub shared: DomainShared,
    pub feed: FullExpert,
    pub search: FullExpert,
}

impl QueryTower {
    fn new(device: &Device) -> Self {
        Self {
            shared: DomainShared::new(&SAMPLE, Tower::Query, device),
            feed: FullExpert::new(Tower::Query, 0, device),
            search: FullExpert::new(Tower::Query, 1, device),
        }
    }

    fn forward(&self, mut input: TowerInput) -> TowerOutput {
        let mut all = Vec::new();
        if let Some(rows) = input.take(0) {
            all.push((0, self.feed.adapt(rows, &self.shared)));
        }
        if let Some(rows) = input.take(1) {
            all.push((1, self.search.adapt(rows, &self.shared)));
        }
        task_embeddings(2, 2, all)
    }
}

#[derive(Module, Debug)]
pub struct ItemTower {
    pub shared: DomainShared,
    pub shop: FullExpert,
    pub standard: StandardExpert,
}

impl ItemTower {
    fn new(device: &Device) -> Self {
        Self {
            shared: DomainShared::new(&SAMPLE, Tower::Item, device),
            shop: FullExpert::new(Tower::Item, 0, device),
            standard: StandardExpert::new(device),
        }
    }

    fn forward(&self, mut input: TowerInput) -> TowerOutput {
        let mut all = Vec::new();
        if let Some(rows) = input.take(0) {
            all.push((0, self.shop.adapt(rows, &self.shared)));
        }
        if let Some(rows) = input.take(1) {
            all.push((1, self.standard.adapt(rows, &self.shared)));
        }
        task_embeddings(2, 2, all)
    }
}

/// Domain Expert with both tasks.
#[derive(Module, Debug)]
pub struct FullExpert {
    pub adapt: Adaptation,
    pub task_shared: Experts,
    pub ctr: TaskExpert,
    pub buy: TaskExpert,
}

impl FullExpert {
    fn new(tower: Tower, domain: usize, device: &Device) -> Self {
        let layout = Layout::new(&SAMPLE, tower, domain);
        Self {
            adapt: Adaptation::new(&layout, &SAMPLE.architecture.expert, device),
            task_shared: Experts::task_shared(&layout, &SAMPLE.architecture.expert, device),
            ctr: TaskExpert::new(&SAMPLE, &layout, 0, device),
            buy: TaskExpert::new(&SAMPLE, &layout, 1, device),
        }
    }

    fn adapt<'a>(&'a self, rows: DomainInput, shared: &'a DomainShared) -> DomainRows<'a> {
        let x = self.adapt.forward(rows);
        let experts = vec![(0, &self.ctr), (1, &self.buy)];
        DomainRows::new(x, &self.task_shared, shared, experts)
    }
}

/// Domain Expert of `standard`: `ctr` alone.
#[derive(Module, Debug)]
pub struct StandardExpert {
    pub adapt: Adaptation,
    pub task_shared: Experts,
    pub ctr: TaskExpert,
}

impl StandardExpert {
    fn new(device: &Device) -> Self {
        let layout = Layout::new(&SAMPLE, Tower::Item, 1);
        Self {
            adapt: Adaptation::new(&layout, &SAMPLE.architecture.expert, device),
            task_shared: Experts::task_shared(&layout, &SAMPLE.architecture.expert, device),
            ctr: TaskExpert::new(&SAMPLE, &layout, 0, device),
        }
    }

    fn adapt<'a>(&'a self, rows: DomainInput, shared: &'a DomainShared) -> DomainRows<'a> {
        let x = self.adapt.forward(rows);
        let experts = vec![(0, &self.ctr)];
        DomainRows::new(x, &self.task_shared, shared, experts)
    }
}
