//! A table read three ways, and made-up batches and gradients for it.

use mtmd::data::batch::{Batch, Column, TowerBatch};
use mtmd::schema::{
    Architecture, Axis, Budget, Course, Crossing, Decay, Domain, DomainId, DomainSet, Embeddings,
    Evaluation, ExpertArchitecture, Feature, FeatureKind, Index, Input, Label, Others, Pool, Rows,
    Schema, Spec, Table, TableId, Task, Training, Transform, Value, list, text,
};
use mtmd::tables::{Gradients, Tables};

pub const TRAINING: Training = Training {
    batch: 4,
    epochs: 1,
    seed: 3,
    shuffle: 16,
    dense: Training::DEFAULT.dense,
    embeddings: Embeddings {
        // Steps are given by the rate itself.
        lr: 1.0,
        ..Training::DEFAULT.embeddings
    },
    warmup: 0.05,
    decay: Decay::Linear,
    clip: None,
    course: Course::DEFAULT,
};

/// One table of `rows` rows and width 2, read three ways by the query tower; none by the item tower.
pub fn schema(rows: usize) -> &'static Schema {
    schema_with(rows, None)
}

/// The same with an optimiser of the table's own.
pub fn schema_with(rows: usize, embeddings: Option<Embeddings>) -> &'static Schema {
    let pooled = |pool| Input::List {
        pool,
        weights: None,
        last: None,
    };
    let feature = |name, kind, domains| Feature {
        name: text(name),
        column: text(name),
        derive: None,
        kind,
        domains,
        doc: text(""),
        place: text("line 1"),
    };
    let both = DomainSet::first::<2>();
    let second = DomainSet(list(&[DomainId(1)]));
    let embedded = |name, input| {
        let kind = FeatureKind::Embedded {
            table: TableId(0),
            input,
            shallow: false,
        };
        feature(name, kind, both.clone())
    };
    let number = |name, domains| feature(name, FeatureKind::Number(Transform::DEFAULT), domains);
    let axis = |column, domains: &[&'static str]| {
        let domain = |(value, name): (i64, &&'static str)| Domain {
            name: text(*name),
            values: vec![Value::Int(value)].into(),
            like: None,
            doc: text(""),
        };
        Axis {
            column: text(column),
            domains: (0..).zip(domains).map(domain).collect(),
            others: Others::Error,
            place: text("line 1"),
        }
    };
    let spec = Spec {
        name: text("tables"),
        doc: text(""),
        data: None,
        surfaces: axis("surface", &["feed", "search"]),
        products: axis("product", &["std"]),
        tasks: vec![Task {
            name: text("ctr"),
            label: Label::Action,
            action: list(&[text("click")]),
            given: None,
            weight: 1.0,
            sample_weight: None,
            mask: list(&[]),
            embedding: 4,
            surfaces: both.clone(),
            products: DomainSet::first::<1>(),
            doc: text(""),
            place: text("line 1"),
        }]
        .into(),
        tables: vec![Table {
            name: text("things"),
            shared: true,
            rows,
            dim: 2,
            index: Index::Hash,
            oov: 0,
            embeddings,
            doc: text(""),
        }]
        .into(),
        query: vec![
            embedded("id", Input::One { default: None }),
            embedded("mean", pooled(Pool::Mean)),
            embedded("sum", pooled(Pool::Sum)),
            feature("text", FeatureKind::Vector { width: 2 }, second.clone()),
            number("age", both.clone()),
            number("clicks", second),
        ]
        .into(),
        item: vec![number("price", DomainSet::first::<1>())].into(),
        architecture: Architecture {
            expert: ExpertArchitecture {
                deep: list(&[4]),
                routing: list(&[4]),
                shallow: list(&[4]),
                crossing: Crossing::Dcn { rank: 2, depth: 1 },
                ..ExpertArchitecture::PAPER
            },
            shallow_width: 4,
            shared_deep: list(&[4]),
            ..Architecture::PAPER
        },
        rows: Rows::DEFAULT,
        evaluation: Evaluation::DEFAULT,
        training: TRAINING,
        budget: Budget::DEFAULT,
    };
    Box::leak(Box::new(Schema {
        spec,
        spec_hash: "",
        weights_hash: "",
        graph_hash: "",
        graph: "",
    }))
}

/// Surface, `id`, `mean` and `sum`.
pub type Row = (u16, u32, Vec<u32>, Vec<u32>);

