//! Schemas as a compiler would write them, by hand.

use mtmd::schema::{
    Architecture, Axis, Budget, Crossing, Domain, DomainId, DomainSet, Evaluation,
    ExpertArchitecture, Feature, FeatureKind, Index, Input, Label, Others, Pool, Rows, Schema,
    Spec, Split, Table, TableId, Task, TaskId, Text, Training, Transform, Value, list, text,
};
use std::sync::LazyLock;

fn architecture() -> Architecture {
    Architecture {
        expert: ExpertArchitecture {
            deep: list(&[32, 16]),
            routing: list(&[8]),
            shallow: list(&[8]),
            crossing: Crossing::Dcn { rank: 4, depth: 1 },
            se_reduction: Some(2),
            ..ExpertArchitecture::PAPER
        },
        shallow_width: 8,
        shared_deep: list(&[32, 16]),
        ..Architecture::PAPER
    }
}

fn domain(name: &'static str, values: &'static [Value]) -> Domain {
    Domain {
        name: text(name),
        values: list(values),
        like: None,
        doc: text(""),
    }
}

fn table(name: &'static str, rows: usize, dim: usize, index: Index) -> Table {
    Table {
        name: text(name),
        rows,
        dim,
        index,
        oov: 0,
        embeddings: None,
        shared: false,
        doc: text(""),
    }
}

const VOCABULARY: Index = Index::Vocabulary { min_count: 1 };
const LOG: FeatureKind = FeatureKind::Number(Transform {
    log: true,
    ..Transform::DEFAULT
});
const PLAIN: FeatureKind = FeatureKind::Number(Transform::DEFAULT);

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

fn embedded(table: usize, pool: Option<Pool>) -> FeatureKind {
    FeatureKind::Embedded {
        table: TableId(table),
        input: input(pool),
        shallow: false,
    }
}

fn feature(
    name: &'static str,
    kind: FeatureKind,
    domains: DomainSet,
    place: &'static str,
) -> Feature {
    Feature {
        name: text(name),
        column: text(name),
        derive: None,
        kind,
        domains,
        doc: text(""),
        place: text(place),
    }
}

/// Two surfaces, two products, a score task and an action child on one product, every kind of feature.
pub fn small() -> Schema {
    Schema {
        spec: small_spec(),
        spec_hash: "",
        weights_hash: "",
        graph_hash: "",
        graph: "",
    }
}

fn small_spec() -> Spec {
    Spec {
        name: text("small"),
        doc: text(""),
        data: None,
        surfaces: Axis {
            column: text("surface"),
            domains: vec![
                domain("feed", &[Value::Int(0)]),
                domain("search", &[Value::Int(2), Value::Int(3)]),
            ]
            .into(),
            others: Others::Error,
            place: text("line 3"),
        },
        products: Axis {
            column: text("product"),
            domains: vec![
                domain("shop", &[Value::Text(text("shop"))]),
                domain("std", &[Value::Text(text("std"))]),
            ]
            .into(),
            others: Others::Skip,
            place: text("line 4"),
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
                surfaces: DomainSet::first::<2>(),
                products: DomainSet::first::<2>(),
                doc: text(""),
                place: text("line 7"),
            },
            Task {
                name: text("buy"),
                label: Label::Action,
                action: list(&[text("is_click"), text("is_buy")]),
                given: Some(TaskId(0)),
                weight: 1.0,
                sample_weight: None,
                mask: list(&[]),
                embedding: 4,
                surfaces: DomainSet::first::<2>(),
                products: DomainSet::first::<1>(),
                doc: text(""),
                place: text("line 8"),
            },
        ]
        .into(),
        tables: vec![
            table("ads", 100, 3, Index::Hash),
            table(
                "kind",
                4,
                2,
                Index::Values(list(&[
                    Value::Text(text("a")),
                    Value::Text(text("b")),
                    Value::Text(text("c")),
                ])),
            ),
            table("users", 6, 2, Index::Vocabulary { min_count: 2 }),
        ]
        .into(),
        query: vec![
            feature(
                "history",
                embedded(0, Some(Pool::Mean)),
                DomainSet::first::<2>(),
                "line 11",
            ),
            feature(
                "user_id",
                embedded(2, None),
                DomainSet::first::<2>(),
                "line 12",
            ),
            feature(
                "text",
                FeatureKind::Vector { width: 2 },
                DomainSet(list(&[DomainId(1)])),
                "line 13",
            ),
            feature(
                "age",
                FeatureKind::Number(Transform {
                    default: 30.0,
                    clip: Some((0.0, 100.0)),
                    log: false,
                    standardise: None,
                }),
                DomainSet::first::<2>(),
                "line 14",
            ),
        ]
        .into(),
        item: vec![
            feature(
                "ad_id",
                embedded(0, None),
                DomainSet::first::<2>(),
                "line 17",
            ),
            feature(
                "kind",
                embedded(1, None),
                DomainSet::first::<2>(),
                "line 18",
            ),
            feature(
                "tags",
                embedded(0, Some(Pool::Sum)),
                DomainSet::first::<2>(),
                "line 19",
            ),
            feature("price", LOG, DomainSet::first::<1>(), "line 20"),
        ]
        .into(),
        architecture: architecture(),
        rows: Rows {
            split: Split::Column {
                column: text("day"),
                train: list(&[(Value::Int(1), Value::Int(5))]),
                validate: list(&[(Value::Int(6), Value::Int(6))]),
                test: list(&[(Value::Int(7), Value::Int(8))]),
                place: text("line 23"),
            },
            ..Rows::DEFAULT
        },
        evaluation: Evaluation::DEFAULT,
        budget: Budget::DEFAULT,
        training: Training::DEFAULT,
    }
}

