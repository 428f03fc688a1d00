//! A small model in the form of generated code: two surfaces, two products, a scored task and an
//! action that depends on it, on one product only.

use std::sync::OnceLock;

use mtmd::schema::{
    AdamW, Architecture, Axis, BadRows, Compiled, Course, Crossing, Decay, Domain, Embeddings,
    ExpertArchitecture, Feature, Index, Input, Kind, Label, Others, Pool, Schema, Split, Table,
    TableOptimiser, Task, Training, Transform, Value,
};
use mtmd_schema::plan::Plan;

const _: mtmd::Version_0_1_0 = mtmd::Version_0_1_0;

const ALL: &[usize] = &[0, 1];

const fn input(pool: Option<Pool>) -> Input {
    match pool {
        None => Input::One { default: None },
        Some(pool) => Input::List {
            pool,
            weights: None,
            last: None,
        },
    }
}

const fn embedded(table: usize, pool: Option<Pool>, shallow: bool) -> Kind {
    Kind::Embedded {
        table,
        input: input(pool),
        shallow,
    }
}

const fn feature(name: &'static str, kind: Kind, domains: &'static [usize]) -> Feature {
    Feature {
        name,
        column: name,
        derive: None,
        kind,
        domains,
        place: "line 1",
    }
}

const fn day(day: i64) -> (Value, Value) {
    (Value::Int(day), Value::Int(day))
}

/// The schema of the sample.
pub const SCHEMA: Schema = Schema {
    name: "sample",
    spec_hash: "spec-1",
    weights_hash: "weights-1",
    graph_hash: "graph-1",
    graph: "model: sample\nquery.feed.ctr.deep: FFN 24, 12\nitem.shop.ctr.deep: FFN 24, 12\n",
    surfaces: Axis {
        column: "surface",
        domains: &[
            Domain {
                name: "feed",
                values: &[Value::Int(0)],
            },
            Domain {
                name: "search",
                values: &[Value::Int(1)],
            },
        ],
        others: Others::Error,
        place: "line 1",
    },
    products: Axis {
        column: "product",
        domains: &[
            Domain {
                name: "shop",
                values: &[Value::Text("shop")],
            },
            Domain {
                name: "standard",
                values: &[Value::Text("standard")],
            },
        ],
        others: Others::Error,
        place: "line 1",
    },
    tasks: &[
        Task {
            name: "ctr",
            label: Label::Score("hw_ctr"),
            action: &["is_click"],
            given: None,
            weight: 1.0,
            sample_weight: None,
            mask: &[],
            embedding: 8,
            surfaces: ALL,
            products: ALL,
            place: "line 1",
        },
        Task {
            name: "buy",
            label: Label::Action,
            action: &["is_click", "is_buy"],
            given: Some(0),
            weight: 0.5,
            sample_weight: None,
            mask: &[],
            embedding: 4,
            surfaces: ALL,
            products: &[0],
            place: "line 1",
        },
    ],
    tables: &[
        Table {
            name: "ad_id",
            rows: 64,
            dim: 8,
            index: Index::Vocabulary { min_count: 1 },
            oov: 0,
            embeddings: None,
        },
        Table {
            name: "kind",
            rows: 16,
            dim: 4,
            index: Index::Hash,
            oov: 0,
            embeddings: None,
        },
        Table {
            name: "user_id",
            rows: 101,
            dim: 8,
            index: Index::Hash,
            oov: 0,
            embeddings: None,
        },
    ],
    query: &[
        feature("history", embedded(0, Some(Pool::Mean), false), ALL),
        feature("user_id", embedded(2, None, false), ALL),
        feature(
            "age",
            Kind::Number(Transform {
                default: 0.0,
                clip: None,
                log: false,
                standardise: None,
            }),
            &[1],
        ),
    ],
    item: &[
        feature("ad_id", embedded(0, None, false), ALL),
        feature("kind", embedded(1, None, true), ALL),
    ],
    architecture: Architecture {
        expert: ExpertArchitecture {
            deep: &[24, 12],
            routing: &[8],
            shallow: &[8],
            crossing: Crossing::Dcn { rank: 4, depth: 1 },
            se_reduction: Some(2),
            ..ExpertArchitecture::PAPER
        },
        shallow_width: 4,
        shared_deep: &[24, 12],
        ..Architecture::PAPER
    },
    split: Split::Column {
        column: "day",
        train: &[(Value::Int(1), Value::Int(3))],
        validate: &[day(4)],
        test: &[day(5)],
        place: "line 1",
    },
    bad_rows: BadRows::Stop,
    request: None,
    buckets: 20,
    training: Training {
        batch: 64,
        epochs: 3,
        seed: 1,
        shuffle: 1_000,
        dense: AdamW {
            lr: 3e-3,
            weight_decay: 0.01,
        },
        embeddings: Embeddings {
            optimiser: TableOptimiser::AdamW,
            lr: 3e-2,
            weight_decay: 0.01,
            std: 0.05,
            frequency: None,
        },
        warmup: 0.05,
        decay: Decay::Linear,
        clip: Some(5.0),
        course: Course::DEFAULT,
    },
};

/// [`SCHEMA`], for data without a model.
pub static SAMPLE: Schema = SCHEMA;

/// The plan of `sample.mtmd`, as the compiler lowers it.
fn plan() -> Plan {
    serde_json::from_str(include_str!("sample.plan.json")).expect("a plan")
}

/// A model of a schema with the plan of the sample: it may differ in all that the plan does not know.
pub fn compiled(schema: Schema) -> &'static Compiled {
    let plan = plan();
    Box::leak(Box::new(Compiled { schema, plan }))
}

/// The model.
pub fn model() -> &'static Compiled {
    static MODEL: OnceLock<&'static Compiled> = OnceLock::new();
    MODEL.get_or_init(|| compiled(SCHEMA))
}
