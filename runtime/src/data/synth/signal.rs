//! The hidden model behind made-up labels.
//!
//! Every value of a table has a hidden vector; a tower's vector is the sum of its features' (a list's is the
//! mean of its entries'), scaled by the root of their number. A task's logit is
//!
//! ```text
//! z = base + surface + product + 0.8 a·q + 0.8 b·i + 1.2 (w * q)·i + 0.5 numbers
//! ```
//!
//! with a, b and w of its own. A root has P = sigmoid(z), a child sigmoid(z) times its parent's.

#![expect(
    clippy::indexing_slicing,
    reason = "tables and domains are those of the schema, and parents come before their children"
)]

use crate::bug::zip_equal;
use crate::hash::{Random, hash_text};
use crate::schema::{DomainId, Schema, Tower};

/// Width of the hidden vectors.
pub(super) const RANK: usize = 4;
/// Deviation of a score's logit from the truth.
const NOISE: f64 = 0.1;

pub(super) struct LabelSignal {
    seed: u64,
    tables: Vec<u64>,
    tasks: Vec<TaskSignal>,
}

struct TaskSignal {
    base: f64,
    surfaces: Vec<f64>,
    products: Vec<f64>,
    query: [f64; RANK],
    item: [f64; RANK],
    cross: [f64; RANK],
    numbers: f64,
}

/// What a row has gathered of one tower.
#[derive(Default)]
pub(super) struct TowerSum {
    vector: [f64; RANK],
    features: usize,
    numbers: f64,
}

/// One task of one row.
#[derive(Clone, Copy)]
pub(super) struct Outcome {
    /// The score, not above the parent's; `None` where the cell does not exist.
    pub score: Option<f64>,
    /// Whether the action happened; never without the parent's.
    pub action: bool,
}

impl LabelSignal {
    pub(super) fn new(schema: &Schema, seed: u64) -> Self {
        let tasks = schema.tasks.iter().map(|task| {
            let mut random = Random::new(seed, &[hash_text("task"), hash_text(&task.name)]);
            let mut effects = |count: usize| (0..count).map(|_| 0.5 * random.normals().0).collect();
            let (surfaces, products) = (
                effects(schema.surfaces.domains.len()),
                effects(schema.products.domains.len()),
            );
            TaskSignal {
                base: if task.given.is_some() { -0.5 } else { -1.0 },
                surfaces,
                products,
                query: vector(&mut random),
                item: vector(&mut random),
                cross: vector(&mut random),
                numbers: random.normals().0,
            }
        });
        let tables = schema.tables.iter().map(|table| hash_text(&table.name));
        Self {
            seed,
            tables: tables.collect(),
            tasks: tasks.collect(),
        }
    }

    /// Hidden vector of the value with this number in its table's universe.
    pub(super) fn value(&self, table: usize, number: usize) -> [f64; RANK] {
        vector(&mut Random::new(
            self.seed,
            &[self.tables[table], number as u64],
        ))
    }

    /// Scores and actions of a row's tasks, in the schema's order.
    pub(super) fn outcomes(
        &self,
        schema: &Schema,
        (surface, product): (usize, usize),
        query: &TowerSum,
        item: &TowerSum,
        random: &mut Random,
    ) -> Vec<Outcome> {
        let (q, i) = (query.mean(), item.mean());
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(self.tasks.len());
        for (task, signal) in zip_equal(&*schema.tasks, &self.tasks) {
            let cross: f64 = (signal.cross.iter().zip(q).zip(i))
                .map(|((w, q), i)| w * q * i)
                .sum();
            let z = signal.base
                + signal.surfaces[surface]
                + signal.products[product]
                + 0.8 * dot(&signal.query, &q)
                + 0.8 * dot(&signal.item, &i)
                + 1.2 * cross
                + 0.5 * signal.numbers * (query.numbers + item.numbers).tanh();
            let parent = match task.given {
                Some(parent) => outcomes[parent.0],
                None => Outcome {
                    score: Some(1.0),
                    action: true,
                },
            };
            let (noise, _) = random.normals();
            let happens = random.uniform() < sigmoid(z);
            let exists =
                task.surfaces.has(DomainId(surface)) && task.products.has(DomainId(product));
            outcomes.push(Outcome {
                score: parent
                    .score
                    .filter(|_| exists)
                    .map(|parent| parent * sigmoid(z + NOISE * noise)),
                action: exists && parent.action && happens,
            });
        }
        outcomes
    }
}

impl TowerSum {
    /// Adds a feature of embeddings, the mean of its entries' vectors.
    pub(super) fn add(&mut self, entries: &[[f64; RANK]]) {
        self.features += 1;
        for entry in entries {
            for (sum, x) in self.vector.iter_mut().zip(entry) {
                *sum += x / entries.len() as f64;
            }
        }
    }

    /// Adds a number, near (-1, 1).
    pub(super) fn add_number(&mut self, number: f64) {
        self.numbers += number;
    }

    fn mean(&self) -> [f64; RANK] {
        let scale = (self.features.max(1) as f64).sqrt();
        self.vector.map(|x| x / scale)
    }
}

/// The sum of a tower among those of both.
pub(super) fn of(sums: &mut (TowerSum, TowerSum), tower: Tower) -> &mut TowerSum {
    match tower {
        Tower::Query => &mut sums.0,
        Tower::Item => &mut sums.1,
    }
}

fn vector(random: &mut Random) -> [f64; RANK] {
    let ((a, b), (c, d)) = (random.normals(), random.normals());
    [a, b, c, d]
}

fn dot(a: &[f64; RANK], b: &[f64; RANK]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}
