use mtmdc::sema::spec::*;
fn d(name: &str, v: RawValue) -> Domain {
    Domain {
        name: name.into(),
        doc: String::new(),
        values: vec![v],
    }
}
fn e(name: &str, t: usize, pool: Option<Pool>, shallow: bool, dom: &[usize]) -> Feature {
    Feature {
        name: name.into(),
        doc: String::new(),
        column: name.into(),
        kind: FeatureKind::Embedded {
            table: TableId(t),
            pool,
            shallow,
        },
        domains: dom.iter().map(|&i| DomainId(i)).collect(),
        line: 3,
    }
}
pub fn small() -> Spec {
    let all = |n: usize| (0..n).map(DomainId).collect::<Vec<_>>();
    Spec {
        name: "small".into(),
        doc: "A small spec: [two] surfaces.".into(),
        data: None,
        surfaces: Axis {
            column: "surface".into(),
            domains: vec![
                d("feed", RawValue::Int(0)),
                d("home", RawValue::Int(1)),
                d("search", RawValue::Int(2)),
            ],
            others: Others::Error,
            line: 3,
        },
        products: Axis {
            column: "product".into(),
            domains: vec![
                d("shopping", RawValue::Text("shop".into())),
                d("standard", RawValue::Text("std".into())),
            ],
            others: Others::Skip,
            line: 4,
        },
        tasks: vec![
            Task {
                name: "ctr".into(),
                doc: "Click given impression.".into(),
                label: Label::Score("hw_ctr".into()),
                action: vec!["is_click".into()],
                given: None,
                weight: 2.0,
                embedding: 128,
                surfaces: all(3),
                products: all(2),
                line: 6,
            },
            Task {
                name: "octr".into(),
                doc: String::new(),
                label: Label::Action,
                action: vec!["is_click".into(), "is_out".into()],
                given: Some(TaskId(0)),
                weight: 1.0,
                embedding: 32,
                surfaces: all(3),
                products: vec![DomainId(1)],
                line: 7,
            },
        ],
        tables: vec![
            Table {
                name: "pins".into(),
                doc: String::new(),
                shared: true,
                rows: 1000,
                dim: 16,
                index: Index::Hash,
            },
            Table {
                name: "country".into(),
                doc: String::new(),
                shared: false,
                rows: 64,
                dim: 4,
                index: Index::Vocabulary { min_count: 1 },
            },
            Table {
                name: "device".into(),
                doc: String::new(),
                shared: false,
                rows: 3,
                dim: 4,
                index: Index::Values(vec![
                    RawValue::Text("ios".into()),
                    RawValue::Text("web \"x\"".into()),
                ]),
            },
        ],
        query: vec![
            e("country", 1, None, true, &[0, 1, 2]),
            e("device", 2, None, true, &[0, 1, 2]),
            e("engaged", 0, Some(Pool::Mean), false, &[0, 1, 2]),
            Feature {
                name: "query_embedding".into(),
                doc: String::new(),
                column: "q".into(),
                kind: FeatureKind::Vector { width: 64 },
                domains: vec![DomainId(2)],
                line: 9,
            },
            Feature {
                name: "clicks".into(),
                doc: "Clicks of a week.".into(),
                column: "clicks".into(),
                kind: FeatureKind::Number {
                    default: 0.0,
                    clip: Some((0.0, 1e6)),
                    log: true,
                },
                domains: all(3),
                line: 9,
            },
        ],
        item: vec![e("ad_id", 0, None, false, &[0, 1])],
        architecture: Architecture {
            deep: vec![512, 256, 128, 128],
            routing: vec![128, 64],
            shallow: vec![128],
            shallow_width: 64,
            cross_rank: 64,
            cross_depth: 1,
            se_reduction: 2,
        },
        split: None,
        bad_rows: BadRows::Stop,
        training: Training {
            batch: 512,
            epochs: 2,
            seed: 1,
            shuffle: 262144,
            dense: AdamW {
                lr: 1e-3,
                weight_decay: 0.01,
            },
            embeddings: AdamW {
                lr: 3e-2,
                weight_decay: 0.1,
            },
            embedding_std: 0.05,
            warmup: 0.05,
            decay: Decay::Linear,
            clip: Some(5.0),
        },
    }
}
#[test]
fn print() {
    let g = mtmdc::graph::build(&small());
    std::fs::write("/tmp/small.yaml", g.to_yaml()).unwrap();
    std::fs::write("/tmp/small.svg", g.to_svg()).unwrap();
    let p = mtmdc::plan::plan(&g);
    for f in mtmdc::emit::emit(&g, &p, "small.mtmd").unwrap() {
        let p = std::path::Path::new("/tmp/small").join(f.path);
        std::fs::create_dir_all(p.parent().unwrap()).unwrap();
        std::fs::write(p, f.text).unwrap();
    }
}
