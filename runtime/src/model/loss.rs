//! Bernoulli KL divergence between the labels and the scores.

use burn::tensor::{Tensor, TensorData};

use super::Scores;
use super::heads::pick;
use crate::data::batch::Batch;
use crate::schema::Schema;

/// Loss of a batch.
#[derive(Debug, Clone)]
pub struct Loss {
    /// Weighted sum of the tasks' means, `[1]`; `None` if no task has a valid row.
    pub total: Option<Tensor<1>>,
    /// By task, in the schema's order; `None` for a task without a valid row.
    pub tasks: Vec<Option<TaskLoss>>,
}

/// Loss of one task on a batch.
#[derive(Debug, Clone)]
pub struct TaskLoss {
    /// Valid rows: the cell exists and the label is present.
    pub rows: usize,
    /// Mean KL(label ‖ P) over them, weighted where the task has sample weights, `[1]`, outside the
    /// graph.
    pub mean: Tensor<1>,
}

impl TaskLoss {
    /// The mean as a number. Waits for the device.
    pub fn value(&self) -> f64 {
        self.mean.clone().into_scalar::<f64>()
    }
}

/// The loss of a batch: Σ over tasks of weight · mean over its valid rows, in the whole batch, of
/// KL(p ‖ P) = -p ln P - (1 - p) ln(1 - P) - H(p), for a label p in [0, 1]. With a sample weight w, the
/// mean is Σ w·KL / Σ w.
pub fn loss(schema: &Schema, scores: &Scores, batch: &Batch) -> Loss {
    let mut loss = Loss {
        total: None,
        tasks: Vec::with_capacity(schema.tasks.len()),
    };
    let tasks = schema.tasks.iter().enumerate().zip(&batch.labels);
    for (((index, task), labels), scores) in tasks.zip(&scores.tasks) {
        let weights = batch.weights.get(index).map_or(&[][..], Vec::as_slice);
        let valid = scores.as_ref().and_then(|scores| {
            let valid = Valid::new(&scores.rows, labels, weights)?;
            Some((scores, valid))
        });
        let Some((scores, valid)) = valid else {
            loss.tasks.push(None);
            continue;
        };
        let rows = valid.labels.len();
        let entropy = valid.mean_entropy();
        let lp = pick(scores.lp.clone(), &valid.at);
        let lq = pick(scores.lq.clone(), &valid.at);
        let values = |values: Vec<f64>| -> Tensor<1> {
            Tensor::from_data(TensorData::new(values, [rows]), (&lp.device(), lp.dtype()))
        };
        let p = values(valid.labels);
        let shares = valid.shares.map(values);
        let cross = p.clone() * lp + (-p + 1.0) * lq;
        let cross = match shares {
            Some(shares) => (cross * shares).sum(),
            None => cross.mean(),
        };
        let mean = -cross - entropy;
        loss.tasks.push(Some(TaskLoss {
            rows,
            mean: mean.clone().detach(),
        }));
        let weighted = mean * task.weight;
        loss.total = Some(match loss.total {
            Some(total) => total + weighted,
            None => weighted,
        });
    }
    loss
}

/// The rows of a task that have a label.
struct Valid {
    /// Their places among the task's scores.
    at: Vec<u32>,
    labels: Vec<f64>,
    /// Each row's part in the mean, 1 in all; `None` if the rows count alike.
    shares: Option<Vec<f64>>,
}

impl Valid {
    /// `None` if no row has a label, or none that has one a weight.
    fn new(rows: &[u32], labels: &[f32], weights: &[f32]) -> Option<Self> {
        let mut valid = Self {
            at: Vec::with_capacity(rows.len()),
            labels: Vec::with_capacity(rows.len()),
            shares: (!weights.is_empty()).then(Vec::new),
        };
        for (at, &row) in (0..).zip(rows) {
            let label = labels.get(row as usize).filter(|label| !label.is_nan());
            let Some(&label) = label else { continue };
            valid.at.push(at);
            valid.labels.push(f64::from(label));
            if let Some(shares) = &mut valid.shares {
                shares.push(
                    weights
                        .get(row as usize)
                        .map_or(0.0, |weight| f64::from(*weight)),
                );
            }
        }
        if let Some(shares) = &mut valid.shares {
            let sum: f64 = shares.iter().sum();
            if sum <= 0.0 {
                return None;
            }
            shares.iter_mut().for_each(|share| *share /= sum);
        }
        (!valid.labels.is_empty()).then_some(valid)
    }

    fn mean_entropy(&self) -> f64 {
        let entropies = self.labels.iter().map(|&p| entropy(p));
        match &self.shares {
            Some(shares) => entropies.zip(shares).map(|(h, share)| h * share).sum(),
            None => entropies.sum::<f64>() / self.labels.len() as f64,
        }
    }
}

/// Entropy of a Bernoulli variable in nats: 0 at 0 and 1.
fn entropy(p: f64) -> f64 {
    let term = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    term(p) + term(1.0 - p)
}
