//! Which rows of a batch each task scores and learns from. All of it follows from the data and the
//! plan, so that the loader's threads can make it.

#![expect(
    clippy::indexing_slicing,
    reason = "a batch whose places, domains and labels do not fit its rows stops with a message"
)]

use mtmd_schema::Tower;
use mtmd_schema::plan::{Plan, TowerPlan};

use crate::bug::{check, zip_equal};
use crate::data::batch::{Batch, TowerBatch};

/// The rows that one task scores: those whose cell exists.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pairs {
    /// Batch rows, ascending.
    pub rows: Vec<u32>,
    /// Place of each in the query tower.
    pub query: Vec<u32>,
    /// Place of each in the item tower.
    pub item: Vec<u32>,
    /// Of a task with a parent: the position of each among the parent's rows.
    pub parent: Vec<u32>,
}

impl Pairs {
    /// Place of each row in a tower.
    pub fn places(&self, tower: Tower) -> &[u32] {
        match tower {
            Tower::Query => &self.query,
            Tower::Item => &self.item,
        }
    }
}

/// The pairs of a tower's places: those of place `p` are `pairs[starts[p]..starts[p + 1]]`, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByPlace {
    starts: Vec<u32>,
    pairs: Vec<u32>,
}

impl ByPlace {
    /// `places[pair]` of `count` places.
    pub(super) fn new(places: &[u32], count: usize) -> Self {
        let mut starts = vec![0; count + 1];
        for &place in places {
            starts[place as usize + 1] += 1;
        }
        for place in 0..count {
            starts[place + 1] += starts[place];
        }
        let mut next = starts.clone();
        let mut pairs = vec![0; places.len()];
        for (pair, &place) in (0..).zip(places) {
            let slot = &mut next[place as usize];
            pairs[*slot as usize] = pair;
            *slot += 1;
        }
        Self { starts, pairs }
    }

    /// Where the pairs of each place start, with an end, and the pairs.
    #[cfg(feature = "device")]
    pub(super) fn parts(&self) -> (&[u32], &[u32]) {
        (&self.starts, &self.pairs)
    }

    /// Positions of a place's rows among the task's.
    pub fn of(&self, place: usize) -> &[u32] {
        &self.pairs[self.starts[place] as usize..self.starts[place + 1] as usize]
    }
}

/// What one task learns from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Labels {
    /// Positions of the valid rows, those that have a label, among the task's rows. None if the
    /// task has no label, or no weight, in the batch.
    pub at: Vec<u32>,
    /// The label of each, in [0, 1].
    pub labels: Vec<f64>,
    /// The share of each in the task's mean; they sum to 1.
    pub shares: Vec<f64>,
    /// Mean entropy of the labels, in nats, by their shares.
    pub entropy: f64,
}

/// What one task scores and learns from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HeadRows {
    /// The rows that it scores.
    pub pairs: Pairs,
    /// The same by place of the query tower.
    pub by_query: ByPlace,
    /// The same by place of the item tower.
    pub by_item: ByPlace,
    /// What it learns from.
    pub labels: Labels,
}

impl HeadRows {
    /// The rows by place of a tower.
    pub fn by_place(&self, tower: Tower) -> &ByPlace {
        match tower {
            Tower::Query => &self.by_query,
            Tower::Item => &self.by_item,
        }
    }
}

/// The rows that each task scores.
pub fn pairs(plan: &Plan, batch: &Batch) -> Vec<Pairs> {
    check!(
        batch.surface.len() == batch.rows && batch.product.len() == batch.rows,
        "{} surfaces and {} products of {} rows",
        batch.surface.len(),
        batch.product.len(),
        batch.rows
    );
    let query = places(&batch.query, batch.rows);
    let item = places(&batch.item, batch.rows);
    let mut all: Vec<Pairs> = Vec::with_capacity(plan.heads.len());
    for (task, head) in plan.heads.iter().enumerate() {
        let on_surface = with_task(&plan.query, task);
        let on_product = with_task(&plan.item, task);
        let mut pairs = Pairs::default();
        for row in 0..batch.rows {
            let (surface, product) = (batch.surface[row], batch.product[row]);
            if on_surface[usize::from(surface)] && on_product[usize::from(product)] {
                pairs.rows.push(row as u32);
                pairs.query.push(query[row]);
                pairs.item.push(item[row]);
            }
        }
        if let Some(parent) = head.given {
            pairs.parent = positions(&pairs.rows, &all[parent.0].rows);
        }
        all.push(pairs);
    }
    all
}

/// The rows that each task scores and learns from.
pub fn training(plan: &Plan, batch: &Batch) -> Vec<HeadRows> {
    let of = |(task, pairs): (usize, Pairs)| HeadRows {
        by_query: ByPlace::new(&pairs.query, batch.query.order.len()),
        by_item: ByPlace::new(&pairs.item, batch.item.order.len()),
        labels: labels(&pairs.rows, &batch.labels[task], &batch.weights[task]),
        pairs,
    };
    pairs(plan, batch).into_iter().enumerate().map(of).collect()
}

/// By domain of a tower: whether it has the task.
fn with_task(tower: &TowerPlan, task: usize) -> Vec<bool> {
    let has = |place: &mtmd_schema::plan::Place| {
        let mut outputs = tower.programs[place.program].outputs.iter();
        outputs.any(|output| output.task.0 == task)
    };
    tower.domains.iter().map(has).collect()
}

/// Place of each batch row.
pub(super) fn places(tower: &TowerBatch, rows: usize) -> Vec<u32> {
    if let Some(shared) = &tower.shared {
        return shared.place.clone();
    }
    check!(
        tower.order.len() == rows,
        "{} places of {rows} rows",
        tower.order.len()
    );
    let mut places = vec![0; rows];
    for (place, &row) in (0..).zip(&tower.order) {
        places[row as usize] = place;
    }
    places
}

/// Positions of a child's rows among its parent's; both ascend.
fn positions(rows: &[u32], parents: &[u32]) -> Vec<u32> {
    let mut at = 0;
    let position = |&row: &u32| {
        while parents[at] < row {
            at += 1;
        }
        check!(
            parents[at] == row,
            "a cell of a task is none of its parent's"
        );
        at as u32
    };
    rows.iter().map(position).collect()
}

/// The rows with a label. With weights, the mean is Σ w·KL / Σ w.
fn labels(rows: &[u32], labels: &[f32], weights: &[f32]) -> Labels {
    let mut valid = Labels::default();
    let mut total = 0.0;
    for (at, &row) in (0..).zip(rows) {
        let label = labels[row as usize];
        if label.is_nan() {
            continue;
        }
        let weight = match weights {
            [] => 1.0,
            weights => f64::from(weights[row as usize]),
        };
        valid.at.push(at);
        valid.labels.push(f64::from(label));
        valid.shares.push(weight);
        total += weight;
    }
    if total <= 0.0 {
        return Labels::default();
    }
    valid.shares.iter_mut().for_each(|share| *share /= total);
    let entropies = valid.labels.iter().map(|&p| entropy(p));
    let terms = zip_equal(entropies, &valid.shares);
    valid.entropy = terms.map(|(entropy, share)| entropy * share).sum();
    valid
}

/// Entropy of a Bernoulli variable in nats: 0 at 0 and 1.
fn entropy(p: f64) -> f64 {
    let term = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    term(p) + term(1.0 - p)
}
