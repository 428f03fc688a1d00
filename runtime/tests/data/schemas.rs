//! Schemas as a compiler would write them, by hand.

use mtmd::schema::{
    AdamW, Architecture, Axis, BadRows, Course, Crossing, Decay, Domain, Embeddings,
    ExpertArchitecture, Feature, Index, Input, Kind, Label, Others, Pool, Schema, Split, Table,
    TableOptimiser, Task, Training, Transform, Value,
};

const ARCHITECTURE: Architecture = Architecture {
    expert: ExpertArchitecture {
        deep: &[32, 16],
        routing: &[8],
        shallow: &[8],
        crossing: Crossing::Dcn { rank: 4, depth: 1 },
        se_reduction: Some(2),
        ..ExpertArchitecture::PAPER
    },
    shallow_width: 8,
    shared_deep: &[32, 16],
    ..Architecture::PAPER
};

const TRAINING: Training = Training {
    batch: 512,
    epochs: 2,
    seed: 1,
    shuffle: 262_144,
    dense: AdamW {
        lr: 1e-3,
        weight_decay: 0.01,
    },
    embeddings: Embeddings {
        optimiser: TableOptimiser::AdamW,
        lr: 3e-2,
        weight_decay: 0.1,
        std: 0.05,
        frequency: None,
    },
    warmup: 0.05,
    decay: Decay::Linear,
    clip: Some(5.0),
    course: Course::DEFAULT,
};

const fn domain(name: &'static str, values: &'static [Value]) -> Domain {
    Domain { name, values }
}

const fn table(name: &'static str, rows: usize, dim: usize, index: Index) -> Table {
    Table {
        name,
        rows,
        dim,
        index,
        oov: 0,
        embeddings: None,
    }
}

const VOCABULARY: Index = Index::Vocabulary { min_count: 1 };
const LOG: Kind = Kind::Number(Transform {
    default: 0.0,
    clip: None,
    log: true,
    standardise: None,
});
const PLAIN: Kind = Kind::Number(Transform {
    default: 0.0,
    clip: None,
    log: false,
    standardise: None,
});

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

const fn embedded(table: usize, pool: Option<Pool>) -> Kind {
    Kind::Embedded {
        table,
        input: input(pool),
        shallow: false,
    }
}

const fn feature(
    name: &'static str,
    kind: Kind,
    domains: &'static [usize],
    place: &'static str,
) -> Feature {
    Feature {
        name,
        column: name,
        derive: None,
        kind,
        domains,
        place,
    }
}

/// Two surfaces, two products, a score task and an action child on one product, every kind of feature.
pub const SMALL: Schema = Schema {
    name: "small",
    spec_hash: "",
    weights_hash: "",
    graph_hash: "",
    graph: "",
    surfaces: Axis {
        column: "surface",
        domains: &[
            domain("feed", &[Value::Int(0)]),
            domain("search", &[Value::Int(2), Value::Int(3)]),
        ],
        others: Others::Error,
        place: "line 3",
    },
    products: Axis {
        column: "product",
        domains: &[
            domain("shop", &[Value::Text("shop")]),
            domain("std", &[Value::Text("std")]),
        ],
        others: Others::Skip,
        place: "line 4",
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
            surfaces: &[0, 1],
            products: &[0, 1],
            place: "line 7",
        },
        Task {
            name: "buy",
            label: Label::Action,
            action: &["is_click", "is_buy"],
            given: Some(0),
            weight: 1.0,
            sample_weight: None,
            mask: &[],
            embedding: 4,
            surfaces: &[0, 1],
            products: &[0],
            place: "line 8",
        },
    ],
    tables: &[
        table("ads", 100, 3, Index::Hash),
        table(
            "kind",
            4,
            2,
            Index::Values(&[Value::Text("a"), Value::Text("b"), Value::Text("c")]),
        ),
        table("users", 6, 2, Index::Vocabulary { min_count: 2 }),
    ],
    query: &[
        feature("history", embedded(0, Some(Pool::Mean)), &[0, 1], "line 11"),
        feature("user_id", embedded(2, None), &[0, 1], "line 12"),
        feature("text", Kind::Vector { width: 2 }, &[1], "line 13"),
        feature(
            "age",
            Kind::Number(Transform {
                default: 30.0,
                clip: Some((0.0, 100.0)),
                log: false,
                standardise: None,
            }),
            &[0, 1],
            "line 14",
        ),
    ],
    item: &[
        feature("ad_id", embedded(0, None), &[0, 1], "line 17"),
        feature("kind", embedded(1, None), &[0, 1], "line 18"),
        feature("tags", embedded(0, Some(Pool::Sum)), &[0, 1], "line 19"),
        feature("price", LOG, &[0], "line 20"),
    ],
    architecture: ARCHITECTURE,
    split: Split::Column {
        column: "day",
        train: &[(Value::Int(1), Value::Int(5))],
        validate: &[(Value::Int(6), Value::Int(6))],
        test: &[(Value::Int(7), Value::Int(8))],
        place: "line 23",
    },
    bad_rows: BadRows::Stop,
    request: None,
    buckets: 20,
    training: TRAINING,
};

