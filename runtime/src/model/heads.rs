//! From the towers' embeddings to each task's probability, in log space.

use burn::tensor::Tensor;
use burn::tensor::activation::log_sigmoid;

use super::Model;
use crate::data::batch::{Batch, TowerBatch};
use crate::kernels::{composed::rows as index, pair_dot};
use crate::layers::{Head, TowerInput, TowerOutput};
use crate::schema::{DomainId, LogitScale, Task};

/// Scores of a batch.
#[derive(Debug, Clone)]
pub struct Scores {
    /// By task, in the schema's order; `None` for a task without a row in the batch.
    pub tasks: Vec<Option<TaskScores>>,
}

/// Scores of one task, on the batch's rows whose cell exists.
#[derive(Debug, Clone)]
pub struct TaskScores {
    /// Batch rows, ascending.
    pub rows: Vec<u32>,
    /// ln P, `[rows]`, below zero and finite.
    pub lp: Tensor<1>,
    /// ln(1 - P), `[rows]`, below zero and finite.
    pub lq: Tensor<1>,
}

/// Runs both towers and scores the batch.
pub fn forward<M: Model>(model: &M, query: TowerInput, item: TowerInput, batch: &Batch) -> Scores {
    scores(model, &model.query(query), &model.item(item), batch)
}

/// Scores a batch by the outputs of the towers (paper §2.3).
///
/// The logit is z = q·i / √(N + shallow_width) + bias, or without the divisor or the bias if the
/// spec says so. A task with a parent has
/// P = sigmoid(z) · P(parent), so that P is never above its parent's.
pub fn scores<M: Model>(
    model: &M,
    query: &TowerOutput,
    item: &TowerOutput,
    batch: &Batch,
) -> Scores {
    let mut scores = Scores { tasks: Vec::new() };
    let scale = M::schema().architecture.logit_scale;
    for ((id, task), head) in M::schema().tasks.iter().enumerate().zip(model.heads()) {
        let parent = match task.given {
            Some(parent) => match scores.tasks.get(parent.0).and_then(Option::as_ref) {
                Some(parent) => Some(parent),
                None => {
                    scores.tasks.push(None);
                    continue;
                }
            },
            None => None,
        };
        let query = Aligned::new(query, &batch.query, id, batch.rows);
        let item = Aligned::new(item, &batch.item, id, batch.rows);
        let scored = score(task, head, scale, query, item, parent, batch);
        scores.tasks.push(scored);
    }
    scores
}

/// One task's embeddings of one tower, over all domains that have the task.
struct Aligned {
    /// `[rows of those domains, N + shallow_width]`, by place.
    embeddings: Option<Tensor<2>>,
    /// For each batch row its row of `embeddings`; `ABSENT` if its domain lacks the task.
    index: Vec<u32>,
}

const ABSENT: u32 = u32::MAX;

impl Aligned {
    fn new(output: &TowerOutput, tower: &TowerBatch, task: usize, rows: usize) -> Self {
        let mut parts = Vec::new();
        // The row of `embeddings` of each place.
        let mut at = vec![ABSENT; tower.order.len()];
        let mut next = 0;
        for (domain, places) in tower.domains.iter().enumerate() {
            let Some(embedding) = output.get(domain).and_then(|tasks| tasks.get(task)) else {
                continue;
            };
            parts.push(embedding.clone());
            for slot in at.get_mut(places.clone()).unwrap_or_default() {
                *slot = next;
                next += 1;
            }
        }
        let mut index = vec![ABSENT; rows];
        match &tower.shared {
            Some(shared) => {
                for (slot, place) in index.iter_mut().zip(&shared.place) {
                    *slot = at.get(*place as usize).copied().unwrap_or(ABSENT);
                }
            }
            None => {
                for (&row, at) in tower.order.iter().zip(at) {
                    if let Some(slot) = index.get_mut(row as usize) {
                        *slot = at;
                    }
                }
            }
        }
        let embeddings = match parts.len() {
            0 | 1 => parts.pop(),
            _ => Some(Tensor::cat(parts, 0)),
        };
        Self { embeddings, index }
    }

    /// Rows of `embeddings` for these batch rows.
    fn rows(&self, rows: &[u32]) -> Vec<u32> {
        rows.iter()
            .filter_map(|&row| self.index.get(row as usize).copied())
            .collect()
    }
}

fn score(
    task: &Task,
    head: &Head,
    scale: LogitScale,
    query: Aligned,
    item: Aligned,
    parent: Option<&TaskScores>,
    batch: &Batch,
) -> Option<TaskScores> {
    let mut rows = existing_rows(task, &query, &item, batch);
    if let Some(parent) = parent {
        rows.retain(|row| parent.rows.binary_search(row).is_ok());
    }
    if rows.is_empty() {
        return None;
    }
    let (query_rows, item_rows) = (query.rows(&rows), item.rows(&rows));
    let (query, item) = (query.embeddings?, item.embeddings?);
    let scale = match scale {
        LogitScale::Dimension => 1.0 / (query.dims()[1] as f64).sqrt(),
        LogitScale::None => 1.0,
    };
    let dot = pair_dot(query, item, &query_rows, &item_rows, scale);
    let z = match &head.bias {
        Some(bias) => dot + bias.val(),
        None => dot,
    };
    let (up, down) = (log_sigmoid(z.clone()), log_sigmoid(-z));
    let Some(parent) = parent else {
        return Some(TaskScores {
            rows,
            lp: up,
            lq: down,
        });
    };
    let at: Vec<u32> = rows
        .iter()
        .filter_map(|row| parent.rows.binary_search(row).ok())
        .map(|at| at as u32)
        .collect();
    let lp = pick(parent.lp.clone(), &at);
    let lq = pick(parent.lq.clone(), &at);
    Some(TaskScores {
        rows,
        lp: lp.clone() + up,
        lq: log_add_exp(lq, lp + down),
    })
}

/// Batch rows whose cell exists for the task.
fn existing_rows(task: &Task, query: &Aligned, item: &Aligned, batch: &Batch) -> Vec<u32> {
    let cells = batch.surface.iter().zip(&batch.product);
    let embedded = query.index.iter().zip(&item.index);
    (0_u32..)
        .zip(cells.zip(embedded))
        .filter(|(_, ((surface, product), (query, item)))| {
            task.surfaces.has(DomainId(usize::from(**surface)))
                && task.products.has(DomainId(usize::from(**product)))
                && **query != ABSENT
                && **item != ABSENT
        })
        .map(|(row, _)| row)
        .collect()
}

/// ln(eᵃ + eᵇ), exact where either is far below the other, with finite gradients.
fn log_add_exp(a: Tensor<1>, b: Tensor<1>) -> Tensor<1> {
    let top = a.clone().max_pair(b.clone()).detach();
    ((a - top.clone()).exp() + (b - top.clone()).exp()).log() + top
}

/// Whether `at` is 0, 1, 2, … over all `rows` rows.
fn is_identity(at: &[u32], rows: usize) -> bool {
    at.len() == rows && at.iter().zip(0_u32..).all(|(&at, place)| at == place)
}

/// The elements at `at`, in that order.
pub(super) fn pick(x: Tensor<1>, at: &[u32]) -> Tensor<1> {
    if is_identity(at, x.dims()[0]) {
        return x;
    }
    let at = index(at, &x.device());
    x.gather(0, at)
}