/// Two surfaces, two products, a score task and an action child on one product, every kind of feature.
pub static SMALL: LazyLock<Schema> = LazyLock::new(small);

const TABS: DomainSet = DomainSet::first::<5>();
const TYPES: DomainSet = DomainSet::first::<3>();

fn kuairand_task(
    name: &'static str,
    score: &'static str,
    action: &'static [Text],
    given: Option<TaskId>,
) -> Task {
    Task {
        name: text(name),
        label: Label::Score(text(score)),
        action: list(action),
        given,
        weight: 1.0,
        sample_weight: None,
        mask: list(&[]),
        embedding: 32,
        surfaces: TABS,
        products: TYPES,
        doc: text(""),
        place: text("line 1"),
    }
}

fn kuairand() -> Schema {
    Schema {
        spec: kuairand_spec(),
        spec_hash: "",
        weights_hash: "",
        graph_hash: "",
        graph: "",
    }
}

fn kuairand_spec() -> Spec {
    Spec {
        name: text("kuairand"),
        doc: text(""),
        data: None,
        surfaces: Axis {
            column: text("tab"),
            domains: vec![
                domain("tab0", &[Value::Int(0)]),
                domain("tab1", &[Value::Int(1)]),
                domain("tab2", &[Value::Int(2)]),
                domain("tab4", &[Value::Int(4)]),
                domain("tab6", &[Value::Int(6)]),
            ]
            .into(),
            others: Others::Skip,
            place: text("line 1"),
        },
        products: Axis {
            column: text("upload_type"),
            domains: vec![
                domain(
                    "imported",
                    &[
                        Value::Text(text("LongImport")),
                        Value::Text(text("ShortImport")),
                    ],
                ),
                domain(
                    "studio",
                    &[
                        Value::Text(text("Kmovie")),
                        Value::Text(text("LongPicture")),
                        Value::Text(text("LongCamera")),
                        Value::Text(text("ShortCamera")),
                        Value::Text(text("PictureSet")),
                    ],
                ),
                domain("web", &[Value::Text(text("Web"))]),
            ]
            .into(),
            others: Others::Skip,
            place: text("line 1"),
        },
        tasks: vec![
            kuairand_task("ctr", "hw_ctr", &[text("is_click")], None),
            kuairand_task(
                "gctr",
                "hw_gctr",
                &[text("is_click"), text("long_view")],
                Some(TaskId(0)),
            ),
            kuairand_task(
                "octr",
                "hw_octr",
                &[text("is_click"), text("is_profile_enter")],
                Some(TaskId(0)),
            ),
        ]
        .into(),
        tables: vec![
            table("videos", 8_000, 16, VOCABULARY),
            table("user_id", 30_000, 16, VOCABULARY),
            table("small", 2_000, 4, VOCABULARY),
            table("author_id", 8_000, 16, VOCABULARY),
            table("music_id", 8_000, 8, VOCABULARY),
            table("tag", 128, 8, VOCABULARY),
        ]
        .into(),
        query: vec![
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
        ]
        .into(),
        item: vec![
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
        ]
        .into(),
        architecture: architecture(),
        rows: Rows {
            split: Split::Column {
                column: text("date"),
                train: list(&[(Value::Int(20_220_425), Value::Int(20_220_501))]),
                validate: list(&[(Value::Int(20_220_502), Value::Int(20_220_502))]),
                test: list(&[(Value::Int(20_220_503), Value::Int(20_220_504))]),
                place: text("line 1"),
            },
            ..Rows::DEFAULT
        },
        evaluation: Evaluation::DEFAULT,
        budget: Budget::DEFAULT,
        training: Training::DEFAULT,
    }
}

/// `specs/kuairand.mtmd`.
pub static KUAIRAND: LazyLock<Schema> = LazyLock::new(kuairand);