const TABS: &[usize] = &[0, 1, 2, 3, 4];
const TYPES: &[usize] = &[0, 1, 2];

const fn kuairand_task(
    name: &'static str,
    score: &'static str,
    action: &'static [&'static str],
    given: Option<usize>,
) -> Task {
    Task {
        name,
        label: Label::Score(score),
        action,
        given,
        weight: 1.0,
        sample_weight: None,
        mask: &[],
        embedding: 32,
        surfaces: TABS,
        products: TYPES,
        place: "line 1",
    }
}

/// `specs/kuairand.mtmd`.
pub static KUAIRAND: Schema = Schema {
    name: "kuairand",
    spec_hash: "",
    weights_hash: "",
    graph_hash: "",
    graph: "",
    surfaces: Axis {
        column: "tab",
        domains: &[
            domain("tab0", &[Value::Int(0)]),
            domain("tab1", &[Value::Int(1)]),
            domain("tab2", &[Value::Int(2)]),
            domain("tab4", &[Value::Int(4)]),
            domain("tab6", &[Value::Int(6)]),
        ],
        others: Others::Skip,
        place: "line 1",
    },
    products: Axis {
        column: "upload_type",
        domains: &[
            domain(
                "imported",
                &[Value::Text("LongImport"), Value::Text("ShortImport")],
            ),
            domain(
                "studio",
                &[
                    Value::Text("Kmovie"),
                    Value::Text("LongPicture"),
                    Value::Text("LongCamera"),
                    Value::Text("ShortCamera"),
                    Value::Text("PictureSet"),
                ],
            ),
            domain("web", &[Value::Text("Web")]),
        ],
        others: Others::Skip,
        place: "line 1",
    },
    tasks: &[
        kuairand_task("ctr", "hw_ctr", &["is_click"], None),
        kuairand_task("gctr", "hw_gctr", &["is_click", "long_view"], Some(0)),
        kuairand_task(
            "octr",
            "hw_octr",
            &["is_click", "is_profile_enter"],
            Some(0),
        ),
    ],
    tables: &[
        table("videos", 8_000, 16, VOCABULARY),
        table("user_id", 30_000, 16, VOCABULARY),
        table("small", 2_000, 4, VOCABULARY),
        table("author_id", 8_000, 16, VOCABULARY),
        table("music_id", 8_000, 8, VOCABULARY),
        table("tag", 128, 8, VOCABULARY),
    ],
    query: &[
        feature("user_id", embedded(1, None), TABS, "line 1"),
        feature("watch_seq", embedded(0, Some(Pool::Mean)), TABS, "line 1"),
        feature("like_seq", embedded(0, Some(Pool::Mean)), TABS, "line 1"),
        feature("user_active_degree", embedded(2, None), TABS, "line 1"),
        feature("hourmin", embedded(2, None), TABS, "line 1"),
        feature("follow_user_num_range", embedded(2, None), TABS, "line 1"),
        feature("fans_user_num_range", embedded(2, None), TABS, "line 1"),
        feature("friend_user_num_range", embedded(2, None), TABS, "line 1"),
        feature("register_days_range", embedded(2, None), TABS, "line 1"),
        feature("onehot_feat1", embedded(2, None), TABS, "line 1"),
        feature("onehot_feat2", embedded(2, None), TABS, "line 1"),
        feature("onehot_feat3", embedded(2, None), TABS, "line 1"),
        feature("onehot_feat7", embedded(2, None), TABS, "line 1"),
        feature("onehot_feat8", embedded(2, None), TABS, "line 1"),
        feature("register_days", LOG, TABS, "line 1"),
        feature("follow_user_num", LOG, TABS, "line 1"),
        feature("fans_user_num", LOG, TABS, "line 1"),
    ],
    item: &[
        feature("video_id", embedded(0, None), TYPES, "line 1"),
        feature("author_id", embedded(3, None), TYPES, "line 1"),
        feature("music_id", embedded(4, None), TYPES, "line 1"),
        feature("tag", embedded(5, Some(Pool::Mean)), TYPES, "line 1"),
        feature("upload_type", embedded(2, None), TYPES, "line 1"),
        feature("video_type", embedded(2, None), TYPES, "line 1"),
        feature("music_type", embedded(2, None), TYPES, "line 1"),
        feature("duration_ms", LOG, TYPES, "line 1"),
        feature("freshness_days", LOG, TYPES, "line 1"),
        feature("server_width", PLAIN, TYPES, "line 1"),
        feature("server_height", PLAIN, TYPES, "line 1"),
    ],
    architecture: ARCHITECTURE,
    split: Split::Column {
        column: "date",
        train: &[(Value::Int(20_220_425), Value::Int(20_220_501))],
        validate: &[(Value::Int(20_220_502), Value::Int(20_220_502))],
        test: &[(Value::Int(20_220_503), Value::Int(20_220_504))],
        place: "line 1",
    },
    bad_rows: BadRows::Stop,
    request: None,
    buckets: 20,
    training: TRAINING,
};
