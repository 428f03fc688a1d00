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
    /// Mean KL(label ‖ P) over them, `[1]`, outside the graph.
    pub mean: Tensor<1>,
}

impl TaskLoss {
    /// The mean as a number. Waits for the device.
    pub fn value(&self) -> f64 {
        self.mean.clone().into_scalar::<f64>()
    }
}

/// The loss of a batch: Σ over tasks of weight · mean over its valid rows, in the whole batch, of
/// KL(p ‖ P) = -p ln P - (1 - p) ln(1 - P) - H(p), for a label p in [0, 1].
pub fn loss(schema: &Schema, scores: &Scores, batch: &Batch) -> Loss {
    let mut loss = Loss {
        total: None,
        tasks: Vec::with_capacity(schema.tasks.len()),
    };
    let labels = schema.tasks.iter().zip(&batch.labels);
    for ((task, labels), scores) in labels.zip(&scores.tasks) {
        let Some(scores) = scores else {
            loss.tasks.push(None);
            continue;
        };
        let (at, labels): (Vec<u32>, Vec<f64>) = (0_u32..)
            .zip(&scores.rows)
            .filter_map(|(at, &row)| Some((at, f64::from(*labels.get(row as usize)?))))
            .filter(|(_, label)| !label.is_nan())
            .unzip();
        if labels.is_empty() {
            loss.tasks.push(None);
            continue;
        }
        let rows = labels.len();
        let entropy = labels.iter().map(|&p| entropy(p)).sum::<f64>() / rows as f64;
        let lp = pick(scores.lp.clone(), &at);
        let lq = pick(scores.lq.clone(), &at);
        let p: Tensor<1> =
            Tensor::from_data(TensorData::new(labels, [rows]), (&lp.device(), lp.dtype()));
        let cross = (p.clone() * lp + (-p + 1.0) * lq).mean();
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

/// Entropy of a Bernoulli variable in nats: 0 at 0 and 1.
fn entropy(p: f64) -> f64 {
    let term = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    term(p) + term(1.0 - p)
}