/// A batch of rows that are sorted by surface.
pub fn batch(rows: &[Row]) -> Batch {
    let n = rows.len();
    let first = rows.iter().filter(|row| row.0 == 0).count();
    let lists = |of: fn(&Row) -> &Vec<u32>| {
        let mut offsets = vec![0];
        rows.iter()
            .for_each(|row| offsets.push(offsets[offsets.len() - 1] + of(row).len() as u32));
        Column::Lists {
            offsets,
            ids: rows.iter().flat_map(|row| of(row).clone()).collect(),
            weights: vec![],
        }
    };
    let numbers = |scale: f32| Column::Numbers((0..n).map(|row| row as f32 * scale).collect());
    Batch {
        rows: n,
        surface: rows.iter().map(|row| row.0).collect(),
        product: vec![0; n],
        query: TowerBatch {
            domains: vec![0..first, first..n],
            order: (0..n as u32).collect(),
            shared: None,
            columns: vec![
                Column::Ids(rows.iter().map(|row| row.1).collect()),
                lists(|row| &row.2),
                lists(|row| &row.3),
                Column::Vectors {
                    width: 2,
                    values: (0..2 * n).map(|value| value as f32).collect(),
                },
                numbers(1.0),
                numbers(10.0),
            ],
        },
        item: TowerBatch {
            domains: std::iter::once(0..n).collect(),
            order: (0..n as u32).collect(),
            shared: None,
            columns: vec![numbers(100.0)],
        },
        labels: vec![vec![0.0; n]],
        weights: vec![],
        actions: vec![vec![0.0; n]],
        origins: vec![],
    }
}

pub fn weights(tables: &mut Tables) -> Vec<f32> {
    let weight = tables.columns().next().unwrap().weight;
    weight.pieces().flatten().collect()
}

/// All of the table: the weight, and what its optimiser knows.
pub fn arrays(tables: &mut Tables) -> Vec<(&'static str, Vec<f32>)> {
    let columns = tables.columns().next().unwrap();
    let columns = [columns.weight].into_iter().chain(columns.state);
    columns
        .map(|column| (column.array().name, column.pieces().flatten().collect()))
        .collect()
}

/// Tables of another training with all that these hold.
pub fn copied(tables: &mut Tables, training: &Training) -> Tables {
    let steps = tables.steps();
    let values = arrays(tables);
    let mut copy = Tables::new(schema(values[0].1.len() / 2), training);
    copy.restart(steps);
    let (weight, state) = copy.arrays(0).unwrap();
    for (array, (name, values)) in [weight].into_iter().chain(state).zip(&values) {
        assert_eq!(array.name, *name);
        copy.put(0, array, 0, values).unwrap();
    }
    copy
}

/// The gradient of every row of the table, from those of the leaves.
pub fn scatter(rows: usize, batch: &Batch, gradients: &Gradients) -> Vec<f64> {
    let mut dense = vec![0.0; 2 * rows];
    for (places, gradient) in batch.query.domains.iter().zip(&gradients.query) {
        let Some(gradient) = gradient else { continue };
        for (gradient, place) in gradient.chunks(6).zip(places.clone()) {
            for (column, gradient) in batch.query.columns.iter().zip(gradient.chunks(2)) {
                let (ids, mean) = match column {
                    Column::Ids(ids) => (&ids[place..=place], false),
                    Column::Lists { offsets, ids, .. } => {
                        let ids = &ids[offsets[place] as usize..offsets[place + 1] as usize];
                        (ids, std::ptr::eq(column, &batch.query.columns[1]))
                    }
                    Column::Vectors { .. } | Column::Numbers(_) => continue,
                };
                let used = ids.iter().filter(|id| **id != 0);
                let factor = if mean {
                    1.0 / used.clone().count().max(1) as f64
                } else {
                    1.0
                };
                for id in used {
                    for i in 0..2 {
                        dense[2 * *id as usize + i] += factor * f64::from(gradient[i]);
                    }
                }
            }
        }
    }
    dense
}

/// Gradients between a half and three halves of `scale`, all of one sign, so that a row's sum is of that
/// size as well.
pub fn random_gradients(batch: &Batch, random: &mut mtmd::hash::Random, scale: f64) -> Gradients {
    let scale = if random.below(2) == 0 { scale } else { -scale };
    let mut of = |places: &std::ops::Range<usize>| {
        let size = places.len() * 6;
        (size > 0).then(|| {
            (0..size)
                .map(|_| (scale * (0.5 + random.uniform())) as f32)
                .collect()
        })
    };
    Gradients {
        query: batch.query.domains.iter().map(&mut of).collect(),
        item: vec![None],
    }
}

pub fn random_batch(rows: u32, random: &mut mtmd::hash::Random) -> Batch {
    let mut rows_of = Vec::new();
    for index in 0..3 {
        // Half of the uses go to few rows, so that some rows wait for long.
        let mut id = || {
            let bound = if random.below(2) == 0 {
                3
            } else {
                rows as usize
            };
            random.below(bound) as u32
        };
        rows_of.push((u16::from(index > 0), id(), vec![id(), id()], vec![id()]));
    }
    batch(&rows_of)
}
