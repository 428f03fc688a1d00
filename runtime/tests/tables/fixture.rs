//! A table read three ways, and synthetic batches and gradients for it.

use std::path::Path;
use std::sync::OnceLock;

use mtmd::data::batch::{Batch, Column, TowerBatch};
use mtmd::params::{Reader, Writer};
use mtmd::schema::{AdamW, Course, Decay, Embeddings, Schema, TableOptimiser, Training};
use mtmd::tables::{TableUses, Tables};
use mtmd_schema::plan::Plan;

use crate::lowered;
use crate::weights::{Arrays, arrays as arrays_of};

pub const TRAINING: Training = Training {
    batch: 4,
    epochs: 1,
    seed: 3,
    shuffle: 16,
    dense: AdamW {
        lr: 1e-3,
        weight_decay: 0.01,
    },
    embeddings: Embeddings {
        optimiser: TableOptimiser::Adamw,
        // Steps are given by the rate itself.
        lr: 1.0,
        weight_decay: 0.1,
        std: 0.05,
        frequency: None,
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
    let mut schema = lowered::compiled(SPEC).schema;
    let table = &mut schema.spec.tables.to_mut()[0];
    (table.rows, table.embeddings) = (rows, embeddings);
    schema.spec.training = TRAINING;
    Box::leak(Box::new(schema))
}

const SPEC: &str = r#"
model tables

surfaces from "surface" { feed = 0, search = 1 }
products from "product" { std = 0 }

tasks { ctr from action "click" { embedding 4 } }

table things { rows 64, dim 2 }

query {
  id     key    { table things }
  ids    mean   { table things }
  ids    sum    { table things, pool sum }
  vector text   2 { on search }
  number age
  number clicks { on search }
}

item { number price }

architecture { deep [4], routing [4], shallow_width 4, cross { rank 2, depth 1 } }
"#;

fn plan() -> &'static Plan {
    static PLAN: OnceLock<Plan> = OnceLock::new();
    PLAN.get_or_init(|| lowered::compiled(SPEC).plan)
}

/// Surface, `key`, `mean` and `sum`.
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

/// New tables.
pub fn tables(schema: &'static Schema, training: &Training) -> Tables {
    Tables::new(schema, plan(), training)
}

/// Tables without the state of an optimiser, all 0.
pub fn read_only(schema: &'static Schema) -> Tables {
    Tables::read_only(schema, plan())
}

/// Tables that are to be resumed, all 0.
pub fn to_resume(schema: &'static Schema, training: &Training) -> Tables {
    Tables::to_resume(schema, plan(), training)
}

/// Writes the weights, and what the optimiser knows, to two files.
pub fn save(tables: &mut Tables, folder: &Path) -> [std::path::PathBuf; 2] {
    tables.flush();
    let paths = ["weights", "state"].map(|name| folder.join(name));
    let (mut weights, mut state) = (Writer::default(), Writer::default());
    tables.write_weights(&mut weights);
    tables.write_state(&mut state);
    weights.save(&paths[0]).unwrap();
    state.save(&paths[1]).unwrap();
    paths
}

/// The weights of the table.
pub fn weights(tables: &mut Tables) -> Vec<f32> {
    let mut arrays = arrays(tables);
    arrays.remove("tables.things.weight").unwrap().1
}

/// All of the table: the weight, and what its optimiser knows.
pub fn arrays(tables: &mut Tables) -> Arrays {
    let folder = tempfile::tempdir().unwrap();
    let [mut weights, state] = save(tables, folder.path()).map(|path| arrays_of(&path));
    weights.extend(state);
    weights
}

/// Tables of another training with all that these hold.
pub fn copied(tables: &mut Tables, rows: usize, training: &Training) -> Tables {
    let folder = tempfile::tempdir().unwrap();
    let [weights, state] = save(tables, folder.path()).map(|path| Reader::open(&path).unwrap());
    let mut copy = to_resume(schema(rows), training);
    for (mut reader, is_state) in [(state, true), (weights, false)] {
        if is_state {
            copy.read_state(&mut reader).unwrap();
        } else {
            copy.read_weights(&mut reader).unwrap();
        }
        assert!(reader.finish().is_empty());
    }
    copy
}

/// The rows that a batch uses.
pub fn uses(tables: &Tables, batch: &Batch) -> Vec<TableUses> {
    tables.layout().uses(batch)
}

/// A step at this rate.
pub fn step(tables: &mut Tables, batch: &Batch, gradients: &Gradients, rate: f64) {
    let uses = uses(tables, batch);
    tables.step(&uses, [&gradients.query, &gradients.item], rate);
}

/// Gradients of the embedded columns, by domain.
#[derive(Clone)]
pub struct Gradients {
    pub query: Vec<Vec<f32>>,
    pub item: Vec<Vec<f32>>,
}

/// The gradient of every row of the table, from those of the inputs.
pub fn scatter(rows: usize, batch: &Batch, gradients: &Gradients) -> Vec<f64> {
    let mut dense = vec![0.0; 2 * rows];
    for (places, gradient) in batch.query.domains.iter().zip(&gradients.query) {
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
        (0..places.len() * 6)
            .map(|_| (scale * (0.5 + random.uniform())) as f32)
            .collect()
    };
    Gradients {
        query: batch.query.domains.iter().map(&mut of).collect(),
        item: vec![vec![]],
    }
}

pub fn random_batch(rows: u32, random: &mut mtmd::hash::Random) -> Batch {
    let mut list = Vec::new();
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
        list.push((u16::from(index > 0), id(), vec![id(), id()], vec![id()]));
    }
    batch(&list)
}
